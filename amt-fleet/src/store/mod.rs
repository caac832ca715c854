//! The database: machines, sealed credentials, the journal, the diary.
//!
//! SQLite with a write-ahead log and `synchronous=FULL`: a commit is on disk when it returns, and what is acknowledged was
//! committed. One task writes ([`writer`]), readers have connections of their own and never wait for it.

mod actions;
mod adopt;
mod applied;
mod change;
mod collections;
mod console;
mod decide;
mod enrolment;
mod facts;
mod hello;
mod jobs;
mod known;
mod machine;
mod news;
mod release;
mod rename;
mod renew;
mod retry;
mod select;
#[cfg(test)]
mod tests;
mod unprovision;
mod vault;
mod writer;

pub use actions::{Action, ActionState, CONFIGURE, MAX_ENDED, RENAME};
pub(crate) use actions::{ActionOutcome, BeginAction, BootFired, EVENT, EndAction, Expand};
pub use adopt::Adoption;
pub use applied::AppliedProfile;
pub(crate) use change::{Attempts, BeginAgain, CaAnswered, Diary, Finish, SetState};
pub(crate) use collections::collection_name;
pub use collections::{Collection, MAX_COLLECTION_NAME, MAX_COLLECTIONS, Membership};
pub(crate) use console::PLACE as CONSOLE_PLACE;
pub(crate) use decide::{Decide, Decided, Rehearse};
pub(crate) use enrolment::{EnrolClient, HearClient, Taken};
pub use enrolment::{EnrolmentToken, MAX_TOKEN_NOTE, MAX_TOKEN_USES, TOKENS_KEPT, TokenTerms};
pub use facts::{MAX_PAST_FACTS, Report};
pub(crate) use hello::{Heard, SawHello};
pub use jobs::{Job, MAX_JOB_CONCURRENCY, Operation};
pub use known::{Imported, KnownMachine};
pub use machine::{
    CaRequest, Credential, CredentialKind, DiaryEntry, IssuedCertificate, Machine, MachineState, Name, Origin, Parked,
    Release, TakenBack, TlsFacts,
};
pub use release::ReleaseOrder;
pub(crate) use renew::DateCertificates;
pub use renew::RENEW;
pub use select::Listed;
pub(crate) use unprovision::extent_name;
pub use vault::{
    ImportedPairs, MAX_COMMENT, MAX_MEBX_PASSWORD, MAX_PAIRS, MachinePair, PairScope, PairState, SecretPair, VaultPair,
};

pub(crate) use machine::{version_of, version_order};

use crate::seal::{Place, SealKey};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_provision::{Record, Step};
use machine::{optional, required, select_machines, time};
pub(crate) use news::{News, Watch};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Connection as _, SqlSafeStr as _};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
#[cfg(test)]
pub(crate) use tests::hello_of;
use tokio::task::JoinHandle;
use writer::Writer;

/// Most hellos kept of one machine.
pub const MAX_HELLOS: i64 = 16;
/// Most diary entries kept of one machine; older ones go when it says hello.
pub const MAX_DIARY: i64 = 2000;
/// Most machines that are not admitted and nevertheless remembered: anyone can invent a hello.
pub const MAX_UNADMITTED: i64 = 10_000;

const READERS: u32 = 2;
/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(15);
/// How long to wait where SQLite does not.
const LOCKED: Duration = Duration::from_millis(20);

/// A fleet's database. Cheap to clone; the last clone that goes closes it.
#[derive(Clone, Debug)]
pub struct Fleet(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    writer: Writer,
    task: std::sync::Mutex<Option<JoinHandle<()>>>,
    readers: SqlitePool,
    seal: SealKey,
    path: PathBuf,
    news: News,
}

