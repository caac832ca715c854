//! `amt_document`: an answer as JSON.

use crate::error::amt_error;
use crate::guard::guard;
use crate::handle::{self, Object};
use crate::status::amt_status;
use crate::text;
use amt_core::Secret;
use std::ffi::c_char;
use std::fmt::Display;

/// A JSON document. It never changes: its functions may run beside each other. Zeroed when it is freed.
pub struct amt_document(Secret<String>);

impl Object for amt_document {
    const TAG: u32 = 0x414d_5409;
    const NAME: &'static str = "amt_document";
}

impl amt_document {
    pub(crate) fn new(json: impl Display) -> Self {
        Self(Secret::new(json.to_string()))
    }
}

/// The document, on one line. Valid until `document` is freed.
///
/// # Safety
/// `document` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_document_json(
    document: *const amt_document,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { text::lend(document, data, len, err, |document| Ok(document.0.expose())) }
}

/// Frees `document`. Null does nothing.
///
/// # Safety
/// `document` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_document_free(document: *mut amt_document) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(document)) }
}
