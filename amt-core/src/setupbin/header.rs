//! The first chunk of a file (`spec/setupbin.md` §1.1).

use super::{CHUNK, MAX_CHUNKS, Version, refused};
use crate::Failure;
use crate::codec::{DecodeError, Reader};

/// The header as it was read: numbers are kept even where they make no sense, which is [`lint`](super::lint())'s business.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// What the GUID and the minor number tell.
    pub version: Version,
    /// Major number; should agree with the GUID.
    pub major: u8,
    /// Minor number.
    pub minor: u8,
    /// Chunks of the header: 1. Firmware does not offer a file with 0, which an editor writes.
    pub chunks: u16,
    /// Bytes in use: 42 and two for each module.
    pub bytes: u16,
    /// Record number of the header: 0.
    pub number: u32,
    /// Bit 0: records are reusable.
    pub flags: u16,
    /// Records in the file, used ones too.
    pub count: u32,
    /// Records used.
    pub consumed: u32,
    /// Chunks of a record: 1.
    pub record_chunks: u16,
    /// Zero.
    pub reserved: u16,
    /// Modules that occur in records.
    pub modules: Vec<u16>,
    /// What follows the module list up to the last byte that is not zero; empty in a well-formed file.
    pub padding: Vec<u8>,
}

/// Bytes before the module list.
pub(super) const FIXED: usize = 40;
/// Bit of `flags`: records are used again and again.
pub(super) const REUSABLE: u16 = 1;

impl Header {
    pub(super) fn new(version: Version, reusable: bool) -> Self {
        Self {
            version,
            major: version.major(),
            minor: version.minor(),
            chunks: 1,
            bytes: byte_count(0),
            number: 0,
            flags: if reusable { REUSABLE } else { 0 },
            count: 0,
            consumed: 0,
            record_chunks: 1,
            reserved: 0,
            modules: Vec::new(),
            padding: Vec::new(),
        }
    }

    /// Reads the header at the beginning of `file`.
    pub(super) fn read(file: &[u8]) -> Result<Self, Failure> {
        if file.len() < CHUNK {
            return Err(refused(format!("header: the file has {} bytes, a header alone has {CHUNK}", file.len())));
        }
        let mut r = Reader::new(file);
        let mut header = Self::fixed(&mut r)?;
        let area = file.get(..header.size(file.len())).unwrap_or(file);
        let mut at = FIXED;
        while let Some([low, high]) = area.get(at..).and_then(|rest| rest.first_chunk()).filter(|_| at < CHUNK) {
            match u16::from_le_bytes([*low, *high]) {
                0 => break,
                module => header.modules.push(module),
            }
            at += 2;
        }
        header.padding = without_zeros(area.get(at..).unwrap_or_default());
        Ok(header)
    }

    fn fixed(r: &mut Reader<'_>) -> Result<Self, Failure> {
        let guid = r.array::<16>("header.type")?;
        let chunks = r.u16_le("header.chunks")?;
        let bytes = r.u16_le("header.bytes")?;
        let number = r.u32_le("header.number")?;
        let major = r.u8("header.major")?;
        let minor = r.u8("header.minor")?;
        let what = "the GUID is of no version of setup.bin";
        let unknown = DecodeError::Unsupported { field: "header.type", offset: 0, what };
        let version = Version::from_guid(guid, minor).ok_or_else(|| refused(unknown.to_string()))?;
        Ok(Self {
            version,
            major,
            minor,
            chunks,
            bytes,
            number,
            flags: r.u16_le("header.flags")?,
            count: r.u32_le("header.count")?,
            consumed: r.u32_le("header.consumed")?,
            record_chunks: r.u16_le("header.record_chunks")?,
            reserved: r.u16_le("header.reserved")?,
            modules: Vec::new(),
            padding: Vec::new(),
        })
    }

    /// Whether records are used again and again.
    pub const fn reusable(&self) -> bool {
        self.flags & REUSABLE != 0
    }

    /// Bytes that the header takes in a file of `length` bytes: one chunk unless more are plausible.
    pub(super) fn size(&self, length: usize) -> usize {
        chunks(self.chunks).filter(|size| *size <= length).unwrap_or(CHUNK)
    }

    /// Bytes of a record: one chunk unless another number is plausible.
    pub(super) fn record_size(&self) -> usize {
        chunks(self.record_chunks).unwrap_or(CHUNK)
    }

    /// Appends the header, `size` bytes long.
    pub(super) fn write(&self, out: &mut Vec<u8>, size: usize) {
        let end = out.len() + size;
        out.extend(self.version.guid());
        out.extend(self.chunks.to_le_bytes());
        out.extend(self.bytes.to_le_bytes());
        out.extend(self.number.to_le_bytes());
        out.extend([self.major, self.minor]);
        out.extend(self.flags.to_le_bytes());
        out.extend(self.count.to_le_bytes());
        out.extend(self.consumed.to_le_bytes());
        out.extend(self.record_chunks.to_le_bytes());
        out.extend(self.reserved.to_le_bytes());
        out.extend(self.modules.iter().flat_map(|module| module.to_le_bytes()));
        out.extend(&self.padding);
        out.resize(end, 0);
    }
}

/// What the byte count of a header with `modules` modules should be.
pub(super) fn byte_count(modules: usize) -> u16 {
    u16::try_from(FIXED + 2 * modules + 2).unwrap_or(u16::MAX)
}

/// The size that a chunk count tells, if it is one that may be true.
fn chunks(count: u16) -> Option<usize> {
    (1..=MAX_CHUNKS).contains(&count).then(|| CHUNK * usize::from(count))
}

/// `bytes` up to the last that is not zero.
pub(super) fn without_zeros(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default().to_vec()
}
