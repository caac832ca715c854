//! Texts with facts in them.

use super::Question;
use crate::digest::hex;
use crate::fact::FactKey;
use crate::names::short;
use std::fmt;
use std::str::FromStr;

/// A text with placeholders, for example `{serial}.lab.{suffix}`.
///
/// | placeholder | |
/// |---|---|
/// | `{uuid}` | the UUID, 32 digits without hyphens |
/// | `{uuid_short}` | 10 digits derived from it |
/// | `{suffix}` | the machine's DNS suffix, or the first of the configuration |
/// | `{host}` | the host name that is said of it, without a domain |
/// | `{mac}` | its first interface address, 12 digits |
/// | any other fact by its key, `{serial}` | its value as the most trusted source says |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Uuid,
    Short,
    Suffix,
    Host,
    Fact(FactKey),
}

impl Template {
    /// The text for a machine; nothing if a fact in it is not known.
    pub fn render(&self, question: &Question) -> Option<String> {
        let (id, facts) = (question.machine.id, &question.facts);
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Some(text.clone()),
                Piece::Uuid => Some(hex(&id.to_rfc4122())),
                Piece::Short => Some(short(id)),
                Piece::Suffix => {
                    let told = facts.value(FactKey::DnsSuffix).or(question.machine.dns_suffix.as_deref());
                    told.or(question.suffixes.first().map(String::as_str)).map(str::to_owned)
                }
                Piece::Host => {
                    let name = facts.value(FactKey::HostName).or(facts.value(FactKey::Fqdn))?;
                    Some(name.split('.').next().unwrap_or(name).to_owned())
                }
                Piece::Fact(FactKey::Mac) => facts.value(FactKey::Mac).map(|mac| mac.replace(':', "")),
                Piece::Fact(key) => facts.value(*key).map(str::to_owned),
            })
            .collect()
    }
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let (name, after) = after.split_once('}').ok_or("a { is not closed")?;
            pieces.push(match name {
                "uuid" => Piece::Uuid,
                "uuid_short" => Piece::Short,
                "suffix" => Piece::Suffix,
                "host" => Piece::Host,
                fact => Piece::Fact(fact.parse().map_err(|_| {
                    let facts: Vec<&str> = FactKey::ALL.iter().map(|key| key.name()).collect();
                    format!("{{{fact}}} is not known; there are uuid, uuid_short, suffix, host, {}", facts.join(", "))
                })?),
            });
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        if pieces.is_empty() {
            return Err("is empty".to_owned());
        }
        Ok(Self(pieces))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Uuid => f.write_str("{uuid}"),
            Piece::Short => f.write_str("{uuid_short}"),
            Piece::Suffix => f.write_str("{suffix}"),
            Piece::Host => f.write_str("{host}"),
            Piece::Fact(key) => write!(f, "{{{key}}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_known_or_named() {
        for text in ["{serial}.lab.{suffix}", "pc-{uuid_short}", "{host}", "plain", "{mac}{uuid}"] {
            assert_eq!(text.parse::<Template>().unwrap().to_string(), text);
        }
        assert!("{serail}".parse::<Template>().unwrap_err().contains("{serail} is not known; there are uuid,"));
        assert_eq!("{serial".parse::<Template>().unwrap_err(), "a { is not closed");
        assert_eq!("".parse::<Template>().unwrap_err(), "is empty");
    }
}
