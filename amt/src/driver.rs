//! Pumps a procedure over a real connection: the only place where procedures meet sockets and the clock.

use crate::failpoint;
use crate::host::Host;
use crate::kerberos::Tickets;
use crate::key;
use crate::local::{LocalChannel, Signer};
use crate::mei;
use crate::place::Place;
use crate::tls::{self, Chains, Endpoint, TlsStream};
use amt_core::tls::{TlsOutcome, TlsPlan};
use amt_core::{ErrorCode, Failure, Secret, SystemId, Tick};
use amt_provision::machine::{Input, Machine, MeiRequest, Output, Pump, Slot};
use amt_provision::{CaAnswer, CertificateRequest, Event, Step};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, trace};

/// Bytes taken from the connection at once.
const READ_SIZE: usize = 16 * 1024;
/// How long a polite goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(200);

/// Who makes the records of a procedure durable.
pub(crate) trait Keep<R>: Sync {
    /// Makes `record` durable.
    fn keep(&self, record: &R) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Nobody: the procedure has no record.
pub(crate) struct NoRecord;

impl Keep<Infallible> for NoRecord {
    async fn keep(&self, record: &Infallible) -> Result<(), Failure> {
        match *record {}
    }
}

/// How the machine is reached.
pub(crate) enum Way<'w> {
    /// Over the network.
    Network(Place, Option<Tickets>),
    /// From its own system.
    Local(&'w mut LocalChannel, &'w dyn Signer),
}

/// Runs `machine` to its end over the network. Dropping the future stops it at the next await; what was persisted stays.
pub(crate) async fn drive<T: Send + 'static, R: Send + Sync + 'static, H: Host>(
    machine: &mut Machine<T, R>,
    id: SystemId,
    place: impl Into<Place>,
    chains: &Chains,
    host: &H,
    keeper: &impl Keep<R>,
) -> Result<T, Failure> {
    drive_by(Way::Network(place.into(), None), machine, id, chains, host, keeper).await
}

/// Runs `machine` to its end, whichever way it is reached.
pub(crate) async fn drive_by<T: Send + 'static, R: Send + Sync + 'static, H: Host>(
    way: Way<'_>,
    machine: &mut Machine<T, R>,
    id: SystemId,
    chains: &Chains,
    host: &H,
    keeper: &impl Keep<R>,
) -> Result<T, Failure> {
    let embedder = Known { record: &machine.record, host, keeper };
    drive_pump(way, &mut machine.pump, id, chains, &embedder).await?;
    machine.end.take().unwrap_or_else(|| Err(broken("the procedure ended with nothing")))
}

/// The embedder, whichever it is and whatever records it keeps: what a procedure asks of it.
trait Embedder: Sync {
    /// Makes the record durable that the procedure left.
    fn keep(&self) -> Answer<'_, Result<(), Failure>>;

    /// As [`Host::certify`].
    fn certify<'a>(&'a self, request: &'a CertificateRequest) -> Answer<'a, CaAnswer>;

    /// As [`Host::event`].
    fn event(&self, id: SystemId, event: &Event);
}

type Answer<'a, A> = Pin<Box<dyn Future<Output = A> + Send + 'a>>;

struct Known<'a, R, H, K> {
    record: &'a Slot<R>,
    host: &'a H,
    keeper: &'a K,
}

impl<R: Send + Sync, H: Host, K: Keep<R>> Embedder for Known<'_, R, H, K> {
    fn keep(&self) -> Answer<'_, Result<(), Failure>> {
        Box::pin(async {
            match self.record.take() {
                Some(record) => self.keeper.keep(&record).await,
                None => Err(broken("the procedure left no record")),
            }
        })
    }

    fn certify<'a>(&'a self, request: &'a CertificateRequest) -> Answer<'a, CaAnswer> {
        Box::pin(self.host.certify(request))
    }

    fn event(&self, id: SystemId, event: &Event) {
        self.host.event(id, event);
    }
}

/// Not repeated for each procedure and each embedder, nor in each crate that has some: that is what the box is for.
fn drive_pump<'a>(
    way: Way<'a>,
    pump: &'a mut Pump,
    id: SystemId,
    chains: &'a Chains,
    embedder: &'a dyn Embedder,
) -> Answer<'a, Result<(), Failure>> {
    Box::pin(pass_on(way, pump, id, chains, embedder))
}

