//! `amt fleet`: the setup server's records.

mod collection;
mod credentials;
mod fields;
mod list;
mod machine;
mod show;

use super::{Error, Verdict, block_on};
use crate::output::Output;
use amt_core::SystemId;
use amt_fleet::Fleet as Database;
use amt_fleet::config::Config;
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
                Action::List { listing, place } => listing.run(out, place).await,
                Action::Fields => fields::run(out),
                Action::Collection(collection) => collection.run(out).await,
                Action::Show { uuid, place } => show::run(out, place.open().await?, uuid).await,
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
