//! `amt fleet`: the setup server's records.

mod actions;
mod adopt;
mod by;
mod collection;
mod console;
mod credentials;
mod decide;
mod fields;
mod import;
mod job;
mod list;
mod parked;
mod resolve;
mod run;
mod show;
mod text;

use super::{Error, Verdict, block_on};
use crate::output::Output;
use amt_core::SystemId;
use amt_fleet::config::Config;
use amt_fleet::{Fleet as Database, GuardPolicy};
use serde_json::json;
use std::path::PathBuf;

/// Machines and credentials in the setup server's database
#[derive(clap::Args)]
pub(crate) struct Fleet {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Every machine and where it stands, or those that fit an expression
    ///
    /// An expression compares fields with values: 'version >= 16 and not verified',
    /// 'fact.os ~ "win*" and hello < 7d', 'suffix in (a.example.com, b.example.com) or in lab'.
    /// `amt fleet fields` lists what can be asked for, docs/filters.md explains the rest.
    List {
        #[command(flatten)]
        listing: list::Listing,
        #[command(flatten)]
        place: Place,
    },
    /// What an expression can ask about, with examples
    Fields,
    #[command(subcommand)]
    Collection(collection::Collection),
    #[command(subcommand)]
    Console(console::Console),
    /// One machine: its record, what is said of it and by whom, what is done about it, its diary
    ///
    /// Example: amt fleet show 4c4c4544-0042-3510-8052-b4c04f564433 --config amt.toml
    Show(show::Show),
    /// Machines that are kept out: why, since when, what speaks against them, and what to do
    ///
    /// Example: amt fleet parked --where 'parked_code = IN-USE' --config amt.toml
    ///
    /// docs/identity.md lists the codes.
    Parked(parked::Parked),
    /// Let machines in whatever the guard says, or let a boot action fire once on them
    ///
    /// Example: amt fleet release 4c4c4544-0042-3510-8052-b4c04f564433 --by "A. Turing" --config amt.toml
    ///
    /// With --boot the machine is not let in, but one boot action may fire on it although it may be in use. With --address, of two
    /// machines with one UUID only the one at that address is meant from now on.
    Release(decide::Release),
    /// Hand the record of a machine over to another UUID: the board was swapped, or the computer replaced
    ///
    /// Example: amt fleet rebind OLD-UUID NEW-UUID --config amt.toml
    ///
    /// The new record gets name, profile, labels and what lists say; passwords become candidates. The old one stays, parked.
    Rebind(decide::Rebind),
    /// End what a source says of a machine, because it is outdated
    ///
    /// Example: amt fleet forget-facts UUID --source agent --key mac --config amt.toml
    ///
    /// What was said stays in the history. A source that says it again is heard again.
    ForgetFacts(decide::ForgetFacts),
    /// Let machines in by a list, and record what it says of them
    ///
    /// Example: amt fleet import machines.csv --config amt.toml
    ///
    /// The list is CSV with a heading: uuid, mac, name, host, domain, dns_suffix, profile, ou, labels; each line needs a UUID or an
    /// interface address. What it says counts more than what machines say of themselves. If anything is wrong, nothing is imported.
    Import(import::Import),
    /// Take machines that another console set up into the database, as they are
    ///
    /// Examples: amt fleet adopt --host 10.0.0.5 --insecure-any --password-file admin.txt --config amt.toml
    ///           amt fleet adopt --list machines.csv --ca ca.pem --config amt.toml
    ///
    /// Nothing is changed in the machines and nothing follows by itself. Each is known by the certificate that it serves now; jobs reach it from
    /// then on. With --candidates-file, further passwords are tried in turn, 20 s apart.
    ///
    /// The list is CSV with a heading: a column host (or name, fqdn, address, ip), and if there are, password and profile; others are passed over. A
    /// machine that fails does not hold up the rest: run it again with the same list, those that are in are only looked at once more.
    Adopt(Box<adopt::Adopt>),
    /// What the rules and the program of a configuration would say and decide now; nothing is changed
    ///
    /// Example: amt fleet resolve --where parked --config new.toml
    ///
    /// Edit a copy of the configuration and see what it would do to the machines that there are. The program of [resolver] is really
    /// run. The exit status is 1 if something would go wrong: the program cannot be asked, or a profile is missing.
    Resolve(resolve::Resolve),
    /// Have something done to many machines: a job, done by the running setup server
    ///
    /// Example: amt fleet run reprovision --collection old-firmware --concurrency 8 --wait --config amt.toml
    ///
    /// Look first with --dry-run. A job stands in the database: it goes on after a restart of the server, and this command need not
    /// wait for it.
    Run(run::Run),
    #[command(subcommand)]
    Job(job::Job),
    /// What followed or is to follow from what happened to machines: programs, webhooks, boots, renames, parts of jobs
    ///
    /// Example: amt fleet actions --state failed,blocked --config amt.toml
    Actions(actions::Actions),
    /// Have actions tried again that failed or are blocked
    ///
    /// Example: amt fleet retry --action 17 --config amt.toml
    ///
    /// The guard is asked again, too: a boot that it keeps back needs `amt fleet release UUID --boot`, which by itself has it tried again.
    Retry(actions::Retry),
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
    /// Tokens that clients enrol with through the intake
    #[command(subcommand)]
    Token(super::token::Token),
    /// Have a verified machine provisioned again at its next hello
    Redo {
        /// Its UUID
        uuid: SystemId,
        #[command(flatten)]
        place: Place,
    },
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
    /// The database of a configuration.
    const fn of_config(config: PathBuf) -> Self {
        Self { config: Some(config), database: None, seal_key_file: None }
    }

