//! `test`: the stages, their order, and the summary at the end.

use crate::beside::Beside;
use crate::process::{Missing, cargo, need_rustup, program, read, run as run_program, watch};
use crate::{
    abi, dist, dotnet, errors_page, files, fuzz, interop, kerberos, kill, layers, openssl, process, python,
    virtual_machines, windows,
};
use anyhow::{Result, bail};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Checks that were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Count {
    /// One check.
    pub(crate) fn one(good: bool) -> Self {
        Self { passed: good.into(), failed: (!good).into() }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

struct Stage {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<Count>,
}

impl Stage {
    /// Runs it, and says what kept it from its end.
    fn outcome(&self) -> (Outcome, Duration) {
        let start = Instant::now();
        let outcome = match (self.run)() {
            Ok(count) => Outcome::Ran(count),
            Err(error) if !process::in_ci() && error.is::<Missing>() => Outcome::Skipped(format!("{error:#}")),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        if let Outcome::Failed(message) | Outcome::Skipped(message) = &outcome {
            println!("{message}");
        }
        (outcome, start.elapsed())
    }
}

/// Quick ones first: a mistake is told early.
const STAGES: &[Stage] = &[
    Stage { name: "fmt", what: "rustfmt changes nothing", run: fmt },
    Stage { name: "files", what: "no source file is too long", run: || single(files::check()) },
    Stage { name: "layers", what: "no forbidden dependency", run: || single(layers::check(&process::root())) },
    Stage { name: "clippy", what: "no lint, in all targets and the fuzz targets", run: clippy },
    Stage { name: "rustdoc", what: "the documentation builds without a warning", run: rustdoc },
    Stage { name: "wasm", what: "the crates without I/O build for wasm32", run: wasm },
    Stage { name: "test", what: "the tests of all Rust crates", run: test },
    Stage { name: "pure", what: "the library without OpenSSL, and that it has none", run: pure },
    Stage { name: "windows", what: "library and command line for Windows, run under Wine", run: windows::check },
    Stage { name: "errors", what: "docs/errors.md is the registry", run: || single(errors_page::check(false)) },
    Stage {
        name: "abi",
        what: "header, symbols and codes are the committed ones, and a change of one is noticed",
        run: abi::check_and_change,
    },
    Stage { name: "c", what: "C programs and examples against the library", run: interop::c },
    Stage {
        name: "dotnet",
        what: "C# under mono against the library, and the PowerShell module's text",
        run: dotnet::check,
    },
    Stage { name: "python", what: "the wheel, tested from Python", run: python::check },
    Stage {
        name: "dist",
        what: "packages of all this, unpacked elsewhere, and the examples from there",
        run: || dist::run_all(dist::Build::Development),
    },
    Stage {
        name: "demo",
        what: "virtual machines from hello to verified, of one family and of all",
        run: || virtual_machines::demo(25),
    },
    Stage { name: "openssl", what: "s_client is let in or refused by virtual firmware", run: openssl::check },
    Stage {
        name: "client",
        what: "MeshCentral's programs read provisioned machines and our setup.bin, and set machines up from inside",
        run: interop::meshcentral,
    },
    Stage {
        name: "kerberos",
        what: "log-in by Kerberos at a domain controller, and accounts in a directory, both of the test's own",
        run: kerberos::check,
    },
    Stage { name: "kill", what: "a short kill test", run: || single(kill::run(8, 1)) },
    Stage { name: "fuzz", what: "every fuzz target for a few seconds", run: || single(fuzz::run(5, &[])) },
];

/// What mostly waits beside what mostly computes. The second of a pair runs while the first does; no two of a pair write to the same place.
const SIDE_BY_SIDE: &[(&str, &str)] = &[("pure", "dotnet"), ("windows", "c"), ("kill", "fuzz")];

/// How a stage ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ran(Count),
    Failed(String),
    Skipped(String),
}

/// Prints the names of the stages.
pub(crate) fn list() {
    for stage in STAGES {
        println!("{:<8} {}", stage.name, stage.what);
    }
}

/// Runs the stages named in `only`, or all; the last line printed is `N passed, N failed`.
pub(crate) fn run(only: &[String]) -> ExitCode {
    if let Some(unknown) = only.iter().find(|name| !STAGES.iter().any(|stage| stage.name == *name)) {
        eprintln!("xtask: {unknown}: no such stage; `cargo xtask test --list` has them");
        return ExitCode::from(2);
    }
    let started = Instant::now();
    let chosen = |name: &str| only.is_empty() || only.iter().any(|asked| asked == name);
    let mut results: Vec<(&Stage, Outcome, Duration)> = Vec::new();
    for stage in STAGES.iter().filter(|stage| chosen(stage.name)) {
        if results.iter().any(|(done, ..)| done.name == stage.name) {
            continue;
        }
        println!("\n== {}: {}", stage.name, stage.what);
        let second = second_of(stage.name).filter(|second| chosen(second.name));
        let second = second.map(|second| (second, Beside::start(second.name)));
        let (outcome, elapsed) = stage.outcome();
        results.push((stage, outcome, elapsed));
        if let Some((second, running)) = second {
            let (outcome, elapsed) = running
                .and_then(Beside::finish)
                .unwrap_or_else(|error| (Outcome::Failed(format!("{error:#}")), Duration::ZERO));
            results.push((second, outcome, elapsed));
        }
    }
    let total = summary(&results, started.elapsed());
    if total.failed == 0 && total.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The stage that runs while the one called `first` does.
fn second_of(first: &str) -> Option<&'static Stage> {
    let (_, second) = SIDE_BY_SIDE.iter().find(|(name, _)| *name == first)?;
    STAGES.iter().find(|stage| stage.name == *second)
}

fn summary(results: &[(&Stage, Outcome, Duration)], elapsed: Duration) -> Count {
    let mut total = Count::default();
    println!("\n== summary");
    for (stage, outcome, duration) in results {
        total.add(match outcome {
            Outcome::Ran(count) => *count,
            Outcome::Failed(_) => Count::one(false),
            Outcome::Skipped(_) => Count::default(),
        });
        println!("{}", row(stage.name, outcome, *duration));
    }
    println!("{:.0} s in all", elapsed.as_secs_f64());
    println!("{}", last_line(total));
    total
}

/// A line of the summary.
pub(crate) fn row(name: &str, outcome: &Outcome, duration: Duration) -> String {
    let first = |message: &String| message.lines().next().unwrap_or_default().to_owned();
    let (mark, detail) = match outcome {
        Outcome::Ran(count) if count.failed == 0 => ("ok", checks(*count)),
        Outcome::Ran(count) => ("FAILED", checks(*count)),
        Outcome::Failed(message) => ("FAILED", first(message)),
        Outcome::Skipped(message) => ("SKIPPED", first(message)),
    };
    format!("{mark:<8} {name:<8} {:>6.1} s  {detail}", duration.as_secs_f64())
}

/// The line at the very end.
pub(crate) fn last_line(total: Count) -> String {
    format!("{} passed, {} failed", total.passed, total.failed)
}

/// What a row says of the checks that were made; nothing of the only one.
pub(crate) fn checks(count: Count) -> String {
    match count {
        Count { passed: 1, failed: 0 } => String::new(),
        Count { passed, failed: 0 } => format!("{passed} checks"),
        Count { passed, failed } => format!("{passed} passed, {failed} failed"),
    }
}

/// A stage that is one check.
fn single(result: Result<()>) -> Result<Count> {
    result.map(|()| Count::one(true))
}

fn fmt() -> Result<Count> {
    need_rustup("component", "rustfmt", succeeds(&["fmt", "--version"]))?;
    single(run_program(&mut cargo(&["fmt", "--all", "--check"])))
}

fn clippy() -> Result<Count> {
    need_rustup("component", "clippy", succeeds(&["clippy", "--version"]))?;
    process::need("python3", "python3")?;
    process::need("c++", "g++")?;
    single(run_program(&mut cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-Dwarnings"])))
}

fn rustdoc() -> Result<Count> {
    let mut command = cargo(&["doc", "--quiet", "--workspace", "--no-deps", "--exclude", "amt-py"]);
    single(run_program(command.env("RUSTDOCFLAGS", "-Dwarnings")))
}

fn wasm() -> Result<Count> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let folder = read(&mut program("rustc", &["--print", "target-libdir", "--target", TARGET]))?;
    need_rustup("target", TARGET, std::path::Path::new(folder.trim()).is_dir())?;
    let mut count = Count::default();
    for package in layers::PURE.iter().filter(|package| process::root().join(package).is_dir()) {
        let mut build = cargo(&["build", "--quiet", "--target", TARGET, "-p", package]);
        run_program(build.args(process::UNOPTIMISED.iter().flat_map(|setting| ["--config", setting])))?;
        count.add(Count::one(true));
    }
    Ok(count)
}

/// OpenSSL's own programs are the peers of some tests.
fn test() -> Result<Count> {
    process::need("openssl", "openssl")?;
    // Where mtools are not and cannot be, the test of the stick image says so; in CI it fails.
    if let Err(missing) = process::need("mtype", "mtools") {
        println!("{missing:#}");
    }
    tests_of(&["--workspace", "--no-fail-fast"])
}

/// What is built without the feature `legacy-tls` has no C library but SQLite in it.
fn pure() -> Result<Count> {
    for package in ["amt", "amt-ffi", "amt-sim"] {
        let tree = read(&mut cargo(&["tree", "--package", package, "--edges", "normal,build", "--prefix", "none"]))?;
        if let Some(line) = tree.lines().find(|line| line.starts_with("openssl-sys ")) {
            bail!("{package} without features depends on {line}");
        }
    }
    let mut count = tests_of(&["--package", "amt", "--lib"])?;
    count.add(tests_of(&["--package", "amt", "--test", "all", "--", "pure::", "provision::"])?);
    Ok(count)
}

fn tests_of(what: &[&str]) -> Result<Count> {
    let mut count = Count::default();
    // Most of them wait for time to pass, not for a processor.
    let threads = 4 * std::thread::available_parallelism().map_or(2, usize::from);
    let mut command = cargo(&["test"]);
    command.args(what).env("RUST_TEST_THREADS", threads.to_string());
    let good = watch(&mut command, |line| count.add(test_result(line)))?;
    if count == Count::default() {
        bail!("no test ran");
    }
    if !good && count.failed == 0 {
        bail!("cargo test failed");
    }
    Ok(count)
}

/// `test result: ok. 9 passed; 0 failed; 0 ignored; …`
pub(crate) fn test_result(line: &str) -> Count {
    let Some(result) = line.strip_prefix("test result: ") else { return Count::default() };
    let number = |word: &str| {
        let part = result.split("; ").find(|part| part.ends_with(word));
        part.and_then(|part| part.split(' ').rev().nth(1)).and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    Count { passed: number(" passed"), failed: number(" failed") }
}

fn succeeds(arguments: &[&str]) -> bool {
    cargo(arguments).output().is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_cargo_test_are_read() {
        let line = "test result: FAILED. 9 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(test_result(line), Count { passed: 9, failed: 2 });
        assert_eq!(test_result("test json ... ok"), Count::default());
    }

    #[test]
    fn a_failed_stage_fails_the_run_and_a_skipped_one_does_not() {
        let stage = &STAGES[0];
        let result = |outcome| (stage, outcome, Duration::ZERO);
        let good = [result(Outcome::Ran(Count::one(true))), result(Outcome::Skipped("no tool".into()))];
        assert_eq!(summary(&good, Duration::ZERO), Count { passed: 1, failed: 0 });
        assert_eq!(summary(&[result(Outcome::Failed("x".into()))], Duration::ZERO), Count { passed: 0, failed: 1 });
    }

    #[test]
    fn names_of_stages_are_unique() {
        let names: std::collections::BTreeSet<_> = STAGES.iter().map(|stage| stage.name).collect();
        assert_eq!(names.len(), STAGES.len());
    }

    #[test]
    fn of_stages_side_by_side_the_first_comes_first() {
        let place = |name: &str| STAGES.iter().position(|stage| stage.name == name);
        for (first, second) in SIDE_BY_SIDE {
            assert!(place(first).is_some() && place(first) < place(second), "{first} and {second}");
            assert_eq!(second_of(first).map(|stage| stage.name), Some(*second));
        }
    }
}
