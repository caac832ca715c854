//! Certificates and certification requests that the virtual machines make and read.

use crate::keys::{DeviceKey, PoolKey, SignatureHash};
use crate::persona::{Dates, SelfSigned};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_RSA_SHA256,
    PKCS_RSA_SHA384, SerialNumber,
};
use x509_parser::prelude::*;

/// Largest certificate blob that firmware takes (`spec/wsman.md` §1.7).
pub const MAX_BLOB: usize = 4100;

/// The certificate that a machine serves before setup: self-signed, made in firmware (`spec/hello-tls.md` §2.3).
pub fn self_signed(persona: &SelfSigned, key: &PoolKey, serial: [u8; 16]) -> Vec<u8> {
    // A leading zero bit keeps the serial positive, a leading one keeps it from being shortened.
    let mut serial = serial;
    serial[0] = serial[0] & 0x7f | 0x40;
    if persona.dates == Dates::Zero || persona.hash == SignatureHash::Sha1 {
        return old_self_signed(persona, key, serial);
    }
    let algorithm = if persona.hash == SignatureHash::Sha384 { &PKCS_RSA_SHA384 } else { &PKCS_RSA_SHA256 };
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key.pkcs8().into(), algorithm)
        .expect("a persona with a key that ring cannot sign with is refused");
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, COMMON_NAME);
    params.distinguished_name.push(DnType::OrganizationName, ORGANIZATION);
    params.not_before = rcgen::date_time_ymd(2022, 1, 1);
    params.not_after = rcgen::date_time_ymd(2037, 12, 31);
    params.serial_number = Some(SerialNumber::from(serial.to_vec()));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.self_signed(&pair).expect("the parameters are fixed").der().to_vec()
}

const COMMON_NAME: &str = "Intel(R) AMT self-signed certificate";
const ORGANIZATION: &str = "Intel Corporation";

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const NULL: &[u8] = &[0x05, 0];
const RSA_ENCRYPTION: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// Attribute types of a name: 2.5.4.3 and 2.5.4.10.
const COMMON_NAME_TYPE: &[u8] = &[0x06, 3, 0x55, 4, 3];
const ORGANIZATION_TYPE: &[u8] = &[0x06, 3, 0x55, 4, 10];

/// The certificate of old firmware, put together by hand: libraries make neither SHA-1 signatures nor dates of zeroes. It is
/// of version 1, without extensions.
fn old_self_signed(persona: &SelfSigned, key: &PoolKey, serial: [u8; 16]) -> Vec<u8> {
    let attribute =
        |kind: &[u8], text: &str| tlv(SET, &[&tlv(SEQUENCE, &[kind, &tlv(UTF8_STRING, &[text.as_bytes()])])]);
    let (common, organization) = (attribute(COMMON_NAME_TYPE, COMMON_NAME), attribute(ORGANIZATION_TYPE, ORGANIZATION));
    let name = tlv(SEQUENCE, &[&common, &organization]);
    let (not_before, not_after) = match persona.dates {
        Dates::Plausible => ("080101000000Z", "371231000000Z"),
        Dates::Zero => ("000000000000Z", "000000000000Z"),
    };
    let validity = tlv(SEQUENCE, &[&tlv(UTC_TIME, &[not_before.as_bytes()]), &tlv(UTC_TIME, &[not_after.as_bytes()])]);
    let public = tlv(BIT_STRING, &[&[0], key.public_pkcs1()]);
    let public = tlv(SEQUENCE, &[&tlv(SEQUENCE, &[RSA_ENCRYPTION, NULL]), &public]);
    let content = [&tlv(INTEGER, &[&serial]), &algorithm(persona.hash), &name, &validity, &name, &public];
    let content = tlv(SEQUENCE, &content.map(Vec::as_slice));
    let signature = key.sign(persona.hash, &content);
    signed(&content, persona.hash, &signature)
}

/// What the firmware reads from a certificate that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Subject, as text.
    pub subject: String,
    /// Issuer, as text.
    pub issuer: String,
    /// The subject's public key, PKCS#1 `RSAPublicKey` for RSA.
    pub public_key: Vec<u8>,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// Whether it signed itself.
    pub self_signed: bool,
}

