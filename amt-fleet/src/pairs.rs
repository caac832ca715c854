//! The list of pre-shared pairs, as `amt psk new` writes it and as an administrator keeps it in a spreadsheet.

use crate::list::{delimiter, line_of};
use crate::{PairScope, SecretPair};
use amt_core::Secret;
use amt_core::psk::list::{List, Listed, MAX_LIST, parse};
use amt_core::psk::{Form, PskPair};
use csv::StringRecord;
use serde_json::{Map, Value};

/// Most mistakes that are named.
const MAX_MISTAKES: usize = 100;

/// What a column says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Pid,
    Pps,
    MebxPassword,
    NewMebxPassword,
    Scope,
    Comment,
}

/// Columns and their headings, which are the names in JSON too.
const HEADINGS: &[(Column, &str)] = &[
    (Column::Pid, "pid"),
    (Column::Pps, "pps"),
    (Column::MebxPassword, "mebx_password"),
    (Column::NewMebxPassword, "new_mebx_password"),
    (Column::Scope, "scope"),
    (Column::Comment, "comment"),
];

/// Reads a list of pairs: CSV with a heading, or lines of PID and PPS alone, or JSON as `amt psk new --json` prints it.
///
/// | column | |
/// |---|---|
/// | `pid`, `pps` | the pair: 8 and 32 characters without dashes |
/// | `mebx_password` | setup menu password that its machines have |
/// | `new_mebx_password` | the one that they get |
/// | `scope` | `machine` or `shared`; `scope` for lines that do not say |
/// | `comment` | a word about it |
///
/// # Errors
/// Everything that is wrong with line or place, up to a limit; no secret is repeated.
pub fn parse_pairs(text: &str, scope: PairScope) -> Result<Vec<SecretPair>, Vec<String>> {
    if text.len() > MAX_LIST {
        return Err(vec![format!("the list is larger than {MAX_LIST} bytes")]);
    }
    let text = text.trim_start_matches('\u{feff}');
    let mut reading = Reading { scope, list: List::default(), more: Vec::new(), wrong: Vec::new() };
    let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or_default();
    let listed = if text.trim_start().starts_with(['{', '[']) {
        reading.json(text);
        reading.list.into_inner()
    } else if first.split([',', ';', '\t']).any(|cell| column(cell) == Some(Column::Pid)) {
        reading.table(text);
        reading.list.into_inner()
    } else {
        let listed = parse(text, Form::Strict);
        reading.more = vec![More::default(); listed.len()];
        listed
    };
    let (more, mut wrong) = (reading.more, reading.wrong);
    let mut pairs = Vec::with_capacity(listed.len());
    for (Listed { number, pair, .. }, more) in listed.into_iter().zip(more) {
        match pair {
            Ok(pair) => pairs.push(more.with(pair, scope)),
            Err(failures) => wrong.extend(failures.into_iter().map(|f| (number, f.into_details().message))),
        }
    }
    if wrong.is_empty() {
        return if pairs.is_empty() { Err(vec!["there is no pair in it".to_owned()]) } else { Ok(pairs) };
    }
    wrong.sort_by_key(|(number, _)| *number);
    let more = wrong.len().saturating_sub(MAX_MISTAKES);
    let named = wrong.into_iter().take(MAX_MISTAKES).map(|(number, why)| format!("line or entry {number}: {why}"));
    Err(named.chain((more > 0).then(|| format!("and {more} more"))).collect())
}

/// What is said of a pair beside itself.
#[derive(Clone, Default)]
struct More {
    mebx_password: Option<Secret<String>>,
    new_mebx_password: Option<Secret<String>>,
    scope: Option<PairScope>,
    comment: Option<String>,
}

impl More {
    fn with(self, pair: PskPair, scope: PairScope) -> SecretPair {
        SecretPair {
            pair,
            scope: self.scope.unwrap_or(scope),
            mebx_password: self.mebx_password,
            new_mebx_password: self.new_mebx_password,
            comment: self.comment,
        }
    }
}

