//! The machine's own truth, for tests that compare against it: states, digests of passwords, certificates, counts.
//! Passwords themselves are not in it.

use super::Firmware;
use super::device::{Device, StoredPassword};
use super::host::TrueBoot;
use super::kerberos::KerberosKey;
use super::remote_access::ServerLogin;
use crate::certificate::facts;
use crate::digest::hex;
use crate::usb::UsbOutcome;
use amt_core::Tick;
use amt_core::redirection::SessionKind;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Everything a test may hold against a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MachineTruth {
    /// Identity.
    pub uuid: String,
    /// Where it listens; empty without a network.
    pub address: String,
    /// Persona.
    pub persona: String,
    /// `pre`, `in`, `post`.
    pub state: String,
    /// `none`, `client`, `admin`.
    pub control_mode: String,
    /// Whether setup mode answers.
    pub window_open: bool,
    /// Whether 16992 listens.
    pub plain_port: bool,
    /// Whether 16993 listens.
    pub secure_port: bool,
    /// Sessions of redirection that somebody has: `serial`, `drives`, `screen`.
    #[serde(default)]
    pub sessions: Vec<String>,
    /// PID of the pre-shared key that it waits for, or has for its next setup.
    #[serde(default)]
    pub pid: Option<String>,
    /// What became of a USB stick.
    #[serde(default)]
    pub usb: Option<UsbOutcome>,
    /// What the last TLS handshake brought.
    #[serde(default)]
    pub tls: Option<TrueTls>,
    /// Digest realm.
    pub realm: String,
    /// The administrator's password.
    pub admin: Password,
    /// The setup menu's password.
    pub mebx: Password,
    /// Whether the clock was set.
    pub clock_set: bool,
    /// Host name.
    pub host_name: String,
    /// Domain.
    pub domain_name: String,
    /// Name that the operating system told the firmware.
    pub host_os_fqdn: String,
    /// Address of the wired port.
    pub mac: String,
    /// `on`, `asleep`, `hibernated`, `off`.
    pub power: String,
    /// Source that the next boot is set to, whether or not that counts.
    pub boot_order: Option<String>,
    /// Whether the boot order counts at the next boot.
    pub boot_armed: bool,
    /// The last boots, oldest first.
    pub boots: Vec<TrueBoot>,
    /// All boots.
    pub boot_total: u64,
    /// The code of six digits on the machine's screen, while somebody's consent is asked for.
    #[serde(default)]
    pub consent_code: Option<String>,
    /// Certificate that is served now, base64 DER.
    pub certificate: String,
    /// Its SHA-256, hex.
    pub certificate_sha256: String,
    /// Key pairs in the store.
    pub keys: Vec<TrueKey>,
    /// Certificates in the store.
    pub certificates: Vec<TrueCertificate>,
    /// Digests of the secrets that no class tells, SHA-256, hex: `wifi/NAME`, `wifi/NAME/8021x`, `mps/NUMBER`, `kerberos`,
    /// `8021x`, `rfb`.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Requests by `Class.Method`; `?` for those that are no WS-Man.
    pub requests: BTreeMap<String, u64>,
    /// Requests of those that were meant to change something, granted or not: Put, Create, Delete, and methods other than
    /// those that only ask.
    #[serde(default)]
    pub writes: u64,
    /// All requests, refused logins included.
    pub request_total: u64,
    /// The last requests, oldest first.
    pub request_log: Vec<String>,
    /// The last refusals.
    pub refusals: Vec<Refused>,
    /// All refusals.
    pub refusal_total: u64,
    /// TLS handshakes refused for their chain.
    pub handshakes_refused: u64,
    /// Connections accepted.
    pub connections: u64,
    /// TCP connections that anybody opened to it, whatever became of them; 0 without a network.
    #[serde(default)]
    pub tcp_connections: u64,
    /// Bytes that came over them, TLS included.
    #[serde(default)]
    pub tcp_bytes: u64,
    /// Bytes that a setup server sent back on the connection of a hello, where nothing may come.
    #[serde(default)]
    pub hello_reply_bytes: u64,
    /// Hellos sent.
    pub hellos: u64,
    /// Commits that took effect.
    pub commits: u64,
    /// Faults that struck.
    pub faults: u64,
}

/// A TLS session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrueTls {
    /// What served it: `rustls` or `openssl`.
    pub engine: String,
    /// `TLS 1.0` to `TLS 1.3`.
    pub version: String,
    /// Suite, by IANA's name.
    pub suite: String,
}

/// A password, as far as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Password {
    /// Whether it is no longer the factory's.
    pub set: bool,
    /// MD5(`admin`:realm:password), hex: a candidate is checked by computing the same.
    pub ha1: String,
    /// SHA-256 of the password, hex, where the firmware has seen the password itself.
    pub sha256: Option<String>,
}

/// A key pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrueKey {
    /// Handle.
    pub handle: u32,
    /// PKCS#1 public key, base64.
    pub public_key: String,
}

/// A stored certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrueCertificate {
    /// Handle.
    pub handle: u32,
    /// SHA-256 of its DER, hex.
    pub sha256: String,
    /// Subject, as text.
    #[serde(default)]
    pub subject: String,
    /// Whether it is a trusted root.
    pub trusted_root: bool,
    /// Handle of its key.
    pub key: Option<u32>,
    /// Whether TLS uses it, now or after the next commit, or a profile.
    pub in_use: bool,
    /// Whether it is the one that is served now.
    #[serde(default)]
    pub served: bool,
}

