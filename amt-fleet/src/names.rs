//! Names for machines that have none yet, and the list of machines that are expected.

use crate::KnownMachine;
use crate::digest::hex;
use amt_core::SystemId;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// Most machines in one list.
pub const MAX_KNOWN: usize = 1_000_000;

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

/// Reads a list of machines: one a line, `uuid[,host_name[,domain_name[,dns_suffix]]]`; a heading that begins with `uuid`, empty
/// lines and lines that begin with `#` are passed over.
///
/// # Errors
/// Every line that is wrong, with its number.
pub fn parse_known(text: &str) -> Result<Vec<KnownMachine>, Vec<String>> {
    let mut machines: Vec<KnownMachine> = Vec::new();
    let mut lines_of = std::collections::HashMap::new();
    let mut wrong = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim().trim_start_matches('\u{feff}');
        let heading = machines.is_empty() && line.to_ascii_lowercase().starts_with("uuid");
        if line.is_empty() || line.starts_with('#') || heading {
            continue;
        }
        match parse_line(line) {
            Ok(machine) => match lines_of.insert(machine.id, at + 1) {
                Some(earlier) => {
                    wrong.push(format!("line {}: {} stands in line {earlier} already", at + 1, machine.id))
                }
                None => machines.push(machine),
            },
            Err(why) => wrong.push(format!("line {}: {why}", at + 1)),
        }
        if machines.len() > MAX_KNOWN {
            wrong.push(format!("more than {MAX_KNOWN} machines"));
            break;
        }
    }
    if wrong.is_empty() { Ok(machines) } else { Err(wrong) }
}

fn parse_line(line: &str) -> Result<KnownMachine, String> {
    let mut fields = line.split([',', ';']).map(|f| f.trim().trim_matches('"'));
    let id: SystemId = fields.next().unwrap_or_default().parse().map_err(|e: amt_core::Failure| e.message)?;
    if !id.is_usable_as_key() {
        return Err(format!("{id} is a placeholder that many machines share"));
    }
    let mut next = || fields.next().filter(|f| !f.is_empty()).map(str::to_owned);
    let mut machine = KnownMachine::new(id);
    (machine.host_name, machine.domain_name, machine.dns_suffix) = (next(), next(), next());
    if fields.next().is_some() {
        return Err("more than four fields".to_owned());
    }
    let mut plan = amt_provision::Plan::new();
    (plan.host_name, plan.domain_name) = (machine.host_name.clone(), machine.domain_name.clone());
    match plan.validate().into_iter().next() {
        Some(finding) => Err(finding.message),
        None => Ok(machine),
    }
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

    #[test]
    fn a_list_is_read_with_every_mistake_at_once() {
        let good = "\u{feff}UUID,Host,Domain,Suffix\r\n# reception\r\n\r\n\
            4c4c4544-0034-5210-8036-b3c04f4e3333, reception, example.com, corp.example.com\r\n\
            {4C4C4544-0034-5210-8036-B3C04F4E3334}\r\n";
        let list = parse_known(good).unwrap();
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].dns_suffix.as_deref(), Some("corp.example.com"));
        assert_eq!(list[1], KnownMachine::new(id("4c4c4544-0034-5210-8036-b3c04f4e3334")));
        let bad = "4c4c4544-0034-5210-8036-b3c04f4e3333\nnonsense\n00000000-0000-0000-0000-000000000000\n\
            4c4c4544-0034-5210-8036-b3c04f4e3333\n4c4c4544-0034-5210-8036-b3c04f4e3335,a.b\n\
            4c4c4544-0034-5210-8036-b3c04f4e3336,a,b,c,d\n";
        let wrong = parse_known(bad).unwrap_err();
        let numbers: Vec<_> = wrong.iter().map(|w| w.split(':').next().unwrap()).collect();
        assert_eq!(numbers, ["line 2", "line 3", "line 4", "line 5", "line 6"], "{wrong:#?}");
    }
}
