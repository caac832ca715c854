//! Any bytes are messages of redirection, are not whole yet, or are refused by field. What is read is written as the same bytes, but for
//! those that are reserved.
#![no_main]

use amt_core::codec::{DecodeError, Reader};
use amt_core::redirection::{ConsoleMessage, LoginMessage, SessionAnswer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(data);
    while let Ok(message) = ConsoleMessage::decode(&mut reader) {
        let encoded = match message {
            ConsoleMessage::Start(ref start) => start.encode().to_vec(),
            ConsoleMessage::Login(ref login) => {
                let _ = login.fields();
                login.encode()
            }
            _ => continue,
        };
        assert_eq!(ConsoleMessage::decode(&mut Reader::new(&encoded)), Ok(message));
    }
    let mut reader = Reader::new(data);
    match SessionAnswer::decode(&mut reader) {
        Ok(answer) => {
            let encoded = answer.encode();
            assert_eq!(encoded.len(), reader.offset());
            assert_eq!(SessionAnswer::decode(&mut Reader::new(&encoded)), Ok(answer));
        }
        // More bytes of the same answer never make another error of what was there.
        Err(DecodeError::Truncated { .. }) => assert!(data.len() < SessionAnswer::MAX_LEN),
        Err(error) => assert!(error.field().starts_with("redirection.")),
    }
    if let Ok(login) = LoginMessage::decode(&mut Reader::new(data)) {
        assert_eq!(LoginMessage::decode(&mut Reader::new(&login.encode())), Ok(login));
    }
});
