//! `amt_event`: what an attempt tells or asks.

use crate::argument::{self, Out, OutSlice};
use crate::error::amt_error;
use crate::guard::guard;
use crate::handle::{self, Object};
use crate::provision::End;
use crate::status::amt_status;
use crate::text;
use amt::blocking::Turn;
use amt_core::{Failure, Secret};
use amt_provision::machine::SignRequest;
use amt_provision::{CertificateRequest, Event, Record};
use std::ffi::c_char;

/// An event. It never changes: its functions may run beside each other.
pub struct amt_event {
    kind: u32,
    text: String,
    detail: Detail,
}

impl Object for amt_event {
    const TAG: u32 = 0x414d_5407;
    const NAME: &'static str = "amt_event";
}

/// What only some kinds have.
enum Detail {
    None,
    Record(Secret<Vec<u8>>),
    Request(Box<CertificateRequest>),
    Sign(SignRequest),
    Outcome { control_mode: &'static str, tls_version: String, tls_suite: String, firmware: String, result: String },
}

/// A step begins; the text is its name, the `stage` of errors.
pub const AMT_EVENT_STEP: u32 = 1;
/// A TLS connection stands; the text has version and suite.
pub const AMT_EVENT_CONNECTED: u32 = 2;
/// The firmware refused a provisioning certificate; the text tells what it said, and the next one is tried.
pub const AMT_EVENT_CERTIFICATE_REFUSED: u32 = 3;
/// The firmware version is known; it is the text.
pub const AMT_EVENT_FIRMWARE: u32 = 4;
/// Something that an administrator should be able to read.
pub const AMT_EVENT_NOTE: u32 = 5;
/// Make the record of `amt_event_record` durable, then call `amt_provision_persisted`.
pub const AMT_EVENT_PERSIST: u32 = 100;
/// Have a certificate issued for `amt_event_csr`, then call `amt_provision_issued`, `_pending` or `_denied`.
pub const AMT_EVENT_CERTIFY: u32 = 101;
/// Have the bytes of `amt_event_sign_data` signed, then call `amt_provision_signed` or `amt_provision_sign_failed`. Comes only where
/// `amt_job_add_chain` was called. A handshake may wait for it: answer within 20 seconds.
pub const AMT_EVENT_SIGN: u32 = 102;
/// The machine is what it was to become, and has proven it. The last event.
pub const AMT_EVENT_DONE: u32 = 200;

/// One of `AMT_EVENT_`. A later library may send kinds that this header does not list: pass over those below 100.
///
/// # Safety
/// `event` is null or a handle; `kind` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_kind(
    event: *const amt_event,
    kind: *mut u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let kind = Out::new("kind", kind, 0)?;
            kind.set(handle::lease(event)?.kind);
            Ok(())
        })
    }
}

/// What it is about, for a log; never a secret. Valid until `event` is freed.
///
/// # Safety
/// `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_text(
    event: *const amt_event,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { text::lend(event, data, len, err, |event| Ok(&event.text)) }
}

/// The record of `AMT_EVENT_PERSIST`, to be stored sealed: it holds the machine's passwords in clear. It replaces the one before of the same
/// procedure. Valid until `event` is freed, and zeroed then. `amt_record_parse` reads it, but for those of `amt_device_configure` and `amt_device_renew`.
///
/// # Safety
/// `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_record(
    event: *const amt_event,
    data: *mut *const u8,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = OutSlice::<u8>::new(data, len)?;
            match &handle::lease(event)?.detail {
                Detail::Record(record) => out.lend(record.expose()),
                _ => return Err(not_this_kind("record")),
            }
            Ok(())
        })
    }
}

/// The PKCS#10 request (DER) of `AMT_EVENT_CERTIFY`, signed inside the machine. Valid until `event` is freed.
///
/// # Safety
/// `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_csr(
    event: *const amt_event,
    data: *mut *const u8,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = OutSlice::<u8>::new(data, len)?;
            out.lend(&handle::lease(event)?.request()?.csr);
            Ok(())
        })
    }
}

/// The subject common name that the certificate of `AMT_EVENT_CERTIFY` shall carry. Valid until `event` is freed.
///
/// # Safety
/// `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_common_name(
    event: *const amt_event,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { text::lend(event, data, len, err, |event| Ok(&event.request()?.common_name)) }
}

/// How many DNS names the certificate of `AMT_EVENT_CERTIFY` shall carry.
///
/// # Safety
/// `event` is null or a handle; `count` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_dns_name_count(
    event: *const amt_event,
    count: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let count = Out::new("count", count, 0)?;
            count.set(handle::lease(event)?.request()?.dns_names.len());
            Ok(())
        })
    }
}

/// A DNS name that the certificate of `AMT_EVENT_CERTIFY` shall carry. Valid until `event` is freed.
///
/// # Safety
/// `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_dns_name(
    event: *const amt_event,
    index: usize,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        text::lend(event, data, len, err, |event| {
            argument::element("dns_name", &event.request()?.dns_names, index).map(String::as_str)
        })
    }
}

/// The authority's name of the pending request that `AMT_EVENT_CERTIFY` asks about; empty if it is a new one. Valid until `event` is
/// freed.
///
/// # Safety
/// `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_request_id(
    event: *const amt_event,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { text::lend(event, data, len, err, |event| Ok(event.request()?.request_id.as_deref().unwrap_or_default())) }
}

