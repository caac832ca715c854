//! Pointers of the caller: what comes in, and where results go.

use crate::handle::{self, Object};
use amt_core::{ErrorCode, Failure, SystemId};
use std::ffi::c_char;
use std::net::{IpAddr, SocketAddr};
use std::slice;

/// An argument that cannot be used, and why.
pub(crate) fn invalid(text: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::INVALID_ARGUMENT, "call", text.into())
}

/// Bytes of the caller. Null is an empty slice if the length is 0.
///
/// # Safety
/// `data` is null, or readable for `len` bytes as long as the slice is used.
pub(crate) unsafe fn bytes<'a>(name: &'static str, data: *const u8, len: usize) -> Result<&'a [u8], Failure> {
    match (data.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(null(name)),
        (false, _) if isize::try_from(len).is_err() => Err(invalid(format!("{name}: the length {len} is impossible"))),
        // SAFETY: not null, a possible length, and readable as the caller promised.
        (false, _) => Ok(unsafe { slice::from_raw_parts(data, len) }),
    }
}

/// Text of the caller.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn text<'a>(name: &'static str, data: *const c_char, len: usize) -> Result<&'a str, Failure> {
    // SAFETY: as promised by the caller.
    let bytes = unsafe { bytes(name, data.cast(), len) }?;
    str::from_utf8(bytes).map_err(|error| {
        let message = format!("{name}: not UTF-8 at byte {}", error.valid_up_to());
        Failure::new(ErrorCode::NOT_UTF8, "call", message)
    })
}

/// Text of the caller; none if it is empty.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn optional_text<'a>(
    name: &'static str,
    data: *const c_char,
    len: usize,
) -> Result<Option<&'a str>, Failure> {
    // SAFETY: as promised by the caller.
    let text = unsafe { text(name, data, len) }?;
    Ok((!text.is_empty()).then_some(text))
}

/// An IP address, as text of the caller.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn address(name: &'static str, data: *const c_char, len: usize) -> Result<IpAddr, Failure> {
    // SAFETY: as promised by the caller.
    let text = unsafe { text(name, data, len) }?;
    text.parse()
        .map_err(|_| Failure::new(ErrorCode::PARSE_TEXT, "parse", format!("{name}: not an IP address: {text:?}")))
}

/// Where a machine is: an IP address, with its interface where it is one of a link's.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn place(
    name: &'static str,
    data: *const c_char,
    len: usize,
    port: u16,
) -> Result<SocketAddr, Failure> {
    // SAFETY: as promised by the caller.
    let text = unsafe { text(name, data, len) }?;
    amt::place::parse(text, port, "parse").map_err(|mut failure| {
        failure.message = format!("{name}: {}", failure.message);
        failure
    })
}

/// A machine's UUID, as text of the caller.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn uuid(data: *const c_char, len: usize) -> Result<SystemId, Failure> {
    // SAFETY: the caller keeps the contract above.
    unsafe { text("uuid", data, len) }?.parse()
}

/// The 32 bytes of a SHA-256.
///
/// # Safety
/// As for [`bytes`].
pub(crate) unsafe fn sha256(data: *const u8, len: usize) -> Result<[u8; 32], Failure> {
    // SAFETY: as promised by the caller.
    let bytes = unsafe { bytes("sha256", data, len) }?;
    bytes.try_into().map_err(|_| invalid(format!("sha256: {len} bytes, there must be 32")))
}

/// 0 or 1.
pub(crate) fn truth(name: &'static str, value: u32) -> Result<bool, Failure> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(invalid(format!("{name}: {other} is neither 0 nor 1"))),
    }
}

/// A variable of the caller that takes a result.
pub(crate) struct Out<T>(*mut T);

impl<T: Copy> Out<T> {
    /// Checks the pointer and writes `initial`, so that the variable is defined also where the call fails.
    ///
    /// # Safety
    /// `pointer` is null, or writable for the length of the call.
    pub(crate) unsafe fn new(name: &'static str, pointer: *mut T, initial: T) -> Result<Self, Failure> {
        if pointer.is_null() {
            return Err(null(name));
        }
        // SAFETY: not null, and writable as the caller promised.
        unsafe { pointer.write(initial) };
        Ok(Self(pointer))
    }

