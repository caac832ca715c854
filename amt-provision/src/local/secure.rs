//! Admin control mode over the firmware's local TLS port, which it opens to the owner of one certificate (`spec/wsman.md` §4(d) d3,
//! `spec/heci.md` §3.5). Newer firmware takes no other setup by an administrator from its own system.

use super::activate::{Run, leave_provisioning};
use super::ask::{AskError, ask};
use super::chain;
use super::link;
use super::status::{Facts, read_roots};
use crate::clock::ClockReading;
use crate::commit;
use crate::event::Event;
use crate::managed::log_in;
use crate::names;
use crate::password::{ADMIN, FACTORY};
use crate::session::{CallError, Session, read_general};
use crate::step::Step;
use amt_core::status::PtStatus;
use amt_core::{ErrorCode, Failure, Secret};
use amt_heci::amthi::{SecureConfiguration, SecureForm, StartConfigurationHBased};
use amt_wsman::class::amt::{AuthorizationService, TimeSynchronizationService};
use amt_wsman::op::Request;
use sha2::{Digest, Sha256, Sha384};

/// Hash algorithms of the request and its answer.
const SHA256: u8 = 2;
const SHA384: u8 = 3;

impl Run {
    pub(super) async fn set_up_secure(&mut self, facts: &Facts) -> Result<(), Failure> {
        if !facts.version.capabilities().secure_host_based_setup {
            let text =
                format!("AMT {} demands TLS on its local ports and has no secure host-based setup", facts.version);
            return Err(Failure::new(ErrorCode::LOCAL_TLS_REQUIRED, Step::StartSecure.name(), text));
        }
        let index = chain::choose(&self.chains, &read_roots(&self.cx).await?)?;
        let theirs = self.start_secure(index).await?;
        let done = self.set_up_over_tls(index, &theirs).await;
        if let Err(failure) = &done
            && failure.code != ErrorCode::CANCELLED
        {
            // Left as it is, the firmware would stay in its setup and take no other.
            if let Err(also) = leave_provisioning(&self.cx).await {
                self.cx.note(format!("the firmware could not be taken out of its setup: {}", also.message));
            }
        }
        done
    }

    /// Tells the firmware whose setup it shall take. It says which certificate it will present itself.
    async fn start_secure(&mut self, index: usize) -> Result<SecureConfiguration, Failure> {
        self.step(Step::StartSecure);
        let leaf = self.chains.get(index).and_then(|chain| chain.0.first()).map_or(&[][..], Vec::as_slice);
        let mut hash = [0; 64];
        for (to, from) in hash.iter_mut().zip(Sha256::digest(leaf)) {
            *to = from;
        }
        let suffixes = self.suffixes.clone();
        let mut command = StartConfigurationHBased {
            algorithm: SHA256,
            hash,
            host_vpn: false,
            suffixes,
            form: SecureForm::Documented,
        };
        match ask(&self.cx, Step::StartSecure, &command).await {
            Err(error) if error.status() == Some(PtStatus::INVALID_MESSAGE_LENGTH) => {
                self.cx.note("the firmware wants the packed form of the request");
                command.form = SecureForm::Packed;
                ask(&self.cx, Step::StartSecure, &command).await.map_err(Failure::from)
            }
            // It may have begun; then it is in its setup, and has to leave it before it is asked again.
            Err(error @ (AskError::Answer(..) | AskError::Other(_))) if error.is_lost() => {
                leave_provisioning(&self.cx).await?;
                Err(error.into())
            }
            answered_or_not => answered_or_not.map_err(Failure::from),
        }
    }

    async fn set_up_over_tls(&mut self, index: usize, theirs: &SecureConfiguration) -> Result<(), Failure> {
        let mut session = link::open_secure(&self.cx, &self.identity, index, &mut self.random).await?;
        check_leaf(&session, theirs)?;
        let current = self.log_in_to_setup(&mut session).await?;
        let realm = self.read_realm(&mut session).await?;
        let password = self.record_credentials(&realm, None).await?;
        self.set_mebx_password(&mut session).await?;
        if current.as_ref() != Some(&password) {
            self.step(Step::SetAdminPassword);
            let request = AuthorizationService::set_admin_acl_entry(ADMIN, &realm, &password);
            session.call(Step::SetAdminPassword, &request).await?;
            Self::log_in_with(&mut session, password);
        }
        self.set_clock(&mut session).await?;
        self.set_names(&mut session).await?;
        self.step(Step::Commit);
        self.record.commit_sent = true;
        self.persist().await?;
        let sent = commit::send(&self.cx, &mut session).await?;
        self.record.commit_sent = false;
        self.confirm(Step::Commit, sent.map_err(CallError::Other)).await
    }

    /// Some firmware wants a login although the certificate has authorised the session; which password, sources disagree about.
    async fn log_in_to_setup(&mut self, session: &mut Session) -> Result<Option<Secret<String>>, Failure> {
        let mut passwords = self.record.admin_passwords.clone();
        for more in [FACTORY, ""].map(Secret::from).iter().chain(&self.plan.known_admin_passwords) {
            if !passwords.contains(more) {
                passwords.push(more.clone());
            }
        }
        let request = Request::get("AMT_GeneralSettings");
        let spacing = self.plan.guess_spacing;
        let (_, password) =
            log_in(&self.cx, session, Step::ReadState, &passwords, &request, spacing, &mut None).await?;
        Ok(password)
    }

    async fn set_clock(&mut self, session: &mut Session) -> Result<(), Failure> {
        self.step(Step::SetClock);
        let request = TimeSynchronizationService::get_low_accuracy_time_synch();
        let told = session.call(Step::SetClock, &request).await?;
        let seen = ClockReading::of(&told, self.utc())?;
        seen.set(session, self.utc()).await
    }

    async fn set_names(&mut self, session: &mut Session) -> Result<(), Failure> {
        let mut general = read_general(session, Step::SetNames).await?;
        if names::change(&mut general, self.plan.host_name.as_deref(), self.plan.domain_name.as_deref()) {
            self.cx.event(Event::Step(Step::SetNames));
            session.call(Step::SetNames, &Request::put(&general)).await?;
        }
        Ok(())
    }
}

/// The firmware told over HECI, where nobody is in between, which certificate it presents.
fn check_leaf(session: &Session, told: &SecureConfiguration) -> Result<(), Failure> {
    let leaf = session.leaf().map_or(&[][..], Vec::as_slice);
    let (hash, size) = match told.algorithm {
        SHA256 => (Sha256::digest(leaf).to_vec(), 32),
        SHA384 => (Sha384::digest(leaf).to_vec(), 48),
        other => {
            let text = format!("the firmware tells the hash of its certificate by algorithm {other}, which is unknown");
            return Err(Failure::new(ErrorCode::ONDIE_CHAIN, Step::ConnectLocally.name(), text));
        }
    };
    if told.hash.get(..size) == Some(hash.as_slice()) {
        return Ok(());
    }
    let text = "check of the leaf: the certificate on the local TLS port is not the one that the firmware told";
    Err(Failure::new(ErrorCode::ONDIE_CHAIN, Step::ConnectLocally.name(), text))
}
