//! The schema of the document: for editors, and as the page of the documentation.

use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Derived from the types of the document; a test below says when it is not what they say any more. As text: the code that would make it is
/// several times its size.
const SCHEMA: &str = include_str!("schema.json");

/// JSON Schema (draft 2020-12) of a profile.
pub fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap_or_default()
}

/// Keys that may stand at `path` (`wifi.profiles[0]`); none if the path is not of the document.
pub(super) fn keys(path: &str) -> Vec<String> {
    let root = schema();
    find(&root, path).map(|at| names(target(&root, at))).unwrap_or_default()
}

/// What the field at `path` is for.
pub(super) fn meaning(path: &str) -> Option<String> {
    let root = schema();
    let at = find(&root, path)?;
    let own = text(at);
    Some(if own.is_empty() { text(target(&root, at)) } else { own }.to_owned())
}

/// The schema of what stands at `path`.
fn find<'s>(root: &'s Value, path: &str) -> Option<&'s Value> {
    let mut at = root;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let (key, item) = part.split_once('[').map_or((part, false), |(key, _)| (key, true));
        let schema = target(root, at);
        let named = schema.get("properties").and_then(|all| all.get(key));
        // Tables by name: every name stands for the same.
        at = named.or_else(|| schema.get("additionalProperties").filter(|inner| inner.is_object()))?;
        if item {
            at = target(root, at).get("items")?;
        }
    }
    Some(at)
}

fn names(schema: &Value) -> Vec<String> {
    schema.get("properties").and_then(Value::as_object).map(|all| all.keys().cloned().collect()).unwrap_or_default()
}

/// What a schema stands for: behind a reference, and without the null of an absent value.
fn target<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let found = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return found.map_or(schema, |found| target(root, found));
    }
    let some = schema.get("anyOf").and_then(Value::as_array);
    let some = some.and_then(|all| all.iter().find(|one| one.get("type").and_then(Value::as_str) != Some("null")));
    some.map_or(schema, |some| target(root, some))
}

/// The schema as a page in Markdown: every section with its keys, what they take and what they mean.
pub fn reference() -> String {
    let root = schema();
    let mut page = String::new();
    let mut pending: Vec<(String, String)> = Vec::new();
    section(&mut page, &root, "", &root, &mut pending);
    let mut seen = Vec::new();
    while !pending.is_empty() {
        let (path, pointer) = pending.remove(0);
        let Some(schema) = root.pointer(&pointer) else { continue };
        // A kind of section that was told already: only where it stands is said.
        if seen.contains(&pointer) {
            continue;
        }
        seen.push(pointer);
        section(&mut page, &root, &path, schema, &mut pending);
    }
    page
}

fn section(page: &mut String, root: &Value, path: &str, schema: &Value, pending: &mut Vec<(String, String)>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let title = if path.is_empty() { "the document".to_owned() } else { format!("`{path}`") };
    let _ = write!(page, "## {title}\n\n{}\n\n", text(schema));
    page.push_str("| key | takes | meaning |\n|---|---|---|\n");
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (key, property) in properties {
        let takes = takes(root, property);
        let mark = if required.contains(&key.as_str()) { " (required)" } else { "" };
        let meaning = text(property);
        let meaning = if meaning.is_empty() { text(target(root, property)) } else { meaning };
        let _ = writeln!(page, "| `{key}`{mark} | {takes} | {} |", meaning.replace('\n', " ").replace('|', "\\|"));
        let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        children(root, property, inner, pending);
    }
    page.push('\n');
}

/// Sections behind a property, with where they stand.
fn children(root: &Value, property: &Value, path: String, pending: &mut Vec<(String, String)>) {
    let resolved = target(root, property);
    let (schema, path) = match (resolved.get("items"), resolved.get("additionalProperties")) {
        (Some(items), _) => (items, format!("{path}[]")),
        (None, Some(inner @ Value::Object(_))) => (inner, format!("{path}.NAME")),
        _ => (property, path),
    };
    let pointer = reference_of(schema);
    if let Some(pointer) = pointer
        && root.pointer(pointer).is_some_and(|schema| schema.get("properties").is_some())
    {
        pending.push((path, pointer.to_owned()));
    }
}

fn reference_of(schema: &Value) -> Option<&str> {
    let own = schema.get("$ref").and_then(Value::as_str);
    let some = || schema.get("anyOf")?.as_array()?.iter().find_map(|one| one.get("$ref")?.as_str());
    own.or_else(some)?.strip_prefix('#')
}

/// What a property takes, in words.
fn takes(root: &Value, property: &Value) -> String {
    let schema = target(root, property);
    if let Some(items) = schema.get("items") {
        return format!("list of: {}", takes(root, items));
    }
    if let Some(words) = words(schema) {
        return words;
    }
    if schema.get("additionalProperties").is_some_and(Value::is_object) {
        return "tables by name".to_owned();
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or(""),
        _ => "",
    };
    match kind {
        "string" => "text",
        "integer" => "number",
        "boolean" => "`true` or `false`",
        "object" => "table",
        _ => "value",
    }
    .to_owned()
}

/// The words of an enumeration.
fn words(schema: &Value) -> Option<String> {
    let quoted = |word: &Value| word.as_str().map(|word| format!("`\"{word}\"`"));
    if let Some(Value::Array(all)) = schema.get("enum") {
        return Some(all.iter().filter_map(quoted).collect::<Vec<_>>().join(", "));
    }
    let one_of = schema.get("oneOf")?.as_array()?;
    let described = |one: &Map<String, Value>| {
        let word = one.get("const").and_then(quoted)?;
        let meaning = one.get("description").and_then(Value::as_str).unwrap_or_default();
        Some(format!("{word}: {}", meaning.trim_end_matches('.').replace('\n', " ").replace('|', "\\|")))
    };
    Some(one_of.iter().filter_map(Value::as_object).filter_map(described).collect::<Vec<_>>().join("; "))
}

fn text(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;
    use schemars::generate::SchemaSettings;

    #[test]
    fn the_schema_is_what_the_types_say() {
        let derived = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Profile>().to_value();
        if std::env::var_os("TRYCMD").is_some_and(|action| action == "overwrite") {
            let text = serde_json::to_string_pretty(&derived).unwrap() + "\n";
            std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/src/profile/schema.json"), text).unwrap();
        } else {
            assert!(
                derived == schema(),
                "make schema.json anew: TRYCMD=overwrite cargo test --workspace the_schema_is"
            );
        }
    }

    #[test]
    fn the_schema_refuses_unknown_keys_and_knows_what_may_stand_where() {
        let schema = schema();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["$defs"]["WifiProfile"]["additionalProperties"], false);
        assert!(keys("wifi.profiles[0]").contains(&"ssid".to_owned()));
        assert!(keys("").contains(&"wired".to_owned()));
        assert!(keys("machines.x").contains(&"host_name".to_owned()), "{:?}", keys("machines.x"));
        assert!(keys("nowhere").is_empty());
    }

    #[test]
    fn the_page_tells_every_key_with_a_meaning() {
        let page = reference();
        for part in [
            "## `wifi.profiles[]`",
            "`\"s0\"`: While the system runs",
            "## `machines.NAME`",
            "| `ssid` (required) | text |",
        ] {
            assert!(page.contains(part), "{part} in\n{page}");
        }
        let without = page.lines().find(|line| line.starts_with("| `") && line.ends_with("|  |"));
        assert_eq!(without, None);
    }
}
