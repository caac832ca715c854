//! Activation from the machine's own system: client control mode, admin control mode, and from the one to the other
//! (`spec/wsman.md` §4(c) and (d)).
//!
//! The new password is durable before anything is sent that sets it. Setup, AdminSetup, UpgradeClientToAdmin and CommitChanges are
//! sent once; whether one that went unanswered took place, the firmware's control mode tells.

use super::ask::ask;
use super::chain::SigningChain;
use super::link;
use super::status::{Facts, Standing, read_standing, read_watchdog};
use crate::commit::{Comeback, is_restart};
use crate::event::Event;
use crate::journal::{Record, prefer};
use crate::machine::{Cx, Machine, MeiRequest, RecordCx};
use crate::managed::log_in;
use crate::password::{ADMIN, FACTORY, Random};
use crate::plan::Plan;
use crate::remote::ControlMode;
use crate::remote::credentials::choose;
use crate::session::{CallError, Session, try_call};
use crate::step::Step;
use amt_core::status::PtStatus;
use amt_core::tls::{PeerIdentity, TlsOutcome};
use amt_core::{ErrorCode, Failure, FirmwareVersion, Secret, SystemId, Tick};
use amt_heci::amthi::StopConfiguration;
use amt_heci::mei::Client;
use amt_heci::watchdog::{Enabled, WatchdogStatus, set_amt_operational_state};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{AuthorizationService, SetupAndConfigurationService};
use amt_wsman::client::Credentials;
use amt_wsman::op::Request;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long the firmware may take until a change of its state is seen.
const CHANGE: Duration = Duration::from_secs(60);

/// Everything that one activation needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Activate {
    /// What earlier attempts made durable, or a new record.
    pub record: Record,
    /// The desired state: passwords, names.
    pub plan: Plan,
    /// The control mode to be reached.
    pub mode: ControlMode,
    /// Provisioning certificates, likeliest first; for admin control mode. Signatures are asked for by position.
    pub chains: Vec<SigningChain>,
    /// Whom to accept on the local TLS port.
    pub identity: PeerIdentity,
    /// Whether AMT may be switched on where it is off.
    pub enable: bool,
    /// Whether admin control mode is set up over TLS also by firmware that does not demand it (AMT 14 and later).
    pub secure: bool,
    /// DNS suffix of the provisioning certificate, for the secure setup of newer firmware; empty: the firmware's own.
    pub suffixes: Vec<String>,
    /// Fresh random bytes: passwords and nonces of this attempt come from them.
    pub seed: [u8; 32],
    /// Seconds since 1970, UTC, at [`Tick`] 0: what the machine's clock is set to.
    pub utc_at_zero: u64,
}

impl Activate {
    /// An attempt on the machine of `record`, which this program runs on.
    pub fn new(record: Record, plan: Plan, mode: ControlMode) -> Self {
        Self {
            record,
            plan,
            mode,
            chains: Vec::new(),
            identity: PeerIdentity::Any,
            enable: false,
            secure: false,
            suffixes: Vec::new(),
            seed: [0; 32],
            utc_at_zero: 0,
        }
    }

    /// The attempt as a machine to be driven.
    pub fn start(self) -> Machine<Activated> {
        Machine::new(move |cx| Run::new(cx, self).run())
    }
}

/// What was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activated {
    /// The machine.
    pub id: SystemId,
    /// Its control mode, as it says itself.
    pub control_mode: ControlMode,
    /// Its firmware.
    pub version: FirmwareVersion,
    /// The local connection on which the new credential was accepted; none where it was plain.
    pub tls: Option<TlsOutcome>,
    /// Whether anything was done: it may have been in this mode already.
    pub changed: bool,
}

/// One attempt under way.
pub(super) struct Run {
    pub(super) cx: RecordCx<Record>,
    pub(super) record: Record,
    pub(super) plan: Plan,
    pub(super) mode: ControlMode,
    pub(super) chains: Vec<SigningChain>,
    pub(super) identity: PeerIdentity,
    enable: bool,
    secure: bool,
    pub(super) suffixes: Vec<String>,
    pub(super) random: Random,
    utc_at_zero: u64,
    /// Last time a password was refused, for the spacing of guesses.
    last_refusal: Option<Tick>,
}

impl Run {
    fn new(cx: RecordCx<Record>, job: Activate) -> Self {
        Self {
            cx,
            record: job.record,
            plan: job.plan,
            mode: job.mode,
            chains: job.chains,
            identity: job.identity,
            enable: job.enable,
            secure: job.secure,
            suffixes: job.suffixes,
            random: Random::new(job.seed),
            utc_at_zero: job.utc_at_zero,
            last_refusal: None,
        }
    }

