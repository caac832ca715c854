//! The stream under TLS: counts what comes in, and is silenced or spoilt where the machine or a fault wants it.

use crate::fault::FaultKind;
use crate::net::machine::Shared;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose writes can be silenced, or spoilt once, while TLS believes that they went out.
pub(in crate::net) struct Gate<S> {
    inner: S,
    mute: Arc<AtomicBool>,
    spoil: Option<FaultKind>,
    shared: Arc<Shared>,
}

impl<S> Gate<S> {
    pub(in crate::net) fn new(inner: S, mute: Arc<AtomicBool>, spoil: Option<FaultKind>, shared: Arc<Shared>) -> Self {
        Self { inner, mute, spoil, shared }
    }

    pub(in crate::net) fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.shared.wire.bytes.fetch_add((buf.filled().len() - before) as u64, Ordering::SeqCst);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.mute.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = match self.spoil {
            None | Some(FaultKind::Delay(_) | FaultKind::Status(_) | FaultKind::Busy | FaultKind::Oversize) => {
                return Pin::new(&mut self.inner).poll_write(cx, buf);
            }
            Some(FaultKind::Reset) => {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionReset)));
            }
            Some(FaultKind::Stall) => {
                self.mute.store(true, Ordering::SeqCst);
                return Poll::Ready(Ok(buf.len()));
            }
            Some(FaultKind::Truncate) => {
                let half = buf.len() / 2;
                std::task::ready!(Pin::new(&mut self.inner).poll_write(cx, &buf[..half.max(1)]))?;
                self.spoil = None;
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof)));
            }
            Some(FaultKind::Garbage) => {
                // The record headers stay; what the records say does not.
                let mut spoilt = buf.to_vec();
                for byte in spoilt.iter_mut().skip(9).step_by(7) {
                    *byte ^= 0xa5;
                }
                std::task::ready!(Pin::new(&mut self.inner).poll_write(cx, &spoilt))?
            }
        };
        self.spoil = None;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
