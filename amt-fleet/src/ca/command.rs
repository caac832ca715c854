//! A certificate authority behind a program.
//!
//! The program gets the request on standard input (PKCS#10, PEM) and in its environment
//!
//! | variable | |
//! |---|---|
//! | `AMT_UUID` | the machine |
//! | `AMT_COMMON_NAME` | subject wanted |
//! | `AMT_DNS_NAMES` | alternative names wanted, separated by blanks |
//! | `AMT_PURPOSE` | `server`: for the machine's TLS server; `client`: for its log-in to the network (EAP-TLS); `console`: for this program, as a client of machines with mutual TLS (`AMT_UUID` is all zeros then) |
//! | `AMT_REQUEST_ID` | only if an earlier answer was "pending": ask about that request, submit no new one |
//!
//! and answers on standard output, with exit status 0, one of
//!
//! - the certificate in PEM, its issuers up to the root after it;
//! - `{"pending":"<id>"}`, with `"retry_after":<seconds>` if it knows when to ask again, the authority's `"words"` and a `"hint"` for
//!   whoever administers it, which are shown;
//! - `{"denied":"<why>"}`.
//!
//! Any other exit status means that the authority could not be asked; standard error is the reason that is shown.

use super::{Asked, CertificateAuthority, certificates, pem};
use crate::program::{Program, readable};
use amt_core::{ErrorCode, Failure};
use amt_provision::{CaAnswer, CertificateRequest};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest request id that is kept.
pub const MAX_REQUEST_ID: usize = 1024;

/// Asks a program.
#[derive(Clone, Debug)]
pub struct CommandCa {
    program: Program,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    pending: Option<String>,
    retry_after: Option<u64>,
    denied: Option<String>,
    words: Option<String>,
    hint: Option<String>,
}

impl CommandCa {
    /// The program at `program`, killed if it takes longer than a minute.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: Program::new(program) }
    }

    /// The same with arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: Vec<String>) -> Self {
        self.program.arguments = arguments;
        self
    }

    /// The same with another limit of time.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.program.timeout = timeout;
        self
    }

    /// The program that is asked.
    pub fn program(&self) -> &Path {
        &self.program.path
    }

    async fn ask(&self, request: &CertificateRequest) -> Result<CaAnswer, String> {
        let names = request.dns_names.join(" ");
        let id = request.id.to_string();
        let environment = [
            ("AMT_UUID", Some(id.as_str())),
            ("AMT_COMMON_NAME", Some(&request.common_name)),
            ("AMT_DNS_NAMES", Some(&names)),
            ("AMT_PURPOSE", Some(request.purpose.name())),
            ("AMT_REQUEST_ID", request.request_id.as_deref()),
        ];
        let answer = self.program.run(&environment, pem("CERTIFICATE REQUEST", &request.csr).as_bytes()).await?;
        interpret(&answer, request)
    }
}

impl CertificateAuthority for CommandCa {
    fn certify<'a>(&'a self, request: &'a CertificateRequest) -> Asked<'a> {
        Box::pin(async move {
            self.ask(request).await.unwrap_or_else(|why| CaAnswer::Failed(unavailable(&self.program.path, &why)))
        })
    }
}

fn interpret(answer: &[u8], request: &CertificateRequest) -> Result<CaAnswer, String> {
    let text = answer.trim_ascii();
    if text.first() != Some(&b'{') {
        let mut all = certificates(text).map_err(|why| format!("answered neither JSON nor a certificate: {why}"))?;
        let certificate = all.remove(0);
        return Ok(CaAnswer::Issued { certificate, chain: all });
    }
    let answer: Answer =
        serde_json::from_slice(text).map_err(|e| format!("answered JSON that is not understood: {e}"))?;
    match answer {
        Answer { pending: Some(request_id), denied: None, retry_after, words, hint } => {
            if request_id.is_empty() || request_id.len() > MAX_REQUEST_ID || request_id.contains('\0') {
                return Err(format!("answered \"pending\" with an id that is not 1 to {MAX_REQUEST_ID} characters"));
            }
            Ok(CaAnswer::Pending {
                request_id,
                retry_after: retry_after.map(Duration::from_secs),
                words: shown(words),
                hint: shown(hint),
            })
        }
        Answer { pending: None, denied: Some(reason), retry_after: None, words: None, hint: None } => {
            let reason = readable(reason.as_bytes());
            Ok(CaAnswer::Denied { reason: if reason.is_empty() { "no reason given".to_owned() } else { reason } })
        }
        _ => Err(format!("must answer either \"pending\" or \"denied\" about {}", request.common_name)),
    }
}

/// A text of the program's, if there is anything in it.
fn shown(text: Option<String>) -> Option<String> {
    text.map(|text| readable(text.as_bytes())).filter(|text| !text.is_empty())
}

