//! `amt_provision`: one attempt to provision a machine, as a conversation of calls.

use crate::argument::{self, Out};
use crate::error::amt_error;
use crate::event::amt_event;
use crate::guard::guard;
use crate::handle::{self, Exclusive, Object};
use crate::job::{Order, amt_job};
use crate::signature;
use crate::status::amt_status;
use ::amt_provision::CaAnswer;
use ::amt_provision::local::{Activated, Standing, Unprovisioned};
use ::amt_provision::remote::Outcome;
use amt::blocking::{Canceller, Provisioning, Turn};
use amt::certificate::Bundle;
use amt::local::RemoteChains;
use amt_core::tls::TlsOutcome;
use amt_core::{ErrorCode, Failure, FirmwareVersion, SystemId};
use amt_fleet::Fleet;
use amt_fleet::ca::{CertificateAuthority, LocalCa, LocalCaFiles};
use std::ffi::c_char;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An attempt. One call at a time, except `amt_provision_cancel`, which any thread may call at any time.
pub struct amt_provision {
    canceller: Canceller,
    attempt: Exclusive<Attempt>,
}

impl Object for amt_provision {
    const TAG: u32 = 0x414d_5406;
    const NAME: &'static str = "amt_provision";
}

/// Prepares an attempt into `*out`; free it with `amt_provision_free`. `job` is not kept. Opens the journal file and the authority's files
/// if the job names them; nothing is sent to the machine before `amt_provision_next`.
///
/// # Safety
/// `job` is null or a handle; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_provision_new(
    job: *const amt_job,
    out: *mut *mut amt_provision,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            out.give(amt_provision::new(Attempt::remote(handle::lease(job)?.order()?)?));
            Ok(())
        })
    }
}

/// Goes on for at most `timeout_ms` and brings an event into `*event`, to be freed with `amt_event_free`; null if the time was over
/// before there was one.
///
/// Call it until `AMT_EVENT_DONE`, or until it fails with what ended the attempt; the same end is told again by later calls.
/// All work is done inside these calls: a machine that is waiting is not waiting for ever, so call again without delay. After
/// `AMT_EVENT_PERSIST`, `AMT_EVENT_CERTIFY` and `AMT_EVENT_SIGN` the answer has to be given first; without it the call fails with `AMT_E_INVALID_ARGUMENT`, and
/// nothing is lost.
///
/// # Safety
/// `provision` is null or a handle; `event` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_provision_next(
    provision: *mut amt_provision,
    timeout_ms: u32,
    event: *mut *mut amt_event,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let event = Out::handle("event", event)?;
            let provision = handle::lease(provision)?;
            let turn = provision.attempt.enter::<amt_provision>()?.next(Duration::from_millis(timeout_ms.into()))?;
            if let Some(turn) = turn {
                event.give(amt_event::new(turn));
            }
            Ok(())
        })
    }
}

/// Answers `AMT_EVENT_PERSIST`: the record is durable and would survive a power cut. Only now secrets in it are sent to the machine.
///
/// # Safety
/// `provision` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_provision_persisted(
    provision: *mut amt_provision,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { answer(provision, err, |attempt| attempt.provisioning.persisted(Ok(()))) }
}

/// Answers `AMT_EVENT_PERSIST`: the record could not be stored, for this reason. The attempt ends with `AMT_E_JOURNAL`.
///
/// # Safety
/// `provision` is null or a handle; `reason` is null or readable for `reason_len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_provision_persist_failed(
    provision: *mut amt_provision,
    reason: *const c_char,
    reason_len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        answer(provision, err, |attempt| {
            let reason = argument::text("reason", reason, reason_len)?;
            attempt.provisioning.persisted(Err(Failure::new(ErrorCode::JOURNAL, "journal", reason)))
        })
    }
}

/// Answers `AMT_EVENT_CERTIFY` with certificates in PEM: the machine's own first, then its issuers up to the root. The machine's
/// alone may also be given as DER.
///
/// # Safety
/// `provision` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_provision_issued(
    provision: *mut amt_provision,
    data: *const u8,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        answer(provision, err, |attempt| {
            let bundle = Bundle::from_pem(argument::bytes("data", data, len)?, None, None)?;
            let mut certificates = bundle.facts().certificates.iter().map(|certificate| certificate.der.clone());
            let certificate = certificates.next().ok_or_else(|| {
                Failure::new(ErrorCode::CERTIFICATE_PARSE, "call", "data: there is no certificate in it")
            })?;
            attempt.provisioning.certified(CaAnswer::Issued { certificate, chain: certificates.collect() })
        })
    }
}

