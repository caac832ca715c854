//! Renews the certificate of a machine that is set up, when a share of its life is over (`spec/wsman.md` §4(i) with (e) inside).
//!
//! The machine itself shows how long its certificate is good. Before its time nothing is written, neither to the machine nor to the
//! record. When it has come, a certificate for the names that the machine has is made with a new key pair, the TLS server is switched
//! to it, and all is committed; a login under the new certificate is the proof, and only after that the old certificate and the
//! old key pair are removed. How it gets there, and what a crash leaves behind, is in [`replace`].
//!
//! A renewal that has begun is gone on with whatever the time says, with the same key pair and the same request to the authority, unless
//! the certificate was replaced meanwhile by something else, a rename: then what was made is removed, and time decides again.

use crate::certificate::{Draft, Drafted};
use crate::csr::{self, Validity};
use crate::machine::Machine;
use crate::managed::{Access, Managed};
use crate::names::{self, CertificateNames};
use crate::plan::Plan;
use crate::replace::{self, Replacement, Replacing, Stage, served};
use crate::session::{Session, read_general};
use crate::step::Step;
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Version of the encoded record. A newer one is refused, older ones are read.
pub const FORMAT: u32 = 1;
/// Longest encoded record that is read.
pub const MAX_RECORD: usize = 1024 * 1024;
/// Share of a certificate's life, in percent, after which it is renewed unless another is asked for.
pub const DUE_PERCENT: u8 = 50;

/// When a certificate is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Now, however long it is still good.
    Now,
    /// When this much of its life is over, in percent.
    Percent(u8),
}

impl Default for Due {
    fn default() -> Self {
        Self::Percent(DUE_PERCENT)
    }
}

impl Due {
    /// When a certificate that is good for `validity` is renewed, seconds since 1970, UTC; at once where nothing is said.
    pub fn at(self, validity: Validity) -> Option<i64> {
        match self {
            Self::Now => None,
            Self::Percent(percent) => Some(validity.at(percent)),
        }
    }
}

/// Everything that one attempt needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Renew {
    /// How the machine is reached. What the record knows of its certificates is accepted too.
    pub access: Access,
    /// What earlier attempts made durable, or a new record.
    pub record: RenewRecord,
    /// When it is time.
    pub due: Due,
    /// Our time, UTC, seconds since 1970, at tick 0.
    pub wall_clock: i64,
    /// How long the machine may take to come back after the commit.
    pub proof_timeout: Duration,
}

impl Renew {
    /// An attempt at a renewal after the usual share of life.
    pub fn new(access: Access, record: RenewRecord, wall_clock: i64) -> Self {
        let (due, proof_timeout) = (Due::default(), Plan::default().proof_timeout);
        Self { access, record, due, wall_clock, proof_timeout }
    }

    /// The attempt as a machine to be driven.
    pub fn start(self) -> Machine<Renewed, RenewRecord> {
        let Self { access, record, due, wall_clock, proof_timeout } = self;
        Machine::new(move |cx| run(replace::Run { cx, access, record, proof_timeout }, due, wall_clock))
    }
}

/// What the machine serves now, as a login under it showed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Renewed {
    /// The machine.
    pub id: SystemId,
    /// The certificate that it serves, DER: whom to accept from now on.
    pub certificate: Vec<u8>,
    /// How long that is good.
    pub validity: Validity,
    /// Whether it is another than before.
    pub changed: bool,
}

/// What a crash must not lose of a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenewRecord {
    /// The new certificate, and how far it has come.
    pub replacement: Replacement,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    #[serde(flatten)]
    replacement: replace::Stored,
}

impl RenewRecord {
    /// A machine of which no renewal is under way.
    pub const fn new(id: SystemId) -> Self {
        Self { replacement: Replacement::new(id) }
    }

    /// JSON, to be sealed before it is stored: it may hold the key that was made for a machine that makes none itself.
    pub fn encode(&self) -> Secret<Vec<u8>> {
        let stored = Stored { format: FORMAT, replacement: self.replacement.to_stored() };
        // A struct of strings, words and numbers always serialises.
        Secret::new(serde_json::to_vec(&stored).unwrap_or_default())
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// `JOURNAL` if it is damaged, longer than [`MAX_RECORD`] or of a newer format.
    pub fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let what = "the renewal record";
        let stored: Stored = replace::read(bytes, MAX_RECORD, FORMAT, what)?;
        Ok(Self { replacement: Replacement::from_stored(stored.replacement, what)? })
    }
}

impl Drafted for RenewRecord {
    fn draft(&mut self) -> Draft<'_> {
        self.replacement.draft()
    }

    // The stage says enough: what is missing is found on the machine.
    fn note_step(&mut self, _: Step) {}
}

impl Replacing for RenewRecord {
    fn part(&self) -> &Replacement {
        &self.replacement
    }

    fn part_mut(&mut self) -> &mut Replacement {
        &mut self.replacement
    }

    /// The login is all.
    async fn proof(&self, _: &mut Session) -> Result<(), Failure> {
        Ok(())
    }
}

