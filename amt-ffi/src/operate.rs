//! `amt_device` in operation: power, next boot, logs, inventory, sessions, trusted authorities, clock.

use crate::argument::{self, Out};
use crate::certificate::now;
use crate::device::amt_device;
use crate::document::amt_document;
use crate::error::amt_error;
use crate::findings::amt_findings;
use crate::guard::guard;
use crate::handle;
use crate::status::amt_status;
use amt::Device;
use amt::certificate::{TrustBundle, write_bundle};
use amt::host::NoHost;
use amt::operate::{self, BootPlan, NextBoot, PowerAction, Then};
use amt_core::{ErrorCode, Failure, Finding, Severity};
use amt_fleet::json;
use amt_fleet::json::operate as documents;
use serde_json::Value;
use std::ffi::c_char;

/// Start, or wake up.
pub const AMT_POWER_ON: u32 = 2;
/// Sleep with memory powered (S3); carried out by the operating system.
pub const AMT_POWER_SLEEP: u32 = 4;
/// Off at once and on again.
pub const AMT_POWER_CYCLE: u32 = 5;
/// Sleep with memory on disk (S4); carried out by the operating system.
pub const AMT_POWER_HIBERNATE: u32 = 7;
/// Off at once: what was not saved is lost.
pub const AMT_POWER_OFF: u32 = 8;
/// Reset at once.
pub const AMT_POWER_RESET: u32 = 10;
/// A non-maskable interrupt: most operating systems stop and write a dump.
pub const AMT_POWER_NMI: u32 = 11;
/// Shut down by the operating system; an agent there (LMS) has to carry it out.
pub const AMT_POWER_SOFT_OFF: u32 = 12;
/// Restart by the operating system; an agent there (LMS) has to carry it out.
pub const AMT_POWER_SOFT_RESET: u32 = 14;

/// From the network (PXE).
pub const AMT_BOOT_PXE: u32 = 1;
/// From the hard disk.
pub const AMT_BOOT_DISK: u32 = 2;
/// From the optical disc.
pub const AMT_BOOT_CD: u32 = 3;
/// Into the setup of the BIOS.
pub const AMT_BOOT_BIOS: u32 = 4;
/// From an `https` URL: AMT 16 and later, where the BIOS can.
pub const AMT_BOOT_HTTPS: u32 = 5;

/// A computer that runs or sleeps is reset, one that is off is switched on.
pub const AMT_THEN_START: u32 = 0;
/// Nothing: the boot counts whenever the computer starts next.
pub const AMT_THEN_NOTHING: u32 = 1;

/// Reads how the computer stands and what can be done with it now into `*reply`, to be freed with `amt_document_free`: what
/// `amt power status --json` shows.
///
/// # Safety
/// `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_power(
    device: *mut amt_device,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        operate(device, reply, err, async |device| Ok(documents::power_status(&operate::power_status(device).await?)))
    }
}

/// Has the computer do one of `AMT_POWER_`, once: what the firmware does not list as possible now fails with `AMT_E_WRONG_STATE` before it is
/// sent. The reply is a JSON object with `action`, `before` and `answer`: `accepted`, or `lost` where the firmware's answer was lost and the
/// state shows that it was done.
///
/// # Safety
/// `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_power_action(
    device: *mut amt_device,
    action: u32,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        operate(device, reply, err, async move |device| {
            let action = PowerAction::from_number(action).ok_or_else(|| none_of("action", action, "AMT_POWER_*"))?;
            Ok(documents::power_change(&operate::change_power(device, action).await?))
        })
    }
}

/// Sets the next boot, one of `AMT_BOOT_`, for once, and starts the computer as `then` says: one of `AMT_THEN_`, or `AMT_POWER_RESET`, `_ON` or
/// `_CYCLE`. `url` goes with `AMT_BOOT_HTTPS` and is empty otherwise; with `sol` 1 the console goes over the network during it, else 0. A step
/// that is refused takes back what was set. The reply is a JSON object with `next`, `url`, `sol` and `power`: as `amt_device_power_action`, or
/// null.
///
/// # Safety
/// `device` is null or a handle; `url` is null or readable for `url_len` bytes; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_boot(
    device: *mut amt_device,
    source: u32,
    url: *const c_char,
    url_len: usize,
    sol: u32,
    then: u32,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        operate(device, reply, err, async move |device| {
            let mut plan = BootPlan::new(next_boot(source, argument::optional_text("url", url, url_len)?)?);
            plan.sol = argument::truth("sol", sol)?;
            plan.then = match then {
                AMT_THEN_START => Then::Start,
                AMT_THEN_NOTHING => Then::Nothing,
                other => match PowerAction::from_number(other) {
                    Some(action) => Then::Power(action),
                    None => return Err(none_of("then", other, "AMT_THEN_* and AMT_POWER_*")),
                },
            };
            let change = operate::boot_next(device, &plan).await?;
            Ok(documents::boot(&plan, change.as_ref()))
        })
    }
}

