//! What a saved envelope says: the data behind `amt wsman decode`.
//!
//! Nothing of the body is lost: every text in it appears in the [`Description`] as text, trimmed and otherwise
//! unchanged, whatever the class. Numbers stand beside such texts, never instead of them.

mod json;

pub use json::Json;

use crate::Error;
use crate::instance::{Instance, Value};
use crate::names;
use crate::op::ReturnValue;
use crate::soap::{Envelope, Kind, Reference, SelectorValue};
use crate::xml::Node;
use std::fmt::{self, Write};

/// An envelope, described.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// What it is.
    pub kind: Kind,
    /// Action URI; empty if there is none.
    pub action: String,
    /// Name of the class it is about, as far as that can be told.
    pub class: Option<String>,
    /// Name of the method, of a call or its output.
    pub method: Option<String>,
    /// What the method returned.
    pub return_value: Option<ReturnValue>,
    /// The instances, the method's input or output, or the fault: what the body holds.
    pub items: Vec<Instance>,
}

/// Describes an envelope. Errors are those of [`Envelope::decode`].
pub fn describe(bytes: &[u8]) -> Result<Description, Error> {
    let envelope = Envelope::decode(bytes)?;
    let items: Vec<Instance> = envelope.body.iter().flat_map(items).collect();
    let by_action = names::class_and_method(&envelope.action);
    let by_body = items.iter().find_map(|item| {
        item.class.strip_suffix("_OUTPUT").or_else(|| item.class.strip_suffix("_INPUT")).map(str::to_owned)
    });
    let class = envelope.resource_uri.as_deref().and_then(names::class_name).or(by_action.map(|(class, _)| class));
    let class = class.map(str::to_owned).or_else(|| {
        let item = items.iter().find(|item| names::class_name(&names::class_uri(&item.class)).is_some());
        item.map(|item| item.class.clone()).filter(|class| class.contains('_') && by_body.is_none())
    });
    let method = by_action.map(|(_, method)| method.to_owned()).or(by_body);
    let output = items.iter().find(|item| item.class.ends_with("_OUTPUT"));
    let return_value = output.and_then(|output| output.u32("ReturnValue")).map(|value| {
        ReturnValue::of(class.as_deref().unwrap_or_default(), method.as_deref().unwrap_or_default(), value)
    });
    Ok(Description { kind: envelope.kind(), action: envelope.action, class, method, return_value, items })
}

/// The items of a node in the body: of a page of an enumeration its instances, else the node itself.
fn items(node: &Node) -> Vec<Instance> {
    let is_page = matches!(node.name.as_str(), "PullResponse" | "EnumerateResponse") && node.child("Items").is_some();
    if !is_page {
        return vec![Instance::from_node(node)];
    }
    let mut rest = node.clone();
    let mut found = Vec::new();
    for list in rest.children.iter_mut().filter(|child| child.name == "Items") {
        found.extend(list.children.drain(..).map(|item| Instance::from_node(&item)));
    }
    rest.children.retain(has_text);
    if has_text(&rest) {
        found.push(Instance::from_node(&rest));
    }
    found
}

fn has_text(node: &Node) -> bool {
    !node.text.is_empty() || node.children.iter().any(has_text)
}

impl Description {
    /// The answer to a whole operation, which may have come in several envelopes; it has no action.
    pub fn answer(class: &str, method: Option<&str>, return_value: Option<ReturnValue>, items: Vec<Instance>) -> Self {
        let (class, method) = (Some(class.to_owned()), method.map(str::to_owned));
        Self { kind: Kind::Response, action: String::new(), class, method, return_value, items }
    }

    /// `request`, `response` or `fault`.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Request => "request",
            Kind::Response => "response",
            Kind::Fault => "fault",
        }
    }

    /// The description as JSON: `kind`, `action`, `class`, `method`, `return_value`, and `items` of `class` and
    /// `properties`. Repeated properties are arrays, references and other structures nested objects.
    pub fn to_json(&self) -> Json {
        let optional = |text: &Option<String>| text.as_deref().map_or(Json::Null, Json::text);
        let items = self.items.iter().map(|item| {
            Json::object([("class", Json::text(&item.class)), ("properties", properties(&item.properties))])
        });
        Json::object([
            ("kind", Json::text(self.kind_name())),
            ("action", Json::text(&self.action)),
            ("class", optional(&self.class)),
            ("method", optional(&self.method)),
            ("return_value", self.return_value.as_ref().map_or(Json::Null, |value| Json::Number(value.value))),
            ("items", Json::Array(items.collect())),
        ])
    }
}

