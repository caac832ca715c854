//! `wifi`: the wireless port and its networks (`spec/wsman.md` §3.6).

use super::client::{Certificates, Client, User, reference};
use super::property::{Group, LeadsTo, Property, one};
use super::{Run, refused};
use crate::profile::{Encryption, Ieee8021x, Protocol, ServerName, WifiMode, WifiProfile, WifiSecurity};
use crate::session::all;
use crate::step::Step;
use amt_core::{Failure, Secret};
use amt_wsman::class::Class;
use amt_wsman::class::amt::WifiPortConfigurationService;
use amt_wsman::class::cim::{self, Ieee8021xSettings, WifiEndpointSettings, WifiPort};
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;

const SETTINGS: &str = WifiEndpointSettings::NAME;

static SHARING: Group = Group {
    class: WifiPortConfigurationService::NAME,
    selector: None,
    omit: |_| &[],
    leads_to: LeadsTo::Nothing,
    properties: &[
        Property {
            field: "wifi.sync_host_profiles",
            name: "localProfileSynchronizationEnabled",
            // 3: without restriction, as other consoles set it.
            want: |p| one(p.wifi.as_ref()?.sync_host_profiles.map(|on| if on { 3 } else { 0 })),
        },
        Property {
            field: "wifi.share_with_uefi",
            name: "UEFIWiFiProfileShareEnabled",
            want: |p| one(p.wifi.as_ref()?.share_with_uefi),
        },
    ],
};

impl Run {
    pub(super) async fn wifi(&mut self) -> Result<(), Failure> {
        let Some(wifi) = self.profile().wifi.clone() else { return Ok(()) };
        let Some(port) = self.read(WifiPort::get()).await? else {
            if wifi.mode != Some(WifiMode::Off) {
                self.lacks("wifi", "the machine has no wireless interface for AMT");
            }
            return Ok(());
        };
        self.group(&SHARING).await?;
        if let Some(networks) = &wifi.profiles {
            self.networks(networks, wifi.remove_others == Some(true)).await?;
        }
        // On behind the networks: it joins one at once.
        self.wifi_mode(&port, wifi.mode).await
    }

    async fn wifi_mode(&mut self, port: &Instance, wanted: Option<WifiMode>) -> Result<(), Failure> {
        let has = port.u32("EnabledState");
        let Some(wanted) = wanted.filter(|wanted| Some(wanted.number()) != has) else { return Ok(()) };
        let word = |number: Option<u32>| match number {
            Some(WifiPort::OFF) => "off".to_owned(),
            Some(WifiPort::ON_IN_S0) => "s0".to_owned(),
            Some(WifiPort::ON_IN_SX) => "s0-sx".to_owned(),
            other => other.map(|number| number.to_string()).unwrap_or_default(),
        };
        if self.change("wifi.mode", word(has), word(Some(wanted.number()))) {
            let request = WifiPort::request_state_change(wanted.number());
            self.write(request).await.map_err(|error| refused("wifi.mode", error))?;
        }
        Ok(())
    }

    /// What differs is removed first and then made anew: priorities are unique at every moment.
    async fn networks(&mut self, networks: &[WifiProfile], remove_others: bool) -> Result<(), Failure> {
        let installed = all(&mut self.session, Step::Configure, SETTINGS).await?;
        let mut missing = Vec::new();
        for (index, network) in networks.iter().enumerate() {
            let at = format!("wifi.profiles[{index}]");
            let Some(login) = self.network_login(&at, network).await? else { continue };
            let has = installed.iter().find(|has| id(has).is_some_and(|id| is_named(id, &network.name)));
            let Some(has) = has else {
                if self.change(&at, "", describe(network) + &login.wanted.describe()) {
                    missing.push((at, network, login));
                }
                continue;
            };
            let (old, new) = (describe_installed(has), describe(network));
            let secret = self.network_secret_differs(&at, network)?;
            let other_certificates = self.certificates_differ(network, &login);
            let (same, certificates) = (old == new, (login.has.describe(), login.wanted.describe()));
            let write = match (same && !other_certificates, secret) {
                (false, _) => self.change(&at, old + &certificates.0, new + &certificates.1),
                (true, Some(field)) => self.change(field, "(not known)", "(secret)"),
                (true, None) => false,
            };
            // What differs in the case of its name only can't be replaced by name.
            let in_place = same && id(has).is_some_and(|id| id.ends_with(&network.name));
            if write && in_place {
                // The machine may be reached by this network.
                self.write_network(&at, network, &login, true).await?;
            } else if write {
                self.remove_network(&at, id(has).unwrap_or_default()).await?;
                missing.push((at, network, login));
            }
        }
        if remove_others {
            for has in &installed {
                // Those of the machine's user have priority 0 or no key.
                let Some(id) = id(has).filter(|_| has.u32("Priority").is_some_and(|priority| priority > 0)) else {
                    continue;
                };
                let listed = networks.iter().any(|network| is_named(id, &network.name));
                if !listed && self.change("wifi.remove_others", describe_installed(has), "") {
                    self.remove_network("wifi.remove_others", id).await?;
                }
            }
        }
        for (at, network, login) in missing {
            self.write_network(&at, network, &login, false).await?;
        }
        Ok(())
    }

