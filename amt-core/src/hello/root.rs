//! Fingerprints of root certificates, as hellos list them.

use crate::codec::{DecodeError, Reader};
use std::fmt;

/// Number of a hash algorithm on the wire. Open: numbers without a name are kept (`spec/hello-tls.md` §1.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HashAlgorithm(pub u8);

/// One entry of a PKI hello: the fingerprint of the whole DER root certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootHash<'a> {
    /// How the fingerprint was made.
    pub algorithm: HashAlgorithm,
    /// The fingerprint; its length is right for a known algorithm.
    pub fingerprint: &'a [u8],
}

/// The entries of a PKI hello, checked, in the order sent.
///
/// Kept as they travel: a hello costs one allocation, however many roots it lists and of whatever algorithm.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Roots {
    /// Algorithm, length, fingerprint; `count` times, each whole and of the right length.
    wire: Vec<u8>,
    count: u8,
}

impl HashAlgorithm {
    /// MD5; seen in the host interface's numbering only.
    pub const MD5: Self = Self(0);
    /// SHA-1.
    pub const SHA1: Self = Self(1);
    /// SHA-256.
    pub const SHA256: Self = Self(2);
    /// SHA-384.
    pub const SHA384: Self = Self(3);
    /// SHA-224; seen in the host interface's numbering only.
    pub const SHA224: Self = Self(4);
    /// SHA-512; seen in the host interface's numbering only.
    pub const SHA512: Self = Self(5);

    /// Bytes of a digest, if the algorithm is known.
    pub const fn digest_len(self) -> Option<u8> {
        Some(match self {
            Self::MD5 => 16,
            Self::SHA1 => 20,
            Self::SHA224 => 28,
            Self::SHA256 => 32,
            Self::SHA384 => 48,
            Self::SHA512 => 64,
            _ => return None,
        })
    }
}

impl fmt::Display for HashAlgorithm {
    /// `sha256`; `unknown(9)` where there is no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::MD5 => "md5",
            Self::SHA1 => "sha1",
            Self::SHA224 => "sha224",
            Self::SHA256 => "sha256",
            Self::SHA384 => "sha384",
            Self::SHA512 => "sha512",
            Self(other) => return write!(f, "unknown({other})"),
        })
    }
}

impl fmt::Debug for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a> RootHash<'a> {
    /// An entry; `None` if the fingerprint does not have the length of a known algorithm, or more than 255 bytes.
    pub fn new(algorithm: HashAlgorithm, fingerprint: &'a [u8]) -> Option<Self> {
        let len = u8::try_from(fingerprint.len()).ok()?;
        let fits = algorithm.digest_len().is_none_or(|expected| expected == len);
        fits.then_some(Self { algorithm, fingerprint })
    }

    /// The fingerprint in lower-case hex.
    pub fn hex(&self) -> String {
        self.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for RootHash<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.hex())
    }
}

impl Roots {
    /// No entry.
    pub const NONE: Self = Self { wire: Vec::new(), count: 0 };

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count.into()
    }

    /// Whether the firmware has no active root hash at all.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether `fingerprint`, made with `algorithm`, is listed.
    pub fn contains(&self, algorithm: HashAlgorithm, fingerprint: &[u8]) -> bool {
        self.iter().any(|root| root.algorithm == algorithm && root.fingerprint == fingerprint)
    }

    /// The entries in the order sent.
    pub fn iter(&self) -> Iter<'_> {
        Iter { wire: &self.wire }
    }

    /// How many there are, as it travels.
    pub(super) const fn count(&self) -> u8 {
        self.count
    }

    /// The entries as they travel, without their count.
    pub(super) fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Reads `HashCount` and the entries. Memory follows the bytes that are there, not the count that is claimed.
    pub(super) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = r.u8("hello.hash_count")?;
        let all = r.rest();
        let start = r.offset();
        for _ in 0..count {
            let algorithm = HashAlgorithm(r.u8("hello.root.algorithm")?);
            let offset = r.offset();
            let len = r.u8("hello.root.length")?;
            check_len(algorithm, len, offset)?;
            r.bytes("hello.root.fingerprint", len.into())?;
        }
        let wire = all.get(..r.offset() - start).unwrap_or_default().to_vec();
        Ok(Self { wire, count })
    }
}

impl<'a> FromIterator<RootHash<'a>> for Roots {
    /// Takes the first 255; more cannot be said in a hello. An entry that [`RootHash::new`] would refuse is left out.
    fn from_iter<T: IntoIterator<Item = RootHash<'a>>>(entries: T) -> Self {
        let mut roots = Self::default();
        for RootHash { algorithm, fingerprint } in entries {
            let Some(count) = roots.count.checked_add(1) else { break };
            if let (Ok(len), Some(_)) = (u8::try_from(fingerprint.len()), RootHash::new(algorithm, fingerprint)) {
                roots.wire.extend_from_slice(&[algorithm.0, len]);
                roots.wire.extend_from_slice(fingerprint);
                roots.count = count;
            }
        }
        roots
    }
}

impl<'a> IntoIterator for &'a Roots {
    type Item = RootHash<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// Goes over [`Roots`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    wire: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = RootHash<'a>;

    fn next(&mut self) -> Option<RootHash<'a>> {
        let (&[algorithm, len], rest) = self.wire.split_first_chunk()?;
        let (fingerprint, rest) = rest.split_at_checked(len.into())?;
        self.wire = rest;
        Some(RootHash { algorithm: HashAlgorithm(algorithm), fingerprint })
    }
}

/// A known algorithm has one length; of an unknown one any length is kept.
#[inline]
pub(super) fn check_len(algorithm: HashAlgorithm, len: u8, offset: usize) -> Result<(), DecodeError> {
    match algorithm.digest_len() {
        Some(expected) if expected != len => {
            Err(DecodeError::Invalid { field: "hello.root.length", offset, got: len.into() })
        }
        _ => Ok(()),
    }
}
