//! `amt_device` in upkeep: a profile applied, another password or certificate, a setup taken back. Each is an attempt that stores its record first.

use crate::argument::{self, Out};
use crate::device::amt_device;
use crate::error::amt_error;
use crate::findings::amt_findings;
use crate::guard::guard;
use crate::handle;
use crate::job::path;
use crate::provision::{Attempt, End, amt_provision};
use crate::status::amt_status;
use ::amt_provision::apply::ApplyRecord;
use ::amt_provision::local::Extent;
use ::amt_provision::profile::{Profile, Syntax};
use ::amt_provision::renew::Due;
use ::amt_provision::{Record, RenewRecord};
use amt::Administrator;
use amt::blocking::{Provisioning, Relay};
use amt::profile::{Folder, parse_profile};
use amt_core::{Failure, Secret};
use amt_fleet::json;
use serde_json::Value;
use std::ffi::c_char;
use std::path::PathBuf;

/// Read and compare, and write nothing.
pub const AMT_UPKEEP_DRY_RUN: u32 = 1;

/// Says everything that is wrong with a profile (docs/profile.md), and with `firmware`, such as `16.1`, also what that firmware cannot do, as
/// findings in `*out`, to be freed with `amt_findings_free`. `document` is TOML, or JSON if it begins with a brace. Files and secrets that it
/// names are not looked at. Fails with `AMT_E_PARSE_TEXT` for what is neither.
///
/// # Safety
/// `document` and `firmware` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_profile_check(
    document: *const c_char,
    document_len: usize,
    firmware: *const c_char,
    firmware_len: usize,
    out: *mut *mut amt_findings,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let document = argument::text("document", document, document_len)?;
            let firmware = argument::optional_text("firmware", firmware, firmware_len)?;
            let firmware = firmware.map(str::parse).transpose()?;
            let (profile, mut findings) = Profile::read_for(document, Syntax::guess(document), firmware)?;
            findings.extend(profile.iter().flat_map(|profile| profile.check(firmware)));
            out.give(amt_findings::new(findings));
            Ok(())
        })
    }
}

/// Prepares making the machine what a profile says (docs/profile.md) into `*out`; free it with `amt_provision_free`. `document` is as in
/// `amt_profile_check`; files that it names are looked for in `folder` (empty: the working directory), variables in the environment.
/// `options` is 0 or `AMT_UPKEEP_DRY_RUN`. `device` is not kept; it has to be `admin`'s, over TLS.
///
/// Go on with `amt_provision_next`. `AMT_EVENT_PERSIST` comes before anything is written: its record, of this machine alone, is `record` at the next
/// time (empty: none yet), whatever the profile. It holds keyed digests of the secrets written last, so that they are not written again and
/// again, and the key that was made for a machine that makes none itself. `AMT_EVENT_CERTIFY` comes where the profile logs in to the network with
/// a certificate (`tls`, `fast-tls`) and the machine has none that is good. `amt_event_result` of `AMT_EVENT_DONE` tells the differences and what the machine cannot do.
///
/// # Safety
/// `device` is null or a handle; `document`, `folder` and `record` are null or readable for their lengths; `out` is null or writable; `err` is
/// null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_configure(
    device: *mut amt_device,
    document: *const c_char,
    document_len: usize,
    folder: *const c_char,
    folder_len: usize,
    record: *const u8,
    record_len: usize,
    options: u32,
    out: *mut *mut amt_provision,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        prepare(device, out, err, |admin| {
            let profile = parse_profile(argument::text("document", document, document_len)?)?;
            let folder = Folder::at(PathBuf::from(argument::text("folder", folder, folder_len)?));
            let record = match argument::bytes("record", record, record_len)? {
                [] => None,
                bytes => Some(ApplyRecord::decode(bytes)?),
            };
            let dry_run = dry_run(options)?;
            attempt(admin, async move |admin, host| {
                let done = admin.configure(&profile, &folder, record, dry_run, true, &host).await?;
                let text = match (done.changes.len(), dry_run) {
                    (0, _) => format!("{}: no change", done.id),
                    (n, true) => format!("{}: {n} differences, nothing written", done.id),
                    (n, false) => format!("{}: {n} changes, {} writes, read back", done.id, done.writes),
                };
                Ok(End::upkeep(text, "", &json::applied(&done, dry_run)))
            })
        })
    }
}

