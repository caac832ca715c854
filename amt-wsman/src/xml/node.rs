//! The bounded tree.

use super::{Token, Tokens, XmlError, token::trim};
use quick_xml::events::BytesStart;
use std::borrow::Cow;

/// An element with its attributes, text and children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Namespace; empty if it has none.
    pub namespace: String,
    /// Local name.
    pub name: String,
    /// Attributes by local name, namespace declarations left out.
    pub attributes: Vec<(String, String)>,
    /// Own character data, trimmed. Pieces between children are joined.
    pub text: String,
    /// Child elements in order.
    pub children: Vec<Node>,
}

impl Node {
    /// The first child with this local name.
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children with this local name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Whether this is the element `name` of `namespace`.
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.name == name && self.namespace == namespace
    }

    /// The first attribute with this local name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Reads the element whose start was the last token of `tokens`.
    pub(crate) fn read(tokens: &mut Tokens<'_>, start: &BytesStart<'_>) -> Result<Node, XmlError> {
        let mut node = Node {
            namespace: tokens.namespace(start.name())?.to_owned(),
            name: start.local_name().into_inner().to_owned(),
            attributes: tokens.attributes(start)?,
            ..Node::default()
        };
        node.read_content(tokens)?;
        Ok(node)
    }

    /// Reads the rest of an element whose name does not matter and whose first child is the last token of `tokens`.
    pub(crate) fn rest(tokens: &mut Tokens<'_>, first: &BytesStart<'_>) -> Result<Node, XmlError> {
        let mut node = Node { children: vec![Node::read(tokens, first)?], ..Node::default() };
        node.read_content(tokens)?;
        Ok(node)
    }

    fn read_content(&mut self, tokens: &mut Tokens<'_>) -> Result<(), XmlError> {
        let mut text: Cow<'_, str> = Cow::Borrowed("");
        loop {
            match tokens.next()? {
                // The token reader bounds the depth, and so this recursion.
                Token::Start(start) => self.children.push(Node::read(tokens, &start)?),
                Token::Text(piece) if text.is_empty() => text = piece,
                Token::Text(piece) => text.to_mut().push_str(&piece),
                Token::End | Token::Complete => {
                    self.text = trim(text).into_owned();
                    return Ok(());
                }
            }
        }
    }
}

/// Reads a whole document.
///
/// Limits: [`MAX_SIZE`](super::MAX_SIZE), [`MAX_DEPTH`](super::MAX_DEPTH), [`MAX_NODES`](super::MAX_NODES),
/// [`MAX_ATTRIBUTES`](super::MAX_ATTRIBUTES). Errors name the place.
pub fn parse(bytes: &[u8]) -> Result<Node, XmlError> {
    let mut tokens = Tokens::new(bytes)?;
    // Before the document element there is nothing but its start: all else is an error of the token reader.
    let Token::Start(start) = tokens.next()? else {
        return Err(XmlError::Malformed { what: "no document element".into(), offset: 0 });
    };
    let root = Node::read(&mut tokens, &start)?;
    match tokens.next()? {
        Token::Complete => Ok(root),
        _ => Err(XmlError::Malformed { what: "something after the document element".into(), offset: bytes.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_NODES, MAX_SIZE};

    fn refused(document: &str) -> &'static str {
        match parse(document.as_bytes()) {
            Err(XmlError::Refused { what, .. }) => what,
            other => panic!("{other:?}"),
        }
    }

    fn malformed(document: &[u8]) -> String {
        match parse(document) {
            Err(XmlError::Malformed { what, .. }) => what.into_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_are_resolved_whatever_the_prefix() {
        let a = parse(br#"<p:A xmlns:p="urn:x"><p:B k="1">t</p:B></p:A>"#).unwrap();
        let b = parse(br#"<A xmlns="urn:x"><q:B xmlns:q="urn:x" k="1">t</q:B></A>"#).unwrap();
        assert_eq!(a, b);
        assert!(a.child("B").unwrap().is("urn:x", "B"));
        assert_eq!(a.child("B").unwrap().attribute("k"), Some("1"));
    }

    #[test]
    fn a_byte_order_mark_and_blanks_before_the_declaration_are_tolerated() {
        for lead in ["\u{feff}", " ", "\r\n\t ", "\u{feff} "] {
            let document = format!("{lead}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><a>x</a>\n");
            assert_eq!(parse(document.as_bytes()).unwrap().text, "x", "{lead:?}");
        }
    }

    #[test]
    fn text_is_joined_resolved_and_trimmed() {
        let node = parse(b"<a>\r\n x &amp; <![CDATA[<y>]]>&#x20;&lt;z&#62;<!-- no -->\r\n&quot; </a>").unwrap();
        assert_eq!(node.text, "x & <y> <z>\n\"");
        assert_eq!(parse(b"<a></a>").unwrap().text, "");
        assert_eq!(parse(b"<a/>").unwrap(), parse(b"<a></a>").unwrap());
    }

    #[test]
    fn document_types_and_entities_are_refused() {
        assert_eq!(refused("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>"), "document type");
        assert_eq!(refused("<!DOCTYPE html><html/>"), "document type");
        assert_eq!(refused("<a>&x;</a>"), "entity");
        let bomb: String = (1..10).map(|n| format!("<!ENTITY e{n} \"&e{0};&e{0};&e{0};\">", n - 1)).collect();
        assert_eq!(refused(&format!("<!DOCTYPE a [<!ENTITY e0 \"x\">{bomb}]><a>&e9;</a>")), "document type");
        assert!(malformed(b"<a k=\"&x;\"/>").contains("entity"));
    }

    #[test]
    fn depth_nodes_attributes_and_size_are_bounded() {
        let nest = |n: usize| "<a>".repeat(n) + &"</a>".repeat(n);
        assert!(parse(nest(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(refused(&nest(MAX_DEPTH + 1)), "depth");
        let flat = |n: usize| format!("<a>{}</a>", "<b/>".repeat(n - 1));
        assert!(parse(flat(MAX_NODES).as_bytes()).is_ok());
        assert_eq!(refused(&flat(MAX_NODES + 1)), "number of elements");
        let wide = |n: usize| format!("<a {}/>", (0..n).map(|i| format!("k{i}='' ")).collect::<String>());
        assert!(parse(wide(MAX_ATTRIBUTES).as_bytes()).is_ok());
        assert_eq!(refused(&wide(MAX_ATTRIBUTES + 1)), "number of attributes");
        let long = |n: usize| format!("<a>{}</a>", "x".repeat(n - 7));
        assert!(parse(long(MAX_SIZE).as_bytes()).is_ok());
        assert_eq!(refused(&long(MAX_SIZE + 1)), "size");
    }

    #[test]
    fn what_is_not_well_formed_is_said_to_be() {
        for (document, what) in [
            (&b""[..], "no document element"),
            (b"   ", "no document element"),
            (b"x", "outside"),
            (b"<a>", "inside an element"),
            (b"<a></b>", "another element"),
            (b"</a>", "without start"),
            (b"<a/><b/>", "second"),
            (b"<a/>x", "outside"),
            (b"<p:a/>", "undeclared"),
            (b"<a k=1/>", "attribute"),
            (b"<a k='1' k='2'/>", "attribute"),
            (b"<a>&#xD800;</a>", "character reference"),
            (b"<a>\xff</a>", "UTF-8"),
        ] {
            let got = malformed(document);
            assert!(got.contains(what), "{:?} gave {got:?}", String::from_utf8_lossy(document));
        }
    }
}
