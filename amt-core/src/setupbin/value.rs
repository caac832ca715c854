//! Values as programs use them (`spec/setupbin.md` §2).

use super::{Entry, Kind, Variable, refused};
use crate::hello::HashAlgorithm;
use crate::{Failure, Secret};
use std::net::Ipv4Addr;

/// A value in its own type. What it says is not judged here: [`lint`](super::lint()) does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// Text; secret or not, it is not shown by accident.
    Text(Secret<String>),
    /// A number of any width.
    Number(u32),
    /// Sixteen bytes.
    Identifier([u8; 16]),
    /// An address.
    Address(Ipv4Addr),
    /// A root hash.
    Root(RootEntry),
    /// Bytes without a public encoding, or of an unknown variable.
    Opaque(Secret<Vec<u8>>),
}

/// The value of 2/8: a root certificate to trust, by the hash of its DER.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootEntry {
    /// SHA-1, SHA-256 or SHA-384.
    pub algorithm: HashAlgorithm,
    /// The hash.
    pub digest: Vec<u8>,
    /// Name under which MEBx shows it; firmware takes 32 characters.
    pub name: String,
}

/// The algorithms that a root hash may have (§2.2).
const ALGORITHMS: [HashAlgorithm; 3] = [HashAlgorithm::SHA1, HashAlgorithm::SHA256, HashAlgorithm::SHA384];

impl Value {
    /// The value of `entry`.
    ///
    /// # Errors
    /// `SETUP_BIN` if a number or identifier has another width, text is not UTF-8, or a root hash has an unknown algorithm, a short digest
    /// or a name of another length. The message never holds the value.
    pub fn read(entry: &Entry<'_>) -> Result<Self, Failure> {
        let bytes = entry.value;
        let Some(variable) = entry.variable() else { return Ok(Self::Opaque(Secret::new(bytes.to_vec()))) };
        let wrong = |need: usize| refused(format!("{}: {} bytes instead of {need}", variable.name, bytes.len()));
        Ok(match variable.kind {
            Kind::Opaque => Self::Opaque(Secret::new(bytes.to_vec())),
            Kind::Text { .. } => match std::str::from_utf8(bytes) {
                Ok(text) => Self::Text(text.into()),
                Err(error) => {
                    let at = error.valid_up_to();
                    return Err(refused(format!("{}: byte {} is not text", variable.name, at + 1)));
                }
            },
            Kind::Number { bytes: width, .. } => Self::Number(number(bytes, width).ok_or_else(|| wrong(width))?),
            Kind::Identifier => Self::Identifier(bytes.try_into().map_err(|_| wrong(16))?),
            Kind::Address => {
                let reversed: [u8; 4] = bytes.try_into().map_err(|_| wrong(4))?;
                Self::Address(Ipv4Addr::from(u32::from_le_bytes(reversed)))
            }
            Kind::Root => Self::Root(RootEntry::read(bytes)?),
        })
    }

    /// The bytes of `variable` for this value.
    ///
    /// # Errors
    /// `SETUP_BIN` if the value is of another kind than the variable, or a number does not fit its width.
    pub fn write(&self, variable: &Variable) -> Result<Secret<Vec<u8>>, Failure> {
        let bytes = match (variable.kind, self) {
            (Kind::Text { .. }, Self::Text(text)) => text.expose().as_bytes().to_vec(),
            (Kind::Number { bytes, .. }, Self::Number(value)) => {
                let wire = value.to_le_bytes();
                match wire.split_at_checked(bytes) {
                    Some((low, high)) if high.iter().all(|byte| *byte == 0) => low.to_vec(),
                    _ => return Err(refused(format!("{}: {value} does not fit in {bytes} bytes", variable.name))),
                }
            }
            (Kind::Identifier, Self::Identifier(bytes)) => bytes.to_vec(),
            (Kind::Address, Self::Address(address)) => u32::from(*address).to_le_bytes().to_vec(),
            (Kind::Root, Self::Root(root)) => root.write()?,
            (_, Self::Opaque(bytes)) => return Ok(bytes.clone()),
            _ => return Err(refused(format!("{}: a value of another kind", variable.name))),
        };
        Ok(Secret::new(bytes))
    }
}

impl RootEntry {
    /// The hash of a certificate and the name for it.
    ///
    /// # Errors
    /// `SETUP_BIN` if the digest does not have the length of the algorithm, or the algorithm is none of the three.
    pub fn new(algorithm: HashAlgorithm, digest: Vec<u8>, name: String) -> Result<Self, Failure> {
        match algorithm.digest_len().filter(|_| ALGORITHMS.contains(&algorithm)) {
            None => Err(refused(format!("root_hash: firmware knows sha1, sha256 and sha384, not {algorithm}"))),
            Some(length) if usize::from(length) != digest.len() => {
                Err(refused(format!("root_hash: {} bytes of digest, {algorithm} has {length}", digest.len())))
            }
            Some(_) => Ok(Self { algorithm, digest, name }),
        }
    }

    fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let short = || refused(format!("root_hash: {} bytes are too few for algorithm, digest and name", bytes.len()));
        let (algorithm, rest) = bytes.split_first().ok_or_else(short)?;
        let algorithm = HashAlgorithm(*algorithm);
        let length = algorithm.digest_len().filter(|_| ALGORITHMS.contains(&algorithm));
        let length =
            length.ok_or_else(|| refused(format!("root_hash: algorithm {} is none of 1 to 3", algorithm.0)))?;
        let (digest, rest) = rest.split_at_checked(length.into()).ok_or_else(short)?;
        let (told, name) = rest.split_first().ok_or_else(short)?;
        if usize::from(*told) != name.len() {
            let text = format!("root_hash: the name should have {told} bytes, {} are there", name.len());
            return Err(refused(text));
        }
        let name = std::str::from_utf8(name).map_err(|_| refused("root_hash: the name is not text"))?;
        Self::new(algorithm, digest.to_vec(), name.to_owned())
    }

    fn write(&self) -> Result<Vec<u8>, Failure> {
        let length = u8::try_from(self.name.len())
            .map_err(|_| refused(format!("root_hash: a name of {} bytes is too long", self.name.len())))?;
        let mut bytes = vec![self.algorithm.0];
        bytes.extend(&self.digest);
        bytes.push(length);
        bytes.extend(self.name.as_bytes());
        Ok(bytes)
    }
}

fn number(bytes: &[u8], width: usize) -> Option<u32> {
    if bytes.len() != width {
        return None;
    }
    let mut wide = [0; 4];
    wide.get_mut(..width)?.copy_from_slice(bytes);
    Some(u32::from_le_bytes(wide))
}
