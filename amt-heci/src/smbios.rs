//! What the BIOS says of AMT in SMBIOS, types 130 and 131 (`spec/heci.md` §4.4). Makers differ: hints, no more.

use amt_core::codec::{DecodeError, Reader};

/// Bytes of a structure's header: type, length, handle.
const HEADER: usize = 4;

/// Type 130: whether AMT is there and on, in the BIOS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmtStructure {
    /// The machine has AMT.
    pub supported: bool,
    /// It is on.
    pub enabled: bool,
}

impl AmtStructure {
    /// Type of the structure.
    pub const TYPE: u8 = 130;

    /// Reads a structure, header included.
    ///
    /// # Errors
    /// If it is too short, or its signature is not `$AMT`.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.bytes("smbios130.header", HEADER)?;
        let signature: [u8; 4] = reader.array("smbios130.signature")?;
        if &signature != b"$AMT" {
            let got = u32::from_be_bytes(signature).into();
            return Err(DecodeError::Invalid { field: "smbios130.signature", offset: HEADER, got });
        }
        let supported = reader.u8("smbios130.supported")? != 0;
        let enabled = reader.u8("smbios130.enabled")? != 0;
        Ok(Self { supported, enabled })
    }
}

/// Type 131: what the processor, chipset and firmware can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VproStructure {
    /// Version of the firmware: major, minor, hotfix, build.
    pub me_version: [u16; 4],
    /// The management engine is on.
    pub me_enabled: bool,
    /// The firmware has AMT.
    pub amt: bool,
    /// The firmware has standard manageability.
    pub standard_manageability: bool,
    /// The BIOS says vPro.
    pub vpro: bool,
}

impl VproStructure {
    /// Type of the structure.
    pub const TYPE: u8 = 131;

    /// Reads a structure, header included.
    ///
    /// # Errors
    /// If it is too short.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        reader.bytes("smbios131.before", 0x18)?;
        let capability = reader.u32_le("smbios131.me_capability")?;
        let (minor, major) = (reader.u16_le("smbios131.me_minor")?, reader.u16_le("smbios131.me_major")?);
        let (build, hotfix) = (reader.u16_le("smbios131.me_build")?, reader.u16_le("smbios131.me_hotfix")?);
        reader.bytes("smbios131.between", 0x38 - 0x24)?;
        let brand: [u8; 4] = reader.array("smbios131.brand")?;
        Ok(Self {
            me_version: [major, minor, hotfix, build],
            me_enabled: capability & 1 != 0,
            amt: capability & 1 << 3 != 0,
            standard_manageability: capability & 1 << 4 != 0,
            vpro: &brand == b"vPro",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_130_is_read_at_every_length() {
        let bytes = [130, 20, 1, 0, b'$', b'A', b'M', b'T', 1, 0, 1, 1];
        assert_eq!(AmtStructure::decode(&bytes), Ok(AmtStructure { supported: true, enabled: false }));
        for cut in 0..10 {
            assert!(AmtStructure::decode(&bytes[..cut]).is_err(), "{cut}");
        }
        assert!(AmtStructure::decode(&[0; 20]).is_err_and(|e| e.field() == "smbios130.signature"));
    }

    #[test]
    fn type_131_is_read_at_every_length() {
        let mut bytes = [0; 0x40];
        bytes[..2].copy_from_slice(&[131, 0x40]);
        bytes[0x18] = 0b1001;
        bytes[0x1c..0x24].copy_from_slice(&[1, 0, 16, 0, 1, 8, 25, 0]);
        bytes[0x38..0x3c].copy_from_slice(b"vPro");
        let read = VproStructure::decode(&bytes).unwrap();
        assert_eq!(read.me_version, [16, 1, 25, 2049]);
        assert!(read.me_enabled && read.amt && !read.standard_manageability && read.vpro);
        for cut in 0..0x3c {
            assert!(VproStructure::decode(&bytes[..cut]).is_err(), "{cut}");
        }
    }
}