    async fn run(mut self) -> Result<Activated, Failure> {
        self.cx.input(None).await?;
        self.plan.check()?;
        self.cx.event(Event::Step(Step::ReadFirmware));
        let watchdog = self.switch_on().await?;
        let facts = Facts::read_behind(&self.cx, watchdog).await?;
        facts.check(self.record.id)?;
        self.check_firmware(facts.version)?;
        self.record.version = Some(facts.version);
        let changed = match (facts.standing, self.mode) {
            (Standing::Client, ControlMode::Client) | (Standing::Admin, ControlMode::Admin) => {
                self.check_known()?;
                !self.record.verified
            }
            (Standing::Client, ControlMode::Admin) => {
                self.check_known()?;
                self.upgrade(&facts).await?;
                true
            }
            (Standing::Admin | Standing::Provisioned, _) => return Err(Self::already(&facts)),
            (Standing::InProvisioning, _) => {
                leave_provisioning(&self.cx).await?;
                self.set_up(&facts).await?;
                true
            }
            (Standing::Unprovisioned, _) => {
                self.set_up(&facts).await?;
                true
            }
        };
        self.prove(&facts, changed).await
    }

    async fn set_up(&mut self, facts: &Facts) -> Result<(), Failure> {
        match self.mode {
            ControlMode::Client => self.set_up_client(facts).await,
            // Where its local ports demand TLS, the firmware takes an administrator's setup only from the owner of the certificate
            // that it was told of.
            ControlMode::Admin if self.secure || facts.is_local_tls_enforced() => self.set_up_secure(facts).await,
            ControlMode::Admin => self.set_up_admin(facts).await,
        }
    }

    fn check_firmware(&self, version: FirmwareVersion) -> Result<(), Failure> {
        if version.capabilities().host_based_setup {
            return Ok(());
        }
        let text = format!("AMT {version} cannot be set up from its own system, which begins with 6.2");
        Err(Failure::new(ErrorCode::FIRMWARE_UNSUPPORTED, Step::ReadFirmware.name(), text)
            .hint("start its hello with `amt start-hello`, and let a setup server do it"))
    }

    /// A machine that is set up can be gone on with only by who knows its password.
    fn check_known(&self) -> Result<(), Failure> {
        if !self.record.admin_passwords.is_empty() || !self.plan.known_admin_passwords.is_empty() {
            return Ok(());
        }
        let text = "the machine is set up already, and its password is not known here: no record of it was made here";
        Err(Failure::new(ErrorCode::ALREADY_PROVISIONED, Step::ReadFirmware.name(), text))
    }

    fn already(facts: &Facts) -> Failure {
        let text = format!("the machine is set up already: {}", facts.standing.as_str());
        Failure::new(ErrorCode::ALREADY_PROVISIONED, Step::ReadFirmware.name(), text)
    }

    /// Switches AMT on where it is off. What the watchdog client told last.
    async fn switch_on(&mut self) -> Result<Option<Enabled>, Failure> {
        let off = |flags: Option<Enabled>| flags.and_then(Enabled::is_amt_enabled) == Some(false);
        let fail = |text: String| Failure::new(ErrorCode::AMT_DISABLED, Step::EnableAmt.name(), text);
        let mut told = read_watchdog(&self.cx).await?;
        if !off(told) {
            return Ok(told);
        }
        if !self.enable {
            return Err(fail("AMT is switched off in this machine, and may not be switched on".to_owned()));
        }
        self.cx.event(Event::Step(Step::EnableAmt));
        let message = Zeroizing::new(set_amt_operational_state(true).to_vec());
        let sent = self.cx.mei(MeiRequest { client: Client::Watchdog, message, repeatable: false }).await;
        // An answer that is lost or cannot be read is none: whether it was done, the next reading tells.
        if let Ok(status) = sent.and_then(|bytes| WatchdogStatus::decode(&bytes).map_err(Failure::from))
            && status != WatchdogStatus::SUCCESS
        {
            let words = status.words().unwrap_or("unknown");
            return Err(fail(format!("the firmware does not switch AMT on: status {:#x} ({words})", status.0)));
        }
        let mut look = Comeback::within(self.cx.now(), CHANGE);
        loop {
            told = read_watchdog(&self.cx).await?;
            if !off(told) {
                return Ok(told);
            }
            if look.is_over(self.cx.now()) {
                return Err(fail(format!("AMT was switched on and stays off for {} s", CHANGE.as_secs())));
            }
            look.wait(&self.cx).await?;
        }
    }

