//! MKHI, the kernel's client: versions and features (`spec/heci.md` §4.1).

use amt_core::codec::{DecodeError, Reader};

const GENERAL: u8 = 0xFF;
const CAPABILITIES: u8 = 3;
const GET_VERSION: u8 = 2;
const GET_RULE: u8 = 2;
/// Bit of the command that says "answer".
const ANSWER: u8 = 0x80;
/// Most versions of an answer: code, recovery, FITC.
const MAX_VERSIONS: usize = 3;

/// Rules that can be asked for.
pub mod rule {
    /// SKU bits of the firmware.
    pub const SKU: u32 = 0;
    /// Local firmware update: 0 off, 1 on, 2 with a password.
    pub const LOCAL_UPDATE: u32 = 7;
    /// Kind of platform, with the brand.
    pub const PLATFORM: u32 = 29;
    /// Features that are on.
    pub const ENABLED: u32 = 32;
    /// Features that there are.
    pub const AVAILABLE: u32 = 39;
}

/// Asks for [`MkhiVersions`].
pub const GET_FW_VERSION: [u8; 4] = [GENERAL, GET_VERSION, 0, 0];

/// Asks for a [`Rule`].
pub fn get_rule(id: u32) -> [u8; 8] {
    let [a, b, c, d] = id.to_le_bytes();
    [CAPABILITIES, GET_RULE, 0, 0, a, b, c, d]
}

/// A version as MKHI orders it, put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MkhiVersion {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number.
    pub hotfix: u16,
    /// Fourth number.
    pub build: u16,
}

/// Versions of the firmware's parts: code, recovery (or NFTP), FITC where it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MkhiVersions(pub Vec<MkhiVersion>);

impl MkhiVersions {
    /// Reads the answer to [`GET_FW_VERSION`].
    ///
    /// # Errors
    /// If it is damaged, answers something else, or has a result other than 0.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        header(&mut reader, GENERAL, GET_VERSION)?;
        let mut versions = Vec::new();
        while !reader.rest().is_empty() || versions.is_empty() {
            if versions.len() == MAX_VERSIONS {
                return Err(DecodeError::TooLarge {
                    field: "mkhi.versions",
                    max: MAX_VERSIONS * 8 + 4,
                    have: bytes.len(),
                });
            }
            let (minor, major) = (reader.u16_le("mkhi.version.minor")?, reader.u16_le("mkhi.version.major")?);
            let (build, hotfix) = (reader.u16_le("mkhi.version.build")?, reader.u16_le("mkhi.version.hotfix")?);
            versions.push(MkhiVersion { major, minor, hotfix, build });
        }
        Ok(Self(versions))
    }

    /// The answer.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![GENERAL, GET_VERSION | ANSWER, 0, 0];
        for version in &self.0 {
            for number in [version.minor, version.major, version.build, version.hotfix] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        out
    }
}

/// A rule and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which.
    pub id: u32,
    /// Its value, little-endian; at most 255 bytes.
    pub data: Vec<u8>,
}

impl Rule {
    /// Reads the answer to [`get_rule`].
    ///
    /// # Errors
    /// If it is damaged, answers something else, or has a result other than 0.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        header(&mut reader, CAPABILITIES, GET_RULE)?;
        let id = reader.u32_le("mkhi.rule.id")?;
        let length = usize::from(reader.u8("mkhi.rule.length")?);
        Ok(Self { id, data: reader.bytes("mkhi.rule.data", length)?.to_vec() })
    }

    /// The answer.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![CAPABILITIES, GET_RULE | ANSWER, 0, 0];
        out.extend_from_slice(&self.id.to_le_bytes());
        out.push(u8::try_from(self.data.len()).unwrap_or(u8::MAX));
        out.extend(self.data.iter().take(usize::from(u8::MAX)));
        out
    }

    /// The value as one number, where it has four bytes.
    pub fn number(&self) -> Option<u32> {
        self.data.as_slice().try_into().ok().map(u32::from_le_bytes)
    }

    /// The brand in a value of [`rule::PLATFORM`], in words.
    pub fn brand(&self) -> Option<&'static str> {
        /// After the kind of platform (8 bits of it public) and the kind of image (4).
        const AT: u32 = 12;
        Some(match self.number()? >> AT & 0xF {
            0 => "none",
            1 => "AMT",
            2 => "standard manageability",
            3 => "level III",
            4 => "RPAT",
            5 => "small business",
            _ => return None,
        })
    }
}

