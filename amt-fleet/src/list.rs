//! The list of machines that are expected, as an administrator keeps it in a spreadsheet; and that of machines to be adopted.

mod adoptees;

pub use adoptees::{Adoptee, parse_adoptees};

use crate::KnownMachine;
use crate::fact::{FactKey, MAX_VALUES};
use crate::filter::did_you_mean;
use amt_core::SystemId;
use csv::StringRecord;
use std::collections::HashMap;

/// Most machines in one list.
pub const MAX_KNOWN: usize = 1_000_000;
/// Most mistakes that are named.
pub const MAX_MISTAKES: usize = 100;
/// Longest part of a cell that is repeated.
const MAX_SHOWN: usize = 60;

/// What a column says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Uuid,
    Mac,
    Name,
    Host,
    Domain,
    DnsSuffix,
    Profile,
    Ou,
    Labels,
}

/// Columns and their headings; the first of each is the one that is spoken of.
const HEADINGS: &[(Column, &[&str])] = &[
    (Column::Uuid, &["uuid"]),
    (Column::Mac, &["mac", "macs"]),
    (Column::Name, &["name", "fqdn"]),
    (Column::Host, &["host", "host_name", "hostname"]),
    (Column::Domain, &["domain", "domain_name"]),
    (Column::DnsSuffix, &["dns_suffix", "suffix"]),
    (Column::Profile, &["profile"]),
    (Column::Ou, &["ou"]),
    (Column::Labels, &["labels", "label"]),
];

/// What the columns of a list without a heading are.
const WITHOUT_HEADING: [Column; 4] = [Column::Uuid, Column::Host, Column::Domain, Column::DnsSuffix];

impl Column {
    fn of_heading(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase().replace([' ', '-'], "_");
        HEADINGS.iter().find(|(_, names)| names.contains(&text.as_str())).map(|(column, _)| *column)
    }

    fn heading(self) -> &'static str {
        HEADINGS.iter().find(|(column, _)| *column == self).and_then(|(_, names)| names.first().copied()).unwrap_or("")
    }
}

/// Reads a list of machines: CSV, separated by commas, semicolons or tabs, with a heading that names the columns.
///
/// | column | |
/// |---|---|
/// | `uuid` | UUID of the machine; it or `mac` is needed |
/// | `mac` | interface address, or several |
/// | `name` | host name, or host and domain as one name |
/// | `host`, `domain` | the same as two columns |
/// | `dns_suffix` | suffix that its firmware has |
/// | `profile`, `ou` | what it is to get |
/// | `labels` | labels, separated by semicolons or blanks |
///
/// An empty cell says nothing. Without a heading the columns are `uuid`, `host`, `domain` and `dns_suffix`, all but the first optional. Lines
/// that are empty or begin with `#` are passed over.
///
/// # Errors
/// Everything that is wrong with line and column, up to [`MAX_MISTAKES`].
pub fn parse_known(text: &str) -> Result<Vec<KnownMachine>, Vec<String>> {
    let text = text.trim_start_matches('\u{feff}');
    if let Some(line) = unclosed_quote(text, delimiter(text)) {
        return Err(vec![not_closed(line)]);
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .delimiter(delimiter(text))
        .from_reader(text.as_bytes());
    let mut list = List { columns: WITHOUT_HEADING.to_vec(), ..List::default() };
    let mut is_first = true;
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                list.wrong.push(error.to_string());
                break;
            }
        };
        if record.iter().all(str::is_empty) {
            continue;
        }
        let line = line_of(text, &record);
        if std::mem::take(&mut is_first) && record.iter().any(is_key) {
            list.heading(line, &record);
            if !list.wrong.is_empty() {
                break;
            }
            continue;
        }
        list.add(line, &record);
        if list.machines.len() > MAX_KNOWN {
            list.wrong.push(format!("more than {MAX_KNOWN} machines"));
            break;
        }
    }
    if list.wrong.is_empty() {
        return Ok(list.machines);
    }
    let more = list.wrong.len().saturating_sub(MAX_MISTAKES);
    list.wrong.truncate(MAX_MISTAKES);
    if more > 0 {
        list.wrong.push(format!("and {more} more"));
    }
    Err(list.wrong)
}

fn is_key(heading: &str) -> bool {
    matches!(Column::of_heading(heading), Some(Column::Uuid | Column::Mac))
}

