//! A Python function as resolver.

use crate::convert::{from_python, to_python};
use amt_core::{ErrorCode, Failure};
use amt_fleet::resolve::{Answer, Question, Resolver, Resolving};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict as _, PyDict};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Most questions put to the function at a time: while it waits for an inventory it may be asked about another machine.
const MAX_CALLS: usize = 8;
/// Longest text of an exception that is repeated, in characters.
const MAX_TEXT: usize = 300;

/// Asks a function, on threads of its own: the server goes on meanwhile, and only the call itself holds the interpreter.
#[derive(Clone)]
pub(crate) struct Callback {
    function: Arc<Py<PyAny>>,
    patience: Duration,
    room: Arc<Semaphore>,
}

impl Callback {
    pub(crate) fn new(function: Py<PyAny>, patience: Duration) -> Self {
        Self { function: Arc::new(function), patience, room: Arc::new(Semaphore::new(MAX_CALLS)) }
    }

    async fn ask(&self, document: Value) -> Result<Answer, Failure> {
        // Kept by the call: one that never ends takes its place for ever, and no further thread.
        let place = Arc::clone(&self.room).acquire_owned().await.map_err(|error| failed(error.to_string()))?;
        let function = Arc::clone(&self.function);
        let call = move || {
            let answer = Python::try_attach(|py| call(py, &function, &document));
            drop(place);
            answer.unwrap_or_else(|| Err(failed("Python is being shut down".to_owned())))
        };
        tokio::task::spawn_blocking(call).await.map_err(|error| failed(error.to_string()))?
    }
}

impl Resolver for Callback {
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
        let document = question.to_json();
        Box::pin(async move {
            timeout(self.patience, self.ask(document)).await.unwrap_or_else(|_| {
                let text = format!("the resolver did not answer within {:.1} s", self.patience.as_secs_f64());
                Err(failed(text))
            })
        })
    }
}

fn call(py: Python<'_>, function: &Py<PyAny>, document: &Value) -> Result<Answer, Failure> {
    let asked = to_python(py, document).and_then(|question| function.bind(py).call1((question,)));
    let answer = asked.map_err(|error| {
        log(py, &error);
        failed(format!("the resolver raised {}", in_words(py, &error)))
    })?;
    if answer.is_none() {
        return Ok(Answer::default());
    }
    let unusable = |why: &str| failed(format!("the resolver's answer cannot be used: {why}"));
    if !answer.is_instance_of::<PyDict>() {
        return Err(unusable("it is neither a dict nor None"));
    }
    from_python(&answer).map_err(|error| unusable(&in_words(py, &error)))?.map_err(|why| unusable(&why))
}

fn failed(text: String) -> Failure {
    Failure::new(ErrorCode::RESOLVER, "resolve", text)
}

/// `ValueError: its text`, on one line.
fn in_words(py: Python<'_>, error: &PyErr) -> String {
    let kind = error.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
    let text = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned());
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect();
    if text.is_empty() { kind } else { format!("{kind}: {text}") }
}

/// Where it happened is for whoever wrote the function, and not for the machine's diary.
fn log(py: Python<'_>, error: &PyErr) {
    let logged = || -> PyResult<()> {
        let logger = py.import("logging")?.call_method1("getLogger", ("amtpy",))?;
        let traceback = [("exc_info", error.value(py))].into_py_dict(py)?;
        logger.call_method("error", ("the resolver raised an exception",), Some(&traceback)).map(drop)
    };
    if let Err(error) = logged() {
        error.write_unraisable(py, None);
    }
}
