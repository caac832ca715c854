//! What can be written, one type a change.

use super::machine::{CredentialKind, Machine, MachineState, Origin, required, select_machines};
use super::vault::save_pairs;
use super::writer::Change;
use super::{actions, failed, millis, renew};
use crate::digest::sha256_hex;
use crate::seal::{Place, SealKey};
use amt_core::{Failure, Secret, SystemId};
use amt_provision::Record;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

/// Most machines whose row is remembered between commits.
const MAX_CACHED: usize = 20_000;

/// An open transaction.
pub(crate) struct Tx<'a> {
    pub(super) connection: &'a mut SqliteConnection,
    pub(super) seal: &'a SealKey,
    pub(super) cache: &'a mut Cache,
    pub(super) now: i64,
    /// Machines that something may have changed about.
    pub(super) dirty: BTreeSet<i64>,
}

/// What the writer knows about rows without asking. Holds digests of secrets salted with the process's own randomness, no secrets.
pub(super) struct Cache {
    rows: HashMap<SystemId, (i64, [u8; 32])>,
    salt: [u8; 32],
}

impl Default for Cache {
    fn default() -> Self {
        let mut salt = [0; 32];
        // Without randomness nothing can be sealed, and so nothing is written at all.
        let _ = getrandom::fill(&mut salt);
        Self { rows: HashMap::new(), salt }
    }
}

impl Cache {
    /// After a rollback nothing is certain.
    pub(super) fn forget(&mut self) {
        self.rows.clear();
    }

    fn remember(&mut self, id: SystemId, row: i64, lists: [u8; 32]) {
        if self.rows.len() >= MAX_CACHED {
            self.rows.clear();
        }
        self.rows.insert(id, (row, lists));
    }

    /// Digest of all in a record that has tables of its own.
    fn lists(&self, record: &Record) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.salt);
        for list in [&record.admin_passwords, &record.mebx_passwords] {
            for secret in list {
                hash.update(secret.expose().len().to_le_bytes());
                hash.update(secret.expose());
            }
            hash.update(u64::MAX.to_le_bytes());
        }
        for pair in &record.psk {
            hash.update(pair.pid.0);
            hash.update(pair.pps.expose());
        }
        hash.update([u8::from(record.admin_proven), u8::from(record.verified)]);
        for part in [record.certificate.as_deref(), record.provisioning_certificate.as_ref().map(String::as_bytes)] {
            hash.update(part.map_or(u64::MAX.to_le_bytes(), |p| (p.len() as u64).to_le_bytes()));
            hash.update(part.unwrap_or_default());
        }
        hash.finalize().into()
    }
}

impl Tx<'_> {
    pub(super) async fn row_of(&mut self, id: SystemId) -> Result<Option<i64>, Failure> {
        let row = self.quiet_row_of(id).await?;
        self.dirty.extend(row);
        Ok(row)
    }

    /// The row of a machine about which nothing changes.
    pub(super) async fn quiet_row_of(&mut self, id: SystemId) -> Result<Option<i64>, Failure> {
        if let Some((row, _)) = self.cache.rows.get(&id) {
            return Ok(Some(*row));
        }
        sqlx::query("SELECT id FROM machines WHERE uuid = ?1")
            .bind(id.to_string())
            .fetch_optional(&mut *self.connection)
            .await
            .map_err(failed("read"))?
            .map(|row| required(&row, "id"))
            .transpose()
    }

    pub(super) async fn existing_row(&mut self, id: SystemId) -> Result<i64, Failure> {
        self.row_of(id).await?.ok_or_else(|| super::unknown(id))
    }

    pub(super) async fn insert_machine(
        &mut self,
        id: SystemId,
        origin: Origin,
        admitted: bool,
    ) -> Result<i64, Failure> {
        let state = match (origin, admitted) {
            (Origin::List | Origin::Agent, _) => MachineState::Known,
            (_, true) => MachineState::Working,
            (_, false) => MachineState::Parked,
        };
        let row = sqlx::query(
            "INSERT INTO machines (uuid, origin, created_at, changed_at, admitted, state) VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
        )
        .bind(id.to_string())
        .bind(origin.name())
        .bind(self.now)
        .bind(admitted)
        .bind(state.name())
        .execute(&mut *self.connection)
        .await
        .map(|done| done.last_insert_rowid())
        .map_err(failed("add machine"))?;
        self.dirty.insert(row);
        Ok(row)
    }

    /// A line in a machine's diary, together with what it is about.
    pub(super) async fn diary(&mut self, row: i64, kind: &str, message: &str) -> Result<(), Failure> {
        sqlx::query("INSERT INTO events (machine, at, kind, message) VALUES (?1, ?2, ?3, ?4)")
            .bind(row)
            .bind(self.now)
            .bind(kind)
            .bind(message)
            .execute(&mut *self.connection)
            .await
            .map(drop)
            .map_err(failed("write diary"))
    }

    /// Whoever watches the database sees that something about the machine is new.
    pub(super) async fn touched(&mut self, row: i64) -> Result<(), Failure> {
        sqlx::query("UPDATE machines SET changed_at = ?2 WHERE id = ?1")
            .bind(row)
            .bind(self.now)
            .execute(&mut *self.connection)
            .await
            .map(drop)
            .map_err(failed("write machine"))
    }

    pub(super) async fn machine(&mut self, row: i64) -> Result<Machine, Failure> {
        let row = sqlx::query(select_machines!("WHERE m.id = ?1"))
            .bind(row)
            .fetch_one(&mut *self.connection)
            .await
            .map_err(failed("read"))?;
        Machine::from_row(&row)
    }
}

