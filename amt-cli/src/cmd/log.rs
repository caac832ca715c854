//! `amt explain FILE`: what a log of this or another tool means.

use super::{Error, Verdict};
use crate::output::Output;
use amt_core::{ErrorCode, Failure};
use amt_fleet::logs::{self, Found, Study, Unknown};
use amt_fleet::{Glance, config::Config};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// Most unknown machines shown to people; JSON has all.
const MAX_SHOWN: usize = 50;

/// Explains a log; with `config`, machines of our database are not unknown.
pub(super) fn explain(file: &Path, config: Option<&Path>, out: &mut Output) -> Result<Verdict, Error> {
    let study = read(file)?;
    let ours = match config {
        Some(config) => {
            let files = Config::load_files(config)?;
            super::block_on(async { Ok(Glance::read(&files.database).await?) })?
        }
        None => None,
    };
    let strangers: Vec<&Unknown> = match &ours {
        Some(ours) => study.heard().filter(|m| !ours.machines.contains_key(&m.id)).collect(),
        None => study.unknown().collect(),
    };
    let found = study.found();
    let document = json!({
        "findings": found.iter().map(|f| found_json(f)).collect::<Vec<_>>(),
        "unknown_machines": strangers.iter().map(|m| json!({
            "uuid": m.id.to_string(), "address": m.address, "count": m.count,
            "first_line": m.first_line, "last_line": m.last_line,
        })).collect::<Vec<_>>(),
        "lines": study.lines(),
        "lines_cut": study.cut(),
        "machines_not_kept": study.dropped(),
    });
    out.show(&document, |w| people(w, &study, &found, &strangers))?;
    let bad = found.iter().any(|f| f.signature.is_error);
    Ok(if bad { Verdict::Failed } else { Verdict::Done })
}

fn read(file: &Path) -> Result<Study, Failure> {
    let failed = |e: io::Error| Failure::new(ErrorCode::FILE_READ, "explain", format!("{}: {e}", file.display()));
    let source: Box<dyn Read> =
        if file == Path::new("-") { Box::new(io::stdin().lock()) } else { Box::new(File::open(file).map_err(failed)?) };
    logs::explain(source).map_err(failed)
}

fn severity(found: &Found) -> &'static str {
    if found.signature.is_error { "error" } else { "info" }
}

fn found_json(found: &Found) -> Value {
    let signature = found.signature;
    json!({
        "code": signature.code,
        "severity": severity(found),
        "field": format!("line {}", found.first_line),
        "message": signature.cause,
        "hint": signature.remedy,
        "source": signature.source,
        "count": found.count,
        "first_line": found.first_line,
        "last_line": found.last_line,
        "first_time": found.first_time,
        "last_time": found.last_time,
        "machines": found.machines,
        "error": signature.related.map(|code| json!({"code": code.number(), "name": code.name()})),
    })
}

fn people(w: &mut dyn Write, study: &Study, found: &[&Found], strangers: &[&Unknown]) -> io::Result<()> {
    for f in found {
        let times = if f.count == 1 { "once".to_owned() } else { format!("{} times", f.count) };
        write!(w, "{:<7}  {}  {times}, line {}", severity(f), f.signature.code, f.first_line)?;
        if f.last_line != f.first_line {
            write!(w, " to {}", f.last_line)?;
        }
        match (&f.first_time, &f.last_time) {
            (Some(first), Some(last)) if first != last => writeln!(w, " ({first} to {last})")?,
            (Some(first), _) => writeln!(w, " ({first})")?,
            _ => writeln!(w)?,
        }
        if !f.machines.is_empty() {
            let names: Vec<&str> = f.machines.iter().map(String::as_str).collect();
            let more = if names.len() == logs::MAX_NAMED { ", perhaps more" } else { "" };
            writeln!(w, "         machines: {}{more}", names.join(", "))?;
        }
        writeln!(w, "         cause: {}", f.signature.cause)?;
        writeln!(w, "         next: {}", f.signature.remedy)?;
        if let Some(code) = f.signature.related {
            writeln!(w, "         as this software's error {} {}", code.number(), code.name())?;
        }
    }
    if found.is_empty() {
        writeln!(w, "no known signature in {} lines", study.lines())?;
    }
    if !strangers.is_empty() {
        writeln!(w, "\n{} unknown machines said hello:", strangers.len())?;
        for m in strangers.iter().take(MAX_SHOWN) {
            let address = m.address.as_deref().unwrap_or("-");
            writeln!(w, "  {}  {address}  {} x, line {} to {}", m.id, m.count, m.first_line, m.last_line)?;
        }
        if strangers.len() > MAX_SHOWN {
            writeln!(w, "  and {} more; --json lists all", strangers.len() - MAX_SHOWN)?;
        }
    }
    Ok(())
}