/// Reads a certificate; nothing if it is none, or has bytes behind it.
pub fn facts(der: &[u8]) -> Option<Facts> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then(|| Facts {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        public_key: certificate.public_key().subject_public_key.data.to_vec(),
        is_ca: certificate.is_ca(),
        self_signed: certificate.subject() == certificate.issuer(),
    })
}

/// Why a null-signed request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// Not a PKCS#10 request.
    Unreadable,
    /// Its public key is not that of the key pair.
    KeyMismatch,
}

/// Replaces the signature of a null-signed PKCS#10 request with a real one by `key`.
pub fn sign_request(null_signed: &[u8], key: &DeviceKey, hash: SignatureHash) -> Result<Vec<u8>, RequestFault> {
    let (rest, request) = X509CertificationRequest::from_der(null_signed).map_err(|_| RequestFault::Unreadable)?;
    if !rest.is_empty() {
        return Err(RequestFault::Unreadable);
    }
    let info = &request.certification_request_info;
    if info.subject_pki.subject_public_key.data.as_ref() != key.public_pkcs1() {
        return Err(RequestFault::KeyMismatch);
    }
    let signature = key.sign(hash, info.raw);
    Ok(signed(info.raw, hash, &signature))
}

/// What was signed, the algorithm, and the signature: the outer shape of requests and certificates.
fn signed(content: &[u8], hash: SignatureHash, signature: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[content, &algorithm(hash), &tlv(BIT_STRING, &[&[0], signature])])
}

fn algorithm(hash: SignatureHash) -> Vec<u8> {
    let last = match hash {
        SignatureHash::Sha1 => 5,
        SignatureHash::Sha256 => 11,
        SignatureHash::Sha384 => 12,
    };
    tlv(SEQUENCE, &[&[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last], NULL])
}

/// One DER element around `parts`.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|p| p.len()).sum();
    let mut out = vec![tag];
    let bytes = length.to_be_bytes();
    let significant: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
    match significant.as_slice() {
        [] => out.push(0),
        [one] if *one < 0x80 => out.push(*one),
        more => {
            out.push(0x80 | u8::try_from(more.len()).unwrap_or(0));
            out.extend_from_slice(more);
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;
    use crate::persona::Persona;

    fn request(key: &PoolKey) -> Vec<u8> {
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key.pkcs8().into(), &PKCS_RSA_SHA256).unwrap();
        let params = CertificateParams::new(vec!["pc1.example.com".to_owned()]).unwrap();
        params.serialize_request(&pair).unwrap().der().to_vec()
    }

    #[test]
    fn the_factory_certificate_is_self_signed_and_distinct() {
        let one = self_signed(&Persona::default().self_signed, keys::key(1), [0xff; 16]);
        let two = self_signed(&Persona::default().self_signed, keys::key(1), [1; 16]);
        assert_ne!(one, two);
        let facts = facts(&one).unwrap();
        assert!(facts.is_ca && facts.self_signed);
        assert_eq!(facts.public_key, keys::key(1).public_pkcs1());
        assert!(super::facts(b"none").is_none());
    }

    #[test]
    fn a_request_is_signed_anew_and_its_key_must_be_the_pairs() {
        let [two, three] = [2, 3].map(|index| DeviceKey::Pool(keys::key(index)));
        let mut null_signed = request(keys::key(2));
        let end = null_signed.len();
        null_signed[end - 256..].fill(0);
        let signed = sign_request(&null_signed, &two, SignatureHash::Sha256).unwrap();
        let (_, parsed) = X509CertificationRequest::from_der(&signed).unwrap();
        parsed.verify_signature().unwrap();
        let signed = sign_request(&null_signed, &two, SignatureHash::Sha384).unwrap();
        X509CertificationRequest::from_der(&signed).unwrap().1.verify_signature().unwrap();
        assert_eq!(sign_request(&null_signed, &three, SignatureHash::Sha256), Err(RequestFault::KeyMismatch));
        assert_eq!(sign_request(b"x", &three, SignatureHash::Sha256), Err(RequestFault::Unreadable));
    }
}
