//! What a database says, read without changing a byte of it: for reports and diagnoses beside a running server.

use crate::console::Console;
use crate::seal::{Place, SealKey};
use crate::store::CONSOLE_PLACE;
use amt_core::psk::{Form, Pid};
use amt_core::{ErrorCode, Failure, FirmwareVersion, SystemId};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Connection as _, Row as _};
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long to wait for a server that writes.
const BUSY: Duration = Duration::from_secs(5);

/// A look at a database.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Glance {
    /// Every machine in it.
    pub machines: HashMap<SystemId, Glimpse>,
    /// PIDs of the vault's pairs, and the machine whose alone each is.
    pub pairs: HashMap<Pid, Option<SystemId>>,
    /// The newest time that anything in it carries.
    pub newest: Option<SystemTime>,
    seal: Option<Vec<u8>>,
    /// The console's certificates, sealed, and their version.
    console: Option<(Vec<u8>, i64)>,
}

/// One machine, as far as reports need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Glimpse {
    /// Provisioned and proven.
    pub verified: bool,
    /// To be provisioned again although verified.
    pub redo: bool,
    /// DNS suffix that its firmware has, if known.
    pub dns_suffix: Option<String>,
    /// Firmware version, if it was ever connected to.
    pub firmware: Option<FirmwareVersion>,
    /// Name of the profile decided; absent: the default one.
    pub profile: Option<String>,
    /// PIDs of the pairs that it holds or may hold.
    pub pids: Vec<Pid>,
}

impl Glance {
    /// Reads the database at `path`; `None` if there is none, or an empty file.
    ///
    /// # Errors
    /// `STORE` if it cannot be opened or is no fleet database.
    pub async fn read(path: &Path) -> Result<Option<Self>, Failure> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Ok(facts) if facts.len() == 0 => return Ok(None),
            _ => {}
        }
        let failed = |error: sqlx::Error| {
            Failure::new(ErrorCode::STORE, "look", format!("{}: {error}", path.display()))
                .hint("check the path and its permissions; the file must be a fleet database")
        };
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY);
        let mut connection = SqliteConnection::connect_with(&options).await.map_err(failed)?;
        let glance = Self::from(&mut connection).await.map_err(failed);
        let _ = connection.close().await;
        glance.map(Some)
    }

    /// Whether `key` is the one that this database was made with; `None` if the database does not tell.
    pub fn opens_with(&self, key: &SealKey) -> Option<bool> {
        let place = Place { column: "settings.value", row: "seal" };
        self.seal.as_ref().map(|sealed| key.open(place, sealed).is_ok())
    }

    /// The certificates that this console has or wants; `None` if `key` is not this database's.
    pub(crate) fn console(&self, key: &SealKey) -> Option<Result<Console, Failure>> {
        let Some((sealed, version)) = &self.console else { return Some(Ok(Console::default())) };
        let clear = key.open(CONSOLE_PLACE, sealed).ok()?;
        Some(Console::decode(clear.expose(), *version))
    }

    async fn from(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT m.*, m.state = 'verified' AS verified, j.firmware \
             FROM machines m LEFT JOIN journal j ON j.machine = m.id",
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut machines = HashMap::with_capacity(rows.len());
        for row in rows {
            // A row that does not read is the server's to complain about.
            let Ok(id) = row.try_get::<String, _>("uuid")?.parse() else { continue };
            let glimpse = Glimpse {
                verified: row.try_get("verified")?,
                redo: row.try_get("redo")?,
                dns_suffix: row.try_get("dns_suffix")?,
                firmware: row.try_get::<Option<String>, _>("firmware")?.and_then(|text| text.parse().ok()),
                // A database that no newer server has opened yet has no such column.
                profile: row.try_get("profile").unwrap_or_default(),
                pids: Vec::new(),
            };
            machines.insert(id, glimpse);
        }
        let pairs = pairs(connection, &mut machines).await?;
        let newest = sqlx::query(
            "SELECT max(at) AS newest FROM (SELECT max(changed_at) AS at FROM machines UNION ALL \
             SELECT at FROM (SELECT at FROM events ORDER BY id DESC LIMIT 1) UNION ALL \
             SELECT at FROM (SELECT at FROM hellos ORDER BY id DESC LIMIT 1))",
        )
        .fetch_one(&mut *connection)
        .await?;
        let newest = newest.try_get::<Option<i64>, _>("newest")?.and_then(|millis| u64::try_from(millis).ok());
        let newest = newest.and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis)));
        let seal =
            sqlx::query("SELECT value FROM settings WHERE name = 'seal'").fetch_optional(&mut *connection).await?;
        let seal = seal.map(|row| row.try_get("value")).transpose()?;
        let console = console(connection).await?;
        Ok(Self { machines, pairs, newest, seal, console })
    }
}

