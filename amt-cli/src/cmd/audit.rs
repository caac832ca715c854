//! `amt audit`: the audit log of one machine.

use super::connect::Connect;
use super::{Error, Verdict, block_on};
use crate::output::Output;
use amt::operate::audit_log;
use amt_core::audit_log::AuditRecord;
use amt_fleet::json::operate as documents;

/// Who did what on one machine: setups, users, power, certificates, clock
///
/// The oldest record comes first. The user needs realm 20 (audit log) or 3 (administration); admin has both. Names are bytes to the
/// firmware: what is no printable ASCII is escaped, and --json has them in hex beside that.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    export AMT_PASSWORD=…
    amt audit --host pc1.example.com --ca ca.pem
    amt audit --host pc1.example.com --ca ca.pem --json | jq '.records[] | select(.application_number == 17)'")]
pub(crate) struct Audit {
    #[command(flatten)]
    connect: Connect,
}

impl Audit {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let log = block_on(async { Ok(audit_log(&mut self.connect.device().await?).await?) })?;
        out.show(&documents::audit_log(&log), |w| {
            for record in &log.records {
                let time = documents::machine_time(record.time).unwrap_or_else(|| "-".to_owned());
                writeln!(w, "{time:<24}  {}: {}  by {}", application(record), event(record), who(record))?;
            }
            writeln!(w, "{} of {} records", log.records.len(), log.total)?;
            if log.unreadable > 0 { writeln!(w, "{} could not be read", log.unreadable) } else { Ok(()) }
        })?;
        Ok(Verdict::Done)
    }
}

fn application(record: &AuditRecord) -> String {
    record.application_name().map_or_else(|| format!("part {}", record.application), str::to_owned)
}

fn event(record: &AuditRecord) -> String {
    record.event_name().map_or_else(|| format!("event {}", record.event), str::to_owned)
}

fn who(record: &AuditRecord) -> String {
    let name = match record.initiator.name() {
        Some(name) => name,
        None => match record.initiator.kind() {
            "local" => "the machine's own system".to_owned(),
            kind => kind.to_owned(),
        },
    };
    match record.address_text() {
        Some(address) => format!("{name} from {address}"),
        None => name,
    }
}
