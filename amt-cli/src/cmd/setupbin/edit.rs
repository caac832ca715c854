//! `consume` and `wipe`: a file is changed where it is, or written elsewhere.

use super::super::{Error, Verdict};
use super::{content, document, write};
use crate::output::Output;
use amt_core::setupbin::SetupBin;
use amt_core::{ErrorCode, Failure};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Use up the next record, as a BIOS does before it hands the record to the firmware
///
/// The first unused record is marked as used and counted, unless the file is reusable, and its variables are printed.
#[derive(clap::Args)]
pub(super) struct Consume {
    /// The file; changed in place unless -o is given
    file: PathBuf,

    /// Write the changed file here and leave the other as it is; - is standard output, then nothing else is printed there
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Show passwords, PPS and passcodes of the record
    #[arg(long)]
    reveal: bool,
}

/// Take the secrets of used records away: a BIOS leaves them in the file
///
/// Passwords, PPS and passcodes are removed and their bytes become zero; what else a record holds, the PID too, stays.
#[derive(clap::Args)]
pub(super) struct Wipe {
    /// The file; changed in place unless -o is given
    file: PathBuf,

    /// Unused records too; they are marked as used
    #[arg(long)]
    all: bool,

    /// Write the changed file here and leave the other as it is; - is standard output, then nothing else is printed there
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Consume {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let mut file = SetupBin::decode(content(&self.file)?.expose())?;
        let at = file.consume().ok_or_else(|| {
            Failure::new(ErrorCode::SETUP_BIN, "consume", "every record is used")
                .hint("create a file with more records; `amt setupbin wipe` takes the secrets of these away")
        })?;
        let target = self.output.as_deref().unwrap_or(&self.file);
        write(out, target, &file)?;
        if let Some(record) = file.records().get(at).filter(|_| target != Path::new("-")) {
            let header = &file.header;
            let left = file.records().iter().skip(header.consumed as usize).filter(|record| record.is_usable()).count();
            let document = json!({
                "record": amt_fleet::json::setupbin::record(record, header.record_chunks, self.reveal),
                "consumed": header.consumed,
                "left": left,
            });
            out.show(&document, |w| {
                document::people_record(w, record, self.reveal)?;
                writeln!(w, "\n{left} unused left")
            })?;
        }
        Ok(Verdict::Done)
    }
}

impl Wipe {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let mut file = SetupBin::read(content(&self.file)?.expose())?;
        let wiped = file.wipe(self.all);
        let target = self.output.as_deref().unwrap_or(&self.file);
        write(out, target, &file)?;
        if target != Path::new("-") {
            out.show(&json!({ "records": wiped.records, "secrets": wiped.secrets }), |w| {
                writeln!(w, "{} secrets taken out of {} records", wiped.secrets, wiped.records)
            })?;
        }
        Ok(Verdict::Done)
    }
}
