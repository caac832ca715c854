//! Who signs for a provisioning certificate: its key here, or a caller's own, which may be on a server or in a module.

use super::STAGE;
use crate::certificate::{Bundle, ProvisioningCertificate};
use crate::mei::MeiFuture;
use amt_core::{ErrorCode, Failure};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
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
    /// Chains, DER, leaf first.
    pub(super) chains: Vec<Vec<Vec<u8>>>,
    /// Who signs for them.
    pub(super) signer: Arc<dyn Signer>,
}

impl RemoteChains {
    /// The chains of these bundles, likeliest first. Keys that the bundles may hold are not used. The signer's index is the bundle's.
    ///
    /// # Errors
    /// `CERTIFICATE_PARSE` if one holds no certificate.
    pub fn new(bundles: &[Bundle], signer: Arc<dyn Signer>) -> Result<Self, Failure> {
        let chain = |bundle: &Bundle| {
            let facts = bundle.facts();
            let path = facts.path(None);
            let none = || Failure::new(ErrorCode::CERTIFICATE_PARSE, STAGE, "there is no certificate in the chain");
            let path = path.ok_or_else(none)?;
            Ok(facts.along(&path).map(|certificate| certificate.der.clone()).collect())
        };
        Ok(Self { chains: bundles.iter().map(chain).collect::<Result<_, Failure>>()?, signer })
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
