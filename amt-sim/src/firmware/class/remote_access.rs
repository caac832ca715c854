//! Management presence servers and the rules by which the machine connects to them (`spec/wsman.md` §3.10).

use super::refusal::{Refusal, answer};
use super::{Call, Class, Fields, Instance, Output, SERVICE, argument, eap, instance, number, service};
use crate::firmware::device::Device;
use crate::firmware::remote_access::{
    AccessRule, MAX_SERVERS, MAX_SERVERS_OF_RULE, PresenceServer, RemoteAccess, ServerLogin,
};
use crate::firmware::soap::{Fault, reference};
use crate::persona::Persona;
use amt_core::status::PtStatus;
use amt_core::version::FirmwareVersion;
use amt_core::{Secret, Tick};
use amt_wsman::soap::Reference;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::net::{Ipv4Addr, Ipv6Addr};

const REMOTE_ACCESS: &str = "AMT_RemoteAccessService";
const SAP: &str = "AMT_ManagementPresenceRemoteSAP";
const RULE: &str = "AMT_RemoteAccessPolicyRule";
const APPLIES: &str = "AMT_RemoteAccessPolicyAppliesToMPS";
const USER: &str = "AMT_UserInitiatedConnectionService";
const DETECTION: &str = "AMT_EnvironmentDetectionSettingData";
const LOGIN: &str = "AMT_MPSUsernamePassword";

const SAP_NAME: &str = "Intel(r) AMT:Management Presence Server ";
const LOGIN_ID: &str = "Intel(r) AMT:MPS Username Password ";
/// Longest user name and password of a server.
const MAX_LOGIN: usize = 16;
const MAX_ADDRESS: usize = 256;
/// A home network's suffix is shorter than this.
const SUFFIX_BOUND: usize = 64;

pub(super) const CLASSES: &[Class] = &[
    Class {
        present,
        methods: &[("AddMpServer", add_server), ("AddRemoteAccessPolicyRule", add_rule)],
        ..Class::read(REMOTE_ACCESS, SERVICE, list)
    },
    Class { present, delete: Some(delete_server), ..Class::read(SAP, SERVICE, list_servers) },
    Class {
        present,
        delete: Some(delete_rule),
        ..Class::read(
            RULE,
            &["CreationClassName", "PolicyRuleName", "SystemCreationClassName", "SystemName"],
            list_rules,
        )
    },
    Class {
        present,
        put: Some(put_applies),
        silent_put: true,
        ..Class::read(APPLIES, &["ManagedElement", "PolicySet"], list_applies)
    },
    Class { present, methods: &[("RequestStateChange", change_user)], ..Class::read(USER, SERVICE, list_user) },
    Class { present, put: Some(put_detection), ..Class::read(DETECTION, &["InstanceID"], list_detection) },
    Class { present, put: Some(put_login), silent_put: true, ..Class::read(LOGIN, &["InstanceID"], list_logins) },
];

/// Firmware of the first generations connects to nobody by itself.
fn present(persona: &Persona) -> bool {
    persona.version.major >= 4
}

fn list(_: &Device, _: Tick) -> Vec<Instance> {
    let properties = [("IsRemoteTunnelConnected", "false"), ("RemoteTunnelKeepAliveTimeout", "4294967295")];
    vec![service(REMOTE_ACCESS, "Intel(r) AMT Remote Access Service", &properties)]
}

fn sap(number: u32) -> Reference {
    let name = format!("{SAP_NAME}{number}");
    let keys = [
        ("CreationClassName", SAP),
        ("Name", name.as_str()),
        ("SystemCreationClassName", "CIM_ComputerSystem"),
        ("SystemName", "Intel(r) AMT"),
    ];
    reference(SAP, &keys)
}

fn rule(name: &str) -> Reference {
    let keys = [
        ("CreationClassName", RULE),
        ("PolicyRuleName", name),
        ("SystemCreationClassName", "CIM_ComputerSystem"),
        ("SystemName", "Intel(r) AMT"),
    ];
    reference(RULE, &keys)
}

