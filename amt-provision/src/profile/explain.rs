//! A profile in words: what each field that it names will do.

use super::{Profile, schema};
use serde_json::Value;

/// One field that a profile names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explained {
    /// The field, for example `wifi.profiles[0].ssid`.
    pub field: String,
    /// Its value as JSON.
    pub value: String,
    /// What it is for.
    pub meaning: String,
}

impl Profile {
    /// Every field that the profile names, in the order of the schema, with what it is for. Secrets are named by their source.
    pub fn explain(&self) -> Vec<Explained> {
        // Structs of texts, numbers and truth values always serialise.
        let document = serde_json::to_value(self).unwrap_or_default();
        let mut all = Vec::new();
        walk(&document, "", &mut all);
        all
    }
}

fn walk(value: &Value, path: &str, all: &mut Vec<Explained>) {
    match value {
        // Where a secret or certificate comes from is one thing.
        Value::Object(members) if members.len() == 1 && members.keys().all(|key| is_source(key)) => {
            leaf(value, path, all)
        }
        Value::Object(members) => {
            for (key, value) in members {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                walk(value, &inner, all);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{index}]"), all);
            }
        }
        _ => leaf(value, path, all),
    }
}

fn is_source(key: &str) -> bool {
    matches!(key, "file" | "env" | "pem" | "derived_from" | "random")
}

fn leaf(value: &Value, path: &str, all: &mut Vec<Explained>) {
    let meaning = schema::meaning(path).unwrap_or_default();
    all.push(Explained { field: path.to_owned(), value: value.to_string(), meaning });
}

#[cfg(test)]
mod tests {
    use super::super::Syntax;
    use super::*;

    #[test]
    fn every_field_is_told_with_its_meaning() {
        let text = "format = 1\nname = \"x\"\n[general]\nping = false\n[[access.users]]\nname = \"a\"\nfrom = \"any\"\n\
                    realms = [\"redirection\"]\npassword = { file = \"a.txt\" }\n[machines.00000000-0000-0000-0000-000000000001]\nhost_name = \"h\"\n";
        let profile = Profile::read(text, Syntax::Toml).unwrap().0.unwrap();
        let all = profile.explain();
        let find =
            |field: &str| all.iter().find(|one| one.field == field).unwrap_or_else(|| panic!("{field} in {all:?}"));
        assert_eq!(find("general.ping").meaning, "Whether it answers ICMP echo requests.");
        assert_eq!(find("access.users[0].password").value, "{\"file\":\"a.txt\"}");
        assert!(find("access.users[0].from").meaning.starts_with("From where"));
        assert!(all.iter().all(|one| !one.meaning.is_empty()), "{all:?}");
    }
}
