//! Collections: named filters, and the machines that fit them.
//!
//! Who belongs to a collection is kept in a table, so that joining and leaving are moments at which something can be done. It
//! is brought up to date for one machine with every change of it ([`Tx::refresh_members`]), and for all machines when a filter
//! changes or time has passed ([`Tx::refresh_all_members`]). A filter may ask about other collections: those are always
//! looked at first, and none asks about itself by any way round.

use super::change::Tx;
use super::machine::required;
use super::select::{known_collections, query};
use super::writer::Change;
use super::{Fleet, Machine, actions, failed, from_millis};
use crate::filter::{Bind, Filter, Subject};
use amt_core::{ErrorCode, Failure, SystemId};
use sqlx::sqlite::SqliteRow;
use std::collections::HashMap;
use std::time::SystemTime;

/// Most collections.
pub const MAX_COLLECTIONS: usize = 256;
/// Longest name of a collection, in bytes.
pub const MAX_COLLECTION_NAME: usize = 64;

/// A named filter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collection {
    /// Its name, in which case is disregarded.
    pub name: String,
    /// Who belongs to it, in canonical form.
    pub filter: String,
    /// When it was made.
    pub created_at: SystemTime,
    /// How many machines belonged to it when it was last looked at.
    pub members: u64,
}

/// A machine joined a collection, or left it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Membership {
    /// The machine.
    pub id: SystemId,
    /// The collection.
    pub collection: String,
    /// Whether it joined.
    pub joined: bool,
}

/// Whether `name` can be that of a collection.
///
/// # Errors
/// Why not, in words that follow "the name".
pub(crate) fn collection_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("is empty".to_owned());
    }
    if name.len() > MAX_COLLECTION_NAME {
        return Err(format!("is longer than {MAX_COLLECTION_NAME} bytes"));
    }
    if name.trim() != name || name.chars().any(|c| c.is_control() || matches!(c, '"' | '\'' | '\\')) {
        return Err("has blanks around it, quotes, backslashes or control characters in it".to_owned());
    }
    Ok(())
}

fn good_name(name: &str) -> Result<(), Failure> {
    collection_name(name)
        .map_err(|why| Failure::new(ErrorCode::INVALID_ARGUMENT, "collection", format!("the name {name:?} {why}")))
}

fn refused(message: String, hint: &'static str) -> Failure {
    Failure::new(ErrorCode::INVALID_ARGUMENT, "collection", message).hint(hint)
}

fn no_such(name: &str, all: &[Kept]) -> Failure {
    let names: Vec<String> = all.iter().map(|kept| kept.name.clone()).collect();
    known_collections(&[name], &names).err().unwrap_or_else(|| refused(format!("no collection {name:?}"), ""))
}

/// A collection as it is worked with.
struct Kept {
    name: String,
    filter: Filter,
}

