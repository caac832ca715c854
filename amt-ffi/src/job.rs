//! `amt_job`: which machine, where, and what it shall become.

use crate::argument::{self, Out};
use crate::certificate::amt_certificate;
use crate::error::amt_error;
use crate::guard::guard;
use crate::handle::{self, Exclusive, Object};
use crate::hello::amt_hello;
use crate::status::amt_status;
use amt::certificate::Bundle;
use amt::local::{NoSigner, RemoteChains};
use amt::tls::ClientCertificates;
use amt::{Job, ProvisioningCertificate};
use amt_core::psk::{Form, PskPair};
use amt_core::tls::LegacyTls;
use amt_core::{Failure, Secret};
use amt_provision::{PasswordPolicy, Plan, Record};
use std::ffi::c_char;
use std::path::PathBuf;
use std::sync::Arc;

/// A machine to be provisioned. One call at a time; it may be used for several attempts.
pub struct amt_job(Exclusive<Order>);

impl Object for amt_job {
    const TAG: u32 = 0x414d_5405;
    const NAME: &'static str = "amt_job";
}

/// The job, and who stores and signs.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) job: Job,
    /// Provisioning certificates for whose keys the caller signs.
    pub(crate) chains: Vec<Bundle>,
    /// Database and its key; absent: the caller stores.
    pub(crate) journal: Option<(PathBuf, PathBuf)>,
    /// Certificate and key of the local authority; absent: the caller has certificates issued.
    pub(crate) authority: Option<(PathBuf, PathBuf)>,
}

impl amt_job {
    pub(crate) fn new(job: Job) -> Self {
        Self(Exclusive::new(Order { job, chains: Vec::new(), journal: None, authority: None }))
    }

    pub(crate) fn order(&self) -> Result<Order, Failure> {
        Ok(self.0.enter::<Self>()?.clone())
    }
}

/// Makes a job for the machine with this UUID (text, 36 characters) at this IP address (text) into `*out`; free it with `amt_job_free`.
/// Until told otherwise its passwords are generated, its names left alone, and the caller stores the journal and has the certificate
/// issued.
///
/// # Safety
/// `uuid` and `address` are null or readable for their lengths; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_new(
    uuid: *const c_char,
    uuid_len: usize,
    address: *const c_char,
    address_len: usize,
    out: *mut *mut amt_job,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let id = argument::text("uuid", uuid, uuid_len)?.parse()?;
            let address = argument::address("address", address, address_len)?;
            let job = Job::new(id, address, Plan::new());
            out.give(amt_job::new(job));
            Ok(())
        })
    }
}

/// Another TLS port than 16993.
///
/// # Safety
/// `job` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_port(job: *mut amt_job, port: u16, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            order.job.port = port;
            Ok(())
        })
    }
}

/// The hello that the machine sent: its root hashes choose among certificates. `hello` is not kept.
///
/// # Safety
/// `job` and `hello` are null or handles; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_hello(
    job: *mut amt_job,
    hello: *const amt_hello,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            order.job.hello = Some(handle::lease(hello)?.hello().clone());
            Ok(())
        })
    }
}

/// Adds a provisioning certificate that may be presented. `certificate` is not kept. Fails with `AMT_E_PFX_OPEN` if it does not hold
/// exactly one private key that belongs to its leaf.
///
/// # Safety
/// `job` and `certificate` are null or handles; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_add_certificate(
    job: *mut amt_job,
    certificate: *const amt_certificate,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            let added = ProvisioningCertificate::try_from(handle::lease(certificate)?.bundle().clone())?;
            let all = order.job.certificates.iter().cloned().chain([added]).collect::<Vec<_>>();
            order.job.certificates = Arc::from(all);
            Ok(())
        })
    }
}

