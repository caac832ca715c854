//! A JSON value to be printed, or turned into another library's.

use std::fmt;

/// A JSON value. `Display` writes it as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
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
}
