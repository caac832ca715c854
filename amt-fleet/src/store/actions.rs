//! What is to be done to or about single machines, now or again.
//!
//! A row is written in the transaction of the change that causes it, and stays until it is done: whatever the server was doing
//! when it was killed, it does at its next start. First there is the cause alone ([`EVENT`]); which actions follow from it
//! the running server's configuration says.

use super::change::Tx;
use super::machine::{optional, required, time};
use super::writer::Change;
use super::{Fleet, failed, from_millis, millis};
use crate::seal::Place;
use crate::words::words;
use amt_core::{ErrorCode, Failure, SystemId};
use sqlx::sqlite::SqliteRow;
use std::time::SystemTime;

/// Name of a row that is a cause, for the configuration to say what follows.
pub(crate) const EVENT: &str = "*";
/// Name of the action that gives a machine its final name.
pub const RENAME: &str = "rename";
/// Name of the action that makes a machine what the settings of its profile say.
pub const CONFIGURE: &str = "configure";
/// Most ended actions kept of one machine; older ones go.
pub const MAX_ENDED: i64 = 200;

words! {
    /// Where an action stands.
    ActionState {
        /// To be done, or to be tried again.
        Pending = "pending",
        /// Being done; found so at start, it is gone on with.
        Running = "running",
        /// Done.
        Done = "done",
        /// Given up.
        Failed = "failed",
        /// Kept back by the guard, until somebody releases it.
        Blocked = "blocked",
        /// Called off.
        Cancelled = "cancelled",
    }
}

/// An action on one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Action {
    /// Its number: whoever is told of it twice knows it by this.
    pub id: i64,
    /// The machine.
    pub machine: SystemId,
    /// The job that it is part of.
    pub job: Option<i64>,
    /// Name in the configuration, or the operation of the job.
    pub name: String,
    /// `provisioned`, `joined:COLLECTION`, `left:COLLECTION`, `final-name` or `job`.
    pub cause: String,
    /// Where it stands.
    pub state: ActionState,
    /// How often it was begun.
    pub attempts: u32,
    /// When it was caused.
    pub created_at: SystemTime,
    /// When it is tried again.
    pub next_at: Option<SystemTime>,
    /// When it ended.
    pub ended_at: Option<SystemTime>,
    /// How it ended, or why it is not done yet.
    pub message: Option<String>,
    /// The error, if the last attempt failed, and what to do.
    pub failure: Option<Failure>,
}

impl Action {
    pub(super) fn from_row(row: &SqliteRow) -> Result<Self, Failure> {
        let message = optional::<String>(row, "message")?;
        let code = optional::<i64>(row, "code")?.and_then(|c| u32::try_from(c).ok()).and_then(ErrorCode::from_number);
        let hint = optional::<String>(row, "hint")?.unwrap_or_default();
        let failure = code.map(|code| Failure::new(code, "action", message.clone().unwrap_or_default()).hint(hint));
        Ok(Self {
            id: required(row, "id")?,
            machine: required::<String>(row, "uuid")?.parse()?,
            job: optional(row, "job")?,
            name: required(row, "name")?,
            cause: required(row, "cause")?,
            state: required::<String>(row, "state")?.parse()?,
            attempts: u32::try_from(required::<i64>(row, "attempts")?).unwrap_or(u32::MAX),
            created_at: from_millis(required(row, "created_at")?),
            next_at: time(row, "next_at")?,
            ended_at: time(row, "ended_at")?,
            message,
            failure,
        })
    }
}

/// Something happened that actions may follow from.
pub(super) async fn event(tx: &mut Tx<'_>, row: i64, cause: &str) -> Result<(), Failure> {
    insert(tx, row, EVENT, cause).await
}

/// The machine is to get its final name, unless that is under way.
pub(super) async fn rename(tx: &mut Tx<'_>, row: i64) -> Result<(), Failure> {
    let sql = "SELECT 1 FROM actions WHERE machine = ?1 AND name = ?2 AND state IN ('pending', 'running')";
    let open = sqlx::query(sql).bind(row).bind(RENAME).fetch_optional(&mut *tx.connection).await;
    if open.map_err(failed("read"))?.is_some() {
        return Ok(());
    }
    insert(tx, row, RENAME, "final-name").await
}

