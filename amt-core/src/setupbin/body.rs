//! The entries of a record (`spec/setupbin.md` §1.4).

use super::{ENTRY_HEADER, Variable};
use std::fmt;

/// One entry, as it stands in a record.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry<'a> {
    /// Module number; never 0.
    pub module: u16,
    /// Variable number; never 0.
    pub id: u16,
    /// Zero in a well-formed file.
    pub reserved: u16,
    /// The value; may be secret.
    pub value: &'a [u8],
    /// Up to three bytes that fill the value to a multiple of four; zero in a well-formed file.
    pub padding: &'a [u8],
    /// Where it begins in the record's body.
    pub offset: usize,
}

/// Why the rest of a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// An entry's value would end behind the body.
    Overrun {
        /// Module number of that entry.
        module: u16,
        /// Its variable number.
        id: u16,
        /// The length that it tells.
        length: u16,
        /// Bytes that are left.
        left: usize,
    },
    /// Fewer bytes are left than an entry has, and they are not zero.
    Leftover {
        /// How many.
        left: usize,
    },
}

/// The entries of a body, in order. Ends at an entry with a zero, at the end of the body, or where it has to [`stop`](Self::stop).
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    body: &'a [u8],
    at: usize,
    ended: bool,
    stop: Option<Stop>,
}

impl<'a> Entry<'a> {
    /// What the format knows of it.
    pub fn variable(&self) -> Option<&'static Variable> {
        Variable::find(self.module, self.id)
    }

    /// Whether the value must not be shown.
    pub fn is_secret(&self) -> bool {
        self.variable().is_some_and(|variable| variable.secret)
    }

    /// Name for messages: `new_password`, or `2/77`.
    pub fn name(&self) -> String {
        self.variable().map_or_else(|| format!("{}/{}", self.module, self.id), |variable| variable.name.to_owned())
    }

    /// Bytes that it takes in the body.
    pub fn size(&self) -> usize {
        ENTRY_HEADER + self.value.len() + self.padding.len()
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}, {} bytes", self.name(), self.offset, self.value.len())
    }
}

impl<'a> Entries<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, ended: false, stop: None }
    }

    /// Where in the body the next entry would begin; after the last one, where the rest begins.
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// Why reading had to stop, once there are no more entries.
    pub const fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// The bytes from [`offset`](Self::offset) on.
    pub fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    fn entry(&mut self) -> Option<Entry<'a>> {
        let rest = self.rest();
        let Some((head, data)) = rest.split_first_chunk::<ENTRY_HEADER>() else {
            if rest.iter().any(|byte| *byte != 0) {
                self.stop = Some(Stop::Leftover { left: rest.len() });
            }
            return None;
        };
        let [m0, m1, i0, i1, l0, l1, r0, r1] = *head;
        let (module, id) = (u16::from_le_bytes([m0, m1]), u16::from_le_bytes([i0, i1]));
        if module == 0 || id == 0 {
            return None;
        }
        let length = u16::from_le_bytes([l0, l1]);
        let (bytes, padded) = (usize::from(length), usize::from(length).next_multiple_of(4));
        let Some((value, padding)) = data.get(..padded).and_then(|data| data.split_at_checked(bytes)) else {
            self.stop = Some(Stop::Overrun { module, id, length, left: data.len() });
            return None;
        };
        let offset = self.at;
        self.at += ENTRY_HEADER + padded;
        Some(Entry { module, id, reserved: u16::from_le_bytes([r0, r1]), value, padding, offset })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let entry = if self.ended { None } else { self.entry() };
        self.ended = entry.is_none();
        entry
    }
}
