//! A chain whose key is elsewhere: on a server, in a module. Whoever has it is asked for the signature of the handshake.

use crate::local::Signer;
use amt_core::Failure;
use rustls::sign::{CertifiedKey, Signer as HandshakeSigner, SigningKey};
use rustls::{Error, OtherError, SignatureAlgorithm, SignatureScheme};
use std::fmt;
use std::sync::Arc;

/// What firmware takes from every generation on, and what a [`Signer`] makes.
const SCHEME: SignatureScheme = SignatureScheme::RSA_PKCS1_SHA256;

/// The chain, DER, leaf first, as `signer` knows it by `index`.
pub(super) fn certified_key(chain: &[Vec<u8>], signer: Arc<dyn Signer>, index: usize) -> Arc<CertifiedKey> {
    let certificates = chain.iter().map(|der| der.clone().into()).collect();
    Arc::new(CertifiedKey::new(certificates, Arc::new(RemoteKey { signer, index })))
}

#[derive(Clone)]
struct RemoteKey {
    signer: Arc<dyn Signer>,
    index: usize,
}

impl fmt::Debug for RemoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteKey({})", self.index)
    }
}

impl SigningKey for RemoteKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn HandshakeSigner>> {
        offered.contains(&SCHEME).then(|| Box::new(self.clone()) as Box<dyn HandshakeSigner>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

impl HandshakeSigner for RemoteKey {
    /// The engine waits for it; the handshake has a thread of its own for that reason.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signed = futures_executor::block_on(self.signer.sign(self.index, message));
        signed.map_err(|failure| Error::Other(OtherError(Arc::new(failure))))
    }

    fn scheme(&self) -> SignatureScheme {
        SCHEME
    }
}

/// What the signer said, if that is why the handshake failed.
pub(super) fn refusal(error: &Error) -> Option<Failure> {
    match error {
        Error::Other(other) => other.0.downcast_ref::<Failure>().cloned(),
        _ => None,
    }
}
