//! Machines about which something is new, for the server to consider: told by whoever changes the database in this process, and
//! found out about changes by others.

use super::change::Tx;
use super::machine::required;
use super::writer::Change;
use super::{Fleet, failed};
use amt_core::{Failure, SystemId};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How far back a change by another process is looked for: clocks of processes on one computer agree better than that.
const OVERLAP: Duration = Duration::from_secs(5);
/// Most machines taken up from one look at another process's changes.
const MAX_CHANGED: i64 = 100_000;

/// A set that is waited for.
#[derive(Debug, Default)]
pub(crate) struct News {
    machines: Mutex<BTreeSet<SystemId>>,
    machine: Notify,
    action: Notify,
}

impl News {
    pub(super) fn add(&self, id: SystemId) {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        self.machine.notify_one();
    }

    /// One machine, when there is one.
    pub(crate) async fn next(&self) -> SystemId {
        loop {
            let first = self.machines.lock().unwrap_or_else(PoisonError::into_inner).pop_first();
            match first {
                Some(id) => return id,
                None => self.machine.notified().await,
            }
        }
    }

    /// There may be something to do now.
    pub(crate) fn wake_actions(&self) {
        self.action.notify_one();
    }

    /// Waits until there may be.
    pub(crate) async fn action(&self) {
        self.action.notified().await;
    }
}

/// What others than this process changed since the last look.
struct Foreign {
    since: i64,
}

impl Change for Foreign {
    type Reply = (i64, Vec<SystemId>);

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(i64, Vec<SystemId>), Failure> {
        let rows = sqlx::query("SELECT uuid FROM machines WHERE changed_at >= ?1 ORDER BY changed_at LIMIT ?2")
            .bind(self.since)
            .bind(MAX_CHANGED)
            .fetch_all(&mut *tx.connection)
            .await
            .map_err(failed("read"))?;
        let ids = rows.iter().map(|row| required::<String>(row, "uuid")?.parse()).collect::<Result<_, _>>()?;
        Ok((tx.now, ids))
    }
}

/// The version of the database as the one connection that writes sees it: it changes only by commits of others.
struct DataVersion;

impl Change for DataVersion {
    type Reply = i64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<i64, Failure> {
        let row = sqlx::query("PRAGMA data_version").fetch_one(&mut *tx.connection).await.map_err(failed("read"))?;
        required(&row, "data_version")
    }
}

/// A watch for changes by other processes.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    version: Option<i64>,
    since: i64,
}

impl Watch {
    /// Tells the news of what others changed since the last call. The first call only looks.
    pub(crate) async fn look(&mut self, fleet: &Fleet) -> Result<(), Failure> {
        let version = fleet.write(DataVersion).await?;
        let before = self.version.replace(version);
        if before == Some(version) {
            return Ok(());
        }
        let (now, ids) = fleet.write(Foreign { since: self.since }).await?;
        self.since = now - i64::try_from(OVERLAP.as_millis()).unwrap_or_default();
        if before.is_some() {
            ids.into_iter().for_each(|id| fleet.touch(id));
            fleet.news().wake_actions();
        }
        Ok(())
    }
}
