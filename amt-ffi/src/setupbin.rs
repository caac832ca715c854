//! `amt_setupbin`: the file by which a USB stick sets machines up.

use crate::argument::{self, Out, OutSlice};
use crate::document::amt_document;
use crate::error::amt_error;
use crate::findings::amt_findings;
use crate::guard::guard;
use crate::handle::{self, Object};
use crate::status::amt_status;
use amt_core::setupbin::{self, SetupBin};
use amt_core::{Failure, Secret};
use amt_fleet::json;
use std::ffi::c_char;

/// A setup.bin. It never changes: its functions may run beside each other. Its secrets are zeroed when it is freed.
pub struct amt_setupbin {
    file: SetupBin,
    bytes: Secret<Vec<u8>>,
}

impl Object for amt_setupbin {
    const TAG: u32 = 0x414d_540b;
    const NAME: &'static str = "amt_setupbin";
}

/// Reads a file into `*out`, as far as it can be read; free it with `amt_setupbin_free`. `data` is not kept.
///
/// Fails with `AMT_E_SETUP_BIN` if it is none; `amt_setupbin_lint` tells what is wrong with one that could be read.
///
/// # Safety
/// `data` is null or readable for `len` bytes; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_setupbin_parse(
    data: *const u8,
    len: usize,
    out: *mut *mut amt_setupbin,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe { make(out, err, || SetupBin::read(argument::bytes("data", data, len)?)) }
}

/// Makes a file into `*out` out of a JSON document; free it with `amt_setupbin_free`. `data` is not kept. The least that is needed is
/// `{"records": [{"entries": {"current_password": "admin", "new_password": "…"}}]}`; `amt_setupbin_variables` lists names and values.
/// What the version of the file cannot carry is refused.
///
/// Without `version` it is 2.1 for a file with pairs (`pid`, `pps`) and 4 for any other; `"reusable": true` lets every record be used
/// again. What `amt_setupbin_json` gave, with secrets, is rebuilt to the byte. Fails with `AMT_E_SETUP_BIN`; the message names the place and
/// repeats no value.
///
/// # Safety
/// `data` is null or readable for `len` bytes; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_setupbin_from_json(
    data: *const c_char,
    len: usize,
    out: *mut *mut amt_setupbin,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        make(out, err, || {
            let limit = json::setupbin::MAX_DOCUMENT;
            if len > limit {
                let text = format!("data: {len} bytes, at most {limit} are read");
                return Err(Failure::new(amt_core::ErrorCode::DECODE_TOO_LARGE, "create", text));
            }
            json::setupbin::read(argument::text("data", data, len)?.as_bytes())
        })
    }
}

/// The file, to be written to the stick. Valid until `setupbin` is freed.
///
/// # Safety
/// `setupbin` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_setupbin_bytes(
    setupbin: *const amt_setupbin,
    data: *mut *const u8,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = OutSlice::<u8>::new(data, len)?;
            out.lend(handle::lease(setupbin)?.bytes.expose());
            Ok(())
        })
    }
}

/// What is in the file, as JSON: `version`, `flags`, `consumed`, `modules`, `records` with their `entries`, and `findings`. Passwords, PPS and passcodes
/// are null unless `reveal` is 1.
///
/// # Safety
/// `setupbin` is null or a handle; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_setupbin_json(
    setupbin: *const amt_setupbin,
    reveal: u32,
    out: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let reveal = argument::truth("reveal", reveal)?;
            let file = &handle::lease(setupbin)?.file;
            out.give(amt_document::new(json::setupbin::document(file, &file.lint(), reveal)));
            Ok(())
        })
    }
}

/// Lists everything that is wrong with a file, also with one that cannot be read, into `*out`; free it with `amt_findings_free`.
///
/// # Safety
/// `data` is null or readable for `len` bytes; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_setupbin_lint(
    data: *const u8,
    len: usize,
    out: *mut *mut amt_findings,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            out.give(amt_findings::new(setupbin::lint(argument::bytes("data", data, len)?)));
            Ok(())
        })
    }
}

/// The variables that a record may have, as JSON: a list of `module`, `variable`, `name`, `since` (version of the file), `type`, `secret`, `values`, `about`.
///
/// # Safety
/// `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_setupbin_variables(out: *mut *mut amt_document, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let list: Vec<_> = setupbin::TABLE.iter().map(json::setupbin::variable).collect();
            out.give(amt_document::new(serde_json::Value::Array(list)));
            Ok(())
        })
    }
}

/// Frees `setupbin`. Null does nothing.
///
/// # Safety
/// `setupbin` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_setupbin_free(setupbin: *mut amt_setupbin) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(setupbin)) }
}

/// # Safety
/// `out` is null or writable; `err` is null or writable.
unsafe fn make(
    out: *mut *mut amt_setupbin,
    err: *mut *mut amt_error,
    file: impl FnOnce() -> Result<SetupBin, Failure>,
) -> amt_status {
    // SAFETY: as promised by the caller; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let file = file()?;
            out.give(amt_setupbin { bytes: file.encode(), file });
            Ok(())
        })
    }
}
