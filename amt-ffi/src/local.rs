//! `amt_local`: the firmware of the machine that this runs on.

use crate::argument::{self, Out};
use crate::document::amt_document;
use crate::error::amt_error;
use crate::guard::guard;
use crate::handle::{self, Exclusive, Object};
use crate::job::{Order, amt_job};
use crate::provision::{Attempt, End, amt_provision};
use crate::status::amt_status;
use ::amt_provision::local::Extent;
use ::amt_provision::remote::ControlMode;
use ::amt_provision::{Plan, Record};
use amt::Job;
use amt::blocking::{self, Canceller, Provisioning};
use amt::local::{ActivateJob, LocalAccess, RemoteChains, Route, UnprovisionJob};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_fleet::json;
use std::ffi::c_char;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

/// The way to the firmware. One call at a time, except `amt_local_cancel`, which any thread may call at any time.
pub struct amt_local {
    canceller: Canceller,
    reach: Exclusive<Reach>,
}

impl Object for amt_local {
    const TAG: u32 = 0x414d_540d;
    const NAME: &'static str = "amt_local";
}

impl amt_local {
    /// Asks the firmware, and waits on the calling thread.
    fn ask<T>(&self, question: impl AsyncFnOnce(&LocalAccess) -> Result<T, Failure>) -> Result<T, Failure> {
        // Held until the answer is there: what is asked meanwhile is told that the handle is busy.
        let reach = self.reach.enter::<Self>()?;
        let access = reach.access()?;
        blocking::wait(question(&access), &self.canceller)
    }
}

#[derive(Clone)]
struct Reach {
    /// Device of the management engine interface; none: the system's own.
    device: Option<PathBuf>,
    route: Route,
    lms: IpAddr,
    identity: PeerIdentity,
}

/// Makes a way to the firmware of this machine into `*out`; free it with `amt_local_free`. Needs root or administrator once it is used.
///
/// # Safety
/// `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_local_new(out: *mut *mut amt_local, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let lms = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let reach = Reach { device: None, route: Route::Auto, lms, identity: PeerIdentity::Any };
            out.give(amt_local { canceller: Canceller::default(), reach: Exclusive::new(reach) });
            Ok(())
        })
    }
}

/// Another device of the management engine interface than the system's own; Linux only. Empty: the system's own.
///
/// # Safety
/// `local` is null or a handle; `data` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_local_set_device(
    local: *mut amt_local,
    data: *const c_char,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(local, err, |reach| {
            reach.device = argument::optional_text("device", data, len)?.map(PathBuf::from);
            Ok(())
        })
    }
}

/// By the local management service (LMS) if it answers, else directly.
pub const AMT_ROUTE_AUTO: u32 = 0;
/// By LMS only.
pub const AMT_ROUTE_LMS: u32 = 1;
/// Directly only, by the firmware's client LME.
pub const AMT_ROUTE_LME: u32 = 2;

/// The way to the firmware's network services, one of `AMT_ROUTE_`, and the address of the local management service; empty: 127.0.0.1.
///
/// # Safety
/// `local` is null or a handle; `lms` is null or readable for `lms_len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_local_set_route(
    local: *mut amt_local,
    route: u32,
    lms: *const c_char,
    lms_len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(local, err, |reach| {
            let route = match route {
                AMT_ROUTE_AUTO => Route::Auto,
                AMT_ROUTE_LMS => Route::Lms,
                AMT_ROUTE_LME => Route::Lme,
                other => return Err(argument::invalid(format!("route: {other} is none of AMT_ROUTE_*"))),
            };
            reach.lms = match lms_len {
                0 => IpAddr::V4(Ipv4Addr::LOCALHOST),
                _ => argument::address("lms", lms, lms_len)?,
            };
            reach.route = route;
            Ok(())
        })
    }
}

/// Accepts only the certificate with this SHA-256 (32 bytes) on the firmware's local TLS port. Without this any is accepted there.
///
/// # Safety
/// `local` is null or a handle; `sha256` is null or readable for `len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_local_trust_pin(
    local: *mut amt_local,
    sha256: *const u8,
    len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        change(local, err, |reach| {
            reach.identity = PeerIdentity::Fingerprint(argument::sha256(sha256, len)?);
            Ok(())
        })
    }
}

