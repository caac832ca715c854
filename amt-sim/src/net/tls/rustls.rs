//! The machine's TLS server on rustls: TLS 1.2 and 1.3 with forward secrecy, and a client verifier that judges as
//! firmware does.

use super::{Accepted, Carrier, Gate, Handshake, Refusal, Refused, Verdict};
use crate::chain::ChainFault;
use crate::firmware::{ClientAuth, TlsServing, TlsSession};
use crate::keys::DeviceKey;
use crate::persona::{Network, Persona, RefusedChain};
use amt_core::version::TlsVersion;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme, version,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::net::TcpStream;

fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider()))
}

/// Most signing keys that are kept: the pool's, and some that were uploaded.
const MAX_KEPT_KEYS: usize = 64;

/// A key as rustls signs with it. Reading one takes a while, so they are kept.
fn signing_key(key: &DeviceKey) -> Result<Arc<dyn SigningKey>, Error> {
    static KEPT: Mutex<BTreeMap<Vec<u8>, Arc<dyn SigningKey>>> = Mutex::new(BTreeMap::new());
    if let Some(kept) = KEPT.lock().expect("no panic while held").get(key.public_pkcs1()) {
        return Ok(Arc::clone(kept));
    }
    let der = PrivatePkcs8KeyDer::from(key.pkcs8().to_vec());
    let read = provider().key_provider.load_private_key(der.into())?;
    let mut kept = KEPT.lock().expect("no panic while held");
    if kept.len() >= MAX_KEPT_KEYS {
        kept.clear();
    }
    kept.insert(key.public_pkcs1().to_vec(), Arc::clone(&read));
    Ok(read)
}

/// One handshake.
pub(super) async fn accept(handshake: Handshake<'_>, gate: Gate<TcpStream>) -> Result<Accepted, Refused> {
    let Handshake { serving, persona, mute } = handshake;
    let verdict = Verdict::default();
    let config = match config(serving, persona, &verdict, mute) {
        Ok(config) => config,
        Err(error) => return Err(Refused { carrier: Box::new(gate), refusal: Some(Refusal::Tls(error.to_string())) }),
    };
    let stream = match tokio_rustls::TlsAcceptor::from(config).accept(gate).into_fallible().await {
        Ok(stream) => stream,
        Err((error, gate)) => {
            let mut faults = verdict.take();
            let inner = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
            if matches!(inner, Some(Error::NoCertificatesPresented)) {
                faults.push(ChainFault::NoCertificate);
            }
            let refusal = match inner {
                _ if !faults.is_empty() => Some(Refusal::Chain(faults)),
                Some(Error::PeerIncompatible(_)) => inner.map(|error| Refusal::Tls(error.to_string())),
                _ => None,
            };
            return Err(Refused { carrier: Box::new(gate), refusal });
        }
    };
    let (_, tls) = stream.get_ref();
    let chain = tls.peer_certificates().unwrap_or_default().iter().map(|der| der.to_vec()).collect();
    let version = match tls.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => TlsVersion::V1_3,
        _ => TlsVersion::V1_2,
    };
    // rustls writes the names of TLS 1.3 as TLS13_…, IANA as TLS_….
    let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let suite = suite.unwrap_or_default().replacen("TLS13_", "TLS_", 1);
    let session = TlsSession { engine: "rustls", version, suite };
    Ok(Accepted { stream: Box::new(stream), chain, session })
}

impl Carrier for tokio_rustls::server::TlsStream<Gate<TcpStream>> {
    fn gate(&mut self) -> &mut Gate<TcpStream> {
        self.get_mut().0
    }
}

/// The configuration for one handshake; nothing is resumed, so it is made for each.
fn config(
    serving: &TlsServing,
    persona: &Persona,
    verdict: &Verdict,
    mute: &Arc<AtomicBool>,
) -> Result<Arc<ServerConfig>, Error> {
    let offered: Vec<_> = [(TlsVersion::V1_2, &version::TLS12), (TlsVersion::V1_3, &version::TLS13)]
        .into_iter()
        .filter(|(version, _)| (persona.tls.min.0..=persona.tls.max.0).contains(version))
        .map(|(_, version)| version)
        .collect();
    let builder = ServerConfig::builder_with_provider(suites(persona)).with_protocol_versions(&offered)?;
    let builder = match &serving.client {
        ClientAuth::None => builder.with_no_client_auth(),
        client => builder.with_client_cert_verifier(Arc::new(FirmwareVerifier {
            client: client.clone(),
            verdict: verdict.clone(),
            mute: silenced(&persona.network).then(|| Arc::clone(mute)),
        })),
    };
    let certificates = std::iter::once(serving.certificate.as_ref()).chain(&serving.issuers);
    let certificates = certificates.map(|der| CertificateDer::from(der.clone())).collect();
    let served = Arc::new(CertifiedKey::new(certificates, signing_key(&serving.key)?));
    let mut config = builder.with_cert_resolver(Arc::new(Served(served)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.ignore_client_order = true;
    Ok(Arc::new(config))
}

fn silenced(network: &Network) -> bool {
    network.refused_chain == RefusedChain::Close
}

/// A provider with the persona's suites in the persona's order, and all of TLS 1.3.
fn suites(persona: &Persona) -> Arc<CryptoProvider> {
    let all = &provider().cipher_suites;
    let named = |name: &str| all.iter().find(|suite| suite.suite().as_str() == Some(name)).copied();
    let newest = all.iter().filter(|suite| suite.tls13().is_some()).copied();
    let older = persona.tls.suites.0.iter().filter_map(|suite| named(suite.iana));
    Arc::new(CryptoProvider { cipher_suites: newest.chain(older).collect(), ..CryptoProvider::clone(provider()) })
}

#[derive(Debug)]
struct Served(Arc<CertifiedKey>);

impl ResolvesServerCert for Served {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct FirmwareVerifier {
    client: ClientAuth,
    verdict: Verdict,
    /// Set on refusal by a persona that closes without an alert.
    mute: Option<Arc<AtomicBool>>,
}

impl ClientCertVerifier for FirmwareVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Firmware knows hashes of roots, not their names.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain: Vec<Vec<u8>> =
            std::iter::once(end_entity).chain(intermediates).map(|certificate| certificate.to_vec()).collect();
        let faults = self.client.judge(&chain);
        let Some(first) = faults.first() else { return Ok(ClientCertVerified::assertion()) };
        let error = match first {
            ChainFault::RootUnknown | ChainFault::RootNotSent | ChainFault::Broken(_) => {
                CertificateError::UnknownIssuer
            }
            ChainFault::Expired(_) => CertificateError::Expired,
            ChainFault::NotServer => CertificateError::InvalidPurpose,
            _ => CertificateError::NotValidForName,
        };
        self.verdict.set(faults);
        if let Some(mute) = &self.mute {
            mute.store(true, Ordering::SeqCst);
        }
        Err(Error::InvalidCertificate(error))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
