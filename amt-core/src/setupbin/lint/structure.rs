//! Header, counts, sizes, reserved fields, and where entries end (`spec/setupbin.md` §1, §7).

use super::super::header::without_zeros;
use super::super::record::{DATA, SCRAMBLED, VALID};
use super::super::{
    CHUNK, MAX_CHUNKS, MAX_RECORDS, MAX_WRITTEN_RECORDS, RECORD_HEADER, Record, SetupBin, Stop, Version,
};
use super::{List, Place, reads_the_other_way};
use crate::Severity::{Error, Info, Warning};
use std::collections::HashSet;

/// Record numbers that were seen.
pub(super) type Numbers = HashSet<u32>;

/// Everything but what values say.
pub(in super::super) fn check(file: &SetupBin, list: &mut List) {
    check_header(file, list);
    let mut numbers = Numbers::default();
    for (at, record) in file.records().iter().enumerate() {
        check_record(file, at, record, &mut numbers, list);
    }
}

pub(super) fn check_header(file: &SetupBin, list: &mut List) {
    let header = &file.header;
    let version = header.version;
    if header.major != version.major() {
        let text = format!("the major number is {}, the GUID is of version {version}", header.major);
        list.add(
            "HDR-MAJOR",
            Error,
            "header.major",
            text,
            "create the file anew; changing the number does not change the version",
        );
    }
    if header.minor != version.minor() {
        let text = format!("minor number {} is not known; read as version {version}", header.minor);
        list.add("HDR-MINOR", Info, "header.minor", text, "");
    }
    for (field, chunks, size) in [
        ("header.chunks", header.chunks, file.header_size),
        ("header.record_chunks", header.record_chunks, header.record_size()),
    ] {
        if chunks == 0 {
            let hint = "an editor is known to write it; firmware then does not offer the file: create it anew";
            list.add("HDR-CHUNKS", Warning, field, "0 chunks, read as 1", hint);
        } else if usize::from(chunks) * CHUNK != size {
            let text = format!("{chunks} chunks: at most {MAX_CHUNKS}, within the file, are read; read as 1");
            list.add("HDR-CHUNKS", Error, field, text, "the file is damaged, or not from a known tool");
        } else if chunks > 1 {
            list.add("HDR-CHUNKS", Warning, field, format!("{chunks} chunks; every known file has 1"), "");
        }
    }
    if header.bytes != header.expected_bytes() {
        let text = format!("{} bytes, but {} are in use", header.bytes, header.expected_bytes());
        list.add("HDR-BYTES", Warning, "header.bytes", text, "create the file anew");
    }
    if header.number != 0 {
        list.add("HDR-NUMBER", Warning, "header.number", format!("{} instead of 0", header.number), "");
    }
    if header.flags > 1 {
        let text = format!("{:#06x} has bits without a known meaning", header.flags);
        list.add("HDR-FLAGS", Warning, "header.flags", text, "");
    }
    if header.reusable() && version == Version::V1 {
        let hint = "firmware of this version uses each record once: make the file 2.1, or not reusable";
        list.add("HDR-FLAGS", Warning, "header.flags", "reusable records in version 1, which has none", hint);
    }
    if header.reserved != 0 {
        list.add("HDR-RESERVED", Warning, "header.reserved", format!("{:#06x} instead of 0", header.reserved), "");
    }
    let missing: Vec<String> = SetupBin::modules_in_use(file.records())
        .iter()
        .filter(|module| !header.modules.contains(module))
        .map(u16::to_string)
        .collect();
    if !missing.is_empty() {
        let text = format!("the list lacks {} of which records hold variables", missing.join(", "));
        list.add(
            "HDR-MODULES",
            Warning,
            "header.modules",
            text,
            "at least one machine took such a file; create it anew",
        );
    }
    if !header.padding.is_empty() {
        let text = "bytes behind the module list are not zero";
        list.add("HDR-PADDING", Warning, "header.padding", text, "");
    }
    check_counts(file, list);
}

