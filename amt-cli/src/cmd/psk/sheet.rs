//! `amt psk sheet`: pairs on paper, for whoever types them into MEBx.

use super::super::{Error, Verdict};
use super::{count, document, pairs};
use crate::output::Output;
use amt_core::psk::{Form, PskPair};
use amt_core::{Failure, Secret};
use maud::{DOCTYPE, PreEscaped, html};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Lay pairs out for printing, to be typed into MEBx, one machine a row
#[derive(clap::Args)]
pub(super) struct Sheet {
    /// The pairs, as `check` reads them; - is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    from: PathBuf,

    /// A page to print from a browser, instead of text
    #[arg(long)]
    html: bool,

    /// Write it here, readable by its owner only; - is standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

/// Where MEBx asks for a pair; the words differ between makers.
const WHERE: &str = "In MEBx (Ctrl+P when the machine starts): Intel AMT Configuration, Setup and Configuration, TLS PSK, Set PID and PPS.";
const KEYBOARD: &str = "MEBx has the US keyboard layout. The last character of each group is a check character: firmware refuses nearly every typo.";

const STYLE: &str = "body{font:11pt sans-serif;margin:1.5cm}table{border-collapse:collapse;width:100%}\
td,th{border:1px solid #888;padding:.35cm .2cm;text-align:left}td.key{font:12pt monospace;white-space:nowrap}\
tr{page-break-inside:avoid}thead{display:table-header-group}td.note{width:25%}";

impl Sheet {
    pub(super) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        let pairs = self.pairs()?;
        if out.is_json() && self.output == Path::new("-") {
            out.show(&document(&pairs), |_| Ok(()))?;
            return Ok(Verdict::Done);
        }
        let sheet = if self.html { page(&pairs) } else { text(&pairs) };
        out.file(&self.output, sheet.expose().as_bytes(), true)?;
        if self.output != Path::new("-") {
            let file = self.output.display().to_string();
            out.show(&json!({ "file": file, "pairs": pairs.len() }), |w| {
                writeln!(w, "{file}: {}", count(pairs.len()))
            })?;
        }
        Ok(Verdict::Done)
    }

    /// The pairs; one that firmware refuses is not printed for people to type.
    fn pairs(&self) -> Result<Vec<PskPair>, Failure> {
        let mut pairs = Vec::new();
        for one in pairs::read(&self.from, Form::Typed)? {
            let number = one.number;
            pairs.push(one.pair.map_err(|failures| {
                let first = failures.into_iter().next();
                let mut failure = first.unwrap_or_else(|| amt_core::psk::list::invalid("no pair"));
                failure.message = format!("pair {number}: {}", failure.message);
                failure
            })?);
        }
        Ok(pairs)
    }
}

fn text(pairs: &[PskPair]) -> Secret<String> {
    let mut sheet = format!("{WHERE}\n{KEYBOARD}\n");
    for pair in pairs {
        sheet.push_str(&format!(
            "\n[ ] machine ______________________\n    PID  {}\n    PPS  {}\n",
            pair.pid,
            pair.pps.dashed().expose()
        ));
    }
    Secret::new(sheet)
}

fn page(pairs: &[PskPair]) -> Secret<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "PID and PPS" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                p { (WHERE) " " (KEYBOARD) }
                table {
                    thead { tr { th { "PID" } th { "PPS" } th { "machine" } } }
                    tbody {
                        @for pair in pairs {
                            tr {
                                td.key { (pair.pid) }
                                td.key { (pair.pps.dashed().expose()) }
                                td.note {}
                            }
                        }
                    }
                }
            }
        }
    };
    Secret::new(page.into_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_both_halves_of_every_pair() {
        let pair = PskPair::parse("0000-037M", "NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ", Form::Typed).unwrap();
        let pairs = [pair];
        for sheet in [text(&pairs), page(&pairs)] {
            for part in ["0000-037M", "NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ"] {
                assert_eq!(sheet.expose().matches(part).count(), 1, "{}", sheet.expose());
            }
        }
    }
}
