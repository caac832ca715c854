//! A firmware family and its quirks, as data: which switches a virtual machine is built with.
//!
//! A persona is a TOML file. A file of one's own names the persona it is `based_on` and lists what differs; unknown
//! keys are refused.

use crate::keys::{KeySize, SignatureHash};
use crate::suite::{Exchange, Suite};
use amt_core::version::{FirmwareVersion, TlsVersion};
use amt_core::{ErrorCode, Failure};
use serde::Deserialize;
use std::time::Duration;

/// A firmware family. Fields follow the sections of `personas/amt-16.0.toml`, which documents each.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are documented where they are read by people: in the persona file")]
pub struct Persona {
    pub name: String,
    #[serde(deserialize_with = "version")]
    pub version: FirmwareVersion,
    pub network: Network,
    pub tls: Tls,
    pub self_signed: SelfSigned,
    pub login: Login,
    pub psk: Psk,
    pub window: Window,
    pub hello: Vec<Cadence>,
    pub chain: Chain,
    pub keys: Keys,
    pub certificates: Certificates,
    pub mebx: Mebx,
    pub power: Power,
    pub hardware: Hardware,
    pub tls_settings: TlsSettings,
    pub http: Http,
    pub wsman: Wsman,
    pub local: Local,
    pub features: Features,
    pub wireless: Wireless,
    pub remote_access: RemoteAccess,
    pub ieee8021x: Ieee8021x,
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "documented in the persona file")]
        pub struct $name { $(pub $field: $type,)* }
    };
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }
    };
}

section! {
    /// Ports, and how connections end.
    Network {
        plain_port: PlainPort, refused_chain: RefusedChain, commit_reply: CommitReply, restart_seconds: u64,
    }
}
section! {
    /// Versions and suites of the TLS server.
    Tls { min: Version, max: Version, suites: Suites, psk_suites: Suites, setup13: Setup13, }
}
section! {
    /// Digest authentication.
    Login {
        setup: SetupLogin, factory_password: String, qop: Qop, nonce_requests: u32, failures_before_lock: u32,
        lock_seconds: u64, realm_survives_unprovision: bool,
    }
}
section! {
    /// The certificate that is served before setup.
    SelfSigned { bits: KeySize, hash: SignatureHash, dates: Dates, }
}
section! {
    /// The pre-shared key of firmware before AMT 11.
    Psk { survives_unprovision: bool, power_reopens: bool, hello: Vec<Cadence>, }
}
section! {
    /// How long the network interface is open for setup.
    Window { hours: u64, rearm_hours: u64, }
}
section! {
    /// Rules of the provisioning chain.
    Chain { root_hash: RootAlgorithm, min_rsa_bits: usize, advised_rsa_bits: usize, allow_sha1: bool, enforce_expiry: bool, }
}
section! {
    /// Key generation.
    Keys { bits: Vec<KeySize>, slots: usize, not_ready_percent: u8, not_ready_status: Vec<u32>, generation_seconds: u64, }
}
section! {
    /// Room of the certificate store.
    Certificates { slots: usize, trusted_roots: usize, }
}
section! {
    /// The password of the setup menu.
    Mebx { policy: MebxPolicy, required_for_commit: bool, }
}
section! {
    /// The computer's power and boot.
    Power { boot_seconds: u64, tells_next_boot: bool, https_boot: bool, }
}
section! {
    /// What the computer is made of.
    Hardware {
        manufacturer: String, model: String, bios_version: String, processor: String, clock_mhz: u32, memory_mib: Vec<u32>,
        memory_type: u32, disk_mb: u64, battery: bool,
    }
}
section! {
    /// `AMT_TLSSettingData`.
    TlsSettings { remote_first: bool, local_blocks_commit: bool, }
}
section! {
    /// Framing of replies.
    Http { chunked: bool, max_chunk: usize, }
}
section! {
    /// Limits of the WS-Man server.
    Wsman { enumerations: usize, enumeration_seconds: u64, }
}

section! {
    /// What the machine has and can.
    Features { kvm: bool, mobile: bool, }
}

section! {
    /// The wireless interface.
    Wireless { interface: bool, wpa3: bool, tkip: bool, }
}

section! {
    /// 802.1X of the wired port.
    Ieee8021x { class: WiredClass, }
}

section! {
    /// Connections that the machine opens by itself.
    RemoteAccess { home_networks: usize, }
}

