//! A root hash that the firmware trusts.

use super::command::CertHashEntry;
use std::fmt;

/// Algorithm of a root hash (`spec/heci.md` §3.3, "Hash algorithms").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// 0, 16 bytes.
    Md5,
    /// 1, 20 bytes.
    Sha1,
    /// 2, 32 bytes.
    Sha256,
    /// 3, 48 bytes.
    Sha384,
    /// 4, 28 bytes.
    Sha224,
    /// 5, and 3 where all 64 bytes are used, as older documents have it.
    Sha512,
}

impl HashAlgorithm {
    /// Its name, as in `openssl dgst`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha224 => "sha224",
            Self::Sha512 => "sha512",
        }
    }

    /// Its number in a hello (`spec/hello-tls.md` §1.2).
    pub const fn hello(self) -> amt_core::hello::HashAlgorithm {
        use amt_core::hello::HashAlgorithm as Hello;
        match self {
            Self::Md5 => Hello::MD5,
            Self::Sha1 => Hello::SHA1,
            Self::Sha256 => Hello::SHA256,
            Self::Sha384 => Hello::SHA384,
            Self::Sha224 => Hello::SHA224,
            Self::Sha512 => Hello::SHA512,
        }
    }

    const fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha224 => 28,
            Self::Sha512 => 64,
        }
    }
}

/// A root hash without its padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// How it was made.
    pub algorithm: HashAlgorithm,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl CertHashEntry {
    /// The hash without its padding; none if the algorithm is unknown.
    pub fn digest(&self) -> Option<Digest> {
        const SHA384: usize = HashAlgorithm::Sha384.size();
        let algorithm = match self.algorithm {
            0 => HashAlgorithm::Md5,
            1 => HashAlgorithm::Sha1,
            2 => HashAlgorithm::Sha256,
            3 if self.hash.iter().skip(SHA384).all(|byte| *byte == 0) => HashAlgorithm::Sha384,
            4 => HashAlgorithm::Sha224,
            3 | 5 => HashAlgorithm::Sha512,
            _ => return None,
        };
        Some(Digest { algorithm, bytes: self.hash.iter().take(algorithm.size()).copied().collect() })
    }
}
