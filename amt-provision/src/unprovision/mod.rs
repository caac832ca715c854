//! Takes back the setup of a machine that is reached over the network, in part or in full (`spec/wsman.md` §4(g)).
//!
//! That it is about to be sent is durable before it is sent, and it is sent once. Afterwards only what the machine shows counts: the
//! state that it tells, the certificate of its setup mode, a closed port. A further attempt looks first, and asks again only a machine that
//! is seen to be set up still. The passwords stay in the record, also when all is proven: which of them firmware forgets differs.

mod observe;
mod words;

pub use crate::local::Extent;
pub use words::{consequences, remains};

use crate::event::Event;
use crate::journal::Record;
use crate::machine::{Machine, RecordCx};
use crate::managed::{Access, Managed};
use crate::password::{FACTORY, Random};
use crate::remote::ControlMode;
use crate::session::{CallError, Session};
use crate::step::Step;
use amt_core::status::PtStatus;
use amt_core::{ErrorCode, Failure, FirmwareVersion, Secret, SystemId};
use amt_wsman::class::Class as _;
use amt_wsman::class::amt::SetupAndConfigurationService;
use amt_wsman::class::ips::HostBasedSetupService;
use amt_wsman::op::Reply;
use observe::Seen;
use std::time::Duration;

/// How long a machine is watched until it shows that its setup is gone, or has closed its port for good.
pub const PROOF_TIMEOUT: Duration = Duration::from_secs(60);

/// Everything that one attempt needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unprovision {
    /// How the machine is reached. Its passwords are those of the record.
    pub access: Access,
    /// The machine's journal.
    pub record: Record,
    /// How much is taken back.
    pub extent: Extent,
    /// How long the machine is watched afterwards.
    pub proof_timeout: Duration,
    /// Read what would be done, and do nothing.
    pub dry_run: bool,
}

impl Unprovision {
    /// Takes back the setup of the machine of `record`.
    pub const fn new(access: Access, record: Record, extent: Extent) -> Self {
        Self { access, record, extent, proof_timeout: PROOF_TIMEOUT, dry_run: false }
    }

    /// The attempt as a machine to be driven.
    pub fn start(self) -> Machine<Unprovisioned, Record> {
        Machine::new(move |cx| run(cx, self))
    }
}

/// By what it is known that a machine is not set up any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// It was asked, and says so.
    State,
    /// Its TLS server is that of setup mode: it asks for a provisioning certificate, or takes a pre-shared key.
    SetupMode,
    /// Its management port was closed after the request, and stayed closed: all that can be seen of a machine that does not wait for a
    /// setup server, as after client control mode.
    PortClosed,
}

impl Proof {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::SetupMode => "setup-mode",
            Self::PortClosed => "port-closed",
        }
    }
}

/// What was found and done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unprovisioned {
    /// The machine.
    pub id: SystemId,
    /// Its firmware, where it was told.
    pub version: Option<FirmwareVersion>,
    /// How it was controlled when this attempt came; none: it was not set up any more.
    pub before: Option<ControlMode>,
    /// By what it is known not to be set up now; none after a dry run on a machine that is.
    pub proof: Option<Proof>,
}

/// Whether the record is that of a machine whose setup was taken back: nothing of it is in use, and the passwords are candidates.
pub fn is_taken_back(record: &Record) -> bool {
    record.step == Step::Start && !record.verified && record.certificate.is_none()
}

struct Run {
    cx: RecordCx<Record>,
    access: Access,
    record: Record,
    extent: Extent,
    proof_timeout: Duration,
    random: Random,
}

async fn run(cx: RecordCx<Record>, job: Unprovision) -> Result<Unprovisioned, Failure> {
    let Unprovision { mut access, record, extent, proof_timeout, dry_run } = job;
    cx.input(None).await?;
    if record.id != access.id {
        let text = format!("the journal is of {}, the machine is {}", record.id, access.id);
        return Err(Failure::new(ErrorCode::JOURNAL, Step::Start.name(), text));
    }
    access.admin_passwords.clone_from(&record.admin_passwords);
    let random = Random::new(access.seed);
    Run { cx, access, record, extent, proof_timeout, random }.run(dry_run).await
}

impl Run {
    async fn run(mut self, dry_run: bool) -> Result<Unprovisioned, Failure> {
        let id = self.record.id;
        // An earlier attempt may have sent it: then what is seen tells how that ended.
        let resumed = self.record.step == Step::Unprovision;
        let seen = if resumed { self.watch(true).await? } else { self.look().await? };
        let mut machine = match seen {
            Seen::SetUp(machine) => *machine,
            seen => {
                let known = resumed || matches!(seen, Seen::State) || is_taken_back(&self.record);
                let proof = seen.proof(resumed, known)?;
                if resumed && !dry_run {
                    self.record_taken_back().await?;
                }
                return Ok(Unprovisioned { id, version: self.record.version, before: None, proof: Some(proof) });
            }
        };
        let before = control_mode(&mut machine).await?;
        let version = machine.session.version().or(self.record.version);
        if before == ControlMode::Client && self.extent == Extent::Partial {
            let text = "a machine in client control mode can be unprovisioned in full only";
            return Err(Failure::new(ErrorCode::WRONG_STATE, Step::ReadState.name(), text)
                .hint("partial unprovisioning needs admin control mode; in full it is possible here too"));
        }
        if dry_run {
            return Ok(Unprovisioned { id, version, before: Some(before), proof: None });
        }
        self.send(machine).await?;
        let proof = self.watch(false).await?.proof(true, true)?;
        self.record_taken_back().await?;
        Ok(Unprovisioned { id, version, before: Some(before), proof: Some(proof) })
    }

