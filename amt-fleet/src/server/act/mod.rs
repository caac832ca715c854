//! Does what is to be done to or about single machines: the rows of actions in the database, each at least once.
//!
//! Several machines at a time, one thing at a time on each, and never while an attempt at provisioning is at work on it.

mod deed;
#[cfg_attr(not(feature = "directory"), path = "no_directory.rs")]
mod directory;
mod host;

use super::attempt::{Shared, given_up, undecided};
use super::schedule::{Next, after_failure};
use crate::action::Trigger;
use crate::config::RetryPolicy;
use crate::event::Progress;
use crate::store::{ActionOutcome, BeginAction, CONFIGURE, EVENT, EndAction, Expand, Operation};
use crate::{Action, resolve};
use amt::failpoint;
use amt_core::{ErrorCode, Failure};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinSet;

/// Most actions under way at a time.
const MAX_RUNNING: usize = 64;
/// Most rows looked at together.
const MAX_DUE: i64 = 1024;
/// A machine that something else is busy with is asked for again after this.
const BUSY: Duration = Duration::from_millis(500);
/// Longest time without looking.
const IDLE: Duration = Duration::from_secs(30);

/// Runs as long as the server does. What is cut short when this is dropped is gone on with at the next start.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut tasks: JoinSet<i64> = JoinSet::new();
    let mut running: HashMap<i64, Option<i64>> = HashMap::new();
    loop {
        let wait = match begin(&shared, &mut tasks, &mut running).await {
            Ok(wait) => wait,
            Err(failure) => {
                tracing::error!(%failure, "actions cannot be read");
                IDLE
            }
        };
        tokio::select! {
            Some(ended) = tasks.join_next() => match ended {
                Ok(id) => { running.remove(&id); }
                Err(error) => {
                    // Its row still says "running": taken up again when nothing else is.
                    tracing::error!(%error, "an action panicked");
                    if tasks.is_empty() {
                        running.clear();
                    }
                    tokio::time::sleep(BUSY).await;
                }
            },
            () = shared.fleet.news().action() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Begins what is due, as far as there is room. Tells how long nothing more will be due.
async fn begin(
    shared: &Arc<Shared>,
    tasks: &mut JoinSet<i64>,
    running: &mut HashMap<i64, Option<i64>>,
) -> Result<Duration, Failure> {
    let now = SystemTime::now();
    let (due, next) = shared.fleet.due_actions(now, MAX_DUE).await?;
    let mut wait = next.and_then(|at| at.duration_since(now).ok()).unwrap_or(IDLE).min(IDLE);
    let mut jobs: BTreeMap<i64, usize> = BTreeMap::new();
    for action in due {
        if running.contains_key(&action.id) {
            continue;
        }
        if action.name == EVENT {
            expand(shared, &action).await?;
            wait = Duration::ZERO;
            continue;
        }
        if tasks.len() >= MAX_RUNNING {
            break;
        }
        if let Some(job) = action.job {
            let most = match jobs.get(&job) {
                Some(most) => *most,
                None => *jobs.entry(job).or_insert(shared.fleet.job_concurrency(job).await?),
            };
            if running.values().filter(|other| **other == Some(job)).count() >= most {
                continue;
            }
        }
        let Some(taken) = shared.busy.take(action.machine) else {
            wait = wait.min(BUSY);
            continue;
        };
        running.insert(action.id, action.job);
        let shared = Arc::clone(shared);
        tasks.spawn(async move {
            let id = action.id;
            if let Err(failure) = one(&shared, action).await {
                tracing::error!(%failure, "an action could not be recorded");
                tokio::time::sleep(BUSY).await;
            }
            drop(taken);
            id
        });
    }
    Ok(wait)
}

/// What follows from a cause, by the configuration as it is now.
async fn expand(shared: &Shared, action: &Action) -> Result<(), Failure> {
    let question = resolve::question(&shared.fleet, action.machine, &shared.defaults).await?;
    let subject = question.subject();
    let rules = shared.actions.iter().filter(|rule| rule.on.is(&action.cause) && rule.when.matches(&subject));
    let mut names: Vec<String> = rules.map(|rule| rule.name.clone()).collect();
    // Settings come before what else follows: a program that is told finds the machine as it shall be.
    if Trigger::Provisioned.is(&action.cause) && shared.profiles.settings(question.machine.profile.as_deref()).is_some()
    {
        names.insert(0, CONFIGURE.to_owned());
    }
    shared.fleet.write(Expand { id: action.id, names }).await
}

/// One attempt at one action, and what came of it.
async fn one(shared: &Shared, mut action: Action) -> Result<(), Failure> {
    shared.fleet.write(BeginAction(action.id)).await?;
    action.attempts = action.attempts.saturating_add(1);
    failpoint::pass("action-before", &action.name);
    let outcome = match deed::attempt(shared, &action).await {
        Ok(done) => ActionOutcome::Done(done),
        Err(failure) if failure.code == ErrorCode::IN_USE => ActionOutcome::Blocked(failure),
        Err(failure) => again(shared, &action, failure).await,
    };
    failpoint::pass("action-after", &action.name);
    shared.fleet.write(EndAction { id: action.id, outcome: outcome.clone() }).await?;
    let about = format!("{} ({})", action.name, action.cause);
    let progress = match outcome {
        ActionOutcome::Done(text) => Progress::Acted { action: about, message: text },
        ActionOutcome::Blocked(failure) | ActionOutcome::Failed(failure) => {
            Progress::ActionFailed { action: about, failure, retry_in: None }
        }
        ActionOutcome::Again(failure, at) => {
            let retry_in = at.duration_since(SystemTime::now()).ok();
            Progress::ActionFailed { action: about, failure, retry_in }
        }
    };
    shared.tell(action.machine, None, progress);
    Ok(())
}

/// Whether and when a failed action is tried again.
async fn again(shared: &Shared, action: &Action, failure: Failure) -> ActionOutcome {
    let attempts = shared.actions.iter().find(|rule| rule.name == action.name).map_or(0, |rule| rule.attempts);
    let policy = RetryPolicy { attempts, ..shared.retry.clone() };
    let mut dice = [0];
    // Without randomness waits are merely less spread.
    let _ = getrandom::fill(&mut dice);
    // A configuration that lacks something is mended by hand, and then the server is started anew.
    let hopeless = matches!(failure.code, ErrorCode::CONFIG | ErrorCode::MACHINE_UNKNOWN)
        // What the firmware refused to give up it is not asked for again.
        || (action.name.parse().is_ok_and(|operation: Operation| operation.takes_back().is_some())
            && matches!(failure.code, ErrorCode::STEP_REFUSED | ErrorCode::RETURN_VALUE | ErrorCode::SOAP_FAULT));
    let undecided = undecided(&shared.fleet, action.machine, Some(&failure)).await;
    match after_failure(&failure, false, action.attempts, undecided, &policy, dice[0]) {
        Next::Retry(wait) if !hopeless => ActionOutcome::Again(failure, SystemTime::now() + wait),
        _ => ActionOutcome::Failed(given_up(failure, undecided)),
    }
}
