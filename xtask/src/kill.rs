//! `kill`: the setup server is killed with SIGKILL again and again while it provisions virtual machines.
//!
//! Most kills are aimed: the server is built with failpoints and ends itself at a named one, around every record that is made
//! durable and around every call that is made once. The others come from outside at a random moment. After each, what the
//! database holds is held against what the machines know: no machine may be without a password that opens it.

use crate::lab::{Lab, Setup};
use crate::process::{build_amt, target};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SIGKILL: i32 = 9;
/// Machines of one round; a round ends when all are set up.
const MACHINES: usize = 12;
/// A server that reaches neither its failpoint nor an end of work in this time is killed from outside.
const PATIENCE: Duration = Duration::from_secs(20);

/// Places at which the server ends itself: the steps that make a record durable, and the calls that are made once.
const FAILPOINTS: &[&str] = &[
    "persist-before:record-credentials",
    "persist-after:record-credentials",
    "step:set-mebx-password",
    "step:set-admin-password",
    "transmit-before:set-mebx-password",
    "transmit-after:set-mebx-password",
    "transmit-before:set-admin-password",
    "transmit-after:set-admin-password",
    "transmit-before:generate-key",
    "transmit-after:generate-key",
    "persist-before:generate-key",
    "persist-after:generate-key",
    "persist-before:sign-request",
    "persist-after:sign-request",
    "certify-before",
    "certify-after",
    "persist-before:certify",
    "persist-after:certify",
    "transmit-before:add-certificate",
    "transmit-after:add-certificate",
    "persist-before:add-certificate",
    "persist-after:add-certificate",
    "transmit-after:bind-certificate",
    "transmit-after:set-tls",
    "persist-before:commit",
    "persist-after:commit",
    "transmit-before:commit",
    "transmit-after:commit",
    "step:prove",
    "transmit-after:prove",
    "persist-before:done",
    "persist-after:done",
];

/// The same for machines that wait for a pre-shared pair and make no keys themselves.
const FAILPOINTS_PSK: &[&str] = &[
    "persist-before:set-psk",
    "persist-after:set-psk",
    "transmit-before:set-psk",
    "transmit-after:set-psk",
    "transmit-after:commit",
    "persist-after:generate-key",
    "transmit-before:add-key",
    "transmit-after:add-key",
    "persist-after:add-key",
    "persist-before:record-credentials",
    "persist-after:record-credentials",
    "transmit-after:set-mebx-password",
    "transmit-after:set-admin-password",
    "certify-after",
    "transmit-after:add-certificate",
    "transmit-after:set-tls",
    "persist-before:commit",
    "persist-after:commit",
    "transmit-before:commit",
    "transmit-after:prove",
    "persist-before:done",
    "persist-after:done",
];

/// Kills `serve` `kills` times with machines that take a certificate, and as often with such that wait for a pre-shared pair; fails unless every machine ends verified and no machine was ever without a known password.
pub(crate) fn run(kills: u32, seed: u64) -> Result<()> {
    // A copy: the next build without failpoints replaces the original.
    let amt = target("amt-with-failpoints");
    std::fs::copy(build_amt(&["amt-cli/failpoints"])?, &amt)?;
    let mut random = Random(seed.max(1));
    for (psk, places) in [(false, FAILPOINTS), (true, FAILPOINTS_PSK)] {
        let mut tally = Tally::default();
        let mut round = 0;
        while tally.kills < kills {
            round += 1;
            let setup = Setup {
                name: "kill",
                machines: MACHINES,
                seed: seed + round,
                network: 100,
                time_scale: 50,
                spread: 20,
                concurrency: 3,
                psk,
            };
            let lab = Lab::start(&amt, &setup)?;
            kill_round(&lab, kills, places, &mut tally, &mut random)?;
            finish(&lab)?;
            let what = if psk { "with a pre-shared pair" } else { "with a certificate" };
            println!("round {round}: {} machines verified {what}, {} kills so far", lab.machines, tally.kills);
        }
        tally.print();
    }
    // As many kills as of the server are spread over the two dozen messages and more of an activation.
    crate::kill_local::run(&amt, (60 / kills.max(1)).max(1))
}

#[derive(Default)]
struct Tally {
    kills: u32,
    aimed: u32,
    checks: u64,
    hits: BTreeMap<String, u32>,
}

impl Tally {
    fn print(&self) {
        println!("{:>6}  where the server was killed", "kills");
        for (place, count) in &self.hits {
            println!("{count:>6}  {place}");
        }
        println!(
            "{} kills, {} of them aimed; {} times a machine was held against the database, and was never without its password",
            self.kills, self.aimed, self.checks
        );
    }
}