    /// How evidence is weighed: as the configuration says, or by default where only a database is named.
    fn guard(&self) -> Result<GuardPolicy, Error> {
        Ok(self.config.as_deref().map(Config::load_guard).transpose()?.unwrap_or_default())
    }

    /// The database that a configuration names, made if this comes before the first start of the server; one that is named by itself must
    /// be there.
    pub(super) async fn open_or_make(self) -> Result<Database, Error> {
        if self.config.is_none() {
            return self.open().await;
        }
        let (database, key) = self.files()?;
        Ok(Database::open_with_key_file(database, key).await?)
    }

    fn files(self) -> Result<(PathBuf, PathBuf), Error> {
        match (self.config, self.database, self.seal_key_file) {
            (Some(config), ..) => {
                let files = Config::load_files(&config)?;
                Ok((files.database, files.seal_key_file))
            }
            (None, Some(database), Some(key)) => Ok((database, key)),
            _ => Err(Error::usage("no database was named", "give --config, or --database and --seal-key-file")),
        }
    }

    pub(super) async fn open(self) -> Result<Database, Error> {
        let (database, key) = self.files()?;
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
                Action::List { listing, place } => listing.run(out, place).await,
                Action::Fields => fields::run(out),
                Action::Collection(collection) => collection.run(out).await,
                Action::Console(console) => console.run(out).await,
                Action::Show(show) => show.run(out).await,
                Action::Parked(parked) => parked.run(out).await,
                Action::Release(release) => release.run(out).await,
                Action::Rebind(rebind) => rebind.run(out).await,
                Action::ForgetFacts(forget) => forget.run(out).await,
                Action::Adopt(adopt) => adopt.run(out).await,
                Action::Import(import) => import.run(out).await,
                Action::Resolve(resolve) => resolve.run(out).await,
                Action::Run(run) => run.run(out).await,
                Action::Job(job) => job.run(out).await,
                Action::Actions(actions) => actions.run(out).await,
                Action::Retry(retry) => retry.run(out).await,
                Action::ExportCredentials { machine, output, place } => {
                    credentials::run(out, place.open().await?, machine, output).await
                }
                Action::Token(token) => token.run(out).await,
                Action::Redo { uuid, place } => {
                    let fleet = place.open().await?;
                    fleet.redo(uuid).await?;
                    fleet.close().await;
                    out.show(&json!({ "uuid": uuid.to_string(), "redo": true }), |w| {
                        writeln!(w, "{uuid} is provisioned again when it says hello next")
                    })?;
                    Ok(Verdict::Done)
                }
            }
        })
    }
}
