//! The vault: pre-shared pairs (PID and PPS) that somebody brought, sealed as everything secret is.
//!
//! A pair is found by its PID, because that is all that a hello of such a machine says of it. Pairs that machines were given since stand
//! with the machines ([`machine`]).

mod machine;
#[cfg(test)]
mod tests;

pub use machine::MachinePair;
pub(super) use machine::{copy_pairs, save_pairs};

use super::change::Tx;
use super::machine::{optional, required, time};
use super::writer::Change;
use super::{Fleet, failed, from_millis};
use crate::seal::{Place, SealKey};
use crate::words::words;
use amt_core::psk::{Form, Pid, Pps, PskPair};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_provision::password;
use sqlx::sqlite::SqliteRow;
use std::collections::HashMap;
use std::fmt;
use std::time::SystemTime;

/// Most pairs in a vault.
pub const MAX_PAIRS: i64 = 1_000_000;
/// Longest comment of a pair, in characters.
pub const MAX_COMMENT: usize = 200;
/// Longest password of a setup menu that is kept; firmware takes 32 characters.
pub const MAX_MEBX_PASSWORD: usize = 64;
/// Most mistakes of one import that are named.
const MAX_MISTAKES: usize = 100;

words! {
    /// For whom a pair is.
    PairScope {
        /// For one machine: the first that it opens.
        Machine = "machine",
        /// For as many machines as hold it.
        Shared = "shared",
    }
}

words! {
    /// What became of a pair.
    PairState {
        /// Nothing yet.
        Free = "free",
        /// It was given out, to be entered into machines.
        Exported = "exported",
        /// It opened a machine.
        Used = "used",
    }
}

/// A pair to be put into the vault, or one taken out with its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecretPair {
    /// PID and PPS.
    pub pair: PskPair,
    /// For whom.
    pub scope: PairScope,
    /// The setup menu password that its machines have; absent: the factory's.
    pub mebx_password: Option<Secret<String>>,
    /// The one that they get; absent: as the profile says.
    pub new_mebx_password: Option<Secret<String>>,
    /// A word about it: where it comes from, where it went.
    pub comment: Option<String>,
}

impl SecretPair {
    /// A pair for one machine, of which nothing else is known.
    pub const fn new(pair: PskPair) -> Self {
        Self { pair, scope: PairScope::Machine, mebx_password: None, new_mebx_password: None, comment: None }
    }

