//! Sections `general`, `wired` and `wifi`.

use super::{CertificateSource, SecretSource};
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names, answers to pings, updates of DNS (`AMT_GeneralSettings`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct General {
    /// Host name, without domain. Names are of single machines: give them under `machines`, unless the profile is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// Domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_name: Option<String>,
    /// Whether AMT uses the name of the machine's own system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_name: Option<bool>,
    /// Whether it answers ICMP echo requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping: Option<bool>,
    /// Whether it answers RMCP pings, by which consoles look for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rmcp_ping: Option<bool>,
    /// Who registers AMT's name in DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_update: Option<DnsUpdate>,
    /// Minutes between two updates of DNS by AMT: 0 for none, or 20 and more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_update_minutes: Option<u32>,
    /// Seconds that a DNS record made by AMT lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_ttl_seconds: Option<u32>,
    /// Address family that AMT prefers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer: Option<Family>,
}

/// Who registers a name in DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DnsUpdate {
    /// Nobody on AMT's behalf; usual where it shares the name of the system.
    Off,
    /// AMT itself.
    Amt,
    /// The DHCP server.
    DhcpServer,
}

/// Address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// The wired network interface (`AMT_EthernetPortSettings`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Wired {
    /// Where its address comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<IpMode>,
    /// Address, with mode `static`. It is of one machine: give it under `machines`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Mask, with mode `static`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<String>,
    /// Gateway, with mode `static`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// DNS servers, with mode `static`; at most 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Vec<String>>,
    /// Log-in at the switch (802.1X).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ieee8021x: Option<Ieee8021x>,
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum IpMode {
    /// DHCP, as the machine's system gets it.
    Dhcp,
    /// The profile.
    Static,
    /// The static address of the machine's own system.
    Host,
}

/// Log-in at a switch or an access point (802.1X). A machine holds one for wired and wireless together.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Ieee8021x {
    /// Off removes it from the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// How to log in. Wired: `tls`, `peap-mschapv2`, `peap-gtc`, `fast-gtc`, `fast-tls`; wireless: `tls`, `peap-mschapv2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// User; with a certificate (`tls`, `fast-tls`) the name of the machine if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Domain of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Password of the user; not with `tls` and `fast-tls`, which log in with a certificate that the machine is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// Name sent before the encryption stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roaming_identity: Option<String>,
    /// Name in the certificate of the authentication server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Authority that the certificate of the authentication server must come from: its root is added to the machine. Leave it out and
    /// the one that the machine has stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_root: Option<CertificateSource>,
    /// How the name is compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name_match: Option<ServerName>,
    /// Seconds that a boot from the network may take before AMT logs in, 0 to 86400; 0 for none. Wired only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pxe_seconds: Option<u32>,
    /// Whether AMT logs in while the system runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_in_s0: Option<bool>,
}

impl Ieee8021x {
    /// Whether the machine logs in with a certificate of its own.
    pub fn by_certificate(&self) -> bool {
        self.enabled != Some(false) && self.protocol.is_some_and(Protocol::by_certificate)
    }
}

/// Protocols of 802.1X.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// EAP-TLS: with a certificate.
    Tls,
    /// EAP-TTLS with MSCHAPv2.
    TtlsMschapv2,
    /// PEAPv0 with MSCHAPv2.
    PeapMschapv2,
    /// PEAPv1 with GTC.
    PeapGtc,
    /// EAP-FAST with MSCHAPv2.
    FastMschapv2,
    /// EAP-FAST with GTC.
    FastGtc,
    /// EAP-FAST with TLS.
    FastTls,
}

impl Protocol {
    /// Whether the credential is a certificate and not a password.
    pub const fn by_certificate(self) -> bool {
        matches!(self, Self::Tls | Self::FastTls)
    }
}

/// How a name of a server is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ServerName {
    /// All of it.
    Full,
    /// Its end.
    Suffix,
}

/// Wireless networks (`AMT_WiFiPortConfigurationService`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Wifi {
    /// When AMT uses the wireless interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<WifiMode>,
    /// Whether AMT takes over the networks that the machine's system knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_host_profiles: Option<bool>,
    /// Whether the BIOS gets them too; AMT 16 and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_with_uefi: Option<bool>,
    /// Networks, at most 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Vec<WifiProfile>>,
    /// Whether networks that are not listed here are removed. Those of the machine's user stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove_others: Option<bool>,
}

/// When the wireless interface is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WifiMode {
    /// Never.
    Off,
    /// While the system runs.
    S0,
    /// While it sleeps too, with mains power.
    S0Sx,
}

/// One wireless network.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct WifiProfile {
    /// Name of the entry: 1 to 32 letters and digits. Capital letters make no difference.
    pub name: String,
    /// Name of the network: at most 32 bytes.
    pub ssid: String,
    /// Order in which networks are tried: 1 to 255, each once.
    pub priority: u32,
    /// How to log in.
    pub security: WifiSecurity,
    /// How it is encrypted; CCMP if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Passphrase: 8 to 63 characters; with the `psk` and `sae` kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<SecretSource>,
    /// Log-in with 802.1X; with the `ieee8021x` kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ieee8021x: Option<Ieee8021x>,
}

/// How a wireless network lets machines in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WifiSecurity {
    /// WPA with a passphrase.
    WpaPsk,
    /// WPA with 802.1X.
    WpaIeee8021x,
    /// WPA2 with a passphrase.
    Wpa2Psk,
    /// WPA2 with 802.1X.
    Wpa2Ieee8021x,
    /// WPA3 with a passphrase; newest firmware.
    Wpa3Sae,
}

impl WifiSecurity {
    /// Whether it takes a passphrase; else it takes 802.1X.
    pub const fn passphrase(self) -> bool {
        matches!(self, Self::WpaPsk | Self::Wpa2Psk | Self::Wpa3Sae)
    }
}

/// How a wireless network is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// TKIP.
    Tkip,
    /// CCMP.
    Ccmp,
}
