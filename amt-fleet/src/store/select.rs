//! Machines by filter.

use super::machine::{Machine, required};
use super::{Fleet, failed};
use crate::filter::{Bind, Filter, FilterSql, Sort, did_you_mean};
use amt_core::{ErrorCode, Failure};
use sqlx::AssertSqlSafe;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use std::time::SystemTime;

/// `machines` and what else a filter and [`Machine::from_row`] read.
pub(super) const MACHINES: &str = "machines m LEFT JOIN journal j ON j.machine = m.id";

pub(super) type Asking = Query<'static, Sqlite, SqliteArguments>;

/// A query whose text is made of constants and of a filter's condition, which has a question mark for every value.
pub(super) fn query(text: String, binds: impl IntoIterator<Item = Bind>) -> Asking {
    binds.into_iter().fold(sqlx::query(AssertSqlSafe(text)), |query, bind| match bind {
        Bind::Text(text) => query.bind(text),
        Bind::Integer(number) => query.bind(number),
    })
}

impl Fleet {
    /// The machines that fit `filter`, sorted, or in the order in which they became known; at most `limit`.
    ///
    /// Membership of collections is that of their last refreshing.
    ///
    /// # Errors
    /// `FILTER` if it asks about a collection that there is not; `STORE`.
    pub async fn select(
        &self,
        filter: &Filter,
        sort: Option<Sort>,
        limit: Option<u32>,
    ) -> Result<Vec<Machine>, Failure> {
        self.check_collections(filter).await?;
        let FilterSql { text, mut binds, .. } = filter.to_sql(SystemTime::now());
        let order = sort.map_or_else(|| "m.id".to_owned(), Sort::to_sql);
        binds.push(Bind::Integer(limit.map_or(-1, i64::from)));
        let sql = format!(
            "SELECT m.*, j.step, j.commit_sent, j.realm, j.firmware, j.certificate FROM {MACHINES} \
             WHERE {text} ORDER BY {order} LIMIT ?"
        );
        let rows = query(sql, binds).fetch_all(self.readers()).await.map_err(failed("select"))?;
        rows.iter().map(Machine::from_row).collect()
    }

    /// How many machines fit `filter`.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub async fn count(&self, filter: &Filter) -> Result<u64, Failure> {
        self.check_collections(filter).await?;
        let FilterSql { text, binds, .. } = filter.to_sql(SystemTime::now());
        let sql = format!("SELECT count(*) AS n FROM {MACHINES} WHERE {text}");
        let row = query(sql, binds).fetch_one(self.readers()).await.map_err(failed("count"))?;
        Ok(u64::try_from(required::<i64>(&row, "n")?).unwrap_or_default())
    }

    /// A mistyped collection would have no members, and so the answer would be wrong without anybody noticing.
    async fn check_collections(&self, filter: &Filter) -> Result<(), Failure> {
        let asked = filter.collections();
        if asked.is_empty() {
            return Ok(());
        }
        let rows = sqlx::query("SELECT name FROM collections").fetch_all(self.readers()).await;
        let rows = rows.map_err(failed("read"))?;
        let names: Vec<String> = rows.iter().map(|row| required(row, "name")).collect::<Result<_, _>>()?;
        known_collections(&asked, &names)
    }
}

/// `FILTER` naming the first of `asked` that is not among `names`.
pub(super) fn known_collections(asked: &[&str], names: &[String]) -> Result<(), Failure> {
    let Some(missing) = asked.iter().find(|name| !names.iter().any(|known| known.eq_ignore_ascii_case(name))) else {
        return Ok(());
    };
    let near = did_you_mean(missing, names.iter().map(String::as_str));
    let hint = if near.is_empty() { "`amt fleet collection list` lists them".to_owned() } else { near };
    Err(Failure::new(ErrorCode::FILTER, "filter", format!("there is no collection {missing:?}")).hint(hint))
}

/// What tests of filters put into the database behind the back of the setup server.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::change::Tx;
    use crate::store::writer::Change;
    use amt_core::SystemId;

    struct Raw(String, Vec<Bind>);

    impl Change for Raw {
        type Reply = ();

        async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
            let done = query(self.0.clone(), self.1.iter().cloned()).execute(&mut *tx.connection).await;
            done.map(drop).map_err(failed("test"))
        }
    }

    impl Fleet {
        async fn raw(&self, sql: String, binds: Vec<Bind>) {
            self.write(Raw(sql, binds)).await.unwrap();
        }

        pub(crate) async fn set_column(&self, id: SystemId, column: &str, value: Option<Bind>) {
            let mark = if value.is_some() { "?" } else { "NULL" };
            let binds = value.into_iter().chain([Bind::Text(id.to_string())]).collect();
            self.raw(format!("UPDATE machines SET {column} = {mark} WHERE uuid = ?"), binds).await;
        }

        pub(crate) async fn add_collection(&self, name: &str) {
            let sql = "INSERT INTO collections (name, filter, created_at) VALUES (?, 'redo', 0)";
            self.raw(sql.into(), vec![Bind::Text(name.into())]).await;
        }

        pub(crate) async fn join(&self, id: SystemId, collection: &str) {
            let sql = "INSERT INTO members (collection, machine, since) SELECT ?, id, 0 FROM machines WHERE uuid = ?";
            self.raw(sql.into(), vec![Bind::Text(collection.into()), Bind::Text(id.to_string())]).await;
        }

        /// Who fits, with ages counted to `now`.
        pub(crate) async fn ids_at(&self, filter: &Filter, now: SystemTime) -> Vec<SystemId> {
            let FilterSql { text, binds, .. } = filter.to_sql(now);
            let sql = format!("SELECT m.uuid FROM {MACHINES} WHERE {text}");
            let rows = query(sql, binds).fetch_all(self.readers()).await.unwrap();
            rows.iter().map(|row| required::<String>(row, "uuid").unwrap().parse().unwrap()).collect()
        }
    }
}
