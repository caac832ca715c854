//! The firmware's judgement of a client certificate chain (`spec/hello-tls.md` §2.3).
//!
//! In setup mode the chain is what authorises the setup server; after setup a chain is asked for only with mutual
//! authentication. Every reason is listed, in the order in which firmware would meet it.

use crate::persona::RootAlgorithm;
use amt_core::{ErrorCode, Failure};
use sha2::{Digest, Sha256, Sha384};
use std::fmt;
use x509_parser::prelude::*;
use x509_parser::public_key::PublicKey;

/// Extended key usage that marks a provisioning certificate.
pub const OID_PROVISIONING: &str = "2.16.840.1.113741.1.2.3";
/// Subject OU that marks one in the older way; compared exactly.
pub const OU_PROVISIONING: &str = "Intel(R) Client Setup Certificate";
/// Longest chain that is looked at.
pub const MAX_CHAIN: usize = 10;

/// Fingerprint of a trusted root, as the hello lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootHash {
    /// 1 SHA-1, 2 SHA-256, 3 SHA-384.
    pub algorithm: u8,
    /// Digest of the root's DER.
    pub digest: Vec<u8>,
}

impl RootHash {
    /// SHA-256 of this root.
    pub fn sha256(root: &[u8]) -> Self {
        Self { algorithm: 2, digest: Sha256::digest(root).to_vec() }
    }

    /// SHA-256 of every certificate in a file: PEM with one or more, or one DER.
    ///
    /// # Errors
    /// `CERTIFICATE_PARSE` if there is no certificate in it, or something else.
    pub fn of_file(content: &[u8]) -> Result<Vec<Self>, Failure> {
        Ok(certificates_of(content)?.iter().map(|der| Self::sha256(der)).collect())
    }

    /// SHA-1 of this root, as firmware before AMT 16 may list it.
    pub fn sha1(root: &[u8]) -> Self {
        Self { algorithm: 1, digest: sha1::Sha1::digest(root).to_vec() }
    }

    /// SHA-384 of this root.
    pub fn sha384(root: &[u8]) -> Self {
        Self { algorithm: 3, digest: Sha384::digest(root).to_vec() }
    }

    /// The hash of this root that firmware with `algorithm` lists.
    pub fn of(algorithm: RootAlgorithm, root: &[u8]) -> Self {
        match algorithm {
            RootAlgorithm::Sha1 => Self::sha1(root),
            RootAlgorithm::Sha256 => Self::sha256(root),
            RootAlgorithm::Sha384 => Self::sha384(root),
        }
    }

    fn is_of(&self, root: &[u8]) -> bool {
        match self.algorithm {
            1 => self.digest == sha1::Sha1::digest(root).as_slice(),
            2 => self.digest == Sha256::digest(root).as_slice(),
            3 => self.digest == Sha384::digest(root).as_slice(),
            _ => false,
        }
    }
}

/// Every certificate in a file, DER: PEM with one or more, or one DER.
///
/// # Errors
/// `CERTIFICATE_PARSE` if there is no certificate in it, or something else.
pub fn certificates_of(content: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let bad = |what: &str| Failure::new(ErrorCode::CERTIFICATE_PARSE, "sim", what.to_owned());
    let certificates: Vec<Vec<u8>> = if content.starts_with(b"0") && !content.starts_with(b"0\n") {
        vec![content.to_vec()]
    } else {
        Pem::iter_from_buffer(content)
            .filter(|pem| pem.as_ref().map_or(true, |pem| pem.label == "CERTIFICATE"))
            .map(|pem| pem.map(|pem| pem.contents))
            .collect::<Result<_, _>>()
            .map_err(|e| bad(&e.to_string()))?
    };
    if certificates.is_empty() {
        return Err(bad("no certificate in the file"));
    }
    for der in &certificates {
        match X509Certificate::from_der(der) {
            Ok(([], _)) => {}
            _ => return Err(bad("not a certificate in PEM or DER")),
        }
    }
    Ok(certificates)
}

/// Bits of a certificate's RSA key.
pub(crate) fn rsa_bits(certificate: &[u8]) -> Option<usize> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()),
        _ => None,
    }
}

/// What a chain is measured against.
#[derive(Clone, Debug)]
pub struct ChainRules {
    /// Active root hashes.
    pub roots: Vec<RootHash>,
    /// DNS suffix: from the setup menu, else from DHCP.
    pub suffix: Option<String>,
    /// Those that the machine's own system has told: the name must fit one of these instead. Empty: none told.
    pub told_suffixes: Vec<String>,
    /// Smallest RSA modulus, on every link.
    pub min_rsa_bits: usize,
    /// Whether SHA-1 signatures are accepted.
    pub allow_sha1: bool,
    /// Seconds since 1970 to hold the validity against; absent: not enforced.
    pub now: Option<i64>,
}

