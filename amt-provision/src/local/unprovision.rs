//! A setup taken back from the machine's own system (`spec/heci.md` §3.3, `spec/wsman.md` §3.2).

use super::activate::leave_provisioning;
use super::ask::ask;
use super::link;
use super::status::{Facts, Standing, read_standing};
use crate::commit::Comeback;
use crate::event::Event;
use crate::journal::Record;
use crate::machine::{Machine, RecordCx};
use crate::managed::log_in;
use crate::password::{FACTORY, Random};
use crate::plan::GUESS_SPACING;
use crate::session::try_call;
use crate::step::Step;
use amt_core::status::PtStatus;
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Failure, FirmwareVersion, Secret, SystemId};
use amt_heci::amthi;
use amt_wsman::class::Class;
use amt_wsman::class::amt::SetupAndConfigurationService;
use amt_wsman::op::Request;
use std::time::Duration;

/// How long the firmware may take until it is seen unprovisioned.
const CHANGE: Duration = Duration::from_secs(60);

/// How much is taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Extent {
    /// Everything: the machine is as from the factory, but for the setup menu's password and root hashes.
    #[default]
    Full,
    /// Names, the administrator's login and the setup server's address stay; the machine can be set up again at once. Only from
    /// admin control mode.
    Partial,
}

/// Everything that one attempt needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unprovision {
    /// The machine's record: its passwords.
    pub record: Record,
    /// How much.
    pub extent: Extent,
    /// Whom to accept on the local TLS port.
    pub identity: PeerIdentity,
    /// Time between two different passwords.
    pub guess_spacing: Duration,
    /// Fresh random bytes: nonces come from them.
    pub seed: [u8; 32],
}

impl Unprovision {
    /// Takes back the setup of the machine of `record`, which this program runs on.
    pub const fn new(record: Record, extent: Extent) -> Self {
        Self { record, extent, identity: PeerIdentity::Any, guess_spacing: GUESS_SPACING, seed: [0; 32] }
    }

    /// The attempt as a machine to be driven.
    pub fn start(self) -> Machine<Unprovisioned> {
        Machine::new(move |cx| Run { cx, random: Random::new(self.seed), job: self }.run())
    }
}

/// What was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unprovisioned {
    /// The machine.
    pub id: SystemId,
    /// Its firmware.
    pub version: FirmwareVersion,
    /// How it stood before.
    pub before: Standing,
}

struct Run {
    cx: RecordCx<Record>,
    random: Random,
    job: Unprovision,
}

impl Run {
    async fn run(mut self) -> Result<Unprovisioned, Failure> {
        self.cx.input(None).await?;
        let facts = Facts::read(&self.cx).await?;
        facts.check(self.job.record.id)?;
        match facts.standing {
            Standing::Unprovisioned => {}
            Standing::InProvisioning => leave_provisioning(&self.cx).await?,
            Standing::Client if self.job.extent == Extent::Partial => return Err(only_admin()),
            Standing::Client => self.leave_client().await?,
            Standing::Admin | Standing::Provisioned => self.leave_admin(&facts).await?,
        }
        if facts.standing.is_set_up() {
            self.record_factory().await?;
        }
        Ok(Unprovisioned { id: self.job.record.id, version: facts.version, before: facts.standing })
    }

    /// The firmware lets its own system end client control mode without any password.
    async fn leave_client(&mut self) -> Result<(), Failure> {
        let step = Step::Unprovision;
        self.begin().await?;
        match ask(&self.cx, step, &amthi::Unprovision { mode: 0 }).await {
            Ok(()) => {}
            Err(error) if error.is_lost() => {
                self.cx.note("the answer was lost; the firmware's control mode will tell");
            }
            Err(error) => return Err(blocked(error.status().map(|status| status.0), error.into())),
        }
        self.confirm().await
    }

    async fn leave_admin(&mut self, facts: &Facts) -> Result<(), Failure> {
        let step = Step::Unprovision;
        let mut session = link::open(&self.cx, facts, &self.job.identity, &mut self.random).await?;
        let passwords = self.job.record.admin_passwords.clone();
        if passwords.is_empty() {
            let text = "the machine is in admin control mode, and no password of it is known here";
            return Err(Failure::new(ErrorCode::ADMIN_PASSWORD_UNKNOWN, Step::ConnectLocally.name(), text)
                .hint("give its password; without one, only the setup menu takes the setup back"));
        }
        let request = Request::get(SetupAndConfigurationService::NAME);
        let spacing = self.job.guess_spacing;
        log_in(&self.cx, &mut session, Step::ConnectLocally, &passwords, &request, spacing, &mut None).await?;
        self.begin().await?;
        let request = match self.job.extent {
            Extent::Full => SetupAndConfigurationService::unprovision(),
            Extent::Partial => SetupAndConfigurationService::partial_unprovision(),
        };
        match try_call(&mut session, step, &request).await {
            Ok(Ok(_)) => {}
            Ok(Err(refusal)) => return Err(blocked(refusal.return_value(), refusal.into())),
            // The firmware restarts its network and may take the answer with it.
            Err(failure) if failure.code == ErrorCode::CANCELLED => return Err(failure),
            Err(failure) => {
                self.cx.note(format!("the answer was lost; the firmware's state will tell: {}", failure.message));
            }
        }
        self.confirm().await
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        self.cx.event(Event::Step(Step::Unprovision));
        self.job.record.step = Step::Unprovision;
        self.cx.persist(&self.job.record).await
    }

    async fn confirm(&mut self) -> Result<(), Failure> {
        let mut look = Comeback::within(self.cx.now(), CHANGE);
        while read_standing(&self.cx).await?.is_set_up() {
            if look.is_over(self.cx.now()) {
                let text =
                    format!("the firmware was told to unprovision, and is still set up after {} s", CHANGE.as_secs());
                return Err(Failure::new(ErrorCode::PROOF_FAILED, Step::Unprovision.name(), text));
            }
            look.wait(&self.cx).await?;
        }
        Ok(())
    }

    /// The passwords stay as candidates: which of them firmware forgets differs.
    async fn record_factory(&mut self) -> Result<(), Failure> {
        let record = &mut self.job.record;
        let factory = Secret::from(FACTORY);
        if !record.admin_passwords.contains(&factory) {
            record.admin_passwords.push(factory);
        }
        (record.admin_proven, record.verified, record.realm) = (false, false, None);
        record.step = Step::Start;
        self.cx.persist(record).await
    }
}

fn only_admin() -> Failure {
    let text = "a machine in client control mode can be unprovisioned in full only";
    Failure::new(ErrorCode::WRONG_STATE, Step::Unprovision.name(), text)
}

/// An auditor may stand in the way.
fn blocked(status: Option<u32>, mut failure: Failure) -> Failure {
    if status == Some(PtStatus::BLOCKING_COMPONENT.0) {
        failure.code = ErrorCode::STEP_REFUSED;
        return failure.hint("the audit log is locked: the auditor has to unlock it first");
    }
    failure
}
