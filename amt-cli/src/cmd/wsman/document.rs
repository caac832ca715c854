//! Instances as JSON and as text: the same shape whether they come from a machine or from a file.

use amt_wsman::instance::{Instance, Value};
use amt_wsman::soap::{Reference, Selector, SelectorValue};
use serde_json::{Map, Value as Json, json};
use std::io::{self, Write};

/// `{"class", "properties"}`; a property that stands more than once is an array.
pub(super) fn instance_json(instance: &Instance) -> Json {
    json!({ "class": instance.class, "properties": properties_json(&instance.properties) })
}

/// Properties by name; repeats are arrays in their order.
pub(super) fn properties_json(properties: &[(String, Value)]) -> Json {
    gather(properties.iter().map(|(name, value)| (name, value_json(value))))
}

fn value_json(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Reference(reference) => reference_json(reference),
        Value::Object(properties) => properties_json(properties),
    }
}

fn reference_json(reference: &Reference) -> Json {
    json!({
        "address": reference.address,
        "resource_uri": reference.resource_uri,
        "class": reference.class(),
        "selectors": selectors_json(&reference.selectors),
    })
}

fn selectors_json(selectors: &[Selector]) -> Json {
    gather(selectors.iter().map(|selector| {
        let value = match &selector.value {
            SelectorValue::Text(text) => text.as_str().into(),
            SelectorValue::Reference(reference) => reference_json(reference),
        };
        (&selector.name, value)
    }))
}

fn gather<'a>(entries: impl Iterator<Item = (&'a String, Json)>) -> Json {
    // No value of ours is an array by itself, so an array is always a repeated name.
    let mut object = Map::new();
    for (name, value) in entries {
        match object.get_mut(name) {
            None => drop(object.insert(name.clone(), value)),
            Some(Json::Array(values)) => values.push(value),
            Some(first) => *first = Json::Array(vec![first.take(), value]),
        }
    }
    Json::Object(object)
}

/// The instance for people: its class, then a property a line.
pub(super) fn write_instance(w: &mut dyn Write, instance: &Instance) -> io::Result<()> {
    writeln!(w, "{}", instance.class)?;
    write_properties(w, &instance.properties, 1)
}

fn write_properties(w: &mut dyn Write, properties: &[(String, Value)], depth: usize) -> io::Result<()> {
    let indent = "  ".repeat(depth);
    for (name, value) in properties {
        match value {
            Value::Text(text) => writeln!(w, "{indent}{name} = {}", printable(text))?,
            Value::Reference(reference) => writeln!(w, "{indent}{name} -> {}", reference_text(reference))?,
            Value::Object(inner) => {
                writeln!(w, "{indent}{name}")?;
                write_properties(w, inner, depth + 1)?;
            }
        }
    }
    Ok(())
}

/// `Class(Name=value, …)`.
fn reference_text(reference: &Reference) -> String {
    let selectors = reference.selectors.iter().map(|selector| match &selector.value {
        SelectorValue::Text(text) => format!("{}={}", printable(&selector.name), printable(text)),
        SelectorValue::Reference(inner) => format!("{}={}", printable(&selector.name), reference_text(inner)),
    });
    let class = reference.class().unwrap_or(&reference.resource_uri);
    format!("{}({})", printable(class), selectors.collect::<Vec<_>>().join(", "))
}

/// Text of a device for a terminal: control characters are shown, not obeyed.
fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn repeats_become_arrays_and_references_nest() {
        let mut instance = Instance::new("CIM_X");
        instance.properties = vec![
            ("A".into(), text("1")),
            ("B".into(), Value::Reference(Reference::to("CIM_Y").with("Of", Reference::to("AMT_Z").with("Name", "n")))),
            ("A".into(), text("2")),
            ("A".into(), text("")),
            ("C".into(), Value::Object(vec![("D".into(), text("d"))])),
        ];
        let json = instance_json(&instance);
        assert_eq!(json["class"], "CIM_X");
        assert_eq!(json["properties"]["A"], json!(["1", "2", ""]));
        assert_eq!(json["properties"]["B"]["class"], "CIM_Y");
        assert_eq!(json["properties"]["B"]["selectors"]["Of"]["selectors"]["Name"], "n");
        assert_eq!(json["properties"]["C"], json!({"D": "d"}));
    }

    #[test]
    fn people_do_not_get_control_characters_of_a_device() {
        let mut instance = Instance::new("CIM_X");
        instance.properties = vec![("A".into(), text("\u{1b}[31mé"))];
        let mut written = Vec::new();
        write_instance(&mut written, &instance).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), "CIM_X\n  A = \\u{1b}[31mé\n");
    }
}