/// Answers `AMT_EVENT_CERTIFY`: the authority has not decided; `request_id` is its name for the request and comes back when it is
/// asked again, also in a later attempt.
///
/// # Safety
/// `provision` is null or a handle; `request_id` is null or readable for `request_id_len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_provision_pending(
    provision: *mut amt_provision,
    request_id: *const c_char,
    request_id_len: usize,
    retry_after_s: u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        answer(provision, err, |attempt| {
            let request_id = argument::text("request_id", request_id, request_id_len)?.to_owned();
            let retry_after = (retry_after_s != 0).then(|| Duration::from_secs(retry_after_s.into()));
            attempt.provisioning.certified(CaAnswer::Pending { request_id, retry_after, words: None, hint: None })
        })
    }
}

/// Answers `AMT_EVENT_CERTIFY`: the authority refused, for this reason. The attempt ends with `AMT_E_CA_DENIED`.
///
/// # Safety
/// `provision` is null or a handle; `reason` is null or readable for `reason_len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_provision_denied(
    provision: *mut amt_provision,
    reason: *const c_char,
    reason_len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        answer(provision, err, |attempt| {
            let reason = argument::text("reason", reason, reason_len)?.to_owned();
            attempt.provisioning.certified(CaAnswer::Denied { reason })
        })
    }
}

/// Answers `AMT_EVENT_SIGN` with the signature: RSA, PKCS#1 v1.5, over the SHA-256 of the data, as `openssl dgst -sha256 -sign` makes it.
///
/// # Safety
/// `provision` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_provision_signed(
    provision: *mut amt_provision,
    data: *const u8,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { answer(provision, err, |attempt| attempt.provisioning.signed(Ok(signature::read("data", data, len)?))) }
}

/// Answers `AMT_EVENT_SIGN`: there is no signature, for this reason. The attempt ends with `AMT_E_SIGNER`.
///
/// # Safety
/// `provision` is null or a handle; `reason` is null or readable for `reason_len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_provision_sign_failed(
    provision: *mut amt_provision,
    reason: *const c_char,
    reason_len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        answer(provision, err, |attempt| {
            let reason = argument::text("reason", reason, reason_len)?;
            attempt.provisioning.signed(Err(Failure::new(ErrorCode::SIGNER, "sign", reason)))
        })
    }
}

/// Ends the attempt with `AMT_E_CANCELLED`, also while another thread waits in `amt_provision_next`. What was made durable stays, and
/// a later attempt goes on from there.
///
/// # Safety
/// `provision` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_provision_cancel(provision: *const amt_provision, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            handle::lease(provision)?.canceller.cancel();
            Ok(())
        })
    }
}

/// Frees `provision` and ends its connection. Null does nothing; while a call is inside, `AMT_E_BUSY` is returned and nothing is freed.
///
/// # Safety
/// `provision` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_provision_free(provision: *mut amt_provision) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(provision)) }
}

/// # Safety
/// As for the functions above.
unsafe fn answer(
    provision: *mut amt_provision,
    err: *mut *mut amt_error,
    body: impl FnOnce(&mut Attempt) -> Result<(), Failure>,
) -> amt_status {
    // SAFETY: the caller keeps the contract of the functions above; the rest is checked inside.
    unsafe { guard(err, || body(&mut *handle::lease(provision)?.attempt.enter::<amt_provision>()?)) }
}

impl amt_provision {
    pub(crate) fn new(attempt: Attempt) -> Self {
        Self { canceller: attempt.provisioning.canceller(), attempt: Exclusive::new(attempt) }
    }
}

/// The attempt, and what answers for the caller.
pub(crate) struct Attempt {
    provisioning: Provisioning<End>,
    journal: Option<Fleet>,
    authority: Option<LocalCa>,
}

