//! What a firmware version can do.

use crate::argument::{self, Out};
use crate::document::amt_document;
use crate::error::amt_error;
use crate::guard::guard;
use crate::status::amt_status;
use amt_core::FirmwareVersion;
use amt_fleet::json;
use std::ffi::c_char;

/// What the firmware of this version (text, for example `16.1` or `11.8.65.3590`) can do, as JSON into `*out`, to be freed with
/// `amt_document_free`: a truth value for each feature, `version`, `tls`, `engine`, `suites`, `psk_suites`, `root_hashes`, `rsa_bits`, `digest_algorithms`.
///
/// Fails with `AMT_E_PARSE_TEXT` if the version cannot be read.
///
/// # Safety
/// `version` is null or readable for `version_len` bytes; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_capabilities(
    version: *const c_char,
    version_len: usize,
    out: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let version: FirmwareVersion = argument::text("version", version, version_len)?.parse()?;
            out.give(amt_document::new(json::capabilities(version)));
            Ok(())
        })
    }
}
