//! Asking for the machine's name on the console, until it is one.

use crate::cmd::Error;
use crate::output::Output;
use amt_core::Failure;
use std::io::{self, BufRead, Read as _};

/// Longest line that is read.
const MAX_LINE: u64 = 1024;

/// Asks, says what is wrong with the answer, and asks again, until `take` accepts it.
pub(super) fn ask<T>(out: &mut Output, take: impl Fn(&str) -> Result<T, Failure>) -> Result<T, Error> {
    ask_from(&mut io::stdin().lock(), out, take)
}

fn ask_from<T>(
    input: &mut impl BufRead,
    out: &mut Output,
    take: impl Fn(&str) -> Result<T, Failure>,
) -> Result<T, Error> {
    loop {
        out.text("name of this machine: ")?;
        out.flush()?;
        let Some(line) = line(input)? else {
            out.line("")?;
            return Err(Error::usage("no name was given", "type one, or give it with --name"));
        };
        match take(&line) {
            Ok(taken) => return Ok(taken),
            Err(failure) => out.line(&format!("{}: {}", failure.message, failure.hint))?,
        }
    }
}

/// One line without its end; of one that is too long as much as shows that it is. Absent at the end of the input.
fn line(input: &mut impl BufRead) -> Result<Option<String>, Failure> {
    let unreadable =
        |error: io::Error| Failure::new(amt_core::ErrorCode::FILE_READ, "ask", format!("the console: {error}"));
    let mut bytes = Vec::new();
    input.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes).map_err(unreadable)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.last() != Some(&b'\n') && bytes.len() as u64 == MAX_LINE {
        input.skip_until(b'\n').map_err(unreadable)?;
    }
    Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_one_by_one_however_long() {
        let text = format!("pc1\r\n{}\n\nlast", "x".repeat(5000));
        let mut input = text.as_bytes();
        assert_eq!(line(&mut input).unwrap().as_deref(), Some("pc1"));
        assert_eq!(line(&mut input).unwrap().unwrap().len(), 1024);
        assert_eq!(line(&mut input).unwrap().as_deref(), Some(""));
        assert_eq!(line(&mut input).unwrap().as_deref(), Some("last"));
        assert_eq!(line(&mut input).unwrap(), None);
    }
}
