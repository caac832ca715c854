//! The envelope of HTTP's `Negotiate` (RFC 4178): a first token that offers Kerberos and nothing else. NTLM, which the
//! systems' own envelopes may fall back to, is not known to machines.

use der::asn1::Any;
use der::{Encode, Tag, TagNumber};

const SPNEGO: &[u8] = b"\x2b\x06\x01\x05\x05\x02";
const KERBEROS: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";

/// Wraps a token of the Kerberos mechanism.
pub(super) fn wrap(token: &[u8]) -> der::Result<Vec<u8>> {
    let mechanisms = field(0, sequence(&[tlv(Tag::ObjectIdentifier, KERBEROS)?])?)?;
    let token = field(2, tlv(Tag::OctetString, token)?)?;
    let init = field(0, sequence(&[mechanisms, token])?)?;
    let content = [tlv(Tag::ObjectIdentifier, SPNEGO)?, init].concat();
    tlv(Tag::Application { constructed: true, number: TagNumber(0) }, &content)
}

fn sequence(parts: &[Vec<u8>]) -> der::Result<Vec<u8>> {
    tlv(Tag::Sequence, &parts.concat())
}

fn field(number: u32, content: Vec<u8>) -> der::Result<Vec<u8>> {
    tlv(Tag::ContextSpecific { constructed: true, number: TagNumber(number) }, &content)
}

fn tlv(tag: Tag, content: &[u8]) -> der::Result<Vec<u8>> {
    Any::new(tag, content)?.to_der()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_offers_kerberos_only() {
        let mut expected = b"\x60\x23\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x19\x30\x17\xa0\x0d\x30\x0b\x06\x09".to_vec();
        expected.extend_from_slice(KERBEROS);
        expected.extend_from_slice(b"\xa2\x06\x04\x04abcd");
        assert_eq!(wrap(b"abcd").unwrap(), expected);
    }
}
