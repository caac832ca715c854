//! A hello out of a byte stream, complete by its content and not by the end of the connection.

use super::root::check_len;
use super::{COMMON, HEAD, HashAlgorithm, Hello, Kind, MAX_HELLO, PSK_LEN, ROOT_HEAD, head, refuse_other_protocols};
use crate::codec::{DecodeError, Reader};

/// Collects the bytes of one connection until they are a hello (`spec/hello-tls.md` §1.3 rules 1 to 5).
///
/// Segments may be split anywhere. What cannot become a hello is refused as soon as the offending byte is there, and never
/// more than [`MAX_HELLO`] bytes are kept. After an error every further call repeats it.
#[derive(Clone, Debug, Default)]
pub struct HelloDecoder {
    bytes: Vec<u8>,
    /// Bytes after which more can be said; the whole length once `part` is `Done`.
    need: usize,
    part: Part,
    failed: Option<DecodeError>,
}

/// What the byte at `need` ends.
#[derive(Clone, Copy, Debug, Default)]
enum Part {
    #[default]
    Start,
    Head,
    Count,
    /// Algorithm and length of one entry; so many entries come after it.
    RootHead(u8),
    Done,
}

impl HelloDecoder {
    /// Waits for the first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what arrived; gives the hello once it is whole. Bytes beyond it count as trailing.
    ///
    /// # Errors
    /// As [`Hello::decode`], except that a hello which is merely not whole yet is `None`.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Hello>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let have = self.bytes.len().saturating_add(bytes.len());
        let result = if have > MAX_HELLO {
            Err(DecodeError::TooLarge { field: "hello", max: MAX_HELLO, have })
        } else {
            self.bytes.extend_from_slice(bytes);
            self.advance()
        };
        result.inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// The peer has closed: the hello if it was whole, or what was missing.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] names the field in which the bytes ended.
    pub fn finish(&self) -> Result<Hello, DecodeError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => Hello::decode(&self.bytes),
        }
    }

    /// What has arrived so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Walks the structure as far as it is there; each byte is looked at once.
    fn advance(&mut self) -> Result<Option<Hello>, DecodeError> {
        while self.bytes.len() >= self.need {
            (self.part, self.need) = match self.part {
                Part::Start => (Part::Head, HEAD),
                Part::Head => {
                    refuse_other_protocols(&self.bytes)?;
                    match head(&mut Reader::new(&self.bytes))?.1 {
                        Kind::Psk => (Part::Done, PSK_LEN),
                        Kind::Pki => (Part::Count, COMMON + 1),
                    }
                }
                Part::Count => self.next_root(self.last(0), self.need),
                Part::RootHead(left) => {
                    let len = self.last(0);
                    check_len(HashAlgorithm(self.last(1)), len, self.need - 1)?;
                    self.next_root(left, self.need + usize::from(len))
                }
                Part::Done => return Hello::decode(&self.bytes).map(Some),
            };
            if self.need > MAX_HELLO {
                return Err(DecodeError::TooLarge { field: "hello", max: MAX_HELLO, have: self.need });
            }
        }
        Ok(None)
    }

    /// Where the head of the next entry ends, after an entry (or the count) that ends at `end`.
    fn next_root(&self, left: u8, end: usize) -> (Part, usize) {
        match left.checked_sub(1) {
            Some(left) => (Part::RootHead(left), end + ROOT_HEAD),
            None => (Part::Done, end),
        }
    }

    /// The byte `back` before the last needed one; only called once that is there.
    fn last(&self, back: usize) -> u8 {
        self.need.checked_sub(1 + back).and_then(|at| self.bytes.get(at)).copied().unwrap_or_default()
    }
}