    /// Chooses the passwords and makes them durable, the new ones first. `current` opens the machine now.
    pub(super) async fn record_credentials(
        &mut self,
        realm: &str,
        current: Option<&Secret<String>>,
    ) -> Result<Secret<String>, Failure> {
        self.step(Step::RecordCredentials);
        let begun = self.record.realm.is_some();
        let earlier = |list: &[Secret<String>]| list.first().filter(|_| begun).cloned();
        let earlier_admin = earlier(&self.record.admin_passwords).or_else(|| current.cloned());
        let admin = choose(&self.plan.admin_password, ("admin", self.record.id), earlier_admin, &mut self.random);
        if let Some(current) = current {
            prefer(&mut self.record.admin_passwords, current);
        }
        prefer(&mut self.record.admin_passwords, &admin);
        if self.mode == ControlMode::Admin {
            let earlier_mebx = earlier(&self.record.mebx_passwords);
            let mebx = choose(&self.plan.mebx_password, ("mebx", self.record.id), earlier_mebx, &mut self.random);
            let factory = Secret::from(FACTORY);
            if !self.record.mebx_passwords.contains(&factory) {
                self.record.mebx_passwords.push(factory);
            }
            prefer(&mut self.record.mebx_passwords, &mebx);
        }
        self.record.realm = Some(realm.to_owned());
        self.record.admin_proven = false;
        self.record.verified = false;
        self.persist().await?;
        Ok(admin)
    }

    /// What became of a call that is sent once: if the firmware is in the mode that it leads to, it took place, whatever was answered.
    pub(super) async fn confirm(&mut self, step: Step, sent: Result<(), CallError>) -> Result<(), Failure> {
        let wanted = match self.mode {
            ControlMode::Admin => Standing::Admin,
            ControlMode::Client => Standing::Client,
        };
        let failure = match sent {
            Ok(()) => None,
            Err(error) if error.is_lost() => {
                self.cx.note("the answer to the setup was lost; the firmware's control mode will tell");
                None
            }
            Err(error) => Some(Failure::from(error)),
        };
        let mut look = Comeback::within(self.cx.now(), CHANGE);
        loop {
            let standing = read_standing(&self.cx).await?;
            if standing == wanted {
                return Ok(());
            }
            if let Some(failure) = failure {
                return Err(failure);
            }
            if look.is_over(self.cx.now()) {
                let text = format!("the setup was sent, and the firmware still says {}", standing.as_str());
                return Err(Failure::new(ErrorCode::PROOF_FAILED, step.name(), text));
            }
            look.wait(&self.cx).await?;
        }
    }

    /// Logs in as the administrator, who is then known to be able to, and does what remains.
    async fn prove(mut self, facts: &Facts, changed: bool) -> Result<Activated, Failure> {
        self.step(Step::Prove);
        let mut look = Comeback::within(self.cx.now(), self.plan.proof_timeout);
        let (mut session, password) = loop {
            match self.log_in_as_admin(facts, Step::Prove).await {
                // The firmware restarts its network after a setup.
                Err(failure) if changed && is_restart(&failure) && !look.is_over(self.cx.now()) => {
                    self.cx.note(format!("the machine is not back yet: {}", failure.message));
                    look.wait(&self.cx).await?;
                }
                opened_or_not => break opened_or_not?,
            }
        };
        let unproven = changed || !self.record.verified;
        let password = if unproven { self.set_planned(&mut session, password).await? } else { password };
        let state = session.instance(Step::Prove, &Request::get(SetupAndConfigurationService::NAME)).await?;
        let state = state.u32("ProvisioningState");
        if state != Some(SetupAndConfigurationService::POST) {
            let text =
                format!("the password is accepted, and the machine says that its setup has not ended ({state:?})");
            return Err(Failure::new(ErrorCode::PROOF_FAILED, Step::Prove.name(), text));
        }
        if self.mode == ControlMode::Admin && !self.record.verified {
            self.set_mebx_password(&mut session).await?;
        }
        if unproven {
            prefer(&mut self.record.admin_passwords, &password);
            self.record.admin_passwords.truncate(1);
            self.record.admin_proven = true;
            self.record.verified = true;
            self.step(Step::Done);
            self.persist().await?;
        }
        Ok(Activated {
            id: self.record.id,
            control_mode: self.mode,
            version: facts.version,
            tls: session.outcome().cloned(),
            changed,
        })
    }

