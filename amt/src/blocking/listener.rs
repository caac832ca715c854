//! Hellos, awaited on the calling thread.

use super::{Canceller, EventLoop};
use crate::listener::{HelloEvent, HelloListener, ListenerConfig};
use amt_core::Failure;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// Awaits hellos; see [`HelloListener`]. Between two calls nothing is read: machines that connect meanwhile wait in the kernel's queue.
pub struct Listener {
    // Before the event loop, whose sockets it holds: fields are dropped in order.
    listener: HelloListener,
    waiting: EventLoop,
}

impl Listener {
    /// Opens `addresses`; `canceller` ends it.
    ///
    /// # Errors
    /// `LISTEN` if one of them cannot be opened, or there is none; `IO` if the operating system gives no event queue.
    pub fn bind(addresses: &[SocketAddr], config: ListenerConfig, canceller: Canceller) -> Result<Self, Failure> {
        let waiting = EventLoop::new(canceller)?;
        let listener = waiting.run(HelloListener::bind(addresses, config))?;
        Ok(Self { listener, waiting })
    }

    /// Where it listens; the port that was chosen where 0 was asked for.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listener.addresses()
    }

    /// The next hello, or the next bytes that were none; `None` if neither came in time.
    ///
    /// # Errors
    /// `LISTEN` if the ports are lost; `CANCELLED` from the time on that the canceller was used.
    pub fn next(&mut self, patience: Duration) -> Result<Option<HelloEvent>, Failure> {
        let Self { listener, waiting } = self;
        waiting.run(async { timeout(patience, listener.next()).await.map_or(Ok(None), |event| event.map(Some)) })
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}
