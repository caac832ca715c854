//! StartConfigurationHBased: the firmware opens its local TLS port to one server certificate (`spec/heci.md` §3.5).

use super::Command;
use super::command::SecureConfiguration;
use super::field::{Field, padded, text};
use amt_core::codec::{DecodeError, Reader};

/// Longest list of suffixes, separators among it.
pub const MAX_SUFFIX_BYTES: usize = 320;

/// How the request is laid out: documents and programs disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SecureForm {
    /// As documented: the flag in 4 bytes, the list left out where it is empty. 73 or 393 bytes.
    #[default]
    Documented,
    /// The flag in one byte, the list always there. 390 bytes.
    Packed,
}

/// Asks the firmware to take its setup from the owner of one certificate, over TLS on port 16993 of its local side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartConfigurationHBased {
    /// 2: SHA-256, 3: SHA-384.
    pub algorithm: u8,
    /// Hash of the leaf of the chain that will be presented (DER), filled up with 0.
    pub hash: [u8; 64],
    /// Whether the system may be on a VPN.
    pub host_vpn: bool,
    /// DNS suffixes that the certificate may be for.
    pub suffixes: Vec<String>,
    /// Layout of the request.
    pub form: SecureForm,
}

impl StartConfigurationHBased {
    const BASE: usize = 73;
    const WITH_LIST: usize = Self::BASE + MAX_SUFFIX_BYTES;
    const PACKED: usize = 390;
}

impl Command for StartConfigurationHBased {
    const CODE: u32 = 0x0400_008B;
    const NAME: &'static str = "StartConfigurationHBased";
    const REPEATABLE: bool = false;
    type Answer = SecureConfiguration;
}

impl Field for StartConfigurationHBased {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let form = match reader.rest().len() {
            Self::PACKED => SecureForm::Packed,
            Self::BASE | Self::WITH_LIST => SecureForm::Documented,
            have => return Err(DecodeError::Truncated { field, offset: reader.offset(), need: Self::BASE, have }),
        };
        let (algorithm, hash) = (reader.u8(field)?, reader.array(field)?);
        let host_vpn = match form {
            SecureForm::Documented => bool::read(reader, field)?,
            SecureForm::Packed => reader.u8(field)? != 0,
        };
        let offset = reader.offset();
        let length = reader.u32_le(field)?;
        let list = usize::try_from(length).ok().and_then(|length| reader.rest().get(..length));
        let list = list.ok_or(DecodeError::Invalid { field, offset, got: length.into() })?;
        let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
        let suffixes = names.map(text).collect();
        reader.bytes(field, reader.rest().len())?;
        Ok(Self { algorithm, hash, host_vpn, suffixes, form })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let list = self.suffixes.join("\0");
        self.algorithm.write(out);
        self.hash.write(out);
        match self.form {
            SecureForm::Documented => self.host_vpn.write(out),
            SecureForm::Packed => u8::from(self.host_vpn).write(out),
        }
        u32::try_from(list.len().min(MAX_SUFFIX_BYTES)).unwrap_or_default().write(out);
        if self.form == SecureForm::Packed || !list.is_empty() {
            padded(list.as_bytes(), MAX_SUFFIX_BYTES, out);
        }
    }
}