impl Fleet {
    /// Opens the database at `path`, or makes it, readable by its owner alone. Older ones are brought up to date.
    ///
    /// # Errors
    /// `STORE` if the file cannot be opened or is of a newer version; `UNSEAL` if `seal` is not its key.
    pub async fn open(path: impl AsRef<Path>, seal: SealKey) -> Result<Self, Failure> {
        let path = path.as_ref();
        match crate::seal::write_new_private_file(path, b"") {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let text = format!("{}: the database cannot be made: {error}", path.display());
                return Err(Failure::new(ErrorCode::STORE, "open", text));
            }
        }
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY).foreign_keys(true);
        let writing = options.clone().journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        let context = |mut failure: Failure| {
            failure.message = format!("{}: {}", path.display(), failure.message);
            failure
        };
        let connection = connect(&writing).await.map_err(context)?;
        let (writer, task) = Writer::start(connection, seal.clone());
        let readers = SqlitePoolOptions::new().max_connections(READERS).connect_lazy_with(options.read_only(true));
        writer.submit(change::CheckSeal).await?;
        let task = std::sync::Mutex::new(Some(task));
        Ok(Self(Arc::new(Inner { writer, task, readers, seal, path: path.to_owned(), news: News::default() })))
    }

    /// Opens the database with the key in `key_file`. Only together with a new database a new key is made.
    ///
    /// # Errors
    /// As [`open`](Self::open); `SEAL_KEY` if the key file is missing beside an existing database, or is malformed.
    pub async fn open_with_key_file(path: impl AsRef<Path>, key_file: impl AsRef<Path>) -> Result<Self, Failure> {
        let path = path.as_ref();
        let is_new = std::fs::metadata(path).map_or(true, |facts| facts.len() == 0);
        let seal = if is_new { SealKey::read_or_create(key_file.as_ref())? } else { SealKey::read(key_file.as_ref())? };
        Self::open(path, seal).await
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Transactions written since the database was opened: changes that came together share one.
    pub fn commits(&self) -> u64 {
        self.0.writer.commits()
    }

    /// Closes the database after everything submitted is written. Other clones no longer work.
    pub async fn close(self) {
        self.0.readers.close().await;
        let task = self.0.task.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        drop(self.0);
        if let Some(task) = task {
            let _ = task.await;
        }
    }

    /// Makes `record` durable: it is synced to disk when this returns.
    ///
    /// # Errors
    /// `STORE` if it could not be written: nothing that depends on it may be sent.
    pub async fn persist(&self, record: &Record) -> Result<(), Failure> {
        let row = record.id.to_string();
        let sealed = self.0.seal.seal(journal_place(&row), record.encode().expose())?;
        self.0.writer.submit(change::SaveRecord { record: record.clone(), sealed }).await
    }

    /// The journal record of a machine.
    ///
    /// # Errors
    /// `STORE`, `UNSEAL`, or `JOURNAL` if the record is damaged.
    pub async fn record(&self, id: SystemId) -> Result<Option<Record>, Failure> {
        let row = sqlx::query("SELECT sealed FROM journal WHERE machine = (SELECT id FROM machines WHERE uuid = ?1)")
            .bind(id.to_string())
            .fetch_optional(&self.0.readers)
            .await
            .map_err(failed("read"))?;
        let Some(row) = row else { return Ok(None) };
        let sealed: Vec<u8> = required(&row, "sealed")?;
        let clear = self.0.seal.open(journal_place(&id.to_string()), &sealed)?;
        Record::decode(clear.expose()).map(Some)
    }

    /// Every machine, in the order in which they became known.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn machines(&self) -> Result<Vec<Machine>, Failure> {
        let rows = sqlx::query(select_machines!("ORDER BY m.id")).fetch_all(&self.0.readers).await;
        rows.map_err(failed("read"))?.iter().map(Machine::from_row).collect()
    }

    /// One machine.
    ///
    /// # Errors
    /// `MACHINE_UNKNOWN`, `STORE`.
    pub async fn machine(&self, id: SystemId) -> Result<Machine, Failure> {
        let row = sqlx::query(select_machines!("WHERE m.uuid = ?1"))
            .bind(id.to_string())
            .fetch_optional(&self.0.readers)
            .await
            .map_err(failed("read"))?;
        row.as_ref().map(Machine::from_row).transpose()?.ok_or_else(|| unknown(id))
    }

    /// The credentials that may open a machine, likeliest first within each kind.
    ///
    /// # Errors
    /// `STORE`, `UNSEAL`.
    pub async fn credentials(&self, id: SystemId) -> Result<Vec<Credential>, Failure> {
        let rows = sqlx::query(
            "SELECT kind, account, added_at, retired_at, sealed FROM credentials \
             WHERE machine = (SELECT id FROM machines WHERE uuid = ?1) AND retired_at IS NULL ORDER BY kind, position, id",
        );
        self.read_credentials(id, rows.bind(id.to_string()).fetch_all(&self.0.readers).await)
    }

    /// Every credential that a machine ever had, obsolete ones too, oldest first.
    ///
    /// # Errors
    /// `STORE`, `UNSEAL`.
    pub async fn credential_history(&self, id: SystemId) -> Result<Vec<Credential>, Failure> {
        let rows = sqlx::query(
            "SELECT kind, account, added_at, retired_at, sealed FROM credentials \
             WHERE machine = (SELECT id FROM machines WHERE uuid = ?1) ORDER BY id",
        );
        self.read_credentials(id, rows.bind(id.to_string()).fetch_all(&self.0.readers).await)
    }

    fn read_credentials(
        &self,
        id: SystemId,
        rows: Result<Vec<SqliteRow>, sqlx::Error>,
    ) -> Result<Vec<Credential>, Failure> {
        let mut credentials = Vec::new();
        for row in rows.map_err(failed("read"))? {
            let kind: CredentialKind = required::<String>(&row, "kind")?.parse()?;
            let account: String = required(&row, "account")?;
            let place = change::credential_row(id, kind, &account);
            let clear = self.0.seal.open(change::credential_place(&place), &required::<Vec<u8>>(&row, "sealed")?)?;
            let text = String::from_utf8(clear.expose().clone())
                .map_err(|_| Failure::new(ErrorCode::STORE, "read", "a credential is not text"))?;
            credentials.push(Credential {
                kind,
                account,
                password: Secret::new(text),
                added_at: from_millis(required(&row, "added_at")?),
                retired_at: time(&row, "retired_at")?,
            });
        }
        Ok(credentials)
    }

    /// The last `limit` lines of a machine's diary, oldest first.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn diary(&self, id: SystemId, limit: u32) -> Result<Vec<DiaryEntry>, Failure> {
        let rows = sqlx::query(
            "SELECT at, kind, message FROM events WHERE machine = (SELECT id FROM machines WHERE uuid = ?1) \
             ORDER BY id DESC LIMIT ?2",
        )
        .bind(id.to_string())
        .bind(i64::from(limit))
        .fetch_all(&self.0.readers)
        .await
        .map_err(failed("read"))?;
        rows.iter()
            .rev()
            .map(|row| {
                Ok(DiaryEntry {
                    at: from_millis(required(row, "at")?),
                    kind: required(row, "kind")?,
                    message: required(row, "message")?,
                })
            })
            .collect()
    }

    /// What was asked of the certificate authority for a machine and not answered at once.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn ca_requests(&self, id: SystemId) -> Result<Vec<CaRequest>, Failure> {
        let rows = sqlx::query(
            "SELECT request, state, message, first_at, asked_at, times FROM ca_requests \
             WHERE machine = (SELECT id FROM machines WHERE uuid = ?1) ORDER BY id",
        )
        .bind(id.to_string())
        .fetch_all(&self.0.readers)
        .await
        .map_err(failed("read"))?;
        rows.iter()
            .map(|row| {
                Ok(CaRequest {
                    request: required(row, "request")?,
                    state: required(row, "state")?,
                    message: optional(row, "message")?,
                    first_at: from_millis(required(row, "first_at")?),
                    asked_at: from_millis(required(row, "asked_at")?),
                    times: u32::try_from(required::<i64>(row, "times")?).unwrap_or(u32::MAX),
                })
            })
            .collect()
    }

    /// The authority's name for a request about `csr` (SHA-256, hex) that it has not decided.
    pub(crate) async fn pending_request(&self, id: SystemId, csr: &str) -> Result<Option<String>, Failure> {
        let row = sqlx::query(
            "SELECT request FROM ca_requests WHERE machine = (SELECT id FROM machines WHERE uuid = ?1) \
             AND csr = ?2 AND state = 'pending' ORDER BY id DESC LIMIT 1",
        )
        .bind(id.to_string())
        .bind(csr.to_owned())
        .fetch_optional(&self.0.readers)
        .await
        .map_err(failed("read"))?;
        row.map(|row| required(&row, "request")).transpose()
    }

    /// The certificates that a machine was given, oldest first.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn certificates(&self, id: SystemId) -> Result<Vec<IssuedCertificate>, Failure> {
        let rows = sqlx::query(
            "SELECT sha256, issued_at, der FROM certificates \
             WHERE machine = (SELECT id FROM machines WHERE uuid = ?1) ORDER BY id",
        )
        .bind(id.to_string())
        .fetch_all(&self.0.readers)
        .await
        .map_err(failed("read"))?;
        rows.iter()
            .map(|row| {
                Ok(IssuedCertificate {
                    sha256: required(row, "sha256")?,
                    issued_at: from_millis(required(row, "issued_at")?),
                    der: required(row, "der")?,
                })
            })
            .collect()
    }

    /// The bytes of a machine's last hello.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn last_hello(&self, id: SystemId) -> Result<Option<Vec<u8>>, Failure> {
        let row = sqlx::query(
            "SELECT bytes FROM hellos WHERE machine = (SELECT id FROM machines WHERE uuid = ?1) ORDER BY id DESC LIMIT 1",
        )
        .bind(id.to_string())
        .fetch_optional(&self.0.readers)
        .await
        .map_err(failed("read"))?;
        row.map(|row| required(&row, "bytes")).transpose()
    }

    /// How many machines stand at each step of the journal.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn steps(&self) -> Result<BTreeMap<Step, u64>, Failure> {
        let rows = sqlx::query("SELECT step, count(*) AS n FROM journal GROUP BY step")
            .fetch_all(&self.0.readers)
            .await
            .map_err(failed("read"))?;
        rows.iter()
            .map(|row| {
                let count = u64::try_from(required::<i64>(row, "n")?).unwrap_or_default();
                Ok((required::<String>(row, "step")?.parse()?, count))
            })
            .collect()
    }

    /// Has a verified machine provisioned again when it says hello next. Its known credentials are kept.
    ///
    /// # Errors
    /// `MACHINE_UNKNOWN`, `STORE`.
    pub async fn redo(&self, id: SystemId) -> Result<(), Failure> {
        self.0.writer.submit(change::WantRedo(id)).await
    }

    fn readers(&self) -> &SqlitePool {
        &self.0.readers
    }

    fn seal(&self) -> &SealKey {
        &self.0.seal
    }

    /// Has a running server consider a machine again, because something about it is new.
    pub(crate) fn touch(&self, id: SystemId) {
        self.0.news.add(id);
    }

    /// Machines about which something is new.
    pub(crate) fn news(&self) -> &News {
        &self.0.news
    }

    /// Applies a change of the setup server's.
    pub(crate) async fn write<C: writer::Change>(&self, change: C) -> Result<C::Reply, Failure> {
        self.0.writer.submit(change).await
    }

    /// Adds a line to a machine's diary, without waiting for the disk.
    pub(crate) fn note(&self, id: SystemId, kind: &'static str, message: impl Into<String>) {
        let entry = Diary { id, at: SystemTime::now(), kind, message: message.into() };
        self.0.writer.submit_lazily(entry);
    }
}

