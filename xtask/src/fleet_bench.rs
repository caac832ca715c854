//! The fleet benchmark: a setup server and many virtual machines, each a process, measured together in one run.

use crate::lab::{Lab, Setup};
use crate::process::{Background, build_amt};
use anyhow::{Context, Result, bail};
use std::time::Instant;

/// Provisions `machines` virtual machines; prints the rate, and memory and CPU time of both processes. Linux only.
pub(crate) fn run(machines: usize) -> Result<()> {
    let amt = build_amt(&[])?;
    let setup = Setup {
        name: "bench",
        machines,
        seed: 7,
        network: 104,
        time_scale: 20,
        spread: 2,
        concurrency: 128,
        psk: false,
    };
    let lab = Lab::start(&amt, &setup)?;
    let started = Instant::now();
    let mut server = Background::start(&mut lab.server("serve.log")?)?;
    // Asking for the whole truth costs the simulator time: not more often than once a second.
    while lab.provisioned()? < machines {
        if started.elapsed().as_secs() > 1200 {
            bail!("{} of {machines} machines in 1200 s; see serve.log in {}", lab.provisioned()?, lab.folder.display());
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    server.until(120, || Ok(lab.credentials()?.iter().all(|record| record["verified"] == true)))?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{machines} machines verified in {seconds:.1} s: {:.1} machines/s", machines as f64 / seconds);
    for (name, process) in [("setup server", &server), ("simulator", &lab.sim)] {
        let (user, system) = cpu_seconds(process.id())?;
        println!(
            "{name:<13} peak memory {:>6.1} MiB, CPU {user:.1} s user, {system:.1} s system",
            peak_mib(process.id())?
        );
    }
    Ok(())
}

fn peak_mib(process: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib / 1024.0)
}

fn cpu_seconds(process: u32) -> Result<(f64, f64)> {
    // Clock ticks are hundredths of a second on every Linux that Rust runs on.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |index: usize| -> Result<f64> { Ok(fields.get(index).context("a short stat")?.parse::<f64>()? / 100.0) };
    Ok((ticks(11)?, ticks(12)?))
}
