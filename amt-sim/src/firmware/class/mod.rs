//! The classes that the firmware implements: one small file a group, and a table.
//!
//! A class is what [`Class`] says: how its instances read, which properties select one, and what may be done to them.

mod audit_log;
mod authorization;
mod boot;
mod certificate;
mod credential_context;
mod general;
mod hardware;
mod host_based;
mod identity;
mod key_management;
mod message_log;
mod network;
mod power;
mod record;
mod service;
mod setup;
mod time;
mod tls_setting;
mod uefi;

pub(crate) use setup::is_strong;

use super::device::Device;
use super::soap::Fault;
use amt_core::Tick;
use amt_core::version::FirmwareVersion;
use amt_wsman::instance::{Instance, Value};
use amt_wsman::soap::{Reference, Selector};
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
    /// Properties that may select an instance.
    pub(super) keys: &'static [&'static str],
    pub(super) list: List,
    pub(super) put: Option<Put>,
    pub(super) create: Option<Create>,
    pub(super) delete: Option<Delete>,
    pub(super) methods: &'static [(&'static str, Method)],
}

impl Class {
    /// A class that can be read.
    const fn read(name: &'static str, keys: &'static [&'static str], list: List) -> Self {
        Self { name, keys, list, put: None, create: None, delete: None, methods: &[] }
    }
}

const SERVICE: &[&str] = &["CreationClassName", "Name", "SystemCreationClassName", "SystemName"];

static CLASSES: &[&[Class]] = &[
    audit_log::CLASSES,
    authorization::CLASSES,
    boot::CLASSES,
    certificate::CLASSES,
    credential_context::CLASSES,
    general::CLASSES,
    hardware::CLASSES,
    host_based::CLASSES,
    identity::CLASSES,
    key_management::CLASSES,
    message_log::CLASSES,
    network::CLASSES,
    power::CLASSES,
    record::CLASSES,
    service::CLASSES,
    setup::CLASSES,
    time::CLASSES,
    tls_setting::CLASSES,
];

/// The class, if firmware of this version has it.
pub(super) fn of(version: FirmwareVersion, name: &str) -> Option<&'static Class> {
    // Host-based setup and the records of who set a machine up came together.
    let late = ["IPS_HostBasedSetupService", "IPS_ProvisioningRecordLog", "IPS_TLSProvisioningRecord"];
    if late.contains(&name) && !version.capabilities().host_based_setup {
        return None;
    }
    CLASSES.iter().flat_map(|group| group.iter()).find(|class| class.name == name)
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
