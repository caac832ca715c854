//! A question on the terminal before something that cannot be taken back.

use super::Error;
use crate::output::Output;
use amt_core::{ErrorCode, Failure};
use std::io::{self, BufRead as _, IsTerminal as _};

/// Whether something shall be done.
pub(super) struct Question {
    /// As it stands in "nobody can be asked whether".
    pub(super) whether: &'static str,
    pub(super) text: &'static str,
}

impl Question {
    /// Refuses to go on where nobody would see the question.
    pub(super) fn can_be_asked(&self, out: &Output) -> Result<(), Error> {
        if out.is_json() || !io::stdin().is_terminal() {
            let hint = "look with --dry-run, then give --yes";
            return Err(Error::usage(format!("nobody can be asked whether {}", self.whether), hint));
        }
        Ok(())
    }

    /// Asks on the terminal.
    pub(super) fn confirmed(&self, out: &mut Output) -> Result<bool, Error> {
        out.line(&format!("{} Write yes:", self.text))?;
        let mut answer = String::new();
        let failed = |error: io::Error| Failure::new(ErrorCode::FILE_READ, "read", format!("standard input: {error}"));
        io::stdin().lock().read_line(&mut answer).map_err(failed)?;
        Ok(answer.trim() == "yes")
    }
}
