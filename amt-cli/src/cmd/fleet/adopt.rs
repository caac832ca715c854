//! `amt fleet adopt`: machines that another console set up.

use super::by::By;
use super::text::count;
use super::{Error, Place, Verdict};
use crate::cmd::connect::Connect;
use crate::cmd::notes::Notes;
use crate::input;
use crate::output::{Output, failure_json};
use amt::read_facts;
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_fleet::list::{Adoptee, parse_adoptees};
use amt_fleet::{Adoption, Fleet};
use serde_json::json;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Longest file of passwords.
const MAX_PASSWORDS: usize = 64 * 1024;
/// Longest list of machines.
const MAX_LIST: usize = 16 * 1024 * 1024;
/// Machines of a list that are spoken to at a time.
const AT_A_TIME: usize = 32;

#[derive(clap::Args)]
#[command(mut_arg("host", |arg| arg.required(false).default_value("").hide_default_value(true).conflicts_with("list")))]
pub(super) struct Adopt {
    /// File of further passwords, one a line, that are tried in turn, 20 s apart, if the first is refused
    #[arg(long, value_name = "FILE")]
    candidates_file: Option<PathBuf>,
    /// CSV with many machines instead of --host, under the heading host and, if it has them, password and profile; - is standard input
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Profile that the machines are given where the list does not say
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    #[command(flatten)]
    connect: Connect,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    place: Place,
}

/// What all machines of one call have in common.
struct Common {
    candidates: Vec<Secret<String>>,
    by: String,
    fleet: Fleet,
}

/// A machine that is in the database.
struct Adopted {
    id: SystemId,
    address: IpAddr,
    mode: Option<&'static str>,
}

impl Adopt {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let by = self.by.name()?;
        let candidates = candidates(self.candidates_file.as_deref())?;
        if self.list.is_none() && !self.connect.has_host() {
            return Err(Error::usage("no machine is named", "give --host for one, or --list for many"));
        }
        // Before the database is made: a list that is wrong leaves nothing behind.
        let list = self.list.as_deref().map(read_list).transpose()?;
        let fleet = self.place.open().await?;
        let common = Arc::new(Common { candidates, by, fleet });
        let done = match list {
            None => one(out, &common, self.connect, self.profile).await,
            Some(list) => many(out, &common, &self.connect, self.profile.as_ref(), list).await,
        };
        // Every task has ended, and closing waits for whoever still has the database.
        if let Some(common) = Arc::into_inner(common) {
            common.fleet.close().await;
        }
        done
    }
}

fn candidates(file: Option<&Path>) -> Result<Vec<Secret<String>>, Error> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let text = String::from_utf8(input::read(file, MAX_PASSWORDS)?)
        .map_err(|_| Failure::new(ErrorCode::NOT_UTF8, "adopt", format!("{}: not UTF-8", file.display())))?;
    Ok(text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(Secret::from).collect())
}

fn read_list(file: &Path) -> Result<Vec<Adoptee>, Failure> {
    let name = file.display();
    let text = String::from_utf8(input::read(file, MAX_LIST)?).map_err(|_| {
        Failure::new(ErrorCode::NOT_UTF8, "adopt", format!("{name}: not UTF-8")).hint("save the list as CSV in UTF-8")
    })?;
    parse_adoptees(&text).map_err(|wrong| {
        let lines: Vec<String> = wrong.iter().map(|why| format!("{name}: {why}")).collect();
        Failure::new(ErrorCode::PARSE_TEXT, "adopt", lines.join("\n")).hint("no machine was asked; mend the list")
    })
}

async fn adopt(common: &Common, connect: Connect, profile: Option<String>) -> Result<Adopted, Error> {
    let target = connect.any_of(&common.candidates).await?;
    let (address, password) = (target.address, target.admin_passwords[0].clone());
    let facts = read_facts(target, &Notes::silent()).await?;
    let adopted = Adopted { id: facts.id, address, mode: facts.control_mode.as_ref().map(|mode| mode.as_str()) };
    let mut adoption = Adoption::new(facts, address, password, common.by.clone());
    adoption.profile = profile;
    common.fleet.adopt(adoption).await?;
    Ok(adopted)
}

async fn one(out: &mut Output, common: &Common, connect: Connect, profile: Option<String>) -> Result<Verdict, Error> {
    let Adopted { id, address, mode } = adopt(common, connect, profile).await?;
    let document = json!({ "uuid": id.to_string(), "address": address, "control_mode": mode });
    out.show(&document, |w| {
        writeln!(w, "{id} at {address}: adopted as it is, in {} control mode", mode.unwrap_or("unknown"))?;
        writeln!(w, "next: amt fleet run rotate, amt fleet run configure --dry-run, amt fleet show {id}")
    })?;
    Ok(Verdict::Done)
}

/// Each machine is told as soon as it is in, or why it is not.
async fn many(
    out: &mut Output,
    common: &Arc<Common>,
    connect: &Connect,
    profile: Option<&String>,
    list: Vec<Adoptee>,
) -> Result<Verdict, Error> {
    let total = list.len();
    let (mut waiting, mut tasks): (VecDeque<_>, _) = (list.into(), JoinSet::new());
    let (mut good, mut failed) = (0, 0);
    loop {
        while tasks.len() < AT_A_TIME
            && let Some(Adoptee { line, host, password, profile: own, .. }) = waiting.pop_front()
        {
            let (common, connect) = (Arc::clone(common), connect.to(&host, password));
            let profile = own.or_else(|| profile.cloned());
            tasks.spawn(async move { (line, host, adopt(&common, connect, profile).await) });
        }
        let Some(ended) = tasks.join_next().await else { break };
        let (line, host, adopted) =
            ended.map_err(|error| Failure::new(ErrorCode::PANIC, "adopt", error.to_string()))?;
        match adopted {
            Ok(Adopted { id, address, mode }) => {
                good += 1;
                let uuid = id.to_string();
                out.json_line(
                    &json!({ "line": line, "host": host, "uuid": uuid, "address": address, "control_mode": mode }),
                )?;
                out.line(&format!("{host}: {id}, adopted as it is, in {} control mode", mode.unwrap_or("unknown")))?;
            }
            Err(error) => {
                failed += 1;
                let failure = error.failure();
                out.json_line(&json!({ "line": line, "host": host, "error": failure_json(failure) }))?;
                out.line(&format!("{host}: not adopted: {failure}"))?;
            }
        }
    }
    out.json_line(&json!({ "machines": total, "adopted": good, "failed": failed }))?;
    out.line(&format!("{} adopted, {failed} not", count(good, "machine", "machines")))?;
    if failed > 0 {
        out.line("next: mend what is said of each, and run it again with the same list")?;
        return Ok(Verdict::Failed);
    }
    out.line("next: amt fleet run rotate, amt fleet run configure --dry-run")?;
    Ok(Verdict::Done)
}
