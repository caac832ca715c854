//! `AMT_SetupAndConfigurationService` (`spec/wsman.md` §3.1–3.2).

use super::{Call, Class, Fields, Instance, Output, SERVICE, argument, number, service};
use crate::firmware::device::{Device, Effect, Phase, StoredPassword};
use crate::firmware::soap::Fault;
use crate::persona::MebxPolicy;
use amt_core::Tick;
use amt_core::psk::{Form, PskPair};
use amt_core::status::PtStatus;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

/// Client control mode.
const CLIENT: u32 = 1;
/// The audit log among the components that block.
const AUDIT_LOG: &str = "1";
const MEBX_LENGTH: std::ops::RangeInclusive<usize> = 8..=32;
const OTP_BYTES: usize = 32;
/// Longest window: 255 hours in all.
const MAX_WINDOW_HOURS: u64 = 255;

pub(super) const CLASSES: &[Class] = &[Class {
    put: Some(put),
    methods: &[
        ("CommitChanges", commit),
        ("ExtendProvisioningPeriod", extend),
        ("GetUuid", uuid),
        ("GetUnprovisionBlockingComponents", blocking),
        ("SetMEBxPassword", mebx),
        ("SetTLSPSK", psk),
        ("PartialUnprovision", partial),
        ("Unprovision", unprovision),
    ],
    ..Class::read("AMT_SetupAndConfigurationService", SERVICE, list)
}];

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let state = device.phase.number().to_string();
    let suffix = device.config.suffix.clone().unwrap_or_default();
    let mut properties = vec![
        ("EnabledState", "5"),
        ("PasswordModel", "1"),
        ("ProvisioningMode", if device.control_mode == CLIENT { "4" } else { "1" }),
        ("ProvisioningState", state.as_str()),
        ("RequestedState", "12"),
        ("ZeroTouchConfigurationEnabled", "true"),
    ];
    if !suffix.is_empty() {
        properties.push(("DhcpDNSSuffix", suffix.as_str()));
    }
    let mut instance =
        service("AMT_SetupAndConfigurationService", "Intel(r) AMT Setup and Configuration Service", &properties);
    // Only an in-provisioning machine tells it; all others read as zeroes.
    let mut otp = [0; OTP_BYTES];
    if device.phase == Phase::In
        && let Some(text) = &device.otp
    {
        for (to, from) in otp.iter_mut().zip(text.bytes()) {
            *to = from;
        }
    }
    instance.set("ProvisioningServerOTP", STANDARD.encode(otp));
    vec![instance]
}

fn put(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    let known: Vec<&str> = current.properties.iter().map(|(name, _)| name.as_str()).collect();
    fields.only(&known)?;
    fields.unchanged(
        current,
        &[
            "PasswordModel",
            "ProvisioningMode",
            "ProvisioningState",
            "ProvisioningServerOTP",
            "EnabledState",
            "RequestedState",
        ],
    )?;
    fields.need_bool("ZeroTouchConfigurationEnabled")?;
    let _ = device;
    Ok(())
}

fn uuid(device: &mut Device, _: &Call<'_>) -> Result<Output, Fault> {
    Ok(Output::ok().with("UUID", STANDARD.encode(device.config.id.to_wire())))
}

/// What made the last request to take back the setup fail; nothing if none failed for it.
fn blocking(device: &mut Device, _: &Call<'_>) -> Result<Output, Fault> {
    let output = Output::ok();
    Ok(if device.blocked_by_auditor { output.with("Component", AUDIT_LOG) } else { output })
}

/// Whether an auditor stands in the way: before AMT 12.0, of what an administrator set up.
fn is_blocked(device: &mut Device) -> bool {
    let version = device.config.persona.version;
    device.blocked_by_auditor = device.config.auditor && version.major < 12 && device.control_mode != CLIENT;
    device.blocked_by_auditor
}

fn extend(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let hours = number(call, "Duration")?;
    let Some(end) = device.window_end.filter(|_| device.phase == Phase::In) else {
        return Ok(Output::value(PtStatus::INVALID_PT_MODE.0));
    };
    match hours {
        0 => device.effects.push(Effect::WindowClosed),
        1..=24 => {
            // The new end counts from now; the window never shrinks by it, and never exceeds its absolute cap.
            let asked = call.now.after(Duration::from_secs(u64::from(hours) * 3600));
            let cap = call.now.after(Duration::from_secs(MAX_WINDOW_HOURS * 3600));
            device.window_end = Some(end.max(asked).min(cap));
        }
        _ => return Ok(Output::value(PtStatus::INVALID_PARAMETER.0)),
    }
    Ok(Output::ok())
}

