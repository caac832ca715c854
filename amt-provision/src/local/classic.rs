//! Setup by `IPS_HostBasedSetupService`, over the firmware's local port (`spec/wsman.md` §3.3, §4(c), d1, d2).

use super::activate::Run;
use super::chain;
use super::link;
use super::status::{Facts, read_roots};
use crate::commit::Comeback;
use crate::remote::ControlMode;
use crate::session::{Session, read_general};
use crate::step::Step;
use amt_core::{ErrorCode, Failure};
use amt_wsman::class::amt::SetupAndConfigurationService;
use amt_wsman::class::ips::HostBasedSetupService;

impl Run {
    /// Client control mode.
    pub(super) async fn set_up_client(&mut self, facts: &Facts) -> Result<(), Failure> {
        let (mut session, realm) = self.enter(facts).await?;
        let password = self.record_credentials(&realm, None).await?;
        self.step(Step::HostSetup);
        let sent = session.call(Step::HostSetup, &HostBasedSetupService::setup(&realm, &password)).await;
        self.confirm(Step::HostSetup, sent.map(drop)).await?;
        if facts.is_local_tls_enforced() {
            Self::log_in_with(&mut session, password);
            self.commit(&mut session).await?;
        }
        Ok(())
    }

    /// Admin control mode, without TLS.
    pub(super) async fn set_up_admin(&mut self, facts: &Facts) -> Result<(), Failure> {
        let index = chain::choose(&self.chains, &read_roots(&self.cx).await?)?;
        let (mut session, realm) = self.enter(facts).await?;
        let password = self.record_credentials(&realm, None).await?;
        let (nonce, signature) = self.authorize(&mut session, index).await?;
        self.step(Step::HostSetup);
        let request = HostBasedSetupService::admin_setup(&realm, &password, &nonce, &signature);
        let sent = session.call(Step::HostSetup, &request).await;
        self.confirm(Step::HostSetup, sent.map(drop)).await
    }

    /// From client to admin control mode.
    pub(super) async fn upgrade(&mut self, facts: &Facts) -> Result<(), Failure> {
        let index = chain::choose(&self.chains, &read_roots(&self.cx).await?)?;
        let (mut session, current) = self.log_in_as_admin(facts, Step::ConnectLocally).await?;
        self.check_allowed(&mut session).await?;
        let realm = self.read_realm(&mut session).await?;
        self.record_credentials(&realm, Some(&current)).await?;
        let (nonce, signature) = self.authorize(&mut session, index).await?;
        self.step(Step::Upgrade);
        let sent =
            session.call(Step::Upgrade, &HostBasedSetupService::upgrade_client_to_admin(&nonce, &signature)).await;
        // The upgrade keeps the password. If the plan wants another, it is set with the proof.
        self.confirm(Step::Upgrade, sent.map(drop)).await
    }

    /// A local session of the firmware's own system account, and the realm of its passwords.
    ///
    /// The local management service takes a connection while the firmware's network restarts, and drops it at the first request: all of
    /// this only reads, and is done again.
    async fn enter(&mut self, facts: &Facts) -> Result<(Session, String), Failure> {
        let mut look = Comeback::within(self.cx.now(), link::RESTART);
        loop {
            match self.enter_once(facts).await {
                Err(failure) if link::is_away(failure.code) && !look.is_over(self.cx.now()) => {
                    self.cx.note(format!("the firmware's local port is not back yet: {}", failure.message));
                    look.wait(&self.cx).await?;
                }
                entered_or_not => return entered_or_not,
            }
        }
    }

    async fn enter_once(&mut self, facts: &Facts) -> Result<(Session, String), Failure> {
        let mut session = link::open(&self.cx, facts, &self.identity, &mut self.random).await?;
        link::log_in_as_system(&self.cx, &mut session).await?;
        let realm = self.read_realm(&mut session).await?;
        self.check_allowed(&mut session).await?;
        Ok((session, realm))
    }

    pub(super) async fn read_realm(&mut self, session: &mut Session) -> Result<String, Failure> {
        let step = Step::ReadFacts;
        let general = read_general(session, step).await?;
        let realm = general.text("DigestRealm").filter(|text| !text.is_empty());
        realm
            .map(str::to_owned)
            .ok_or_else(|| Failure::new(ErrorCode::PROPERTY, step.name(), "AMT_GeneralSettings.DigestRealm is missing"))
    }

    /// Whether the firmware lets its system set up this mode.
    async fn check_allowed(&mut self, session: &mut Session) -> Result<(), Failure> {
        let step = Step::ReadFacts;
        let allowed = chain::service(session, step).await?.allowed_control_modes;
        let wanted = match self.mode {
            ControlMode::Admin => HostBasedSetupService::ADMIN,
            ControlMode::Client => HostBasedSetupService::CLIENT,
        };
        if allowed.contains(&wanted) {
            return Ok(());
        }
        let text = format!("the firmware allows control modes {allowed:?}, not {wanted} ({})", self.mode.as_str());
        Err(Failure::new(ErrorCode::CONTROL_MODE_REFUSED, step.name(), text))
    }

    async fn authorize(&mut self, session: &mut Session, index: usize) -> Result<([u8; 20], Vec<u8>), Failure> {
        if let Some(chain) = self.chains.get(index) {
            chain::send(&self.cx, session, chain).await?;
        }
        chain::sign(&self.cx, session, index, &mut self.random).await
    }

    /// Commits a setup in client control mode over TLS. Firmware that committed by itself refuses or does nothing; the login that
    /// follows proves which.
    async fn commit(&mut self, session: &mut Session) -> Result<(), Failure> {
        self.step(Step::Commit);
        match session.call(Step::Commit, &SetupAndConfigurationService::commit_changes()).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_lost() || error.is_refusal() => {
                let why = Failure::from(error).into_details().message;
                self.cx.note(format!("the commit brought no good answer; the next login will tell: {why}"));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