fn unavailable(program: &Path, why: &str) -> Failure {
    Failure::new(ErrorCode::CA_UNAVAILABLE, "certify", format!("{} {why}", program.display()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use amt_core::SystemId;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Instant;

    fn script(folder: &Path, body: &str) -> CommandCa {
        let path = folder.join("ca.sh");
        // Written by another process: a file that this one ever held open for writing may be "busy" in a test's fork.
        let done = std::process::Command::new("sh")
            .args(["-c", "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\""])
            .arg(&path)
            .arg(body)
            .status();
        assert!(done.unwrap().success());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        CommandCa::new(path)
    }

    fn request() -> CertificateRequest {
        let names = vec!["pc.example.com".to_owned(), "pc".to_owned()];
        CertificateRequest::new(SystemId::from_wire([1; 16]), vec![0x30, 0x00], names[0].clone(), names)
    }

    fn failure(answer: CaAnswer) -> String {
        match answer {
            CaAnswer::Failed(failure) => {
                assert_eq!(failure.code, ErrorCode::CA_UNAVAILABLE);
                failure.into_details().message
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_program_sees_the_request_and_a_certificate_with_its_chain_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let files = super::super::LocalCaFiles::new(folder.path().join("a.pem"), folder.path().join("a.key"));
        let authority = super::super::LocalCa::open(&files).unwrap();
        let seen = folder.path().join("seen");
        let ca = script(
            folder.path(),
            &format!(
                "{{ cat; env | grep -E '^AMT_(COMMON|DNS|UUID|REQ)' | sort; echo \"$1\"; }} > {}\necho issued:; cat {} {}",
                seen.display(),
                files.certificate.display(),
                files.certificate.display()
            ),
        )
        .arguments(vec!["--profile=amt".into()]);
        match ca.certify(&request()).await {
            CaAnswer::Issued { certificate, chain } => {
                assert_eq!((&certificate, chain.as_slice()), (&authority.chain()[0], authority.chain()));
            }
            other => panic!("{other:?}"),
        }
        let expected = "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n\
            AMT_COMMON_NAME=pc.example.com\nAMT_DNS_NAMES=pc.example.com pc\n\
            AMT_UUID=01010101-0101-0101-0101-010101010101\n--profile=amt\n";
        assert_eq!(std::fs::read_to_string(seen).unwrap(), expected);
    }

    #[tokio::test]
    async fn pending_and_denied_are_understood() {
        let folder = tempfile::tempdir().unwrap();
        let ca = script(
            folder.path(),
            "echo \"{\\\"pending\\\":\\\"no-${AMT_REQUEST_ID:-17}\\\",\\\"retry_after\\\":30,\\\"words\\\":\\\"a manager decides\\\",\\\"hint\\\":\\\" \\\"}\"",
        );
        let expected = |id: &str| CaAnswer::Pending {
            request_id: id.to_owned(),
            retry_after: Some(Duration::from_secs(30)),
            words: Some("a manager decides".to_owned()),
            hint: None,
        };
        assert_eq!(ca.certify(&request()).await, expected("no-17"));
        let mut again = request();
        again.request_id = Some("no-17".into());
        assert_eq!(ca.certify(&again).await, expected("no-no-17"), "the id came along");
        let ca = script(folder.path(), "echo '{\"denied\":\"not on the list\"}'");
        assert_eq!(ca.certify(&request()).await, CaAnswer::Denied { reason: "not on the list".into() });
    }

    #[tokio::test]
    async fn what_goes_wrong_is_said_with_the_programs_own_words() {
        let folder = tempfile::tempdir().unwrap();
        for (body, expected) in [
            ("echo 'certutil: no route' >&2; exit 3", "exit status: 3: certutil: no route"),
            ("exit 4", "said nothing"),
            ("kill -9 $$", "signal: 9"),
            ("echo hello", "neither JSON nor a certificate"),
            ("true", "no certificate in it"),
            ("echo '{\"pending\":\"a\",\"denied\":\"b\"}'", "either \"pending\" or \"denied\""),
            ("echo '{\"pending\":\"\"}'", "an id that is not"),
            ("echo '{\"status\":\"ok\"}'", "unknown field `status`"),
            ("head -c 300000 /dev/zero", "more than 262144 bytes"),
            (
                "printf '%s\\n' '-----BEGIN CERTIFICATE-----' MAA= '-----END CERTIFICATE-----'",
                "certificate 1 cannot be read",
            ),
        ] {
            let message = failure(script(folder.path(), body).certify(&request()).await);
            assert!(message.contains(expected), "{body}: {message}");
        }
        let message = failure(CommandCa::new("/nonexistent/ca").certify(&request()).await);
        assert!(message.contains("/nonexistent/ca cannot be started"), "{message}");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let ca = script(folder.path(), "echo $$ > \"$0.pid\"; exec sleep 60").timeout(Duration::from_millis(300));
        let started = Instant::now();
        assert!(failure(ca.certify(&request()).await).contains("did not answer within 0.3 s"));
        assert!(started.elapsed() < Duration::from_secs(10));
        let pid = std::fs::read_to_string(folder.path().join("ca.sh.pid")).unwrap();
        let status = format!("/proc/{}/status", pid.trim());
        let gone = || std::fs::read_to_string(&status).map_or(true, |s| s.contains("State:\tZ"));
        for _ in 0..100 {
            if gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("process {pid} still runs");
    }
}
