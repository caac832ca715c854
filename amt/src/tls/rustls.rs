//! The default engine: rustls over ring. TLS 1.2 and 1.3 with forward secrecy, nothing older.

use super::stream::{Engine, TlsStream, Wire};
use super::verify::IdentityVerifier;
use super::{ClientChain, Endpoint, Look, STAGE, io_failure, remote, unusable};
use amt_core::pki::OnDieFault;
use amt_core::pki::connect::{Ending, Handshake, explain, explain_client, explain_nothing_presented};
use amt_core::tls::{TlsOutcome, TlsPlan};
use amt_core::version::TlsVersion;
use amt_core::{ErrorCode, Failure, Secret};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, Error, ProtocolVersion, SignatureScheme};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;

/// A chain with its key, as this engine wants them.
pub(super) fn certified_key(chain: &[Vec<u8>], key: &Secret<Vec<u8>>) -> Result<Arc<CertifiedKey>, Failure> {
    let certificates = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let der = PrivatePkcs8KeyDer::from(key.expose().as_slice());
    let key = ring::sign::any_supported_type(&der.into()).map_err(|_| {
        Failure::new(ErrorCode::PFX_OPEN, "load-certificate", "the private key cannot be used for TLS")
            .hint("provisioning needs an RSA key of at least 2048 bits in PKCS#8 or PFX form")
    })?;
    Ok(Arc::new(CertifiedKey::new(certificates, key)))
}

/// Shakes hands on `wire`.
pub(super) async fn handshake(
    wire: Wire,
    endpoint: &Endpoint<'_>,
    chain: Option<&ClientChain>,
) -> Result<(TlsStream, TlsOutcome), Failure> {
    handshake_seen(wire, endpoint, chain, &Seen::default()).await
}

/// Shakes hands on `wire` without a certificate of ours: what came of it, and what was seen even if it failed.
pub(super) async fn look(wire: Wire, endpoint: &Endpoint<'_>) -> Look {
    let seen = Seen::default();
    let result = handshake_seen(wire, endpoint, None, &seen).await;
    Look {
        result,
        certificate_requested: seen.requested(),
        authorities: seen.2.get().cloned().unwrap_or_default(),
        peer: seen.1.get().cloned().unwrap_or_default(),
    }
}

async fn handshake_seen(
    wire: Wire,
    endpoint: &Endpoint<'_>,
    chain: Option<&ClientChain>,
    seen: &Seen,
) -> Result<(TlsStream, TlsOutcome), Failure> {
    let config = config(endpoint.plan, chain, seen)?;
    let name = ServerName::IpAddress(endpoint.address.ip().into());
    let is_console = endpoint.plan.present.is_none();
    let failed = |error: io::Error| handshake_failure(&error, seen, chain.is_some(), is_console);
    let stream = TlsConnector::from(config).connect(name, wire).await.map_err(failed)?;
    let (_, connection) = stream.get_ref();
    let outcome = TlsOutcome {
        version: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::V1_3,
            _ => TlsVersion::V1_2,
        },
        suite: connection
            .negotiated_cipher_suite()
            .map(|suite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_"))
            .unwrap_or_default(),
        engine: "rustls",
        peer: connection.peer_certificates().unwrap_or_default().iter().map(|c| c.to_vec()).collect(),
        certificate_requested: seen.requested(),
    };
    Ok((TlsStream(Engine::Rustls(Box::new(stream))), outcome))
}

