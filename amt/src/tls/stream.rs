//! A connection of either engine.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What TLS runs over: TCP, or a channel inside the machine.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Carrier for S {}

/// Any carrier.
pub(crate) type Wire = Box<dyn Carrier>;

/// A TLS connection to a machine.
pub struct TlsStream(pub(super) Engine);

impl TlsStream {
    /// A connection without TLS: inside the machine itself.
    pub(crate) fn plain(wire: Wire) -> Self {
        Self(Engine::Plain(Box::new(wire)))
    }
}

pub(super) enum Engine {
    Plain(Box<Wire>),
    Rustls(Box<tokio_rustls::client::TlsStream<Wire>>),
    #[cfg(feature = "legacy-tls")]
    OpenSsl(Box<super::legacy::Stream>),
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Engine::Plain(_) => "TlsStream(none)",
            Engine::Rustls(_) => "TlsStream(rustls)",
            #[cfg(feature = "legacy-tls")]
            Engine::OpenSsl(_) => "TlsStream(openssl)",
        })
    }
}

macro_rules! on_either {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.get_mut().0 {
            Engine::Plain($stream) => {
                let $stream = Pin::new($stream.as_mut());
                $call
            }
            Engine::Rustls($stream) => {
                let $stream = Pin::new($stream.as_mut());
                $call
            }
            #[cfg(feature = "legacy-tls")]
            Engine::OpenSsl($stream) => {
                let $stream = Pin::new($stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        on_either!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_either!(self, stream => stream.poll_shutdown(cx))
    }
}
