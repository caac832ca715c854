//! `amt power`: how a computer stands, and changing that.

use super::connect::Connect;
use super::{Error, Verdict, block_on};
use crate::output::Output;
use amt::operate::{PowerAction, PowerChange, PowerStatus, change_power, power_status};
use amt_fleet::json::operate as documents;
use clap::builder::PossibleValuesParser;

const STATUS: &str = "status";

/// Read or change the power of one machine
///
/// `status` says how the computer stands and what its firmware can do with it now. Everything else is first compared with
/// that, sent once and never repeated: if the answer is lost, the state is read instead. A refusal comes with the firmware's
/// reason. `soft-off`, `soft-reset`, `sleep` and `hibernate` are carried out by the operating system and need Intel's agent
/// (LMS) running in it; `off`, `cycle` and `reset` act at once, and what was not saved is lost.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    export AMT_PASSWORD=…
    amt power status --host pc1.example.com --ca ca.pem
    amt power cycle --host 10.0.0.5 --ca ca.pem --name pc1.example.com
    amt power soft-off --host 10.0.0.5 --pin 51d8…     the operating system shuts down

Many machines at once: amt fleet run.")]
pub(crate) struct Power {
    /// status: read it; otherwise what to do
    #[arg(value_name = "ACTION", value_parser = words())]
    action: String,
    #[command(flatten)]
    connect: Connect,
}

fn words() -> PossibleValuesParser {
    PossibleValuesParser::new(std::iter::once(STATUS).chain(PowerAction::ALL.iter().map(|action| action.name())))
}

impl Power {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        if self.action == STATUS {
            let status = block_on(async { Ok(power_status(&mut self.connect.device().await?).await?) })?;
            return show_status(&status, out);
        }
        let action: PowerAction = self.action.parse()?;
        let change = block_on(async { Ok(change_power(&mut self.connect.device().await?, action).await?) })?;
        out.show(&documents::power_change(&change), |w| writeln!(w, "{}", change_text(&change)))?;
        Ok(Verdict::Done)
    }
}

fn show_status(status: &PowerStatus, out: &mut Output) -> Result<Verdict, Error> {
    out.show(&documents::power_status(status), |w| {
        writeln!(w, "state      {}", status.state)?;
        match &status.available {
            Some(actions) => {
                let names: Vec<&str> = actions.iter().map(|action| action.name()).collect();
                writeln!(w, "available  {}", names.join(", "))
            }
            None => writeln!(w, "available  the firmware does not tell"),
        }
    })?;
    Ok(Verdict::Done)
}

/// The change for people.
pub(super) fn change_text(change: &PowerChange) -> String {
    let PowerChange { action, before, seen_only, .. } = change;
    if *seen_only {
        return format!("{action}: the answer was lost, and the computer was seen to have done it (it was {before})");
    }
    let note = if action.needs_agent() { "; the operating system carries it out" } else { "" };
    format!("{action}: accepted (the computer was {before}){note}")
}
