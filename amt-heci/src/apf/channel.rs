//! One channel: its two windows, exactly counted (`spec/heci.md` §5.4).

use super::message::{DATA_HEADER, Message};
use std::collections::VecDeque;

/// Bytes that the peer may send before we have taken any.
pub const WINDOW: u32 = 4096;
/// Most bytes that are kept for the peer; the writer waits meanwhile.
pub const MAX_UNSENT: usize = 64 * 1024;
/// Most bytes that are kept of a peer that sends more than it may.
pub const MAX_RECEIVED: usize = 64 * 1024;

/// What the peer did that no channel allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// A window of more than 2^32 − 1.
    #[error("the window of the channel was opened beyond 4294967295 bytes")]
    WindowOverflow,
    /// More data than is kept, unasked.
    #[error("the peer sent {0} bytes more than it was allowed")]
    Overrun(u64),
}

/// An open channel.
#[derive(Debug)]
pub struct Channel {
    /// Our number.
    own: u32,
    /// The peer's number.
    peer: u32,
    /// Bytes that we may send.
    send_window: u32,
    /// Bytes that the peer may send; negative where it sent more.
    receive_window: i64,
    max_payload: usize,
    unsent: VecDeque<u8>,
    received: VecDeque<u8>,
    closing: bool,
    close_sent: bool,
    peer_closed: bool,
}

impl Channel {
    /// A channel that the peer confirmed with its number and window, in messages of at most `max_message` bytes.
    pub fn new(own: u32, peer: u32, window: u32, max_message: usize) -> Self {
        Self {
            own,
            peer,
            send_window: window,
            receive_window: WINDOW.into(),
            max_payload: max_message.saturating_sub(DATA_HEADER).max(1),
            unsent: VecDeque::new(),
            received: VecDeque::new(),
            closing: false,
            close_sent: false,
            peer_closed: false,
        }
    }

    /// Our number for it.
    pub const fn number(&self) -> u32 {
        self.own
    }

    /// Takes as many bytes as there is room for, to be sent; how many.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        if self.closing || self.peer_closed {
            return 0;
        }
        let room = MAX_UNSENT.saturating_sub(self.unsent.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.unsent.extend(taken);
        taken.len()
    }

    /// Whether what was written has not all been sent.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether the channel takes no more bytes: the peer closed it.
    pub const fn is_peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// The next message of ours: data that the peer's window allows, and at the end CLOSE.
    pub fn next_message(&mut self) -> Option<Message> {
        let allowed = usize::try_from(self.send_window).unwrap_or(usize::MAX);
        let count = self.unsent.len().min(allowed).min(self.max_payload);
        if count > 0 && !self.close_sent && !self.peer_closed {
            self.send_window -= u32::try_from(count).unwrap_or(self.send_window);
            return Some(Message::Data { recipient: self.peer, data: self.unsent.drain(..count).collect() });
        }
        if self.close_sent || !(self.peer_closed || self.closing && self.unsent.is_empty()) {
            return None;
        }
        self.close_sent = true;
        Some(Message::Close { recipient: self.peer })
    }

    /// Data came.
    ///
    /// # Errors
    /// `Overrun` beyond [`MAX_RECEIVED`]. Less than that is kept although it should not have come; tells how much of it should not.
    pub fn receive(&mut self, data: &[u8]) -> Result<u64, ChannelError> {
        let length = i64::try_from(data.len()).unwrap_or(i64::MAX);
        self.receive_window = self.receive_window.saturating_sub(length);
        let over = u64::try_from(-self.receive_window.min(0)).unwrap_or(0);
        if self.received.len() + data.len() > MAX_RECEIVED {
            return Err(ChannelError::Overrun(over));
        }
        self.received.extend(data);
        Ok(over)
    }

    /// Takes received bytes out; with the message that gives the peer exactly these back.
    pub fn read(&mut self, buffer: &mut [u8]) -> (usize, Option<Message>) {
        let count = buffer.len().min(self.received.len());
        for (to, from) in buffer.iter_mut().zip(self.received.drain(..count)) {
            *to = from;
        }
        let add = u32::try_from(count).unwrap_or(0);
        self.receive_window += i64::from(add);
        let credit = add > 0 && !self.peer_closed && !self.close_sent;
        (count, credit.then_some(Message::WindowAdjust { recipient: self.peer, add }))
    }

    /// Whether there are bytes to be read.
    pub fn has_received(&self) -> bool {
        !self.received.is_empty()
    }

    /// The peer lets us send more.
    ///
    /// # Errors
    /// `WindowOverflow`.
    pub fn adjust(&mut self, add: u32) -> Result<(), ChannelError> {
        self.send_window = self.send_window.checked_add(add).ok_or(ChannelError::WindowOverflow)?;
        Ok(())
    }

    /// Nothing more is to be written; CLOSE follows what was.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// The peer closed. What it sent before can still be read.
    pub fn peer_close(&mut self) {
        self.peer_closed = true;
        self.unsent.clear();
    }

    /// Whether both sides have closed.
    pub const fn is_over(&self) -> bool {
        self.close_sent && self.peer_closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(channel: &mut Channel) -> usize {
        match channel.next_message() {
            Some(Message::Data { recipient: 7, data }) => data.len(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn never_more_is_sent_than_window_and_message_allow() {
        let mut channel = Channel::new(1, 7, 150, 109);
        assert_eq!(channel.write(&[1; 400]), 400);
        assert_eq!((data(&mut channel), data(&mut channel)), (100, 50));
        assert_eq!(channel.next_message(), None);
        channel.adjust(10).unwrap();
        assert_eq!(data(&mut channel), 10);
        assert_eq!(channel.adjust(u32::MAX), Ok(()));
        assert_eq!(channel.adjust(1), Err(ChannelError::WindowOverflow));
    }

    #[test]
    fn exactly_what_was_read_is_given_back() {
        let mut channel = Channel::new(1, 7, 0, 5000);
        assert_eq!(channel.receive(&[5; 4096]), Ok(0));
        let mut buffer = [0; 1000];
        assert_eq!(channel.read(&mut buffer), (1000, Some(Message::WindowAdjust { recipient: 7, add: 1000 })));
        assert_eq!(channel.receive(&[5; 1001]), Ok(1), "one too many, kept");
        let mut rest = [0; 8192];
        assert_eq!(channel.read(&mut rest).0, 4097);
        assert!(matches!(channel.receive(&vec![0; MAX_RECEIVED + 1]), Err(ChannelError::Overrun(_))));
    }

    #[test]
    fn what_was_written_goes_before_close_which_goes_once() {
        let mut channel = Channel::new(1, 7, 3, 100);
        channel.write(b"abcd");
        channel.close();
        assert_eq!(channel.write(b"x"), 0);
        assert_eq!(data(&mut channel), 3);
        assert_eq!(channel.next_message(), None, "one byte waits for the window");
        channel.adjust(1).unwrap();
        assert_eq!(data(&mut channel), 1);
        assert_eq!(channel.next_message(), Some(Message::Close { recipient: 7 }));
        assert_eq!(channel.next_message(), None);
        channel.peer_close();
        assert_eq!(channel.next_message(), None);
        assert!(channel.is_over());
    }

    #[test]
    fn the_tail_before_a_close_can_be_read() {
        let mut channel = Channel::new(1, 7, 3, 100);
        channel.receive(b"tail").unwrap();
        channel.peer_close();
        assert_eq!(channel.next_message(), Some(Message::Close { recipient: 7 }), "answered");
        let mut buffer = [0; 9];
        assert_eq!(channel.read(&mut buffer), (4, None));
    }
}
