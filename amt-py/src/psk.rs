//! `PskPair`: PID and PPS.

use crate::convert::wrong;
use crate::exception::raise;
use amt_core::psk::{Form, PskPair as Pair};
use pyo3::prelude::*;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A PID and its PPS: what firmware of AMT 2 to 10 may wait for instead of a certificate. Neither `repr` nor `str` shows the PPS.
///
/// >>> import amtpy
/// >>> amtpy.PskPair("amt1 set7", "CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD")
/// PskPair(pid="AMT1-SET7")
/// >>> len(amtpy.PskPair.generate().reveal())
/// 39
#[pyclass(frozen, eq, module = "amtpy")]
#[derive(PartialEq, Eq)]
pub(crate) struct PskPair(pub(crate) Pair);

#[pymethods]
impl PskPair {
    /// Reads a pair as a person types it: dashes and spaces are dropped, small letters become capitals. Raises `DecodeError` or `AmtError`,
    /// which names the place of what is wrong and never the characters.
    #[new]
    fn new(pid: &str, pps: &str) -> PyResult<Self> {
        Pair::parse(pid, pps, Form::Typed).map(Self).map_err(raise)
    }

    /// A new pair out of random bytes of the operating system, worth 124 bits.
    #[staticmethod]
    fn generate() -> PyResult<Self> {
        let pair = Pair::generate(getrandom::fill);
        pair.map(Self).map_err(|error| wrong(format!("the operating system has no random bytes: {error}")))
    }

    /// The name of the pair, `XXXX-XXXX`: sent in clear.
    #[getter]
    fn pid(&self) -> String {
        self.0.pid.to_string()
    }

    /// The key, eight groups of four with dashes between.
    fn reveal(&self) -> String {
        self.0.pps.dashed().expose().clone()
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.pid.hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!("PskPair(pid=\"{}\")", self.0.pid)
    }
}

/// A pair as an argument: a `PskPair`, or a tuple of PID and PPS.
pub(crate) struct Given(pub(crate) Pair);

impl<'a, 'py> FromPyObject<'a, 'py> for Given {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(pair) = object.cast::<PskPair>() {
            return Ok(Self(pair.get().0.clone()));
        }
        let (pid, pps): (String, String) = object.extract()?;
        Pair::parse(&pid, &pps, Form::Typed).map(Self).map_err(raise)
    }
}
