//! Facts in the database.

use super::change::Tx;
use super::known::claim;
use super::machine::{Origin, required, time};
use super::writer::Change;
use super::{Fleet, failed, from_millis};
use crate::fact::{Fact, FactKey, FactSource, Facts, MAX_VALUES};
use amt_core::{ErrorCode, Failure, SystemId};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use std::collections::HashMap;

/// Most facts kept of one machine that no longer stand; older ones go.
pub const MAX_PAST_FACTS: i64 = 200;

/// What one source says of one machine. Of every key that is named, what the same source said before ends.
#[derive(Clone, Debug)]
pub struct Report {
    /// The machine.
    pub id: SystemId,
    /// Who says so.
    pub source: FactSource,
    /// What, in any form that [`FactKey::normalise`] takes.
    pub facts: Vec<(FactKey, String)>,
}

impl Report {
    /// A report of nothing yet.
    pub const fn new(id: SystemId, source: FactSource) -> Self {
        Self { id, source, facts: Vec::new() }
    }

    /// With one more fact.
    #[must_use]
    pub fn with(mut self, key: FactKey, value: impl Into<String>) -> Self {
        self.facts.push((key, value.into()));
        self
    }

    /// What the source of this name says, as a JSON object: `{"fqdn": "pc1.example.com", "label": ["a", "b"]}`.
    ///
    /// # Errors
    /// `PARSE_TEXT` naming what is no source, no key, or no value of one.
    pub fn said(id: SystemId, source: &str, facts: &Value) -> Result<Self, Failure> {
        let named = |what: &str, mut failure: Failure| {
            failure.message.insert_str(0, &format!("{what}: "));
            failure
        };
        let wrong = |why: &str| Failure::new(ErrorCode::PARSE_TEXT, "call", format!("facts: {why}"));
        let source = FactSource::named(source).map_err(|failure| named("source", failure))?;
        let facts = facts.as_object().ok_or_else(|| wrong("not an object"))?;
        facts.iter().try_fold(Self::new(id, source), |report, (key, said)| {
            let key = FactKey::named(key).map_err(|failure| named("key", failure))?;
            let values = said.as_array().map_or_else(|| std::slice::from_ref(said), Vec::as_slice);
            values.iter().try_fold(report, |report, value| match value {
                Value::String(value) => Ok(report.with(key, value)),
                _ => Err(wrong(&format!("{key}: neither a text nor a list of texts"))),
            })
        })
    }

    /// The same with every value in its one form.
    ///
    /// # Errors
    /// `PARSE_TEXT` naming the first key whose value is none, or that has too many.
    pub fn normalised(mut self) -> Result<Self, Failure> {
        let bad = |text: String| Failure::new(ErrorCode::PARSE_TEXT, "facts", text);
        for (key, value) in &mut self.facts {
            *value = key.normalise(value).map_err(|why| bad(format!("{key} {why}")))?;
        }
        for key in FactKey::ALL {
            let most = if key.is_many() { MAX_VALUES } else { 1 };
            if self.facts.iter().filter(|(k, _)| k == key).count() > most {
                return Err(bad(format!("{key} is given more than {most} times")));
            }
        }
        Ok(self)
    }
}

/// Writes a normalised report; the machine's row is made if it is new and `origin` says by whom.
pub(crate) struct Tell {
    pub(crate) report: Report,
    /// Who makes the row of a machine that is not known; absent: `MACHINE_UNKNOWN`.
    pub(crate) origin: Option<Origin>,
}

impl Change for Tell {
    /// Whether anything is said that was not said before.
    type Reply = bool;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<bool, Failure> {
        let row = match (tx.row_of(self.report.id).await?, self.origin) {
            (Some(row), _) => row,
            (None, Some(origin)) => tx.insert_machine(self.report.id, origin, false).await?,
            (None, None) => return Err(super::unknown(self.report.id)),
        };
        tell(tx, row, &self.report).await
    }
}

/// Records what is said of a machine, and what a list says of a machine with such an interface.
pub(super) async fn tell(tx: &mut Tx<'_>, row: i64, report: &Report) -> Result<bool, Failure> {
    let news = say(tx, row, report).await?;
    Ok(claim(tx, row, report).await? || news)
}