/// The journal record and all that follows from it, in one transaction.
pub(super) struct SaveRecord {
    pub(super) record: Record,
    pub(super) sealed: Vec<u8>,
}

impl Change for SaveRecord {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let record = &self.record;
        let row = match tx.row_of(record.id).await? {
            Some(row) => row,
            None => tx.insert_machine(record.id, Origin::Caller, true).await?,
        };
        sqlx::query(
            "INSERT INTO journal (machine, step, commit_sent, verified, realm, firmware, certificate, written_at, sealed) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (machine) DO UPDATE SET \
             step = ?2, commit_sent = ?3, verified = ?4, realm = ?5, firmware = ?6, certificate = ?7, written_at = ?8, \
             sealed = ?9, writes = writes + 1",
        )
        .bind(row)
        .bind(record.step.name())
        .bind(record.commit_sent)
        .bind(record.verified)
        .bind(record.realm.as_deref())
        .bind(record.version.map(|v| v.to_string()))
        .bind(record.certificate.as_deref().map(sha256_hex))
        .bind(tx.now)
        .bind(self.sealed.as_slice())
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("write journal"))?;

        if let Some(version) = record.version {
            sqlx::query("UPDATE machines SET version_order = ?2 WHERE id = ?1 AND version_order IS NOT ?2")
                .bind(row)
                .bind(super::machine::version_order(version))
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("write machine"))?;
        }
        let lists = tx.cache.lists(record);
        if tx.cache.rows.get(&record.id).is_some_and(|(_, known)| *known == lists) {
            return Ok(());
        }
        for (kind, list) in
            [(CredentialKind::Admin, &record.admin_passwords), (CredentialKind::Mebx, &record.mebx_passwords)]
        {
            // Only a login with another credential makes one obsolete, and the setup menu cannot be logged in to from here.
            let retire = kind == CredentialKind::Admin && record.admin_proven;
            save_credentials(tx, record.id, row, kind, list, retire).await?;
        }
        save_pairs(tx, row, record).await?;
        renew::date(tx, row, record.certificate.as_deref()).await?;
        if let Some(certificate) = &record.certificate {
            sqlx::query("INSERT OR IGNORE INTO certificates (machine, sha256, issued_at, der) VALUES (?1, ?2, ?3, ?4)")
                .bind(row)
                .bind(sha256_hex(certificate))
                .bind(tx.now)
                .bind(certificate.as_slice())
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("write certificate"))?;
        }
        if let Some(winner) = &record.provisioning_certificate {
            sqlx::query("UPDATE machines SET winner = ?2 WHERE id = ?1")
                .bind(row)
                .bind(winner.as_str())
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("write machine"))?;
        }
        tx.cache.remember(record.id, row, lists);
        Ok(())
    }
}

