//! One machine on its own loopback address: a task that owns its listeners and feeds its firmware.

use super::connection::{self, Wire};
use super::local;
use super::tls::Refusal;
use crate::fault::Fault;
use crate::firmware::{
    ChannelId, ConnectionId, Ending, Firmware, Input, MeiGone, MeiHandle, MeiRefusal, Output, Port, TlsSession,
};
use crate::persona::Persona;
use amt_core::Tick;
use amt_core::redirection::SessionKind;
use amt_heci::mei::{Connected, Guid};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long a hello connection may take to come up.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a setup server is watched for an answer to a hello: there must be none.
const HELLO_LINGER: Duration = Duration::from_secs(2);

/// What a machine's tasks share.
pub(crate) struct Shared {
    firmware: Mutex<Firmware>,
    pub(super) persona: Arc<Persona>,
    address: Mutex<Ipv4Addr>,
    started: Instant,
    time_scale: f64,
    changed: Arc<AtomicBool>,
    pub(super) wire: Counts,
    /// Who reads the messages of the firmware's clients.
    mei: Mutex<BTreeMap<MeiHandle, UnboundedSender<Vec<u8>>>>,
    /// Which ports the firmware offers to its own system: plain, with TLS.
    pub(super) local_ports: watch::Sender<(bool, bool)>,
}

/// What the network saw, whatever the firmware made of it.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) hello_reply_bytes: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        firmware: Firmware,
        persona: Arc<Persona>,
        address: Ipv4Addr,
        started: Instant,
        time_scale: f64,
        changed: Arc<AtomicBool>,
    ) -> Self {
        let firmware = Mutex::new(firmware);
        Self {
            firmware,
            persona,
            address: Mutex::new(address),
            started,
            time_scale,
            changed,
            wire: Counts::default(),
            mei: Mutex::default(),
            local_ports: watch::Sender::new((false, false)),
        }
    }

    /// Connects to a client of the firmware; its messages go to `reader`, which ends with the connection.
    pub(crate) fn mei_open(
        &self,
        guid: Guid,
        reader: UnboundedSender<Vec<u8>>,
    ) -> Result<(MeiHandle, Connected), MeiRefusal> {
        let (handle, connected) = self.firmware().mei_open(self.now(), guid)?;
        self.mei_readers().insert(handle, reader);
        Ok((handle, connected))
    }

    pub(crate) fn mei_close(&self, handle: MeiHandle) {
        self.firmware().mei_close(handle);
        self.mei_readers().remove(&handle);
    }

    pub(crate) fn mei_check(&self, handle: MeiHandle, length: usize) -> Result<(), MeiGone> {
        self.firmware().mei_check(handle, length)
    }

    fn mei_readers(&self) -> MutexGuard<'_, BTreeMap<MeiHandle, UnboundedSender<Vec<u8>>>> {
        self.mei.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn firmware(&self) -> MutexGuard<'_, Firmware> {
        self.firmware.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Where it is now.
    pub(super) fn address(&self) -> Ipv4Addr {
        *self.address.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// It goes elsewhere. Only on loopback there is a place for it; anywhere else it stays where it is.
    fn go_to(&self, address: Ipv4Addr) {
        if address.is_loopback() && address != Ipv4Addr::LOCALHOST {
            *self.address.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = address;
        }
    }

    /// The machine's time: real time, scaled.
    pub(super) fn now(&self) -> Tick {
        let scaled = self.started.elapsed().mul_f64(self.time_scale);
        Tick(u64::try_from(scaled.as_millis()).unwrap_or(u64::MAX))
    }

    fn until(&self, at: Tick) -> Duration {
        // One millisecond more, so that the rounded clock has passed the deadline when the timer fires.
        (at.since(self.now()) + Duration::from_millis(1)).div_f64(self.time_scale)
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Network,
    /// The machine's own system.
    Local,
}

/// What happens to a machine's task.
#[derive(Debug)]
pub(crate) enum Event {
    Accepted {
        id: ConnectionId,
        port: Port,
        origin: Origin,
        peer: IpAddr,
        chain: Vec<Vec<u8>>,
        session: Option<TlsSession>,
        wire: UnboundedSender<Wire>,
    },
    Bytes {
        id: ConnectionId,
        bytes: Vec<u8>,
    },
    Closed {
        id: ConnectionId,
    },
    Refused {
        refusal: Refusal,
    },
    /// A connection from the machine's own system, whose local management passed it on.
    Local {
        tcp: TcpStream,
        port: Port,
    },
    Mei {
        handle: MeiHandle,
        message: Vec<u8>,
    },
    ChannelBytes {
        channel: ChannelId,
        bytes: Vec<u8>,
    },
    ChannelClosed {
        channel: ChannelId,
    },
    /// Something was done to the firmware that it may have to say something about.
    Look,
    Power,
    SayHello,
    Rearm {
        otp: Option<String>,
    },
    OsName {
        name: String,
    },
    /// Somebody outside takes a session of redirection, or gives it back.
    Session {
        kind: SessionKind,
        taken: bool,
    },
    Fault(Fault),
}

/// Ports and the setup server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Where {
    pub(super) plain: u16,
    pub(super) secure: u16,
    /// Of redirection, plain and with TLS.
    pub(super) redirection: (u16, u16),
    pub(super) hello: Option<SocketAddr>,
}

