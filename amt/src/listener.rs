//! The hello listener: TCP 9971, open to anyone (`spec/hello-tls.md` §1.3).
//!
//! Nothing received here is authenticated. Every connection is bounded in bytes and time, every source in connections and rate,
//! and the whole in sockets; what is over a limit is dropped or waits in the kernel's queue.

mod limits;

use amt_core::codec::DecodeError;
use amt_core::hello::{Hello, HelloDecoder};
use amt_core::{ErrorCode, Failure};
use limits::{Limits, Repeats};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Events that wait for [`HelloListener::next`] before further connections do.
const MAX_WAITING: usize = 256;
/// Connections that the kernel holds before they are accepted.
const BACKLOG: i32 = 1024;
/// Most bytes taken from a socket at once.
const CHUNK: usize = 2048;
/// Pause after the operating system refused to accept, for example for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Limits of a listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListenerConfig {
    /// A connection on which nothing arrives for so long is dropped.
    pub idle: Duration,
    /// A connection that has not delivered a hello after so long is dropped, however busy it is.
    pub total: Duration,
    /// Most connections at a time; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Most connections at a time from one address; further ones are dropped.
    pub max_per_source: u32,
    /// Connections that one address may open at once after a quiet time; further ones are dropped.
    pub burst: u32,
    /// Connections a second that one address may open in the long run.
    pub per_second: u32,
    /// Hellos of one machine within so long count as repetitions.
    pub repeat_window: Duration,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(10),
            total: Duration::from_secs(30),
            max_connections: 1024,
            max_per_source: 64,
            burst: 256,
            per_second: 32,
            repeat_window: Duration::from_secs(60),
        }
    }
}

/// What one connection brought.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HelloEvent {
    /// Where it came from: the address to connect back to, as IPv4 where it is that.
    pub source: SocketAddr,
    /// When it was complete.
    pub received: SystemTime,
    /// The hello, or why the bytes are none.
    pub result: Result<Hello, Failure>,
    /// The bytes as received, for the record.
    pub bytes: Vec<u8>,
    /// How many hellos of this machine were received within [`ListenerConfig::repeat_window`] before it.
    pub repeat: u32,
}

/// What happened at a listener so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerCounts {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections dropped because their source opened too many or too fast.
    pub over_limit: u64,
    /// Connections dropped because nothing complete arrived in time.
    pub timed_out: u64,
    /// Hellos received.
    pub hellos: u64,
    /// Connections that delivered something else, or less.
    pub not_hellos: u64,
}

/// Awaits hellos. Dropping it closes its ports and connections.
#[derive(Debug)]
pub struct HelloListener {
    addresses: Vec<SocketAddr>,
    events: mpsc::Receiver<HelloEvent>,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    config: ListenerConfig,
    sockets: Arc<Semaphore>,
    limits: Mutex<Limits>,
    repeats: Mutex<Repeats>,
    accepted: AtomicU64,
    over_limit: AtomicU64,
    timed_out: AtomicU64,
    hellos: AtomicU64,
    not_hellos: AtomicU64,
}

impl HelloListener {
    /// Opens `addresses`; `[::]` also takes IPv4.
    ///
    /// # Errors
    /// `LISTEN` if one of them cannot be opened, or there is none.
    pub async fn bind(addresses: &[SocketAddr], config: ListenerConfig) -> Result<Self, Failure> {
        if addresses.is_empty() {
            return Err(Failure::new(ErrorCode::LISTEN, "listen", "there is no address to listen at"));
        }
        let listeners = addresses.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let shared = Arc::new(Shared {
            sockets: Arc::new(Semaphore::new(config.max_connections)),
            config,
            limits: Mutex::default(),
            repeats: Mutex::default(),
            accepted: AtomicU64::new(0),
            over_limit: AtomicU64::new(0),
            timed_out: AtomicU64::new(0),
            hellos: AtomicU64::new(0),
            not_hellos: AtomicU64::new(0),
        });
        let (sender, events) = mpsc::channel(MAX_WAITING);
        let mut tasks = JoinSet::new();
        for listener in listeners {
            tasks.spawn(accept(listener, Arc::clone(&shared), sender.clone()));
        }
        Ok(Self { addresses, events, shared, _tasks: tasks })
    }

    /// Where it listens; the port that was chosen where 0 was asked for.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// The next hello, or the next bytes that were none. Safe to cancel.
    ///
    /// # Errors
    /// `LISTEN` if the ports are lost.
    pub async fn next(&mut self) -> Result<HelloEvent, Failure> {
        let lost = || Failure::new(ErrorCode::LISTEN, "listen", "the listener has ended");
        self.events.recv().await.ok_or_else(lost)
    }

