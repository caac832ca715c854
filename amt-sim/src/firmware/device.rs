//! The machine's own state: what is in flash, what is staged until CommitChanges, what runs.

use super::MachineConfig;
use super::eap::WiredEap;
use super::host::Host;
use super::kerberos::Switches;
use super::local::{LocalState, SYSTEM_ACCOUNT};
use super::logs::Logs;
use super::record::SetupRecord;
use super::redirection::Sessions;
use super::remote_access::RemoteAccess;
use super::settings::Settings;
use super::wireless::Wireless;
use crate::chain::{ChainRules, RootHash};
use crate::digest::{ha1, hex};
use crate::keys::{DeviceKey, KeySize};
use crate::persona::SetupLogin;
use crate::seed::Seeded;
use crate::{certificate, keys, ondie};
use amt_core::psk::PskPair;
use amt_core::{Secret, Tick};
use sha2::{Digest, Sha256};
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Where a machine stands (`AMT_SetupAndConfigurationService.ProvisioningState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// 0: factory-fresh, or fallen back.
    Pre,
    /// 1: a setup server was accepted.
    In,
    /// 2: set up.
    Post,
}

impl Phase {
    /// `ProvisioningState`.
    pub const fn number(self) -> u32 {
        match self {
            Self::Pre => 0,
            Self::In => 1,
            Self::Post => 2,
        }
    }

    /// Name in the truth file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::In => "in",
            Self::Post => "post",
        }
    }
}

/// How a machine was set up before it came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// By its own user: client control mode.
    Client,
    /// By an administrator: admin control mode.
    Admin,
}

/// A password as firmware keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredPassword {
    pub(crate) ha1: [u8; 16],
    /// SHA-256 of the password where it was sent in the clear (the setup menu's).
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) is_factory: bool,
    /// The password itself, where the firmware was told it: the setup menu's counts under every realm.
    clear: Option<Secret<String>>,
}

impl StoredPassword {
    pub(crate) fn of(realm: &str, password: &str, is_factory: bool) -> Self {
        let sha256 = Some(Sha256::digest(password.as_bytes()).into());
        Self { ha1: ha1("admin", realm, password), sha256, is_factory, clear: Some(password.into()) }
    }

    /// A password of which the firmware was told the digest alone.
    pub(crate) const fn hashed(ha1: [u8; 16]) -> Self {
        Self { ha1, sha256: None, is_factory: false, clear: None }
    }

    /// The same password under another realm; one that was never told counts under its own alone.
    fn under(mut self, realm: &str) -> Self {
        if let Some(clear) = &self.clear {
            self.ha1 = ha1("admin", realm, clear.expose());
        }
        self
    }
}

/// Who an entry of the access control list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// Logs in by digest.
    Digest { name: String, ha1: [u8; 16] },
    /// A user or group of a domain: its binary SID.
    Kerberos(Vec<u8>),
    /// Of the firmware's own, without a login over the network.
    System(&'static str),
}

/// A further user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) handle: u32,
    pub(crate) who: Principal,
    /// 0 from the machine's own system, 1 from the network, 2 from both.
    pub(crate) access: u32,
    pub(crate) realms: Vec<u32>,
    pub(crate) enabled: bool,
}

impl User {
    pub(crate) fn is_digest(&self, user: &str) -> bool {
        matches!(&self.who, Principal::Digest { name, .. } if name == user)
    }

    /// Entries of the firmware's own, which can be switched off and not removed.
    fn system() -> Vec<Self> {
        let entry = |handle, name, realm| Self {
            handle,
            who: Principal::System(name),
            access: 0,
            realms: vec![realm],
            enabled: true,
        };
        vec![entry(1, "$$OsAdmin", 24), entry(2, "$$uns", 16)]
    }
}

/// A key pair in the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredKey {
    pub(crate) handle: u32,
    pub(crate) key: DeviceKey,
}

/// A certificate in the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredCertificate {
    pub(crate) handle: u32,
    pub(crate) der: Vec<u8>,
    pub(crate) trusted_root: bool,
    /// Handle of its private key.
    pub(crate) key: Option<u32>,
}

/// One `AMT_TLSSettingData` instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsInstance {
    pub(crate) enabled: bool,
    pub(crate) mutual: bool,
    pub(crate) accept_non_secure: bool,
    pub(crate) trusted_names: Vec<String>,
}

impl TlsInstance {
    const FACTORY: Self = Self { enabled: false, mutual: false, accept_non_secure: true, trusted_names: Vec::new() };
}

/// What CommitChanges takes over as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsState {
    pub(crate) remote: TlsInstance,
    pub(crate) local: TlsInstance,
    /// Handle of the certificate bound to the TLS service.
    pub(crate) certificate: Option<u32>,
}

impl TlsState {
    const FACTORY: Self = Self { remote: TlsInstance::FACTORY, local: TlsInstance::FACTORY, certificate: None };
}

/// `AMT_GeneralSettings` as far as it can be set.
#[derive(Clone, Debug)]
pub(crate) struct General {
    pub(crate) host_name: String,
    pub(crate) domain_name: String,
    pub(crate) ping: bool,
    pub(crate) rmcp_ping: bool,
    pub(crate) wsman_only: bool,
    pub(crate) shared_fqdn: bool,
    pub(crate) ddns: bool,
    pub(crate) ddns_by_dhcp: bool,
    pub(crate) ddns_interval: u32,
    pub(crate) ddns_ttl: u32,
    pub(crate) idle_wake: u32,
    pub(crate) network_enabled: bool,
    pub(crate) privacy_level: u32,
    pub(crate) preferred_family: u32,
    pub(crate) presence_interval: u32,
    pub(crate) host_os_fqdn: String,
}

/// The wired `AMT_EthernetPortSettings`.
#[derive(Clone, Debug)]
pub(crate) struct Wired {
    pub(crate) dhcp: bool,
    pub(crate) ip_sync: bool,
    pub(crate) shared_static: bool,
    pub(crate) address: Option<String>,
    pub(crate) mask: Option<String>,
    pub(crate) gateway: Option<String>,
    pub(crate) primary_dns: Option<String>,
    pub(crate) secondary_dns: Option<String>,
}

/// Consequences of a call that come after its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// An ACL entry changed: every login is asked for anew.
    AclChanged,
    /// The network stack restarts after CommitChanges.
    Committed,
    /// The machine goes back to the factory state.
    Unprovisioned,
    /// The machine goes back to setup, with its names and its administrator.
    PartlyUnprovisioned,
    /// The machine was set up from its own system.
    SetUpByHost,
    /// The setup window ends now.
    WindowClosed,
}

/// The device.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) config: MachineConfig,
    pub(crate) choices: Seeded,
    pub(crate) phase: Phase,
    /// 0 none, 1 client, 2 admin.
    pub(crate) control_mode: u32,
    pub(crate) window_end: Option<Tick>,
    pub(crate) realm: String,
    realm_generation: u32,
    pub(crate) admin: StoredPassword,
    pub(crate) mebx: StoredPassword,
    pub(crate) users: Vec<User>,
    pub(crate) next_user: u32,
    pub(crate) keys: Vec<StoredKey>,
    keys_made: usize,
    pub(crate) key_ready: Option<Tick>,
    pub(crate) certificates: Vec<StoredCertificate>,
    pub(crate) staged: TlsState,
    pub(crate) active: TlsState,
    pub(crate) general: General,
    pub(crate) wired: Wired,
    pub(crate) wireless: Wireless,
    pub(crate) remote_access: RemoteAccess,
    pub(crate) switches: Switches,
    pub(crate) wired_eap: WiredEap,
    pub(crate) otp: Option<String>,
    pub(crate) psk: Option<PskPair>,
    /// Whether the pair came by SetTLSPSK during this setup.
    psk_is_fresh: bool,
    clock_offset: i64,
    pub(crate) clock_set: bool,
    pub(crate) record: Option<SetupRecord>,
    /// The chain that was accepted last in setup mode.
    pub(crate) accepted: Vec<Vec<u8>>,
    factory_certificate: (DeviceKey, Arc<Vec<u8>>),
    /// What the chip's own authority vouches for, leaf first; made when it is first asked for.
    ondie: OnceLock<Vec<Vec<u8>>>,
    pub(crate) nonce: [u8; 20],
    /// What its own system has done: a chain under way, a secure setup, switches.
    pub(crate) local: LocalState,
    pub(crate) effects: Vec<Effect>,
    pub(crate) commits: u64,
    /// Whether the last request to take back the setup failed because of the auditor.
    pub(crate) blocked_by_auditor: bool,
    pub(crate) link_policy: Vec<u32>,
    pub(crate) redirection: (u32, bool),
    pub(crate) sessions: Sessions,
    pub(crate) host: Host,
    /// What a configuration profile sets.
    pub(crate) settings: Settings,
    pub(crate) logs: Logs,
}

impl Device {
    pub(crate) fn new(config: MachineConfig) -> Self {
        let mut choices = Seeded::new(config.seed, "device");
        let base = usize::try_from(choices.below(keys::POOL_SIZE as u64)).unwrap_or(0);
        let own = &config.persona.self_signed;
        let own_key = own.bits.key(base);
        let certificate = certificate::self_signed(own, own_key, choices.bytes());
        let realm = realm(&config, 0);
        let factory = config.persona.login.factory_password.clone();
        let key_ready = choices.percent(config.persona.keys.not_ready_percent).then_some(Tick(u64::MAX));
        let mut device = Self {
            phase: Phase::Pre,
            control_mode: 0,
            window_end: None,
            realm_generation: 0,
            admin: StoredPassword::of(&realm, &factory, true),
            mebx: StoredPassword::of(&realm, &factory, true),
            realm,
            users: User::system(),
            next_user: 3,
            keys: Vec::new(),
            keys_made: base + 1,
            key_ready,
            certificates: Vec::new(),
            staged: TlsState::FACTORY,
            active: TlsState::FACTORY,
            general: General {
                host_name: config.host_name.clone(),
                domain_name: config.domain_name.clone(),
                ping: true,
                rmcp_ping: true,
                wsman_only: false,
                shared_fqdn: true,
                ddns: false,
                ddns_by_dhcp: true,
                ddns_interval: 1440,
                ddns_ttl: 900,
                idle_wake: 65_535,
                network_enabled: true,
                privacy_level: 0,
                preferred_family: 0,
                presence_interval: 0,
                host_os_fqdn: config.host_os_fqdn.clone(),
            },
            wired: Wired {
                dhcp: true,
                ip_sync: true,
                shared_static: false,
                address: None,
                mask: None,
                gateway: None,
                primary_dns: None,
                secondary_dns: None,
            },
            wireless: Wireless::FACTORY,
            remote_access: RemoteAccess::FACTORY,
            switches: Switches::FACTORY,
            wired_eap: WiredEap::FACTORY,
            otp: config.otp.clone(),
            psk: config.psk.clone(),
            psk_is_fresh: false,
            // A factory clock is far off.
            clock_offset: 946_684_800 - config.wall_clock,
            clock_set: false,
            record: config.earlier_setup.clone(),
            accepted: Vec::new(),
            factory_certificate: (DeviceKey::Pool(own_key), Arc::new(certificate)),
            ondie: OnceLock::new(),
            nonce: choices.bytes(),
            local: LocalState::new(&config, &mut choices),
            effects: Vec::new(),
            commits: 0,
            blocked_by_auditor: false,
            link_policy: vec![1, 14],
            redirection: (32_768, false),
            sessions: Sessions::default(),
            host: Host::new(config.host_agent),
            settings: Settings::factory(&config.persona),
            logs: Logs::default(),
            choices,
            config,
        };
        if let Some(password) = device.config.admin_password.clone() {
            device.admin = StoredPassword::of(&device.realm, password.expose(), false);
        }
        if let Some(password) = device.config.mebx_password.clone() {
            device.mebx = StoredPassword::of(&device.realm, password.expose(), false);
        }
        if let Some(set_up) = device.config.set_up {
            device.phase = Phase::Post;
            device.control_mode = match set_up {
                SetUp::Client => 1,
                SetUp::Admin => 2,
            };
            // As CommitChanges would have demanded it: a bound certificate, a name, no factory password in the setup menu.
            let (key, certificate) = device.factory_certificate.clone();
            let key = device.store_key(key);
            device.staged.certificate = Some(device.store_certificate(certificate.to_vec(), false, Some(key)));
            if device.general.host_name.is_empty() {
                device.general.host_name = "virtual".to_owned();
            }
            if device.config.mebx_password.is_none() && device.mebx.is_factory {
                device.mebx = device.admin.clone();
            }
            device.staged.remote.enabled = true;
            device.active = device.staged.clone();
            (device.clock_offset, device.clock_set) = (0, true);
        }
        device
    }

    /// Whether setup mode answers on 16993.
    pub(crate) fn window_open(&self, now: Tick) -> bool {
        self.phase != Phase::Post && self.window_end.is_some_and(|end| now < end)
    }

    pub(crate) fn open_window(&mut self, now: Tick, hours: u64) {
        self.window_end = Some(now.after(Duration::from_secs(hours * 3600)));
    }

    /// Its address: the fixed one, or what came from elsewhere.
    pub(crate) fn address(&self) -> Option<Ipv4Addr> {
        let fixed = self.wired.address.as_ref().and_then(|address| address.parse().ok());
        fixed.or(self.config.address)
    }

    /// Seconds since 1970 by the machine's own clock.
    pub(crate) fn clock(&self, now: Tick) -> i64 {
        // The clock ticks in real time even where the machine's timers are sped up.
        let seconds = now.0 as f64 / 1000.0 / self.config.time_scale;
        self.config.wall_clock + self.clock_offset + seconds as i64
    }

    pub(crate) fn set_clock(&mut self, now: Tick, unix: i64) {
        self.clock_offset += unix - self.clock(now);
        self.clock_set = true;
    }

    /// Rules for the chain of a setup server.
    pub(crate) fn chain_rules(&self, now: Tick) -> ChainRules {
        let chain = &self.config.persona.chain;
        ChainRules {
            roots: self.config.roots.clone(),
            suffix: self.config.suffix.clone(),
            told_suffixes: Vec::new(),
            min_rsa_bits: chain.min_rsa_bits,
            allow_sha1: chain.allow_sha1,
            now: chain.enforce_expiry.then(|| self.clock(now)),
        }
    }

    /// The HA1 that opens the machine for `user` at this moment.
    pub(crate) fn secret(&self, user: &str, local: bool) -> Option<[u8; 16]> {
        if local && user.eq_ignore_ascii_case(SYSTEM_ACCOUNT) {
            return Some(ha1(user, &self.realm, self.local.system_password.expose()));
        }
        // Before setup its own system has no other account, unless a setup server's certificate opened the session.
        if local && self.phase == Phase::Pre {
            return None;
        }
        if user != "admin" {
            let from = if local { 0 } else { 1 };
            let found = self.users.iter().filter(|_| self.phase == Phase::Post);
            return found.filter(|u| u.enabled && (u.access == 2 || u.access == from)).find_map(|u| match &u.who {
                Principal::Digest { name, ha1 } if name == user => Some(*ha1),
                _ => None,
            });
        }
        if self.phase == Phase::Post {
            return Some(self.admin.ha1);
        }
        match self.config.persona.login.setup {
            SetupLogin::None => None,
            SetupLogin::Mebx => Some(self.mebx.ha1),
            SetupLogin::Empty if self.admin.is_factory => Some(ha1("admin", &self.realm, "")),
            SetupLogin::Empty | SetupLogin::Factory => Some(self.admin.ha1),
        }
    }

    /// Whether a login is asked for at all.
    pub(crate) fn login_required(&self, local: bool) -> bool {
        (local && self.phase == Phase::Pre)
            || self.phase == Phase::Post
            || self.config.persona.login.setup != SetupLogin::None
    }

    /// The served certificate and its key.
    pub(crate) fn served(&self) -> (Arc<Vec<u8>>, DeviceKey) {
        let bound = (self.phase == Phase::Post).then_some(self.active.certificate).flatten();
        let bound = bound.and_then(|handle| self.certificate(handle));
        if let Some(bound) = bound
            && let Some(key) = bound.key.and_then(|handle| self.key(handle))
        {
            return (Arc::new(bound.der.clone()), key.key.clone());
        }
        (Arc::clone(&self.factory_certificate.1), self.factory_certificate.0.clone())
    }

    /// The same for the local TLS port, with the leaf's issuers: its own, where one is bound to it, else the chip's.
    pub(crate) fn served_locally(&self) -> (Arc<Vec<u8>>, Vec<Vec<u8>>, DeviceKey) {
        let bound = self.phase == Phase::Post && self.active.local.enabled && self.active.certificate.is_some();
        if bound || !self.config.persona.local.on_die {
            let (certificate, key) = self.served();
            return (certificate, Vec::new(), key);
        }
        let (key, _) = &self.factory_certificate;
        let chain = self.ondie.get_or_init(|| ondie::chain(key, self.config.seed));
        let (leaf, issuers) = chain.split_first().expect("a chain has a leaf");
        (Arc::new(leaf.clone()), issuers.to_vec(), key.clone())
    }

    pub(crate) fn certificate(&self, handle: u32) -> Option<&StoredCertificate> {
        self.certificates.iter().find(|c| c.handle == handle)
    }

    pub(crate) fn key(&self, handle: u32) -> Option<&StoredKey> {
        self.keys.iter().find(|k| k.handle == handle)
    }

    /// Whether TLS, staged or running, or a profile uses this certificate.
    pub(crate) fn certificate_in_use(&self, handle: u32) -> bool {
        self.staged.certificate == Some(handle)
            || self.active.certificate == Some(handle)
            || self.wireless.uses(handle)
            || self.remote_access.uses(handle)
            || self.wired_eap.uses(handle)
    }

    /// A key of this machine's own: the next one of the pool that it does not hold.
    pub(crate) fn make_key(&mut self, size: KeySize) -> u32 {
        let at = |index| DeviceKey::Pool(size.key(index));
        let held = |key: &DeviceKey| self.factory_certificate.0 == *key || self.keys.iter().any(|k| k.key == *key);
        // With more slots than the pool has keys the round ends with one that is held.
        let next = (self.keys_made..self.keys_made + size.pool_size()).find(|index| !held(&at(*index)));
        let index = next.unwrap_or(self.keys_made);
        self.keys_made = index + 1;
        self.store_key(at(index))
    }

    pub(crate) fn store_key(&mut self, key: DeviceKey) -> u32 {
        let handle = lowest_free(self.keys.iter().map(|k| k.handle));
        self.keys.push(StoredKey { handle, key });
        handle
    }

    pub(crate) fn store_certificate(&mut self, der: Vec<u8>, trusted_root: bool, key: Option<u32>) -> u32 {
        let handle = lowest_free(self.certificates.iter().map(|c| c.handle));
        self.certificates.push(StoredCertificate { handle, der, trusted_root, key });
        handle
    }

    /// Replaces the pre-shared key; the next handshake of setup mode wants the new one.
    pub(crate) fn replace_psk(&mut self, pair: PskPair) {
        self.psk = Some(pair);
        self.psk_is_fresh = true;
    }

    /// Setup is complete: a pair that it was done with is gone, a fresh one stays for the next setup.
    pub(crate) fn erase_used_psk(&mut self) {
        if !std::mem::take(&mut self.psk_is_fresh) {
            self.psk = None;
        }
    }

    /// Staged settings are not in flash: a restart without commit loses them.
    pub(crate) fn drop_staged(&mut self) {
        self.staged = self.active.clone();
    }

    /// Back to pre-provisioning: the window ended, or the machine lost power. Passwords stay: they are in flash.
    pub(crate) fn fall_back(&mut self) {
        if self.phase == Phase::In {
            self.phase = Phase::Pre;
        }
        self.accepted.clear();
        self.local.secure = None;
        self.psk_is_fresh = false;
        self.drop_staged();
    }

    /// A nonce is good for one setup.
    pub(crate) fn renew_nonce(&mut self) {
        self.nonce = self.choices.bytes();
    }

    /// Factory state. What is not the setup's stays: the password of the setup menu, the maker's root hashes, from AMT 12.0 on the DNS
    /// suffix too. The realm may be a new one.
    pub(crate) fn unprovision(&mut self) {
        let generation = self.realm_generation + u32::from(!self.config.persona.login.realm_survives_unprovision);
        let mut config = self.config.clone();
        config.admin_password = None;
        config.mebx_password = None;
        let makers = config.roots.len().saturating_sub(std::mem::take(&mut config.own_roots));
        config.roots.truncate(makers);
        if config.persona.version.major < 12 && std::mem::take(&mut config.own_suffix) {
            config.suffix = None;
        }
        config.otp = None;
        config.set_up = None;
        config.host_name.clear();
        config.domain_name.clear();
        config.silent = false;
        config.psk = self.psk.take().filter(|_| self.config.persona.psk.survives_unprovision);
        // What the computer's own system said, and who was here, is not undone with the setup.
        config.host_os_fqdn.clone_from(&self.general.host_os_fqdn);
        config.earlier_setup.clone_from(&self.record);
        let mut host = self.host.clone();
        host.forget_settings();
        let (enabled, random) = (self.local.enabled, self.local.random);
        let choices = self.choices.clone();
        let ondie = std::mem::take(&mut self.ondie);
        let (commits, logs) = (self.commits, self.logs.clone());
        let clock = (self.clock_offset, self.clock_set);
        let mebx = self.mebx.clone();
        let factory_certificate = self.factory_certificate.clone();
        let made = self.keys_made;
        *self = Self::new(config);
        self.realm_generation = generation;
        self.realm = realm(&self.config, generation);
        let factory = self.config.persona.login.factory_password.clone();
        self.admin = StoredPassword::of(&self.realm, &factory, true);
        self.mebx = mebx.under(&self.realm);
        (self.clock_offset, self.clock_set) = clock;
        self.factory_certificate = factory_certificate;
        self.keys_made = made;
        self.commits = commits;
        (self.host, self.logs) = (host, logs);
        (self.local.enabled, self.local.random) = (enabled, random);
        // Neither comes again: a signature for one setup is of no use for the next, nor is a password that was told before it.
        self.ondie = ondie;
        self.choices = choices;
        self.renew_nonce();
        let password: [u8; 12] = self.choices.bytes();
        self.local.system_password = Secret::new(hex(&password));
    }

    /// Setup is taken back, and names, the administrator's login, the pre-shared key and what else the machine was prepared with stay.
    pub(crate) fn unprovision_partly(&mut self) {
        let names = (self.general.host_name.clone(), self.general.domain_name.clone());
        let (admin, realm, generation) = (self.admin.clone(), self.realm.clone(), self.realm_generation);
        let (roots, own_roots) = (self.config.roots.clone(), self.config.own_roots);
        let (suffix, own_suffix) = (self.config.suffix.clone(), self.config.own_suffix);
        let psk = self.psk.clone();
        self.unprovision();
        (self.general.host_name, self.general.domain_name) = names;
        self.mebx = self.mebx.clone().under(&realm);
        (self.admin, self.realm, self.realm_generation) = (admin, realm, generation);
        (self.config.roots, self.config.own_roots) = (roots, own_roots);
        (self.config.suffix, self.config.own_suffix) = (suffix, own_suffix);
        self.psk = psk;
    }

    /// Address of the wired port: locally administered, of this machine alone even where two share a UUID.
    pub(crate) fn mac(&self) -> [u8; 6] {
        let mut hash = Sha256::new();
        hash.update(self.config.id.to_wire());
        hash.update(self.config.seed.to_le_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        [0x02, 0x00, 0x5e, digest[0], digest[1], digest[2]]
    }

    /// Address of the wireless port, where there is one.
    pub(crate) fn wireless_mac(&self) -> [u8; 6] {
        let mut mac = self.mac();
        mac[2] = 0x5f;
        mac
    }

    /// Hashes that the hello lists.
    pub(crate) fn roots(&self) -> &[RootHash] {
        &self.config.roots
    }
}

fn lowest_free(used: impl Iterator<Item = u32> + Clone) -> u32 {
    (0..).find(|n| !used.clone().any(|u| u == *n)).unwrap_or(u32::MAX)
}

fn realm(config: &MachineConfig, generation: u32) -> String {
    let mut hash = Sha256::new();
    hash.update(config.id.to_wire());
    hash.update(config.seed.to_le_bytes());
    hash.update(generation.to_le_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    format!("Digest:{}", hex(&digest[..16]).to_uppercase())
}