/// Why a chain is refused. The number is the position in the chain as sent, leaf 0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainFault {
    /// The client sent no certificate.
    NoCertificate,
    /// More certificates than [`MAX_CHAIN`].
    TooLong,
    /// Not a certificate.
    Unreadable(usize),
    /// The last certificate sent is not self-signed: the root was not sent.
    RootNotSent,
    /// The root's hash is not in the active list.
    RootUnknown,
    /// This certificate is not issued and signed by the next one.
    Broken(usize),
    /// A key other than RSA.
    KeyType(usize),
    /// An RSA key below the minimum.
    KeySmall(usize, usize),
    /// A SHA-1 signature.
    Sha1(usize),
    /// Outside its validity.
    Expired(usize),
    /// The leaf is not a server certificate.
    NotServer,
    /// The leaf has neither the OID nor the OU.
    NotProvisioning,
    /// The leaf's common name does not fit the DNS suffix.
    Suffix {
        /// Common name.
        name: String,
        /// The machine's suffix.
        suffix: String,
    },
    /// The machine knows no DNS suffix.
    NoSuffix,
    /// A certificate for a machine that waits for a pre-shared key.
    NotPsk,
    /// Another leaf than the one that the machine's own system told.
    NotTold,
    /// Mutual authentication: the leaf's common name is not in TrustedCN.
    NotTrustedName(String),
}

impl ChainFault {
    /// Stable short name, as audit and truth file carry it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoCertificate => "no-certificate",
            Self::TooLong => "too-long",
            Self::Unreadable(_) => "unreadable",
            Self::RootNotSent => "root-not-sent",
            Self::RootUnknown => "root-unknown",
            Self::Broken(_) => "broken",
            Self::KeyType(_) => "key-type",
            Self::KeySmall(..) => "key-small",
            Self::Sha1(_) => "sha1",
            Self::Expired(_) => "expired",
            Self::NotServer => "not-server",
            Self::NotProvisioning => "not-provisioning",
            Self::Suffix { .. } => "suffix",
            Self::NoSuffix => "no-suffix",
            Self::NotPsk => "not-psk",
            Self::NotTold => "not-told",
            Self::NotTrustedName(_) => "not-trusted-name",
        }
    }
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeySmall(at, bits) => write!(f, "key-small: certificate {at} has {bits} bits"),
            Self::Suffix { name, suffix } => write!(f, "suffix: {name:?} does not fit {suffix:?}"),
            Self::NotTrustedName(name) => write!(f, "not-trusted-name: {name:?}"),
            Self::Unreadable(at) | Self::Broken(at) | Self::KeyType(at) | Self::Sha1(at) | Self::Expired(at) => {
                write!(f, "{}: certificate {at}", self.name())
            }
            _ => f.write_str(self.name()),
        }
    }
}

/// Judges a provisioning chain, leaf first as sent. Empty: accepted.
pub fn judge(rules: &ChainRules, chain: &[Vec<u8>]) -> Vec<ChainFault> {
    let (certificates, mut faults) = read(chain);
    let Some(leaf) = certificates.first().filter(|_| faults.is_empty()) else { return faults };
    judge_path(rules, &certificates, &mut faults);
    // A leaf that is its own root is no chain.
    if certificates.len() == 1 && !faults.contains(&ChainFault::RootNotSent) {
        faults.push(ChainFault::RootNotSent);
    }

    // A certificate without the extension is good for everything (RFC 5280 §4.2.1.12).
    let usage = leaf.extended_key_usage().ok().flatten().map(|e| e.value.clone());
    if usage.as_ref().is_some_and(|u| !u.server_auth) {
        faults.push(ChainFault::NotServer);
    }
    let oid = usage.as_ref().is_some_and(|u| u.other.iter().any(|o| o.to_id_string() == OID_PROVISIONING));
    let ou = leaf.subject().iter_organizational_unit().any(|a| a.as_str() == Ok(OU_PROVISIONING));
    if !oid && !ou {
        faults.push(ChainFault::NotProvisioning);
    }
    let name = common_name(leaf);
    // What was told stands in place of the machine's own.
    let own = rules.suffix.iter().filter(|_| rules.told_suffixes.is_empty());
    let mut suffixes = rules.told_suffixes.iter().chain(own).peekable();
    match suffixes.peek().copied() {
        None => faults.push(ChainFault::NoSuffix),
        Some(first) if !suffixes.any(|suffix| name_fits(&name, suffix)) => {
            faults.push(ChainFault::Suffix { name, suffix: first.clone() });
        }
        Some(_) => {}
    }
    faults
}

/// Whether each certificate is signed by the next one.
#[cfg(test)]
pub(crate) fn is_linked(chain: &[Vec<u8>]) -> bool {
    let (certificates, mut faults) = read(chain);
    judge_links(&certificates, &mut faults);
    faults.is_empty()
}