/// What the firmware says of itself, what answers in place of the local management service, and what would stop provisioning
/// (`findings`), as JSON into `*out`, to be freed with `amt_document_free`: what `amt info --json` shows. Changes nothing.
///
/// # Safety
/// `local` is null or a handle; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_local_status(
    local: *mut amt_local,
    out: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let local = handle::lease(local)?;
            let survey = local.ask(amt::local::survey)?;
            out.give(amt_document::new(json::survey(&survey)));
            Ok(())
        })
    }
}

/// Asks the firmware for its UUID and makes a job for this machine into `*out`, for `amt_local_activate` and `amt_local_unprovision`; free it with
/// `amt_job_free`. Passwords, names, certificates and journal are set as for any job; the host name is the system's own until then.
///
/// # Safety
/// `local` is null or a handle; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_local_job(
    local: *mut amt_local,
    out: *mut *mut amt_job,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let local = handle::lease(local)?;
            let status = local.ask(amt::local::status)?;
            let id = status.facts.id.ok_or_else(|| {
                let text = "the firmware does not tell this machine's UUID: it is too old";
                Failure::new(ErrorCode::FIRMWARE_UNSUPPORTED, "read-firmware", text)
            })?;
            let mut plan = Plan::new();
            plan.host_name = amt::system::host_name();
            out.give(amt_job::new(Job::new(id, IpAddr::V4(Ipv4Addr::LOCALHOST), plan)));
            Ok(())
        })
    }
}

/// Client control mode: remote control asks the user for consent.
pub const AMT_MODE_CLIENT: u32 = 1;
/// Admin control mode: needs a provisioning certificate whose root the firmware trusts.
pub const AMT_MODE_ADMIN: u32 = 2;

/// Switch AMT on where it is off.
pub const AMT_ACTIVATE_ENABLE: u32 = 1;
/// Set up over TLS also where the firmware does not demand it (AMT 14 and later, admin control mode).
pub const AMT_ACTIVATE_SECURE: u32 = 2;

/// Prepares taking this machine to a control mode, one of `AMT_MODE_`, without any server, into `*out`; free it with `amt_provision_free`. `options` is
/// 0 or a sum of `AMT_ACTIVATE_`. `local` and `job` are not kept.
///
/// Go on with `amt_provision_next`. `AMT_EVENT_PERSIST` comes unless the job names a journal file: the record holds the password, and the
/// firmware gets it only after `amt_provision_persisted`. `AMT_EVENT_CERTIFY` does not come. `AMT_EVENT_SIGN` comes where the job has chains of
/// `amt_job_add_chain` in place of certificates with keys: what the firmware wants signed, and with TLS the handshake.
///
/// # Safety
/// `local` and `job` are null or handles; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_local_activate(
    local: *mut amt_local,
    job: *const amt_job,
    mode: u32,
    options: u32,
    out: *mut *mut amt_provision,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let reach = handle::lease(local)?.reach.enter::<amt_local>()?.clone();
            let order = handle::lease(job)?.order()?;
            let mode = match mode {
                AMT_MODE_CLIENT => ControlMode::Client,
                AMT_MODE_ADMIN => ControlMode::Admin,
                other => return Err(argument::invalid(format!("mode: {other} is none of AMT_MODE_*"))),
            };
            if options & !(AMT_ACTIVATE_ENABLE | AMT_ACTIVATE_SECURE) != 0 {
                return Err(argument::invalid(format!("options: {options} is no sum of AMT_ACTIVATE_*")));
            }
            let own = !order.job.certificates.is_empty();
            if mode == ControlMode::Admin && !own && order.chains.is_empty() {
                return Err(argument::invalid("admin control mode needs a provisioning certificate".to_owned())
                    .hint("add one to the job with amt_job_add_certificate or amt_job_add_chain"));
            }
            if own && !order.chains.is_empty() {
                return Err(argument::invalid("the job has certificates with keys and chains without".to_owned())
                    .hint("use amt_job_add_certificate or amt_job_add_chain, not both"));
            }
            out.give(amt_provision::new(activation(reach, order, mode, options)?));
            Ok(())
        })
    }
}

/// Everything: the machine is as from the factory, but for the setup menu's password and root hashes.
pub const AMT_UNPROVISION_FULL: u32 = 0;
/// Names, the administrator's login and the setup server's address stay. From admin control mode only.
pub const AMT_UNPROVISION_PARTIAL: u32 = 1;

