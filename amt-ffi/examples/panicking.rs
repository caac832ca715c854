//! The C library with one function more, that panics. What C sees of a panic is tested with it (`tests/panic.rs`); it is no part of a release.
#![allow(unsafe_code, reason = "a function for C")]

use amt_ffi::error::amt_error;
use amt_ffi::hello::amt_hello;
use amt_ffi::status::amt_status;

/// Panics while it is inside `hello`.
///
/// # Safety
/// `hello` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_test_panic(hello: *const amt_hello, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { amt_ffi::test_panic::test_panic(hello, err) }
}
