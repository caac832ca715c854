//! Active Directory Certificate Services through `certreq.exe`.
//!
//! What `certreq` prints is translated on many systems, and its exit status says little: "taken under submission" is a success. So what
//! counts is, in this order: the certificate in the output file; the English words, where they stand; the error numbers (`HRESULT`),
//! which are the same in every language; and the request id.

use super::bundle::{any_form, arrange};
use super::{Asked, CertificateAuthority};
use crate::digest::sha256_hex;
use crate::program::{Program, readable};
use amt_core::{ErrorCode, Failure};
use amt_provision::{CaAnswer, CertificateRequest};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// Longest name of an authority or a template.
const MAX_NAME: usize = 256;
/// Most that is read of what `certreq` prints, and of a file that it writes.
const MAX_OUTPUT: u64 = 256 * 1024;
/// What an exchange leaves in the folder, by the end of its name.
const FILES: [&str; 6] = ["req", "cer", "p7b", "rsp", "txt", "log"];

/// `CERTSRV_E_SERVER_SUSPENDED`: not an answer about the request.
const SERVER_SUSPENDED: u32 = 0x8009_4006;
/// `CERTSRV_E_BAD_REQUESTSUBJECT`, `CERTSRV_E_TEMPLATE_DENIED`, `CERTSRV_E_ADMIN_DENIED_REQUEST`.
const REFUSALS: [u32; 3] = [0x8009_4001, 0x8009_4012, 0x8009_4014];

/// Asks an AD CS authority by `certreq -submit` and, once it has put the request off, `certreq -retrieve`.
///
/// Whoever runs the server must be allowed to enrol for the template: `certreq` logs in to the authority as that account. No secret is
/// among its arguments.
#[derive(Clone, Debug)]
pub struct CertreqCa {
    program: Program,
    config: String,
    template: String,
    folder: PathBuf,
}

impl CertreqCa {
    /// The authority `config` (`CAHOST\CA NAME`, as `certutil -dump` shows it), which issues by `template` (its name, not its display
    /// name). Requests and answers pass through files in `folder`, which is made when it is needed. What was printed stands there until
    /// it is understood: a request whose id was printed is not submitted again, even if this process was killed in between.
    ///
    /// # Errors
    /// What is wrong with the names.
    pub fn new(config: &str, template: &str, folder: impl Into<PathBuf>) -> Result<Self, String> {
        let is_sane = |text: &str| text.len() <= MAX_NAME && !text.contains(|c: char| c.is_control() || c == '"');
        let is_authority = |(host, name): (&str, &str)| {
            !host.is_empty() && !name.is_empty() && !host.starts_with(['-', '/']) && !name.contains('\\')
        };
        if !is_sane(config) || !config.split_once('\\').is_some_and(is_authority) {
            return Err(format!("{config:?} is not an authority: write CAHOST\\CA NAME, as `certutil -dump` shows it"));
        }
        // A backslash could begin another attribute.
        if template.is_empty() || !is_sane(template) || template.contains(['\\', ':']) {
            return Err(format!("{template:?} is not the name of a template"));
        }
        let program = Program::new(if cfg!(windows) { "certreq.exe" } else { "certreq" });
        Ok(Self { program, config: config.to_owned(), template: template.to_owned(), folder: folder.into() })
    }

