//! Wireless port, profiles and their service (`spec/wsman.md` §3.6). A machine without a wireless interface has none of
//! these classes.

use super::certificate::{CERTIFICATE, certificate_id};
use super::refusal::{Refusal, answer};
use super::{Call, Class, Fields, Instance, Output, SERVICE, eap, instance, number};
use crate::firmware::device::Device;
use crate::firmware::eap::{Eap, FAST_TLS};
use crate::firmware::soap::{Fault, reference};
use crate::firmware::wireless::{MAX_PROFILES, OFF, ON_IN_S0, ON_IN_SX, WifiProfile};
use crate::persona::Persona;
use amt_core::status::PtStatus;
use amt_core::{Secret, Tick};
use amt_wsman::names;

const CONFIGURATION: &str = "AMT_WiFiPortConfigurationService";
const PORT: &str = "CIM_WiFiPort";
const ENDPOINT: &str = "CIM_WiFiEndpoint";
const SETTINGS: &str = "CIM_WiFiEndpointSettings";
const EAP_SETTINGS: &str = "CIM_IEEE8021xSettings";
const CONTEXT: &str = "CIM_CredentialContext";

const ENDPOINT_NAME: &str = "WiFi Endpoint 0";
const PROFILE: &str = "Intel(r) AMT:WiFi Endpoint Settings ";
const USER_PROFILE: &str = "Intel(r) AMT:WiFi Endpoint User Settings ";
const SYNCHRONIZATION: &str = "localProfileSynchronizationEnabled";
const UEFI: &str = "UEFIWiFiProfileShareEnabled";

const MAX_NAME: usize = 32;
const MAX_SSID: usize = 32;

const TKIP: u32 = 3;
const CCMP: u32 = 4;
const WPA_PSK: u32 = 4;
const WPA_EAP: u32 = 5;
const WPA2_PSK: u32 = 6;
const WPA2_EAP: u32 = 7;
const WPA3_SAE: u32 = 32_768;
const WPA3_OWE: u32 = 32_769;

pub(super) const CLASSES: &[Class] = &[
    Class {
        present,
        put: Some(put),
        methods: &[
            ("AddWiFiSettings", add),
            ("DeleteAllITProfiles", delete_all),
            ("DeleteAllUserProfiles", delete_all_of_user),
            ("UpdateWiFiSettings", update),
        ],
        ..Class::read(CONFIGURATION, SERVICE, list)
    },
    Class {
        present,
        methods: &[("RequestStateChange", change_state)],
        ..Class::read(PORT, &["CreationClassName", "DeviceID", "SystemCreationClassName", "SystemName"], list_port)
    },
    Class { present, ..Class::read(ENDPOINT, SERVICE, list_endpoint) },
    Class { present, delete: Some(delete), ..Class::read(SETTINGS, &["InstanceID"], list_settings) },
    Class { present, ..Class::read(EAP_SETTINGS, &["InstanceID"], list_eap) },
    Class { present, ..Class::read(CONTEXT, &["ElementInContext", "ElementProvidingContext"], list_contexts) },
];

fn present(persona: &Persona) -> bool {
    persona.wireless.interface
}

/// Whether profiles can be shared with the BIOS's own network stack.
pub(super) fn shares_with_uefi(device: &Device) -> bool {
    present(&device.config.persona) && device.config.persona.version.major >= 16
}

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let synchronization = device.wireless.synchronization.to_string();
    let mut properties = vec![
        ("CreationClassName", CONFIGURATION),
        ("ElementName", "Intel(r) AMT WiFiPort Configuration Service"),
        ("EnabledState", "5"),
        ("HealthState", "5"),
        ("LastConnectedSsidUnderMeControl", ""),
        ("Name", "Intel(r) AMT WiFi Port Configuration Service"),
        ("NoHostCsmeSoftwarePolicy", "0"),
        ("RequestedState", "12"),
        ("SystemCreationClassName", "CIM_ComputerSystem"),
        ("SystemName", "Intel(r) AMT"),
        (SYNCHRONIZATION, &synchronization),
    ];
    if shares_with_uefi(device) {
        properties.push((UEFI, if device.wireless.uefi_share { "true" } else { "false" }));
    }
    properties.sort_unstable_by_key(|(name, _)| *name);
    vec![instance(CONFIGURATION, &properties)]
}