/// The row of the console's certificates, where a server has made one that is new enough to have them.
async fn console(connection: &mut SqliteConnection) -> Result<Option<(Vec<u8>, i64)>, sqlx::Error> {
    if !has_table(connection, "console").await? {
        return Ok(None);
    }
    let row = sqlx::query("SELECT sealed, version FROM console WHERE id = 1").fetch_optional(connection).await?;
    row.map(|row| Ok((row.try_get("sealed")?, row.try_get("version")?))).transpose()
}

/// A database that no newer server has opened yet lacks some.
async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, sqlx::Error> {
    let table = sqlx::query("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1").bind(name);
    Ok(table.fetch_optional(connection).await?.is_some())
}

/// The vault's pairs; those of machines are added to `machines`.
async fn pairs(
    connection: &mut SqliteConnection,
    machines: &mut HashMap<SystemId, Glimpse>,
) -> Result<HashMap<Pid, Option<SystemId>>, sqlx::Error> {
    if !has_table(connection, "psk_vault").await? {
        return Ok(HashMap::new());
    }
    let pid = |row: &SqliteRow| Ok::<_, sqlx::Error>(Pid::parse(&row.try_get::<String, _>("pid")?, Form::Strict).ok());
    let rows = sqlx::query("SELECT p.pid, m.uuid FROM machine_psk p JOIN machines m ON m.id = p.machine");
    for row in rows.fetch_all(&mut *connection).await? {
        let owner = row.try_get::<String, _>("uuid")?.parse().ok();
        if let (Some(pid), Some(glimpse)) = (pid(&row)?, owner.and_then(|id: SystemId| machines.get_mut(&id))) {
            glimpse.pids.push(pid);
        }
    }
    let mut pairs = HashMap::new();
    for row in sqlx::query("SELECT pid, machine FROM psk_vault").fetch_all(&mut *connection).await? {
        let machine: Option<String> = row.try_get("machine")?;
        if let Some(pid) = pid(&row)? {
            pairs.insert(pid, machine.and_then(|id| id.parse().ok()));
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fleet, KnownMachine, SecretPair};
    use amt_core::psk::PskPair;

    #[tokio::test]
    async fn a_look_sees_the_machines_and_the_key_and_makes_no_database() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key) = (folder.path().join("fleet.db"), folder.path().join("seal.key"));
        assert!(Glance::read(&path).await.unwrap().is_none());
        assert!(!path.exists());
        let fleet = Fleet::open_with_key_file(&path, &key).await.unwrap();
        let id = "4c4c4544-0042-3510-8052-b4c04f564433".parse().unwrap();
        let mut known = KnownMachine::new(id);
        known.dns_suffix = Some("lab.example.com".to_owned());
        fleet.import(vec![known.clone()]).await.unwrap();
        let pair = PskPair::parse("AMT1SET7", "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD", Form::Strict).unwrap();
        fleet.import_pairs(vec![SecretPair::new(pair.clone())]).await.unwrap();
        // Beside the open database, as beside a running server.
        let glance = Glance::read(&path).await.unwrap().unwrap();
        assert_eq!(glance.machines[&id].dns_suffix.as_deref(), Some("lab.example.com"));
        assert!(!glance.machines[&id].verified && glance.newest.unwrap() <= SystemTime::now());
        assert_eq!(glance.pairs, HashMap::from([(pair.pid, None)]));
        assert_eq!(glance.opens_with(&SealKey::read(&key).unwrap()), Some(true));
        assert_eq!(glance.opens_with(&SealKey::new(&amt_core::Secret::new([1; 32]))), Some(false));
        fleet.close().await;
        std::fs::write(&path, "this is no database, but long enough to be looked at").unwrap();
        assert_eq!(Glance::read(&path).await.unwrap_err().code, ErrorCode::STORE);
    }
}