/// Reads how the next boot is set and what is possible: what `amt boot show --json` shows.
///
/// # Safety
/// `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_boot_state(
    device: *mut amt_device,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        operate(device, reply, err, async |device| Ok(documents::boot_state(&operate::boot_state(device).await?)))
    }
}

/// Takes back what `amt_device_boot` set: the next boot is one like any other.
///
/// # Safety
/// `device` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_clear_boot(device: *mut amt_device, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe { guard(err, || handle::lease(device)?.operate(operate::clear_boot)) }
}

/// Reads the event log, the newest record first: what `amt log events --json` shows.
///
/// # Safety
/// `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_event_log(
    device: *mut amt_device,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { operate(device, reply, err, async |device| Ok(documents::event_log(&operate::event_log(device).await?))) }
}

/// Removes all events. A frozen log is not cleared: `AMT_E_RETURN_VALUE`.
///
/// # Safety
/// `device` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_clear_event_log(device: *mut amt_device, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe { guard(err, || handle::lease(device)?.operate(operate::clear_event_log)) }
}

/// With `frozen` 1 new events are kept out of the log, with 0 they are let in again.
///
/// # Safety
/// `device` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_freeze_event_log(
    device: *mut amt_device,
    frozen: u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let frozen = argument::truth("frozen", frozen)?;
            handle::lease(device)?.operate(async move |device| operate::freeze_event_log(device, frozen).await)
        })
    }
}

/// Reads the audit log, the oldest record first: what `amt audit --json` shows. The user needs realm 20 (audit log) or 3 (administration).
///
/// # Safety
/// `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_audit_log(
    device: *mut amt_device,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { operate(device, reply, err, async |device| Ok(documents::audit_log(&operate::audit_log(device).await?))) }
}

/// Reads what the machine is made of: what `amt inventory --json` shows.
///
/// # Safety
/// `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_inventory(
    device: *mut amt_device,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { operate(device, reply, err, async |device| Ok(documents::inventory(&operate::inventory(device).await?))) }
}

/// Reads whether and by whom the machine was set up, its names, firmware and certificate: what `amt status --json` shows. For `admin`, over
/// TLS, on connections of its own.
///
/// # Safety
/// `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_status(
    device: *mut amt_device,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("reply", reply)?;
            let device = handle::lease(device)?;
            let facts = device.administer(async |admin| admin.facts(&NoHost).await)?;
            out.give(amt_document::new(json::facts(&facts)));
            Ok(())
        })
    }
}

/// Reads which sessions are free, and which somebody has: what `amt sessions --json` shows. `redirection_port` 0 is the usual one: 16995, or
/// 16994 without TLS. The user needs realm 2 (redirection) or 3 (administration).
///
/// # Safety
/// `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_sessions(
    device: *mut amt_device,
    redirection_port: u16,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    let port = (redirection_port != 0).then_some(redirection_port);
    // SAFETY: the caller keeps the contract above.
    unsafe {
        operate(device, reply, err, async move |device| {
            Ok(documents::sessions(&operate::sessions(device, port).await?))
        })
    }
}

/// Reads the authorities that the machine trusts, and those above its own certificate: what `amt trust export --json` shows, `bundle` being the
/// PEM text, which is empty where there are none. Whom the machine is taken for is said by the `amt_device_trust_` functions.
///
/// # Safety
/// `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_authorities(
    device: *mut amt_device,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        operate(device, reply, err, async |device| {
            let found = operate::trust(device).await?;
            Ok(documents::trust(&found, &found.authorities, &write_bundle(&found.authorities)))
        })
    }
}

/// Adds the authorities of a bundle (PEM, the root first) that the machine does not trust yet; with `dry_run` 1 says what would be added, and writes
/// nothing, else 0. Nothing is removed. The reply is what `amt trust import --json` shows. A bundle that is wrong fails with
/// `AMT_E_CERTIFICATE_PARSE` before anything is sent; `amt_authorities_check` says all that is wrong with it.
///
/// # Safety
/// `device` is null or a handle; `bundle` is null or readable for `bundle_len` bytes; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_add_authorities(
    device: *mut amt_device,
    bundle: *const u8,
    bundle_len: usize,
    dry_run: u32,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe {
        operate(device, reply, err, async move |device| {
            let dry_run = argument::truth("dry_run", dry_run)?;
            let bundle = argument::bytes("bundle", bundle, bundle_len)?;
            let bundle = TrustBundle::read(bundle, now()?).map_err(|findings| wrong_bundle(&findings))?;
            let change = operate::add_trust(device, &bundle, dry_run).await?;
            Ok(documents::trust_change(&bundle, &change, dry_run))
        })
    }
}