struct Reading {
    scope: PairScope,
    list: List,
    /// One for each of `list`.
    more: Vec<More>,
    wrong: Vec<(usize, String)>,
}

impl Reading {
    fn table(&mut self, text: &str) {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .delimiter(delimiter(text))
            .from_reader(text.as_bytes());
        let mut columns: Vec<Option<Column>> = Vec::new();
        for record in reader.records() {
            // The message of the crate repeats what stands there.
            let Ok(record) = record else { return self.wrong.push((0, "this is not CSV".to_owned())) };
            let line = usize::try_from(line_of(text, &record)).unwrap_or(usize::MAX);
            if record.iter().all(str::is_empty) {
                continue;
            }
            if columns.is_empty() {
                columns = record.iter().map(column).collect();
                if let Some(at) = columns.iter().position(Option::is_none) {
                    let names: Vec<&str> = HEADINGS.iter().map(|(_, name)| *name).collect();
                    let text = format!("column {} has none of the headings {}", at + 1, names.join(", "));
                    return self.wrong.push((line, text));
                }
                continue;
            }
            if !self.row(line, &columns, &record) {
                return;
            }
        }
    }

    fn row(&mut self, line: usize, columns: &[Option<Column>], record: &StringRecord) -> bool {
        if record.len() > columns.len() {
            let text = format!(
                "{} cells under {} headings; a cell with a comma stands in quotes",
                record.len(),
                columns.len()
            );
            self.wrong.push((line, text));
        }
        let cells = columns.iter().zip(record).filter_map(|(column, cell)| Some((column.as_ref().copied()?, cell)));
        let cells: Vec<(Column, &str)> = cells.filter(|(_, cell)| !cell.is_empty()).collect();
        self.add(line, &cells)
    }

    /// One pair, a list of pairs, an object with `pairs`, or one pair a line.
    fn json(&mut self, text: &str) {
        let mut number = 0;
        for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            let document = match document {
                Ok(document) => document,
                Err(error) => {
                    return self.wrong.push((error.line(), format!("column {}: this is not JSON", error.column())));
                }
            };
            let nested = document.get("pairs").unwrap_or(&document);
            for entry in nested.as_array().map_or(std::slice::from_ref(nested), Vec::as_slice) {
                number += 1;
                let empty = Map::new();
                let mut cells = Vec::new();
                for (name, value) in entry.as_object().unwrap_or(&empty) {
                    match (column(name), value) {
                        (Some(column), Value::String(text)) => cells.push((column, text.as_str())),
                        (Some(_), Value::Null) | (None, _) => {}
                        (Some(_), _) => self.wrong.push((number, format!("{name} is not text"))),
                    }
                }
                if !self.add(number, &cells) {
                    return;
                }
            }
        }
    }

    /// Takes one pair in. Whether there is room for others.
    fn add(&mut self, number: usize, cells: &[(Column, &str)]) -> bool {
        let of = |wanted| cells.iter().find(|(column, _)| *column == wanted).map(|(_, text)| *text);
        let scope = of(Column::Scope).map(|text| PairScope::ALL.iter().copied().find(|scope| scope.name() == text));
        if scope == Some(None) {
            self.wrong.push((number, format!("scope is neither machine nor shared; leave it out for {}", self.scope)));
        }
        self.more.push(More {
            mebx_password: of(Column::MebxPassword).map(Secret::from),
            new_mebx_password: of(Column::NewMebxPassword).map(Secret::from),
            scope: scope.flatten(),
            comment: of(Column::Comment).map(str::to_owned),
        });
        let (pid, pps) = (of(Column::Pid).unwrap_or_default(), of(Column::Pps).unwrap_or_default());
        self.list.push(number, pid, pps, Form::Strict)
    }
}

