//! The cases of `spec/heci.md` §5.5, and the order of a session.

use super::*;
use crate::apf::message::{AUTH, DIRECT, FORWARDING};

const PORT: u16 = 16992;

fn begin() -> Session {
    let mut session = Session::new(Tick(0), SystemId::from_wire([7; 16]), 1000, 1);
    assert!(matches!(sent(&mut session).as_slice(), [Message::ProtocolVersion { major: 1, minor: 0, .. }]));
    session
}

fn sent(session: &mut Session) -> Vec<Message> {
    std::iter::from_fn(|| session.poll()).map(|bytes| Message::decode(&bytes).unwrap()).collect()
}

fn came(session: &mut Session, message: &Message) -> Vec<Message> {
    session.receive(Tick(0), &message.encode()).unwrap();
    sent(session)
}

fn forward(port: u16) -> Message {
    let request = Global::Forward { address: "127.0.0.1".into(), port: port.into() };
    Message::GlobalRequest { want_reply: true, request }
}

/// A session with an open channel, the firmware's number for it 40.
fn opened() -> Session {
    let mut session = begin();
    came(&mut session, &forward(PORT));
    session.open(Tick(0), PORT);
    assert!(matches!(sent(&mut session).as_slice(), [Message::ChannelOpen { sender: 1, window: WINDOW, .. }]));
    came(&mut session, &Message::OpenConfirmation { recipient: 1, sender: 40, window: 100 });
    assert_eq!(session.is_open(), Ok(Some(())));
    session
}

#[test]
fn the_order_of_the_specification_ends_in_an_open_channel() {
    let mut session = begin();
    session.open(Tick(0), PORT);
    for service in [AUTH, FORWARDING] {
        let accept = Message::ServiceAccept { service: service.into() };
        assert_eq!(came(&mut session, &Message::ServiceRequest { service: service.into() }), [accept]);
    }
    let login = Message::UserAuthRequest { user: String::new(), service: FORWARDING.into(), password: None };
    assert_eq!(came(&mut session, &login), [Message::UserAuthSuccess]);
    assert_eq!(came(&mut session, &forward(623)), [Message::RequestSuccess { port: Some(623) }]);
    assert_eq!(session.is_open(), Ok(None));
    let answers = came(&mut session, &forward(PORT));
    assert!(
        matches!(answers.as_slice(), [Message::RequestSuccess { .. }, Message::ChannelOpen { connected, .. }]
            if *connected == ("127.0.0.1".to_owned(), PORT.into())),
        "{answers:?}"
    );
}

#[test]
fn a_version_is_never_answered_with_a_version() {
    let mut session = begin();
    for trigger in [254, 9, 9] {
        let version = Message::ProtocolVersion { major: 1, minor: 0, trigger, id: SystemId::from_wire([1; 16]) };
        assert_eq!(came(&mut session, &version), []);
    }
}

#[test]
fn a_channel_is_asked_for_without_a_forward_after_a_second() {
    let mut session = begin();
    session.open(Tick(0), PORT);
    session.receive(Tick(500), &Message::ServiceRequest { service: FORWARDING.into() }.encode()).unwrap();
    sent(&mut session);
    assert_eq!(session.deadline(), Some(Tick(1500)));
    session.timeout(Tick(1500));
    assert!(matches!(sent(&mut session).as_slice(), [Message::ChannelOpen { .. }]));
    assert!(session.note().is_some());
    let until = session.deadline().unwrap();
    session.timeout(until);
    assert_eq!(session.is_open().unwrap_err().code, ErrorCode::APF_REFUSED);
}

#[test]
fn firmware_that_offers_only_tls_is_told_from_one_that_refuses() {
    let mut session = begin();
    came(&mut session, &Message::ServiceRequest { service: FORWARDING.into() });
    came(&mut session, &forward(16993));
    session.open(Tick(0), 16992);
    session.timeout(session.deadline().unwrap());
    sent(&mut session);
    came(&mut session, &Message::OpenFailure { recipient: 1, reason: 2 });
    assert_eq!(session.is_open().unwrap_err().code, ErrorCode::LOCAL_TLS_REQUIRED);
    came(&mut session, &forward(16992));
    session.open(Tick(5000), 16992);
    sent(&mut session);
    came(&mut session, &Message::OpenFailure { recipient: 2, reason: 2 });
    assert_eq!(session.is_open().unwrap_err().code, ErrorCode::APF_REFUSED);
}

#[test]
fn a_refused_channel_is_told_with_its_reason() {
    let mut session = begin();
    came(&mut session, &forward(PORT));
    session.open(Tick(0), PORT);
    sent(&mut session);
    came(&mut session, &Message::OpenFailure { recipient: 1, reason: 4 });
    let failure = session.is_open().unwrap_err();
    assert_eq!(failure.code, ErrorCode::APF_REFUSED);
    assert!(failure.message.contains("no channel is left"), "{failure:?}");
    session.open(Tick(0), PORT);
    assert!(
        matches!(sent(&mut session).as_slice(), [Message::ChannelOpen { sender: 2, .. }]),
        "and may be asked for again"
    );
}

