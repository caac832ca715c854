//! `capabilities`.

use crate::convert::to_python;
use crate::exception::raise;
use amt_core::FirmwareVersion;
use amt_fleet::json;
use pyo3::prelude::*;

/// What a firmware version, such as `"16.1"` or `"11.8.65.3590"`, can do: the dict that `amt capabilities --json` prints.
///
/// >>> import amtpy
/// >>> amtpy.capabilities("9.5")["psk"], amtpy.capabilities("16.1")["psk"]
/// (True, False)
#[pyfunction]
#[pyo3(signature = (version, /))]
pub(crate) fn capabilities<'py>(py: Python<'py>, version: &str) -> PyResult<Bound<'py, PyAny>> {
    let version: FirmwareVersion = version.parse().map_err(raise)?;
    to_python(py, &json::capabilities(version))
}