    /// How the machine logs in to a network; nothing if it lacks a certificate for it.
    async fn network_login(&mut self, at: &str, network: &WifiProfile) -> Result<Option<NetworkLogin>, Failure> {
        let mut found = NetworkLogin::default();
        let Some(login) = &network.ieee8021x else { return Ok(Some(found)) };
        let field = format!("{at}.ieee8021x");
        if login.by_certificate() {
            found.client = self.client(&field).await?;
            if found.client.is_none() {
                // What the machine has stays until an authority gives a certificate.
                return Ok(None);
            }
        }
        if login.by_certificate() || login.server_root.is_some() {
            let user = User::Wireless(Ieee8021xSettings::id(&network.name));
            (found.has, found.wanted) = self.certificates(&field, &user, login, found.client.as_ref()).await?;
        }
        Ok(Some(found))
    }

    /// Whether a network has other certificates than it shall have. Firmware that does not tell them is believed to have what was written.
    fn certificates_differ(&self, network: &WifiProfile, login: &NetworkLogin) -> bool {
        let untold = login.has == Certificates::default();
        login.has != login.wanted && !(untold && self.record.has(&certified(network), &login.wanted.describe().into()))
    }

    /// The field of the secret that is not the one written last.
    fn network_secret_differs(&self, at: &str, network: &WifiProfile) -> Result<Option<String>, Failure> {
        let Some(field) = secret_field(at, network) else { return Ok(None) };
        Ok(self.secret_differs(&field, &remembered(network))?.then_some(field))
    }

    async fn remove_network(&mut self, field: &str, id: &str) -> Result<(), Failure> {
        match self.write(Request::delete(SETTINGS).selector("InstanceID", id)).await {
            // Absent: an earlier answer was lost.
            Err(error) if !error.is_fault("DestinationUnreachable") => Err(refused(field, error)),
            _ => Ok(()),
        }
    }

    /// Adds a network, or replaces the one of its name.
    async fn write_network(
        &mut self,
        at: &str,
        network: &WifiProfile,
        certificates: &NetworkLogin,
        is_there: bool,
    ) -> Result<(), Failure> {
        let WifiProfile { name, ssid, priority, security, .. } = network;
        let passphrase = self.named_secret(&format!("{at}.passphrase"), network.passphrase.is_some())?;
        let mut written = cim::WifiProfile::new(name, ssid, security.number(), encryption(network), *priority);
        if let Some(passphrase) = &passphrase {
            written = written.passphrase(passphrase);
        }
        let login = network.ieee8021x.as_ref();
        let has_password = login.is_some_and(|login| login.password.is_some());
        let password = self.named_secret(&format!("{at}.ieee8021x.password"), has_password)?;
        let user = certificates.client.as_ref().map(|client| client.name.as_str());
        let login = login.map(|login| written_login(name, login, user, password.as_ref()));
        let login = login.as_ref();
        let Certificates { client, root } = &certificates.wanted;
        let (client, root) = (client.as_deref().map(reference), root.as_deref().map(reference));
        let (client, root) = (client.as_ref(), root.as_ref());
        let request = match is_there {
            true => WifiPortConfigurationService::update_wifi_settings(name, &written, login, client, root),
            false => WifiPortConfigurationService::add_wifi_settings(&written, login, client, root),
        };
        self.write(request).await.map_err(|error| refused(at, error))?;
        if certificates.wanted != Certificates::default() {
            self.record.written(&certified(network), &certificates.wanted.describe().into());
            self.keep().await?;
        }
        match secret_field(at, network) {
            Some(field) => self.secret_written(&field, &remembered(network)).await,
            None => Ok(()),
        }
    }

    fn named_secret(&self, field: &str, wanted: bool) -> Result<Option<Secret<String>>, Failure> {
        if wanted { self.desired.secret(field).cloned().map(Some) } else { Ok(None) }
    }
}