/// What separates the cells of the first line that has any; spreadsheets of some countries write semicolons.
pub(crate) fn delimiter(text: &str) -> u8 {
    let line = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
    let first = line.bytes().find(|byte| matches!(byte, b',' | b';' | b'\t'));
    first.unwrap_or(b',')
}

/// The line in which a quote begins that nothing closes, if there is one: all that stands behind it would be read as one cell.
///
/// Quotes are those of RFC 4180, as the reader takes them: at the beginning of a cell, doubled within.
pub(crate) fn unclosed_quote(text: &str, delimiter: u8) -> Option<usize> {
    #[derive(PartialEq)]
    enum At {
        Record,
        Cell,
        Within,
        Quoted(usize),
        /// Behind a quote within quotes: another makes it one of the cell's, anything else ends them.
        Quote(usize),
        Comment,
    }
    let (mut at, mut line) = (At::Record, 1);
    for byte in text.bytes() {
        at = match (at, byte) {
            (At::Quoted(from), b'"') => At::Quote(from),
            (At::Quoted(from), _) | (At::Quote(from), b'"') => At::Quoted(from),
            (_, b'\n' | b'\r') => At::Record,
            (At::Comment, _) | (At::Record, b'#') => At::Comment,
            (At::Record | At::Cell, b'"') => At::Quoted(line),
            (_, byte) if byte == delimiter => At::Cell,
            _ => At::Within,
        };
        if byte == b'\n' {
            line += 1;
        }
    }
    match at {
        At::Quoted(from) => Some(from),
        _ => None,
    }
}

/// What is said of [it](unclosed_quote).
pub(crate) fn not_closed(line: usize) -> String {
    format!(
        "line {line}: a quote begins a cell and is not closed: close it, or double each quote of a cell and quote the whole"
    )
}

/// The line that a record begins in: its position is that of the empty lines and comments before it.
pub(crate) fn line_of(text: &str, record: &StringRecord) -> u64 {
    let Some(position) = record.position() else { return 0 };
    let rest = usize::try_from(position.byte()).ok().and_then(|at| text.get(at..)).unwrap_or_default();
    let passed_over = |line: &&str| line.trim_end_matches(['\r', '\n']).is_empty() || line.starts_with('#');
    position.line() + rest.split_inclusive('\n').take_while(passed_over).count() as u64
}

/// A list as far as it is read.
#[derive(Default)]
struct List {
    columns: Vec<Column>,
    machines: Vec<KnownMachine>,
    /// Lines in which something stands that only one machine can have.
    lines: HashMap<String, u64>,
    wrong: Vec<String>,
}

impl List {
    fn heading(&mut self, line: u64, record: &StringRecord) {
        self.columns.clear();
        for (at, text) in record.iter().enumerate() {
            let place = format!("line {line}, column {}", at + 1);
            match Column::of_heading(text) {
                Some(column) if self.columns.contains(&column) => {
                    self.wrong.push(format!("{place}: there is a column {} already", column.heading()));
                }
                Some(column) => self.columns.push(column),
                None => {
                    let names: Vec<&str> = HEADINGS.iter().map(|(column, _)| column.heading()).collect();
                    let near = match did_you_mean(text, names.iter().copied()) {
                        near if near.is_empty() => format!("there are {}", names.join(", ")),
                        near => near,
                    };
                    self.wrong.push(format!("{place}: there is no column {:?}; {near}", shown(text)));
                }
            }
        }
        if self.columns.contains(&Column::Name) && self.columns.contains(&Column::Host) {
            self.wrong.push(format!("line {line}: name and host say the same; leave one of them out"));
        }
    }

