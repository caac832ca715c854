//! What `amt` prints: for people, or one JSON document; results on stdout, errors on stderr, files replaced atomically.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one place that prints")]

use crate::cmd::{Error, Verdict};
use amt_core::{ErrorCode, Failure, Finding, Severity};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::path::Path;

/// stdout and stderr of a command.
pub(crate) struct Output {
    json: bool,
    stdout: BufWriter<Stdout>,
    /// The reader of stdout has gone: nothing more is written, and that is no error (`amt … | head`).
    gone: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, stdout: BufWriter::new(io::stdout()), gone: false }
    }

    /// Whether the user asked for JSON. Needed only by commands that choose what to do by it, such as progress bars.
    #[allow(dead_code, reason = "for commands with progress")]
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether moving pictures (progress bars) are welcome: text for people, on a terminal.
    #[allow(dead_code, reason = "for commands with progress")]
    pub(crate) fn is_live(&self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// The command's result: `document` as JSON with `--json`, otherwise what `people` writes.
    pub(crate) fn show(
        &mut self,
        document: &impl Serialize,
        people: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let json = self.json;
        self.write(|w| {
            if json {
                serde_json::to_writer(&mut *w, document)?;
                writeln!(w)
            } else {
                people(w)
            }
        })
    }

    /// One line for people, at once; nothing with `--json`.
    #[allow(dead_code, reason = "for long-running commands")]
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        if self.json {
            return Ok(());
        }
        self.write(|w| writeln!(w, "{text}"))?;
        self.flush()
    }

    /// One JSON document on a line of its own, at once, for commands that report as they go; nothing without `--json`.
    #[allow(dead_code, reason = "for long-running commands")]
    pub(crate) fn json_line(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        if !self.json {
            return Ok(());
        }
        self.write(|w| {
            serde_json::to_writer(&mut *w, document)?;
            writeln!(w)
        })?;
        self.flush()
    }

    /// Findings of a check, and whether they make it fail.
    #[allow(dead_code, reason = "for the commands that check")]
    pub(crate) fn findings(&mut self, findings: &[Finding]) -> Result<Verdict, Failure> {
        let list: Vec<Value> = findings.iter().map(finding_json).collect();
        self.show(&json!({ "findings": list }), |w| {
            for finding in findings {
                writeln!(w, "{:<7}  {}  {}", finding.severity, finding.code, finding.field)?;
                writeln!(w, "         {}", finding.message)?;
                if !finding.hint.is_empty() {
                    writeln!(w, "         next: {}", finding.hint)?;
                }
            }
            if findings.is_empty() { writeln!(w, "nothing found") } else { Ok(()) }
        })?;
        let bad = findings.iter().any(|finding| finding.severity == Severity::Error);
        Ok(if bad { Verdict::Failed } else { Verdict::Done })
    }

    /// Text exactly as it is, in either form.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.write(|w| w.write_all(text.as_bytes()))
    }

    /// Why the command could not be carried out, on stderr.
    pub(crate) fn error(&mut self, error: &Error) {
        // stderr may be closed as well; there is nobody left to tell.
        let _ = if self.json {
            writeln!(io::stderr(), "{}", json!({ "error": failure_json(error.failure()) }))
        } else {
            error_for_people(&mut io::stderr(), error)
        };
    }

    /// Hands everything written so far to the operating system.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.write(|_| Ok(()))?;
        let flushed = if self.gone { Ok(()) } else { self.stdout.flush() };
        self.judge(flushed)
    }

    /// Writes to `target`: `-` is stdout; a regular or new file is replaced atomically, anything else written through.
    ///
    /// `private` makes a new file readable by its owner only.
    #[allow(dead_code, reason = "for commands with -o")]
    pub(crate) fn file(&mut self, target: &Path, content: &[u8], private: bool) -> Result<(), Failure> {
        if target == Path::new("-") {
            return self.write(|w| w.write_all(content));
        }
        replace(target, content, private)
            .map_err(|error| Failure::new(ErrorCode::FILE_WRITE, "write", format!("{}: {error}", target.display())))
    }

    fn write(&mut self, body: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        if self.gone {
            return Ok(());
        }
        let written = body(&mut self.stdout);
        self.judge(written)
    }

    fn judge(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(())
            }
            Err(error) => {
                self.gone = true;
                Err(Failure::new(ErrorCode::FILE_WRITE, "write", format!("standard output: {error}")))
            }
            Ok(()) => Ok(()),
        }
    }
}

