//! Bytes from the network as an HTTP response, in two pieces split where the first byte says.
#![no_main]

use amt_wsman::http::ResponseReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((at, bytes)) = data.split_first() else { return };
    let whole = read(&[bytes]);
    let (first, second) = bytes.split_at(usize::from(*at).min(bytes.len()));
    let split = read(&[first, second]);
    // However it is split, it is the same response, or none.
    assert_eq!(whole.map(|r| (r.status, r.body)), split.map(|r| (r.status, r.body)));
});

fn read(pieces: &[&[u8]]) -> Option<amt_wsman::http::Response> {
    let mut reader = ResponseReader::new();
    for piece in pieces {
        if let Some(response) = reader.push(piece).ok()? {
            return Some(response);
        }
    }
    reader.close()
}
