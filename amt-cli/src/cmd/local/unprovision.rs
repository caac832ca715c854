//! `amt unprovision` on the machine itself: take the setup of this machine back.

use super::{Here, Keeper, identity};
use crate::cmd::{Error, Verdict, block_on, lock};
use crate::input;
use crate::output::Output;
use amt::local::{UnprovisionJob, status, unprovision};
use amt_provision::Record;
use amt_provision::local::{Extent, Standing};
use serde_json::json;
use std::path::PathBuf;

/// Options of the machine itself; the first three are those of a machine with an address too.
#[derive(clap::Args)]
pub(crate) struct Inside {
    /// Keep names, the administrator's login and the setup server's address; from admin control mode only
    #[arg(long)]
    pub(in crate::cmd) partial: bool,

    /// File whose first line is the administrator's password, where the journal has none; with --host, otherwise AMT_PASSWORD is used
    #[arg(long, value_name = "FILE")]
    pub(in crate::cmd) password_file: Option<PathBuf>,

    #[command(flatten)]
    here: Here,
}

impl Inside {
    /// The fingerprint given with --pin.
    pub(in crate::cmd) const fn pin(&self) -> Option<[u8; 32]> {
        self.here.local.pin
    }

    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let password = self.password_file.as_ref().map(|file| input::password(Some(file), "")).transpose()?;
        block_on(async {
            let peer = self.here.local.identity()?;
            let access = self.here.reach.access()?;
            let id = identity(status(&access).await?.facts.id)?;
            let _taken = lock::take(id, "unprovision")?;
            let fleet = self.here.journal.open().await?;
            let mut record = fleet.record(id).await?.unwrap_or_else(|| Record::new(id));
            record.admin_passwords.extend(password);
            let mut job = UnprovisionJob::new(record);
            job.identity = peer;
            job.extent = if self.partial { Extent::Partial } else { Extent::Full };
            let keeper = Keeper::new(fleet, Some(&mut *out));
            let done = unprovision(&access, job, &keeper).await;
            let Keeper { fleet, .. } = keeper;
            fleet.close().await;
            let done = done?;
            let document = json!({
                "uuid": done.id.to_string(),
                "version": done.version.to_string(),
                "before": done.before.as_str(),
                "changed": done.before != Standing::Unprovisioned,
            });
            out.show(&document, |w| match done.before {
                Standing::Unprovisioned => writeln!(w, "the machine was not set up: nothing was changed"),
                before => writeln!(w, "the machine was in this state and is not any more: {}", before.as_str()),
            })?;
            Ok(Verdict::Done)
        })
    }
}
