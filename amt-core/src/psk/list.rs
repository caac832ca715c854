//! Lists of pairs as text: one pair a line, as CSV or with a space between.
//!
//! A first line with the words `pid` and `pps` names columns, which may then be any among others; without one there are two, PID first.
//! Commas, semicolons and tabs separate, or white space where there is none of these; fields may stand in double quotes. Empty lines
//! and lines beginning with `#` are passed over.

use super::{Form, Pid, Pps, PskPair};
use crate::{ErrorCode, Failure};
use std::collections::HashMap;

/// Largest list.
pub const MAX_LIST: usize = 16 * 1024 * 1024;
/// Most pairs that are read from one list.
pub const MAX_PAIRS: usize = 100_000;

/// One pair of a list, or everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// Its line, or its place in a list that has no lines; from 1.
    pub number: usize,
    /// The pair, or what is wrong with it: never empty, and never with a character of a PPS.
    pub pair: Result<PskPair, Vec<Failure>>,
}

/// Pairs as they are read, each PID once.
#[derive(Clone, Debug, Default)]
pub struct List {
    pairs: Vec<Listed>,
    seen: HashMap<Pid, usize>,
}

/// Reads a list. Above [`MAX_PAIRS`] the rest is one error.
pub fn parse(text: &str, form: Form) -> Vec<Listed> {
    let mut list = List::default();
    let mut columns = None;
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields = fields(line);
        if list.pairs.is_empty()
            && columns.is_none()
            && let Some(named) = columns_of(&fields)
        {
            columns = Some(named);
            continue;
        }
        let field = |at: usize| fields.get(at).copied();
        let (pid, pps) = match columns {
            Some((pid, pps)) => (field(pid), field(pps)),
            None if fields.len() == 2 => (field(0), field(1)),
            None => (None, None),
        };
        let more = match (pid, pps) {
            (Some(pid), Some(pps)) => list.push(at + 1, pid, pps, form),
            _ => list.refuse(at + 1, invalid(format!("{} fields instead of PID and PPS", fields.len()))),
        };
        if !more {
            break;
        }
    }
    list.into_inner()
}

impl List {
    /// Reads one more pair. Whether there is room for others.
    pub fn push(&mut self, number: usize, pid: &str, pps: &str, form: Form) -> bool {
        let (pid, pps) = (Pid::parse(pid, form), Pps::parse(pps, form));
        let pair = match (pid, pps) {
            (Ok(pid), Ok(pps)) => match self.seen.insert(pid, number) {
                Some(before) => Err(vec![invalid(format!("PID {pid} stands in the list already, at {before}"))]),
                None => Ok(PskPair { pid, pps }),
            },
            (pid, pps) => Err([pid.err(), pps.err()].into_iter().flatten().collect()),
        };
        self.add(number, pair)
    }

    /// Adds what is no pair at all. Whether there is room for others.
    pub fn refuse(&mut self, number: usize, failure: Failure) -> bool {
        self.add(number, Err(vec![failure]))
    }

    /// What was read.
    pub fn into_inner(self) -> Vec<Listed> {
        self.pairs
    }

    fn add(&mut self, number: usize, pair: Result<PskPair, Vec<Failure>>) -> bool {
        let room = self.pairs.len() < MAX_PAIRS;
        let too_many = || Err(vec![invalid(format!("at most {MAX_PAIRS} pairs are read from one list"))]);
        self.pairs.push(Listed { number, pair: if room { pair } else { too_many() } });
        room
    }
}

/// An error about a list.
pub fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::PSK_INVALID, super::STAGE, message)
}

fn fields(line: &str) -> Vec<&str> {
    let fields: Vec<&str> = match line.contains([',', ';', '\t']) {
        true => line.split([',', ';', '\t']).collect(),
        false => line.split_whitespace().collect(),
    };
    let plain = |field: &'_ str| -> Option<(usize, usize)> {
        let inner = field.strip_prefix('"')?.strip_suffix('"')?;
        Some((1, 1 + inner.len()))
    };
    let unquoted = fields.into_iter().map(str::trim);
    unquoted.map(|field| plain(field).and_then(|(from, to)| field.get(from..to)).unwrap_or(field)).collect()
}

