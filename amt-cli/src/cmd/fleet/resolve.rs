//! `amt fleet resolve`: what would be decided, without deciding it.

use super::list::read_filter;
use super::show::evidence_json;
use super::text::{field, wrapped};
use super::{Error, Place, Verdict};
use crate::output::{Output, failure_json};
use amt_core::SystemId;
use amt_fleet::Parked;
use amt_fleet::config::Config;
use amt_fleet::resolve::{Preview, dry_run};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct Resolve {
    #[command(flatten)]
    which: Which,
    /// The setup server's configuration, with the rules that are tried
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The machine's UUID
    uuid: Option<SystemId>,
    /// Every machine that fits this expression, for example 'parked'
    #[arg(long = "where", value_name = "EXPR")]
    filter: Option<String>,
}

impl Resolve {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let filter = self.which.filter.as_deref().map(read_filter).transpose()?;
        let config = Config::load(&self.config)?;
        let fleet = Place::of_config(self.config).open().await?;
        let ids = match (self.which.uuid, filter) {
            (Some(id), _) => vec![id],
            (None, filter) => {
                let filter = filter.unwrap_or_else(amt_fleet::Filter::every);
                fleet.select(&filter, None, None).await?.into_iter().map(|m| m.id).collect()
            }
        };
        let mut previews = Vec::with_capacity(ids.len());
        for id in ids {
            previews.push(dry_run(&fleet, &config, id).await?);
        }
        fleet.close().await;
        let document = json!({ "machines": previews.iter().map(preview_json).collect::<Vec<_>>() });
        out.show(&document, |w| {
            previews.iter().try_for_each(|preview| people(w, preview))?;
            writeln!(w, "nothing was changed")
        })?;
        Ok(if previews.iter().all(|p| p.problems.is_empty()) { Verdict::Done } else { Verdict::Failed })
    }
}

fn preview_json(preview: &Preview) -> Value {
    let after = &preview.machine;
    json!({
        "uuid": after.id.to_string(),
        "asked": preview.question.to_json(),
        "rules": preview.rules,
        "answer": preview.answer,
        "parked": after.parked.as_ref().map(Parked::to_json),
        "admitted": after.may_be_provisioned(),
        "why": preview.admitted,
        "begins": preview.begins,
        "state": after.state.name(),
        "name": after.name(),
        "temporary": after.temporary,
        "rename": preview.rename.as_ref().map(ToString::to_string),
        "dns_suffix": after.dns_suffix,
        "profile": after.profile,
        "ou": after.ou,
        "certificate": after.present,
        "boot": after.boot_released.is_some(),
        "evidence": preview.question.evidence.iter().map(evidence_json).collect::<Vec<_>>(),
        "problems": preview.problems.iter().map(failure_json).collect::<Vec<_>>(),
    })
}

fn people(w: &mut dyn Write, preview: &Preview) -> io::Result<()> {
    let (before, after) = (&preview.question.machine, &preview.machine);
    writeln!(w, "{}  {} now  {}", after.id, before.state, before.name().unwrap_or_default())?;
    let rules: Vec<String> = preview.rules.iter().map(|at| format!("rule[{at}]")).collect();
    field(w, "  rules", Some(if rules.is_empty() { "none fits".to_owned() } else { rules.join(", ") }))?;
    field(w, "  they say", Some(answer_text(preview)))?;
    let decision = match &after.parked {
        Some(parked) => format!("parked, {}: {}", parked.code, parked.reason),
        None if preview.question.machine.is_verified() => "nothing: it is provisioned".to_owned(),
        None => format!("let in{}", preview.admitted.as_ref().map(|why| format!(": {why}")).unwrap_or_default()),
    };
    field(w, "  decision", Some(decision))?;
    field(w, "  next", after.parked.as_ref().map(|parked| &parked.hint))?;
    let temporary = if after.temporary { " (temporary)" } else { "" };
    field(w, "  name", after.name().map(|name| format!("{name}{temporary}")))?;
    field(w, "  rename to", preview.rename.as_ref().map(ToString::to_string))?;
    field(w, "  dns suffix", after.dns_suffix.as_ref())?;
    field(w, "  profile", after.profile.as_ref())?;
    field(w, "  ou", after.ou.as_ref())?;
    field(w, "  certificate", after.present.as_ref())?;
    preview.problems.iter().try_for_each(|problem| {
        wrapped(w, "  PROBLEM    ", &problem.to_string())?;
        if problem.hint.is_empty() { Ok(()) } else { wrapped(w, "    next: ", &problem.hint) }
    })
}

/// The answer as the fields that it has.
fn answer_text(preview: &Preview) -> String {
    let Value::Object(fields) = json!(preview.answer) else { return String::new() };
    let said = fields.iter().filter(|(_, value)| !value.is_null() && **value != json!([]));
    let said: Vec<String> = said.map(|(name, value)| format!("{name} = {value}")).collect();
    if said.is_empty() { "nothing".to_owned() } else { said.join(", ") }
}
