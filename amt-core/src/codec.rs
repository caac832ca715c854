//! Bounds-checked reading and writing of little- and big-endian records.
//!
//! Every read names the field it is about, so that an error says which part of which message was bad and where.

/// Why bytes were not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ended inside `field`.
    #[error("{field} at offset {offset}: need {need} bytes, have {have}")]
    Truncated {
        /// Name of the field, `area.field`.
        field: &'static str,
        /// Where the field begins.
        offset: usize,
        /// Bytes the field takes.
        need: usize,
        /// Bytes that were left.
        have: usize,
    },
    /// `field` holds a value that the format forbids.
    #[error("{field} at offset {offset}: invalid value {got:#x}")]
    Invalid {
        /// Name of the field, `area.field`.
        field: &'static str,
        /// Where the field begins.
        offset: usize,
        /// The value found.
        got: u64,
    },
    /// A version or type that exists but is not supported here.
    #[error("{field} at offset {offset}: {what}")]
    Unsupported {
        /// Name of the field, `area.field`.
        field: &'static str,
        /// Where the field begins.
        offset: usize,
        /// What it is, in words.
        what: &'static str,
    },
    /// More bytes than the format can hold.
    #[error("{field}: {have} bytes, at most {max} are accepted")]
    TooLarge {
        /// Name of the field or message.
        field: &'static str,
        /// The limit.
        max: usize,
        /// The size found.
        have: usize,
    },
}

impl DecodeError {
    /// The registry's number for this cause.
    pub const fn code(&self) -> crate::ErrorCode {
        use crate::ErrorCode;
        match self {
            Self::Truncated { .. } => ErrorCode::DECODE_TRUNCATED,
            Self::Invalid { .. } => ErrorCode::DECODE_INVALID,
            Self::Unsupported { .. } => ErrorCode::DECODE_UNSUPPORTED,
            Self::TooLarge { .. } => ErrorCode::DECODE_TOO_LARGE,
        }
    }

    /// The field that was bad.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Truncated { field, .. }
            | Self::Invalid { field, .. }
            | Self::Unsupported { field, .. }
            | Self::TooLarge { field, .. } => field,
        }
    }
}

impl From<DecodeError> for crate::Failure {
    fn from(error: DecodeError) -> Self {
        Self::new(error.code(), "decode", error.to_string())
    }
}

/// A cursor over untrusted bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `data`.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Offset of the next byte.
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// What is left.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    /// Takes `need` bytes for `field`.
    #[inline]
    pub fn bytes(&mut self, field: &'static str, need: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.rest();
        let taken =
            rest.get(..need).ok_or(DecodeError::Truncated { field, offset: self.at, need, have: rest.len() })?;
        self.at += need;
        Ok(taken)
    }

    /// Takes a fixed-size array for `field`.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(field, N)?);
        Ok(out)
    }

    /// Takes one byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array(field)?))
    }

    /// Takes a little-endian `u16`.
    pub fn u16_le(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array(field)?))
    }

    /// Takes a little-endian `u32`.
    pub fn u32_le(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    /// Takes a big-endian `u16`.
    pub fn u16_be(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    /// Takes a big-endian `u32`.
    pub fn u32_be(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_read_names_field_and_offset_and_takes_nothing() {
        let mut r = Reader::new(&[1, 2, 3]);
        assert_eq!(r.u16_le("t.a"), Ok(0x0201));
        let error = r.u32_le("t.b").unwrap_err();
        assert_eq!(error, DecodeError::Truncated { field: "t.b", offset: 2, need: 4, have: 1 });
        assert_eq!(r.u8("t.c"), Ok(3));
        assert_eq!(r.rest(), b"");
    }
}
