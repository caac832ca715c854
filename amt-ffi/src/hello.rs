//! `amt_hello`: what a machine that waits for setup says to port 9971.

use crate::argument::{self, Out, OutSlice};
use crate::error::amt_error;
use crate::guard::guard;
use crate::handle::{self, Object};
use crate::status::amt_status;
use amt_core::hello::{Hello, HelloKind};
use amt_core::{ErrorCode, Failure};
use std::ffi::c_char;

/// A decoded hello. It never changes: its functions may run beside each other.
pub struct amt_hello {
    hello: Hello,
    uuid: String,
    encoded: Vec<u8>,
}

impl Object for amt_hello {
    const TAG: u32 = 0x414d_5402;
    const NAME: &'static str = "amt_hello";
}

impl amt_hello {
    pub(crate) fn new(hello: Hello) -> Self {
        let (uuid, encoded) = (hello.id.to_string(), hello.encode());
        Self { hello, uuid, encoded }
    }

    pub(crate) fn hello(&self) -> &Hello {
        &self.hello
    }
}

/// The machine waits for a TLS-PSK session: the hello names a PID.
pub const AMT_HELLO_PSK: u32 = 2;
/// The machine waits for a provisioning certificate: the hello lists root hashes.
pub const AMT_HELLO_PKI: u32 = 3;

/// Decodes one whole hello into `*out`; free it with `amt_hello_free`. `data` is not kept.
///
/// Fails with `AMT_E_DECODE_TRUNCATED`, `_INVALID`, `_UNSUPPORTED` or `_TOO_LARGE`; the message names field and offset.
///
/// # Safety
/// `data` is null or readable for `len` bytes; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_hello_parse(
    data: *const u8,
    len: usize,
    out: *mut *mut amt_hello,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            out.give(amt_hello::new(Hello::decode(argument::bytes("data", data, len)?)?));
            Ok(())
        })
    }
}

/// `AMT_HELLO_PSK` or `AMT_HELLO_PKI`; a later library may know more.
///
/// # Safety
/// `hello` is null or a handle; `kind` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_hello_kind(
    hello: *const amt_hello,
    kind: *mut u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let kind = Out::new("kind", kind, 0)?;
            kind.set(match handle::lease(hello)?.hello.kind {
                HelloKind::Psk { .. } => AMT_HELLO_PSK,
                HelloKind::Pki { .. } => AMT_HELLO_PKI,
                _ => return Err(Failure::new(ErrorCode::UNSUPPORTED, "hello", "a kind of hello without a number")),
            });
            Ok(())
        })
    }
}

/// How often the machine said hello before in this round.
///
/// # Safety
/// `hello` is null or a handle; `retry` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_hello_retry(
    hello: *const amt_hello,
    retry: *mut u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let retry = Out::new("retry", retry, 0)?;
            retry.set(handle::lease(hello)?.hello.retry);
            Ok(())
        })
    }
}

/// 1 if the factory password of the administrator was changed already, else 0.
///
/// # Safety
/// `hello` is null or a handle; `set` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_hello_admin_credentials_set(
    hello: *const amt_hello,
    set: *mut u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let set = Out::new("set", set, 0)?;
            set.set(handle::lease(hello)?.hello.admin_credentials_set.into());
            Ok(())
        })
    }
}

/// Bytes that followed the hello: harmless, but worth a warning.
///
/// # Safety
/// `hello` is null or a handle; `trailing` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_hello_trailing(
    hello: *const amt_hello,
    trailing: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let trailing = Out::new("trailing", trailing, 0)?;
            trailing.set(handle::lease(hello)?.hello.trailing);
            Ok(())
        })
    }
}

/// The machine's UUID as text, lower case, 36 characters. Valid until `hello` is freed.
///
/// # Safety
/// `hello` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_hello_uuid(
    hello: *const amt_hello,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = OutSlice::new(data, len)?;
            out.lend(&handle::lease(hello)?.uuid);
            Ok(())
        })
    }
}

/// The eight bytes of the PID as they travelled; empty for a PKI hello. Valid until `hello` is freed.
///
/// # Safety
/// `hello` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_hello_pid(
    hello: *const amt_hello,
    data: *mut *const u8,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = OutSlice::new(data, len)?;
            let hello = handle::lease(hello)?;
            if let HelloKind::Psk { pid } = &hello.hello.kind {
                out.lend(&pid.0);
            }
            Ok(())
        })
    }
}

/// How many root hashes the hello lists.
///
/// # Safety
/// `hello` is null or a handle; `count` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_hello_root_count(
    hello: *const amt_hello,
    count: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let count = Out::new("count", count, 0)?;
            count.set(handle::lease(hello)?.hello.roots().len());
            Ok(())
        })
    }
}

/// A root hash: the algorithm's number as it travels (1 SHA-1, 2 SHA-256, 3 SHA-384; others are possible) and the fingerprint, which
/// is valid until `hello` is freed.
///
/// # Safety
/// `hello` is null or a handle; `algorithm`, `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_hello_root(
    hello: *const amt_hello,
    index: usize,
    algorithm: *mut u32,
    data: *mut *const u8,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let algorithm = Out::new("algorithm", algorithm, 0)?;
            let out = OutSlice::new(data, len)?;
            let hello = handle::lease(hello)?;
            let roots = hello.hello.roots();
            let root = roots.iter().nth(index).ok_or_else(|| argument::no_element("root", index, roots.len()))?;
            algorithm.set(root.algorithm.0.into());
            out.lend(root.fingerprint);
            Ok(())
        })
    }
}

/// The hello as it travels, without trailing bytes. Valid until `hello` is freed.
///
/// # Safety
/// `hello` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_hello_encode(
    hello: *const amt_hello,
    data: *mut *const u8,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = OutSlice::new(data, len)?;
            out.lend(&handle::lease(hello)?.encoded);
            Ok(())
        })
    }
}

/// Frees `hello`. Null does nothing.
///
/// # Safety
/// `hello` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_hello_free(hello: *mut amt_hello) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(hello)) }
}
