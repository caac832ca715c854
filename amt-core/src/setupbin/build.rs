//! Making files: a new one by the rules for writers (`spec/setupbin.md` §7), or one that was read, out of its parts.

use super::header::{FIXED, byte_count};
use super::record::{DATA, SCRAMBLED, VALID};
use super::{
    CHUNK, Entry, Header, Kind, MAX_MODULES, MAX_RECORDS, MAX_WRITTEN_RECORDS, RECORD_HEADER, Record, SetupBin, Value,
    Variable, Version, refused,
};
use crate::hello::HashAlgorithm;
use crate::{Failure, Secret};

/// An entry to be written, with what a rebuild to the same bytes needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEntry {
    /// Module number.
    pub module: u16,
    /// Variable number.
    pub id: u16,
    /// The value.
    pub value: Secret<Vec<u8>>,
    /// Zero, unless a file had something else.
    pub reserved: u16,
    /// What fills the value to a multiple of four, from its beginning: zero, unless a file had something else.
    pub padding: [u8; 3],
    /// Written by a [`Draft`] even where a rule for writers speaks against it.
    pub forced: bool,
}

impl RawEntry {
    /// An entry of any variable, known or not.
    pub const fn new(module: u16, id: u16, value: Secret<Vec<u8>>) -> Self {
        Self { module, id, value, reserved: 0, padding: [0; 3], forced: false }
    }

    /// A variable and its value.
    ///
    /// # Errors
    /// `SETUP_BIN` if the value is of another kind, see [`Value::write`].
    pub fn typed(variable: &Variable, value: &Value) -> Result<Self, Failure> {
        Ok(Self::new(variable.module, variable.id, value.write(variable)?))
    }

    /// The name for messages.
    pub fn name(&self) -> String {
        self.as_entry().name()
    }

    fn as_entry(&self) -> Entry<'_> {
        let padding = self.value.expose().len().next_multiple_of(4) - self.value.expose().len();
        Entry {
            module: self.module,
            id: self.id,
            reserved: self.reserved,
            value: self.value.expose(),
            padding: self.padding.get(..padding).unwrap_or_default(),
            offset: 0,
        }
    }
}

impl Record {
    /// A record of `entries` in the given order, followed by `rest`; not used yet, not scrambled.
    ///
    /// # Errors
    /// `SETUP_BIN` if they need more than `body_size` bytes, or an entry has a number that ends the list.
    pub fn from_entries(number: u32, entries: &[RawEntry], rest: &[u8], body_size: usize) -> Result<Self, Failure> {
        let needed = entries.iter().map(|entry| entry.as_entry().size()).fold(rest.len(), usize::saturating_add);
        if needed > body_size {
            return Err(refused(format!("record {number}: the entries need {needed} bytes, a record has {body_size}")));
        }
        let mut body = Vec::with_capacity(body_size);
        for entry in entries {
            let entry = entry.as_entry();
            if entry.module == 0 || entry.id == 0 {
                return Err(refused(format!("record {number}: an entry {} would end the list", entry.name())));
            }
            push(&mut body, &entry);
        }
        body.extend_from_slice(rest);
        body.resize(body_size, 0);
        Ok(Self {
            kind: DATA,
            flags: VALID,
            reserved: [0; 8],
            chunks: 1,
            header_bytes: RECORD_HEADER.try_into().unwrap_or(u16::MAX),
            number,
            body: Secret::new(body),
        })
    }
}

/// Appends an entry that is known to fit.
pub(super) fn push(body: &mut Vec<u8>, entry: &Entry<'_>) {
    body.extend(entry.module.to_le_bytes());
    body.extend(entry.id.to_le_bytes());
    body.extend(u16::try_from(entry.value.len()).unwrap_or(u16::MAX).to_le_bytes());
    body.extend(entry.reserved.to_le_bytes());
    body.extend_from_slice(entry.value);
    body.extend_from_slice(entry.padding);
}

impl SetupBin {
    /// A file out of its parts, for a rebuild: nothing is corrected.
    ///
    /// # Errors
    /// `SETUP_BIN` if the modules and what follows them do not fit in the header, a record is of another size than the header tells, or
    /// there are more than [`MAX_RECORDS`].
    pub fn from_parts(header: Header, records: Vec<Record>, trailing: Secret<Vec<u8>>) -> Result<Self, Failure> {
        let header_size = header.size(usize::MAX);
        let used = FIXED + 2 * header.modules.len() + header.padding.len();
        if used > header_size || FIXED + 2 * header.modules.len() > CHUNK {
            return Err(refused(format!(
                "header: modules and padding need {used} bytes, the header has {header_size}"
            )));
        }
        if records.len() > MAX_RECORDS {
            return Err(refused(format!("{} records, at most {MAX_RECORDS} are read", records.len())));
        }
        let body = header.record_size().saturating_sub(RECORD_HEADER);
        match records.iter().find(|record| record.body.expose().len() != body) {
            Some(record) => Err(refused(format!("record {}: its body must have {body} bytes", record.number))),
            None => Ok(Self { header, header_size, records, trailing }),
        }
    }

