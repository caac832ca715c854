//! The firmware's side of LME: forwards, channels, windows (`spec/heci.md` §5.3, §5.4).

use super::MeiHandle;
use crate::firmware::{Firmware, Output, Port};
use amt_core::Tick;
use amt_heci::apf::message::{AUTH, DATA_HEADER, FORWARDED, FORWARDING, Global, Message, open_failure};
use std::collections::{BTreeMap, VecDeque};

/// Number of a channel, over the machine's life.
pub type ChannelId = u64;

const WINDOW: u32 = 4096;
const LOOPBACK: &str = "127.0.0.1";
/// Ports of the local side, and of RMCP beside them.
const PLAIN: u32 = 16992;
const SECURE: u32 = 16993;

#[derive(Debug)]
struct Channel {
    id: ChannelId,
    /// The host's number.
    peer: u32,
    /// Bytes that may be sent to the host.
    send_window: u32,
    /// Bytes that the host may send.
    receive_window: u32,
    unsent: VecDeque<u8>,
    service_closed: bool,
    close_sent: bool,
}

/// One session with a host.
#[derive(Debug, Default)]
struct Session {
    version_seen: bool,
    forwarding: bool,
    channels: BTreeMap<u32, Channel>,
    refused: u32,
}

/// Sessions of this moment.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_handle: BTreeMap<MeiHandle, Session>,
    next_channel: ChannelId,
    /// Sessions that there ever were.
    count: u64,
}

impl Sessions {
    fn find(&mut self, id: ChannelId) -> Option<(MeiHandle, u32, &mut Channel)> {
        self.by_handle.iter_mut().find_map(|(handle, session)| {
            let (number, channel) = session.channels.iter_mut().find(|(_, channel)| channel.id == id)?;
            Some((*handle, *number, channel))
        })
    }
}

impl Firmware {
    pub(super) fn lme_begin(&mut self, now: Tick, handle: MeiHandle) {
        self.mei.lme.by_handle.insert(handle, Session::default());
        self.mei.lme.count += 1;
        self.say_stale_close(now, handle);
        // There are programs that wait for it and never speak first themselves.
        self.say_version(now, handle);
    }

    /// A CLOSE of the session before, where there was one.
    fn say_stale_close(&mut self, now: Tick, handle: MeiHandle) {
        if self.device.config.lme.stale_close && self.mei.lme.count > 1 {
            self.lme_send(now, handle, &Message::Close { recipient: 0 });
        }
    }

    pub(super) fn lme_end(&mut self, handle: MeiHandle) {
        let Some(session) = self.mei.lme.by_handle.remove(&handle) else { return };
        for channel in session.channels.into_values() {
            self.outputs.push_back(Output::ChannelClose { channel: channel.id });
        }
    }

    fn lme_send(&mut self, now: Tick, handle: MeiHandle, message: &Message) {
        self.mei_send(now, handle, message.encode());
    }

    /// The host broke the protocol: the session ends.
    fn lme_abort(&mut self, now: Tick, handle: MeiHandle, why: &str) {
        self.refuse(now, "LME", why.to_owned());
        self.lme_send(now, handle, &Message::Disconnect { reason: 2 });
        self.lme_end(handle);
    }

    pub(super) fn lme_message(&mut self, now: Tick, handle: MeiHandle, bytes: &[u8]) {
        let Ok(message) = Message::decode(bytes) else {
            return self.lme_abort(now, handle, "not a message");
        };
        let Some(session) = self.mei.lme.by_handle.get_mut(&handle) else { return };
        if !session.version_seen && !matches!(message, Message::ProtocolVersion { .. }) {
            return self.lme_abort(now, handle, "the version comes first");
        }
        match message {
            Message::ProtocolVersion { .. } => {
                let first = !std::mem::replace(&mut session.version_seen, true);
                // Ours was said when the session began, and is not said in answer: some programs answer each one, and two that
                // answer each other never end.
                if first {
                    self.lme_send(now, handle, &Message::ServiceRequest { service: AUTH.to_owned() });
                }
            }
            Message::ServiceAccept { service } if service == AUTH => {
                self.lme_send(now, handle, &Message::ServiceRequest { service: FORWARDING.to_owned() });
            }
            Message::ServiceAccept { service } if service == FORWARDING => {
                session.forwarding = true;
                self.say_forwards(now, handle);
                if self.device.config.lme.replays_version {
                    self.say_version(now, handle);
                    self.say_forwards(now, handle);
                }
            }
            Message::ChannelOpen { kind, sender, window, connected, .. } => {
                self.open(now, handle, &kind, sender, window, connected.1);
            }
            Message::Data { recipient, data } => self.data(now, handle, recipient, &data),
            Message::WindowAdjust { recipient, add } => {
                let Some(channel) = session.channels.get_mut(&recipient) else { return };
                match channel.send_window.checked_add(add) {
                    Some(window) => channel.send_window = window,
                    None => return self.lme_abort(now, handle, "a window beyond its limit"),
                }
                self.flush_channel(now, handle, recipient);
            }
            Message::Close { recipient } => {
                let Some(channel) = session.channels.remove(&recipient) else { return };
                let (id, peer, sent) = (channel.id, channel.peer, channel.close_sent);
                if !sent {
                    self.lme_send(now, handle, &Message::Close { recipient: peer });
                }
                self.outputs.push_back(Output::ChannelClose { channel: id });
            }
            // Answers to our requests, and what a host may say without consequence.
            _ => {}
        }
    }

