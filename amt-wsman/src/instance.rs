//! The value that replies, requests and method arguments carry: a class name and an ordered list of properties.

use crate::soap::Reference;
use crate::xml::{Node, Writer};
use crate::{Error, names, ns};
use base64::prelude::{BASE64_STANDARD, Engine};

/// Name under which character data beside child elements is kept in an [`Value::Object`].
pub const MIXED_TEXT: &str = "#text";

/// Value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text, trimmed; empty for null and for an empty element.
    Text(String),
    /// An endpoint reference.
    Reference(Reference),
    /// Anything else with elements in it, in order.
    Object(Vec<(String, Value)>),
}

/// An instance of a class, or the input or output of a method.
///
/// Arrays are repeated properties, as on the wire. Order is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Name of the class, or `Method_INPUT`, `Method_OUTPUT`.
    pub class: String,
    /// The properties.
    pub properties: Vec<(String, Value)>,
}

impl Instance {
    /// An instance without properties.
    pub fn new(class: &str) -> Self {
        Self { class: class.to_owned(), properties: Vec::new() }
    }

    /// Reads the element of an instance. Nothing of it is dropped but attributes.
    pub fn from_node(node: &Node) -> Self {
        let mut properties: Vec<_> =
            node.children.iter().map(|child| (child.name.clone(), Value::from_node(child))).collect();
        if !node.text.is_empty() {
            properties.push((MIXED_TEXT.to_owned(), Value::Text(node.text.clone())));
        }
        Self { class: node.name.clone(), properties }
    }

    /// First value of the property `name`.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.properties.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All values of the property `name`.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.properties.iter().filter(move |(key, _)| key == name).map(|(_, value)| value)
    }

    /// Text of the property `name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.text()
    }

    /// All texts of the property `name`.
    pub fn texts(&self, name: &str) -> Vec<&str> {
        self.properties.iter().filter(|(key, _)| key == name).filter_map(|(_, value)| value.text()).collect()
    }

    /// The property `name` as a truth value.
    pub fn bool(&self, name: &str) -> Option<bool> {
        parse_bool(self.text(name)?)
    }

    /// The property `name` as a number.
    pub fn u32(&self, name: &str) -> Option<u32> {
        self.text(name)?.parse().ok()
    }

    /// The property `name` as a reference.
    pub fn reference(&self, name: &str) -> Option<&Reference> {
        match self.value(name)? {
            Value::Reference(reference) => Some(reference),
            _ => None,
        }
    }

    /// Text of a property that must be there.
    pub fn required(&self, name: &str) -> Result<&str, Error> {
        self.text(name).ok_or_else(|| self.missing(name, "missing"))
    }

    /// Reference in a property that must be there.
    pub fn required_reference(&self, name: &str) -> Result<&Reference, Error> {
        self.reference(name).ok_or_else(|| self.missing(name, "no endpoint reference"))
    }

    /// Bytes in a property that must be there, in base64.
    pub fn required_bytes(&self, name: &str) -> Result<Vec<u8>, Error> {
        let text: String = self.required(name)?.split_whitespace().collect();
        BASE64_STANDARD.decode(text).map_err(|_| self.missing(name, "no base64"))
    }

    fn missing(&self, name: &str, what: &'static str) -> Error {
        Error::Property { class: self.class.clone(), property: name.to_owned(), what }
    }

    /// Gives the property `name` this one value, where its first one stood, or at the end.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.set_all(name, [value.into()]);
    }

    /// Gives the property `name` these values, where its first one stood, or at the end.
    pub fn set_all(&mut self, name: &str, values: impl IntoIterator<Item = Value>) {
        let at = self.properties.iter().position(|(key, _)| key == name).unwrap_or(self.properties.len());
        self.remove(name);
        let at = at.min(self.properties.len());
        self.properties.splice(at..at, values.into_iter().map(|value| (name.to_owned(), value)));
    }

    /// Removes every value of the property `name`.
    pub fn remove(&mut self, name: &str) {
        self.properties.retain(|(key, _)| key != name);
    }

    /// Adds a value behind all others: one more element of an array.
    pub fn push(&mut self, name: &str, value: impl Into<Value>) {
        self.properties.push((name.to_owned(), value.into()));
    }

    /// Writes `<h:Class xmlns:h="class URI">` and the properties. References use the prefixes of
    /// [`Head`](crate::soap::Head): write it inside an envelope.
    pub fn write(&self, w: &mut Writer) {
        self.write_as(&self.class, &names::class_uri(&self.class), w);
    }

    /// The same under another element name and namespace: `Method_INPUT` in the namespace of its class.
    pub fn write_as(&self, name: &str, namespace: &str, w: &mut Writer) {
        w.open(format!("h:{name}")).attr("xmlns:h", namespace);
        for (name, value) in &self.properties {
            value.write(name, w);
        }
        w.close();
    }
}