/// The connection that writes, to a database that is up to date.
///
/// Several programs may open the same new file in the same moment. SQLite does not wait while the first of them changes the way in which
/// the file is written (to a write-ahead log): the others try again for as long as they would have waited.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, Failure> {
    let until = tokio::time::Instant::now() + BUSY;
    loop {
        match prepare(options).await {
            Err(Unready::Locked(_)) if tokio::time::Instant::now() < until => tokio::time::sleep(LOCKED).await,
            Err(Unready::Locked(failure) | Unready::Failed(failure)) => return Err(failure),
            Ok(connection) => return Ok(connection),
        }
    }
}

/// Why there is no connection yet.
enum Unready {
    /// Somebody else is at the file.
    Locked(Failure),
    Failed(Failure),
}

impl From<sqlx::Error> for Unready {
    fn from(error: sqlx::Error) -> Self {
        let busy = kind(&error) == Some(BUSY_KIND);
        let failure = failed("open")(error);
        if busy { Self::Locked(failure) } else { Self::Failed(failure) }
    }
}

async fn prepare(options: &SqliteConnectOptions) -> Result<SqliteConnection, Unready> {
    let mut connection = SqliteConnection::connect_with(options).await?;
    // One program at a time makes the tables.
    let mut all = connection.begin_with("BEGIN IMMEDIATE").await?;
    migrator().run_direct(None, &mut *all, false).await.map_err(|error| {
        let failure = Failure::new(ErrorCode::STORE, "open", error.to_string());
        Unready::Failed(failure.hint("the file is no fleet database, or was made by a newer version"))
    })?;
    all.commit().await?;
    Ok(connection)
}

