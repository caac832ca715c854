//! `amt info --registry`: the same facts as values of one registry key, where inventory tools of Windows collect them.

use serde_json::Value;

/// The key below `HKEY_LOCAL_MACHINE`.
#[cfg(windows)]
pub(super) const KEY: &str = r"SOFTWARE\amt\facts";

/// A value of the registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Data {
    Text(String),
    Number(u32),
}

/// Every value of the document with its path as name, `control.standing` or `roots.0.hash`. What is null has none.
pub(super) fn flatten(document: &Value) -> Vec<(String, Data)> {
    let mut values = Vec::new();
    add(String::new(), document, &mut values);
    values
}

fn add(path: String, value: &Value, values: &mut Vec<(String, Data)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(map) => map.iter().for_each(|(name, value)| add(below(name), value, values)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| add(below(&at.to_string()), value, values))
        }
        Value::Bool(on) => values.push((path, Data::Number((*on).into()))),
        Value::String(text) => values.push((path, Data::Text(text.clone()))),
        Value::Number(number) => values.push(match number.as_u64().map(u32::try_from) {
            Some(Ok(number)) => (path, Data::Number(number)),
            _ => (path, Data::Text(number.to_string())),
        }),
    }
}

/// Puts the facts where those of an earlier run were.
///
/// # Errors
/// `FILE_WRITE`: only an administrator may.
#[cfg(windows)]
pub(super) fn write(document: &Value) -> Result<(), amt_core::Failure> {
    // It is not there the first time.
    let _ = windows_registry::LOCAL_MACHINE.remove_tree(KEY);
    let key = windows_registry::LOCAL_MACHINE.create(KEY).map_err(failed)?;
    for (name, data) in flatten(document) {
        match data {
            Data::Text(text) => key.set_string(&name, &text),
            Data::Number(number) => key.set_u32(&name, number),
        }
        .map_err(failed)?;
    }
    Ok(())
}

#[cfg(windows)]
fn failed(error: impl std::fmt::Display) -> amt_core::Failure {
    let text = format!(r"HKEY_LOCAL_MACHINE\{KEY}: {error}");
    amt_core::Failure::new(amt_core::ErrorCode::FILE_WRITE, "registry", text).hint("run this as administrator")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_value_has_its_path_and_null_has_none() {
        let document = json!({
            "version": "16.0.15", "suffix": null, "control": { "amt_enabled": true, "provisioning_mode": 1 },
            "roots": [{ "active": false }], "big": 4_294_967_296_u64, "empty": [],
        });
        let text = |text: &str| Data::Text(text.to_owned());
        let mut values = flatten(&document);
        values.sort_by(|(a, _), (b, _)| a.cmp(b));
        let expected = [
            ("big", text("4294967296")),
            ("control.amt_enabled", Data::Number(1)),
            ("control.provisioning_mode", Data::Number(1)),
            ("roots.0.active", Data::Number(0)),
            ("version", text("16.0.15")),
        ];
        assert_eq!(values, expected.map(|(name, data)| (name.to_owned(), data)));
    }

    /// Against the real registry: under Windows, and under Wine.
    #[cfg(windows)]
    #[test]
    fn what_was_there_before_is_gone_afterwards() {
        write(&json!({ "old": "x", "version": "9.5" })).unwrap();
        write(&json!({ "version": "16.0" })).unwrap();
        let key = windows_registry::LOCAL_MACHINE.open(KEY).unwrap();
        assert_eq!(key.get_string("version").unwrap(), "16.0");
        assert!(key.get_string("old").is_err());
    }
}