fn list_servers(device: &Device, _: Tick) -> Vec<Instance> {
    let servers = device.remote_access.servers.iter();
    servers
        .map(|server| {
            let mut sap = Instance::new(SAP);
            sap.push("AccessInfo", server.address.as_str());
            if let Some(name) = &server.common_name {
                sap.push("CN", name.as_str());
            }
            sap.push("CreationClassName", SAP);
            sap.push("ElementName", "Intel(r) AMT:Management Presence Server");
            sap.push("InfoFormat", server.format);
            sap.push("Name", format!("{SAP_NAME}{}", server.number));
            sap.push("Port", server.port);
            sap.push("SystemCreationClassName", "CIM_ComputerSystem");
            sap.push("SystemName", "Intel(r) AMT");
            sap
        })
        .collect()
}

fn delete_server(device: &mut Device, _: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let number = numbered(current.text("Name"), SAP_NAME).ok_or_else(Fault::no_instance)?;
    let access = &mut device.remote_access;
    if access.rules.iter().any(|rule| rule.servers.iter().any(|(server, _)| *server == number)) {
        return Err(Fault::status(PtStatus::NOT_PERMITTED.0));
    }
    access.servers.retain(|server| server.number != number);
    Ok(())
}

fn numbered(text: Option<&str>, prefix: &str) -> Option<u32> {
    text?.strip_prefix(prefix)?.parse().ok()
}