/// Prepares taking the setup of this machine back, to an extent of `AMT_UNPROVISION_`, into `*out`; free it with `amt_provision_free`. Admin control mode
/// needs the administrator's password: in the job's record or journal file, or added as a known password. `local` and `job` are not
/// kept. Go on with `amt_provision_next`.
///
/// # Safety
/// `local` and `job` are null or handles; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_local_unprovision(
    local: *mut amt_local,
    job: *const amt_job,
    extent: u32,
    out: *mut *mut amt_provision,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let reach = handle::lease(local)?.reach.enter::<amt_local>()?.clone();
            let order = handle::lease(job)?.order()?;
            let extent = self::extent(extent)?;
            out.give(amt_provision::new(unprovisioning(reach, order, extent)?));
            Ok(())
        })
    }
}

/// Ends the call of `amt_local_status` or `amt_local_job` that is under way in another thread, and every later one, with `AMT_E_CANCELLED`. Attempts
/// have `amt_provision_cancel`.
///
/// # Safety
/// `local` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_local_cancel(local: *const amt_local, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            handle::lease(local)?.canceller.cancel();
            Ok(())
        })
    }
}

/// Frees `local`. Null does nothing; while a call is inside, `AMT_E_BUSY` is returned and nothing is freed.
///
/// # Safety
/// `local` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_local_free(local: *mut amt_local) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(local)) }
}

/// # Safety
/// As for the functions above.
unsafe fn change(
    local: *mut amt_local,
    err: *mut *mut amt_error,
    body: impl FnOnce(&mut Reach) -> Result<(), Failure>,
) -> amt_status {
    // SAFETY: the caller keeps the contract of the functions above; the rest is checked inside.
    unsafe { guard(err, || body(&mut *handle::lease(local)?.reach.enter::<amt_local>()?)) }
}

impl Reach {
    fn access(&self) -> Result<LocalAccess, Failure> {
        let mut access = match &self.device {
            Some(device) => LocalAccess::at(device)?,
            None => LocalAccess::system()?,
        };
        (access.route, access.lms) = (self.route, self.lms);
        Ok(access)
    }
}

fn activation(reach: Reach, order: Order, mode: ControlMode, options: u32) -> Result<Attempt, Failure> {
    let Order { job, chains, journal, .. } = order;
    let access = reach.access()?;
    let Job { id, record, plan, certificates, suffix, .. } = job;
    let provisioning = Provisioning::of(record, move |record, host| async move {
        let mut activate = ActivateJob::new(of_machine(record, id), plan, mode);
        activate.certificates = certificates;
        if !chains.is_empty() {
            activate.remote = Some(RemoteChains::new(&chains, Arc::new(host.clone()))?);
        }
        activate.identity = reach.identity;
        activate.enable = options & AMT_ACTIVATE_ENABLE != 0;
        activate.secure = options & AMT_ACTIVATE_SECURE != 0;
        activate.suffixes = suffix.into_iter().collect();
        amt::local::activate(&access, activate, &host).await.map(End::from)
    })?;
    Attempt::over(provisioning, id, journal, None)
}

fn unprovisioning(reach: Reach, order: Order, extent: Extent) -> Result<Attempt, Failure> {
    let Order { job, journal, .. } = order;
    let access = reach.access()?;
    let Job { id, record, plan, .. } = job;
    let provisioning = Provisioning::of(record, move |record, host| async move {
        let mut record = of_machine(record, id);
        record.admin_passwords.extend(plan.known_admin_passwords);
        let mut unprovision = UnprovisionJob::new(record);
        unprovision.extent = extent;
        unprovision.identity = reach.identity;
        unprovision.guess_spacing = plan.guess_spacing;
        amt::local::unprovision(&access, unprovision, &host).await.map(End::from)
    })?;
    Attempt::over(provisioning, id, journal, None)
}

/// One of `AMT_UNPROVISION_`.
pub(crate) fn extent(extent: u32) -> Result<Extent, Failure> {
    match extent {
        AMT_UNPROVISION_FULL => Ok(Extent::Full),
        AMT_UNPROVISION_PARTIAL => Ok(Extent::Partial),
        other => Err(argument::invalid(format!("extent: {other} is none of AMT_UNPROVISION_*"))),
    }
}

/// What an earlier attempt made durable, or a new record.
fn of_machine(record: Option<Record>, id: SystemId) -> Record {
    record.unwrap_or_else(|| Record::new(id))
}
