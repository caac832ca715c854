//! `capabilities`.

use crate::convert::to_python;
use crate::exception::raise;
use amt_core::FirmwareVersion;
use amt_core::version::{FEATURES, TlsVersion};
use pyo3::prelude::*;
use serde_json::{Map, Value, json};

/// What a firmware version, such as `"16.1"` or `"11.8.65.3590"`, can do: the dict that `amt capabilities --json` prints.
///
/// >>> import amtpy
/// >>> amtpy.capabilities("9.5")["psk"], amtpy.capabilities("16.1")["psk"]
/// (True, False)
#[pyfunction]
#[pyo3(signature = (version, /))]
pub(crate) fn capabilities<'py>(py: Python<'py>, version: &str) -> PyResult<Bound<'py, PyAny>> {
    let version: FirmwareVersion = version.parse().map_err(raise)?;
    let can = version.capabilities();
    let hashes: Vec<String> = can.root_hashes.iter().map(ToString::to_string).collect();
    let mut document: Map<String, Value> =
        FEATURES.iter().map(|feature| (feature.name.to_owned(), feature.is_in(version).into())).collect();
    document.extend([
        ("version".to_owned(), version.to_string().into()),
        (
            "tls".to_owned(),
            json!({"min": number(can.tls.min), "max": number(can.tls.max), "forward_secrecy": can.tls.forward_secrecy}),
        ),
        ("engine".to_owned(), if can.tls.forward_secrecy { "rustls" } else { "openssl" }.into()),
        ("suites".to_owned(), json!(can.suites)),
        ("psk_suites".to_owned(), json!(can.psk_suites)),
        ("root_hashes".to_owned(), json!(hashes)),
        ("rsa_bits".to_owned(), json!({"min": can.rsa_bits_min, "advised": can.rsa_bits_advised})),
        ("digest_algorithms".to_owned(), json!(can.digest_algorithms)),
    ]);
    to_python(py, &Value::Object(document))
}

/// `1.2`: what programs compare; people read `TLS 1.2`.
fn number(version: TlsVersion) -> String {
    version.to_string().trim_start_matches("TLS ").to_owned()
}