async fn insert(tx: &mut Tx<'_>, row: i64, name: &str, cause: &str) -> Result<(), Failure> {
    sqlx::query("INSERT INTO actions (machine, name, cause, state, created_at) VALUES (?1, ?2, ?3, 'pending', ?4)")
        .bind(row)
        .bind(name)
        .bind(cause)
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .map_err(failed("write action"))
}

/// What the guard kept back may be done: somebody released it.
pub(super) async fn unblock(tx: &mut Tx<'_>, row: i64) -> Result<(), Failure> {
    sqlx::query("UPDATE actions SET state = 'pending', next_at = NULL WHERE machine = ?1 AND state = 'blocked'")
        .bind(row)
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .map_err(failed("write action"))
}

/// A cause becomes the actions that follow from it.
pub(crate) struct Expand {
    pub(crate) id: i64,
    pub(crate) names: Vec<String>,
}

impl Change for Expand {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        for name in &self.names {
            sqlx::query(
                "INSERT INTO actions (machine, name, cause, state, created_at) \
                 SELECT machine, ?2, cause, 'pending', created_at FROM actions WHERE id = ?1",
            )
            .bind(self.id)
            .bind(name.as_str())
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("write action"))?;
        }
        sqlx::query("DELETE FROM actions WHERE id = ?1")
            .bind(self.id)
            .execute(&mut *tx.connection)
            .await
            .map(drop)
            .map_err(failed("write action"))
    }
}

/// An action begins, durably before anything is done.
pub(crate) struct BeginAction(pub(crate) i64);

impl Change for BeginAction {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        sqlx::query("UPDATE actions SET state = 'running', attempts = attempts + 1, next_at = NULL WHERE id = ?1")
            .bind(self.0)
            .execute(&mut *tx.connection)
            .await
            .map(drop)
            .map_err(failed("write action"))
    }
}

/// How an attempt at an action ended.
#[derive(Clone, Debug)]
pub(crate) enum ActionOutcome {
    Done(String),
    /// Kept back, and why.
    Blocked(Failure),
    /// Tried again then.
    Again(Failure, SystemTime),
    Failed(Failure),
}

/// Writes down how an attempt ended.
pub(crate) struct EndAction {
    pub(crate) id: i64,
    pub(crate) outcome: ActionOutcome,
}

impl Change for EndAction {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        end(tx, self.id, &self.outcome).await
    }
}

pub(super) async fn end(tx: &mut Tx<'_>, id: i64, outcome: &ActionOutcome) -> Result<(), Failure> {
    let (state, next, message, failure) = match outcome {
        ActionOutcome::Done(text) => (ActionState::Done, None, text.clone(), None),
        ActionOutcome::Blocked(failure) => (ActionState::Blocked, None, failure.message.clone(), Some(failure)),
        ActionOutcome::Again(failure, at) => (ActionState::Pending, Some(*at), failure.message.clone(), Some(failure)),
        ActionOutcome::Failed(failure) => (ActionState::Failed, None, failure.message.clone(), Some(failure)),
    };
    let ended = matches!(state, ActionState::Done | ActionState::Failed);
    sqlx::query(
        "UPDATE actions SET state = ?2, next_at = ?3, message = ?4, code = ?5, hint = ?6, ended_at = ?7, \
         sealed = CASE WHEN ?7 IS NULL THEN sealed END WHERE id = ?1",
    )
    .bind(id)
    .bind(state.name())
    .bind(next.map(millis))
    .bind(message)
    .bind(failure.map(|f| i64::from(f.code.number())))
    .bind(failure.map(|f| f.hint.to_string()))
    .bind(ended.then_some(tx.now))
    .execute(&mut *tx.connection)
    .await
    .map_err(failed("write action"))?;
    sqlx::query(
        "DELETE FROM actions WHERE job IS NULL AND ended_at IS NOT NULL AND machine = (SELECT machine FROM actions WHERE id = ?1) \
         AND id <= (SELECT id FROM actions WHERE machine = (SELECT machine FROM actions WHERE id = ?1) \
         AND job IS NULL AND ended_at IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    )
    .bind(id)
    .bind(MAX_ENDED)
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .map_err(failed("forget"))
}

/// The record of the procedure that an action runs, sealed.
pub(crate) struct KeepProcedure {
    pub(crate) id: i64,
    pub(crate) sealed: Vec<u8>,
}

impl Change for KeepProcedure {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        sqlx::query("UPDATE actions SET sealed = ?2 WHERE id = ?1")
            .bind(self.id)
            .bind(self.sealed.as_slice())
            .execute(&mut *tx.connection)
            .await
            .map(drop)
            .map_err(failed("write action"))
    }
}

