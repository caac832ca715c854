//! `amt fleet`: the setup server's records.

use super::serve::tls_json;
use super::{Error, Verdict, block_on};
use crate::output::{Output, failure_json};
use crate::time::rfc3339;
use amt_core::SystemId;
use amt_fleet::config::Config;
use amt_fleet::{Credential, CredentialKind, Fleet as Database, Machine};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;

/// Diary lines shown of one machine.
const DIARY: u32 = 200;

/// Machines and credentials in the setup server's database
#[derive(clap::Args)]
pub(crate) struct Fleet {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Every machine and where it stands
    List {
        #[command(flatten)]
        place: Place,
    },
    /// One machine with its diary
    Show {
        /// Its UUID
        uuid: SystemId,
        #[command(flatten)]
        place: Place,
    },
    /// Passwords of the machines, likeliest first: handle the result with care
    ExportCredentials {
        /// Only this machine; may be given several times
        #[arg(long, value_name = "UUID")]
        machine: Vec<SystemId>,
        /// Write to this file, readable by you alone, instead of standard output
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Have a verified machine provisioned again at its next hello
    Redo {
        /// Its UUID
        uuid: SystemId,
        #[command(flatten)]
        place: Place,
    },
    /// Tokens that clients enrol with through the intake
    #[command(subcommand)]
    Token(super::token::Token),
}

/// Where the database is.
#[derive(clap::Args)]
#[command(next_help_heading = "Database")]
pub(super) struct Place {
    /// The setup server's configuration
    #[arg(long, value_name = "FILE", required_unless_present = "database", conflicts_with = "database")]
    config: Option<PathBuf>,
    /// The database itself
    #[arg(long, value_name = "FILE", requires = "seal_key_file")]
    database: Option<PathBuf>,
    /// Key of its sealed columns
    #[arg(long, value_name = "FILE", requires = "database")]
    seal_key_file: Option<PathBuf>,
}

impl Place {
    pub(super) async fn open(self) -> Result<Database, Error> {
        let (database, key) = match (self.config, self.database, self.seal_key_file) {
            (Some(config), ..) => {
                let files = Config::load_files(&config)?;
                (files.database, files.seal_key_file)
            }
            (None, Some(database), Some(key)) => (database, key),
            _ => return Err(Error::usage("no database was named", "give --config, or --database and --seal-key-file")),
        };
        if !database.exists() {
            // Reading must not make an empty database, and a key with it, where a path was mistyped.
            let text = format!("{}: there is no such database", database.display());
            return Err(amt_core::Failure::new(amt_core::ErrorCode::STORE, "open", text)
                .hint("check the path; `amt serve` makes the database at its first start")
                .into());
        }
        Ok(Database::open_with_key_file(database, key).await?)
    }
}

impl Fleet {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        block_on(async {
            match self.action {
                Action::List { place } => list(out, place.open().await?).await,
                Action::Show { uuid, place } => show(out, place.open().await?, uuid).await,
                Action::ExportCredentials { machine, output, place } => {
                    export(out, place.open().await?, machine, output).await
                }
                Action::Redo { uuid, place } => {
                    let fleet = place.open().await?;
                    fleet.redo(uuid).await?;
                    fleet.close().await;
                    out.show(&json!({ "uuid": uuid.to_string(), "redo": true }), |w| {
                        writeln!(w, "{uuid} is provisioned again when it says hello next")
                    })?;
                    Ok(Verdict::Done)
                }
                Action::Token(token) => token.run(out).await,
            }
        })
    }
}

async fn list(out: &mut Output, fleet: Database) -> Result<Verdict, Error> {
    let machines = fleet.machines().await?;
    let document = json!({ "machines": machines.iter().map(machine_json).collect::<Vec<_>>() });
    out.show(&document, |w| {
        for machine in &machines {
            let state = match machine.step {
                Some(step) if !machine.is_verified() => format!("{} ({step})", machine.state),
                _ => machine.state.to_string(),
            };
            let address = machine.address.map(|a| a.to_string()).unwrap_or_default();
            let name = machine.name().unwrap_or_default();
            writeln!(w, "{}  {state:<28}  {address:<15}  {name}", machine.id)?;
            if let Some(failure) = machine.failure.as_ref().filter(|_| !machine.is_verified()) {
                writeln!(w, "    {failure}")?;
            }
        }
        let verified = machines.iter().filter(|m| m.is_verified()).count();
        writeln!(w, "{} machines, {verified} verified", machines.len())
    })?;
    fleet.close().await;
    Ok(Verdict::Done)
}

