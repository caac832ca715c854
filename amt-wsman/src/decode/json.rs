//! A JSON value to be printed, read, or turned into another library's.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// A JSON value. `Display` writes it as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(u32),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; members in order, names unique.
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(super) fn text(text: &str) -> Self {
        Self::String(text.to_owned())
    }

    pub(super) fn object<const N: usize>(members: [(&str, Json); N]) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// An object in which members of the same name are gathered in an array, where the first of them stood.
    pub(super) fn grouped<'a>(members: impl Iterator<Item = (&'a str, Json)>) -> Self {
        let mut found: Vec<(String, Vec<Json>)> = Vec::new();
        let mut places = std::collections::HashMap::new();
        for (name, value) in members {
            let place = *places.entry(name).or_insert(found.len());
            match found.get_mut(place) {
                Some((_, values)) => values.push(value),
                None => found.push((name.to_owned(), vec![value])),
            }
        }
        let single = |mut values: Vec<Json>| match values.pop() {
            Some(value) if values.is_empty() => value,
            Some(value) => {
                values.push(value);
                Self::Array(values)
            }
            None => Self::Null,
        };
        Self::Object(found.into_iter().map(|(name, values)| (name, single(values))).collect())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::String(text) => string(f, text),
            Self::Array(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (name, value)) in members.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    string(f, name)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

/// Reads any value but fractions. Order is kept, and a name that stands twice in an object is refused. Numbers beyond 32 bits, or below
/// 0, are kept as text.
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(u32::try_from(number).map_or_else(|_| Json::String(number.to_string()), Json::Number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(u32::try_from(number).map_or_else(|_| Json::String(number.to_string()), Json::Number))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Json, E> {
        Err(E::custom("a number with a fraction"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::text(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let (mut members, mut names) = (Vec::new(), HashSet::new());
        while let Some((name, value)) = map.next_entry::<String, Json>()? {
            if !names.insert(name.clone()) {
                return Err(de::Error::custom("a name stands twice"));
            }
            members.push((name, value));
        }
        Ok(Json::Object(members))
    }
}

fn string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if u32::from(c) < 0x20 => write!(f, "\\u{:04x}", u32::from(c))?,
            c => fmt::Write::write_char(f, c)?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_and_members_gathered() {
        assert_eq!(Json::text("a\"\\\n\r\t\u{1}é").to_string(), "\"a\\\"\\\\\\n\\r\\t\\u0001é\"");
        let members = [("a", Json::Number(1)), ("b", Json::Null), ("a", Json::Number(2))];
        assert_eq!(Json::grouped(members.into_iter()).to_string(), "{\"a\":[1,2],\"b\":null}");
        assert_eq!(Json::Object(Vec::new()).to_string(), "{}");
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let text = "{\"b\":[1,true,null],\"a\":{\"z\":\"\\u0001\",\"y\":4294967295}}";
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(json.to_string(), text);
        let large: Json = serde_json::from_str("[4294967296,-1]").unwrap();
        assert_eq!(large.to_string(), "[\"4294967296\",\"-1\"]");
        for refused in ["1.5", "{\"a\":1,\"a\":2}", "[", "1 2"] {
            assert!(serde_json::from_str::<Json>(refused).is_err(), "{refused}");
        }
    }
}
