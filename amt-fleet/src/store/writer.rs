//! The one task that writes: changes that arrive while a commit is on its way to disk share the next one.
//!
//! A change is acknowledged after the commit that holds it returned, and with `synchronous=FULL` a commit returns after the log
//! was synced. A thousand machines that persist at once cost a handful of syncs, not a thousand.

use super::{change::Tx, failed};
use crate::seal::SealKey;
use amt_core::{ErrorCode, Failure};
use sqlx::sqlite::SqliteConnection;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Most changes in one commit.
pub(super) const MAX_GROUP: usize = 512;
/// How long a change that nobody waits for may lie before it is committed.
const LAZY: Duration = Duration::from_millis(100);

/// Something to be done inside a transaction. May be applied twice: a group that fails is done again one by one.
pub(crate) trait Change: Send + 'static {
    /// What the caller learns once it is durable.
    type Reply: Send + 'static;
    /// Does it.
    fn apply(&self, tx: &mut Tx<'_>) -> impl Future<Output = Result<Self::Reply, Failure>> + Send;
}

trait Job: Send {
    fn apply<'a>(&'a mut self, tx: &'a mut Tx<'_>) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
    fn is_awaited(&self) -> bool;
    /// Tells the waiting side. `committed` is the fate of the transaction.
    fn finish(self: Box<Self>, committed: &Result<(), Failure>);
}

struct Submitted<C: Change> {
    change: C,
    outcome: Option<Result<C::Reply, Failure>>,
    waiting: Option<oneshot::Sender<Result<C::Reply, Failure>>>,
}

impl<C: Change> Job for Submitted<C> {
    fn apply<'a>(&'a mut self, tx: &'a mut Tx<'_>) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move {
            let outcome = self.change.apply(tx).await;
            let good = outcome.is_ok();
            self.outcome = Some(outcome);
            good
        })
    }

    fn is_awaited(&self) -> bool {
        self.waiting.is_some()
    }

    fn finish(self: Box<Self>, committed: &Result<(), Failure>) {
        let result = match (self.outcome, committed) {
            (Some(Err(failure)), _) => Err(failure),
            (_, Err(failure)) => Err(failure.clone()),
            (Some(reply), Ok(())) => reply,
            (None, Ok(())) => Err(closed()),
        };
        if let Some(waiting) = self.waiting {
            // The other side may have been dropped: its change is durable all the same.
            let _ = waiting.send(result);
        } else if let Err(failure) = result {
            tracing::warn!(%failure, "a line of the diary was lost");
        }
    }
}

fn closed() -> Failure {
    Failure::new(ErrorCode::STORE, "store", "the database was closed")
}

/// Handle of the writing task.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::UnboundedSender<Box<dyn Job>>,
    commits: Arc<AtomicU64>,
}

impl std::fmt::Debug for dyn Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl Writer {
    /// Starts the task. It ends, everything written, when the last handle is gone.
    pub(super) fn start(connection: SqliteConnection, seal: SealKey) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, jobs) = mpsc::unbounded_channel();
        let commits = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(run(connection, seal, jobs, Arc::clone(&commits)));
        (Self { queue, commits }, task)
    }

    /// Groups written so far.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Applies `change`; returns when it is durable. What was submitted happens even if the caller goes away.
    pub(super) async fn submit<C: Change>(&self, change: C) -> Result<C::Reply, Failure> {
        let (sender, receiver) = oneshot::channel();
        self.queue.send(Box::new(Submitted { change, outcome: None, waiting: Some(sender) })).map_err(|_| closed())?;
        receiver.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Applies `change` soon, after everything submitted before it. Lost if the process is killed before.
    pub(super) fn submit_lazily<C: Change>(&self, change: C) {
        let _ = self.queue.send(Box::new(Submitted { change, outcome: None, waiting: None }));
    }
}

async fn run(
    mut connection: SqliteConnection,
    seal: SealKey,
    mut jobs: mpsc::UnboundedReceiver<Box<dyn Job>>,
    commits: Arc<AtomicU64>,
) {
    let mut cache = super::change::Cache::default();
    let mut group: Vec<Box<dyn Job>> = Vec::new();
    let mut lazy_until = Instant::now();
    loop {
        let next = if group.is_empty() {
            match jobs.recv().await {
                Some(job) => {
                    lazy_until = Instant::now() + LAZY;
                    Some(job)
                }
                None => break,
            }
        } else {
            tokio::time::timeout_at(lazy_until, jobs.recv()).await.ok().flatten()
        };
        let mut due = next.is_none();
        group.extend(next);
        while group.len() < MAX_GROUP
            && let Ok(job) = jobs.try_recv()
        {
            group.push(job);
        }
        due |= group.len() >= MAX_GROUP || group.iter().any(|job| job.is_awaited());
        if due && !group.is_empty() {
            commits.fetch_add(1, Ordering::Relaxed);
            write(&mut connection, &seal, &mut cache, std::mem::take(&mut group)).await;
        }
    }
    use sqlx::Connection as _;
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the database did not close cleanly; nothing acknowledged is lost");
    }
}

async fn write(
    connection: &mut SqliteConnection,
    seal: &SealKey,
    cache: &mut super::change::Cache,
    mut group: Vec<Box<dyn Job>>,
) {
    let together = transact(connection, seal, cache, &mut group).await;
    if matches!(together, Ok(true)) {
        group.into_iter().for_each(|job| job.finish(&Ok(())));
    } else if group.len() == 1 {
        let fate = together.map(drop);
        group.into_iter().for_each(|job| job.finish(&fate));
    } else {
        // One of them is at fault: alone, each gets its own answer.
        for job in group {
            let mut alone = vec![job];
            let fate = transact(connection, seal, cache, &mut alone).await.map(drop);
            alone.into_iter().for_each(|job| job.finish(&fate));
        }
    }
}

/// Whether every change was applied and committed; if one failed, nothing was.
async fn transact(
    connection: &mut SqliteConnection,
    seal: &SealKey,
    cache: &mut super::change::Cache,
    group: &mut [Box<dyn Job>],
) -> Result<bool, Failure> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.map_err(failed("begin"))?;
    let now = super::millis(SystemTime::now());
    let mut tx = Tx { connection: &mut *connection, seal, cache: &mut *cache, now, dirty: BTreeSet::new() };
    let mut good = true;
    for job in group.iter_mut() {
        good = job.apply(&mut tx).await;
        if !good {
            break;
        }
    }
    let refreshed = if good { tx.refresh_members().await } else { Ok(()) };
    let committed = if refreshed.is_err() {
        refreshed
    } else if good {
        sqlx::query("COMMIT").execute(&mut *connection).await.map(drop).map_err(failed("commit"))
    } else {
        Ok(())
    };
    if !good || committed.is_err() {
        cache.forget();
        // Fails harmlessly where SQLite has already rolled back by itself.
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
    }
    committed.map(|()| good)
}
