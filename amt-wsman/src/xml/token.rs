//! The bounded token reader over quick-xml events that the tree and the typed classes share.

use super::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_NODES, MAX_SIZE, XmlError};
use quick_xml::NsReader;
use quick_xml::XmlVersion;
use quick_xml::errors::{Error as QuickError, IllFormedError, SyntaxError};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, QName, ResolveResult};
use std::borrow::Cow;

/// What the reader found next. Comments, processing instructions and the declaration are skipped.
pub(crate) enum Token<'a> {
    /// An element begins.
    Start(BytesStart<'a>),
    /// The element that began last ends.
    End,
    /// Character data, entities resolved; one element's text may come in several pieces.
    Text(Cow<'a, str>),
    /// The document is complete.
    Complete,
}

/// What stands in an element.
pub(crate) enum Leaf<'a> {
    /// Text alone, trimmed.
    Text(Cow<'a, str>),
    /// Elements; this is the first one.
    Parent(BytesStart<'a>),
}

/// Reads tokens out of one document and enforces the limits.
pub(crate) struct Tokens<'a> {
    reader: NsReader<&'a [u8]>,
    /// Bytes before the document proper: byte order mark and blanks.
    skipped: usize,
    depth: usize,
    elements: usize,
    root_closed: bool,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, XmlError> {
        if bytes.len() > MAX_SIZE {
            return Err(XmlError::Refused { what: "size", offset: MAX_SIZE });
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|e| XmlError::Malformed { what: "bytes that are not UTF-8".into(), offset: e.valid_up_to() })?;
        let document = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_ascii_whitespace());
        let mut reader = NsReader::from_str(document);
        reader.config_mut().expand_empty_elements = true;
        Ok(Self { reader, skipped: text.len() - document.len(), depth: 0, elements: 0, root_closed: false })
    }

    /// The next token; after [`Token::Complete`] the same again.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, XmlError> {
        loop {
            let event = match self.reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err(self.foreign(&error)),
            };
            match event {
                Event::Start(start) => {
                    self.enter()?;
                    return Ok(Token::Start(start));
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    self.root_closed = self.depth == 0;
                    return Ok(Token::End);
                }
                Event::Text(text) => {
                    if self.depth > 0 {
                        return Ok(Token::Text(unix_lines(text)));
                    }
                    if !text.chars().all(|c| c.is_ascii_whitespace()) {
                        return Err(self.malformed("text outside the document element"));
                    }
                }
                Event::CData(data) if self.depth > 0 => {
                    return Ok(Token::Text(Cow::Owned(data.xml10_content().into_owned())));
                }
                Event::GeneralRef(reference) if self.depth > 0 => {
                    return Ok(Token::Text(self.resolve_reference(&reference)?));
                }
                Event::CData(_) | Event::GeneralRef(_) => {
                    return Err(self.malformed("text outside the document element"));
                }
                Event::DocType(_) => return Err(self.refused("document type")),
                Event::Eof if self.depth > 0 => return Err(self.malformed("end inside an element")),
                Event::Eof if !self.root_closed => return Err(self.malformed("no document element")),
                Event::Eof => return Ok(Token::Complete),
                // `expand_empty_elements` is on: there is no `Empty`.
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }

    /// How many elements are open.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Skips the rest of the element whose start was the last token.
    pub(crate) fn skip(&mut self) -> Result<(), XmlError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.next()?;
        }
        Ok(())
    }

    /// The text of the element whose start was the last token, up to its end; or its first child, just begun.
    pub(crate) fn leaf(&mut self) -> Result<Leaf<'a>, XmlError> {
        let mut text: Cow<'a, str> = Cow::Borrowed("");
        loop {
            match self.next()? {
                Token::Text(piece) if text.is_empty() => text = piece,
                Token::Text(piece) => text.to_mut().push_str(&piece),
                Token::Start(start) => return Ok(Leaf::Parent(start)),
                Token::End | Token::Complete => return Ok(Leaf::Text(trim(text))),
            }
        }
    }

    /// Namespace of an element name; empty if it has none.
    pub(crate) fn namespace(&self, name: QName<'_>) -> Result<&str, XmlError> {
        match self.reader.resolver().resolve_element(name).0 {
            ResolveResult::Bound(Namespace(uri)) => Ok(uri),
            ResolveResult::Unbound => Ok(""),
            ResolveResult::Unknown(_) => Err(self.malformed("undeclared prefix")),
        }
    }

    /// Attributes without namespace declarations: local name and value.
    pub(crate) fn attributes(&self, start: &BytesStart<'_>) -> Result<Vec<(String, String)>, XmlError> {
        let mut found = Vec::new();
        for (index, attribute) in start.attributes().enumerate() {
            if index >= MAX_ATTRIBUTES {
                return Err(self.refused("number of attributes"));
            }
            let attribute = attribute.map_err(|_| self.malformed("attribute"))?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|_| self.malformed("attribute value or entity in it"))?;
            found.push((attribute.key.local_name().into_inner().to_owned(), value.into_owned()));
        }
        Ok(found)
    }

    fn enter(&mut self) -> Result<(), XmlError> {
        if self.root_closed {
            return Err(self.malformed("second document element"));
        }
        self.depth += 1;
        self.elements += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.refused("depth"));
        }
        if self.elements > MAX_NODES {
            return Err(self.refused("number of elements"));
        }
        Ok(())
    }

    /// Characters by number and the five predefined entities; others would need a document type.
    fn resolve_reference(&self, reference: &BytesRef<'_>) -> Result<Cow<'a, str>, XmlError> {
        match reference.resolve_char_ref() {
            Ok(Some(character)) => return Ok(Cow::Owned(character.to_string())),
            Ok(None) => {}
            Err(_) => return Err(self.malformed("character reference")),
        }
        quick_xml::escape::resolve_predefined_entity(reference).map(Cow::Borrowed).ok_or_else(|| self.refused("entity"))
    }

    fn offset(&self) -> usize {
        let read = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        self.skipped.saturating_add(read)
    }

    fn malformed(&self, what: &'static str) -> XmlError {
        XmlError::Malformed { what: what.into(), offset: self.offset() }
    }

    fn refused(&self, what: &'static str) -> XmlError {
        XmlError::Refused { what, offset: self.offset() }
    }

    /// Our words for the other library's error: its own text may quote the document.
    fn foreign(&self, error: &QuickError) -> XmlError {
        let what = match error {
            QuickError::Syntax(SyntaxError::UnclosedDoctype) => return self.refused("document type"),
            QuickError::Syntax(_) => "unclosed markup",
            QuickError::IllFormed(IllFormedError::MismatchedEndTag { .. }) => "end tag of another element",
            QuickError::IllFormed(IllFormedError::UnmatchedEndTag(_)) => "end tag without start",
            QuickError::IllFormed(_) => "ill-formed markup",
            QuickError::InvalidAttr(_) => "attribute",
            QuickError::Namespace(_) => "namespace declaration",
            _ => "character data",
        };
        self.malformed(what)
    }
}

/// Removes white space at both ends.
pub(crate) fn trim(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) if text.trim().len() == text.len() => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// The text with line ends as XML wants them, borrowed from the document wherever it can be.
fn unix_lines(text: quick_xml::events::BytesText<'_>) -> Cow<'_, str> {
    match text.into_inner() {
        Cow::Borrowed(text) if !text.contains('\r') => Cow::Borrowed(text),
        text => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
    }
}
