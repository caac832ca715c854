//! Any bytes are messages of APF or an error, whole or as a stream in pieces; what is accepted is written and read back as the same.
#![no_main]

use amt_heci::apf::Message;
use amt_heci::apf::stream::StreamDecoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::decode(bytes) {
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
    if let Ok((message, length)) = Message::decode_prefix(bytes) {
        assert_eq!(
            Message::decode_prefix(&bytes[..length]),
            Ok((message.clone(), length)),
            "what follows does not matter"
        );
        let written = message.encode();
        assert_eq!(Message::decode_prefix(&written), Ok((message, written.len())));
    }
    let whole = decode(&mut bytes.chunks(usize::MAX));
    let size = bytes.first().map_or(1, |first| usize::from(*first) % 13 + 1);
    assert_eq!(decode(&mut bytes.chunks(size)), whole, "however the bytes are split");
});

/// The messages of a stream, and whether it ended in an error.
fn decode(pieces: &mut dyn Iterator<Item = &[u8]>) -> (Vec<Message>, bool) {
    let mut decoder = StreamDecoder::new();
    let mut messages = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return (messages, true),
            }
        }
    }
    (messages, false)
}
