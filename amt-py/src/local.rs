//! The firmware of the machine that this program runs on: `amtpy.LocalMachine`.

use crate::convert::{to_python, word, wrong};
use crate::exception::raise;
use crate::provision::{Journal, Keeper, certificates, follow, journal_of, policy};
use crate::signer::{self, Chains};
use crate::wait::wait;
use ::amt_provision::local::{Extent, Standing};
use ::amt_provision::remote::ControlMode;
use ::amt_provision::{Plan, Record, Step};
use amt::ProvisioningCertificate;
use amt::local::{ActivateJob, LocalAccess, RemoteChains, Route, UnprovisionJob};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_fleet::{Fleet, json};
use pyo3::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

/// How this machine stands after its setup was made or taken back. Holds a password: neither `repr` nor `str` shows it.
#[pyclass(frozen, module = "amtpy")]
pub(crate) struct LocalOutcome {
    /// The machine.
    #[pyo3(get)]
    uuid: String,
    /// How it is controlled now: `"client"`, `"admin"` or `"none"`.
    #[pyo3(get)]
    control_mode: &'static str,
    /// Whether anything was changed.
    #[pyo3(get)]
    changed: bool,
    /// Firmware version.
    #[pyo3(get)]
    firmware: String,
    /// The password of `admin` by the journal; empty if none is known.
    #[pyo3(get)]
    admin_password: String,
}

#[pymethods]
impl LocalOutcome {
    fn __repr__(&self) -> String {
        format!("LocalOutcome(uuid={:?}, control_mode={:?})", self.uuid, self.control_mode)
    }
}

/// Where the firmware is: device file, route, address of the local management service.
type Reach = (Option<PathBuf>, String, Option<String>);

const ROUTES: [(&str, Route); 3] = [("auto", Route::Auto), ("lms", Route::Lms), ("lme", Route::Lme)];
const MODES: [(&str, ControlMode); 2] = [("client", ControlMode::Client), ("admin", ControlMode::Admin)];
const EXTENTS: [(&str, Extent); 2] = [("full", Extent::Full), ("partial", Extent::Partial)];

