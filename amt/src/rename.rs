//! Another name for a machine that is set up.

use crate::driver::{Keep, drive};
use crate::host::Host;
use crate::managed::Target;
use amt_core::Failure;
use amt_provision::rename::Rename;
use amt_provision::{Plan, RenameRecord, Renamed};
use std::future::Future;
use std::time::Duration;

/// The embedder's side of a rename. The certificate comes from [`certify`](Host::certify).
pub trait RenameHost: Host {
    /// Makes `record` durable, as [`persist`](Host::persist) does for a setup; what depends on it is sent only after that.
    ///
    /// When the record says that the rename is proven, the machine is known by its new certificate, and the old one is removed next:
    /// whoever keeps the machine's pin stores the new one in the same transaction
    /// ([`carry_over`](amt_provision::Replacement::carry_over)).
    fn persist_rename(&self, record: &RenameRecord) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// One rename of one machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RenameJob {
    /// How the machine is reached. The certificates that the record knows of are accepted too.
    pub target: Target,
    /// What an earlier attempt made durable, or a new record.
    pub record: RenameRecord,
    /// How long the machine may take to come back after the commit.
    pub proof_timeout: Duration,
}

impl RenameJob {
    /// A rename of `target`, new or to be gone on with.
    pub fn new(target: Target, record: RenameRecord) -> Self {
        Self { target, record, proof_timeout: Plan::default().proof_timeout }
    }
}

/// Gives the machine the names of the record and a certificate for them, proves both, and only then removes what they replace
/// (`spec/wsman.md` §4(h)). A machine that has them already is left as it is.
///
/// The future may be dropped at any await: started again with the record that `host` was asked to keep last, it goes on from the
/// machine's state. No other procedure may be at work on the machine meanwhile: near the commit only this one knows which certificate
/// to accept.
///
/// # Errors
/// As [`read_facts`](crate::read_facts); `PLAN_INVALID` for names that are none, `WRONG_STATE` if the machine is not set up,
/// `CA_PENDING` (come again later), `CA_DENIED` and others of the authority, `RETURN_VALUE`, `SOAP_FAULT` and `COMMIT_REFUSED` if the
/// firmware refused, `PROOF_FAILED` if the machine did not come back under its new certificate and names in time. Up to the
/// proof the old certificate and its key stay on the machine.
pub async fn rename<H: RenameHost>(job: RenameJob, host: &H) -> Result<Renamed, Failure> {
    let (access, chains) = job.target.access()?;
    let mut rename = Rename::new(access, job.record);
    rename.proof_timeout = job.proof_timeout;
    drive(&mut rename.start(), job.target.id, job.target.place(), &chains, host, &RenameRecords(host)).await
}

/// The embedder keeps the records of a rename.
struct RenameRecords<'h, H>(&'h H);

impl<H: RenameHost> Keep<RenameRecord> for RenameRecords<'_, H> {
    async fn keep(&self, record: &RenameRecord) -> Result<(), Failure> {
        self.0.persist_rename(record).await
    }
}
