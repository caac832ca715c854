//! What is at an address, seen from outside: open ports, firmware version, TLS. No password is used and nothing is changed.
//!
//! The version is in the `Server` header, which firmware sends with its refusal to answer without a login too
//! (`spec/wsman.md` §1.1, §1.3). Every connection has a time limit, so that a scan always ends.

mod likely;
mod targets;

pub use likely::Likely;
pub use targets::{MAX_TARGETS, NotHost, Targets, host};

use crate::certificate::{name_text, single};
use crate::place::{authority, interface};
use crate::tls::{self, Endpoint, HAS_LEGACY, Look};
use amt_core::tls::{PeerIdentity, Rung, TlsOutcome, TlsPlan};
use amt_core::version::TlsVersion;
use amt_core::{ErrorCode, FirmwareVersion};
use amt_wsman::client::TARGET;
use amt_wsman::http::{self, ResponseReader};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// AMT's ports: WS-Man and redirection, plain and over TLS; DASH, plain and over TLS; KVM by VNC.
pub const PORTS: &[u16] = &[16_992, 16_993, 16_994, 16_995, 623, 664, 5900];

/// Ports that speak HTTP, plain.
const PLAIN: &[u16] = &[16_992, 623];
/// Ports that speak HTTP over TLS.
const SECURE: &[u16] = &[16_993, 664];
/// Most acceptable authorities that are told.
const MAX_AUTHORITIES: usize = 32;
/// Most bytes that are read of an answer.
const MAX_ANSWER: usize = 64 * 1024;

/// How to look.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiscoverConfig {
    /// How long a port may take to accept a connection. 2 s.
    pub connect_timeout: Duration,
    /// How long an answer, and a TLS handshake, may take. 10 s.
    pub answer_timeout: Duration,
    /// Addresses that are begun in a second. 20.
    pub rate: u32,
    /// Addresses that are looked at together. 64.
    pub concurrency: usize,
}

impl Default for DiscoverConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            answer_timeout: Duration::from_secs(10),
            rate: 20,
            concurrency: 64,
        }
    }
}

/// What became of a connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PortState {
    /// It was accepted.
    Open,
    /// It was refused.
    Closed,
    /// There was no answer: nobody is there, or a firewall keeps silent.
    Filtered,
}

impl PortState {
    /// `open`, `closed`, `filtered`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Filtered => "filtered",
        }
    }
}

/// What an address looks like, as far as can be told without a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Standing {
    /// None of the ports of AMT's web server is open: no AMT, switched off, or not set up and its setup window closed.
    Silent,
    /// A port is open, and what answers there does not say that it is AMT.
    NotAmt,
    /// AMT that asks for a certificate: in setup mode, or set up with mutual TLS.
    WantsCertificate,
    /// AMT that is set up: it asks for a login.
    SetUp,
    /// AMT that answers without a login: in setup mode, where some firmware asks for none.
    Open,
    /// AMT; nothing tells how it stands.
    Unclear,
}

impl Standing {
    /// `silent`, `not-amt`, `wants-certificate`, `set-up`, `open`, `unclear`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::NotAmt => "not-amt",
            Self::WantsCertificate => "wants-certificate",
            Self::SetUp => "set-up",
            Self::Open => "open",
            Self::Unclear => "unclear",
        }
    }

    /// The same in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Silent => "no AMT answers",
            Self::NotAmt => "something answers that is not AMT",
            Self::WantsCertificate => "AMT in setup mode, or set up with mutual TLS",
            Self::SetUp => "AMT, set up",
            Self::Open => "AMT that asks for no login",
            Self::Unclear => "AMT, as it seems",
        }
    }
}

/// What TLS shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenTls {
    /// Port on which it was seen.
    pub port: u16,
    /// Version; none if the handshake failed.
    pub version: Option<TlsVersion>,
    /// Suite, by its IANA name.
    pub suite: Option<String>,
    /// Whether the machine asked for our certificate.
    pub certificate_requested: bool,
    /// Names of the authorities from which it accepts a certificate, if it names any.
    pub acceptable_authorities: Vec<String>,
    /// Its certificate.
    pub certificate: Option<SeenCertificate>,
    /// Why the handshake failed, if it did.
    pub failure: Option<String>,
}

/// A machine's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenCertificate {
    /// DER.
    pub der: Vec<u8>,
    /// SHA-256 of it, as `--pin` takes it.
    pub sha256: Vec<u8>,
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Whether it signed itself, as firmware's own does before setup.
    pub self_signed: bool,
    /// Names that it is for.
    pub dns_names: Vec<String>,
    /// Validity, seconds since 1970.
    pub validity: (i64, i64),
}

