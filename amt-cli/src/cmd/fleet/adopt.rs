//! `amt fleet adopt`: a machine that another console set up.

use super::by::By;
use super::{Error, Place, Verdict};
use crate::cmd::connect::Connect;
use crate::cmd::notes::Notes;
use crate::input;
use crate::output::Output;
use amt::read_facts;
use amt_core::{ErrorCode, Failure, Secret};
use amt_fleet::Adoption;
use serde_json::json;
use std::path::PathBuf;

/// Longest file of passwords.
const MAX_PASSWORDS: usize = 64 * 1024;

#[derive(clap::Args)]
pub(super) struct Adopt {
    /// File of further passwords, one a line, that are tried in turn, 20 s apart, if the first is refused
    #[arg(long, value_name = "FILE")]
    candidates_file: Option<PathBuf>,
    /// Profile that the machine is given
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    place: Place,
}

impl Adopt {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let by = self.by.name()?;
        let candidates = match &self.candidates_file {
            Some(file) => {
                let text = String::from_utf8(input::read(file, MAX_PASSWORDS)?).map_err(|_| {
                    Failure::new(ErrorCode::NOT_UTF8, "adopt", format!("{}: not UTF-8", file.display()))
                })?;
                text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(Secret::from).collect()
            }
            None => Vec::new(),
        };
        let target = self.connect.any_of(&candidates).await?;
        let (address, password) = (target.address, target.admin_passwords[0].clone());
        let facts = read_facts(target, &Notes::silent()).await?;
        let (id, mode) = (facts.id, facts.control_mode);
        let mut adoption = Adoption::new(facts, address, password, by);
        adoption.profile = self.profile;
        let fleet = self.place.open().await?;
        let adopted = fleet.adopt(adoption).await;
        fleet.close().await;
        adopted?;
        let mode = mode.map(|mode| mode.as_str());
        let document = json!({ "uuid": id.to_string(), "address": address, "control_mode": mode });
        out.show(&document, |w| {
            writeln!(w, "{id} at {address}: adopted as it is, in {} control mode", mode.unwrap_or("unknown"))?;
            writeln!(w, "next: amt fleet run rotate, amt fleet run configure --dry-run, amt fleet show {id}")
        })?;
        Ok(Verdict::Done)
    }
}
