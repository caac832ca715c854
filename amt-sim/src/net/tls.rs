//! The machine's TLS server on rustls: TLS 1.2, the pool's keys, and a client verifier that judges as firmware does.

use super::machine::Shared;
use crate::chain::ChainFault;
use crate::fault::FaultKind;
use crate::firmware::{ClientAuth, TlsServing};
use crate::keys;
use crate::persona::{Network, RefusedChain};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme, version,
};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider()))
}

/// Signing keys are read once: there are only as many as the pool has.
fn signing_key(index: usize) -> Arc<dyn rustls::sign::SigningKey> {
    static KEYS: OnceLock<Vec<Arc<dyn rustls::sign::SigningKey>>> = OnceLock::new();
    let all = KEYS.get_or_init(|| {
        let load = |i| {
            let der = PrivatePkcs8KeyDer::from(keys::key(i).pkcs8());
            provider().key_provider.load_private_key(der.into()).expect("keys of the pool are RSA")
        };
        (0..keys::POOL_SIZE).map(load).collect()
    });
    Arc::clone(&all[index % keys::POOL_SIZE])
}

/// What the verifier found, for whoever ran the handshake.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict(Arc<Mutex<Vec<ChainFault>>>);

impl Verdict {
    pub(super) fn take(&self) -> Vec<ChainFault> {
        std::mem::take(&mut self.0.lock().expect("no panic while held"))
    }
}

/// The configuration for one handshake; nothing is resumed, so it is made for each.
pub(super) fn config(
    serving: &TlsServing,
    network: &Network,
    verdict: &Verdict,
    mute: &Arc<AtomicBool>,
) -> Result<Arc<ServerConfig>, Error> {
    let versions: &[&rustls::SupportedProtocolVersion] =
        if network.tls13 { &[&version::TLS12, &version::TLS13] } else { &[&version::TLS12] };
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider())).with_protocol_versions(versions)?;
    let builder = match &serving.client {
        ClientAuth::None => builder.with_no_client_auth(),
        client => builder.with_client_cert_verifier(Arc::new(FirmwareVerifier {
            client: client.clone(),
            verdict: verdict.clone(),
            mute: (network.refused_chain == RefusedChain::Close).then(|| Arc::clone(mute)),
        })),
    };
    let certificate = CertificateDer::from(serving.certificate.as_slice().to_vec());
    let served = Arc::new(CertifiedKey::new(vec![certificate], signing_key(serving.key)));
    let mut config = builder.with_cert_resolver(Arc::new(Served(served)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
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
        *self.verdict.0.lock().expect("no panic while held") = faults;
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

/// A stream whose writes can be silenced, or spoilt once, while TLS believes that they went out.
pub(super) struct Gate<S> {
    inner: S,
    mute: Arc<AtomicBool>,
    spoil: Option<FaultKind>,
    shared: Arc<Shared>,
}

impl<S> Gate<S> {
    pub(super) fn new(inner: S, mute: Arc<AtomicBool>, spoil: Option<FaultKind>, shared: Arc<Shared>) -> Self {
        Self { inner, mute, spoil, shared }
    }

    pub(super) fn inner(&self) -> &S {
        &self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.shared.wire.bytes.fetch_add((buf.filled().len() - before) as u64, Ordering::SeqCst);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.mute.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = match self.spoil {
            None | Some(FaultKind::Delay(_) | FaultKind::Status(_)) => {
                return Pin::new(&mut self.inner).poll_write(cx, buf);
            }
            Some(FaultKind::Reset) => {
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionReset)));
            }
            Some(FaultKind::Stall) => {
                self.mute.store(true, Ordering::SeqCst);
                return Poll::Ready(Ok(buf.len()));
            }
            Some(FaultKind::Truncate) => {
                let half = buf.len() / 2;
                std::task::ready!(Pin::new(&mut self.inner).poll_write(cx, &buf[..half.max(1)]))?;
                self.spoil = None;
                return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof)));
            }
            Some(FaultKind::Garbage) => {
                // The record headers stay; what the records say does not.
                let mut spoilt = buf.to_vec();
                for byte in spoilt.iter_mut().skip(9).step_by(7) {
                    *byte ^= 0xa5;
                }
                std::task::ready!(Pin::new(&mut self.inner).poll_write(cx, &spoilt))?
            }
        };
        self.spoil = None;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
