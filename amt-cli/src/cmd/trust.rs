//! `amt trust`: the authorities that one machine trusts.

use super::connect::Connect;
use super::{Error, Verdict, block_on};
use crate::input;
use crate::output::{Output, write_findings};
use amt::certificate::{Authority, MAX_BUNDLE, TrustBundle, write_bundle};
use amt::operate::{MachineTrust, TrustChange, add_trust, trust};
use amt_core::{ErrorCode, Failure};
use amt_fleet::json::operate as documents;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// The authorities that one machine trusts, as a PEM bundle: export and import
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    export AMT_PASSWORD=…
    amt trust export --host pc1.example.com --ca ca.pem -o trust.pem
    amt trust import trust.pem --host pc2.example.com --ca ca.pem --dry-run
    amt trust import trust.pem --host pc2.example.com --ca ca.pem")]
pub(crate) struct Trust {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Write the machine's trusted authorities, and those above its own certificate: the root first
    ///
    /// Each certificate stands under comments with its subject, validity and SHA-256. What is above the machine's certificate is
    /// written as far as the machine holds or presents it.
    Export {
        /// The machine's own certificate too, last; import refuses such a bundle
        #[arg(long)]
        leaf: bool,
        /// File to write; - is standard output
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
        #[command(flatten)]
        connect: Connect,
    },
    /// Add the authorities of a bundle that the machine does not trust yet
    ///
    /// The bundle is checked first: authorities only, each once, a root first, every other one signed by one before it. Everything that
    /// is wrong is told with its place in the file, and nothing is sent. Nothing is removed from the machine; if it trusts all of
    /// them already, nothing is written.
    Import {
        /// The bundle, PEM; - is standard input
        file: PathBuf,
        /// Say what would be added, and write nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        connect: Connect,
    },
}

impl Trust {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self.command {
            Command::Export { connect, leaf, output } => {
                let found = block_on(async { Ok(trust(&mut connect.device().await?).await?) })?;
                export(out, &found, leaf, &output)
            }
            Command::Import { file, dry_run, connect } => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                let bundle = match TrustBundle::read(&input::read(&file, MAX_BUNDLE)?, now.cast_signed()) {
                    Ok(bundle) => bundle,
                    Err(findings) => return Ok(out.findings(&findings)?),
                };
                let change = block_on(async { Ok(add_trust(&mut connect.device().await?, &bundle, dry_run).await?) })?;
                imported(out, &bundle, &change, dry_run)
            }
        }
    }
}

fn export(out: &mut Output, found: &MachineTrust, leaf: bool, output: &std::path::Path) -> Result<Verdict, Error> {
    let mut all = found.authorities.clone();
    if let Some(own) = found.served.clone().filter(|own| leaf && !all.contains(own)) {
        all.push(own);
    }
    if all.is_empty() {
        let text = "the machine trusts no authority, and holds none above its own certificate";
        let hint = "with --leaf its own certificate is written, as it may be pinned";
        return Err(Failure::new(ErrorCode::WRONG_STATE, "trust", text).hint(hint).into());
    }
    let bundle = write_bundle(&all);
    if output == std::path::Path::new("-") && !out.is_json() {
        out.text(&bundle)?;
        return Ok(Verdict::Done);
    }
    if output != std::path::Path::new("-") {
        out.file(output, bundle.as_bytes(), false)?;
    }
    out.show(&documents::trust(found, &all, &bundle), |w| {
        all.iter().try_for_each(|authority| writeln!(w, "{}", line(authority)))?;
        for authority in found.without_issuer() {
            writeln!(w, "the machine does not hold the issuer of {}: {}", authority.subject, authority.issuer)?;
        }
        if found.unreadable > 0 {
            writeln!(w, "{} more of its certificates cannot be read", found.unreadable)?;
        }
        writeln!(w, "{} written to {}", all.len(), output.display())
    })?;
    Ok(Verdict::Done)
}

fn imported(out: &mut Output, bundle: &TrustBundle, change: &TrustChange, dry_run: bool) -> Result<Verdict, Error> {
    out.show(&documents::trust_change(bundle, change, dry_run), |w| {
        write_findings(w, &bundle.warnings)?;
        let verb = if dry_run { "to add" } else { "added" };
        change.added.iter().try_for_each(|authority| writeln!(w, "{verb:<8}  {}", line(authority)))?;
        change.present.iter().try_for_each(|authority| writeln!(w, "{:<8}  {}", "there", line(authority)))?;
        match (change.added.len(), dry_run) {
            (0, _) => writeln!(w, "the machine trusts all of them already; nothing was written"),
            (count, true) => writeln!(w, "{count} would be added; nothing was written"),
            (count, false) => writeln!(w, "{count} added"),
        }
    })?;
    Ok(Verdict::Done)
}

fn line(authority: &Authority) -> String {
    let digest = hex::encode(authority.sha256);
    format!("{}  {}  {}", digest.get(..16).unwrap_or_default(), authority.validity_text(), authority.subject)
}