    /// What happened so far.
    pub fn counts(&self) -> ListenerCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ListenerCounts {
            accepted: read(&self.shared.accepted),
            over_limit: read(&self.shared.over_limit),
            timed_out: read(&self.shared.timed_out),
            hellos: read(&self.shared.hellos),
            not_hellos: read(&self.shared.not_hellos),
        }
    }
}

/// Opens one port inside a runtime; `[::]` also takes IPv4, and a restarted server takes its port back at once.
///
/// # Errors
/// `LISTEN` if it cannot be opened.
pub fn open(address: &SocketAddr) -> Result<TcpListener, Failure> {
    let try_open = || {
        let socket = Socket::new(Domain::for_address(*address), Type::STREAM, Some(Protocol::TCP))?;
        if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
            socket.set_only_v6(false)?;
        }
        // A restarted server takes its port back at once. On Windows the option would let another program share it.
        #[cfg(not(windows))]
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&(*address).into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    try_open().map_err(|error: std::io::Error| Failure::new(ErrorCode::LISTEN, "listen", format!("{address}: {error}")))
}

/// Accepts for ever; its connections end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>, events: mpsc::Sender<HelloEvent>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        // Taken before a connection is accepted: over the limit they wait in the kernel and not in our memory.
        let Ok(permit) = Arc::clone(&shared.sockets).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "accept failed");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        let source = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let now = Instant::now().into_std();
        let admitted = lock(&shared.limits).admit(source.ip(), now, &shared.config);
        if !admitted {
            shared.over_limit.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%source, "hello connection over the limit");
            continue;
        }
        let (shared, events) = (Arc::clone(&shared), events.clone());
        connections.spawn(async move {
            let _place = Place { shared: &shared, source: source.ip() };
            if let Some(event) = serve(stream, source, &shared).await {
                // The receiver has gone when the listener was dropped: nobody wants it any more.
                let _ = events.send(event).await;
            }
            drop(permit);
        });
    }
}

/// One connection of a source; gives the place back however the connection ends.
struct Place<'a> {
    shared: &'a Shared,
    source: IpAddr,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.shared.limits).leave(self.source);
    }
}

/// Reads until there is a hello, or it is clear that there will be none. A connection that brings no byte is no event: port
/// scanners and monitoring do that.
async fn serve(mut stream: TcpStream, source: SocketAddr, shared: &Shared) -> Option<HelloEvent> {
    let deadline = Instant::now() + shared.config.total;
    let mut decoder = HelloDecoder::new();
    let mut chunk = [0; CHUNK];
    let result = loop {
        let left = deadline.saturating_duration_since(Instant::now()).min(shared.config.idle);
        match timeout(left, stream.read(&mut chunk)).await {
            Ok(Ok(0) | Err(_)) => break decoder.finish(),
            Ok(Ok(len)) => match decoder.push(chunk.get(..len).unwrap_or_default()) {
                Ok(None) => {}
                Ok(Some(hello)) => break Ok(hello),
                Err(error) => break Err(error),
            },
            Err(_) => {
                shared.timed_out.fetch_add(1, Ordering::Relaxed);
                break decoder.finish();
            }
        }
    };
    let mut bytes = decoder.bytes().to_vec();
    let over_size = matches!(result, Err(DecodeError::TooLarge { .. }));
    if result.is_err() && bytes.is_empty() && !over_size {
        return None;
    }
    let key = match &result {
        Ok(hello) => {
            shared.hellos.fetch_add(1, Ordering::Relaxed);
            hello.id.is_usable_as_key().then_some(hello.id)
        }
        Err(_) => {
            shared.not_hellos.fetch_add(1, Ordering::Relaxed);
            if is_http(&bytes) {
                answer_http(&mut stream).await;
            }
            None
        }
    };
    bytes.shrink_to_fit();
    let repeat = match result {
        Ok(_) => lock(&shared.repeats).count(key, source.ip(), Instant::now().into_std(), shared.config.repeat_window),
        Err(_) => 0,
    };
    let result = result.map_err(|error| Failure::from(error).at("hello"));
    Some(HelloEvent { source, received: SystemTime::now(), result, bytes, repeat })
}

fn is_http(bytes: &[u8]) -> bool {
    [&b"GET "[..], b"HEAD", b"POST"].iter().any(|method| bytes.starts_with(method))
}

/// Tells an administrator with a browser that the port is reachable.
async fn answer_http(stream: &mut TcpStream) {
    const PAGE: &str = "This port awaits hello messages of Intel AMT machines. It is reachable from where you are.\n";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PAGE}",
        PAGE.len()
    );
    let written = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    };
    // A courtesy: whoever does not read it misses nothing.
    let _ = timeout(Duration::from_secs(1), written).await;
}

/// The maps behind these locks stay consistent between any two statements, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
