//! The hello: what an unprovisioned machine sends to the setup server's port 9971 (`spec/hello-tls.md` §1).
//!
//! One unencrypted, unauthenticated message: every field is under the control of whoever sent it. Decoding is bounded by
//! [`MAX_HELLO`], allocates once, and gives either a valid [`Hello`] or an error that names field and offset.

mod decoder;
mod root;

pub use crate::psk::Pid;
pub use decoder::HelloDecoder;
pub use root::{HashAlgorithm, Iter, RootHash, Roots};

use crate::codec::{DecodeError, Reader};
use crate::{FirmwareVersion, SystemId};

/// TCP port on which setup servers await hellos unless told otherwise.
pub const DEFAULT_PORT: u16 = 9971;
/// Most bytes accepted as one hello. The largest with 255 SHA-384 roots has 12,775.
pub const MAX_HELLO: usize = 16 * 1024;

/// `InterfaceVersion` of the three hellos.
const TYPE_LEGACY: u16 = 1;
const TYPE_PSK: u16 = 2;
const TYPE_PKI: u16 = 3;
/// Algorithm and length in front of every fingerprint.
const ROOT_HEAD: usize = 2;
/// Admin flag and type: with these the rest can be judged.
const HEAD: usize = 4;
/// Up to and including the UUID.
const COMMON: usize = 24;
/// A whole PSK hello.
const PSK_LEN: usize = COMMON + 8;

/// One decoded hello, type 2 (PSK) or 3 (PKI) (`spec/hello-tls.md` §1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The factory admin credential was already changed (`AdminCredentialsSet`).
    pub admin_credentials_set: bool,
    /// How often this machine said hello before in this round (`RetryCount`); any value.
    pub retry: u32,
    /// The machine's UUID; not every board has a usable one, see [`SystemId::is_usable_as_key`].
    pub id: SystemId,
    /// What the machine waits for.
    pub kind: HelloKind,
    /// Bytes after the declared structure: tolerated, worth a warning. Not part of what [`encode`](Self::encode) writes.
    pub trailing: usize,
}

/// What a machine that says hello waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HelloKind {
    /// A TLS-PSK session with the key that belongs to this PID (type 2).
    Psk {
        /// Which key.
        pid: Pid,
    },
    /// A TLS session in which we present a chain to one of these roots (type 3).
    Pki {
        /// Fingerprints of the enabled roots, in the order sent; may be empty.
        roots: Roots,
    },
}

/// What a hello lets one guess about the firmware that sent it (`spec/hello-tls.md` §1.3 rule 10): inferred, never certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareGuess {
    /// Likely this version or newer.
    pub at_least: FirmwareVersion,
    /// Likely older than this version, where the hello tells.
    pub below: Option<FirmwareVersion>,
    /// What the guess rests on.
    pub because: &'static str,
}