section! {
    /// The machine's own operating system.
    Local {
        sku: u32, allowed_modes: Vec<u32>, leaf_restarts: bool, max_chain: usize, reply_ms: u64, lme_channels: usize,
        lme_connections: usize, amthi_connections: usize, random_ready: bool, on_die: bool, tls_only: bool,
    }
}

choice! {
    /// Which class has 802.1X of the wired port.
    WiredClass {
        /// `IPS_IEEE8021xSettings`.
        Settings,
        /// `AMT_8021XProfile`.
        Profile,
    }
}
choice! {
    /// Validity of the self-signed certificate.
    Dates {
        /// Years around now.
        Plausible,
        /// Zeroes, which are no date (the bug of 3.2.1).
        Zero,
    }
}
choice! {
    /// Hash by which the firmware knows its roots.
    RootAlgorithm {
        /// SHA-1.
        Sha1,
        /// SHA-256.
        Sha256,
        /// SHA-384.
        Sha384,
    }
}
choice! {
    /// What becomes of a handshake of TLS 1.3 in setup mode.
    Setup13 {
        /// It works like any other.
        Works,
        /// It completes, and the first request behind it is dropped with the connection.
        Drops,
    }
}
choice! {
    /// Port 16992 after setup.
    PlainPort {
        /// Follows `AcceptNonSecureConnections` (true from the factory).
        Configured,
        /// Gone.
        Removed,
    }
}
choice! {
    /// What a refused client chain gets.
    RefusedChain {
        /// A fatal TLS alert.
        Alert,
        /// A closed connection, no alert.
        Close,
    }
}
choice! {
    /// Whether the reply to `CommitChanges` leaves the machine.
    CommitReply {
        /// It does, then the stack restarts.
        Sent,
        /// The stack restarts first.
        Dropped,
    }
}
choice! {
    /// Which login setup mode wants before an admin password was set.
    SetupLogin {
        /// No digest challenge at all.
        None,
        /// `admin` with an empty password.
        Empty,
        /// `admin` with the factory password.
        Factory,
        /// `admin` with the setup menu's password, also after the admin password was set.
        Mebx,
    }
}
choice! {
    /// When the setup menu's password may be set over the network.
    MebxPolicy {
        /// Always.
        Anytime,
        /// Only in setup mode.
        DuringSetup,
        /// Only while it is the factory one.
        DefaultOnly,
        /// Never.
        Never,
    }
}

/// Qualities of protection that the challenge offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Qop {
    /// `auth`.
    #[serde(rename = "auth")]
    Auth,
    /// `auth,auth-int`.
    #[serde(rename = "auth,auth-int")]
    AuthInt,
}

/// A version of TLS, `"1.0"` to `"1.3"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Version(pub TlsVersion);

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Ok(Self(match text.as_str() {
            "1.0" => TlsVersion::V1_0,
            "1.1" => TlsVersion::V1_1,
            "1.2" => TlsVersion::V1_2,
            "1.3" => TlsVersion::V1_3,
            _ => return Err(format!("{text:?} is not \"1.0\", \"1.1\", \"1.2\" or \"1.3\"")),
        }))
    }
}

/// Suites in the server's order, by OpenSSL's names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Suites(pub Vec<&'static Suite>);

impl TryFrom<Vec<String>> for Suites {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        let known = |name: &String| Suite::named(name).ok_or_else(|| format!("no suite {name:?} here"));
        names.iter().map(known).collect::<Result<_, _>>().map(Self)
    }
}

impl Suites {
    /// As OpenSSL reads a list.
    pub fn list(&self) -> String {
        self.0.iter().map(|suite| suite.name).collect::<Vec<_>>().join(":")
    }

    fn all(&self, test: fn(&Suite) -> bool) -> bool {
        self.0.iter().all(|suite| test(suite))
    }
}

/// What serves a persona's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// rustls with ring: TLS 1.2 and 1.3 with forward secrecy.
    Rustls,
    /// OpenSSL, for everything older; only with the feature `legacy-tls`.
    Openssl,
}