    /// Its parts, as [`from_parts`](Self::from_parts) takes them.
    pub fn into_parts(self) -> (Header, Vec<Record>, Secret<Vec<u8>>) {
        (self.header, self.records, self.trailing)
    }

    /// The module list that belongs to the records: each module once, in the order in which they first occur.
    pub fn modules_in_use(records: &[Record]) -> Vec<u16> {
        let mut modules = Vec::new();
        for entry in records.iter().flat_map(Record::entries) {
            if !modules.contains(&entry.module) && modules.len() < MAX_MODULES {
                modules.push(entry.module);
            }
        }
        modules
    }
}

/// A new file, written by the rules: what a version cannot carry, unknown variables, duplicates and overlong records are refused.
#[derive(Clone, Debug)]
pub struct Draft {
    version: Version,
    reusable: bool,
    records: Vec<Record>,
}

impl Draft {
    /// An empty file.
    ///
    /// # Errors
    /// `SETUP_BIN` for a reusable file of version 1, which does not know such records.
    pub fn new(version: Version, reusable: bool) -> Result<Self, Failure> {
        if reusable && version == Version::V1 {
            return Err(refused("header: version 1 has no reusable records; the oldest that has is 2.0"));
        }
        Ok(Self { version, reusable, records: Vec::new() })
    }

    /// Appends a record; its entries are sorted as the rules for their order ask (§2.4), root hashes stay in the order given.
    ///
    /// # Errors
    /// `SETUP_BIN` lists everything that is wrong with the record; the file stays as it was.
    pub fn push(&mut self, mut entries: Vec<RawEntry>, scrambled: bool) -> Result<(), Failure> {
        let number = self.records.len() + 1;
        if number > MAX_WRITTEN_RECORDS {
            return Err(refused(format!("at most {MAX_WRITTEN_RECORDS} records are written into one file")));
        }
        entries.sort_by_key(|entry| (entry.module, entry.id));
        let judged = entries.iter().filter(|entry| !entry.forced);
        let mut reasons: Vec<String> = judged.filter_map(|entry| self.objection(entry)).collect();
        for pair in entries.windows(2) {
            if let [first, second] = pair
                && (first.module, first.id) == (second.module, second.id)
                && !Variable::find(first.module, first.id).is_some_and(Variable::may_repeat)
                && !(first.forced && second.forced)
            {
                reasons.push(format!("{} stands twice", first.name()));
            }
        }
        if scrambled && self.version < Version::V4 {
            reasons.push(format!("version {} has no scrambled records", self.version));
        }
        if !reasons.is_empty() {
            return Err(refused(format!("record {number}: {}", reasons.join("; "))));
        }
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let mut record = Record::from_entries(number, &entries, &[], super::BODY)?;
        if scrambled {
            record.flags |= SCRAMBLED;
        }
        self.records.push(record);
        Ok(())
    }

    /// The file.
    ///
    /// # Errors
    /// None that is known: every record was checked when it was added.
    pub fn finish(self) -> Result<SetupBin, Failure> {
        let mut header = Header::new(self.version, self.reusable);
        header.modules = SetupBin::modules_in_use(&self.records);
        header.bytes = byte_count(header.modules.len());
        header.count = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        SetupBin::from_parts(header, self.records, Secret::default())
    }

    fn objection(&self, entry: &RawEntry) -> Option<String> {
        let Some(variable) = Variable::find(entry.module, entry.id) else {
            return Some(format!("there is no variable {}/{}", entry.module, entry.id));
        };
        let name = variable.name;
        if variable.since > self.version {
            return Some(format!(
                "version {} cannot carry {name}, the oldest that can is {}",
                self.version, variable.since
            ));
        }
        let sha2 = variable.kind == Kind::Root && entry.value.expose().first() > Some(&HashAlgorithm::SHA1.0);
        (sha2 && self.version < Version::V3).then(|| {
            format!("version {} cannot carry a {name} other than SHA-1, the oldest that can is 3", self.version)
        })
    }
}

impl Header {
    /// The header of a new file with these records, as a starting point for a rebuild.
    pub fn for_records(version: Version, records: &[Record]) -> Self {
        let mut header = Self::new(version, false);
        header.modules = SetupBin::modules_in_use(records);
        header.bytes = byte_count(header.modules.len());
        header.count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        header
    }

    /// The byte count that belongs to the module list.
    pub fn expected_bytes(&self) -> u16 {
        byte_count(self.modules.len())
    }
}
