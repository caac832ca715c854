//! The Python package as its users get it: a wheel, installed into a fresh environment, tested from Python.

use crate::process::{build_amt, need, program, read, run, target, watch};
use crate::stages::Count;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

const TOOLS: &[&str] = &["maturin>=1.9.4,<2", "pytest>=8,<10", "pytest-xdist>=3.6,<4", "mypy>=1.14,<2"];
/// Tests mostly wait for virtual machines: a file of them in each of three processes.
const SIDE_BY_SIDE: &[&str] = &["--numprocesses=3", "--dist=loadfile"];
/// How many times as fast as Python's own XML reader the typed one has to be.
const LEAST: &str = "2.0";

/// Builds the wheel, installs it; checks types, stubs and the examples in the documentation, runs pytest and the benchmark.
pub(crate) fn check() -> Result<Count> {
    let amt = build_amt(&[])?;
    let wheel = wheel()?;
    let python = environment()?.join("bin/python");
    run(program(&python, &["-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps"]).arg(wheel))?;

    let mut count = Count::one(hides_openssl()?);
    for check in CHECKS {
        let good = watch(program(&python, check).env("MYPYPATH", "amt-py/tests"), |_| ())?;
        count.add(Count::one(good));
    }
    let installed =
        read(&mut program(&python, &["-Pc", "import amtpy, pathlib; print(pathlib.Path(amtpy.__file__).parent)"]))?;
    for tests in [installed.trim(), "amt-py/tests"] {
        let mut command =
            program(&python, &["-m", "pytest", "-q", "-rs", "--doctest-modules", "--rootdir=amt-py", tests]);
        command.args(SIDE_BY_SIDE);
        let mut ran = Count::default();
        let good = watch(command.env("AMT_BIN", &amt), |line| ran.add(pytest_summary(line)))?;
        if ran.passed + ran.failed == 0 {
            bail!("pytest ran no tests of {tests}");
        }
        if !good && ran.failed == 0 {
            bail!("pytest failed on {tests}");
        }
        count.add(ran);
    }
    Ok(count)
}

/// Builds the wheel in the development profile.
pub(crate) fn wheel() -> Result<PathBuf> {
    let wheels = target("wheels");
    if wheels.exists() {
        std::fs::remove_dir_all(&wheels)?;
    }
    let mut build = program(environment()?.join("bin/maturin"), &["build", "--quiet", "--profile", "dev", "--out"]);
    build.arg(&wheels).args(["--manifest-path", "amt-py/Cargo.toml"]).env("CARGO_TARGET_DIR", target(""));
    run(&mut build)?;
    Ok(std::fs::read_dir(&wheels)?.next().context("maturin made no wheel")??.path())
}

/// Arguments of Python: types of the package, of its stubs against the extension, of tests and examples; speed.
const CHECKS: &[&[&str]] = &[
    &["-m", "mypy", "--strict", "--package", "amtpy"],
    &["-m", "mypy.stubtest", "amtpy"],
    &["-m", "mypy", "--strict", "amt-py/tests", "amt-py/examples", "amt-py/benches"],
    &["amt-py/benches/general_settings.py", "amt-wsman/tests/data/general_settings.xml", LEAST],
];

/// The extension has OpenSSL in it, and shows nothing of it to a process that may have another.
fn hides_openssl() -> Result<bool> {
    need("nm", "binutils")?;
    let extension = target("debug/lib_amt.so");
    let inside = read(program("nm", &["--defined-only"]).arg(&extension))?;
    if !inside.lines().any(|line| line.ends_with(" SSL_connect")) {
        bail!("{} has no OpenSSL in it", extension.display());
    }
    let shown = read(program("nm", &["-D", "--defined-only"]).arg(&extension))?;
    let foreign: Vec<&str> = shown.lines().filter(|line| !line.ends_with(" PyInit__amt")).collect();
    foreign.iter().for_each(|symbol| println!("the extension exports {symbol}"));
    Ok(foreign.is_empty())
}

/// The virtual environment with the tools, made on first use.
pub(crate) fn environment() -> Result<PathBuf> {
    environment_with("venv", TOOLS)
}

/// A virtual environment of this name with these packages, made on first use.
pub(crate) fn environment_with(name: &str, packages: &[&str]) -> Result<PathBuf> {
    need("python3", "python3-venv")?;
    let folder = target(name);
    if !folder.join("bin/pip").is_file() {
        run(program("python3", &["-m", "venv", "--clear"]).arg(&folder))?;
    }
    run(program(folder.join("bin/python"), &["-m", "pip", "install", "--quiet"]).args(packages))?;
    Ok(folder)
}

/// `3 failed, 12 passed, 1 skipped in 4.56s`; errors count as failures.
pub(crate) fn pytest_summary(line: &str) -> Count {
    // What took more than a minute is told twice: `in 128.00s (0:02:08)`.
    let line = line.trim_matches(['=', ' ']).split(" (").next().unwrap_or("");
    if !line.contains(" in ") || !line.ends_with('s') {
        return Count::default();
    }
    let mut count = Count::default();
    for part in line.split(" in ").next().unwrap_or("").split(", ") {
        let mut words = part.split(' ');
        let number = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        match words.next() {
            Some("passed") => count.passed += number,
            Some("failed" | "error" | "errors") => count.failed += number,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_pytest_is_read() {
        assert_eq!(pytest_summary("3 failed, 12 passed, 1 skipped in 4.56s"), Count { passed: 12, failed: 3 });
        assert_eq!(pytest_summary("2 failed, 107 passed in 128.00s (0:02:08)"), Count { passed: 107, failed: 2 });
        assert_eq!(pytest_summary("==== 2 passed, 1 error in 0.10s ===="), Count { passed: 2, failed: 1 });
        assert_eq!(pytest_summary("tests/test_hello.py ..... [100%]"), Count::default());
    }
}