fn check_counts(file: &SetupBin, list: &mut List) {
    let (header, present) = (&file.header, file.records().len());
    let told = usize::try_from(header.count).unwrap_or(usize::MAX);
    if told > MAX_RECORDS {
        let text = format!("{told} records, at most {MAX_RECORDS} are read");
        list.add("FILE-COUNT", Error, "header.count", text, "split the file");
    } else if told != present {
        let text = format!("{told} records should be there, {present} are");
        list.add("FILE-COUNT", Error, "header.count", text, "the file was cut short: copy it again, whole");
    } else if told > MAX_WRITTEN_RECORDS {
        let text = format!("{told} records: a BIOS takes 15 seconds to search a thousand");
        list.add("FILE-COUNT", Warning, "header.count", text, "split the file");
    }
    let trailing = file.trailing.expose();
    let rest = without_zeros(trailing).len();
    if rest > 0 && trailing.len() >= header.record_size() {
        let text = format!("{} bytes follow the last record that the header counts", trailing.len());
        list.add("FILE-TRAILING", Error, "file", text, "they may be records with secrets: create the file anew");
    } else if !trailing.is_empty() {
        let text = format!("{} bytes follow the last record", trailing.len());
        list.add("FILE-TRAILING", Warning, "file", text, "");
    }
    let consumed = usize::try_from(header.consumed).unwrap_or(usize::MAX);
    if consumed > told {
        let text = format!("{consumed} records are used, but there are {told}");
        list.add("FILE-USED", Error, "header.consumed", text, "a BIOS finds no record: create the file anew");
        return;
    }
    if told == 0 {
        list.add("FILE-USED", Warning, "header.count", "there is no record", "add one");
    } else if file.next_usable().is_none() {
        let (text, hint) = ("every record is used", "wipe the file; create a new one for more machines");
        list.add("FILE-USED", Warning, "header.consumed", text, hint);
    }
    let passed = file.records().iter().take(consumed).filter(|record| record.is_usable()).count();
    if passed > 0 {
        let text = format!("{passed} unused records stand before the first that a BIOS looks at");
        list.add("FILE-USED", Warning, "header.consumed", text, "they are never used: create the file anew");
    }
}

pub(super) fn check_record(file: &SetupBin, at: usize, record: &Record, numbers: &mut Numbers, list: &mut List) {
    let name = Place::record(at);
    if record.kind == 0 {
        list.add("REC-KIND", Info, name, "marked as no data; a BIOS passes over it", "");
    } else if record.kind != DATA {
        let text = format!("type {} is not known", record.kind);
        list.add(
            "REC-KIND",
            Error,
            name,
            text,
            "the file is damaged, or records have another size than the header tells",
        );
    }
    if record.flags & !(VALID | SCRAMBLED) != 0 {
        list.add("REC-FLAGS", Warning, name, format!("{:#x} has bits without a known meaning", record.flags), "");
    }
    if record.is_scrambled() && file.version() < Version::V4 {
        let text = format!("scrambled, which version {} does not know", file.version());
        list.add("REC-SCRAMBLED", Warning, name, text, "make the file version 4, or do not scramble");
    }
    if record.reserved != [0; 8] {
        list.add("REC-RESERVED", Warning, name, "reserved bytes are not zero", "");
    }
    if usize::from(record.chunks) * CHUNK != file.header.record_size() {
        let text = format!("{} chunks, the header tells {}", record.chunks, file.header.record_size() / CHUNK);
        list.add("REC-CHUNKS", Warning, name, text, "");
    }
    if usize::from(record.header_bytes) != RECORD_HEADER {
        let text = format!("a record header of {} bytes instead of {RECORD_HEADER}", record.header_bytes);
        list.add("REC-HEADER", Error, name, text, "the file is damaged, or not from a known tool");
    }
    if record.number == 0 || !numbers.insert(record.number) {
        let text = format!("number {} is taken", record.number);
        list.add("REC-NUMBER", Warning, name, text, "numbers are 1, 2, 3 …, each once");
    }
    if record.kind == DATA {
        check_entries(file, at, record, list);
    }
}

fn check_entries(file: &SetupBin, at: usize, record: &Record, list: &mut List) {
    let name = Place::record(at);
    let mut entries = record.entries();
    for entry in entries.by_ref() {
        if entry.reserved != 0 || entry.padding.iter().any(|byte| *byte != 0) {
            list.add("VAR-RESERVED", Warning, name.entry(&entry), "reserved bytes or padding are not zero", "");
        }
    }
    let offset = file.header_size + at * file.header.record_size() + RECORD_HEADER + entries.offset();
    let reason = match entries.stop() {
        None if entries.rest().iter().any(|byte| *byte != 0) => {
            let text = format!("bytes behind the last entry, at offset {offset:#x} of the file, are not zero");
            list.add("REC-PADDING", Warning, name, text, "they may be left from another record, secrets too");
            return;
        }
        None => return,
        Some(Stop::Overrun { module, id, length, left }) => {
            format!("variable {module}/{id} tells {length} bytes, {left} are left")
        }
        Some(Stop::Leftover { left }) => format!("{left} bytes are too few for an entry and not zero"),
    };
    let text = format!("stopped at offset {offset:#x} of the file: {reason}");
    let hint = match reads_the_other_way(record) {
        Some(first) if entries.offset() == 0 => {
            format!("the flag for scrambling is wrong: read the other way, the record begins with {first}")
        }
        _ => "what follows cannot be read: create the file anew".to_owned(),
    };
    list.add("REC-STOP", Error, name, text, &hint);
}
