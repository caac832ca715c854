//! Endpoint references: how WS-Management names an instance (`spec/wsman.md` §2.3).

use crate::xml::{Node, Writer};
use crate::{names, ns};

/// Deepest nesting of references in selectors of references. Genuine ones reach 2.
pub const MAX_REFERENCE_DEPTH: usize = 4;

/// An endpoint reference: which instance of which class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// Address; AMT ignores it and sends the anonymous role.
    pub address: String,
    /// Class URI.
    pub resource_uri: String,
    /// The key properties that select the instance.
    pub selectors: Vec<Selector>,
}

/// A key property and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Name of the property.
    pub name: String,
    /// Its value.
    pub value: SelectorValue,
}

/// Value of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectorValue {
    /// Text, trimmed.
    Text(String),
    /// Another instance: associations are selected by what they associate.
    Reference(Box<Reference>),
}

impl Reference {
    /// A reference to the only instance of `class`; add selectors for one of several.
    pub fn to(class: &str) -> Self {
        Self { address: ns::ANONYMOUS.to_owned(), resource_uri: names::class_uri(class), selectors: Vec::new() }
    }

    /// The same with one more selector.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<SelectorValue>) -> Self {
        self.selectors.push(Selector::new(name, value));
        self
    }

    /// Name of the class, if the URI is one of AMT's schemas.
    pub fn class(&self) -> Option<&str> {
        names::class_name(&self.resource_uri)
    }

    /// Text of the selector `name`.
    pub fn selector(&self, name: &str) -> Option<&str> {
        self.selectors.iter().find(|selector| selector.name == name).and_then(|selector| selector.value.text())
    }

    /// Reads the reference that makes up the content of `node`; `None` if it is anything else or anything more, so
    /// that nothing of it gets lost.
    pub fn from_node(node: &Node) -> Option<Self> {
        Self::from_node_at(node, 0)
    }

    fn from_node_at(node: &Node, depth: usize) -> Option<Self> {
        let mut reference = Self::default();
        let mut address = None;
        let mut parameters = None;
        for child in &node.children {
            match child.name.as_str() {
                "Address" if address.is_none() && child.children.is_empty() => address = Some(child),
                "ReferenceParameters" if parameters.is_none() => parameters = Some(child),
                _ => return None,
            }
        }
        let parameters = parameters?;
        if depth >= MAX_REFERENCE_DEPTH || !node.text.is_empty() || !parameters.text.is_empty() {
            return None;
        }
        reference.address = address.map(|node| node.text.clone()).unwrap_or_default();
        let mut seen_uri = false;
        let mut seen_selectors = false;
        for child in &parameters.children {
            match child.name.as_str() {
                "ResourceURI" if !seen_uri && child.children.is_empty() => {
                    seen_uri = true;
                    reference.resource_uri = child.text.clone();
                }
                "SelectorSet" if !seen_selectors && child.text.is_empty() => {
                    seen_selectors = true;
                    reference.selectors = Selector::from_set(child, depth)?;
                }
                _ => return None,
            }
        }
        Some(reference)
    }

    /// Writes the content of a reference. The prefixes are those of [`Head`](super::Head): write it inside an envelope.
    pub fn write(&self, w: &mut Writer) {
        w.element("a:Address", &self.address).open("a:ReferenceParameters");
        w.element("w:ResourceURI", &self.resource_uri);
        Selector::write_set(&self.selectors, w);
        w.close();
    }
}

impl Selector {
    /// A selector.
    pub fn new(name: &str, value: impl Into<SelectorValue>) -> Self {
        Self { name: name.to_owned(), value: value.into() }
    }

    /// Reads the content of a `SelectorSet`; `None` if there is anything else in it.
    pub fn list_from_node(set: &Node) -> Option<Vec<Self>> {
        Self::from_set(set, 0)
    }

    fn from_set(set: &Node, depth: usize) -> Option<Vec<Self>> {
        let mut selectors = Vec::with_capacity(set.children.len());
        for child in &set.children {
            let name = child.attribute("Name").filter(|_| child.name == "Selector")?.to_owned();
            let value = match child.children.as_slice() {
                [] => SelectorValue::Text(child.text.clone()),
                [inner] if inner.name == "EndpointReference" && child.text.is_empty() => {
                    SelectorValue::Reference(Box::new(Reference::from_node_at(inner, depth + 1)?))
                }
                _ => return None,
            };
            selectors.push(Self { name, value });
        }
        Some(selectors)
    }

    /// Writes a `SelectorSet`, also an empty one.
    pub fn write_set(selectors: &[Self], w: &mut Writer) {
        w.open("w:SelectorSet");
        for selector in selectors {
            w.open("w:Selector").attr("Name", &selector.name);
            match &selector.value {
                SelectorValue::Text(text) => {
                    w.text(text);
                }
                SelectorValue::Reference(reference) => {
                    w.open("a:EndpointReference");
                    reference.write(w);
                    w.close();
                }
            }
            w.close();
        }
        w.close();
    }
}

impl SelectorValue {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Reference(_) => None,
        }
    }
}

impl From<&str> for SelectorValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for SelectorValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for SelectorValue {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Reference> for SelectorValue {
    fn from(reference: Reference) -> Self {
        Self::Reference(Box::new(reference))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::parse;

    fn nested(depth: usize) -> Reference {
        let leaf = Reference::to("AMT_X").with("Name", "leaf");
        (1..depth).fold(leaf, |inner, _| Reference::to("AMT_X").with("Of", inner))
    }

    fn read(reference: &Reference) -> Option<Reference> {
        let mut w = Writer::fragment();
        w.open("r").attr("xmlns:a", ns::ADDRESSING).attr("xmlns:w", ns::WSMAN);
        reference.write(&mut w);
        Reference::from_node(&parse(&w.finish()).unwrap())
    }

    #[test]
    fn references_nest_to_a_limit() {
        for depth in 1..=MAX_REFERENCE_DEPTH {
            assert_eq!(read(&nested(depth)), Some(nested(depth)));
        }
        assert_eq!(read(&nested(MAX_REFERENCE_DEPTH + 1)), None);
    }

    #[test]
    fn what_is_more_than_a_reference_is_none() {
        let whole =
            "<r><Address>a</Address><ReferenceParameters><ResourceURI>u</ResourceURI></ReferenceParameters></r>";
        let read = |text: &str| Reference::from_node(&parse(text.as_bytes()).unwrap());
        assert_eq!(read(whole).unwrap().resource_uri, "u");
        for more in [
            whole.replace("<r>", "<r>x"),
            whole.replace("</r>", "<X/></r>"),
            whole.replace("</r>", "<Address>b</Address></r>"),
            whole.replace("</ReferenceParameters>", "<X>y</X></ReferenceParameters>"),
            whole.replace("</ReferenceParameters>", "<SelectorSet>y</SelectorSet></ReferenceParameters>"),
            whole.replace("</ReferenceParameters>", "<SelectorSet><X/></SelectorSet></ReferenceParameters>"),
            whole.replace(
                "</ReferenceParameters>",
                "<SelectorSet><Selector>v</Selector></SelectorSet></ReferenceParameters>",
            ),
            "<r><Address>a</Address></r>".to_owned(),
        ] {
            assert_eq!(read(&more), None, "{more}");
        }
    }
}
