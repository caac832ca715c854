//! The screen over the network, and consent to it (`spec/wsman.md` §3.9).

use super::{Call, Class, Fields, Instance, Output, SERVICE, argument, instance, number, service};
use crate::firmware::device::Device;
use crate::firmware::settings::OptIn;
use crate::firmware::soap::Fault;
use amt_core::redirection::SessionKind;
use amt_core::status::PtStatus;
use amt_core::{Secret, Tick};
use std::time::Duration;

const SAP: &str = "CIM_KVMRedirectionSAP";
const SETTINGS: &str = "IPS_KVMRedirectionSettingData";
const OPT_IN: &str = "IPS_OptInService";
const SETTINGS_NAME: &str = "Intel(r) KVM Redirection Settings";
/// Client control mode.
const CLIENT: u32 = 1;
const RFB_PASSWORD: usize = 8;
/// Port 5900 went with this version.
const NO_PORT_5900: u16 = 12;

/// `OptInState` of consent that is made use of.
const IN_SESSION: u32 = 4;

/// Return values of `IPS_OptInService`, where they are not PT_STATUS.
const INVALID_STATE: u32 = 2;

pub(super) const CLASSES: &[Class] = &[
    Class { methods: &[("RequestStateChange", change_state)], ..Class::read(SAP, SERVICE, list_sap) },
    Class { put: Some(put_settings), ..Class::read(SETTINGS, &["InstanceID"], list_settings) },
    Class {
        put: Some(put_opt_in),
        methods: &[("StartOptIn", start), ("SendOptInCode", send_code), ("CancelOptIn", cancel)],
        ..Class::read(OPT_IN, SERVICE, list_opt_in)
    },
];

