//! Identities: the machine's UUID in AMT's byte order.

use crate::ErrorCode;
use crate::failure::Failure;
use std::fmt;
use std::str::FromStr;

/// SMBIOS system UUID. Kept in SMBIOS memory order, as in the hello and in `GetUuid`: the first three groups are
/// little-endian, the last two straight (`spec/hello-tls.md` §1.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SystemId([u8; 16]);

/// Text form of values that makers leave in place instead of a UUID. The list is of values reported from the field; it can
/// only ever be incomplete, so a duplicate check on top is the fleet's task.
const PLACEHOLDERS: &[&str] = &[
    "03000200-0400-0500-0006-000700080009",
    "00020003-0004-0005-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    "01234567-89ab-cdef-0123-456789abcdef",
    "11111111-1111-1111-1111-111111111111",
    "fefefefe-fefe-fefe-fefe-fefefefefefe",
    "4c4c4544-0000-2010-8020-80c04f202020",
];

impl SystemId {
    /// From the 16 bytes as they travel.
    pub const fn from_wire(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes as they travel.
    pub const fn to_wire(self) -> [u8; 16] {
        self.0
    }

    /// From the RFC 4122 (all big-endian) order that other software uses.
    pub const fn from_rfc4122(bytes: [u8; 16]) -> Self {
        Self(swap(bytes))
    }

    /// In RFC 4122 (all big-endian) order.
    pub const fn to_rfc4122(self) -> [u8; 16] {
        swap(self.0)
    }

    /// Not programmed by the maker: all 00 or all FF.
    pub fn is_blank(self) -> bool {
        self.0 == [0; 16] || self.0 == [0xff; 16]
    }

    /// One of the values that many boards share because nobody programmed theirs.
    pub fn is_placeholder(self) -> bool {
        let text = self.to_string();
        PLACEHOLDERS.contains(&text.as_str())
    }

    /// Whether a machine may be found by this value alone.
    pub fn is_usable_as_key(self) -> bool {
        !self.is_blank() && !self.is_placeholder()
    }
}

const fn swap(b: [u8; 16]) -> [u8; 16] {
    let [a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, e0, e1, e2, e3, e4, e5] = b;
    [a3, a2, a1, a0, b1, b0, c1, c0, d0, d1, e0, e1, e2, e3, e4, e5]
}

impl fmt::Display for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.to_rfc4122().iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SystemId {
    type Err = Failure;

    /// Accepts the 8-4-4-4-12 form in either case, with or without braces.
    fn from_str(text: &str) -> Result<Self, Failure> {
        let bad = || Failure::new(ErrorCode::PARSE_TEXT, "parse", format!("not a UUID: {text:?}"));
        let bare = text.trim().trim_start_matches('{').trim_end_matches('}');
        let groups: Vec<&str> = bare.split('-').collect();
        if groups.iter().map(|g| g.len()).ne([8, 4, 4, 4, 12]) {
            return Err(bad());
        }
        let digits = groups.concat();
        let value = u128::from_str_radix(&digits, 16).map_err(|_| bad())?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        Ok(Self::from_rfc4122(value.to_be_bytes()))
    }
}

/// A security identifier as firmware takes it: revision, count, six bytes of authority, then little-endian numbers; at most 28 bytes
/// (`spec/wsman.md` §3.2).
pub fn binary_sid(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.strip_prefix("S-").or_else(|| text.strip_prefix("s-"))?.split('-');
    let revision: u8 = parts.next()?.parse().ok().filter(|revision| *revision == 1)?;
    let authority: u64 = parts.next()?.parse().ok().filter(|authority| *authority < 1 << 48)?;
    let numbers = parts.map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<u32>>>()?;
    let count = u8::try_from(numbers.len()).ok().filter(|count| (1..=5).contains(count))?;
    let mut sid = vec![revision, count];
    sid.extend(authority.to_be_bytes().into_iter().skip(2));
    sid.extend(numbers.into_iter().flat_map(u32::to_le_bytes));
    Some(sid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_security_identifier_is_twenty_eight_bytes_at_most() {
        let sid = binary_sid("S-1-5-21-1-2-3-500").unwrap();
        assert_eq!(sid, [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 244, 1, 0, 0]);
        for bad in ["", "S-1", "S-2-5-21", "S-1-5", "S-1-5-x", "S-1-5-1-2-3-4-5-6", "S-1-5-4294967296"] {
            assert_eq!(binary_sid(bad), None, "{bad}");
        }
    }

    const TEXT: &str = "00112233-4455-6677-8899-aabbccddeeff";

    #[test]
    fn the_first_three_groups_travel_little_endian() {
        let id: SystemId = TEXT.parse().unwrap();
        assert_eq!(
            id.to_wire(),
            [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]
        );
        assert_eq!(id.to_string(), TEXT);
        assert_eq!(SystemId::from_wire(id.to_wire()), id);
        assert_eq!(SystemId::from_rfc4122(id.to_rfc4122()), id);
    }

    #[test]
    fn blank_and_placeholder_values_are_no_keys() {
        for blank in [[0; 16], [0xff; 16]] {
            assert!(!SystemId::from_wire(blank).is_usable_as_key());
        }
        assert!(!"03000200-0400-0500-0006-000700080009".parse::<SystemId>().unwrap().is_usable_as_key());
        assert!(TEXT.parse::<SystemId>().unwrap().is_usable_as_key());
    }

    #[test]
    fn text_that_is_no_uuid_is_refused() {
        for text in ["", "0011", "00112233445566778899aabbccddeeff", "+0112233-4455-6677-8899-aabbccddeeff", "é"] {
            assert_eq!(text.parse::<SystemId>().unwrap_err().code, ErrorCode::PARSE_TEXT, "{text}");
        }
        assert_eq!(format!("{{{TEXT}}}").parse::<SystemId>().unwrap().to_string(), TEXT);
    }
}
