//! `amt fleet job`: one operation over many machines, and how far it has come.

use super::actions::{action_json, action_text};
use super::text::{count, moment, wrapped};
use super::{Database, Error, Place, Verdict};
use crate::output::Output;
use crate::time::rfc3339;
use amt_core::{ErrorCode, Failure};
use amt_fleet::{Action, ActionState, Job as Record};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// How often is looked while a job is waited for.
const LOOK: Duration = Duration::from_millis(250);
/// A job that nobody has begun after this time most likely has no server.
const NOBODY: Duration = Duration::from_secs(10);

/// Jobs: one operation over many machines, as `amt fleet run` starts them
///
/// A job stands in the database: a running `amt serve` works on it, and goes on with it after a crash or a restart.
#[derive(clap::Subcommand)]
pub(super) enum Job {
    /// Every job and how far it has come
    List {
        #[command(flatten)]
        place: Place,
    },
    /// A job with what became of each machine, for example: job show 7 --wait
    Show {
        /// Its number
        id: i64,
        #[command(flatten)]
        wait: Wait,
        #[command(flatten)]
        place: Place,
    },
    /// Call off what a job has not begun yet; what is being done to a machine is done to its end
    Cancel {
        /// Its number
        id: i64,
        #[command(flatten)]
        place: Place,
    },
}

/// Whether to wait.
#[derive(clap::Args)]
pub(super) struct Wait {
    /// Wait until nothing more is to come, with progress; the exit status is 1 unless all is done
    #[arg(long)]
    pub(super) wait: bool,
    /// With --wait: at most so long, such as 90s or 2h; the job goes on all the same
    #[arg(long, value_name = "TIME", requires = "wait", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

impl Job {
    pub(super) async fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self {
            Self::List { place } => {
                let fleet = place.open().await?;
                let jobs = fleet.jobs().await?;
                fleet.close().await;
                out.show(&json!({ "jobs": jobs.iter().map(job_json).collect::<Vec<_>>() }), |w| {
                    jobs.iter().try_for_each(|job| job_text(w, job))?;
                    if jobs.is_empty() { writeln!(w, "no jobs") } else { Ok(()) }
                })?;
                Ok(Verdict::Done)
            }
            Self::Show { id, wait, place } => {
                let fleet = place.open().await?;
                fleet.job(id).await?;
                let verdict = if wait.wait { wait.until_over(out, &fleet, id).await? } else { Verdict::Done };
                show(out, &fleet, id, !wait.wait).await?;
                fleet.close().await;
                Ok(verdict)
            }
            Self::Cancel { id, place } => {
                let fleet = place.open().await?;
                fleet.job(id).await?;
                let cancelled = fleet.cancel_job(id).await?;
                fleet.close().await;
                let machines = count(usize::try_from(cancelled).unwrap_or(usize::MAX), "machine", "machines");
                out.show(&json!({ "job": id, "cancelled": cancelled }), |w| {
                    writeln!(w, "job {id}: called off on {machines}")
                })?;
                Ok(Verdict::Done)
            }
        }
    }
}

/// A job as it is now. People who waited have seen the machines already.
pub(super) async fn show(out: &mut Output, fleet: &Database, id: i64, machines: bool) -> Result<(), Error> {
    let (job, actions) = (fleet.job(id).await?, fleet.job_actions(id).await?);
    let mut document = job_json(&job);
    document["machines"] = actions.iter().map(action_json).collect::<Vec<_>>().into();
    out.show(&document, |w| {
        job_text(w, &job)?;
        if machines { actions.iter().try_for_each(|action| machine_text(w, action)) } else { Ok(()) }
    })?;
    Ok(())
}

fn machine_text(w: &mut dyn Write, action: &Action) -> io::Result<()> {
    action_text(w, &format!("{}  ", action.machine), action)
}

pub(super) fn job_json(job: &Record) -> Value {
    json!({
        "job": job.id,
        "operation": job.operation.name(),
        "filter": job.filter,
        "concurrency": job.concurrency,
        "created_at": rfc3339(job.created_at),
        "over": job.is_over(),
        "states": job.states,
    })
}

fn job_text(w: &mut dyn Write, job: &Record) -> io::Result<()> {
    let states: Vec<String> = job.states.iter().map(|(state, number)| format!("{number} {state}")).collect();
    let filter = if job.filter.is_empty() { "every machine" } else { &job.filter };
    writeln!(w, "job {}  {}  {}  {}", job.id, job.operation, moment(job.created_at), states.join(", "))?;
    wrapped(w, "    ", filter)
}

/// Nothing more is to come of it by itself.
fn is_settled(state: ActionState) -> bool {
    !matches!(state, ActionState::Pending | ActionState::Running)
}

impl Wait {
    /// Waits until nothing more is to come of a job, and tells of each machine as it comes. Done if all of it is done.
    pub(super) async fn until_over(&self, out: &mut Output, fleet: &Database, id: i64) -> Result<Verdict, Error> {
        let begun = Instant::now();
        let mut told: BTreeSet<i64> = BTreeSet::new();
        let mut warned = false;
        let mut bar = None;
        loop {
            let actions = fleet.job_actions(id).await?;
            let bar: &Option<ProgressBar> = bar.get_or_insert_with(|| progress_bar(out, actions.len()));
            for action in actions.iter().filter(|action| is_settled(action.state)) {
                if told.insert(action.id) {
                    let mut text = Vec::new();
                    machine_text(&mut text, action).map_err(|e| Failure::new(ErrorCode::IO, "show", e.to_string()))?;
                    let text = String::from_utf8_lossy(&text);
                    match bar {
                        Some(bar) => bar.suspend(|| out.line(text.trim_end()))?,
                        None => out.line(text.trim_end())?,
                    }
                }
            }
            if let Some(bar) = bar {
                bar.set_position(u64::try_from(told.len()).unwrap_or_default());
            }
            if actions.iter().all(|action| is_settled(action.state)) {
                if let Some(bar) = bar {
                    bar.finish_and_clear();
                }
                let all_done = actions.iter().all(|action| action.state == ActionState::Done);
                return Ok(if all_done { Verdict::Done } else { Verdict::Failed });
            }
            let untouched = |action: &Action| action.state == ActionState::Pending && action.attempts == 0;
            if !warned && begun.elapsed() > NOBODY && actions.iter().all(untouched) {
                warned = true;
                out.line("nobody has begun yet: is `amt serve` running on this database?")?;
            }
            if self.timeout.is_some_and(|most| begun.elapsed() >= most) {
                let left = actions.iter().filter(|action| !is_settled(action.state)).count();
                let text = format!("job {id} is not over: {} to come", count(left, "machine", "machines"));
                return Err(Failure::new(ErrorCode::REPLY_TIMEOUT, "job", text)
                    .hint(format!(
                        "it goes on; `amt fleet job show {id} --wait` waits again; `amt serve` must be running"
                    ))
                    .into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn progress_bar(out: &Output, machines: usize) -> Option<ProgressBar> {
    out.is_live().then(|| {
        let length = u64::try_from(machines).unwrap_or_default();
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} [{bar:40}] {pos}/{len}  {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    })
}
