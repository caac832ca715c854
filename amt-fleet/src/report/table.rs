//! A report as text, CSV and JSON.

use super::{Report, Sighting, time};
use amt_core::hello::HelloKind;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::SystemTime;

/// For people: counts, then the machines class by class.
pub(super) fn text(report: &Report, now: SystemTime) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_text(&mut out, report, now);
    out
}

fn write_text(out: &mut String, report: &Report, now: SystemTime) -> std::fmt::Result {
    writeln!(out, "AMT machines that said hello, {} to {}", time(report.started()), time(now))?;
    writeln!(out, "{} machines; nothing was changed and nothing connected to\n", report.machines())?;
    for (class, count) in report.counts().iter().filter(|(_, count)| *count > 0) {
        writeln!(out, "{count:>7}  {}", class.title())?;
    }
    if report.not_kept() > 0 {
        writeln!(out, "{:>7}  hellos of further machines, which were not kept", report.not_kept())?;
    }
    let mut class = None;
    for sighting in report.sightings() {
        let judgement = &sighting.judgement;
        if class != Some(judgement.class) {
            class = Some(judgement.class);
            writeln!(out, "\n{}", judgement.class.title())?;
        }
        let unsure = if judgement.certain { "" } else { " (inferred)" };
        writeln!(
            out,
            "  {}  {}  {} x, last {}{unsure}",
            uuid(sighting).unwrap_or_else(|| "-".to_owned()),
            sighting.address,
            sighting.count,
            time(sighting.last)
        )?;
        writeln!(out, "      {}", judgement.reason)?;
        if !judgement.fix.is_empty() {
            writeln!(out, "      next: {}", judgement.fix)?;
        }
    }
    Ok(())
}

/// For spreadsheets: a heading, then one line a machine.
pub(super) fn csv(report: &Report) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record([
        "uuid",
        "address",
        "class",
        "certain",
        "reason",
        "fix",
        "hellos",
        "first_hello_at",
        "last_hello_at",
        "admin_credentials_set",
        "suffix",
        "certificate",
    ]);
    for sighting in report.sightings() {
        let judgement = &sighting.judgement;
        let set = sighting.hello.as_ref().map(|h| h.admin_credentials_set.to_string());
        let row = [
            uuid(sighting).unwrap_or_default(),
            sighting.address.to_string(),
            judgement.class.name().to_owned(),
            judgement.certain.to_string(),
            judgement.reason.clone(),
            judgement.fix.clone(),
            sighting.count.to_string(),
            time(sighting.first),
            time(sighting.last),
            set.unwrap_or_default(),
            judgement.suffix.clone().unwrap_or_default(),
            judgement.certificate.clone().unwrap_or_default(),
        ];
        let _ = writer.write_record(row.map(harmless));
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Spreadsheets take cells that begin so for formulas, and a PID or another field of a hello is the sender's choice.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

/// For programs.
pub(super) fn json(report: &Report, now: SystemTime) -> String {
    let counts: serde_json::Map<String, Value> =
        report.counts().into_iter().map(|(class, count)| (class.name().to_owned(), count.into())).collect();
    let document = json!({
        "started_at": time(report.started()),
        "written_at": time(now),
        "machines_total": report.machines(),
        "not_kept": report.not_kept(),
        "counts": counts,
        "machines": report.sightings().into_iter().map(machine_json).collect::<Vec<_>>(),
    });
    format!("{document}\n")
}

fn machine_json(sighting: &Sighting) -> Value {
    let judgement = &sighting.judgement;
    let hello = sighting.hello.as_ref();
    json!({
        "uuid": uuid(sighting),
        "address": sighting.address,
        "class": judgement.class.name(),
        "certain": judgement.certain,
        "reason": judgement.reason,
        "fix": judgement.fix,
        "hellos": sighting.count,
        "first_hello_at": time(sighting.first),
        "last_hello_at": time(sighting.last),
        "type": hello.map(|h| if matches!(h.kind, HelloKind::Psk { .. }) { "psk" } else { "pki" }),
        "retry": hello.map(|h| h.retry),
        "admin_credentials_set": hello.map(|h| h.admin_credentials_set),
        "root_hashes": hello.map(|h| h.roots().len()),
        "suffix": judgement.suffix,
        "certificate": judgement.certificate,
        "also": judgement.also.iter().map(|f| json!({
            "code": f.code,
            "severity": f.severity.as_str(),
            "field": f.field,
            "message": f.message,
            "hint": f.hint,
        })).collect::<Vec<_>>(),
    })
}

fn uuid(sighting: &Sighting) -> Option<String> {
    sighting.id.map(|id| id.to_string())
}
