//! The host's side of LME: what a program does that is its machine's local management for a while (`spec/heci.md` §5.3).
//!
//! One message of HECI is one of APF. The session is kept for a whole job; channels are opened in it one after the other. It has no
//! I/O and no clock: [`receive`](Session::receive) what came, [`poll`](Session::poll) what is to be sent, one HECI message each.

use super::channel::{Channel, WINDOW};
use super::message::{self, FORWARDED, Global, Message, open_failure};
use amt_core::{ErrorCode, Failure, SystemId, Tick};
use std::collections::VecDeque;
use std::time::Duration;

/// The firmware's port for WS-Man, and the same with TLS.
const PLAIN: u16 = 16992;
const SECURE: u16 = 16993;
/// Most ports that the firmware may have forwarded.
pub const MAX_FORWARDS: usize = 64;
/// Most remarks that are kept.
pub const MAX_NOTES: usize = 32;
/// How long a forward is waited for once the service has begun; then the channel is opened without.
const FORWARD_WAIT: Duration = Duration::from_secs(1);
/// The same where the firmware begins no service: it did for the session before.
const SERVICE_WAIT: Duration = Duration::from_secs(2);
/// How long the firmware may take to open a channel.
const OPEN_WAIT: Duration = Duration::from_secs(15);
const STAGE: &str = "connect-locally";
const LOOPBACK: &str = "127.0.0.1";
/// "LME", of the triggers.
const TRIGGER: u32 = 254;
/// First number of the ports that our channels come from, and how many there are.
const LOCAL_PORTS: (u32, u32) = (49_152, 16_384);

/// Where the channel stands.
#[derive(Debug)]
enum State {
    None,
    /// Waits for the forward of this port.
    Waiting {
        port: u16,
    },
    /// Asked for.
    Opening {
        port: u16,
        number: u32,
        until: Tick,
    },
    Open(Channel),
    Failed(Failure),
}

/// A session of LME.
#[derive(Debug)]
pub struct Session {
    max_message: usize,
    /// When a channel may be opened although its port was not forwarded.
    impatient_at: Tick,
    forwards: Vec<u32>,
    state: State,
    numbers: u32,
    outputs: VecDeque<Vec<u8>>,
    notes: VecDeque<String>,
    failed: Option<Failure>,
}

impl Session {
    /// Begins a session on a connection whose messages have at most `max_message` bytes. `id` is told to the firmware. Channels are
    /// numbered from `first`, best another one for each session: a CLOSE may be left over from the session before.
    pub fn new(now: Tick, id: SystemId, max_message: usize, first: u32) -> Self {
        let version = Message::ProtocolVersion { major: 1, minor: 0, trigger: TRIGGER, id };
        Self {
            max_message,
            impatient_at: now.after(SERVICE_WAIT),
            forwards: Vec::new(),
            state: State::None,
            numbers: first,
            outputs: VecDeque::from([version.encode()]),
            notes: VecDeque::new(),
            failed: None,
        }
    }

