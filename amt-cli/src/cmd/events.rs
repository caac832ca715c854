//! `amt log events`: the event log of one machine.

use super::connect::Connect;
use super::{Error, Verdict, block_on};
use crate::output::Output;
use amt::operate::{clear_event_log, event_log, freeze_event_log};
use amt_fleet::json::operate as documents;
use serde_json::json;

/// Read the logs of one machine
#[derive(clap::Args)]
pub(crate) struct Log {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Events(Events),
}

/// What sensors, BIOS and firmware report: failed logins, starts, failures
///
/// The newest event comes first. What has no known name is shown by its numbers. The times are of the machine's clock. Firmware
/// keeps some hundred events, then the oldest gives way; a frozen log takes none. Who did what is in another log: amt audit. What a
/// log of another tool means: amt explain FILE.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    export AMT_PASSWORD=…
    amt log events --host pc1.example.com --ca ca.pem
    amt log events --host pc1.example.com --ca ca.pem --json | jq '.records[] | select(.sensor_number == 6)'
    amt log events --clear --host pc1.example.com --ca ca.pem")]
struct Events {
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    connect: Connect,
}

#[derive(clap::Args)]
#[group(multiple = false)]
struct Change {
    /// Remove all events
    #[arg(long)]
    clear: bool,
    /// Keep new events out
    #[arg(long)]
    freeze: bool,
    /// Let new events in again
    #[arg(long)]
    thaw: bool,
}

impl Log {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let What::Events(events) = self.what;
        events.run(out)
    }
}

impl Events {
    fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let Change { clear, freeze, thaw } = self.change;
        let (word, document) = match (clear, freeze, thaw) {
            (true, ..) => ("cleared", json!({ "cleared": true })),
            (_, true, _) => ("frozen", json!({ "frozen": true })),
            (.., true) => ("thawed", json!({ "frozen": false })),
            _ => return show(self.connect, out),
        };
        block_on(async {
            let mut device = self.connect.device().await?;
            if clear {
                clear_event_log(&mut device).await?
            } else {
                freeze_event_log(&mut device, freeze).await?
            }
            Ok(())
        })?;
        out.show(&document, |w| writeln!(w, "the event log is {word}"))?;
        Ok(Verdict::Done)
    }
}

fn show(connect: Connect, out: &mut Output) -> Result<Verdict, Error> {
    let log = block_on(async { Ok(event_log(&mut connect.device().await?).await?) })?;
    out.show(&documents::event_log(&log), |w| {
        for record in &log.records {
            let time = documents::machine_time(record.time).unwrap_or_else(|| "-".to_owned());
            writeln!(w, "{time:<24}  {:<15}  {}", record.severity.to_string(), record.text())?;
        }
        match log.records.len() {
            0 => writeln!(w, "the event log is empty")?,
            count => {
                writeln!(w, "{count} of at most {} events", log.capacity.map_or("?".to_owned(), |n| n.to_string()))?
            }
        }
        if log.unreadable > 0 {
            writeln!(w, "{} more could not be read", log.unreadable)?;
        }
        if log.frozen == Some(true) { writeln!(w, "the log is frozen") } else { Ok(()) }
    })?;
    Ok(Verdict::Done)
}
