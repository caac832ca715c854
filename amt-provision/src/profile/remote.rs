//! Section `remote_access`.

use super::{CertificateSource, SecretSource};
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Connections that the machine opens to a gateway when it is away from home (CIRA).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct RemoteAccess {
    /// Ends of DNS names of the networks that are home; at most 4. An empty list: it is at home everywhere and never connects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home_domains: Option<Vec<String>>,
    /// The gateway (management presence server).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<RemoteServer>,
    /// Proxies, at most 15; AMT 12 and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxies: Option<Vec<Proxy>>,
}

/// A gateway.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct RemoteServer {
    /// Name or address.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Name in its certificate, where `address` is an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    /// Its authority.
    pub root: CertificateSource,
    /// User at the gateway: 5 to 16 letters and digits.
    pub user: String,
    /// Password at the gateway: at most 16 characters.
    pub password: SecretSource,
    /// When the machine connects.
    pub triggers: Vec<Tunnel>,
}

/// One reason to connect.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Tunnel {
    /// What the reason is.
    pub when: Trigger,
    /// Seconds that the connection is kept; 0 without limit, which is also what is meant when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life_seconds: Option<u32>,
    /// Seconds between two connections; with `periodic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_seconds: Option<u32>,
}

/// Why the machine connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// The user asks for help, in the BIOS or the system.
    User,
    /// An alert.
    Alert,
    /// At intervals.
    Periodic,
}

/// A proxy that the machine may use.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Proxy {
    /// Name or address.
    pub address: String,
    /// Port.
    pub port: u16,
    /// End of the DNS names of the network in which it is used: at most 192 characters.
    pub network_suffix: String,
}
