//! `check-layers`: arrows point down only (`docs/architecture.md`).

use crate::process::{cargo, read};
use anyhow::{Context, Result, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use std::collections::BTreeSet;
use std::path::Path;

/// Each crate and the ones it may depend on. A crate that is not here is not allowed into the workspace.
const ALLOWED: &[(&str, &[&str])] = &[
    ("amt-core", &[]),
    ("amt-wsman", &["amt-core"]),
    ("amt-heci", &["amt-core"]),
    ("amt-provision", &["amt-core", "amt-wsman", "amt-heci"]),
    ("amt", &["amt-core", "amt-wsman", "amt-heci", "amt-provision"]),
    ("amt-fleet", &["amt-core", "amt-wsman", "amt-heci", "amt-provision", "amt"]),
    ("amt-sim", &["amt-core", "amt-wsman", "amt-heci"]),
    ("amt-cli", &["amt-core", "amt-wsman", "amt-heci", "amt-provision", "amt", "amt-fleet", "amt-sim"]),
    ("amt-ffi", &["amt-core", "amt-wsman", "amt-heci", "amt-provision", "amt", "amt-fleet"]),
    ("amt-py", &["amt-core", "amt-wsman", "amt-heci", "amt-provision", "amt", "amt-fleet", "amt-sim"]),
    ("amt-benches", &["amt-core", "amt-wsman", "amt-heci", "amt-provision", "amt", "amt-fleet", "amt-sim"]),
    ("amt-fuzz", &["amt-core", "amt-wsman", "amt-heci", "amt-provision", "amt", "amt-fleet"]),
    ("xtask", &[]),
];

/// Crates without I/O, clock and randomness.
pub(crate) const PURE: &[&str] = &["amt-core", "amt-wsman", "amt-heci", "amt-provision"];

/// What a pure crate must not reach through any chain of dependencies: runtimes, TLS, randomness, sockets, systems.
const IMPURE: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "mio",
    "rustls",
    "tokio-rustls",
    "openssl",
    "openssl-sys",
    "native-tls",
    "ring",
    "aws-lc-rs",
    "getrandom",
    "rand",
    "fastrand",
    "socket2",
    "libc",
    "rustix",
    "nix",
    "windows",
    "windows-sys",
    "wasi",
    "js-sys",
    "chrono",
    "time",
];

/// Edges on which an impure crate is harmless, and why.
const EXEMPT: &[(&str, &str)] = &[
    // Asks the processor for its features on some platforms; no I/O.
    ("cpufeatures", "libc"),
];

/// Fails with every forbidden edge of the workspace at `root`.
pub(crate) fn check(root: &Path) -> Result<()> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .exec()
        .with_context(|| format!("cargo metadata in {}", root.display()))?;
    let forbidden: Vec<String> = own_edges(&metadata).into_iter().chain(impure_paths(root, &metadata)?).collect();
    if forbidden.is_empty() {
        println!("{} crates, no forbidden edge", metadata.workspace_members.len());
        return Ok(());
    }
    bail!("forbidden dependencies:\n  {}", forbidden.join("\n  "))
}

/// Edges between our crates that [`ALLOWED`] does not have.
fn own_edges(metadata: &Metadata) -> Vec<String> {
    let members = metadata.workspace_packages();
    let names: BTreeSet<&str> = members.iter().map(|package| package.name.as_str()).collect();
    let mut forbidden = Vec::new();
    for package in members {
        let name = package.name.as_str();
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            forbidden
                .push(format!("{name}: has no layer; give it one in xtask/src/layers.rs and docs/architecture.md"));
            continue;
        };
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            // A crate may name itself to switch on its own features in tests.
            let tests_only = dependency.kind == DependencyKind::Development && (to == "amt-sim" || to == name);
            if names.contains(to) && !allowed.contains(&to) && !tests_only {
                forbidden.push(format!("{name} -> {to} ({})", kind(dependency.kind)));
            }
        }
    }
    forbidden
}

/// Chains of dependencies from a pure crate to an impure one, on any platform.
///
/// Asked of `cargo tree`, one crate at a time: the graph of `cargo metadata` carries the features that any crate of the
/// workspace switches on, so it shows chains that this crate alone does not have.
fn impure_paths(root: &Path, metadata: &Metadata) -> Result<Vec<String>> {
    let mut forbidden = Vec::new();
    for package in metadata.workspace_packages().into_iter().filter(|p| PURE.contains(&p.name.as_str())) {
        let mut tree = cargo(&["tree", "--quiet", "--target", "all", "--edges", "normal,no-proc-macro"]);
        tree.args(["--prefix", "depth", "--format", " {p}", "--package", &package.name]).current_dir(root);
        forbidden.extend(impure_chains(&read(&mut tree)?));
    }
    Ok(forbidden)
}