fn put(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    let known: Vec<&str> = current.properties.iter().map(|(name, _)| name.as_str()).collect();
    // Where nothing is shared with the BIOS, the property is none of the class.
    fields.only(&known)?;
    let fixed: Vec<&str> = known.into_iter().filter(|name| ![SYNCHRONIZATION, UEFI].contains(name)).collect();
    fields.unchanged(current, &fixed)?;
    let synchronization = fields.number(SYNCHRONIZATION, 0..=3)?.ok_or_else(Fault::missing_values)?;
    if synchronization == 2 {
        return Err(Fault::invalid_values());
    }
    let uefi_share = fields.bool(UEFI)?.unwrap_or(device.wireless.uefi_share);
    device.wireless.synchronization = synchronization;
    device.wireless.uefi_share = uefi_share;
    let known = if synchronization == 0 { Vec::new() } else { device.config.host_wifi.clone() };
    device.wireless.synchronize(&known);
    Ok(())
}

fn list_port(device: &Device, _: Tick) -> Vec<Instance> {
    let state = device.wireless.port_state.to_string();
    let address: String = device.wireless_mac().iter().map(|byte| format!("{byte:02X}")).collect();
    vec![instance(
        PORT,
        &[
            ("CreationClassName", PORT),
            ("DeviceID", "WiFi Port 0"),
            ("ElementName", "WiFi Port 0"),
            ("EnabledState", &state),
            ("HealthState", "5"),
            ("LinkTechnology", "11"),
            ("PermanentAddress", &address),
            ("PortType", "0"),
            ("RequestedState", &state),
            ("SystemCreationClassName", "CIM_ComputerSystem"),
            ("SystemName", "Intel(r) AMT"),
        ],
    )]
}

/// A CIM method: its own return values.
fn change_state(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let state = number(call, "RequestedState")?;
    if ![OFF, ON_IN_S0, ON_IN_SX].contains(&state) {
        return Ok(Output::value(5));
    }
    device.wireless.port_state = state;
    Ok(Output::ok())
}

fn list_endpoint(device: &Device, _: Tick) -> Vec<Instance> {
    let state = if device.wireless.port_state == OFF { "3" } else { "2" };
    vec![instance(
        ENDPOINT,
        &[
            ("CreationClassName", ENDPOINT),
            ("ElementName", ENDPOINT_NAME),
            ("EnabledState", state),
            ("Name", ENDPOINT_NAME),
            ("NameFormat", ENDPOINT_NAME),
            ("ProtocolIFType", "71"),
            ("SystemCreationClassName", "CIM_ComputerSystem"),
            ("SystemName", "Intel(r) AMT"),
        ],
    )]
}

fn list_settings(device: &Device, _: Tick) -> Vec<Instance> {
    let written = device.wireless.profiles.iter().map(|profile| {
        settings(
            PROFILE,
            &profile.name,
            profile.ssid.as_deref(),
            [profile.authentication, profile.encryption, profile.priority],
        )
    });
    let shared = device.wireless.user_profiles.iter();
    let shared = shared.map(|ssid| settings(USER_PROFILE, ssid, Some(ssid), [WPA2_PSK, CCMP, 0]));
    written.chain(shared).collect()
}

fn settings(prefix: &str, name: &str, ssid: Option<&str>, numbers: [u32; 3]) -> Instance {
    let [authentication, encryption, priority] = numbers;
    let mut instance = Instance::new(SETTINGS);
    instance.push("AuthenticationMethod", authentication);
    instance.push("BSSType", "3");
    instance.push("ElementName", name);
    instance.push("EncryptionMethod", encryption);
    instance.push("InstanceID", format!("{prefix}{name}"));
    instance.push("Priority", priority);
    if let Some(ssid) = ssid {
        instance.push("SSID", ssid);
    }
    instance
}

fn list_eap(device: &Device, _: Tick) -> Vec<Instance> {
    let profiles = device.wireless.profiles.iter();
    profiles
        .filter_map(|profile| {
            let mut properties = profile.eap.as_ref()?.told();
            properties.push(("ElementName", profile.name.clone()));
            properties.push(("InstanceID", eap_id(&profile.name)));
            properties.sort();
            let texts: Vec<(&str, &str)> = properties.iter().map(|(name, text)| (*name, text.as_str())).collect();
            Some(instance(EAP_SETTINGS, &texts))
        })
        .collect()
}

fn eap_id(name: &str) -> String {
    format!("Intel(r) AMT:IEEE 802.1x Settings {name}")
}