/// What an attempt of any kind ends in.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) text: String,
    pub(crate) control_mode: &'static str,
    pub(crate) tls: Option<TlsOutcome>,
    pub(crate) firmware: Option<FirmwareVersion>,
    /// The document of the command line's `--json`, for procedures that have one; else empty.
    pub(crate) result: String,
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        let control_mode = outcome.control_mode.as_str();
        let text = format!("{} is in {control_mode} control mode", outcome.id);
        Self { text, control_mode, tls: Some(outcome.tls), firmware: outcome.version, result: String::new() }
    }
}

impl From<Activated> for End {
    fn from(done: Activated) -> Self {
        let control_mode = done.control_mode.as_str();
        let already = if done.changed { "" } else { " already" };
        let text = format!("{} is in {control_mode} control mode{already}", done.id);
        Self { text, control_mode, tls: done.tls, firmware: Some(done.version), result: String::new() }
    }
}

impl From<Unprovisioned> for End {
    fn from(done: Unprovisioned) -> Self {
        let text = match done.before {
            Standing::Unprovisioned => format!("{} was not set up", done.id),
            before => format!("{} is not set up any more, it was: {}", done.id, before.as_str()),
        };
        Self { text, control_mode: "none", tls: None, firmware: Some(done.version), result: String::new() }
    }
}

impl Attempt {
    /// Over the network.
    fn remote(order: Order) -> Result<Self, Failure> {
        let Order { mut job, chains, journal, authority } = order;
        let id = job.id;
        let provisioning = Provisioning::of(job.record.take(), move |record, host| async move {
            job.record = record;
            if !chains.is_empty() {
                job.remote = Some(RemoteChains::new(&chains, Arc::new(host.clone()))?);
            }
            amt::provision(job, &host).await.map(End::from)
        })?;
        Self::over(provisioning, id, journal, authority)
    }

    /// Nothing answers for the caller.
    pub(crate) const fn stored_by_caller(provisioning: Provisioning<End>) -> Self {
        Self { provisioning, journal: None, authority: None }
    }

    /// The same with a local authority (certificate and key) that answers for the caller.
    pub(crate) fn certified_by(mut self, authority: Option<(PathBuf, PathBuf)>) -> Result<Self, Failure> {
        let authority = authority.map(|(certificate, key)| LocalCa::open(&LocalCaFiles::new(certificate, key)));
        self.authority = authority.transpose()?;
        Ok(self)
    }

    /// Opens what answers for the caller: the journal (database and key), whose record is gone on with, and the authority (certificate
    /// and key).
    pub(crate) fn over(
        provisioning: Provisioning<End>,
        id: SystemId,
        journal: Option<(PathBuf, PathBuf)>,
        authority: Option<(PathBuf, PathBuf)>,
    ) -> Result<Self, Failure> {
        let mut attempt = Self::stored_by_caller(provisioning).certified_by(authority)?;
        if let Some((database, key)) = journal {
            let fleet = attempt.provisioning.run(Fleet::open_with_key_file(database, key))?;
            let record = attempt.provisioning.run(fleet.record(id));
            attempt.journal = Some(fleet);
            if let Some(record) = record? {
                attempt.provisioning.resume(record);
            }
        }
        Ok(attempt)
    }

    /// The next turn that is the caller's.
    fn next(&mut self, timeout: Duration) -> Result<Option<Turn<End>>, Failure> {
        let start = Instant::now();
        loop {
            let turn = self.provisioning.next(timeout.saturating_sub(start.elapsed()))?;
            match (turn, &self.journal, &self.authority) {
                (Some(Turn::Persist(record)), Some(fleet), _) => {
                    let result = self.provisioning.run(fleet.persist(&record));
                    self.provisioning.persisted(result)?;
                }
                (Some(Turn::Certify(request)), _, Some(authority)) => {
                    let answer = self.provisioning.run(async { Ok(authority.certify(&request).await) });
                    self.provisioning.certified(answer.unwrap_or_else(CaAnswer::Failed))?;
                }
                (turn, _, _) => return Ok(turn),
            }
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(fleet) = self.journal.take() {
            // Closing cannot fail.
            let _ = self.provisioning.run(async {
                fleet.close().await;
                Ok(())
            });
        }
    }
}
