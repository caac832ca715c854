//! `amt_psk`: a pre-shared pair, by which machines of AMT 2 to 10 are set up.

use crate::argument::{self, Out};
use crate::error::amt_error;
use crate::guard::guard;
use crate::handle::{self, Object};
use crate::status::amt_status;
use crate::text;
use amt_core::Secret;
use amt_core::psk::{Form, Pid, PskPair};
use std::ffi::c_char;

/// A PID and its PPS. It never changes: its functions may run beside each other. The PPS is zeroed when it is freed.
pub struct amt_psk {
    pid: String,
    pps: Secret<String>,
    pid_dashed: String,
    pps_dashed: Secret<String>,
}

impl Object for amt_psk {
    const TAG: u32 = 0x414d_540c;
    const NAME: &'static str = "amt_psk";
}

/// Written by a program: 8 and 32 characters, nothing else.
pub const AMT_PSK_STRICT: u32 = 0;
/// Typed by a person: dashes and spaces are dropped, small letters become capitals.
pub const AMT_PSK_TYPED: u32 = 1;

/// Checks a pair as firmware does, into `*out`; free it with `amt_psk_free`. `form` is one of `AMT_PSK_`.
///
/// Fails with `AMT_E_PSK_INVALID`, whose message names the length, the character or the group that is wrong, never the PPS.
///
/// # Safety
/// `pid` and `pps` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_psk_parse(
    pid: *const c_char,
    pid_len: usize,
    pps: *const c_char,
    pps_len: usize,
    form: u32,
    out: *mut *mut amt_psk,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let form = match form {
                AMT_PSK_STRICT => Form::Strict,
                AMT_PSK_TYPED => Form::Typed,
                other => {
                    let text = format!("form: {other} is none of AMT_PSK_*");
                    return Err(argument::invalid(text));
                }
            };
            let pps = argument::text("pps", pps, pps_len)?;
            out.give(PskPair::parse(argument::text("pid", pid, pid_len)?, pps, form)?.into());
            Ok(())
        })
    }
}

/// Makes a new pair out of the system's randomness into `*out`; free it with `amt_psk_free`. `pid` names the pair; empty: it is made too.
///
/// # Safety
/// `pid` is null or readable for `pid_len` bytes; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_psk_generate(
    pid: *const c_char,
    pid_len: usize,
    out: *mut *mut amt_psk,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let wanted = argument::optional_text("pid", pid, pid_len)?;
            let wanted = wanted.map(|pid| Pid::parse(pid, Form::Typed)).transpose()?;
            let mut pair = amt::fresh_pair()?;
            pair.pid = wanted.unwrap_or(pair.pid);
            out.give(pair.into());
            Ok(())
        })
    }
}

/// The PID: 8 characters, or `XXXX-XXXX` if `dashed` is 1. Valid until `psk` is freed.
///
/// # Safety
/// `psk` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_psk_pid(
    psk: *const amt_psk,
    dashed: u32,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { form(psk, dashed, data, len, err, |psk| (&psk.pid, &psk.pid_dashed)) }
}

/// The PPS, a secret: 32 characters, or eight groups with dashes between, as people type it, if `dashed` is 1. Valid until `psk` is freed.
///
/// # Safety
/// `psk` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_psk_pps(
    psk: *const amt_psk,
    dashed: u32,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { form(psk, dashed, data, len, err, |psk| (psk.pps.expose(), psk.pps_dashed.expose())) }
}

/// Frees `psk`. Null does nothing.
///
/// # Safety
/// `psk` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_psk_free(psk: *mut amt_psk) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(psk)) }
}

impl From<PskPair> for amt_psk {
    fn from(pair: PskPair) -> Self {
        let (pid, pps) = (pair.pid.plain(), pair.pps.plain());
        Self { pid, pps, pid_dashed: pair.pid.to_string(), pps_dashed: pair.pps.dashed() }
    }
}

/// # Safety
/// As for the accessors.
unsafe fn form(
    psk: *const amt_psk,
    dashed: u32,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
    forms: impl FnOnce(&amt_psk) -> (&String, &String),
) -> amt_status {
    // SAFETY: the caller keeps the contract of the accessors.
    unsafe {
        text::lend(psk, data, len, err, |psk| {
            let (plain, with_dashes) = forms(psk);
            Ok(if argument::truth("dashed", dashed)? { with_dashes } else { plain })
        })
    }
}
