//! `amt configure PROFILE --host …`: makes one machine what a profile says.

use super::connect::Connect;
use super::notes::Notes;
use super::{Error, Verdict, block_on, lock, profile};
use crate::output::{Output, replace};
use amt::profile::Folder;
use amt::{ApplyHost, ApplyJob, Host, apply};
use amt_core::{ErrorCode, Failure, SystemId};
use amt_fleet::ca::CertificateAuthority;
use amt_fleet::config::load_authority;
use amt_fleet::json;
use amt_provision::apply::{Applied, ApplyRecord, MAX_RECORD};
use amt_provision::profile::Desired;
use amt_provision::{CaAnswer, CertificateRequest, Event, Record};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Make one machine what a profile says
///
/// Reads the machine, compares, writes only what differs, and reads it back. A machine that is as it should be is left alone: run it as
/// often as you like. --dry-run shows the differences and writes nothing. After a crash or a lost connection run it again.
/// One command at a time changes a machine; a second one is refused and told who is at work.
///
/// Secrets can't be read back from a machine. A record beside the profile (PROFILE.records/UUID.json) holds keyed digests of those that
/// were written last, never the secrets themselves, so that they are not written again and again.
///
/// Where the profile logs in to the network with a certificate (802.1X with `tls` or `fast-tls`), --authority says who signs it: a file with
/// a section [ca] as `amt serve` reads it, which may be the server's own configuration. An authority that answers "pending" is asked again
/// when the command is run again. After half of its life the certificate is renewed by the next run.
#[derive(clap::Args)]
pub(crate) struct Configure {
    /// The profile: TOML, or JSON if its name ends in .json
    profile: PathBuf,
    /// Show what differs, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Where the record of this machine is kept [default: PROFILE.records/UUID.json]
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// A file with a section [ca] (or [client_ca]): who signs certificates for 802.1X
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
    #[command(flatten)]
    connect: Connect,
}

impl Configure {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let profile = profile::valid(&self.profile)?;
        let file = self.profile.clone();
        let authority = self.authority.as_deref().map(load_authority).transpose()?;
        let applied = block_on(async {
            let target = self.connect.administrator().await?;
            let desired =
                Desired::new(&profile, target.id, target.version, &mut Folder::of(&file)).map_err(|findings| {
                    profile::refusal(&file, &findings)
                        .unwrap_or_else(|| Failure::new(ErrorCode::PLAN_INVALID, "profile", "the profile is wrong"))
                })?;
            // What is only looked at needs no turn. The record is read under the lock: it may be another's last word.
            let _taken = if self.dry_run { None } else { Some(lock::take(target.id, "configure")?) };
            let path = self.record.unwrap_or_else(|| beside(&file, target.id));
            let mut job = match read_record(&path, target.id)? {
                Some(record) => ApplyJob::new(target, desired, record),
                None => ApplyJob::first(target, desired)?,
            };
            (job.dry_run, job.has_authority) = (self.dry_run, authority.is_some());
            let keeper = Keeper { path, authority, notes: Notes::on(&mut *out) };
            Ok(apply(job, &keeper).await?)
        })?;
        show(out, &applied, self.dry_run)
    }
}

fn beside(profile: &Path, id: SystemId) -> PathBuf {
    profile.with_added_extension("records").join(format!("{id}.json"))
}

/// Makes the folder of a record, and makes sure that it is still there after a power cut.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    #[cfg(unix)]
    if let Some(parent) = folder.parent() {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        std::fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn read_record(path: &Path, id: SystemId) -> Result<Option<ApplyRecord>, Failure> {
    if !path.exists() {
        return Ok(None);
    }
    let record = ApplyRecord::decode(&crate::input::read(path, MAX_RECORD)?).map_err(|mut failure| {
        failure.message = format!("{}: {}", path.display(), failure.message);
        failure.hint("remove the file: then every secret of the profile is written once more")
    })?;
    if record.id == id {
        return Ok(Some(record));
    }
    let text = format!("{}: the record is of {}, the machine is {id}", path.display(), record.id);
    Err(Failure::new(ErrorCode::JOURNAL, "journal", text).hint("give each machine a record of its own"))
}

/// Keeps the record in its file and shows the progress.
struct Keeper<'o> {
    path: PathBuf,
    authority: Option<Arc<dyn CertificateAuthority>>,
    notes: Notes<'o>,
}

impl Host for Keeper<'_> {
    async fn persist(&self, record: &Record) -> Result<(), Failure> {
        self.notes.persist(record).await
    }

    async fn certify(&self, request: &CertificateRequest) -> CaAnswer {
        match &self.authority {
            Some(authority) => authority.certify(request).await,
            None => self.notes.certify(request).await,
        }
    }

    fn event(&self, id: SystemId, event: &Event) {
        self.notes.event(id, event);
    }
}

impl ApplyHost for Keeper<'_> {
    async fn persist_apply(&self, record: &ApplyRecord) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            let text = format!("{}: {error}", self.path.display());
            Failure::new(ErrorCode::JOURNAL, "journal", text).hint("give --record FILE in a folder that can be written")
        };
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_folder(folder).map_err(failed)?;
        }
        replace(&self.path, record.encode().expose(), true).map_err(failed)
    }
}

fn show(out: &mut Output, applied: &Applied, dry_run: bool) -> Result<Verdict, Error> {
    out.show(&json::applied(applied, dry_run), |w| {
        if dry_run {
            for change in &applied.changes {
                writeln!(w, "  {}: {} -> {}", change.field, shown(&change.from), shown(&change.to))?;
            }
        }
        // What the machine can't have was told when it was found.
        match (applied.changes.len(), dry_run) {
            (0, _) => writeln!(w, "{}: no change", applied.id),
            (n, true) => writeln!(w, "{}: {}, nothing written", applied.id, count(n, "difference")),
            (n, false) => {
                writeln!(w, "{}: {}, {}, read back", applied.id, count(n, "change"), count(applied.writes, "write"))
            }
        }?;
        match applied.address {
            Some(address) => writeln!(w, "  it is at {address} now"),
            None => Ok(()),
        }
    })?;
    Ok(if applied.unsupported.is_empty() { Verdict::Done } else { Verdict::Failed })
}

fn count(n: impl std::fmt::Display, what: &str) -> String {
    let n = n.to_string();
    let end = if n == "1" { "" } else { "s" };
    format!("{n} {what}{end}")
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "nothing" } else { value }
}
