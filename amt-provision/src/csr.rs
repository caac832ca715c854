//! PKCS#10 requests for keys that never leave the machine.
//!
//! The firmware hands out the public half as PKCS#1, takes a request with any signature and returns it signed
//! (`spec/wsman.md` §3.8, §4(e) 3–6).

use crate::ca::Purpose;
use amt_core::{ErrorCode, Failure};
use der::asn1::{BitString, Ia5String, ObjectIdentifier, OctetString};
use der::{Decode, Encode};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use std::str::FromStr;
use x509_cert::Certificate;
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, ExtensionReq, Version};

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");

/// `id-kp-clientAuth`.
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

/// Largest certificate or request taken from a machine or an authority; AMT's own limit is 4100 bytes (`spec/wsman.md` §1.7).
pub const MAX_DER: usize = 16 * 1024;

fn bad(what: &str) -> Failure {
    Failure::new(ErrorCode::CSR_INVALID, "sign-request", what)
}

/// A request for `common_name` and `dns_names` over the RSA key `pkcs1`, with an empty signature for the firmware to replace.
/// For a client it asks for the extended key usage `clientAuth`; what a server's certificate is for, authorities know.
///
/// # Errors
/// `CSR_INVALID` if `pkcs1` is not an RSA public key or a name cannot be encoded.
pub fn null_signed(
    pkcs1: &[u8],
    common_name: &str,
    dns_names: &[String],
    purpose: Purpose,
) -> Result<Vec<u8>, Failure> {
    let names = dns_names
        .iter()
        .map(|name| Ia5String::new(name).map(GeneralName::DnsName))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| bad("a DNS name is not ASCII"))?;
    let build = || -> der::Result<Vec<u8>> {
        let extension = |extn_id, value: Vec<u8>| {
            der::Result::Ok(Extension { extn_id, critical: false, extn_value: OctetString::new(value)? })
        };
        let mut extensions = Vec::new();
        if !names.is_empty() {
            extensions.push(extension(SUBJECT_ALT_NAME, SubjectAltName(names).to_der()?)?);
        }
        if purpose == Purpose::Client {
            extensions.push(extension(EXTENDED_KEY_USAGE, ExtendedKeyUsage(vec![CLIENT_AUTH]).to_der()?)?);
        }
        let mut attributes = Attributes::default();
        if !extensions.is_empty() {
            attributes.insert(Attribute::try_from(ExtensionReq(extensions))?)?;
        }
        let algorithm = AlgorithmIdentifierOwned { oid: SHA256_WITH_RSA, parameters: Some(der::asn1::Any::null()) };
        let info = CertReqInfo {
            version: Version::V1,
            subject: Name::from_str(&format!("CN={}", escape(common_name)))?,
            public_key: wrap(pkcs1)?,
            attributes,
        };
        CertReq { info, algorithm, signature: BitString::from_bytes(&[])? }.to_der()
    };
    build().map_err(|_| bad("the key of the machine is not an RSA public key, or the name cannot be encoded"))
}

/// Checks that `csr`, as signed by the machine, is for the key `pkcs1`. The signature itself is checked where there is a
/// crypto library.
///
/// # Errors
/// `CSR_INVALID`.
pub fn check_key(csr: &[u8], pkcs1: &[u8]) -> Result<(), Failure> {
    if csr.len() > MAX_DER {
        return Err(bad("the request is too large"));
    }
    let request =
        CertReq::from_der(csr).map_err(|_| bad("the machine returned something that is not a PKCS#10 request"))?;
    let same = request.info.public_key.subject_public_key.as_bytes() == Some(pkcs1);
    if !same {
        return Err(bad("the machine returned a request for another key"));
    }
    if request.signature.as_bytes().is_none_or(<[u8]>::is_empty) {
        return Err(bad("the machine returned the request without a signature"));
    }
    Ok(())
}

/// The PKCS#1 public key that `csr` asks for.
///
/// # Errors
/// `CSR_INVALID` if it is not a request.
pub fn request_key(csr: &[u8]) -> Result<Vec<u8>, Failure> {
    if csr.len() > MAX_DER {
        return Err(bad("the request is too large"));
    }
    let request = CertReq::from_der(csr).map_err(|_| bad("this is not a PKCS#10 request"))?;
    let key = request.info.public_key.subject_public_key.as_bytes();
    Ok(key.ok_or_else(|| bad("the key of the request is damaged"))?.to_vec())
}

