//! `amt doctor`: what would keep the setup server from working.

use super::{Error, Verdict, block_on};
use crate::output::{Output, finding_json};
use amt_core::{FirmwareVersion, Severity};
use amt_fleet::config::Config;
use amt_fleet::doctor::{self, Diagnosis};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;

/// Check everything a setup server needs: names, port, certificates, clock, database, authority, console, directory, programs, disk
///
/// Nothing is changed. Names are resolved as this host resolves them: the machines' own DNS server may answer otherwise. The exit
/// status is 1 if something will not work.
#[derive(clap::Args)]
pub(crate) struct Doctor {
    /// Configuration of the setup server
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// Hold the certificates against this firmware version; otherwise all generations are summarised
    #[arg(long, value_name = "VERSION")]
    firmware: Option<String>,

    /// Address by which machines reach the server beside its own, as behind NAT or in a container; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    address: Vec<IpAddr>,

    /// Resolve no names and connect to nothing
    #[arg(long)]
    offline: bool,
}

impl Doctor {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let firmware = self.firmware.as_deref().map(str::parse::<FirmwareVersion>).transpose().map_err(Error::Usage)?;
        let config = Config::load(&self.config)?;
        let mut doctor = doctor::Doctor::new(&config).addresses(self.address);
        if let Some(version) = firmware {
            doctor = doctor.firmware(version);
        }
        if self.offline {
            doctor = doctor.offline();
        }
        let found = block_on(async { Ok(doctor.examine().await) })?;
        let count = |severity| found.iter().filter(|d| d.finding.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let document = json!({
            "findings": found.iter().map(diagnosis_json).collect::<Vec<_>>(),
            "errors": errors,
            "warnings": warnings,
        });
        out.show(&document, |w| {
            people(w, &found)?;
            match (errors, warnings) {
                (0, 0) => writeln!(w, "\neverything is in order"),
                (0, n) => writeln!(w, "\nit will work; {n} to look at"),
                (n, _) => writeln!(w, "\n{n} to mend before it works"),
            }
        })?;
        Ok(if errors > 0 { Verdict::Failed } else { Verdict::Done })
    }
}

fn diagnosis_json(diagnosis: &Diagnosis) -> Value {
    let mut object = finding_json(&diagnosis.finding);
    object["area"] = diagnosis.area.name().into();
    object
}

fn people(w: &mut dyn Write, found: &[Diagnosis]) -> io::Result<()> {
    let mut area = None;
    for Diagnosis { area: of, finding, .. } in found {
        if area != Some(*of) {
            writeln!(w, "{}{}", if area.is_some() { "\n" } else { "" }, of.name())?;
            area = Some(*of);
        }
        let word = match finding.severity {
            Severity::Info => "ok",
            other => other.as_str(),
        };
        writeln!(w, "  {word:<7}  {}: {}", finding.field, finding.message)?;
        if !finding.hint.is_empty() {
            writeln!(w, "           next: {}", finding.hint)?;
        }
    }
    Ok(())
}
