//! `amt psk import|list|export|forget`: pairs in the setup server's database.

use super::super::fleet::Place;
use super::super::{Error, Verdict, block_on};
use super::count;
use crate::input;
use crate::output::Output;
use crate::time::rfc3339;
use amt_core::psk::list::MAX_LIST;
use amt_core::psk::{Form, Pid};
use amt_core::{ErrorCode, Failure, Secret};
use amt_fleet::pairs::parse_pairs;
use amt_fleet::{PairScope, SecretPair, VaultPair};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Put pairs into the setup server's database, sealed, for machines that wait for one
///
/// Example: amt psk import --from pairs.csv --config amt.toml
///
/// The list is CSV with a heading: pid, pps, mebx_password (the setup menu password that the machine has), new_mebx_password (the one
/// that it gets), scope (machine or shared), comment; or lines of PID and PPS alone, or what `amt psk new --json` prints. If anything is
/// wrong, nothing is imported. A pair that is there already is completed. Machines that had failed for want of a pair are tried again by
/// a running server at once. The profile of such machines needs legacy_tls = "allow".
#[derive(clap::Args)]
pub(super) struct Import {
    /// The pairs; - is standard input
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// For whom pairs are whose line does not say: machine, for the first that each opens; shared, for as many as hold it
    #[arg(long, value_name = "SCOPE", default_value = "machine", value_parser = ["machine", "shared"])]
    scope: String,

    /// Setup menu password that the machines have, where the list does not say; absent: the factory's
    #[arg(long, value_name = "FILE")]
    mebx_password_file: Option<PathBuf>,

    /// Setup menu password that they get, where the list does not say; absent: as the profile says
    #[arg(long, value_name = "FILE")]
    new_mebx_password_file: Option<PathBuf>,

    #[command(flatten)]
    place: Place,
}

/// The pairs of the database, without their secrets: for whom, what became of them, which machine took each
#[derive(clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
}

/// Take pairs out of the database with their secrets, as `import` reads them, to be entered into machines
///
/// Those that were free are marked as exported. Handle the result with care.
#[derive(clap::Args)]
pub(super) struct Export {
    /// Only these; otherwise all
    #[arg(value_name = "PID")]
    pids: Vec<String>,

    /// Yes, show the secrets
    #[arg(long, required = true)]
    reveal: bool,

    /// Write here, readable by you alone; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,

    #[command(flatten)]
    place: Place,
}

/// Take a pair out of the database; what machines hold, and their records say of it, stays
#[derive(clap::Args)]
pub(super) struct Forget {
    /// Its PID
    pid: String,

    #[command(flatten)]
    place: Place,
}

impl Import {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let pairs = self.pairs()?;
        let read = pairs.len();
        let imported = block_on(async {
            let fleet = self.place.open_or_make().await?;
            let imported = fleet.import_pairs(pairs).await;
            fleet.close().await;
            Ok(imported?)
        })?;
        let document = json!({
            "pairs": read, "new": imported.new, "known": imported.known, "machines": imported.machines,
        });
        out.show(&document, |w| {
            writeln!(w, "{}: {} new, {} known before", count(read), imported.new, imported.known)?;
            if imported.machines > 0 {
                writeln!(w, "{} waited for one of them: tried again by a running server at once", imported.machines)?;
            }
            Ok(())
        })?;
        Ok(Verdict::Done)
    }

    fn pairs(&self) -> Result<Vec<SecretPair>, Error> {
        let scope = if self.scope == PairScope::Shared.name() { PairScope::Shared } else { PairScope::Machine };
        let content = Secret::new(input::read(&self.from, MAX_LIST)?);
        let text = std::str::from_utf8(content.expose())
            .map_err(|_| Failure::new(ErrorCode::NOT_UTF8, "import", "the list is not UTF-8"))?;
        let mut pairs = parse_pairs(text, scope).map_err(|wrong| {
            Failure::new(ErrorCode::PSK_INVALID, "import", wrong.join("\n"))
                .hint("nothing was imported; mend the list and import it again")
        })?;
        let password = |file: &Option<PathBuf>| match file {
            Some(file) => input::password(Some(file), "").map(Some),
            None => Ok(None),
        };
        let (has, gets) = (password(&self.mebx_password_file)?, password(&self.new_mebx_password_file)?);
        for pair in &mut pairs {
            pair.mebx_password = pair.mebx_password.take().or_else(|| has.clone());
            pair.new_mebx_password = pair.new_mebx_password.take().or_else(|| gets.clone());
        }
        Ok(pairs)
    }
}

