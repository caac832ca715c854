//! `check-abi`: what C programs were promised (`docs/abi.md`) against what the sources say now.

use crate::errors_page::{Code, registry};
use crate::process::{bless_or_compare, build_library, need, program, read, root, target};
use crate::stages::Count;
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::Path;

const REMEDY: &str = "cargo xtask check-abi --bless";

/// Compares header, symbols and codes with what is committed, or writes them. Every difference is shown.
pub(crate) fn check(bless: bool) -> Result<()> {
    check_tree(&root(), bless)
}

/// The same for a stage of `test`, and that what was promised cannot be changed unnoticed: each of `CHANGES` must fail the check.
pub(crate) fn check_and_change() -> Result<Count> {
    check(false)?;
    let mut count = Count::one(true);
    for (path, committed, changed) in CHANGES {
        let tree = target("changed");
        for file in FILES {
            let copy = tree.join(file);
            fs::create_dir_all(copy.parent().context("a file without a folder")?)?;
            fs::copy(root().join(file), copy)?;
        }
        let text = fs::read_to_string(tree.join(path))?;
        if !text.contains(committed) {
            bail!("{path} has no {committed:?}: change another line of it");
        }
        fs::write(tree.join(path), text.replacen(committed, changed, 1))?;
        let noticed = check_tree(&tree, false).is_err_and(|error| format!("{error:#}").starts_with(path));
        println!(
            "{} {path}: {committed:?} as {changed:?}",
            if noticed { "ok, noticed:" } else { "FAILED, not noticed:" }
        );
        count.add(Count::one(noticed));
    }
    Ok(count)
}

const FILES: [&str; 5] = [
    "abi/codes.txt",
    // Before the header, which is made from it.
    "amt-ffi/src/codes.rs",
    "amt-ffi/include/amt.h",
    "abi/symbols.txt",
    "bindings/dotnet/src/AmtCode.cs",
];

/// A code renumbered, a symbol gone, a parameter of another type.
const CHANGES: [(&str, &str, &str); 3] = [
    ("abi/codes.txt", "\n4001 ", "\n4009 "),
    ("abi/symbols.txt", "amt_hello_parse\n", ""),
    ("amt-ffi/include/amt.h", "uint32_t *retry", "uint16_t *retry"),
];

fn check_tree(tree: &Path, bless: bool) -> Result<()> {
    let registry = registry()?;
    let mut different = Vec::new();
    for path in FILES {
        let text = match path {
            "abi/codes.txt" => {
                let text: String = registry.iter().map(|code| format!("{} {}\n", code.number, code.name)).collect();
                append_only(&fs::read_to_string(tree.join(path)).unwrap_or_default(), &text)?;
                text
            }
            "amt-ffi/src/codes.rs" => constants(&registry),
            "amt-ffi/include/amt.h" => header()?,
            "abi/symbols.txt" => symbols()?,
            _ => enumeration(&registry),
        };
        if let Err(error) = bless_or_compare(tree, path, &text, bless, REMEDY) {
            different.push(format!("{error:#}"));
        }
    }
    if different.is_empty() { Ok(()) } else { bail!("{}", different.join("\n")) }
}

/// A code that was committed keeps its number and its name: not even `--bless` changes that.
fn append_only(committed: &str, now: &str) -> Result<()> {
    match committed.lines().find(|line| !now.lines().any(|other| other == *line)) {
        Some(line) => bail!("abi/codes.txt: {line:?} was promised and may be neither renumbered, renamed nor removed"),
        None => Ok(()),
    }
}

/// The registry as constants of the C interface: cbindgen reads literals only.
fn constants(registry: &[Code]) -> String {
    let mut text =
        String::from("//! The error registry for C. Written by `cargo xtask check-abi --bless`, never by hand.\n");
    for Code { number, name, hint } in registry.iter().filter(|code| code.number != 0) {
        text.push_str(&format!("\n/// What to do: {hint}.\npub const AMT_E_{name}: u32 = {number};\n"));
    }
    text
}

/// The registry as an enumeration of .NET.
fn enumeration(registry: &[Code]) -> String {
    let mut text = String::from(
        "namespace Amt\n{\n    // Written by `cargo xtask check-abi --bless`, never by hand.\n\n    /// <summary>What can go wrong; \
         docs/errors.md is the list for people.</summary>\n    public enum AmtCode : uint\n    {\n",
    );
    for Code { number, name, hint } in registry.iter().filter(|code| code.number != 0) {
        let hint = hint.replace('&', "&amp;").replace('<', "&lt;");
        let name = pascal(name);
        text.push_str(&format!("        /// <summary>What to do: {hint}.</summary>\n        {name} = {number},\n\n"));
    }
    text.truncate(text.trim_end().len());
    text + "\n    }\n}\n"
}

/// `TLS_CHAIN_REFUSED` as .NET writes it: `TlsChainRefused`.
fn pascal(name: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_owned() + &rest.to_lowercase()
    };
    name.split('_').map(word).collect()
}

fn header() -> Result<String> {
    let folder = root().join("amt-ffi");
    let config =
        cbindgen::Config::from_file(folder.join("cbindgen.toml")).map_err(|error| anyhow!("cbindgen.toml: {error}"))?;
    let bindings = cbindgen::generate_with_config(&folder, config).context("cbindgen reads amt-ffi")?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).context("the header is no text")
}

/// Names that the shared library exports, one a line.
fn symbols() -> Result<String> {
    need("nm", "binutils")?;
    let library = build_library()?.join("libamt_ffi.so");
    let table = read(program("nm", &["-D", "--defined-only", "--format=posix"]).arg(library))?;
    Ok(exported(&table))
}

fn exported(table: &str) -> String {
    let mut names: Vec<&str> = table.lines().filter_map(|line| line.split(' ').next()).collect();
    names.sort_unstable();
    names.dedup();
    names.iter().filter(|name| !name.is_empty()).map(|name| format!("{name}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_codes_become_names_of_dotnet() {
        assert_eq!(pascal("TLS_CHAIN_REFUSED"), "TlsChainRefused");
        assert_eq!(pascal("NOT_UTF8"), "NotUtf8");
        let code = Code { number: 7, name: "A_B".into(), hint: "a < b & c".into() };
        let text = enumeration(&[Code { number: 0, name: "OK".into(), hint: String::new() }, code]);
        assert!(
            text.ends_with("        /// <summary>What to do: a &lt; b &amp; c.</summary>\n        AB = 7,\n    }\n}\n")
        );
        assert!(!text.contains("Ok"));
    }

    #[test]
    fn codes_are_only_added() {
        assert!(append_only("0 OK\n7 A\n", "0 OK\n6 NEW\n7 A\n").is_ok());
        for now in ["0 OK\n8 A\n", "0 OK\n7 B\n", "0 OK\n"] {
            assert!(append_only("0 OK\n7 A\n", now).is_err(), "{now}");
        }
    }

    #[test]
    fn symbols_are_sorted_names() {
        assert_eq!(exported("amt_b T 10 20\namt_a T 0 4\n\n"), "amt_a\namt_b\n");
    }
}
