//! The local side: connections from the machine's own system, which no network sees (`spec/heci.md` §5.3, `spec/wsman.md` §3.3).

use super::class::Caller;
use super::connection::Connection;
use super::device::{Device, Phase};
use super::soap::Operation;
use super::{ClientAuth, ConnectionId, Ending, Firmware, MachineConfig, Output, Port, TlsServing};
use crate::chain::ChainFault;
use crate::seed::Seeded;
use amt_core::{Secret, Tick};
use sha2::{Digest, Sha256, Sha384};

/// The account that the firmware gives to its own system.
pub(crate) const SYSTEM_ACCOUNT: &str = "$$osadmin";

/// What StartConfigurationHBased told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecureSetup {
    /// 2 SHA-256, 3 SHA-384.
    pub(crate) algorithm: u8,
    /// Hash of the leaf that may set the machine up.
    pub(crate) leaf: Vec<u8>,
    /// DNS suffixes that it may be for; empty: the machine's own.
    pub(crate) suffixes: Vec<String>,
}

/// What the machine's own system has done and may do.
#[derive(Clone, Debug)]
pub(crate) struct LocalState {
    /// AMT is on.
    pub(crate) enabled: bool,
    /// Remote configuration is on.
    pub(crate) zero_touch: bool,
    /// There are random numbers for keys.
    pub(crate) random: bool,
    /// Client control mode may be set up.
    pub(crate) client_allowed: bool,
    /// Password of [`SYSTEM_ACCOUNT`].
    pub(crate) system_password: Secret<String>,
    /// The chain of AddNextCertInChain, leaf first.
    pub(crate) chain: Vec<Vec<u8>>,
    /// Its root has come.
    pub(crate) chain_complete: bool,
    pub(crate) secure: Option<SecureSetup>,
}

impl LocalState {
    pub(crate) fn new(config: &MachineConfig, choices: &mut Seeded) -> Self {
        let bytes: [u8; 12] = choices.bytes();
        Self {
            enabled: config.amt_enabled,
            zero_touch: config.zero_touch,
            random: config.persona.local.random_ready,
            client_allowed: true,
            system_password: Secret::new(crate::digest::hex(&bytes)),
            chain: Vec::new(),
            chain_complete: false,
            secure: None,
        }
    }
}

impl Device {
    /// Whether the local ports demand TLS.
    pub(crate) fn local_tls(&self) -> bool {
        let persona = &self.config.persona;
        persona.version.capabilities().local_tls_enforced || persona.local.tls_only || self.active.local.enabled
    }

    /// What the caller may do. The system account sets the machine up, and then only reads.
    pub(super) fn permits(&self, caller: &Caller, class: &str, operation: &Operation) -> bool {
        let reads = matches!(operation, Operation::Get | Operation::Enumerate | Operation::Pull | Operation::Release);
        if !caller.local || !caller.user.eq_ignore_ascii_case(SYSTEM_ACCOUNT) {
            return true;
        }
        reads || (class == "IPS_HostBasedSetupService" && self.phase == Phase::Pre)
    }

    /// The certificate of the local TLS port, hashed as StartConfigurationHBased tells it.
    pub(crate) fn local_leaf_hash(&self, algorithm: u8) -> Vec<u8> {
        let (leaf, ..) = self.served_locally();
        digest(algorithm, &leaf)
    }
}

fn digest(algorithm: u8, leaf: &[u8]) -> Vec<u8> {
    match algorithm {
        3 => Sha384::digest(leaf).to_vec(),
        _ => Sha256::digest(leaf).to_vec(),
    }
}

impl Firmware {
    /// What the TLS server of the local port serves now.
    pub fn local_tls(&self, now: Tick) -> TlsServing {
        let (certificate, issuers, key) = self.device.served_locally();
        let client = match &self.device.local.secure {
            Some(secure) => {
                let mut rules = self.device.chain_rules(now);
                rules.told_suffixes.clone_from(&secure.suffixes);
                ClientAuth::Provisioning(rules)
            }
            None => ClientAuth::None,
        };
        TlsServing { certificate, issuers, key, client }
    }

    /// Which local ports take connections: plain, secure.
    pub fn local_ports(&self) -> (bool, bool) {
        if !self.is_amt_up() || self.restart_until.is_some() {
            return (false, false);
        }
        let tls = self.device.local_tls();
        (!tls, tls || self.device.local.secure.is_some())
    }

    /// Whether there is AMT to talk to.
    pub(super) fn is_amt_up(&self) -> bool {
        self.powered && self.device.local.enabled
    }

    pub(super) fn accept_locally(&mut self, now: Tick, id: ConnectionId, port: Port, chain: Vec<Vec<u8>>) {
        let (plain, secure) = self.local_ports();
        let open = match port {
            Port::Plain => plain,
            Port::Secure => secure,
            // Its own system is not served redirection here.
            Port::PlainRedirection | Port::SecureRedirection => false,
        };
        if !open {
            return self.outputs.push_back(Output::Close { connection: id, ending: Ending::Reset });
        }
        self.audit.connections += 1;
        if port == Port::Secure {
            let mut faults = self.local_tls(now).client.judge(&chain);
            if let Some(told) = &self.device.local.secure
                && faults.is_empty()
                && chain.first().is_none_or(|leaf| digest(told.algorithm, leaf) != told.leaf)
            {
                faults.push(ChainFault::NotTold);
            }
            if !faults.is_empty() {
                self.record_refused_chain(now, &faults);
                return self.outputs.push_back(Output::Close { connection: id, ending: Ending::Close });
            }
            if self.device.local.secure.is_some() {
                self.device.accepted = chain;
            }
        }
        let mut connection = Connection::new(port, None);
        connection.local = true;
        self.connections.insert(id, connection);
    }
}
