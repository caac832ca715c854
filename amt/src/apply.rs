//! A profile, applied to a machine that is set up.

use crate::driver::{Keep, drive};
use crate::host::Host;
use crate::managed::Target;
use amt_core::Failure;
use amt_provision::Plan;
use amt_provision::apply::{Applied, Apply, ApplyRecord};
use amt_provision::profile::Desired;
use amt_provision::renew::Due;
use std::future::Future;
use std::time::Duration;

/// The embedder's side of the application of a profile. A certificate for 802.1X (EAP-TLS) comes from [`certify`](Host::certify).
pub trait ApplyHost: Host {
    /// Makes `record` durable, as [`persist`](Host::persist) does for a setup; what depends on it is sent only after that. It may hold
    /// the key that was made for a machine that makes none itself, and is stored where others do not read it.
    fn persist_apply(&self, record: &ApplyRecord) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// One application of a profile to one machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApplyJob {
    /// How the machine is reached.
    pub target: Target,
    /// What it shall be.
    pub desired: Desired,
    /// What an earlier attempt made durable, or a new record.
    pub record: ApplyRecord,
    /// Read and compare, and write nothing.
    pub dry_run: bool,
    /// When the machine's certificate for 802.1X is renewed.
    pub due: Due,
    /// Whether [`certify`](Host::certify) asks an authority. Without one the machine keeps the certificate that it has, and an
    /// application that needs another ends with `CA_UNAVAILABLE`, the rest done.
    pub has_authority: bool,
    /// How long the machine may take to come back when it restarts its network.
    pub proof_timeout: Duration,
}

impl ApplyJob {
    /// `desired` for the machine `target`, new or to be gone on with.
    pub fn new(target: Target, desired: Desired, record: ApplyRecord) -> Self {
        let proof_timeout = Plan::default().proof_timeout;
        Self { target, desired, record, dry_run: false, due: Due::default(), has_authority: true, proof_timeout }
    }

    /// The same with a record of its own, for a machine to which nothing was applied.
    ///
    /// # Errors
    /// `IO` if the operating system has no random bytes.
    pub fn first(target: Target, desired: Desired) -> Result<Self, Failure> {
        let record = ApplyRecord::new(target.id, crate::random_seed()?);
        Ok(Self::new(target, desired, record))
    }
}

/// Makes the machine what the profile says: reads, compares, writes what differs, reads it back. A machine that is as it should be is
/// left alone, without one write.
///
/// The future may be dropped at any await: started again with the record that `host` was asked to keep last, it finds out from the
/// machine what is left to do.
///
/// # Errors
/// As [`read_facts`](crate::read_facts); `WRONG_STATE` if the machine is not set up, `RETURN_VALUE`, `SOAP_FAULT`, `STEP_REFUSED` and
/// `COMMIT_REFUSED` with the field of the profile if the firmware refused, `PROOF_FAILED` if it did not keep what it took. `CA_PENDING`
/// (come again later, days later too), `CA_DENIED` and others of the authority where the machine needs a certificate for 802.1X: all
/// else is done then, but for the home domains.
pub async fn apply<H: ApplyHost>(job: ApplyJob, host: &H) -> Result<Applied, Failure> {
    let (access, chains) = job.target.access()?;
    let mut apply = Apply::new(access, job.desired, job.record, crate::wall_clock());
    (apply.dry_run, apply.proof_timeout) = (job.dry_run, job.proof_timeout);
    (apply.due, apply.has_authority) = (job.due, job.has_authority);
    drive(&mut apply.start(), job.target.id, job.target.place(), &chains, host, &ApplyRecords(host)).await
}

/// The embedder keeps the records.
struct ApplyRecords<'h, H>(&'h H);

impl<H: ApplyHost> Keep<ApplyRecord> for ApplyRecords<'_, H> {
    async fn keep(&self, record: &ApplyRecord) -> Result<(), Failure> {
        self.0.persist_apply(record).await
    }
}