impl Hello {
    /// Decodes one whole message.
    ///
    /// # Errors
    /// Names field and offset of what is wrong. Type 1, HTTP and TLS are refused by name ([`DecodeError::Unsupported`]).
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_HELLO {
            return Err(DecodeError::TooLarge { field: "hello", max: MAX_HELLO, have: bytes.len() });
        }
        let mut r = Reader::new(bytes);
        refuse_other_protocols(bytes)?;
        let (admin_credentials_set, kind) = head(&mut r)?;
        let retry = r.u32_le("hello.retry")?;
        let id = SystemId::from_wire(r.array("hello.uuid")?);
        let kind = match kind {
            Kind::Psk => HelloKind::Psk { pid: Pid(r.array("hello.pid")?) },
            Kind::Pki => HelloKind::Pki { roots: Roots::decode(&mut r)? },
        };
        Ok(Self { admin_credentials_set, retry, id, kind, trailing: r.rest().len() })
    }

    /// The message as it travels, without [`trailing`](Self::trailing) bytes.
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self.kind {
            HelloKind::Psk { .. } => TYPE_PSK,
            HelloKind::Pki { .. } => TYPE_PKI,
        };
        let mut out = Vec::with_capacity(PSK_LEN + self.roots().wire().len());
        out.extend_from_slice(&u16::from(self.admin_credentials_set).to_le_bytes());
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&self.retry.to_le_bytes());
        out.extend_from_slice(&self.id.to_wire());
        match &self.kind {
            HelloKind::Psk { pid } => out.extend_from_slice(&pid.0),
            HelloKind::Pki { roots } => {
                out.push(roots.count());
                out.extend_from_slice(roots.wire());
            }
        }
        out
    }

    /// The roots of a PKI hello; none of a PSK hello.
    pub fn roots(&self) -> &Roots {
        static NONE: Roots = Roots::NONE;
        match &self.kind {
            HelloKind::Pki { roots } => roots,
            HelloKind::Psk { .. } => &NONE,
        }
    }

    /// What this hello lets one guess about the firmware.
    pub fn firmware_guess(&self) -> FirmwareGuess {
        let guess = |major, minor, below, because| FirmwareGuess {
            at_least: FirmwareVersion::new(major, minor),
            below,
            because,
        };
        let has = |algorithm| self.roots().iter().any(|root| root.algorithm == algorithm);
        match &self.kind {
            HelloKind::Psk { .. } => guess(2, 0, Some(FirmwareVersion::new(11, 0)), "PSK hellos ended with AMT 10"),
            HelloKind::Pki { roots } if roots.is_empty() => {
                guess(2, 2, None, "remote configuration began with AMT 2.2")
            }
            HelloKind::Pki { .. } if has(HashAlgorithm::SHA384) => {
                guess(11, 0, None, "SHA-384 roots are found in very new firmware only")
            }
            HelloKind::Pki { .. } if !has(HashAlgorithm::SHA1) => guess(11, 0, None, "no SHA-1 root is listed"),
            HelloKind::Pki { .. } if has(HashAlgorithm::SHA256) => guess(6, 0, None, "SHA-256 roots are listed"),
            HelloKind::Pki { .. } => guess(2, 2, None, "only SHA-1 roots are listed"),
        }
    }
}

/// The two types that are understood.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Psk,
    Pki,
}

/// Reads admin flag and type.
fn head(r: &mut Reader<'_>) -> Result<(bool, Kind), DecodeError> {
    let admin_credentials_set = match r.u16_le("hello.admin_credentials_set")? {
        0 => false,
        1 => true,
        other => {
            return Err(DecodeError::Invalid { field: "hello.admin_credentials_set", offset: 0, got: other.into() });
        }
    };
    let offset = r.offset();
    let kind = match r.u16_le("hello.type")? {
        TYPE_PSK => Kind::Psk,
        TYPE_PKI => Kind::Pki,
        TYPE_LEGACY => {
            let what = "AMT 1.x legacy hello (type 1): this firmware has neither PSK nor PKI remote configuration";
            return Err(DecodeError::Unsupported { field: "hello.type", offset, what });
        }
        other => return Err(DecodeError::Invalid { field: "hello.type", offset, got: other.into() }),
    };
    Ok((admin_credentials_set, kind))
}

/// Says by name what browsers, port scanners and misconfigured tools send to this port (§1.3 rule 5).
fn refuse_other_protocols(bytes: &[u8]) -> Result<(), DecodeError> {
    const HTTP: [&[u8]; 8] = [b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"CONN", b"DELE", b"PATC"];
    let what = match bytes.get(..HEAD) {
        Some([0x16, 0x03, ..]) => "a TLS handshake, not a hello",
        Some(first) if HTTP.contains(&first) => "an HTTP request, not a hello",
        _ => return Ok(()),
    };
    Err(DecodeError::Unsupported { field: "hello", offset: 0, what })
}

#[cfg(test)]
mod tests;
