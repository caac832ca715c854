//! Programs of the administrator's that are asked or told something: bounded in time and in what is read from them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

/// Longest answer that is read from a program.
pub const MAX_ANSWER: u64 = 256 * 1024;
const MAX_REASON: usize = 600;

/// A program, its arguments, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) timeout: Duration,
}

impl Program {
    /// Without arguments, killed if it takes longer than a minute.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), arguments: Vec::new(), timeout: Duration::from_secs(60) }
    }

    /// Runs it with `input` on standard input and returns what it answered. Variables without a value are unset.
    ///
    /// # Errors
    /// Why there is no answer, as the end of a sentence that begins with the program: it cannot be started, it ended with
    /// another status than 0 (with the end of its standard error), it took too long or said too much.
    pub(crate) async fn run(&self, environment: &[(&str, Option<&str>)], input: &[u8]) -> Result<Vec<u8>, String> {
        // Dropped with its future, the child is killed.
        match tokio::time::timeout(self.timeout, self.talk(environment, input)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("did not answer within {} s", self.timeout.as_secs_f32())),
        }
    }

    /// Runs it without input; what it prints on either stream goes into `output` as it comes, also from a program that outlives this
    /// process.
    ///
    /// # Errors
    /// As [`run`](Self::run), except that any exit status is an answer.
    pub(crate) async fn run_into(&self, output: &File) -> Result<ExitStatus, String> {
        let stream = || output.try_clone().map_err(|error| format!("cannot be started: {error}"));
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(stream()?).stderr(stream()?).kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| format!("cannot be started: {e}"))?;
        match tokio::time::timeout(self.timeout, child.wait()).await {
            Ok(status) => status.map_err(|e| format!("was lost: {e}")),
            Err(_) => {
                let _ = child.kill().await;
                Err(format!("did not answer within {} s", self.timeout.as_secs_f32()))
            }
        }
    }

    async fn talk(&self, environment: &[(&str, Option<&str>)], input: &[u8]) -> Result<Vec<u8>, String> {
        let mut command = Command::new(&self.path);
        command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut child = command.spawn().map_err(|e| format!("cannot be started: {e}"))?;
        let (Some(mut stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("has no pipes".to_owned());
        };
        let give = async {
            // A program that knows the answer need not read the question.
            let _ = stdin.write_all(input).await;
            drop(stdin);
        };
        let ((), (answer, too_long), errors) = tokio::join!(give, collect(stdout), collect(stderr));
        let status = child.wait().await.map_err(|e| format!("was lost: {e}"))?;
        if !status.success() {
            return Err(match readable(&errors.0) {
                reason if reason.is_empty() => format!("ended with {status} and said nothing"),
                reason => format!("ended with {status}: {reason}"),
            });
        }
        if too_long { Err(format!("answered more than {MAX_ANSWER} bytes")) } else { Ok(answer) }
    }
}

/// What a pipe gives, up to the limit; the rest is read and forgotten so that the program is not stuck.
async fn collect(mut pipe: impl AsyncRead + Unpin) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let _ = (&mut pipe).take(MAX_ANSWER).read_to_end(&mut bytes).await;
    let rest = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    (bytes, !matches!(rest, Ok(0)))
}

/// The end of what a program wrote, on one line, without control characters.
pub(crate) fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let line = words.join(" ");
    let skip = line.chars().count().saturating_sub(MAX_REASON);
    if skip == 0 { line } else { format!("… {}", line.chars().skip(skip).collect::<String>()) }
}

/// Why a program cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    Missing,
    /// A file of that name is there.
    NotExecutable,
}

/// The program itself: a path, or a bare name looked for on the PATH.
pub(crate) fn find(program: &Path) -> Result<PathBuf, Absent> {
    let places: Vec<PathBuf> = if program.components().count() > 1 {
        vec![program.to_owned()]
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(program)).collect()
    };
    let is_there = places.iter().any(|place| place.is_file());
    let found = places.into_iter().find(|place| is_executable(place));
    found.ok_or(if is_there { Absent::NotExecutable } else { Absent::Missing })
}

fn is_executable(path: &Path) -> bool {
    #[cfg(unix)]
    return path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    #[cfg(not(unix))]
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_program_that_may_not_be_executed_is_told_from_one_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tell");
        assert_eq!(find(&file), Err(Absent::Missing));
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        assert_eq!(find(&file), Err(Absent::NotExecutable));
        assert_eq!(find(folder.path()), Err(Absent::Missing), "a folder is none");
        assert!(find(Path::new("sh")).is_ok_and(|found| found.is_absolute()));
        assert_eq!(find(Path::new("no-such-program-anywhere")), Err(Absent::Missing));
    }

    #[test]
    fn long_reasons_keep_their_end() {
        let text = readable(format!("{}\x1b[31mthe cause\n", "x".repeat(5000)).as_bytes());
        assert!(text.ends_with("the cause") && text.chars().count() <= MAX_REASON + 2, "{text}");
    }
}
