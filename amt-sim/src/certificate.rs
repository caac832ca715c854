//! Certificates and certification requests that the virtual machines make and read.

use crate::keys::{PoolKey, SignatureHash};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_RSA_SHA256, SerialNumber,
};
use x509_parser::prelude::*;

/// Largest certificate blob that firmware takes (`spec/wsman.md` §1.7).
pub const MAX_BLOB: usize = 4100;

/// The certificate that a machine serves before setup: self-signed, made in firmware (`spec/hello-tls.md` §2.3).
pub fn self_signed(key: &PoolKey, serial: [u8; 16]) -> Vec<u8> {
    let pair =
        KeyPair::from_pkcs8_der_and_sign_algo(&key.pkcs8().into(), &PKCS_RSA_SHA256).expect("keys of the pool are RSA");
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Intel(R) AMT self-signed certificate");
    params.distinguished_name.push(DnType::OrganizationName, "Intel Corporation");
    params.not_before = rcgen::date_time_ymd(2022, 1, 1);
    params.not_after = rcgen::date_time_ymd(2037, 12, 31);
    // A leading zero bit keeps the serial positive.
    let mut serial = serial;
    serial[0] &= 0x7f;
    params.serial_number = Some(SerialNumber::from(serial.to_vec()));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.self_signed(&pair).expect("the parameters are fixed").der().to_vec()
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
pub fn sign_request(null_signed: &[u8], key: &PoolKey, hash: SignatureHash) -> Result<Vec<u8>, RequestFault> {
    let (rest, request) = X509CertificationRequest::from_der(null_signed).map_err(|_| RequestFault::Unreadable)?;
    if !rest.is_empty() {
        return Err(RequestFault::Unreadable);
    }
    let info = &request.certification_request_info;
    if info.subject_pki.subject_public_key.data.as_ref() != key.public_pkcs1() {
        return Err(RequestFault::KeyMismatch);
    }
    let signature = key.sign(hash, info.raw);
    let last = match hash {
        SignatureHash::Sha256 => 11,
        SignatureHash::Sha384 => 12,
    };
    let oid = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last, 0x05, 0];
    let mut bits = vec![0];
    bits.extend_from_slice(&signature);
    Ok(tlv(0x30, &[info.raw, &tlv(0x30, &[&oid]), &tlv(0x03, &[&bits])]))
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

    fn request(key: &PoolKey) -> Vec<u8> {
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key.pkcs8().into(), &PKCS_RSA_SHA256).unwrap();
        let params = CertificateParams::new(vec!["pc1.example.com".to_owned()]).unwrap();
        params.serialize_request(&pair).unwrap().der().to_vec()
    }

    #[test]
    fn the_factory_certificate_is_self_signed_and_distinct() {
        let one = self_signed(keys::key(1), [0xff; 16]);
        let two = self_signed(keys::key(1), [1; 16]);
        assert_ne!(one, two);
        let facts = facts(&one).unwrap();
        assert!(facts.is_ca && facts.self_signed);
        assert_eq!(facts.public_key, keys::key(1).public_pkcs1());
        assert!(super::facts(b"none").is_none());
    }

    #[test]
    fn a_request_is_signed_anew_and_its_key_must_be_the_pairs() {
        let mut null_signed = request(keys::key(2));
        let end = null_signed.len();
        null_signed[end - 256..].fill(0);
        let signed = sign_request(&null_signed, keys::key(2), SignatureHash::Sha256).unwrap();
        let (_, parsed) = X509CertificationRequest::from_der(&signed).unwrap();
        parsed.verify_signature().unwrap();
        let signed = sign_request(&null_signed, keys::key(2), SignatureHash::Sha384).unwrap();
        X509CertificationRequest::from_der(&signed).unwrap().1.verify_signature().unwrap();
        assert_eq!(sign_request(&null_signed, keys::key(3), SignatureHash::Sha256), Err(RequestFault::KeyMismatch));
        assert_eq!(sign_request(b"x", keys::key(3), SignatureHash::Sha256), Err(RequestFault::Unreadable));
    }
}