/// Makes the stored candidates those of `list`, in its order. Others go behind them, or are retired.
async fn save_credentials(
    tx: &mut Tx<'_>,
    id: SystemId,
    machine: i64,
    kind: CredentialKind,
    list: &[Secret<String>],
    retire: bool,
) -> Result<(), Failure> {
    let rows = sqlx::query(
        "SELECT id, account, position, sealed FROM credentials \
         WHERE machine = ?1 AND kind = ?2 AND retired_at IS NULL ORDER BY position, id",
    )
    .bind(machine)
    .bind(kind.name())
    .fetch_all(&mut *tx.connection)
    .await
    .map_err(failed("read"))?;
    let place = credential_row(id, kind, amt_provision::password::ADMIN);
    let mut stored = Vec::with_capacity(rows.len());
    for row in &rows {
        let sealed: Vec<u8> = required(row, "sealed")?;
        let clear = tx.seal.open(credential_place(&place), &sealed)?;
        stored.push((required::<i64>(row, "id")?, required::<i64>(row, "position")?, clear));
    }
    let mut position = 0;
    for password in list {
        let found = stored.iter().position(|(_, _, clear)| clear.expose() == password.expose().as_bytes());
        match found.map(|at| stored.remove(at)) {
            Some((_, at, _)) if at == position => {}
            Some((row, ..)) => move_credential(tx, row, position).await?,
            None => {
                let sealed = tx.seal.seal(credential_place(&place), password.expose().as_bytes())?;
                sqlx::query(
                    "INSERT INTO credentials (machine, kind, account, position, added_at, sealed) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )
                .bind(machine)
                .bind(kind.name())
                .bind(amt_provision::password::ADMIN)
                .bind(position)
                .bind(tx.now)
                .bind(sealed)
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("write credential"))?;
            }
        }
        position += 1;
    }
    for (row, at, _) in stored {
        if retire {
            sqlx::query("UPDATE credentials SET retired_at = ?2 WHERE id = ?1")
                .bind(row)
                .bind(tx.now)
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("write credential"))?;
        } else {
            if at != position {
                move_credential(tx, row, position).await?;
            }
            position += 1;
        }
    }
    Ok(())
}

async fn move_credential(tx: &mut Tx<'_>, row: i64, position: i64) -> Result<(), Failure> {
    sqlx::query("UPDATE credentials SET position = ?2 WHERE id = ?1")
        .bind(row)
        .bind(position)
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .map_err(failed("write credential"))
}

pub(super) fn credential_row(id: SystemId, kind: CredentialKind, account: &str) -> String {
    format!("{id} {kind} {account}")
}

pub(super) fn credential_place(row: &str) -> Place<'_> {
    Place { column: "credentials.sealed", row }
}

/// How a change of state counts attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attempts {
    Same,
    OneMore,
}

/// Where a machine stands now.
pub(crate) struct SetState {
    pub(crate) id: SystemId,
    pub(crate) state: MachineState,
    pub(crate) attempts: Attempts,
    pub(crate) retry_at: Option<SystemTime>,
    pub(crate) failure: Option<Failure>,
}

impl Change for SetState {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let row = tx.existing_row(self.id).await?;
        let failure = self.failure.as_ref();
        let message = failure.map(|f| match &f.device {
            Some(device) => format!("{}; the device said: {device}", f.message),
            None => f.message.clone(),
        });
        let attempts = match self.attempts {
            Attempts::Same => "UPDATE machines SET attempts = attempts,",
            Attempts::OneMore => "UPDATE machines SET attempts = attempts + 1,",
        };
        let rest = " state = ?2, retry_at = ?3, failure_code = ?4, failure_stage = ?5, failure_message = ?6, \
                    failure_hint = ?7, changed_at = ?8 WHERE id = ?1";
        // Both halves are constants of this function.
        sqlx::query(sqlx::AssertSqlSafe(format!("{attempts}{rest}")))
            .bind(row)
            .bind(self.state.name())
            .bind(self.retry_at.map(millis))
            .bind(failure.map(|f| i64::from(f.code.number())))
            .bind(failure.map(|f| f.stage.to_string()))
            .bind(message)
            .bind(failure.map(|f| f.hint.to_string()))
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await
            .map(drop)
            .map_err(failed("write state"))
    }
}

/// A machine was provisioned and proven.
pub(crate) struct Finish {
    pub(crate) id: SystemId,
    pub(crate) control_mode: String,
    pub(crate) tls: Option<(String, String, String)>,
}