impl Tls {
    /// The engine that everything offered calls for.
    pub fn engine(&self) -> Engine {
        let modern =
            self.min.0 >= TlsVersion::V1_2 && self.psk_suites.0.is_empty() && self.suites.all(Suite::is_modern);
        if modern { Engine::Rustls } else { Engine::Openssl }
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.min > self.max {
            return Err("tls.min is above tls.max");
        }
        if self.max.0 > TlsVersion::V1_2 && self.engine() == Engine::Openssl {
            return Err("tls.max: 1.3 goes only with tls.min 1.2 or above and suites of ECDHE with GCM");
        }
        if !self.suites.all(|suite| suite.exchange != Exchange::Psk)
            || !self.psk_suites.all(|suite| suite.exchange == Exchange::Psk)
        {
            return Err("suites of pre-shared keys belong into tls.psk_suites, all others into tls.suites");
        }
        // TLS 1.3 has suites of its own.
        let usable = self.suites.0.iter().any(|suite| suite.since <= self.max.0);
        if usable || self.min.0 > TlsVersion::V1_2 { Ok(()) } else { Err("tls.suites: none goes with tls.max") }
    }
}

/// One line of the hello schedule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Cadence {
    /// How often; absent: for ever.
    pub count: Option<u32>,
    /// Seconds from one hello to the next.
    pub seconds: u64,
}

macro_rules! built_in {
    ($($version:literal)*) => {
        &[$((concat!("amt-", $version), include_str!(concat!("../personas/amt-", $version, ".toml"))),)*]
    };
}

/// From the oldest to the newest.
const BUILT_IN: &[(&str, &str)] =
    built_in!("2.6" "3.2" "5.0" "7.1" "9.5" "11.8" "12.0" "14.0" "16.0" "18.0" "19.0" "21.0" "22.0");

impl Persona {
    /// The built-in persona of this name; `16.0` is short for `amt-16.0`.
    pub fn built_in(name: &str) -> Option<Self> {
        let text = built_in_text(name)?;
        Some(Self::parse(text).expect("the built-in personas are tested"))
    }

    /// Names of the built-in personas.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// Reads a persona file. `based_on = "amt-16.0"` takes everything that the file does not say from there.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let table = whole(text)?;
        let persona: Self = table.try_into().map_err(|e: toml::de::Error| bad(&e.to_string()))?;
        persona.check().map_err(bad)?;
        Ok(persona)
    }

    /// Time from hello number `sent` (counted from 1) to the next one; nothing when that was the last.
    pub fn hello_gap(&self, psk: bool, sent: u32) -> Option<Duration> {
        let mut left = sent;
        for line in if psk { &self.psk.hello } else { &self.hello } {
            match line.count {
                Some(count) if left > count => left -= count,
                _ => return Some(Duration::from_secs(line.seconds)),
            }
        }
        None
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.hello.is_empty() || self.http.max_chunk == 0 || self.keys.not_ready_status.is_empty() {
            return Err("hello, http.max_chunk and keys.not_ready_status must not be empty");
        }
        if self.keys.bits.contains(&KeySize::Rsa1024) {
            return Err("keys.bits: machines that make keys make none of 1024 bits");
        }
        let made_by_library =
            self.self_signed.dates == Dates::Plausible && self.self_signed.hash != SignatureHash::Sha1;
        if made_by_library && self.self_signed.bits == KeySize::Rsa1024 {
            return Err("self_signed: a key of 1024 bits goes only with hash \"sha1\"");
        }
        if self.tls.engine() == Engine::Rustls && !made_by_library {
            return Err("self_signed: TLS 1.2 with forward secrecy goes only with plausible dates and no SHA-1");
        }
        self.tls.check()
    }
}

impl Default for Persona {
    /// AMT 16.0.
    fn default() -> Self {
        Self::built_in("amt-16.0").expect("built in")
    }
}

fn built_in_text(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(n, _)| *n == name || n.strip_prefix("amt-") == Some(name)).map(|(_, text)| *text)
}

/// The file laid over what it is based on. Built-in personas are based on others in turn, and end at one that is complete.
fn whole(text: &str) -> Result<toml::Table, Failure> {
    let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| bad(&e.to_string()))?;
    let Some(base) = table.remove("based_on") else { return Ok(table) };
    let base = base.as_str().and_then(built_in_text).ok_or_else(|| bad("based_on: no such persona"))?;
    let mut base = whole(base)?;
    lay_over(&mut base, table);
    Ok(base)
}

fn bad(why: &str) -> Failure {
    Failure::new(ErrorCode::CONFIG, "persona", why)
}

fn lay_over(base: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(value)) => lay_over(inner, value),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