/// Kills until the round's machines are all set up, or the kills are used up.
fn kill_round(lab: &Lab, kills: u32, places: &[&str], tally: &mut Tally, random: &mut Random) -> Result<()> {
    while tally.kills < kills && lab.provisioned()? < lab.machines {
        // Every fifth kill comes from outside, at any moment.
        let aimed = !tally.kills.is_multiple_of(5);
        let place = places[usize::try_from(tally.aimed).unwrap_or(0) % places.len()];
        let mut command = lab.server("serve.log")?;
        if aimed {
            command.env("AMT_FAILPOINT", format!("{place}:{}", 1 + random.below(2)));
        }
        let mut server = command.spawn().context("amt serve")?;
        let wait = if aimed { PATIENCE } else { Duration::from_millis(60 + random.below(1500)) };
        let ended = wait_for(&mut server, wait, || Ok(aimed && lab.provisioned()? == lab.machines))?;
        let place = match ended {
            Some(status) if status.signal() == Some(SIGKILL) => place.to_owned(),
            Some(status) => bail!("amt serve ended by itself: {status}; see serve.log in {}", lab.folder.display()),
            None => {
                server.kill()?;
                server.wait()?;
                "any moment, from outside".to_owned()
            }
        };
        tally.kills += 1;
        tally.aimed += u32::from(aimed);
        *tally.hits.entry(place).or_default() += 1;
        tally.checks += check(lab)?;
    }
    Ok(())
}

/// Every machine whose password was changed must be opened by a candidate of the database, and its pre-shared pair be in it.
fn check(lab: &Lab) -> Result<u64> {
    let known = lab.credentials()?;
    let shared = lab.shared_pair()?;
    let mut checks = 0;
    for machine in lab.truth()? {
        if machine["pid"].is_string() {
            check_pair(lab, &machine["uuid"], &known, shared.as_ref())?;
            checks += 1;
        }
        if machine["admin"]["set"] == false {
            continue;
        }
        let uuid = &machine["uuid"];
        let record = known.iter().find(|record| record["uuid"] == *uuid);
        let candidates = record.and_then(|record| record["credentials"].as_array()).map_or(&[][..], Vec::as_slice);
        let mut opened = false;
        for candidate in candidates {
            opened = opened || lab.opens(uuid, &candidate["password"])?;
        }
        if !opened {
            bail!("machine {uuid} is lost: none of {} recorded passwords opens it", candidates.len());
        }
        checks += 1;
    }
    Ok(checks)
}

fn check_pair(lab: &Lab, uuid: &Value, known: &[Value], shared: Option<&Value>) -> Result<()> {
    let record = known.iter().find(|record| record["uuid"] == *uuid);
    let own = record.and_then(|record| record["psk"].as_array()).map_or(&[][..], Vec::as_slice);
    for pair in own.iter().chain(shared) {
        if lab.holds(uuid, pair)? {
            return Ok(());
        }
    }
    bail!("machine {uuid} is lost: neither the vault nor {} recorded pairs are the one that it holds", own.len());
}

/// The server, left alone, finishes every machine.
fn finish(lab: &Lab) -> Result<()> {
    let mut server = lab.server("serve.log")?.spawn().context("amt serve")?;
    let all_verified = || -> Result<bool> {
        let known = lab.credentials()?;
        Ok(known.len() == lab.machines && known.iter().all(|record| record["verified"] == true))
    };
    let ended = wait_for(&mut server, Duration::from_secs(180), all_verified);
    let verified = all_verified();
    server.kill()?;
    server.wait()?;
    if let Some(status) = ended? {
        bail!("amt serve ended by itself: {status}");
    }
    if !verified? {
        bail!("not every machine was verified in 180 s; see serve.log in {}", lab.folder.display());
    }
    for machine in lab.truth()? {
        if machine["commits"] != 1 {
            bail!("machine {} was committed {} times", machine["uuid"], machine["commits"]);
        }
    }
    check(lab)?;
    Ok(())
}

/// Waits until the process ends, `done` says so, or `limit` is over; the status only if it ended by itself.
fn wait_for(
    process: &mut Child,
    limit: Duration,
    mut done: impl FnMut() -> Result<bool>,
) -> Result<Option<ExitStatus>> {
    let until = Instant::now() + limit;
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until || done()? {
            return Ok(None);
        }
        sleep(Duration::from_millis(50));
    }
}

/// Repeatable choices; nothing depends on their quality.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