/// Properties as an object; what repeats becomes an array where it stood first.
fn properties(list: &[(String, Value)]) -> Json {
    Json::grouped(list.iter().map(|(name, value)| (name.as_str(), json(value))))
}

fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) => Json::text(text),
        Value::Reference(reference) => reference_json(reference),
        Value::Object(members) => properties(members),
    }
}

fn reference_json(reference: &Reference) -> Json {
    let selectors = reference.selectors.iter().map(|selector| {
        let value = match &selector.value {
            SelectorValue::Text(text) => Json::text(text),
            SelectorValue::Reference(reference) => reference_json(reference),
        };
        (selector.name.as_str(), value)
    });
    Json::object([
        ("address", Json::text(&reference.address)),
        ("resource_uri", Json::text(&reference.resource_uri)),
        ("class", reference.class().map_or(Json::Null, Json::text)),
        ("selectors", Json::grouped(selectors)),
    ])
}

/// The description for people: a heading, then every item with its properties, indented.
impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind_name())?;
        if let Some(class) = &self.class {
            write!(f, " {class}")?;
        }
        if let Some(method) = &self.method {
            write!(f, ".{method}")?;
        }
        if let Some(value) = &self.return_value {
            write!(f, " returned {value}")?;
        }
        writeln!(f)?;
        if !self.action.is_empty() {
            writeln!(f, "action {}", self.action)?;
        }
        for item in &self.items {
            writeln!(f, "\n{}", item.class)?;
            list(f, &item.properties, 1)?;
        }
        Ok(())
    }
}

fn list(f: &mut fmt::Formatter<'_>, properties: &[(String, Value)], depth: usize) -> fmt::Result {
    for (name, value) in properties {
        line(f, name, value, depth)?;
    }
    Ok(())
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, value: &Value, depth: usize) -> fmt::Result {
    indent(f, depth)?;
    match value {
        Value::Text(text) => writeln!(f, "{name}: {}", one_line(text)),
        Value::Object(members) => {
            writeln!(f, "{name}:")?;
            list(f, members, depth + 1)
        }
        Value::Reference(reference) => reference_lines(f, name, reference, depth),
    }
}

fn reference_lines(f: &mut fmt::Formatter<'_>, name: &str, reference: &Reference, depth: usize) -> fmt::Result {
    writeln!(f, "{name} -> {}", one_line(reference.class().unwrap_or(&reference.resource_uri)))?;
    for selector in &reference.selectors {
        indent(f, depth + 1)?;
        match &selector.value {
            SelectorValue::Text(text) => writeln!(f, "{}: {}", selector.name, one_line(text))?,
            SelectorValue::Reference(inner) => reference_lines(f, &selector.name, inner, depth + 1)?,
        }
    }
    Ok(())
}

fn indent(f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    (0..depth).try_for_each(|_| f.write_str("  "))
}

