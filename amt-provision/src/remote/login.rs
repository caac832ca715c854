//! Reaching the machine: which certificate it accepts, which password opens it.

use super::{Entry, Run};
use crate::event::Event;
use crate::managed;
use crate::password::FACTORY;
use crate::session::Session;
use crate::step::Step;
use amt_core::tls::{Ladder, PeerIdentity, TlsPlan};
use amt_core::{ErrorCode, Failure, Secret};
use amt_wsman::op::{Reply, Request};

impl Run {
    /// Connects with what opens this machine: a pre-shared pair, or one of the certificates.
    pub(super) async fn enter(&mut self) -> Result<Entry, Failure> {
        self.step(Step::Connect);
        if self.psk.is_empty() { self.enter_by_certificate().await } else { self.enter_by_psk().await }
    }

    /// Connects with the candidates in turn until the machine accepts one.
    async fn enter_by_certificate(&mut self) -> Result<Entry, Failure> {
        if self.candidates.is_empty() {
            return Err(Self::fail(
                ErrorCode::NO_CERTIFICATE_FITS,
                Step::Connect,
                "there is no provisioning certificate to present",
            ));
        }
        let winner = self.record.provisioning_certificate.clone();
        let (first, others): (Vec<_>, Vec<_>) =
            self.candidates.drain(..).partition(|c| Some(&c.leaf_sha256) == winner.as_ref());
        self.candidates = first.into_iter().chain(others).collect();
        let mut ladder = self.ladder(&PeerIdentity::Any)?;
        let mut refusals: Vec<Failure> = Vec::new();
        for candidate in self.candidates.clone() {
            let plan = TlsPlan::new(PeerIdentity::Any).setting_up(Some(candidate.index));
            match self.climb(plan, &mut ladder).await {
                Ok(session) => return self.entered(session, candidate.leaf_sha256),
                Err(f) if matches!(f.code, ErrorCode::TLS_CHAIN_REFUSED | ErrorCode::TLS_CLOSED) => {
                    self.cx.event(Event::CertificateRefused { index: candidate.index, reason: f.message.clone() });
                    refusals.push(f);
                }
                Err(failure) => return Err(failure),
            }
        }
        if self.has_client
            && let Some(entry) = self.enter_as_client(&mut ladder).await?
        {
            return Ok(entry);
        }
        // With several certificates tried, an alert says more than a silent close.
        let best = refusals.iter().position(|f| f.device.is_some()).unwrap_or_default();
        let tried = refusals.len();
        let mut failure = refusals.swap_remove(best);
        if tried > 1 {
            failure.message = format!("{} (all {tried} certificates were tried)", failure.message);
        }
        Err(failure)
    }

    /// A machine that is set up with mutual TLS refuses provisioning certificates too, and lets those in whom its owner trusts. None: it is
    /// no such machine.
    async fn enter_as_client(&mut self, ladder: &mut Ladder) -> Result<Option<Entry>, Failure> {
        let plan = TlsPlan::new(PeerIdentity::Any).setting_up(None);
        let session = match self.climb(plan, ladder).await {
            Ok(session) => session,
            Err(failure) if failure.code == ErrorCode::CANCELLED => return Err(failure),
            Err(_) => return Ok(None),
        };
        let leaf = session.leaf();
        if leaf.is_some() && leaf == self.record.certificate.as_ref() {
            return Ok(Some(Entry::Operational(session)));
        }
        if !session.certificate_requested() {
            return Ok(None);
        }
        let text = "the machine refuses provisioning certificates and lets this console's own certificate in: it is set up, with mutual TLS";
        Err(Self::fail(ErrorCode::ALREADY_PROVISIONED, Step::Connect, text))
    }

    /// The attempts to make with this machine.
    pub(super) fn ladder(&self, identity: &PeerIdentity) -> Result<Ladder, Failure> {
        Ladder::new(identity, self.record.version, self.record.rung, self.plan.legacy_tls)
    }

    /// Connects on a rung of `ladder` and remembers it.
    pub(super) async fn climb(&mut self, plan: TlsPlan, ladder: &mut Ladder) -> Result<Session, Failure> {
        let session = Session::climb(&self.cx, &self.authority, self.port, plan, ladder, &mut self.random).await?;
        self.record.rung = session.rung();
        Ok(session)
    }

    fn entered(&mut self, session: Session, leaf_sha256: String) -> Result<Entry, Failure> {
        let leaf = session.leaf();
        if leaf.is_some() && leaf == self.record.certificate.as_ref() {
            return Ok(Entry::Operational(session));
        }
        if !session.certificate_requested() {
            return Err(Self::fail(
                ErrorCode::TLS_NO_CERTIFICATE_REQUEST,
                Step::Connect,
                "the machine did not ask for our provisioning certificate and serves another certificate than ours",
            )
            .hint(
                "it is set up already (adopt it with its credentials, or unprovision it), or its setup window closed \
                 (re-arm it by MEBx, USB key or a local agent)",
            ));
        }
        self.record.provisioning_certificate = Some(leaf_sha256);
        Ok(Entry::Setup(session))
    }

    /// Logs in with `passwords` in turn, at least the plan's spacing apart, by making `request`. Returns the reply and which
    /// password was accepted; none if the machine did not ask for one.
    pub(super) async fn log_in(
        &mut self,
        session: &mut Session,
        step: Step,
        passwords: &[Secret<String>],
        request: &Request,
    ) -> Result<(Reply, Option<Secret<String>>), Failure> {
        let spacing = self.plan.guess_spacing;
        managed::log_in(&self.cx, session, step, passwords, request, spacing, &mut self.last_refusal).await
    }

    /// Makes `request` in a session that was logged in before. A password that was just set may be the one that the session now
    /// wants: refused, the candidates are tried, the setup menu's first. A refused request was not carried out. Returns
    /// which password was accepted, if another was needed.
    pub(super) async fn call_again(
        &mut self,
        session: &mut Session,
        step: Step,
        request: &Request,
    ) -> Result<(Reply, Option<Secret<String>>), Failure> {
        match session.call(step, request).await {
            Ok(reply) => Ok((reply, None)),
            Err(error) if error.is_login() => {
                self.last_refusal = Some(self.cx.now());
                let mut passwords: Vec<Secret<String>> = self.record.mebx_passwords.iter().take(1).cloned().collect();
                passwords
                    .extend(self.setup_passwords().into_iter().filter(|p| !passwords.contains(p)).collect::<Vec<_>>());
                self.log_in(session, step, &passwords, request).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Every password that may open the machine in setup mode, likeliest first.
    pub(super) fn setup_passwords(&self) -> Vec<Secret<String>> {
        let factory = Secret::from(FACTORY);
        let known = self.plan.known_admin_passwords.iter();
        let mut all: Vec<Secret<String>> = self.record.admin_passwords.clone();
        if self.credentials_set == Some(true) {
            all.extend(known.cloned());
            all.push(factory);
        } else {
            all.push(factory);
            all.extend(known.cloned());
        }
        all.extend(self.record.mebx_passwords.iter().cloned());
        // Some firmware takes an empty password in a session that the certificate has authorised.
        all.push(Secret::from(""));
        let mut unique: Vec<Secret<String>> = Vec::with_capacity(all.len());
        for password in all {
            if !unique.contains(&password) {
                unique.push(password);
            }
        }
        unique
    }
}
