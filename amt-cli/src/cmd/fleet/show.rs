//! `amt fleet show`.

use super::machine::machine_json;
use super::{Database, Error, Verdict};
use crate::output::Output;
use crate::time::rfc3339;
use amt_core::SystemId;
use amt_fleet::Machine;
use serde_json::json;
use std::io::Write;

/// Diary lines shown of one machine.
const DIARY: u32 = 200;

pub(super) async fn run(out: &mut Output, fleet: Database, id: SystemId) -> Result<Verdict, Error> {
    let machine = fleet.machine(id).await?;
    let diary = fleet.diary(id, DIARY).await?;
    let certificates = fleet.certificates(id).await?;
    let requests = fleet.ca_requests(id).await?;
    let mut document = machine_json(&machine);
    document["diary"] = diary
        .iter()
        .map(|e| json!({ "at": rfc3339(e.at), "event": e.kind, "message": e.message }))
        .collect::<Vec<_>>()
        .into();
    document["certificates"] = certificates
        .iter()
        .map(|c| json!({ "sha256": c.sha256, "issued_at": rfc3339(c.issued_at) }))
        .collect::<Vec<_>>()
        .into();
    document["ca_requests"] = requests
        .iter()
        .map(|r| {
            json!({
                "request": r.request, "state": r.state, "message": r.message, "times": r.times,
                "first_at": rfc3339(r.first_at), "asked_at": rfc3339(r.asked_at),
            })
        })
        .collect::<Vec<_>>()
        .into();
    out.show(&document, |w| {
        facts(w, &machine)?;
        for request in &requests {
            let words = request.message.as_deref().unwrap_or("no words");
            writeln!(w, "request      {} {} ({words}), asked {} times", request.request, request.state, request.times)?;
        }
        writeln!(w)?;
        diary.iter().try_for_each(|entry| writeln!(w, "{}  {:<12}  {}", rfc3339(entry.at), entry.kind, entry.message))
    })?;
    fleet.close().await;
    Ok(Verdict::Done)
}

fn facts(w: &mut dyn Write, machine: &Machine) -> std::io::Result<()> {
    let firmware = machine.firmware.map(|v| v.to_string());
    let address = machine.address.map(|a| a.to_string());
    let tls = machine.tls.as_ref().map(|t| format!("{} {} ({})", t.version, t.suite, t.engine));
    for (label, value) in [
        ("uuid", Some(machine.id.to_string())),
        ("state", Some(machine.state.to_string())),
        ("step", machine.step.map(|s| s.to_string())),
        ("address", address),
        ("name", machine.name()),
        ("dns suffix", machine.dns_suffix.clone()),
        ("firmware", firmware),
        ("control mode", machine.control_mode.clone()),
        ("tls", tls),
        ("realm", machine.realm.clone()),
        ("certificate", machine.certificate_sha256.clone()),
        ("set up with", machine.winner.clone()),
        ("attempts", (machine.attempts > 0).then(|| machine.attempts.to_string())),
        ("next try", machine.retry_at.map(rfc3339)),
        ("failure", machine.failure.as_ref().map(ToString::to_string)),
        ("next step", machine.failure.as_ref().map(|f| f.hint.to_string())),
    ] {
        if let Some(value) = value {
            writeln!(w, "{label:<12} {value}")?;
        }
    }
    Ok(())
}
