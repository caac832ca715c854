//! The management engine interface: connections to the firmware's clients (`spec/heci.md` §1.2, §2, §8.1).

mod amthi;
mod lme;
mod more;
mod small;

pub use lme::ChannelId;

use super::{Firmware, Output};
use crate::fault::{Direction, FaultKind, Message};
use amt_core::Tick;
use amt_heci::mei::{Client, Connected, Guid};
use std::collections::BTreeMap;
use std::time::Duration;

/// Number of a connection to a client.
pub type MeiHandle = u64;

/// Longest message of LME; its protocol's own is longer.
const LME_MESSAGE: usize = 4096;
/// Longest message of every other client.
const MESSAGE: usize = 5120;

/// Why a connection to a client is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeiRefusal {
    /// No such client (ENOTTY).
    NoClient,
    /// No room for another connection (EBUSY).
    Busy,
    /// The firmware is not there (ENODEV).
    NoFirmware,
}

/// A connection that is no more, or a message that is too long for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeiGone {
    /// The connection is dead (ENODEV).
    Dead,
    /// Longer than the client takes (EFBIG).
    TooLong,
}

/// Connections of this moment.
#[derive(Debug, Default)]
pub(super) struct Mei {
    connections: BTreeMap<MeiHandle, Client>,
    next: MeiHandle,
    lme: lme::Sessions,
    /// Messages that came, by client: what a procedure costs.
    messages: u64,
}

impl Firmware {
    /// Connects to a client.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn mei_open(&mut self, now: Tick, guid: Guid) -> Result<(MeiHandle, Connected), MeiRefusal> {
        if !self.powered {
            return Err(MeiRefusal::NoFirmware);
        }
        let client = Client::of(guid).ok_or(MeiRefusal::NoClient)?;
        if matches!(client, Client::Amthi | Client::Lme) && !self.is_amt_up() {
            return Err(MeiRefusal::NoClient);
        }
        let label = format!("{client}.connect");
        match self.faults.strike(Message::Mei { number: 0, label: &label }, Direction::In) {
            Some(FaultKind::Busy) => return Err(MeiRefusal::Busy),
            Some(FaultKind::Reset) => {
                self.mei_reset();
                return Err(MeiRefusal::NoFirmware);
            }
            _ => {}
        }
        let local = &self.device.config.persona.local;
        let most = match client {
            Client::Amthi => local.amthi_connections,
            Client::Lme => local.lme_connections,
            _ => 1,
        };
        if self.mei.connections.values().filter(|other| **other == client).count() >= most {
            return Err(MeiRefusal::Busy);
        }
        self.mei.next += 1;
        let handle = self.mei.next;
        self.mei.connections.insert(handle, client);
        let max_message = if client == Client::Lme { LME_MESSAGE } else { MESSAGE };
        if client == Client::Lme {
            self.lme_begin(now, handle);
        }
        Ok((handle, Connected { max_message, version: 1 }))
    }

    /// Whether a message of this length can be sent over this connection.
    ///
    /// # Errors
    /// Why not.
    pub fn mei_check(&self, handle: MeiHandle, length: usize) -> Result<(), MeiGone> {
        let client = self.mei.connections.get(&handle).ok_or(MeiGone::Dead)?;
        let max = if *client == Client::Lme { LME_MESSAGE } else { MESSAGE };
        if length > max { Err(MeiGone::TooLong) } else { Ok(()) }
    }

    /// How many messages came over all connections.
    pub fn mei_messages(&self) -> u64 {
        self.mei.messages
    }

    /// The program closed its connection.
    pub fn mei_close(&mut self, handle: MeiHandle) {
        if self.mei.connections.remove(&handle) == Some(Client::Lme) {
            self.lme_end(handle);
        }
    }

    /// The firmware is reset: all connections are dead.
    pub(super) fn mei_reset(&mut self) {
        for handle in std::mem::take(&mut self.mei.connections).into_keys() {
            self.lme_end(handle);
        }
        self.outputs.push_back(Output::MeiReset);
    }

    pub(super) fn mei_message(&mut self, now: Tick, handle: MeiHandle, message: &[u8]) {
        let Some(client) = self.mei.connections.get(&handle).copied() else { return };
        self.mei.messages += 1;
        let number = self.mei.messages;
        let label = match client {
            Client::Amthi => amthi::label(message),
            other => format!("{other}.message"),
        };
        let mut delay = Duration::from_millis(self.device.config.persona.local.reply_ms);
        let mut forced = None;
        match self.faults.strike(Message::Mei { number, label: &label }, Direction::In) {
            Some(FaultKind::Delay(by)) => delay = by,
            Some(FaultKind::Reset) => return self.mei_reset(),
            Some(FaultKind::Stall | FaultKind::Truncate | FaultKind::Garbage) => return,
            Some(FaultKind::Status(status)) => forced = Some(status),
            Some(FaultKind::Busy | FaultKind::Oversize) | None => {}
        }
        let answer = match client {
            Client::Amthi => self.amthi(now, message, forced),
            Client::Lme => return self.lme_message(now, handle, message),
            Client::Watchdog => self.watchdog(message),
            Client::Mkhi => self.mkhi(message),
            Client::Upid => self.upid(message),
            _ => Self::hotham(message),
        };
        let Some(mut answer) = answer else {
            // What is no message at all gets no answer.
            return self.refuse(now, &label, "not a message of this client".to_owned());
        };
        match self.faults.strike(Message::Mei { number, label: &label }, Direction::Out) {
            Some(FaultKind::Delay(by)) => delay = by,
            Some(FaultKind::Reset) => {
                self.apply_effects(now, None);
                return self.mei_reset();
            }
            Some(FaultKind::Stall) => return self.apply_effects(now, None),
            Some(FaultKind::Oversize) => crate::fault::lengthen(&mut answer),
            Some(FaultKind::Truncate) => answer.truncate(answer.len() / 2),
            Some(FaultKind::Garbage) => crate::fault::damage(&mut answer, &mut self.damage),
            _ => {}
        }
        self.put_out(now, delay, Output::Mei { handle, message: answer });
        self.apply_effects(now, None);
    }

    /// Puts a message out as a client's own, after the time that an answer takes.
    fn mei_send(&mut self, now: Tick, handle: MeiHandle, message: Vec<u8>) {
        let delay = Duration::from_millis(self.device.config.persona.local.reply_ms);
        self.put_out(now, delay, Output::Mei { handle, message });
    }
}
