//! Whom to accept. Identity is policy; the handshake signature is checked against the peer's key always, otherwise a pin
//! would mean nothing.

use crate::certificate::check_on_die;
use amt_core::tls::PeerIdentity;
use ring::digest::{SHA256, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, PeerMisbehaved, RootCertStore, SignatureScheme,
};
use std::sync::{Arc, OnceLock};
use x509_parser::prelude::{FromDer, X509Certificate};

#[derive(Debug)]
enum Rule {
    Any,
    Pinned(Vec<u8>),
    Fingerprint([u8; 32]),
    OnDie { roots: Vec<Vec<u8>> },
    Verified { verifier: Arc<WebPkiServerVerifier>, name: ServerName<'static> },
}

/// Applies a [`PeerIdentity`].
#[derive(Debug)]
pub(super) struct IdentityVerifier {
    rule: Rule,
    algorithms: WebPkiSupportedAlgorithms,
    /// What the peer presented, kept even if the handshake fails.
    presented: Arc<OnceLock<Vec<Vec<u8>>>>,
}

impl IdentityVerifier {
    pub(super) fn new(
        identity: &PeerIdentity,
        provider: &Arc<CryptoProvider>,
        presented: Arc<OnceLock<Vec<Vec<u8>>>>,
    ) -> Result<Self, String> {
        let rule = match identity {
            PeerIdentity::Any => Rule::Any,
            PeerIdentity::Pinned(der) => Rule::Pinned(der.clone()),
            PeerIdentity::Fingerprint(sha256) => Rule::Fingerprint(*sha256),
            PeerIdentity::OnDie { roots } => Rule::OnDie { roots: roots.clone() },
            PeerIdentity::Verified { roots, name } => {
                let mut store = RootCertStore::empty();
                for root in roots {
                    store
                        .add(CertificateDer::from(root.clone()))
                        .map_err(|e| format!("a trusted root cannot be used: {e}"))?;
                }
                let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
                    .build()
                    .map_err(|e| format!("the trusted roots cannot be used: {e}"))?;
                let name = ServerName::try_from(name.clone()).map_err(|_| format!("{name:?} is not a host name"))?;
                Rule::Verified { verifier, name }
            }
            _ => return Err("this kind of peer identity is not supported by the engine".to_owned()),
        };
        Ok(Self { rule, algorithms: provider.signature_verification_algorithms, presented })
    }

    /// Checks with the key bits alone: the usual helper parses with webpki, which refuses version 1 certificates and other
    /// oddities that firmware makes.
    fn verify(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let bad = || Error::InvalidCertificate(CertificateError::BadEncoding);
        let (_, parsed) = X509Certificate::from_der(cert).map_err(|_| bad())?;
        let key = &parsed.public_key().subject_public_key.data;
        let (_, candidates) = self
            .algorithms
            .mapping
            .iter()
            .find(|(scheme, _)| *scheme == dss.scheme)
            .ok_or(Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme))?;
        let ok = candidates.iter().any(|a| a.verify_signature(key, message, dss.signature()).is_ok());
        if ok {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::BadSignature))
        }
    }
}

impl ServerCertVerifier for IdentityVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let all = [end_entity].into_iter().chain(intermediates);
        let _ = self.presented.set(all.map(|der| der.to_vec()).collect());
        match &self.rule {
            Rule::Any => Ok(ServerCertVerified::assertion()),
            Rule::Pinned(der) if der.as_slice() == end_entity.as_ref() => Ok(ServerCertVerified::assertion()),
            Rule::Fingerprint(sha256) if digest(&SHA256, end_entity).as_ref() == sha256 => {
                Ok(ServerCertVerified::assertion())
            }
            Rule::Pinned(_) | Rule::Fingerprint(_) => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            Rule::OnDie { roots } => {
                let presented: Vec<_> = [end_entity].into_iter().chain(intermediates).map(|der| der.to_vec()).collect();
                match check_on_die(&presented, roots) {
                    Ok(()) => Ok(ServerCertVerified::assertion()),
                    Err(fault) => Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(fault))))),
                }
            }
            Rule::Verified { verifier, name } => {
                verifier.verify_server_cert(end_entity, intermediates, name, ocsp, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
