//! `amt profile check|explain|schema`: profiles as documents, before any machine sees them.

use super::{Error, Verdict};
use crate::output::Output;
use amt::profile::{Folder, read_profile, read_profile_for};
use amt_core::{ErrorCode, Failure, Finding, FirmwareVersion, Severity, SystemId};
use amt_provision::profile::{self, Desired};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Check, explain and describe configuration profiles
///
/// A profile says what machines shall be: passwords, TLS, network, users, redirection, remote access. What it does not name stays as
/// it is. `amt configure` applies it. docs/profile.md tells every field; examples/profiles has three to begin with.
#[derive(clap::Args)]
pub(crate) struct Profile {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Check(Check),
    Explain(Explain),
    Schema(Schema),
}

/// Say everything that is wrong with a profile, at once
///
/// Unknown keys, wrong values, fields that contradict each other, and with --firmware what that firmware can't do. Exit status 1 if
/// there is an error among the findings.
#[derive(clap::Args)]
struct Check {
    /// The profile: TOML, or JSON if its name ends in .json
    file: PathBuf,
    /// Also say what this firmware can't do, for example 16.1
    #[arg(long, value_name = "VERSION")]
    firmware: Option<String>,
    /// Also read the files and variables of the environment that the profile names
    #[arg(long)]
    secrets: bool,
    /// With --secrets: as it is for this machine, by UUID
    #[arg(long, value_name = "UUID", requires = "secrets")]
    machine: Option<String>,
}

/// Say what each field of a profile will do
#[derive(clap::Args)]
struct Explain {
    /// The profile: TOML, or JSON if its name ends in .json
    file: PathBuf,
}

/// Print the JSON Schema of profiles, for editors
#[derive(clap::Args)]
struct Schema {
    /// As a page of documentation in Markdown
    #[arg(long)]
    markdown: bool,
}

impl Profile {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self.action {
            Action::Check(check) => check.run(out),
            Action::Explain(explain) => explain.run(out),
            Action::Schema(schema) => schema.run(out),
        }
    }
}

impl Check {
    fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let firmware = self.firmware.as_deref().map(str::parse::<FirmwareVersion>).transpose().map_err(Error::Usage)?;
        let machine = self.machine.as_deref().map(str::parse::<SystemId>).transpose().map_err(Error::Usage)?;
        let (profile, mut findings) = read_profile_for(&self.file, firmware)?;
        if let Some(profile) = &profile {
            findings.extend(profile.check(firmware));
            if self.secrets {
                let id = machine.unwrap_or(SystemId::from_wire([0; 16]));
                let named = Desired::new(profile, id, firmware, &mut Folder::of(&self.file)).err().unwrap_or_default();
                findings.extend(named.into_iter().filter(|new| !findings.contains(new)).collect::<Vec<_>>());
            }
        }
        out.findings(&findings).map_err(Error::from)
    }
}

impl Explain {
    fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let profile = valid(&self.file)?;
        let all = profile.explain();
        let fields: Vec<_> = all
            .iter()
            .map(|one| json!({ "field": one.field, "value": raw(&one.value), "meaning": one.meaning }))
            .collect();
        let document = json!({ "name": profile.name, "revision": profile.revision(), "fields": fields });
        out.show(&document, |w| {
            writeln!(w, "{}, revision {}", profile.name, profile.revision())?;
            for one in &all {
                writeln!(w, "\n  {} = {}\n      {}", one.field, one.value, one.meaning.replace('\n', " "))?;
            }
            writeln!(w, "\nWhat is not named here stays as it is on the machine.")
        })?;
        Ok(Verdict::Done)
    }
}

fn raw(value: &str) -> serde_json::Value {
    serde_json::from_str(value).unwrap_or_default()
}

impl Schema {
    fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        if self.markdown {
            out.text(&profile::reference())?;
        } else {
            let schema = profile::schema();
            out.show(&schema, |w| writeln!(w, "{}", serde_json::to_string_pretty(&schema).unwrap_or_default()))?;
        }
        Ok(Verdict::Done)
    }
}

/// A profile in which nothing is wrong; else the first of the errors, with the way to all of them.
pub(super) fn valid(file: &Path) -> Result<profile::Profile, Error> {
    let (profile, mut findings) = read_profile(file)?;
    findings.extend(profile.iter().flat_map(|profile| profile.check(None)));
    match (profile, refusal(file, &findings)) {
        (Some(profile), None) => Ok(profile),
        (_, refusal) => {
            Err(refusal.unwrap_or_else(|| Failure::new(ErrorCode::CONFIG, "profile", "not a profile")).into())
        }
    }
}

/// The errors among the findings as one failure.
pub(super) fn refusal(file: &Path, findings: &[Finding]) -> Option<Failure> {
    let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    let first = errors.first()?;
    let more = match errors.len() {
        1 => String::new(),
        n => format!(" (and {} more: `amt profile check --secrets {}` lists them)", n - 1, file.display()),
    };
    let text = format!("{}: {}: {}{more}", file.display(), first.field, first.message);
    Some(Failure::new(ErrorCode::PLAN_INVALID, "profile", text).hint(first.hint.clone()))
}
