//! Actions over many machines, and those that were given up tried again.

use super::actions::{Action, ActionState};
use super::change::Tx;
use super::machine::required;
use super::select::query;
use super::writer::Change;
use super::{Fleet, failed};
use crate::filter::{Bind, Filter, FilterSql};
use amt_core::{ErrorCode, Failure, SystemId};
use std::time::SystemTime;

/// Which of the actions that failed or are kept back are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    One(i64),
    Of(SystemId),
}

/// Given up, or kept back: from now on it is to be done, as if it had just been caused.
struct Retry(Which);

impl Change for Retry {
    type Reply = Vec<i64>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<i64>, Failure> {
        let (action, row) = match self.0 {
            Which::One(action) => (Some(action), None),
            Which::Of(id) => (None, Some(tx.existing_row(id).await?)),
        };
        let rows = sqlx::query(
            "UPDATE actions SET state = 'pending', attempts = 0, next_at = NULL, ended_at = NULL \
             WHERE (id = ?1 OR machine = ?2) AND state IN ('failed', 'blocked') RETURNING id, name, machine",
        )
        .bind(action)
        .bind(row)
        .fetch_all(&mut *tx.connection)
        .await
        .map_err(failed("write action"))?;
        let mut retried = Vec::with_capacity(rows.len());
        for row in &rows {
            let (id, name, machine): (i64, String, i64) =
                (required(row, "id")?, required(row, "name")?, required(row, "machine")?);
            tx.diary(machine, "note", &format!("action {id} ({name}) is to be tried again")).await?;
            retried.push(id);
        }
        Ok(retried)
    }
}

impl Fleet {
    /// The last `limit` actions on machines that fit `filter`, oldest first; only those in one of `states`, unless there is none.
    ///
    /// # Errors
    /// `FILTER`, `STORE`.
    pub async fn select_actions(
        &self,
        filter: &Filter,
        states: &[ActionState],
        limit: u32,
    ) -> Result<Vec<Action>, Failure> {
        self.check_collections(filter).await?;
        let FilterSql { text, mut binds, .. } = filter.to_sql(SystemTime::now());
        let words: Vec<&str> = states.iter().map(|state| state.name()).collect();
        let states = if words.is_empty() {
            String::new()
        } else {
            binds.push(Bind::Text(serde_json::json!(words).to_string()));
            " AND a.state IN (SELECT value FROM json_each(?))".to_owned()
        };
        binds.push(Bind::Integer(i64::from(limit)));
        let sql = format!(
            "SELECT a.*, m.uuid FROM actions a JOIN machines m ON m.id = a.machine WHERE ({text}){states} \
             ORDER BY a.id DESC LIMIT ?"
        );
        let rows = query(sql, binds).fetch_all(self.readers()).await.map_err(failed("select"))?;
        rows.iter().rev().map(Action::from_row).collect()
    }

    /// Has everything that failed or is kept back on a machine tried again, attempts counted anew. The guard is asked again, too: what it keeps
    /// back needs a [release](Self::release). Returns the numbers of the actions.
    ///
    /// # Errors
    /// `MACHINE_UNKNOWN`, `STORE`.
    pub async fn retry_actions(&self, id: SystemId) -> Result<Vec<i64>, Failure> {
        let retried = self.write(Retry(Which::Of(id))).await?;
        self.news().wake_actions();
        Ok(retried)
    }

    /// The same for one action.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if there is none with this number that failed or is kept back; `STORE`.
    pub async fn retry_action(&self, action: i64) -> Result<(), Failure> {
        if self.write(Retry(Which::One(action))).await?.is_empty() {
            let text = format!("there is no action {action} that failed or is blocked");
            return Err(Failure::new(ErrorCode::INVALID_ARGUMENT, "retry", text)
                .hint("`amt fleet actions --state failed,blocked` lists them"));
        }
        self.news().wake_actions();
        Ok(())
    }
}
