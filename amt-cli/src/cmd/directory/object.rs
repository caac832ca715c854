//! `amt directory create` and `remove`.

use super::plan::Computer;
use crate::cmd::connect::certificates;
use crate::cmd::{Error, Verdict, block_on};
use crate::input;
use crate::output::Output;
use amt_fleet::directory::{self, Connection, Order, Outcome};
use serde_json::json;
use std::path::PathBuf;

/// The directory, and who speaks to it.
#[derive(clap::Args)]
#[command(next_help_heading = "Directory")]
struct Server {
    /// ldaps://dc1.example.com, or ldap://… which is raised to TLS (StartTLS) before anything is said
    #[arg(long, value_name = "URL")]
    server: String,
    /// Who makes the account: a DN, or user@domain. Rights in the unit are enough
    #[arg(long, value_name = "NAME")]
    bind: String,
    /// File whose first line is the password of --bind; otherwise AMT_DIRECTORY_PASSWORD is used
    #[arg(long, value_name = "FILE")]
    bind_password_file: Option<PathBuf>,
    /// Trust the authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Server {
    async fn connect(&self) -> Result<Connection, Error> {
        let password = input::password(self.bind_password_file.as_ref(), "AMT_DIRECTORY_PASSWORD")?;
        let roots = self.ca.as_deref().map(certificates).transpose()?;
        let server = directory::Server::new(self.server.clone(), self.bind.clone(), roots)
            .map_err(|why| Error::usage(why, "see --server and --bind"))?;
        Ok(server.connect(&password).await?)
    }
}

/// Make the account of a machine, or make it what it should be
///
/// Asks first, and writes only what differs: run it as often as you like, and after a machine was renamed. The password is written when
/// the account is made, and later with --reset-password only, because it cannot be read back. What another object of the domain has is
/// not taken from it.
#[derive(clap::Args)]
pub(super) struct Create {
    #[command(flatten)]
    computer: Computer,
    /// File whose first line is the password that the machine's profile names too; otherwise AMT_MACHINE_PASSWORD is used
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Write the password of an account that is there, too: its key version rises
    #[arg(long)]
    reset_password: bool,
    /// Leave the account switched off
    #[arg(long)]
    disabled: bool,
    /// Show what differs, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: Server,
}

/// Remove the account of a machine
///
/// Only a computer object with the machine's full name is removed. One that is not there is no error.
#[derive(clap::Args)]
pub(super) struct Remove {
    #[command(flatten)]
    computer: Computer,
    #[command(flatten)]
    server: Server,
}

impl Create {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let account = self.computer.account()?;
        let password = input::password(self.password_file.as_ref(), "AMT_MACHINE_PASSWORD")?;
        let order = Order {
            password: &password,
            reset_password: self.reset_password,
            disabled: self.disabled,
            dry_run: self.dry_run,
        };
        let made = block_on(async {
            let mut directory = self.server.connect().await?;
            let made = directory.make(&account, order).await?;
            directory.close().await;
            Ok(made)
        })?;
        let (dn, outcome) = (account.dn(), made.outcome.name());
        let document = json!({
            "dn": dn, "outcome": outcome, "dry_run": self.dry_run, "changes": made.changes, "key_version": made.key_version,
        });
        out.show(&document, |w| {
            let would = if self.dry_run && made.outcome != Outcome::Unchanged { "would be " } else { "" };
            writeln!(w, "{dn}: {would}{outcome}")?;
            made.changes.iter().try_for_each(|name| writeln!(w, "  {name}"))?;
            match made.key_version {
                Some(version) => writeln!(w, "key version {version}: kerberos.key_version of the profile"),
                None => Ok(()),
            }
        })?;
        Ok(Verdict::Done)
    }
}

impl Remove {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let account = self.computer.account()?;
        let removed = block_on(async {
            let mut directory = self.server.connect().await?;
            let removed = directory.remove(&account).await?;
            directory.close().await;
            Ok(removed)
        })?;
        let dn = account.dn();
        out.show(&json!({"dn": dn, "removed": removed}), |w| {
            writeln!(w, "{dn}: {}", if removed { "removed" } else { "was not there" })
        })?;
        Ok(Verdict::Done)
    }
}
