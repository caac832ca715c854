//! `amt setupbin create|show|lint|consume|wipe|image`: the file for a USB stick.

mod document;
mod edit;
mod image;

use super::{Error, Verdict};
use crate::input;
use crate::output::Output;
use amt_core::setupbin::{self, MAX_FILE, SetupBin as File};
use amt_core::{Failure, Finding, Secret, Severity};
use amt_fleet::json::{finding, setupbin as form};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// USB key files by which a BIOS sets up machines: passwords, PID/PPS pairs, root hashes
///
/// A BIOS looks for setup.bin in the root of a FAT16 stick, takes the first unused record, marks it as used, and hands it to
/// the firmware. Whoever has the file owns the machines that it sets up: nothing in it is encrypted.
#[derive(clap::Args)]
pub(crate) struct Setupbin {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Create(Create),
    Show(Show),
    Lint(Lint),
    Consume(edit::Consume),
    Wipe(edit::Wipe),
    Image(image::Image),
    Variables(Variables),
}

/// Make a file from a JSON description, or again from what `show --json --reveal` prints
///
/// The least that is needed:
///
///   {"records": [{"entries": {"current_password": "admin", "new_password": "P@ssw0rd",
///                             "pid": "0000037M", "pps": "…"}}]}
///
/// `amt setupbin variables` lists names, types and values. "version" is 2.1 for a file with
/// pairs and 4 for any other, unless you say it. "reusable": true lets every record be used
/// again and again; "scrambled": true in a record of version 4 hides it from a glance. What
/// the version cannot carry is refused.
///
/// A document with "modules", as `show` prints it, is rebuilt as it is, to the byte, however
/// odd it may be; where an entry has "hex" and "value", "hex" counts.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct Create {
    /// The description; - is standard input
    #[arg(long, value_name = "FILE")]
    from: PathBuf,

    /// Where to write it, readable by its owner only; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "setup.bin")]
    output: PathBuf,
}

/// Say what is in a file, as far as it can be read
#[derive(clap::Args)]
struct Show {
    /// The file; - is standard input
    file: PathBuf,

    /// Show passwords, PPS and passcodes
    #[arg(long)]
    reveal: bool,
}

/// List everything that is wrong with a file
#[derive(clap::Args)]
struct Lint {
    /// The file; - is standard input
    file: PathBuf,
}

/// List the variables that a record may have
#[derive(clap::Args)]
struct Variables {}

impl Setupbin {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self.action {
            Action::Create(create) => create.run(out),
            Action::Show(show) => show.run(out),
            Action::Lint(lint) => lint.run(out),
            Action::Consume(consume) => consume.run(out),
            Action::Wipe(wipe) => wipe.run(out),
            Action::Image(image) => image.run(out),
            Action::Variables(_) => {
                document::variables(out)?;
                Ok(Verdict::Done)
            }
        }
    }
}

impl Create {
    fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let text = Secret::new(input::read(&self.from, form::MAX_DOCUMENT)?);
        let file = form::read(text.expose())?;
        write(out, &self.output, &file)?;
        if self.output != Path::new("-") {
            let findings = file.lint();
            let document = json!({
                "file": self.output.display().to_string(),
                "version": file.version().to_string(),
                "records": file.records().len(),
                "findings": findings_json(&findings),
            });
            out.show(&document, |w| {
                writeln!(
                    w,
                    "{}: version {}, {}",
                    self.output.display(),
                    file.version(),
                    records(file.records().len())
                )?;
                summary(w, &findings, &self.output)
            })?;
        }
        Ok(Verdict::Done)
    }
}

impl Show {
    fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let file = File::read(content(&self.file)?.expose())?;
        let findings = file.lint();
        out.show(&form::document(&file, &findings, self.reveal), |w| {
            document::people(w, &file, self.reveal)?;
            summary(w, &findings, &self.file)
        })?;
        Ok(Verdict::Done)
    }
}

impl Lint {
    fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        Ok(out.findings(&setupbin::lint(content(&self.file)?.expose()))?)
    }
}

/// The bytes of a setup.bin.
fn content(file: &Path) -> Result<Secret<Vec<u8>>, Failure> {
    input::read(file, MAX_FILE).map(Secret::new)
}

/// Writes the file, readable by its owner only.
fn write(out: &mut Output, target: &Path, file: &File) -> Result<(), Failure> {
    out.file(target, file.encode().expose(), true)
}

fn records(count: usize) -> String {
    if count == 1 { "1 record".into() } else { format!("{count} records") }
}

/// How many findings there are, for commands that are not about them.
fn summary(w: &mut dyn Write, findings: &[Finding], file: &Path) -> io::Result<()> {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors + warnings > 0 {
        writeln!(w, "errors {errors}, warnings {warnings}: `amt setupbin lint {}` lists them", file.display())?;
    }
    Ok(())
}

/// The findings as JSON, for documents that hold other things too.
fn findings_json(findings: &[Finding]) -> Vec<Value> {
    findings.iter().map(finding).collect()
}
