//! Awaitables for asyncio: the work runs on the package's runtime, its end is told to the event loop that asked. No loop of ours.

use crate::exception::raise;
use crate::wait::{broken, runtime};
use amt_core::Failure;
use pyo3::prelude::*;
use std::future::Future;
use tokio::task::AbortHandle;

/// An `asyncio.Future` of the running loop for what `future` comes to, turned into Python's by `convert`.
///
/// Whoever cancels it, or no longer waits, ends the work too.
pub(crate) fn awaitable<'py, T: Send + 'static>(
    py: Python<'py>,
    future: impl Future<Output = Result<T, Failure>> + Send + 'static,
    convert: impl for<'a> FnOnce(Python<'a>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Bound<'py, PyAny>> {
    let looper = Loop::running(py)?;
    let awaited = looper.0.bind(py).call_method0("create_future")?;
    let runtime = runtime().map_err(raise)?;
    let task = runtime.spawn(future);
    awaited.call_method1("add_done_callback", (Abandon(task.abort_handle()),))?;
    let told = awaited.clone().unbind();
    runtime.spawn(async move {
        let result = match task.await {
            Ok(result) => result,
            // Nobody waits any more.
            Err(error) if error.is_cancelled() => return,
            Err(error) => Err(broken(&error.to_string())),
        };
        // On a thread that may wait for the interpreter. If that is being shut down, nobody waits either.
        tokio::task::spawn_blocking(move || {
            Python::try_attach(|py| {
                let result = result.map_err(raise).and_then(|value| convert(py, value));
                let (value, error) = match result {
                    Ok(value) => (value, None),
                    Err(error) => (py.None(), Some(error)),
                };
                looper.settle(py, &told, value, error);
            })
        });
    });
    Ok(awaited)
}

/// An event loop of asyncio.
pub(crate) struct Loop(Py<PyAny>);

impl Loop {
    /// The loop that runs in this thread. Raises `RuntimeError` without one.
    pub(crate) fn running(py: Python<'_>) -> PyResult<Self> {
        py.import("asyncio")?.call_method0("get_running_loop").map(|running| Self(running.unbind()))
    }

    /// Has the loop call `function` with `argument` soon, in its own thread.
    pub(crate) fn call_soon(&self, py: Python<'_>, function: &Py<PyAny>, argument: &str) {
        // A closed loop has nobody to be told.
        let _ = self.0.bind(py).call_method1("call_soon_threadsafe", (function, argument));
    }

    fn settle(&self, py: Python<'_>, future: &Py<PyAny>, value: Py<PyAny>, error: Option<PyErr>) {
        let _ = self.0.bind(py).call_method1("call_soon_threadsafe", (Settle, future, value, error));
    }
}

/// Gives a future its result, unless it was cancelled meanwhile. Called in the thread of its loop.
#[pyclass(frozen)]
struct Settle;

#[pymethods]
impl Settle {
    fn __call__(&self, future: &Bound<'_, PyAny>, value: Py<PyAny>, error: Option<Py<PyAny>>) -> PyResult<()> {
        if future.call_method0("done")?.is_truthy()? {
            return Ok(());
        }
        match error {
            Some(error) => future.call_method1("set_exception", (error,)),
            None => future.call_method1("set_result", (value,)),
        }
        .map(drop)
    }
}

/// Ends the work of a future that is done: a no-op unless it was cancelled.
#[pyclass(frozen)]
struct Abandon(AbortHandle);

#[pymethods]
impl Abandon {
    fn __call__(&self, _future: &Bound<'_, PyAny>) {
        self.0.abort();
    }
}
