//! AMTHI (also PTHI), the AMT host interface: one command, one answer (`spec/heci.md` §3).
//!
//! A [`Command`] is a request with its answer's type. [`request`] makes the message and [`answer`] reads what came; the firmware's
//! side has [`Incoming`] and [`respond`]. One message is one HECI message, little-endian, and one may be on its way at a time: an
//! answer to another command is a late one, and the connection it came by is of no more use.
//!
//! ```
//! use amt_heci::amthi::{self, GetControlMode};
//! let sent = amthi::request(&GetControlMode {});
//! assert_eq!(sent, [1, 1, 0, 0, 0x6b, 0, 0, 4, 0, 0, 0, 0]);
//! let came = [1, 1, 0, 0, 0x6b, 0, 0x80, 4, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
//! assert_eq!(amthi::answer::<GetControlMode>(&came).unwrap().mode, 1);
//! ```

mod account;
mod command;
mod field;
mod hash;
mod secure;
mod version;

pub use account::LocalSystemAccount;
pub use command::*;
pub use field::{DnsSuffixes, Field, HashHandles, IpText, Ipv6Addresses, MAX_ANSI, MAX_HANDLES, Mac, Rest};
pub use hash::{Digest, HashAlgorithm};
pub use secure::{MAX_SUFFIX_BYTES, SecureForm, StartConfigurationHBased};
pub use version::{CodeVersions, MAX_VERSIONS, Sku};

use amt_core::codec::{DecodeError, Reader};
use amt_core::failure::DeviceStatus;
use amt_core::status::PtStatus;
use amt_core::{ErrorCode, Failure};

/// Bytes before the body.
pub const HEADER: usize = 12;
const MAJOR: u8 = 1;
const MINOR: u8 = 1;
/// Bit of the command that says "answer".
const ANSWER: u32 = 0x0080_0000;

/// A request of AMTHI and what answers it.
pub trait Command: Field {
    /// Class (bits 24–31) and operation (bits 0–22).
    const CODE: u32;
    /// Its name.
    const NAME: &'static str;
    /// Whether asking twice does no harm: it may be asked again when its answer is lost.
    const REPEATABLE: bool;
    /// What follows the status of a good answer.
    type Answer: Field;
}

/// Why an answer is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The message is damaged.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It answers another command: an earlier one, late.
    #[error("the answer is to command {got:#010x}, asked was {name} ({asked:#010x})")]
    Other {
        /// What was asked.
        name: &'static str,
        /// Its number.
        asked: u32,
        /// The number in the answer, without its answer bit.
        got: u32,
    },
    /// The firmware refused.
    #[error("the firmware refused {name} with status {status}")]
    Refused {
        /// What was asked.
        name: &'static str,
        /// Its status.
        status: PtStatus,
    },
}

impl AnswerError {
    /// In the registry's terms.
    pub fn failure(&self, stage: &'static str) -> Failure {
        let code = match self {
            Self::Decode(_) | Self::Other { .. } => ErrorCode::MEI_UNEXPECTED,
            Self::Refused { .. } => ErrorCode::AMT_STATUS,
        };
        let mut failure = Failure::new(code, stage, self.to_string());
        if let Self::Refused { name, status } = self {
            let (method, value) = (format!("AMTHI.{name}"), status.0);
            let name = status.name().map_or_else(|| format!("{value:#x}").into(), Into::into);
            failure = failure.device(DeviceStatus::ReturnValue { method, value, name });
        }
        failure
    }

    /// The status, if the firmware refused.
    pub const fn status(&self) -> Option<PtStatus> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// The message that asks for `command`.
pub fn request<C: Command>(command: &C) -> Vec<u8> {
    let mut body = Vec::new();
    command.write(&mut body);
    message(C::CODE, &body)
}

/// Reads the answer to a `C`.
///
/// # Errors
/// The three of [`AnswerError`]. Bytes after a good answer are padding: some firmware adds it.
pub fn answer<C: Command>(bytes: &[u8]) -> Result<C::Answer, AnswerError> {
    let mut reader = accepted(bytes, C::CODE, C::NAME)?;
    Ok(C::Answer::read(&mut reader, C::NAME)?)
}

/// What follows the head of the answer to the command `asked`, if the firmware did not refuse.
fn accepted<'a>(bytes: &'a [u8], asked: u32, name: &'static str) -> Result<Reader<'a>, AnswerError> {
    let mut reader = Reader::new(bytes);
    let code = header(&mut reader)?;
    if code != asked | ANSWER {
        return Err(AnswerError::Other { name, asked, got: code & !ANSWER });
    }
    let status = PtStatus(reader.u32_le("amthi.status")?);
    if status != PtStatus::SUCCESS {
        return Err(AnswerError::Refused { name, status });
    }
    Ok(reader)
}

/// A request as the firmware sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incoming<'a> {
    /// Class and operation.
    pub code: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

impl<'a> Incoming<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// If it is damaged, or is an answer.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let code = header(&mut reader)?;
        if code & ANSWER != 0 {
            return Err(DecodeError::Invalid { field: "amthi.command", offset: 4, got: code.into() });
        }
        Ok(Self { code, body: reader.rest() })
    }

    /// Its body as that of a `C`, to its last byte; none if it is not one.
    pub fn body<C: Command>(&self) -> Option<C> {
        let mut reader = Reader::new(self.body);
        let command = C::read(&mut reader, C::NAME).ok()?;
        (self.code == C::CODE && reader.rest().is_empty()).then_some(command)
    }
}

/// The firmware's answer to the command `code`: `answer` follows where it is given.
pub fn respond(code: u32, status: PtStatus, answer: Option<&dyn Writable>) -> Vec<u8> {
    let mut body = status.0.to_le_bytes().to_vec();
    if let Some(answer) = answer {
        answer.write_to(&mut body);
    }
    message(code | ANSWER, &body)
}

/// Any [`Field`], to be written.
pub trait Writable {
    /// Appends its bytes.
    fn write_to(&self, out: &mut Vec<u8>);
}

impl<F: Field> Writable for F {
    fn write_to(&self, out: &mut Vec<u8>) {
        self.write(out);
    }
}

fn message(code: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend_from_slice(&[MAJOR, MINOR, 0, 0]);
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(body);
    out
}

/// Reads the header, and checks it against what follows.
fn header(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    let invalid = |field, offset, got| DecodeError::Invalid { field, offset, got };
    let major = reader.u8("amthi.major")?;
    if major != MAJOR {
        return Err(invalid("amthi.major", 0, major.into()));
    }
    let minor = reader.u8("amthi.minor")?;
    if minor < MINOR {
        return Err(invalid("amthi.minor", 1, minor.into()));
    }
    let reserved = reader.u16_le("amthi.reserved")?;
    if reserved != 0 {
        return Err(invalid("amthi.reserved", 2, reserved.into()));
    }
    let code = reader.u32_le("amthi.command")?;
    let length = reader.u32_le("amthi.length")?;
    match usize::try_from(length) {
        Ok(length) if length == reader.rest().len() => Ok(code),
        _ => Err(invalid("amthi.length", 8, length.into())),
    }
}

#[cfg(test)]
mod tests;