impl Kept {
    fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl Tx<'_> {
    /// Every collection, each behind those that its filter asks about.
    async fn collections(&mut self) -> Result<Vec<Kept>, Failure> {
        let rows = sqlx::query("SELECT name, filter FROM collections ORDER BY name")
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("read"))?;
        let mut kept = Vec::with_capacity(rows.len());
        for row in &rows {
            let (name, filter): (String, String) = (required(row, "name")?, required(row, "filter")?);
            match Filter::parse(&filter) {
                Ok(filter) => kept.push(Kept { name, filter }),
                // A newer version may have written it. Members stay as they are; everything else goes on.
                Err(error) => tracing::warn!(collection = name, %error, "a filter cannot be read"),
            }
        }
        Ok(in_order(kept).unwrap_or_else(|cyclic| cyclic))
    }

    /// Looks anew at which collections the machines that this transaction is about belong to, and notes what may follow from that.
    pub(super) async fn refresh_members(&mut self) -> Result<(), Failure> {
        let dirty = std::mem::take(&mut self.dirty);
        if dirty.is_empty() {
            return Ok(());
        }
        let collections = self.collections().await?;
        if collections.is_empty() {
            return Ok(());
        }
        for row in dirty {
            let (joined, left) = self.refresh_machine(row, &collections).await?;
            for (word, names) in [("joined", joined), ("left", left)] {
                for name in names {
                    self.moved(row, word, &name).await?;
                }
            }
        }
        Ok(())
    }

    /// A machine joined a collection or left it: a line in its diary, and a cause for actions.
    async fn moved(&mut self, row: i64, word: &str, collection: &str) -> Result<(), Failure> {
        self.diary(row, word, &format!("{word} collection {collection}")).await?;
        actions::event(self, row, &format!("{word}:{collection}")).await
    }

    async fn refresh_machine(&mut self, row: i64, collections: &[Kept]) -> Result<(Vec<String>, Vec<String>), Failure> {
        let (mut joined, mut left) = (Vec::new(), Vec::new());
        let machine = self.machine(row).await?;
        let facts = self.facts(machine.id, row).await?;
        let members = sqlx::query("SELECT collection FROM members WHERE machine = ?1")
            .bind(row)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(failed("read"))?;
        let mut member_of: Vec<String> = members.iter().map(|r| required(r, "collection")).collect::<Result<_, _>>()?;
        let now = from_millis(self.now);
        for Kept { name, filter } in collections {
            let place = member_of.iter().position(|member| member.eq_ignore_ascii_case(name));
            let fits = filter.matches(&Subject { machine: &machine, facts: &facts, collections: &member_of, now });
            let sql = match (place, fits) {
                (None, true) => {
                    member_of.push(name.clone());
                    "INSERT INTO members (collection, machine, since) VALUES (?1, ?2, ?3)"
                }
                (Some(place), false) => {
                    member_of.swap_remove(place);
                    "DELETE FROM members WHERE collection = ?1 AND machine = ?2 AND ?3 IS NOT NULL"
                }
                _ => continue,
            };
            sqlx::query(sql)
                .bind(name.as_str())
                .bind(row)
                .bind(self.now)
                .execute(&mut *self.connection)
                .await
                .map_err(failed("write members"))?;
            if fits { &mut joined } else { &mut left }.push(name.clone());
        }
        Ok((joined, left))
    }

    /// Looks anew at who belongs to every collection.
    pub(super) async fn refresh_all_members(&mut self) -> Result<Vec<Membership>, Failure> {
        let mut changes = Vec::new();
        for Kept { name, filter } in self.collections().await? {
            let fits = filter.to_sql(from_millis(self.now));
            let mut binds = vec![Bind::Text(name.clone())];
            binds.extend(fits.binds.iter().cloned());
            let leave = format!(
                "DELETE FROM members WHERE collection = ? AND machine NOT IN (SELECT m.id FROM machines m WHERE {}) \
                 RETURNING (SELECT uuid FROM machines WHERE id = machine) AS uuid",
                fits.text
            );
            let left = query(leave, binds).fetch_all(&mut *self.connection).await.map_err(failed("write members"))?;
            let mut binds = vec![Bind::Text(name.clone()), Bind::Integer(self.now)];
            binds.extend(fits.binds);
            binds.push(Bind::Text(name.clone()));
            let join = format!(
                "INSERT INTO members (collection, machine, since) SELECT ?, m.id, ? FROM machines m WHERE {} \
                 AND m.id NOT IN (SELECT old.machine FROM members old WHERE old.collection = ?) \
                 RETURNING (SELECT uuid FROM machines WHERE id = machine) AS uuid",
                fits.text
            );
            let joined = query(join, binds).fetch_all(&mut *self.connection).await.map_err(failed("write members"))?;
            for (rows, joined) in [(left, false), (joined, true)] {
                for row in &rows {
                    let id: SystemId = required::<String>(row, "uuid")?.parse()?;
                    let (row, word) = (self.existing_row(id).await?, if joined { "joined" } else { "left" });
                    self.moved(row, word, &name).await?;
                    changes.push(Membership { id, collection: name.clone(), joined });
                }
            }
        }
        Ok(changes)
    }
}

/// Sorted so that each stands behind those that it asks about; as they were, as an error, if that cannot be.
fn in_order(all: Vec<Kept>) -> Result<Vec<Kept>, Vec<Kept>> {
    let places: HashMap<String, usize> =
        all.iter().enumerate().map(|(n, kept)| (kept.name.to_ascii_lowercase(), n)).collect();
    let asked: Vec<Vec<usize>> = all
        .iter()
        .map(|kept| {
            let asked = kept.filter.collections();
            asked.iter().filter_map(|name| places.get(&name.to_ascii_lowercase()).copied()).collect()
        })
        .collect();
    let mut waits_for: Vec<usize> = asked.iter().map(Vec::len).collect();
    let mut order: Vec<usize> = Vec::with_capacity(all.len());
    let mut ready: Vec<usize> = (0..all.len()).rev().filter(|n| waits_for.get(*n) == Some(&0)).collect();
    while let Some(next) = ready.pop() {
        order.push(next);
        for (n, (asked, left)) in asked.iter().zip(&mut waits_for).enumerate() {
            if asked.contains(&next) {
                *left -= 1;
                if *left == 0 {
                    ready.push(n);
                }
            }
        }
    }
    if order.len() < all.len() {
        return Err(all);
    }
    let mut ranked: Vec<(usize, Kept)> = all.into_iter().enumerate().collect();
    let rank: HashMap<usize, usize> = order.into_iter().enumerate().map(|(rank, n)| (n, rank)).collect();
    ranked.sort_by_key(|(n, _)| rank.get(n).copied());
    Ok(ranked.into_iter().map(|(_, kept)| kept).collect())
}

