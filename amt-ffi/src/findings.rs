//! `amt_findings`: what a check has to say.

use crate::argument::{self, Out, OutSlice};
use crate::error::amt_error;
use crate::guard::guard;
use crate::handle::{self, Object};
use crate::status::amt_status;
use amt_core::{Finding, Severity};
use std::ffi::c_char;

/// A list of findings, possibly empty. It never changes: its functions may run beside each other.
pub struct amt_findings(Vec<Finding>);

impl Object for amt_findings {
    const TAG: u32 = 0x414d_5404;
    const NAME: &'static str = "amt_findings";
}

impl amt_findings {
    pub(crate) const fn new(findings: Vec<Finding>) -> Self {
        Self(findings)
    }
}

/// Worth knowing.
pub const AMT_SEVERITY_INFO: u32 = 1;
/// May fail, on some firmware or soon.
pub const AMT_SEVERITY_WARNING: u32 = 2;
/// Will fail.
pub const AMT_SEVERITY_ERROR: u32 = 3;

/// How many there are.
///
/// # Safety
/// `findings` is null or a handle; `count` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_findings_count(
    findings: *const amt_findings,
    count: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let count = Out::new("count", count, 0)?;
            count.set(handle::lease(findings)?.0.len());
            Ok(())
        })
    }
}

/// How bad a finding is, one of `AMT_SEVERITY_`; larger is worse.
///
/// # Safety
/// `findings` is null or a handle; `severity` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_findings_severity(
    findings: *const amt_findings,
    index: usize,
    severity: *mut u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let severity = Out::new("severity", severity, 0)?;
            let findings = handle::lease(findings)?;
            severity.set(match argument::element("finding", &findings.0, index)?.severity {
                Severity::Info => AMT_SEVERITY_INFO,
                Severity::Warning => AMT_SEVERITY_WARNING,
                Severity::Error => AMT_SEVERITY_ERROR,
            });
            Ok(())
        })
    }
}

/// The stable code of a finding, for example `ROOT-NOHASH`. Valid until `findings` is freed.
///
/// # Safety
/// `findings` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_findings_code(
    findings: *const amt_findings,
    index: usize,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { lend(findings, index, data, len, err, |finding| finding.code) }
}

/// The certificate, record or field that a finding is about. Valid until `findings` is freed.
///
/// # Safety
/// `findings` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_findings_field(
    findings: *const amt_findings,
    index: usize,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { lend(findings, index, data, len, err, |finding| &finding.field) }
}

/// What is wrong. Valid until `findings` is freed.
///
/// # Safety
/// `findings` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_findings_message(
    findings: *const amt_findings,
    index: usize,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { lend(findings, index, data, len, err, |finding| &finding.message) }
}

/// What to do about it. Valid until `findings` is freed.
///
/// # Safety
/// `findings` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_findings_hint(
    findings: *const amt_findings,
    index: usize,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { lend(findings, index, data, len, err, |finding| &finding.hint) }
}

/// Frees `findings`. Null does nothing.
///
/// # Safety
/// `findings` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_findings_free(findings: *mut amt_findings) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(findings)) }
}

/// # Safety
/// As for the accessors.
unsafe fn lend(
    findings: *const amt_findings,
    index: usize,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
    part: impl FnOnce(&Finding) -> &str,
) -> amt_status {
    // SAFETY: the caller keeps the contract of the accessors; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = OutSlice::new(data, len)?;
            let findings = handle::lease(findings)?;
            out.lend(part(argument::element("finding", &findings.0, index)?));
            Ok(())
        })
    }
}