impl Value {
    /// Reads the content of an element: text if it has no children, a reference if it is exactly one, else an object.
    pub fn from_node(node: &Node) -> Self {
        if node.children.is_empty() {
            return Self::Text(node.text.clone());
        }
        if let Some(reference) = Reference::from_node(node) {
            return Self::Reference(reference);
        }
        Self::Object(Instance::from_node(node).properties)
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Writes an element of this name and value. A name of the form `{namespace}Name` leaves the namespace of the
    /// instance, as the settings that some methods take as arguments need; `Datetime` and `Interval` have their own.
    fn write(&self, name: &str, w: &mut Writer) {
        let common = matches!(name, "Datetime" | "Interval").then_some((ns::CIM_COMMON, name));
        match name.strip_prefix('{').and_then(|rest| rest.split_once('}')).or(common) {
            Some((namespace, local)) => w.open(format!("h:{local}")).attr("xmlns:h", namespace),
            None if name == MIXED_TEXT => {
                w.text(self.text().unwrap_or_default());
                return;
            }
            None => w.open(format!("h:{name}")),
        };
        match self {
            Self::Text(text) => {
                w.text(text);
            }
            Self::Reference(reference) => reference.write(w),
            Self::Object(members) => members.iter().for_each(|(name, value)| value.write(name, w)),
        }
        w.close();
    }
}

/// `true` and `false` as firmware writes them.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<Reference> for Value {
    fn from(reference: Reference) -> Self {
        Self::Reference(reference)
    }
}

impl From<&Reference> for Value {
    fn from(reference: &Reference) -> Self {
        Self::Reference(reference.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::{Envelope, Head, SelectorValue};
    use proptest::prelude::*;

    fn through_the_wire(instance: &Instance) -> Instance {
        let bytes = Head::request("urn:a", "urn:r", "1", &[]).write(|w| instance.write(w));
        let envelope = Envelope::decode(&bytes).unwrap();
        assert_eq!(envelope.body[0].namespace, names::class_uri(&instance.class));
        Instance::from_node(&envelope.body[0])
    }

    #[test]
    fn properties_are_read_by_type() {
        let mut instance = Instance::new("AMT_X");
        instance.set("Flag", true);
        instance.set("Number", 7);
        instance.push("List", "a");
        instance.push("List", "b");
        instance.push("Key", Reference::to("AMT_Y"));
        let instance = through_the_wire(&instance);
        assert_eq!((instance.bool("Flag"), instance.bool("Number")), (Some(true), None));
        assert_eq!((instance.u32("Number"), instance.u32("Flag")), (Some(7), None));
        assert_eq!(instance.texts("List"), ["a", "b"]);
        assert_eq!(instance.reference("Key").unwrap().class(), Some("AMT_Y"));
        assert_eq!((instance.text("Key"), instance.text("Absent")), (None, None));
    }

    #[test]
    fn setting_keeps_the_place_and_removes_repeats() {
        let mut instance = Instance::new("AMT_X");
        for (name, value) in [("A", "1"), ("B", "2"), ("C", "3"), ("B", "4")] {
            instance.push(name, value);
        }
        instance.set("B", "5");
        instance.set_all("C", ["6".into(), "7".into()]);
        instance.set("D", "8");
        instance.remove("A");
        let flat: Vec<_> = instance.properties.iter().map(|(n, v)| format!("{n}{}", v.text().unwrap())).collect();
        assert_eq!(flat, ["B5", "C6", "C7", "D8"]);
    }

    #[test]
    fn members_may_leave_the_namespace() {
        let mut instance = Instance::new("AMT_WiFiPortConfigurationService");
        let settings = format!("{{{}}}SSID", names::class_uri("CIM_WiFiEndpointSettings"));
        instance.push("Settings", Value::Object(vec![(settings, "net".into())]));
        instance.push("Time", Value::Object(vec![("Datetime".into(), "2026-01-01T00:00:00Z".into())]));
        let bytes = Head::request("urn:a", "urn:r", "1", &[]).write(|w| instance.write(w));
        let body = &Envelope::decode(&bytes).unwrap().body[0];
        assert!(body.child("Settings").unwrap().children[0].is(&names::class_uri("CIM_WiFiEndpointSettings"), "SSID"));
        assert!(body.child("Time").unwrap().children[0].is(ns::CIM_COMMON, "Datetime"));
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = || "[ -~äß€\n]{0,12}".prop_map(|s| s.trim().to_owned());
        let reference = (text(), text(), text()).prop_map(|(a, b, c)| {
            let inner = Reference { address: a.clone(), ..Reference::default() };
            Reference { address: a, resource_uri: b, selectors: Vec::new() }.with("K", c).with("R", inner)
        });
        let leaf = prop_oneof![text().prop_map(Value::Text), reference.prop_map(Value::Reference)];
        leaf.prop_recursive(3, 12, 4, |inner| {
            proptest::collection::vec(("[A-Z][a-z]{1,6}", inner), 1..4).prop_map(Value::Object)
        })
    }

    proptest! {
        #[test]
        fn instances_survive_the_wire(properties in proptest::collection::vec(("[A-Z][a-z]{1,6}", values()), 0..6)) {
            let instance = Instance { class: "AMT_Test".into(), properties };
            prop_assert_eq!(through_the_wire(&instance), instance);
        }
    }

    #[test]
    fn an_unknown_structure_is_kept_whole() {
        let node = crate::xml::parse(b"<A>x<B><Address>1</Address></B><C><D/>y</C></A>").unwrap();
        let instance = Instance::from_node(&node);
        assert_eq!(instance.value("B"), Some(&Value::Object(vec![("Address".into(), "1".into())])));
        let c = Value::Object(vec![("D".into(), "".into()), (MIXED_TEXT.into(), "y".into())]);
        assert_eq!(instance.value("C"), Some(&c));
        assert_eq!(instance.text(MIXED_TEXT), Some("x"));
    }

    #[test]
    fn selectors_hold_text_or_a_reference() {
        assert_eq!(SelectorValue::from("a").text(), Some("a"));
        assert_eq!(SelectorValue::from(Reference::to("AMT_X")).text(), None);
    }
}