/// Which certificates belong to the 802.1X settings of which profile.
fn list_contexts(device: &Device, _: Tick) -> Vec<Instance> {
    let with_eap = device.wireless.profiles.iter().filter_map(|profile| Some((&profile.name, profile.eap.as_ref()?)));
    let handles =
        with_eap.flat_map(|(name, eap)| [eap.client, eap.root].into_iter().flatten().map(move |at| (name, at)));
    handles
        .map(|(name, handle)| {
            let mut context = Instance::new(CONTEXT);
            context.push("ElementInContext", reference(CERTIFICATE, &[("InstanceID", &certificate_id(handle))]));
            context.push("ElementProvidingContext", reference(EAP_SETTINGS, &[("InstanceID", &eap_id(name))]));
            context
        })
        .collect()
}

fn delete(device: &mut Device, _: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let name = current.text("InstanceID").and_then(|id| id.strip_prefix(PROFILE));
    // What the computer's user shared is the user's.
    let name = name.ok_or_else(|| Fault::status(PtStatus::NOT_PERMITTED.0))?;
    device.wireless.profiles.retain(|profile| profile.name != name);
    Ok(())
}

fn delete_all(device: &mut Device, _: &Call<'_>) -> Result<Output, Fault> {
    device.wireless.profiles.clear();
    Ok(Output::ok())
}

fn delete_all_of_user(device: &mut Device, _: &Call<'_>) -> Result<Output, Fault> {
    device.wireless.user_profiles.clear();
    Ok(Output::ok())
}

fn add(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    answer(add_profile(device, call))
}

fn add_profile(device: &mut Device, call: &Call<'_>) -> Result<Output, Refusal> {
    let endpoint = call.input.reference("WiFiEndpoint").ok_or_else(Fault::missing_values)?;
    if endpoint.class() != Some(ENDPOINT) || endpoint.selector("Name") != Some(ENDPOINT_NAME) {
        return Err(PtStatus::INVALID_PARAMETER.into());
    }
    let profile = read(device, call)?;
    if device.wireless.profiles.iter().any(|other| other.name == profile.name) {
        return Err(PtStatus::DUPLICATE.into());
    }
    check_priority(device, &profile, None)?;
    if device.wireless.profiles.len() + device.wireless.user_profiles.len() >= MAX_PROFILES {
        return Err(PtStatus::MAX_LIMIT_REACHED.into());
    }
    Ok(store(device, profile))
}

fn update(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    answer(update_profile(device, call))
}

fn update_profile(device: &mut Device, call: &Call<'_>) -> Result<Output, Refusal> {
    let settings = call.input.reference("WiFiEndpointSettings").ok_or_else(Fault::missing_values)?;
    let id = (settings.class() == Some(SETTINGS)).then(|| settings.selector("InstanceID")).flatten();
    let name = id.and_then(|id| id.strip_prefix(PROFILE)).ok_or(PtStatus::INVALID_PARAMETER)?.to_owned();
    if !device.wireless.profiles.iter().any(|other| other.name == name) {
        return Err(PtStatus::NOT_FOUND.into());
    }
    let profile = read(device, call)?;
    // The name is what tells one from another: it stays.
    if profile.name != name {
        return Err(PtStatus::INVALID_PARAMETER.into());
    }
    check_priority(device, &profile, Some(&name))?;
    device.wireless.profiles.retain(|other| other.name != name);
    Ok(store(device, profile))
}

/// Puts the profile into its place by priority, and names it and its 802.1X settings.
fn store(device: &mut Device, profile: WifiProfile) -> Output {
    let id = format!("{PROFILE}{}", profile.name);
    let settings = profile.eap.is_some().then(|| eap_id(&profile.name));
    device.wireless.profiles.push(profile);
    device.wireless.profiles.sort_by_key(|profile| profile.priority);
    let output = Output::ok().with("WiFiEndpointSettings", reference(SETTINGS, &[("InstanceID", &id)]));
    match settings {
        Some(id) => output.with("IEEE8021xSettings", reference(EAP_SETTINGS, &[("InstanceID", &id)])),
        None => output,
    }
}

fn check_priority(device: &Device, profile: &WifiProfile, except: Option<&str>) -> Result<(), Refusal> {
    let others = device.wireless.profiles.iter().filter(|other| Some(other.name.as_str()) != except);
    let taken = others.into_iter().any(|other| other.priority == profile.priority);
    if taken { Err(PtStatus::INVALID_PRIORITY.into()) } else { Ok(()) }
}

/// Settings inside an argument: their properties are in the namespace of their own class.
fn embedded(call: &Call<'_>, argument: &str, class: &str) -> Result<Option<Instance>, Fault> {
    let Some(node) = call.body.and_then(|body| body.child(argument)) else { return Ok(None) };
    let space = names::class_uri(class);
    if node.children.iter().any(|child| child.namespace != space) {
        return Err(Fault::schema());
    }
    Ok(Some(Instance::from_node(node)))
}