fn flag(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

fn list_sap(device: &Device, _: Tick) -> Vec<Instance> {
    let kvm = &device.settings.kvm;
    vec![instance(
        SAP,
        &[
            ("CreationClassName", SAP),
            ("ElementName", "KVM Redirection Service Access Point"),
            // 6: enabled, and nobody is connected.
            (
                "EnabledState",
                match (kvm.on, device.sessions.runs(SessionKind::Screen)) {
                    (false, _) => "3",
                    (true, true) => "2",
                    (true, false) => "6",
                },
            ),
            ("KVMProtocol", "4"),
            ("Name", "KVM Redirection Service Access Point"),
            ("RequestedState", &kvm.requested.to_string()),
            ("SystemCreationClassName", "CIM_ComputerSystem"),
            ("SystemName", "ManagedSystem"),
        ],
    )]
}

/// A CIM method: its own return values, not PT_STATUS (§2.5).
fn change_state(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let state = number(call, "RequestedState")?;
    if !matches!(state, 2 | 3) {
        return Ok(Output::value(5));
    }
    device.settings.kvm.on = state == 2;
    device.settings.kvm.requested = state;
    Ok(Output::ok())
}

fn list_settings(device: &Device, _: Tick) -> Vec<Instance> {
    let kvm = &device.settings.kvm;
    vec![instance(
        SETTINGS,
        &[
            ("BackToBackFbMode", flag(kvm.back_to_back)),
            ("DefaultScreen", &kvm.default_screen.to_string()),
            ("ElementName", SETTINGS_NAME),
            ("EnabledByMEBx", "true"),
            ("InstanceID", SETTINGS_NAME),
            ("Is5900PortEnabled", flag(kvm.port_5900)),
            ("OptInPolicy", flag(kvm.opt_in_policy || device.control_mode == CLIENT)),
            ("OptInPolicyTimeout", &kvm.opt_in_timeout.to_string()),
            // Never told, whether or not there is one.
            ("RFBPassword", ""),
            ("SessionTimeout", &kvm.session_timeout.to_string()),
        ],
    )]
}

/// Exactly eight characters of four kinds: VNC knows no longer ones.
fn is_rfb_password(password: &str) -> bool {
    password.len() == RFB_PASSWORD && super::is_strong(password)
}

fn put_settings(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    fields.known(current)?;
    fields.unchanged(current, &["ElementName", "EnabledByMEBx"])?;
    let mut next = device.settings.kvm.clone();
    next.back_to_back = fields.bool("BackToBackFbMode")?.unwrap_or(next.back_to_back);
    next.default_screen = fields.number("DefaultScreen", 0..=3)?.unwrap_or(next.default_screen);
    next.opt_in_timeout = fields.number("OptInPolicyTimeout", 0..=65_535)?.unwrap_or(next.opt_in_timeout);
    next.session_timeout = fields.number("SessionTimeout", 0..=255)?.unwrap_or(next.session_timeout);
    next.port_5900 = fields.need_bool("Is5900PortEnabled")?;
    next.opt_in_policy = fields.need_bool("OptInPolicy")?;
    if next.port_5900 && device.config.persona.version.major >= NO_PORT_5900 {
        return Err(Fault::status(PtStatus::UNSUPPORTED.0));
    }
    if !next.opt_in_policy && device.control_mode == CLIENT {
        return Err(Fault::status(PtStatus::NOT_PERMITTED.0));
    }
    match fields.text("RFBPassword") {
        // What a whole-object Put brings back.
        None | Some("") => {}
        Some(password) if is_rfb_password(password) => {
            next.rfb_password = Some(Secret::new(password.to_owned()));
        }
        Some(_) => return Err(Fault::status(PtStatus::INVALID_PASSWORD.0)),
    }
    if next.port_5900 && next.rfb_password.is_none() {
        return Err(Fault::status(PtStatus::INVALID_PASSWORD.0));
    }
    device.settings.kvm = next;
    Ok(())
}

/// Client control mode wants consent for everything.
fn required(device: &Device) -> u32 {
    if device.control_mode == CLIENT { OptIn::ALL } else { device.settings.opt_in.required }
}

/// `OptInState`: 4 while a session runs that is not without consent.
fn state(device: &Device, now: Tick) -> u32 {
    let needs = |kind: SessionKind| match required(device) {
        0 => false,
        OptIn::KVM => kind == SessionKind::Screen,
        _ => true,
    };
    let runs = SessionKind::ALL.iter().any(|kind| needs(*kind) && device.sessions.runs(*kind));
    if runs { IN_SESSION } else { device.settings.opt_in.state(now) }
}

fn list_opt_in(device: &Device, now: Tick) -> Vec<Instance> {
    let opt_in = &device.settings.opt_in;
    let can_modify = if device.control_mode == CLIENT { "0" } else { "1" };
    let properties = [
        ("CanModifyOptInPolicy", can_modify),
        ("OptInCodeTimeout", &opt_in.code_timeout.to_string()),
        ("OptInDisplayTimeout", &opt_in.display_timeout.to_string()),
        ("OptInRequired", &required(device).to_string()),
        ("OptInState", &state(device, now).to_string()),
    ];
    vec![service(OPT_IN, "Intel(r) AMT OptIn Service", &properties)]
}

fn put_opt_in(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    fields.known(current)?;
    fields.unchanged(current, &["CanModifyOptInPolicy", "ElementName", "OptInState"])?;
    let wanted = fields.number("OptInRequired", 0..=OptIn::ALL)?.ok_or_else(Fault::missing_values)?;
    if !matches!(wanted, 0 | OptIn::KVM | OptIn::ALL) {
        return Err(Fault::invalid_values());
    }
    if device.control_mode == CLIENT && wanted != OptIn::ALL {
        return Err(Fault::status(PtStatus::NOT_PERMITTED.0));
    }
    let mut next = device.settings.opt_in.clone();
    next.code_timeout = fields.number("OptInCodeTimeout", 60..=900)?.unwrap_or(next.code_timeout);
    next.display_timeout = fields.number("OptInDisplayTimeout", 10..=900)?.unwrap_or(next.display_timeout);
    next.required = wanted;
    device.settings.opt_in = next;
    Ok(())
}

/// Shows a code of six digits on the machine's own screen.
fn start(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    if required(device) == 0 || state(device, call.now) != 0 {
        return Ok(Output::value(INVALID_STATE));
    }
    let code = u32::try_from(device.choices.below(1_000_000)).unwrap_or(0);
    let opt_in = &mut device.settings.opt_in;
    let until = call.now.after(Duration::from_secs(u64::from(opt_in.code_timeout)));
    (opt_in.shown, opt_in.received_until) = (Some((code, until)), None);
    Ok(Output::ok())
}

fn send_code(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let code = argument(call, "OptInCode")?;
    let opt_in = &mut device.settings.opt_in;
    let Some((shown, _)) = opt_in.shown.filter(|_| opt_in.state(call.now) == 2) else {
        return Ok(Output::value(INVALID_STATE));
    };
    if code.len() != 6 || code.parse() != Ok(shown) {
        return Ok(Output::value(PtStatus::UNSUPPORTED.0));
    }
    opt_in.shown = None;
    opt_in.received_until = Some(call.now.after(Duration::from_secs(u64::from(opt_in.display_timeout))));
    Ok(Output::ok())
}

fn cancel(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let opt_in = &mut device.settings.opt_in;
    if opt_in.state(call.now) == 0 {
        return Ok(Output::value(INVALID_STATE));
    }
    (opt_in.shown, opt_in.received_until) = (None, None);
    Ok(Output::ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firmware::MachineConfig;
    use crate::firmware::class::Caller;

    #[test]
    fn client_control_mode_wants_consent_for_everything() {
        let mut device = Device::new(MachineConfig::new(amt_core::SystemId::from_wire([7; 16])));
        device.control_mode = CLIENT;
        let mut put = |class: &Class, name: &str, value: &str| {
            let current = (class.list)(&device, Tick(0)).remove(0);
            let mut input = current.clone();
            input.set(name, value);
            let call = Call { now: Tick(0), caller: Caller::default(), selectors: &[], input, body: None };
            class.put.unwrap()(&mut device, &call, &current)
        };
        let refused = Err(Fault::status(PtStatus::NOT_PERMITTED.0));
        assert_eq!(put(&CLASSES[2], "OptInRequired", "0"), refused);
        assert_eq!(put(&CLASSES[2], "OptInRequired", "1"), refused);
        assert_eq!(put(&CLASSES[2], "OptInRequired", "4294967295"), Ok(()));
        assert_eq!(put(&CLASSES[1], "OptInPolicy", "false"), refused);
        assert_eq!(put(&CLASSES[1], "OptInPolicy", "true"), Ok(()));
        let told = list_opt_in(&device, Tick(0)).remove(0);
        assert_eq!(told.text("CanModifyOptInPolicy"), Some("0"));
    }
}
