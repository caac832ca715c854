//! Messages out of a byte stream (CIRA): split and joined anywhere.

use super::message::{MAX_MESSAGE, Message};
use amt_core::codec::DecodeError;

/// Takes bytes in any pieces and gives whole messages.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    buffer: Vec<u8>,
    start: usize,
    failed: Option<DecodeError>,
}

impl StreamDecoder {
    /// Nothing came yet.
    pub const fn new() -> Self {
        Self { buffer: Vec::new(), start: 0, failed: None }
    }

    /// Takes what came. Take the messages out before the next: no more than one unfinished message is ever kept.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message; none: more bytes are needed.
    ///
    /// # Errors
    /// Of the first message that is none. After that, the same error for ever: where the next one begins is not known.
    pub fn next_message(&mut self) -> Result<Option<Message>, DecodeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let failure = match Message::decode_prefix(rest) {
            Ok((message, length)) => {
                self.start += length;
                return Ok(Some(message));
            }
            Err(DecodeError::Truncated { .. }) if rest.len() <= MAX_MESSAGE => return Ok(None),
            Err(error) => error,
        };
        self.failed = Some(failure.clone());
        Err(failure)
    }

    /// Bytes of a message that has not ended.
    pub fn pending(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> Vec<Message> {
        vec![
            Message::ServiceRequest { service: "auth@amt.intel.com".into() },
            Message::Data { recipient: 1, data: vec![7; 40] },
            Message::RequestSuccess { port: Some(16993) },
            Message::Close { recipient: 1 },
        ]
    }

    #[test]
    fn messages_come_out_however_the_bytes_are_split() {
        let bytes: Vec<u8> = messages().iter().flat_map(Message::encode).collect();
        for size in 1..=bytes.len() {
            let mut decoder = StreamDecoder::new();
            let mut out = Vec::new();
            for piece in bytes.chunks(size) {
                decoder.push(piece);
                while let Some(message) = decoder.next_message().unwrap() {
                    out.push(message);
                }
            }
            assert_eq!(out, messages(), "pieces of {size}");
            assert_eq!(decoder.pending(), 0);
        }
    }

    #[test]
    fn what_is_no_message_ends_the_stream() {
        let mut decoder = StreamDecoder::new();
        decoder.push(&[99]);
        let error = decoder.next_message().unwrap_err();
        decoder.push(&Message::Close { recipient: 0 }.encode());
        assert_eq!(decoder.next_message().unwrap_err(), error);
    }
}
