//! The account of the local system: what opens WS-Man for a program in the machine's own system before anybody has set AMT up.

use super::field::{Field, padded};
use amt_core::Secret;
use amt_core::codec::{DecodeError, Reader};

/// Bytes of each text, NUL among them.
const SIZE: usize = 33;
/// Some programs insist on 68 bytes in all.
const PADDING: usize = 2;

/// User and password of digest, made by the firmware; they open WS-Man on the local ports only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSystemAccount {
    /// `$$osadmin`.
    pub user: String,
    /// Its password.
    pub password: Secret<String>,
}

impl Field for LocalSystemAccount {
    fn read(reader: &mut Reader<'_>, _: &'static str) -> Result<Self, DecodeError> {
        let user = text(reader, "amthi.LocalSystemAccount.user")?;
        let password = Secret::new(text(reader, "amthi.LocalSystemAccount.password")?);
        Ok(Self { user, password })
    }

    fn write(&self, out: &mut Vec<u8>) {
        padded(self.user.as_bytes(), SIZE, out);
        padded(self.password.expose().as_bytes(), SIZE, out);
        padded(&[], PADDING, out);
    }
}

fn text(reader: &mut Reader<'_>, field: &'static str) -> Result<String, DecodeError> {
    let offset = reader.offset();
    let bytes = reader.bytes(field, SIZE)?;
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    match std::str::from_utf8(text) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(DecodeError::Unsupported { field, offset, what: "not text" }),
    }
}
