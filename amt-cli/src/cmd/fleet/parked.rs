//! `amt fleet parked`: who is kept out, and why.

use super::list::read_filter;
use super::show::evidence_json;
use super::text::{count, moment, wrapped};
use super::{Error, Place, Verdict};
use crate::output::Output;
use crate::time::rfc3339;
use amt_core::ErrorCode;
use amt_fleet::resolve::{Question, look};
use amt_fleet::{Machine, Parked as Why};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::SystemTime;

#[derive(clap::Args)]
pub(super) struct Parked {
    /// Only machines that fit this expression too, for example 'parked_code = IN-USE and hello < 1day'
    #[arg(long = "where", value_name = "EXPR")]
    filter: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Parked {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let mut filter = "(state = parked or has parked_code or state = failed and error = PSK_UNKNOWN)".to_owned();
        if let Some(also) = &self.filter {
            // Read by itself first: a mark under a character must be under what was typed.
            read_filter(also)?;
            filter = format!("{filter} and ({also})");
        }
        let filter = read_filter(&filter)?;
        let guard = self.place.guard()?;
        let fleet = self.place.open().await?;
        let mut parked = Vec::new();
        for machine in fleet.select(&filter, None, None).await? {
            let since = fleet.parked_since(machine.id).await?.filter(|_| machine.parked.is_some());
            parked.push((look(&fleet, &guard, machine.id).await?, since));
        }
        fleet.close().await;
        let document = json!({ "machines": parked.iter().map(|(question, since)| machine_json(question, *since)).collect::<Vec<_>>() });
        out.show(&document, |w| {
            parked.iter().try_for_each(|(question, since)| people(w, question, *since))?;
            writeln!(w, "{}", count(parked.len(), "machine is parked", "machines are parked"))
        })?;
        Ok(Verdict::Done)
    }
}

fn machine_json(question: &Question, since: Option<SystemTime>) -> Value {
    let machine = &question.machine;
    json!({
        "uuid": machine.id.to_string(),
        "name": machine.name(),
        "address": machine.address,
        "state": machine.state.name(),
        "parked": parked(machine).map(|parked| parked.to_json()),
        "since": since.map(rfc3339),
        "hello_at": machine.hello_at.map(rfc3339),
        "evidence": question.evidence.iter().map(evidence_json).collect::<Vec<_>>(),
    })
}

/// Why it is kept out; a machine whose pre-shared pair is missing waits for somebody just so.
fn parked(machine: &Machine) -> Option<Why> {
    let missing = machine.failure.as_ref().filter(|failure| failure.code == ErrorCode::PSK_UNKNOWN);
    let missing = missing.map(|failure| Why::new("PSK-UNKNOWN", failure.message.clone(), failure.hint.to_string()));
    machine.parked.clone().or(missing)
}

fn people(w: &mut dyn Write, question: &Question, since: Option<SystemTime>) -> io::Result<()> {
    let machine = &question.machine;
    let parked = parked(machine);
    let code = parked.as_ref().map_or("NOT-LOOKED-AT", |p| p.code.as_str());
    let name = machine.name().unwrap_or_default();
    let address = machine.address.map(|a| a.to_string()).unwrap_or_default();
    writeln!(w, "{}", format!("{}  {code:<16}  {address:<15}  {name}", machine.id).trim_end())?;
    if let Some(parked) = &parked {
        wrapped(w, "    ", &parked.reason)?;
        wrapped(w, "    next: ", &parked.hint)?;
    }
    let since = since.map(|at| format!("since {}", moment(at)));
    let hello = machine.hello_at.map(|at| format!("last hello {}", moment(at)));
    let times: Vec<String> = since.into_iter().chain(hello).collect();
    if !times.is_empty() {
        writeln!(w, "    {}", times.join(", "))?;
    }
    question.evidence.iter().try_for_each(|evidence| {
        let weight = if evidence.kind.is_strong() { "strong" } else { "weak" };
        wrapped(w, &format!("    {weight:<6} evidence: "), &evidence.text)
    })
}
