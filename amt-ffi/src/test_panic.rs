//! A function that panics, for the tests of the guard: `examples/panicking.rs` exports it, this library does not.

use crate::error::amt_error;
use crate::guard::guard;
use crate::handle;
use crate::hello::amt_hello;
use crate::status::amt_status;

/// Panics while it is inside `hello`.
///
/// # Safety
/// `hello` is null or a handle; `err` is null or writable.
pub unsafe fn test_panic(hello: *const amt_hello, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        guard(err, || {
            let hello = handle::lease(hello)?;
            panic!("asked for on retry {}", hello.hello().retry)
        })
    }
}
