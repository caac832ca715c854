//! Who signs for a provisioning certificate: its key here, or a caller's own, which may be on a server or in a module.

use super::STAGE;
use crate::certificate::{Bundle, ProvisioningCertificate, chain};
use crate::mei::MeiFuture;
use amt_core::pki::ChainFacts;
use amt_core::{ErrorCode, Failure};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use std::fmt;
use std::sync::Arc;

/// Signs what the firmware wants signed.
pub trait Signer: Send + Sync {
    /// RSA, PKCS#1 v1.5, over the SHA-256 of `data`, by the key of the certificate `index` among those of the job. Fails with `SIGNER`.
    fn sign<'a>(&'a self, index: usize, data: &'a [u8]) -> MeiFuture<'a, Vec<u8>>;
}

/// Provisioning chains whose keys are elsewhere, on a server or in a module, and who signs for them: the machine that is set up never
/// has a key.
#[derive(Clone)]
pub struct RemoteChains {
    /// What is known of each; there is a chain in it.
    facts: Vec<ChainFacts>,
    /// Who signs for them.
    pub(crate) signer: Arc<dyn Signer>,
}

impl fmt::Debug for RemoteChains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteChains({})", self.facts.len())
    }
}

impl RemoteChains {
    /// The chains of these bundles, likeliest first. Keys that the bundles may hold are not used. The signer's index is the bundle's.
    ///
    /// # Errors
    /// `CERTIFICATE_PARSE` if one holds no certificate.
    pub fn new(bundles: &[Bundle], signer: Arc<dyn Signer>) -> Result<Self, Failure> {
        let facts: Vec<ChainFacts> = bundles.iter().map(|bundle| bundle.facts().clone()).collect();
        if facts.iter().any(|facts| facts.path(None).is_none()) {
            return Err(Failure::new(ErrorCode::CERTIFICATE_PARSE, STAGE, "there is no certificate in the chain"));
        }
        Ok(Self { facts, signer })
    }

    /// What is known of each.
    pub(crate) fn facts(&self) -> &[ChainFacts] {
        &self.facts
    }

    /// Each as it is presented, DER, leaf first, whatever the firmware trusts.
    pub(super) fn chains(&self) -> impl Iterator<Item = Vec<Vec<u8>>> {
        self.facts.iter().map(|facts| chain(facts, None))
    }
}

/// Certificates with their keys sign by themselves.
impl Signer for [ProvisioningCertificate] {
    fn sign<'a>(&'a self, index: usize, data: &'a [u8]) -> MeiFuture<'a, Vec<u8>> {
        Box::pin(async move {
            let fail = |text: &str| Failure::new(ErrorCode::SIGNER, STAGE, text.to_owned());
            let certificate = self.get(index).ok_or_else(|| fail("there is no such certificate"))?;
            let pair = KeyPair::from_pkcs8(certificate.key().expose())
                .map_err(|_| fail("the key of the certificate is no RSA key of at least 2048 bits"))?;
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), data, &mut signature)
                .map_err(|_| fail("the key of the certificate does not sign"))?;
            Ok(signature)
        })
    }
}

/// Nobody: for what needs no signature.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSigner;

impl Signer for NoSigner {
    fn sign<'a>(&'a self, _: usize, _: &'a [u8]) -> MeiFuture<'a, Vec<u8>> {
        let text = "a signature is needed, and nobody is there to sign";
        Box::pin(async move { Err(Failure::new(ErrorCode::SIGNER, STAGE, text)) })
    }
}