fn column(heading: &str) -> Option<Column> {
    let heading = heading.trim().trim_matches('"').to_ascii_lowercase().replace([' ', '-'], "_");
    HEADINGS.iter().find(|(_, name)| *name == heading).map(|(column, _)| *column)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: (&str, &str) = ("0000037M", "NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ");
    const TWO: (&str, &str) = ("AMT1SET7", "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD");

    #[test]
    fn every_writing_of_a_list_gives_the_same_pairs() {
        let json = |(pid, pps): (&str, &str)| format!("{{\"pid\":\"{pid}\",\"pps\":\"{pps}\"}}");
        for text in [
            format!("{},{}\n{},{}\n", ONE.0, ONE.1, TWO.0, TWO.1),
            format!("{} {}\n\n{}\t{}\n", ONE.0, ONE.1, TWO.0, TWO.1),
            format!("\u{feff}PPS;PID\r\n# of the lab\r\n{};{}\r\n{};{}\r\n", ONE.1, ONE.0, TWO.1, TWO.0),
            format!("{{\"pairs\":[{},{}]}}", json(ONE), json(TWO)),
            format!("{}\n{}\n", json(ONE), json(TWO)),
        ] {
            let pairs = parse_pairs(&text, PairScope::Shared).unwrap_or_else(|e| panic!("{text}: {e:?}"));
            let read: Vec<_> =
                pairs.iter().map(|p| (p.pair.pid.plain(), p.pair.pps.plain().expose().clone())).collect();
            assert_eq!(read, [ONE, TWO].map(|(pid, pps)| (pid.to_owned(), pps.to_owned())));
            assert!(pairs.iter().all(|p| p.scope == PairScope::Shared && p.mebx_password.is_none()));
        }
    }

    #[test]
    fn what_else_is_said_of_a_pair_is_taken_in() {
        let csv = format!(
            "pid,pps,mebx_password,New MEBx password,scope,comment\n{},{},\"a, b\",Menu1!fresh,shared,desk\n{},{},,,,\n",
            ONE.0, ONE.1, TWO.0, TWO.1
        );
        let json = format!(
            "[{{\"pid\":\"{}\",\"pps\":\"{}\",\"mebx_password\":\"a, b\",\"new_mebx_password\":\"Menu1!fresh\",\"scope\":\"shared\",\
             \"comment\":\"desk\",\"other\":5}},{{\"pid\":\"{}\",\"pps\":\"{}\",\"comment\":null}}]",
            ONE.0, ONE.1, TWO.0, TWO.1
        );
        for text in [csv, json] {
            let pairs = parse_pairs(&text, PairScope::Machine).unwrap();
            assert_eq!(pairs[0].mebx_password, Some("a, b".into()));
            assert_eq!(pairs[0].new_mebx_password, Some("Menu1!fresh".into()));
            assert_eq!((pairs[0].scope, pairs[0].comment.as_deref()), (PairScope::Shared, Some("desk")));
            assert_eq!((pairs[1].scope, &pairs[1].comment), (PairScope::Machine, &None));
        }
    }

    #[test]
    fn everything_wrong_is_named_with_its_line_and_without_secrets() {
        let text = format!(
            "pid,pps,scope,mebx_password\n{},{},all,\n\n0000037N,NKLD,machine,\n{},{},machine,a,b\n{},{},,x\n",
            ONE.0, ONE.1, TWO.0, TWO.1, TWO.0, TWO.1
        );
        let wrong = parse_pairs(&text, PairScope::Machine).unwrap_err();
        let places: Vec<&str> = wrong.iter().map(|why| why.split(':').next().unwrap()).collect();
        assert_eq!(places, [2, 4, 4, 5, 6].map(|n| format!("line or entry {n}")), "{wrong:?}");
        assert!(!wrong.join("\n").contains("NKLD"));
        for text in ["", "[]", "{\"pid\":5}", "[1]", "{", "pid,pps\n", "pid,pps,password\nx,y,z\n", "\"pid\",\"pps\n"] {
            assert!(!parse_pairs(text, PairScope::Machine).unwrap_err().is_empty(), "{text}");
        }
        let typed = format!("{},{}\n", "0000-037M", ONE.1);
        assert!(parse_pairs(&typed, PairScope::Machine).is_err(), "files are strict");
    }
}
