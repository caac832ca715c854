//! Virtual machines provisioned by `amt demo`: as a check, and held for clients of others.

use crate::process::{Background, build_amt, program, read, target};
use crate::stages::Count;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Provisions `devices` machines with `amt demo`; every one must be verified. Each machine counts as one check.
pub(crate) fn demo(devices: u64) -> Result<Count> {
    let amt = build_amt(&[])?;
    let mut count = all_verified(&amt, devices, &[])?;
    count.add(all_verified(&amt, MIXED, &["--persona", "mixed"])?);
    count.add(without_legacy(&amt)?);
    Ok(count)
}

/// Machines of `mixed`: every family, those with pre-shared keys both ways.
const MIXED: u64 = 16;

fn all_verified(amt: &Path, devices: u64, more: &[&str]) -> Result<Count> {
    let (report, success) = report(amt, devices, more)?;
    let (count, problems) = judge(&report, devices);
    for problem in &problems {
        println!("{problem}");
    }
    if !success && problems.is_empty() {
        bail!("amt demo failed although every machine is verified");
    }
    println!("{} machines verified in {} s {}", report["verified"], report["seconds"], more.join(" "));
    Ok(count)
}

/// Without consent to old TLS exactly the machines that need it fail, with the code that says so.
fn without_legacy(amt: &Path) -> Result<Count> {
    let (report, success) = report(amt, MIXED, &["--persona", "mixed", "--no-legacy"])?;
    let mut count = Count::one(!success);
    for machine in report["machines"].as_array().into_iter().flatten() {
        let persona = machine["persona"].as_str().context("a machine without persona")?;
        let generation: f64 = persona.trim_start_matches("amt-").parse().context("a persona without version")?;
        let refused = machine["error"]["name"] == "TLS_LEGACY_NOT_ALLOWED";
        let good = refused == (generation < 14.0) && refused != (machine["tls"]["engine"] == "rustls");
        if !good {
            println!("not as it should be without old TLS: {machine}");
        }
        count.add(Count::one(good));
    }
    Ok(count)
}

fn report(amt: &Path, devices: u64, more: &[&str]) -> Result<(Value, bool)> {
    let mut command = program(amt, &["demo", "--json", "--devices", &devices.to_string()]);
    let output = command.args(more).stderr(Stdio::inherit()).output()?;
    let report = serde_json::from_slice(&output.stdout).context("amt demo --json printed no document")?;
    Ok((report, output.status.success()))
}

/// What must be true of a demo's report: the totals, and each machine.
fn judge(report: &Value, devices: u64) -> (Count, Vec<String>) {
    let mut problems = Vec::new();
    for total in ["devices", "provisioned", "verified"] {
        if report[total] != devices {
            problems.push(format!("{total} is {}, not {devices}", report[total]));
        }
    }
    let machines = report["machines"].as_array().map_or(&[][..], Vec::as_slice);
    if machines.len() as u64 != devices {
        problems.push(format!("{} machines are listed, not {devices}", machines.len()));
    }
    for machine in machines {
        let good = machine["control_mode"] == "admin" && machine["error"].is_null() && machine["tls"].is_object();
        if !good {
            problems.push(format!("not as it should be: {machine}"));
        }
    }
    let failed = problems.len() as u64;
    (Count { passed: devices.saturating_sub(failed), failed }, problems)
}

/// Machines that stay up after they were provisioned, until this value is dropped.
pub(crate) struct Held {
    _demo: Background,
    /// What `amt fleet export-credentials --json` wrote.
    pub(crate) credentials: PathBuf,
}

impl Held {
    /// Provisions `devices` machines, keeps them, and exports their credentials.
    pub(crate) fn start(devices: u64) -> Result<Self> {
        let amt = build_amt(&[])?;
        let folder = target("held-demo");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let log = folder.join("demo.log");
        let mut command = program(&amt, &["demo", "--hold", "--devices", &devices.to_string(), "--dir"]);
        command.arg(folder.join("state")).stdout(std::fs::File::create(&log)?);
        let mut demo = Background::start(&mut command)?;
        demo.until(120, || Ok(is_ready(&std::fs::read_to_string(&log)?))).context("amt demo --hold")?;
        let credentials = folder.join("credentials.json");
        std::fs::write(&credentials, export(&amt, &folder.join("state"))?)?;
        Ok(Self { _demo: demo, credentials })
    }
}

/// The line with which `amt demo --hold` says that its machines can be used.
fn is_ready(log: &str) -> bool {
    log.lines().any(|line| line.starts_with("ready"))
}

fn export(amt: &Path, state: &Path) -> Result<String> {
    let config = state.join("serve.toml");
    read(program(amt, &["fleet", "export-credentials", "--json", "--config"]).arg(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_demo_is_good_only_if_every_machine_is() {
        let machine = json!({"control_mode": "admin", "error": null, "tls": {"version": "1.2"}});
        let mut report = json!({"devices": 2, "provisioned": 2, "verified": 2, "machines": [machine, machine]});
        assert_eq!(judge(&report, 2).0, Count { passed: 2, failed: 0 });
        report["machines"][1]["control_mode"] = "none".into();
        assert_eq!(judge(&report, 2).0, Count { passed: 1, failed: 1 });
        report["verified"] = 1.into();
        assert_eq!(judge(&report, 2).0.failed, 2);
    }
}
