//! Parameters that UEFI is given for one boot, as firmware judges them (`spec/wsman.md` §3.11).

use crate::firmware::soap::Fault;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const VENDOR: u16 = 0x8086;
/// Type of the URL.
const URL: u16 = 1;

/// The URL out of `count` parameters in base64; none if there are none. They must be whole and as many as they are said to be, and
/// the URL must be one of https.
pub(super) fn url(count: u32, base64: &str) -> Result<Option<String>, Fault> {
    if count == 0 {
        return Ok(None);
    }
    let bytes = STANDARD.decode(base64).map_err(|_| Fault::invalid_values())?;
    let list = split(&bytes).ok_or_else(Fault::invalid_values)?;
    if u32::try_from(list.len()) != Ok(count) {
        return Err(Fault::invalid_values());
    }
    let url = list.iter().find(|(kind, _)| *kind == URL).and_then(|(_, value)| std::str::from_utf8(value).ok());
    match url.filter(|url| url.starts_with("https://")) {
        Some(url) => Ok(Some(url.to_owned())),
        None => Err(Fault::invalid_values()),
    }
}

fn split(mut rest: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut list = Vec::new();
    while !rest.is_empty() {
        let (head, body) = rest.split_at_checked(8)?;
        let (vendor, kind) = (u16::from_le_bytes([head[0], head[1]]), u16::from_le_bytes([head[2], head[3]]));
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let (value, after) = body.split_at_checked(usize::try_from(length).ok()?)?;
        if vendor != VENDOR {
            return None;
        }
        list.push((kind, value));
        rest = after;
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_whole_counted_and_of_https() {
        let wire = b"\x86\x80\x14\0\x01\0\0\0\x01\x86\x80\x01\0\x0b\0\0\0https://a/b";
        assert_eq!(url(2, &STANDARD.encode(wire)).ok().flatten().as_deref(), Some("https://a/b"));
        assert_eq!(url(0, "whatever").ok(), Some(None));
        assert!(url(1, &STANDARD.encode(wire)).is_err() && url(3, &STANDARD.encode(wire)).is_err());
        for cut in 1..wire.len() {
            assert!(url(2, &STANDARD.encode(&wire[..cut])).is_err(), "cut at {cut}");
        }
        assert!(url(1, &STANDARD.encode(b"\x86\x80\x01\0\x0a\0\0\0http://a/b")).is_err());
        assert!(url(1, &STANDARD.encode(b"\x87\x80\x01\0\x0b\0\0\0https://a/b")).is_err());
    }
}
