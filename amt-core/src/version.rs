//! Firmware versions and what each can do: one table, read by policy, procedures and simulator alike.

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

    /// What this firmware can do.
    pub fn capabilities(self) -> Capabilities {
        let at_least = |major, minor| self >= Self::new(major, minor);
        let pki_hello = at_least(3, 0) || matches!((self.major, self.minor), (2, 2) | (2, 6));
        Capabilities {
            pki: pki_hello,
            psk: at_least(2, 0) && !at_least(11, 0),
            wsman: at_least(3, 0),
            eoi: !at_least(9, 0),
            generate_key_pair: at_least(6, 0),
            host_based_setup: at_least(6, 2),
            auth_int: at_least(14, 0),
            secure_host_based_setup: at_least(14, 0),
            local_tls_enforced: at_least(19, 0),
            remote_plain_http: !at_least(16, 1),
            sha1_chain: !at_least(15, 0),
            tls: TlsRange {
                min: if at_least(16, 0) {
                    TlsVersion::V1_2
                } else if at_least(12, 0) {
                    TlsVersion::V1_1
                } else {
                    TlsVersion::V1_0
                },
                max: if at_least(20, 0) {
                    TlsVersion::V1_3
                } else if at_least(12, 0) {
                    TlsVersion::V1_2
                } else if at_least(6, 0) {
                    TlsVersion::V1_1
                } else {
                    TlsVersion::V1_0
                },
                forward_secrecy: at_least(14, 0),
            },
        }
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

/// TLS of a firmware (`spec/hello-tls.md` §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsRange {
    /// Oldest version it speaks.
    pub min: TlsVersion,
    /// Newest version it speaks.
    pub max: TlsVersion,
    /// Whether it offers (EC)DHE suites; without them only the legacy engine connects.
    pub forward_secrecy: bool,
}

/// What a firmware can do (`spec/wsman.md` §0.1, `spec/hello-tls.md` §1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Certificate-based remote configuration (hello type 3).
    pub pki: bool,
    /// PID/PPS remote configuration (hello type 2).
    pub psk: bool,
    /// WS-Man.
    pub wsman: bool,
    /// The older EOI SOAP interface.
    pub eoi: bool,
    /// `GenerateKeyPair` and PKCS#10 on the device.
    pub generate_key_pair: bool,
    /// Client and admin control mode set up from the host.
    pub host_based_setup: bool,
    /// Digest `auth-int`.
    pub auth_int: bool,
    /// `StartConfigurationHBased`.
    pub secure_host_based_setup: bool,
    /// Local ports speak TLS only.
    pub local_tls_enforced: bool,
    /// Ports 16992 and 623 can be open to the network.
    pub remote_plain_http: bool,
    /// A provisioning chain with SHA-1 in it is accepted.
    pub sha1_chain: bool,
    /// TLS versions and key exchange.
    pub tls: TlsRange,
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

    #[test]
    fn milestones_are_as_documented() {
        let of = |a, b| FirmwareVersion::new(a, b).capabilities();
        assert!(of(10, 0).psk && !of(11, 0).psk);
        assert!(!of(2, 5).pki && of(2, 6).pki && of(3, 0).pki);
        assert!(of(16, 0).remote_plain_http && !of(16, 1).remote_plain_http);
        assert!(!of(12, 0).tls.forward_secrecy && of(14, 0).tls.forward_secrecy);
        assert!(!of(18, 0).local_tls_enforced && of(19, 0).local_tls_enforced);
    }
}
