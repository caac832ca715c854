//! `amt clock --host …`: the clock of one machine.

use super::connect::Connect;
use super::notes::Notes;
use super::{Error, Verdict, block_on};
use crate::output::Output;
use amt::{ClockJob, clock};
use amt_fleet::json;
use amt_provision::clock::MAX_DRIFT;

/// How far the clock of one machine is off, and set it
///
/// Certificates, Kerberos and the machine's logs rest on its clock. It is compared with the clock of this system; with --set it is made right if
/// it is off by more than ten seconds, and read back. Machines of a fleet's database: `amt fleet run clock`.
#[derive(clap::Args)]
pub(crate) struct Clock {
    /// Make it right if it is off
    #[arg(long)]
    set: bool,
    #[command(flatten)]
    connect: Connect,
}

impl Clock {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let seen = block_on(async {
            let mut job = ClockJob::new(self.connect.administrator().await?);
            job.set = self.set;
            Ok(clock(job, &Notes::on(&mut *out)).await?)
        })?;
        out.show(&json::clock(&seen), |w| {
            let off = match seen.drift {
                0 => "right to the second".to_owned(),
                drift => format!("{} s {}", drift.unsigned_abs(), if drift < 0 { "behind" } else { "ahead" }),
            };
            let far = seen.drift.unsigned_abs() > u64::from(MAX_DRIFT);
            match (seen.set, far) {
                (true, _) => writeln!(w, "{}: its clock was {off}, and is right now", seen.id),
                (false, true) => writeln!(w, "{}: its clock is {off}; --set makes it right", seen.id),
                (false, false) => writeln!(w, "{}: its clock is {off}", seen.id),
            }
        })?;
        Ok(Verdict::Done)
    }
}
