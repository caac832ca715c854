//! `amt fleet import`: machines that are expected, from a list.

use super::text::count;
use super::{Error, Place, Verdict};
use crate::input;
use crate::output::Output;
use amt_core::{ErrorCode, Failure};
use amt_fleet::config::MAX_FILE;
use amt_fleet::list::parse_known;
use serde_json::json;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct Import {
    /// The list, CSV; - is standard input
    file: PathBuf,
    /// Only say what is wrong with the list
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    place: Place,
}

impl Import {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let name = self.file.display().to_string();
        let bytes = input::read(&self.file, usize::try_from(MAX_FILE).unwrap_or(usize::MAX))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let line =
                error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
            Failure::new(ErrorCode::NOT_UTF8, "import", format!("{name}: line {line}: not UTF-8"))
                .hint("save the list as CSV in UTF-8")
        })?;
        let known = parse_known(&text).map_err(|wrong| {
            let lines: Vec<String> = wrong.iter().map(|why| format!("{name}: {why}")).collect();
            Failure::new(ErrorCode::PARSE_TEXT, "import", lines.join("\n"))
                .hint("nothing was imported; mend the list and import it again")
        })?;
        let lines = known.len();
        if self.check {
            let document = json!({ "lines": lines, "imported": false });
            out.show(&document, |w| writeln!(w, "{} in order", count(lines, "line is", "lines are")))?;
            return Ok(Verdict::Done);
        }
        let fleet = self.place.open().await?;
        let imported = fleet.import(known).await?;
        fleet.close().await;
        let document = json!({
            "lines": lines,
            "imported": true,
            "machines": imported.machines,
            "waiting": imported.waiting,
            "replaced": imported.replaced,
        });
        out.show(&document, |w| {
            let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
            writeln!(w, "{} let in", count(number(imported.machines), "machine is", "machines are"))?;
            if imported.waiting > 0 {
                let waiting = count(number(imported.waiting), "line waits", "lines wait");
                writeln!(w, "{waiting} for a machine whose client or firmware tells that interface address")?;
            }
            if imported.replaced > 0 {
                let replaced = count(number(imported.replaced), "line names", "lines name");
                writeln!(w, "{replaced} a record that was handed over to another machine: passed over")?;
            }
            Ok(())
        })?;
        Ok(Verdict::Done)
    }
}