/// Adds a provisioning certificate for whose key the caller signs, on `AMT_EVENT_SIGN`. Over the network it is for machines from AMT 14 on, and
/// may stand beside certificates of `amt_job_add_certificate`; the signature belongs to a handshake: the machine hangs up when it waits for
/// long, and after 30 seconds the attempt fails. `amt_local_activate` takes the one kind or the other. A key that `certificate` may have is not used. `certificate` is not kept. Fails with
/// `AMT_E_CERTIFICATE_PARSE` if it holds no chain.
///
/// # Safety
/// `job` and `certificate` are null or handles; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_add_chain(
    job: *mut amt_job,
    certificate: *const amt_certificate,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            let bundle = handle::lease(certificate)?.bundle().clone();
            // Refused here rather than when it is needed.
            RemoteChains::new(std::slice::from_ref(&bundle), Arc::new(NoSigner))?;
            order.chains.push(bundle);
            Ok(())
        })
    }
}

/// The certificate to show to a machine that turns out to be set up already, and has mutual TLS: without it the machine cannot be told from one
/// that refuses the provisioning certificate (`AMT_E_TLS_CHAIN_REFUSED`). With it a setup that is gone on with is proven, and another is told as
/// `AMT_E_ALREADY_PROVISIONED`. Over the network alone. `certificate` has its issuers and its key with it, and is not kept; another call replaces
/// it. Fails with `AMT_E_PFX_OPEN` without exactly one private key that belongs to the leaf.
///
/// # Safety
/// `job` and `certificate` are null or handles; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_client_certificate(
    job: *mut amt_job,
    certificate: *const amt_certificate,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            let pair = ProvisioningCertificate::try_from(handle::lease(certificate)?.bundle().clone())?;
            order.job.client = ClientCertificates::of(&pair)?;
            Ok(())
        })
    }
}

/// The DNS suffix of the machine's network: chooses among certificates.
///
/// # Safety
/// `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_suffix(
    job: *mut amt_job,
    data: *const c_char,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            order.job.suffix = argument::optional_text("suffix", data, len)?.map(str::to_owned);
            Ok(())
        })
    }
}

/// The host name to set. The machine's certificate is made for it.
///
/// # Safety
/// `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_host_name(
    job: *mut amt_job,
    data: *const c_char,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            order.job.plan.host_name = argument::optional_text("host_name", data, len)?.map(str::to_owned);
            Ok(())
        })
    }
}

/// The domain name to set.
///
/// # Safety
/// `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_domain_name(
    job: *mut amt_job,
    data: *const c_char,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            order.job.plan.domain_name = argument::optional_text("domain_name", data, len)?.map(str::to_owned);
            Ok(())
        })
    }
}

/// The password that the administrator `admin` gets; empty: one is generated.
///
/// # Safety
/// `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_admin_password(
    job: *mut amt_job,
    data: *const c_char,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            order.job.plan.admin_password = policy(argument::optional_text("admin_password", data, len)?);
            Ok(())
        })
    }
}

/// The password that the setup menu (MEBx) gets; empty: one is generated.
///
/// # Safety
/// `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_mebx_password(
    job: *mut amt_job,
    data: *const c_char,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            order.job.plan.mebx_password = policy(argument::optional_text("mebx_password", data, len)?);
            Ok(())
        })
    }
}

/// Adds a password to try on a machine that says its credentials are already set.
///
/// # Safety
/// `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_add_known_password(
    job: *mut amt_job,
    data: *const c_char,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            let password = Secret::from(argument::text("known_password", data, len)?);
            order.job.plan.known_admin_passwords.push(password);
            Ok(())
        })
    }
}

/// Adds a pre-shared pair that the machine may hold, as firmware of AMT 2 to 10 waits for: PID and PPS, with or without dashes.
/// `AMT_E_PSK_INVALID` names what no firmware accepts.
///
/// # Safety
/// `job` is null or a handle; `pid` and `pps` are null or readable for their lengths; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_add_psk(
    job: *mut amt_job,
    pid: *const c_char,
    pid_len: usize,
    pps: *const c_char,
    pps_len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            let pps = Secret::from(argument::text("pps", pps, pps_len)?);
            let pair = PskPair::parse(argument::text("pid", pid, pid_len)?, pps.expose(), Form::Typed)?;
            order.job.psk.push(pair);
            Ok(())
        })
    }
}

/// Only TLS 1.2 and later with forward secrecy.
pub const AMT_LEGACY_TLS_REFUSE: u32 = 0;
/// Older TLS where a machine speaks nothing else (AMT before 14, pre-shared pairs); needs a build with the legacy engine.
pub const AMT_LEGACY_TLS_ALLOW: u32 = 1;
/// RC4 and 3DES too, if the build has them.
pub const AMT_LEGACY_TLS_ALLOW_WEAK: u32 = 2;