/// A boot fired: the release for it is used up.
pub(crate) struct BootFired(pub(crate) SystemId);

impl Change for BootFired {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let row = tx.existing_row(self.0).await?;
        sqlx::query("UPDATE machines SET boot_released_at = NULL, boot_released_by = NULL WHERE id = ?1")
            .bind(row)
            .execute(&mut *tx.connection)
            .await
            .map(drop)
            .map_err(failed("write machine"))
    }
}

/// The columns that [`Action::from_row`] reads.
macro_rules! select_actions {
    ($rest:literal) => {
        concat!("SELECT a.*, m.uuid FROM actions a JOIN machines m ON m.id = a.machine ", $rest)
    };
}

pub(super) fn place(row: &str) -> Place<'_> {
    Place { column: "actions.sealed", row }
}

impl Fleet {
    /// Actions that are to be done at `now`, those of jobs behind the others, oldest first, and when the next one is due.
    pub(crate) async fn due_actions(
        &self,
        now: SystemTime,
        limit: i64,
    ) -> Result<(Vec<Action>, Option<SystemTime>), Failure> {
        let rows = sqlx::query(select_actions!(
            "WHERE a.state IN ('pending', 'running') AND ifnull(a.next_at, 0) <= ?1 \
             ORDER BY a.job IS NOT NULL, a.id LIMIT ?2"
        ))
        .bind(millis(now))
        .bind(limit)
        .fetch_all(self.readers())
        .await
        .map_err(failed("read"))?;
        let due = rows.iter().map(Action::from_row).collect::<Result<Vec<_>, _>>()?;
        let next = sqlx::query("SELECT min(next_at) AS at FROM actions WHERE state = 'pending' AND next_at > ?1")
            .bind(millis(now))
            .fetch_one(self.readers())
            .await
            .map_err(failed("read"))?;
        Ok((due, time(&next, "at")?))
    }

    /// The last `limit` actions on a machine, oldest first.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn actions(&self, id: SystemId, limit: u32) -> Result<Vec<Action>, Failure> {
        let rows = sqlx::query(select_actions!("WHERE m.uuid = ?1 ORDER BY a.id DESC LIMIT ?2"))
            .bind(id.to_string())
            .bind(i64::from(limit))
            .fetch_all(self.readers())
            .await
            .map_err(failed("read"))?;
        rows.iter().rev().map(Action::from_row).collect()
    }

    /// The actions of a job, in the order of its machines.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn job_actions(&self, job: i64) -> Result<Vec<Action>, Failure> {
        let rows = sqlx::query(select_actions!("WHERE a.job = ?1 ORDER BY a.id"))
            .bind(job)
            .fetch_all(self.readers())
            .await
            .map_err(failed("read"))?;
        rows.iter().map(Action::from_row).collect()
    }

    /// What the procedure of an action kept last.
    pub(crate) async fn procedure(&self, action: i64) -> Result<Option<Vec<u8>>, Failure> {
        let row = sqlx::query("SELECT sealed FROM actions WHERE id = ?1")
            .bind(action)
            .fetch_optional(self.readers())
            .await
            .map_err(failed("read"))?;
        let Some(sealed) = row.map(|row| optional::<Vec<u8>>(&row, "sealed")).transpose()?.flatten() else {
            return Ok(None);
        };
        self.seal().open(place(&action.to_string()), &sealed).map(|clear| Some(clear.expose().clone()))
    }

    /// Makes what a procedure keeps durable.
    pub(crate) async fn keep_procedure(&self, action: i64, record: &[u8]) -> Result<(), Failure> {
        let sealed = self.seal().seal(place(&action.to_string()), record)?;
        self.write(KeepProcedure { id: action, sealed }).await
    }
}