/// What is at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovered {
    /// The address.
    pub address: IpAddr,
    /// Number of the interface that the address is on, if it was named with one (`fe80::1%eth0`); 0 otherwise.
    pub interface: u32,
    /// What became of each port of [`PORTS`].
    pub ports: BTreeMap<u16, PortState>,
    /// The `Server` header.
    pub server: Option<String>,
    /// Firmware version out of it.
    pub version: Option<FirmwareVersion>,
    /// TLS, if a port of it is open.
    pub tls: Option<SeenTls>,
    /// How it stands.
    pub standing: Standing,
    /// What one that [asks for a certificate](Standing::WantsCertificate) likely is, where what was seen speaks for one of the two. This is
    /// inferred, never known.
    pub likely: Option<Likely>,
    /// What was seen that speaks for the one or the other, in words.
    pub signs: Vec<String>,
}

impl Discovered {
    /// Whether a port is open at all.
    pub fn is_anything_open(&self) -> bool {
        self.ports.values().any(|state| *state == PortState::Open)
    }

    /// The address as text, with the number of its interface if it has one: `10.0.0.5`, `fe80::1%2`.
    pub fn place(&self) -> String {
        match self.interface {
            0 => self.address.to_string(),
            interface => format!("{}%{interface}", self.address),
        }
    }

    fn first_open(&self, ports: &[u16]) -> Option<u16> {
        ports.iter().copied().find(|port| self.ports.get(port) == Some(&PortState::Open))
    }
}

/// Looks at one address. Never fails: what cannot be seen is absent.
pub async fn discover(address: IpAddr, config: &DiscoverConfig) -> Discovered {
    discover_place(SocketAddr::new(address, 0), config).await
}

/// The same for an address that names its interface; the port does not matter.
pub async fn discover_place(place: SocketAddr, config: &DiscoverConfig) -> Discovered {
    let at = move |port| {
        let mut place = place;
        place.set_port(port);
        place
    };
    let mut tasks = JoinSet::new();
    for port in PORTS.iter().copied() {
        let limit = config.connect_timeout;
        tasks.spawn(async move { (port, knock(at(port), limit).await) });
    }
    let mut ports: BTreeMap<u16, PortState> = PORTS.iter().map(|port| (*port, PortState::Filtered)).collect();
    while let Some(done) = tasks.join_next().await {
        if let Ok((port, state)) = done {
            ports.insert(port, state);
        }
    }
    let mut found = Discovered {
        address: place.ip(),
        interface: interface(place),
        ports,
        server: None,
        version: None,
        tls: None,
        standing: Standing::Silent,
        likely: None,
        signs: Vec::new(),
    };
    let mut heard = Heard::default();
    if let Some(port) = found.first_open(PLAIN) {
        let place = at(port);
        if let Ok(Ok(mut stream)) = timeout(config.connect_timeout, TcpStream::connect(place)).await {
            heard = ask(&mut stream, &authority(place), config.answer_timeout).await;
        }
    }
    if let Some(port) = found.first_open(SECURE) {
        let (tls, over_tls) = look(at(port), config).await;
        found.tls = Some(tls);
        if heard.status.is_none() {
            heard = over_tls;
        }
    }
    found.version = heard.server.as_deref().and_then(FirmwareVersion::from_server_header);
    found.standing = standing(&found, &heard);
    found.server = heard.server;
    if found.standing == Standing::WantsCertificate {
        (found.likely, found.signs) = likely::judge(&found);
    }
    found
}

/// Looks at many addresses, no more at once and no more in a second than `config` says, and tells each result as it comes.
pub async fn scan(addresses: Targets, config: &DiscoverConfig, mut tell: impl FnMut(Discovered)) {
    let gap = Duration::from_secs(1) / config.rate.max(1);
    let mut next = Instant::now();
    let mut tasks = JoinSet::new();
    for place in addresses.places() {
        while tasks.len() >= config.concurrency.max(1) {
            if let Some(Ok(found)) = tasks.join_next().await {
                tell(found);
            }
        }
        // While this one waits for its turn, others may be done.
        loop {
            tokio::select! {
                biased;
                () = sleep_until(next) => break,
                Some(done) = tasks.join_next() => if let Ok(found) = done { tell(found) },
            }
        }
        next = (next + gap).max(Instant::now());
        let config = config.clone();
        tasks.spawn(async move { discover_place(place, &config).await });
    }
    while let Some(done) = tasks.join_next().await {
        if let Ok(found) = done {
            tell(found);
        }
    }
}