/// Whether an address is of the kind that its format says.
pub(super) fn fits(address: &str, format: u32) -> bool {
    match format {
        3 => address.parse::<Ipv4Addr>().is_ok(),
        4 => address.parse::<Ipv6Addr>().is_ok(),
        201 => {
            let is_label = |label: &str| {
                (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            };
            address.len() <= MAX_ADDRESS && address.parse::<Ipv4Addr>().is_err() && address.split('.').all(is_label)
        }
        _ => false,
    }
}

fn add_server(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    answer(server(device, call))
}

/// A second call with the same arguments makes a second server.
fn server(device: &mut Device, call: &Call<'_>) -> Result<Output, Refusal> {
    let (address, format, port) = (argument(call, "AccessInfo")?, number(call, "InfoFormat")?, number(call, "Port")?);
    if !fits(address, format) || !(1..=65_535).contains(&port) {
        return Err(PtStatus::INVALID_PARAMETER.into());
    }
    let common_name = call.input.text("CN").filter(|name| !name.is_empty());
    // A name is its own common name; an address has to be told one.
    if format != 201 && common_name.is_none() {
        return Err(Fault::missing_values().into());
    }
    if common_name.is_some_and(|name| name.len() > MAX_ADDRESS) {
        return Err(PtStatus::INVALID_PARAMETER.into());
    }
    let certificate = eap::client(device, call, "Certificate")?;
    let login = match number(call, "AuthMethod")? {
        1 => ServerLogin::Certificate(certificate.ok_or_else(Fault::missing_values)?),
        2 => {
            let (username, secret) = (argument(call, "Username")?, argument(call, "Password")?);
            if ![username, secret].iter().all(|text| (1..=MAX_LOGIN).contains(&text.len())) {
                return Err(PtStatus::INVALID_PARAMETER.into());
            }
            ServerLogin::Password { username: username.to_owned(), secret: Secret::new(secret.to_owned()) }
        }
        _ => return Err(PtStatus::INVALID_PARAMETER.into()),
    };
    let access = &mut device.remote_access;
    if access.servers.len() >= MAX_SERVERS {
        return Err(PtStatus::MAX_LIMIT_REACHED.into());
    }
    let taken = |number: &u32| access.servers.iter().any(|server| server.number == *number);
    let number = (0..).find(|number| !taken(number)).unwrap_or(u32::MAX);
    let (address, common_name) = (address.to_owned(), common_name.map(str::to_owned));
    access.servers.push(PresenceServer { number, address, format, port, common_name, login });
    Ok(Output::ok().with("MpServer", sap(number)))
}

fn list_rules(device: &Device, _: Tick) -> Vec<Instance> {
    let rules = device.remote_access.rules.iter();
    rules
        .filter_map(|rule| {
            let mut told = Instance::new(RULE);
            told.push("CreationClassName", RULE);
            // The missing letter is the firmware's.
            told.push("ElementName", "Inte(r) AMT:Remote Access Policy");
            if let Some(extended) = &rule.extended {
                told.push("ExtendedData", extended.as_str());
            }
            told.push("PolicyRuleName", AccessRule::name(rule.trigger)?);
            told.push("SystemCreationClassName", "CIM_ComputerSystem");
            told.push("SystemName", "Intel(r) AMT");
            told.push("Trigger", rule.trigger);
            told.push("TunnelLifeTime", rule.tunnel_life_time);
            Some(told)
        })
        .collect()
}

fn delete_rule(device: &mut Device, _: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let name = current.text("PolicyRuleName");
    device.remote_access.rules.retain(|rule| AccessRule::name(rule.trigger) != name);
    Ok(())
}

fn add_rule(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    answer(access_rule(device, call))
}

fn access_rule(device: &mut Device, call: &Call<'_>) -> Result<Output, Refusal> {
    let (trigger, tunnel_life_time) = (number(call, "Trigger")?, number(call, "TunnelLifeTime")?);
    let Some(name) = AccessRule::name(trigger) else { return Err(PtStatus::INVALID_PARAMETER.into()) };
    let extended = call.input.text("ExtendedData").filter(|text| !text.is_empty());
    match extended {
        None if trigger == 2 => return Err(Fault::missing_values().into()),
        Some(text) if trigger == 2 && !is_schedule(text) => return Err(PtStatus::INVALID_PARAMETER.into()),
        _ => {}
    }
    let servers = servers_of(&device.remote_access, call)?;
    if device.remote_access.rules.iter().any(|rule| rule.trigger == trigger) {
        return Err(PtStatus::DUPLICATE.into());
    }
    let extended = extended.filter(|_| trigger == 2).map(str::to_owned);
    device.remote_access.rules.push(AccessRule { trigger, tunnel_life_time, extended, servers });
    Ok(Output::ok().with("PolicyRule", rule(name)))
}

fn servers_of(access: &RemoteAccess, call: &Call<'_>) -> Result<Vec<(u32, u32)>, Refusal> {
    let mut servers: Vec<(u32, u32)> = Vec::new();
    for at in 0..call.input.values("MpServer").count() {
        let value = call.input.values("MpServer").nth(at);
        let Some(amt_wsman::instance::Value::Reference(reference)) = value else {
            return Err(Fault::invalid_values().into());
        };
        let name = (reference.class() == Some(SAP)).then(|| reference.selector("Name")).flatten();
        let number = numbered(name, SAP_NAME).filter(|n| access.servers.iter().any(|server| server.number == *n));
        let number = number.ok_or(PtStatus::INVALID_HANDLE)?;
        if servers.iter().any(|(other, _)| *other == number) {
            return Err(PtStatus::DUPLICATE.into());
        }
        servers.push((number, 0));
    }
    match servers.len() {
        0 => Err(Fault::missing_values().into()),
        count if count > MAX_SERVERS_OF_RULE => Err(PtStatus::MAX_LIMIT_REACHED.into()),
        _ => Ok(servers),
    }
}

/// `ExtendedData` of a periodic rule, in the order of the network: 0 and seconds, or 1, hour and minute.
fn is_schedule(text: &str) -> bool {
    let Ok(bytes) = STANDARD.decode(text) else { return false };
    let words: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_be_bytes(*word)).collect();
    match (bytes.len(), words.as_slice()) {
        (8, [0, seconds]) => *seconds > 0,
        (12, [1, hour, minute]) => *hour < 24 && *minute < 60,
        _ => false,
    }
}

fn list_applies(device: &Device, _: Tick) -> Vec<Instance> {
    let mut all = Vec::new();
    for applied in &device.remote_access.rules {
        let Some(name) = AccessRule::name(applied.trigger) else { continue };
        for (order, (number, kind)) in applied.servers.iter().enumerate() {
            let mut told = Instance::new(APPLIES);
            told.push("ManagedElement", sap(*number));
            if has_kinds(device) {
                told.push("MpsType", *kind);
            }
            told.push("OrderOfAccess", u32::try_from(order).unwrap_or(u32::MAX));
            told.push("PolicySet", rule(name));
            all.push(told);
        }
    }
    all
}

/// `MpsType` came with the server inside an organisation's own network.
fn has_kinds(device: &Device) -> bool {
    device.config.persona.version >= FirmwareVersion::new(11, 6)
}

