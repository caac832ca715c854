//! From [`Failure`] to a Python exception: the one place that knows which class a code belongs to.

use amt_core::{ErrorCode, Failure};
use pyo3::PyErr;

/// The classes, defined in Python so that tracebacks, documentation and pickling are as Python's own.
mod python {
    pyo3::import_exception!(amtpy._exceptions, AmtError);
    pyo3::import_exception!(amtpy._exceptions, AmtTimeout);
    pyo3::import_exception!(amtpy._exceptions, ArgumentError);
    pyo3::import_exception!(amtpy._exceptions, ConnectionFailed);
    pyo3::import_exception!(amtpy._exceptions, CredentialError);
    pyo3::import_exception!(amtpy._exceptions, DecodeError);
    pyo3::import_exception!(amtpy._exceptions, DeviceError);
    pyo3::import_exception!(amtpy._exceptions, PolicyError);
    pyo3::import_exception!(amtpy._exceptions, WsmanFault);
}

/// The exception for `failure`, with all its parts.
pub(crate) fn raise(failure: Failure) -> PyErr {
    let new = match failure.code {
        ErrorCode::INVALID_ARGUMENT | ErrorCode::NOT_UTF8 | ErrorCode::FILTER => python::ArgumentError::new_err,
        ErrorCode::SOAP_FAULT | ErrorCode::RETURN_VALUE => python::WsmanFault::new_err,
        ErrorCode::WRONG_OR_LOCKED | ErrorCode::ADMIN_PASSWORD_UNKNOWN | ErrorCode::OTP_MISMATCH => {
            python::CredentialError::new_err
        }
        ErrorCode::REPLY_TIMEOUT | ErrorCode::CONNECT_TIMEOUT => python::AmtTimeout::new_err,
        ErrorCode::PLAN_INVALID | ErrorCode::CONFIG | ErrorCode::NOT_ADMITTED => python::PolicyError::new_err,
        // Whoever has the key said no, and not the machine.
        ErrorCode::SIGNER => python::AmtError::new_err,
        code => match code.number() {
            1000..=1999 => python::DecodeError::new_err,
            2000..=3999 | 5000..=5999 => python::DeviceError::new_err,
            4000..=4999 => python::PolicyError::new_err,
            6001..=6006 => python::ConnectionFailed::new_err,
            _ => python::AmtError::new_err,
        },
    };
    new(parts(failure))
}

/// The same as a time that is over, whatever its code says.
pub(crate) fn raise_timeout(failure: Failure) -> PyErr {
    python::AmtTimeout::new_err(parts(failure))
}

type Parts = (String, u32, &'static str, String, String, Option<String>);

fn parts(failure: Failure) -> Parts {
    let failure = failure.into_details();
    (
        failure.message,
        failure.code.number(),
        failure.code.name(),
        failure.stage.into_owned(),
        failure.hint.into_owned(),
        failure.device.map(|device| device.to_string()),
    )
}