fn columns_of(fields: &[&str]) -> Option<(usize, usize)> {
    let find = |name: &str| fields.iter().position(|field| field.eq_ignore_ascii_case(name));
    Some((find("pid")?, find("pps")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PID: &str = "0000037M";
    const PPS: &str = "NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ";
    const OTHER: (&str, &str) = ("AMT1SET7", "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD");

    fn pids(text: &str, form: Form) -> Vec<Option<String>> {
        parse(text, form).into_iter().map(|listed| listed.pair.ok().map(|pair| pair.pid.plain())).collect()
    }

    #[test]
    fn lists_are_read_in_every_writing() {
        let both = vec![Some(PID.to_owned()), Some(OTHER.0.to_owned())];
        for text in [
            format!("{PID},{PPS}\n{},{}\n", OTHER.0, OTHER.1),
            format!("\u{feff}PID;PPS\r\n\"{PID}\"; \"{PPS}\"\r\n\r\n{};{}", OTHER.0, OTHER.1),
            format!("# of the lab\n{PID} {PPS}\n  {}\t{}  \n", OTHER.0, OTHER.1),
            format!("host,pps,pid,note\npc1,{PPS},{PID},x\npc2,{},{},\n", OTHER.1, OTHER.0),
        ] {
            assert_eq!(pids(&text, Form::Strict), both, "{text}");
        }
        let typed = "0000-037m nkld-g5dc-rrnq-e9yz-zijl-7lfl-vjed-69xj";
        assert_eq!(pids(typed, Form::Typed), [Some(PID.to_owned())]);
        assert_eq!(pids(typed, Form::Strict), [None]);
        assert_eq!(pids("pid,pps\n", Form::Strict), []);
    }

    #[test]
    fn every_reason_comes_with_its_line_and_without_the_secret() {
        let text = format!("{PID},{PPS}\n\n{PID},{PPS}\n0000037N,NKLD\n{PID}\n{PID},{PPS},x\n");
        let listed = parse(&text, Form::Strict);
        let numbers: Vec<usize> = listed.iter().map(|one| one.number).collect();
        assert_eq!(numbers, [1, 3, 4, 5, 6]);
        let reasons: Vec<Vec<String>> = listed
            .iter()
            .filter_map(|one| one.pair.as_ref().err())
            .map(|failures| failures.iter().map(|failure| failure.message.clone()).collect())
            .collect();
        assert_eq!(reasons[0], ["PID 0000-037M stands in the list already, at 1"]);
        assert_eq!((reasons[1].len(), reasons[1][1].as_str()), (2, "the PPS has 4 characters instead of 32"));
        assert_eq!(reasons[2], ["1 fields instead of PID and PPS"]);
        assert_eq!(reasons[3], ["3 fields instead of PID and PPS"]);
        assert!(!format!("{listed:?}").contains("NKLD"));
    }

    #[test]
    fn a_list_is_read_up_to_its_limit() {
        let text = "x y\n".repeat(MAX_PAIRS + 10);
        let listed = parse(&text, Form::Strict);
        assert_eq!(listed.len(), MAX_PAIRS + 1);
        let last = listed.last().unwrap().pair.as_ref().unwrap_err();
        assert!(last[0].message.contains("at most 100000"), "{last:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_of_pairs_and_reasons(text in "(\\PC{0,40}\n){0,5}") {
            for form in [Form::Strict, Form::Typed] {
                for listed in parse(&text, form) {
                    prop_assert!(listed.pair.map_or_else(|failures| !failures.is_empty(), |pair| pair.pid.check().is_ok()));
                }
            }
        }
    }
}
