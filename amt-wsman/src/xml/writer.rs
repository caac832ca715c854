//! The deterministic writer.

use std::borrow::Cow;

/// Writes XML that is the same for the same calls, byte for byte, with everything escaped that must be.
///
/// Empty elements are written `<a></a>`, as firmware does. Characters that XML cannot carry at all (most control
/// characters) become U+FFFD. Names are the caller's and not checked: they are constants of ours, or were read by our
/// own decoder. Misuse does not panic: closing too often does nothing, [`finish`](Self::finish) closes what is open.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: String,
    open: Vec<Cow<'static, str>>,
    /// The last start tag still lacks its `>`.
    in_tag: bool,
}

impl Writer {
    /// A document, with its declaration.
    pub fn new() -> Self {
        Self { out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), ..Self::default() }
    }

    /// A part of a document: no declaration.
    pub fn fragment() -> Self {
        Self::default()
    }

    /// Begins an element.
    pub fn open(&mut self, name: impl Into<Cow<'static, str>>) -> &mut Self {
        self.end_tag();
        let name = name.into();
        self.out.push('<');
        self.out.push_str(&name);
        self.open.push(name);
        self.in_tag = true;
        self
    }

    /// Adds an attribute to the element just begun; ignored once it has content.
    pub fn attr(&mut self, name: &str, value: &str) -> &mut Self {
        if self.in_tag {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(&mut self.out, value, true);
            self.out.push('"');
        }
        self
    }

    /// Adds character data.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.end_tag();
        escape(&mut self.out, text, false);
        self
    }

    /// Adds XML as it is. The caller answers for it.
    pub fn raw(&mut self, xml: &str) -> &mut Self {
        self.end_tag();
        self.out.push_str(xml);
        self
    }

    /// Ends the element begun last.
    pub fn close(&mut self) -> &mut Self {
        self.end_tag();
        if let Some(name) = self.open.pop() {
            self.out.push_str("</");
            self.out.push_str(&name);
            self.out.push('>');
        }
        self
    }

    /// An element with nothing but text.
    pub fn element(&mut self, name: impl Into<Cow<'static, str>>, text: &str) -> &mut Self {
        self.open(name).text(text).close()
    }

    /// The bytes; elements still open are closed.
    pub fn finish(mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.close();
        }
        self.out.into_bytes()
    }

    fn end_tag(&mut self) {
        if self.in_tag {
            self.out.push('>');
            self.in_tag = false;
        }
    }
}

fn escape(out: &mut String, text: &str, attribute: bool) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if attribute => out.push_str("&quot;"),
            // A reader turns these into other white space unless they are written by number.
            '\r' => out.push_str("&#13;"),
            '\n' if attribute => out.push_str("&#10;"),
            '\t' if attribute => out.push_str("&#9;"),
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{Node, parse};
    use proptest::prelude::*;

    #[test]
    fn everything_that_must_be_escaped_is() {
        let mut w = Writer::fragment();
        w.open("a").attr("k", "<\"&'\n\t>").text("a<b>&c\r\n]]>\u{1}").close();
        assert_eq!(
            String::from_utf8(w.finish()).unwrap(),
            "<a k=\"&lt;&quot;&amp;'&#10;&#9;&gt;\">a&lt;b&gt;&amp;c&#13;\n]]&gt;\u{fffd}</a>"
        );
    }

    #[test]
    fn misuse_neither_panics_nor_breaks_the_document() {
        let mut w = Writer::new();
        w.close().open("a").open("b").text("x").attr("late", "ignored");
        let bytes = w.finish();
        assert_eq!(String::from_utf8_lossy(&bytes), "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a><b>x</b></a>");
        assert!(parse(&bytes).is_ok());
    }

    fn write(node: &Node, w: &mut Writer) {
        w.open(format!("p:{}", node.name)).attr("xmlns:p", &node.namespace);
        for (key, value) in &node.attributes {
            w.attr(key, value);
        }
        w.text(&node.text);
        for child in &node.children {
            write(child, w);
        }
        w.close();
    }

    fn nodes() -> impl Strategy<Value = Node> {
        let text = "\\PC{0,12}|[ -~\r\n\t]{0,12}";
        let name = "[A-Za-z][A-Za-z0-9_]{0,8}";
        let leaf = (name, text, proptest::option::of(text)).prop_map(|(name, text, attribute)| Node {
            namespace: "urn:t".into(),
            name,
            attributes: attribute.into_iter().map(|value| ("k".to_owned(), value)).collect(),
            text: text.trim().to_owned(),
            children: Vec::new(),
        });
        leaf.prop_recursive(4, 24, 4, |inner| {
            (inner.clone(), proptest::collection::vec(inner, 0..4))
                .prop_map(|(node, children)| Node { children, ..node })
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(node in nodes()) {
            let mut w = Writer::new();
            write(&node, &mut w);
            prop_assert_eq!(parse(&w.finish()).unwrap(), node);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