fn access((device, route, lms): Reach) -> PyResult<LocalAccess> {
    let mut access = device.map_or_else(LocalAccess::system, |device| LocalAccess::at(&device)).map_err(raise)?;
    access.route = word(&ROUTES, |(name, _)| name, "route", &route)?.1;
    access.lms = match lms {
        Some(lms) => lms.parse().map_err(|_| wrong(format!("lms: {lms:?} is no IP address")))?,
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    Ok(access)
}

/// What the firmware says of itself.
#[pyfunction]
pub(crate) fn local_status(py: Python<'_>, reach: Reach) -> PyResult<Bound<'_, PyAny>> {
    let access = access(reach)?;
    let survey = wait(py, async move { amt::local::survey(&access).await })?;
    to_python(py, &json::survey(&survey))
}

/// Takes this machine to a control mode.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "arguments of a Python method")]
pub(crate) fn local_activate(
    py: Python<'_>,
    reach: Reach,
    mode: &str,
    journal: &Bound<'_, PyAny>,
    journal_key: Option<PathBuf>,
    certificate: Option<&Bound<'_, PyAny>>,
    suffix: Option<String>,
    host_name: Option<String>,
    admin_password: Option<String>,
    mebx_password: Option<String>,
    enable: bool,
    secure: bool,
    progress: Option<Py<PyAny>>,
    chains: Option<Chains>,
    sign: Option<Bound<'_, PyAny>>,
) -> PyResult<LocalOutcome> {
    let mode = word(&MODES, |(name, _)| name, "mode", mode)?.1;
    let certificates = certificate.map(certificates).transpose()?;
    let remote = signer::remote(chains, sign)?;
    if remote.is_some() && certificates.is_some() {
        return Err(wrong("chains: give these or certificate, not both"));
    }
    if mode == ControlMode::Admin && remote.is_none() && certificates.as_ref().is_none_or(|all| all.is_empty()) {
        return Err(wrong("certificate: admin control mode needs a provisioning certificate"));
    }
    let mut plan = Plan::new();
    plan.host_name = host_name.or_else(amt::system::host_name);
    plan.admin_password = policy(admin_password);
    plan.mebx_password = policy(mebx_password);
    let change = Change::Activate {
        plan: Box::new(plan),
        mode,
        certificates: certificates.unwrap_or_default(),
        remote,
        enable,
        secure,
        suffixes: suffix.into_iter().collect(),
    };
    let (tell, told) = unbounded_channel();
    follow(py, attempt(access(reach)?, journal_of(journal, journal_key)?, change, tell), told, progress)
}

/// Takes the setup of this machine back.
#[pyfunction]
pub(crate) fn local_unprovision(
    py: Python<'_>,
    reach: Reach,
    extent: &str,
    journal: &Bound<'_, PyAny>,
    journal_key: Option<PathBuf>,
    known_admin_passwords: Vec<String>,
    progress: Option<Py<PyAny>>,
) -> PyResult<LocalOutcome> {
    let extent = word(&EXTENTS, |(name, _)| name, "extent", extent)?.1;
    let known = known_admin_passwords.into_iter().map(Secret::from).collect();
    let change = Change::Unprovision { extent, known };
    let (tell, told) = unbounded_channel();
    follow(py, attempt(access(reach)?, journal_of(journal, journal_key)?, change, tell), told, progress)
}

/// What is to be done.
enum Change {
    Activate {
        plan: Box<Plan>,
        mode: ControlMode,
        certificates: Arc<[ProvisioningCertificate]>,
        remote: Option<RemoteChains>,
        enable: bool,
        secure: bool,
        suffixes: Vec<String>,
    },
    Unprovision {
        extent: Extent,
        known: Vec<Secret<String>>,
    },
}

/// The whole attempt. Broken off at any point, it leaves what the journal holds.
async fn attempt(
    access: LocalAccess,
    journal: Journal,
    change: Change,
    steps: UnboundedSender<Step>,
) -> Result<LocalOutcome, Failure> {
    let id = amt::local::status(&access).await?.facts.id.ok_or_else(|| {
        let text = "the firmware does not tell this machine's UUID: it is too old";
        Failure::new(ErrorCode::FIRMWARE_UNSUPPORTED, "read-firmware", text)
    })?;
    let (fleet, is_own, _hold) = journal.open().await?;
    let ended = carry_out(&access, &fleet, id, change, steps).await;
    if is_own {
        fleet.close().await;
    }
    ended
}

async fn carry_out(
    access: &LocalAccess,
    fleet: &Fleet,
    id: SystemId,
    change: Change,
    steps: UnboundedSender<Step>,
) -> Result<LocalOutcome, Failure> {
    let mut record = fleet.record(id).await?.unwrap_or_else(|| Record::new(id));
    let keeper = Keeper { fleet, authority: None, steps };
    let (control_mode, changed, firmware) = match change {
        Change::Activate { plan, mode, certificates, remote, enable, secure, suffixes } => {
            let mut job = ActivateJob::new(record, *plan, mode);
            (job.certificates, job.remote, job.suffixes) = (certificates, remote, suffixes);
            (job.enable, job.secure) = (enable, secure);
            let done = amt::local::activate(access, job, &keeper).await?;
            (done.control_mode.as_str(), done.changed, done.version)
        }
        Change::Unprovision { extent, known } => {
            record.admin_passwords.extend(known);
            let mut job = UnprovisionJob::new(record);
            job.extent = extent;
            let done = amt::local::unprovision(access, job, &keeper).await?;
            ("none", done.before != Standing::Unprovisioned, done.version)
        }
    };
    let record = fleet.record(id).await?;
    let password = record.as_ref().and_then(|record| record.admin_passwords.first());
    Ok(LocalOutcome {
        uuid: id.to_string(),
        control_mode,
        changed,
        firmware: firmware.to_string(),
        admin_password: password.map(|password| password.expose().clone()).unwrap_or_default(),
    })
}
