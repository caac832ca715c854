//! `amt fleet actions` and `amt fleet retry`: what is to be done to machines, was done, or was given up.

use super::list::read_filter;
use super::text::{count, moment, wrapped};
use super::{Error, Place, Verdict};
use crate::output::{Output, failure_json};
use crate::time::rfc3339;
use amt_core::SystemId;
use amt_fleet::{Action, ActionState, Filter};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Actions shown at most, unless asked for more.
const LIMIT: u32 = 1000;

#[derive(clap::Args)]
pub(super) struct Actions {
    /// Only those of this machine
    #[arg(conflicts_with = "filter")]
    uuid: Option<SystemId>,
    /// Only those of machines that fit this expression
    #[arg(long = "where", value_name = "EXPR")]
    filter: Option<String>,
    /// Only those in these states
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', value_parser = state_parser())]
    state: Vec<ActionState>,
    /// Show at most so many, the newest
    #[arg(long, value_name = "N", default_value_t = LIMIT)]
    limit: u32,
    #[command(flatten)]
    place: Place,
}

fn state_parser() -> impl TypedValueParser<Value = ActionState> {
    PossibleValuesParser::new(ActionState::ALL.iter().map(|s| s.name())).try_map(|text| text.parse::<ActionState>())
}

impl Actions {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let filter = match (self.uuid, &self.filter) {
            (Some(id), _) => read_filter(&format!("uuid = {id}"))?,
            (None, Some(text)) => read_filter(text)?,
            (None, None) => Filter::every(),
        };
        let fleet = self.place.open().await?;
        if let Some(id) = self.uuid {
            // An unknown machine is an error, not one without actions.
            fleet.machine(id).await?;
        }
        let actions = fleet.select_actions(&filter, &self.state, self.limit).await?;
        fleet.close().await;
        out.show(&json!({ "actions": actions.iter().map(action_json).collect::<Vec<_>>() }), |w| {
            actions.iter().try_for_each(|action| action_text(w, &format!("{}  ", action.machine), action))?;
            writeln!(w, "{}", count(actions.len(), "action", "actions"))
        })?;
        Ok(Verdict::Done)
    }
}

#[derive(clap::Args)]
pub(super) struct Retry {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    place: Place,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The machine's UUID: everything of it that failed or is blocked
    uuid: Option<SystemId>,
    /// Number of one action, as `amt fleet actions` shows it
    #[arg(long, value_name = "ID")]
    action: Option<i64>,
}

impl Retry {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let fleet = self.place.open().await?;
        let retried = match (self.which.uuid, self.which.action) {
            (_, Some(action)) => {
                fleet.retry_action(action).await?;
                vec![action]
            }
            (Some(id), None) => fleet.retry_actions(id).await?,
            (None, None) => Vec::new(),
        };
        fleet.close().await;
        out.show(&json!({ "actions": retried }), |w| {
            if retried.is_empty() {
                return writeln!(w, "nothing failed or is blocked");
            }
            let numbers: Vec<String> = retried.iter().map(ToString::to_string).collect();
            writeln!(w, "to be tried again: {}", numbers.join(", "))
        })?;
        Ok(Verdict::Done)
    }
}

pub(super) fn action_json(action: &Action) -> Value {
    json!({
        "id": action.id,
        "uuid": action.machine.to_string(),
        "job": action.job,
        "action": action.name,
        "cause": action.cause,
        "state": action.state.name(),
        "attempts": action.attempts,
        "created_at": rfc3339(action.created_at),
        "next_at": action.next_at.map(rfc3339),
        "ended_at": action.ended_at.map(rfc3339),
        "message": action.message,
        "error": action.failure.as_ref().map(failure_json),
    })
}

/// A line that begins with `head`, and lines with what there is to say.
pub(super) fn action_text(w: &mut dyn Write, head: &str, action: &Action) -> io::Result<()> {
    // A cause alone, before the server has looked at what follows from it.
    let name = if action.name == "*" { "(what follows)" } else { &action.name };
    let at = action.ended_at.unwrap_or(action.created_at);
    let head = format!("{head}{:>5}  {:<9}  {}  ", action.id, action.state.name(), moment(at));
    wrapped(w, &head, &format!("{name} ({})", action.cause))?;
    if let Some(message) = &action.message {
        let tries = if action.attempts > 1 { format!(" ({} attempts)", action.attempts) } else { String::new() };
        wrapped(w, "         ", &format!("{message}{tries}"))?;
    }
    if let Some(next) = action.next_at {
        writeln!(w, "         tried again {}", moment(next))?;
    }
    match &action.failure {
        Some(failure) if !failure.hint.is_empty() => wrapped(w, "         next: ", &failure.hint),
        _ => Ok(()),
    }
}