/// Judges a chain after setup, with mutual authentication: a path to one of the machine's trusted roots and, if
/// the list is not empty, a common name that is in `trusted_names` or below a domain there (`spec/profile.md` §2.2). The root itself need
/// not be sent.
pub fn judge_mutual(roots: &[Vec<u8>], trusted_names: &[String], chain: &[Vec<u8>]) -> Vec<ChainFault> {
    let (certificates, mut faults) = read(chain);
    let Some(leaf) = certificates.first().filter(|_| faults.is_empty()) else { return faults };
    judge_links(&certificates, &mut faults);
    let last = certificates.last().unwrap_or(leaf);
    let anchored = roots.iter().any(|root| {
        let same = chain.last() == Some(root);
        same || X509Certificate::from_der(root)
            .is_ok_and(|(_, root)| last.issuer() == root.subject() && is_signed_by(last, &root))
    });
    if !anchored {
        faults.push(ChainFault::RootUnknown);
    }
    let usage = leaf.extended_key_usage().ok().flatten().map(|e| e.value.client_auth);
    if usage == Some(false) {
        faults.push(ChainFault::NotServer);
    }
    let name = common_name(leaf);
    if !trusted_names.is_empty() && !trusted_names.iter().any(|trusted| is_or_is_below(&name, trusted)) {
        faults.push(ChainFault::NotTrustedName(name));
    }
    faults
}

fn read(chain: &[Vec<u8>]) -> (Vec<X509Certificate<'_>>, Vec<ChainFault>) {
    if chain.is_empty() {
        return (Vec::new(), vec![ChainFault::NoCertificate]);
    }
    if chain.len() > MAX_CHAIN {
        return (Vec::new(), vec![ChainFault::TooLong]);
    }
    let mut certificates = Vec::new();
    let mut faults = Vec::new();
    for (at, der) in chain.iter().enumerate() {
        match X509Certificate::from_der(der) {
            Ok(([], certificate)) => certificates.push(certificate),
            _ => faults.push(ChainFault::Unreadable(at)),
        }
    }
    (certificates, faults)
}