fn read(device: &Device, call: &Call<'_>) -> Result<WifiProfile, Refusal> {
    let input = embedded(call, "WiFiEndpointSettingsInput", SETTINGS)?.ok_or_else(Fault::missing_values)?;
    let fields = Fields(&input);
    fields.only(&[
        "AuthenticationMethod",
        "BSSType",
        "ElementName",
        "EncryptionMethod",
        "InstanceID",
        "PSKPassPhrase",
        "Priority",
        "SSID",
    ])?;
    let need = |name: &str| fields.text(name).ok_or_else(Fault::missing_values);
    let name = need("ElementName")?;
    let is_name = !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(|b| (0x20..0x7f).contains(&b));
    if !is_name || need("InstanceID")?.strip_prefix(PROFILE) != Some(name) {
        return Err(PtStatus::INVALID_PARAMETER.into());
    }
    let ssid = fields.text("SSID").filter(|ssid| !ssid.is_empty());
    if ssid.is_some_and(|ssid| ssid.len() > MAX_SSID) {
        return Err(PtStatus::INVALID_PARAMETER.into());
    }
    let need = |name: &str| fields.number(name, 0..=65_535)?.ok_or_else(Fault::missing_values);
    let priority = need("Priority")?;
    if !(1..=255).contains(&priority) {
        return Err(PtStatus::INVALID_PRIORITY.into());
    }
    let (authentication, encryption) = (need("AuthenticationMethod")?, need("EncryptionMethod")?);
    check_methods(device, authentication, encryption)?;
    let eap = read_eap(device, call)?;
    let passphrase = fields.text("PSKPassPhrase");
    match authentication {
        WPA_PSK | WPA2_PSK | WPA3_SAE => {
            let length = passphrase.ok_or_else(Fault::missing_values)?.len();
            if !(8..=63).contains(&length) {
                return Err(PtStatus::INVALID_PASSPHRASE.into());
            }
            if eap.is_some() {
                return Err(PtStatus::INVALID_PARAMETER.into());
            }
        }
        _ if passphrase.is_some() => return Err(PtStatus::INVALID_PARAMETER.into()),
        WPA_EAP | WPA2_EAP if eap.is_none() => return Err(Fault::missing_values().into()),
        WPA3_OWE if eap.is_some() => return Err(PtStatus::INVALID_PARAMETER.into()),
        _ => {}
    }
    Ok(WifiProfile {
        name: name.to_owned(),
        ssid: ssid.map(str::to_owned),
        authentication,
        encryption,
        priority,
        passphrase: passphrase.map(|text| Secret::new(text.to_owned())),
        eap,
    })
}

/// An administrator's profile is never open and never WEP.
fn check_methods(device: &Device, authentication: u32, encryption: u32) -> Result<(), Refusal> {
    let rules = &device.config.persona.wireless;
    let good = match (authentication, encryption) {
        (WPA_PSK..=WPA2_EAP, CCMP) => true,
        (WPA_PSK..=WPA2_EAP, TKIP) => rules.tkip,
        (WPA3_SAE | WPA3_OWE, CCMP) => rules.wpa3,
        _ => false,
    };
    if good { Ok(()) } else { Err(PtStatus::INVALID_PARAMETER.into()) }
}

fn read_eap(device: &Device, call: &Call<'_>) -> Result<Option<Eap>, Refusal> {
    let client = eap::client(device, call, "ClientCredential")?;
    let root = eap::root(device, call, "CACredential")?;
    let Some(input) = embedded(call, "IEEE8021xSettingsInput", EAP_SETTINGS)? else {
        // Certificates without settings that they belong to.
        let stray = client.is_some() || root.is_some();
        return if stray { Err(PtStatus::INVALID_PARAMETER.into()) } else { Ok(None) };
    };
    let known: Vec<&str> = ["ElementName", "InstanceID"].iter().chain(eap::PROPERTIES).copied().collect();
    Fields(&input).only(&known)?;
    let protocol = Fields(&input).number("AuthenticationProtocol", 0..=FAST_TLS)?.ok_or_else(Fault::missing_values)?;
    let mut eap = eap::read(&input, protocol, None)?;
    if eap.by_certificate() && client.is_none() {
        return Err(PtStatus::INVALID_CREDENTIALS.into());
    }
    (eap.client, eap.root) = (client, root);
    Ok(Some(eap))
}