/// The PKCS#1 public key that `certificate` was issued for.
///
/// # Errors
/// `CA_CERTIFICATE_WRONG` if it is not a certificate.
pub fn certificate_key(certificate: &[u8]) -> Result<Vec<u8>, Failure> {
    let wrong = |what: &str| Failure::new(ErrorCode::CA_CERTIFICATE_WRONG, "certify", what);
    if certificate.len() > MAX_DER {
        return Err(wrong("the certificate is too large"));
    }
    let parsed =
        Certificate::from_der(certificate).map_err(|_| wrong("the authority's answer is not a certificate"))?;
    let key = &parsed.tbs_certificate().subject_public_key_info().subject_public_key;
    Ok(key.as_bytes().ok_or_else(|| wrong("the certificate's key is damaged"))?.to_vec())
}

/// Whether `certificate` carries `name`, as a DNS name or as its subject. False for what is no certificate.
pub fn is_for(certificate: &[u8], name: &str) -> bool {
    if certificate.len() > MAX_DER {
        return false;
    }
    let Ok(parsed) = Certificate::from_der(certificate) else { return false };
    let inner = parsed.tbs_certificate();
    let subject = inner.subject().common_name().ok().flatten();
    let subject = subject.is_some_and(|subject| subject.value().eq_ignore_ascii_case(name));
    let alternatives = inner.get_extension::<SubjectAltName>().ok().flatten();
    subject
        || alternatives.is_some_and(|(_, SubjectAltName(all))| {
            all.iter()
                .any(|other| matches!(other, GeneralName::DnsName(other) if other.as_str().eq_ignore_ascii_case(name)))
        })
}

/// The first common name of the subject of `certificate`: by it firmware knows a client (`TrustedCN`).
pub(crate) fn common_name(certificate: &[u8]) -> Option<String> {
    let parsed =
        Some(certificate).filter(|der| der.len() <= MAX_DER).and_then(|der| Certificate::from_der(der).ok())?;
    let name = parsed.tbs_certificate().subject().common_name().ok().flatten()?;
    Some(name.value().into_owned())
}

/// Whether a machine that trusts clients of the name or domain `trusted` trusts one of the common name `name` (`spec/profile.md` §2.2).
pub fn is_trusted_name(name: &str, trusted: &str) -> bool {
    let (name, trusted) = (name.to_ascii_lowercase(), trusted.to_ascii_lowercase());
    name == trusted || name.strip_suffix(&trusted).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// Whether `chain`, leaf first, leads to `root` by the names in it. Signatures are checked where there is a crypto library.
pub(crate) fn leads_to(chain: &[Vec<u8>], root: &[u8]) -> bool {
    let parse =
        |der: &[u8]| Some(der).filter(|der| der.len() <= MAX_DER).and_then(|der| Certificate::from_der(der).ok());
    let Some(root) = parse(root) else { return false };
    let root = root.tbs_certificate();
    let own = root.subject_public_key_info();
    chain.iter().filter_map(|der| parse(der)).any(|member| {
        let member = member.tbs_certificate();
        // A root is itself in the chain, or only the name of the last one's issuer.
        (member.subject() == root.subject() && member.subject_public_key_info() == own)
            || (member.issuer() == root.subject() && member.subject() != member.issuer())
    })
}

/// Whether somebody else than its subject issued `certificate`. False for a root, and for what is no certificate.
pub fn has_issuer(certificate: &[u8]) -> bool {
    if certificate.len() > MAX_DER {
        return false;
    }
    Certificate::from_der(certificate).is_ok_and(|parsed| {
        let inner = parsed.tbs_certificate();
        inner.subject() != inner.issuer()
    })
}

/// How long a certificate is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Validity {
    /// From when, seconds since 1970, UTC.
    pub not_before: i64,
    /// Until when.
    pub not_after: i64,
}

impl Validity {
    /// What `certificate` says; nothing for what is no certificate.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        if certificate.len() > MAX_DER {
            return None;
        }
        let parsed = Certificate::from_der(certificate).ok()?;
        let validity = parsed.tbs_certificate().validity();
        let seconds = |time: &x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).ok();
        Some(Self { not_before: seconds(&validity.not_before)?, not_after: seconds(&validity.not_after)? })
    }

    /// When `percent` of its life are over.
    pub fn at(&self, percent: u8) -> i64 {
        let life = i128::from(self.not_after) - i128::from(self.not_before);
        let passed = life.max(0) * i128::from(percent.min(100)) / 100;
        // Between two numbers that fit.
        i64::try_from(i128::from(self.not_before) + passed).unwrap_or(self.not_after)
    }
}

