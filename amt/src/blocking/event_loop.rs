//! Waiting on the calling thread.

use super::{Canceller, runtime};
use amt_core::Failure;
use std::fmt;
use std::future::Future;
use tokio::runtime::Runtime;

/// Runs futures on the calling thread; what they leave running goes on inside the next, whose thread may be another. Several threads may
/// wait at a time.
pub struct EventLoop {
    runtime: Runtime,
    pub(super) canceller: Canceller,
}

impl EventLoop {
    /// One that this canceller ends.
    ///
    /// # Errors
    /// `IO` if the operating system gives no event queue.
    pub fn new(canceller: Canceller) -> Result<Self, Failure> {
        Ok(Self { runtime: runtime()?, canceller })
    }

    /// Waits for one answer.
    ///
    /// # Errors
    /// What it ends with; `CANCELLED` from the time on that the canceller was used.
    pub fn run<T>(&self, answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        self.runtime.block_on(self.canceller.or(answer))
    }

    /// Drops what needs an event loop for that.
    pub fn discard<T>(&self, value: T) {
        self.runtime.block_on(async { drop(value) });
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").finish_non_exhaustive()
    }
}