/// Says everything that is wrong with a bundle of authorities (docs/operate.md), as findings in `*out`, to be freed with `amt_findings_free`.
/// Nothing is sent.
///
/// # Safety
/// `bundle` is null or readable for `bundle_len` bytes; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_authorities_check(
    bundle: *const u8,
    bundle_len: usize,
    out: *mut *mut amt_findings,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let findings = match TrustBundle::read(argument::bytes("bundle", bundle, bundle_len)?, now()?) {
                Ok(bundle) => bundle.warnings,
                Err(findings) => findings,
            };
            out.give(amt_findings::new(findings));
            Ok(())
        })
    }
}

/// Compares the machine's clock with this system's; with `set` 1 makes it right if it is off by more than ten seconds, and reads it back, else 0.
/// The reply is what `amt clock --json` shows. For `admin`, over TLS, on connections of its own.
///
/// # Safety
/// `device` is null or a handle; `reply` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_device_clock(
    device: *mut amt_device,
    set: u32,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("reply", reply)?;
            let set = argument::truth("set", set)?;
            let device = handle::lease(device)?;
            let seen = device.administer(async |admin| admin.clock(set, &NoHost).await)?;
            out.give(amt_document::new(json::clock(&seen)));
            Ok(())
        })
    }
}

fn wrong_bundle(findings: &[Finding]) -> Failure {
    let mut wrong = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let first = wrong.next().map_or_else(String::new, |finding| format!("{}: {}", finding.field, finding.message));
    let more = match wrong.count() {
        0 => String::new(),
        count => format!("; and {count} more"),
    };
    Failure::new(ErrorCode::CERTIFICATE_PARSE, "trust", format!("the bundle cannot be used: {first}{more}"))
        .hint("amt_authorities_check says all that is wrong with it; nothing was sent")
}

/// # Safety
/// As for the functions above.
unsafe fn operate(
    device: *mut amt_device,
    reply: *mut *mut amt_document,
    err: *mut *mut amt_error,
    operation: impl AsyncFnOnce(&mut Device) -> Result<Value, Failure>,
) -> amt_status {
    // SAFETY: the caller keeps the contract of the functions above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("reply", reply)?;
            out.give(amt_document::new(handle::lease(device)?.operate(operation)?));
            Ok(())
        })
    }
}

fn next_boot(source: u32, url: Option<&str>) -> Result<NextBoot, Failure> {
    let next = match (source, url) {
        (AMT_BOOT_HTTPS, Some(url)) => return Ok(NextBoot::Https(url.to_owned())),
        (AMT_BOOT_HTTPS, None) => return Err(argument::invalid("url: what is booted over HTTPS?".to_owned())),
        (AMT_BOOT_PXE, _) => NextBoot::Pxe,
        (AMT_BOOT_DISK, _) => NextBoot::Disk,
        (AMT_BOOT_CD, _) => NextBoot::Cd,
        (AMT_BOOT_BIOS, _) => NextBoot::Bios,
        (other, _) => return Err(none_of("source", other, "AMT_BOOT_*")),
    };
    if url.is_some() { Err(argument::invalid("url: it goes with AMT_BOOT_HTTPS".to_owned())) } else { Ok(next) }
}

fn none_of(name: &str, value: u32, all: &str) -> Failure {
    argument::invalid(format!("{name}: {value} is none of {all}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_the_actions() {
        let constants = [
            AMT_POWER_ON,
            AMT_POWER_OFF,
            AMT_POWER_CYCLE,
            AMT_POWER_RESET,
            AMT_POWER_SOFT_OFF,
            AMT_POWER_SOFT_RESET,
            AMT_POWER_SLEEP,
            AMT_POWER_HIBERNATE,
            AMT_POWER_NMI,
        ];
        let actions = PowerAction::ALL.iter().map(|action| action.number());
        assert!(actions.eq(constants));
        assert_eq!(PowerAction::from_number(AMT_THEN_START).or(PowerAction::from_number(AMT_THEN_NOTHING)), None);
    }
}
