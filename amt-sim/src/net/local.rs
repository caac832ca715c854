//! The machine's own system: connections to the firmware's clients, and what local management passes on.

use super::machine::{Event, Shared, accept};
use crate::firmware::{ChannelId, MeiGone, MeiHandle, MeiRefusal, Port};
use amt_heci::mei::{Connected, Guid};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The management engine interface of one virtual machine, for a program that plays its operating system.
#[derive(Clone)]
pub struct MeiDevice {
    shared: Arc<Shared>,
    events: UnboundedSender<Event>,
}

/// A connection to a client, whose messages go elsewhere. Dropped, it is closed.
pub struct MeiSlot {
    device: MeiDevice,
    handle: MeiHandle,
    connected: Connected,
}

/// A connection to a client. Dropped, it is closed.
pub struct MeiConnection {
    slot: MeiSlot,
    messages: UnboundedReceiver<Vec<u8>>,
}

impl MeiDevice {
    pub(super) fn new(shared: Arc<Shared>, events: UnboundedSender<Event>) -> Self {
        Self { shared, events }
    }

    /// Connects to a client.
    ///
    /// # Errors
    /// Why the firmware refuses.
    pub fn open(&self, guid: Guid) -> Result<MeiConnection, MeiRefusal> {
        let (reader, messages) = unbounded_channel();
        Ok(MeiConnection { slot: self.attach(guid, reader)?, messages })
    }

    /// Connects to a client; its messages go to `reader`, which ends with the connection.
    ///
    /// # Errors
    /// Why the firmware refuses.
    pub fn attach(&self, guid: Guid, reader: UnboundedSender<Vec<u8>>) -> Result<MeiSlot, MeiRefusal> {
        let (handle, connected) = self.shared.mei_open(guid, reader)?;
        // A client may speak first.
        let _ = self.events.send(Event::Look);
        Ok(MeiSlot { device: self.clone(), handle, connected })
    }

    /// How many messages came to all clients.
    pub fn messages(&self) -> u64 {
        self.shared.firmware().mei_messages()
    }

    /// Passes connections to `address`, on the ports given, on to the local side of the firmware: what the local management service
    /// of an operating system does. As that one, it listens only at the ports that the firmware offers. Runs until it is dropped.
    ///
    /// # Errors
    /// If a port is in use.
    pub async fn serve_lms(&self, address: Ipv4Addr, plain: u16, secure: u16) -> std::io::Result<()> {
        let mut offered = self.shared.local_ports.subscribe();
        let [mut at_plain, mut at_secure] = [None, None];
        loop {
            let (is_plain, is_secure) = *offered.borrow_and_update();
            follow(&mut at_plain, is_plain, address, plain).await?;
            follow(&mut at_secure, is_secure, address, secure).await?;
            let (tcp, port) = tokio::select! {
                (tcp, _) = accept(at_plain.as_ref()) => (tcp, Port::Plain),
                (tcp, _) = accept(at_secure.as_ref()) => (tcp, Port::Secure),
                _ = offered.changed() => continue,
            };
            let _ = self.events.send(Event::Local { tcp, port });
        }
    }
}

/// Begins or ends to listen.
async fn follow(listener: &mut Option<TcpListener>, on: bool, address: Ipv4Addr, port: u16) -> std::io::Result<()> {
    if on && listener.is_none() {
        *listener = Some(TcpListener::bind(SocketAddr::from((address, port))).await?);
    } else if !on {
        *listener = None;
    }
    Ok(())
}

impl MeiSlot {
    /// What the client said of itself.
    pub fn connected(&self) -> Connected {
        self.connected
    }

    /// Sends a message.
    ///
    /// # Errors
    /// If the connection is dead or the message too long.
    pub fn send(&self, message: &[u8]) -> Result<(), MeiGone> {
        self.device.shared.mei_check(self.handle, message.len())?;
        let event = Event::Mei { handle: self.handle, message: message.to_vec() };
        self.device.events.send(event).map_err(|_| MeiGone::Dead)
    }
}

impl MeiConnection {
    /// What the client said of itself.
    pub fn connected(&self) -> Connected {
        self.slot.connected
    }

    /// Sends a message.
    ///
    /// # Errors
    /// If the connection is dead or the message too long.
    pub fn send(&self, message: &[u8]) -> Result<(), MeiGone> {
        self.slot.send(message)
    }

    /// The next message; none: the connection is dead.
    pub async fn receive(&mut self) -> Option<Vec<u8>> {
        self.messages.recv().await
    }
}

impl Drop for MeiSlot {
    fn drop(&mut self) {
        // The slot is free when this returns, as after a close of the kernel's.
        self.device.shared.mei_close(self.handle);
        let _ = self.device.events.send(Event::Look);
    }
}

/// Two ends of a connection inside this computer.
pub(super) async fn pair() -> std::io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let (far, near) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (far, (near, _)) = (far?, near?);
    far.set_nodelay(true)?;
    Ok((far, near))
}

/// Bytes between a channel of LME and its local connection, until one side ends.
pub(super) async fn pump(
    channel: ChannelId,
    mut tcp: TcpStream,
    mut bytes: UnboundedReceiver<Vec<u8>>,
    events: UnboundedSender<Event>,
) {
    let mut buffer = vec![0; 8 * 1024];
    loop {
        tokio::select! {
            biased;
            message = bytes.recv() => match message {
                Some(message) => {
                    if tcp.write_all(&message).await.is_err() {
                        break;
                    }
                }
                None => {
                    let _ = tcp.shutdown().await;
                    return;
                }
            },
            read = tcp.read(&mut buffer) => match read {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    let _ = events.send(Event::ChannelBytes { channel, bytes: buffer[..count].to_vec() });
                }
            },
        }
    }
    let _ = events.send(Event::ChannelClosed { channel });
}
