//! What a file holds, for people.

use super::records;
use crate::output::Output;
use amt_core::Failure;
use amt_core::setupbin::{CHUNK, Entry, RECORD_HEADER, Record, SetupBin, Stop, TABLE, Value};
use amt_fleet::json::setupbin::{kind, meaning, variable};
use serde_json::{Value as Json, json};
use std::io::{self, Write};

/// What stands for a secret that is not shown.
const HIDDEN: &str = "(hidden)";

/// The file for people: one line for each variable.
pub(super) fn people(w: &mut dyn Write, file: &SetupBin, reveal: bool) -> io::Result<()> {
    let header = &file.header;
    let kind = if header.reusable() { "reusable: every record may be used again" } else { "each used once" };
    writeln!(w, "version {}, {}, {kind}", file.version(), records(file.records().len()))?;
    if header.consumed > 0 {
        writeln!(w, "{} used", header.consumed)?;
    }
    for record in file.records() {
        people_record(w, record, reveal)?;
    }
    match file.trailing().expose().len() {
        0 => Ok(()),
        n => writeln!(w, "\n{n} bytes follow the last record"),
    }
}

/// One record for people.
pub(super) fn people_record(w: &mut dyn Write, record: &Record, reveal: bool) -> io::Result<()> {
    let state = match (record.kind, record.is_usable()) {
        (1, true) => "",
        (1, false) => ", used",
        _ => ", no data",
    };
    let scrambled = if record.is_scrambled() { ", scrambled" } else { "" };
    writeln!(w, "\nrecord {}{state}{scrambled}", record.number)?;
    let mut entries = record.entries();
    for entry in entries.by_ref() {
        writeln!(w, "  {:<28} {}", entry.name(), people_value(&entry, reveal))?;
    }
    match entries.stop() {
        Some(Stop::Overrun { .. } | Stop::Leftover { .. }) => {
            writeln!(w, "  {} bytes from here on cannot be read", entries.rest().len())
        }
        _ => Ok(()),
    }
}

fn people_value(entry: &Entry<'_>, reveal: bool) -> String {
    if entry.is_secret() && !reveal {
        return HIDDEN.into();
    }
    let raw = || format!("{} (hex)", hex::encode(entry.value));
    let (Some(variable), Ok(value)) = (entry.variable(), Value::read(entry)) else { return raw() };
    let meaning = meaning(variable, &value).map_or(String::new(), |meaning| format!("  {meaning}"));
    match &value {
        Value::Text(text) => text.expose().escape_debug().to_string(),
        Value::Number(number) => format!("{number}{meaning}"),
        Value::Identifier(bytes) => format!("{}{meaning}", hex::encode_upper(bytes)),
        Value::Address(address) => address.to_string(),
        Value::Root(root) => format!("{} {}  {}", root.algorithm, hex::encode(&root.digest), root.name.escape_debug()),
        _ => raw(),
    }
}

/// The table of variables.
pub(super) fn variables(out: &mut Output) -> Result<(), Failure> {
    let list: Vec<Json> = TABLE.iter().map(variable).collect();
    out.show(&json!({ "variables": list }), |w| {
        for variable in TABLE {
            let secret = if variable.secret { ", secret" } else { "" };
            let id = format!("{}/{}", variable.module, variable.id);
            let since = format!("since {}", variable.since);
            writeln!(w, "{id:<5} {:<28} {since:<9}  {}{secret}", variable.name, kind(variable))?;
            writeln!(w, "      {}", variable.about)?;
        }
        writeln!(w, "\na record has {} bytes for variables, each takes 8 and its value", CHUNK - RECORD_HEADER)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use amt_fleet::json::setupbin::read;

    #[test]
    fn secrets_are_hidden_unless_asked_for() {
        let entries = json!({"current_password": "admin", "new_password": "Abcd123!"});
        let document = json!({"records": [{"entries": entries}]});
        let file = read(document.to_string().as_bytes()).unwrap();
        let shown = |reveal| {
            let mut text = Vec::new();
            people(&mut text, &file, reveal).unwrap();
            String::from_utf8(text).unwrap()
        };
        for secret in ["admin", "Abcd123!", "61646d696e", "4162636431323321"] {
            assert!(!shown(false).contains(secret));
        }
        assert!(shown(true).contains("Abcd123!") && shown(false).contains(HIDDEN));
    }
}
