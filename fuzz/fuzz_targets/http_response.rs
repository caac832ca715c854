//! A response is the same however its bytes are cut.
#![no_main]

use amt_wsman::http::{Response, ResponseReader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole = read(data, data.len().max(1));
    // Pieces of 1 to 16 bytes, chosen by the input itself.
    let piece = 1 + data.last().map_or(0, |b| usize::from(*b) % 16);
    let pieces = read(data, piece);
    let told = |response: &Option<Response>| response.as_ref().map(|r| (r.status, r.body.clone()));
    assert_eq!(told(&whole), told(&pieces), "pieces of {piece}");
});

fn read(data: &[u8], piece: usize) -> Option<Response> {
    let mut reader = ResponseReader::new();
    for bytes in data.chunks(piece) {
        match reader.push(bytes) {
            Ok(None) => {}
            Ok(response) => return response,
            Err(_) => return None,
        }
    }
    reader.close()
}