fn version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<FirmwareVersion, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|e: Failure| serde::de::Error::custom(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_personas_read() {
        for name in Persona::names() {
            assert_eq!(Persona::built_in(name).unwrap().name, name);
        }
        assert_eq!(Persona::built_in("16.0").unwrap().version.major, 16);
        assert!(Persona::built_in("nonsense").is_none());
    }

    #[test]
    fn the_pki_cadence_is_the_documented_one() {
        let persona = Persona::default();
        let gaps: Vec<u64> = (1..=20).map(|n| persona.hello_gap(false, n).unwrap().as_secs()).collect();
        assert_eq!(gaps[..5], [60; 5]);
        assert_eq!(gaps[5..17], [300; 12]);
        assert_eq!(gaps[17..], [3600; 3]);
    }

    #[test]
    fn the_psk_cadence_ends_after_15_hellos() {
        let persona = Persona::default();
        let gaps: Vec<_> = (1..=16).map(|n| persona.hello_gap(true, n).map(|gap| gap.as_secs())).collect();
        assert_eq!(gaps[..10], [[Some(60); 5], [Some(600); 5]].concat());
        assert_eq!(gaps[10..], [Some(3600), Some(3600), Some(3600), Some(3600), None, None]);
    }

    #[test]
    fn a_file_may_be_based_on_another_and_unknown_keys_are_refused() {
        let quiet = "based_on = \"amt-16.0\"\nname = \"quiet\"\n[network]\nrefused_chain = \"close\"\n";
        let persona = Persona::parse(quiet).unwrap();
        assert_eq!(persona.network.refused_chain, RefusedChain::Close);
        assert_eq!(persona.network.restart_seconds, Persona::default().network.restart_seconds);
        let wrong = Persona::parse("based_on = \"amt-16.0\"\n[network]\nspeed = 3\n").unwrap_err();
        assert_eq!(wrong.code, ErrorCode::CONFIG);
        assert!(wrong.to_string().contains("speed"), "{wrong}");
        assert!(Persona::parse("based_on = \"amt-99\"").is_err());
    }

    #[test]
    fn the_built_in_personas_are_what_their_version_is() {
        let mut versions = Vec::new();
        for name in Persona::names() {
            let persona = Persona::built_in(name).unwrap();
            let can = persona.version.capabilities();
            assert_eq!(!persona.tls.psk_suites.0.is_empty(), can.psk, "{name}: pre-shared keys");
            assert_eq!(persona.chain.allow_sha1, can.sha1_chain, "{name}: SHA-1");
            assert_eq!(persona.network.plain_port == PlainPort::Configured, can.remote_plain_http, "{name}: 16992");
            assert_eq!(persona.mebx.required_for_commit, can.local_tls_enforced, "{name}: the setup menu's password");
            let forward = persona.tls.suites.0.iter().any(|suite| suite.exchange == Exchange::Ecdhe);
            assert_eq!(forward, can.tls.forward_secrecy, "{name}: forward secrecy");
            let rustls = persona.tls.engine() == Engine::Rustls;
            assert_eq!(rustls, can.tls.min >= TlsVersion::V1_2, "{name}: engine");
            versions.push(persona.version);
        }
        assert!(versions.is_sorted(), "from the oldest to the newest: {versions:?}");
    }

    #[test]
    fn the_engine_follows_from_what_is_offered() {
        let with = |tls: &str| Persona::parse(&format!("based_on = \"amt-16.0\"\n[tls]\n{tls}\n"));
        assert_eq!(Persona::default().tls.engine(), Engine::Rustls);
        for old in ["min = \"1.1\"", "suites = [\"AES128-SHA\"]", "psk_suites = [\"PSK-AES128-CBC-SHA\"]"] {
            assert_eq!(with(old).unwrap().tls.engine(), Engine::Openssl, "{old}");
        }
        for wrong in [
            "min = \"1.4\"",
            "min = \"1.3\"",
            "max = \"1.1\"",
            "min = \"1.0\"\nmax = \"1.1\"",
            "min = \"1.1\"\nmax = \"1.3\"",
            "suites = []",
            "suites = [\"RC4-SHA\"]",
            "suites = [\"PSK-AES128-CBC-SHA\"]",
            "psk_suites = [\"AES128-SHA\"]",
        ] {
            assert_eq!(with(wrong).unwrap_err().code, ErrorCode::CONFIG, "{wrong}");
        }
    }
}
