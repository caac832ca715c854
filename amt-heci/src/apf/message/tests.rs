//! Vectors of `spec/heci.md` §10; less than a message; round trips.

use super::*;

fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn at(address: &str, port: u32) -> (String, u32) {
    (address.to_owned(), port)
}

/// Every message, with its published bytes where there are some.
fn all() -> Vec<(Message, Option<&'static str>)> {
    let id = "4c4c4544-0051-3510-8052-b4c04f4e3132".parse().unwrap();
    let service = FORWARDING.to_owned();
    let forward = Global::Forward { address: "127.0.0.1".into(), port: 16992 };
    let udp = Global::UdpSend { to: at("10.0.0.1", 664), from: at("10.0.0.2", 623), data: vec![1, 2, 3] };
    let cancel = Global::CancelForward { address: "::".into(), port: 623 };
    let other = Global::Other { name: "what".into(), rest: vec![9; 4] };
    vec![
        (
            Message::ServiceAccept { service: service.clone() },
            Some("06 00 00 00 12 70 66 77 64 40 61 6d 74 2e 69 6e 74 65 6c 2e 63 6f 6d"),
        ),
        (
            Message::GlobalRequest { want_reply: true, request: forward },
            Some(
                "50 00 00 00 0d 74 63 70 69 70 2d 66 6f 72 77 61 72 64 01 00 00 00 09 31 32 37 2e 30 2e 30 2e 31 00 00 \
                 42 60",
            ),
        ),
        (Message::RequestSuccess { port: Some(16992) }, Some("51 00 00 42 60")),
        (
            Message::ChannelOpen {
                kind: FORWARDED.into(),
                sender: 1,
                window: 4096,
                connected: at("127.0.0.1", 16992),
                originator: at("127.0.0.1", 50123),
            },
            Some(
                "5a 00 00 00 0f 66 6f 72 77 61 72 64 65 64 2d 74 63 70 69 70 00 00 00 01 00 00 10 00 ff ff ff ff 00 00 \
                 00 09 31 32 37 2e 30 2e 30 2e 31 00 00 42 60 00 00 00 09 31 32 37 2e 30 2e 30 2e 31 00 00 c3 cb",
            ),
        ),
        (
            Message::OpenConfirmation { recipient: 1, sender: 0, window: 4096 },
            Some("5b 00 00 00 01 00 00 00 00 00 00 10 00 ff ff ff ff"),
        ),
        (
            Message::OpenFailure { recipient: 1, reason: open_failure::RESOURCE_SHORTAGE },
            Some("5c 00 00 00 01 00 00 00 04 00 00 00 00 00 00 00 00"),
        ),
        (Message::Data { recipient: 0, data: b"GET /".to_vec() }, Some("5e 00 00 00 00 00 00 00 05 47 45 54 20 2f")),
        (Message::WindowAdjust { recipient: 0, add: 5 }, Some("5d 00 00 00 00 00 00 00 05")),
        (Message::Close { recipient: 0 }, Some("61 00 00 00 00")),
        (
            Message::UserAuthRequest {
                user: "admin".into(),
                service: service.clone(),
                password: Some(Secret::from("P@ssw0rd")),
            },
            Some(
                "32 00 00 00 05 61 64 6d 69 6e 00 00 00 12 70 66 77 64 40 61 6d 74 2e 69 6e 74 65 6c 2e 63 6f 6d 00 00 00 \
                 08 70 61 73 73 77 6f 72 64 00 00 00 00 08 50 40 73 73 77 30 72 64",
            ),
        ),
        (Message::UserAuthFailure { methods: "password".into() }, Some("33 00 00 00 08 70 61 73 73 77 6f 72 64 00")),
        (Message::KeepAliveOptionsRequest { interval: 30, timeout: 0 }, Some("d2 00 00 00 1e 00 00 00 00")),
        (Message::ProtocolVersion { major: 1, minor: 0, trigger: 1, id }, None),
        (Message::Disconnect { reason: 11 }, None),
        (Message::ServiceRequest { service: AUTH.into() }, None),
        (Message::UserAuthRequest { user: "u".into(), service, password: None }, None),
        (Message::UserAuthSuccess, None),
        (Message::GlobalRequest { want_reply: false, request: udp }, None),
        (Message::GlobalRequest { want_reply: true, request: cancel }, None),
        (Message::GlobalRequest { want_reply: true, request: other }, None),
        (Message::RequestSuccess { port: None }, None),
        (Message::RequestFailure, None),
        (Message::KeepAliveRequest { cookie: 7 }, None),
        (Message::KeepAliveReply { cookie: 7 }, None),
        (Message::KeepAliveOptionsReply { interval: 30, timeout: 1 }, None),
    ]
}

#[test]
fn messages_are_the_published_bytes() {
    for (message, published) in all() {
        if let Some(published) = published {
            assert_eq!(message.encode(), hex(published), "{message:?}");
        }
        assert_eq!(Message::decode(&message.encode()).unwrap(), message);
    }
    let version = all().into_iter().find(|(message, _)| matches!(message, Message::ProtocolVersion { .. })).unwrap().0;
    let bytes = version.encode();
    assert_eq!(bytes.len(), 93);
    let published = "c0 00 00 00 01 00 00 00 00 00 00 00 01 44 45 4c 4c 51 00 10 35 80 52 b4 c0 4f 4e 31 32";
    assert_eq!(bytes[..29], hex(published));
    assert!(!format!("{:?}", all()).contains("P@ssw0rd"));
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    for (message, _) in all() {
        let bytes = message.encode();
        // What follows the name of an unknown request is its own business, and a success needs no port.
        let open = matches!(
            message,
            Message::GlobalRequest { request: Global::Other { .. }, .. } | Message::RequestSuccess { .. }
        );
        for cut in (0..bytes.len()).filter(|_| !open) {
            let error = Message::decode(&bytes[..cut]).unwrap_err();
            assert!(matches!(error, DecodeError::Truncated { .. }), "{message:?} cut at {cut}: {error}");
            let error = Message::decode_prefix(&bytes[..cut]).unwrap_err();
            assert!(matches!(error, DecodeError::Truncated { .. }), "{message:?} cut at {cut}: {error}");
        }
        let longer = [bytes.as_slice(), &[0, 0]].concat();
        assert!(open || Message::decode(&longer).is_err(), "{message:?} with more");
    }
}

#[test]
fn lengths_are_believed_only_within_their_limits() {
    let mut bytes = Message::Data { recipient: 0, data: vec![] }.encode();
    bytes[5..].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(Message::decode(&bytes), Err(DecodeError::TooLarge { field: "apf.data.bytes", .. })));
    let mut bytes = Message::ServiceRequest { service: "x".into() }.encode();
    bytes[1..5].copy_from_slice(&2000_u32.to_be_bytes());
    assert!(matches!(Message::decode_prefix(&bytes), Err(DecodeError::TooLarge { field: "apf.service", .. })));
}

#[test]
fn unknown_types_end_a_stream_and_not_lme() {
    assert_eq!(Message::decode(&[99, 1, 2]), Ok(Message::Unknown { kind: 99 }));
    assert!(matches!(Message::decode_prefix(&[99, 1, 2]), Err(DecodeError::Unsupported { field: "apf.type", .. })));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        if let Ok(message) = Message::decode(&bytes) {
            let again = Message::decode(&message.encode());
            proptest::prop_assert_eq!(again, Ok(message));
        }
    }
}
