//! `kill`, from the machine's own system: `amt activate` is killed with SIGKILL before and after each record that it makes durable and
//! each message that it sends, and run again. The second run must end with the machine in its mode, and a third, which only logs in, must
//! find that the journal's password opens it.

use crate::interop::can_mount;
use crate::process::{Background, program};
use anyhow::{Context, Result, bail};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

const SIGKILL: i32 = 9;
const POINTS: [&str; 4] = ["persist-before", "persist-after", "transmit-before", "transmit-after"];
/// Persona, and what it is told.
const CASES: [(&str, &[&str]); 3] = [
    ("16.0", &["activate", "--ccm"]),
    ("16.0", &["activate", "--acm", "--pem", "certs/provisioning.pem"]),
    ("21.0", &["activate", "--acm", "--pem", "certs/provisioning.pem", "--ondie-root", "certs/ondie-root.pem"]),
];
/// Address of the virtual machine's network side.
const ADDRESS: &str = "127.85.0.1";

/// Kills at every `stride`th passage of each kind of point, from the first on.
pub(crate) fn run(amt: &Path, stride: u32) -> Result<()> {
    if !can_mount()? {
        println!("not tested here: kills from the machine's own system need root and /dev/fuse");
        return Ok(());
    }
    for (persona, command) in CASES {
        let mut kills = 0;
        for point in POINTS {
            let mut count = 1;
            while killed(amt, persona, command, &format!("{point}:{count}"))
                .with_context(|| format!("AMT {persona}, {}, at {point}:{count}", command.join(" ")))?
            {
                kills += 1;
                count += stride;
            }
        }
        println!("AMT {persona}, {}: killed {kills} times, each time gone on with", command.join(" "));
    }
    Ok(())
}

/// Whether it was killed at this point; if it was not, the point is behind its end.
fn killed(amt: &Path, persona: &str, command: &[&str], point: &str) -> Result<bool> {
    let machine = Machine::start(amt, persona)?;
    let first = machine.run(command, Some(point))?;
    let was_killed = first.signal() == Some(SIGKILL);
    if !was_killed && !first.success() {
        bail!("it was to be killed, and ended by itself: {first}");
    }
    let again = machine.run(command, None)?;
    let login = machine.run(command, None)?;
    if !again.success() || !login.success() {
        bail!(
            "run again it ended with {again}, and once more with {login}: see activate.log in {}",
            machine.folder.display()
        );
    }
    machine.end()?;
    Ok(was_killed)
}

struct Machine {
    amt: PathBuf,
    folder: PathBuf,
    process: Background,
}

impl Machine {
    fn start(amt: &Path, persona: &str) -> Result<Self> {
        let folder = crate::process::target("kill-local");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let mut sim = Command::new(amt);
        sim.args([
            "sim",
            "mei",
            "--mount",
            "mei0",
            "--suffix",
            "example.com",
            "--certificate",
            "certs",
            "--delay",
            "3",
        ]);
        sim.args(["--persona", persona, "--base-address", ADDRESS, "--time-scale", "20"]);
        let mut process = Background::start_quietly(sim.current_dir(&folder).stdout(Stdio::null()))?;
        process.until(20, || {
            let mut info = Command::new(amt);
            info.args(["info", "--mei", "mei0"]).current_dir(&folder).stdout(Stdio::null()).stderr(Stdio::null());
            Ok(info.status()?.success())
        })?;
        Ok(Self { amt: amt.to_owned(), folder, process })
    }

    fn run(&self, command: &[&str], point: Option<&str>) -> Result<ExitStatus> {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("activate.log"))?;
        let mut amt = program(&self.amt, command);
        amt.args(["--mei", "mei0", "--journal", "journal.db"]).current_dir(&self.folder);
        if let Some(point) = point {
            amt.env("AMT_FAILPOINT", point);
        }
        Ok(amt.stdout(log.try_clone()?).stderr(log).status()?)
    }

    fn end(self) -> Result<()> {
        let Self { folder, process, .. } = self;
        drop(process);
        Ok(std::fs::remove_dir_all(folder)?)
    }
}
