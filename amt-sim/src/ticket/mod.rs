//! The firmware's side of Kerberos (RFC 4120, RFC 4178): what a client's token proves. No library of the system has a part in it.
//!
//! Checked are the ticket's realm, its key version and its algorithm, the integrity of ticket and authenticator, that both name
//! the same client, their times, and that an authenticator comes once. The name of the service is not: firmware ignores it
//! (`spec/wsman.md` §1.5). No answer to the client's token is made, so a client that demands one is not served.

mod crypto;

use crate::firmware::kerberos::Kerberos;
use der::{DateTime, Decode, Header, Reader, SliceReader, Tag, TagNumber};
use picky_asn1::wrapper::{GeneralizedTimeAsn1, IntegerAsn1};
use picky_krb::data_types::{Authenticator, EncTicketPart, EncryptedData, PrincipalName};
use picky_krb::messages::ApReq;
use std::collections::VecDeque;

/// Largest token that is looked at.
const MAX_TOKEN: usize = 64 * 1024;
/// Authenticators that are remembered.
const MAX_SEEN: usize = 256;
const SPNEGO: &[u8] = b"\x2b\x06\x01\x05\x05\x02";
/// Kerberos, and the same as Windows numbers it.
const KERBEROS: [&[u8]; 2] = [b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02", b"\x2a\x86\x48\x82\xf7\x12\x01\x02\x02"];
/// In front of an AP-REQ.
const AP_REQ: [u8; 2] = [1, 0];
const TICKET: i32 = 2;
const AUTHENTICATOR: i32 = 11;

/// Authenticators of the last minutes: each counts once.
#[derive(Debug, Default)]
pub(crate) struct Seen(VecDeque<(i64, Vec<u8>)>);

/// Who the client is, `user@REALM`; or why it is let in nowhere.
pub(crate) fn client(kerberos: &Kerberos, seen: &mut Seen, now: i64, token: &[u8]) -> Result<String, &'static str> {
    if token.len() > MAX_TOKEN {
        return Err("token too large");
    }
    let request = ap_req(token).ok_or("no Kerberos token")?;
    let request: ApReq = picky_asn1_der::from_bytes(request).map_err(|_| "no AP-REQ")?;
    let ticket = &request.0.ticket.0.0;
    if text(ticket.realm.0.as_bytes()) != kerberos.realm {
        return Err("realm of the ticket");
    }
    let encrypted = &ticket.enc_part.0;
    if encrypted.kvno.0.as_ref().is_some_and(|version| number(&version.0) != Some(i64::from(kerberos.key_version))) {
        return Err("key version of the ticket");
    }
    let algorithm = etype(encrypted).ok_or("algorithm of the ticket")?;
    let key = crypto::key(kerberos, algorithm).ok_or("algorithm of the ticket")?;
    let plain = crypto::decrypt(algorithm, &key, TICKET, &encrypted.cipher.0.0).ok_or("key of the ticket")?;
    let EncTicketPart { 0: ticket } = picky_asn1_der::from_bytes(&plain).map_err(|_| "content of the ticket")?;

    let sealed = &request.0.authenticator.0;
    let session = &ticket.key.0.key_value.0.0;
    let algorithm = etype(sealed).ok_or("algorithm of the authenticator")?;
    let plain =
        crypto::decrypt(algorithm, session, AUTHENTICATOR, &sealed.cipher.0.0).ok_or("key of the authenticator")?;
    let Authenticator { 0: proof } = picky_asn1_der::from_bytes(&plain).map_err(|_| "content of the authenticator")?;
    if proof.cname.0 != ticket.cname.0 || proof.crealm.0 != ticket.crealm.0 {
        return Err("client of the authenticator");
    }

    let tolerance = i64::from(kerberos.tolerance) * 60;
    let made = time(&proof.ctime.0).ok_or("time of the authenticator")?;
    if made.abs_diff(now) > tolerance.unsigned_abs() {
        return Err("clock skew");
    }
    let begins = ticket.starttime.0.as_ref().map_or(&ticket.auth_time.0, |time| &time.0);
    if time(begins).is_none_or(|begins| begins > now + tolerance) {
        return Err("ticket not yet valid");
    }
    if time(&ticket.endtime.0).is_none_or(|ends| ends < now - tolerance) {
        return Err("ticket expired");
    }
    seen.once(now, tolerance, sealed.cipher.0.0.clone())?;
    Ok(format!("{}@{}", name(&ticket.cname.0), text(ticket.crealm.0.as_bytes())))
}

impl Seen {
    fn once(&mut self, now: i64, tolerance: i64, authenticator: Vec<u8>) -> Result<(), &'static str> {
        self.0.retain(|(at, _)| now - at <= 2 * tolerance);
        if self.0.iter().any(|(_, old)| *old == authenticator) {
            return Err("token replayed");
        }
        if self.0.len() == MAX_SEEN {
            self.0.pop_front();
        }
        self.0.push_back((now, authenticator));
        Ok(())
    }
}