fn wrap(pkcs1: &[u8]) -> der::Result<SubjectPublicKeyInfoOwned> {
    // Only that it is one SEQUENCE is checked: the firmware refuses a wrong key itself.
    der::asn1::AnyRef::from_der(pkcs1)?.sequence(|r| {
        der::asn1::UintRef::decode(r)?;
        der::asn1::UintRef::decode(r).map(|_| ())
    })?;
    Ok(SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifierOwned { oid: RSA_ENCRYPTION, parameters: Some(der::asn1::Any::null()) },
        subject_public_key: BitString::from_bytes(pkcs1)?,
    })
}

/// RFC 4514 escaping, so that a name never becomes two.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, c) in text.char_indices() {
        let edge = (i == 0 && matches!(c, ' ' | '#')) || (c == ' ' && i + 1 == text.len());
        if edge || matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SEQUENCE { INTEGER 0x00c1…, INTEGER 65537 } with a short modulus: enough for the encoding.
    const PKCS1: &[u8] = &[0x30, 0x0b, 0x02, 0x04, 0x00, 0xc1, 0x22, 0x33, 0x02, 0x03, 0x01, 0x00, 0x01];

    #[test]
    fn a_client_is_trusted_by_its_name_or_a_domain_of_it() {
        for (name, trusted, is) in [
            ("console.example.com", "Console.Example.com", true),
            ("console.example.com", "example.com", true),
            ("console.example.com", "ample.com", false),
            ("example.com", "console.example.com", false),
            (".example.com", "example.com", false),
            ("console.example.com", "", false),
        ] {
            assert_eq!(is_trusted_name(name, trusted), is, "{name} {trusted}");
        }
    }

    #[test]
    fn the_request_carries_names_and_key() {
        let names = ["pc1.example.com".to_owned(), "pc1".to_owned()];
        let der = null_signed(PKCS1, "pc1.example.com", &names, Purpose::Server).unwrap();
        let request = CertReq::from_der(&der).unwrap();
        assert_eq!(request.info.subject.to_string(), "CN=pc1.example.com");
        assert_eq!(request.info.public_key.subject_public_key.as_bytes(), Some(PKCS1));
        assert_eq!(request.info.attributes.len(), 1);
        let client_auth = CLIENT_AUTH.to_der().unwrap();
        let asks = |der: &[u8]| der.windows(client_auth.len()).any(|part| part == client_auth);
        assert!(!asks(&der) && asks(&null_signed(PKCS1, "pc1", &[], Purpose::Client).unwrap()));
        assert!(check_key(&der, PKCS1).unwrap_err().message.contains("without a signature"));
    }

    #[test]
    fn a_name_with_separators_stays_one_name() {
        let der = null_signed(PKCS1, "a,CN=b+C=d", &[], Purpose::Server).unwrap();
        let request = CertReq::from_der(&der).unwrap();
        assert_eq!(request.info.subject.common_name().unwrap().unwrap().value(), "a,CN=b+C=d");
    }

    #[test]
    fn a_certificate_is_for_its_subject_and_its_dns_names() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["pc1.example.com".to_owned(), "pc1".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Desk 7");
        let der = params.self_signed(&key).unwrap().der().to_vec();
        for name in ["pc1.example.com", "PC1", "Desk 7"] {
            assert!(is_for(&der, name), "{name}");
        }
        for other in ["pc2.example.com", "example.com", ""] {
            assert!(!is_for(&der, other), "{other}");
        }
    }

    #[test]
    fn a_share_of_life_is_between_its_ends() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["pc1".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 1, 11);
        let validity = Validity::of(params.self_signed(&key).unwrap().der()).unwrap();
        assert_eq!(validity.not_before, 1_767_225_600);
        assert_eq!(validity.at(50), 1_767_225_600 + 5 * 86_400);
        assert_eq!((validity.at(0), validity.at(100)), (validity.not_before, validity.not_after));
        assert_eq!(Validity::of(b"rubbish"), None);
        let odd = Validity { not_before: i64::MAX, not_after: i64::MIN };
        assert_eq!(odd.at(50), i64::MAX, "no life at all");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for cut in 0..PKCS1.len() {
            let refused = null_signed(&PKCS1[..cut], "x", &[], Purpose::Client).unwrap_err();
            assert_eq!(refused.code, ErrorCode::CSR_INVALID);
        }
        assert!(check_key(b"rubbish", PKCS1).is_err());
        assert_eq!(certificate_key(b"rubbish").unwrap_err().code, ErrorCode::CA_CERTIFICATE_WRONG);
        assert!(!is_for(b"rubbish", "rubbish"));
    }
}
