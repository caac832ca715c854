//! The commit, sent once, and the proof from the network side.

use super::{ControlMode, Outcome, Run, try_call};
use crate::commit::{self, Comeback, is_restart};
use crate::session::Session;
use crate::step::Step;
use amt_core::tls::{PeerIdentity, TlsPlan};
use amt_core::{ErrorCode, Failure, Secret};
use amt_wsman::class::Class;
use amt_wsman::class::amt::SetupAndConfigurationService;
use amt_wsman::op::Request;

/// `CurrentControlMode` of admin control mode (`spec/wsman.md` §3.1).
const CONTROL_ADMIN: u32 = 2;

impl Run {
    /// Commits. The state was read in this session and said "in setup": an earlier commit, if any, did not take place.
    pub(super) async fn commit(&mut self, mut session: Session) -> Result<(), Failure> {
        self.step(Step::Commit);
        self.record.commit_sent = true;
        self.persist().await?;
        match commit::send(&self.cx, &mut session).await? {
            Ok(()) => Ok(()),
            Err(refused) => {
                self.record.commit_sent = false;
                self.persist().await?;
                Err(refused)
            }
        }
    }

    /// Waits for the machine to come back with its new certificate and proves the new credential.
    pub(super) async fn prove(&mut self) -> Result<Outcome, Failure> {
        self.step(Step::Prove);
        let certificate = self.record.certificate.clone().unwrap_or_default();
        let plan = TlsPlan::new(PeerIdentity::Pinned(certificate));
        let mut comeback = Comeback::within(self.cx.now(), self.plan.proof_timeout);
        loop {
            comeback.wait(&self.cx).await?;
            let mut ladder = self.ladder(&plan.identity)?;
            let failure = match self.climb(plan.clone(), &mut ladder).await {
                Ok(session) => match self.prove_on(session).await {
                    Err(failure) if is_restart(&failure) => failure,
                    proven_or_refused => return proven_or_refused,
                },
                Err(failure) if failure.code == ErrorCode::CANCELLED => return Err(failure),
                Err(failure) => failure,
            };
            comeback.missed(self.cx.now(), failure)?;
        }
    }

    /// Logs in with the new password and asks the machine what it has become.
    pub(super) async fn prove_on(&mut self, mut session: Session) -> Result<Outcome, Failure> {
        self.step(Step::Prove);
        let passwords: Vec<Secret<String>> = self.record.admin_passwords.clone();
        let request = Request::get(SetupAndConfigurationService::NAME);
        let (reply, accepted) = self.log_in(&mut session, Step::Prove, &passwords, &request).await?;
        let state = reply.instance().map_err(|e| e.failure(Step::Prove.name()))?;
        if state.u32("ProvisioningState") != Some(SetupAndConfigurationService::POST) {
            return Err(Self::fail(
                ErrorCode::PROOF_FAILED,
                Step::Prove,
                "the machine serves its new certificate but says that it is still in setup: the commit was ignored",
            ));
        }
        let Some(accepted) = accepted else {
            return Err(Self::fail(
                ErrorCode::PROOF_FAILED,
                Step::Prove,
                "the machine did not ask for a password: nothing is proven",
            ));
        };
        if self.record.admin_passwords.first() != Some(&accepted) {
            self.cx.note("an older password opens the machine; it is kept as the first candidate");
            self.record.prefer_admin(&accepted);
            self.record.admin_proven = true;
            self.persist().await?;
            return Err(Self::fail(
                ErrorCode::PROOF_FAILED,
                Step::Prove,
                "the machine was set up, but with the password it had before",
            )
            .hint("the password is rotated by the next maintenance run; until then the old one is recorded first"));
        }
        let tls = session.outcome().cloned().ok_or_else(|| {
            Self::fail(ErrorCode::PROOF_FAILED, Step::Prove, "the machine was reached without TLS: nothing is proven")
        })?;
        let control_mode = self.control_mode(&mut session, state.u32("ProvisioningMode")).await?;
        self.admin_password_proven();
        self.psk_proven();
        // The machine was seen using it, and it alone needs it.
        self.record.private_key = None;
        self.record.verified = true;
        self.step(Step::Done);
        self.persist().await?;
        Ok(Outcome {
            id: self.record.id,
            control_mode,
            tls,
            version: self.record.version.or_else(|| session.version()),
        })
    }

    async fn control_mode(
        &self,
        session: &mut Session,
        provisioning_mode: Option<u32>,
    ) -> Result<ControlMode, Failure> {
        // Firmware before host-based setup knows admin control only, and no such class.
        let mode = match try_call(session, Step::Prove, &Request::get("IPS_HostBasedSetupService")).await? {
            Ok(reply) => reply.instance().ok().and_then(|i| i.u32("CurrentControlMode")),
            Err(_) => provisioning_mode.map(|mode| if mode == 4 { 1 } else { CONTROL_ADMIN }),
        };
        match mode {
            Some(CONTROL_ADMIN) => Ok(ControlMode::Admin),
            other => Err(Self::fail(
                ErrorCode::PROOF_FAILED,
                Step::Prove,
                format!("the machine is set up, but not in admin control mode (it says {other:?})"),
            )),
        }
    }
}