/// Prepares giving the machine's `admin` another password into `*out`; free it with `amt_provision_free`. Empty: a strong one is generated.
/// `device` is not kept; it has to be `admin`'s, over TLS.
///
/// Go on with `amt_provision_next`. `AMT_EVENT_PERSIST` comes before the new password is sent: its record has the new one and the old one, and after
/// `AMT_EVENT_DONE` the new one alone (`amt_record_admin_password`). `record` is the machine's record: that of an attempt that broke off, which
/// is gone on with, or of its setup; empty if there is none.
///
/// # Safety
/// `device` is null or a handle; `password` and `record` are null or readable for their lengths; `out` is null or writable; `err` is null or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_rotate(
    device: *mut amt_device,
    password: *const c_char,
    password_len: usize,
    record: *const u8,
    record_len: usize,
    out: *mut *mut amt_provision,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        prepare(device, out, err, |admin| {
            let password = argument::optional_text("password", password, password_len)?.map(Secret::from);
            let record = machine_record(record, record_len)?;
            attempt(admin, async move |admin, host| {
                let done = admin.rotate(record, password, &host).await?;
                let text = match done.changed {
                    true => format!("{} has another password, proven by a login", done.id),
                    false => format!("{} had that password already", done.id),
                };
                Ok(End::upkeep(text, "", &json::rotated(&done)))
            })
        })
    }
}

/// Prepares giving the machine another certificate, with a new key pair, into `*out`; free it with `amt_provision_free`. It is due when `at_percent` of
/// the life of the one that it serves is over (1 to 100), or with 0 at once; before that nothing is written. The authority is that of
/// `amt_job_set_authority_files`: paths of its certificate and key; both empty: `AMT_EVENT_CERTIFY` comes. `device` is not kept; it has to be `admin`'s,
/// over TLS.
///
/// Go on with `amt_provision_next`. `AMT_EVENT_PERSIST` comes before each step that depends on its record, which may hold the key of a machine that
/// makes none itself; `record` is that of a renewal that broke off, also to wait for the authority (`AMT_E_CA_PENDING`); empty: a new one.
/// After `AMT_EVENT_DONE` the record is of no more use; `amt_event_result` has the SHA-256 of the certificate for `amt_device_trust_pin`.
///
/// # Safety
/// `device` is null or a handle; `certificate`, `key` and `record` are null or readable for their lengths; `out` is null or writable; `err` is
/// null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_renew(
    device: *mut amt_device,
    at_percent: u32,
    certificate: *const c_char,
    certificate_len: usize,
    key: *const c_char,
    key_len: usize,
    record: *const u8,
    record_len: usize,
    out: *mut *mut amt_provision,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        prepare(device, out, err, |admin| {
            let due = match u8::try_from(at_percent) {
                Ok(0) => Due::Now,
                Ok(percent @ 1..=100) => Due::Percent(percent),
                _ => return Err(argument::invalid(format!("at_percent: {at_percent} is not 0 to 100"))),
            };
            let certificate = argument::text("certificate", certificate, certificate_len)?;
            let key = argument::text("key", key, key_len)?;
            let authority = match (certificate, key) {
                ("", "") => None,
                _ => Some((path("certificate", certificate)?, path("key", key)?)),
            };
            let record = match argument::bytes("record", record, record_len)? {
                [] => None,
                bytes => Some(RenewRecord::decode(bytes)?),
            };
            let attempt = attempt(admin, async move |admin, host| {
                let done = admin.renew(record, due, &host).await?;
                let text = match done.changed {
                    true => format!("{} has another certificate, proven by a login", done.id),
                    false => format!("{}: its certificate is not due", done.id),
                };
                Ok(End::upkeep(text, "", &json::renewed(&done)))
            })?;
            attempt.certified_by(authority)
        })
    }
}

