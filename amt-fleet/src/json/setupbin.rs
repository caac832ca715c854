//! What a setup.bin holds (`spec/setupbin.md`) as a JSON document, and a file out of such a document.

mod rebuild;

pub use rebuild::{MAX_DOCUMENT, read};

use super::finding;
use amt_core::Finding;
use amt_core::setupbin::{Entry, Header, Kind, POWER_PACKAGES, RECORD_HEADER, Record, SetupBin, Value, Variable};
use serde_json::{Map, Value as Json, json};

/// The whole file, with `findings`. Secrets are left out unless `reveal`. What is as every writer makes it is left out, except the
/// fields that are promised. [`read`] takes the same document.
pub fn document(file: &SetupBin, findings: &[Finding], reveal: bool) -> Json {
    let header = &file.header;
    let mut document = json!({
        "version": file.version().to_string(),
        "flags": header.flags,
        "consumed": header.consumed,
        "modules": header.modules,
        "records": file.records().iter().map(|r| record(r, file.header.record_chunks, reveal)).collect::<Vec<_>>(),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    });
    if let Some(object) = document.as_object_mut() {
        let odd = odd_header(file, header, reveal);
        if !odd.is_empty() {
            object.insert("header".into(), Json::Object(odd));
        }
        let trailing = file.trailing().expose();
        if !trailing.is_empty() {
            object.insert("trailing".into(), bytes(trailing, reveal));
        }
    }
    document
}

/// Fields of the header that are not what belongs to version, modules and records.
fn odd_header(file: &SetupBin, header: &Header, reveal: bool) -> Map<String, Json> {
    let (version, count) = (header.version, file.records().len() as u64);
    let mut odd = Map::new();
    let fields: [(&str, u64, u64); 8] = [
        ("major", header.major.into(), version.major().into()),
        ("minor", header.minor.into(), version.minor().into()),
        ("chunks", header.chunks.into(), 1),
        ("bytes", header.bytes.into(), u64::from(header.expected_bytes())),
        ("number", header.number.into(), 0),
        ("record_count", header.count.into(), count),
        ("record_chunks", header.record_chunks.into(), 1),
        ("reserved", header.reserved.into(), 0),
    ];
    for (name, value, expected) in fields {
        if value != expected {
            odd.insert(name.into(), Json::from(value));
        }
    }
    if !header.padding.is_empty() {
        odd.insert("padding".into(), bytes(&header.padding, reveal));
    }
    odd
}

/// One record of a file whose header says that records have `file_chunks` chunks.
pub fn record(record: &Record, file_chunks: u16, reveal: bool) -> Json {
    let mut entries = record.entries();
    let list: Vec<Json> = entries.by_ref().map(|one| entry(&one, reveal)).collect();
    let mut document = json!({
        "number": record.number,
        "valid": record.flags & 1 != 0,
        "scrambled": record.is_scrambled(),
        "entries": list,
    });
    let Some(object) = document.as_object_mut() else { return document };
    for (name, value, expected) in [
        ("type", record.kind, 1),
        ("chunks", record.chunks.into(), file_chunks.max(1).into()),
        ("header_bytes", record.header_bytes.into(), RECORD_HEADER as u32),
    ] {
        if value != expected {
            object.insert(name.into(), value.into());
        }
    }
    if record.flags > 3 {
        object.insert("flags".into(), record.flags.into());
    }
    if record.reserved != [0; 8] {
        object.insert("reserved".into(), hex::encode(record.reserved).into());
    }
    let rest = entries.rest();
    if let Some(last) = rest.iter().rposition(|byte| *byte != 0) {
        object.insert("rest".into(), bytes(&rest[..=last], reveal));
    }
    document
}

fn entry(entry: &Entry<'_>, reveal: bool) -> Json {
    let variable = entry.variable();
    let shown = reveal || !entry.is_secret();
    let typed = Value::read(entry).ok().filter(|_| shown);
    let mut document = json!({
        "module": entry.module,
        "variable": entry.id,
        "name": variable.map(|variable| variable.name),
        "value": typed.as_ref().map_or(Json::Null, value),
        "hex": shown.then(|| hex::encode(entry.value)),
        "secret": entry.is_secret(),
    });
    let Some(object) = document.as_object_mut() else { return document };
    if let Some(meaning) = variable.zip(typed.as_ref()).and_then(|(variable, value)| meaning(variable, value)) {
        object.insert("meaning".into(), meaning.into());
    }
    if entry.reserved != 0 {
        object.insert("reserved".into(), entry.reserved.into());
    }
    if entry.padding.iter().any(|byte| *byte != 0) {
        object.insert("padding".into(), hex::encode(entry.padding).into());
    }
    document
}

/// A value as `create` takes it; null where only the bytes tell.
fn value(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.expose().as_str().into(),
        Value::Number(number) => (*number).into(),
        Value::Identifier(bytes) => hex::encode_upper(bytes).into(),
        Value::Address(address) => address.to_string().into(),
        Value::Root(root) => json!({
            "algorithm": root.algorithm.to_string(),
            "digest": hex::encode(&root.digest),
            "name": root.name,
        }),
        _ => Json::Null,
    }
}

/// What a value of this variable stands for, if it has a name.
pub fn meaning(variable: &Variable, value: &Value) -> Option<&'static str> {
    match value {
        Value::Number(number) => variable.choice(*number),
        Value::Identifier(bytes) if variable.name == "power_package" => {
            POWER_PACKAGES.iter().find(|(known, _)| known == bytes).map(|(_, name)| *name)
        }
        _ => None,
    }
}

/// Bytes that may be left over from something secret: their number always, they themselves only if asked for. Zeros at the end are
/// left out.
fn bytes(bytes: &[u8], reveal: bool) -> Json {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let shown = bytes.get(..end).unwrap_or_default();
    json!({ "length": bytes.len(), "hex": reveal.then(|| hex::encode(shown)) })
}

/// A variable that a record may have: numbers, name, type, values.
pub fn variable(variable: &Variable) -> Json {
    json!({
        "module": variable.module,
        "variable": variable.id,
        "name": variable.name,
        "since": variable.since.to_string(),
        "type": kind(variable),
        "secret": variable.secret,
        "values": variable.choices.iter().map(|(value, name)| json!({"value": value, "name": name})).collect::<Vec<_>>(),
        "about": variable.about,
    })
}

/// The type of a variable, in words.
pub fn kind(variable: &Variable) -> String {
    match variable.kind {
        Kind::Text { min, max } if min == max => format!("text of {max}"),
        Kind::Text { min, max } => format!("text of {min} to {max}"),
        Kind::Number { min, max, .. } if variable.choices.is_empty() => format!("{min} to {max}"),
        Kind::Number { .. } => {
            let choices: Vec<String> = variable.choices.iter().map(|(value, name)| format!("{value} {name}")).collect();
            choices.join(", ")
        }
        Kind::Identifier => "32 hex digits".into(),
        Kind::Address => "IPv4 address".into(),
        Kind::Root => "algorithm, digest, name".into(),
        _ => "hex".into(),
    }
}

#[cfg(test)]
mod tests;
