//! How the fields of AMTHI's messages are encoded (`spec/heci.md` §3.2).

use amt_core::codec::{DecodeError, Reader};
use amt_core::{Secret, SystemId};
use std::fmt;
use std::net::Ipv4Addr;

/// Longest text of a message.
pub const MAX_ANSI: usize = 1024;
/// Most handles of root hashes; firmware has up to 33.
pub const MAX_HANDLES: usize = 64;
/// Most IPv6 addresses of an interface.
const MAX_IPV6: usize = 64;

/// Something that a message consists of. `field` names it in errors.
pub trait Field: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// If it is cut short, or is what the format forbids.
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError>;

    /// Appends its bytes.
    fn write(&self, out: &mut Vec<u8>);
}

impl Field for () {
    fn read(_: &mut Reader<'_>, _: &'static str) -> Result<Self, DecodeError> {
        Ok(())
    }

    fn write(&self, _: &mut Vec<u8>) {}
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Field for $int {
            fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
                Ok(Self::from_le_bytes(reader.array(field)?))
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

integers!(u8, u16, u32);

impl Field for bool {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        match reader.u32_le(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::Invalid { field, offset, got: other.into() }),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        u32::from(*self).write(out);
    }
}

impl<const N: usize> Field for [u8; N] {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        reader.array(field)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<const N: usize> Field for [u16; N] {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let mut all = [0; N];
        for one in &mut all {
            *one = reader.u16_le(field)?;
        }
        Ok(all)
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|one| one.write(out));
    }
}

/// Text of the firmware's: UTF-8, or where it is not, with a question mark for each byte that is not ASCII. Never longer than its bytes.
pub(super) fn text(bytes: &[u8]) -> String {
    let ascii = |byte: &u8| if byte.is_ascii() { char::from(*byte) } else { '?' };
    std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(ascii).collect(), str::to_owned)
}

/// `ANSI`: a 16-bit count and that many bytes. A NUL at the end is dropped; what is not UTF-8 is replaced.
impl Field for String {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let count = usize::from(reader.u16_le(field)?);
        if count > MAX_ANSI {
            return Err(DecodeError::TooLarge { field, max: MAX_ANSI, have: count });
        }
        Ok(text(reader.bytes(field, count)?).trim_end_matches('\0').to_owned())
    }

    fn write(&self, out: &mut Vec<u8>) {
        ansi(self.as_bytes(), out);
    }
}

impl Field for Secret<String> {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        String::read(reader, field).map(Self::new)
    }

    fn write(&self, out: &mut Vec<u8>) {
        ansi(self.expose().as_bytes(), out);
    }
}

/// Writes at most what the count can say; whoever asks has checked the text against the command's own, lower, limit.
fn ansi(text: &[u8], out: &mut Vec<u8>) {
    let text = text.get(..MAX_ANSI).unwrap_or(text);
    u16::try_from(text.len()).unwrap_or_default().write(out);
    out.extend_from_slice(text);
}

/// An IPv4 address as a number: its first octet is the most significant byte.
impl Field for Ipv4Addr {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        reader.u32_le(field).map(Self::from)
    }

    fn write(&self, out: &mut Vec<u8>) {
        u32::from(*self).write(out);
    }
}

impl Field for SystemId {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        reader.array(field).map(Self::from_wire)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_wire());
    }
}

/// A hardware address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether it is none: firmware says so of an interface that is not there.
    pub fn is_zero(self) -> bool {
        self.0 == [0; 6]
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Field for Mac {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        reader.array(field).map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// An address as text in 46 bytes, filled up with NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpText(pub String);

impl IpText {
    const SIZE: usize = 46;
}

impl Field for IpText {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let bytes = reader.bytes(field, Self::SIZE)?;
        Ok(Self(text(bytes.split(|byte| *byte == 0).next().unwrap_or_default())))
    }

    fn write(&self, out: &mut Vec<u8>) {
        padded(self.0.as_bytes(), Self::SIZE, out);
    }
}

/// Exactly `size` bytes: the text, cut or filled up with NUL.
pub(super) fn padded(text: &[u8], size: usize, out: &mut Vec<u8>) {
    let text = text.get(..size).unwrap_or(text);
    out.extend_from_slice(text);
    out.resize(out.len() + size - text.len(), 0);
}

/// Whatever follows: answers whose inside is not public, or depends on what was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest(pub Vec<u8>);

impl Field for Rest {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let rest = reader.rest();
        reader.bytes(field, rest.len()).map(|bytes| Self(bytes.to_vec()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// Handles of the root hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashHandles(pub Vec<u32>);

impl Field for HashHandles {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let count = counted(reader, field, MAX_HANDLES)?;
        (0..count).map(|_| reader.u32_le(field)).collect::<Result<_, _>>().map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX).write(out);
        self.0.iter().for_each(|handle| handle.write(out));
    }
}

/// IPv6 addresses of an interface, each with its kind and state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ipv6Addresses(pub Vec<(IpText, u32, u32)>);

impl Field for Ipv6Addresses {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let count = counted(reader, field, MAX_IPV6)?;
        let one = |_| Ok((IpText::read(reader, field)?, reader.u32_le(field)?, reader.u32_le(field)?));
        (0..count).map(one).collect::<Result<_, _>>().map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX).write(out);
        for (address, kind, state) in &self.0 {
            address.write(out);
            kind.write(out);
            state.write(out);
        }
    }
}

/// A count of at most `max` things.
pub(super) fn counted(reader: &mut Reader<'_>, field: &'static str, max: usize) -> Result<usize, DecodeError> {
    let count = usize::try_from(reader.u32_le(field)?).unwrap_or(usize::MAX);
    if count > max {
        return Err(DecodeError::TooLarge { field, max, have: count });
    }
    Ok(count)
}

/// DNS suffixes: a 16-bit count of bytes, and names separated by NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsSuffixes(pub Vec<String>);

impl Field for DnsSuffixes {
    fn read(reader: &mut Reader<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let text = String::read(reader, field)?;
        Ok(Self(text.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect()))
    }

    fn write(&self, out: &mut Vec<u8>) {
        ansi(self.0.join("\0").as_bytes(), out);
    }
}