/// Text without control characters: it comes from a device and goes to a terminal.
fn one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::{Fault, Head};
    use crate::{ns, op::Request};

    fn reply(class: &str, action: &str, body: &str) -> Description {
        let asked = Envelope::decode(&Request::get(class).encode(1)).unwrap();
        let bytes = Head::reply(&asked, action, "uuid:1").write(|w| {
            w.raw(body);
        });
        describe(&bytes).unwrap()
    }

    #[test]
    fn an_instance_with_arrays_and_references_is_described() {
        let body = "<AMT_X><L>1</L><R><Address>a</Address><ReferenceParameters><ResourceURI>u</ResourceURI><SelectorSet>\
                    <Selector Name='K'> v </Selector><Selector Name='K'>w</Selector></SelectorSet></ReferenceParameters></R>\
                    <L> 2\n</L><D><Datetime>t</Datetime></D><E/></AMT_X>";
        let description = reply("AMT_X", &format!("{}/GetResponse", ns::TRANSFER), body);
        assert_eq!(
            description.to_json().to_string(),
            format!(
                "{{\"kind\":\"response\",\"action\":\"{}/GetResponse\",\"class\":\"AMT_X\",\"method\":null,\
                 \"return_value\":null,\"items\":[{{\"class\":\"AMT_X\",\"properties\":{{\"L\":[\"1\",\"2\"],\
                 \"R\":{{\"address\":\"a\",\"resource_uri\":\"u\",\"class\":null,\"selectors\":{{\"K\":[\"v\",\"w\"]}}}},\
                 \"D\":{{\"Datetime\":\"t\"}},\"E\":\"\"}}}}]}}",
                ns::TRANSFER
            )
        );
        let text = description.to_string();
        assert!(text.starts_with("response AMT_X\n") && text.contains("\n  R -> u\n    K: v\n"), "{text}");
    }

    #[test]
    fn the_output_of_a_method_is_described() {
        let action = format!("{}/AddCertificateResponse", names::class_uri("AMT_PublicKeyManagementService"));
        let body = "<AddCertificate_OUTPUT><ReturnValue>2058</ReturnValue></AddCertificate_OUTPUT>";
        let description = reply("AMT_PublicKeyManagementService", &action, body);
        assert_eq!(description.method.as_deref(), Some("AddCertificate"));
        assert_eq!(description.return_value.as_ref().unwrap().name, "DUPLICATE");
        let json = description.to_json().to_string();
        assert!(json.contains("\"return_value\":2058,") && json.contains("\"ReturnValue\":\"2058\""), "{json}");
        let heading = "response AMT_PublicKeyManagementService.AddCertificate returned 2058 (DUPLICATE)\n";
        assert!(description.to_string().starts_with(heading));
    }

    #[test]
    fn pages_of_enumerations_give_their_instances() {
        let context = "<EnumerateResponse><EnumerationContext>C1</EnumerationContext></EnumerateResponse>";
        let description = reply("AMT_X", "urn:EnumerateResponse", context);
        assert_eq!(description.items[0].class, "EnumerateResponse");
        assert_eq!(description.items[0].text("EnumerationContext"), Some("C1"));
        let items = "<Items><AMT_X><A>1</A></AMT_X><AMT_X><A>2</A></AMT_X></Items>";
        let last = reply("AMT_X", "urn:PullResponse", &format!("<PullResponse>{items}<EndOfSequence/></PullResponse>"));
        assert_eq!(last.items.iter().map(|item| item.class.as_str()).collect::<Vec<_>>(), ["AMT_X", "AMT_X"]);
        let context = "<EnumerationContext>C2</EnumerationContext>";
        let more = reply("AMT_X", "urn:PullResponse", &format!("<PullResponse>{items}{context}</PullResponse>"));
        assert_eq!(more.items.len(), 3);
        assert_eq!(more.items[2].text("EnumerationContext"), Some("C2"));
    }

    #[test]
    fn a_fault_keeps_its_whole_tree() {
        let asked = Envelope::decode(&Request::get("AMT_X").encode(1)).unwrap();
        let mut fault = Fault::new("Receiver", "InternalError", "the reason");
        fault.status = Some(amt_core::status::PtStatus(36));
        let description = describe(&fault.reply(&asked, "uuid:1")).unwrap();
        assert_eq!((description.kind, description.items[0].class.as_str()), (Kind::Fault, "Fault"));
        let json = description.to_json().to_string();
        for text in ["s:Receiver", "w:InternalError", "the reason", "AMT-STATUS 36"] {
            assert!(json.contains(&format!("\"{text}\"")), "{text} in {json}");
        }
    }

    #[test]
    fn a_request_is_described_too() {
        let request = Request::invoke("AMT_X", "Do").arg("Name", "a\"b\\\u{7f}é");
        let description = describe(&request.encode(1)).unwrap();
        assert_eq!((description.kind, description.class.as_deref()), (Kind::Request, Some("AMT_X")));
        assert_eq!(description.method.as_deref(), Some("Do"));
        assert!(description.to_json().to_string().contains("{\"Name\":\"a\\\"b\\\\\u{7f}é\"}"));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let description = reply("AMT_X", "urn:GetResponse", "<AMT_X><A>a&#10;&#9;&#x9b;31m</A></AMT_X>");
        assert!(description.to_string().contains("A: a\\n\\t\\u{9b}31m\n"));
    }
}
