//! The one place where a call crosses the border: errors become a status and an object, panics are caught.

use crate::error::amt_error;
use crate::handle;
use crate::status::{OK, amt_status};
use amt_core::{ErrorCode, Failure};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::thread;

thread_local! {
    /// Whether this thread is inside [`guard`].
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    /// Where the panic under way came from.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs the body of an exported function. On failure the error object goes to `err`, unless that is null; on success null does.
///
/// Unwinding is safe to pass by: a handle used by `body` is poisoned on the way (see [`handle::Lease`]).
///
/// # Safety
/// `err` is null or writable.
pub(crate) unsafe fn guard(err: *mut *mut amt_error, body: impl FnOnce() -> Result<(), Failure>) -> amt_status {
    let outer = enter();
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    // SAFETY: the caller keeps the contract above.
    unsafe { leave(outer, result, err) }
}

/// What comes before the body, whichever it is. Returns whether this thread is inside already.
fn enter() -> bool {
    silence_panics();
    INSIDE.replace(true)
}

/// What comes after the body, whichever it is.
///
/// # Safety
/// `err` is null or writable.
unsafe fn leave(outer: bool, result: thread::Result<Result<(), Failure>>, err: *mut *mut amt_error) -> amt_status {
    INSIDE.set(outer);
    let (status, error) = match result.unwrap_or_else(|payload| Err(panicked(payload))) {
        Ok(()) => (OK, std::ptr::null_mut()),
        Err(failure) => {
            let status = failure.code.number();
            // Not made where nobody takes it.
            (status, if err.is_null() { std::ptr::null_mut() } else { handle::give(amt_error::new(failure)) })
        }
    };
    if !err.is_null() {
        // SAFETY: not null, and the caller of this function promised that it is writable.
        unsafe { err.write(error) };
    }
    status
}

/// Keeps panics inside [`guard`] off stderr, where the standard hook writes them, and remembers where they came from. Other panics
/// of the process, where a Rust program links this crate, go to the hook that was there.
fn silence_panics() {
    static ONCE: Once = Once::new();
    // A hook cannot be set while unwinding, as in a destructor of a Rust program that uses this crate; the next call does it.
    if thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if INSIDE.get() {
                PLACE.set(info.location().map(|place| format!("{}:{}", file_name(place.file()), place.line())));
            } else {
                previous(info);
            }
        }));
    });
}

/// The file without its folders: those of the machine that built the library mean nothing to the user.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// A panic's own text may quote data, so only its place is told, unless the text is a constant of the program.
fn panicked(payload: Box<dyn Any + Send>) -> Failure {
    let text = payload.downcast_ref::<&'static str>().copied().unwrap_or("internal error");
    let place = PLACE.take().unwrap_or_else(|| "an unknown place".to_owned());
    Failure::new(ErrorCode::PANIC, "call", format!("{text}, at {place}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;

    #[test]
    fn a_panic_becomes_a_status_and_an_error_that_tells_where() {
        let mut err = ptr::null_mut();
        // SAFETY: `err` is a local variable.
        let status = unsafe { guard(&mut err, || panic!("broken")) };
        assert_eq!(status, ErrorCode::PANIC.number());
        // SAFETY: guard has just written it, and nobody else has it.
        let failure = unsafe { handle::lease(err) }.unwrap().failure().clone();
        assert!(failure.message.starts_with("broken, at guard.rs:"), "{}", failure.message);
        // SAFETY: as above.
        unsafe { handle::free(err) }.unwrap();
    }

    #[test]
    fn the_handle_of_a_call_that_panics_can_only_be_freed() {
        let hello = hello();
        let (mut err, mut retry) = (ptr::null_mut(), 0);
        // SAFETY: a live handle and local variables.
        unsafe {
            let status = guard(ptr::null_mut(), || {
                let _inside = handle::lease(hello)?;
                panic!("broken")
            });
            assert_eq!(status, ErrorCode::PANIC.number());
            let status = crate::hello::amt_hello_retry(hello, &mut retry, &mut err);
            assert_eq!(status, ErrorCode::POISONED.number());
            assert_eq!(crate::error::amt_error_free(err), OK);
            assert_eq!(crate::hello::amt_hello_free(hello), OK);
        }
    }

    fn hello() -> *mut crate::hello::amt_hello {
        let mut wire = [0; 32];
        wire[2] = 2;
        let mut hello = ptr::null_mut();
        // SAFETY: local variables.
        let status = unsafe { crate::hello::amt_hello_parse(wire.as_ptr(), wire.len(), &mut hello, ptr::null_mut()) };
        assert_eq!(status, OK);
        hello
    }

    #[test]
    fn text_made_at_run_time_stays_inside() {
        let secret = String::from("hunter2");
        let mut err = ptr::null_mut();
        // SAFETY: `err` is a local variable.
        unsafe { guard(&mut err, || panic!("bad password {secret}")) };
        // SAFETY: guard has just written it, and nobody else has it.
        let message = unsafe { handle::lease(err) }.unwrap().failure().message.clone();
        assert!(message.starts_with("internal error, at guard.rs:"), "{message}");
        // SAFETY: as above.
        unsafe { handle::free(err) }.unwrap();
    }

    #[test]
    fn success_writes_null() {
        let mut err = ptr::dangling_mut();
        // SAFETY: `err` is a local variable.
        assert_eq!(unsafe { guard(&mut err, || Ok(())) }, OK);
        assert!(err.is_null());
        // SAFETY: null is allowed.
        let status = unsafe { guard(ptr::null_mut(), || Err(Failure::new(ErrorCode::BUSY, "call", "test"))) };
        assert_eq!(status, ErrorCode::BUSY.number());
    }
}
