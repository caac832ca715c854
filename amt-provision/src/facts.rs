//! What a machine says of itself over WS-Management: names, addresses, firmware, and who set it up
//! (`spec/wsman.md` §3.1, §3.5).
//!
//! Nothing is changed. A machine in setup mode is asked with a provisioning certificate, which it counts as the beginning of a
//! setup; it goes back by itself.

use crate::event::Event;
use crate::machine::{Cx, Machine};
use crate::managed::{Access, Managed};
use crate::remote::ControlMode;
use crate::session::{Session, all, read_general, try_call};
use crate::step::Step;
use amt_core::{Failure, FirmwareVersion, SystemId};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{EthernetPortSettings, SetupAndConfigurationService};
use amt_wsman::class::cim::SoftwareIdentity;
use amt_wsman::class::ips::HostBasedSetupService;
use amt_wsman::instance::{Instance, Value};
use amt_wsman::op::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::convert::Infallible;
use std::fmt;

/// Longest text of a fact that is kept; firmware's own are shorter.
pub const MAX_TEXT: usize = 255;
/// Most records of earlier setups that are kept of each kind.
pub const MAX_RECORDS: usize = 16;

/// Everything that one reading needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Facts {
    /// How the machine is reached.
    pub access: Access,
}

impl Facts {
    /// A reading of the machine that `access` reaches.
    pub const fn new(access: Access) -> Self {
        Self { access }
    }

    /// The reading as a machine to be driven. It makes nothing durable.
    pub fn start(self) -> Machine<MachineFacts, Infallible> {
        Machine::without_record(move |cx| read(cx, self.access))
    }
}

/// What a machine said of itself. A text that it left empty is none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachineFacts {
    /// The machine.
    pub id: SystemId,
    /// 0 before setup, 1 in setup, 2 set up.
    pub provisioning_state: Option<u32>,
    /// How it is controlled, if it is set up.
    pub control_mode: Option<ControlMode>,
    /// Realm of HTTP digest.
    pub realm: Option<String>,
    /// Host name that setup gave it.
    pub host_name: Option<String>,
    /// Domain that setup gave it.
    pub domain_name: Option<String>,
    /// Name that the operating system gave itself.
    pub host_os_fqdn: Option<String>,
    /// Address of the wired port: six lower-case hexadecimal pairs with colons.
    pub wired_mac: Option<String>,
    /// Address of the wireless port.
    pub wireless_mac: Option<String>,
    /// Firmware.
    pub version: Option<FirmwareVersion>,
    /// The certificate that it serves, DER.
    pub certificate: Option<Vec<u8>>,
    /// Records of setups that it keeps.
    pub setups: Vec<SetupFact>,
}

/// A record of a setup, as the machine keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetupFact {
    /// By which way: `tls`, `admin` (host-based), `client` (host-based), `manual`.
    pub kind: &'static str,
    /// Name of the setup server, out of its certificate.
    pub server: Option<String>,
    /// Address of the setup server.
    pub address: Option<String>,
    /// Hash of the root that it was trusted by.
    pub root_hash: Option<Vec<u8>>,
    /// When, by the machine's clock, as the machine writes it.
    pub time: Option<String>,
}

impl MachineFacts {
    /// What speaks for another owner, in words: the name of an operating system, records of setups.
    pub fn signs_of_use(&self) -> Vec<String> {
        let system =
            self.host_os_fqdn.iter().map(|name| format!("the firmware knows an operating system named {name}"));
        let setups = self.setups.iter().map(|setup| format!("the firmware keeps a record of a setup: {setup}"));
        system.chain(setups).collect()
    }
}

impl fmt::Display for SetupFact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        for (word, part) in [("by", &self.server), ("from", &self.address), ("at", &self.time)] {
            if let Some(part) = part {
                write!(f, " {word} {part}")?;
            }
        }
        Ok(())
    }
}

/// Classes of records, with the word for each.
const RECORDS: &[(&str, &str)] = &[
    ("IPS_TLSProvisioningRecord", "tls"),
    ("IPS_AdminProvisioningRecord", "admin"),
    ("IPS_ClientProvisioningRecord", "client"),
    ("IPS_ManualProvisioningRecord", "manual"),
];

async fn read(cx: Cx, access: Access) -> Result<MachineFacts, Failure> {
    cx.input(None).await?;
    let mut machine = Managed::open(&cx, &access).await?;
    cx.event(Event::Step(Step::ReadFacts));
    let general = read_general(&mut machine.session, Step::ReadFacts).await?;
    let state = machine.provisioning_state();
    let facts = MachineFacts {
        control_mode: read_control_mode(&mut machine).await?,
        version: read_version(&mut machine).await?,
        ..read_more(&mut machine.session, access.id, state, &general).await?
    };
    if let Some(version) = facts.version {
        cx.event(Event::Version(version));
    }
    cx.event(Event::Step(Step::Done));
    Ok(facts)
}

