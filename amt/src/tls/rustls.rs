//! The default engine: rustls over ring. TLS 1.2 and 1.3 with forward secrecy, nothing older.

use super::Endpoint;
use super::verify::IdentityVerifier;
use amt_core::pki::connect::{Ending, Handshake, explain};
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
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const STAGE: &str = "connect";

/// A certificate chain to present, leaf first and root last, with its key ready to sign.
#[derive(Clone)]
pub struct ClientChain(Arc<CertifiedKey>);

impl std::fmt::Debug for ClientChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientChain({} certificates)", self.0.cert.len())
    }
}

impl ClientChain {
    /// Prepares `chain` (DER, leaf to root) with `key` (PKCS#8 DER). All of it is sent: firmware holds only the hash of the root,
    /// so it must receive the root itself.
    ///
    /// # Errors
    /// `PFX_OPEN` if the engine cannot use the key.
    pub fn new(chain: &[Vec<u8>], key: &Secret<Vec<u8>>) -> Result<Self, Failure> {
        let certificates = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let der = PrivatePkcs8KeyDer::from(key.expose().as_slice());
        let key = ring::sign::any_supported_type(&der.into()).map_err(|_| {
            Failure::new(ErrorCode::PFX_OPEN, "load-certificate", "the private key cannot be used for TLS")
                .hint("provisioning needs an RSA key of at least 2048 bits in PKCS#8 or PFX form")
        })?;
        Ok(Self(Arc::new(CertifiedKey::new(certificates, key))))
    }
}

/// A TLS connection to a machine.
pub type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// Connects and shakes hands. `chains` are what [`TlsPlan::present`] points into.
///
/// # Errors
/// 6xxx if there is no TCP connection, 4xxx if TLS failed, with the alert as device status.
pub async fn connect(endpoint: &Endpoint<'_>, chains: &[ClientChain]) -> Result<(TlsStream, TlsOutcome), Failure> {
    let seen = Seen::default();
    let config = config(endpoint.plan, chains, &seen)?;
    let tcp = timeout(endpoint.connect_timeout, TcpStream::connect(endpoint.address))
        .await
        .map_err(|_| {
            let limit = endpoint.connect_timeout.as_secs();
            let text = format!("{} did not answer within {limit} s", endpoint.address);
            Failure::new(ErrorCode::CONNECT_TIMEOUT, STAGE, text)
        })?
        .map_err(|e| io_failure(&e, &endpoint.address.to_string()))?;
    tcp.set_nodelay(true).map_err(|e| io_failure(&e, "socket"))?;
    let name = ServerName::IpAddress(endpoint.address.ip().into());
    let handshake = TlsConnector::from(config).connect(name, tcp);
    let stream = timeout(endpoint.handshake_timeout, handshake)
        .await
        .map_err(|_| {
            let limit = endpoint.handshake_timeout.as_secs();
            Failure::new(
                ErrorCode::TLS_HANDSHAKE,
                STAGE,
                format!("the TLS handshake was not finished within {limit} s"),
            )
            .hint("the machine accepted the connection but stopped talking: check its power state and try again")
        })?
        .map_err(|e| handshake_failure(&e, seen.clone()))?;
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
    Ok((stream, outcome))
}

/// A failure of the operating system's, in the registry's terms.
pub(crate) fn io_failure(error: &io::Error, what: &str) -> Failure {
    use io::ErrorKind as Kind;
    let code = match error.kind() {
        Kind::ConnectionRefused => ErrorCode::CONNECT_REFUSED,
        Kind::TimedOut => ErrorCode::CONNECT_TIMEOUT,
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => ErrorCode::CONNECTION_RESET,
        Kind::UnexpectedEof => ErrorCode::CONNECTION_CLOSED,
        Kind::HostUnreachable | Kind::NetworkUnreachable => ErrorCode::UNREACHABLE,
        _ => ErrorCode::IO,
    };
    Failure::new(code, STAGE, format!("{what}: {error}"))
}

fn config(plan: &TlsPlan, chains: &[ClientChain], seen: &Seen) -> Result<Arc<ClientConfig>, Failure> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let provider = PROVIDER.get_or_init(|| Arc::new(ring::default_provider()));
    let unusable = |text: String| Failure::new(ErrorCode::TLS_HANDSHAKE, STAGE, text);
    let versions: &[_] = match plan.max {
        TlsVersion::V1_3 => &[&rustls::version::TLS12, &rustls::version::TLS13],
        TlsVersion::V1_2 => &[&rustls::version::TLS12],
        older => {
            let text = format!("{older} needs the legacy TLS engine, which this build does not have");
            return Err(Failure::new(ErrorCode::TLS_VERSION, STAGE, text));
        }
    };
    let chain = plan
        .present
        .map(|index| chains.get(index).cloned().ok_or_else(|| unusable(format!("there is no certificate {index}"))))
        .transpose()?;
    let verifier = IdentityVerifier::new(&plan.identity, provider).map_err(unusable)?;
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(|e| unusable(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(Presenter { chain, seen: seen.clone() }));
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Presents the chain whatever issuers the firmware names (it names none), and notes that it was asked: the cheapest way to
/// tell "chain refused" from "not in setup mode".
#[derive(Debug)]
struct Presenter {
    chain: Option<ClientChain>,
    seen: Seen,
}

/// What the machine asked for and got.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<[AtomicBool; 2]>);

impl Seen {
    fn requested(&self) -> bool {
        self.0[0].load(Ordering::Relaxed)
    }

    fn presented(&self) -> bool {
        self.0[1].load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for Presenter {
    fn resolve(&self, _root_hint_subjects: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.seen.0[0].store(true, Ordering::Relaxed);
        let chain = self.chain.as_ref()?;
        chain.0.key.choose_scheme(schemes)?;
        self.seen.0[1].store(true, Ordering::Relaxed);
        Some(Arc::clone(&chain.0))
    }

    fn has_certs(&self) -> bool {
        // Also without a chain: only then is the request seen and noted.
        true
    }
}

fn handshake_failure(error: &io::Error, seen: Seen) -> Failure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let failure = |code, text: String| Failure::new(code, STAGE, text);
    let ending = match tls {
        Some(Error::AlertReceived(alert)) => Ending::Alert(u8::from(*alert)),
        Some(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
            let text = "the machine presented another certificate than the one expected";
            return failure(ErrorCode::TLS_PIN_MISMATCH, text.to_owned());
        }
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
    let handshake =
        Handshake { ending, certificate_requested: seen.requested(), chain_sent: seen.presented(), psk: false };
    explain(&handshake).unwrap_or_else(|| failure(ErrorCode::TLS_HANDSHAKE, error.to_string()))
}