fn etype(data: &EncryptedData) -> Option<i64> {
    number(&data.etype.0)
}

/// An INTEGER of at most 8 bytes.
fn number(integer: &IntegerAsn1) -> Option<i64> {
    let bytes = &integer.0;
    let first = *bytes.first().filter(|_| bytes.len() <= 8)?;
    let sign = if first & 0x80 == 0 { 0 } else { -1 };
    Some(bytes.iter().fold(sign, |sum, byte| (sum << 8) | i64::from(*byte)))
}

fn time(time: &GeneralizedTimeAsn1) -> Option<i64> {
    let time = &time.0;
    let at = DateTime::new(time.year(), time.month(), time.day(), time.hour(), time.minute(), time.second()).ok()?;
    i64::try_from(at.unix_duration().as_secs()).ok()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn name(name: &PrincipalName) -> String {
    name.name_string.0.iter().map(|part| text(part.as_bytes())).collect::<Vec<_>>().join("/")
}

/// The AP-REQ of a token of Kerberos, bare or inside SPNEGO.
fn ap_req(token: &[u8]) -> Option<&[u8]> {
    let (mechanism, rest) = framed(token)?;
    if KERBEROS.contains(&mechanism) {
        return rest.strip_prefix(&AP_REQ);
    }
    if mechanism != SPNEGO {
        return None;
    }
    let init = content(rest, context(0))?;
    let mut fields = SliceReader::new(content(init, Tag::Sequence)?).ok()?;
    while !fields.is_finished() {
        let (tag, value) = element(&mut fields)?;
        if tag == context(2) {
            let (mechanism, rest) = framed(content(value, Tag::OctetString)?)?;
            return KERBEROS.contains(&mechanism).then(|| rest.strip_prefix(&AP_REQ))?;
        }
    }
    None
}

/// Mechanism and content of a token's outermost frame (RFC 2743 §3.1).
fn framed(token: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = content(token, Tag::Application { constructed: true, number: TagNumber(0) })?;
    let mut reader = SliceReader::new(inner).ok()?;
    let (tag, mechanism) = element(&mut reader)?;
    let rest = inner.get(inner.len().checked_sub(u32::from(reader.remaining_len()).try_into().ok()?)?..)?;
    (tag == Tag::ObjectIdentifier).then_some((mechanism, rest))
}

const fn context(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

fn content(bytes: &[u8], expected: Tag) -> Option<&[u8]> {
    let (tag, value) = element(&mut SliceReader::new(bytes).ok()?)?;
    (tag == expected).then_some(value)
}

fn element<'a>(reader: &mut SliceReader<'a>) -> Option<(Tag, &'a [u8])> {
    let header = Header::decode(reader).ok()?;
    Some((header.tag(), reader.read_slice(header.length()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firmware::kerberos::{AES256, KerberosKey};
    use amt_core::Secret;

    #[test]
    fn an_authenticator_counts_once_until_its_time_is_over() {
        let mut seen = Seen::default();
        assert_eq!(seen.once(1000, 300, vec![1]), Ok(()));
        assert_eq!(seen.once(1001, 300, vec![1]), Err("token replayed"));
        assert_eq!(seen.once(1001, 300, vec![2]), Ok(()));
        assert_eq!(seen.once(1601, 300, vec![1]), Ok(()));
    }

    #[test]
    fn whatever_is_no_token_is_refused() {
        let key = KerberosKey::Passphrase { passphrase: Secret::new("x".into()), salt: "y".into(), iterations: 1 };
        let kerberos = Kerberos { realm: "R".into(), key_version: 1, key, algorithms: vec![AES256], tolerance: 5 };
        let krb5 = [&b"\x60\x0f\x06\x09"[..], KERBEROS[0], &[1, 0, 0x6e, 0]].concat();
        let ntlm = b"\x60\x06\x06\x01\x2a\x01\x02\x03";
        for (token, reason) in [
            (&b""[..], "no Kerberos token"),
            (b"NTLMSSP\0", "no Kerberos token"),
            (ntlm, "no Kerberos token"),
            (b"\x60\x84\xff\xff\xff\xff", "no Kerberos token"),
            (&krb5, "no AP-REQ"),
            (&krb5[..12], "no Kerberos token"),
        ] {
            assert_eq!(client(&kerberos, &mut Seen::default(), 0, token), Err(reason), "{token:02x?}");
        }
    }

    #[test]
    fn integers_are_read_with_their_sign() {
        for (bytes, value) in [(&[18][..], 18), (&[0xff, 0x7b], -133), (&[0, 0x80], 128), (&[1, 0, 0], 65536)] {
            assert_eq!(number(&IntegerAsn1(bytes.to_vec())), Some(value));
        }
        assert_eq!(number(&IntegerAsn1(vec![1; 9])), None);
    }
}