/// Something the firmware refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refused {
    /// Machine time in milliseconds.
    pub at: u64,
    /// What: `tls`, `http`, `soap`, `login`, or `Class.Method`.
    pub what: String,
    /// Why.
    pub reason: String,
}

impl Firmware {
    /// The truth at `now`.
    pub fn truth(&self, now: Tick) -> MachineTruth {
        let device = &self.device;
        let (certificate, _) = device.served();
        MachineTruth {
            uuid: device.config.id.to_string(),
            address: String::new(),
            persona: device.config.persona.name.clone(),
            state: device.phase.name().to_owned(),
            control_mode: ["none", "client", "admin"][device.control_mode.min(2) as usize].to_owned(),
            window_open: device.window_open(now),
            plain_port: self.listening.0,
            secure_port: self.listening.1,
            sessions: SessionKind::ALL
                .iter()
                .filter(|kind| device.sessions.is_taken(**kind))
                .map(|kind| kind.name().to_owned())
                .collect(),
            pid: device.psk.as_ref().map(|pair| pair.pid.to_string()),
            usb: device.config.usb.clone(),
            tls: self.session.as_ref().map(|(_, session)| TrueTls {
                engine: session.engine.to_owned(),
                version: session.version.to_string(),
                suite: session.suite.clone(),
            }),
            realm: device.realm.clone(),
            admin: told(&device.admin),
            mebx: told(&device.mebx),
            clock_set: device.clock_set,
            host_name: device.general.host_name.clone(),
            domain_name: device.general.domain_name.clone(),
            host_os_fqdn: device.general.host_os_fqdn.clone(),
            mac: device.mac().map(|byte| format!("{byte:02x}")).join("-"),
            power: device.host.power_name().to_owned(),
            boot_order: device.host.order.map(|source| source.name.to_owned()),
            boot_armed: device.host.next_single_use,
            boots: device.host.boots().cloned().collect(),
            boot_total: device.host.boot_total(),
            consent_code: device.settings.opt_in.code(now),
            certificate: STANDARD.encode(certificate.as_slice()),
            certificate_sha256: hex(&Sha256::digest(certificate.as_slice())),
            keys: device
                .keys
                .iter()
                .map(|key| TrueKey { handle: key.handle, public_key: STANDARD.encode(key.key.public_pkcs1()) })
                .collect(),
            certificates: device
                .certificates
                .iter()
                .map(|stored| TrueCertificate {
                    handle: stored.handle,
                    sha256: hex(&Sha256::digest(&stored.der)),
                    subject: facts(&stored.der).map(|facts| facts.subject).unwrap_or_default(),
                    trusted_root: stored.trusted_root,
                    key: stored.key,
                    in_use: device.certificate_in_use(stored.handle),
                    served: stored.der == *certificate,
                })
                .collect(),
            secrets: secrets(device),
            requests: self.audit.requests.clone(),
            writes: self.audit.writes,
            request_total: self.audit.total,
            request_log: self.audit.log.iter().cloned().collect(),
            refusals: self.audit.refusals.iter().cloned().collect(),
            refusal_total: self.audit.refused,
            handshakes_refused: self.audit.handshakes_refused,
            connections: self.audit.connections,
            tcp_connections: 0,
            tcp_bytes: 0,
            hello_reply_bytes: 0,
            hellos: self.audit.hellos,
            commits: device.commits,
            faults: self.faults.struck(),
        }
    }
}

fn secrets(device: &Device) -> BTreeMap<String, String> {
    let mut all: Vec<(String, &[u8])> =
        device.settings.secrets().into_iter().map(|(name, secret)| (name, secret.expose().as_bytes())).collect();
    for profile in &device.wireless.profiles {
        let name = format!("wifi/{}", profile.name);
        let password = profile.eap.as_ref().and_then(|eap| eap.password.as_ref());
        all.extend(password.map(|secret| (format!("{name}/8021x"), secret.expose().as_bytes())));
        all.extend(profile.passphrase.as_ref().map(|secret| (name, secret.expose().as_bytes())));
    }
    for server in &device.remote_access.servers {
        if let ServerLogin::Password { secret, .. } = &server.login {
            all.push((format!("mps/{}", server.number), secret.expose().as_bytes()));
        }
    }
    let kerberos = device.switches.kerberos.as_ref().map(|kerberos| match &kerberos.key {
        KerberosKey::Master(key) => key.expose().as_slice(),
        KerberosKey::Passphrase { passphrase, .. } => passphrase.expose().as_bytes(),
    });
    all.extend(kerberos.map(|secret| ("kerberos".to_owned(), secret)));
    let wired = device.wired_eap.eap.as_ref().and_then(|eap| eap.password.as_ref());
    all.extend(wired.map(|secret| ("8021x".to_owned(), secret.expose().as_bytes())));
    all.into_iter().map(|(name, secret)| (name, hex(&Sha256::digest(secret)))).collect()
}

fn told(password: &StoredPassword) -> Password {
    Password { set: !password.is_factory, ha1: hex(&password.ha1), sha256: password.sha256.map(|digest| hex(&digest)) }
}
