//! Any sequence of operations on a session of LME: it does not panic, sends no more than the peer's window and message allow, and gives
//! back exactly what was read.
#![no_main]

use amt_core::{SystemId, Tick};
use amt_heci::apf::message::{FORWARDING, Global};
use amt_heci::apf::{Message, Session};
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;

const MAX_MESSAGE: usize = 64;

/// The firmware, as far as it counts.
#[derive(Default)]
struct Peer {
    /// Number that the session gave the channel that it asks for.
    asked: Option<u32>,
    /// Number that the session gave the channel that is open.
    open: Option<u32>,
    /// Bytes that may still come over each channel, by our number.
    windows: BTreeMap<u32, u64>,
    /// Bytes that the session gave back for the channel that is open, and that were read from it.
    credit: u64,
    read: u64,
    /// Nothing has ended the channel since it was opened: these two are equal.
    is_whole: bool,
}

fuzz_target!(|bytes: &[u8]| {
    let mut session = Session::new(Tick(0), SystemId::from_wire([7; 16]), MAX_MESSAGE, 1);
    let mut peer = Peer::default();
    let mut now = 0;
    let mut bytes = bytes.iter().copied();
    while let Some(operation) = bytes.next() {
        let value = bytes.next().unwrap_or_default();
        now += u64::from(value);
        let receive = |session: &mut Session, message: &Message| {
            let _ = session.receive(Tick(now), &message.encode());
        };
        match operation % 12 {
            0 => {
                session.open(Tick(now), 16_992);
                (peer.open, peer.is_whole) = (None, false);
            }
            1 => {
                let request = Global::Forward { address: "127.0.0.1".into(), port: 16_992 };
                receive(&mut session, &Message::GlobalRequest { want_reply: true, request });
            }
            2 => receive(&mut session, &Message::ServiceRequest { service: FORWARDING.into() }),
            3 => {
                if let Some(recipient) = peer.asked.take() {
                    let sender = u32::try_from(peer.windows.len()).unwrap();
                    peer.windows.insert(sender, value.into());
                    (peer.open, peer.is_whole, peer.credit, peer.read) = (Some(recipient), true, 0, 0);
                    receive(&mut session, &Message::OpenConfirmation { recipient, sender, window: value.into() });
                }
            }
            4 => {
                if let Some(recipient) = peer.open {
                    if let Some(mut last) = peer.windows.last_entry() {
                        *last.get_mut() += u64::from(value);
                    }
                    receive(&mut session, &Message::WindowAdjust { recipient, add: value.into() });
                }
            }
            5 => {
                let recipient = peer.open.unwrap_or(value.into());
                receive(&mut session, &Message::Data { recipient, data: vec![value; value.into()] });
            }
            6 => {
                let recipient = if value % 2 == 0 { peer.open.unwrap_or_default() } else { value.into() };
                peer.is_whole &= Some(recipient) != peer.open;
                receive(&mut session, &Message::Close { recipient });
            }
            7 => {
                session.write(&vec![value; usize::from(value) * 3]);
            }
            8 => {
                let mut buffer = vec![0; value.into()];
                peer.read += session.read(&mut buffer).unwrap_or(0) as u64;
            }
            9 => {
                session.close();
                peer.is_whole = false;
            }
            10 => session.timeout(Tick(now)),
            _ => {
                let raw: Vec<u8> = bytes.by_ref().take(usize::from(value % 40)).collect();
                // What would open or widen a channel behind this peer's back is for the operations above.
                let counted = matches!(
                    Message::decode(&raw),
                    Ok(Message::WindowAdjust { .. } | Message::OpenConfirmation { .. })
                );
                if !counted {
                    peer.is_whole = false;
                    let _ = session.receive(Tick(now), &raw);
                }
            }
        }
        while let Some(message) = session.poll() {
            match Message::decode(&message).expect("what it sends is a message") {
                Message::ChannelOpen { sender, .. } => peer.asked = Some(sender),
                Message::Data { recipient, data } => {
                    assert!(message.len() <= MAX_MESSAGE, "longer than a message may be");
                    let window = peer.windows.get_mut(&recipient).expect("a channel that was opened");
                    *window = window.checked_sub(data.len() as u64).expect("more than the window allows");
                }
                Message::WindowAdjust { add, .. } => peer.credit += u64::from(add),
                _ => {}
            }
        }
        while session.note().is_some() {}
        assert!(peer.credit <= peer.read, "more was given back than was read");
        assert!(!peer.is_whole || peer.credit == peer.read, "less was given back than was read");
    }
});
