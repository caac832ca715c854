//! What is said of a machine, by whom and when. Sources that disagree stand side by side; which of them counts is one rule.

use crate::words::words;
use amt_core::{FirmwareVersion, SystemId};
use std::net::IpAddr;
use std::time::SystemTime;

/// Longest value of a fact, in bytes.
pub const MAX_FACT: usize = 255;
/// Most values that one source may give for one key.
pub const MAX_VALUES: usize = 32;

words! {
    /// What a fact is about.
    FactKey {
        /// Address of a network interface, `00:1b:21:aa:bb:cc`. Several.
        Mac = "mac",
        /// Full name of the operating system's host, lower case.
        Fqdn = "fqdn",
        /// Name of the host without a domain, lower case.
        HostName = "host_name",
        /// DNS suffix that the machine's network gives it, lower case.
        DnsSuffix = "dns_suffix",
        /// Operating system.
        Os = "os",
        /// Where the agent ran: `installed`, or `live` for a system started from a stick, a network or WinPE.
        Environment = "environment",
        /// Control mode: `none`, `client` or `admin`.
        ControlMode = "control_mode",
        /// AMT firmware version.
        Version = "version",
        /// Maker and model.
        Model = "model",
        /// Serial number of the chassis or board.
        Serial = "serial",
        /// Address that the machine was seen at.
        Address = "address",
        /// Name that DNS gives for that address.
        ReverseDns = "reverse_dns",
        /// Whether the machine says that its admin credentials are already set: `true`.
        CredentialsSet = "credentials_set",
        /// Digest realm.
        DigestRealm = "digest_realm",
        /// A provisioning record in the firmware, in words.
        ProvisioningRecord = "provisioning_record",
        /// Profile that it is to get.
        Profile = "profile",
        /// Label. Several.
        Label = "label",
        /// Organisational unit.
        Ou = "ou",
    }
}

words! {
    /// Who says so. The order is that of trust: where single-valued facts disagree, the later source counts.
    FactSource {
        /// The hello and the connection it came on.
        Hello = "hello",
        /// Reverse DNS.
        Dns = "dns",
        /// The firmware, logged in to.
        Wsman = "wsman",
        /// A client on the machine, through the intake.
        Agent = "agent",
        /// The resolver: a rule, a program or a callback.
        Resolver = "resolver",
        /// An imported list.
        List = "list",
        /// Somebody at the command line or an embedding program.
        Operator = "operator",
    }
}

impl FactKey {
    /// Whether one source may give several values at a time.
    pub const fn is_many(self) -> bool {
        matches!(self, Self::Mac | Self::Label)
    }

    /// Whether a client of the intake may tell it: nothing that decides what becomes of the machine.
    pub const fn is_for_agents(self) -> bool {
        matches!(
            self,
            Self::Mac
                | Self::Fqdn
                | Self::HostName
                | Self::DnsSuffix
                | Self::Os
                | Self::Environment
                | Self::ControlMode
                | Self::Version
                | Self::Model
                | Self::Serial
        )
    }

    /// `value` in the one form in which it is stored and compared.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn normalise(self, value: &str) -> Result<String, String> {
        let value = value.trim();
        if value.is_empty() {
            return Err("is empty".to_owned());
        }
        if value.len() > MAX_FACT {
            return Err(format!("is longer than {MAX_FACT} bytes"));
        }
        if value.chars().any(char::is_control) {
            return Err("has control characters".to_owned());
        }
        let word = |allowed: &[&str]| {
            let lower = value.to_ascii_lowercase();
            if allowed.contains(&lower.as_str()) {
                Ok(lower)
            } else {
                Err(format!("is none of {}", allowed.join(", ")))
            }
        };
        match self {
            Self::Mac => parse_mac(value).ok_or_else(|| "is not an interface address such as 00:1b:21:aa:bb:cc".into()),
            Self::Fqdn | Self::DnsSuffix | Self::ReverseDns => {
                let name = value.trim_end_matches('.').to_ascii_lowercase();
                if is_dns_name(&name) { Ok(name) } else { Err("is not a DNS name".to_owned()) }
            }
            Self::HostName => {
                let name = value.to_ascii_lowercase();
                if amt_provision::plan::is_label(&name) { Ok(name) } else { Err("is not a host name".to_owned()) }
            }
            Self::Environment => word(&["installed", "live"]),
            Self::ControlMode => word(&["none", "client", "admin"]),
            Self::CredentialsSet => word(&["true", "false"]),
            Self::Version => value
                .parse::<FirmwareVersion>()
                .map(|v| v.to_string())
                .map_err(|_| "is not a firmware version".to_owned()),
            Self::Address => value
                .parse::<IpAddr>()
                .map(|a| a.to_canonical().to_string())
                .map_err(|_| "is not an IP address".to_owned()),
            Self::Label => {
                let good = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/');
                if value.chars().all(good) {
                    Ok(value.to_owned())
                } else {
                    Err("has characters other than letters, digits and - _ . : /".into())
                }
            }
            _ => Ok(value.to_owned()),
        }
    }
}

/// `001B21AABBCC`, `00-1b-21-aa-bb-cc`, `001b.21aa.bbcc` and the usual form; `None` for what no interface has.
fn parse_mac(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
    if digits.len() != 12 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let value = u64::from_str_radix(&digits, 16).ok()?;
    if value == 0 || value == 0xffff_ffff_ffff {
        return None;
    }
    let bytes = value.to_be_bytes();
    Some(bytes.iter().skip(2).map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":"))
}

fn is_dns_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(amt_provision::plan::is_label)
}

/// One thing that one source says, or said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fact {
    /// What it is about.
    pub key: FactKey,
    /// What is said, normalised.
    pub value: String,
    /// Who says so.
    pub source: FactSource,
    /// When this source said so first.
    pub since: SystemTime,
    /// When it said so last.
    pub at: SystemTime,
    /// When it said otherwise; absent: it still stands.
    pub until: Option<SystemTime>,
}

