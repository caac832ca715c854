//! Remote configuration, with a provisioning certificate or a pre-shared pair: from a hello to proven admin control mode
//! (`spec/wsman.md` §4(a) and (b), with (e) inside).
//!
//! The procedure reads the machine's state and does what is missing. It may be stopped anywhere and started again with the
//! last durable record: what was done is found on the machine and not done twice.

mod certificate;
mod commit;
pub(crate) mod credentials;
mod login;
mod psk;
mod setup;

use crate::event::Event;
use crate::journal::Record;
use crate::machine::{Machine, RecordCx};
use crate::password::Random;
use crate::plan::Plan;
use crate::session::{Session, try_call};
use crate::step::Step;
use amt_core::psk::PskPair;
use amt_core::tls::TlsOutcome;
use amt_core::version::SetupKind;
use amt_core::{ErrorCode, Failure, FirmwareVersion, SystemId, Tick};

/// A provisioning certificate that may fit, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Position among the caller's certificates, for [`TlsPlan::present`](amt_core::tls::TlsPlan::present).
    pub index: usize,
    /// SHA-256 of its leaf, lower-case hex: how a winner is remembered.
    pub leaf_sha256: String,
}

/// Everything that one attempt needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Remote {
    /// What earlier attempts made durable, or a new record.
    pub record: Record,
    /// The desired state.
    pub plan: Plan,
    /// Certificates to try, in this order.
    pub candidates: Vec<Candidate>,
    /// Pre-shared pairs to try, in this order, instead of certificates: the machine said that it waits for one.
    pub psk: Vec<PskPair>,
    /// Whether whoever makes the connections has a certificate to show where none of these is presented: to a machine that is set up, with
    /// mutual TLS.
    pub has_client: bool,
    /// What the hello said of the machine's credentials, if there was one.
    pub credentials_set: Option<bool>,
    /// `address:port` for HTTP's `Host`.
    pub authority: String,
    /// TLS port.
    pub port: u16,
    /// Fresh random bytes: passwords and nonces of this attempt come from them.
    pub seed: [u8; 32],
    /// Seconds since 1970, UTC, at [`Tick`] 0: what the machine's clock is set to.
    pub utc_at_zero: u64,
}

impl Remote {
    /// An attempt on the machine of `record` at `authority` (`address:port`).
    pub fn new(record: Record, plan: Plan, candidates: Vec<Candidate>, authority: String, port: u16) -> Self {
        let (psk, has_client) = (Vec::new(), false);
        let (credentials_set, seed, utc_at_zero) = (None, [0; 32], 0);
        Self { record, plan, candidates, psk, has_client, credentials_set, authority, port, seed, utc_at_zero }
    }

    /// The attempt as a machine to be driven.
    pub fn start(self) -> Machine<Outcome> {
        Machine::new(move |cx| Run::new(cx, self).run())
    }
}

/// How a machine is controlled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlMode {
    /// Admin control mode.
    Admin,
    /// Client control mode.
    Client,
}

impl ControlMode {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Client => "client",
        }
    }
}

/// What was proven at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The machine.
    pub id: SystemId,
    /// Its control mode, as it says itself.
    pub control_mode: ControlMode,
    /// The connection on which the new credential was accepted.
    pub tls: TlsOutcome,
    /// Its firmware.
    pub version: Option<FirmwareVersion>,
}

/// One attempt under way.
struct Run {
    cx: RecordCx<Record>,
    record: Record,
    plan: Plan,
    candidates: Vec<Candidate>,
    psk: Vec<PskPair>,
    has_client: bool,
    credentials_set: Option<bool>,
    authority: String,
    port: u16,
    random: Random,
    utc_at_zero: u64,
    /// Last time a password was refused, for the spacing of guesses.
    last_refusal: Option<Tick>,
}

/// What answered at the machine's port.
enum Entry {
    /// A machine waiting for setup.
    Setup(Session),
    /// A machine that already serves the certificate of our record: the commit took place.
    Operational(Session),
}

impl Run {
    fn new(cx: RecordCx<Record>, job: Remote) -> Self {
        Self {
            cx,
            record: job.record,
            plan: job.plan,
            candidates: job.candidates,
            psk: job.psk,
            has_client: job.has_client,
            credentials_set: job.credentials_set,
            authority: job.authority,
            port: job.port,
            random: Random::new(job.seed),
            utc_at_zero: job.utc_at_zero,
            last_refusal: None,
        }
    }

    async fn run(mut self) -> Result<Outcome, Failure> {
        self.cx.input(None).await?;
        self.plan.check()?;
        self.check_firmware(self.record.version)?;
        match self.enter().await? {
            Entry::Setup(mut session) => {
                self.set_up(&mut session).await?;
                self.replace_psk(&mut session).await?;
                self.commit(session).await?;
                self.prove().await
            }
            Entry::Operational(session) => self.prove_on(session).await,
        }
    }

    /// Refuses firmware that cannot be set up this way, as soon as its version is known.
    fn check_firmware(&self, version: Option<FirmwareVersion>) -> Result<(), Failure> {
        let kind = if self.psk.is_empty() { SetupKind::Pki } else { SetupKind::Psk };
        version.map_or(Ok(()), |version| version.check_setup(kind))
    }

    /// Announces a step and notes it for the next record.
    fn step(&mut self, step: Step) {
        self.record.step = step;
        self.cx.event(Event::Step(step));
    }

    async fn persist(&mut self) -> Result<(), Failure> {
        self.cx.persist(&self.record).await
    }

    fn fail(code: ErrorCode, step: Step, message: impl Into<String>) -> Failure {
        Failure::new(code, step.name(), message)
    }
}
