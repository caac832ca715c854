//! Gives a machine that is set up another name (`spec/wsman.md` §4(h) with (e) inside).
//!
//! A certificate for the new name is made with a new key pair in the machine, names are put, the TLS server is switched to the new
//! certificate, and all is committed. Then the machine is looked for under its new certificate: a login there, and the names read back,
//! are the proof. Only after that the old certificate and the old key pair are removed. A machine that has the names and serves a
//! certificate for them already is left as it is.
//!
//! Before the commit a crash leaves a machine that serves its old certificate; after it one that serves the new one. The record holds both
//! until the proof, and the next attempt accepts either, before any password is sent. What was made already is found in the
//! record or on the machine and not made twice. CommitChanges is sent again only to a machine that still serves the old
//! certificate: there an earlier one did not take place.
//!
//! Names count as soon as they are put; where the certificate has the new name already, reading them back is all the proof there is.
//!
//! Not done: accounts and service principals of a directory, and the machine's own entry in DNS. Issuers that the old certificate
//! brought stay on the machine, since something else may rest on them.

mod record;

pub use record::{FORMAT, MAX_RECORD, RenameRecord, RenameStage};

use crate::certificate::{Maker, blob, enumerate, find_certificate};
use crate::commit::{self, Comeback, is_restart};
use crate::csr;
use crate::event::Event;
use crate::machine::{Cx, Machine};
use crate::managed::{Access, Managed, need_set_up};
use crate::names::{self, CertificateNames};
use crate::plan::{Plan, is_domain, is_label};
use crate::session::{Session, try_call};
use crate::step::Step;
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{
    GeneralSettings, PublicKeyCertificate, PublicPrivateKeyPair, SetupAndConfigurationService,
};
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;
use std::time::Duration;

/// Everything that one attempt needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rename {
    /// How the machine is reached. What the record knows of its certificates is accepted too.
    pub access: Access,
    /// What earlier attempts made durable, or a new record.
    pub record: RenameRecord,
    /// How long the machine may take to come back after the commit.
    pub proof_timeout: Duration,
}

impl Rename {
    /// An attempt at the rename of `record`.
    pub fn new(access: Access, record: RenameRecord) -> Self {
        Self { access, record, proof_timeout: Plan::default().proof_timeout }
    }

    /// The attempt as a machine to be driven.
    pub fn start(self) -> Machine<Renamed, RenameRecord> {
        let Self { access, record, proof_timeout } = self;
        Machine::new(move |cx| Run { cx, access, record, proof_timeout }.run())
    }
}

/// What the machine is now, proven by a login under its new certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renamed {
    /// The machine.
    pub id: SystemId,
    /// Its host name.
    pub host_name: String,
    /// Its domain, if it has one.
    pub domain_name: Option<String>,
    /// The certificate that it serves, DER: whom to accept from now on.
    pub certificate: Vec<u8>,
    /// Whether anything was changed.
    pub changed: bool,
}

type Reached = Managed<Renamed, RenameRecord>;

struct Run {
    cx: Cx<Renamed, RenameRecord>,
    access: Access,
    record: RenameRecord,
    proof_timeout: Duration,
}

impl Run {
    async fn run(mut self) -> Result<Renamed, Failure> {
        self.cx.input(None).await?;
        self.check()?;
        if self.record.stage == RenameStage::Done {
            return Ok(self.renamed());
        }
        let mut machine = self.enter().await?;
        let served = served(&machine)?;
        self.step(Step::ReadFacts);
        let general = read_general(&mut machine.session, Step::ReadFacts).await?;
        if self.record.domain_name.is_none() {
            self.record.domain_name = Some(names::own(&general, "DomainName").unwrap_or_default().to_owned());
        }
        let fits = self.names_fit(&general) && csr::is_for(&served, &self.record.fqdn());
        match self.record.stage {
            RenameStage::Idle if fits => {
                self.record.settle_on(served);
                return self.done().await;
            }
            // The commit took place, and this login is the proof.
            RenameStage::Committing if fits && self.record.certificate.as_ref() == Some(&served) => {
                self.step(Step::Prove);
                Self::check_login(&machine)?;
                self.stage(RenameStage::Proven).await?;
            }
            RenameStage::Proven => {}
            _ => machine = self.change(machine, served, general).await?,
        }
        self.tidy(&mut machine.session).await?;
        self.record.changed = true;
        self.done().await
    }

