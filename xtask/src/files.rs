//! Rules about files that no compiler knows.

use crate::process::{program, read, root};
use anyhow::{Result, bail};

/// Longest source file. One idea a file; more lines than this are two ideas.
const MAX_LINES: usize = 800;

const SOURCES: &[&str] = &["*.rs", "*.py", "*.pyi", "*.c", "*.go", "*.cs", "*.ps1", "*.sh"];

/// Fails with every source file that is too long.
pub(crate) fn check() -> Result<()> {
    let mut list = program("git", &["ls-files", "--cached", "--others", "--exclude-standard", "--"]);
    let list = read(list.args(SOURCES))?;
    let mut long = Vec::new();
    let mut count = 0;
    for file in list.lines() {
        // Deleted in the work tree, still in the index.
        let Ok(text) = std::fs::read_to_string(root().join(file)) else { continue };
        count += 1;
        let lines = text.lines().count();
        if lines > MAX_LINES {
            long.push(format!("{file}: {lines} lines"));
        }
    }
    if !long.is_empty() {
        bail!("longer than {MAX_LINES} lines:\n  {}", long.join("\n  "));
    }
    if count == 0 {
        bail!("no source files found");
    }
    println!("{count} source files, none longer than {MAX_LINES} lines");
    Ok(())
}