async fn show(out: &mut Output, fleet: Database, id: SystemId) -> Result<Verdict, Error> {
    let machine = fleet.machine(id).await?;
    let diary = fleet.diary(id, DIARY).await?;
    let certificates = fleet.certificates(id).await?;
    let requests = fleet.ca_requests(id).await?;
    let mut document = machine_json(&machine);
    document["diary"] = diary
        .iter()
        .map(|e| json!({ "at": rfc3339(e.at), "event": e.kind, "message": e.message }))
        .collect::<Vec<_>>()
        .into();
    document["certificates"] = certificates
        .iter()
        .map(|c| json!({ "sha256": c.sha256, "issued_at": rfc3339(c.issued_at) }))
        .collect::<Vec<_>>()
        .into();
    document["ca_requests"] = requests
        .iter()
        .map(|r| {
            json!({
                "request": r.request, "state": r.state, "message": r.message, "times": r.times,
                "first_at": rfc3339(r.first_at), "asked_at": rfc3339(r.asked_at),
            })
        })
        .collect::<Vec<_>>()
        .into();
    out.show(&document, |w| {
        facts(w, &machine)?;
        for request in &requests {
            let words = request.message.as_deref().unwrap_or("no words");
            writeln!(w, "request      {} {} ({words}), asked {} times", request.request, request.state, request.times)?;
        }
        writeln!(w)?;
        diary.iter().try_for_each(|entry| writeln!(w, "{}  {:<12}  {}", rfc3339(entry.at), entry.kind, entry.message))
    })?;
    fleet.close().await;
    Ok(Verdict::Done)
}

fn facts(w: &mut dyn Write, machine: &Machine) -> std::io::Result<()> {
    let firmware = machine.firmware.map(|v| v.to_string());
    let address = machine.address.map(|a| a.to_string());
    let tls = machine.tls.as_ref().map(|t| format!("{} {} ({})", t.version, t.suite, t.engine));
    for (label, value) in [
        ("uuid", Some(machine.id.to_string())),
        ("state", Some(machine.state.to_string())),
        ("step", machine.step.map(|s| s.to_string())),
        ("address", address),
        ("name", machine.name()),
        ("dns suffix", machine.dns_suffix.clone()),
        ("firmware", firmware),
        ("control mode", machine.control_mode.clone()),
        ("tls", tls),
        ("realm", machine.realm.clone()),
        ("certificate", machine.certificate_sha256.clone()),
        ("set up with", machine.winner.clone()),
        ("attempts", (machine.attempts > 0).then(|| machine.attempts.to_string())),
        ("next try", machine.retry_at.map(rfc3339)),
        ("failure", machine.failure.as_ref().map(ToString::to_string)),
        ("next step", machine.failure.as_ref().map(|f| f.hint.to_string())),
    ] {
        if let Some(value) = value {
            writeln!(w, "{label:<12} {value}")?;
        }
    }
    Ok(())
}

async fn export(out: &mut Output, fleet: Database, only: Vec<SystemId>, target: PathBuf) -> Result<Verdict, Error> {
    let machines = if only.is_empty() {
        fleet.machines().await?
    } else {
        let mut machines = Vec::with_capacity(only.len());
        for id in only {
            machines.push(fleet.machine(id).await?);
        }
        machines
    };
    let mut documents = Vec::with_capacity(machines.len());
    let mut text = String::new();
    for machine in &machines {
        let all = fleet.credentials(machine.id).await?;
        documents.push(credentials_json(machine, &all));
        for credential in &all {
            let line = [
                machine.id.to_string(),
                machine.address.map(|a| a.to_string()).unwrap_or_default(),
                machine.name().unwrap_or_default(),
                credential.kind.to_string(),
                credential.account.clone(),
                credential.password.expose().clone(),
            ];
            text += &line.join("\t");
            text.push('\n');
        }
    }
    fleet.close().await;
    let document = json!({ "machines": documents });
    let content = if out.is_json() { format!("{document}\n") } else { text };
    out.file(&target, content.as_bytes(), true)?;
    Ok(Verdict::Done)
}

fn credentials_json(machine: &Machine, all: &[Credential]) -> Value {
    let of = |kind: CredentialKind| {
        all.iter()
            .filter(|c| c.kind == kind)
            .map(|c| json!({ "user": c.account, "password": c.password.expose() }))
            .collect::<Vec<_>>()
    };
    let mebx: Vec<&String> =
        all.iter().filter(|c| c.kind == CredentialKind::Mebx).map(|c| c.password.expose()).collect();
    json!({
        "uuid": machine.id.to_string(),
        "address": machine.address,
        "name": machine.name(),
        "verified": machine.is_verified(),
        "credentials": of(CredentialKind::Admin),
        "mebx": mebx,
        "certificate_sha256": machine.certificate_sha256,
        "realm": machine.realm,
    })
}

fn machine_json(machine: &Machine) -> Value {
    json!({
        "uuid": machine.id.to_string(),
        "state": machine.state.name(),
        "verified": machine.is_verified(),
        "admitted": machine.admitted,
        "redo": machine.redo,
        "address": machine.address,
        "name": machine.name(),
        "dns_suffix": machine.dns_suffix,
        "step": machine.step.map(|s| s.name()),
        "firmware": machine.firmware.map(|v| v.to_string()),
        "control_mode": machine.control_mode,
        "tls": machine.tls.as_ref().map(tls_json),
        "realm": machine.realm,
        "certificate_sha256": machine.certificate_sha256,
        "provisioning_certificate": machine.winner,
        "attempts": machine.attempts,
        "hello_at": machine.hello_at.map(rfc3339),
        "retry_at": machine.retry_at.map(rfc3339),
        "verified_at": machine.verified_at.map(rfc3339),
        "error": machine.failure.as_ref().map(failure_json),
    })
}