/// The error object of the command line: `code`, `name`, `stage`, `message`, `hint`, and `device` if it said anything.
pub(crate) fn failure_json(failure: &Failure) -> Value {
    amt_fleet::json::failure(failure)
}

/// Findings for people that go with something else: severity, code and message, and under each what to do.
pub(crate) fn write_findings(w: &mut dyn Write, findings: &[Finding]) -> io::Result<()> {
    for finding in findings {
        writeln!(w, "{:<7}  {}  {}", finding.severity, finding.code, finding.message)?;
        writeln!(w, "         next: {}", finding.hint)?;
    }
    Ok(())
}

/// One finding, as `findings` lists them.
pub(crate) fn finding_json(finding: &Finding) -> Value {
    amt_fleet::json::finding(finding)
}

fn error_for_people(w: &mut dyn Write, error: &Error) -> io::Result<()> {
    let failure = error.failure();
    match error {
        Error::Usage(_) => writeln!(w, "amt: {}\n\n{}", failure.message, failure.hint),
        Error::Failed(_) => {
            writeln!(w, "amt: failed at {}: {}", failure.stage, failure.message)?;
            if let Some(device) = &failure.device {
                writeln!(w, "  the device said: {device}")?;
            }
            if !failure.hint.is_empty() {
                writeln!(w, "  next: {}", failure.hint)?;
            }
            writeln!(w, "  error {} {}", failure.code.number(), failure.code.name())
        }
    }
}

pub(crate) fn replace(target: &Path, content: &[u8], private: bool) -> io::Result<()> {
    // A link is followed: the file behind it is replaced, the link stays.
    let target = target.canonicalize().unwrap_or_else(|_| target.to_path_buf());
    let existing = std::fs::metadata(&target).ok();
    if existing.as_ref().is_some_and(|file| !file.is_file()) {
        return std::fs::OpenOptions::new().write(true).open(&target)?.write_all(content);
    }
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    if !private {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666)); // less the umask
    }
    let mut file = builder.prefix(".amt-").tempfile_in(folder)?;
    file.write_all(content)?;
    if let Some(existing) = existing.filter(|_| !private) {
        file.as_file().set_permissions(existing.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(&target)?;
    // The name too: a file without one is lost with the power, and what it holds may be on its way to a machine already.
    #[cfg(unix)]
    std::fs::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use amt_core::DeviceStatus;

    #[test]
    fn an_error_document_carries_what_the_device_said() {
        let failure = Failure::new(ErrorCode::COMMIT_REFUSED, "commit", "refused").device(DeviceStatus::ReturnValue {
            method: "AMT_SetupAndConfigurationService.CommitChanges".into(),
            value: 2057,
            name: "DATA_MISSING".into(),
        });
        let json = failure_json(&failure);
        assert_eq!(json["code"], 5005);
        assert_eq!(json["name"], "COMMIT_REFUSED");
        assert_eq!(json["stage"], "commit");
        assert_eq!(json["device"]["value"], 2057);
        assert!(failure_json(&Failure::new(ErrorCode::IO, "x", "y")).get("device").is_none());
    }

    #[test]
    fn people_read_what_where_the_device_and_the_next_step() {
        let failure = Failure::new(ErrorCode::HTTP_STATUS, "read", "no SOAP").device(DeviceStatus::Http(503));
        let mut text = Vec::new();
        error_for_people(&mut text, &Error::Failed(failure)).unwrap();
        let text = String::from_utf8(text).unwrap();
        for part in ["failed at read: no SOAP", "the device said: HTTP status 503", "next: check", "2002 HTTP_STATUS"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        std::fs::write(&file, "old and longer").unwrap();
        let mode = std::fs::metadata(&file).unwrap().permissions();
        replace(&file, b"new", false).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions(), mode);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left behind");
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_for_its_owner_and_a_link_stays_a_link() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("f"), folder.path().join("l"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, b"secret", true).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"secret");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_written_through() {
        replace(Path::new("/dev/null"), b"x", false).unwrap();
        assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    }
}
