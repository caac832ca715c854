//! Filter expressions: which machines are meant.
//!
//! ```text
//! version >= 16 and not verified
//! fact.os ~ "win*" and hello < 7d and (suffix in (a.example.com, b.example.com) or in "lab")
//! ```
//!
//! One expression serves the command line, collections and rules. It is judged against a machine in memory
//! ([`Filter::matches`]) or by the database ([`Filter::to_sql`]), with the same outcome. What a machine does not have is equal to
//! nothing, less than nothing and like nothing: a comparison with it is false, and `not` of that true. `a != b` is
//! `not a = b`. `docs/filters.md` is the manual; [`fields`] is the table it is made from.

mod error;
mod eval;
mod field;
mod lexer;
mod manual;
mod parse;
mod sort;
mod sql;
#[cfg(test)]
mod tests;

pub use error::FilterError;
pub(crate) use error::did_you_mean;
pub use eval::Subject;
pub use field::{FieldKind, MAX_AGE};
pub use manual::{FieldInfo, FieldName, FieldValue, fields};
pub use sort::Sort;
pub use sql::{Bind, FilterSql};

use field::{Field, FieldKind as Kind, Scalar};
use lexer::Operator;
use std::fmt;
use std::str::FromStr;

/// Longest expression, in bytes, as written and in its canonical form.
pub const MAX_FILTER: usize = 4096;
/// Deepest nesting of parentheses and `not`.
pub const MAX_DEPTH: usize = 32;
/// Most fields asked for, words of state and collections included.
pub const MAX_TESTS: usize = 256;
/// Most values in one `in (…)`.
pub const MAX_LIST: usize = 256;

/// A filter expression that can be read. Displayed, it is in canonical form, which reads back as the same filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    root: Node,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    /// Never in another `All`.
    All(Vec<Self>),
    /// Never in another `Any`.
    Any(Vec<Self>),
    Not(Box<Self>),
    Test(Test),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// A field that is yes or no, alone.
    Flag(Field),
    /// Whether the machine has any value.
    Has(Field),
    Compare(Field, Operator, Scalar<'static>),
    OneOf(Field, Vec<Scalar<'static>>),
    /// Whether it is in a collection.
    Member(String),
    /// Every machine: an empty expression.
    Every,
}

impl Filter {
    /// Every machine: what an empty expression means.
    pub const fn every() -> Self {
        Self { root: Node::Test(Test::Every) }
    }

    /// The machines of one collection.
    ///
    /// # Errors
    /// `FILTER` if no collection can be called so.
    pub fn member_of(collection: &str) -> Result<Self, amt_core::Failure> {
        crate::store::collection_name(collection).map_err(|why| {
            amt_core::Failure::new(amt_core::ErrorCode::FILTER, "filter", format!("the name {collection:?} {why}"))
        })?;
        Ok(Self { root: Node::Test(Test::Member(collection.to_owned())) })
    }

    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it and at which character, for the limits [`MAX_FILTER`], [`MAX_DEPTH`], [`MAX_TESTS`] and
    /// [`MAX_LIST`] too.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::parse(text)
    }

    /// Collections that it asks about, each once.
    pub fn collections(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        self.root.each(&mut |test| {
            if let Test::Member(name) = test
                && !names.iter().any(|known| known.eq_ignore_ascii_case(name))
            {
                names.push(name);
            }
        });
        names
    }

    /// Whether its answer can change although nothing happens to the machine: it asks how long ago something was.
    pub fn is_about_time(&self) -> bool {
        let mut found = false;
        self.root.each(&mut |test| found |= matches!(test, Test::Compare(field, ..) if field.kind() == Kind::Age));
        found
    }

    /// The same with a collection called otherwise.
    pub(crate) fn with_collection_renamed(mut self, from: &str, to: &str) -> Self {
        self.root.each_mut(&mut |test| {
            if let Test::Member(name) = test
                && name.eq_ignore_ascii_case(from)
            {
                to.clone_into(name);
            }
        });
        self
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl Node {
    fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Test)) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().for_each(|node| node.each(visit)),
            Self::Not(node) => node.each(visit),
            Self::Test(test) => visit(test),
        }
    }

    fn each_mut(&mut self, visit: &mut impl FnMut(&mut Test)) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter_mut().for_each(|node| node.each_mut(visit)),
            Self::Not(node) => node.each_mut(visit),
            Self::Test(test) => visit(test),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(nodes) => joined(f, nodes, " and ", |node| matches!(node, Self::Any(_))),
            Self::Any(nodes) => joined(f, nodes, " or ", |_| false),
            Self::Not(node) => {
                f.write_str("not ")?;
                grouped(f, node, matches!(**node, Self::All(_) | Self::Any(_)))
            }
            Self::Test(test) => test.fmt(f),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, nodes: &[Node], word: &str, group: impl Fn(&Node) -> bool) -> fmt::Result {
    for (n, node) in nodes.iter().enumerate() {
        if n > 0 {
            f.write_str(word)?;
        }
        grouped(f, node, group(node))?;
    }
    Ok(())
}

fn grouped(f: &mut fmt::Formatter<'_>, node: &Node, group: bool) -> fmt::Result {
    if group { write!(f, "({node})") } else { write!(f, "{node}") }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(field) => f.write_str(&field.name()),
            Self::Has(field) => write!(f, "has {}", field.name()),
            // A word of state stands alone.
            Self::Compare(field, Operator::Equal, Scalar::Text(state)) if field.name() == field::STATE => {
                f.write_str(state)
            }
            Self::Compare(field, operator, value) => {
                write!(f, "{} {} ", field.name(), operator.sign())?;
                quoted(f, &value.write(field.kind()))
            }
            Self::OneOf(field, values) => {
                write!(f, "{} in (", field.name())?;
                for (n, value) in values.iter().enumerate() {
                    if n > 0 {
                        f.write_str(", ")?;
                    }
                    quoted(f, &value.write(field.kind()))?;
                }
                f.write_str(")")
            }
            Self::Member(name) => {
                f.write_str("in ")?;
                quoted(f, name)
            }
            Self::Every => Ok(()),
        }
    }
}

/// The value as a word if it can be one, otherwise in quotes.
fn quoted(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    if !value.is_empty() && value.chars().all(lexer::is_word) && !parse::is_keyword(value) {
        return f.write_str(value);
    }
    write!(f, "\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}
