//! Machines that are set up, reached with a password of their administrator: what they say of themselves, and a boot from
//! one source once.

use crate::certificate::ProvisioningCertificate;
use crate::driver::{Keep, NoRecord, Way, drive, drive_by};
use crate::host::Host;
use crate::kerberos::Tickets;
use crate::place::{Place, interface};
use crate::provision::chains;
use crate::random_seed;
use crate::tls::{Chains, ClientCertificates};
use amt_core::hello::Hello;
use amt_core::pki::choose::ChooseInput;
use amt_core::tls::{LegacyTls, PeerIdentity, Rung};
use amt_core::{Failure, FirmwareVersion, Secret, SystemId};
use amt_provision::boot::{Boot, Booted, SETTLE};
use amt_provision::facts::Facts;
use amt_provision::plan::GUESS_SPACING;
use amt_provision::{Access, BootRecord, MachineFacts};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Which machine, where, and what opens it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Target {
    /// The machine; another that answers at its address is left alone.
    pub id: SystemId,
    /// Where it is.
    pub address: IpAddr,
    /// Number of the interface of this computer that leads there, for an address that counts on one link only (`fe80::1%eth0`); 0: none
    /// is named.
    pub interface: u32,
    /// TLS port, 16993.
    pub port: u16,
    /// Whom to accept: the certificate that the machine was given at setup.
    pub identity: PeerIdentity,
    /// Passwords of `admin`, likeliest first.
    pub admin_passwords: Vec<Secret<String>>,
    /// Tickets to log in with instead, for [`read_facts`] only: as much is read as the user's realms allow.
    pub tickets: Option<Tickets>,
    /// Time between two different passwords.
    pub guess_spacing: Duration,
    /// Provisioning certificates to present to a machine in setup mode. One that is set up asks for none.
    pub certificates: Arc<[ProvisioningCertificate]>,
    /// Certificates to show to a set-up machine that lets only those in whose certificate it trusts (mutual TLS).
    pub client: ClientCertificates,
    /// The hello of a machine in setup mode: chooses among certificates.
    pub hello: Option<Hello>,
    /// DNS suffix of its network, if known: chooses among certificates.
    pub suffix: Option<String>,
    /// Firmware version, if it is known: chooses the TLS engine.
    pub version: Option<FirmwareVersion>,
    /// The rung of the TLS ladder on which the machine was reached last.
    pub rung: Option<Rung>,
    /// Whether old TLS may be used.
    pub legacy_tls: LegacyTls,
}

impl Target {
    /// A machine that is set up.
    pub fn new(id: SystemId, address: IpAddr, identity: PeerIdentity, admin_passwords: Vec<Secret<String>>) -> Self {
        Self {
            id,
            address,
            interface: 0,
            port: 16993,
            identity,
            admin_passwords,
            tickets: None,
            guess_spacing: GUESS_SPACING,
            certificates: Arc::new([]),
            client: ClientCertificates::default(),
            hello: None,
            suffix: None,
            version: None,
            rung: None,
            legacy_tls: LegacyTls::default(),
        }
    }

    /// The same at `place`: its address, its interface, its port.
    #[must_use]
    pub fn at(mut self, place: SocketAddr) -> Self {
        (self.address, self.interface, self.port) = (place.ip(), interface(place), place.port());
        self
    }

    pub(crate) const fn place(&self) -> Place {
        Place { address: self.address, interface: self.interface }
    }

    pub(crate) fn access(&self) -> Result<(Access, Chains), Failure> {
        let (hello, suffix) = (self.hello.as_ref(), self.suffix.as_deref());
        let input = ChooseInput { hello, suffix, firmware: self.version, remembered: None };
        let (chains, candidates) = chains(&self.certificates, None, &input)?;
        let authority = SocketAddr::new(self.address, self.port).to_string();
        let mut access =
            Access::new(self.id, authority, self.port, self.identity.clone(), self.admin_passwords.clone());
        access.candidates = candidates;
        access.guess_spacing = self.guess_spacing;
        (access.version, access.rung, access.legacy_tls) = (self.version, self.rung, self.legacy_tls);
        access.client = self.client.preferred();
        access.seed = random_seed()?;
        Ok((access, Chains { provisioning: chains, client: self.client.clone() }))
    }
}

/// Reads what the machine says of itself: names, addresses, firmware, control mode, who set it up. Nothing is changed and
/// nothing is made durable; of `host` only [`event`](Host::event) is called.
///
/// A machine in setup mode takes a provisioning certificate that is presented to it for the beginning of a setup, and goes back by
/// itself when its window ends.
///
/// # Errors
/// `WRONG_MACHINE` if another answers, `ADMIN_PASSWORD_UNKNOWN` if no password opens it, 2xxx for what it answered, 4xxx and 6xxx
/// for the connection.
pub async fn read_facts<H: Host>(target: Target, host: &H) -> Result<MachineFacts, Failure> {
    let (mut access, chains) = target.access()?;
    access.tickets = target.tickets.is_some();
    let way = Way::Network(target.place(), target.tickets);
    drive_by(way, &mut Facts::new(access).start(), target.id, &chains, host, &NoRecord).await
}

/// The embedder's side of a boot.
pub trait BootHost: Host {
    /// Makes `record` durable, as [`persist`](Host::persist) does for a setup. The computer is started only after that.
    fn persist_boot(&self, record: &BootRecord) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// One boot of one machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BootJob {
    /// How the machine is reached.
    pub target: Target,
    /// What an earlier attempt made durable, or a new record.
    pub record: BootRecord,
    /// How long its BIOS may take to use the source.
    pub settle: Duration,
}

impl BootJob {
    /// A boot of `target`, new or to be gone on with.
    pub const fn new(target: Target, record: BootRecord) -> Self {
        Self { target, record, settle: SETTLE }
    }
}

/// Boots the machine from one source, once, and sees it done (`spec/wsman.md` §3.11).
///
/// The future may be dropped at any await: started again with the record that `host` was asked to keep last, it finds out from the
/// machine whether the boot took place.
///
/// # Errors
/// As [`read_facts`]; `WRONG_STATE` if the machine is not set up or cannot be started, `RETURN_VALUE` and `SOAP_FAULT` if the
/// firmware refused (the source is taken back then), `PROOF_FAILED` if the source was not seen used in time.
pub async fn boot_once<H: BootHost>(job: BootJob, host: &H) -> Result<Booted, Failure> {
    let (access, chains) = job.target.access()?;
    let mut boot = Boot::new(access, job.record);
    boot.settle = job.settle;
    drive(&mut boot.start(), job.target.id, job.target.place(), &chains, host, &BootRecords(host)).await
}

/// The embedder keeps the records of a boot.
struct BootRecords<'h, H>(&'h H);

impl<H: BootHost> Keep<BootRecord> for BootRecords<'_, H> {
    async fn keep(&self, record: &BootRecord) -> Result<(), Failure> {
        self.0.persist_boot(record).await
    }
}