    /// What keeps it from being stored.
    fn check(&self) -> Result<(), String> {
        self.pair.pid.check().map_err(|failure| failure.into_details().message)?;
        let long =
            |password: &Option<Secret<String>>| password.as_ref().is_some_and(|p| p.expose().len() > MAX_MEBX_PASSWORD);
        if long(&self.mebx_password) || long(&self.new_mebx_password) {
            return Err(format!("a setup menu password has more than {MAX_MEBX_PASSWORD} characters"));
        }
        if let Some(why) = self.new_mebx_password.as_ref().and_then(|p| password::check(p.expose()).err()) {
            return Err(format!("the new setup menu password: {why}"));
        }
        match &self.comment {
            Some(comment) if comment.chars().count() > MAX_COMMENT => {
                Err(format!("the comment has more than {MAX_COMMENT} characters"))
            }
            Some(comment) if comment.chars().any(char::is_control) => {
                Err("the comment holds a control character".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// A pair of the vault, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VaultPair {
    /// Its name.
    pub pid: Pid,
    /// For whom.
    pub scope: PairScope,
    /// What became of it.
    pub state: PairState,
    /// The machine that it opened, if it is for one only.
    pub machine: Option<SystemId>,
    /// How many machines it opened.
    pub machines: u64,
    /// Whether the setup menu password that its machines have is known.
    pub has_mebx_password: bool,
    /// Whether they get one that stands here.
    pub has_new_mebx_password: bool,
    /// A word about it.
    pub comment: Option<String>,
    /// When it was imported.
    pub created_at: SystemTime,
    /// When it opened a machine last.
    pub used_at: Option<SystemTime>,
}

impl VaultPair {
    fn from_row(row: &SqliteRow) -> Result<Self, Failure> {
        Ok(Self {
            pid: pid(row)?,
            scope: required::<String>(row, "scope")?.parse()?,
            state: required::<String>(row, "state")?.parse()?,
            machine: optional::<String>(row, "machine")?.map(|id| id.parse()).transpose()?,
            machines: u64::try_from(required::<i64>(row, "machines")?).unwrap_or_default(),
            has_mebx_password: optional::<Vec<u8>>(row, "mebx")?.is_some(),
            has_new_mebx_password: optional::<Vec<u8>>(row, "new_mebx")?.is_some(),
            comment: optional(row, "comment")?,
            created_at: from_millis(required(row, "created_at")?),
            used_at: time(row, "used_at")?,
        })
    }
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedPairs {
    /// Pairs that are new.
    pub new: u64,
    /// Pairs that were there already; what was said of them anew replaces what stood there.
    pub known: u64,
    /// Machines that had failed for want of one of them; a running server tries them again at once.
    pub machines: u64,
}

/// Pairs into the vault, all or none.
struct ImportPairs(Vec<SecretPair>);

impl Change for ImportPairs {
    type Reply = (ImportedPairs, Vec<SystemId>);

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(ImportedPairs, Vec<SystemId>), Failure> {
        let (mut imported, mut ids, mut wrong) = (ImportedPairs::default(), Vec::new(), Vec::new());
        for secret in &self.0 {
            let pid = secret.pair.pid;
            let stored = select_pair(tx, pid).await?;
            match &stored {
                Some(stored) => {
                    let same = open(tx.seal, stored)?.pair.pps == secret.pair.pps;
                    if !same {
                        wrong.push(format!("PID {pid} stands in the vault with another PPS"));
                        continue;
                    }
                    imported.known += 1;
                }
                None => imported.new += 1,
            }
            if wrong.is_empty() {
                store(tx, secret).await?;
                ids.extend(wake(tx, pid).await?);
            }
        }
        if !wrong.is_empty() {
            return Err(mistakes(wrong).hint(
                "one PID has one PPS: if the vault's is wrong, `amt psk forget PID` and import again; otherwise make a new pair",
            ));
        }
        let count = sqlx::query("SELECT count(*) AS n FROM psk_vault").fetch_one(&mut *tx.connection).await;
        if count.map_err(failed("read")).and_then(|row| required::<i64>(&row, "n"))? > MAX_PAIRS {
            return Err(invalid(format!("the vault would hold more than {MAX_PAIRS} pairs")));
        }
        imported.machines = ids.len() as u64;
        Ok((imported, ids))
    }
}

async fn select_pair(tx: &mut Tx<'_>, pid: Pid) -> Result<Option<SqliteRow>, Failure> {
    sqlx::query("SELECT * FROM psk_vault WHERE pid = ?1")
        .bind(pid.plain())
        .fetch_optional(&mut *tx.connection)
        .await
        .map_err(failed("read"))
}

async fn store(tx: &mut Tx<'_>, secret: &SecretPair) -> Result<(), Failure> {
    let row = secret.pair.pid.plain();
    let seal = |column, clear: &[u8]| tx.seal.seal(Place { column, row: &row }, clear);
    let password = |column, password: &Option<Secret<String>>| {
        password.as_ref().map(|password| seal(column, password.expose().as_bytes())).transpose()
    };
    let pps = seal(PPS, secret.pair.pps.expose())?;
    let (mebx, new_mebx) = (password(MEBX, &secret.mebx_password)?, password(NEW_MEBX, &secret.new_mebx_password)?);
    sqlx::query(
        "INSERT INTO psk_vault (pid, scope, state, comment, created_at, changed_at, pps, mebx, new_mebx) \
         VALUES (?1, ?2, 'free', ?3, ?4, ?4, ?5, ?6, ?7) ON CONFLICT (pid) DO UPDATE SET scope = ?2, \
         machine = iif(?2 = 'shared', NULL, machine), comment = ifnull(?3, comment), changed_at = ?4, \
         mebx = ifnull(?6, mebx), new_mebx = ifnull(?7, new_mebx)",
    )
    .bind(row.as_str())
    .bind(secret.scope.name())
    .bind(secret.comment.as_deref())
    .bind(tx.now)
    .bind(pps)
    .bind(mebx)
    .bind(new_mebx)
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .map_err(failed("write pair"))
}

/// Machines that wait for this pair, and failed for want of it, begin anew. Those in the middle of a setup go on at their next hello.
async fn wake(tx: &mut Tx<'_>, pid: Pid) -> Result<Vec<SystemId>, Failure> {
    let rows = sqlx::query(
        "UPDATE machines SET state = 'known', attempts = 0, changed_at = ?2 \
         WHERE pid = ?1 AND state = 'failed' AND failure_code = ?3 \
         AND id NOT IN (SELECT machine FROM journal) RETURNING id, uuid",
    )
    .bind(pid.plain())
    .bind(tx.now)
    .bind(i64::from(ErrorCode::PSK_UNKNOWN.number()))
    .fetch_all(&mut *tx.connection)
    .await
    .map_err(failed("write machine"))?;
    let mut ids = Vec::with_capacity(rows.len());
    for row in &rows {
        let machine = required(row, "id")?;
        tx.dirty.insert(machine);
        tx.diary(machine, "note", &format!("the pre-shared pair of PID {pid} was imported")).await?;
        ids.push(required::<String>(row, "uuid")?.parse()?);
    }
    Ok(ids)
}

/// A pair is no longer wanted. Machines keep theirs.
struct ForgetPair(Pid);

impl Change for ForgetPair {
    type Reply = bool;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<bool, Failure> {
        sqlx::query("DELETE FROM psk_vault WHERE pid = ?1")
            .bind(self.0.plain())
            .execute(&mut *tx.connection)
            .await
            .map(|done| done.rows_affected() > 0)
            .map_err(failed("forget"))
    }
}

/// Pairs go out of the house.
struct ExportPairs(Vec<Pid>);

impl Change for ExportPairs {
    type Reply = Vec<SecretPair>;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Vec<SecretPair>, Failure> {
        let mut all = Vec::with_capacity(self.0.len());
        for pid in &self.0 {
            let row = select_pair(tx, *pid).await?.ok_or_else(|| unknown(*pid))?;
            all.push(open(tx.seal, &row)?);
            sqlx::query("UPDATE psk_vault SET state = 'exported', changed_at = ?2 WHERE pid = ?1 AND state = 'free'")
                .bind(pid.plain())
                .bind(tx.now)
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("write pair"))?;
        }
        Ok(all)
    }
}

impl Fleet {
    /// Puts pairs into the vault, all or none, sealed. A pair that is there already is completed by what is said of it anew. Machines that
    /// failed for want of one of them are tried again by a running server within a second.
    ///
    /// # Errors
    /// `PSK_INVALID` with every pair that cannot be: a PID that no firmware takes, one PID with two PPS, a new password that firmware refuses;
    /// `STORE`, `SEAL_KEY`.
    pub async fn import_pairs(&self, pairs: Vec<SecretPair>) -> Result<ImportedPairs, Failure> {
        let (mut wrong, mut seen) = (Vec::new(), HashMap::new());
        for secret in &pairs {
            let pid = secret.pair.pid;
            if let Err(why) = secret.check() {
                wrong.push(format!("PID {pid}: {why}"));
            }
            match seen.insert(pid, &secret.pair.pps) {
                Some(earlier) if *earlier != secret.pair.pps => {
                    wrong.push(format!("PID {pid} is given twice, with two PPS"));
                }
                _ => {}
            }
        }
        if !wrong.is_empty() {
            return Err(mistakes(wrong));
        }
        let (imported, ids) = self.write(ImportPairs(pairs)).await?;
        ids.into_iter().for_each(|id| self.touch(id));
        Ok(imported)
    }

    /// Every pair of the vault in the order of PIDs, without secrets.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn pairs(&self) -> Result<Vec<VaultPair>, Failure> {
        let rows = sqlx::query(concat!(
            "SELECT v.*, (SELECT count(DISTINCT p.machine) FROM machine_psk p WHERE p.pid = v.pid) AS machines ",
            "FROM psk_vault v ORDER BY v.pid"
        ))
        .fetch_all(self.readers())
        .await
        .map_err(failed("read"))?;
        rows.iter().map(VaultPair::from_row).collect()
    }

    /// The pair of this name, without secrets.
    ///
    /// # Errors
    /// `PSK_UNKNOWN` if the vault has none; `STORE`.
    pub async fn pair(&self, pid: Pid) -> Result<VaultPair, Failure> {
        let row = sqlx::query(concat!(
            "SELECT v.*, (SELECT count(DISTINCT p.machine) FROM machine_psk p WHERE p.pid = v.pid) AS machines ",
            "FROM psk_vault v WHERE v.pid = ?1"
        ))
        .bind(pid.plain())
        .fetch_optional(self.readers())
        .await
        .map_err(failed("read"))?;
        row.as_ref().map(VaultPair::from_row).transpose()?.ok_or_else(|| unknown(pid))
    }

    /// Takes pairs out with their secrets, to be entered into machines. Those that were free are exported from now on.
    ///
    /// # Errors
    /// `PSK_UNKNOWN` with the first that is not there; `UNSEAL`, `STORE`.
    pub async fn export_pairs(&self, pids: Vec<Pid>) -> Result<Vec<SecretPair>, Failure> {
        self.write(ExportPairs(pids)).await
    }

    /// Takes a pair out of the vault. What machines hold and their records say of it stays.
    ///
    /// # Errors
    /// `PSK_UNKNOWN`, `STORE`.
    pub async fn forget_pair(&self, pid: Pid) -> Result<(), Failure> {
        if self.write(ForgetPair(pid)).await? { Ok(()) } else { Err(unknown(pid)) }
    }
}

const PPS: &str = "psk_vault.pps";
const MEBX: &str = "psk_vault.mebx";
const NEW_MEBX: &str = "psk_vault.new_mebx";

/// A row of the vault with its secrets.
fn open(seal: &SealKey, row: &SqliteRow) -> Result<SecretPair, Failure> {
    let pid = pid(row)?;
    let place = pid.plain();
    let text = |column: &'static str, sealed: &[u8]| -> Result<Secret<String>, Failure> {
        let clear = seal.open(Place { column, row: &place }, sealed)?;
        let text = String::from_utf8(clear.expose().clone());
        text.map(Secret::new)
            .map_err(|_| Failure::new(ErrorCode::STORE, "read", format!("{column} of {pid} is not text")))
    };
    let password = |name: &str, column| optional::<Vec<u8>>(row, name)?.map(|sealed| text(column, &sealed)).transpose();
    let pps = Pps::parse(text(PPS, &required::<Vec<u8>>(row, "pps")?)?.expose(), Form::Strict)?;
    Ok(SecretPair {
        pair: PskPair { pid, pps },
        scope: required::<String>(row, "scope")?.parse()?,
        mebx_password: password("mebx", MEBX)?,
        new_mebx_password: password("new_mebx", NEW_MEBX)?,
        comment: optional(row, "comment")?,
    })
}

fn pid(row: &SqliteRow) -> Result<Pid, Failure> {
    Pid::parse(&required::<String>(row, "pid")?, Form::Strict)
}

fn unknown(pid: impl fmt::Display) -> Failure {
    Failure::new(ErrorCode::PSK_UNKNOWN, "vault", format!("the vault has no pair of PID {pid}"))
}

fn invalid(message: String) -> Failure {
    Failure::new(ErrorCode::PSK_INVALID, "import", message)
}

fn mistakes(mut wrong: Vec<String>) -> Failure {
    let more = wrong.len().saturating_sub(MAX_MISTAKES);
    wrong.truncate(MAX_MISTAKES);
    if more > 0 {
        wrong.push(format!("and {more} more"));
    }
    invalid(wrong.join("\n"))
}