impl Fact {
    /// A fact that stands since `at`. `value` must be [normalised](FactKey::normalise).
    pub const fn new(key: FactKey, value: String, source: FactSource, at: SystemTime) -> Self {
        Self { key, value, source, since: at, at, until: None }
    }
}

/// Sources that do not agree on a key that has one value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disagreement {
    /// About what.
    pub key: FactKey,
    /// The value that counts.
    pub counts: String,
    /// Who says what, in the order of trust, the most trusted first.
    pub said: Vec<(FactSource, String)>,
}

/// All that is said of one machine now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The machine; absent only in an empty value.
    pub id: Option<SystemId>,
    facts: Vec<Fact>,
}

impl Facts {
    /// The facts of `id`; those that no longer stand are left out.
    pub fn new(id: SystemId, facts: impl IntoIterator<Item = Fact>) -> Self {
        let mut facts: Vec<Fact> = facts.into_iter().filter(|f| f.until.is_none()).collect();
        facts.sort_by_key(|f| (f.key, std::cmp::Reverse((f.source, f.at))));
        Self { id: Some(id), facts }
    }

    /// Every fact, by key, the most trusted source first.
    pub fn iter(&self) -> std::slice::Iter<'_, Fact> {
        self.facts.iter()
    }

    /// Every fact about `key`, the most trusted source first.
    pub fn about(&self, key: FactKey) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(move |f| f.key == key)
    }

    /// The value that counts: that of the most trusted source, and of its words the newest.
    pub fn value(&self, key: FactKey) -> Option<&str> {
        self.about(key).next().map(|f| f.value.as_str())
    }

    /// Every value of `key`, each once, the most trusted first.
    pub fn values(&self, key: FactKey) -> Vec<&str> {
        let mut values: Vec<&str> = Vec::new();
        for fact in self.about(key) {
            if !values.contains(&fact.value.as_str()) {
                values.push(&fact.value);
            }
        }
        values
    }

    /// What `source` says about `key`.
    pub fn from_source(&self, key: FactKey, source: FactSource) -> Option<&Fact> {
        self.about(key).find(|f| f.source == source)
    }

    /// Where sources contradict each other. Addresses are where a machine was seen, not what it is: they may differ.
    pub fn disagreements(&self) -> Vec<Disagreement> {
        let single = FactKey::ALL.iter().copied().filter(|key| !key.is_many() && *key != FactKey::Address);
        single
            .filter_map(|key| {
                let said: Vec<_> = self.about(key).map(|f| (f.source, f.value.clone())).collect();
                let (_, counts) = said.first()?.clone();
                said.iter().any(|(_, value)| *value != counts).then_some(Disagreement { key, counts, said })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn id() -> SystemId {
        SystemId::from_wire([7; 16])
    }

    #[test]
    fn values_have_one_form() {
        for (key, text, want) in [
            (FactKey::Mac, "00-1B-21-AA-BB-CC", Some("00:1b:21:aa:bb:cc")),
            (FactKey::Mac, "001b.21aa.bbcc", Some("00:1b:21:aa:bb:cc")),
            (FactKey::Mac, "00:00:00:00:00:00", None),
            (FactKey::Mac, "00:1b:21:aa:bb", None),
            (FactKey::Fqdn, " PC1.Example.COM. ", Some("pc1.example.com")),
            (FactKey::Fqdn, "pc 1.example.com", None),
            (FactKey::HostName, "PC1", Some("pc1")),
            (FactKey::HostName, "pc1.example.com", None),
            (FactKey::Version, "16.1", Some("16.1.0")),
            (FactKey::Version, "x", None),
            (FactKey::Address, "::ffff:10.0.0.1", Some("10.0.0.1")),
            (FactKey::ControlMode, "Admin", Some("admin")),
            (FactKey::ControlMode, "root", None),
            (FactKey::Label, "building:7/west", Some("building:7/west")),
            (FactKey::Label, "a b", None),
            (FactKey::Os, "Linux\u{7}", None),
            (FactKey::Os, "", None),
        ] {
            assert_eq!(key.normalise(text).ok().as_deref(), want, "{key} {text:?}");
        }
        assert!(FactKey::Os.normalise(&"x".repeat(MAX_FACT + 1)).unwrap_err().contains("255"));
    }

    #[test]
    fn the_most_trusted_source_counts_and_disagreements_are_shown() {
        let fact = |key, value: &str, source, when| Fact::new(key, value.to_owned(), source, at(when));
        let mut gone = fact(FactKey::Fqdn, "old.example.com", FactSource::Operator, 1);
        gone.until = Some(at(2));
        let facts = Facts::new(
            id(),
            [
                fact(FactKey::Fqdn, "pc9.example.com", FactSource::Dns, 90),
                fact(FactKey::Fqdn, "pc1.example.com", FactSource::Agent, 10),
                fact(FactKey::Mac, "00:1b:21:aa:bb:cc", FactSource::Agent, 10),
                fact(FactKey::Mac, "00:1b:21:aa:bb:cd", FactSource::Wsman, 10),
                gone,
            ],
        );
        assert_eq!(facts.value(FactKey::Fqdn), Some("pc1.example.com"));
        assert_eq!(facts.values(FactKey::Mac).len(), 2);
        let disagreements = facts.disagreements();
        assert_eq!(disagreements.len(), 1);
        assert_eq!(disagreements[0].counts, "pc1.example.com");
        assert_eq!(
            disagreements[0].said,
            [(FactSource::Agent, "pc1.example.com".into()), (FactSource::Dns, "pc9.example.com".into())]
        );
    }
}