/// Whether old TLS may be used: one of `AMT_LEGACY_TLS_*`. Until told otherwise it is refused.
///
/// # Safety
/// `job` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_legacy_tls(
    job: *mut amt_job,
    consent: u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            order.job.plan.legacy_tls = legacy_tls(consent)?;
            Ok(())
        })
    }
}

/// The one-time password that the machine must hold; empty: none is demanded.
///
/// # Safety
/// `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_otp(
    job: *mut amt_job,
    data: *const c_char,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            order.job.plan.otp = argument::optional_text("otp", data, len)?.map(Secret::from);
            Ok(())
        })
    }
}

/// Has the machine's certificate signed by a local authority: paths of its certificate and of its key (PEM), both made on first
/// use. No `AMT_EVENT_CERTIFY` comes then.
///
/// # Safety
/// `job` is null or a handle; `certificate` and `key` are null or readable for their lengths; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_authority_files(
    job: *mut amt_job,
    certificate: *const c_char,
    certificate_len: usize,
    key: *const c_char,
    key_len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            let certificate = path("certificate", argument::text("certificate", certificate, certificate_len)?)?;
            order.authority = Some((certificate, path("key", argument::text("key", key, key_len)?)?));
            Ok(())
        })
    }
}

/// Keeps the journal in a SQLite file: paths of the database and of the key that seals its secrets, both made on first use. An
/// earlier attempt in it is gone on with. No `AMT_EVENT_PERSIST` comes then.
///
/// # Safety
/// `job` is null or a handle; `database` and `key` are null or readable for their lengths; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_journal_file(
    job: *mut amt_job,
    database: *const c_char,
    database_len: usize,
    key: *const c_char,
    key_len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            let database = path("database", argument::text("database", database, database_len)?)?;
            order.journal = Some((database, path("key", argument::text("key", key, key_len)?)?));
            Ok(())
        })
    }
}

/// Goes on from a record that the caller stored on `AMT_EVENT_PERSIST` in an earlier attempt.
///
/// # Safety
/// `job` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_set_record(
    job: *mut amt_job,
    data: *const u8,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(job, err, |order| {
            let record = Record::decode(argument::bytes("data", data, len)?)?;
            if record.id != order.job.id {
                let message = format!("the record belongs to the machine {}", record.id);
                return Err(argument::invalid(message));
            }
            order.job.record = Some(record);
            Ok(())
        })
    }
}

/// Frees `job`. Null does nothing.
///
/// # Safety
/// `job` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_job_free(job: *mut amt_job) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(job)) }
}

/// # Safety
/// As for the functions above.
unsafe fn change(
    job: *mut amt_job,
    err: *mut *mut amt_error,
    body: impl FnOnce(&mut Order) -> Result<(), Failure>,
) -> amt_status {
    // SAFETY: the caller keeps the contract of the functions above; the rest is checked inside.
    unsafe { guard(err, || body(&mut *handle::lease(job)?.0.enter::<amt_job>()?)) }
}

/// One of `AMT_LEGACY_TLS_*`.
pub(crate) fn legacy_tls(consent: u32) -> Result<LegacyTls, Failure> {
    match consent {
        AMT_LEGACY_TLS_REFUSE => Ok(LegacyTls::Refuse),
        AMT_LEGACY_TLS_ALLOW => Ok(LegacyTls::Allow),
        AMT_LEGACY_TLS_ALLOW_WEAK => Ok(LegacyTls::AllowWeak),
        other => {
            let text = format!("consent: {other} is none of AMT_LEGACY_TLS_*");
            Err(argument::invalid(text))
        }
    }
}

fn policy(password: Option<&str>) -> PasswordPolicy {
    password.map_or(PasswordPolicy::Generate, |password| PasswordPolicy::Fixed(password.into()))
}

pub(crate) fn path(name: &str, text: &str) -> Result<PathBuf, Failure> {
    if text.is_empty() {
        return Err(argument::invalid(format!("{name}: the path is empty")));
    }
    Ok(text.into())
}