    fn add(&mut self, line: u64, record: &StringRecord) {
        let before = self.wrong.len();
        let mut machine = KnownMachine::default();
        for (at, cell) in record.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            let Some(column) = self.columns.get(at).copied() else {
                self.wrong.push(format!(
                    "line {line}, column {}: there are only {} columns",
                    at + 1,
                    self.columns.len()
                ));
                break;
            };
            let place = format!("line {line}, column {} ({})", at + 1, column.heading());
            if let Err(why) = read(&mut machine, column, cell) {
                self.wrong.push(format!("{place}: {why}"));
            }
        }
        if machine.id.is_none() && machine.macs.is_empty() && self.wrong.len() == before {
            self.wrong.push(format!("line {line}: neither UUID nor interface address says which machine is meant"));
        }
        if self.wrong.len() == before
            && let Some(why) = bad_name(&machine)
        {
            self.wrong.push(format!("line {line}: {why}"));
        }
        let keys = machine.id.map(|id| id.to_string()).into_iter().chain(machine.macs.iter().cloned());
        for key in keys.chain(machine.name()) {
            match self.lines.get(&key) {
                // The same address twice in one cell is no contradiction.
                Some(earlier) if *earlier != line => {
                    self.wrong.push(format!("line {line}: {key} stands in line {earlier} already"));
                }
                _ => {
                    self.lines.insert(key, line);
                }
            }
        }
        self.machines.push(machine);
    }
}

