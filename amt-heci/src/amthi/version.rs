//! Versions of the firmware's parts, and its SKU.

use super::field::{Field, counted, padded, text as readable};
use amt_core::FirmwareVersion;
use amt_core::codec::{DecodeError, Reader};

/// Most versions of an answer.
pub const MAX_VERSIONS: usize = 50;
const BIOS: usize = 65;
const TEXT: usize = 20;

/// Versions by name: `AMT`, `Flash`, `Netstack`, `AMTApps`, `Sku`, `VendorID`, `Build Number` … Their order differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeVersions {
    /// Version of the BIOS, as it told the firmware.
    pub bios: String,
    /// Name and version, in the firmware's order.
    pub versions: Vec<(String, String)>,
}

impl CodeVersions {
    /// The version with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.versions.iter().find(|(key, _)| key == name).map(|(_, version)| version.as_str())
    }

    /// Version of AMT, with the build number where it is told.
    pub fn amt(&self) -> Option<FirmwareVersion> {
        let amt = self.get("AMT")?;
        let whole = self.get("Build Number").and_then(|build| format!("{amt}.{build}").parse().ok());
        whole.or_else(|| amt.parse().ok())
    }

    /// What the firmware contains.
    pub fn sku(&self) -> Option<Sku> {
        self.get("Sku")?.trim().parse().ok().map(Sku)
    }
}

impl Field for CodeVersions {
    fn read(reader: &mut Reader<'_>, _: &'static str) -> Result<Self, DecodeError> {
        let bios = reader.bytes("amthi.CodeVersions.bios", BIOS)?;
        let bios = bios.split(|byte| *byte == 0).next().unwrap_or_default();
        let bios = readable(bios);
        let count = counted(reader, "amthi.CodeVersions.count", MAX_VERSIONS)?;
        let mut versions = Vec::with_capacity(count);
        for _ in 0..count {
            let key = text(reader, "amthi.CodeVersions.name")?;
            versions.push((key, text(reader, "amthi.CodeVersions.version")?));
        }
        Ok(Self { bios, versions })
    }

    fn write(&self, out: &mut Vec<u8>) {
        padded(self.bios.as_bytes(), BIOS, out);
        u32::try_from(self.versions.len()).unwrap_or(u32::MAX).write(out);
        for text in self.versions.iter().flat_map(|(key, version)| [key, version]) {
            u16::try_from(text.len().min(TEXT - 1)).unwrap_or_default().write(out);
            padded(text.as_bytes(), TEXT, out);
        }
    }
}

/// A count and 20 bytes, of which the count says how many are text.
fn text(reader: &mut Reader<'_>, field: &'static str) -> Result<String, DecodeError> {
    let offset = reader.offset();
    let count = reader.u16_le(field)?;
    let bytes = reader.bytes(field, TEXT)?;
    let text = bytes.get(..usize::from(count)).ok_or(DecodeError::Invalid { field, offset, got: count.into() })?;
    Ok(readable(text).trim_end_matches('\0').to_owned())
}

/// What the firmware contains: a bit mask since AMT 5 (`spec/heci.md` §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sku(pub u32);

impl Sku {
    /// Whether AMT is in it, whole or as standard manageability, in firmware of this major version.
    pub const fn has_amt(self, major: u16) -> bool {
        match major {
            0..=2 => self.0 == 0,
            _ => self.0 & (1 << 3 | 1 << 4) != 0 && (major >= 5 || self.0 & (1 << 3) != 0),
        }
    }

    /// What is in it, in words.
    pub fn words(self, major: u16) -> Vec<&'static str> {
        let bits: &[(u32, std::ops::RangeInclusive<u16>, &'static str)] = &[
            (1, 3..=6, "QST"),
            (2, 3..=5, "ASF"),
            (3, 3..=u16::MAX, "full AMT"),
            (4, 5..=u16::MAX, "standard manageability"),
            (5, 5..=5, "TPM"),
            (8, 5..=5, "home IT"),
            (10, 5..=5, "wake on extended"),
            (13, 5..=u16::MAX, "anti-theft"),
            (14, 5..=u16::MAX, "corporate"),
            (15, 5..=7, "L3 management upgrade"),
        ];
        if major <= 2 {
            return match self.0 {
                0 => vec!["full AMT", "ASF", "QST"],
                1 => vec!["ASF", "QST"],
                2 => vec!["QST"],
                _ => Vec::new(),
            };
        }
        bits.iter()
            .filter(|(bit, when, _)| self.0 >> bit & 1 == 1 && when.contains(&major))
            .map(|(_, _, w)| *w)
            .collect()
    }
}
