//! Requests out of JSON: the inverse of what [`decode`](crate::decode) makes of replies.
//!
//! Values may be secret: no message repeats one, and a [`Request`] wipes what it was given.

use crate::decode::Json;
use crate::instance::{Instance, MIXED_TEXT, Value};
use crate::op::Request;
use crate::soap::{MAX_REFERENCE_DEPTH, Reference, Selector, SelectorValue};
use amt_core::{ErrorCode, Failure};

/// Longest JSON document that is read.
pub const MAX_DOCUMENT: usize = crate::xml::MAX_SIZE;

/// Namespaces of XML itself.
const RESERVED: [&str; 2] = ["http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2000/xmlns/"];

/// Members of an object that stands for a reference; `class` is enough in place of `resource_uri`.
const REFERENCE: [&str; 4] = ["address", "resource_uri", "class", "selectors"];

/// Checks the name of a class or method, which becomes part of an element's name.
///
/// # Errors
/// `PARSE_TEXT` if it is not made of letters, digits and `_`, `-`, `.`, with a letter or `_` first.
pub fn check_name(what: &str, name: &str) -> Result<(), Failure> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if begins && goes_on { Ok(()) } else { Err(refused(format!("{what}: {name:?} is no name"))) }
}

/// Reads an instance of `class`: an object of its properties, an item of a reply (`class`, `properties`), or a whole reply with one
/// item, as [`Description::to_json`](crate::decode::Description::to_json) writes it.
///
/// Arrays are repeated properties; what is null is left out; an object with `selectors` is a reference.
///
/// # Errors
/// `PARSE_TEXT` names the place and what is wrong with it.
pub fn instance(class: &str, json: &str) -> Result<Instance, Failure> {
    check_name("class", class)?;
    let members = item(class, object("instance", json)?)?;
    Ok(Instance { class: class.to_owned(), properties: values("instance", members)? })
}

/// `request` with the arguments in the object `json`, in its order; empty text for none.
///
/// # Errors
/// As [`instance`].
pub fn arguments(request: Request, json: &str) -> Result<Request, Failure> {
    let arguments = values("arguments", object("arguments", json)?)?;
    Ok(arguments.into_iter().fold(request, |request, (name, value)| request.arg(&name, value)))
}

/// `request` for the instance that the selectors in the object `json` choose; empty text for none.
///
/// # Errors
/// As [`instance`].
pub fn selectors(request: Request, json: &str) -> Result<Request, Failure> {
    let selectors = selector_list("selectors", object("selectors", json)?, 0)?;
    Ok(request.at(&Reference { selectors, ..Reference::default() }))
}

type Members = Vec<(String, Json)>;

fn object(what: &str, json: &str) -> Result<Members, Failure> {
    if json.len() > MAX_DOCUMENT {
        return Err(refused(format!("{what}: {} bytes, at most {MAX_DOCUMENT} are read", json.len())));
    }
    if json.is_empty() {
        return Ok(Members::new());
    }
    match serde_json::from_str(json) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(refused(format!("{what}: a JSON object is needed"))),
        // The parser's message quotes nothing: every type of value is taken.
        Err(error) => Err(refused(format!("{what}: this is not JSON: {error}"))),
    }
}

/// The properties in a reply or one of its items; other objects are properties already.
fn item(class: &str, members: Members) -> Result<Members, Failure> {
    let is = |members: &Members, name: &str| members.iter().any(|(key, _)| key == name);
    if is(&members, "items") {
        return match take(members, "items") {
            Some(Json::Array(mut items)) if items.len() == 1 => match items.pop() {
                Some(Json::Object(members)) if is(&members, "properties") => item(class, members),
                _ => Err(refused("items[0]: an object with class and properties is needed".to_owned())),
            },
            _ => Err(refused("items: exactly one instance is needed".to_owned())),
        };
    }
    if !is(&members, "properties") {
        return Ok(members);
    }
    let other = members.iter().any(|(name, value)| name == "class" && *value != Json::String(class.to_owned()));
    if other {
        return Err(refused(format!("class: this is no instance of {class}")));
    }
    match take(members, "properties") {
        Some(Json::Object(properties)) => Ok(properties),
        _ => Err(refused("properties: a JSON object is needed".to_owned())),
    }
}