/// A collection is made, or its filter changed.
struct SaveCollection {
    name: String,
    filter: Filter,
    is_new: bool,
}

impl Change for SaveCollection {
    type Reply = Vec<Membership>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<Membership>, Failure> {
        let mut all = tx.collections().await?;
        let names: Vec<String> = all.iter().map(|kept| kept.name.clone()).collect();
        let old = all.iter().position(|kept| kept.is_called(&self.name));
        match old {
            Some(_) if self.is_new => {
                let hint = "`amt fleet collection set` changes its filter";
                return Err(refused(format!("there is a collection {:?} already", self.name), hint));
            }
            None if !self.is_new => return Err(no_such(&self.name, &all)),
            None if all.len() >= MAX_COLLECTIONS => {
                return Err(refused(format!("there are {MAX_COLLECTIONS} collections already"), "remove some"));
            }
            _ => {}
        }
        let asked = self.filter.collections();
        if asked.iter().any(|name| name.eq_ignore_ascii_case(&self.name)) {
            return Err(refused(format!("{:?} asks about itself", self.name), "leave that out of its filter"));
        }
        known_collections(&asked, &names)?;
        if let Some(old) = old {
            all.swap_remove(old);
        }
        all.push(Kept { name: self.name.clone(), filter: self.filter.clone() });
        if in_order(all).is_err() {
            let message = format!("{:?} would ask about itself by way of other collections", self.name);
            return Err(refused(message, "`amt fleet collection list` shows which asks about which"));
        }
        let sql = "INSERT INTO collections (name, filter, created_at) VALUES (?1, ?2, ?3) \
                   ON CONFLICT (name) DO UPDATE SET filter = ?2";
        sqlx::query(sql)
            .bind(self.name.as_str())
            .bind(self.filter.to_string())
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("write collection"))?;
        tx.refresh_all_members().await
    }
}

/// A collection is called otherwise; filters that ask about it follow.
struct RenameCollection {
    from: String,
    to: String,
}

impl Change for RenameCollection {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let all = tx.collections().await?;
        if !all.iter().any(|kept| kept.is_called(&self.from)) {
            return Err(no_such(&self.from, &all));
        }
        let is_same = self.from.eq_ignore_ascii_case(&self.to);
        if !is_same && all.iter().any(|kept| kept.is_called(&self.to)) {
            return Err(refused(format!("there is a collection {:?} already", self.to), "choose another name"));
        }
        sqlx::query("UPDATE collections SET name = ?2 WHERE name = ?1")
            .bind(self.from.as_str())
            .bind(self.to.as_str())
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("rename collection"))?;
        for Kept { name, filter } in all {
            if !filter.collections().iter().any(|asked| asked.eq_ignore_ascii_case(&self.from)) {
                continue;
            }
            let filter = filter.with_collection_renamed(&self.from, &self.to).to_string();
            if let Err(error) = Filter::parse(&filter) {
                let message = format!("the filter of {name:?}, which asks about it, would be {}", error.message);
                return Err(refused(message, "choose a shorter name"));
            }
            sqlx::query("UPDATE collections SET filter = ?2 WHERE name = ?1")
                .bind(name)
                .bind(filter)
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("write collection"))?;
        }
        Ok(())
    }
}

/// A collection is given up.
struct RemoveCollection(String);

impl Change for RemoveCollection {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let all = tx.collections().await?;
        let asks = |kept: &&Kept| kept.filter.collections().iter().any(|asked| asked.eq_ignore_ascii_case(&self.0));
        let users: Vec<&str> = all.iter().filter(asks).map(|kept| kept.name.as_str()).collect();
        if !users.is_empty() {
            let message = format!("{} cannot go: {} ask about it", self.0, users.join(", "));
            return Err(refused(message, "change or remove those first"));
        }
        // By name alone: one whose filter cannot be read can be removed as well.
        let done = sqlx::query("DELETE FROM collections WHERE name = ?1")
            .bind(self.0.as_str())
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("remove collection"))?;
        if done.rows_affected() == 0 { Err(no_such(&self.0, &all)) } else { Ok(()) }
    }
}