/// Adds what is new, renews what is said again, ends what the same source no longer says.
pub(super) async fn say(tx: &mut Tx<'_>, row: i64, report: &Report) -> Result<bool, Failure> {
    let source = report.source.name();
    let mut news = false;
    let mut keys: Vec<FactKey> = report.facts.iter().map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let stored = sqlx::query(
            "SELECT id, value FROM facts WHERE machine = ?1 AND key = ?2 AND source = ?3 AND until IS NULL",
        )
        .bind(row)
        .bind(key.name())
        .bind(source)
        .fetch_all(&mut *tx.connection)
        .await
        .map_err(failed("read"))?;
        let mut stored: HashMap<String, i64> =
            stored.iter().map(|r| Ok((required(r, "value")?, required(r, "id")?))).collect::<Result<_, Failure>>()?;
        for (_, value) in report.facts.iter().filter(|(k, _)| *k == key) {
            if let Some(fact) = stored.remove(value) {
                let sql = "UPDATE facts SET at = ?2 WHERE id = ?1";
                sqlx::query(sql)
                    .bind(fact)
                    .bind(tx.now)
                    .execute(&mut *tx.connection)
                    .await
                    .map_err(failed("write fact"))?;
                continue;
            }
            let sql =
                "INSERT OR IGNORE INTO facts (machine, key, value, source, since, at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)";
            let done = sqlx::query(sql)
                .bind(row)
                .bind(key.name())
                .bind(value.as_str())
                .bind(source)
                .bind(tx.now)
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("write fact"))?;
            news |= done.rows_affected() > 0;
        }
        for fact in stored.into_values() {
            let sql = "UPDATE facts SET until = ?2 WHERE id = ?1";
            sqlx::query(sql)
                .bind(fact)
                .bind(tx.now)
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("write fact"))?;
            news = true;
        }
    }
    if news {
        let sql = "DELETE FROM facts WHERE machine = ?1 AND until IS NOT NULL AND id <= \
                   (SELECT id FROM facts WHERE machine = ?1 AND until IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        sqlx::query(sql).bind(row).bind(MAX_PAST_FACTS).execute(&mut *tx.connection).await.map_err(failed("forget"))?;
    }
    Ok(news)
}

pub(super) fn fact(row: &SqliteRow) -> Result<Fact, Failure> {
    let key = required::<String>(row, "key")?.parse()?;
    let source = required::<String>(row, "source")?.parse()?;
    let mut fact = Fact::new(key, required(row, "value")?, source, from_millis(required(row, "at")?));
    fact.since = from_millis(required(row, "since")?);
    fact.until = time(row, "until")?;
    Ok(fact)
}

impl Tx<'_> {
    /// What stands of a machine.
    pub(super) async fn facts(&mut self, id: SystemId, row: i64) -> Result<Facts, Failure> {
        let rows = sqlx::query("SELECT * FROM facts WHERE machine = ?1 AND until IS NULL")
            .bind(row)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("read"))?;
        Ok(Facts::new(id, rows.iter().map(fact).collect::<Result<Vec<_>, _>>()?))
    }
}

impl Fleet {
    /// Records what a source says of a machine that is known. Returns whether anything is new.
    ///
    /// # Errors
    /// `PARSE_TEXT` for a value that cannot be, `MACHINE_UNKNOWN`, `STORE`.
    pub async fn report(&self, report: Report) -> Result<bool, Failure> {
        let id = report.id;
        let news = self.write(Tell { report: report.normalised()?, origin: None }).await?;
        self.touch(id);
        Ok(news)
    }

    /// What is said of a machine now.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn facts(&self, id: SystemId) -> Result<Facts, Failure> {
        Ok(Facts::new(id, self.fact_history(id).await?))
    }

    /// What was ever said of a machine, oldest first, within [`MAX_PAST_FACTS`].
    ///
    /// # Errors
    /// `STORE`.
    pub async fn fact_history(&self, id: SystemId) -> Result<Vec<Fact>, Failure> {
        let rows =
            sqlx::query("SELECT * FROM facts WHERE machine = (SELECT id FROM machines WHERE uuid = ?1) ORDER BY id")
                .bind(id.to_string())
                .fetch_all(self.readers())
                .await
                .map_err(failed("read"))?;
        rows.iter().map(fact).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_source_says_is_read_and_what_it_cannot_say_is_named() {
        let id = SystemId::from_wire([7; 16]);
        let report = Report::said(id, "operator", &json!({ "fqdn": "pc1.example.com", "label": ["a", "b"] })).unwrap();
        assert_eq!(report.source, FactSource::Operator);
        let said: Vec<_> = report.facts.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(said, [(FactKey::Fqdn, "pc1.example.com"), (FactKey::Label, "a"), (FactKey::Label, "b")]);
        for (source, facts, want) in [
            ("nobody", json!({}), "source: \"nobody\" is none of hello, dns,"),
            ("list", json!({ "colour": "red" }), "key: \"colour\" is none of mac, fqdn,"),
            ("list", json!({ "fqdn": 7 }), "facts: fqdn: neither a text nor a list of texts"),
            ("list", json!({ "label": ["a", null] }), "facts: label: neither a text nor a list of texts"),
            ("list", json!([]), "facts: not an object"),
        ] {
            let failure = Report::said(id, source, &facts).unwrap_err();
            assert_eq!(failure.code, ErrorCode::PARSE_TEXT);
            assert!(failure.message.starts_with(want), "{failure}");
        }
    }
}
