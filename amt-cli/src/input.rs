//! What `amt` reads: files and standard input, always up to a limit, and passwords.

use crate::cmd::Error;
use amt_core::{ErrorCode, Failure, Secret};
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

/// Longest password file; a password of AMT's has 32 characters.
const MAX_PASSWORD_FILE: usize = 4096;

/// Reads `file`, or standard input for `-`. More than `limit` bytes are refused.
pub(crate) fn read(file: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let name = if is_stdin(file) { "standard input".into() } else { file.display().to_string() };
    let unreadable = |error: io::Error| Failure::new(ErrorCode::FILE_READ, "read", format!("{name}: {error}"));
    let source: Box<dyn Read> =
        if is_stdin(file) { Box::new(io::stdin()) } else { Box::new(std::fs::File::open(file).map_err(unreadable)?) };
    let mut bytes = Vec::new();
    source.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > limit {
        return Err(Failure::new(ErrorCode::DECODE_TOO_LARGE, "read", format!("{name}: more than {limit} bytes")));
    }
    Ok(bytes)
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// The password from `file` (its first line), or from the environment variable `variable`. An empty one is refused.
pub(crate) fn password(file: Option<&PathBuf>, variable: &str) -> Result<Secret<String>, Error> {
    let password = passphrase(file, variable)?;
    if password.expose().is_empty() {
        // Sent all the same it would count as a wrong password, and the firmware locks whoever gives several.
        let name = file.map(|file| file.display().to_string()).unwrap_or_default();
        let text = format!("{name}: its first line, which is the password, is empty");
        return Err(Failure::new(ErrorCode::CONFIG, "read", text)
            .hint("write the password into the first line")
            .into());
    }
    Ok(password)
}

/// The same for what may be empty: the password of a file with a certificate.
pub(crate) fn passphrase(file: Option<&PathBuf>, variable: &str) -> Result<Secret<String>, Error> {
    let Some(file) = file else {
        return match std::env::var(variable) {
            Ok(password) if !password.is_empty() => Ok(Secret::new(password)),
            _ => Err(Error::usage(
                "there is no password",
                format!("give --password-file FILE (- is standard input) or set {variable}"),
            )),
        };
    };
    if is_stdin(file) && io::stdin().is_terminal() {
        return Err(Error::usage("a password would be shown as you type it", "pipe it in, or give a file"));
    }
    let bytes = read(file, MAX_PASSWORD_FILE)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // Shells and editors of Windows put it before what they save; no password begins with it.
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let not_utf8 = |_| Failure::new(ErrorCode::NOT_UTF8, "read", format!("{}: not UTF-8", file.display()));
    Ok(Secret::new(std::str::from_utf8(line).map_err(not_utf8)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, [7; 10]).unwrap();
        assert_eq!(read(&file, 10).unwrap(), [7; 10]);
        assert_eq!(read(&file, 9).unwrap_err().code, ErrorCode::DECODE_TOO_LARGE);
        assert_eq!(read(&folder.path().join("none"), 9).unwrap_err().code, ErrorCode::FILE_READ);
    }

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p");
        for (content, password_in_it) in
            [("P@ss w0rd\r\nnext", "P@ss w0rd"), ("x", "x"), ("\u{feff}P@ssw0rd\r\n", "P@ssw0rd")]
        {
            std::fs::write(&file, content).unwrap();
            assert_eq!(password(Some(&file), "UNSET_VARIABLE").unwrap().expose(), password_in_it);
        }
        for empty in ["", "\n", "\r\nP@ssw0rd", "\u{feff}"] {
            std::fs::write(&file, empty).unwrap();
            let error = password(Some(&file), "UNSET_VARIABLE").unwrap_err();
            assert_eq!((error.failure().code, error.exit_status()), (ErrorCode::CONFIG, 1), "{empty:?}");
            assert!(passphrase(Some(&file), "UNSET_VARIABLE").unwrap().expose().is_empty(), "{empty:?}");
        }
        assert_eq!(password(None, "UNSET_VARIABLE").unwrap_err().exit_status(), 2);
    }
}
