//! The Python package: a wheel, and in a release what it is built of.

use super::{Build, fresh, released};
use crate::process::{program, run, target};
use crate::python;
use anyhow::{Result, bail};
use std::path::PathBuf;

/// Builds it.
pub(super) fn build(build: Build) -> Result<Vec<PathBuf>> {
    if build == Build::Development {
        return Ok(vec![python::wheel()?]);
    }
    let folder = target("dist-wheels");
    fresh(&folder)?;
    let maturin = python::environment()?.join("bin/maturin");
    let mut command = program(maturin, &["build", "--quiet", "--profile", "dist", "--strip", "--sdist", "--out"]);
    command.arg(&folder).args(["--manifest-path", "amt-py/Cargo.toml"]).env("CARGO_TARGET_DIR", target(""));
    run(released(&mut command)?)?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        files.push(entry?.path());
    }
    files.sort();
    if files.len() != 2 {
        bail!("maturin made {files:?}");
    }
    Ok(files)
}