fn config(plan: &TlsPlan, chain: Option<&ClientChain>, seen: &Seen) -> Result<Arc<ClientConfig>, Failure> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let provider = PROVIDER.get_or_init(|| Arc::new(ring::default_provider()));
    let versions: &[_] = match plan.max {
        // What signs elsewhere makes signatures that 1.3 does not know.
        TlsVersion::V1_3 if !chain.is_some_and(|chain| chain.0.is_remote) => {
            &[&rustls::version::TLS12, &rustls::version::TLS13]
        }
        // Older versions are another rung of the ladder.
        _ => &[&rustls::version::TLS12],
    };
    let verifier = IdentityVerifier::new(&plan.identity, provider, Arc::clone(&seen.1)).map_err(unusable)?;
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(|e| unusable(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(Presenter {
            chain: chain.map(|chain| Arc::clone(&chain.0.modern)),
            seen: seen.clone(),
        }));
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Presents the chain whatever issuers the firmware names (it names none), and notes that it was asked: the cheapest way to
/// tell "chain refused" from "not in setup mode".
#[derive(Debug)]
struct Presenter {
    chain: Option<Arc<CertifiedKey>>,
    seen: Seen,
}

/// What the machine asked for and got, its certificates, and the authorities that it named.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<[AtomicBool; 2]>, Arc<OnceLock<Vec<Vec<u8>>>>, Arc<OnceLock<Vec<Vec<u8>>>>);

impl Seen {
    fn requested(&self) -> bool {
        self.0[0].load(Ordering::Relaxed)
    }

    fn presented(&self) -> bool {
        self.0[1].load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Presenter {
    fn resolve(&self, root_hint_subjects: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.seen.0[0].store(true, Ordering::Relaxed);
        let _ = self.seen.2.set(root_hint_subjects.iter().map(|name| name.to_vec()).collect());
        let chain = self.chain.as_ref()?;
        chain.key.choose_scheme(schemes)?;
        self.seen.0[1].store(true, Ordering::Relaxed);
        Some(Arc::clone(chain))
    }

    fn has_certs(&self) -> bool {
        // Also without a chain: only then is the request seen and noted.
        true
    }
}

/// `is_console`: the chain is no provisioning certificate.
fn handshake_failure(error: &io::Error, seen: &Seen, has_chain: bool, is_console: bool) -> Failure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let failure = |code, text: String| Failure::new(code, STAGE, text);
    if let Some(refusal) = tls.and_then(remote::refusal) {
        return refusal;
    }
    let ending = match tls {
        Some(Error::AlertReceived(alert)) => Ending::Alert(u8::from(*alert)),
        Some(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
            let text = "the machine presented another certificate than the one expected";
            return failure(ErrorCode::TLS_PIN_MISMATCH, text.to_owned());
        }
        Some(Error::InvalidCertificate(CertificateError::Other(other))) if other.0.is::<OnDieFault>() => {
            let text = format!("the chip's own certificates do not pass the check of their {}", other.0);
            return failure(ErrorCode::ONDIE_CHAIN, text);
        }
        Some(Error::InvalidCertificate(why)) => return not_trusted(why),
        Some(Error::PeerIncompatible(why)) => {
            return failure(ErrorCode::TLS_VERSION, format!("nothing in common with the machine: {why:?}"));
        }
        Some(other) => return failure(ErrorCode::TLS_HANDSHAKE, format!("the TLS handshake failed: {other}")),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof => Ending::Closed,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Ending::Reset,
            _ => return io_failure(error, "TLS handshake"),
        },
    };
    if seen.requested()
        && !has_chain
        && let Some(failure) = explain_nothing_presented(ending)
    {
        return failure;
    }
    let handshake =
        Handshake { ending, certificate_requested: seen.requested(), chain_sent: seen.presented(), psk: false };
    let explained = if is_console { explain_client(&handshake) } else { explain(&handshake) };
    explained.unwrap_or_else(|| failure(ErrorCode::TLS_HANDSHAKE, error.to_string()))
}

/// The machine speaks TLS well enough; it is its certificate that does not pass. No other engine would let it pass.
fn not_trusted(why: &CertificateError) -> Failure {
    use CertificateError as Why;
    let (what, hint) = match why {
        Why::Expired | Why::ExpiredContext { .. } | Why::NotValidYet | Why::NotValidYetContext { .. } => (
            "the machine's certificate is not valid at this time",
            "check the clock of this computer; if it is right, the certificate has to be renewed",
        ),
        Why::NotValidForName | Why::NotValidForNameContext { .. } => (
            "the machine's certificate is for another name",
            "check that this is the machine; if it is, say which name its certificate has",
        ),
        _ => (
            "the machine's certificate is not from an authority that is trusted here",
            "give the authority that issued it, or the certificate's SHA-256 if you know this machine",
        ),
    };
    Failure::new(ErrorCode::TLS_HANDSHAKE, STAGE, format!("{what} ({why})")).hint(hint)
}
