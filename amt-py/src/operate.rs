//! What `amtpy.Machine` does with a machine that is set up, and `discover`.

use crate::convert::{from_python, to_python, wrong};
use crate::exception::raise;
use crate::wait::wait;
use amt::Device;
use amt::discover::{DiscoverConfig, Targets, scan};
use amt::operate::{
    BootPlan, NextBoot, PowerAction, Then, audit_log, boot_next, boot_state, change_power, clear_boot, clear_event_log,
    event_log, freeze_event_log, inventory, power_status, sessions,
};
use amt_core::Failure;
use amt_fleet::json::operate as documents;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// One operation with what it needs.
pub(crate) enum Operation {
    PowerState,
    Power(PowerAction),
    Boot(BootPlan),
    BootState,
    ClearBoot,
    EventLog,
    ClearEventLog,
    FreezeEventLog(bool),
    AuditLog,
    Inventory,
    Sessions,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    action: String,
    url: Option<String>,
    sol: bool,
    then: Option<String>,
    frozen: bool,
}

impl Operation {
    /// The operation of this name.
    pub(crate) fn read(name: &str, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let options: Options = match options {
            Some(given) => from_python(given.as_any())?.map_err(wrong)?,
            None => Options::default(),
        };
        Ok(match name {
            "power_state" => Self::PowerState,
            "power" => Self::Power(options.action.parse().map_err(raise)?),
            "boot" => Self::Boot(plan(options)?),
            "boot_state" => Self::BootState,
            "clear_boot" => Self::ClearBoot,
            "event_log" => Self::EventLog,
            "clear_event_log" => Self::ClearEventLog,
            "freeze_event_log" => Self::FreezeEventLog(options.frozen),
            "audit_log" => Self::AuditLog,
            "inventory" => Self::Inventory,
            "sessions" => Self::Sessions,
            _ => return Err(wrong(format!("there is no operation {name:?}"))),
        })
    }

    /// For messages.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::PowerState | Self::Power(_) => "power",
            Self::Boot(_) | Self::BootState | Self::ClearBoot => "boot",
            Self::EventLog | Self::ClearEventLog | Self::FreezeEventLog(_) => "event log",
            Self::AuditLog => "audit log",
            Self::Inventory => "inventory",
            Self::Sessions => "sessions",
        }
    }

    /// Does it: the document that the command line prints, or null.
    pub(crate) async fn run(&self, device: &mut Device) -> Result<Value, Failure> {
        Ok(match self {
            Self::PowerState => documents::power_status(&power_status(device).await?),
            Self::Power(action) => documents::power_change(&change_power(device, *action).await?),
            Self::Boot(plan) => {
                boot_next(device, plan).await?.map_or(Value::Null, |change| documents::power_change(&change))
            }
            Self::BootState => documents::boot_state(&boot_state(device).await?),
            Self::ClearBoot => clear_boot(device).await.map(|()| Value::Null)?,
            Self::EventLog => documents::event_log(&event_log(device).await?),
            Self::ClearEventLog => clear_event_log(device).await.map(|()| Value::Null)?,
            Self::FreezeEventLog(frozen) => freeze_event_log(device, *frozen).await.map(|()| Value::Null)?,
            Self::AuditLog => documents::audit_log(&audit_log(device).await?),
            Self::Inventory => documents::inventory(&inventory(device).await?),
            Self::Sessions => documents::sessions(&sessions(device, None).await?),
        })
    }
}

fn plan(options: Options) -> PyResult<BootPlan> {
    let next = match (options.action.as_str(), options.url) {
        ("https", Some(url)) => NextBoot::Https(url),
        ("https", None) => return Err(wrong("url: what is booted over HTTPS?")),
        (_, Some(_)) => return Err(wrong("url: it goes with \"https\"")),
        ("pxe", _) => NextBoot::Pxe,
        ("disk", _) => NextBoot::Disk,
        ("cd", _) => NextBoot::Cd,
        ("bios", _) => NextBoot::Bios,
        (other, _) => return Err(wrong(format!("{other:?} is nothing to boot: pxe, disk, cd, bios, https"))),
    };
    let mut plan = BootPlan::new(next);
    plan.sol = options.sol;
    plan.then = match options.then.as_deref() {
        None => Then::Start,
        Some("none") => Then::Nothing,
        Some(action) => Then::Power(action.parse().map_err(raise)?),
    };
    Ok(plan)
}

/// What is at addresses, seen from outside, without a password and without changing anything: the dicts of `amt discover --json`.
///
/// `targets` are names, addresses (`"fe80::1%eth0"` with its interface), networks (`"10.0.0.0/24"`) and ranges (`"10.0.0.10-20"`). Every
/// address gives one dict, also where nothing answers (`standing` is then `"silent"`). `rate` limits the addresses that are begun in a second, `timeout` is for each connection, in seconds.
///
/// >>> import amtpy
/// >>> from amtpy.sim import VirtualMachines
/// >>> with VirtualMachines() as machines:
/// ...     [found] = amtpy.discover([machines[0].address])
/// >>> found["standing"], found["ports"]["16993"]
/// ('wants-certificate', 'open')
#[pyfunction]
#[pyo3(signature = (targets, *, rate=20, timeout=2.0))]
pub(crate) fn discover<'py>(
    py: Python<'py>,
    targets: Vec<String>,
    rate: u32,
    timeout: f64,
) -> PyResult<Bound<'py, PyAny>> {
    if rate == 0 {
        return Err(wrong("rate: at least 1"));
    }
    let mut config = DiscoverConfig::default();
    config.rate = rate;
    config.connect_timeout =
        Duration::try_from_secs_f64(timeout).map_err(|error| wrong(format!("timeout: {error}")))?;
    let mut found = wait(py, async move {
        let (mut list, mut all) = (Targets::new(), Vec::new());
        for target in &targets {
            list.look_up(target).await?;
        }
        scan(list, &config, |found| all.push(found)).await;
        Ok(all)
    })?;
    found.sort_by_key(|found| found.address);
    to_python(py, &json!(found.iter().map(documents::discovered).collect::<Vec<_>>()))
}
