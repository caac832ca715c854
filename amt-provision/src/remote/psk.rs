//! A pre-shared pair instead of a certificate (`spec/wsman.md` §4(b), AMT 2 to 10).

use super::{Entry, Run, try_call};
use crate::session::Session;
use crate::step::Step;
use amt_core::psk::{Pid, PskPair};
use amt_core::tls::{PeerIdentity, TlsPlan};
use amt_core::{ErrorCode, Failure};
use amt_wsman::class::amt::SetupAndConfigurationService;
use std::convert::Infallible;

impl Run {
    /// Connects with the pairs in turn until the machine accepts one.
    pub(super) async fn enter_by_psk(&mut self) -> Result<Entry, Failure> {
        if let Some(session) = self.already_committed().await? {
            return Ok(Entry::Operational(session));
        }
        let mut refused = None;
        for pair in self.psk.clone() {
            let identity = PeerIdentity::Psk(pair.clone());
            let mut ladder = self.ladder(&identity)?;
            match self.climb(TlsPlan::new(identity).setting_up(None), &mut ladder).await {
                Ok(session) => {
                    self.psk_accepted(&pair);
                    return Ok(Entry::Setup(session));
                }
                Err(f) if matches!(f.code, ErrorCode::PSK_WRONG | ErrorCode::PSK_IDENTITY) => {
                    refused.get_or_insert(named(f, pair.pid));
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(refused.unwrap_or_else(|| Self::fail(ErrorCode::PSK_UNKNOWN, Step::Connect, "there is no pair to try")))
    }

    /// A machine that serves the certificate of our record was committed by an earlier attempt.
    async fn already_committed(&mut self) -> Result<Option<Session>, Failure> {
        let Some(certificate) = self.record.certificate.clone().filter(|_| self.record.commit_sent) else {
            return Ok(None);
        };
        let identity = PeerIdentity::Pinned(certificate);
        let mut ladder = self.ladder(&identity)?;
        match self.climb(TlsPlan::new(identity), &mut ladder).await {
            Ok(session) => Ok(Some(session)),
            // It waits for its pair still: nothing in common with certificates.
            Err(failure) if matches!(failure.code.number(), 4001..=4999) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The pair that opened the machine stays first; the others stay until a new one is proven.
    fn psk_accepted(&mut self, pair: &PskPair) {
        for other in self.psk.clone().iter().rev() {
            if !self.record.psk.contains(other) {
                self.record.psk.insert(0, other.clone());
            }
        }
        self.record.prefer_psk(pair);
    }

    /// Gives the machine a pair of its own for its next setup. The one that opened it was known to whoever carried it, and may be shared
    /// by many machines. Durable before it is sent; the old one stays a candidate until the proof.
    pub(super) async fn replace_psk(&mut self, session: &mut Session) -> Result<(), Failure> {
        if self.psk.is_empty() {
            return Ok(());
        }
        self.step(Step::SetPsk);
        let fresh = match self.record.fresh_psk.clone() {
            Some(fresh) => fresh,
            None => {
                let random = &mut self.random;
                let Ok(fresh) = PskPair::generate(|bytes| {
                    random.fill(bytes);
                    Ok::<(), Infallible>(())
                });
                fresh
            }
        };
        // An earlier attempt gave it to the machine, which was opened with it just now.
        if self.record.fresh_psk.is_some() && self.record.psk.first() == Some(&fresh) {
            return Ok(());
        }
        self.record.fresh_psk = Some(fresh.clone());
        if !self.record.psk.contains(&fresh) {
            self.record.psk.push(fresh.clone());
        }
        self.persist().await?;
        let request = SetupAndConfigurationService::set_tls_psk(&fresh.pid.plain(), &fresh.pps.plain());
        match try_call(session, Step::SetPsk, &request).await? {
            Ok(_) => {
                session.accept_too(PeerIdentity::Psk(fresh.clone()));
                self.record.prefer_psk(&fresh);
                self.persist().await
            }
            Err(refusal) => {
                let why = Failure::from(refusal).into_details().message;
                self.cx.note(format!("the pre-shared pair was not replaced: {why}; the machine keeps the one it has"));
                self.record.psk.retain(|other| *other != fresh);
                self.record.fresh_psk = None;
                self.persist().await
            }
        }
    }

    /// Forgets the pairs before the one that the machine was given. Durable with the next record.
    pub(super) fn psk_proven(&mut self) {
        self.record.psk.truncate(1);
        self.record.fresh_psk = None;
    }
}

fn named(mut failure: Failure, pid: Pid) -> Failure {
    failure.message = format!("PID {pid}: {}", failure.message);
    failure
}