    /// The same with another program than the `certreq` on the PATH.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program.path = program.into();
        self
    }

    /// The same with another limit of time than a minute.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.program.timeout = timeout;
        self
    }

    /// The program that is run.
    pub fn path(&self) -> &Path {
        &self.program.path
    }

    /// The authority, `CAHOST\CA NAME`.
    pub fn authority(&self) -> &str {
        &self.config
    }

    /// Asks whether the authority answers: `certutil -ping`, which stands beside `certreq`. `None` if it does not.
    ///
    /// # Errors
    /// Why not, in `certutil`'s words.
    pub async fn ping(&self) -> Option<Result<(), String>> {
        let name = if cfg!(windows) { "certutil.exe" } else { "certutil" };
        let path = crate::program::find(&self.program.path.with_file_name(name)).ok()?;
        let mut certutil = Program { path, ..self.program.clone() };
        certutil.arguments = ["-config", &self.config, "-ping"].map(str::to_owned).to_vec();
        let asked = async {
            let mut printed = tempfile::tempfile().map_err(|error| error.to_string())?;
            let status = certutil.run_into(&printed).await?;
            let text = rewound(&mut printed).map_err(|error| error.to_string())?;
            if status.success() {
                Ok(())
            } else {
                Err(format!("-ping ended with {status}: {}", readable(text.as_bytes())))
            }
        };
        Some(asked.await.map_err(|why: String| format!("certutil {why}")))
    }

    async fn ask(&self, request: &CertificateRequest) -> Result<CaAnswer, Failure> {
        let stem = sha256_hex(&request.csr);
        let file = |end: &str| self.folder.join(format!("{stem}.{end}"));
        let failed = |path: &Path, error: io::Error| self.unavailable(format!("{}: {error}", path.display()));
        private_folder(&self.folder).map_err(|error| failed(&self.folder, error))?;
        let (input, certificate, chain) = (file("req"), file("cer"), file("p7b"));
        let id = match &request.request_id {
            Some(id) if !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) => Some(id.clone()),
            Some(id) => {
                let text = format!("request {id:?} was not submitted by certreq: the authority was changed meanwhile");
                return Ok(CaAnswer::Denied { reason: text });
            }
            None => self.submitted_earlier(&file("txt"))?,
        };
        for end in ["cer", "p7b", "rsp"] {
            remove(&file(end)).map_err(|error| failed(&file(end), error))?;
        }
        let mut arguments = vec![if id.is_some() { "-retrieve" } else { "-submit" }.to_owned()];
        arguments.extend(["-f", "-q", "-config", &self.config].map(str::to_owned));
        // What was printed at the submission stays: the id in it may be the only trace of the request.
        let output = match &id {
            Some(id) => {
                arguments.push(id.clone());
                file("log")
            }
            None => {
                fs::write(&input, super::pem("CERTIFICATE REQUEST", &request.csr)).map_err(|e| failed(&input, e))?;
                let template = format!("CertificateTemplate:{}", self.template);
                arguments.extend(["-attrib".to_owned(), template, input.display().to_string()]);
                file("txt")
            }
        };
        arguments.extend([&certificate, &chain].map(|path| path.display().to_string()));
        let certreq = Program { arguments, ..self.program.clone() };
        let mut printed = File::options().read(true).write(true).create(true).truncate(true).open(&output);
        let printed = printed.as_mut().map_err(|error| failed(&output, io::Error::from(error.kind())))?;
        let ended = certreq.run_into(printed).await;
        let text = rewound(printed).map_err(|error| failed(&output, error))?;
        if id.is_none() && request_id(&text).is_none() {
            // It is over, and nothing was submitted that could be asked about.
            let _ = remove(&output);
        }
        let status = ended.map_err(|why| self.unavailable(format!("{} {why}", self.name())))?;
        let said = Said { status, text: &text, id, certificate: read_bytes(&certificate), chain: read_bytes(&chain) };
        let answer = self.interpret(&request.csr, said);
        if matches!(answer, Ok(CaAnswer::Issued { .. } | CaAnswer::Denied { .. })) {
            for end in FILES {
                // What is left is removed the next time, or read by nobody.
                let _ = remove(&file(end));
            }
        }
        answer
    }

    /// The id that a submission printed whose process was killed before it could be noted.
    fn submitted_earlier(&self, printed: &Path) -> Result<Option<String>, Failure> {
        let Ok(mut file) = File::open(printed) else { return Ok(None) };
        if let Some(id) = rewound(&mut file).ok().and_then(|text| request_id(&text)) {
            return Ok(Some(id));
        }
        // Outliving the server, that certreq may still be about to submit.
        let age = file.metadata().and_then(|facts| facts.modified()).ok().and_then(|at| at.elapsed().ok());
        match age {
            Some(age) if age < self.program.timeout => {
                Err(self.unavailable("an earlier certreq for the same request may still be at work".to_owned()))
            }
            _ => Ok(None),
        }
    }

    fn interpret(&self, csr: &[u8], said: Said<'_>) -> Result<CaAnswer, Failure> {
        let words = readable(said.text.as_bytes());
        let id = said.id.or_else(|| request_id(said.text));
        if let Some(certificate) = said.certificate {
            let wrong = |why: String| self.unavailable(format!("{} wrote a certificate, but {why}", self.name()));
            let mut issued = any_form(&certificate).map_err(wrong)?;
            if let Some(chain) = said.chain {
                issued.extend(any_form(&chain).map_err(wrong)?);
            }
            let wrong = |why: String| Failure::new(ErrorCode::CA_CERTIFICATE_WRONG, "certify", why);
            let (certificate, chain) = arrange(csr, &issued, &[]).map_err(wrong)?;
            return Ok(CaAnswer::Issued { certificate, chain });
        }
        let is_said = |part: &str| said.text.to_ascii_lowercase().contains(part);
        let numbers = hresults(said.text, said.status);
        let is_refusal = |number: &u32| {
            REFUSALS.contains(number)
                || matches!(number, 0x8009_4800..=0x8009_48ff)
                || (!said.status.success()
                    && matches!(number, 0x8009_4000..=0x8009_4fff)
                    && *number != SERVER_SUSPENDED)
        };
        let is_pending = is_said("taken under submission") || is_said("request is pending");
        let is_denied = is_said("(denied)") || is_said("denied by") || numbers.iter().any(is_refusal);
        match id {
            Some(request_id) if is_pending || (said.status.success() && !is_denied) => {
                let hint = format!(
                    "have a certificate manager issue request {request_id} at {config}: Pending Requests > All Tasks > Issue in the \
                     Certification Authority console, or `certutil -config \"{config}\" -resubmit {request_id}`; a template without \
                     \"CA certificate manager approval\" issues at once",
                    config = self.config
                );
                let words = Some(disposition(&words)).filter(|words| !words.is_empty());
                Ok(CaAnswer::Pending { request_id, retry_after: None, words, hint: Some(hint) })
            }
            _ if is_denied => Ok(CaAnswer::Denied { reason: words }),
            _ if words.is_empty() => {
                Err(self.unavailable(format!("{} ended with {} and said nothing", self.name(), said.status)))
            }
            _ => Err(self.unavailable(format!("{} ended with {}: {words}", self.name(), said.status))),
        }
    }

    fn name(&self) -> std::path::Display<'_> {
        self.program.path.display()
    }

    fn unavailable(&self, why: String) -> Failure {
        Failure::new(ErrorCode::CA_UNAVAILABLE, "certify", why).hint(format!(
            "check that the authority answers (`certutil -config \"{}\" -ping`) and that the server's account may enrol for the template {}; \
             it is asked again by itself",
            self.config, self.template
        ))
    }
}