    /// Sets the password that the plan wants, if another opened the session: an upgrade keeps what was there, and a crash may have come
    /// between it and this. The password of the session from then on.
    async fn set_planned(&mut self, session: &mut Session, current: Secret<String>) -> Result<Secret<String>, Failure> {
        let step = Step::SetAdminPassword;
        let planned =
            choose(&self.plan.admin_password, ("admin", self.record.id), Some(current.clone()), &mut self.random);
        if planned == current {
            return Ok(current);
        }
        let realm = session.realm().map(str::to_owned).ok_or_else(|| {
            Failure::new(ErrorCode::PROOF_FAILED, step.name(), "the machine asked for no password: nothing is proven")
        })?;
        self.step(step);
        prefer(&mut self.record.admin_passwords, &current);
        prefer(&mut self.record.admin_passwords, &planned);
        self.persist().await?;
        session.call(step, &AuthorizationService::set_admin_acl_entry(ADMIN, &realm, &planned)).await?;
        Self::log_in_with(session, planned.clone());
        Ok(planned)
    }

    /// A local session of the administrator, and the password that opened it.
    pub(super) async fn log_in_as_admin(
        &mut self,
        facts: &Facts,
        step: Step,
    ) -> Result<(Session, Secret<String>), Failure> {
        let mut session = link::open(&self.cx, facts, &self.identity, &mut self.random).await?;
        let mut passwords = self.record.admin_passwords.clone();
        for known in &self.plan.known_admin_passwords {
            if !passwords.contains(known) {
                passwords.push(known.clone());
            }
        }
        let request = Request::get("AMT_GeneralSettings");
        let spacing = self.plan.guess_spacing;
        let (_, password) =
            log_in(&self.cx, &mut session, step, &passwords, &request, spacing, &mut self.last_refusal).await?;
        let password = password.ok_or_else(|| {
            Failure::new(ErrorCode::PROOF_FAILED, step.name(), "the machine asked for no password: nothing is proven")
        })?;
        Ok((session, password))
    }

    /// Sets the password of the setup menu. Firmware whose policy forbids it keeps its own; that is noted, not an error.
    pub(super) async fn set_mebx_password(&mut self, session: &mut Session) -> Result<(), Failure> {
        let Some(password) = self.record.mebx_passwords.first().cloned() else { return Ok(()) };
        self.step(Step::SetMebxPassword);
        let request = SetupAndConfigurationService::set_mebx_password(&password);
        match try_call(session, Step::SetMebxPassword, &request).await? {
            Ok(_) => Ok(()),
            Err(error) if error.return_value() == Some(PtStatus::NOT_PERMITTED.0) => {
                self.cx.note("the firmware's policy does not let the setup menu's password be set; it stays as it is");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn log_in_with(session: &mut Session, password: Secret<String>) {
        session.log_in_as(Credentials { user: ADMIN.to_owned(), password });
    }

    /// Announces a step and notes it for the next record.
    pub(super) fn step(&mut self, step: Step) {
        self.record.step = step;
        self.cx.event(Event::Step(step));
    }

    pub(super) async fn persist(&mut self) -> Result<(), Failure> {
        self.cx.persist(&self.record).await
    }

    pub(super) fn utc(&self) -> u32 {
        let seconds = self.utc_at_zero.saturating_add(self.cx.now().0 / 1000);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }
}

/// Takes a machine out of a setup that has begun and not ended: one that was abandoned, or wedged.
pub(super) async fn leave_provisioning(cx: &Cx) -> Result<(), Failure> {
    let step = Step::StopConfiguration;
    cx.event(Event::Step(step));
    match ask(cx, step, &StopConfiguration {}).await {
        Ok(()) => {}
        // Nothing to stop, or what became of it is not known: its state tells.
        Err(error) if error.status() == Some(PtStatus::INVALID_PT_MODE) || error.is_lost() => {}
        Err(error) => return Err(error.into()),
    }
    let mut look = Comeback::within(cx.now(), CHANGE);
    while read_standing(cx).await? == Standing::InProvisioning {
        if look.is_over(cx.now()) {
            let text = format!("the firmware was told to leave its setup, and stays in it for {} s", CHANGE.as_secs());
            return Err(Failure::new(ErrorCode::WRONG_STATE, step.name(), text)
                .hint("restart the machine, with its power cut, and try again"));
        }
        look.wait(cx).await?;
    }
    Ok(())
}
