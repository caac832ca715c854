//! Hellos, awaited on the calling thread.

use super::{Canceller, runtime};
use crate::listener::{HelloEvent, HelloListener, ListenerConfig};
use amt_core::Failure;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// Awaits hellos; see [`HelloListener`]. Between two calls nothing is read: machines that connect meanwhile wait in the kernel's queue.
pub struct Listener {
    // Before the runtime, whose sockets it holds: fields are dropped in order.
    listener: HelloListener,
    runtime: Runtime,
    canceller: Canceller,
}

impl Listener {
    /// Opens `addresses`.
    ///
    /// # Errors
    /// `LISTEN` if one of them cannot be opened, or there is none; `IO` if the operating system gives no event queue.
    pub fn bind(addresses: &[SocketAddr], config: ListenerConfig) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let listener = runtime.block_on(HelloListener::bind(addresses, config))?;
        Ok(Self { listener, runtime, canceller: Canceller::default() })
    }

    /// The same, ended by this canceller.
    #[must_use]
    pub fn cancelled_by(mut self, canceller: Canceller) -> Self {
        self.canceller = canceller;
        self
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
        let Self { listener, runtime, canceller } = self;
        let next = async { timeout(patience, listener.next()).await.map_or(Ok(None), |event| event.map(Some)) };
        runtime.block_on(canceller.or(next))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("addresses", &self.addresses()).finish_non_exhaustive()
    }
}
