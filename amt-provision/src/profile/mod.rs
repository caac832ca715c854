//! Configuration profiles: what an administrator wants machines to be, as a document (`spec/profile.md`).
//!
//! A document is TOML or JSON of one schema. What it does not name stays as it is on the machine: absent differs from off. Secrets and
//! certificates are not in it but named by it, as a file or a variable of the environment.
//!
//! To add a field: add it to the struct of its section with a comment (the schema and `docs/profile.md` come from there), add a rule in
//! [`check`](Profile::check) if it has one, and declare in `apply` how it is read and written.

mod access;
mod certificate;
pub(crate) mod desired;
mod explain;
mod features;
mod json;
mod network;
mod password;
mod read;
mod remote;
mod rules;
mod schema;
mod secret;

pub use access::{Access, Kerberos, Permission, Realm, User};
pub use certificate::CertificateSource;
pub use desired::{Desired, Material};
pub use explain::Explained;
pub use features::{Audit, AuditEvents, Consent, ConsentFor, Kvm, Power, PowerPackage, Redirection, Time};
pub use network::{
    DnsUpdate, Encryption, Family, General, Ieee8021x, IpMode, Protocol, ServerName, Wifi, WifiMode, WifiProfile,
    WifiSecurity, Wired,
};
pub use password::{PasswordSource, Passwords, derive};
pub use read::{MAX_DOCUMENT, Syntax};
pub use remote::{Proxy, RemoteAccess, RemoteServer, Trigger, Tunnel};
pub use schema::{reference, schema};
pub use secret::{SecretSource, is_variable};

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Version of the document.
pub const FORMAT: u32 = 1;

/// A configuration profile.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Profile {
    /// Version of the document: 1.
    pub format: u32,
    /// Name of the profile; capital letters make no difference.
    pub name: String,
    /// What it is for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// How far the machine is taken over. Only looked at when a machine is set up, and by the rules about consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_mode: Option<Mode>,
    /// Passwords of the administrator and of the setup menu.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passwords: Option<Passwords>,
    /// Encryption of the management ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Names, answers to pings, updates of DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub general: Option<General>,
    /// The wired network interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wired: Option<Wired>,
    /// Wireless networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wifi: Option<Wifi>,
    /// Who may log in besides the administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Log-in with an account of a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kerberos: Option<Kerberos>,
    /// Serial over LAN and remote drives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirection: Option<Redirection>,
    /// Remote screen, keyboard and mouse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kvm: Option<Kvm>,
    /// Whether whoever sits at the machine has to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// Connections that the machine opens to a gateway when it is away from home (CIRA).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_access: Option<RemoteAccess>,
    /// When the management engine has power.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// The machine's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// The audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// What is different on single machines, by UUID.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub machines: BTreeMap<String, Override>,
}

/// Control mode of host-based setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every feature; whoever sits at the machine is asked only if the profile says so.
    Admin,
    /// Without a provisioning certificate; consent is demanded for everything.
    Client,
}

/// Encryption of the management ports.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Tls {
    /// From the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<TlsMode>,
    /// From the machine's own system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<TlsMode>,
    /// Authorities whose certificates clients may present; needed for the mutual modes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_roots: Option<Vec<CertificateSource>>,
    /// Names, or ends of names, that a client's certificate must carry; at most 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_names: Option<Vec<String>>,
}

/// How a port speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// No TLS: firmware before 16.1 only.
    Off,
    /// The machine proves itself.
    Server,
    /// The same, and the port without TLS stays open: before 16.1.
    ServerOrPlain,
    /// Clients prove themselves too.
    Mutual,
    /// The same, and the port without TLS stays open: before 16.1.
    MutualOrPlain,
}

impl TlsMode {
    /// Whether there is TLS.
    pub const fn enabled(self) -> bool {
        !matches!(self, Self::Off)
    }

    /// Whether clients need a certificate.
    pub const fn mutual(self) -> bool {
        matches!(self, Self::Mutual | Self::MutualOrPlain)
    }

    /// Whether the port without TLS is open.
    pub const fn plain(self) -> bool {
        matches!(self, Self::Off | Self::ServerOrPlain | Self::MutualOrPlain)
    }
}

/// What is different on one machine. What is named here replaces what the profile says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Override {
    /// Host name, without domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// Domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_name: Option<String>,
    /// The whole section `wired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wired: Option<Wired>,
}

impl Profile {
    /// An empty profile: it changes nothing.
    pub fn new(name: &str) -> Self {
        Self { format: FORMAT, name: name.to_owned(), ..Self::default() }
    }

    /// SHA-256 over the document in one fixed form, in hexadecimal: which revision a machine was given. Order and comments of the file
    /// make no difference; contents of files that it names are not part of it.
    pub fn revision(&self) -> String {
        // Structs of texts, numbers and truth values always serialise, and maps are sorted.
        let text = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(text))
    }
}
