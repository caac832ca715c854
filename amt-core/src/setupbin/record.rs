//! Records (`spec/setupbin.md` §1.3), and a file as a whole.

use super::{Entries, Header, RECORD_HEADER, Version};
use crate::Secret;
use std::fmt;

/// One record: the variables for one machine, or for many if the file is reusable.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// 1 data, 0 none.
    pub kind: u32,
    /// Bit 0: not used yet. Bit 1: the body is scrambled in the file.
    pub flags: u32,
    /// Zero.
    pub reserved: [u8; 8],
    /// Chunks of this record: 1.
    pub chunks: u16,
    /// Bytes before the body: 24.
    pub header_bytes: u16,
    /// 1, 2, 3 …; unique in the file.
    pub number: u32,
    /// The body in clear.
    pub(super) body: Secret<Vec<u8>>,
}

/// A whole file. [`read`](Self::read) takes what a machine would refuse, [`decode`](Self::decode) does not.
#[derive(Clone, PartialEq, Eq)]
pub struct SetupBin {
    /// The first chunk.
    pub header: Header,
    pub(super) header_size: usize,
    pub(super) records: Vec<Record>,
    /// Bytes behind the last record.
    pub(super) trailing: Secret<Vec<u8>>,
}

/// Bit of a record's flags: not used yet.
pub(super) const VALID: u32 = 1;
/// Bit of a record's flags: the body is scrambled.
pub(super) const SCRAMBLED: u32 = 2;
/// Kind of a record with data.
pub(super) const DATA: u32 = 1;
/// What scrambling adds to every byte of a body.
pub(super) const SHIFT: u8 = 0x11;

impl Record {
    /// Whether a BIOS would use it.
    pub const fn is_usable(&self) -> bool {
        self.kind == DATA && self.flags & VALID != 0
    }

    /// Whether its body is scrambled in the file.
    pub const fn is_scrambled(&self) -> bool {
        self.flags & SCRAMBLED != 0
    }

    /// Its variables.
    pub fn entries(&self) -> Entries<'_> {
        Entries::new(self.body.expose())
    }

    /// The body in clear, padding and all.
    pub const fn body(&self) -> &Secret<Vec<u8>> {
        &self.body
    }

    /// Reads a record out of all its bytes.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (head, body) = bytes.split_first_chunk::<RECORD_HEADER>()?;
        let [k0, k1, k2, k3, f0, f1, f2, f3, reserved @ .., c0, c1, h0, h1, n0, n1, n2, n3] = *head;
        let flags = u32::from_le_bytes([f0, f1, f2, f3]);
        let body = if flags & SCRAMBLED == 0 {
            body.to_vec()
        } else {
            body.iter().map(|byte| byte.wrapping_sub(SHIFT)).collect()
        };
        Some(Self {
            kind: u32::from_le_bytes([k0, k1, k2, k3]),
            flags,
            reserved,
            chunks: u16::from_le_bytes([c0, c1]),
            header_bytes: u16::from_le_bytes([h0, h1]),
            number: u32::from_le_bytes([n0, n1, n2, n3]),
            body: Secret::new(body),
        })
    }

    /// Appends the record, `size` bytes long.
    pub(super) fn write(&self, out: &mut Vec<u8>, size: usize) {
        let end = out.len() + size;
        out.extend(self.kind.to_le_bytes());
        out.extend(self.flags.to_le_bytes());
        out.extend(self.reserved);
        out.extend(self.chunks.to_le_bytes());
        out.extend(self.header_bytes.to_le_bytes());
        out.extend(self.number.to_le_bytes());
        if self.is_scrambled() {
            out.extend(self.body.expose().iter().map(|byte| byte.wrapping_add(SHIFT)));
        } else {
            out.extend_from_slice(self.body.expose());
        }
        out.resize(end, 0);
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("kind", &self.kind)
            .field("flags", &self.flags)
            .field("number", &self.number)
            .field("entries", &self.entries().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl SetupBin {
    /// The version of the file.
    pub const fn version(&self) -> Version {
        self.header.version
    }

    /// Its records, used ones too.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Bytes behind the last record; none in a well-formed file. They may be records that the header does not count.
    pub const fn trailing(&self) -> &Secret<Vec<u8>> {
        &self.trailing
    }

    /// Bytes of a record's body in this file.
    pub fn body_size(&self) -> usize {
        self.header.record_size().saturating_sub(RECORD_HEADER)
    }

    /// The file's bytes: those that it was read from, if nothing was changed.
    pub fn encode(&self) -> Secret<Vec<u8>> {
        let size = self.header.record_size();
        let length = self.header_size + size * self.records.len() + self.trailing.expose().len();
        // The whole is reserved at once, so that growing leaves no copies of secrets behind.
        let mut out = Vec::with_capacity(length);
        self.header.write(&mut out, self.header_size);
        for record in &self.records {
            record.write(&mut out, size);
        }
        out.extend_from_slice(self.trailing.expose());
        Secret::new(out)
    }
}

impl fmt::Debug for SetupBin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetupBin")
            .field("header", &self.header)
            .field("records", &self.records)
            .field("trailing", &self.trailing.expose().len())
            .finish_non_exhaustive()
    }
}