/// 8–32 printable characters with lower case, upper case, digit and special; no quote, comma or colon.
pub(crate) fn is_strong(password: &str) -> bool {
    let has = |test: fn(char) -> bool| password.chars().any(test);
    MEBX_LENGTH.contains(&password.len())
        && password.chars().all(|c| matches!(c, ' '..='~') && !matches!(c, '"' | ',' | ':'))
        && has(|c| c.is_ascii_lowercase())
        && has(|c| c.is_ascii_uppercase())
        && has(|c| c.is_ascii_digit())
        && has(|c| !c.is_ascii_alphanumeric() && c != '_' && c != ' ')
}

fn mebx(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let password = argument(call, "Password")?;
    let allowed = match device.config.persona.mebx.policy {
        MebxPolicy::Anytime => true,
        MebxPolicy::DuringSetup => device.phase == Phase::In,
        MebxPolicy::DefaultOnly => device.phase == Phase::In && device.mebx.is_factory,
        MebxPolicy::Never => false,
    };
    // Blocked in client control mode whatever the policy.
    if !allowed || device.control_mode == 1 {
        return Ok(Output::value(PtStatus::NOT_PERMITTED.0));
    }
    if !is_strong(password) {
        return Ok(Output::value(PtStatus::INVALID_PASSWORD.0));
    }
    device.mebx = StoredPassword::of(&device.realm, password, false);
    Ok(Output::ok())
}

/// A fresh pair for the next setup; it counts at once (`spec/wsman.md` §4(b)).
fn psk(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    if !device.config.persona.version.capabilities().psk {
        return Err(Fault::action_not_supported());
    }
    let (pid, pps) = (argument(call, "PID")?, argument(call, "PPS")?);
    if device.phase != Phase::In {
        return Ok(Output::value(PtStatus::INVALID_PT_MODE.0));
    }
    match PskPair::parse(pid, pps, Form::Strict) {
        Ok(pair) => {
            device.replace_psk(pair);
            Ok(Output::ok())
        }
        Err(_) => Ok(Output::value(PtStatus::INVALID_PARAMETER.0)),
    }
}

fn commit(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let setting_up = device.phase != Phase::Post;
    let staged = &device.staged;
    let remote_or_local = staged.remote.enabled || staged.local.enabled;
    let bound = staged.certificate.and_then(|handle| device.certificate(handle)).is_some_and(|c| c.key.is_some());
    let mutual = staged.remote.mutual && staged.remote.enabled || staged.local.mutual && staged.local.enabled;
    let missing = [
        remote_or_local && !bound,
        device.wired.dhcp && device.general.host_name.is_empty(),
        mutual && !device.certificates.iter().any(|c| c.trusted_root),
        (mutual || setting_up) && !device.clock_set,
        device.config.persona.mebx.required_for_commit && device.mebx.is_factory,
    ];
    if missing.contains(&true) {
        return Ok(Output::value(PtStatus::DATA_MISSING.0));
    }
    // Enabling the local instance inside a TLS-based activation: it "succeeds", and nothing happens (§3.8).
    if setting_up
        && call.caller.secure
        && !call.caller.local
        && staged.local.enabled
        && device.config.persona.tls_settings.local_blocks_commit
    {
        return Ok(Output::ok());
    }
    device.commits += 1;
    device.effects.push(Effect::Committed);
    Ok(Output::ok())
}

fn unprovision(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let mode = number(call, "ProvisioningMode")?;
    if mode != 1 {
        return Ok(Output::value(PtStatus::INVALID_PARAMETER.0));
    }
    if device.phase != Phase::Post {
        return Ok(Output::value(PtStatus::NOT_PERMITTED.0));
    }
    if is_blocked(device) {
        return Ok(Output::value(PtStatus::BLOCKING_COMPONENT.0));
    }
    device.effects.push(Effect::Unprovisioned);
    Ok(Output::ok())
}

/// Back to setup: names and the administrator's login stay. Admin control mode has it only.
fn partial(device: &mut Device, _: &Call<'_>) -> Result<Output, Fault> {
    if device.phase != Phase::Post || device.control_mode == CLIENT {
        return Ok(Output::value(PtStatus::NOT_PERMITTED.0));
    }
    if is_blocked(device) {
        return Ok(Output::value(PtStatus::BLOCKING_COMPONENT.0));
    }
    device.effects.push(Effect::PartlyUnprovisioned);
    Ok(Output::ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strong_passwords_have_all_four_kinds() {
        assert!(is_strong("P@ssw0rd"));
        for weak in ["P@ssw0r", "p@ssw0rd", "P@SSW0RD", "P@ssword", "Passw0rd", "P@ssw0rd\u{e9}", "P@ssw0rd:", ""] {
            assert!(!is_strong(weak), "{weak}");
        }
        assert!(!is_strong(&"P@ssw0rd".repeat(5)));
    }
}