/// Prepares taking the setup of the machine back over the network, to an extent of `AMT_UNPROVISION_`, into `*out`; free it with
/// `amt_provision_free`. `options` is 0 or `AMT_UPKEEP_DRY_RUN`, which finds out what it would mean. `device` is not kept; it has to be `admin`'s, over
/// TLS. `amt_local_unprovision` is for the machine that this runs on.
///
/// Go on with `amt_provision_next`. `AMT_EVENT_PERSIST` comes before the request is sent, which is sent once; the record keeps the passwords. `record`
/// is as in `amt_device_rotate`: an attempt that broke off is gone on with, by looking first. `amt_event_result` of `AMT_EVENT_DONE` tells what was
/// seen, and what is left in the machine.
///
/// # Safety
/// `device` is null or a handle; `record` is null or readable for its length; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_unprovision(
    device: *mut amt_device,
    extent: u32,
    record: *const u8,
    record_len: usize,
    options: u32,
    out: *mut *mut amt_provision,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        prepare(device, out, err, |admin| {
            let extent = crate::local::extent(extent)?;
            let record = machine_record(record, record_len)?;
            let dry_run = dry_run(options)?;
            attempt(admin, async move |admin, host| {
                let done = admin.unprovision(record, extent, dry_run, &host).await?;
                let (text, control_mode) = match (done.before, dry_run) {
                    (None, _) => (format!("{} was not set up", done.id), "none"),
                    (Some(mode), true) => (format!("{}: nothing was changed", done.id), mode.as_str()),
                    (Some(_), false) if extent == Extent::Partial => {
                        (format!("{}: its setup is taken back in part", done.id), "none")
                    }
                    (Some(_), false) => (format!("{}: its setup is taken back in full", done.id), "none"),
                };
                let mut end = End::upkeep(text, control_mode, &json::unprovisioned(&done, extent, dry_run));
                end.firmware = done.version;
                Ok(end)
            })
        })
    }
}

/// # Safety
/// As for the functions above.
unsafe fn prepare(
    device: *mut amt_device,
    out: *mut *mut amt_provision,
    err: *mut *mut amt_error,
    body: impl FnOnce(Administrator) -> Result<Attempt, Failure>,
) -> amt_status {
    // SAFETY: the caller keeps the contract of the functions above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            out.give(amt_provision::new(body(handle::lease(device)?.administrator()?)?));
            Ok(())
        })
    }
}

/// What is done once the caller takes turns.
fn attempt<F>(
    admin: Administrator,
    procedure: impl FnOnce(Administrator, Relay) -> F + Send + 'static,
) -> Result<Attempt, Failure>
where
    F: Future<Output = Result<End, Failure>> + Send + 'static,
{
    Ok(Attempt::stored_by_caller(Provisioning::of(None, move |_, host| procedure(admin, host))?))
}

/// # Safety
/// `data` is null or readable for `len` bytes.
unsafe fn machine_record(data: *const u8, len: usize) -> Result<Option<Record>, Failure> {
    // SAFETY: as promised by the caller.
    match unsafe { argument::bytes("record", data, len) }? {
        [] => Ok(None),
        bytes => Record::decode(bytes).map(Some),
    }
}

fn dry_run(options: u32) -> Result<bool, Failure> {
    match options {
        0 => Ok(false),
        AMT_UPKEEP_DRY_RUN => Ok(true),
        other => Err(argument::invalid(format!("options: {other} is no sum of AMT_UPKEEP_*"))),
    }
}

impl End {
    fn upkeep(text: String, control_mode: &'static str, result: &Value) -> Self {
        Self { text, control_mode, tls: None, firmware: None, result: result.to_string() }
    }
}
