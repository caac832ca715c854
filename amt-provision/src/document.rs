//! From a tree of values to a type, with the place of what is wrong and of what nobody asked for.
//!
//! One deserializer does what several laid around each other would do, each of which the compiler builds anew for every type: files with
//! dozens of sections are read by a third of the code.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, Expected, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::map::Iter;
use serde_json::{Error, Value};
use std::cell::RefCell;
use std::fmt;

/// One step from a value to one within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Of a table.
    Key(String),
    /// Of a list, from 0.
    Index(usize),
}

/// From the whole document to a value; none is the document itself. Shown as `wifi.profiles[0].name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Part>);

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            match part {
                Part::Key(key) if at == 0 => f.write_str(key)?,
                Part::Key(key) => write!(f, ".{key}")?,
                Part::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// What could be read.
#[derive(Clone, Debug)]
pub struct Document<T> {
    /// The document as its type.
    pub value: T,
    /// Keys that no field has, in their order.
    pub unknown: Vec<Path>,
}

/// What could not be read.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// The innermost value that is wrong.
    pub path: Path,
    /// It is its key that is wrong: no field has it.
    pub key: bool,
    /// Why, in words that may quote the value.
    pub why: String,
}

/// Reads `document` as a `T`.
///
/// # Errors
/// The first value that `T` does not take.
pub fn read<'de, T: Deserialize<'de>>(document: &'de Value) -> Result<Document<T>, Wrong> {
    let notes = Notes::default();
    match T::deserialize(Node { value: document, place: &Place::Document, notes: &notes }) {
        Ok(value) => Ok(Document { value, unknown: notes.unknown.into_inner() }),
        Err(error) => {
            let (path, key) = notes.wrong.into_inner().unwrap_or_default();
            Err(Wrong { path, key, why: error.to_string() })
        }
    }
}

/// What is noted on the way.
#[derive(Default)]
struct Notes {
    /// With whether it is the key.
    wrong: RefCell<Option<(Path, bool)>>,
    unknown: RefCell<Vec<Path>>,
}

impl Notes {
    /// An error comes up through all values around the wrong one: the first place it is seen at is the innermost.
    fn wrong(&self, place: &Place<'_>, key: bool) {
        self.wrong.borrow_mut().get_or_insert_with(|| (place.path(), key));
    }
}

/// A value's place, as a chain to the document: a path is made only where one is told.
enum Place<'a> {
    Document,
    Key(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn path(&self) -> Path {
        let (outer, part) = match self {
            Self::Document => return Path::default(),
            Self::Key(outer, key) => (outer, Part::Key((*key).to_owned())),
            Self::Index(outer, index) => (outer, Part::Index(*index)),
        };
        let mut path = outer.path();
        path.0.push(part);
        path
    }
}

#[derive(Clone, Copy)]
struct Node<'a, 'de> {
    value: &'de Value,
    place: &'a Place<'a>,
    notes: &'a Notes,
}

impl<'a, 'de> Node<'a, 'de> {
    /// Reads the value at `place` within this one.
    fn within<S: DeserializeSeed<'de>>(self, place: &Place<'_>, value: &'de Value, seed: S) -> Result<S::Value, Error> {
        let read = seed.deserialize(Node { value, place, notes: self.notes });
        if read.is_err() {
            self.notes.wrong(place, false);
        }
        read
    }
}

/// Methods that read as another does.
macro_rules! read_alike {
    ($($method:ident)* => $as_this:ident) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.$as_this(visitor)
        }
    )*};
}

/// The error of a value of another type than the one that is needed.
fn wrong_type(value: &Value, expected: &dyn Expected) -> Error {
    let found = match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(value) => match (value.as_u64(), value.as_i64(), value.as_f64()) {
            (Some(value), ..) => Unexpected::Unsigned(value),
            (_, Some(value), _) => Unexpected::Signed(value),
            (.., Some(value)) => Unexpected::Float(value),
            _ => Unexpected::Other("number"),
        },
        Value::String(value) => Unexpected::Str(value),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    Error::invalid_type(found, expected)
}

