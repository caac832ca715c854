//! `amt_listener`: hellos that arrive at a port, and `amt_arrival`: one of them.

use crate::argument::{self, Out, OutSlice};
use crate::error::amt_error;
use crate::guard::guard;
use crate::handle::{self, Exclusive, Object};
use crate::hello::amt_hello;
use crate::status::amt_status;
use crate::text;
use amt::blocking::{Canceller, Listener};
use amt::{HelloEvent, ListenerConfig};
use amt_core::{ErrorCode, Failure};
use std::ffi::c_char;
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

/// Port on which machines in setup mode say hello, on every address.
const EVERYWHERE: &str = "[::]:9971";

/// Open ports that await hellos. One call at a time, except `amt_listener_cancel`, which any thread may call at any time.
pub struct amt_listener {
    addresses: String,
    canceller: Canceller,
    listener: Exclusive<Listener>,
}

impl Object for amt_listener {
    const TAG: u32 = 0x414d_540e;
    const NAME: &'static str = "amt_listener";
}

/// What one connection brought: a hello, or bytes that are none. It never changes: its functions may run beside each other.
pub struct amt_arrival {
    event: HelloEvent,
    address: String,
}

impl Object for amt_arrival {
    const TAG: u32 = 0x414d_540f;
    const NAME: &'static str = "amt_arrival";
}

/// Opens ports and awaits hellos at them, into `*out`; free it with `amt_listener_free`. `addresses` is a list such as
/// `0.0.0.0:9971,[::1]:9971`, empty for `[::]:9971`; `[::]` also takes IPv4, and port 0 lets the system choose.
///
/// Nothing that arrives is authenticated: anybody may say hello. One address may have 64 connections at a time, and one on which nothing comes
/// for 10 seconds is dropped. Fails with `AMT_E_PARSE_TEXT` for what is no address, with `AMT_E_LISTEN` for a port that cannot be opened.
///
/// # Safety
/// `addresses` is null or readable for `addresses_len` bytes; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_listener_new(
    addresses: *const c_char,
    addresses_len: usize,
    out: *mut *mut amt_listener,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let text = argument::optional_text("addresses", addresses, addresses_len)?.unwrap_or(EVERYWHERE);
            let addresses = text.split(',').map(|part| socket(part.trim())).collect::<Result<Vec<_>, _>>()?;
            let canceller = Canceller::default();
            let listener = Listener::bind(&addresses, ListenerConfig::default(), canceller.clone())?;
            let opened: Vec<String> = listener.addresses().iter().map(ToString::to_string).collect();
            out.give(amt_listener { addresses: opened.join(","), canceller, listener: Exclusive::new(listener) });
            Ok(())
        })
    }
}

/// Where it listens, with the port that was chosen where 0 was asked for, as `amt_listener_new` takes it. Valid until `listener` is freed.
///
/// # Safety
/// `listener` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_listener_addresses(
    listener: *const amt_listener,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { text::lend(listener, data, len, err, |listener| Ok(&listener.addresses)) }
}

/// Waits for at most `timeout_ms` and brings what arrived into `*arrival`, to be freed with `amt_arrival_free`; null if nothing did. All work is
/// done inside these calls: between them machines wait in the system's queue, so call again without much delay.
///
/// # Safety
/// `listener` is null or a handle; `arrival` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_listener_next(
    listener: *mut amt_listener,
    timeout_ms: u32,
    arrival: *mut *mut amt_arrival,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let arrival = Out::handle("arrival", arrival)?;
            let listener = handle::lease(listener)?;
            let patience = Duration::from_millis(timeout_ms.into());
            if let Some(event) = listener.listener.enter::<amt_listener>()?.next(patience)? {
                let address = event.source.ip().to_string();
                arrival.give(amt_arrival { event, address });
            }
            Ok(())
        })
    }
}

/// Ends the call that is under way in another thread, and every later one, with `AMT_E_CANCELLED`. The ports stay open until the listener is
/// freed.
///
/// # Safety
/// `listener` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_listener_cancel(listener: *const amt_listener, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            handle::lease(listener)?.canceller.cancel();
            Ok(())
        })
    }
}

/// Closes the ports and frees `listener`. Null does nothing; while a call is inside, `AMT_E_BUSY` is returned and nothing is freed.
///
/// # Safety
/// `listener` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_listener_free(listener: *mut amt_listener) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(listener)) }
}

/// The IP address that it came from, to which a job connects back. Valid until `arrival` is freed.
///
/// # Safety
/// `arrival` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_arrival_address(
    arrival: *const amt_arrival,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { text::lend(arrival, data, len, err, |arrival| Ok(&arrival.address)) }
}

/// The hello into `*hello`, to be freed with `amt_hello_free`; it does not need the arrival. Fails with the reason, such as
/// `AMT_E_DECODE_INVALID`, where the bytes are none: this is no failure of the listener, which goes on.
///
/// # Safety
/// `arrival` is null or a handle; `hello` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_arrival_hello(
    arrival: *const amt_arrival,
    hello: *mut *mut amt_hello,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let hello = Out::handle("hello", hello)?;
            hello.give(amt_hello::new(handle::lease(arrival)?.event.result.clone()?));
            Ok(())
        })
    }
}

/// The bytes as received, at most as many as a hello can have. Valid until `arrival` is freed.
///
/// # Safety
/// `arrival` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_arrival_bytes(
    arrival: *const amt_arrival,
    data: *mut *const u8,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = OutSlice::<u8>::new(data, len)?;
            out.lend(&handle::lease(arrival)?.event.bytes);
            Ok(())
        })
    }
}

/// How many hellos of this machine arrived within a minute before it.
///
/// # Safety
/// `arrival` is null or a handle; `repeat` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_arrival_repeat(
    arrival: *const amt_arrival,
    repeat: *mut u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let repeat = Out::new("repeat", repeat, 0)?;
            repeat.set(handle::lease(arrival)?.event.repeat);
            Ok(())
        })
    }
}

/// When it was complete, in milliseconds since 1970.
///
/// # Safety
/// `arrival` is null or a handle; `unix_ms` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_arrival_received(
    arrival: *const amt_arrival,
    unix_ms: *mut u64,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let unix_ms = Out::new("unix_ms", unix_ms, 0)?;
            let since = handle::lease(arrival)?.event.received.duration_since(UNIX_EPOCH).unwrap_or_default();
            unix_ms.set(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
            Ok(())
        })
    }
}

/// Frees `arrival`. Null does nothing.
///
/// # Safety
/// `arrival` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_arrival_free(arrival: *mut amt_arrival) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(arrival)) }
}

fn socket(text: &str) -> Result<SocketAddr, Failure> {
    let wrong =
        |_| Failure::new(ErrorCode::PARSE_TEXT, "call", format!("addresses: {text:?} is no address with a port"));
    text.parse().map_err(wrong)
}
