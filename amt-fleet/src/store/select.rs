//! Machines by filter.

use super::facts::fact;
use super::machine::{Machine, MachineState, Name, required};
use super::{Fleet, failed};
use crate::fact::{Fact, Facts};
use crate::filter::{Bind, Filter, FilterSql, Sort, did_you_mean};
use amt_core::{ErrorCode, Failure, SystemId};
use amt_provision::Step;
use sqlx::AssertSqlSafe;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::SystemTime;

pub(super) type Asking = Query<'static, Sqlite, SqliteArguments>;

/// A query whose text is made of constants and of a filter's condition, which has a question mark for every value.
pub(super) fn query(text: String, binds: impl IntoIterator<Item = Bind>) -> Asking {
    binds.into_iter().fold(sqlx::query(AssertSqlSafe(text)), |query, bind| match bind {
        Bind::Text(text) => query.bind(text),
        Bind::Integer(number) => query.bind(number),
    })
}

/// What a list shows of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// UUID.
    pub id: SystemId,
    /// Where it stands.
    pub state: MachineState,
    /// Last step in the journal of one that is not verified.
    pub step: Option<Step>,
    /// Address last seen.
    pub address: Option<IpAddr>,
    /// Name assigned.
    pub name: Option<Name>,
    /// Why the last attempt failed.
    pub failure: Option<Failure>,
}

/// UUID, state, step, address, host, domain, and the failure's code, stage and message. What has no escapes is borrowed.
type Line<'a> = (
    &'a str,
    &'a str,
    Option<&'a str>,
    Option<&'a str>,
    Option<String>,
    Option<String>,
    Option<u32>,
    Option<String>,
    Option<String>,
);

impl Listed {
    /// Whether everything is done and proven.
    pub fn is_verified(&self) -> bool {
        self.state == MachineState::Verified
    }

    fn from_line((id, state, step, address, host, domain, code, stage, message): Line<'_>) -> Result<Self, Failure> {
        let failure = code.zip(message).map(|(code, message)| {
            let code = ErrorCode::from_number(code).unwrap_or(ErrorCode::STORE);
            Failure::new(code, stage.unwrap_or_default(), message)
        });
        Ok(Self {
            id: id.parse()?,
            state: state.parse()?,
            step: step.map(|step| step.parse()).transpose()?,
            address: address.and_then(|address| address.parse().ok()),
            name: host.map(|host| Name { host, domain }),
            failure,
        })
    }
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
        let Picking { machines, condition, order, binds } = Picking::new(filter, sort, limit);
        let sql = format!(
            "SELECT m.*, j.step, j.commit_sent, j.realm, j.firmware, j.certificate FROM {machines} \
             LEFT JOIN journal j ON j.machine = m.id {condition} ORDER BY {order}"
        );
        let rows = query(sql, binds).fetch_all(self.readers()).await.map_err(failed("select"))?;
        rows.iter().map(Machine::from_row).collect()
    }

    /// The same as [`select`](Self::select) with only what a list of machines shows: several times faster.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub async fn list(&self, filter: &Filter, sort: Option<Sort>, limit: Option<u32>) -> Result<Vec<Listed>, Failure> {
        self.check_collections(filter).await?;
        let Picking { machines, condition, order, mut binds } = Picking::new(filter, sort, limit);
        // A limit that is none: SQLite keeps the order of what is put together only of a part with one.
        binds.push(Bind::Integer(-1));
        // One value instead of a million: handing over rows and columns one by one would take most of the time.
        let sql = format!(
            "SELECT '[' || ifnull(group_concat(line, ','), '') || ']' AS lines FROM (SELECT json_array(m.uuid, m.state, \
             iif(m.state = 'verified', NULL, (SELECT j.step FROM journal j WHERE j.machine = m.id)), m.address, m.host_name, \
             m.domain_name, m.failure_code, m.failure_stage, m.failure_message) AS line \
             FROM {machines} {condition} ORDER BY {order} LIMIT ?)"
        );
        let row = query(sql, binds).fetch_one(self.readers()).await.map_err(failed("list"))?;
        let lines: String = required(&row, "lines")?;
        let lines: Vec<Line<'_>> = serde_json::from_str(&lines)
            .map_err(|error| Failure::new(ErrorCode::STORE, "store", format!("list: {error}")))?;
        lines.into_iter().map(Listed::from_line).collect()
    }

    /// What is said now of each of `machines`, in their order.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn facts_of(&self, machines: &[Machine]) -> Result<Vec<Facts>, Failure> {
        let ids: Vec<String> = machines.iter().map(|machine| machine.id.to_string()).collect();
        let ids = Bind::Text(serde_json::json!(ids).to_string());
        let sql = "SELECT m.uuid, f.* FROM machines m JOIN facts f ON f.machine = m.id AND f.until IS NULL \
                   WHERE m.uuid IN (SELECT value FROM json_each(?))";
        let rows = query(sql.to_owned(), [ids]).fetch_all(self.readers()).await.map_err(failed("select"))?;
        let mut said: HashMap<SystemId, Vec<Fact>> = HashMap::new();
        for row in &rows {
            said.entry(required::<String>(row, "uuid")?.parse()?).or_default().push(fact(row)?);
        }
        Ok(machines.iter().map(|m| Facts::new(m.id, said.remove(&m.id).unwrap_or_default())).collect())
    }

    /// How many machines fit `filter`.
    ///
    /// # Errors
    /// As [`select`](Self::select).
    pub async fn count(&self, filter: &Filter) -> Result<u64, Failure> {
        self.check_collections(filter).await?;
        let FilterSql { text, binds, .. } = filter.to_sql(SystemTime::now());
        let sql = format!("SELECT count(*) AS n FROM machines m WHERE {text}");
        let row = query(sql, binds).fetch_one(self.readers()).await.map_err(failed("count"))?;
        Ok(u64::try_from(required::<i64>(&row, "n")?).unwrap_or_default())
    }

    /// A mistyped collection would have no members, and so the answer would be wrong without anybody noticing.
    pub(super) async fn check_collections(&self, filter: &Filter) -> Result<(), Failure> {
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

/// Parts of a query about the machines that fit: put together, they have the marks for `binds` in their order.
struct Picking {
    machines: String,
    condition: String,
    order: String,
    binds: Vec<Bind>,
}

impl Picking {
    fn new(filter: &Filter, sort: Option<Sort>, limit: Option<u32>) -> Self {
        let FilterSql { text, mut binds, .. } = filter.to_sql(SystemTime::now());
        let order = sort.map_or_else(|| "m.id".to_owned(), Sort::to_sql);
        let Some(limit) = limit else {
            return Self { machines: "machines m".to_owned(), condition: format!("WHERE {text}"), order, binds };
        };
        binds.push(Bind::Integer(i64::from(limit)));
        // What will not be shown is not carried through the sorting.
        let machines = format!(
            "(SELECT m.id FROM machines m WHERE {text} ORDER BY {order} LIMIT ?) picked JOIN machines m ON m.id = picked.id"
        );
        Self { machines, condition: String::new(), order, binds }
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
            let sql = format!("SELECT m.uuid FROM machines m WHERE {text}");
            let rows = query(sql, binds).fetch_all(self.readers()).await.unwrap();
            rows.iter().map(|row| required::<String>(row, "uuid").unwrap().parse().unwrap()).collect()
        }
    }
}