/// What is asked for by its kind is read only as that: of each type's visitor, nothing else is built.
impl<'de> Deserializer<'de> for Node<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(_) => self.deserialize_bool(visitor),
            Value::Number(_) => self.deserialize_i64(visitor),
            Value::String(_) => self.deserialize_str(visitor),
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Bool(value) = self.value else { return Err(wrong_type(self.value, &visitor)) };
        visitor.visit_bool(*value)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Number(value) = self.value else { return Err(wrong_type(self.value, &visitor)) };
        value.deserialize_any(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::String(value) = self.value else { return Err(wrong_type(self.value, &visitor)) };
        visitor.visit_borrowed_str(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Array(list) = self.value else { return Err(wrong_type(self.value, &visitor)) };
        visitor.visit_seq(Elements { list: list.iter(), next: 0, node: self })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Object(table) = self.value else { return Err(wrong_type(self.value, &visitor)) };
        visitor.visit_map(Entries { table: table.iter(), entry: None, node: self })
    }

    read_alike! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    deserialize_f32 deserialize_f64 => deserialize_i64 }
    read_alike! { deserialize_string => deserialize_str }

    /// A table alone: a list of the fields' values, which other readers take, is nothing that people write.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value.deserialize_enum(name, variants, visitor)
    }

    /// What a type asks for where it has no field for a key.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.notes.unknown.borrow_mut().push(self.place.path());
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Elements<'a, 'de> {
    list: std::slice::Iter<'de, Value>,
    next: usize,
    node: Node<'a, 'de>,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(value) = self.list.next() else { return Ok(None) };
        let place = Place::Index(self.node.place, self.next);
        self.next += 1;
        self.node.within(&place, value, seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.list.len())
    }
}

struct Entries<'a, 'de> {
    table: Iter<'de>,
    entry: Option<(&'de str, &'de Value)>,
    node: Node<'a, 'de>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some((key, value)) = self.table.next() else { return Ok(None) };
        self.entry = Some((key, value));
        let read = seed.deserialize(BorrowedStrDeserializer::new(key));
        if read.is_err() {
            self.node.notes.wrong(&Place::Key(self.node.place, key), true);
        }
        read.map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let (key, value) = self.entry.take().unwrap_or(("", &Value::Null));
        self.node.within(&Place::Key(self.node.place, key), value, seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.table.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read, and compared by what is said")]
    struct Outer {
        name: Option<String>,
        #[serde(default)]
        inner: Vec<Inner>,
        by_name: Option<BTreeMap<String, Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "as above")]
    struct Inner {
        level: u8,
        mode: Option<Mode>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        Dhcp,
        Static,
    }

    fn wrong(document: &Value) -> (String, String) {
        let wrong = read::<Outer>(document).unwrap_err();
        assert_eq!(wrong.key, wrong.why.starts_with("unknown field"));
        (wrong.path.to_string(), wrong.why)
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (document, path, why) in [
            (json!([]), "", "invalid type: sequence, expected struct Outer"),
            (json!({"name": 3}), "name", "invalid type: integer `3`, expected a string"),
            (
                json!({"inner": [{"level": 1}, {"level": 256}]}),
                "inner[1].level",
                "invalid value: integer `256`, expected u8",
            ),
            (json!({"name": false}), "name", "invalid type: boolean `false`, expected a string"),
            (json!({"name": {}}), "name", "invalid type: map, expected a string"),
            (json!({"inner": [{"level": "1"}]}), "inner[0].level", "invalid type: string \"1\", expected u8"),
            (json!({"inner": [{"level": -1}]}), "inner[0].level", "invalid value: integer `-1`, expected u8"),
            (json!({"inner": [{"level": 1.5}]}), "inner[0].level", "invalid type: floating point `1.5`, expected u8"),
            (json!({"inner": [{}]}), "inner[0]", "missing field `level`"),
            (json!({"inner": [{"level": null}]}), "inner[0].level", "invalid type: null, expected u8"),
            (json!({"inner": {"level": 1}}), "inner", "invalid type: map, expected a sequence"),
            (
                json!({"inner": [{"level": 1, "colour": 2}]}),
                "inner[0].colour",
                "unknown field `colour`, expected `level` or `mode`",
            ),
            (
                json!({"by_name": {"a b": {"level": 1, "mode": "dhpc"}}}),
                "by_name.a b.mode",
                "unknown variant `dhpc`, expected `dhcp` or `static`",
            ),
        ] {
            assert_eq!(wrong(&document), (path.to_owned(), why.to_owned()), "{document}");
        }
    }

    #[test]
    fn keys_that_nobody_asked_for_are_told_wherever_they_stand() {
        let document =
            json!({"name": "n", "x": {"y": 1}, "inner": [{"level": 1, "mode": "static"}], "by_name": null, "z": []});
        let read = read::<Outer>(&document).unwrap();
        assert_eq!(read.unknown.iter().map(Path::to_string).collect::<Vec<_>>(), ["x", "z"]);
        assert!(matches!(read.value.inner[..], [Inner { level: 1, mode: Some(Mode::Static) }]));
        assert!(read.value.by_name.is_none());
    }
}