/// What setup too wants to know of a machine: all but its control mode and version.
pub(crate) async fn read_more(
    session: &mut Session,
    id: SystemId,
    provisioning_state: Option<u32>,
    general: &Instance,
) -> Result<MachineFacts, Failure> {
    let ports = all(session, Step::ReadFacts, EthernetPortSettings::NAME).await?;
    let mac = |id: &str| {
        let port = ports.iter().find(|port| port.text("InstanceID") == Some(id))?;
        mac(port.text("MACAddress")?)
    };
    Ok(MachineFacts {
        id,
        provisioning_state,
        control_mode: None,
        realm: text(general, "DigestRealm"),
        host_name: text(general, "HostName"),
        domain_name: text(general, "DomainName"),
        host_os_fqdn: text(general, "HostOSFQDN"),
        wired_mac: mac(EthernetPortSettings::WIRED),
        wireless_mac: mac(EthernetPortSettings::WIRELESS),
        version: session.version(),
        certificate: session.leaf().cloned(),
        setups: read_setups(session).await?,
    })
}

async fn read_control_mode(machine: &mut Managed) -> Result<Option<ControlMode>, Failure> {
    if machine.provisioning_state() != Some(SetupAndConfigurationService::POST) {
        return Ok(None);
    }
    let mode = match try_call(&mut machine.session, Step::ReadFacts, &HostBasedSetupService::get()).await? {
        Ok(reply) => reply.instance().ok().and_then(|service| service.u32("CurrentControlMode")),
        // Firmware before host-based setup knows admin control only, and no such class.
        Err(_) => Some(HostBasedSetupService::ADMIN),
    };
    Ok(match mode {
        Some(HostBasedSetupService::ADMIN) => Some(ControlMode::Admin),
        Some(HostBasedSetupService::CLIENT) => Some(ControlMode::Client),
        _ => None,
    })
}

async fn read_version(machine: &mut Managed) -> Result<Option<FirmwareVersion>, Failure> {
    let request = Request::enumerate(SoftwareIdentity::NAME);
    let parts = match try_call(&mut machine.session, Step::ReadFacts, &request).await? {
        Ok(reply) => reply.typed_all::<SoftwareIdentity>().unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    Ok(SoftwareIdentity::firmware_version(&parts).or_else(|| machine.session.version()))
}

async fn read_setups(session: &mut Session) -> Result<Vec<SetupFact>, Failure> {
    let mut setups = Vec::new();
    for (class, kind) in RECORDS {
        let records = match try_call(session, Step::ReadFacts, &Request::enumerate(class)).await? {
            Ok(reply) => reply.instances().to_vec(),
            // A class that this firmware does not have.
            Err(_) => continue,
        };
        setups.extend(records.iter().filter(|record| record.class == *class).take(MAX_RECORDS).map(|record| {
            let hash = text(record, "SelectedHashData").and_then(|hash| STANDARD.decode(hash).ok());
            SetupFact {
                kind,
                server: text(record, "ProvServerFQDN"),
                address: text(record, "ProvServerIP"),
                root_hash: hash,
                time: time(record),
            }
        }));
    }
    Ok(setups)
}

/// A text that says something, cut to what a fact may have.
fn text(instance: &Instance, property: &str) -> Option<String> {
    let text = instance.text(property)?.trim();
    (!text.is_empty()).then(|| text.chars().take(MAX_TEXT).collect())
}

/// A time stands alone or in an element of its own.
fn time(record: &Instance) -> Option<String> {
    let inner = match record.value("CreationTimeStamp")? {
        Value::Text(text) => text,
        Value::Object(members) => members.iter().find(|(name, _)| name == "Datetime")?.1.text()?,
        Value::Reference(_) => return None,
    };
    (!inner.is_empty()).then(|| inner.chars().take(MAX_TEXT).collect())
}

/// A hardware address in one form; none for what is no address, or the one of a port that does not exist.
fn mac(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, '-' | ':' | '.')).collect();
    if digits.len() != 12 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) || digits.bytes().all(|b| b == b'0') {
        return None;
    }
    let digits = digits.to_ascii_lowercase();
    let pairs: Vec<&str> = (0..12).step_by(2).filter_map(|at| digits.get(at..at + 2)).collect();
    Some(pairs.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_form() {
        assert_eq!(mac("A4-AE-11-1C-02-4D").as_deref(), Some("a4:ae:11:1c:02:4d"));
        assert_eq!(mac("a4ae.111c.024d").as_deref(), Some("a4:ae:11:1c:02:4d"));
        for none in ["", "00-00-00-00-00-00", "a4-ae-11", "a4-ae-11-1c-02-4g", "ä4-ae-11-1c-02-4"] {
            assert_eq!(mac(none), None, "{none}");
        }
    }

    #[test]
    fn empty_texts_are_none_and_long_ones_are_cut() {
        let mut instance = Instance::new("AMT_X");
        instance.push("Empty", "");
        instance.push("Long", "ä".repeat(1000));
        assert_eq!(text(&instance, "Empty"), None);
        assert_eq!(text(&instance, "Absent"), None);
        assert_eq!(text(&instance, "Long").unwrap().chars().count(), MAX_TEXT);
    }
}