fn put_applies(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    if !has_kinds(device) {
        return Err(Fault::action_not_supported());
    }
    let fields = Fields(&call.input);
    fields.only(&["ManagedElement", "MpsType", "OrderOfAccess", "PolicySet"])?;
    fields.unchanged(current, &["OrderOfAccess"])?;
    let kind = fields.number("MpsType", 0..=2)?.ok_or_else(Fault::missing_values)?;
    let selector = |instance: &Instance, property: &str, name: &str| {
        instance.reference(property).and_then(|reference| reference.selector(name)).map(str::to_owned)
    };
    let name = selector(current, "PolicySet", "PolicyRuleName");
    let server = selector(current, "ManagedElement", "Name");
    for (property, key, old) in [("PolicySet", "PolicyRuleName", &name), ("ManagedElement", "Name", &server)] {
        if call.input.reference(property).is_none() {
            return Err(Fault::missing_values());
        }
        if selector(&call.input, property, key) != *old {
            return Err(Fault::invalid_values());
        }
    }
    let number = numbered(server.as_deref(), SAP_NAME);
    for rule in &mut device.remote_access.rules {
        if AccessRule::name(rule.trigger) == name.as_deref() {
            for (server, old) in &mut rule.servers {
                *old = if Some(*server) == number { kind } else { *old };
            }
        }
    }
    Ok(())
}

fn list_user(device: &Device, _: Tick) -> Vec<Instance> {
    let state = device.remote_access.user_initiated.to_string();
    let properties = [("EnabledState", state.as_str()), ("LastConnectionReason", "")];
    vec![service(USER, "Intel(r) AMT User Initiated Connection Service", &properties)]
}

fn change_user(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let state = number(call, "RequestedState")?;
    if !(32_768..=32_771).contains(&state) {
        return Ok(Output::value(5));
    }
    device.remote_access.user_initiated = state;
    Ok(Output::ok())
}

fn list_detection(device: &Device, _: Tick) -> Vec<Instance> {
    let mut told = instance(DETECTION, &[("DetectionAlgorithm", "0")]);
    for suffix in &device.remote_access.home {
        told.push("DetectionStrings", suffix.as_str());
    }
    told.push("ElementName", "Intel(r) AMT Environment Detection Settings");
    told.push("InstanceID", "Intel(r) AMT Environment Detection Settings");
    vec![told]
}

fn put_detection(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    fields.only(&["DetectionAlgorithm", "DetectionStrings", "ElementName", "InstanceID"])?;
    fields.unchanged(current, &["DetectionAlgorithm", "ElementName"])?;
    // An empty element is none.
    let home: Vec<&str> = call.input.texts("DetectionStrings").into_iter().filter(|text| !text.is_empty()).collect();
    let is_suffix = |text: &&str| {
        text.len() < SUFFIX_BOUND && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
    };
    if home.len() > device.config.persona.remote_access.home_networks || !home.iter().all(is_suffix) {
        return Err(Fault::invalid_values());
    }
    device.remote_access.home = home.into_iter().map(str::to_owned).collect();
    Ok(())
}

/// One for each server with a password, which is not told.
fn list_logins(device: &Device, _: Tick) -> Vec<Instance> {
    let servers = device.remote_access.servers.iter();
    servers
        .filter_map(|server| match &server.login {
            ServerLogin::Certificate(_) => None,
            ServerLogin::Password { username, .. } => {
                let id = format!("{LOGIN_ID}{}", server.number);
                Some(instance(LOGIN, &[("InstanceID", &id), ("RemoteID", username)]))
            }
        })
        .collect()
}

fn put_login(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    fields.only(&["InstanceID", "RemoteID", "Secret"])?;
    let number = numbered(current.text("InstanceID"), LOGIN_ID);
    let new = fields.text("Secret").ok_or_else(Fault::missing_values)?;
    let name = fields.text("RemoteID").or(current.text("RemoteID")).unwrap_or_default();
    if ![name, new].iter().all(|text| (1..=MAX_LOGIN).contains(&text.len())) {
        return Err(Fault::invalid_values());
    }
    let server = number.and_then(|number| device.remote_access.server(number)).ok_or_else(Fault::no_instance)?;
    server.login = ServerLogin::Password { username: name.to_owned(), secret: Secret::new(new.to_owned()) };
    Ok(())
}
