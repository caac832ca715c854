//! Firmware versions and what each can do: one table, read by policy, procedures and simulator alike.

mod matrix;
mod setup;

pub use matrix::{Capabilities, FEATURES, Feature, TlsRange};
pub use setup::SetupKind;

use crate::ErrorCode;
use crate::failure::Failure;
use std::fmt;
use std::str::FromStr;

/// AMT firmware version, for example `16.1.25.2124`. Missing trailing parts are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FirmwareVersion {
    /// Generation.
    pub major: u16,
    /// Minor.
    pub minor: u16,
    /// Hotfix.
    pub hotfix: u16,
    /// Build.
    pub build: u16,
}

impl FirmwareVersion {
    /// `major.minor`, hotfix and build zero.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor, hotfix: 0, build: 0 }
    }

    /// Reads the version out of an HTTP `Server` header such as
    /// `Intel(R) Active Management Technology 15.0.23.1706` (`spec/wsman.md` §1.3).
    pub fn from_server_header(value: &str) -> Option<Self> {
        value.contains("Active Management Technology").then(|| value.split_whitespace().next_back()?.parse().ok())?
    }
}

impl fmt::Display for FirmwareVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.hotfix)?;
        if self.build != 0 { write!(f, ".{}", self.build) } else { Ok(()) }
    }
}

impl FromStr for FirmwareVersion {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let bad = || Failure::new(ErrorCode::PARSE_TEXT, "parse", format!("not a firmware version: {text:?}"));
        let mut parts = text.trim().split('.').map(|p| p.parse::<u16>().map_err(|_| bad()));
        let mut next = || parts.next().unwrap_or(Ok(0));
        let version = Self { major: next()?, minor: next()?, hotfix: next()?, build: next()? };
        if parts.next().is_some() || version.major == 0 { Err(bad()) } else { Ok(version) }
    }
}

/// A TLS protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.0.
    V1_0,
    /// TLS 1.1.
    V1_1,
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_0 => "TLS 1.0",
            Self::V1_1 => "TLS 1.1",
            Self::V1_2 => "TLS 1.2",
            Self::V1_3 => "TLS 1.3",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse_compare_and_print() {
        let v: FirmwareVersion = "16.1.25.2124".parse().unwrap();
        assert!(v > FirmwareVersion::new(16, 0) && v < FirmwareVersion::new(16, 2));
        assert_eq!(v.to_string(), "16.1.25.2124");
        assert_eq!("11".parse::<FirmwareVersion>().unwrap(), FirmwareVersion::new(11, 0));
        for bad in ["", "x", "1.2.3.4.5", "0", "-1", "70000"] {
            assert!(bad.parse::<FirmwareVersion>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_server_header_tells_the_version() {
        let v = FirmwareVersion::from_server_header("Intel(R) Active Management Technology 15.0.23.1706");
        assert_eq!(v.unwrap().to_string(), "15.0.23.1706");
        assert_eq!(FirmwareVersion::from_server_header("nginx/1.2"), None);
    }
}
