//! Profiles from files, and what they name: secrets and certificates, relative to the folder of the profile.

use crate::certificate::authorities;
use amt_core::{ErrorCode, Failure, Finding, FirmwareVersion, Secret, Severity};
use amt_provision::profile::{CertificateSource, MAX_DOCUMENT, Material, Profile, SecretSource, Syntax, is_variable};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest file of a secret or of certificates.
const MAX_MATERIAL: usize = 1024 * 1024;

/// Reads the profile in `file`: JSON if its name ends in `.json`, else TOML. With an error among the findings there is no profile.
///
/// # Errors
/// `FILE_READ`, `NOT_UTF8`, `DECODE_TOO_LARGE`, and `PARSE_TEXT` for what is neither TOML nor JSON, each with the file.
pub fn read_profile(file: &Path) -> Result<(Option<Profile>, Vec<Finding>), Failure> {
    read_profile_for(file, None)
}

/// The same for a machine with `firmware`; see [`Profile::read_for`].
///
/// # Errors
/// As [`read_profile`].
pub fn read_profile_for(
    file: &Path,
    firmware: Option<FirmwareVersion>,
) -> Result<(Option<Profile>, Vec<Finding>), Failure> {
    let bytes = read(file, MAX_DOCUMENT)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(ErrorCode::NOT_UTF8, "profile", format!("{}: not UTF-8 at byte {at}", file.display()))
    })?;
    Profile::read_for(&text, Syntax::of(file), firmware).map_err(|failure| in_file(file, failure))
}

/// Reads the profile in `file`, as [`read_profile`].
///
/// # Errors
/// As [`read_profile`]; `PLAN_INVALID` with the first error among the findings, if there is one.
pub fn load_profile(file: &Path) -> Result<Profile, Failure> {
    valid(read_profile(file)?).map_err(|failure| in_file(file, failure))
}

/// Reads a profile that is in no file; see [`Syntax::guess`].
///
/// # Errors
/// As [`Profile::read`]; `PLAN_INVALID` with the first error among the findings, if there is one.
pub fn parse_profile(document: &str) -> Result<Profile, Failure> {
    valid(Profile::read(document, Syntax::guess(document))?)
}

fn valid((profile, mut findings): (Option<Profile>, Vec<Finding>)) -> Result<Profile, Failure> {
    findings.extend(profile.iter().flat_map(|profile| profile.check(None)));
    match (profile, refusal(&findings)) {
        (Some(profile), None) => Ok(profile),
        (_, refusal) => {
            Err(refusal.unwrap_or_else(|| Failure::new(ErrorCode::PLAN_INVALID, "profile", "not a profile")))
        }
    }
}

/// The errors among findings about a profile as one failure, which is `PLAN_INVALID` and tells the first; none if there is no error.
pub fn refusal(findings: &[Finding]) -> Option<Failure> {
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    let first = errors.first()?;
    let more = match errors.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let text = format!("{}: {}{more}", first.field, first.message);
    Some(Failure::new(ErrorCode::PLAN_INVALID, "profile", text).hint(first.hint.clone()))
}

/// The folder of a profile: files that it names are looked for there, variables in the environment of this program.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// This folder.
    pub const fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The folder in which the profile `file` is.
    pub fn of(file: &Path) -> Self {
        Self(file.parent().map(Path::to_path_buf).unwrap_or_default())
    }
}

impl Material for Folder {
    fn secret(&mut self, source: &SecretSource) -> Result<Secret<String>, Failure> {
        match (&source.file, &source.env) {
            (Some(file), None) => first_line(&self.0.join(file)),
            (None, Some(name)) => match std::env::var(name) {
                Ok(value) if !value.is_empty() => Ok(Secret::new(value)),
                // Whoever did not check the profile is not shown it either: it may be the secret.
                _ if !is_variable(name) => {
                    let text = "what is named as a variable of the environment is no name of one";
                    Err(Failure::new(ErrorCode::CONFIG, "profile", text)
                        .hint("name a variable (letters, digits and _) that holds the secret, not the secret itself"))
                }
                _ => {
                    let text = format!("the variable {name} of the environment is not set");
                    Err(Failure::new(ErrorCode::CONFIG, "profile", text).hint("set it before you start this program"))
                }
            },
            _ => Err(Failure::new(ErrorCode::CONFIG, "profile", "a secret has exactly one source")),
        }
    }

    fn certificates(&mut self, source: &CertificateSource) -> Result<Vec<Vec<u8>>, Failure> {
        match (&source.file, &source.pem) {
            (Some(file), None) => {
                let file = self.0.join(file);
                authorities(&read(&file, MAX_MATERIAL)?).map_err(|failure| in_file(&file, failure))
            }
            (None, Some(pem)) => authorities(pem.as_bytes()),
            _ => Err(Failure::new(ErrorCode::CONFIG, "profile", "a certificate has exactly one source")),
        }
    }
}

fn first_line(file: &Path) -> Result<Secret<String>, Failure> {
    let bytes = zeroize::Zeroizing::new(read(file, MAX_MATERIAL)?);
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // Shells and editors of Windows put it before what they save; no secret of a machine's begins with it.
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let text = std::str::from_utf8(line)
        .map_err(|_| Failure::new(ErrorCode::NOT_UTF8, "profile", format!("{}: not UTF-8", file.display())))?;
    Ok(Secret::from(text))
}

fn read(file: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(ErrorCode::FILE_READ, "profile", format!("{}: {error}", file.display()));
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(failed)?.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit {
        let text = format!("{}: more than {limit} bytes", file.display());
        return Err(Failure::new(ErrorCode::DECODE_TOO_LARGE, "profile", text));
    }
    Ok(bytes)
}

fn in_file(file: &Path, mut failure: Failure) -> Failure {
    failure.message = format!("{}: {}", file.display(), failure.message);
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line_without_what_windows_puts_before_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s"), "\u{feff}P@ssw0rd\r\nnext").unwrap();
        let mut source = Folder::at(folder.path().to_owned());
        assert_eq!(source.secret(&SecretSource::file("s")).unwrap().expose(), "P@ssw0rd");
    }

    #[test]
    fn a_document_is_toml_or_json_and_the_first_error_stands_for_all() {
        let toml = parse_profile("format = 1\nname = \"x\"\n").unwrap();
        assert_eq!(toml, parse_profile(" \n{\"format\": 1, \"name\": \"x\"}").unwrap());
        let failure = parse_profile("{\"format\": 1, \"name\": \"x\", \"colour\": 3, \"size\": 4}").unwrap_err();
        assert_eq!(failure.code, ErrorCode::PLAN_INVALID);
        assert_eq!(failure.message, "colour: there is no such key (and 1 more)");
        assert!(failure.hint.contains("take it out"));
        assert_eq!(parse_profile("format =").unwrap_err().code, ErrorCode::PARSE_TEXT);
    }
}
