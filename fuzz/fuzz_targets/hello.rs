//! A hello is the same however its bytes are cut, and is what its encoding decodes to.
#![no_main]

use amt_core::hello::{Hello, HelloDecoder};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole = Hello::decode(data);
    let (first, second) = data.split_at(data.first().map_or(0, |b| usize::from(*b)).min(data.len()));
    let mut decoder = HelloDecoder::new();
    let pieces = match decoder.push(first) {
        Ok(_) => decoder.push(second).and_then(|_| decoder.finish()),
        Err(error) => Err(error),
    };
    assert_eq!(whole.is_ok(), pieces.is_ok(), "{whole:?} {pieces:?}");
    if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
        assert_eq!(whole, pieces);
        let encoded = whole.encode();
        assert!(data.starts_with(&encoded), "re-encoded to other bytes");
        let again = Hello::decode(&encoded).expect("an encoding decodes");
        assert_eq!(again.encode(), encoded);
    }
});