/// What is to be signed on `AMT_EVENT_SIGN`: RSA, PKCS#1 v1.5, over the SHA-256 of these bytes. `certificate` becomes the number of the
/// certificate, from 0, in the order of `amt_job_add_chain`. Valid until `event` is freed.
///
/// # Safety
/// `event` is null or a handle; `certificate`, `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_sign_data(
    event: *const amt_event,
    certificate: *mut usize,
    data: *mut *const u8,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let certificate = Out::new("certificate", certificate, 0)?;
            let out = OutSlice::<u8>::new(data, len)?;
            match &handle::lease(event)?.detail {
                Detail::Sign(request) => {
                    certificate.set(request.index);
                    out.lend(&request.data);
                    Ok(())
                }
                _ => Err(not_this_kind("data to be signed")),
            }
        })
    }
}

/// `admin`, `client` or, after its setup was taken back, `none`: how the machine of `AMT_EVENT_DONE` says it is controlled; empty where
/// that was not asked. Valid until `event` is freed.
///
/// # Safety
/// `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_control_mode(
    event: *const amt_event,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        text::lend(event, data, len, err, |event| match &event.detail {
            Detail::Outcome { control_mode, .. } => Ok(control_mode),
            _ => Err(not_this_kind("control mode")),
        })
    }
}

/// TLS version of the connection on which the machine of `AMT_EVENT_DONE` took its new password; empty if it was without. Valid until `event` is freed.
///
/// # Safety
/// `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_tls_version(
    event: *const amt_event,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        text::lend(event, data, len, err, |event| match &event.detail {
            Detail::Outcome { tls_version, .. } => Ok(tls_version),
            _ => Err(not_this_kind("TLS version")),
        })
    }
}

/// Cipher suite of that connection, by its IANA name. Valid until `event` is freed.
///
/// # Safety
/// `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_tls_suite(
    event: *const amt_event,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        text::lend(event, data, len, err, |event| match &event.detail {
            Detail::Outcome { tls_suite, .. } => Ok(tls_suite),
            _ => Err(not_this_kind("TLS suite")),
        })
    }
}

/// Firmware version of the machine of `AMT_EVENT_DONE`; empty if it did not tell. Valid until `event` is freed.
///
/// # Safety
/// `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_firmware(
    event: *const amt_event,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        text::lend(event, data, len, err, |event| match &event.detail {
            Detail::Outcome { firmware, .. } => Ok(firmware),
            _ => Err(not_this_kind("firmware version")),
        })
    }
}

/// What `AMT_EVENT_DONE` brought, as JSON: the document of the command line's `--json` for `amt_device_configure`, `amt_device_rotate`,
/// `amt_device_renew` and `amt_device_unprovision`; empty after a setup. Valid until `event` is freed.
///
/// # Safety
/// `event` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_result(
    event: *const amt_event,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        text::lend(event, data, len, err, |event| match &event.detail {
            Detail::Outcome { result, .. } => Ok(result),
            _ => Err(not_this_kind("result")),
        })
    }
}

/// Frees `event`. Null does nothing.
///
/// # Safety
/// `event` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_event_free(event: *mut amt_event) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(event)) }
}

impl amt_event {
    pub(crate) fn new(turn: Turn<End>) -> Self {
        let (kind, text, detail) = match turn {
            Turn::Event(event) => {
                let (kind, text) = progress(event);
                (kind, text, Detail::None)
            }
            Turn::Persist(record) => persist(&record),
            Turn::Keep(record) => (AMT_EVENT_PERSIST, "record".to_owned(), Detail::Record(record)),
            Turn::Certify(request) => (AMT_EVENT_CERTIFY, request.common_name.clone(), Detail::Request(request)),
            Turn::Sign(request) => (AMT_EVENT_SIGN, format!("by certificate {}", request.index), Detail::Sign(request)),
            Turn::Done(end) => done(end),
            other => (AMT_EVENT_NOTE, format!("{other:?}"), Detail::None),
        };
        Self { kind, text, detail }
    }

    fn request(&self) -> Result<&CertificateRequest, Failure> {
        match &self.detail {
            Detail::Request(request) => Ok(request),
            _ => Err(not_this_kind("certificate request")),
        }
    }
}

fn progress(event: Event) -> (u32, String) {
    match event {
        Event::Step(step) => (AMT_EVENT_STEP, step.to_string()),
        Event::Connected(tls) => (AMT_EVENT_CONNECTED, format!("{} {} ({})", tls.version, tls.suite, tls.engine)),
        Event::CertificateRefused { reason, .. } => (AMT_EVENT_CERTIFICATE_REFUSED, reason),
        Event::Version(version) => (AMT_EVENT_FIRMWARE, version.to_string()),
        Event::Note(text) => (AMT_EVENT_NOTE, text),
        other => (AMT_EVENT_NOTE, format!("{other:?}")),
    }
}

fn persist(record: &Record) -> (u32, String, Detail) {
    (AMT_EVENT_PERSIST, record.step.to_string(), Detail::Record(record.encode()))
}

fn done(end: End) -> (u32, String, Detail) {
    let (tls_version, tls_suite) = end.tls.map(|tls| (tls.version.to_string(), tls.suite)).unwrap_or_default();
    let firmware = end.firmware.map(|version| version.to_string()).unwrap_or_default();
    let detail =
        Detail::Outcome { control_mode: end.control_mode, tls_version, tls_suite, firmware, result: end.result };
    (AMT_EVENT_DONE, end.text, detail)
}

fn not_this_kind(what: &str) -> Failure {
    argument::invalid(format!("this kind of event has no {what}")).hint("ask amt_event_kind first")
}