    /// Sends it, after that is durable. A refusal is an error and leaves the record as it was; a lost answer is none.
    async fn send(&mut self, mut machine: Managed) -> Result<(), Failure> {
        let earlier = self.record.clone();
        // From now on the machine is known by what it served a moment ago, whatever the caller knew it by.
        if let Some(leaf) = machine.session.leaf() {
            self.access.identity = amt_core::tls::PeerIdentity::Pinned(leaf.clone());
        }
        self.access.rung = machine.session.rung();
        self.cx.event(Event::Step(Step::Unprovision));
        self.record.step = Step::Unprovision;
        let factory = Secret::from(FACTORY);
        if self.extent == Extent::Full && !self.record.admin_passwords.contains(&factory) {
            self.record.admin_passwords.push(factory);
        }
        self.cx.persist(&self.record).await?;
        let request = match self.extent {
            Extent::Full => SetupAndConfigurationService::unprovision(),
            Extent::Partial => SetupAndConfigurationService::partial_unprovision(),
        };
        match machine.session.call(Step::Unprovision, &request).await {
            Ok(_) => {}
            Err(refusal) if refusal.is_refusal() => {
                let failure = explain(&mut machine.session, refusal).await;
                // It said no: it is what it was.
                self.record = earlier;
                self.cx.persist(&self.record).await?;
                return Err(failure);
            }
            Err(CallError::Other(failure)) if failure.code == ErrorCode::CANCELLED => return Err(failure),
            // The firmware restarts its network and may take the answer with it.
            Err(error) => {
                let text = Failure::from(error).into_details().message;
                self.cx.note(format!("the answer was lost ({text}); what the machine shows from now on will tell"));
            }
        }
        Ok(())
    }

    /// Nothing of the setup is there any more. The passwords stay: which of them firmware forgets differs.
    async fn record_taken_back(&mut self) -> Result<(), Failure> {
        let record = &mut self.record;
        if self.extent == Extent::Full {
            record.prefer_admin(&Secret::from(FACTORY));
        }
        record.step = Step::Start;
        (record.admin_proven, record.commit_sent, record.verified) = (false, false, false);
        (record.realm, record.key_handle, record.csr, record.ca_request) = (None, None, None, None);
        (record.certificate, record.certificate_handle, record.private_key) = (None, None, None);
        record.certificate_chain.clear();
        self.cx.persist(record).await
    }
}

async fn control_mode(machine: &mut Managed) -> Result<ControlMode, Failure> {
    let answer = machine.session.call(Step::ReadFacts, &HostBasedSetupService::get()).await;
    let mode = match answer {
        Ok(reply) => reply.instance().ok().and_then(|service| service.u32("CurrentControlMode")),
        // Firmware before host-based setup knows admin control only, and no such class.
        Err(error) if error.is_refusal() => None,
        Err(error) => return Err(error.into()),
    };
    Ok(if mode == Some(HostBasedSetupService::CLIENT) { ControlMode::Client } else { ControlMode::Admin })
}

/// A refusal, with what blocks where the firmware says that something does.
async fn explain(session: &mut Session, refusal: CallError) -> Failure {
    let blocked = refusal.return_value() == Some(PtStatus::BLOCKING_COMPONENT.0);
    let mut failure = Failure::from(refusal);
    if !blocked {
        return failure;
    }
    failure.code = ErrorCode::STEP_REFUSED;
    // It tells what made the last request fail, so it says nothing before there was one.
    let request = SetupAndConfigurationService::get_unprovision_blocking_components();
    let read = |reply: Reply| SetupAndConfigurationService::blocking_components(&reply).ok();
    let components = session.call(Step::Unprovision, &request).await.ok().and_then(read).unwrap_or_default();
    let (what, hint) = match components.as_slice() {
        [] => (
            "something that the firmware does not name",
            "look at its audit log: an auditor who locked it has to unlock it",
        ),
        all if all.contains(&SetupAndConfigurationService::AUDIT_LOG) => (
            "the audit log",
            "an auditor has locked the audit log: the auditor has to unlock it first (firmware before AMT 12.0)",
        ),
        _ => ("a component that has no public name", "see the firmware's documentation"),
    };
    failure.message = format!("the machine is still set up: {what} blocks taking its setup back");
    failure.hint(hint)
}
