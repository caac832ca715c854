//! Rules about files that no compiler knows.

use crate::process::{program, read, root};
use anyhow::{Result, bail};

/// Longest source file. One idea a file; more lines than this are two ideas.
const MAX_LINES: usize = 800;

/// Files beside those of `amt-ffi` that may hold `unsafe`: each calls something that has no safe binding.
const UNSAFE: &[&str] = &[
    "amt-ffi/examples/panicking.rs",
    "amt/src/kerberos/sspi.rs",
    "amt/src/mei/linux.rs",
    "amt/src/mei/windows.rs",
    "amt/src/tls/legacy/init.rs",
];

const SOURCES: &[&str] = &["*.rs", "*.py", "*.pyi", "*.c", "*.cpp", "*.hpp", "*.go", "*.cs", "*.ps1", "*.psm1", "*.sh"];

/// Files of tests that no program holds: crates with many have one program, `tests/all.rs`, and list them there.
fn forgotten_tests() -> Result<Vec<String>> {
    let list =
        read(&mut program("git", &["ls-files", "--cached", "--others", "--exclude-standard", "--", "*/tests/*.rs"]))?;
    let mut forgotten = Vec::new();
    for file in list.lines() {
        let Some((krate, name)) = file.split_once("/tests/") else { continue };
        let Ok(all) = std::fs::read_to_string(root().join(krate).join("tests/all.rs")) else { continue };
        let manifest = std::fs::read_to_string(root().join(krate).join("Cargo.toml"))?;
        let name = name.trim_end_matches(".rs");
        let is_listed = all.lines().any(|line| line == format!("mod {name};"));
        let is_program = manifest.contains(&format!("[[test]]\nname = \"{name}\"\n"));
        if !name.contains('/') && !is_listed && !is_program && root().join(file).exists() {
            forgotten.push(format!("{file}: neither a module of tests/all.rs nor a [[test]] of {krate}/Cargo.toml"));
        }
    }
    Ok(forgotten)
}

/// Fails with every source file that is too long, or allows itself what only a few may.
pub(crate) fn check() -> Result<()> {
    let mut list = program("git", &["ls-files", "--cached", "--others", "--exclude-standard", "--"]);
    let list = read(list.args(SOURCES))?;
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in list.lines() {
        // Deleted in the work tree, still in the index.
        let Ok(text) = std::fs::read_to_string(root().join(file)) else { continue };
        count += 1;
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{file}: {lines} lines, more than {MAX_LINES}"));
        }
        if text.lines().any(|line| line.starts_with('#') && line.contains("allow(unsafe_code"))
            && !UNSAFE.contains(&file)
        {
            wrong.push(format!("{file}: allows unsafe code and is not listed"));
        }
    }
    wrong.extend(forgotten_tests()?);
    if !wrong.is_empty() {
        bail!("not as they should be:\n  {}", wrong.join("\n  "));
    }
    if count == 0 {
        bail!("no source files found");
    }
    println!("{count} source files, none longer than {MAX_LINES} lines");
    Ok(())
}
