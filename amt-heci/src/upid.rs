//! UPID: the platform's unique ids (`spec/heci.md` §3.7).

use amt_core::codec::{DecodeError, Reader};

const FEATURE: u8 = 0;
/// Command that asks for the ids.
pub const GET_IDS: u8 = 5;
const KIND: usize = 4;
const ID: usize = 32;

/// The message that asks for the ids.
pub const GET_PLATFORM_IDS: [u8; 4] = [FEATURE, GET_IDS, 0, 0];

/// Ids of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlatformIds {
    /// Kind of the maker's id.
    pub oem_kind: u32,
    /// The maker's id.
    pub oem: [u8; 32],
    /// The firmware's id.
    pub csme: [u8; 32],
}

impl PlatformIds {
    /// Reads the answer.
    ///
    /// # Errors
    /// If it is damaged, answers something else, or has a status other than 0.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let invalid = |field, offset, got: u32| Err(DecodeError::Invalid { field, offset, got: got.into() });
        let (feature, command) = (reader.u8("upid.feature")?, reader.u8("upid.command")?);
        if (feature, command) != (FEATURE, GET_IDS) {
            return invalid("upid.command", 1, command.into());
        }
        let count = reader.u16_le("upid.count")?;
        if usize::from(count) != reader.rest().len() {
            return invalid("upid.count", 2, count.into());
        }
        match reader.u32_le("upid.status")? {
            0 => {}
            status => return invalid("upid.status", 4, status),
        }
        Ok(Self {
            oem_kind: reader.u32_le("upid.oem_kind")?,
            oem: reader.array("upid.oem")?,
            csme: reader.array("upid.csme")?,
        })
    }

    /// The answer: 76 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let count = u16::try_from(4 + KIND + 2 * ID).unwrap_or_default();
        let mut out = vec![FEATURE, GET_IDS];
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.oem_kind.to_le_bytes());
        out.extend_from_slice(&self.oem);
        out.extend_from_slice(&self.csme);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_and_refused_when_cut() {
        let ids = PlatformIds { oem_kind: 1, oem: [2; 32], csme: [3; 32] };
        let bytes = ids.encode();
        assert_eq!(bytes.len(), 76);
        assert_eq!(PlatformIds::decode(&bytes), Ok(ids));
        for cut in 0..bytes.len() {
            assert!(PlatformIds::decode(&bytes[..cut]).is_err(), "{cut}");
        }
        let mut refused = bytes;
        refused[4] = 1;
        assert!(PlatformIds::decode(&refused).is_err_and(|e| e.field() == "upid.status"));
    }
}
