//! `amt_record`: what a journal record says of a machine.

use crate::argument::{self, Out, OutSlice};
use crate::error::amt_error;
use crate::guard::guard;
use crate::handle::{self, Object};
use crate::status::amt_status;
use crate::text;
use amt_provision::Record;
use std::ffi::c_char;

/// A journal record. It never changes: its functions may run beside each other. Its secrets are zeroed when it is freed.
pub struct amt_record {
    record: Record,
    uuid: String,
}

impl Object for amt_record {
    const TAG: u32 = 0x414d_5408;
    const NAME: &'static str = "amt_record";
}

/// Reads a record that came with `AMT_EVENT_PERSIST` into `*out`; free it with `amt_record_free`. `data` is not kept.
///
/// Fails with `AMT_E_JOURNAL` if it is damaged or of a newer version.
///
/// # Safety
/// `data` is null or readable for `len` bytes; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_record_parse(
    data: *const u8,
    len: usize,
    out: *mut *mut amt_record,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let record = Record::decode(argument::bytes("data", data, len)?)?;
            out.give(amt_record { uuid: record.id.to_string(), record });
            Ok(())
        })
    }
}

/// The machine's UUID as text. Valid until `record` is freed.
///
/// # Safety
/// `record` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_record_uuid(
    record: *const amt_record,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { text::lend(record, data, len, err, |record| Ok(&record.uuid)) }
}

/// How many passwords of `admin` are recorded. More than one as long as it is not proven which of them the machine took.
///
/// # Safety
/// `record` is null or a handle; `count` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_record_admin_password_count(
    record: *const amt_record,
    count: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let count = Out::new("count", count, 0)?;
            count.set(handle::lease(record)?.record.admin_passwords.len());
            Ok(())
        })
    }
}

/// A password of `admin`, likeliest first. Valid until `record` is freed.
///
/// # Safety
/// `record` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_record_admin_password(
    record: *const amt_record,
    index: usize,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        text::lend(record, data, len, err, |record| {
            let password = argument::element("admin_password", &record.record.admin_passwords, index)?;
            Ok(password.expose())
        })
    }
}

/// How many passwords of the setup menu (MEBx) are recorded.
///
/// # Safety
/// `record` is null or a handle; `count` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_record_mebx_password_count(
    record: *const amt_record,
    count: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let count = Out::new("count", count, 0)?;
            count.set(handle::lease(record)?.record.mebx_passwords.len());
            Ok(())
        })
    }
}

/// A password of the setup menu, likeliest first. Valid until `record` is freed.
///
/// # Safety
/// `record` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_record_mebx_password(
    record: *const amt_record,
    index: usize,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        text::lend(record, data, len, err, |record| {
            let password = argument::element("mebx_password", &record.record.mebx_passwords, index)?;
            Ok(password.expose())
        })
    }
}

/// The certificate (DER) of the machine's TLS server, to be pinned when connecting; empty as long as there is none. Valid until
/// `record` is freed.
///
/// # Safety
/// `record` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_record_certificate(
    record: *const amt_record,
    data: *mut *const u8,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = OutSlice::<u8>::new(data, len)?;
            out.lend(handle::lease(record)?.record.certificate.as_deref().unwrap_or_default());
            Ok(())
        })
    }
}

/// 1 if the machine has proven that it is provisioned, else 0.
///
/// # Safety
/// `record` is null or a handle; `verified` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_record_verified(
    record: *const amt_record,
    verified: *mut u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let verified = Out::new("verified", verified, 0)?;
            verified.set(handle::lease(record)?.record.verified.into());
            Ok(())
        })
    }
}

/// Frees `record`. Null does nothing.
///
/// # Safety
/// `record` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_record_free(record: *mut amt_record) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(record)) }
}
