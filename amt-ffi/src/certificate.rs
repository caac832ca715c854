//! `amt_certificate`: a provisioning certificate with its chain and key, and the check whether it fits a machine.

use crate::argument::{self, Out};
use crate::error::amt_error;
use crate::findings::amt_findings;
use crate::guard::guard;
use crate::handle::{self, Object};
use crate::hello::amt_hello;
use crate::status::amt_status;
use amt::certificate::Bundle;
use amt_core::pki::preflight::SuffixInput;
use amt_core::pki::{PreflightInput, preflight};
use amt_core::{ErrorCode, Failure, Secret};
use std::ffi::c_char;
use std::time::{SystemTime, UNIX_EPOCH};

/// What a PFX or PEM file holds, usable or not. It never changes: its functions may run beside each other.
pub struct amt_certificate(Bundle);

impl Object for amt_certificate {
    const TAG: u32 = 0x414d_5403;
    const NAME: &'static str = "amt_certificate";
}

/// Flag of `amt_certificate_preflight`: the machine's network has no DNS suffix, neither from DHCP nor set in the firmware.
pub const AMT_PREFLIGHT_NO_SUFFIX: u32 = 1;
/// Flag of `amt_certificate_preflight`: the address at hand belongs to the machine's wireless adapter.
pub const AMT_PREFLIGHT_WIRELESS: u32 = 2;

/// Reads a PFX (PKCS#12) file into `*out`; free it with `amt_certificate_free`. Nothing passed in is kept.
///
/// Fails with `AMT_E_PFX_OPEN` if the password is wrong, `AMT_E_CERTIFICATE_PARSE` if this is no PFX. Whether the certificate is fit for
/// its purpose is told by `amt_certificate_preflight`.
///
/// # Safety
/// `data` and `password` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_certificate_parse_pfx(
    data: *const u8,
    len: usize,
    password: *const c_char,
    password_len: usize,
    out: *mut *mut amt_certificate,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let password = Secret::from(argument::text("password", password, password_len)?);
            out.give(amt_certificate(Bundle::from_pfx(argument::bytes("data", data, len)?, &password)?));
            Ok(())
        })
    }
}

/// Reads PEM text with certificates and perhaps the key into `*out`; free it with `amt_certificate_free`. The key may come in a
/// file of its own (`key`, else null), as PEM or as PKCS#8 DER; `password` opens an encrypted key (else null). Nothing passed in is
/// kept.
///
/// Fails with `AMT_E_CERTIFICATE_PARSE` if something cannot be read, `AMT_E_PFX_OPEN` if an encrypted key does not open.
///
/// # Safety
/// `data`, `key` and `password` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_certificate_parse_pem(
    data: *const u8,
    len: usize,
    key: *const u8,
    key_len: usize,
    password: *const c_char,
    password_len: usize,
    out: *mut *mut amt_certificate,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let data = argument::bytes("data", data, len)?;
            let key = argument::bytes("key", key, key_len)?;
            let password = argument::optional_text("password", password, password_len)?.map(Secret::from);
            out.give(amt_certificate(Bundle::from_pem(data, (!key.is_empty()).then_some(key), password.as_ref())?));
            Ok(())
        })
    }
}

/// Every reason why this certificate would not provision a machine, most basic first, into `*out`; free it with
/// `amt_findings_free`. What is not known of the machine is left null and not checked: its hello, the DNS suffix of its network,
/// its firmware version (`16.1.25`). `flags` is a combination of `AMT_PREFLIGHT_`, or 0.
///
/// # Safety
/// `certificate` is null or a handle; `hello` is null or a handle; `suffix` and `firmware` are null or readable for their lengths; `out` is
/// null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_certificate_preflight(
    certificate: *const amt_certificate,
    hello: *const amt_hello,
    suffix: *const c_char,
    suffix_len: usize,
    firmware: *const c_char,
    firmware_len: usize,
    flags: u32,
    out: *mut *mut amt_findings,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let certificate = handle::lease(certificate)?;
            let hello = handle::optional(hello)?;
            let suffix = argument::optional_text("suffix", suffix, suffix_len)?;
            let firmware = argument::optional_text("firmware", firmware, firmware_len)?;
            let mut input = PreflightInput::new(certificate.0.facts(), now()?);
            input.hello = hello.as_ref().map(|hello| hello.hello());
            input.suffix = suffix_input(suffix, flags)?;
            input.firmware = firmware.map(str::parse).transpose()?;
            input.wireless = flags & AMT_PREFLIGHT_WIRELESS != 0;
            out.give(amt_findings::new(preflight(&input)));
            Ok(())
        })
    }
}

/// Frees `certificate`. Null does nothing.
///
/// # Safety
/// `certificate` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_certificate_free(certificate: *mut amt_certificate) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(certificate)) }
}

impl amt_certificate {
    pub(crate) fn bundle(&self) -> &Bundle {
        &self.0
    }
}

fn suffix_input(suffix: Option<&str>, flags: u32) -> Result<SuffixInput<'_>, Failure> {
    let wrong = |message: &str| Err(argument::invalid(message));
    if flags & !(AMT_PREFLIGHT_NO_SUFFIX | AMT_PREFLIGHT_WIRELESS) != 0 {
        return wrong("flags: a bit that this library does not know");
    }
    match (suffix, flags & AMT_PREFLIGHT_NO_SUFFIX != 0) {
        (Some(_), true) => wrong("suffix: given, but the flags say that there is none"),
        (Some(suffix), false) => Ok(SuffixInput::Known(suffix)),
        (None, true) => Ok(SuffixInput::Absent),
        (None, false) => Ok(SuffixInput::Unknown),
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> Result<i64, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|time| i64::try_from(time.as_secs()).ok());
    now.ok_or_else(|| Failure::new(ErrorCode::IO, "call", "the clock of this computer is before 1970"))
}
