//! `docs/errors.md`, written from the error registry.

use crate::process::{bless_or_compare, build_amt, program, read, root};
use anyhow::{Context, Result};
use serde_json::Value;

const FAMILIES: &[(u64, &str)] = &[
    (0, "Boundary of the library"),
    (1000, "Decoding"),
    (2000, "WS-Management"),
    (3000, "HECI and APF"),
    (4000, "TLS and certificates"),
    (5000, "Provisioning"),
    (6000, "Input and output"),
    (7000, "Fleet"),
];

/// Compares the page with the registry, or writes it.
pub(crate) fn check(bless: bool) -> Result<()> {
    bless_or_compare(&root(), "docs/errors.md", &page(&registry()?), bless, "cargo xtask check-errors --bless")
}

/// One row of the registry.
pub(crate) struct Code {
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) hint: String,
}

/// The registry as the command line prints it.
pub(crate) fn registry() -> Result<Vec<Code>> {
    let amt = build_amt(&[])?;
    let document: Value = serde_json::from_str(&read(&mut program(amt, &["explain", "--json"]))?)?;
    let rows = document["errors"].as_array().context("amt explain lists no errors")?;
    rows.iter()
        .map(|row| {
            let text = |field: &str| row[field].as_str().map(str::to_owned).with_context(|| format!("no {field}"));
            Ok(Code { number: row["code"].as_u64().context("no code")?, name: text("name")?, hint: text("hint")? })
        })
        .collect()
}

fn page(codes: &[Code]) -> String {
    let mut page = String::from(
        "# Error codes\n\n\
         One number per cause, the same in Rust, C, Python and the command line's JSON. Append-only: a number is never\n\
         used for something else. `amt explain CODE` prints a row. This page is written by `cargo xtask check-errors --bless`.\n",
    );
    for (start, title) in FAMILIES {
        let rows: Vec<_> = codes.iter().filter(|code| code.number / 1000 * 1000 == *start).collect();
        if rows.is_empty() {
            continue;
        }
        page.push_str(&format!("\n## {title}\n\n| code | name | what to do |\n|---|---|---|\n"));
        for code in rows {
            page.push_str(&format!("| {} | `{}` | {} |\n", code.number, code.name, code.hint.replace('|', "\\|")));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_groups_codes_and_leaves_empty_families_out() {
        let code = |number, name: &str| Code { number, name: name.into(), hint: "a | b".into() };
        let page = page(&[code(0, "OK"), code(4002, "TLS_CHAIN_REFUSED")]);
        assert!(page.contains("## TLS and certificates\n\n| code"));
        assert!(page.contains("| 4002 | `TLS_CHAIN_REFUSED` | a \\| b |"));
        assert!(!page.contains("## Fleet"));
    }
}