    fn check(&self) -> Result<(), Failure> {
        if self.record.id != self.access.id {
            let text = format!("the rename record is of {}, the machine is {}", self.record.id, self.access.id);
            return Err(Failure::new(ErrorCode::JOURNAL, Step::Start.name(), text));
        }
        let host = &self.record.host_name;
        let wrong = |field: &str, value: &str, hint: &'static str| {
            let text = format!("{field}: {value:?} is not one");
            Err(Failure::new(ErrorCode::PLAN_INVALID, Step::Start.name(), text).hint(hint))
        };
        if !is_label(host) {
            return wrong("host_name", host, "use 1 to 63 letters, digits and hyphens, without a dot");
        }
        match &self.record.domain_name {
            Some(domain) if !domain.is_empty() && !is_domain(domain) => {
                wrong("domain_name", domain, "use labels of letters, digits and hyphens separated by dots")
            }
            _ => Ok(()),
        }
    }

    /// Connects to the machine under any of the certificates that it may serve, and logs in.
    async fn enter(&mut self) -> Result<Reached, Failure> {
        let mut other = None;
        for identity in self.identities() {
            self.access.identity = identity;
            match Managed::open(&self.cx, &self.access).await {
                Ok(machine) => {
                    need_set_up(machine.provisioning_state(), Step::ReadState, "renamed")?;
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
        let new = self.record.certificate.iter().cloned().map(PeerIdentity::Pinned);
        let old = self.record.superseded.iter().cloned().map(PeerIdentity::Pinned);
        let given = std::iter::once(self.access.identity.clone());
        let all: Vec<PeerIdentity> = match self.record.stage {
            RenameStage::Idle | RenameStage::Preparing => given.chain(old).chain(new).collect(),
            RenameStage::Committing => new.chain(old).chain(given).collect(),
            RenameStage::Proven | RenameStage::Done => new.collect(),
        };
        let mut unique = Vec::with_capacity(all.len());
        for identity in all {
            if !unique.contains(&identity) {
                unique.push(identity);
            }
        }
        unique
    }

    /// Everything up to the proof. Returns the session of the proof.
    async fn change(
        &mut self,
        mut machine: Reached,
        served: Vec<u8>,
        mut general: Instance,
    ) -> Result<Reached, Failure> {
        let session = &mut machine.session;
        let switch = !csr::is_for(&served, &self.record.fqdn());
        if switch {
            self.make_room(session, &served).await?;
            self.record.supersede(served);
        } else {
            self.record.settle_on(served);
        }
        self.stage(RenameStage::Preparing).await?;
        let handle = match switch {
            true => Some(self.maker(session).install().await?),
            false => None,
        };
        let domain = self.record.domain_name.as_deref();
        if names::change(&mut general, Some(&self.record.host_name), domain) {
            self.step(Step::SetNames);
            session.call(Step::SetNames, &Request::put(&general)).await?;
        }
        if let Some(handle) = handle {
            self.maker(session).bind(&handle).await?;
        }
        self.commit(session).await?;
        self.prove().await
    }

    fn maker<'a>(&'a mut self, session: &'a mut Session<Renamed, RenameRecord>) -> Maker<'a, Renamed, RenameRecord> {
        let (id, domain) = (self.record.id, self.record.domain_name.as_deref());
        let names = CertificateNames::new(Some(&self.record.host_name), domain, id);
        let makes_keys = self.access.version.is_none_or(|version| version.capabilities().generate_key_pair);
        Maker { cx: &self.cx, session, record: &mut self.record, id, names, name_matters: true, makes_keys }
    }

    async fn commit(&mut self, session: &mut Session<Renamed, RenameRecord>) -> Result<(), Failure> {
        self.step(Step::Commit);
        self.stage(RenameStage::Committing).await?;
        if let Err(refused) = commit::send(&self.cx, session).await? {
            self.stage(RenameStage::Preparing).await?;
            return Err(refused);
        }
        Ok(())
    }

    /// Waits for the machine to come back with its new certificate, logs in and reads the names back.
    async fn prove(&mut self) -> Result<Reached, Failure> {
        self.access.identity = PeerIdentity::Pinned(self.record.certificate.clone().unwrap_or_default());
        let mut comeback = Comeback::within(self.cx.now(), self.proof_timeout);
        self.step(Step::Prove);
        loop {
            comeback.wait(&self.cx).await?;
            match self.look().await {
                Ok(machine) => {
                    self.stage(RenameStage::Proven).await?;
                    return Ok(machine);
                }
                Err(failure) if is_restart(&failure) => comeback.missed(self.cx.now(), failure)?,
                Err(failure) => return Err(failure.at(Step::Prove.name())),
            }
        }
    }

    async fn look(&self) -> Result<Reached, Failure> {
        let mut machine = Managed::open(&self.cx, &self.access).await?;
        Self::check_login(&machine)?;
        let general = read_general(&mut machine.session, Step::Prove).await?;
        if self.names_fit(&general) {
            return Ok(machine);
        }
        let has = names::full(general.text("HostName").unwrap_or_default(), general.text("DomainName"));
        Err(unproven(&format!("the machine accepted the name {} and says that it is {has}", self.record.fqdn())))
    }

    fn check_login(machine: &Reached) -> Result<(), Failure> {
        if machine.provisioning_state() != Some(SetupAndConfigurationService::POST) {
            return Err(unproven("the machine serves its new certificate but says that it is not set up"));
        }
        if machine.password.is_none() {
            return Err(unproven("the machine did not ask for a password: nothing is proven"));
        }
        Ok(())
    }

    fn names_fit(&self, general: &Instance) -> bool {
        let wanted = [("HostName", Some(&self.record.host_name)), ("DomainName", self.record.domain_name.as_ref())];
        wanted.into_iter().all(|(property, wanted)| {
            wanted.is_none_or(|wanted| names::own(general, property).unwrap_or_default().eq_ignore_ascii_case(wanted))
        })
    }

    /// Removes what was made for names that were given up, so that it does not fill the store.
    async fn make_room(&mut self, session: &mut Session<Renamed, RenameRecord>, served: &[u8]) -> Result<(), Failure> {
        let (kept, unused): (Vec<_>, Vec<_>) = self.record.superseded.drain(..).partition(|der| der == served);
        self.record.superseded = kept;
        if !unused.is_empty() {
            let stay = self.remove(session, &unused).await?;
            self.record.superseded.extend(stay);
        }
        Ok(())
    }

    /// Removes the superseded certificates and their keys.
    async fn tidy(&mut self, session: &mut Session<Renamed, RenameRecord>) -> Result<(), Failure> {
        let superseded = self.record.superseded.clone();
        if !superseded.is_empty() {
            self.remove(session, &superseded).await?;
        }
        Ok(())
    }

    /// Removes certificates and their keys. Returns the certificates that stay, because the machine uses them otherwise.
    async fn remove(
        &self,
        session: &mut Session<Renamed, RenameRecord>,
        certificates: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, Failure> {
        self.step(Step::Tidy);
        let installed = enumerate(session, Step::Tidy, PublicKeyCertificate::NAME).await?;
        for der in certificates {
            if let Some(id) = find_certificate(&installed, der) {
                self.delete(session, PublicKeyCertificate::NAME, &id).await?;
            }
        }
        let left = enumerate(session, Step::Tidy, PublicKeyCertificate::NAME).await?;
        let in_use: Vec<Vec<u8>> = left.iter().filter_map(certified_key).collect();
        let old: Vec<Vec<u8>> = certificates.iter().filter_map(|der| csr::certificate_key(der).ok()).collect();
        for pair in enumerate(session, Step::Tidy, PublicPrivateKeyPair::NAME).await? {
            let Some((key, id)) = blob(&pair, "DERKey").zip(pair.text("InstanceID")) else { continue };
            if old.contains(&key) && !in_use.contains(&key) {
                self.delete(session, PublicPrivateKeyPair::NAME, id).await?;
            }
        }
        Ok(certificates.iter().filter(|der| find_certificate(&left, der).is_some()).cloned().collect())
    }

    async fn delete(&self, session: &mut Session<Renamed, RenameRecord>, class: &str, id: &str) -> Result<(), Failure> {
        let request = Request::delete(class).selector("InstanceID", id);
        match try_call(session, Step::Tidy, &request).await? {
            // Absent: an earlier answer was lost.
            Err(error) if !error.is_fault("DestinationUnreachable") => {
                self.cx.note(format!("{id} stays on the machine: {}", Failure::from(error).message));
            }
            _ => {}
        }
        Ok(())
    }

    async fn done(&mut self) -> Result<Renamed, Failure> {
        self.record.csr = None;
        self.record.superseded.clear();
        self.stage(RenameStage::Done).await?;
        self.step(Step::Done);
        Ok(self.renamed())
    }

    fn renamed(&self) -> Renamed {
        Renamed {
            id: self.record.id,
            host_name: self.record.host_name.clone(),
            domain_name: self.record.domain_name.clone().filter(|domain| !domain.is_empty()),
            certificate: self.record.certificate.clone().unwrap_or_default(),
            changed: self.record.changed,
        }
    }

    async fn stage(&mut self, stage: RenameStage) -> Result<(), Failure> {
        self.record.stage = stage;
        self.cx.persist(&self.record).await
    }

    fn step(&self, step: Step) {
        self.cx.event(Event::Step(step));
    }
}

async fn read_general(session: &mut Session<Renamed, RenameRecord>, step: Step) -> Result<Instance, Failure> {
    let reply = session.call(step, &GeneralSettings::get()).await?;
    Ok(reply.instance().map_err(|e| e.failure(step.name()))?.clone())
}

/// The certificate that the machine serves.
fn served(machine: &Reached) -> Result<Vec<u8>, Failure> {
    machine.session.leaf().cloned().ok_or_else(|| {
        Failure::new(ErrorCode::TLS_PIN_MISMATCH, Step::Connect.name(), "the machine serves no certificate")
    })
}

fn certified_key(installed: &Instance) -> Option<Vec<u8>> {
    csr::certificate_key(&blob(installed, "X509Certificate")?).ok()
}

fn unproven(text: &str) -> Failure {
    Failure::new(ErrorCode::PROOF_FAILED, Step::Prove.name(), text)
}
