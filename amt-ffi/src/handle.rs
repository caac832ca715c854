//! Opaque handles: what a pointer in the hands of the caller points to.
//!
//! Every handle begins with the same header, so that a handle of another type is told apart before anything else of it is touched.
//! The value behind it is only ever shared: a type whose functions change it keeps its inside in an [`Exclusive`].

use amt_core::{ErrorCode, Failure};
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::{panic, thread};

/// A type that C knows by an opaque pointer.
///
/// `Sync` because `const` functions may run beside each other, `Send` because handles may move between threads.
pub(crate) trait Object: Send + Sync + Sized + 'static {
    /// Number that marks a live handle of this type.
    const TAG: u32;
    /// Its name in C, for errors.
    const NAME: &'static str;
}

/// What the pointer points to. The header comes first in every type of handle.
#[repr(C)]
struct Handle<T> {
    header: Header,
    value: T,
}

#[repr(C)]
struct Header {
    tag: AtomicU32,
    /// Number of calls inside, with [`POISONED`] and [`CLOSED`] on top.
    state: AtomicU32,
}

/// A panic passed by while a call was inside.
const POISONED: u32 = 1 << 31;
/// The handle is being freed.
const CLOSED: u32 = 1 << 30;
/// Tag of a freed handle. The memory goes back to the allocator, so that meeting it is luck.
const FREED: u32 = 0xdead_dead;

/// Gives a value away to the caller.
pub(crate) fn give<T: Object>(value: T) -> *mut T {
    let header = Header { tag: AtomicU32::new(T::TAG), state: AtomicU32::new(0) };
    Box::into_raw(Box::new(Handle { header, value })).cast()
}

/// Enters a handle for the time of a call.
///
/// # Safety
/// `pointer` is null, or came from [`give`] (for any type) and was not freed; it stays so while the lease lives, which
/// [`free`] sees to as long as it is not called at the very moment of entering.
pub(crate) unsafe fn lease<'a, T: Object>(pointer: *const T) -> Result<Lease<'a, T>, Failure> {
    // SAFETY: as promised by the caller.
    unsafe { header(pointer.cast(), T::TAG, T::NAME) }?.enter(T::NAME)?;
    // SAFETY: the tag said that this is a handle of type T, and it is not freed before the lease is dropped.
    let handle = unsafe { &*pointer.cast::<Handle<T>>() };
    Ok(Lease { handle, unwinding: thread::panicking(), _one_thread: PhantomData })
}

/// As [`lease`], for a handle that may be absent.
///
/// # Safety
/// As for [`lease`].
pub(crate) unsafe fn optional<'a, T: Object>(pointer: *const T) -> Result<Option<Lease<'a, T>>, Failure> {
    // SAFETY: as promised by the caller.
    if pointer.is_null() { Ok(None) } else { unsafe { lease(pointer) }.map(Some) }
}

/// Frees a handle. Null is fine; a handle with a call inside is refused as busy and stays as it was.
///
/// # Safety
/// As for [`lease`].
pub(crate) unsafe fn free<T: Object>(pointer: *mut T) -> Result<(), Failure> {
    if pointer.is_null() {
        return Ok(());
    }
    // SAFETY: as promised by the caller.
    unsafe { header(pointer.cast(), T::TAG, T::NAME) }?.close(T::NAME)?;
    // SAFETY: made by `give` for this type, as the tag said; nobody is inside, and CLOSED keeps others out.
    drop(unsafe { Box::from_raw(pointer.cast::<Handle<T>>()) });
    Ok(())
}

impl Header {
    /// Counts a call in.
    fn enter(&self, name: &str) -> Result<(), Failure> {
        let entered = self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, |state| {
            (state & (POISONED | CLOSED) == 0).then_some(state + 1)
        });
        match entered {
            Ok(_) => Ok(()),
            Err(state) if state & CLOSED != 0 => Err(bad(name, "was freed")),
            Err(_) => Err(poisoned(name)),
        }
    }

    /// Lets no call in any more; refused while one is inside.
    fn close(&self, name: &str) -> Result<(), Failure> {
        let closed = self.state.fetch_update(Ordering::Acquire, Ordering::Relaxed, |state| {
            (state & !POISONED == 0).then_some(state | CLOSED)
        });
        match closed {
            Ok(_) => {
                self.tag.store(FREED, Ordering::Relaxed);
                Ok(())
            }
            Err(state) if state & CLOSED != 0 => Err(bad(name, "was freed")),
            Err(_) => Err(busy(name)),
        }
    }
}

/// The header of what should be a handle of the type with this tag and name.
///
/// # Safety
/// As for [`lease`].
unsafe fn header<'a>(pointer: *const Header, tag: u32, name: &str) -> Result<&'a Header, Failure> {
    if pointer.is_null() {
        return Err(Failure::new(ErrorCode::NULL_POINTER, "call", format!("the {name} is null")));
    }
    if !pointer.addr().is_multiple_of(align_of::<Header>()) {
        return Err(bad(name, "is no handle"));
    }
    // SAFETY: a handle of whatever type begins with a header, as the caller promised that it is one.
    let header = unsafe { &*pointer };
    match header.tag.load(Ordering::Relaxed) {
        found if found == tag => Ok(header),
        FREED => Err(bad(name, "was freed")),
        _ => Err(bad(name, "is a handle of another type")),
    }
}