impl Change for Finish {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let row = tx.existing_row(self.id).await?;
        let tls = self.tls.as_ref();
        sqlx::query(
            "UPDATE machines SET state = ?2, attempts = 0, redo = 0, retry_at = NULL, failure_code = NULL, \
             failure_stage = NULL, failure_message = NULL, failure_hint = NULL, control_mode = ?3, tls_version = ?4, \
             tls_suite = ?5, tls_engine = ?6, taken_back_at = NULL, taken_back_by = NULL, \
             taken_back = NULL, verified_at = ?7, first_verified_at = ifnull(first_verified_at, ?7), \
             changed_at = ?7 WHERE id = ?1",
        )
        .bind(row)
        .bind(MachineState::Verified.name())
        .bind(self.control_mode.as_str())
        .bind(tls.map(|t| t.0.as_str()))
        .bind(tls.map(|t| t.1.as_str()))
        .bind(tls.map(|t| t.2.as_str()))
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("write machine"))?;
        actions::event(tx, row, "provisioned").await
    }
}

/// A line for a machine's diary.
pub(crate) struct Diary {
    pub(crate) id: SystemId,
    pub(crate) at: SystemTime,
    pub(crate) kind: &'static str,
    pub(crate) message: String,
}

impl Change for Diary {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let Some(row) = tx.quiet_row_of(self.id).await? else { return Ok(()) };
        sqlx::query("INSERT INTO events (machine, at, kind, message) VALUES (?1, ?2, ?3, ?4)")
            .bind(row)
            .bind(millis(self.at))
            .bind(self.kind)
            .bind(self.message.as_str())
            .execute(&mut *tx.connection)
            .await
            .map(drop)
            .map_err(failed("write diary"))
    }
}

/// The certificate authority answered about a request that it had put off.
pub(crate) struct CaAnswered {
    pub(crate) id: SystemId,
    pub(crate) request: String,
    /// SHA-256 (hex) of the PKCS#10 that it is about.
    pub(crate) csr: String,
    pub(crate) state: &'static str,
    pub(crate) message: Option<String>,
}

impl Change for CaAnswered {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let row = tx.existing_row(self.id).await?;
        sqlx::query(
            "INSERT INTO ca_requests (machine, request, state, message, first_at, asked_at, csr) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6) \
             ON CONFLICT (machine, request) DO UPDATE SET state = ?3, message = ?4, asked_at = ?5, times = times + 1, \
             first_at = CASE WHEN state = 'pending' THEN first_at ELSE ?5 END",
        )
        .bind(row)
        .bind(self.request.as_str())
        .bind(self.state)
        .bind(self.message.as_deref())
        .bind(tx.now)
        .bind(self.csr.as_str())
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .map_err(failed("write request"))
    }
}

/// A verified machine, or one whose setup was taken back, is to be provisioned again at its next hello.
pub(crate) struct WantRedo(pub(crate) SystemId);

impl Change for WantRedo {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let row = tx.existing_row(self.0).await?;
        sqlx::query(
            "UPDATE machines SET redo = 1, taken_back_at = NULL, taken_back_by = NULL, taken_back = NULL, changed_at = ?2 \
             WHERE id = ?1",
        )
            .bind(row)
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await
            .map(drop)
            .map_err(failed("write machine"))
    }
}

/// The journal is begun anew; credentials and certificates of the past stay.
pub(crate) struct BeginAgain(pub(crate) SystemId);

impl Change for BeginAgain {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let row = tx.existing_row(self.0).await?;
        for sql in [
            "DELETE FROM journal WHERE machine = ?1",
            "UPDATE machines SET redo = 0, state = 'working', attempts = 0, control_mode = NULL, verified_at = NULL, \
             tls_version = NULL, tls_suite = NULL, tls_engine = NULL WHERE id = ?1",
        ] {
            sqlx::query(sql).bind(row).execute(&mut *tx.connection).await.map_err(failed("begin again"))?;
        }
        Ok(())
    }
}

/// The check that the seal key is the one this database was made with.
pub(super) struct CheckSeal;

impl Change for CheckSeal {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        const PLACE: Place<'static> = Place { column: "settings.value", row: "seal" };
        let row = sqlx::query("SELECT value FROM settings WHERE name = 'seal'")
            .fetch_optional(&mut *tx.connection)
            .await
            .map_err(failed("read"))?;
        if let Some(row) = row {
            let sealed: Vec<u8> = row.try_get("value").map_err(failed("read"))?;
            return tx.seal.open(PLACE, &sealed).map(drop);
        }
        let sealed = tx.seal.seal(PLACE, b"amt-fleet")?;
        sqlx::query("INSERT INTO settings (name, value) VALUES ('seal', ?1)")
            .bind(sealed)
            .execute(&mut *tx.connection)
            .await
            .map(drop)
            .map_err(failed("write settings"))
    }
}