async fn pass_on(
    mut way: Way<'_>,
    pump: &mut Pump,
    id: SystemId,
    chains: &Chains,
    embedder: &dyn Embedder,
) -> Result<(), Failure> {
    let start = Instant::now();
    let now = || Tick(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
    let mut inputs = VecDeque::from([Input::Start]);
    let mut connection: Option<TlsStream> = None;
    let mut buffer = vec![0; READ_SIZE];
    let mut step = Step::Start;
    loop {
        let input = match inputs.pop_front() {
            Some(input) => input,
            None => {
                wait(&mut connection, &mut buffer, pump.deadline().map(|t| start + Duration::from_millis(t.0))).await?
            }
        };
        match &input {
            Input::Bytes(bytes) => trace!(%id, %step, bytes = bytes.len(), "receives"),
            Input::Closed => {
                trace!(%id, %step, "the connection ended");
                connection = None;
            }
            Input::Timeout => trace!(%id, %step, "the time is over"),
            _ => {}
        }
        pump.handle(now(), input)?;
        while let Some(output) = pump.poll() {
            match output {
                Output::Connect { port, tls } => {
                    close(connection.take()).await;
                    inputs.push_back(match way.connect(port, tls.as_ref(), chains).await {
                        Ok((stream, outcome)) => {
                            let tls =
                                outcome.as_ref().map(|tls| format!("{} {} ({})", tls.version, tls.suite, tls.engine));
                            debug!(%id, port, tls = tls.as_deref().unwrap_or("none"), "connected");
                            connection = Some(stream);
                            Input::Connected(outcome)
                        }
                        Err(failure) => {
                            debug!(%id, port, %failure, "not connected");
                            Input::ConnectFailed(failure)
                        }
                    });
                }
                Output::GoTo(address) => way.go_to(address),
                Output::Transmit(bytes) => {
                    trace!(%id, %step, bytes = bytes.len(), "sends");
                    failpoint::pass("transmit-before", step.name());
                    if send(&mut connection, &bytes).await.is_err() {
                        connection = None;
                        inputs.push_back(Input::Closed);
                    }
                    failpoint::pass("transmit-after", step.name());
                }
                Output::Mei(request) => {
                    trace!(%id, %step, client = ?request.client, bytes = request.message.len(), "asks the firmware");
                    failpoint::pass("transmit-before", step.name());
                    inputs.push_back(Input::Mei(way.ask(&request).await));
                    failpoint::pass("transmit-after", step.name());
                }
                Output::Sign(request) => inputs.push_back(Input::Signed(match &way {
                    Way::Local(_, signer) => signer.sign(request.index, &request.data).await,
                    Way::Network(..) => Err(not_local()),
                })),
                Output::MakeToken { port } => inputs.push_back(Input::Token(way.token(port).await)),
                Output::Persist => inputs.push_back(Input::Persisted(embedder.keep().await)),
                Output::MakeKey(request) => inputs.push_back(Input::Key(key::make(request).await)),
                Output::Certify(request) => inputs.push_back(Input::Certified(embedder.certify(&request).await)),
                Output::Event(event) => {
                    if let Event::Step(begun) = event {
                        step = begun;
                        trace!(%id, %step, "begins");
                    }
                    embedder.event(id, &event);
                }
                Output::Close => close(connection.take()).await,
                Output::Done => return Ok(()),
            }
        }
    }
}

impl Way<'_> {
    /// The machine is elsewhere now; the way through its own system does not change with that.
    fn go_to(&mut self, elsewhere: IpAddr) {
        if let Self::Network(place, _) = self {
            place.address = elsewhere;
        }
    }

    async fn connect(
        &mut self,
        port: u16,
        plan: Option<&TlsPlan>,
        chains: &Chains,
    ) -> Result<(TlsStream, Option<TlsOutcome>), Failure> {
        match (self, plan) {
            (Self::Network(..), None) => Err(not_local()),
            (Self::Network(place, _), Some(plan)) => {
                let endpoint = Endpoint::new(place.at(port), plan);
                let (stream, outcome) = chains.connect(&endpoint).await?;
                Ok((stream, Some(outcome)))
            }
            (Self::Local(channel, _), plan) => {
                let wire = channel.connect(port).await?;
                let Some(plan) = plan else { return Ok((TlsStream::plain(wire), None)) };
                let endpoint = Endpoint::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), plan);
                let (stream, outcome) = tls::over(wire, &endpoint, &chains.provisioning).await?;
                Ok((stream, Some(outcome)))
            }
        }
    }

    async fn token(&self, port: u16) -> Result<Secret<Vec<u8>>, Failure> {
        match self {
            Self::Network(_, Some(tickets)) => tickets.token(port).await,
            _ => Err(Failure::new(
                ErrorCode::TICKET_ABSENT,
                "drive",
                "the procedure needs Kerberos, and has no source of tokens",
            )),
        }
    }

    async fn ask(&mut self, request: &MeiRequest) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Network(..) => Err(not_local()),
            Self::Local(channel, _) => {
                mei::exchange(channel.mei(), request.client, &request.message, request.repeatable).await
            }
        }
    }
}

/// A procedure does what none does.
fn broken(how: &str) -> Failure {
    Failure::new(ErrorCode::PANIC, "drive", how)
}

/// What only a program in the machine's own system can do.
fn not_local() -> Failure {
    Failure::new(
        ErrorCode::UNSUPPORTED,
        "drive",
        "the procedure needs the machine's own system, and runs over the network",
    )
}

async fn send(connection: &mut Option<TlsStream>, bytes: &[u8]) -> std::io::Result<()> {
    let stream = connection.as_mut().ok_or(std::io::ErrorKind::NotConnected)?;
    stream.write_all(bytes).await?;
    stream.flush().await
}

async fn wait(
    connection: &mut Option<TlsStream>,
    buffer: &mut [u8],
    deadline: Option<Instant>,
) -> Result<Input, Failure> {
    if connection.is_none() && deadline.is_none() {
        return Err(broken("the procedure waits for nothing"));
    }
    let read = async {
        match connection {
            // A connection without close_notify ends like one with: the HTTP framing says whether the reply was whole.
            Some(stream) => stream.read(buffer).await.unwrap_or(0),
            None => std::future::pending().await,
        }
    };
    let timer = async {
        match deadline {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        count = read => Ok(match buffer.get(..count) {
            Some(bytes) if count > 0 => Input::Bytes(bytes.to_vec()),
            _ => Input::Closed,
        }),
        () = timer => Ok(Input::Timeout),
    }
}

async fn close(connection: Option<TlsStream>) {
    if let Some(mut stream) = connection {
        // The goodbye is a courtesy; whether it arrives changes nothing.
        let _ = timeout(CLOSE_TIMEOUT, stream.shutdown()).await;
    }
}