/// Reads a tree whose lines are `DEPTH NAME vVERSION …`.
fn impure_chains(tree: &str) -> Vec<String> {
    let mut chain: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for line in tree.lines() {
        let mut words = line.split_whitespace();
        let (Some(Ok(depth)), Some(name)) = (words.next().map(str::parse::<usize>), words.next()) else { continue };
        chain.truncate(depth);
        let exempt = chain.last().is_some_and(|from| EXEMPT.contains(&(from, name)));
        // Below an impure crate there is nothing more to say.
        let below = chain.iter().any(|name| IMPURE.contains(name));
        chain.push(name);
        if IMPURE.contains(&name) && !exempt && !below {
            found.push(chain.join(" -> "));
        }
    }
    found
}

fn kind(kind: DependencyKind) -> &'static str {
    match kind {
        DependencyKind::Development => "in tests",
        DependencyKind::Build => "in its build script",
        _ => "normal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::root;
    use std::fs;

    /// A copy of the workspace: the manifests, and the sources so that every target is there.
    fn copy() -> tempfile::TempDir {
        let to = tempfile::tempdir().unwrap();
        for file in ["Cargo.toml", "Cargo.lock"] {
            fs::copy(root().join(file), to.path().join(file)).unwrap();
        }
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let members = manifest.split("members = [").nth(1).unwrap().split(']').next().unwrap();
        for member in members.split(',').map(|m| m.trim().trim_matches('"')).filter(|m| !m.is_empty()) {
            copy_folder(&root().join(member), &to.path().join(member));
        }
        to
    }

    fn copy_folder(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            match entry.file_type().unwrap() {
                kind if kind.is_dir() && entry.file_name() != "target" && entry.file_name() != ".venv" => {
                    copy_folder(&from, &to);
                }
                kind if kind.is_file() => drop(fs::copy(from, to).unwrap()),
                _ => {}
            }
        }
    }

    /// Adds a dependency to a crate of the copy and returns what the check says.
    fn with_edge(table: &str, from: &str, line: &str) -> String {
        let copy = copy();
        let manifest = copy.path().join(from).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let changed = if text.contains(&format!("[{table}]\n")) {
            text.replace(&format!("[{table}]\n"), &format!("[{table}]\n{line}\n"))
        } else {
            format!("{text}\n[{table}]\n{line}\n")
        };
        fs::write(&manifest, changed).unwrap();
        check(copy.path()).expect_err("the check saw nothing").to_string()
    }

    #[test]
    fn the_workspace_has_no_forbidden_edge() {
        check(copy().path()).unwrap();
    }

    #[test]
    fn the_simulator_must_not_know_the_procedures() {
        let said = with_edge("dependencies", "amt-sim", "amt-provision.workspace = true");
        assert!(said.contains("amt-sim -> amt-provision (normal)"), "{said}");
    }

    #[test]
    fn a_pure_crate_must_not_reach_a_runtime_or_randomness() {
        let said = with_edge("dependencies", "amt-core", "tokio.workspace = true\ngetrandom.workspace = true");
        assert!(said.contains("amt-core -> tokio") && said.contains("amt-core -> getrandom"), "{said}");
        assert!(said.contains("amt-provision -> amt-core -> tokio"), "the chain is not followed: {said}");
    }

    #[test]
    fn tests_may_use_the_simulator_and_nothing_above_themselves() {
        let said = with_edge("dev-dependencies", "amt-wsman", "amt-sim.workspace = true\namt-fleet.workspace = true");
        assert!(said.contains("amt-wsman -> amt-fleet (in tests)"), "{said}");
        assert!(!said.contains("amt-wsman -> amt-sim"), "{said}");
    }

    #[test]
    fn a_chain_is_told_once_and_exemptions_hold() {
        let tree = "0 amt-x v1\n1 sha1 v1\n2 cpufeatures v1\n3 libc v1\n1 a v1\n2 tokio v1\n3 mio v1\n1 libc v1\n";
        assert_eq!(impure_chains(tree), ["amt-x -> a -> tokio", "amt-x -> libc"]);
    }

    #[test]
    fn a_crate_without_a_layer_is_refused() {
        let copy = copy();
        let manifest = copy.path().join("benches/Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap().replace("\"amt-benches\"", "\"amt-stranger\"");
        fs::write(&manifest, text).unwrap();
        let said = check(copy.path()).unwrap_err().to_string();
        assert!(said.contains("amt-stranger: has no layer"), "{said}");
    }
}
