//! The library and the command line for Windows, from here: a build by MinGW, and what Wine can tell of it.

use crate::process::{UNOPTIMISED, cargo, need, need_rustup, program, read, root, run, show, target};
use crate::stages::{Count, test_result};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) const TARGET: &str = "x86_64-pc-windows-gnu";
pub(crate) const COMPILER: &str = "x86_64-w64-mingw32-gcc";
/// What `amt info` says where there is no management engine interface, as under Wine.
const ABSENT: u64 = 3001;

/// Builds, then runs the program and the tests of the device under Wine.
pub(crate) fn check() -> Result<Count> {
    need("wine", "wine")?;
    let mut count = Count::default();
    // Lints would have every dependency checked a second time; the compiler's own warnings cost nothing.
    run(cross("build", true)?.args(["-p", "amt-cli", "--bin", "amt", "--no-default-features"]))?;
    count.add(Count::one(true));

    let folder = folder().join(TARGET).join("debug");
    // Programs find it beside themselves: tests are in a folder of their own.
    for place in [folder.clone(), folder.join("deps")] {
        std::fs::create_dir_all(&place)?;
        random_numbers(&place)?;
    }
    let absent = info(&folder.join("amt.exe"));
    println!("{} amt.exe info --json: MEI_ABSENT", if absent.is_ok() { "ok" } else { "FAILED" });
    if let Err(error) = &absent {
        println!("{error:#}");
    }
    count.add(Count::one(absent.is_ok()));
    count.add(tests(&["-p", "amt", "--lib", "mei::"])?);
    count.add(tests(&["-p", "amt-cli", "--bin", "amt", "--no-default-features", "registry::"])?);
    Ok(count)
}

/// Everything that is built for Windows.
pub(crate) fn folder() -> PathBuf {
    target("windows")
}

/// `cargo` for Windows, in a target folder of its own; `quick` for what is only tested.
pub(crate) fn cross(task: &str, quick: bool) -> Result<Command> {
    let libraries = read(&mut program("rustc", &["--print", "target-libdir", "--target", TARGET]))?;
    need_rustup("target", TARGET, Path::new(libraries.trim()).is_dir())?;
    need(COMPILER, "gcc-mingw-w64-x86-64")?;
    let mut command = cargo(&[task, "--quiet", "--target", TARGET, "--target-dir"]);
    command.arg(folder());
    if quick {
        command.args(UNOPTIMISED.iter().flat_map(|setting| ["--config", setting]));
    }
    command.args(["--config", &format!("target.{TARGET}.rustflags=[\"-Dwarnings\"]")]);
    Ok(command)
}

/// Tests of the device and of the registry, on Windows' own calls as Wine has them.
fn tests(which: &[&str]) -> Result<Count> {
    let mut count = Count::default();
    let mut tests = cross("test", true)?;
    under_wine(tests.args(which).env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine"));
    let good = crate::process::watch(&mut tests, |line| count.add(test_result(line.trim_end())))?;
    if !good && count.failed == 0 || count == Count::default() {
        bail!("the tests did not run under Wine: {}", which.join(" "));
    }
    Ok(count)
}

/// `amt.exe info --json` fails as documented: with status 1 and one document on stderr.
fn info(amt: &Path) -> Result<()> {
    let mut command = wine(amt);
    command.args(["info", "--json"]);
    println!("$ {}", show(&command));
    let Output { status, stdout, stderr } = command.output().context("cannot start wine")?;
    let stderr = String::from_utf8_lossy(&stderr);
    // Wine itself may say something before.
    let document = stderr.lines().find(|line| line.starts_with('{')).with_context(|| format!("no JSON: {stderr}"))?;
    println!("{document}");
    let error = &serde_json::from_str::<Value>(document)?["error"];
    let is_told = |name: &str| error[name].as_str().is_some_and(|text| !text.is_empty());
    let right = status.code() == Some(1)
        && stdout.is_empty()
        && error["code"] == ABSENT
        && error["name"] == "MEI_ABSENT"
        && error["stage"] == "mei"
        && is_told("message")
        && is_told("hint");
    if !right {
        bail!("{status}, not what was expected");
    }
    Ok(())
}

/// A program for Windows.
pub(crate) fn wine(binary: &Path) -> Command {
    let mut command = program("wine", &[]);
    under_wine(command.arg(binary));
    command
}

/// Wine with a folder of its own, silent and without what it would download.
fn under_wine(command: &mut Command) {
    command
        .env("WINEPREFIX", folder().join("wine"))
        .env("WINEDEBUG", "-all")
        .env("WINEDLLOVERRIDES", "mscoree,mshtml=");
}

/// What Wine before 9 lacks of Windows, for tests only.
pub(crate) fn random_numbers(place: &Path) -> Result<()> {
    let mut compile = program(COMPILER, &["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-s", "-o"]);
    compile.arg(place.join("bcryptprimitives.dll"));
    run(compile.arg(root().join("tests/windows/bcryptprimitives.c")).arg("-ladvapi32"))
}