impl List {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let pairs = block_on(async {
            let fleet = self.place.open().await?;
            let pairs = fleet.pairs().await;
            fleet.close().await;
            Ok(pairs?)
        })?;
        out.show(&json!({ "pairs": pairs.iter().map(pair_json).collect::<Vec<_>>() }), |w| {
            for pair in &pairs {
                let whose = match (pair.machine, pair.machines) {
                    (Some(machine), _) => machine.to_string(),
                    (None, 0) => String::new(),
                    (None, 1) => "1 machine".to_owned(),
                    (None, several) => format!("{several} machines"),
                };
                let comment = pair.comment.as_deref().unwrap_or_default();
                let line =
                    format!("{}  {:<7}  {:<8}  {whose:<36}  {comment}", pair.pid, pair.scope.name(), pair.state.name());
                writeln!(w, "{}", line.trim_end())?;
            }
            writeln!(w, "{}", count(pairs.len()))
        })?;
        Ok(Verdict::Done)
    }
}

impl Export {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let named: Result<Vec<Pid>, Failure> = self.pids.iter().map(|pid| Pid::parse(pid, Form::Typed)).collect();
        let named = named.map_err(Error::Usage)?;
        let pairs = block_on(async {
            let fleet = self.place.open().await?;
            let pids = match named.is_empty() {
                true => fleet.pairs().await?.into_iter().map(|pair| pair.pid).collect(),
                false => named,
            };
            let pairs = fleet.export_pairs(pids).await;
            fleet.close().await;
            Ok(pairs?)
        })?;
        let content = if out.is_json() { secrets_json(&pairs) } else { secrets_csv(&pairs)? };
        out.file(&self.output, content.expose(), true)?;
        if self.output != Path::new("-") {
            let file = self.output.display().to_string();
            out.show(&json!({ "file": file, "pairs": pairs.len() }), |w| {
                writeln!(w, "{file}: {}", count(pairs.len()))
            })?;
        }
        Ok(Verdict::Done)
    }
}

impl Forget {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let pid = Pid::parse(&self.pid, Form::Typed).map_err(Error::Usage)?;
        block_on(async {
            let fleet = self.place.open().await?;
            let forgotten = fleet.forget_pair(pid).await;
            fleet.close().await;
            Ok(forgotten?)
        })?;
        out.show(&json!({ "pid": pid.plain(), "forgotten": true }), |w| {
            writeln!(w, "the pair of PID {pid} is forgotten")
        })?;
        Ok(Verdict::Done)
    }
}

fn pair_json(pair: &VaultPair) -> Value {
    json!({
        "pid": pair.pid.plain(),
        "scope": pair.scope.name(),
        "state": pair.state.name(),
        "uuid": pair.machine.map(|id| id.to_string()),
        "machines": pair.machines,
        "has_mebx_password": pair.has_mebx_password,
        "has_new_mebx_password": pair.has_new_mebx_password,
        "comment": pair.comment,
        "created_at": rfc3339(pair.created_at),
        "used_at": pair.used_at.map(rfc3339),
    })
}

const COLUMNS: [&str; 6] = ["pid", "pps", "mebx_password", "new_mebx_password", "scope", "comment"];

fn cells(secret: &SecretPair) -> [Option<String>; 6] {
    let password = |password: &Option<Secret<String>>| password.as_ref().map(|p| p.expose().clone());
    [
        Some(secret.pair.pid.plain()),
        Some(secret.pair.pps.plain().expose().clone()),
        password(&secret.mebx_password),
        password(&secret.new_mebx_password),
        Some(secret.scope.name().to_owned()),
        secret.comment.clone(),
    ]
}

fn secrets_json(pairs: &[SecretPair]) -> Secret<Vec<u8>> {
    let object = |secret: &SecretPair| -> Value {
        let named = COLUMNS.iter().zip(cells(secret)).map(|(name, cell)| ((*name).to_owned(), json!(cell)));
        named.collect::<serde_json::Map<_, _>>().into()
    };
    let document = json!({ "pairs": pairs.iter().map(object).collect::<Vec<_>>() });
    Secret::new(format!("{document}\n").into_bytes())
}

fn secrets_csv(pairs: &[SecretPair]) -> Result<Secret<Vec<u8>>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(ErrorCode::IO, "export", error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|e| failed(&e))?;
    for secret in pairs {
        writer.write_record(cells(secret).map(Option::unwrap_or_default)).map_err(|e| failed(&e))?;
    }
    writer.into_inner().map(Secret::new).map_err(|e| failed(&e))
}
