//! Remote configuration of one machine over the network.

use crate::driver::drive;
use crate::host::Host;
use crate::job::Job;
use crate::random_seed;
use crate::tls::ClientChain;
use amt_core::pki::choose::{ChooseInput, choose};
use amt_core::{ErrorCode, Failure};
use amt_provision::Record;
use amt_provision::remote::{Candidate, Outcome, Remote};
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Takes the machine of `job` from setup mode to proven admin control mode, with the steps of
/// [`Step`](amt_provision::Step) reported to `host`.
///
/// The future may be dropped at any await: what `host` was asked to persist is enough to go on from.
///
/// # Errors
/// The first thing that could not be done, with the step as its stage. Started again with the last persisted record in
/// [`Job::record`], the procedure goes on from the machine's state.
pub async fn provision<H: Host>(job: Job, host: &H) -> Result<Outcome, Failure> {
    let record = job.record.unwrap_or_else(|| Record::new(job.id));
    let facts: Vec<_> = job.certificates.iter().map(|c| c.facts()).collect();
    let order = choose(
        &facts,
        &ChooseInput {
            hello: job.hello.as_ref(),
            suffix: job.suffix.as_deref(),
            firmware: record.version,
            remembered: record.provisioning_certificate.as_deref(),
        },
    );
    let mut chains: Vec<ClientChain> = Vec::with_capacity(order.len());
    let mut candidates = Vec::with_capacity(order.len());
    for choice in &order {
        let Some(certificate) = job.certificates.get(choice.index) else { continue };
        let chain = ClientChain::new(&certificate.chain(job.hello.as_ref()), certificate.key())?;
        candidates.push(Candidate { index: chains.len(), leaf_sha256: certificate.leaf_sha256_hex() });
        chains.push(chain);
    }
    let authority = SocketAddr::new(job.address, job.port).to_string();
    let mut remote = Remote::new(record, job.plan, candidates, authority, job.port);
    remote.credentials_set = job.hello.as_ref().map(|hello| hello.admin_credentials_set);
    remote.seed = random_seed()?;
    remote.utc_at_zero = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Failure::new(ErrorCode::IO, "start", "the clock of this computer is before 1970"))?
        .as_secs();
    drive(&mut remote.start(), job.id, job.address, &chains, host).await
}