struct Task {
    shared: Arc<Shared>,
    places: Where,
    events: UnboundedSender<Event>,
    plain: Option<TcpListener>,
    secure: Option<TcpListener>,
    redirection: [Option<TcpListener>; 2],
    wires: BTreeMap<ConnectionId, UnboundedSender<Wire>>,
    channels: BTreeMap<ChannelId, UnboundedSender<Vec<u8>>>,
    next_id: ConnectionId,
    jobs: JoinSet<()>,
}

/// Makes the channel that [`run`] reads.
pub(super) fn channel() -> (UnboundedSender<Event>, UnboundedReceiver<Event>) {
    unbounded_channel()
}

/// When a machine is powered on.
pub(super) struct PowerOn {
    pub(super) after: Duration,
    /// Dropped when it is on, and its ports listen.
    pub(super) awaited: Option<Sender<Infallible>>,
}

/// Runs the machine until every sender of its channel but its own is gone; it is aborted with its task set.
pub(super) async fn run(
    shared: Arc<Shared>,
    places: Where,
    PowerOn { after, awaited }: PowerOn,
    events: UnboundedSender<Event>,
    mut incoming: UnboundedReceiver<Event>,
) {
    let jobs = JoinSet::new();
    let (wires, channels) = (BTreeMap::new(), BTreeMap::new());
    let mut task = Task {
        shared,
        places,
        events,
        plain: None,
        secure: None,
        redirection: [None, None],
        wires,
        channels,
        next_id: 0,
        jobs,
    };
    tokio::time::sleep(after).await;
    task.feed(Input::Power).await;
    drop(awaited);
    loop {
        let deadline = task.shared.firmware().deadline();
        let timer = async {
            match deadline {
                Some(at) => tokio::time::sleep(task.shared.until(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = incoming.recv() => match event {
                Some(event) => task.on_event(event).await,
                None => return,
            },
            () = timer => task.feed(Input::Timeout).await,
            (tcp, peer) = accept(task.plain.as_ref()) => task.on_connection(tcp, peer, Port::Plain),
            (tcp, peer) = accept(task.secure.as_ref()) => task.on_connection(tcp, peer, Port::Secure),
            (tcp, peer) = accept(task.redirection[0].as_ref()) => task.on_connection(tcp, peer, Port::PlainRedirection),
            (tcp, peer) = accept(task.redirection[1].as_ref()) => task.on_connection(tcp, peer, Port::SecureRedirection),
            Some(_) = task.jobs.join_next() => {}
        }
    }
}

/// The next connection; without a listener there is none, ever.
pub(super) async fn accept(listener: Option<&TcpListener>) -> (TcpStream, SocketAddr) {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // Out of descriptors, or a peer that was gone before it was accepted.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

impl Task {
    async fn on_event(&mut self, event: Event) {
        match event {
            Event::Accepted { id, port, origin, peer, chain, session, wire } => {
                self.wires.insert(id, wire);
                if let Some(session) = session {
                    self.shared.firmware().record_session(id, session);
                }
                self.feed(match origin {
                    Origin::Network => Input::Accepted { connection: id, port, peer: Some(peer), chain },
                    Origin::Local => Input::AcceptedLocally { connection: id, port, chain },
                })
                .await;
            }
            Event::Local { tcp, port } => self.serve(tcp, IpAddr::V4(Ipv4Addr::LOCALHOST), port, Origin::Local),
            Event::Mei { handle, message } => self.feed(Input::Mei { handle, message: &message }).await,
            Event::ChannelBytes { channel, bytes } => self.feed(Input::ChannelBytes { channel, bytes: &bytes }).await,
            Event::ChannelClosed { channel } => {
                self.channels.remove(&channel);
                self.feed(Input::ChannelClosed { channel }).await;
            }
            Event::Look => self.feed(Input::Timeout).await,
            Event::Bytes { id, bytes } => self.feed(Input::Bytes { connection: id, bytes: &bytes }).await,
            Event::Closed { id } => {
                self.wires.remove(&id);
                self.feed(Input::Closed { connection: id }).await;
            }
            Event::Refused { refusal } => {
                let now = self.shared.now();
                let mut firmware = self.shared.firmware();
                match refusal {
                    Refusal::Chain(faults) => firmware.record_refused_chain(now, &faults),
                    Refusal::Psk(why) => firmware.record_refused_handshake(now, &format!("psk: {why}")),
                    Refusal::Tls(why) => firmware.record_refused_handshake(now, &why),
                }
                drop(firmware);
                self.shared.changed.store(true, Ordering::SeqCst);
            }
            Event::Power => self.feed(Input::Power).await,
            Event::SayHello => self.feed(Input::SayHello).await,
            Event::Rearm { otp } => self.feed(Input::Rearm { otp }).await,
            Event::Session { kind, taken } => self.feed(Input::Session { kind, taken }).await,
            Event::OsName { name } => self.feed(Input::OsName { name }).await,
            Event::Fault(fault) => self.shared.firmware().add_fault(fault),
        }
    }

    async fn feed(&mut self, input: Input<'_>) {
        let now = self.shared.now();
        let (outputs, ports): (Vec<Output>, _) = {
            let mut firmware = self.shared.firmware();
            firmware.handle(now, input);
            (std::iter::from_fn(|| firmware.poll()).collect(), firmware.local_ports())
        };
        // A restart is no word about the ports.
        if ports != (false, false) {
            self.shared.local_ports.send_if_modified(|told| std::mem::replace(told, ports) != ports);
        }
        self.shared.changed.store(true, Ordering::SeqCst);
        for output in outputs {
            match output {
                Output::Hello { bytes, ending } => self.say(bytes, ending),
                Output::Transmit { connection, bytes } => {
                    if let Some(wire) = self.wires.get(&connection) {
                        let _ = wire.send(Wire::Send(bytes));
                    }
                }
                Output::Close { connection, ending } => {
                    if let Some(wire) = self.wires.remove(&connection) {
                        let _ = wire.send(Wire::End(ending));
                    }
                }
                Output::Mei { handle, message } => {
                    if let Some(reader) = self.shared.mei_readers().get(&handle) {
                        let _ = reader.send(message);
                    }
                }
                Output::MeiReset => self.shared.mei_readers().clear(),
                Output::ChannelOpen { channel, port } => self.open_channel(channel, port).await,
                Output::ChannelBytes { channel, bytes } => {
                    if let Some(wire) = self.channels.get(&channel) {
                        let _ = wire.send(bytes);
                    }
                }
                Output::ChannelClose { channel } => {
                    self.channels.remove(&channel);
                }
                Output::Listen { plain, secure } => {
                    set(&mut self.plain, plain, self.shared.address(), self.places.plain).await;
                    set(&mut self.secure, secure, self.shared.address(), self.places.secure).await;
                }
                Output::Moved { address } => self.shared.go_to(address),
                Output::ListenRedirection { plain, secure } => {
                    let ports = self.places.redirection;
                    set(&mut self.redirection[0], plain, self.shared.address(), ports.0).await;
                    set(&mut self.redirection[1], secure, self.shared.address(), ports.1).await;
                }
            }
        }
    }

    /// Connects a channel of LME to the machine's local service, over a connection of the host's own.
    async fn open_channel(&mut self, channel: ChannelId, port: Port) {
        let Ok((far, near)) = local::pair().await else { return self.feed_later(Event::ChannelClosed { channel }) };
        let (wire, bytes) = unbounded_channel();
        self.channels.insert(channel, wire);
        self.jobs.spawn(local::pump(channel, far, bytes, self.events.clone()));
        self.serve(near, IpAddr::V4(Ipv4Addr::LOCALHOST), port, Origin::Local);
    }

    fn feed_later(&self, event: Event) {
        let _ = self.events.send(event);
    }

    fn on_connection(&mut self, tcp: TcpStream, peer: SocketAddr, port: Port) {
        self.serve(tcp, peer.ip(), port, Origin::Network);
    }

    fn serve(&mut self, tcp: TcpStream, peer: IpAddr, port: Port, origin: Origin) {
        self.next_id += 1;
        self.shared.wire.connections.fetch_add(1, Ordering::SeqCst);
        self.shared.changed.store(true, Ordering::SeqCst);
        let shared = Arc::clone(&self.shared);
        self.jobs.spawn(connection::run(tcp, peer, self.next_id, port, origin, shared, self.events.clone()));
    }

    fn say(&mut self, bytes: Vec<u8>, ending: Ending) {
        let Some(server) = self.places.hello else { return };
        let shared = Arc::clone(&self.shared);
        self.jobs.spawn(async move {
            // A server that does not answer is tried again by the schedule.
            let _ = tokio::time::timeout(HELLO_TIMEOUT, hello(&shared, server, &bytes, ending)).await;
        });
    }
}

async fn hello(shared: &Shared, server: SocketAddr, bytes: &[u8], ending: Ending) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((shared.address(), 0)))?;
    let mut stream = socket.connect(server).await?;
    stream.write_all(bytes).await?;
    match ending {
        Ending::Close => {
            stream.shutdown().await?;
            let mut answer = [0; 256];
            let watch = async {
                while let Ok(n @ 1..) = stream.read(&mut answer).await {
                    shared.wire.hello_reply_bytes.fetch_add(n as u64, Ordering::SeqCst);
                }
            };
            // Neither an answer nor a server that holds the connection is an error of the machine.
            let _ = tokio::time::timeout(HELLO_LINGER, watch).await;
            Ok(())
        }
        Ending::Reset => {
            connection::reset(&stream);
            Ok(())
        }
        Ending::Stay => {
            tokio::time::sleep(HELLO_TIMEOUT).await;
            Ok(())
        }
    }
}

async fn set(listener: &mut Option<TcpListener>, open: bool, address: Ipv4Addr, port: u16) {
    if !open {
        *listener = None;
        return;
    }
    // The port may still be in the hands of a connection that is just closing.
    for _ in 0..50 {
        if listener.is_some() {
            return;
        }
        match bind(address, port) {
            Ok(bound) => *listener = Some(bound),
            Err(error) => {
                tracing::debug!(%address, port, %error, "cannot listen yet");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// A listener on a machine's address.
pub(super) fn bind(address: Ipv4Addr, port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((address, port)))?;
    socket.listen(32)
}
