//! Between Python's values and the library's. Documents go by way of JSON, which both sides read and check.

use crate::exception::raise;
use amt_core::{ErrorCode, Failure, SystemId};
use pyo3::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Display;
use std::time::Duration;

/// A JSON document as Python's own dictionaries, lists and so on.
pub(crate) fn to_python<'py>(py: Python<'py>, document: &Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (document.to_string(),))
}

/// Several documents as a list.
pub(crate) fn list<'py, T>(
    py: Python<'py>,
    items: &[T],
    document: impl Fn(&T) -> Value,
) -> PyResult<Bound<'py, PyAny>> {
    to_python(py, &items.iter().map(document).collect())
}

/// What `given` is as a `T`; what it cannot be is told in words that name the field.
pub(crate) fn from_python<T: DeserializeOwned>(given: &Bound<'_, PyAny>) -> PyResult<Result<T, String>> {
    let text: String = given.py().import("json")?.call_method1("dumps", (given,))?.extract()?;
    let mut reader = serde_json::Deserializer::from_str(&text);
    Ok(serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        // The place in a text that nobody has seen helps nobody.
        let why = error.inner().to_string();
        let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why);
        if path == "." { why.to_owned() } else { format!("{path}: {why}") }
    }))
}

/// A UUID, as `str` or `uuid.UUID`.
pub(crate) fn id(given: &Bound<'_, PyAny>) -> PyResult<SystemId> {
    given.str()?.to_str()?.parse().map_err(raise)
}

/// A time span in seconds.
pub(crate) fn seconds(name: &str, given: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(given).map_err(|error| wrong(format!("{name}: {error}")))
}

/// An address with a port.
pub(crate) fn socket(name: &str, given: &str) -> PyResult<std::net::SocketAddr> {
    let example = "such as \"127.0.0.1:9971\" or \"[::]:9971\"";
    given.parse().map_err(|_| wrong(format!("{name}: {given:?} is not an address with a port, {example}")))
}

/// An argument that cannot be.
pub(crate) fn wrong(why: impl Display) -> PyErr {
    raise(Failure::new(ErrorCode::INVALID_ARGUMENT, "call", why.to_string()))
}

/// One of a closed set of words.
pub(crate) fn word<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, what: &str, given: &str) -> PyResult<T> {
    all.iter().copied().find(|value| name(*value) == given).ok_or_else(|| {
        let all: Vec<&str> = all.iter().map(|value| name(*value)).collect();
        wrong(format!("{what}: {given:?} is none of {}", all.join(", ")))
    })
}
