//! What an embedding program supplies while a machine is provisioned.

use amt_core::{ErrorCode, Failure, SystemId};
use amt_provision::{CaAnswer, CertificateRequest, Event, Record};
use std::future::Future;

/// The embedder's side of a procedure: durable storage, certificates, progress.
pub trait Host: Sync {
    /// Makes `record` durable. Returning `Ok` means that it survives a power cut from now on; secrets in it are sent to the
    /// machine only after that.
    fn persist(&self, record: &Record) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Has a certificate issued, or says when to ask again.
    fn certify(&self, request: &CertificateRequest) -> impl Future<Output = CaAnswer> + Send;

    /// Told of every step. Must not block.
    fn event(&self, id: SystemId, event: &Event);
}

/// The host of what reads only: told of nothing, and keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoHost;

impl Host for NoHost {
    async fn persist(&self, _: &Record) -> Result<(), Failure> {
        Err(Failure::new(ErrorCode::JOURNAL, "journal", "nothing keeps records here"))
    }

    async fn certify(&self, _: &CertificateRequest) -> CaAnswer {
        CaAnswer::Failed(Failure::new(ErrorCode::CA_UNAVAILABLE, "certify", "nothing is certified here"))
    }

    fn event(&self, _: SystemId, _: &Event) {}
}
