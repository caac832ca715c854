//! The classes that the firmware implements: one small file a group, and a table.
//!
//! A class is what [`Class`] says: how its instances read, which properties select one, and what may be done to them.

mod audit_log;
mod audit_policy;
mod authorization;
mod boot;
mod certificate;
mod credential_context;
mod eap;
mod general;
mod hardware;
mod host_based;
mod identity;
mod ieee8021x;
mod kerberos;
mod key_management;
mod kvm;
mod message_log;
mod network;
mod power;
mod power_scheme;
mod proxy;
mod record;
mod refusal;
mod remote_access;
mod service;
mod setup;
mod time;
mod tls_setting;
mod uefi;
mod web_ui;
mod wireless;

pub(crate) use setup::is_strong;

use super::device::Device;
use super::soap::Fault;
use crate::persona::Persona;
use amt_core::Tick;
use amt_wsman::instance::{Instance, Value};
use amt_wsman::soap::{Reference, Selector};
use amt_wsman::xml::Node;
use std::net::IpAddr;

/// Who calls, and from where.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    /// Over TLS.
    pub(super) secure: bool,
    /// From the machine's own system.
    pub(super) local: bool,
    /// Who logged in; empty where no login is asked for.
    pub(super) user: String,
    /// What a domain knows the user by, if it logged in by Kerberos: its own SID and those of its groups.
    pub(super) sids: Vec<Vec<u8>>,
    /// Its address; none for the machine's own system.
    pub(super) peer: Option<IpAddr>,
}

/// A call as a class sees it.
pub(super) struct Call<'a> {
    pub(super) now: Tick,
    pub(super) caller: Caller,
    #[allow(dead_code, reason = "part of what a class may judge by")]
    pub(super) selectors: &'a [Selector],
    /// Arguments, or the representation of Put and Create.
    pub(super) input: Instance,
    /// The same as it came: settings inside an argument are in a namespace of their own.
    pub(super) body: Option<&'a Node>,
}

/// What a method returns.
pub(super) struct Output {
    pub(super) fields: Vec<(String, Value)>,
    pub(super) value: u32,
}

impl Output {
    pub(super) fn value(value: u32) -> Self {
        Self { fields: Vec::new(), value }
    }

    pub(super) const fn ok() -> Self {
        Self { fields: Vec::new(), value: 0 }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }
}

type List = fn(&Device, Tick) -> Vec<Instance>;
type Put = fn(&mut Device, &Call<'_>, &Instance) -> Result<(), Fault>;
type Create = fn(&mut Device, &Call<'_>) -> Result<Reference, Fault>;
type Delete = fn(&mut Device, &Call<'_>, &Instance) -> Result<(), Fault>;
type Method = fn(&mut Device, &Call<'_>) -> Result<Output, Fault>;

/// One class of the firmware.
pub(super) struct Class {
    pub(super) name: &'static str,
    /// Whether a machine of this kind has it.
    pub(super) present: fn(&Persona) -> bool,
    /// Properties that may select an instance.
    pub(super) keys: &'static [&'static str],
    pub(super) list: List,
    pub(super) put: Option<Put>,
    /// A Put is answered with an empty body, not with the instance as it is now.
    pub(super) silent_put: bool,
    pub(super) create: Option<Create>,
    pub(super) delete: Option<Delete>,
    pub(super) methods: &'static [(&'static str, Method)],
}

impl Class {
    /// A class that can be read.
    const fn read(name: &'static str, keys: &'static [&'static str], list: List) -> Self {
        Self {
            name,
            present: |_| true,
            keys,
            list,
            put: None,
            silent_put: false,
            create: None,
            delete: None,
            methods: &[],
        }
    }
}

const SERVICE: &[&str] = &["CreationClassName", "Name", "SystemCreationClassName", "SystemName"];

static CLASSES: &[&[Class]] = &[
    audit_log::CLASSES,
    audit_policy::CLASSES,
    authorization::CLASSES,
    boot::CLASSES,
    certificate::CLASSES,
    credential_context::CLASSES,
    general::CLASSES,
    hardware::CLASSES,
    host_based::CLASSES,
    identity::CLASSES,
    ieee8021x::CLASSES,
    kerberos::CLASSES,
    key_management::CLASSES,
    kvm::CLASSES,
    message_log::CLASSES,
    network::CLASSES,
    power::CLASSES,
    power_scheme::CLASSES,
    proxy::CLASSES,
    record::CLASSES,
    remote_access::CLASSES,
    service::CLASSES,
    setup::CLASSES,
    time::CLASSES,
    tls_setting::CLASSES,
    web_ui::CLASSES,
    wireless::CLASSES,
];

/// The class, if this firmware has it.
pub(super) fn of(persona: &Persona, name: &str) -> Option<&'static Class> {
    if !is_there(persona, name) {
        return None;
    }
    CLASSES.iter().flat_map(|group| group.iter()).find(|class| class.name == name && (class.present)(persona))
}

/// Whether a firmware of this kind has the class.
fn is_there(persona: &Persona, name: &str) -> bool {
    match name {
        // Host-based setup and the records of who set a machine up came together.
        "IPS_HostBasedSetupService" | "IPS_ProvisioningRecordLog" | "IPS_TLSProvisioningRecord" => {
            persona.version.capabilities().host_based_setup
        }
        "CIM_KVMRedirectionSAP" | "IPS_KVMRedirectionSettingData" => persona.features.kvm,
        "IPS_IPv6PortSettings" | "IPS_OptInService" => persona.version.major >= 6,
        _ => true,
    }
}

/// An instance with these texts.
fn instance(class: &str, properties: &[(&str, &str)]) -> Instance {
    let mut instance = Instance::new(class);
    for (name, value) in properties {
        instance.push(name, *value);
    }
    instance
}

/// One of the services that share their naming.
fn service(class: &str, name: &str, properties: &[(&str, &str)]) -> Instance {
    let mut all = vec![
        ("CreationClassName", class),
        ("ElementName", name),
        ("Name", name),
        ("SystemCreationClassName", "CIM_ComputerSystem"),
        ("SystemName", "Intel(r) AMT"),
    ];
    all.extend_from_slice(properties);
    all.sort_unstable_by_key(|(name, _)| *name);
    instance(class, &all)
}

/// Property texts of a Put: required ones fault with MissingValues, malformed ones with InvalidValues.
struct Fields<'a>(&'a Instance);

