//! Who signs for a provisioning certificate: its key here, or a caller's own, which may be on a server or in a module.

use super::STAGE;
use crate::certificate::{Bundle, ProvisioningCertificate, leaf_sha256_hex};
use crate::mei::MeiFuture;
use amt_core::pki::ChainFacts;
use amt_core::{ErrorCode, Failure};
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Longest signature, in bytes: RSA of 16384 bits.
pub const MAX_SIGNATURE: usize = 2048;

/// How long a signature is waited for, unless a caller says otherwise: a handshake has 30 seconds, and the firmware needs some of them.
pub const SIGNING_TIME: Duration = Duration::from_secs(20);

/// Signs what the firmware wants signed.
pub trait Signer: Send + Sync {
    /// RSA, PKCS#1 v1.5, over the SHA-256 of `data`, by the key of the certificate `index` among those of the job. Fails with `SIGNER`.
    fn sign<'a>(&'a self, index: usize, data: &'a [u8]) -> MeiFuture<'a, Vec<u8>>;
}

/// Provisioning chains whose keys are elsewhere, on a server or in a module, and who signs for them: the machine that is set up never
/// has a key.
#[derive(Clone, Default)]
pub struct RemoteChains(Vec<RemoteChain>);

/// One of them.
#[derive(Clone)]
pub(crate) struct RemoteChain {
    /// There is a chain in it.
    pub(crate) facts: ChainFacts,
    pub(crate) signer: Arc<dyn Signer>,
    /// By which the signer knows it.
    pub(crate) index: usize,
}

impl fmt::Debug for RemoteChains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteChains({})", self.0.len())
    }
}

impl RemoteChains {
    /// The chains of these bundles, likeliest first. Keys that the bundles may hold are not used. The signer's index is the bundle's.
    ///
    /// # Errors
    /// `CERTIFICATE_PARSE` if one holds no certificate.
    pub fn new(bundles: &[Bundle], signer: Arc<dyn Signer>) -> Result<Self, Failure> {
        let mut chains = Self::default();
        for (index, bundle) in bundles.iter().enumerate() {
            chains.add(bundle, Arc::clone(&signer), index)?;
        }
        Ok(chains)
    }

    /// One more, which `signer` knows by `index`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn add(&mut self, bundle: &Bundle, signer: Arc<dyn Signer>, index: usize) -> Result<(), Failure> {
        let facts = bundle.clone().without_key().facts().clone();
        if facts.path(None).is_none() {
            return Err(Failure::new(ErrorCode::CERTIFICATE_PARSE, STAGE, "there is no certificate in the chain"));
        }
        self.0.push(RemoteChain { facts, signer, index });
        Ok(())
    }

    /// All of `others` too. Whoever signs for them goes on doing so.
    pub fn append(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Those whose leaf has this SHA-256, lower-case hex.
    #[must_use]
    pub fn only(&self, leaf_sha256: &str) -> Self {
        Self(self.0.iter().filter(|chain| leaf_sha256_hex(&chain.facts) == leaf_sha256).cloned().collect())
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &RemoteChain> {
        self.0.iter()
    }

    /// The one at this position.
    pub(crate) fn get(&self, at: usize) -> Option<&RemoteChain> {
        self.0.get(at)
    }
}

/// By their position here, whatever index their own signers know them by.
impl Signer for RemoteChains {
    fn sign<'a>(&'a self, index: usize, data: &'a [u8]) -> MeiFuture<'a, Vec<u8>> {
        match self.get(index) {
            Some(chain) => chain.signer.sign(chain.index, data),
            None => Box::pin(async { Err(Failure::new(ErrorCode::SIGNER, STAGE, "there is no such certificate")) }),
        }
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
