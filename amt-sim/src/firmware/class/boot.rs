//! What the computer boots from next: sources, order, role, options (`spec/wsman.md` §3.11).

use super::{Call, Class, Fields, Instance, Output, SERVICE, argument, instance, number, service};
use crate::firmware::class::uefi;
use crate::firmware::device::{Device, Phase};
use crate::firmware::host::{BootOptions, BootSource, SOURCES, value};
use crate::firmware::soap::{Fault, reference};
use amt_core::Tick;
use amt_core::status::PtStatus;
use amt_wsman::instance::Value;

const SETTINGS: &str = "AMT_BootSettingData";
const CONFIG: &str = "CIM_BootConfigSetting";
const SOURCE: &str = "CIM_BootSourceSetting";

const CONFIG_ID: &str = "Intel(r) AMT: Boot Configuration 0";

/// Roles of SetBootConfigRole.
const NEXT_SINGLE_USE: u32 = 1;
const NOT_NEXT: u32 = 32_768;

/// Control mode of a machine that its own user set up.
const CLIENT: u32 = 1;

/// Parameters of UEFI: told back while they are set, else absent.
const PARAMETERS: &str = "UefiBootParametersArray";

/// What a Put must not hold, not even with the value it has.
const READ_ONLY: &[&str] = &[
    "BIOSLastStatus",
    "BootguardStatus",
    "OptionsCleared",
    "RPEEnabled",
    "SecureBootControlEnabled",
    "UEFIHTTPSBootEnabled",
    "UEFILocalPBABootEnabled",
    "WinREBootEnabled",
];
/// Options that a Put may leave out.
const OPTIONAL: &[&str] = &["PlatformErase"];

pub(super) const CLASSES: &[Class] = &[
    Class { put: Some(put_settings), ..Class::read(SETTINGS, &["InstanceID"], list_settings) },
    Class { methods: &[("ChangeBootOrder", change_order)], ..Class::read(CONFIG, &["InstanceID"], list_config) },
    Class::read(SOURCE, &["InstanceID"], list_sources),
    Class { methods: &[("SetBootConfigRole", set_role)], ..Class::read("CIM_BootService", SERVICE, list_service) },
    Class::read("CIM_ElementSettingData", &["ManagedElement", "SettingData"], list_roles),
    Class::read("AMT_BootCapabilities", &["InstanceID"], list_capabilities),
];

/// The return value of every method of this kind before the machine is set up: CIM's vendor range and a status.
pub(super) fn refused(device: &Device) -> Option<Output> {
    (device.phase != Phase::Post).then(|| Output::value(32_768 + PtStatus::NOT_PERMITTED.0))
}

fn list_settings(device: &Device, _: Tick) -> Vec<Instance> {
    let host = &device.host;
    let BootOptions { flags, media_index, verbosity, ider_device, secure_boot, parameters, .. } = &host.options;
    let mut all: Vec<(&str, String)> = flags.iter().map(|(name, on)| (*name, on.to_string())).collect();
    let fixed = [
        ("BootguardStatus", "127"),
        ("ElementName", "Intel(r) AMT Boot Configuration Settings"),
        ("InstanceID", "Intel(r) AMT:BootSettingData 0"),
        ("OwningEntity", "Intel(r) AMT"),
        ("RPEEnabled", "false"),
        ("RSEPassword", ""),
        ("SecureBootControlEnabled", "false"),
        ("UEFILocalPBABootEnabled", "false"),
        ("WinREBootEnabled", "false"),
    ];
    all.extend(fixed.map(|(name, value)| (name, value.to_owned())));
    all.push(("BootMediaIndex", media_index.to_string()));
    all.push(("FirmwareVerbosity", verbosity.to_string()));
    all.push(("IDERBootDevice", ider_device.to_string()));
    all.push(("EnforceSecureBoot", secure_boot.to_string()));
    all.push(("UEFIHTTPSBootEnabled", https_boot(device).to_string()));
    all.push(("UefiBootNumberOfParams", parameters.0.to_string()));
    if parameters.0 > 0 {
        all.push(("UefiBootParametersArray", parameters.1.clone()));
    }
    all.push(("OptionsCleared", host.options_cleared.to_string()));
    all.extend(["2", "0"].map(|status| ("BIOSLastStatus", status.to_owned())));
    all.sort_by_key(|(name, _)| *name);
    let mut settings = Instance::new(SETTINGS);
    for (name, value) in all {
        settings.push(name, value);
    }
    vec![settings]
}

fn put_settings(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    if device.phase != Phase::Post {
        return Err(Fault::status(PtStatus::NOT_PERMITTED.0));
    }
    let fields = Fields(&call.input);
    let mut known: Vec<&str> = current.properties.iter().map(|(name, _)| name.as_str()).collect();
    known.extend(https_boot(device).then_some(PARAMETERS));
    fields.only(&known)?;
    if READ_ONLY.iter().any(|name| call.input.value(name).is_some()) {
        return Err(Fault::invalid_values());
    }
    fields.unchanged(current, &["ElementName", "OwningEntity", "RSEPassword"])?;
    let mut options = device.host.options.clone();
    for (name, on) in &mut options.flags {
        *on = if OPTIONAL.contains(name) { fields.bool(name)?.unwrap_or(false) } else { fields.need_bool(name)? };
    }
    let need = |name: &str, most: u32| fields.number(name, 0..=most)?.ok_or_else(Fault::missing_values);
    options.media_index = need("BootMediaIndex", 65_535)?;
    options.verbosity = need("FirmwareVerbosity", 255)?;
    options.ider_device = need("IDERBootDevice", 1)?;
    options.secure_boot = fields.bool("EnforceSecureBoot")?.unwrap_or(options.secure_boot);
    let count = fields.number("UefiBootNumberOfParams", 0..=32)?.unwrap_or(0);
    options.parameters = (count, fields.text(PARAMETERS).filter(|_| count > 0).unwrap_or_default().to_owned());
    options.url = uefi::url(count, &options.parameters.1)?;
    if !consents(device) && (options.url.is_some() || options.flags.values().any(|on| *on)) {
        return Err(Fault::access_denied());
    }
    if !options.fit(device.host.order) {
        return Err(Fault::invalid_values());
    }
    device.host.options = options;
    device.host.options_cleared = false;
    Ok(())
}

