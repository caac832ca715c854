<<<<<<< HEAD
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
=======
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
>>>>>>> w-tools
        }
    }
    reader.close()
}
