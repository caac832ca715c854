//! The bill of materials: every crate that the shipped library, program and wheel are built of, and the C code within some.

use super::VERSION;
use crate::process::root;
use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand, PackageId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What is shipped is built of these.
const SHIPPED: &[&str] = &["amt-ffi", "amt-cli", "amt-py"];
/// C code that a crate carries: crate, name, package URL without its version.
const INSIDE: &[(&str, &str, &str)] =
    &[("openssl-src", "OpenSSL", "pkg:github/openssl/openssl"), ("libsqlite3-sys", "SQLite", "pkg:generic/sqlite")];

/// Writes it in CycloneDX's form.
pub(super) fn write(out: &Path) -> Result<PathBuf> {
    let metadata = MetadataCommand::new().current_dir(root()).other_options(vec!["--locked".into()]).exec()?;
    let graph = metadata.resolve.as_ref().context("cargo metadata resolves nothing")?;
    let nodes: BTreeMap<&PackageId, _> = graph.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut open: Vec<&PackageId> =
        metadata.packages.iter().filter(|p| SHIPPED.contains(&p.name.as_str())).map(|p| &p.id).collect();
    let mut shipped = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !shipped.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).map_or(&[][..], |node| &node.deps);
        // What only tests need is not shipped; what a build needs may leave code behind.
        let kept = |kinds: &[cargo_metadata::DepKindInfo]| kinds.iter().any(|k| k.kind != DependencyKind::Development);
        open.extend(dependencies.iter().filter(|d| kept(&d.dep_kinds)).map(|d| &d.pkg));
    }
    let checksums = checksums()?;
    let mut components = Vec::new();
    for package in metadata.packages.iter().filter(|package| shipped.contains(&package.id)) {
        let (name, version) = (package.name.to_string(), package.version.to_string());
        let mut component = json!({
            "type": "library",
            "name": name,
            "version": version,
            "purl": format!("pkg:cargo/{name}@{version}"),
        });
        if let Some(licence) = &package.license {
            component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
        }
        if let Some(checksum) = checksums.get(&(name.clone(), version.clone())) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
        }
        components.push(component);
        components.extend(
            INSIDE.iter().filter(|(inside, ..)| *inside == name).map(|(_, title, purl)| carried(title, purl, &version)),
        );
    }
    let bom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "library", "name": "amt", "version": VERSION}},
        "components": components,
    });
    let file = out.join(format!("amt-{VERSION}.cdx.json"));
    fs::write(&file, serde_json::to_string_pretty(&bom)? + "\n")?;
    println!("{} components in {}", components.len(), file.display());
    Ok(file)
}

/// A crate that carries C code may have the version of that code after a plus sign: `300.5.4+3.5.4`.
fn carried(title: &str, purl: &str, version: &str) -> Value {
    match version.split_once('+') {
        Some((_, inner)) => {
            json!({"type": "library", "name": title, "version": inner, "purl": format!("{purl}@{inner}")})
        }
        None => {
            json!({"type": "library", "name": title, "description": format!("as carried by the crate of version {version}")})
        }
    }
}

/// SHA-256 of every crate, out of `Cargo.lock`.
fn checksums() -> Result<BTreeMap<(String, String), String>> {
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    let mut found = BTreeMap::new();
    for entry in lock.split("[[package]]") {
        let field = |name: &str| {
            let start = format!("{name} = \"");
            entry.lines().find_map(|line| Some(line.strip_prefix(&start)?.trim_end_matches('"').to_owned()))
        };
        if let (Some(name), Some(version), Some(checksum)) = (field("name"), field("version"), field("checksum")) {
            found.insert((name, version), checksum);
        }
    }
    Ok(found)
}
