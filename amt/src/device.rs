//! One machine by address: log in, make WS-Man calls.

use crate::kerberos::{self, Tickets};
use crate::place;
use crate::tls::{ClientCertificates, Endpoint, TlsStream, io_failure};
use amt_core::redirection;
use amt_core::tls::{Ladder, LegacyTls, PeerIdentity, Rung, TlsOutcome, TlsPlan};
use amt_core::{DeviceStatus, ErrorCode, Failure, FirmwareVersion, Tick};
use amt_wsman::client::{Client, ClientConfig, Credentials, Input, Output};
use amt_wsman::op::{Reply, Request};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

const READ_SIZE: usize = 16 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach a machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Transport {
    /// Plain HTTP, port 16992: only on firmware before 16.1, and readable by anyone on the way.
    Plain,
    /// TLS, port 16993. Firmware before AMT 14 needs [consent](Device::legacy_tls).
    Tls(PeerIdentity),
}

/// A session with one machine. Calls are made one at a time on one connection, which is remade when the firmware closes it.
pub struct Device {
    address: SocketAddr,
    transport: Transport,
    consent: LegacyTls,
    /// The rung on which the machine was reached last.
    rung: Option<Rung>,
    client: Client,
    /// Shown if the machine asks.
    certificates: ClientCertificates,
    /// In the place of user and password.
    tickets: Option<Tickets>,
    stream: Option<Box<dyn Stream>>,
    outcome: Option<TlsOutcome>,
    start: Instant,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Device {
    /// A machine at `address`, with its interface where it is one of a link's ([`resolve`](place::resolve)); connects at the first call.
    ///
    /// # Errors
    /// `IO` if the operating system has no random bytes.
    pub fn new(address: SocketAddr, transport: Transport, credentials: Credentials) -> Result<Self, Failure> {
        let mut client = Client::new(ClientConfig::new(place::authority(address)), crate::random_seed()?);
        client.set_credentials(Some(credentials));
        Ok(Self::of(address, transport, client, None))
    }

    /// The same by Kerberos: whom the machine's list of users names by a SID, with what their realms allow.
    ///
    /// # Errors
    /// `IO` if the operating system has no random bytes.
    pub fn with_tickets(address: SocketAddr, transport: Transport, tickets: Tickets) -> Result<Self, Failure> {
        let mut client = Client::new(ClientConfig::new(place::authority(address)), crate::random_seed()?);
        client.use_tokens();
        Ok(Self::of(address, transport, client, Some(tickets)))
    }

    fn of(address: SocketAddr, transport: Transport, client: Client, tickets: Option<Tickets>) -> Self {
        let (consent, rung, stream, outcome) = (LegacyTls::Refuse, None, None, None);
        let certificates = ClientCertificates::default();
        Self {
            address,
            transport,
            consent,
            rung,
            client,
            certificates,
            tickets,
            stream,
            outcome,
            start: Instant::now(),
        }
    }

    /// The same with certificates to show to a machine that lets only those in whose certificate it trusts (mutual TLS).
    #[must_use]
    pub fn client_certificates(mut self, certificates: ClientCertificates) -> Self {
        self.certificates = certificates;
        self
    }

    /// The same with consent to older TLS, where the machine speaks nothing else: AMT before 14, and an engine for it
    /// ([`HAS_LEGACY`](crate::tls::HAS_LEGACY)). Until this is called there is none.
    #[must_use]
    pub fn legacy_tls(mut self, consent: LegacyTls) -> Self {
        self.consent = consent;
        self
    }

    /// What the last TLS handshake brought.
    pub fn tls(&self) -> Option<&TlsOutcome> {
        self.outcome.as_ref()
    }

    /// Firmware version by the `Server` header, once something was answered.
    pub fn version(&self) -> Option<FirmwareVersion> {
        self.client.version()
    }

    /// Makes one call. A ReturnValue other than 0 is an error.
    ///
    /// # Errors
    /// 2xxx for what the machine answered, 4xxx and 6xxx for the connection.
    pub async fn call(&mut self, request: &Request) -> Result<Reply, Failure> {
        let stage = "call";
        let failure = |e: amt_wsman::Error| kerberos::explain(&e, stage);
        if self.was_closed().await {
            self.stream = None;
            self.client.handle(self.now(), Input::Closed).map_err(failure)?;
        }
        self.client.start(self.now(), request).map_err(failure)?;
        let mut buffer = vec![0; READ_SIZE];
        loop {
            while let Some(output) = self.client.poll() {
                match output {
                    Output::Connect => {
                        // First: whoever has no ticket need not disturb the machine.
                        if let (Some(tickets), true) = (&self.tickets, self.client.wants_token()) {
                            match tickets.token(self.address.port()).await {
                                Ok(token) => self.client.set_token(token),
                                Err(failure) => {
                                    self.client.cancel();
                                    return Err(failure);
                                }
                            }
                        }
                        self.connect().await?;
                        self.client.handle(self.now(), Input::Connected).map_err(failure)?;
                    }
                    Output::Transmit(bytes) => {
                        if self.send(&bytes).await.is_err() {
                            self.stream = None;
                        }
                    }
                    Output::Done(result) => return result.map_err(failure),
                }
            }
            let (now, input) = self.wait(&mut buffer).await;
            self.client.handle(now, input).map_err(failure)?;
        }
    }

    /// Whether the machine has ended the connection since the last call, as after its idle time-out or when its settings were changed: nothing
    /// was sent then, and another connection is made without a word.
    async fn was_closed(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let mut unasked = [0; 1];
        tokio::select! {
            biased;
            // Anything at all: what comes unasked belongs to no request.
            _ = stream.read(&mut unasked) => true,
            // Once around: what has arrived meanwhile is known then.
            () = yield_now() => false,
        }
    }

    fn now(&self) -> Tick {
        Tick(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        self.stream = None;
        let (stream, seen) = self.open(self.address).await?;
        if let Some((outcome, rung)) = seen {
            (self.outcome, self.rung) = (Some(outcome), Some(rung));
        }
        self.stream = Some(stream);
        Ok(())
    }

    /// A connection to the port of redirection, as the one to WS-Man is made; none: 16995 with TLS, 16994 without.
    pub(crate) async fn redirection(&mut self, port: Option<u16>) -> Result<Box<dyn Stream>, Failure> {
        let usual = match &self.transport {
            Transport::Plain => redirection::PLAIN_PORT,
            Transport::Tls(_) => redirection::TLS_PORT,
        };
        let mut address = self.address;
        address.set_port(port.unwrap_or(usual));
        Ok(self.open(address).await?.0)
    }

    // Not `&self`: a task that has a device moves between threads, and its stream is nothing that they share.
    async fn open(&mut self, address: SocketAddr) -> Result<(Box<dyn Stream>, Option<(TlsOutcome, Rung)>), Failure> {
        match &self.transport {
            Transport::Plain => {
                let tcp = timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
                    .await
                    .map_err(|_| {
                        let text = format!("{address} did not answer within 10 s");
                        Failure::new(ErrorCode::CONNECT_TIMEOUT, "connect", text)
                    })?
                    .map_err(|e| io_failure(&e, &address.to_string()))?;
                tcp.set_nodelay(true).map_err(|e| io_failure(&e, "socket"))?;
                Ok((Box::new(tcp), None))
            }
            Transport::Tls(identity) => {
                let ladder = Ladder::new(identity, self.client.version(), self.rung, self.consent)?;
                let (stream, outcome, rung) = climb(address, identity, &self.certificates, ladder).await?;
                debug!(%address, version = %outcome.version, suite = outcome.suite, engine = outcome.engine, "connected");
                Ok((Box::new(stream), Some((outcome, rung))))
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let stream = self.stream.as_mut().ok_or(std::io::ErrorKind::NotConnected)?;
        stream.write_all(bytes).await?;
        stream.flush().await
    }

    async fn wait<'b>(&mut self, buffer: &'b mut [u8]) -> (Tick, Input<'b>) {
        let deadline = self.client.deadline().map(|t| self.start + Duration::from_millis(t.0));
        let count = match (&mut self.stream, deadline) {
            (None, _) => Some(0),
            (Some(stream), None) => Some(stream.read(buffer).await.unwrap_or(0)),
            (Some(stream), Some(at)) => tokio::select! {
                biased;
                count = stream.read(buffer) => Some(count.unwrap_or(0)),
                () = sleep_until(at) => None,
            },
        };
        let input = match count {
            None => Input::Timeout,
            Some(count) => match buffer.get(..count) {
                Some(bytes) if count > 0 => Input::Bytes(bytes),
                _ => {
                    self.stream = None;
                    Input::Closed
                }
            },
        };
        (self.now(), input)
    }
}

/// Whether the firmware said that it has no such class, or nothing of it.
pub(crate) fn is_absent(failure: &Failure) -> bool {
    matches!(&failure.device, Some(DeviceStatus::Fault { subcode, .. }) if subcode.as_deref() == Some("DestinationUnreachable"))
}

/// Connects on the rung where `ladder` stands, and steps down for the reasons that it accepts, as far as consent goes.
async fn climb(
    address: SocketAddr,
    identity: &PeerIdentity,
    certificates: &ClientCertificates,
    mut ladder: Ladder,
) -> Result<(TlsStream, TlsOutcome, Rung), Failure> {
    let mut plan = TlsPlan::new(identity.clone());
    loop {
        (plan.rung, plan.weak_ciphers) = (ladder.rung(), ladder.weak_ciphers());
        let failure = match certificates.connect(&Endpoint::new(address, &plan)).await {
            Ok((stream, outcome)) => return Ok((stream, outcome, plan.rung)),
            Err(failure) => failure,
        };
        debug!(%address, rung = %plan.rung, %failure, "not connected");
        ladder.next(failure)?;
    }
}
