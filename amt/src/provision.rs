//! Remote configuration of one machine over the network.

use crate::certificate::{self, ProvisioningCertificate};
use crate::driver::{Keep, drive};
use crate::host::Host;
use crate::job::Job;
use crate::local::RemoteChains;
use crate::random_seed;
use crate::tls::{Chains, ClientChain};
use amt_core::hello::{Hello, HelloKind};
use amt_core::pki::choose::{ChooseInput, choose};
use amt_core::psk::PskPair;
use amt_core::{ErrorCode, Failure};
use amt_provision::Record;
use amt_provision::remote::{Candidate, Outcome, Remote};
use std::net::SocketAddr;
use std::sync::Arc;
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
    let hello = job.hello.as_ref();
    let (chains, candidates) = chains(
        &job.certificates,
        job.remote.as_ref(),
        &ChooseInput {
            hello,
            suffix: job.suffix.as_deref(),
            firmware: record.version,
            remembered: record.provisioning_certificate.as_deref(),
        },
    )?;
    let authority = SocketAddr::new(job.address, job.port).to_string();
    let psk = pairs(job.psk, &record, hello)?;
    let mut remote = Remote::new(record, job.plan, candidates, authority, job.port);
    remote.psk = psk;
    remote.has_client = !job.client.is_empty();
    remote.credentials_set = job.hello.as_ref().map(|hello| hello.admin_credentials_set);
    remote.seed = random_seed()?;
    remote.utc_at_zero = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Failure::new(ErrorCode::IO, "start", "the clock of this computer is before 1970"))?
        .as_secs();
    let chains = Chains { provisioning: chains, client: job.client };
    drive(&mut remote.start(), job.id, job.address, &chains, host, &Records(host)).await
}

/// The pairs to try: those with the PID that the machine said, of its own record first.
fn pairs(given: Vec<PskPair>, record: &Record, hello: Option<&Hello>) -> Result<Vec<PskPair>, Failure> {
    let said = match hello.map(|hello| &hello.kind) {
        Some(HelloKind::Psk { pid }) => Some(*pid),
        Some(_) => return Ok(Vec::new()),
        None => None,
    };
    let mut pairs: Vec<PskPair> = Vec::new();
    let recorded = record.psk.iter().filter(|_| said.is_some() || !given.is_empty());
    for pair in recorded.chain(&given) {
        if said.is_none_or(|pid| pair.pid == pid) && !pairs.contains(pair) {
            pairs.push(pair.clone());
        }
    }
    // The pair may have been replaced after this hello: an attempt that broke off there goes on with the others of its record.
    if said.is_some() && record.fresh_psk.is_some() {
        pairs.extend(record.psk.iter().filter(|pair| !pairs.contains(pair)).cloned().collect::<Vec<_>>());
    }
    match said {
        Some(pid) if pairs.is_empty() => {
            let text =
                format!("the machine waits for the pre-shared key of PID {pid}, and there is no pair with this PID");
            Err(Failure::new(ErrorCode::PSK_UNKNOWN, "start", text))
        }
        _ => Ok(pairs),
    }
}

/// The embedder keeps the records of a setup.
pub(crate) struct Records<'h, H>(pub(crate) &'h H);

impl<H: Host> Keep<Record> for Records<'_, H> {
    async fn keep(&self, record: &Record) -> Result<(), Failure> {
        self.0.persist(record).await
    }
}

/// The chains to present, best first, and how the procedure names them: of certificates with their keys, and of those whose keys are
/// elsewhere.
pub(crate) fn chains(
    certificates: &[ProvisioningCertificate],
    remote: Option<&RemoteChains>,
    input: &ChooseInput<'_>,
) -> Result<(Vec<ClientChain>, Vec<Candidate>), Failure> {
    let elsewhere = remote.into_iter().flat_map(RemoteChains::iter).map(|chain| &chain.facts);
    let facts: Vec<_> = certificates.iter().map(|c| c.facts()).chain(elsewhere).collect();
    let order = choose(&facts, input);
    let mut chains: Vec<ClientChain> = Vec::with_capacity(order.len());
    let mut candidates = Vec::with_capacity(order.len());
    for choice in &order {
        let Some(known) = facts.get(choice.index) else { continue };
        let chain = certificate::chain(known, input.hello);
        let far = || remote?.get(choice.index.checked_sub(certificates.len())?);
        let chain = match (certificates.get(choice.index), far()) {
            (Some(certificate), _) => ClientChain::new(&chain, certificate.key())?,
            (None, Some(far)) => ClientChain::remote(&chain, Arc::clone(&far.signer), far.index),
            (None, None) => continue,
        };
        candidates.push(Candidate { index: chains.len(), leaf_sha256: certificate::leaf_sha256_hex(known) });
        chains.push(chain);
    }
    Ok((chains, candidates))
}