/// Takes a cell into a machine.
fn read(machine: &mut KnownMachine, column: Column, cell: &str) -> Result<(), String> {
    let one = |key: FactKey| key.normalise(cell).map(Some).map_err(|why| format!("{:?} {why}", shown(cell)));
    let several = |key: FactKey| {
        let parts = cell.split([';', ',', ' ', '\t']).filter(|part| !part.is_empty());
        let all: Result<Vec<String>, String> =
            parts.map(|part| key.normalise(part).map_err(|why| format!("{:?} {why}", shown(part)))).collect();
        let mut all = all?;
        if all.len() > MAX_VALUES {
            return Err(format!("more than {MAX_VALUES}"));
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    };
    match column {
        Column::Uuid => {
            let id: SystemId = cell.parse().map_err(|error: amt_core::Failure| error.into_details().message)?;
            if !id.is_usable_as_key() {
                return Err(format!("{id} is a placeholder that many machines share"));
            }
            machine.id = Some(id);
        }
        Column::Mac => machine.macs = several(FactKey::Mac)?,
        Column::Name => match one(if cell.contains('.') { FactKey::Fqdn } else { FactKey::HostName })? {
            Some(name) if name.contains('.') && machine.domain_name.is_some() => {
                return Err(format!("{name} has a domain, and another stands in the column domain"));
            }
            Some(name) => {
                let (host, domain) =
                    name.split_once('.').map_or((name.as_str(), None), |(h, d)| (h, Some(d.to_owned())));
                machine.host_name = Some(host.to_owned());
                machine.domain_name = domain.or(machine.domain_name.take());
            }
            None => {}
        },
        Column::Host => machine.host_name = one(FactKey::HostName)?,
        Column::Domain if machine.domain_name.is_some() => {
            return Err("the name has a domain already".to_owned());
        }
        Column::Domain => machine.domain_name = one(FactKey::DnsSuffix)?,
        Column::DnsSuffix => machine.dns_suffix = one(FactKey::DnsSuffix)?,
        Column::Profile => machine.profile = one(FactKey::Profile)?,
        Column::Ou => machine.ou = one(FactKey::Ou)?,
        Column::Labels => machine.labels = several(FactKey::Label)?,
    }
    Ok(())
}

/// What firmware would not take as a name.
fn bad_name(machine: &KnownMachine) -> Option<String> {
    let mut plan = amt_provision::Plan::new();
    (plan.host_name, plan.domain_name) = (machine.host_name.clone(), machine.domain_name.clone());
    plan.validate().into_iter().next().map(|finding| finding.message)
}

/// The beginning of what was written.
fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "4c4c4544-0034-5210-8036-b3c04f4e3333";
    const TWO: &str = "4c4c4544-0034-5210-8036-b3c04f4e3334";

    #[test]
    fn a_list_with_a_heading_says_all_there_is_to_say() {
        let text = format!(
            "\u{feff}# of the store\r\nMAC,UUID,Name,DNS suffix,profile,OU,labels\r\n\r\n\
             001B21AABBCC,{ONE},PC1.Example.com,corp.example.com,desk,\"OU=Lab,DC=example\",red; floor:7\r\n\
             \"00-1b-21-aa-bb-cd 00-1b-21-aa-bb-ce\",,pc2,,,,\r\n"
        );
        let list = parse_known(&text).unwrap();
        let mut first = KnownMachine::new(ONE.parse().unwrap());
        first.macs = vec!["00:1b:21:aa:bb:cc".into()];
        (first.host_name, first.domain_name) = (Some("pc1".into()), Some("example.com".into()));
        (first.dns_suffix, first.profile) = (Some("corp.example.com".into()), Some("desk".into()));
        (first.ou, first.labels) = (Some("OU=Lab,DC=example".into()), vec!["floor:7".into(), "red".into()]);
        let mut second = KnownMachine::by_mac("00:1b:21:aa:bb:cd");
        second.macs.push("00:1b:21:aa:bb:ce".into());
        second.host_name = Some("pc2".into());
        assert_eq!(list, [first, second]);
        let german = format!("uuid;host;labels\n{ONE};pc1;red lab\n");
        assert_eq!(parse_known(&german).unwrap()[0].labels, ["lab", "red"]);
        let tabs = format!("host\tuuid\npc1\t{ONE}\n");
        assert_eq!(parse_known(&tabs).unwrap()[0].host_name.as_deref(), Some("pc1"));
    }

    #[test]
    fn a_list_without_a_heading_is_read_as_ever() {
        let text =
            format!("# reception\n\n{ONE}, reception, example.com, corp.example.com\n{{{}}}\n", TWO.to_uppercase());
        let list = parse_known(&text).unwrap();
        assert_eq!(list[0].name().as_deref(), Some("reception.example.com"));
        assert_eq!(list[0].dns_suffix.as_deref(), Some("corp.example.com"));
        assert_eq!(list[1], KnownMachine::new(TWO.parse().unwrap()));
        let text = format!("UUID,Host,Domain,Suffix\n{ONE},reception,example.com,corp.example.com\n");
        assert_eq!(parse_known(&text).unwrap(), list[..1]);
        assert_eq!(parse_known("").unwrap(), []);
    }

    #[test]
    fn every_mistake_is_named_with_line_and_column() {
        let text = format!(
            "uuid,mac,host,labels\n\
             {ONE},,pc1,\n\
             # a comment, and an empty line\n\n\
             nonsense,,pc2,\n\
             00000000-0000-0000-0000-000000000000,,,\n\
             {ONE},00:1b:21:aa:bb,,\n\
             ,,pc3,\n\
             {TWO},,a b,not!this\n\
             4c4c4544-0034-5210-8036-b3c04f4e3335,,pc1,\n\
             4c4c4544-0034-5210-8036-b3c04f4e3336,,pc4,red,more\n"
        );
        let wrong = parse_known(&text).unwrap_err();
        let starts = [
            "line 5, column 1 (uuid): ",
            "line 6, column 1 (uuid): 00000000-0000-0000-0000-000000000000 is a placeholder",
            "line 7, column 2 (mac): \"00:1b:21:aa:bb\" is not an interface address",
            "line 7: 4c4c4544-0034-5210-8036-b3c04f4e3333 stands in line 2 already",
            "line 8: neither UUID nor interface address",
            "line 9, column 3 (host): \"a b\" is not a host name",
            "line 9, column 4 (labels): \"not!this\" has characters",
            "line 10: pc1 stands in line 2 already",
            "line 11, column 5: there are only 4 columns",
        ];
        assert_eq!(wrong.len(), starts.len(), "{wrong:#?}");
        for (wrong, start) in wrong.iter().zip(starts) {
            assert!(wrong.starts_with(start), "{wrong}\n{start}");
        }
        for (text, want) in [
            ("uuid,hots\n", "line 1, column 2: there is no column \"hots\"; did you mean host"),
            ("uuid,name,host\n", "line 1: name and host say the same"),
            ("uuid,uuid\n", "line 1, column 2: there is a column uuid already"),
            ("uuid,domain,name\nx,b.c,a.d\n", "line 2, column 3 (name): a.d has a domain"),
            ("uuid,name,domain\nx,a.d,b.c\n", "line 2, column 3 (domain): the name has a domain already"),
        ] {
            let wrong = parse_known(&text.replace('x', ONE)).unwrap_err();
            assert!(wrong.iter().any(|w| w.starts_with(want)), "{text}: {wrong:?}");
        }
        let many = "nonsense\n".repeat(MAX_MISTAKES + 5);
        let wrong = parse_known(&many).unwrap_err();
        assert_eq!((wrong.len(), wrong.last().map(String::as_str)), (MAX_MISTAKES + 1, Some("and 5 more")));
    }
}