#[test]
fn a_stale_close_and_old_data_are_passed_over() {
    let mut session = begin();
    assert_eq!(came(&mut session, &Message::Close { recipient: 0 }), []);
    let mut session = opened();
    for stale in [
        Message::Close { recipient: 0 },
        Message::Close { recipient: 3 },
        Message::Data { recipient: 3, data: vec![1] },
        Message::WindowAdjust { recipient: 3, add: 1 },
        Message::OpenFailure { recipient: 3, reason: 1 },
    ] {
        assert_eq!(came(&mut session, &stale), []);
        assert!(session.note().is_some());
    }
    assert_eq!(session.is_open(), Ok(Some(())));
    let unasked = Message::OpenConfirmation { recipient: 3, sender: 8, window: 1 };
    assert_eq!(came(&mut session, &unasked), [Message::Close { recipient: 8 }]);
}

#[test]
fn data_is_drained_before_the_end_is_told() {
    let mut session = opened();
    came(&mut session, &Message::Data { recipient: 1, data: b"tail".to_vec() });
    assert_eq!(came(&mut session, &Message::Close { recipient: 1 }), [Message::Close { recipient: 40 }]);
    let mut buffer = [0; 3];
    assert_eq!(session.read(&mut buffer), Some(3));
    assert_eq!(session.read(&mut buffer), Some(1));
    assert_eq!(session.read(&mut buffer), Some(0));
    assert!(session.is_write_closed());
}

#[test]
fn windows_are_kept_in_both_directions() {
    let mut session = opened();
    assert_eq!(session.write(&[1; 250]), 250);
    assert!(matches!(sent(&mut session).as_slice(), [Message::Data { recipient: 40, data }] if data.len() == 100));
    let more = came(&mut session, &Message::WindowAdjust { recipient: 1, add: 150 });
    assert!(matches!(more.as_slice(), [Message::Data { data, .. }] if data.len() == 150));
    came(&mut session, &Message::Data { recipient: 1, data: vec![2; 4096] });
    let mut buffer = [0; 4000];
    assert_eq!(session.read(&mut buffer), Some(4000));
    assert_eq!(sent(&mut session), [Message::WindowAdjust { recipient: 40, add: 4000 }]);
    assert_eq!(session.read(&mut buffer), Some(96));
    assert_eq!(session.read(&mut buffer), None, "more may come");
}

#[test]
fn a_peer_that_overruns_its_window_is_noted_and_loses_nothing() {
    let mut session = opened();
    came(&mut session, &Message::Data { recipient: 1, data: vec![2; 5000] });
    assert!(session.note().unwrap().contains("904 bytes more"));
    let mut buffer = [0; 8000];
    assert_eq!(session.read(&mut buffer), Some(5000));
    let flood = Message::Data { recipient: 1, data: vec![0; 65_000] };
    came(&mut session, &flood);
    assert_eq!(session.receive(Tick(0), &flood.encode()).unwrap_err().code, ErrorCode::APF_PROTOCOL);
}

#[test]
fn one_channel_follows_another_and_close_is_said_once() {
    let mut session = opened();
    session.write(b"last words");
    session.open(Tick(0), PORT);
    let messages = sent(&mut session);
    assert!(
        matches!(
            messages.as_slice(),
            [Message::Data { .. }, Message::Close { recipient: 40 }, Message::ChannelOpen { sender: 2, .. }]
        ),
        "{messages:?}"
    );
    assert_eq!(came(&mut session, &Message::Close { recipient: 1 }), [], "the answer to ours");
}

#[test]
fn the_firmware_may_not_call_out() {
    let mut session = begin();
    let open = Message::ChannelOpen {
        kind: DIRECT.into(),
        sender: 5,
        window: 100,
        connected: ("127.0.0.1".into(), 0),
        originator: ("127.0.0.1".into(), 0),
    };
    assert_eq!(came(&mut session, &open), [Message::OpenFailure { recipient: 5, reason: 1 }]);
}

#[test]
fn a_disconnect_and_damage_end_the_session() {
    let mut session = opened();
    let failure = session.receive(Tick(0), &Message::Disconnect { reason: 2 }.encode()).unwrap_err();
    assert_eq!(failure.code, ErrorCode::APF_PROTOCOL);
    assert_eq!(session.is_open().unwrap_err(), failure);
    let mut session = opened();
    assert!(session.receive(Tick(0), &[94, 0, 0]).is_err());
    assert!(opened().receive(Tick(0), &[99]).is_ok(), "an unknown message is passed over");
}
