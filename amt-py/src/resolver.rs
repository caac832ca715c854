//! A Python function as resolver.

use crate::callback::{Callback, in_words, raised};
use crate::convert::{from_python, to_python};
use amt_core::{ErrorCode, Failure};
use amt_fleet::resolve::{Answer, Question, Resolver, Resolving};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;
use std::time::Duration;

const NAME: &str = "resolver";

/// Asks a function.
#[derive(Clone)]
pub(crate) struct Asked(Callback);

impl Asked {
    pub(crate) fn new(function: Py<PyAny>, patience: Duration) -> Self {
        Self(Callback::new(function, NAME, patience, failed))
    }
}

impl Resolver for Asked {
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
        let document = question.to_json();
        Box::pin(async move { self.0.ask(move |function| call(function, &document)).await })
    }
}

fn call(function: &Bound<'_, PyAny>, document: &Value) -> Result<Answer, Failure> {
    let py = function.py();
    let asked = to_python(py, document).and_then(|question| function.call1((question,)));
    let answer = asked.map_err(|error| failed(raised(py, NAME, &error)))?;
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
