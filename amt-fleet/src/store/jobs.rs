//! Jobs: one operation over many machines, each an action of its own.

use super::change::Tx;
use super::machine::required;
use super::writer::Change;
use super::{Fleet, failed, from_millis};
use crate::filter::Filter;
use crate::words::words;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_provision::unprovision::Extent;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Most machines of a job that can be worked on at a time.
pub const MAX_JOB_CONCURRENCY: u32 = 1000;

words! {
    /// What a job does to each machine.
    Operation {
        /// Set up again at its next hello.
        Reprovision = "reprovision",
        /// Give it its final name, if it carries another.
        Rename = "rename",
        /// Let it in, whatever the guard says.
        Release = "release",
        /// Boot it from the network once, unless the guard keeps it from that.
        Boot = "boot",
        /// Make it what the settings of its profile say.
        Configure = "configure",
        /// Set its clock, if that is off.
        Clock = "clock",
        /// Give its administrator another, generated password.
        Rotate = "rotate",
        /// Give it another certificate, with a new key pair.
        Renew = "renew",
        /// Read from it what it says of itself.
        Refresh = "refresh",
        /// Take its setup back in full, and keep it out then.
        Unprovision = "unprovision",
        /// Take its setup back but for names and the administrator's login, and keep it out then.
        UnprovisionPartial = "unprovision-partial",
    }
}

impl Operation {
    /// How much of a setup it takes back, if it does that.
    pub const fn takes_back(self) -> Option<Extent> {
        match self {
            Self::Unprovision => Some(Extent::Full),
            Self::UnprovisionPartial => Some(Extent::Partial),
            _ => None,
        }
    }
}

/// A job and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// Its number.
    pub id: i64,
    /// What it does.
    pub operation: Operation,
    /// Which machines it was for, when it was made.
    pub filter: String,
    /// How many machines are worked on at a time.
    pub concurrency: u32,
    /// When it was made.
    pub created_at: SystemTime,
    /// How many machines stand at each state.
    pub states: BTreeMap<String, u64>,
}

impl Job {
    /// Whether nothing more is to come of it by itself.
    pub fn is_over(&self) -> bool {
        !["pending", "running"].iter().any(|state| self.states.contains_key(*state))
    }
}

struct NewJob {
    operation: Operation,
    filter: String,
    concurrency: u32,
    machines: Vec<SystemId>,
}

impl Change for NewJob {
    type Reply = i64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<i64, Failure> {
        let done = sqlx::query("INSERT INTO jobs (operation, filter, concurrency, created_at) VALUES (?1, ?2, ?3, ?4)")
            .bind(self.operation.name())
            .bind(self.filter.as_str())
            .bind(self.concurrency)
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("write job"))?;
        let job = done.last_insert_rowid();
        for id in &self.machines {
            sqlx::query(
                "INSERT INTO actions (machine, job, name, cause, state, created_at) \
                 SELECT id, ?2, ?3, 'job', 'pending', ?4 FROM machines WHERE uuid = ?1",
            )
            .bind(id.to_string())
            .bind(job)
            .bind(self.operation.name())
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("write job"))?;
        }
        Ok(job)
    }
}

struct CancelJob(i64);

impl Change for CancelJob {
    type Reply = u64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<u64, Failure> {
        sqlx::query(
            "UPDATE actions SET state = 'cancelled', ended_at = ?2 WHERE job = ?1 AND state IN ('pending', 'blocked')",
        )
        .bind(self.0)
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await
        .map(|done| done.rows_affected())
        .map_err(failed("write job"))
    }
}

impl Fleet {
    /// Has `operation` done to every machine that fits `filter` now, `concurrency` at a time. A running server does it, this one or
    /// another, and goes on with it after a crash.
    ///
    /// # Errors
    /// `FILTER`, `STORE`; `INVALID_ARGUMENT` if no machine fits or the concurrency is 0 or more than [`MAX_JOB_CONCURRENCY`].
    pub async fn new_job(&self, operation: Operation, filter: &Filter, concurrency: u32) -> Result<Job, Failure> {
        if !(1..=MAX_JOB_CONCURRENCY).contains(&concurrency) {
            let text = format!("the concurrency must be from 1 to {MAX_JOB_CONCURRENCY}");
            return Err(Failure::new(ErrorCode::INVALID_ARGUMENT, "job", text));
        }
        let machines: Vec<SystemId> = self.select(filter, None, None).await?.into_iter().map(|m| m.id).collect();
        if machines.is_empty() {
            return Err(Failure::new(ErrorCode::INVALID_ARGUMENT, "job", "no machine fits the filter")
                .hint("`amt fleet list --where FILTER` shows who would"));
        }
        let job = self.write(NewJob { operation, filter: filter.to_string(), concurrency, machines }).await?;
        self.news().wake_actions();
        self.job(job).await
    }

    /// A job.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if there is none with this number; `STORE`.
    pub async fn job(&self, id: i64) -> Result<Job, Failure> {
        let none = || Failure::new(ErrorCode::INVALID_ARGUMENT, "job", format!("there is no job {id}"));
        self.jobs().await?.into_iter().find(|job| job.id == id).ok_or_else(none)
    }

    /// Every job, oldest first.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn jobs(&self) -> Result<Vec<Job>, Failure> {
        let rows = sqlx::query("SELECT id, operation, filter, concurrency, created_at FROM jobs ORDER BY id")
            .fetch_all(self.readers())
            .await
            .map_err(failed("read"))?;
        let counts =
            sqlx::query("SELECT job, state, count(*) AS n FROM actions WHERE job IS NOT NULL GROUP BY job, state")
                .fetch_all(self.readers())
                .await
                .map_err(failed("read"))?;
        let mut states: BTreeMap<i64, BTreeMap<String, u64>> = BTreeMap::new();
        for row in &counts {
            let count = u64::try_from(required::<i64>(row, "n")?).unwrap_or_default();
            states.entry(required(row, "job")?).or_default().insert(required(row, "state")?, count);
        }
        rows.iter()
            .map(|row| {
                let id = required(row, "id")?;
                Ok(Job {
                    id,
                    operation: required::<String>(row, "operation")?.parse()?,
                    filter: required(row, "filter")?,
                    concurrency: required(row, "concurrency")?,
                    created_at: from_millis(required(row, "created_at")?),
                    states: states.remove(&id).unwrap_or_default(),
                })
            })
            .collect()
    }

    /// Calls off what a job has not begun yet. Returns on how many machines.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn cancel_job(&self, id: i64) -> Result<u64, Failure> {
        self.write(CancelJob(id)).await
    }

    /// How many machines of a job may be worked on at a time.
    pub(crate) async fn job_concurrency(&self, job: i64) -> Result<usize, Failure> {
        let row = sqlx::query("SELECT concurrency FROM jobs WHERE id = ?1")
            .bind(job)
            .fetch_one(self.readers())
            .await
            .map_err(failed("read"))?;
        Ok(usize::try_from(required::<i64>(&row, "concurrency")?).unwrap_or(1))
    }
}