    pub(crate) fn set(self, value: T) {
        // SAFETY: checked by `new`, whose caller promised that it stays writable.
        unsafe { self.0.write(value) };
    }
}

impl<T: Object> Out<*mut T> {
    /// A variable that takes a new handle; null until then.
    ///
    /// # Safety
    /// As for [`Out::new`].
    pub(crate) unsafe fn handle(name: &'static str, pointer: *mut *mut T) -> Result<Self, Failure> {
        // SAFETY: as promised by the caller.
        unsafe { Self::new(name, pointer, std::ptr::null_mut()) }
    }

    /// Gives `value` away as a new handle.
    pub(crate) fn give(self, value: T) {
        self.set(handle::give(value));
    }
}

/// Two variables of the caller that take a piece of text (`C` is `c_char`) or bytes (`u8`).
pub(crate) struct OutSlice<C> {
    data: Out<*const C>,
    len: Out<usize>,
}

impl<C> OutSlice<C> {
    /// # Safety
    /// As for [`Out::new`], both.
    pub(crate) unsafe fn new(data: *mut *const C, len: *mut usize) -> Result<Self, Failure> {
        // SAFETY: as promised by the caller.
        unsafe { Ok(Self { data: Out::new("data", data, std::ptr::null())?, len: Out::new("len", len, 0)? }) }
    }
}

impl OutSlice<u8> {
    /// Lends `value`, which belongs to a handle and lives as long as it does.
    pub(crate) fn lend(self, value: &[u8]) {
        self.data.set(value.as_ptr());
        self.len.set(value.len());
    }
}

impl OutSlice<c_char> {
    /// Lends `value`, which belongs to a handle and lives as long as it does.
    pub(crate) fn lend(self, value: &str) {
        self.data.set(value.as_ptr().cast());
        self.len.set(value.len());
    }
}

/// The element at `index`, or an error that names the list.
pub(crate) fn element<'a, T>(name: &'static str, list: &'a [T], index: usize) -> Result<&'a T, Failure> {
    list.get(index).ok_or_else(|| no_element(name, index, list.len()))
}

/// There is no element at `index`.
pub(crate) fn no_element(name: &'static str, index: usize, count: usize) -> Failure {
    invalid(format!("{name}: index {index}, but there are {count}"))
}

fn null(name: &'static str) -> Failure {
    Failure::new(ErrorCode::NULL_POINTER, "call", format!("{name} is null"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;

    #[test]
    fn null_is_empty_only_with_length_zero() {
        // SAFETY: null is allowed, and the slices are constants.
        unsafe {
            assert_eq!(bytes("data", ptr::null(), 0).unwrap(), b"");
            assert_eq!(bytes("data", ptr::null(), 1).unwrap_err().code, ErrorCode::NULL_POINTER);
            assert_eq!(bytes("data", b"x".as_ptr(), usize::MAX).unwrap_err().code, ErrorCode::INVALID_ARGUMENT);
            assert_eq!(optional_text("name", ptr::null(), 0).unwrap(), None);
            assert_eq!(text("name", "é".as_ptr().cast(), 2).unwrap(), "é");
            let failure = text("name", "é".as_ptr().cast(), 1).unwrap_err();
            assert_eq!((failure.code, failure.message.as_str()), (ErrorCode::NOT_UTF8, "name: not UTF-8 at byte 0"));
        }
    }

    #[test]
    fn a_result_variable_is_defined_from_the_start() {
        let mut value = 5;
        // SAFETY: a local variable, and null.
        unsafe {
            let out = Out::new("out", &mut value, 0).unwrap();
            assert_eq!(value, 0);
            out.set(6);
            assert_eq!(value, 6);
            assert!(Out::<u32>::new("out", ptr::null_mut(), 0).is_err());
        }
    }
}
