//! A stage that runs while another one does, and says what it has to say when both are done.

use crate::process::target;
use crate::stages::{Count, Outcome, checks};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// This program once more, at one stage, with its output in a file.
pub(crate) struct Beside {
    log: PathBuf,
    waiting: JoinHandle<std::io::Result<(ExitStatus, Duration)>>,
}

impl Beside {
    /// Starts the stage called `name`.
    pub(crate) fn start(name: &str) -> Result<Self> {
        let log = target(&format!("stage-{name}.log"));
        let file = std::fs::File::create(&log).with_context(|| log.display().to_string())?;
        // By its name: the file itself may have been built again since this process began.
        let mut command = Command::new(std::env::args_os().next().context("a program without a name")?);
        command.args(["test", "--only", name]).stdout(file.try_clone()?).stderr(file);
        let started = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot start the stage {name}"))?;
        println!("   beside it, told when both are done: {name}");
        let waiting = std::thread::spawn(move || Ok((child.wait()?, started.elapsed())));
        Ok(Self { log, waiting })
    }

    /// Waits for its end and shows what it printed.
    pub(crate) fn finish(self) -> Result<(Outcome, Duration)> {
        let (status, elapsed) = self.waiting.join().ok().context("nobody waited for it")??;
        let log = std::fs::read(&self.log).with_context(|| self.log.display().to_string())?;
        let log = String::from_utf8_lossy(&log);
        println!("{log}");
        Ok((outcome(&log).unwrap_or_else(|| Outcome::Failed(format!("no summary: {status}"))), elapsed))
    }
}

/// What the summary at the end of `log` says of its only stage.
fn outcome(log: &str) -> Option<Outcome> {
    let row = log.lines().skip_while(|line| *line != "== summary").nth(1)?;
    let detail = row.split_once(" s  ").map_or("", |(_, detail)| detail);
    if row.starts_with("SKIPPED") {
        return Some(Outcome::Skipped(detail.to_owned()));
    }
    let (passed, failed) = log.lines().next_back()?.strip_suffix(" failed")?.split_once(" passed, ")?;
    let count = Count { passed: passed.parse().ok()?, failed: failed.parse().ok()? };
    // It ended before it could count: its own words say more than "1 failed".
    let ended = count == Count::one(false) && detail != checks(count);
    Some(if ended { Outcome::Failed(detail.to_owned()) } else { Outcome::Ran(count) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::{last_line, row};

    #[test]
    fn a_summary_is_read_as_it_is_written() {
        for (written, total) in [
            (Outcome::Ran(Count { passed: 51, failed: 0 }), Count { passed: 51, failed: 0 }),
            (Outcome::Ran(Count { passed: 1, failed: 0 }), Count::one(true)),
            (Outcome::Ran(Count { passed: 50, failed: 1 }), Count { passed: 50, failed: 1 }),
            (Outcome::Failed("findings in hello: 2 s  too late".into()), Count::one(false)),
            (Outcome::Ran(Count::one(false)), Count::one(false)),
            (Outcome::Failed("cargo test failed".into()), Count::one(false)),
            (Outcome::Skipped("gcc is missing".into()), Count::default()),
        ] {
            let row = row("c", &written, Duration::from_millis(5040));
            let log = format!("== c: programs\n\n== summary\n{row}\n5 s in all\n{}\n", last_line(total));
            assert_eq!(outcome(&log), Some(written), "{log}");
        }
        assert_eq!(outcome("== c: programs\nKilled\n"), None);
    }
}