fn bad(name: &str, what: &str) -> Failure {
    Failure::new(ErrorCode::BAD_HANDLE, "call", format!("what was passed as {name} {what}"))
}

fn busy(name: &str) -> Failure {
    Failure::new(ErrorCode::BUSY, "call", format!("another call is under way on this {name}"))
}

fn poisoned(name: &str) -> Failure {
    Failure::new(ErrorCode::POISONED, "call", format!("an earlier panic left this {name} unusable"))
}

/// A call inside a handle. Dropped by a panic, it leaves the handle poisoned.
pub(crate) struct Lease<'a, T: Object> {
    handle: &'a Handle<T>,
    /// The thread was unwinding before: what passes by then is none of ours.
    unwinding: bool,
    /// `thread::panicking` is asked on the thread that entered.
    _one_thread: PhantomData<*const ()>,
}

impl<T: Object> Deref for Lease<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.handle.value
    }
}

impl<T: Object> Drop for Lease<'_, T> {
    fn drop(&mut self) {
        let state = &self.handle.header.state;
        if thread::panicking() && !self.unwinding {
            state.fetch_or(POISONED, Ordering::Relaxed);
        }
        state.fetch_sub(1, Ordering::Release);
    }
}

/// The inside of a handle that calls change: one at a time, a second one is told that it is busy.
pub(crate) struct Exclusive<T>(Mutex<T>);

impl<T> Exclusive<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// The inside, unless another call has it. `Owner` names the handle in the error.
    pub(crate) fn enter<Owner: Object>(&self) -> Result<MutexGuard<'_, T>, Failure> {
        match self.0.try_lock() {
            Ok(inside) => Ok(inside),
            Err(TryLockError::WouldBlock) => Err(busy(Owner::NAME)),
            // The lease of the call that panicked poisons the whole handle; this is the moment before it does.
            Err(TryLockError::Poisoned(_)) => Err(poisoned(Owner::NAME)),
        }
    }
}

// A lease is meant to see panics pass by, and poisons the handle when one does.
impl<T: Object> panic::UnwindSafe for Lease<'_, T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    struct Counter(Exclusive<u32>);
    impl Object for Counter {
        const TAG: u32 = 0x7e57_0001;
        const NAME: &'static str = "counter";
    }

    struct Other;
    impl Object for Other {
        const TAG: u32 = 0x7e57_0002;
        const NAME: &'static str = "other";
    }

    fn counter() -> *mut Counter {
        give(Counter(Exclusive::new(7)))
    }

    fn code<T>(result: Result<T, Failure>) -> ErrorCode {
        result.err().map_or(ErrorCode::OK, |failure| failure.code)
    }

    #[test]
    fn null_and_other_types_are_told_apart() {
        let (mine, other) = (counter(), give(Other));
        // SAFETY: all of these are null or live handles.
        unsafe {
            assert_eq!(*lease(mine).unwrap().0.enter::<Counter>().unwrap(), 7);
            assert_eq!(code(lease(other.cast::<Counter>())), ErrorCode::BAD_HANDLE);
            assert_eq!(code(lease(std::ptr::null::<Counter>())), ErrorCode::NULL_POINTER);
            assert!(optional(std::ptr::null::<Counter>()).unwrap().is_none());
            assert_eq!(code(lease(mine.cast::<u8>().wrapping_add(1).cast::<Counter>())), ErrorCode::BAD_HANDLE);
            assert_eq!(code(free(other.cast::<Counter>())), ErrorCode::BAD_HANDLE);
            free(other).unwrap();
            free(mine).unwrap();
            free(std::ptr::null_mut::<Counter>()).unwrap();
        }
    }

    #[test]
    fn a_handle_in_use_is_neither_entered_twice_nor_freed() {
        let address = counter().expose_provenance();
        let (inside, checked) = (Barrier::new(2), Barrier::new(2));
        thread::scope(|scope| {
            scope.spawn(|| {
                // SAFETY: the handle is freed after this thread has ended.
                let lease = unsafe { lease(std::ptr::with_exposed_provenance::<Counter>(address)) }.unwrap();
                let _value = lease.0.enter::<Counter>().unwrap();
                inside.wait();
                checked.wait();
            });
            inside.wait();
            let pointer = std::ptr::with_exposed_provenance_mut::<Counter>(address);
            // SAFETY: the handle is live; free refuses while the other thread is inside.
            unsafe {
                assert_eq!(code(lease(pointer).unwrap().0.enter::<Counter>()), ErrorCode::BUSY);
                assert_eq!(code(free(pointer)), ErrorCode::BUSY);
            }
            checked.wait();
        });
        // SAFETY: nobody is inside any more.
        unsafe { free(std::ptr::with_exposed_provenance_mut::<Counter>(address)) }.unwrap();
    }

    #[test]
    fn a_panic_inside_poisons_the_handle_which_can_still_be_freed() {
        let pointer = counter();
        let caught = panic::catch_unwind(|| {
            // SAFETY: the handle is live.
            let lease = unsafe { lease(pointer) }.unwrap();
            let _value = lease.0.enter::<Counter>().unwrap();
            panic::resume_unwind(Box::new("test"));
        });
        assert!(caught.is_err());
        // SAFETY: the handle is live.
        unsafe {
            assert_eq!(code(lease(pointer)), ErrorCode::POISONED);
            free(pointer).unwrap();
        }
    }
}
