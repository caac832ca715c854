//! Waiting on the calling thread.

use super::{Canceller, cancelled, runtime};
use amt_core::Failure;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use tokio::runtime::Runtime;

/// Runs futures on the calling thread; what they leave running goes on inside the next, whose thread may be another. Several threads may
/// wait at a time.
pub struct EventLoop {
    pub(super) runtime: Runtime,
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
        let mut answered = None;
        self.wait(Box::pin(async { answered = Some(answer.await) }));
        answered.unwrap_or_else(|| Err(cancelled()))
    }

    /// Waits for the end of `asking` or the canceller. Not repeated for every answer; what is asked is dropped inside the runtime.
    pub(super) fn wait(&self, asking: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.runtime.block_on(self.canceller.or(asking));
    }

    /// Drops what needs an event loop for that.
    pub fn discard<T>(&self, value: T) {
        self.wait(Box::pin(async { drop(value) }));
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").finish_non_exhaustive()
    }
}
