//! The setup session, from the first login to the point of commit.

use super::{Run, try_call};
use crate::clock::ClockReading;
use crate::event::Event;
use crate::facts::read_more;
use crate::names;
use crate::plan::{InUse, Plan};
use crate::session::{Session, read_general};
use crate::step::Step;
use amt_core::{ErrorCode, Failure, FirmwareVersion, Secret, SystemId};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{SetupAndConfigurationService, TimeSynchronizationService};
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

impl Run {
    pub(super) async fn set_up(&mut self, session: &mut Session) -> Result<(), Failure> {
        let (state, current) = self.read_state(session).await?;
        self.check_otp(session, &state).await?;
        self.check_identity(session).await?;
        self.extend_window(session).await?;
        let mut general = self.read_facts(session).await?;
        let realm = self.check_realm(session, &general)?;
        self.check_use(session, &state, &general).await?;
        self.record_credentials(realm, current.clone()).await?;
        self.set_mebx_password(session).await?;
        self.set_admin_password(session, current.as_ref()).await?;
        let other = self.set_clock(session).await?;
        // The machine asked again after the change and accepted: that was a login with the new password, unless it wanted another.
        if session.challenged() && other.is_none_or(|p| Some(&p) == self.record.admin_passwords.first()) {
            self.admin_password_proven();
        }
        self.set_names(session, &mut general).await?;
        self.install_certificate(session, &general).await
    }

    async fn read_state(&mut self, session: &mut Session) -> Result<(Instance, Option<Secret<String>>), Failure> {
        self.step(Step::ReadState);
        let passwords = self.setup_passwords();
        let request = Request::get(SetupAndConfigurationService::NAME);
        let answer = self.log_in(session, Step::ReadState, &passwords, &request).await;
        // The version stands in every answer, also in one that is no WS-Man.
        self.check_firmware(session.version())?;
        let (reply, current) = answer?;
        let state = reply.instance().map_err(|e| e.failure(Step::ReadState.name()))?.clone();
        if state.u32("ProvisioningState") == Some(SetupAndConfigurationService::POST) {
            return Err(Self::fail(
                ErrorCode::ALREADY_PROVISIONED,
                Step::ReadState,
                "the machine asked for a provisioning certificate and says that it is set up already",
            ));
        }
        Ok((state, current))
    }

    /// Compares the one-time password; a machine with another one is sent out of setup.
    async fn check_otp(&mut self, session: &mut Session, state: &Instance) -> Result<(), Failure> {
        let Some(expected) = self.plan.otp.clone() else { return Ok(()) };
        self.step(Step::CheckOtp);
        let held = state.text("ProvisioningServerOTP").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
        let end = held.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        let held = Secret::new(held.get(..end).unwrap_or_default().to_vec());
        if held.expose().ct_eq(expected.expose().as_bytes()).into() {
            return Ok(());
        }
        let request = SetupAndConfigurationService::extend_provisioning_period(0);
        if let Err(refusal) = try_call(session, Step::CheckOtp, &request).await? {
            self.cx.note(format!("the setup window could not be closed: {}", Failure::from(refusal).message));
        }
        let what =
            if held.expose().is_empty() { "holds no one-time password" } else { "holds another one-time password" };
        Err(Self::fail(ErrorCode::OTP_MISMATCH, Step::CheckOtp, format!("the machine {what} than the one demanded")))
    }

    /// Whether the machine that answers is the one that is meant.
    async fn check_identity(&mut self, session: &mut Session) -> Result<(), Failure> {
        if !self.record.id.is_usable_as_key() {
            return Ok(());
        }
        let Ok(reply) = try_call(session, Step::ReadState, &SetupAndConfigurationService::get_uuid()).await? else {
            // Old firmware has no such method; the hello's word stands.
            return Ok(());
        };
        let wire = SetupAndConfigurationService::uuid(&reply).map_err(|e| e.failure(Step::ReadState.name()))?;
        let answering = SystemId::from_wire(wire);
        if answering == self.record.id {
            return Ok(());
        }
        Err(Self::fail(
            ErrorCode::WRONG_MACHINE,
            Step::ReadState,
            format!("the machine at this address says it is {answering}, expected {}", self.record.id),
        ))
    }

