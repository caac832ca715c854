//! Plain facts about a bundle of certificates and keys, as whoever reads X.509 hands them in.

use crate::hello::{HashAlgorithm, Roots};

/// Attribute type `commonName`.
const COMMON_NAME: &str = "2.5.4.3";
/// Attribute type `organizationalUnitName`.
const ORGANIZATIONAL_UNIT: &str = "2.5.4.11";

/// Everything in one PFX, PEM or DER bundle, in the order found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainFacts {
    /// Its certificates, without repetitions.
    pub certificates: Vec<CertFacts>,
    /// Every pair of them whose names fit, with the result of checking the signature; a certificate that names itself as
    /// issuer is paired with itself.
    pub links: Vec<Link>,
    /// Its private keys.
    pub keys: Vec<KeyFacts>,
    /// How it was encrypted, if it is a PFX.
    pub pfx: Option<PfxFacts>,
}

/// One certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct CertFacts {
    /// The certificate itself.
    pub der: Vec<u8>,
    /// SHA-1 of `der`.
    pub sha1: [u8; 20],
    /// SHA-256 of `der`.
    pub sha256: [u8; 32],
    /// SHA-384 of `der`.
    pub sha384: [u8; 48],
    /// SHA-256 of the SubjectPublicKeyInfo: the same for every certificate of one key.
    pub key_sha256: [u8; 32],
    /// Whose it is.
    pub subject: Name,
    /// Who signed it.
    pub issuer: Name,
    /// DNS names in the subject alternative name.
    pub dns_names: Vec<String>,
    /// Start of validity, seconds since 1970.
    pub not_before: i64,
    /// End of validity, seconds since 1970.
    pub not_after: i64,
    /// Kind and size of its key.
    pub key: PublicKey,
    /// Hash in the signature on it.
    pub signature: SignatureHash,
    /// Extended key usages as dotted OIDs; `None` if the extension is absent.
    pub extended_key_usage: Option<Vec<String>>,
    /// Basic constraints say that it may sign others.
    pub is_ca: bool,
}

/// A distinguished name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name {
    /// As encoded.
    pub der: Vec<u8>,
    /// For people.
    pub text: String,
    /// Attribute types (dotted OIDs) and values, in order; values that are no text are left out.
    pub attributes: Vec<(String, String)>,
}

/// Kind and size of a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA with a modulus of so many bits.
    Rsa(u32),
    /// Elliptic curve over a field of so many bits; 0 if the curve is not known.
    Ec(u32),
    /// Anything else, as dotted OID.
    Other(String),
}

/// Hash in a signature algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureHash {
    /// MD5 or older.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224, SHA-256, SHA-384 or SHA-512, by its bits.
    Sha2(u32),
    /// Anything else, as dotted OID of the signature algorithm.
    Other(String),
}

/// A certificate and one whose subject it names as its issuer, both by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The certificate.
    pub certificate: usize,
    /// The one that may have signed it.
    pub issuer: usize,
    /// Whether it did.
    pub signature: LinkSignature,
}

/// Result of checking a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkSignature {
    /// The issuer's key made it.
    Good,
    /// The issuer's key did not make it: another certificate of the same name did.
    Bad,
    /// The algorithm or key size cannot be checked here; the names fit.
    Unchecked,
}

/// One private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// Position of the certificate with this key, if there is one.
    pub certificate: Option<usize>,
}

/// How a PFX is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PfxFacts {
    /// What was found, without repetitions.
    pub encryption: Vec<Encryption>,
    /// Whether it could be opened; if not, nothing else is known of the bundle.
    pub opened: bool,
}

/// An encryption scheme in a PFX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// Its name, for people.
    pub name: String,
    /// Modern stacks open it only with a legacy provider, if at all.
    pub legacy: bool,
}

/// What is known of the certificate that the machine itself presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFacts {
    /// Why it cannot be read, if it cannot.
    pub unreadable: Option<String>,
    /// Validity, seconds since 1970; `None` if the dates are missing, zero or out of order.
    pub validity: Option<(i64, i64)>,
}

impl CertFacts {
    /// Names itself as issuer. Whether the signature is its own tells the link to itself.
    pub fn is_self_issued(&self) -> bool {
        self.subject.is(&self.issuer)
    }

    /// Whether a hello lists this certificate, under any algorithm that can be compared.
    pub fn is_listed(&self, roots: &Roots) -> bool {
        self.listed_under(roots).is_some()
    }

    /// The strongest algorithm under which a hello lists this certificate.
    pub fn listed_under(&self, roots: &Roots) -> Option<HashAlgorithm> {
        [
            (HashAlgorithm::SHA384, self.sha384.as_slice()),
            (HashAlgorithm::SHA256, self.sha256.as_slice()),
            (HashAlgorithm::SHA1, self.sha1.as_slice()),
        ]
        .into_iter()
        .find_map(|(algorithm, fingerprint)| roots.contains(algorithm, fingerprint).then_some(algorithm))
    }

    /// SHA-256 fingerprint in lower-case hex.
    pub fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }
}

impl std::fmt::Debug for CertFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CertFacts({} {})", self.subject.text, self.sha256_hex())
    }
}

impl Name {
    /// Common names, in order.
    pub fn common_names(&self) -> impl Iterator<Item = &str> {
        self.values(COMMON_NAME)
    }

    /// Organisational units, in order.
    pub fn organizational_units(&self) -> impl Iterator<Item = &str> {
        self.values(ORGANIZATIONAL_UNIT)
    }

    /// The same name: byte for byte, or with the same values in another string type, case or spacing.
    pub fn is(&self, other: &Self) -> bool {
        self.der == other.der || (!self.attributes.is_empty() && self.normal() == other.normal())
    }

    fn values(&self, oid: &'static str) -> impl Iterator<Item = &str> {
        self.attributes.iter().filter(move |(kind, _)| kind == oid).map(|(_, value)| value.as_str())
    }

    fn normal(&self) -> Vec<(&str, String)> {
        let value = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        self.attributes.iter().map(|(kind, text)| (kind.as_str(), value(text))).collect()
    }
}

impl PublicKey {
    /// Modulus bits of an RSA key.
    pub const fn rsa_bits(&self) -> Option<u32> {
        match self {
            Self::Rsa(bits) => Some(*bits),
            _ => None,
        }
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA-{bits}"),
            Self::Ec(0) => f.write_str("elliptic-curve"),
            Self::Ec(bits) => write!(f, "elliptic-curve P-{bits}"),
            Self::Other(oid) => write!(f, "key of algorithm {oid}"),
        }
    }
}

impl SignatureHash {
    /// SHA-1 or older.
    pub const fn is_weak(&self) -> bool {
        matches!(self, Self::Md5 | Self::Sha1)
    }
}

impl std::fmt::Display for SignatureHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Md5 => f.write_str("MD5"),
            Self::Sha1 => f.write_str("SHA-1"),
            Self::Sha2(bits) => write!(f, "SHA-{bits}"),
            Self::Other(oid) => write!(f, "algorithm {oid}"),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