/// Every collection is looked at anew.
struct RefreshAll;

impl Change for RefreshAll {
    type Reply = Vec<Membership>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<Membership>, Failure> {
        tx.refresh_all_members().await
    }
}

fn collection(row: &SqliteRow) -> Result<Collection, Failure> {
    Ok(Collection {
        name: required(row, "name")?,
        filter: required(row, "filter")?,
        created_at: from_millis(required(row, "created_at")?),
        members: u64::try_from(required::<i64>(row, "members")?).unwrap_or_default(),
    })
}

impl Fleet {
    /// Makes a collection. Returns who belongs to it.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the name cannot be or is taken, or there are [`MAX_COLLECTIONS`]; `FILTER` if the filter asks about a
    /// collection that there is not; `STORE`.
    pub async fn new_collection(&self, name: &str, filter: &Filter) -> Result<Vec<Membership>, Failure> {
        good_name(name)?;
        self.write(SaveCollection { name: name.to_owned(), filter: filter.clone(), is_new: true }).await
    }

    /// Gives a collection another filter. Returns who joined and who left it and those that ask about it.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if it would ask about itself, by any way round; `FILTER` if there is no such collection, or the filter asks
    /// about one that there is not; `STORE`.
    pub async fn set_collection(&self, name: &str, filter: &Filter) -> Result<Vec<Membership>, Failure> {
        self.write(SaveCollection { name: name.to_owned(), filter: filter.clone(), is_new: false }).await
    }

    /// Gives a collection another name; filters that ask about it follow.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the name cannot be or is taken; `FILTER` if there is no such collection; `STORE`.
    pub async fn rename_collection(&self, from: &str, to: &str) -> Result<(), Failure> {
        good_name(to)?;
        self.write(RenameCollection { from: from.to_owned(), to: to.to_owned() }).await
    }

    /// Gives a collection up. Machines are not touched.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if another one asks about it; `FILTER` if there is no such collection; `STORE`.
    pub async fn remove_collection(&self, name: &str) -> Result<(), Failure> {
        self.write(RemoveCollection(name.to_owned())).await
    }

