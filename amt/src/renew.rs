//! Another certificate for a machine that is set up, before the one that it has ends.

use crate::driver::{Keep, drive};
use crate::host::Host;
use crate::managed::Target;
use amt_core::Failure;
use amt_provision::renew::{Due, Renew, Renewed};
use amt_provision::{Plan, RenewRecord};
use std::future::Future;
use std::time::Duration;

/// The embedder's side of a renewal. The certificate comes from [`certify`](Host::certify).
pub trait RenewHost: Host {
    /// Makes `record` durable, as [`persist`](Host::persist) does for a setup; what depends on it is sent only after that. It may hold
    /// the key that was made for a machine that makes none itself, and is stored sealed.
    ///
    /// When the record says that the renewal is proven, the machine is known by its new certificate, and the old one is removed next:
    /// whoever keeps the machine's pin stores the new one in the same transaction
    /// ([`carry_over`](amt_provision::Replacement::carry_over)).
    fn persist_renewal(&self, record: &RenewRecord) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// One renewal of one machine's certificate.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RenewJob {
    /// How the machine is reached. The certificates that the record knows of are accepted too.
    pub target: Target,
    /// What an earlier attempt made durable, or a new record.
    pub record: RenewRecord,
    /// When it is time.
    pub due: Due,
    /// How long the machine may take to come back after the commit.
    pub proof_timeout: Duration,
}

impl RenewJob {
    /// A renewal of the certificate of `target` after the usual share of its life, new or to be gone on with.
    pub fn new(target: Target, record: RenewRecord) -> Self {
        Self { target, record, due: Due::default(), proof_timeout: Plan::default().proof_timeout }
    }
}

/// Gives the machine a certificate with a new key pair when a share of the life of the one that it serves is over, proves it, and
/// only then removes the old one and its key (`spec/wsman.md` §4(i)). Before that time nothing is written.
///
/// The future may be dropped at any await: started again with the record that `host` was asked to keep last, it goes on from the
/// machine's state, with the same key pair and the same request to the authority. No other procedure may be at work on the machine
/// meanwhile: near the commit only this one knows which certificate to accept.
///
/// # Errors
/// As [`read_facts`](crate::read_facts); `WRONG_STATE` if the machine is not set up, `CA_PENDING` (come again later, days later too),
/// `CA_DENIED` and others of the authority, `RETURN_VALUE`, `SOAP_FAULT` and `COMMIT_REFUSED` if the firmware refused,
/// `PROOF_FAILED` if the machine did not come back under its new certificate in time. Up to the proof the old certificate and its
/// key stay on the machine.
pub async fn renew<H: RenewHost>(job: RenewJob, host: &H) -> Result<Renewed, Failure> {
    let (access, chains) = job.target.access()?;
    let mut renew = Renew::new(access, job.record, crate::wall_clock());
    (renew.due, renew.proof_timeout) = (job.due, job.proof_timeout);
    drive(&mut renew.start(), job.target.id, job.target.place(), &chains, host, &RenewRecords(host)).await
}

/// The embedder keeps the records of a renewal.
struct RenewRecords<'h, H>(&'h H);

impl<H: RenewHost> Keep<RenewRecord> for RenewRecords<'_, H> {
    async fn keep(&self, record: &RenewRecord) -> Result<(), Failure> {
        self.0.persist_renewal(record).await
    }
}
