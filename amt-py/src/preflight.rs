//! `preflight` and `Finding`.

use crate::certificate;
use crate::exception::raise;
use crate::hello::Hello;
use amt_core::pki::PreflightInput;
use amt_core::pki::preflight::SuffixInput;
use amt_core::{ErrorCode, Failure};
use pyo3::prelude::*;
use std::time::{SystemTime, UNIX_EPOCH};

/// One result of a check.
#[pyclass(frozen, eq, hash, module = "amtpy")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Finding {
    /// Stable code, for example `ROOT-NOHASH`.
    #[pyo3(get)]
    code: &'static str,
    /// `"error"`, `"warning"` or `"info"`.
    #[pyo3(get)]
    severity: &'static str,
    /// The certificate, record or field it is about.
    #[pyo3(get)]
    field: String,
    /// What is wrong.
    #[pyo3(get)]
    message: String,
    /// What to do about it.
    #[pyo3(get)]
    hint: String,
}

impl From<amt_core::Finding> for Finding {
    fn from(found: amt_core::Finding) -> Self {
        Self {
            code: found.code,
            severity: found.severity.as_str(),
            field: found.field,
            message: found.message,
            hint: found.hint,
        }
    }
}

#[pymethods]
impl Finding {
    fn __repr__(&self) -> String {
        format!(
            "Finding(code={:?}, severity={:?}, field={:?}, message={:?})",
            self.code, self.severity, self.field, self.message
        )
    }
}

/// Every reason why a certificate would not provision a machine, most basic first; empty if there is none.
///
/// The certificate comes as `pfx`, or as `pem` with the key in it or in `key`: each a path or the bytes themselves. What is not
/// known of the machine is left out and not checked. `suffix=""` says that its network has no DNS suffix.
///
/// >>> import amtpy
/// >>> from amtpy.sim import VirtualMachines
/// >>> pem = VirtualMachines(suffix="example.com").certificate_pem.encode()
/// >>> [finding.code for finding in amtpy.preflight(pem=pem, suffix="example.org") if finding.severity == "error"]
/// ['CN-SUFFIX']
#[pyfunction]
#[pyo3(signature = (*, pfx=None, pem=None, key=None, password=None, hello=None, suffix=None, firmware=None))]
#[allow(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
pub(crate) fn preflight(
    pfx: Option<certificate::Source<'_>>,
    pem: Option<certificate::Source<'_>>,
    key: Option<certificate::Source<'_>>,
    password: Option<String>,
    hello: Option<PyRef<'_, Hello>>,
    suffix: Option<&str>,
    firmware: Option<&str>,
) -> PyResult<Vec<Finding>> {
    let bundle = certificate::bundle(pfx, pem, key, password)?;
    let mut input = PreflightInput::new(bundle.facts(), now()?);
    input.hello = hello.as_ref().map(|hello| &hello.0);
    input.suffix = match suffix {
        None => SuffixInput::Unknown,
        Some("") => SuffixInput::Absent,
        Some(suffix) => SuffixInput::Known(suffix),
    };
    input.firmware = firmware.map(str::parse).transpose().map_err(raise)?;
    let findings = amt_core::pki::preflight(&input).into_iter();
    Ok(findings.map(Finding::from).collect())
}

/// Seconds since 1970.
fn now() -> PyResult<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|time| i64::try_from(time.as_secs()).ok());
    now.ok_or_else(|| raise(Failure::new(ErrorCode::IO, "call", "the clock of this computer is before 1970")))
}
