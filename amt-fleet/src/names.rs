//! Names for machines that have none yet.

use crate::digest::hex;
use amt_core::SystemId;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

const SHORT_BYTES: usize = 5;

/// A template for names, for example `amt-{uuid_short}.{suffix}`.
///
/// | placeholder | |
/// |---|---|
/// | `{uuid}` | the UUID, 32 digits without hyphens |
/// | `{uuid_short}` | 10 digits derived from it, for names of at most 15 characters |
/// | `{suffix}` | the machine's DNS suffix, or the first of the configuration; only after the first dot |
///
/// What stands before the first dot is the host name, the rest the domain. Without a dot the domain is the suffix. The short form is a hash: makers
/// number their UUIDs in ways that leave any fixed part of them equal on many machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate {
    host: Vec<Piece>,
    domain: Option<Vec<Piece>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Uuid,
    Short,
    Suffix,
}

impl Default for NameTemplate {
    fn default() -> Self {
        Self { host: vec![Piece::Text("amt-".to_owned()), Piece::Short], domain: None }
    }
}

impl NameTemplate {
    /// Host name and domain of a machine.
    pub fn name(&self, id: SystemId, suffix: Option<&str>) -> (String, Option<String>) {
        let host = render(&self.host, id, suffix);
        let domain = match &self.domain {
            Some(pieces) => Some(render(pieces, id, suffix)),
            None => suffix.map(str::to_owned),
        };
        (host, domain.filter(|d| !d.is_empty()))
    }

    /// The host name to take where [`name`](Self::name) belongs to another machine: it carries the whole UUID.
    pub(crate) fn fallback(&self, id: SystemId) -> String {
        let prefix: String =
            self.host.iter().map_while(|p| if let Piece::Text(t) = p { Some(t.as_str()) } else { None }).collect();
        let mut name = prefix;
        name.truncate(amt_provision::plan::MAX_HOST_NAME - 32);
        name + &hex(&id.to_rfc4122())
    }
}

impl FromStr for NameTemplate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, domain) = match text.split_once('.') {
            Some((host, domain)) => (host, Some(domain)),
            None => (text, None),
        };
        let host = pieces(host)?;
        if host.contains(&Piece::Suffix) {
            return Err("{suffix} belongs after the first dot".to_owned());
        }
        if !host.iter().any(|p| matches!(p, Piece::Uuid | Piece::Short)) {
            return Err("without {uuid} or {uuid_short} every machine would get the same name".to_owned());
        }
        let template = Self { host, domain: domain.map(pieces).transpose()? };
        let sample = SystemId::from_wire([0xa5; 16]);
        let (host, domain) = template.name(sample, Some("example.com"));
        let mut plan = amt_provision::Plan::new();
        (plan.host_name, plan.domain_name) = (Some(host), domain);
        match plan.validate().into_iter().next() {
            Some(finding) => Err(format!("{}; {}", finding.message, finding.hint)),
            None => Ok(template),
        }
    }
}

impl fmt::Display for NameTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write = |f: &mut fmt::Formatter<'_>, pieces: &[Piece]| {
            pieces.iter().try_for_each(|piece| match piece {
                Piece::Text(text) => f.write_str(text),
                Piece::Uuid => f.write_str("{uuid}"),
                Piece::Short => f.write_str("{uuid_short}"),
                Piece::Suffix => f.write_str("{suffix}"),
            })
        };
        write(f, &self.host)?;
        if let Some(domain) = &self.domain {
            f.write_str(".")?;
            write(f, domain)?;
        }
        Ok(())
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
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
            other => {
                return Err(format!("{{{other}}} is not known; there are {{uuid}}, {{uuid_short}} and {{suffix}}"));
            }
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

/// 10 digits derived from a UUID.
pub(crate) fn short(id: SystemId) -> String {
    hex(&Sha256::digest(id.to_rfc4122())[..SHORT_BYTES])
}

fn render(pieces: &[Piece], id: SystemId, suffix: Option<&str>) -> String {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Uuid => hex(&id.to_rfc4122()),
            Piece::Short => short(id),
            Piece::Suffix => suffix.unwrap_or_default().to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SystemId {
        text.parse().unwrap()
    }

    #[test]
    fn templates_give_host_and_domain() {
        let machine = id("4c4c4544-0034-5210-8036-b3c04f4e3333");
        let name = |template: &str, suffix| template.parse::<NameTemplate>().unwrap().name(machine, suffix);
        let (host, domain) = NameTemplate::default().name(machine, Some("example.com"));
        assert_eq!((host.len(), domain.as_deref()), (14, Some("example.com")));
        assert!(host.starts_with("amt-"));
        assert_eq!(name("amt-{uuid_short}", None), (host, None));
        assert_eq!(
            name("pc{uuid}.amt.{suffix}", Some("corp.example.com")),
            ("pc4c4c4544003452108036b3c04f4e3333".into(), Some("amt.corp.example.com".into()))
        );
        assert_eq!(name("{uuid_short}.fixed.example", Some("ignored")).1.as_deref(), Some("fixed.example"));
    }

    #[test]
    fn machines_of_one_maker_get_different_short_names() {
        let ids = (0..2000u32).map(|n| id(&format!("4c4c4544-0034-5210-8036-{n:08x}3333")));
        let names: std::collections::BTreeSet<_> = ids.map(|i| NameTemplate::default().name(i, None).0).collect();
        assert_eq!(names.len(), 2000);
    }

    #[test]
    fn a_fallback_name_is_a_host_name_however_long_the_template() {
        let template: NameTemplate = format!("{}-{{uuid_short}}", "x".repeat(50)).parse().unwrap();
        let fallback = template.fallback(id("4c4c4544-0034-5210-8036-b3c04f4e3333"));
        assert_eq!(fallback.len(), 63);
        assert!(fallback.ends_with("4c4c4544003452108036b3c04f4e3333"));
    }

    #[test]
    fn templates_that_cannot_work_say_why() {
        for (bad, why) in [
            ("pc", "same name"),
            ("pc-{uuid", "not closed"),
            ("pc-{serial}", "{serial} is not known"),
            ("{suffix}-{uuid}", "after the first dot"),
            ("pc_{uuid_short}", "not a host name"),
            (&format!("{}{{uuid}}", "x".repeat(40)), "not a host name"),
            ("{uuid}..x", "not a domain name"),
        ] {
            let error = bad.parse::<NameTemplate>().unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
        for text in ["amt-{uuid_short}", "a{uuid}.b.{suffix}"] {
            assert_eq!(text.parse::<NameTemplate>().unwrap().to_string(), text);
        }
    }
}