    /// The next message to be sent.
    pub fn poll(&mut self) -> Option<Vec<u8>> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        match &mut self.state {
            State::Open(channel) => channel.next_message().map(|message| message.encode()),
            _ => None,
        }
    }

    /// The next remark: something that the firmware did that it should not, and that did no harm.
    pub fn note(&mut self) -> Option<String> {
        self.notes.pop_front()
    }

    /// When [`timeout`](Self::timeout) is due.
    pub fn deadline(&self) -> Option<Tick> {
        match &self.state {
            State::Waiting { .. } => Some(self.impatient_at),
            State::Opening { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// The time of [`deadline`](Self::deadline) has come.
    pub fn timeout(&mut self, now: Tick) {
        match &self.state {
            State::Waiting { port } if now >= self.impatient_at => {
                let port = *port;
                self.note_down(format!("the firmware forwards no port {port}; it is asked for a channel anyway"));
                self.request(now, port);
            }
            State::Opening { port, until, .. } if now >= *until => {
                let text = format!("the firmware does not answer that a channel to port {port} be opened");
                let failure = if self.is_secure_only(*port) {
                    tls_required(*port)
                } else {
                    Failure::new(ErrorCode::APF_REFUSED, STAGE, text)
                };
                self.state = State::Failed(failure);
            }
            _ => {}
        }
    }

    /// Opens a channel to a port of the firmware, in place of the one before, which is closed.
    pub fn open(&mut self, now: Tick, port: u16) {
        self.close();
        self.flush();
        self.state = State::Waiting { port };
        if self.forwards.contains(&port.into()) {
            self.request(now, port);
        }
    }

    /// Whether the firmware lets its plain port be and forwards the one with TLS (`spec/heci.md` §5.3).
    fn is_secure_only(&self, port: u16) -> bool {
        port == PLAIN && !self.forwards.contains(&PLAIN.into()) && self.forwards.contains(&SECURE.into())
    }

    /// Whether the channel is open; none: not yet.
    ///
    /// # Errors
    /// `LOCAL_TLS_REQUIRED` if the firmware offers the port with TLS in its place, `APF_REFUSED` if it was refused, `APF_PROTOCOL` if the session has ended.
    pub fn is_open(&self) -> Result<Option<()>, Failure> {
        match (&self.failed, &self.state) {
            (Some(failure), _) | (_, State::Failed(failure)) => Err(failure.clone()),
            (_, State::Open(_)) => Ok(Some(())),
            _ => Ok(None),
        }
    }

    /// Takes as many bytes as there is room for, to be sent over the channel; how many.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        match &mut self.state {
            State::Open(channel) => channel.write(bytes),
            _ => 0,
        }
    }

    /// Whether what was written has not all been sent.
    pub fn has_unsent(&self) -> bool {
        matches!(&self.state, State::Open(channel) if channel.has_unsent()) || !self.outputs.is_empty()
    }

    /// Whether the channel takes no more bytes.
    pub fn is_write_closed(&self) -> bool {
        self.failed.is_some() || !matches!(&self.state, State::Open(channel) if !channel.is_peer_closed())
    }

    /// Takes received bytes out. None: none are there yet; 0: there will be no more.
    pub fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let State::Open(channel) = &mut self.state else { return Some(0) };
        if channel.has_received() {
            let (count, credit) = channel.read(buffer);
            self.outputs.extend(credit.map(|message| message.encode()));
            return Some(count);
        }
        (channel.is_peer_closed() || self.failed.is_some()).then_some(0)
    }

    /// Closes the channel: what was written goes before, as far as the firmware lets it.
    pub fn close(&mut self) {
        if let State::Open(channel) = &mut self.state {
            channel.close();
        }
    }

    /// Queues what the present channel can still send, before another takes its place.
    fn flush(&mut self) {
        if let State::Open(channel) = &mut self.state {
            while let Some(message) = channel.next_message() {
                self.outputs.push_back(message.encode());
            }
            if channel.has_unsent() {
                // The window is shut: what is left is lost with the channel, which has to end.
                channel.peer_close();
                self.outputs.extend(channel.next_message().map(|message| message.encode()));
            }
        }
    }

    /// Takes a message of the firmware.
    ///
    /// # Errors
    /// `APF_PROTOCOL`: what it is, or that the firmware ended the session. The session has failed then.
    pub fn receive(&mut self, now: Tick, bytes: &[u8]) -> Result<(), Failure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let taken = match Message::decode(bytes) {
            Ok(message) => self.take(now, message),
            Err(error) => Err(error.to_string()),
        };
        taken.map_err(|text| {
            let failure = Failure::new(ErrorCode::APF_PROTOCOL, STAGE, text);
            self.failed = Some(failure.clone());
            failure
        })
    }

    fn take(&mut self, now: Tick, message: Message) -> Result<(), String> {
        match message {
            // Said once, at the beginning: answering each one of the firmware's would be answered in turn, for ever.
            Message::ProtocolVersion { .. } | Message::UserAuthSuccess => {}
            Message::ServiceRequest { service } => {
                if service == message::FORWARDING {
                    self.impatient_at = now.after(FORWARD_WAIT);
                }
                self.send(&Message::ServiceAccept { service });
            }
            Message::UserAuthRequest { .. } => self.send(&Message::UserAuthSuccess),
            Message::GlobalRequest { want_reply, request } => self.global(now, want_reply, request),
            Message::ChannelOpen { sender, .. } => {
                // The firmware calls out, to have an alert delivered: not here.
                self.send(&Message::OpenFailure { recipient: sender, reason: open_failure::PROHIBITED });
            }
            Message::OpenConfirmation { recipient, sender, window } => match &self.state {
                State::Opening { number, .. } if *number == recipient => {
                    self.state = State::Open(Channel::new(recipient, sender, window, self.max_message));
                }
                _ => {
                    self.note_down(format!("a channel was opened that nobody waits for ({recipient}); it is closed"));
                    self.send(&Message::Close { recipient: sender });
                }
            },
            Message::OpenFailure { recipient, reason } => match &self.state {
                State::Opening { number, port, .. } if *number == recipient => {
                    let failure = if self.is_secure_only(*port) { tls_required(*port) } else { refused(*port, reason) };
                    self.state = State::Failed(failure);
                }
                _ => self.note_down(format!("a channel was refused that nobody waits for ({recipient})")),
            },
            Message::WindowAdjust { recipient, add } => {
                if let Some(channel) = self.channel(recipient, "window") {
                    channel.adjust(add).map_err(|error| error.to_string())?;
                }
            }
            Message::Data { recipient, data } => {
                if let Some(channel) = self.channel(recipient, "data") {
                    let over = channel.receive(&data).map_err(|error| error.to_string())?;
                    if over > 0 {
                        self.note_down(format!("the firmware sent {over} bytes more than it was allowed"));
                    }
                }
            }
            Message::Close { recipient } => {
                if let Some(channel) = self.channel(recipient, "close") {
                    channel.peer_close();
                }
            }
            Message::KeepAliveRequest { cookie } => self.send(&Message::KeepAliveReply { cookie }),
            Message::KeepAliveOptionsRequest { interval, timeout } => {
                self.send(&Message::KeepAliveOptionsReply { interval, timeout });
            }
            Message::Disconnect { reason } => return Err(format!("the firmware ended the session (reason {reason})")),
            other => self.note_down(format!("a message without meaning here was passed over: {other:?}")),
        }
        Ok(())
    }

    fn global(&mut self, now: Tick, want_reply: bool, request: Global) {
        let mut answer = Message::RequestSuccess { port: None };
        match request {
            Global::Forward { port, .. } => {
                if !self.forwards.contains(&port) && self.forwards.len() < MAX_FORWARDS {
                    self.forwards.push(port);
                }
                answer = Message::RequestSuccess { port: Some(port) };
            }
            Global::CancelForward { port, .. } => self.forwards.retain(|other| *other != port),
            Global::UdpSend { .. } => return,
            Global::Other { name, .. } => {
                self.note_down(format!("an unknown request was refused: {name:?}"));
                answer = Message::RequestFailure;
            }
        }
        if want_reply {
            self.send(&answer);
        }
        if let State::Waiting { port } = self.state
            && self.forwards.contains(&port.into())
        {
            self.request(now, port);
        }
    }

    /// Asks for the channel.
    fn request(&mut self, now: Tick, port: u16) {
        let number = self.numbers;
        self.numbers = self.numbers.wrapping_add(1);
        let (first, count) = LOCAL_PORTS;
        self.send(&Message::ChannelOpen {
            kind: FORWARDED.to_owned(),
            sender: number,
            window: WINDOW,
            connected: (LOOPBACK.to_owned(), port.into()),
            originator: (LOOPBACK.to_owned(), first + number % count),
        });
        self.state = State::Opening { port, number, until: now.after(OPEN_WAIT) };
    }

    /// The channel with this number. What is left over from another one, or from the session before, is passed over.
    fn channel(&mut self, number: u32, what: &str) -> Option<&mut Channel> {
        let is_it = matches!(&self.state, State::Open(channel) if channel.number() == number);
        if !is_it {
            self.note_down(format!("{what} of channel {number}, which is not open, was passed over"));
        }
        match &mut self.state {
            State::Open(channel) if is_it => Some(channel),
            _ => None,
        }
    }

    fn send(&mut self, message: &Message) {
        self.outputs.push_back(message.encode());
    }

    fn note_down(&mut self, text: String) {
        if self.notes.len() == MAX_NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(text);
    }
}

fn tls_required(port: u16) -> Failure {
    let text = format!("the firmware opens no channel to its plain port {port}, and offers port {SECURE} with TLS");
    Failure::new(ErrorCode::LOCAL_TLS_REQUIRED, STAGE, text)
}

fn refused(port: u16, reason: u32) -> Failure {
    let words = match reason {
        open_failure::PROHIBITED => "not allowed",
        open_failure::CONNECT_FAILED => "nothing listens there",
        open_failure::UNKNOWN_TYPE => "unknown kind of channel",
        open_failure::RESOURCE_SHORTAGE => "no channel is left",
        _ => "unknown reason",
    };
    let text = format!("the firmware opens no channel to port {port}: reason {reason} ({words})");
    Failure::new(ErrorCode::APF_REFUSED, STAGE, text)
}

#[cfg(test)]
mod tests;
