//! Python functions that the library asks: on threads of their own, bounded in time and number.

use amt_core::Failure;
use pyo3::prelude::*;
use pyo3::types::IntoPyDict as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Most questions put to a function at a time: while it waits for one answer it may be asked for another.
const MAX_CALLS: usize = 8;
/// Longest text of an exception that is repeated, in characters.
const MAX_TEXT: usize = 300;

/// A function and how long each answer is waited for. The library goes on meanwhile, and only the call itself holds the interpreter.
#[derive(Clone)]
pub(crate) struct Callback {
    function: Arc<Py<PyAny>>,
    /// What it is called in messages.
    name: &'static str,
    patience: Duration,
    room: Arc<Semaphore>,
    failed: fn(String) -> Failure,
}

impl Callback {
    /// `failed` makes the failure of a reason.
    pub(crate) fn new(
        function: Py<PyAny>,
        name: &'static str,
        patience: Duration,
        failed: fn(String) -> Failure,
    ) -> Self {
        let room = Arc::new(Semaphore::new(MAX_CALLS));
        Self { function: Arc::new(function), name, patience, room, failed }
    }

    /// What `call` makes of the function.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Bound<'_, PyAny>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        timeout(self.patience, self.call(call)).await.unwrap_or_else(|_| {
            let text = format!("the {} did not answer within {:.1} s", self.name, self.patience.as_secs_f64());
            Err((self.failed)(text))
        })
    }

    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Bound<'_, PyAny>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let failed = self.failed;
        // Kept by the call: one that never ends takes its place for ever, and no further thread.
        let place = Arc::clone(&self.room).acquire_owned().await.map_err(|error| failed(error.to_string()))?;
        let function = Arc::clone(&self.function);
        let call = move || {
            let answer = Python::try_attach(|py| call(function.bind(py)));
            drop(place);
            answer.unwrap_or_else(|| Err(failed("Python is being shut down".to_owned())))
        };
        tokio::task::spawn_blocking(call).await.map_err(|error| failed(error.to_string()))?
    }
}

/// What an exception of the function called `name` says. Where it happened is for whoever wrote the function, and goes to the log.
pub(crate) fn raised(py: Python<'_>, name: &str, error: &PyErr) -> String {
    log(py, name, error);
    format!("the {name} raised {}", in_words(py, error))
}

/// `ValueError: its text`, on one line.
pub(crate) fn in_words(py: Python<'_>, error: &PyErr) -> String {
    let kind = error.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
    let text = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned());
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect();
    if text.is_empty() { kind } else { format!("{kind}: {text}") }
}

fn log(py: Python<'_>, name: &str, error: &PyErr) {
    let logged = || -> PyResult<()> {
        let logger = py.import("logging")?.call_method1("getLogger", ("amtpy",))?;
        let traceback = [("exc_info", error.value(py))].into_py_dict(py)?;
        let text = format!("the {name} raised an exception");
        logger.call_method("error", (text,), Some(&traceback)).map(drop)
    };
    if let Err(error) = logged() {
        error.write_unraisable(py, None);
    }
}
