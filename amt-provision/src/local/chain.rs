//! The chain that makes a setup one of an administrator: chosen by the firmware's roots, given to it, and its signature.

use super::status::TrustedRoot;
use crate::event::Event;
use crate::machine::{Cx, SignRequest};
use crate::password::Random;
use crate::session::{Session, try_call};
use crate::step::Step;
use amt_core::{ErrorCode, Failure};
use amt_heci::amthi::HashAlgorithm;
use amt_wsman::class::Class;
use amt_wsman::class::ips::HostBasedSetupService;
use amt_wsman::op::Request;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384};

/// Bytes of the firmware's nonce, and of ours.
const NONCE: usize = 20;

/// A provisioning certificate with its issuers, DER, leaf first and root last. The key stays with the caller.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningChain(pub Vec<Vec<u8>>);

impl std::fmt::Debug for SigningChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningChain({} certificates)", self.0.len())
    }
}

impl SigningChain {
    fn is_trusted(&self, root: &TrustedRoot) -> bool {
        let Some(der) = self.0.last() else { return false };
        root.is_active
            && match root.algorithm {
                Some(HashAlgorithm::Sha1) => Sha1::digest(der).as_slice() == root.digest,
                Some(HashAlgorithm::Sha256) => Sha256::digest(der).as_slice() == root.digest,
                Some(HashAlgorithm::Sha384) => Sha384::digest(der).as_slice() == root.digest,
                _ => false,
            }
    }
}

/// The first chain whose root the firmware trusts.
pub(super) fn choose(chains: &[SigningChain], roots: &[TrustedRoot]) -> Result<usize, Failure> {
    let fits = |chain: &SigningChain| roots.iter().any(|root| chain.is_trusted(root));
    chains.iter().position(fits).ok_or_else(|| {
        let active: Vec<&str> = roots.iter().filter(|root| root.is_active).map(|root| root.name.as_str()).collect();
        let have = chains.len();
        let text = format!(
            "none of the {have} certificates leads to a root that the firmware trusts; it trusts: {}",
            if active.is_empty() { "none".to_owned() } else { active.join(", ") }
        );
        Failure::new(ErrorCode::NO_CERTIFICATE_FITS, Step::SendChain.name(), text)
    })
}

/// Gives the firmware the chain, leaf first.
pub(super) async fn send(cx: &Cx, session: &mut Session, chain: &SigningChain) -> Result<(), Failure> {
    cx.event(Event::Step(Step::SendChain));
    let last = chain.0.len().saturating_sub(1);
    for (at, certificate) in chain.0.iter().enumerate() {
        let request = HostBasedSetupService::add_next_cert_in_chain(certificate, at == 0, at == last);
        if let Err(refusal) = try_call(session, Step::SendChain, &request).await? {
            let mut failure = Failure::from(refusal);
            failure.code = ErrorCode::CHAIN_REFUSED;
            failure.message = format!("certificate {} of {}: {}", at + 1, chain.0.len(), failure.message);
            return Err(failure.hint(ErrorCode::CHAIN_REFUSED.hint()));
        }
    }
    Ok(())
}

/// The service of host-based setup, read now.
pub(super) async fn service(session: &mut Session, step: Step) -> Result<HostBasedSetupService, Failure> {
    let reply = session.call(step, &Request::get(HostBasedSetupService::NAME)).await?;
    reply.typed().map_err(|error| error.failure(step.name()))
}

/// Our nonce, and the signature over the firmware's and ours. Read last, right before the setup: the firmware's may change.
pub(super) async fn sign(
    cx: &Cx,
    session: &mut Session,
    index: usize,
    random: &mut Random,
) -> Result<([u8; NONCE], Vec<u8>), Failure> {
    let step = Step::SignNonce;
    cx.event(Event::Step(step));
    let theirs = service(session, step).await?.nonce().filter(|nonce| nonce.len() == NONCE);
    let mut data = theirs.ok_or_else(|| {
        Failure::new(ErrorCode::PROPERTY, step.name(), "IPS_HostBasedSetupService.ConfigurationNonce is not 20 bytes")
    })?;
    let mut ours = [0; NONCE];
    random.fill(&mut ours);
    data.extend_from_slice(&ours);
    let signature = cx.sign(SignRequest { index, data }).await.map_err(|failure| failure.at(step.name()))?;
    Ok((ours, signature))
}
