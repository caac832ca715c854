//! Versions of the format (`spec/setupbin.md` §1.2).

use std::fmt;
use std::str::FromStr;

/// A version of the format: the GUID that a file begins with, and which variables fit in it.
///
/// A BIOS that does not know the GUID ignores the file; a higher minor version of a known GUID it must read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// AMT 2: passwords, PID and PPS.
    V1,
    /// AMT 3: certificates and their hashes, reusable records.
    V2_0,
    /// AMT 4: names, network, power. Has the GUID of 2.0.
    V2_1,
    /// AMT 6: SHA-256 hashes, IPv6, KVM, consent.
    V3,
    /// What Intel's tools of AMT 11 and later write: records may be scrambled.
    V4,
}

impl Version {
    /// All, the oldest first.
    pub const ALL: [Self; 5] = [Self::V1, Self::V2_0, Self::V2_1, Self::V3, Self::V4];

    /// The sixteen bytes at the beginning of a file.
    pub const fn guid(self) -> [u8; 16] {
        match self {
            Self::V1 => *b"\xb5\x16\xfb\x71\x87\xcb\xf9\x4a\xb4\x41\xca\x7b\x38\x35\x78\xf9",
            Self::V2_0 | Self::V2_1 => *b"\x96\xb2\x81\x58\xcf\x6b\x72\x4c\x8b\x91\xa1\x5e\x51\x2e\x99\xc4",
            Self::V3 => *b"\xa7\xf7\xf6\xc6\x89\xc4\xf6\x47\x93\xed\xe2\xe5\x02\x0d\xa5\x1d",
            Self::V4 => *b"\xaa\xa9\x34\x52\xe1\x29\xa9\x44\x8d\x4d\x08\x1c\x07\xb9\x63\x53",
        }
    }

    /// The version that GUID and minor number tell.
    pub fn from_guid(guid: [u8; 16], minor: u8) -> Option<Self> {
        let version = Self::ALL.into_iter().find(|version| version.guid() == guid)?;
        Some(if version == Self::V2_0 && minor > 0 { Self::V2_1 } else { version })
    }

    /// The major number in the header.
    pub const fn major(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2_0 | Self::V2_1 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }

    /// The minor number in the header.
    pub const fn minor(self) -> u8 {
        match self {
            Self::V2_1 => 1,
            _ => 0,
        }
    }
}

impl fmt::Display for Version {
    /// `1`, `2.0`, `2.1`, `3` or `4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V1 => "1",
            Self::V2_0 => "2.0",
            Self::V2_1 => "2.1",
            Self::V3 => "3",
            Self::V4 => "4",
        })
    }
}

impl FromStr for Version {
    type Err = crate::Failure;

    /// As Intel's tool names them (`2` is 2.0), or with the minor number written out.
    fn from_str(text: &str) -> Result<Self, crate::Failure> {
        Ok(match text.trim() {
            "1" | "1.0" => Self::V1,
            "2" | "2.0" => Self::V2_0,
            "2.1" => Self::V2_1,
            "3" | "3.0" => Self::V3,
            "4" | "4.0" => Self::V4,
            _ => return Err(super::refused(format!("there is no version {text:?}; there are 1, 2.0, 2.1, 3 and 4"))),
        })
    }
}
