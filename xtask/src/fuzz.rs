//! `fuzz`: libFuzzer over the targets of `fuzz/`, on the stable toolchain.
//!
//! The code under test has no `unsafe`, so coverage feedback is all that is needed and no sanitizer is built in. Crates of others have no
//! counters: what they do with an input shows in what ours do next.

use crate::process::{build_beside_tests, need, root, run as run_program, several, target};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// Longest input that is tried.
const MAX_INPUT: u32 = 64 * 1024;

/// One target's result.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    target: String,
    executions: u64,
    coverage: u64,
    features: u64,
    seconds: u64,
    findings: Vec<String>,
}

/// Runs `targets`, or all, for `seconds` each; fails if one found something.
pub(crate) fn run(seconds: u64, targets: &[String]) -> Result<()> {
    let all = all_targets()?;
    let chosen: Vec<String> = if targets.is_empty() { all.clone() } else { targets.to_vec() };
    if let Some(unknown) = chosen.iter().find(|name| !all.contains(name)) {
        bail!("{unknown}: no such target; there are {}", all.join(", "));
    }
    let binaries = build(&chosen)?;
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let reports = several(workers, chosen, |name| run_one(&binaries.join(&name), &name, seconds).with_context(|| name));
    let mut reports = reports.into_iter().collect::<Result<Vec<_>>>()?;
    reports.sort_by(|a, b| a.target.cmp(&b.target));
    println!("{:<16} {:>12} {:>9} {:>9} {:>5}  findings", "target", "executions", "coverage", "features", "s");
    for r in &reports {
        let findings = if r.findings.is_empty() { "none".to_owned() } else { r.findings.join(", ") };
        println!(
            "{:<16} {:>12} {:>9} {:>9} {:>5}  {findings}",
            r.target, r.executions, r.coverage, r.features, r.seconds
        );
    }
    let idle: Vec<&str> = reports.iter().filter(|r| r.executions == 0).map(|r| r.target.as_str()).collect();
    if !idle.is_empty() {
        bail!("nothing was executed by {}", idle.join(", "));
    }
    let found: Vec<&str> = reports.iter().filter(|r| !r.findings.is_empty()).map(|r| r.target.as_str()).collect();
    if !found.is_empty() {
        bail!("findings in {}: make each a test file of its crate, then mend it", found.join(", "));
    }
    Ok(())
}

fn all_targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root().join("fuzz/fuzz_targets")).context("fuzz/fuzz_targets")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Builds all targets with coverage counters and returns the folder of the programs.
fn build(targets: &[String]) -> Result<std::path::PathBuf> {
    need("c++", "g++")?;
    let programs: Vec<&str> = targets.iter().flat_map(|name| ["--bin", name]).collect();
    // Only our own crates count: those of others are the ones that the tests were built with.
    let mut command = build_beside_tests(&programs);
    run_program(command.env("RUSTC_WORKSPACE_WRAPPER", root().join("fuzz/rustc.sh")))?;
    Ok(target("debug"))
}

fn run_one(binary: &Path, name: &str, seconds: u64) -> Result<Report> {
    let corpus = root().join("fuzz/corpus").join(name);
    let artifacts = root().join("fuzz/artifacts").join(name);
    std::fs::create_dir_all(&corpus)?;
    std::fs::create_dir_all(&artifacts)?;
    let before = files(&artifacts)?;
    let mut command = Command::new(binary);
    command.current_dir(root()).arg(&corpus);
    let seeds = root().join("fuzz/seeds").join(name);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={MAX_INPUT}"))
        .args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"])
        .arg(format!("-artifact_prefix={}/", artifacts.display()));
    let started = std::time::Instant::now();
    let output = command.stdout(Stdio::null()).stderr(Stdio::piped()).output()?;
    let log = String::from_utf8_lossy(&output.stderr);
    let mut report = read_log(&log);
    report.target = name.to_owned();
    report.seconds = started.elapsed().as_secs();
    report.findings = files(&artifacts)?.into_iter().filter(|file| !before.contains(file)).collect();
    if !output.status.success() {
        let tail: Vec<&str> = log.lines().rev().take(30).collect();
        eprintln!("{name}:\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        if report.findings.is_empty() {
            report.findings.push(output.status.to_string());
        }
    }
    Ok(report)
}

/// Reads what libFuzzer prints: `#123 DONE cov: 45 ft: 67 …` and `stat::number_of_executed_units: 123`.
fn read_log(log: &str) -> Report {
    let mut report = Report::default();
    for line in log.lines() {
        if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
            report.executions = number.trim().parse().unwrap_or(0);
        }
        let after = |name: &str| line.split(name).nth(1)?.split_whitespace().next()?.parse::<u64>().ok();
        if line.starts_with('#') {
            report.coverage = after(" cov: ").unwrap_or(report.coverage);
            report.features = after(" ft: ").unwrap_or(report.features);
        }
    }
    report
}

fn files(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_libfuzzer_is_read() {
        let log = "INFO: Seed: 1\n#2\tINITED cov: 10 ft: 11 corp: 1/1b\n#9\tDONE   cov: 45 ft: 67 corp: 2/3b\n\
                   stat::number_of_executed_units: 9000\nstat::average_exec_per_sec: 1";
        let report = read_log(log);
        assert_eq!((report.executions, report.coverage, report.features), (9000, 45, 67));
    }
}