/// A request as the firmware sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MkhiRequest {
    /// Versions.
    Version,
    /// A rule.
    Rule(u32),
    /// Another: group and command.
    Other(u8, u8),
}

impl MkhiRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// If it is damaged or is an answer.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (group, command) = (reader.u8("mkhi.group")?, reader.u8("mkhi.command")?);
        let rest = reader.u16_le("mkhi.reserved")?;
        if command & ANSWER != 0 || rest != 0 {
            return Err(DecodeError::Invalid { field: "mkhi.command", offset: 1, got: command.into() });
        }
        match (group, command) {
            (GENERAL, GET_VERSION) => Ok(Self::Version),
            (CAPABILITIES, GET_RULE) => reader.u32_le("mkhi.rule.id").map(Self::Rule),
            other => Ok(Self::Other(other.0, other.1)),
        }
    }

    /// The answer to an unknown request: its header with result `result`.
    pub const fn refuse(group: u8, command: u8, result: u8) -> [u8; 4] {
        [group, command | ANSWER, 0, result]
    }
}

fn header(reader: &mut Reader<'_>, group: u8, command: u8) -> Result<(), DecodeError> {
    let invalid = |field, offset, got: u8| Err(DecodeError::Invalid { field, offset, got: got.into() });
    let got = reader.u8("mkhi.group")?;
    if got != group {
        return invalid("mkhi.group", 0, got);
    }
    let got = reader.u8("mkhi.command")?;
    if got != command | ANSWER {
        return invalid("mkhi.command", 1, got);
    }
    reader.u8("mkhi.reserved")?;
    match reader.u8("mkhi.result")? {
        0 => Ok(()),
        result => invalid("mkhi.result", 3, result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_published_bytes() {
        assert_eq!(GET_FW_VERSION, [0xff, 2, 0, 0]);
        assert_eq!(get_rule(0), [3, 2, 0, 0, 0, 0, 0, 0]);
        let rule = Rule { id: 0, data: vec![4, 0, 0, 0] };
        let bytes = [3, 0x82, 0, 0, 0, 0, 0, 0, 4, 4, 0, 0, 0];
        assert_eq!(rule.encode(), bytes);
        assert_eq!(Rule::decode(&bytes), Ok(rule.clone()));
        assert_eq!(rule.number(), Some(4));
        assert_eq!(MkhiRequest::decode(&get_rule(29)), Ok(MkhiRequest::Rule(29)));
        assert_eq!(MkhiRequest::decode(&GET_FW_VERSION), Ok(MkhiRequest::Version));
    }

    #[test]
    fn versions_are_put_in_order_and_refused_when_cut() {
        let version = MkhiVersion { major: 16, minor: 1, hotfix: 25, build: 2049 };
        let versions = MkhiVersions(vec![version, version]);
        let bytes = versions.encode();
        assert_eq!(bytes[4..8], [1, 0, 16, 0]);
        assert_eq!(MkhiVersions::decode(&bytes), Ok(versions));
        for cut in (0..bytes.len()).filter(|cut| *cut != 12) {
            assert!(MkhiVersions::decode(&bytes[..cut]).is_err(), "{cut}");
        }
        assert!(MkhiVersions::decode(&[bytes.as_slice(), &[0; 16]].concat()).is_err(), "more than there can be");
        let refused = MkhiRequest::refuse(0xff, 2, 0x8d);
        assert!(MkhiVersions::decode(&refused).is_err_and(|e| e.field() == "mkhi.result"));
    }
}