/// What 802.1X of a network needs besides the profile.
#[derive(Default)]
struct NetworkLogin {
    client: Option<Client>,
    has: Certificates,
    wanted: Certificates,
}

/// `user`: where the profile names none.
fn written_login<'a>(
    name: &'a str,
    login: &'a Ieee8021x,
    user: Option<&'a str>,
    password: Option<&'a Secret<String>>,
) -> cim::Ieee8021x<'a> {
    let mut written = cim::Ieee8021x::new(name, login.protocol.map_or(0, Protocol::number));
    if let Some(user) = login.user.as_deref().or(user) {
        written = written.username(user);
    }
    if let Some(password) = password {
        written = written.password(password);
    }
    if let Some(domain) = &login.domain {
        written = written.domain(domain);
    }
    if let Some(identity) = &login.roaming_identity {
        written = written.roaming_identity(identity);
    }
    if let Some(server) = &login.server_name {
        // 2 the whole name, 3 its end.
        written = written.server_name(server, if login.server_name_match == Some(ServerName::Suffix) { 3 } else { 2 });
    }
    written
}

impl WifiMode {
    /// `RequestedState` and `EnabledState`.
    const fn number(self) -> u32 {
        match self {
            Self::Off => WifiPort::OFF,
            Self::S0 => WifiPort::ON_IN_S0,
            Self::S0Sx => WifiPort::ON_IN_SX,
        }
    }
}

impl WifiSecurity {
    /// `AuthenticationMethod`.
    const fn number(self) -> u32 {
        match self {
            Self::WpaPsk => WifiEndpointSettings::WPA_PSK,
            Self::WpaIeee8021x => WifiEndpointSettings::WPA_8021X,
            Self::Wpa2Psk => WifiEndpointSettings::WPA2_PSK,
            Self::Wpa2Ieee8021x => WifiEndpointSettings::WPA2_8021X,
            Self::Wpa3Sae => WifiEndpointSettings::WPA3_SAE,
        }
    }
}

impl Protocol {
    /// `AuthenticationProtocol` of the newer classes.
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::Tls => 0,
            Self::TtlsMschapv2 => 1,
            Self::PeapMschapv2 => 2,
            Self::PeapGtc => 3,
            Self::FastMschapv2 => 4,
            Self::FastGtc => 5,
            Self::FastTls => 10,
        }
    }
}

/// `EncryptionMethod`.
fn encryption(network: &WifiProfile) -> u32 {
    match network.encryption {
        Some(Encryption::Tkip) => WifiEndpointSettings::TKIP,
        Some(Encryption::Ccmp) | None => WifiEndpointSettings::CCMP,
    }
}

fn id(instance: &Instance) -> Option<&str> {
    instance.text("InstanceID").filter(|id| !id.is_empty())
}

fn is_named(id: &str, name: &str) -> bool {
    id.strip_prefix(WifiEndpointSettings::ID_PREFIX).unwrap_or(id).eq_ignore_ascii_case(name)
}

fn secret_field(at: &str, network: &WifiProfile) -> Option<String> {
    let login = network.ieee8021x.as_ref().and_then(|login| login.password.as_ref());
    match (&network.passphrase, login) {
        (Some(_), _) => Some(format!("{at}.passphrase")),
        (None, Some(_)) => Some(format!("{at}.ieee8021x.password")),
        (None, None) => None,
    }
}

/// Under which name the record keeps the digest of a network's secret: the place in the list may change.
fn remembered(network: &WifiProfile) -> String {
    format!("wifi.network {}", network.name.to_lowercase())
}

/// Under which name the record keeps what certificates a network was given.
fn certified(network: &WifiProfile) -> String {
    format!("wifi.certificates {}", network.name.to_lowercase())
}

fn describe(network: &WifiProfile) -> String {
    words(&network.ssid, network.priority, network.security.number(), encryption(network))
}

fn describe_installed(has: &Instance) -> String {
    let number = |name| has.u32(name).unwrap_or_default();
    let (priority, security) = (number("Priority"), number("AuthenticationMethod"));
    words(has.text("SSID").unwrap_or_default(), priority, security, number("EncryptionMethod"))
}

fn words(ssid: &str, priority: u32, security: u32, encryption: u32) -> String {
    let security = match security {
        4 => "wpa-psk",
        5 => "wpa-ieee8021x",
        6 => "wpa2-psk",
        7 => "wpa2-ieee8021x",
        32_768 => "wpa3-sae",
        _ => "other",
    };
    let encryption = match encryption {
        3 => "tkip",
        4 => "ccmp",
        _ => "other",
    };
    format!("{ssid:?}, priority {priority}, {security}, {encryption}")
}