type Run = replace::Run<RenewRecord>;

async fn run(mut run: Run, due: Due, wall_clock: i64) -> Result<Renewed, Failure> {
    run.cx.input(None).await?;
    run.check_record()?;
    if let Due::Percent(percent) = due
        && percent > 100
    {
        let text = format!("due: {percent} % of a life is not a share of it");
        return Err(Failure::new(ErrorCode::PLAN_INVALID, Step::Start.name(), text).hint("use 0 to 100"));
    }
    let id = run.record.replacement.id;
    if run.record.replacement.stage == Stage::Done {
        // The renewal before this one.
        run.record = RenewRecord::new(id);
    }
    let mut machine = run.enter("given another certificate").await?;
    let served = served(&machine)?;
    let replacement = &mut run.record.replacement;
    let is_new = replacement.certificate.as_ref() == Some(&served);
    let is_old = replacement.superseded.contains(&served);
    match replacement.stage {
        // A commit took place, and this login is the proof.
        Stage::Preparing | Stage::Committing if is_new => run.proven_already(&machine).await?,
        // Another procedure may have replaced it since.
        Stage::Proven => replacement.settle_on(served),
        Stage::Preparing | Stage::Committing if is_old => machine = change(&mut run, machine, served).await?,
        stage => {
            if stage != Stage::Idle {
                run.cx
                    .note("the certificate was replaced by something else meanwhile: what was made for it is given up");
                replacement.give_up();
            }
            if is_due(due, &served, wall_clock, run.cx.now().0) {
                machine = change(&mut run, machine, served).await?;
            } else {
                return keep(run, machine, served).await;
            }
        }
    }
    run.tidy(&mut machine.session).await?;
    run.record.replacement.changed = true;
    run.done().await?;
    renewed(run.record)
}

/// Whether its time has come. What does not say how long it is good is renewed.
pub(crate) fn is_due(due: Due, certificate: &[u8], wall_clock: i64, milliseconds: u64) -> bool {
    let now = wall_clock.saturating_add(i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX));
    let at = Validity::of(certificate).and_then(|validity| due.at(validity));
    at.is_none_or(|at| at <= now)
}

/// Its time has not come: the machine stays as it is, without what was made for a renewal that was given up.
async fn keep(mut run: Run, mut machine: Managed, served: Vec<u8>) -> Result<Renewed, Failure> {
    if run.record.replacement.stage == Stage::Idle {
        run.step(Step::Done);
        run.record.replacement.settle_on(served);
        return renewed(run.record);
    }
    let session = &mut machine.session;
    run.tidy(session).await?;
    run.discard_key(session).await?;
    run.record.replacement.settle_on(served);
    run.done().await?;
    renewed(run.record)
}

/// Everything up to the proof. Returns the session of the proof.
async fn change(run: &mut Run, mut machine: Managed, served: Vec<u8>) -> Result<Managed, Failure> {
    let session = &mut machine.session;
    run.step(Step::ReadFacts);
    let general = read_general(session, Step::ReadFacts).await?;
    let (host, domain) = (names::own(&general, "HostName"), names::own(&general, "DomainName"));
    let names = CertificateNames::new(host, domain, run.record.replacement.id);
    // Whoever knew the machine by its name still does; one that was not known by it needs none.
    let name_matters = csr::is_for(&served, &names.common_name);
    run.make_room(session, &served).await?;
    run.record.replacement.supersede(served);
    run.stage(Stage::Preparing).await?;
    let mut maker = run.maker(session, names, name_matters);
    let handle = maker.install().await?;
    maker.bind(&handle).await?;
    drop(maker);
    run.commit(session).await?;
    run.prove().await
}

fn renewed(record: RenewRecord) -> Result<Renewed, Failure> {
    let Replacement { id, certificate, changed, .. } = record.replacement;
    let certificate = certificate.unwrap_or_default();
    let wrong = || Failure::new(ErrorCode::CA_CERTIFICATE_WRONG, Step::Done.name(), "the certificate cannot be read");
    let validity = Validity::of(&certificate).ok_or_else(wrong)?;
    Ok(Renewed { id, certificate, validity, changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_encoding_and_damage_is_refused() {
        let mut record = RenewRecord::new(SystemId::from_wire([3; 16]));
        record.replacement.stage = Stage::Preparing;
        record.replacement.ca_request = Some("42".into());
        record.replacement.private_key = Some(Secret::new(vec![0x30, 9]));
        let bytes = record.encode().expose().clone();
        assert_eq!(RenewRecord::decode(&bytes).unwrap(), record);
        for cut in 0..bytes.len() {
            assert_eq!(RenewRecord::decode(&bytes[..cut]).unwrap_err().code, ErrorCode::JOURNAL);
        }
        let newer = String::from_utf8(bytes).unwrap().replace("\"format\":1", "\"format\":2");
        assert!(RenewRecord::decode(newer.as_bytes()).unwrap_err().message.contains("format 2"));
        assert!(!format!("{record:?}").contains("48, 9"), "no key in Debug");
    }
}
