//! `amt_error`: what went wrong, in all parts.

use crate::argument::{Out, OutSlice};
use crate::guard::guard;
use crate::handle::{self, Object};
use crate::status::amt_status;
use amt_core::{DeviceStatus, Failure};
use std::ffi::c_char;
use std::ptr;

/// An error: code, stage, message, what the device said, what to do next.
pub struct amt_error {
    failure: Failure,
    device: String,
}

impl Object for amt_error {
    const TAG: u32 = 0x414d_5401;
    const NAME: &'static str = "amt_error";
}

impl amt_error {
    pub(crate) fn new(failure: Failure) -> Self {
        let device = failure.device.as_ref().map(ToString::to_string).unwrap_or_default();
        Self { failure, device }
    }

    #[cfg(test)]
    pub(crate) fn failure(&self) -> &Failure {
        &self.failure
    }
}

/// The device said nothing.
pub const AMT_DEVICE_NONE: u32 = 0;
/// The value of a method's `ReturnValue`.
pub const AMT_DEVICE_RETURN_VALUE: u32 = 1;
/// A SOAP fault; the value is its `AMT-STATUS`, or 0 if it carried none.
pub const AMT_DEVICE_FAULT: u32 = 2;
/// An HTTP status.
pub const AMT_DEVICE_HTTP: u32 = 3;
/// A TLS alert.
pub const AMT_DEVICE_TLS_ALERT: u32 = 4;

/// The code, one of `AMT_E_`.
///
/// # Safety
/// `error` is null or a handle; `code` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_error_code(error: *const amt_error, code: *mut u32) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(ptr::null_mut(), || {
            let code = Out::new("code", code, 0)?;
            code.set(handle::lease(error)?.failure.code.number());
            Ok(())
        })
    }
}

/// The name of the code, as in the header without `AMT_E_`. Valid until `error` is freed.
///
/// # Safety
/// `error` is null or a handle; `data` and `len` are null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_error_name(
    error: *const amt_error,
    data: *mut *const c_char,
    len: *mut usize,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { lend(error, data, len, |error| error.failure.code.name()) }
}

/// Where it happened: a step of a procedure or an operation. Valid until `error` is freed.
///
/// # Safety
/// `error` is null or a handle; `data` and `len` are null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_error_stage(
    error: *const amt_error,
    data: *mut *const c_char,
    len: *mut usize,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { lend(error, data, len, |error| &error.failure.stage) }
}

/// What happened, in words; never a secret. Valid until `error` is freed.
///
/// # Safety
/// `error` is null or a handle; `data` and `len` are null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_error_message(
    error: *const amt_error,
    data: *mut *const c_char,
    len: *mut usize,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { lend(error, data, len, |error| &error.failure.message) }
}

/// What to do next. Valid until `error` is freed.
///
/// # Safety
/// `error` is null or a handle; `data` and `len` are null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_error_hint(
    error: *const amt_error,
    data: *mut *const c_char,
    len: *mut usize,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { lend(error, data, len, |error| &error.failure.hint) }
}

/// What the device itself said, in words; empty if it said nothing. Valid until `error` is freed.
///
/// # Safety
/// `error` is null or a handle; `data` and `len` are null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_error_device_text(
    error: *const amt_error,
    data: *mut *const c_char,
    len: *mut usize,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { lend(error, data, len, |error| &error.device) }
}

/// What the device itself said, as a kind (`AMT_DEVICE_`) and a number.
///
/// # Safety
/// `error` is null or a handle; `kind` and `value` are null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_error_device_status(
    error: *const amt_error,
    kind: *mut u32,
    value: *mut u32,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(ptr::null_mut(), || {
            let kind = Out::new("kind", kind, AMT_DEVICE_NONE)?;
            let value = Out::new("value", value, 0)?;
            let (is, number) = device_status(handle::lease(error)?.failure.device.as_ref());
            kind.set(is);
            value.set(number);
            Ok(())
        })
    }
}

/// Frees `error`. Null does nothing.
///
/// # Safety
/// `error` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_error_free(error: *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(ptr::null_mut(), || handle::free(error)) }
}

/// # Safety
/// As for the accessors.
unsafe fn lend(
    error: *const amt_error,
    data: *mut *const c_char,
    len: *mut usize,
    part: impl FnOnce(&amt_error) -> &str,
) -> amt_status {
    // SAFETY: the caller keeps the contract of the accessors; the rest is checked inside.
    unsafe {
        guard(ptr::null_mut(), || {
            let out = OutSlice::new(data, len)?;
            out.lend(part(&*handle::lease(error)?));
            Ok(())
        })
    }
}

fn device_status(device: Option<&DeviceStatus>) -> (u32, u32) {
    match device {
        Some(DeviceStatus::ReturnValue { value, .. }) => (AMT_DEVICE_RETURN_VALUE, *value),
        Some(DeviceStatus::Fault { status, .. }) => (AMT_DEVICE_FAULT, status.map_or(0, |status| status.0)),
        Some(DeviceStatus::Http(status)) => (AMT_DEVICE_HTTP, (*status).into()),
        Some(DeviceStatus::TlsAlert(alert)) => (AMT_DEVICE_TLS_ALERT, (*alert).into()),
        _ => (AMT_DEVICE_NONE, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amt_core::ErrorCode;

    #[test]
    fn every_part_of_a_failure_can_be_read() {
        let failure = Failure::new(ErrorCode::RETURN_VALUE, "commit", "refused").device(DeviceStatus::ReturnValue {
            method: "AMT_SetupAndConfigurationService.CommitChanges".into(),
            value: 2057,
            name: "DATA_MISSING".into(),
        });
        let error = handle::give(amt_error::new(failure));
        let (mut code, mut kind, mut value) = (0, 0, 0);
        // SAFETY: a live handle and local variables.
        unsafe {
            assert_eq!(amt_error_code(error, &mut code), 0);
            assert_eq!(amt_error_device_status(error, &mut kind, &mut value), 0);
            assert_eq!((code, kind, value), (2008, AMT_DEVICE_RETURN_VALUE, 2057));
            for (read, expected) in [
                (amt_error_name as unsafe extern "C" fn(_, _, _) -> _, "RETURN_VALUE"),
                (amt_error_stage, "commit"),
                (amt_error_message, "refused"),
                (amt_error_hint, ErrorCode::RETURN_VALUE.hint()),
                (amt_error_device_text, "AMT_SetupAndConfigurationService.CommitChanges returned 2057 (DATA_MISSING)"),
            ] {
                let (mut data, mut len) = (ptr::null(), 0);
                assert_eq!(read(error, &mut data, &mut len), 0);
                assert_eq!(crate::argument::text("data", data, len).unwrap(), expected);
                assert_eq!(read(error, ptr::null_mut(), &mut len), ErrorCode::NULL_POINTER.number());
            }
            assert_eq!(amt_error_free(error), 0);
            assert_eq!(amt_error_free(ptr::null_mut()), 0);
        }
    }
}
