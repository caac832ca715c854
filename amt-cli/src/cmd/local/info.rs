//! `amt info`: what the firmware of this machine says of itself.

use super::Reach;
use crate::cmd::{Error, Verdict, block_on};
use crate::output::{Output, write_findings};
use amt::local::survey;
use amt_core::Finding;
use amt_fleet::json;
use amt_provision::local::LocalStatus;
use std::io::{self, Write};
use std::path::PathBuf;

/// Tell what the AMT firmware of this machine is, how it stands, and what would stop its provisioning
///
/// Asks the firmware over the management engine interface, as root or administrator, and changes nothing. With --json every key
/// is always there; what the firmware does not tell is null. The exit status is 0 if the firmware answered, whatever it said.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  amt info
  amt info --json | jq .control.standing        unprovisioned, in-provisioning, client, admin, provisioned
  amt info --facts-file /var/lib/inventory/amt.json")]
pub(crate) struct Info {
    /// Also write the JSON document to this file, where an inventory tool collects it; it is replaced as a whole
    #[arg(long, value_name = "FILE")]
    facts_file: Option<PathBuf>,

    /// Also put every fact into the registry, as values of HKEY_LOCAL_MACHINE\SOFTWARE\amt\facts named by their path in the JSON document,
    /// for example control.standing; those of an earlier run are removed
    #[cfg(windows)]
    #[arg(long)]
    registry: bool,

    #[command(flatten)]
    reach: Reach,
}

impl Info {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        block_on(async {
            let access = self.reach.access()?;
            let survey = survey(&access).await?;
            let document = json::survey(&survey);
            if let Some(file) = &self.facts_file {
                out.file(file, format!("{document}\n").as_bytes(), false)?;
            }
            #[cfg(windows)]
            if self.registry {
                super::registry::write(&document)?;
            }
            out.show(&document, |w| write(w, &survey.status, &survey.services, &survey.findings))?;
            Ok(Verdict::Done)
        })
    }
}

fn write(
    w: &mut dyn Write,
    status: &LocalStatus,
    services: &[(u16, &'static str)],
    findings: &[Finding],
) -> io::Result<()> {
    let facts = &status.facts;
    let or = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "not told".to_owned());
    let mut row = |name: &str, value: String| writeln!(w, "{name:<16}{value}");
    row("AMT", facts.version.to_string())?;
    row("UUID", or(facts.id.map(|id| id.to_string())))?;
    row("BIOS", or(Some(facts.versions.bios.clone())))?;
    row("contains", or(facts.versions.sku().map(|sku| sku.words(facts.version.major).join(", "))))?;
    row("standing", facts.standing.as_str().to_owned())?;
    let on = |value: Option<bool>| match value {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => "not told".to_owned(),
    };
    row("switched on", on(facts.is_amt_enabled()))?;
    row("remote setup", on(status.zero_touch))?;
    row("DNS suffix", or(status.suffix.clone()))?;
    row("own name", or(status.fqdn.as_ref().map(|name| name.fqdn.clone())))?;
    for (name, interface) in [("wired", &status.wired), ("wireless", &status.wireless)] {
        row(
            name,
            match interface {
                None => "none".to_owned(),
                Some(lan) => format!(
                    "{}, {}, link {}, {}",
                    lan.mac,
                    if lan.address.is_unspecified() { "no address".to_owned() } else { lan.address.to_string() },
                    if lan.link_up == 1 { "up" } else { "down" },
                    if lan.dhcp { "DHCP" } else { "static" },
                ),
            },
        )?;
    }
    let services: Vec<String> = services.iter().map(|(port, state)| format!("{port} {state}")).collect();
    row("local service", services.join(", "))?;
    row("trusted roots", status.roots.iter().filter(|root| root.is_active).count().to_string())?;
    for root in status.roots.iter().filter(|root| root.is_active) {
        let algorithm = root.algorithm.map_or("unknown", |algorithm| algorithm.name());
        writeln!(w, "  {}  {algorithm}:{}", root.name, hex::encode(&root.digest))?;
    }
    if findings.is_empty() {
        return writeln!(w, "\nnothing is in the way of provisioning");
    }
    writeln!(w)?;
    write_findings(w, findings)
}
