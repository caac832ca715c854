//! A certificate of a machine that is set up takes the place of another: what a rename and a renewal have in common
//! (`spec/wsman.md` §4(e), §4(h), §4(i)).
//!
//! Before the commit a crash leaves a machine that serves its old certificate; after it one that serves the new one. The record holds both
//! until the proof, and the next attempt accepts either, before any password is sent. What was made already is found in the
//! record or on the machine and not made twice. CommitChanges is sent again only to a machine that still serves the old
//! certificate: there an earlier one did not take place. The proof is a login under the new certificate; only after it the old
//! certificate and the old key pair are removed.

mod record;

pub use record::{Replacement, Stage};
pub(crate) use record::{Stored, read};

use crate::ca::Purpose;
use crate::certificate::{Drafted, Maker, blob, certified_keys, enumerate, find_certificate};
use crate::commit::{self, Comeback, is_restart};
use crate::csr;
use crate::event::Event;
use crate::machine::{Cx, RecordCx};
use crate::managed::{Access, Managed, need_set_up};
use crate::names::CertificateNames;
use crate::session::{Session, try_call};
use crate::step::Step;
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Failure};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{PublicKeyCertificate, PublicPrivateKeyPair, SetupAndConfigurationService};
use amt_wsman::op::Request;
use std::future::Future;
use std::time::Duration;

/// A record of a procedure that replaces a certificate.
pub(crate) trait Replacing: Drafted {
    /// The part about the certificate.
    fn part(&self) -> &Replacement;

    /// The same, to be changed.
    fn part_mut(&mut self) -> &mut Replacement;

    /// What a login under the new certificate has to show besides.
    fn proof(&self, session: &mut Session) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// One attempt.
pub(crate) struct Run<R> {
    pub(crate) cx: RecordCx<R>,
    pub(crate) access: Access,
    pub(crate) record: R,
    pub(crate) proof_timeout: Duration,
}

impl<R: Replacing> Run<R> {
    /// Refuses a record of another machine.
    pub(crate) fn check_record(&self) -> Result<(), Failure> {
        let of = self.record.part().id;
        if of == self.access.id {
            return Ok(());
        }
        let text = format!("the record is of {of}, the machine is {}", self.access.id);
        Err(Failure::new(ErrorCode::JOURNAL, Step::Start.name(), text))
    }

    /// Connects to the machine under any of the certificates that it may serve, and logs in. `what` is to be done to it.
    pub(crate) async fn enter(&mut self, what: &str) -> Result<Managed, Failure> {
        let mut other = None;
        for identity in self.identities() {
            self.access.identity = identity;
            match Managed::open(&self.cx, &self.access).await {
                Ok(machine) => {
                    need_set_up(machine.provisioning_state(), Step::ReadState, what)?;
                    // From here on it is known which password opens it: no other is tried.
                    if let Some(password) = &machine.password {
                        self.access.admin_passwords = vec![password.clone()];
                    }
                    return Ok(machine);
                }
                Err(failure) if failure.code == ErrorCode::TLS_PIN_MISMATCH => other = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(other.unwrap_or_else(|| Failure::new(ErrorCode::TLS_PIN_MISMATCH, Step::Connect.name(), "no certificate")))
    }

    /// Whom the machine may be, likeliest first. Near the commit nobody knows which certificate it serves.
    fn identities(&self) -> Vec<PeerIdentity> {
        let part = self.record.part();
        let new = part.certificate.iter().cloned().map(PeerIdentity::Pinned);
        let old = part.superseded.iter().cloned().map(PeerIdentity::Pinned);
        let given = std::iter::once(self.access.identity.clone());
        let all: Vec<PeerIdentity> = match part.stage {
            Stage::Idle | Stage::Preparing => given.chain(old).chain(new).collect(),
            Stage::Committing => new.chain(old).chain(given).collect(),
            // Another procedure may have replaced it since.
            Stage::Proven | Stage::Done => new.chain(given).collect(),
        };
        let mut unique = Vec::with_capacity(all.len());
        for identity in all {
            if !unique.contains(&identity) {
                unique.push(identity);
            }
        }
        unique
    }

    pub(crate) fn maker<'a>(
        &'a mut self,
        session: &'a mut Session,
        names: CertificateNames,
        name_matters: bool,
    ) -> Maker<'a> {
        let id = self.record.part().id;
        let makes_keys = self.access.version.is_none_or(|version| version.capabilities().generate_key_pair);
        let (record, purpose) = (Box::new((&self.cx, &mut self.record)), Purpose::Server);
        Maker { cx: &self.cx, session, record, id, names, name_matters, makes_keys, purpose }
    }