    /// Every collection, by name.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn collections(&self) -> Result<Vec<Collection>, Failure> {
        let rows = sqlx::query(
            "SELECT name, filter, created_at, (SELECT count(*) FROM members WHERE collection = name) AS members \
             FROM collections ORDER BY name",
        )
        .fetch_all(self.readers())
        .await
        .map_err(failed("read"))?;
        rows.iter().map(collection).collect()
    }

    /// The machines that belonged to a collection when it was last looked at, in the order in which they became known.
    ///
    /// # Errors
    /// `FILTER` if there is no such collection; `STORE`.
    pub async fn members(&self, name: &str) -> Result<Vec<Machine>, Failure> {
        self.select(&Filter::member_of(name)?, None, None).await
    }

    /// Names of the collections that a machine belongs to.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn collections_of(&self, id: SystemId) -> Result<Vec<String>, Failure> {
        let rows = sqlx::query(
            "SELECT c.name FROM members JOIN collections c ON c.name = collection \
             WHERE machine = (SELECT id FROM machines WHERE uuid = ?1) ORDER BY c.name",
        )
        .bind(id.to_string())
        .fetch_all(self.readers())
        .await
        .map_err(failed("read"))?;
        rows.iter().map(|row| required(row, "name")).collect()
    }

    /// Looks anew at who belongs to every collection: time alone makes machines join and leave those that ask about ages.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn refresh_all_members(&self) -> Result<Vec<Membership>, Failure> {
        self.write(RefreshAll).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KnownMachine;
    use crate::fact::{FactKey, FactSource};
    use crate::seal::{KEY_LEN, SealKey};
    use crate::store::Report;
    use amt_core::Secret;
    use std::time::Duration;

    async fn fleet(machines: u8) -> (tempfile::TempDir, Fleet) {
        let folder = tempfile::tempdir().unwrap();
        let fleet = Fleet::open(folder.path().join("f.db"), SealKey::new(&Secret::new([1; KEY_LEN]))).await.unwrap();
        fleet.import((1..=machines).map(|n| KnownMachine::new(id(n))).collect()).await.unwrap();
        (folder, fleet)
    }

    fn id(n: u8) -> SystemId {
        SystemId::from_wire([n; 16])
    }

    fn filter(text: &str) -> Filter {
        Filter::parse(text).unwrap()
    }

    fn joined(id: SystemId, collection: &str, joined: bool) -> Membership {
        Membership { id, collection: collection.into(), joined }
    }

    async fn label(fleet: &Fleet, n: u8, labels: &[&str]) {
        let mut report = Report::new(id(n), FactSource::List);
        for label in labels {
            report = report.with(FactKey::Label, *label);
        }
        fleet.report(report).await.unwrap();
    }

    async fn ids(fleet: &Fleet, collection: &str) -> Vec<SystemId> {
        fleet.members(collection).await.unwrap().iter().map(|m| m.id).collect()
    }

    #[tokio::test]
    async fn machines_join_and_leave_as_they_change() {
        let (_folder, fleet) = fleet(3).await;
        label(&fleet, 1, &["red"]).await;
        let changes = fleet.new_collection("Red", &filter("label = red")).await.unwrap();
        assert_eq!(changes, [joined(id(1), "Red", true)]);
        // Asks about another one, and sorts before it by name.
        let changes = fleet.new_collection("Not red", &filter("not in red")).await.unwrap();
        assert_eq!(changes.len(), 2);
        label(&fleet, 2, &["red", "blue"]).await;
        label(&fleet, 2, &["red", "blue"]).await;
        let actions = fleet.actions(id(2), 10).await.unwrap();
        let causes: Vec<_> = actions.iter().map(|a| a.cause.as_str()).collect();
        assert_eq!(
            causes,
            ["joined:Not red", "joined:Red", "left:Not red"],
            "told once, with the change that caused it"
        );
        assert_eq!(ids(&fleet, "RED").await, [id(1), id(2)]);
        assert_eq!(ids(&fleet, "not red").await, [id(3)]);
        assert_eq!(fleet.collections_of(id(2)).await.unwrap(), ["Red"]);
        let mut changes = fleet.set_collection("red", &filter("label = blue")).await.unwrap();
        changes.sort_by_key(|c| c.joined);
        assert_eq!(changes, [joined(id(1), "Red", false), joined(id(1), "Not red", true)]);
        let all = fleet.collections().await.unwrap();
        let facts: Vec<_> = all.iter().map(|c| (c.name.as_str(), c.filter.as_str(), c.members)).collect();
        assert_eq!(facts, [("Not red", "not in red", 2), ("Red", "label = blue", 1)]);
        assert_eq!(fleet.refresh_all_members().await.unwrap(), []);
    }

    #[tokio::test]
    async fn time_alone_makes_machines_leave() {
        let (_folder, fleet) = fleet(1).await;
        let now = crate::store::millis(SystemTime::now());
        fleet.set_column(id(1), "hello_at", Some(Bind::Integer(now))).await;
        fleet.new_collection("fresh", &filter("hello < 1s")).await.unwrap();
        assert!(filter("hello < 1s").is_about_time() && !filter("redo").is_about_time());
        assert_eq!(ids(&fleet, "fresh").await, [id(1)]);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(fleet.refresh_all_members().await.unwrap(), [joined(id(1), "fresh", false)]);
    }

    #[tokio::test]
    async fn none_asks_about_itself_or_about_nothing() {
        let (_folder, fleet) = fleet(0).await;
        for (name, text) in [("a", "redo"), ("b", "in a"), ("c", "in b and not in a")] {
            fleet.new_collection(name, &filter(text)).await.unwrap();
        }
        for (name, text, want) in [
            ("a", "in A", "asks about itself"),
            ("a", "not in c", "would ask about itself"),
            ("d", "redo", "no collection"),
            ("b", "in aa", "no collection"),
        ] {
            let error = fleet.set_collection(name, &filter(text)).await.unwrap_err();
            assert!(error.message.contains(want), "{name} {text}: {error}");
        }
        assert!(fleet.new_collection("A", &filter("")).await.unwrap_err().message.contains("already"));
        assert!(fleet.new_collection(" a", &filter("")).await.unwrap_err().message.contains("blanks"));
        assert!(fleet.new_collection(&"x".repeat(65), &filter("")).await.unwrap_err().message.contains("64 bytes"));
        assert!(fleet.remove_collection("a").await.unwrap_err().message.contains("b, c ask about it"));
        assert!(fleet.rename_collection("a", "B").await.unwrap_err().message.contains("already"));
        assert_eq!(fleet.rename_collection("zz", "y").await.unwrap_err().code, ErrorCode::FILTER);
        fleet.rename_collection("a", "floor 7").await.unwrap();
        let filters: Vec<String> = fleet.collections().await.unwrap().into_iter().map(|c| c.filter).collect();
        assert_eq!(filters, ["in \"floor 7\"", "in b and not in \"floor 7\"", "redo"]);
        for name in ["c", "B", "Floor 7"] {
            fleet.remove_collection(name).await.unwrap();
        }
        assert_eq!(fleet.remove_collection("b").await.unwrap_err().code, ErrorCode::FILTER);
        assert_eq!(fleet.select(&filter("in b"), None, None).await.unwrap_err().code, ErrorCode::FILTER);
    }

    #[tokio::test]
    async fn a_filter_at_its_limits_is_taken_by_the_database() {
        let (_folder, fleet) = fleet(2).await;
        let wide = vec!["os = x"; crate::filter::MAX_TESTS].join(" or ");
        let columns = vec!["host ~ x"; crate::filter::MAX_TESTS].join(" or ");
        let depth = crate::filter::MAX_DEPTH - 1;
        let deep = "(os = x or host = y and ".repeat(depth) + "redo" + &")".repeat(depth);
        let not = "not (os = x or host = y and ".repeat(depth / 2) + "redo" + &")".repeat(depth / 2);
        for text in [wide, columns, deep, not] {
            assert!(fleet.select(&filter(&text), None, None).await.unwrap().len() <= 2);
            fleet.new_collection("limit", &filter(&text)).await.unwrap();
            label(&fleet, 1, &["x"]).await;
            fleet.forget_facts(id(1), FactSource::List, None).await.unwrap();
            fleet.remove_collection("limit").await.unwrap();
        }
    }

    #[tokio::test]
    async fn machines_are_sorted_and_counted() {
        let (_folder, fleet) = fleet(4).await;
        for (n, host, hello, version) in [(1, Some("b"), 50, 5), (2, Some("A"), 90, 9), (3, None, 70, 7)] {
            fleet.set_column(id(n), "host_name", host.map(|h| Bind::Text(h.into()))).await;
            fleet.set_column(id(n), "hello_at", Some(Bind::Integer(hello))).await;
            fleet.set_column(id(n), "version_order", Some(Bind::Integer(version << 48))).await;
        }
        for (column, value) in
            [("failure_code", Bind::Integer(7009)), ("failure_message", Bind::Text("\"why\"".into()))]
        {
            fleet.set_column(id(2), column, Some(value)).await;
        }
        fleet.set_column(id(2), "address", Some(Bind::Text("10.0.0.1".into()))).await;
        for (sort, want) in [
            (None, [1, 2, 3, 4]),
            (Some("host"), [2, 1, 3, 4]),
            (Some("-host"), [1, 2, 3, 4]),
            (Some("hello"), [2, 3, 1, 4]),
            (Some("-hello"), [1, 3, 2, 4]),
            (Some("-version"), [2, 3, 1, 4]),
        ] {
            let sort = sort.map(|s| s.parse().unwrap());
            let found = fleet.select(&Filter::every(), sort, None).await.unwrap();
            assert_eq!(found.iter().map(|m| m.id).collect::<Vec<_>>(), want.map(id), "{sort:?}");
            let listed = fleet.list(&Filter::every(), sort, None).await.unwrap();
            for (machine, listed) in found.iter().zip(&listed) {
                assert_eq!(
                    (machine.id, machine.state, machine.name()),
                    (listed.id, listed.state, listed.name.as_ref().map(ToString::to_string))
                );
                assert_eq!(
                    (machine.address, machine.failure.as_ref().map(ToString::to_string)),
                    (listed.address, listed.failure.as_ref().map(ToString::to_string))
                );
            }
            assert_eq!(listed.len(), found.len());
            assert_eq!(fleet.list(&Filter::every(), sort, Some(3)).await.unwrap(), listed.get(..3).unwrap());
            let found = fleet.select(&Filter::every(), sort, Some(2)).await.unwrap();
            assert_eq!(found.len(), 2);
        }
        assert_eq!(fleet.count(&filter("has host")).await.unwrap(), 2);
        assert_eq!(fleet.count(&filter("version >= 6")).await.unwrap(), 2);
        assert_eq!(fleet.machine(id(3)).await.unwrap().firmware, Some(amt_core::FirmwareVersion::new(7, 0)));
        let error = "-hots".parse::<crate::filter::Sort>().unwrap_err();
        assert!(error.hint.contains("host"), "{error:?}");
    }
}