impl<'a> Fields<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.text(name)
    }

    fn bool(&self, name: &str) -> Result<Option<bool>, Fault> {
        match self.text(name) {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(Fault::invalid_values()),
        }
    }

    fn need_bool(&self, name: &str) -> Result<bool, Fault> {
        self.bool(name)?.ok_or_else(Fault::missing_values)
    }

    fn number(&self, name: &str, range: std::ops::RangeInclusive<u32>) -> Result<Option<u32>, Fault> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|n| range.contains(n));
        number.map(Some).ok_or_else(Fault::invalid_values)
    }

    /// Refuses a property that this instance does not have.
    fn known(&self, current: &Instance) -> Result<(), Fault> {
        let known: Vec<&str> = current.properties.iter().map(|(name, _)| name.as_str()).collect();
        self.only(&known)
    }

    /// Refuses a property that is not the class's.
    fn only(&self, known: &[&str]) -> Result<(), Fault> {
        let strange = self.0.properties.iter().any(|(name, _)| !known.contains(&name.as_str()));
        if strange { Err(Fault::invalid_values()) } else { Ok(()) }
    }

    /// Refuses a read-only property that would change.
    fn unchanged(&self, current: &Instance, read_only: &[&str]) -> Result<(), Fault> {
        let changed = read_only.iter().any(|name| self.text(name).is_some_and(|new| current.text(name) != Some(new)));
        if changed { Err(Fault::invalid_values()) } else { Ok(()) }
    }
}

/// An argument of a method that must be there.
fn argument<'a>(call: &'a Call<'_>, name: &str) -> Result<&'a str, Fault> {
    call.input.text(name).ok_or_else(Fault::missing_values)
}

/// A numeric argument.
fn number(call: &Call<'_>, name: &str) -> Result<u32, Fault> {
    argument(call, name)?.parse().map_err(|_| Fault::invalid_values())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_class_is_listed_once_and_its_keys_are_properties() {
        let mut seen = HashSet::new();
        let mut config = super::super::MachineConfig::new(amt_core::SystemId::from_wire([7; 16]));
        config.roots = vec![crate::chain::RootHash::sha256(b"root")];
        let device = Device::new(config);
        for class in CLASSES.iter().flat_map(|g| g.iter()) {
            assert!(seen.insert(class.name), "{} is listed twice", class.name);
            for instance in (class.list)(&device, Tick(0)) {
                assert_eq!(instance.class, class.name);
                for key in class.keys {
                    assert!(instance.value(key).is_some(), "{}: {key}", class.name);
                }
            }
        }
        assert!(seen.len() >= 18);
    }
}