    /// Commits, once; after a refusal the machine goes on as it was.
    pub(crate) async fn commit(&mut self, session: &mut Session) -> Result<(), Failure> {
        self.step(Step::Commit);
        self.stage(Stage::Committing).await?;
        if let Err(refused) = commit::send(&self.cx, session).await? {
            self.stage(Stage::Preparing).await?;
            return Err(refused);
        }
        Ok(())
    }

    /// Waits for the machine to come back with its new certificate and proves it. Returns the session of the proof.
    pub(crate) async fn prove(&mut self) -> Result<Managed, Failure> {
        self.access.identity = PeerIdentity::Pinned(self.record.part().certificate.clone().unwrap_or_default());
        let mut comeback = Comeback::within(self.cx.now(), self.proof_timeout);
        self.step(Step::Prove);
        loop {
            comeback.wait(&self.cx).await?;
            match self.look().await {
                Ok(machine) => {
                    self.stage(Stage::Proven).await?;
                    return Ok(machine);
                }
                Err(failure) if is_restart(&failure) => comeback.missed(self.cx.now(), failure)?,
                Err(failure) => return Err(failure.at(Step::Prove.name())),
            }
        }
    }

    async fn look(&self) -> Result<Managed, Failure> {
        let mut machine = Managed::open(&self.cx, &self.access).await?;
        check_login(&machine)?;
        self.record.proof(&mut machine.session).await?;
        Ok(machine)
    }

    /// The login of this attempt is the proof: an earlier one ended between its commit and the proof.
    pub(crate) async fn proven_already(&mut self, machine: &Managed) -> Result<(), Failure> {
        self.step(Step::Prove);
        check_login(machine)?;
        self.stage(Stage::Proven).await
    }

    /// Removes what was made and given up, so that it does not fill the store.
    pub(crate) async fn make_room(&mut self, session: &mut Session, served: &[u8]) -> Result<(), Failure> {
        let superseded = &mut self.record.part_mut().superseded;
        let (kept, unused): (Vec<_>, Vec<_>) = superseded.drain(..).partition(|der| der == served);
        *superseded = kept;
        if !unused.is_empty() {
            let stay = self.remove(session, &unused).await?;
            self.record.part_mut().superseded.extend(stay);
        }
        Ok(())
    }

    /// Removes the superseded certificates and their keys.
    pub(crate) async fn tidy(&mut self, session: &mut Session) -> Result<(), Failure> {
        let superseded = self.record.part().superseded.clone();
        if !superseded.is_empty() {
            self.remove(session, &superseded).await?;
        }
        Ok(())
    }

