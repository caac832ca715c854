//! Everything that is odd about a file, at once (`spec/setupbin.md` §1, §2.4, §4, §7).
//!
//! Errors are what firmware refuses or cannot read, warnings what some firmware may, infos what is worth knowing. No message holds a secret.

mod rules;
pub(super) mod structure;
mod values;

use super::{Record, SetupBin};
use crate::{Finding, Severity};
use std::fmt;

/// Most findings that are given; one more tells that there were others.
pub const MAX_FINDINGS: usize = 1000;

/// Every code, in the order in which findings of one record are given.
pub const CODES: &[&str] = &[
    "FILE-UNREADABLE",
    "HDR-MAJOR",
    "HDR-MINOR",
    "HDR-CHUNKS",
    "HDR-BYTES",
    "HDR-NUMBER",
    "HDR-FLAGS",
    "HDR-RESERVED",
    "HDR-MODULES",
    "HDR-PADDING",
    "FILE-COUNT",
    "FILE-TRAILING",
    "FILE-USED",
    "REC-KIND",
    "REC-FLAGS",
    "REC-SCRAMBLED",
    "REC-RESERVED",
    "REC-CHUNKS",
    "REC-HEADER",
    "REC-NUMBER",
    "REC-STOP",
    "REC-PADDING",
    "VAR-RESERVED",
    "VAR-UNKNOWN",
    "VAR-VALUE",
    "VAR-TEXT",
    "VAR-LENGTH",
    "VAR-VERSION",
    "VAR-TWICE",
    "VAR-ORDER",
    "ROOT-NAME",
    "ROOT-COUNT",
    "ROOT-NONE",
    "PWD-CURRENT",
    "PWD-NEW",
    "PWD-WEAK",
    "PWD-LAYOUT",
    "PWD-SHARED",
    "PSK-HALF",
    "PSK-CHECK",
    "PSK-VERSION",
    "PSK-SHARED",
    "HELLO-WHERE",
    "NAME-SHARED",
    "SECRET-LEFT",
    "LINT-MORE",
];

/// Reads what can be read of `file` and lists what is odd, in the order of the file. Where reading had to stop is a finding too.
pub fn lint(file: &[u8]) -> Vec<Finding> {
    match SetupBin::read(file) {
        Ok(file) => file.lint(),
        Err(failure) => {
            let hint = "no BIOS takes this for a setup.bin: check that it is the right file, and whole";
            vec![Finding::new("FILE-UNREADABLE", Severity::Error, "header", failure.into_details().message, hint)]
        }
    }
}

impl SetupBin {
    /// Everything that is odd about the file, at most [`MAX_FINDINGS`].
    pub fn lint(&self) -> Vec<Finding> {
        let mut list = List::new(MAX_FINDINGS, Severity::Info);
        structure::check_header(self, &mut list);
        let mut numbers = structure::Numbers::default();
        let mut file = rules::File::new(self);
        for (at, record) in self.records().iter().enumerate() {
            let place = Place::record(at);
            structure::check_record(self, at, record, &mut numbers, &mut list);
            values::check(self, place, record, &mut list);
            file.check(place, record, &mut list);
        }
        file.finish(&mut list);
        list.into_inner()
    }
}

/// Where in the file a finding is: a record by its place, since numbers may be wrong, and one of its entries. Becomes text only if
/// there is a finding.
#[derive(Clone, Copy)]
struct Place<'a> {
    record: usize,
    entry: Option<&'a super::Entry<'a>>,
}

impl<'a> Place<'a> {
    const fn record(record: usize) -> Self {
        Self { record, entry: None }
    }

    const fn entry(self, entry: &'a super::Entry<'a>) -> Self {
        Self { record: self.record, entry: Some(entry) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}", self.record.saturating_add(1))?;
        self.entry.map_or(Ok(()), |entry| write!(f, " {}", entry.name()))
    }
}

/// Findings up to a limit, and how bad the others are.
pub(super) struct List {
    findings: Vec<Finding>,
    limit: usize,
    least: Severity,
    more: Option<Severity>,
}

impl List {
    /// At most `limit` findings that are as bad as `least` or worse.
    pub(super) const fn new(limit: usize, least: Severity) -> Self {
        Self { findings: Vec::new(), limit, least, more: None }
    }

    fn add(
        &mut self,
        code: &'static str,
        severity: Severity,
        field: impl fmt::Display,
        message: impl Into<String>,
        hint: &str,
    ) {
        #[cfg(test)]
        assert!(CODES.contains(&code), "{code}");
        if severity < self.least {
            return;
        }
        if self.findings.len() < self.limit {
            self.findings.push(Finding::new(code, severity, field.to_string(), message, hint));
        } else {
            self.more = self.more.max(Some(severity));
        }
    }

    pub(super) fn into_inner(mut self) -> Vec<Finding> {
        if let Some(severity) = self.more {
            let text = format!("there are more than {} findings: the rest is not listed", self.limit);
            let hint = "correct these, then check again";
            self.findings.push(Finding::new("LINT-MORE", severity, "file", text, hint));
        }
        self.findings
    }
}

/// The first entry of `record` read the other way, if that makes sense: the scramble flag is then likely wrong.
fn reads_the_other_way(record: &Record) -> Option<String> {
    use super::record::SHIFT;
    let shift = if record.is_scrambled() { SHIFT } else { 0_u8.wrapping_sub(SHIFT) };
    let other = crate::Secret::new(record.body().expose().iter().map(|b| b.wrapping_add(shift)).collect::<Vec<u8>>());
    let first = super::Entries::new(other.expose()).next()?;
    first.variable().map(|variable| variable.name.to_owned())
}
