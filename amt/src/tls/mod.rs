//! TLS to a machine: one connection as a [`TlsPlan`] says, and what it brought.
//!
//! Two engines: rustls, and with the feature `legacy-tls` OpenSSL for firmware that speaks nothing that rustls does. Which one is
//! used is policy, and comes with the plan ([`Rung`]).

mod client;
#[cfg(feature = "legacy-tls")]
mod legacy;
mod remote;
mod rustls;
mod stream;
mod verify;

pub(crate) use client::Chains;
pub use client::ClientCertificates;
pub use stream::TlsStream;
pub(crate) use stream::Wire;

use crate::local::Signer;
use ::rustls::sign::CertifiedKey;
use amt_core::tls::{PeerIdentity, Rung, TlsOutcome, TlsPlan};
use amt_core::{ErrorCode, Failure, Secret};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;

const STAGE: &str = "connect";

/// Whether this build has the engine for firmware before AMT 14.
pub const HAS_LEGACY: bool = cfg!(feature = "legacy-tls");

/// Where and how long to try.
#[derive(Clone, Debug)]
pub struct Endpoint<'a> {
    /// Address and port.
    pub address: SocketAddr,
    /// Policy of the handshake.
    pub plan: &'a TlsPlan,
    /// Limit for the TCP connection.
    pub connect_timeout: Duration,
    /// Limit for the TLS handshake; firmware needs seconds for its RSA operations.
    pub handshake_timeout: Duration,
}

impl<'a> Endpoint<'a> {
    /// With the usual limits: 10 s and 30 s.
    pub const fn new(address: SocketAddr, plan: &'a TlsPlan) -> Self {
        Self { address, plan, connect_timeout: Duration::from_secs(10), handshake_timeout: Duration::from_secs(30) }
    }
}

/// A certificate chain to present, leaf first and root last, with its key ready to sign.
#[derive(Clone)]
pub struct ClientChain(Arc<Chain>);

struct Chain {
    modern: Arc<CertifiedKey>,
    /// None: its key is elsewhere, and this engine needs it here.
    #[cfg(feature = "legacy-tls")]
    legacy: Option<legacy::Chain>,
    /// Its key is elsewhere: signing may take its time.
    is_remote: bool,
}

impl fmt::Debug for ClientChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientChain({} certificates)", self.0.modern.cert.len())
    }
}

impl ClientChain {
    /// Prepares `chain` (DER, leaf to root) with `key` (PKCS#8 DER). All of it is sent: firmware holds only the hash of the root,
    /// so it must receive the root itself.
    ///
    /// # Errors
    /// `PFX_OPEN` if the engine cannot use the key.
    pub fn new(chain: &[Vec<u8>], key: &Secret<Vec<u8>>) -> Result<Self, Failure> {
        Ok(Self(Arc::new(Chain {
            modern: rustls::certified_key(chain, key)?,
            #[cfg(feature = "legacy-tls")]
            legacy: Some(legacy::Chain::new(chain, key)?),
            is_remote: false,
        })))
    }

    /// Prepares `chain` (DER, leaf to root), for which `signer` signs, who knows it by `index`. Only the modern engine presents it.
    pub(crate) fn remote(chain: &[Vec<u8>], signer: Arc<dyn Signer>, index: usize) -> Self {
        Self(Arc::new(Chain {
            modern: remote::certified_key(chain, signer, index),
            #[cfg(feature = "legacy-tls")]
            legacy: None,
            is_remote: true,
        }))
    }
}

/// Begins the engines, which their first use does otherwise. A program that uses OpenSSL for something else too calls this before:
/// OpenSSL then reads no configuration file.
pub fn prepare() {
    #[cfg(feature = "legacy-tls")]
    legacy::prepare();
}

/// Connects and shakes hands. `chains` are what [`TlsPlan::present`] points into.
///
/// # Errors
/// 6xxx if there is no TCP connection, 4xxx if TLS failed, with the alert as device status; `TLS_LEGACY_MISSING` if the plan needs the
/// engine that this build lacks.
pub async fn connect(endpoint: &Endpoint<'_>, chains: &[ClientChain]) -> Result<(TlsStream, TlsOutcome), Failure> {
    check(endpoint.plan)?;
    let presented = presented(endpoint.plan, chains)?;
    let tcp = dial(endpoint).await?;
    shake_hands(Box::new(tcp), endpoint, presented).await
}

/// Shakes hands on a connection that stands; [`Endpoint::address`] only names the machine.
pub(crate) async fn over(
    wire: Wire,
    endpoint: &Endpoint<'_>,
    chains: &[ClientChain],
) -> Result<(TlsStream, TlsOutcome), Failure> {
    check(endpoint.plan)?;
    shake_hands(wire, endpoint, presented(endpoint.plan, chains)?).await
}

fn presented<'c>(plan: &TlsPlan, chains: &'c [ClientChain]) -> Result<Option<&'c ClientChain>, Failure> {
    let find = |index: usize| chains.get(index).ok_or_else(|| unusable(format!("there is no certificate {index}")));
    plan.present.map(find).transpose()
}