    fn say_version(&mut self, now: Tick, handle: MeiHandle) {
        let id = self.device.config.id;
        self.lme_send(now, handle, &Message::ProtocolVersion { major: 1, minor: 0, trigger: 0, id });
    }

    fn say_forwards(&mut self, now: Tick, handle: MeiHandle) {
        let (plain, secure) = self.local_ports();
        let ports = [(plain, PLAIN), (plain, 623), (secure, SECURE), (secure, 664)];
        for (_, port) in ports.into_iter().filter(|(open, _)| *open) {
            let request = Global::Forward { address: LOOPBACK.to_owned(), port };
            self.lme_send(now, handle, &Message::GlobalRequest { want_reply: true, request });
        }
    }

    fn open(&mut self, now: Tick, handle: MeiHandle, kind: &str, sender: u32, window: u32, port: u32) {
        let (plain, secure) = self.local_ports();
        let most = self.device.config.persona.local.lme_channels;
        let refuse_first = self.device.config.lme.refused_channels;
        let Some(session) = self.mei.lme.by_handle.get_mut(&handle) else { return };
        if !session.forwarding {
            return self.lme_abort(now, handle, "a channel before port forwarding has begun");
        }
        let service = match port {
            PLAIN if plain => Some(Port::Plain),
            SECURE if secure => Some(Port::Secure),
            _ => None,
        };
        let reason = if kind != FORWARDED {
            Some(open_failure::UNKNOWN_TYPE)
        } else if session.channels.len() >= most || session.refused < refuse_first {
            session.refused += 1;
            Some(open_failure::RESOURCE_SHORTAGE)
        } else if service.is_none() {
            Some(open_failure::CONNECT_FAILED)
        } else {
            None
        };
        if let Some(reason) = reason {
            self.refuse(now, "LME", format!("a channel to port {port}: reason {reason}"));
            return self.lme_send(now, handle, &Message::OpenFailure { recipient: sender, reason });
        }
        self.mei.lme.next_channel += 1;
        let id = self.mei.lme.next_channel;
        let number = (0..).find(|number| !session.channels.contains_key(number)).unwrap_or(u32::MAX);
        session.channels.insert(
            number,
            Channel {
                id,
                peer: sender,
                send_window: window,
                receive_window: WINDOW,
                unsent: VecDeque::new(),
                service_closed: false,
                close_sent: false,
            },
        );
        self.lme_send(now, handle, &Message::OpenConfirmation { recipient: sender, sender: number, window: WINDOW });
        // It may come as late as this.
        self.say_stale_close(now, handle);
        if let Some(port) = service {
            self.outputs.push_back(Output::ChannelOpen { channel: id, port });
        }
    }

    fn data(&mut self, now: Tick, handle: MeiHandle, number: u32, data: &[u8]) {
        let never_credits = self.device.config.lme.never_credits;
        let Some(session) = self.mei.lme.by_handle.get_mut(&handle) else { return };
        let Some(channel) = session.channels.get_mut(&number) else {
            return self.lme_abort(now, handle, "data for a channel that is not open");
        };
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let Some(window) = channel.receive_window.checked_sub(length) else {
            return self.lme_abort(now, handle, "more data than the window allows");
        };
        let (id, peer) = (channel.id, channel.peer);
        channel.receive_window = window;
        if !never_credits {
            channel.receive_window += length;
            self.lme_send(now, handle, &Message::WindowAdjust { recipient: peer, add: length });
        }
        self.outputs.push_back(Output::ChannelBytes { channel: id, bytes: data.to_vec() });
    }

    /// Bytes of the local service.
    pub(in crate::firmware) fn channel_bytes(&mut self, now: Tick, id: ChannelId, bytes: &[u8]) {
        let Some((handle, number, channel)) = self.mei.lme.find(id) else { return };
        channel.unsent.extend(bytes);
        self.flush_channel(now, handle, number);
    }

    pub(in crate::firmware) fn channel_closed(&mut self, now: Tick, id: ChannelId) {
        let Some((handle, number, channel)) = self.mei.lme.find(id) else { return };
        channel.service_closed = true;
        self.flush_channel(now, handle, number);
    }

    /// Sends what the host's window allows, and the end behind it.
    fn flush_channel(&mut self, now: Tick, handle: MeiHandle, number: u32) {
        let most = super::LME_MESSAGE - DATA_HEADER;
        loop {
            let session = self.mei.lme.by_handle.get_mut(&handle);
            let Some(channel) = session.and_then(|session| session.channels.get_mut(&number)) else { return };
            let count = channel.unsent.len().min(most).min(usize::try_from(channel.send_window).unwrap_or(0));
            let message = if count > 0 {
                channel.send_window -= u32::try_from(count).unwrap_or(0);
                Message::Data { recipient: channel.peer, data: channel.unsent.drain(..count).collect() }
            } else if channel.service_closed && channel.unsent.is_empty() && !channel.close_sent {
                channel.close_sent = true;
                Message::Close { recipient: channel.peer }
            } else {
                return;
            };
            self.lme_send(now, handle, &message);
        }
    }
}
