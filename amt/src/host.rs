//! What an embedding program supplies while a machine is provisioned.

use amt_core::{Failure, SystemId};
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