    async fn extend_window(&mut self, session: &mut Session) -> Result<(), Failure> {
        let Some(hours) = self.plan.window_hours else { return Ok(()) };
        self.step(Step::ExtendWindow);
        let request = SetupAndConfigurationService::extend_provisioning_period(hours.into());
        if let Err(refusal) = try_call(session, Step::ExtendWindow, &request).await? {
            self.cx.note(format!("the setup window was not extended: {}", Failure::from(refusal).message));
        }
        Ok(())
    }

    async fn read_facts(&mut self, session: &mut Session) -> Result<Instance, Failure> {
        self.step(Step::ReadFacts);
        let general = read_general(session, Step::ReadFacts).await?;
        let version = match session.version() {
            Some(version) => Some(version),
            None => self.read_version(session).await?,
        };
        if let Some(version) = version {
            self.record.version = Some(version);
            self.cx.event(Event::Version(version));
        }
        Ok(general)
    }

    async fn read_version(&mut self, session: &mut Session) -> Result<Option<FirmwareVersion>, Failure> {
        let request = Request::enumerate("CIM_SoftwareIdentity");
        let Ok(reply) = try_call(session, Step::ReadFacts, &request).await? else { return Ok(None) };
        let amt = reply.instances().iter().find(|i| i.text("InstanceID") == Some("AMT"));
        Ok(amt.and_then(|i| i.text("VersionString")).and_then(|text| text.parse().ok()))
    }

    /// The realm that the password's hash is made for. A challenge for another one means that someone is in between.
    fn check_realm(&self, session: &Session, general: &Instance) -> Result<String, Failure> {
        let realm = general.text("DigestRealm").filter(|text| !text.is_empty()).ok_or_else(|| {
            Self::fail(ErrorCode::PROPERTY, Step::ReadFacts, "AMT_GeneralSettings.DigestRealm is missing")
        })?;
        if session.realm().is_some_and(|challenged| challenged != realm) {
            return Err(Self::fail(
                ErrorCode::REALM_MISMATCH,
                Step::ReadFacts,
                "the machine asks for a digest of another realm than it says it has",
            ));
        }
        Ok(realm.to_owned())
    }

    /// Tells what the machine says of itself, and stops if it has an owner that is to be respected. A setup that began was let in.
    async fn check_use(&mut self, session: &mut Session, state: &Instance, general: &Instance) -> Result<(), Failure> {
        if self.plan.in_use == InUse::Ignore || self.record.realm.is_some() {
            return Ok(());
        }
        let state = state.u32("ProvisioningState");
        let facts = read_more(session, self.record.id, state, general).await?;
        let signs = facts.signs_of_use();
        self.cx.event(Event::Facts(Box::new(facts)));
        if signs.is_empty() || self.plan.in_use == InUse::Tell {
            return Ok(());
        }
        let text = format!("the machine seems to have an owner: {}; nothing was changed in it", signs.join("; "));
        Err(Self::fail(ErrorCode::IN_USE, Step::ReadFacts, text))
    }

    /// Also tells which password was needed, if it was not the new one.
    async fn set_clock(&mut self, session: &mut Session) -> Result<Option<Secret<String>>, Failure> {
        self.step(Step::SetClock);
        let request = TimeSynchronizationService::get_low_accuracy_time_synch();
        let (reply, other) = self.call_again(session, Step::SetClock, &request).await?;
        let seen = ClockReading::of(&reply, self.utc())?;
        seen.set(session, self.utc()).await?;
        Ok(other)
    }

    fn utc(&self) -> u32 {
        let seconds = self.utc_at_zero.saturating_add(self.cx.now().0 / 1000);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    async fn set_names(&mut self, session: &mut Session, general: &mut Instance) -> Result<(), Failure> {
        let Plan { host_name, domain_name, .. } = &self.plan;
        if names::change(general, host_name.as_deref(), domain_name.as_deref()) {
            self.step(Step::SetNames);
            session.call(Step::SetNames, &Request::put(general)).await?;
        }
        Ok(())
    }
}
