//! A stream that notes whether the peer asked for a certificate: the cheapest way to tell "chain refused" from "not in setup mode",
//! and one that OpenSSL has no question for.
//!
//! Up to TLS 1.2 the peer's part of the handshake is in clear until its ChangeCipherSpec, so the type of each message can be read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Record types (RFC 5246 §6.2.1) and the message looked for (§7.4.4).
const HANDSHAKE: u8 = 22;
const CERTIFICATE_REQUEST: u8 = 13;

pub(crate) struct Watched<S> {
    inner: S,
    watch: Watch,
}

/// Where in the records and in the messages that they carry the stream is.
#[derive(Default)]
struct Watch {
    record: Head<5>,
    /// Bytes left of the present record.
    in_record: usize,
    message: Head<4>,
    /// Bytes left of the present message.
    in_message: usize,
    requested: bool,
    /// Something else than a handshake came: what follows cannot be read.
    over: bool,
}

/// A header that comes in pieces.
struct Head<const N: usize> {
    bytes: [u8; N],
    have: usize,
}

impl<const N: usize> Default for Head<N> {
    fn default() -> Self {
        Self { bytes: [0; N], have: 0 }
    }
}

impl<const N: usize> Head<N> {
    /// Takes one byte; the header once it is whole.
    fn take(&mut self, byte: u8) -> Option<[u8; N]> {
        self.bytes[self.have] = byte;
        self.have += 1;
        (self.have == N).then(|| std::mem::take(self).bytes)
    }
}

impl Watch {
    fn see(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first().filter(|_| !self.over) {
            if self.in_record == 0 {
                if let Some([kind, _, _, high, low]) = self.record.take(*first) {
                    self.in_record = usize::from(u16::from_be_bytes([high, low]));
                    self.over = kind != HANDSHAKE;
                }
                bytes = rest;
            } else if self.in_message == 0 {
                if let Some([kind, a, b, c]) = self.message.take(*first) {
                    self.in_message = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
                    self.requested |= kind == CERTIFICATE_REQUEST;
                }
                self.in_record -= 1;
                bytes = rest;
            } else {
                let skip = self.in_message.min(self.in_record).min(bytes.len());
                self.in_message -= skip;
                self.in_record -= skip;
                bytes = &bytes[skip..];
            }
        }
    }
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, watch: Watch::default() }
    }

    pub(super) fn certificate_requested(&self) -> bool {
        self.watch.requested
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.watch.see(&buf.filled()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of `kind` around `body`.
    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 3, 1], u16::try_from(body.len()).unwrap().to_be_bytes().as_slice(), body].concat()
    }

    fn message(kind: u8, length: usize) -> Vec<u8> {
        [&[kind], &u32::try_from(length).unwrap().to_be_bytes()[1..], &vec![CERTIFICATE_REQUEST; length]].concat()
    }

    fn requested(stream: &[u8], piece: usize) -> bool {
        let mut watch = Watch::default();
        stream.chunks(piece).for_each(|bytes| watch.see(bytes));
        watch.requested
    }

    #[test]
    fn a_request_is_seen_however_it_is_cut() {
        let flight = [message(2, 70), message(11, 900), message(13, 8), message(14, 0)].concat();
        let one_record = record(HANDSHAKE, &flight);
        let many: Vec<u8> = flight.chunks(7).flat_map(|part| record(HANDSHAKE, part)).collect();
        let without = record(HANDSHAKE, &[message(2, 70), message(11, 900), message(14, 0)].concat());
        for piece in [1, 2, 3, 5, 64, 4096] {
            assert!(requested(&one_record, piece) && requested(&many, piece), "{piece}");
            assert!(!requested(&without, piece), "{piece}");
        }
    }

    #[test]
    fn what_is_encrypted_or_no_tls_is_left_alone() {
        let encrypted = [record(20, &[1]), record(HANDSHAKE, &message(13, 8))].concat();
        assert!(!requested(&encrypted, 3));
        assert!(!requested(&[record(21, &[2, 40]), record(HANDSHAKE, &message(13, 0))].concat(), 1));
        assert!(!requested(b"HTTP/1.1 400 Bad Request\r\n\r\n", 1));
    }
}