/// Shows `chain` if the machine asks for one. With a plan that presents nothing it is a console's.
async fn shake_hands(
    wire: Wire,
    endpoint: &Endpoint<'_>,
    chain: Option<&ClientChain>,
) -> Result<(TlsStream, TlsOutcome), Failure> {
    #[cfg(feature = "legacy-tls")]
    let plan = endpoint.plan;
    let handshake = async {
        #[cfg(feature = "legacy-tls")]
        if !is_modern(plan) {
            return legacy::handshake(wire, endpoint, chain).await;
        }
        match chain {
            Some(chain) if chain.0.is_remote => apart(wire, endpoint, chain.clone()).await,
            _ => rustls::handshake(wire, endpoint, chain).await,
        }
    };
    timeout(endpoint.handshake_timeout, handshake).await.map_err(|_| {
        let limit = endpoint.handshake_timeout.as_secs();
        Failure::new(ErrorCode::TLS_HANDSHAKE, STAGE, format!("the TLS handshake was not finished within {limit} s"))
            .hint("the machine accepted the connection but stopped talking: check its power state and try again")
    })?
}

/// What a handshake showed, whether or not it succeeded.
pub(crate) struct Look {
    pub(crate) result: Result<(TlsStream, TlsOutcome), Failure>,
    /// Whether the machine asked for our certificate.
    pub(crate) certificate_requested: bool,
    /// Names of the authorities from which it accepts one, DER.
    pub(crate) authorities: Vec<Vec<u8>>,
    /// Certificates of the machine, leaf first, DER.
    pub(crate) peer: Vec<Vec<u8>>,
}

/// Looks at who is there, without a certificate of ours. Of a handshake that fails with the engine for old firmware nothing is seen.
pub(crate) async fn look(endpoint: &Endpoint<'_>) -> Look {
    let nothing = |failure| Look {
        result: Err(failure),
        certificate_requested: false,
        authorities: Vec::new(),
        peer: Vec::new(),
    };
    if is_modern(endpoint.plan) {
        return match dial(endpoint).await {
            Ok(tcp) => match timeout(endpoint.handshake_timeout, rustls::look(Box::new(tcp), endpoint)).await {
                Ok(look) => look,
                Err(_) => nothing(unusable("the TLS handshake was not finished in time".to_owned())),
            },
            Err(failure) => nothing(failure),
        };
    }
    match connect(endpoint, &[]).await {
        Ok((stream, outcome)) => Look {
            certificate_requested: outcome.certificate_requested,
            authorities: Vec::new(),
            peer: outcome.peer.clone(),
            result: Ok((stream, outcome)),
        },
        Err(failure) => nothing(failure),
    }
}

/// Shakes hands on a thread that may wait for a signature: the engine knows no other way to wait for one.
async fn apart(wire: Wire, endpoint: &Endpoint<'_>, chain: ClientChain) -> Result<(TlsStream, TlsOutcome), Failure> {
    let (plan, address) = (endpoint.plan.clone(), endpoint.address);
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || {
        runtime.block_on(rustls::handshake(wire, &Endpoint::new(address, &plan), Some(&chain)))
    });
    done.await.map_err(|error| Failure::new(ErrorCode::PANIC, STAGE, format!("the handshake panicked: {error}")))?
}

/// Whether the plan is for the modern engine.
fn is_modern(plan: &TlsPlan) -> bool {
    plan.rung == Rung::Modern && !matches!(plan.identity, PeerIdentity::Psk(_))
}

fn check(plan: &TlsPlan) -> Result<(), Failure> {
    if is_modern(plan) || HAS_LEGACY { Ok(()) } else { Err(legacy_missing(plan)) }
}

async fn dial(endpoint: &Endpoint<'_>) -> Result<TcpStream, Failure> {
    let tcp = timeout(endpoint.connect_timeout, TcpStream::connect(endpoint.address))
        .await
        .map_err(|_| {
            let limit = endpoint.connect_timeout.as_secs();
            let text = format!("{} did not answer within {limit} s", endpoint.address);
            Failure::new(ErrorCode::CONNECT_TIMEOUT, STAGE, text)
        })?
        .map_err(|e| io_failure(&e, &endpoint.address.to_string()))?;
    tcp.set_nodelay(true).map_err(|e| io_failure(&e, "socket"))?;
    Ok(tcp)
}

fn legacy_missing(plan: &TlsPlan) -> Failure {
    let what = match plan.identity {
        PeerIdentity::Psk(_) => "TLS with a pre-shared key (AMT 2 to 10)",
        _ => "TLS before 1.2 or without forward secrecy (AMT before 14)",
    };
    let text = format!("the machine needs {what}, and this build has no engine for that");
    Failure::new(ErrorCode::TLS_LEGACY_MISSING, STAGE, text)
}

fn unusable(text: String) -> Failure {
    Failure::new(ErrorCode::TLS_HANDSHAKE, STAGE, text)
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