fn take(members: Members, wanted: &str) -> Option<Json> {
    members.into_iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
}

fn values(path: &str, members: Members) -> Result<Vec<(String, Value)>, Failure> {
    let mut found = Vec::with_capacity(members.len());
    for (name, json) in members {
        check_property(path, &name)?;
        let path = format!("{path}.{name}");
        let list = match json {
            Json::Null => continue,
            Json::Array(list) => list,
            one => vec![one],
        };
        for (at, json) in list.into_iter().enumerate() {
            found.push((name.clone(), value(&format!("{path}[{at}]"), json)?));
        }
    }
    Ok(found)
}

/// A property's name: also `{namespace}Name`, and the name of text beside elements.
fn check_property(path: &str, name: &str) -> Result<(), Failure> {
    if name == MIXED_TEXT {
        return Ok(());
    }
    let Some((namespace, local)) = name.strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
        return check_name(path, name);
    };
    // No prefix can be bound to nothing, nor to XML's own names.
    let is_bindable = !namespace.is_empty()
        && !RESERVED.contains(&namespace)
        && !namespace.chars().any(|c| c.is_whitespace() || c.is_control());
    if is_bindable { check_name(path, local) } else { Err(refused(format!("{path}: {name:?} has no namespace"))) }
}

fn value(path: &str, json: Json) -> Result<Value, Failure> {
    match json {
        Json::Object(members) if is_reference(&members) => reference(path, members, 0).map(Value::Reference),
        Json::Object(members) => values(path, members).map(Value::Object),
        other => text(path, other).map(Value::Text),
    }
}

fn text(path: &str, json: Json) -> Result<String, Failure> {
    match json {
        Json::String(text) => Ok(text),
        Json::Number(number) => Ok(number.to_string()),
        Json::Bool(truth) => Ok(truth.to_string()),
        _ => Err(refused(format!("{path}: text, a number, true or false is needed"))),
    }
}

fn is_reference(members: &Members) -> bool {
    members.iter().any(|(name, _)| name == "selectors")
        && members.iter().all(|(name, _)| REFERENCE.contains(&name.as_str()))
}

fn reference(path: &str, members: Members, depth: usize) -> Result<Reference, Failure> {
    if depth >= MAX_REFERENCE_DEPTH {
        return Err(refused(format!("{path}: references are nested deeper than {MAX_REFERENCE_DEPTH}")));
    }
    let (mut address, mut uri, mut class, mut selectors) = (None, None, None, Vec::new());
    for (name, json) in members {
        let path = format!("{path}.{name}");
        match (name.as_str(), json) {
            ("class", Json::Null) => {}
            ("class", json) => class = Some(text(&path, json)?),
            ("address", json) => address = Some(text(&path, json)?),
            ("resource_uri", json) => uri = Some(text(&path, json)?),
            (_, Json::Object(members)) => selectors = selector_list(&path, members, depth)?,
            _ => return Err(refused(format!("{path}: a JSON object is needed"))),
        }
    }
    let mut reference = match (uri, class) {
        (Some(uri), _) => Reference { resource_uri: uri, ..Reference::default() },
        (None, Some(class)) => Reference::to(&class),
        (None, None) => return Err(refused(format!("{path}: give resource_uri or class"))),
    };
    reference.address = address.unwrap_or(reference.address);
    reference.selectors = selectors;
    Ok(reference)
}

fn selector_list(path: &str, members: Members, depth: usize) -> Result<Vec<Selector>, Failure> {
    let mut found = Vec::with_capacity(members.len());
    for (name, json) in members {
        let path = format!("{path}.{name}");
        let list = match json {
            Json::Array(list) => list,
            one => vec![one],
        };
        for json in list {
            let value = match json {
                Json::Object(members) => SelectorValue::from(reference(&path, members, depth + 1)?),
                other => SelectorValue::Text(text(&path, other)?),
            };
            found.push(Selector { name: name.clone(), value });
        }
    }
    Ok(found)
}