/// One connection attempt.
async fn knock(place: SocketAddr, limit: Duration) -> PortState {
    match timeout(limit, TcpStream::connect(place)).await {
        Ok(Ok(_)) => PortState::Open,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => PortState::Closed,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => PortState::Closed,
        Ok(Err(_)) | Err(_) => PortState::Filtered,
    }
}

/// What HTTP says.
#[derive(Debug, Default)]
struct Heard {
    status: Option<u16>,
    server: Option<String>,
}

/// An empty request without a login: firmware refuses it and says in the head of its answer who it is.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), authority: &str, limit: Duration) -> Heard {
    let talk = async {
        stream.write_all(&http::post(TARGET, authority, None, b"")).await.ok()?;
        stream.flush().await.ok()?;
        let (mut reader, mut buffer, mut total) = (ResponseReader::new(), vec![0; 4096], 0);
        loop {
            let count = stream.read(&mut buffer).await.ok()?;
            let response = match buffer.get(..count) {
                Some(bytes) if count > 0 => reader.push(bytes).ok()?,
                _ => return reader.close(),
            };
            total += count;
            if response.is_some() || total > MAX_ANSWER {
                return response;
            }
        }
    };
    let Ok(Some(response)) = timeout(limit, talk).await else { return Heard::default() };
    // Bytes of a stranger: of what is shown, only what can be printed, and not too much.
    let printable = |text: &str| text.chars().filter(|c| !c.is_control()).take(128).collect();
    Heard { status: Some(response.status), server: response.header("server").map(printable) }
}

/// Looks at TLS, at first as firmware of today speaks it.
async fn look(place: SocketAddr, config: &DiscoverConfig) -> (SeenTls, Heard) {
    let mut seen = SeenTls { port: place.port(), ..SeenTls::default() };
    let mut rungs = vec![Rung::Modern];
    if HAS_LEGACY {
        rungs.extend([Rung::Legacy, Rung::LegacyTls10]);
    }
    for rung in rungs {
        let mut plan = TlsPlan::new(PeerIdentity::Any);
        plan.rung = rung;
        let mut endpoint = Endpoint::new(place, &plan);
        (endpoint.connect_timeout, endpoint.handshake_timeout) = (config.connect_timeout, config.answer_timeout);
        let Look { result, certificate_requested, authorities, peer } = tls::look(&endpoint).await;
        seen.certificate_requested |= certificate_requested;
        seen.acceptable_authorities.extend(authorities.iter().take(MAX_AUTHORITIES).filter_map(|name| name_text(name)));
        seen.certificate = peer.first().and_then(|der| certificate(der)).or(seen.certificate);
        match result {
            Ok((mut stream, outcome)) => {
                let TlsOutcome { version, suite, .. } = outcome;
                (seen.version, seen.suite, seen.failure) = (Some(version), Some(suite), None);
                let heard = ask(&mut stream, &place.to_string(), config.answer_timeout).await;
                return (seen, heard);
            }
            Err(failure) => {
                let other_engine = matches!(failure.code, ErrorCode::TLS_VERSION | ErrorCode::TLS_HANDSHAKE);
                seen.failure.get_or_insert(failure.into_details().message);
                if seen.certificate_requested || !other_engine {
                    break;
                }
            }
        }
    }
    if seen.certificate_requested {
        seen.failure = Some("the machine asks for a certificate, and was given none".to_owned());
    }
    (seen, Heard::default())
}

fn certificate(der: &[u8]) -> Option<SeenCertificate> {
    let (facts, self_signed) = single(der)?;
    Some(SeenCertificate {
        der: der.to_vec(),
        sha256: facts.sha256.to_vec(),
        subject: facts.subject.text.clone(),
        issuer: facts.issuer.text.clone(),
        self_signed,
        dns_names: facts.dns_names.clone(),
        validity: (facts.not_before, facts.not_after),
    })
}

fn standing(found: &Discovered, heard: &Heard) -> Standing {
    let is_amt = heard.server.as_deref().is_some_and(|server| server.contains("Active Management Technology"));
    let asks = found.tls.as_ref().is_some_and(|tls| tls.certificate_requested);
    let web = [PLAIN, SECURE].concat();
    match heard.status {
        _ if found.first_open(&web).is_none() => {
            if found.is_anything_open() {
                Standing::NotAmt
            } else {
                Standing::Silent
            }
        }
        // What is set up shows it on the plain port, or by TLS without a certificate of ours.
        Some(401) if is_amt => Standing::SetUp,
        Some(_) if is_amt => Standing::Open,
        Some(_) => Standing::NotAmt,
        None if asks => Standing::WantsCertificate,
        None if found.tls.as_ref().is_some_and(|tls| tls.certificate.is_some()) => Standing::Unclear,
        None => Standing::NotAmt,
    }
}
