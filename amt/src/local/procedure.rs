//! Procedures of the machine that this runs on.

use super::{LocalAccess, LocalChannel, NoSigner, RemoteChains, Signer};
use crate::certificate::{self, ProvisioningCertificate};
use crate::driver::{NoRecord, Way, drive_by};
use crate::host::Host;
use crate::provision::Records;
use crate::random_seed;
use crate::tls::{Chains, ClientChain};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_provision::local::status::Status;
use amt_provision::local::{
    Activate, Activated, Extent, LocalStatus, SigningChain, Standing, Start, Started, Stop, Unprovision, Unprovisioned,
};
use amt_provision::machine::Machine;
use amt_provision::plan::GUESS_SPACING;
use amt_provision::remote::ControlMode;
use amt_provision::{CaAnswer, CertificateRequest, Event, Plan, Record};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where no machine is meant in particular: before its firmware has said which it is.
const NOBODY: SystemId = SystemId::from_wire([0; 16]);

/// A machine that is to be activated from its own system.
#[derive(Clone)]
#[non_exhaustive]
pub struct ActivateJob {
    /// What an earlier attempt made durable, or a new record of this machine.
    pub record: Record,
    /// The desired state: passwords, names.
    pub plan: Plan,
    /// The control mode to be reached.
    pub mode: ControlMode,
    /// Provisioning certificates, likeliest first; for admin control mode.
    pub certificates: Arc<[ProvisioningCertificate]>,
    /// Chains whose keys are elsewhere, in place of certificates.
    pub remote: Option<RemoteChains>,
    /// Whom to accept on the local TLS port of newer firmware.
    pub identity: PeerIdentity,
    /// Whether AMT may be switched on where it is off.
    pub enable: bool,
    /// Whether admin control mode is set up over TLS also by firmware that does not demand it.
    pub secure: bool,
    /// DNS suffixes that the certificate may be for; empty: the firmware's own.
    pub suffixes: Vec<String>,
}

impl ActivateJob {
    /// An activation of the machine of `record`.
    pub fn new(record: Record, plan: Plan, mode: ControlMode) -> Self {
        Self {
            record,
            plan,
            mode,
            certificates: Arc::new([]),
            remote: None,
            identity: PeerIdentity::Any,
            enable: false,
            secure: false,
            suffixes: Vec::new(),
        }
    }
}

/// A machine whose setup is to be taken back from its own system.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnprovisionJob {
    /// The machine's record: its passwords.
    pub record: Record,
    /// How much.
    pub extent: Extent,
    /// Whom to accept on the local TLS port of newer firmware.
    pub identity: PeerIdentity,
    /// Time between two different passwords.
    pub guess_spacing: Duration,
}

impl UnprovisionJob {
    /// A full unprovision of the machine of `record`.
    pub const fn new(record: Record) -> Self {
        Self { record, extent: Extent::Full, identity: PeerIdentity::Any, guess_spacing: GUESS_SPACING }
    }
}

/// Reads everything that the firmware tells its own system. Changes nothing.
///
/// # Errors
/// 3xxx: what stands between this program and AMT.
pub async fn status(access: &LocalAccess) -> Result<LocalStatus, Failure> {
    silently(access, Status::default().start()).await
}

/// Opens the window of remote configuration: the machine says hello until a setup server has set it up (`spec/heci.md` §6).
///
/// # Errors
/// What would let the machine wait in vain, each with its own code; 3xxx for the way to the firmware.
pub async fn start_hello(access: &LocalAccess, job: Start) -> Result<Started, Failure> {
    silently(access, job.start()).await
}

/// Closes that window.
///
/// # Errors
/// 3xxx for the way to the firmware, `WRONG_STATE` if it stays in its setup.
pub async fn stop_hello(access: &LocalAccess) -> Result<Standing, Failure> {
    silently(access, Stop::default().start()).await
}