fn refused(message: String) -> Failure {
    Failure::new(ErrorCode::PARSE_TEXT, "compose", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Description;

    fn sample() -> Instance {
        let mut instance = Instance::new("AMT_X");
        instance.push("Zeta", "1");
        instance.push("List", "a");
        instance.push("List", "b");
        let inner = Reference::to("CIM_Y").with("K", "v");
        instance.push("Key", Reference::to("AMT_Z").with("InstanceID", "7").with("Other", inner));
        instance.push("Time", Value::Object(vec![("Datetime".into(), "t".into()), (MIXED_TEXT.into(), "x".into())]));
        instance
    }

    #[test]
    fn a_reply_can_be_put_back_in_every_shape() {
        let whole = Description::answer("AMT_X", None, None, vec![sample()]).to_json().to_string();
        let at = |text: &str| whole.find(text).unwrap();
        let one = &whole[at("[{") + 1..whole.len() - 2];
        let properties = &one[one.find("\"properties\":").unwrap() + 13..one.len() - 1];
        for json in [whole.as_str(), one, properties] {
            assert_eq!(instance("AMT_X", json).unwrap(), sample(), "{json}");
        }
        assert_eq!(instance("AMT_Other", one).unwrap_err().code, ErrorCode::PARSE_TEXT);
    }

    #[test]
    fn arguments_keep_their_order_and_selectors_reach_the_header() {
        let request = Request::invoke("AMT_X", "Do");
        let request =
            arguments(request, r#"{"Z":true,"A":5,"None":null,"Ref":{"class":"AMT_Y","selectors":{"N":"1"}}}"#);
        let request = selectors(request.unwrap(), r#"{"Name":"x","By":{"class":"AMT_Y","selectors":{}}}"#).unwrap();
        let xml = String::from_utf8(request.encode(1)).unwrap();
        assert!(xml.contains("<h:Z>true</h:Z><h:A>5</h:A><h:Ref>") && !xml.contains("None"), "{xml}");
        assert!(xml.contains("<w:Selector Name=\"Name\">x</w:Selector>"), "{xml}");
        let plain = Request::get("AMT_X");
        assert_eq!(selectors(plain.clone(), "").unwrap().encode(1), plain.encode(1));
    }

    #[test]
    fn what_is_refused_is_named_and_no_value_is_repeated() {
        let deep =
            (0..5).fold("\"hidden\"".to_owned(), |inner, _| format!(r#"{{"class":"C","selectors":{{"S":{inner}}}}}"#));
        for (json, part) in [
            ("[]", "a JSON object"),
            ("{", "not JSON"),
            (r#"{"A":"hidden","A":1}"#, "stands twice"),
            (r#"{"A":1.5}"#, "fraction"),
            (r#"{"A><B":"hidden"}"#, "is no name"),
            (r#"{"{urn:x}A B":"hidden"}"#, "is no name"),
            (r#"{"{}A":"hidden"}"#, "has no namespace"),
            (r#"{"{http://www.w3.org/2000/xmlns/}A":"hidden"}"#, "has no namespace"),
            (r#"{"A":[["hidden"]]}"#, "instance.A[0]: text"),
            (r#"{"A":[null]}"#, "instance.A[0]: text"),
            (r#"{"A":{"address":"hidden","selectors":{}}}"#, "resource_uri or class"),
            (r#"{"A":{"class":"C","selectors":"hidden"}}"#, "instance.A[0].selectors: a JSON object"),
            (&format!(r#"{{"A":{deep}}}"#), "nested deeper"),
            (r#"{"items":[]}"#, "exactly one"),
            (&" ".repeat(MAX_DOCUMENT + 1), "at most"),
        ] {
            let error = instance("AMT_X", json).expect_err(part);
            assert!(error.message.contains(part) && !error.message.contains("hidden"), "{part}: {error}");
        }
        assert!(instance("AMT X", "{}").is_err() && check_name("method", "").is_err());
    }
}
