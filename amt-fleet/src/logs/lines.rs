//! Lines out of bytes of any encoding, with flat memory.

use encoding_rs::WINDOWS_1252;
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use std::io::{self, BufRead, BufReader, Read};

/// Longest line that is looked at, in bytes of UTF-8; what is beyond is skipped.
pub const MAX_LINE: usize = 64 * 1024;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// Counted from 1.
    pub number: u64,
    /// Without its end; control characters other than tab are spaces.
    pub text: String,
    /// Whether it was longer than [`MAX_LINE`].
    pub cut: bool,
}

/// The lines of a log: UTF-8, UTF-16 with a byte order mark, and, line by line where it is not UTF-8, Windows-1252, of which
/// Latin-1 is a part.
#[derive(Debug)]
pub struct Lines<R: Read> {
    source: BufReader<DecodeReaderBytes<R, Vec<u8>>>,
    number: u64,
    cut: u64,
    buffer: Vec<u8>,
}

impl<R: Read> Lines<R> {
    /// The lines of `source`.
    pub fn new(source: R) -> Self {
        let decoder = DecodeReaderBytesBuilder::new().utf8_passthru(true).strip_bom(true).build(source);
        Self { source: BufReader::new(decoder), number: 0, cut: 0, buffer: Vec::new() }
    }

    /// Lines read so far.
    pub const fn count(&self) -> u64 {
        self.number
    }

    /// Lines that were too long.
    pub const fn cut(&self) -> u64 {
        self.cut
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// Those of the source.
    #[allow(clippy::should_implement_trait, reason = "it can fail: `while let Some(line) = lines.next()?`")]
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        self.buffer.clear();
        let (mut any, mut cut) = (false, false);
        loop {
            let available = match self.source.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                break;
            }
            any = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            let room = MAX_LINE.saturating_sub(self.buffer.len());
            cut |= part.len() > room;
            self.buffer.extend_from_slice(part.get(..room).unwrap_or(part));
            let taken = part.len() + usize::from(end.is_some());
            self.source.consume(taken);
            if end.is_some() {
                break;
            }
        }
        Ok(any.then(|| self.line(cut)))
    }

    fn line(&mut self, cut: bool) -> Line {
        self.number = self.number.saturating_add(1);
        self.cut = self.cut.saturating_add(u64::from(cut));
        let text = match std::str::from_utf8(&self.buffer) {
            Ok(text) => text.into(),
            // A cut may have gone through a character.
            Err(error) if cut && error.error_len().is_none() => String::from_utf8_lossy(&self.buffer),
            Err(_) => WINDOWS_1252.decode_without_bom_handling(&self.buffer).0,
        };
        let text = text.trim_end_matches('\r').replace(|c: char| c.is_control() && c != '\t', " ");
        Line { number: self.number, text, cut }
    }
}
