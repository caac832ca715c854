//! The OpenAPI document says what the types take, no more and no less.

use super::api::OPENAPI;
use super::wire::{
    self, AgentFacts, Enroll, Facts, MAX_BODY, MAX_SEQUENCE, MAX_WAIT, Problem, ProblemCode, Stage, Status,
};
use crate::fact::{FactKey, MAX_FACT, MAX_VALUES};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

fn schema(name: &str) -> Value {
    document()["components"]["schemas"][name].clone()
}

/// The example is read and written back the same, names every property, and stays readable exactly without those that are not required.
fn agrees<T: Serialize + DeserializeOwned>(name: &str, closed: bool) {
    let schema = schema(name);
    let example = &schema["examples"][0];
    let read = |value: &Value| wire::read::<T>(value.to_string().as_bytes());
    let taken = read(example).unwrap_or_else(|failure| panic!("{name}: {failure}"));
    assert_eq!(serde_json::to_value(&taken).unwrap(), *example, "{name}");
    let properties: BTreeSet<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let shown: BTreeSet<&String> = example.as_object().unwrap().keys().collect();
    assert_eq!(properties, shown, "{name}: the example shows every property");
    let required: Vec<&str> = schema["required"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    for property in properties {
        let mut less = example.clone();
        less.as_object_mut().unwrap().remove(property);
        // What may be null is always written, but a reader does without.
        let nullable = schema["properties"][property.as_str()]["type"].is_array();
        let needed = required.contains(&property.as_str()) && !nullable;
        assert_eq!(read(&less).is_err(), needed, "{name} without {property}");
    }
    let mut more = example.clone();
    more["surprise"] = json!(1);
    assert_eq!(read(&more).is_err(), closed, "{name} with something else");
    assert_eq!(schema["additionalProperties"] == json!(false), closed, "{name}");
}

#[test]
fn the_schemas_are_those_of_the_types() {
    agrees::<Enroll>("Enroll", true);
    agrees::<Facts>("Facts", true);
    agrees::<AgentFacts>("AgentFacts", true);
    agrees::<Status>("Status", false);
    agrees::<Problem>("Problem", false);
    let facts = schema("AgentFacts");
    let keys: BTreeSet<&str> = facts["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let told: BTreeSet<&str> = FactKey::ALL.iter().filter(|k| k.is_for_agents()).map(|k| k.name()).collect();
    assert_eq!(keys, told);
}

#[test]
fn words_and_limits_are_those_of_the_code() {
    let words = |schema: &Value, property: &str| {
        let all = schema["properties"][property]["enum"].as_array().unwrap().clone();
        all.iter().map(|v| v.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let stages: Vec<_> = Stage::ALL.iter().map(|s| s.name()).collect();
    assert_eq!(words(&schema("Status"), "stage"), stages);
    let codes: Vec<_> = ProblemCode::ALL.iter().map(|c| c.name()).collect();
    assert_eq!(words(&schema("Problem"), "code"), codes);
    let facts = schema("AgentFacts");
    for (key, word) in [(FactKey::Environment, "environment"), (FactKey::ControlMode, "control_mode")] {
        assert!(words(&facts, word).iter().all(|w| key.normalise(w).is_ok()));
    }
    assert_eq!(facts["properties"]["mac"]["maxItems"], json!(MAX_VALUES));
    assert_eq!(facts["properties"]["fqdn"]["maxLength"], json!(MAX_FACT));
    assert_eq!(schema("Facts")["properties"]["sequence"]["maximum"], json!(MAX_SEQUENCE));
    let status = &document()["paths"][wire::STATUS]["get"];
    assert_eq!(status["parameters"][0]["schema"]["maximum"], json!(MAX_WAIT));
    assert!(document().to_string().contains(&format!("longer than {MAX_BODY} bytes")));
    assert!(OPENAPI.len() <= wire::MAX_ANSWER);
}

#[test]
fn every_refusal_stands_under_its_status() {
    let document = document();
    for path in [wire::ENROLL, wire::FACTS, wire::STATUS, wire::OPENAPI, wire::HEALTH] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    assert_eq!(document["paths"].as_object().unwrap().len(), 5);
    let mut said = BTreeSet::new();
    for operation in document["paths"].as_object().unwrap().values().flat_map(|p| p.as_object().unwrap().values()) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let text = response["description"].as_str().unwrap();
            for code in ProblemCode::ALL {
                if text.split(|c: char| !c.is_ascii_uppercase() && c != '-').any(|word| word == code.name()) {
                    assert_eq!(status.parse::<u16>().unwrap(), code.status(), "{text}");
                    said.insert(code.name());
                }
            }
        }
    }
    // Those of the transport are said nowhere: what is not in the document has no operation.
    let all: BTreeSet<_> =
        ProblemCode::ALL.iter().map(|c| c.name()).filter(|c| !["PATH", "METHOD"].contains(c)).collect();
    assert_eq!(said, all);
}
