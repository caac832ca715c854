//! The one asynchronous runtime behind the package, and how Python waits for it.

use crate::exception::raise;
use amt_core::{ErrorCode, Failure};
use pyo3::prelude::*;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// Longest time in which an interrupt (Ctrl-C) is not noticed.
pub(crate) const ATTENTION: Duration = Duration::from_millis(100);

/// Threads for sockets and databases: what takes long waits in neither.
const WORKERS: usize = 2;

/// The process that the runtime's threads belong to, and the runtime, for as long as that lives.
static RUNTIME: OnceLock<Result<(u32, Runtime), String>> = OnceLock::new();

/// The runtime, started when it is needed first.
pub(crate) fn runtime() -> Result<&'static Runtime, Failure> {
    let failed = |why: &str| Failure::new(ErrorCode::IO, "start", format!("no asynchronous runtime: {why}"));
    let made = RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(WORKERS).thread_name("amtpy").enable_all().build();
        runtime.map(|runtime| (std::process::id(), runtime)).map_err(|error| error.to_string())
    });
    match made {
        Ok((process, runtime)) if *process == std::process::id() => Ok(runtime),
        Ok(_) => Err(failed("this process was forked off one that has it")
            .hint("use amtpy in one of the two only, or start the other with multiprocessing's \"spawn\"")),
        Err(error) => Err(failed(error)),
    }
}

/// What `future` comes to. Other Python threads run meanwhile; an interrupt ends the wait and the future.
pub(crate) fn wait<T: Send + 'static>(
    py: Python<'_>,
    future: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> PyResult<T> {
    let runtime = runtime().map_err(raise)?;
    let mut task = runtime.spawn(future);
    loop {
        match py.detach(|| runtime.block_on(async { timeout(ATTENTION, &mut task).await })) {
            Ok(Ok(result)) => return result.map_err(raise),
            Ok(Err(error)) => return Err(raise(broken(&error.to_string()))),
            Err(_) => {
                if let Err(interrupt) = py.check_signals() {
                    task.abort();
                    return Err(interrupt);
                }
            }
        }
    }
}

/// A task of ours that broke down.
pub(crate) fn broken(why: &str) -> Failure {
    Failure::new(ErrorCode::PANIC, "wait", why.to_owned())
}
