//! `amt fleet run`: one operation over many machines.

use super::job::{Wait, job_json, show};
use super::list::read_filter;
use super::text::{count, wrapped};
use super::{Error, Place, Verdict};
use crate::cmd::unprovision::TAKE_BACK;
use crate::output::Output;
use amt_fleet::filter::Filter;
use amt_fleet::resolve::{Foreseen, foresee};
use amt_fleet::{MAX_JOB_CONCURRENCY, Machine, Operation};
use amt_provision::unprovision::consequences;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde_json::{Value, json};

#[derive(clap::Args)]
pub(super) struct Run {
    /// What is done to each machine
    #[arg(value_parser = operation_parser())]
    operation: Operation,
    #[command(flatten)]
    which: Which,
    /// Only show which machines it would be, and what would come of it
    #[arg(long, conflicts_with_all = ["wait", "timeout"])]
    dry_run: bool,
    /// Take setups back without asking
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// How many machines are worked on at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_JOB_CONCURRENCY)))]
    concurrency: u32,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The machines of this collection
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// The machines that fit this expression
    #[arg(long = "where", value_name = "EXPR")]
    filter: Option<String>,
}

fn operation_parser() -> impl TypedValueParser<Value = Operation> {
    let help = |operation: &Operation| match operation {
        Operation::Reprovision => "set up again at its next hello",
        Operation::Rename => "give it its final name, if it carries another",
        Operation::Release => "let it in, whatever the guard says",
        Operation::Boot => "boot it from the network once, unless the guard keeps it from that",
        Operation::Configure => "make it what the settings of its profile say",
        Operation::Clock => "set its clock, if that is off by more than ten seconds",
        Operation::Rotate => "give its administrator another, generated password",
        Operation::Renew => "give it another certificate, with a new key pair, now",
        Operation::Refresh => "read from it what it says of itself",
        Operation::Unprovision => "take its setup back in full; it is kept out then until it is released",
        Operation::UnprovisionPartial => {
            "take its setup back but for names and the administrator's login; kept out likewise"
        }
        _ => "",
    };
    let values = Operation::ALL.iter().map(move |operation| PossibleValue::new(operation.name()).help(help(operation)));
    PossibleValuesParser::new(values).try_map(|text| text.parse::<Operation>())
}

impl Run {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let filter = match (&self.which.collection, &self.which.filter) {
            (Some(collection), _) => Filter::member_of(collection).map_err(Error::Usage)?,
            (None, text) => read_filter(text.as_deref().unwrap_or_default())?,
        };
        if self.dry_run {
            return dry_run(out, self.place, self.operation, &filter).await;
        }
        let fleet = self.place.open().await?;
        if let Some(extent) = self.operation.takes_back()
            && !self.yes
        {
            TAKE_BACK.can_be_asked(out)?;
            let machines = fleet.select(&filter, None, None).await?.len();
            out.line(&format!("{} on {}:", self.operation, count(machines, "machine", "machines")))?;
            consequences(extent, None, None).iter().try_for_each(|text| out.line(&format!("  - {text}")))?;
            if !TAKE_BACK.confirmed(out)? {
                out.line("nothing was changed")?;
                return Ok(Verdict::Failed);
            }
        }
        let job = fleet.new_job(self.operation, &filter, self.concurrency).await?;
        let machines = job.states.values().sum::<u64>();
        let machines = count(usize::try_from(machines).unwrap_or(usize::MAX), "machine", "machines");
        if self.wait.wait {
            out.line(&format!("job {}: {} on {machines}", job.id, job.operation))?;
            let verdict = self.wait.until_over(out, &fleet, job.id).await?;
            show(out, &fleet, job.id, false).await?;
            fleet.close().await;
            return Ok(verdict);
        }
        fleet.close().await;
        out.show(&job_json(&job), |w| {
            writeln!(w, "job {}: {} on {machines}, by the running `amt serve`", job.id, job.operation)?;
            writeln!(w, "`amt fleet job show {} --wait` waits for it", job.id)
        })?;
        Ok(Verdict::Done)
    }
}

async fn dry_run(out: &mut Output, place: Place, operation: Operation, filter: &Filter) -> Result<Verdict, Error> {
    let guard = place.guard()?;
    let fleet = place.open().await?;
    let mut all = Vec::new();
    for machine in fleet.select(filter, None, None).await? {
        let foreseen = foresee(&fleet, &guard, operation, &machine).await?;
        all.push((machine, foreseen));
    }
    fleet.close().await;
    let machines: Vec<Value> = all.iter().map(|(machine, foreseen)| foreseen_json(machine, foreseen)).collect();
    let document =
        json!({ "operation": operation.name(), "filter": filter.to_string(), "dry_run": true, "machines": machines });
    out.show(&document, |w| {
        for (machine, foreseen) in &all {
            writeln!(w, "{}  {:<9}  {}", machine.id, machine.state, machine.name().unwrap_or_default())?;
            let (outcome, text) = words(foreseen);
            wrapped(
                w,
                "    ",
                &if outcome == "done" { text.to_owned() } else { format!("would be {outcome}: {text}") },
            )?;
        }
        writeln!(w, "{}; nothing was changed", count(all.len(), "machine", "machines"))
    })?;
    Ok(Verdict::Done)
}

fn foreseen_json(machine: &Machine, foreseen: &Foreseen) -> Value {
    let (outcome, text) = words(foreseen);
    json!({ "uuid": machine.id.to_string(), "name": machine.name(), "state": machine.state.name(), "outcome": outcome, "message": text })
}

/// The state that the action would come to, and why.
fn words(foreseen: &Foreseen) -> (&'static str, &str) {
    match foreseen {
        Foreseen::Does(text) => ("done", text),
        Foreseen::Blocked(text) => ("blocked", text),
        Foreseen::Fails(text) => ("failed", text),
        _ => ("unknown", ""),
    }
}
