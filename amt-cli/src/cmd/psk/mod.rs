//! `amt psk new|check|sheet` and `import|list|export|forget`: PID/PPS pairs for firmware of AMT 2 to 10.

mod pairs;
mod sheet;
mod vault;

use super::{Error, Verdict};
use crate::output::Output;
use amt::fresh_pair;
use amt_core::psk::{Form, Pid, PskPair};
use amt_core::{Finding, Secret, Severity};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Pre-shared keys (PID and PPS) by which machines of AMT 2 to 10 are set up
///
/// The PID names the key and is no secret; the PPS is the key. Both go into a machine by hand (MEBx), or by a USB key
/// (`amt setupbin create`), and into the setup server. The last character of a PID and of each group of a PPS is a check
/// character, which firmware verifies.
#[derive(clap::Args)]
pub(crate) struct Psk {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    New(New),
    Check(Check),
    Sheet(sheet::Sheet),
    Import(vault::Import),
    List(vault::List),
    Export(vault::Export),
    Forget(vault::Forget),
}

/// Make new pairs out of the system's randomness and print them, secrets too
#[derive(clap::Args)]
struct New {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: usize,

    /// Make a new PPS for this PID
    #[arg(long, value_name = "PID")]
    pid: Option<String>,

    /// Write them as CSV here, readable by its owner only; - is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Say whether firmware would take these pairs, and what is wrong with each
///
/// Reads {"pid": "…", "pps": "…"}, a list of such, what `new --json` prints, or lines of PID and PPS as in CSV.
#[derive(clap::Args)]
struct Check {
    /// The pairs; - is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    from: PathBuf,

    /// They were typed by a person: dashes, spaces and small letters are fine
    #[arg(long)]
    typed: bool,
}

/// Most pairs made at once: as many as one USB key file holds.
const MAX_NEW: usize = amt_core::setupbin::MAX_WRITTEN_RECORDS;

impl Psk {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self.action {
            Action::New(new) => new.run(out),
            Action::Check(check) => check.run(out),
            Action::Sheet(sheet) => sheet.run(out),
            Action::Import(import) => import.run(out),
            Action::List(list) => list.run(out),
            Action::Export(export) => export.run(out),
            Action::Forget(forget) => forget.run(out),
        }
    }
}

impl New {
    fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        if !(1..=MAX_NEW).contains(&self.count) {
            return Err(Error::usage(
                format!("{} pairs cannot be made at once", self.count),
                format!("1 to {MAX_NEW}"),
            ));
        }
        let pid = self.pid.as_deref().map(|pid| Pid::parse(pid, Form::Typed)).transpose().map_err(Error::Usage)?;
        if pid.is_some() && self.count > 1 {
            return Err(Error::usage("a PID names one pair", "leave --count out, or --pid"));
        }
        let mut pairs = Vec::with_capacity(self.count);
        let mut taken = HashSet::new();
        while pairs.len() < self.count {
            let mut pair = fresh_pair()?;
            pair.pid = pid.unwrap_or(pair.pid);
            if taken.insert(pair.pid) {
                pairs.push(pair);
            }
        }
        let Some(target) = &self.output else {
            out.show(&document(&pairs), |w| {
                pairs.iter().try_for_each(|pair| writeln!(w, "{}  {}", pair.pid, pair.pps.dashed().expose()))
            })?;
            return Ok(Verdict::Done);
        };
        out.file(target, csv(&pairs).expose().as_bytes(), true)?;
        if target != Path::new("-") {
            let file = target.display().to_string();
            out.show(&json!({ "file": file, "pairs": pairs.len() }), |w| {
                writeln!(w, "{file}: {}", count(pairs.len()))
            })?;
        }
        Ok(Verdict::Done)
    }
}

impl Check {
    fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let form = if self.typed { Form::Typed } else { Form::Strict };
        let listed = pairs::read(&self.from, form)?;
        let mut findings = Vec::new();
        for one in &listed {
            for failure in one.pair.as_ref().err().into_iter().flatten() {
                let field = format!("pair {}", one.number);
                let (message, hint) = (failure.message.clone(), failure.hint.to_string());
                findings.push(Finding::new("PSK-INVALID", Severity::Error, field, message, hint));
            }
        }
        if listed.is_empty() {
            let hint = "give {\"pid\": …, \"pps\": …}, or lines of PID and PPS";
            findings.push(Finding::new("PSK-NONE", Severity::Error, "list", "there is no pair", hint));
        }
        if findings.is_empty() && !out.is_json() {
            out.text(&format!("{}, valid\n", count(listed.len())))?;
            return Ok(Verdict::Done);
        }
        Ok(out.findings(&findings)?)
    }
}

/// The pairs as programs read them.
fn document(pairs: &[PskPair]) -> Value {
    let pair = |pair: &PskPair| json!({ "pid": pair.pid.plain(), "pps": pair.pps.plain().expose() });
    json!({ "pairs": pairs.iter().map(pair).collect::<Vec<_>>() })
}

fn csv(pairs: &[PskPair]) -> Secret<String> {
    let lines = pairs.iter().map(|pair| format!("{},{}\n", pair.pid.plain(), pair.pps.plain().expose()));
    Secret::new(std::iter::once("pid,pps\n".to_owned()).chain(lines).collect())
}

fn count(pairs: usize) -> String {
    if pairs == 1 { "1 pair".into() } else { format!("{pairs} pairs") }
}
