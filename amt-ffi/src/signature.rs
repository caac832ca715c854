//! Provisioning certificates of a setup server for whose keys the host signs.

use crate::argument::{self, Out};
use crate::certificate::amt_certificate;
use crate::error::amt_error;
use crate::event::amt_event;
use crate::guard::guard;
use crate::handle;
use crate::inbox::Inbox;
use crate::server::amt_server;
use crate::status::amt_status;
use amt::blocking::Turn;
use amt::local::{MAX_SIGNATURE, SIGNING_TIME, Signer};
use amt::mei::MeiFuture;
use amt_core::{ErrorCode, Failure};
use amt_provision::machine::SignRequest;
use serde_json::Value;
use std::ffi::c_char;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// Adds a provisioning certificate for whose key the host signs, before the first `amt_server_next`: beside those of the configuration, which then
/// need not name any. They are numbered from 0 in the order of these calls. For machines from AMT 14 on. A machine that one is presented to
/// brings the event `signature` in `amt_server_next`. A key that `certificate` may have is not used. `certificate` is not kept.
///
/// Fails with `AMT_E_CERTIFICATE_PARSE` if it holds no chain, with `AMT_E_INVALID_ARGUMENT` once the server serves.
///
/// # Safety
/// `server` and `certificate` are null or handles; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_add_chain(
    server: *mut amt_server,
    certificate: *const amt_certificate,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe { guard(err, || handle::lease(server)?.add_chain(handle::lease(certificate)?.bundle())) }
}

/// Takes the oldest signature that is needed and was not taken yet: its number, and into `*asked`, to be freed with `amt_event_free`, an
/// `AMT_EVENT_SIGN`, of which `amt_event_sign_data` tells the number of the certificate and the data. 0 and null: there is none. Any thread may
/// call this at any time, also beside `amt_server_next`.
///
/// # Safety
/// `server` is null or a handle; `signature` and `asked` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_signature(
    server: *const amt_server,
    signature: *mut u64,
    asked: *mut *mut amt_event,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let number = Out::new("signature", signature, 0)?;
            let out = Out::handle("asked", asked)?;
            let server = handle::lease(server)?;
            if let Some((taken, request)) = server.signatures.take() {
                number.set(taken);
                out.give(amt_event::new(Turn::Sign(request)));
            }
            Ok(())
        })
    }
}

/// Gives the signature that was asked for under this number: RSA, PKCS#1 v1.5, over the SHA-256 of the data, as `openssl dgst -sha256 -sign` makes
/// it. It belongs to a handshake: the machine hangs up when it waits for long, and after 20 seconds the attempt fails and is repeated like any
/// other. Any thread may call this at any time; the server goes on with it inside `amt_server_next`.
///
/// Fails with `AMT_E_INVALID_ARGUMENT` for what is no signature, it is waited for on; and if nobody waits for it any more.
///
/// # Safety
/// `server` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_sign(
    server: *const amt_server,
    signature: u64,
    data: *const u8,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let server = handle::lease(server)?;
            let signed = read("data", data, len)?;
            server.signatures.answer("signature", signature, Ok(signed))
        })
    }
}

/// There is no signature under this number, for this reason. The attempt fails with `AMT_E_SIGNER`, which quotes it, and is repeated later
/// (`[retry]` of the configuration); the machine waits for its setup as before.
///
/// # Safety
/// `server` is null or a handle; `reason` is null or readable for `reason_len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_sign_failed(
    server: *const amt_server,
    signature: u64,
    reason: *const c_char,
    reason_len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let server = handle::lease(server)?;
            let reason = argument::text("reason", reason, reason_len)?;
            server.signatures.fail("signature", signature, reason)
        })
    }
}

/// A signature, as far as can be told from its length.
///
/// # Safety
/// `data` is null or readable for `len` bytes.
pub(crate) unsafe fn read(name: &'static str, data: *const u8, len: usize) -> Result<Vec<u8>, Failure> {
    // SAFETY: the caller keeps the contract above.
    let signature = unsafe { argument::bytes(name, data, len) }?;
    if !(1..=MAX_SIGNATURE).contains(&signature.len()) {
        let text = format!("{name}: {len} bytes are no signature");
        return Err(argument::invalid(text));
    }
    Ok(signature.to_vec())
}

/// The signatures that one server needs.
pub(crate) type Signatures = Inbox<SignRequest, Vec<u8>>;

pub(crate) fn signatures(news: UnboundedSender<Value>) -> Arc<Signatures> {
    Arc::new(Inbox::new(news, failed))
}

/// Asks the host.
pub(crate) struct HostSigner(pub(crate) Arc<Signatures>);

impl Signer for HostSigner {
    fn sign<'a>(&'a self, index: usize, data: &'a [u8]) -> MeiFuture<'a, Vec<u8>> {
        let request = SignRequest { index, data: data.to_vec() };
        let waiting = self.0.put(request, "signature", "a signature is needed", Value::Null);
        Box::pin(waiting.answer(SIGNING_TIME))
    }
}

fn failed(text: String) -> Failure {
    Failure::new(ErrorCode::SIGNER, "sign", text)
}