fn judge_path(rules: &ChainRules, certificates: &[X509Certificate<'_>], faults: &mut Vec<ChainFault>) {
    let last = certificates.last().expect("the caller saw a leaf");
    // A chain of one self-signed certificate has a root, if a strange one; a chain that stops below has none.
    if last.subject() != last.issuer() || !is_signed_by(last, last) {
        faults.push(ChainFault::RootNotSent);
    } else if !rules.roots.iter().any(|hash| (rules.allow_sha1 || hash.algorithm != 1) && hash.is_of(last.as_raw())) {
        faults.push(ChainFault::RootUnknown);
    }
    judge_links(certificates, faults);
    for (at, certificate) in certificates.iter().enumerate() {
        match certificate.public_key().parsed() {
            Ok(PublicKey::RSA(key)) if key.key_size() < rules.min_rsa_bits => {
                faults.push(ChainFault::KeySmall(at, key.key_size()));
            }
            Ok(PublicKey::RSA(_)) => {}
            _ => faults.push(ChainFault::KeyType(at)),
        }
        if !rules.allow_sha1 && is_sha1(certificate) {
            faults.push(ChainFault::Sha1(at));
        }
        let validity = certificate.validity();
        if rules.now.is_some_and(|now| now < validity.not_before.timestamp() || now > validity.not_after.timestamp()) {
            faults.push(ChainFault::Expired(at));
        }
    }
}

fn judge_links(certificates: &[X509Certificate<'_>], faults: &mut Vec<ChainFault>) {
    for (at, pair) in certificates.windows(2).enumerate() {
        let [child, parent] = pair else { continue };
        if child.issuer() != parent.subject() || !is_signed_by(child, parent) {
            faults.push(ChainFault::Broken(at));
        }
    }
}

/// Checks a signature, weak keys and hashes included: whether those are accepted is another question.
fn is_signed_by(child: &X509Certificate<'_>, parent: &X509Certificate<'_>) -> bool {
    use ring::signature::{
        RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, UnparsedPublicKey, VerificationAlgorithm,
    };
    let algorithm: &dyn VerificationAlgorithm = match child.signature_algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.5" => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        "1.2.840.113549.1.1.11" => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        "1.2.840.113549.1.1.13" => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        _ => return child.verify_signature(Some(parent.public_key())).is_ok(),
    };
    let key = &parent.public_key().subject_public_key.data;
    UnparsedPublicKey::new(algorithm, key).verify(child.tbs_certificate.as_ref(), &child.signature_value.data).is_ok()
}

fn is_sha1(certificate: &X509Certificate<'_>) -> bool {
    let oid = certificate.signature_algorithm.algorithm.to_id_string();
    // sha1WithRSAEncryption, its older name, ecdsa-with-SHA1, and md5WithRSAEncryption, which is worse.
    matches!(oid.as_str(), "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" | "1.2.840.113549.1.1.4")
}

/// Whether `name` is `trusted`, or a name below that domain; capitals make no difference.
fn is_or_is_below(name: &str, trusted: &str) -> bool {
    let (name, trusted) = (name.to_ascii_lowercase(), trusted.to_ascii_lowercase());
    name == trusted || name.strip_suffix(&trusted).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

fn common_name(certificate: &X509Certificate<'_>) -> String {
    certificate.subject().iter_common_name().next().and_then(|a| a.as_str().ok()).unwrap_or_default().to_owned()
}

/// Whether a common name fits a DNS suffix, by the rule of current firmware: the name is cut to as many labels as
/// its top-level domain calls for, and the suffix must be that domain or below it.
pub fn name_fits(name: &str, suffix: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let suffix = suffix.trim_matches('.').to_ascii_lowercase();
    let name = name.strip_prefix("*.").unwrap_or(&name);
    let labels: Vec<&str> = name.split('.').collect();
    let keep = match labels.last() {
        Some(tld) if TWO_LABELS.contains(tld) => 2,
        Some(tld) if THREE_LABELS.contains(tld) => 3,
        _ => labels.len(),
    };
    let cut = labels[labels.len().saturating_sub(keep)..].join(".");
    !cut.is_empty() && (suffix == cut || suffix.strip_suffix(&cut).is_some_and(|rest| rest.ends_with('.')))
}

const TWO_LABELS: &[&str] = &["com", "net", "org", "gov", "edu", "de", "ch", "dk", "cz", "cl", "ua"];
const THREE_LABELS: &[&str] = &[
    "arpa", "fr", "cn", "nl", "br", "mx", "uk", "pl", "tw", "ca", "fi", "be", "ru", "se", "ar", "es", "no", "at", "in",
    "tr", "ro", "hu", "nz", "pt", "il", "gr", "co", "ie", "za", "th", "sg", "hk", "lt", "id", "hr", "ee", "bg",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_trusted_by_name_or_domain() {
        for (name, trusted, is) in [
            ("console.example.com", "console.example.com", true),
            ("Console.example.com", "EXAMPLE.com", true),
            ("console.example.com", "ample.com", false),
            (".example.com", "example.com", false),
            ("example.com", "console.example.com", false),
        ] {
            assert_eq!(is_or_is_below(name, trusted), is, "{name} {trusted}");
        }
    }

    #[test]
    fn names_fit_suffixes_by_the_top_level_domain() {
        for (name, suffix, fits) in [
            ("provision.example.com", "example.com", true),
            ("provision.example.com", "corp.example.com", true),
            ("PROVISION.Example.COM", "corp.example.com", true),
            ("*.example.com", "example.com", true),
            ("provision.example.com", "example.org", false),
            ("provision.example.com", "notexample.com", false),
            ("www.example.co.uk", "corp.example.co.uk", true),
            ("www.example.co.uk", "other.co.uk", false),
            ("provision.corp.test", "corp.test", false),
            ("corp.test", "lab.corp.test", true),
            ("", "example.com", false),
        ] {
            assert_eq!(name_fits(name, suffix), fits, "{name} against {suffix}");
        }
    }

    #[test]
    fn roots_are_read_from_pem_and_der() {
        let der = crate::certificate::self_signed(&crate::Persona::default().self_signed, crate::keys::key(0), [1; 16]);
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &der);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        let expected = vec![RootHash::sha256(&der)];
        assert_eq!(RootHash::of_file(&der).unwrap(), expected);
        assert_eq!(RootHash::of_file(pem.as_bytes()).unwrap(), expected);
        assert_eq!(RootHash::of_file(pem.repeat(2).as_bytes()).unwrap().len(), 2);
        for bad in ["", "hello", "0", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(RootHash::of_file(bad.as_bytes()).unwrap_err().code, ErrorCode::CERTIFICATE_PARSE, "{bad:?}");
        }
    }

    #[test]
    fn nothing_and_garbage_are_refused() {
        let rules = ChainRules {
            roots: vec![],
            suffix: None,
            told_suffixes: vec![],
            min_rsa_bits: 2048,
            allow_sha1: false,
            now: None,
        };
        assert_eq!(judge(&rules, &[]), [ChainFault::NoCertificate]);
        assert_eq!(judge(&rules, &[vec![1, 2, 3]]), [ChainFault::Unreadable(0)]);
        assert_eq!(judge(&rules, &vec![vec![]; MAX_CHAIN + 1]), [ChainFault::TooLong]);
    }
}