/// The BIOS boots over HTTPS.
fn https_boot(device: &Device) -> bool {
    sources(device).any(|source| source.name == "https")
}

fn sources(device: &Device) -> impl Iterator<Item = BootSource> {
    SOURCES.iter().copied().filter(|source| source.is_in(&device.config.persona))
}

/// Whether the next boot may be diverted. In client control mode the user at the machine has to consent to that, which nobody
/// does here.
fn consents(device: &Device) -> bool {
    device.control_mode != CLIENT
}

fn list_config(_: &Device, _: Tick) -> Vec<Instance> {
    let properties = [("ElementName", "Intel(r) AMT: Boot Configuration"), ("InstanceID", CONFIG_ID)];
    vec![instance(CONFIG, &properties)]
}

fn list_sources(device: &Device, _: Tick) -> Vec<Instance> {
    let source = |source: BootSource| {
        let properties = [
            ("ElementName", "Intel(r) AMT: Boot Source"),
            ("FailThroughSupported", "2"),
            ("InstanceID", source.id),
            ("StructuredBootString", source.structured),
        ];
        instance(SOURCE, &properties)
    };
    sources(device).map(source).collect()
}

/// A new order replaces the one before; none clears it. One source is all that the BIOS is told.
fn change_order(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    if let Some(refusal) = refused(device) {
        return Ok(refusal);
    }
    let mut wanted = None;
    for (at, (_, given)) in call.input.properties.iter().filter(|(name, _)| name == "Source").enumerate() {
        match given {
            Value::Text(text) if text.is_empty() => continue,
            Value::Reference(source) => {
                let id = source.selector("InstanceID").filter(|_| source.class() == Some(SOURCE));
                wanted = sources(device).find(|source| Some(source.id) == id);
            }
            _ => return Err(Fault::invalid_values()),
        }
        if wanted.is_none() || at > 0 {
            return Ok(Output::value(value::INVALID_PARAMETER));
        }
    }
    if wanted.is_some() && !consents(device) {
        return Ok(Output::value(32_768 + PtStatus::USER_CONSENT_REQUIRED.0));
    }
    if !device.host.options.fit(wanted) {
        return Ok(Output::value(value::INVALID_PARAMETER));
    }
    device.host.order = wanted;
    Ok(Output::ok())
}

fn list_service(_: &Device, _: Tick) -> Vec<Instance> {
    let properties = [("EnabledState", "2"), ("OperationalStatus", "0"), ("RequestedState", "12")];
    vec![service("CIM_BootService", "Intel(r) AMT Boot Service", &properties)]
}

fn set_role(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    if let Some(refusal) = refused(device) {
        return Ok(refusal);
    }
    let config = call.input.reference("BootConfigSetting").ok_or_else(Fault::missing_values)?;
    argument(call, "Role")?;
    if config.class() != Some(CONFIG) || config.selector("InstanceID") != Some(CONFIG_ID) {
        return Ok(Output::value(value::INVALID_REFERENCE));
    }
    match number(call, "Role")? {
        NEXT_SINGLE_USE => device.host.next_single_use = true,
        NOT_NEXT => device.host.next_single_use = false,
        _ => return Ok(Output::value(value::INVALID_PARAMETER)),
    }
    Ok(Output::ok())
}

fn list_roles(device: &Device, _: Tick) -> Vec<Instance> {
    let mut roles = super::power_scheme::roles(device);
    if !device.config.persona.power.tells_next_boot {
        return roles;
    }
    // 2: not next; 3: next for a single use.
    let next: u32 = if device.host.next_single_use { 3 } else { 2 };
    let system = [("CreationClassName", "CIM_ComputerSystem"), ("Name", "ManagedSystem")];
    let mut role = Instance::new("CIM_ElementSettingData");
    role.push("IsCurrent", "2");
    role.push("IsDefault", "2");
    role.push("IsNext", next);
    role.push("ManagedElement", reference("CIM_ComputerSystem", &system));
    role.push("SettingData", reference(CONFIG, &[("InstanceID", CONFIG_ID)]));
    roles.insert(0, role);
    roles
}

fn list_capabilities(device: &Device, _: Tick) -> Vec<Instance> {
    let able = ["BIOSPause", "BIOSSetup", "ForceCDorDVDBoot", "ForceHardDriveBoot", "ForcePXEBoot", "IDER", "SOL"];
    let unable = ["AMTSecureBootControl", "ForceWinREBoot", "SecureErase"];
    let mut all = vec![
        ("ElementName", "Intel(r) AMT: Boot Capabilities"),
        ("InstanceID", "Intel(r) AMT:BootCapabilities 0"),
        ("PlatformErase", "0"),
    ];
    all.extend(able.map(|name| (name, "true")));
    all.extend(unable.map(|name| (name, "false")));
    all.push(("ForceUEFIHTTPSBoot", if https_boot(device) { "true" } else { "false" }));
    if device.config.persona.version.major >= 16 {
        let shares = if super::wireless::shares_with_uefi(device) { "true" } else { "false" };
        all.push(("UEFIWiFiCoExistenceAndProfileShare", shares));
    }
    all.sort_unstable();
    vec![instance("AMT_BootCapabilities", &all)]
}