impl CertificateAuthority for CertreqCa {
    fn certify<'a>(&'a self, request: &'a CertificateRequest) -> Asked<'a> {
        Box::pin(async move { self.ask(request).await.unwrap_or_else(CaAnswer::Failed) })
    }
}

/// What a run of `certreq` left.
struct Said<'a> {
    status: ExitStatus,
    text: &'a str,
    /// The request that was asked about.
    id: Option<String>,
    certificate: Option<Vec<u8>>,
    chain: Option<Vec<u8>>,
}

/// The number after `RequestId:`. Where that is translated: the number that two lines in a row, one of them with quotation marks, end in.
fn request_id(text: &str) -> Option<String> {
    let number = |line: &str| -> Option<(String, bool)> {
        let (_, value) = line.trim().rsplit_once(':')?;
        let value = value.trim();
        let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        let digits = bare.unwrap_or(value);
        let is_number = (1..=10).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| (digits.to_owned(), bare.is_some()))
    };
    let lines: Vec<&str> = text.lines().collect();
    let named = lines.iter().filter(|line| line.trim_start().starts_with("RequestId:")).find_map(|line| number(line));
    let twice = || {
        lines.windows(2).find_map(|pair| match pair {
            [first, second] => match (number(first)?, number(second)?) {
                ((first, false), (second, true)) if first == second => Some(first),
                _ => None,
            },
            _ => None,
        })
    };
    named.map(|(digits, _)| digits).or_else(twice)
}

/// What is said beside the request id, which the message has already.
fn disposition(words: &str) -> String {
    let mut rest = words;
    while let Some(after) = rest.strip_prefix("RequestId: ") {
        rest = after.split_once(' ').map_or("", |(_, rest)| rest);
    }
    rest.to_owned()
}

/// Error numbers in a text, and the one that the exit status may be.
fn hresults(text: &str, status: ExitStatus) -> Vec<u32> {
    let written =
        text.match_indices("0x8").filter_map(|(at, _)| u32::from_str_radix(text.get(at + 2..at + 10)?, 16).ok());
    written.chain(status.code().map(i32::cast_unsigned)).collect()
}

fn private_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }
    #[cfg(not(unix))]
    fs::create_dir_all(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn read_bytes(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MAX_OUTPUT).read_to_end(&mut bytes).ok()?;
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

/// All of a file as text, as far as it is one.
fn rewound(file: &mut File) -> io::Result<String> {
    use std::io::Seek as _;
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(MAX_OUTPUT).read_to_end(&mut bytes)?;
    Ok(text(&bytes))
}

/// Windows' programs write UTF-16 with a byte order mark, or what the code page is, of which this keeps ASCII.
fn text(bytes: &[u8]) -> String {
    let wide = |units: fn([u8; 2]) -> u16, rest: &[u8]| {
        let units = rest.as_chunks().0.iter().map(|pair| units(*pair));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => wide(u16::from_be_bytes, rest),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => String::from_utf8_lossy(rest).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn what_programs_of_windows_write_is_read_as_text() {
        let said = "RequestId: 17 – Ü";
        let wide = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
            mark.into_iter().chain(said.encode_utf16().flat_map(bytes)).collect::<Vec<u8>>()
        };
        let little = wide([0xff, 0xfe], u16::to_le_bytes);
        assert_eq!(text(&little), said);
        assert_eq!(text(&wide([0xfe, 0xff], u16::to_be_bytes)), said);
        assert_eq!(text(&[b"\xef\xbb\xbf", said.as_bytes()].concat()), said);
        assert_eq!(text(said.as_bytes()), said);
        assert_eq!(text(b"RequestId: 17 \x96"), "RequestId: 17 \u{fffd}");
        // Cut at every byte: what is there is kept.
        for length in 0..little.len() {
            assert!(said.starts_with(text(&little[..length]).trim_matches(['\u{fffd}', '\u{ff}', 'ÿ'])), "{length}");
        }
    }
}
