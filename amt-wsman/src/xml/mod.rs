//! XML with limits: a small tree for everything generic, a deterministic writer, and the token reader below both.
//!
//! Prefixes mean nothing to us, namespaces do (`spec/wsman.md` §2.2). Document types, entities of one's own, undeclared
//! prefixes, too deep and too large documents are refused; a byte order mark or blanks before the XML declaration are
//! not, since recorded replies have them.

mod node;
mod token;
mod writer;

pub use node::{Node, parse};
pub(crate) use token::{Leaf, Token, Tokens};
pub use writer::Writer;

use std::borrow::Cow;

/// Largest document, in bytes. Genuine replies stay below 100 KB.
pub const MAX_SIZE: usize = 1024 * 1024;
/// Deepest nesting of elements. Genuine replies reach 9.
pub const MAX_DEPTH: usize = 32;
/// Most elements in a document.
pub const MAX_NODES: usize = 32_768;
/// Most attributes of one element, namespace declarations included.
pub const MAX_ATTRIBUTES: usize = 64;

/// Why a document was not accepted, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// It is not well-formed, or not UTF-8.
    #[error("xml: {what} at byte {offset}")]
    Malformed {
        /// What is wrong.
        what: Cow<'static, str>,
        /// Where reading stopped.
        offset: usize,
    },
    /// It breaks a safety limit: document type, entity, depth, size, number of elements or attributes.
    #[error("xml: {what} refused at byte {offset}")]
    Refused {
        /// What is refused.
        what: &'static str,
        /// Where reading stopped.
        offset: usize,
    },
}