/// Takes this machine to client or admin control mode, with the steps of [`Step`](amt_provision::Step) reported to `host`.
///
/// The future may be dropped at any await: started again with the record that `host` was asked to keep last, it goes on from the
/// firmware's state.
///
/// # Errors
/// The first thing that could not be done, with the step as its stage.
pub async fn activate<H: Host>(access: &LocalAccess, job: ActivateJob, host: &H) -> Result<Activated, Failure> {
    let id = job.record.id;
    let mut activate = Activate::new(job.record, job.plan, job.mode);
    let mut chains = Vec::new();
    if let Some(remote) = &job.remote {
        for known in remote.iter() {
            let chain = certificate::chain(&known.facts, None);
            chains.push(ClientChain::remote(&chain, Arc::clone(&known.signer), known.index));
            activate.chains.push(SigningChain(chain));
        }
    } else {
        for certificate in &*job.certificates {
            let chain = certificate.chain(None);
            chains.push(ClientChain::new(&chain, certificate.key())?);
            activate.chains.push(SigningChain(chain));
        }
    }
    activate.identity = job.identity;
    activate.enable = job.enable;
    activate.secure = job.secure;
    activate.suffixes = job.suffixes;
    activate.seed = random_seed()?;
    activate.utc_at_zero = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Failure::new(ErrorCode::IO, "start", "the clock of this computer is before 1970"))?
        .as_secs();
    let mut channel = LocalChannel::new(access.clone(), id);
    let own = OwnKeys(Arc::clone(&job.certificates));
    let signer: &dyn Signer = match &job.remote {
        Some(remote) => remote,
        None => &own,
    };
    let way = Way::Local(&mut channel, signer);
    let done = drive_by(way, &mut activate.start(), id, &chains.into(), host, &Records(host)).await;
    done.map_err(|failure| channel.judge(failure))
}

/// Takes the setup of this machine back.
///
/// # Errors
/// As [`activate`]; `ADMIN_PASSWORD_UNKNOWN` in admin control mode without its password.
pub async fn unprovision<H: Host>(
    access: &LocalAccess,
    job: UnprovisionJob,
    host: &H,
) -> Result<Unprovisioned, Failure> {
    let id = job.record.id;
    let mut unprovision = Unprovision::new(job.record, job.extent);
    unprovision.identity = job.identity;
    unprovision.guess_spacing = job.guess_spacing;
    unprovision.seed = random_seed()?;
    let mut channel = LocalChannel::new(access.clone(), id);
    let way = Way::Local(&mut channel, &NoSigner);
    let done = drive_by(way, &mut unprovision.start(), id, &Chains::default(), host, &Records(host)).await;
    done.map_err(|failure| channel.judge(failure))
}

/// Runs a procedure that keeps no record and reports nothing.
async fn silently<T: Send + 'static>(access: &LocalAccess, mut machine: Machine<T, Infallible>) -> Result<T, Failure> {
    let mut channel = LocalChannel::new(access.clone(), NOBODY);
    let way = Way::Local(&mut channel, &NoSigner);
    drive_by(way, &mut machine, NOBODY, &Chains::default(), &Quiet, &NoRecord).await
}

struct OwnKeys(Arc<[ProvisioningCertificate]>);

impl Signer for OwnKeys {
    fn sign<'a>(&'a self, index: usize, data: &'a [u8]) -> crate::mei::MeiFuture<'a, Vec<u8>> {
        self.0.sign(index, data)
    }
}

/// Nobody listens.
struct Quiet;

impl Host for Quiet {
    async fn persist(&self, _: &Record) -> Result<(), Failure> {
        Err(Failure::new(ErrorCode::JOURNAL, "journal", "this procedure keeps no record"))
    }

    async fn certify(&self, _: &CertificateRequest) -> CaAnswer {
        CaAnswer::Failed(Failure::new(ErrorCode::CA_UNAVAILABLE, "certify", "this procedure has no authority"))
    }

    fn event(&self, _: SystemId, _: &Event) {}
}