    /// Removes certificates and their keys. Returns the certificates that stay, because the machine uses them otherwise.
    async fn remove(&self, session: &mut Session, certificates: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Failure> {
        self.step(Step::Tidy);
        remove(&self.cx, session, certificates).await
    }

    /// Removes the key pair of the record, unless a certificate is for it.
    pub(crate) async fn discard_key(&mut self, session: &mut Session) -> Result<(), Failure> {
        let Some(handle) = self.record.part_mut().key_handle.take() else { return Ok(()) };
        self.step(Step::Tidy);
        discard_key(&self.cx, session, &handle).await
    }

    pub(crate) async fn done(&mut self) -> Result<(), Failure> {
        let part = self.record.part_mut();
        (part.csr, part.private_key) = (None, None);
        part.superseded.clear();
        self.stage(Stage::Done).await?;
        self.step(Step::Done);
        Ok(())
    }

    pub(crate) async fn stage(&mut self, stage: Stage) -> Result<(), Failure> {
        self.record.part_mut().stage = stage;
        self.cx.persist(&self.record).await
    }

    pub(crate) fn step(&self, step: Step) {
        self.cx.event(Event::Step(step));
    }
}

/// Removes certificates and their keys. Returns the certificates that stay, because the machine uses them otherwise.
pub(crate) async fn remove(cx: &Cx, session: &mut Session, certificates: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Failure> {
    let installed = enumerate(session, Step::Tidy, PublicKeyCertificate::NAME).await?;
    for der in certificates {
        if let Some(id) = find_certificate(&installed, der) {
            delete(cx, session, PublicKeyCertificate::NAME, &id).await?;
        }
    }
    let left = enumerate(session, Step::Tidy, PublicKeyCertificate::NAME).await?;
    let in_use = certified_keys(&left);
    let old: Vec<Vec<u8>> = certificates.iter().filter_map(|der| csr::certificate_key(der).ok()).collect();
    for pair in enumerate(session, Step::Tidy, PublicPrivateKeyPair::NAME).await? {
        let Some((key, id)) = blob(&pair, "DERKey").zip(pair.text("InstanceID")) else { continue };
        if old.contains(&key) && !in_use.contains(&key) {
            delete(cx, session, PublicPrivateKeyPair::NAME, id).await?;
        }
    }
    Ok(certificates.iter().filter(|der| find_certificate(&left, der).is_some()).cloned().collect())
}

/// Removes a key pair, unless a certificate is for it.
pub(crate) async fn discard_key(cx: &Cx, session: &mut Session, handle: &str) -> Result<(), Failure> {
    let installed = enumerate(session, Step::Tidy, PublicKeyCertificate::NAME).await?;
    let certified = certified_keys(&installed);
    for pair in enumerate(session, Step::Tidy, PublicPrivateKeyPair::NAME).await? {
        let free = blob(&pair, "DERKey").is_some_and(|key| !certified.contains(&key));
        if free && pair.text("InstanceID") == Some(handle) {
            delete(cx, session, PublicPrivateKeyPair::NAME, handle).await?;
        }
    }
    Ok(())
}

async fn delete(cx: &Cx, session: &mut Session, class: &str, id: &str) -> Result<(), Failure> {
    let request = Request::delete(class).selector("InstanceID", id);
    match try_call(session, Step::Tidy, &request).await? {
        // Absent: an earlier answer was lost.
        Err(error) if !error.is_fault("DestinationUnreachable") => {
            cx.note(format!("{id} stays on the machine: {}", Failure::from(error).message));
        }
        _ => {}
    }
    Ok(())
}

/// The certificate that the machine serves.
pub(crate) fn served(machine: &Managed) -> Result<Vec<u8>, Failure> {
    machine.session.leaf().cloned().ok_or_else(|| {
        Failure::new(ErrorCode::TLS_PIN_MISMATCH, Step::Connect.name(), "the machine serves no certificate")
    })
}

fn check_login(machine: &Managed) -> Result<(), Failure> {
    if machine.provisioning_state() != Some(SetupAndConfigurationService::POST) {
        return Err(unproven("the machine serves its new certificate but says that it is not set up"));
    }
    if machine.password.is_none() {
        return Err(unproven("the machine did not ask for a password: nothing is proven"));
    }
    Ok(())
}

pub(crate) fn unproven(text: &str) -> Failure {
    Failure::new(ErrorCode::PROOF_FAILED, Step::Prove.name(), text)
}
