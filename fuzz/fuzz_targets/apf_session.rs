//! Any sequence of operations on a session of LME: it does not panic, sends no more than the peer's window and message allow, and gives
//! back exactly what was read.
#![no_main]

use amt_core::{SystemId, Tick};
use amt_heci::apf::message::{FORWARDING, Global};
use amt_heci::apf::{Message, Session};
use libfuzzer_sys::fuzz_target;

const MAX_MESSAGE: usize = 64;

#[derive(Default)]
struct Peer {
    /// Number that the session gave its last channel, and ours for it.
    asked: Option<u32>,
    open: Option<u32>,
    /// Bytes that it may still send.
    window: u64,
    /// Bytes that it gave back.
    credit: u64,
    numbers: u32,
}

fuzz_target!(|bytes: &[u8]| {
    let mut session = Session::new(Tick(0), SystemId::from_wire([7; 16]), MAX_MESSAGE);
    let mut peer = Peer::default();
    let mut read = 0;
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
                peer.open = None;
            }
            1 => {
                let request = Global::Forward { address: "127.0.0.1".into(), port: 16_992 };
                receive(&mut session, &Message::GlobalRequest { want_reply: true, request });
            }
            2 => receive(&mut session, &Message::ServiceRequest { service: FORWARDING.into() }),
            3 => {
                if let Some(recipient) = peer.asked.take() {
                    peer.numbers += 1;
                    (peer.open, peer.window) = (Some(recipient), value.into());
                    let (sender, window) = (peer.numbers, value.into());
                    receive(&mut session, &Message::OpenConfirmation { recipient, sender, window });
                }
            }
            4 => {
                if let Some(recipient) = peer.open {
                    peer.window += u64::from(value);
                    receive(&mut session, &Message::WindowAdjust { recipient, add: value.into() });
                }
            }
            5 => {
                let recipient = peer.open.unwrap_or(value.into());
                receive(&mut session, &Message::Data { recipient, data: vec![value; value.into()] });
            }
            6 => receive(&mut session, &Message::Close { recipient: u32::from(value % 4) }),
            7 => {
                session.write(&vec![value; usize::from(value) * 3]);
            }
            8 => {
                let mut buffer = vec![0; value.into()];
                read += session.read(&mut buffer).unwrap_or(0) as u64;
            }
            9 => session.close(),
            10 => session.timeout(Tick(now)),
            _ => {
                let raw: Vec<u8> = bytes.by_ref().take(usize::from(value % 40)).collect();
                // A raw message may open or widen what this peer does not count.
                let counted = matches!(
                    Message::decode(&raw),
                    Ok(Message::WindowAdjust { .. } | Message::OpenConfirmation { .. })
                );
                if !counted {
                    let _ = session.receive(Tick(now), &raw);
                }
            }
        }
        while let Some(message) = session.poll() {
            assert!(message.len() <= MAX_MESSAGE.max(128));
            match Message::decode(&message).expect("what it sends is a message") {
                Message::ChannelOpen { sender, .. } => peer.asked = Some(sender),
                Message::Data { recipient, data } if recipient == peer.numbers => {
                    assert!(message.len() <= MAX_MESSAGE, "longer than a message may be");
                    peer.window = peer.window.checked_sub(data.len() as u64).expect("more than the window allows");
                }
                Message::WindowAdjust { add, .. } => peer.credit += u64::from(add),
                _ => {}
            }
        }
        while session.note().is_some() {}
        assert!(peer.credit <= read, "more was given back than was read");
    }
});
