//! The body of every function that lends a text of a handle.

use crate::argument::OutSlice;
use crate::error::amt_error;
use crate::guard::guard;
use crate::handle::{self, Object};
use crate::status::amt_status;
use amt_core::Failure;
use std::ffi::c_char;

/// Lends the text that `part` finds in a handle, until the handle is freed.
///
/// # Safety
/// `handle` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
pub(crate) unsafe fn lend<T: Object>(
    handle: *const T,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
    part: impl FnOnce(&T) -> Result<&str, Failure>,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = OutSlice::<c_char>::new(data, len)?;
            out.lend(part(&*handle::lease(handle)?)?);
            Ok(())
        })
    }
}