fn migrator() -> Migrator {
    // A migration that was released is never edited: its checksum is in every database.
    let migration = |version, name: &'static str, sql: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        migration(1, "fleet", include_str!("../../migrations/0001_fleet.sql")),
        migration(2, "identity", include_str!("../../migrations/0002_identity.sql")),
        migration(3, "psk", include_str!("../../migrations/0003_psk.sql")),
        migration(4, "profile", include_str!("../../migrations/0004_profile.sql")),
        migration(5, "unprovision", include_str!("../../migrations/0005_unprovision.sql")),
        migration(6, "renewal", include_str!("../../migrations/0006_renewal.sql")),
        migration(7, "client", include_str!("../../migrations/0007_client.sql")),
        migration(8, "console", include_str!("../../migrations/0008_console.sql")),
    ])
}

fn journal_place(row: &str) -> Place<'_> {
    Place { column: "journal.sealed", row }
}

fn unknown(id: SystemId) -> Failure {
    Failure::new(ErrorCode::MACHINE_UNKNOWN, "store", format!("no machine {id} in the database"))
}

/// An error of the database as a failure.
fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> Failure {
    move |error| {
        let hint = kind(&error).and_then(next_step);
        let failure = Failure::new(ErrorCode::STORE, "store", format!("{what}: {error}"));
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// The kind of an error of SQLite's: the low byte of its code.
fn kind(error: &sqlx::Error) -> Option<u32> {
    Some(error.as_database_error()?.code()?.parse::<u32>().ok()? & 0xff)
}

/// What to do about a kind of error (<https://sqlite.org/rescode.html>).
const fn next_step(kind: u32) -> Option<&'static str> {
    Some(match kind {
        BUSY_KIND | 6 => "another program holds the database: end it, or try again when it is done",
        8 => "it can only be read: the file and its folder must be writable for this account",
        11 => "the file is damaged: keep it, and go on with a backup",
        13 => "the disk is full: make room; what was stored before is still there",
        // Also what a read-only mount gives: the files beside the database cannot be made there.
        14 => "it must be a file that this account can write, in a folder that it can write, not on a read-only mount",
        26 => "the file is no database: name another, or move it away and one is made",
        _ => return None,
    })
}

/// `SQLITE_BUSY`.
const BUSY_KIND: u32 = 5;

fn millis(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

fn from_millis(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}
