//! Pairs with the machines that hold or may hold them, and which pair opens the machine that says hello.

use super::super::change::Tx;
use super::super::machine::{required, time};
use super::super::{Fleet, failed, from_millis};
use super::{PairScope, open, optional, pid, select_pair};
use crate::seal::{Place, SealKey};
use amt_core::psk::{Form, Pid, Pps, PskPair};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_provision::Record;
use sqlx::sqlite::SqliteRow;
use std::time::SystemTime;

/// A pair that a machine has, may have or had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MachinePair {
    /// PID and PPS.
    pub pair: PskPair,
    /// When it was recorded: before it was first sent.
    pub added_at: SystemTime,
    /// When the proof of another one made it obsolete.
    pub retired_at: Option<SystemTime>,
}

/// What opens a machine that waits for a pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opens {
    /// Pairs of the PID that it said, likeliest first; at least one.
    pub(crate) pairs: Vec<PskPair>,
    /// The setup menu password that it is said to have.
    pub(crate) mebx_password: Option<Secret<String>>,
    /// The one that it gets.
    pub(crate) new_mebx_password: Option<Secret<String>>,
}

impl Fleet {
    /// The pairs that may open a machine, likeliest first, those of the past too, oldest last.
    ///
    /// # Errors
    /// `STORE`, `UNSEAL`.
    pub async fn machine_pairs(&self, id: SystemId) -> Result<Vec<MachinePair>, Failure> {
        let rows = sqlx::query(
            "SELECT pid, added_at, retired_at, sealed FROM machine_psk \
             WHERE machine = (SELECT id FROM machines WHERE uuid = ?1) ORDER BY retired_at IS NOT NULL, position, id DESC",
        )
        .bind(id.to_string())
        .fetch_all(self.readers())
        .await
        .map_err(failed("read"))?;
        let pair = |row: &SqliteRow| {
            Ok(MachinePair {
                pair: open_pair(self.seal(), id, row)?,
                added_at: from_millis(required(row, "added_at")?),
                retired_at: time(row, "retired_at")?,
            })
        };
        rows.iter().map(pair).collect()
    }

    /// What opens the machine that waits for the pair of `pid`: what its own record says, otherwise what the vault has.
    ///
    /// # Errors
    /// `PSK_UNKNOWN` if there is no pair, or only one that is another machine's.
    pub(crate) async fn opens(&self, id: SystemId, pid: Pid) -> Result<Opens, Failure> {
        let own = self.machine_pairs(id).await?.into_iter().map(|own| own.pair);
        let mut opens = Opens { pairs: own.filter(|pair| pair.pid == pid).collect(), ..Opens::default() };
        let row = sqlx::query("SELECT * FROM psk_vault WHERE pid = ?1")
            .bind(pid.plain())
            .fetch_optional(self.readers())
            .await
            .map_err(failed("read"))?;
        let taken = match &row {
            Some(row) => {
                let owner = optional::<String>(row, "machine")?.map(|id| id.parse()).transpose()?;
                owner.filter(|owner| *owner != id)
            }
            None => None,
        };
        if let Some(row) = row.filter(|_| taken.is_none()) {
            let secret = open(self.seal(), &row)?;
            if !opens.pairs.contains(&secret.pair) {
                opens.pairs.push(secret.pair);
            }
            (opens.mebx_password, opens.new_mebx_password) = (secret.mebx_password, secret.new_mebx_password);
        }
        if !opens.pairs.is_empty() {
            return Ok(opens);
        }
        let holder = match taken {
            Some(owner) => Some(owner),
            None => self.holder(pid).await?,
        };
        Err(match holder {
            Some(other) => elsewhere(id, pid, other),
            None => {
                let text = format!(
                    "the machine waits for the pre-shared key of PID {pid}, of which neither its record nor the vault has the PPS"
                );
                Failure::new(ErrorCode::PSK_UNKNOWN, "admit", text)
            }
        })
    }

    /// The machine that was given a pair of this name last.
    async fn holder(&self, pid: Pid) -> Result<Option<SystemId>, Failure> {
        let row = sqlx::query(
            "SELECT m.uuid FROM machine_psk p JOIN machines m ON m.id = p.machine WHERE p.pid = ?1 \
             ORDER BY p.retired_at IS NOT NULL, p.id DESC LIMIT 1",
        )
        .bind(pid.plain())
        .fetch_optional(self.readers())
        .await
        .map_err(failed("read"))?;
        row.map(|row| required::<String>(&row, "uuid")?.parse()).transpose()
    }
}

fn elsewhere(id: SystemId, pid: Pid, other: SystemId) -> Failure {
    let text = format!("the pre-shared key of PID {pid} is for one machine, and that is {other}");
    Failure::new(ErrorCode::PSK_UNKNOWN, "admit", text).hint(format!(
        "if it is the same computer with a new UUID, `amt fleet rebind {other} {id}`; if several machines hold this pair, import it with \
         `amt psk import --scope shared`"
    ))
}

/// Makes the stored candidates those of the record, in its order. Others go behind them, or are retired once the proof was seen.
pub(in super::super) async fn save_pairs(tx: &mut Tx<'_>, machine: i64, record: &Record) -> Result<(), Failure> {
    let rows = sqlx::query("SELECT id, pid, sealed, position, retired_at FROM machine_psk WHERE machine = ?1 ORDER BY retired_at IS NOT NULL, position, id")
        .bind(machine)
        .fetch_all(&mut *tx.connection)
        .await
        .map_err(failed("read"))?;
    let mut stored = Vec::with_capacity(rows.len());
    for row in &rows {
        stored.push((
            required::<i64>(row, "id")?,
            open_pair(tx.seal, record.id, row)?,
            time(row, "retired_at")?.is_some(),
        ));
    }
    let mut position = 0;
    for pair in &record.psk {
        match stored.iter().position(|(_, other, _)| other == pair).map(|at| stored.remove(at)) {
            Some((row, ..)) => place_pair(tx, row, position).await?,
            None => insert_pair(tx, record.id, machine, pair, position, None).await?,
        }
        position += 1;
    }
    for (row, _, retired) in stored {
        if retired {
            continue;
        }
        if record.verified {
            sqlx::query("UPDATE machine_psk SET retired_at = ?2 WHERE id = ?1")
                .bind(row)
                .bind(tx.now)
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("write pair"))?;
        } else {
            place_pair(tx, row, position).await?;
            position += 1;
        }
    }
    match record.psk.first() {
        Some(pair) => take(tx, record.id, pair).await,
        None => Ok(()),
    }
}

/// The pair opened the machine: if it is one of the vault for one machine, this is the one from now on.
async fn take(tx: &mut Tx<'_>, id: SystemId, pair: &PskPair) -> Result<(), Failure> {
    let Some(row) = select_pair(tx, pair.pid).await? else { return Ok(()) };
    if open(tx.seal, &row)?.pair != *pair {
        return Ok(());
    }
    sqlx::query(
        "UPDATE psk_vault SET state = 'used', used_at = ?2, machine = iif(scope = ?3, ifnull(machine, ?4), NULL) WHERE pid = ?1",
    )
    .bind(pair.pid.plain())
    .bind(tx.now)
    .bind(PairScope::Machine.name())
    .bind(id.to_string())
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .map_err(failed("write pair"))
}

async fn place_pair(tx: &mut Tx<'_>, row: i64, position: i64) -> Result<(), Failure> {
    sqlx::query("UPDATE machine_psk SET position = ?2, retired_at = NULL WHERE id = ?1")
        .bind(row)
        .bind(position)
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .map_err(failed("write pair"))
}

async fn insert_pair(
    tx: &mut Tx<'_>,
    id: SystemId,
    machine: i64,
    pair: &PskPair,
    position: i64,
    retired_at: Option<i64>,
) -> Result<(), Failure> {
    let sealed = tx.seal.seal(pair_place(&pair_row(id, pair.pid)), pair.pps.expose())?;
    sqlx::query("INSERT INTO machine_psk (machine, pid, position, added_at, retired_at, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
        .bind(machine)
        .bind(pair.pid.plain())
        .bind(position)
        .bind(tx.now)
        .bind(retired_at)
        .bind(sealed)
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .map_err(failed("write pair"))
}

/// A changed UUID leaves the pair in the firmware: the old record's pairs are candidates of the new one too, and what the vault keeps for
/// the old one it keeps for the new one.
pub(in super::super) async fn copy_pairs(
    tx: &mut Tx<'_>,
    (old, old_row): (SystemId, i64),
    (new, new_row): (SystemId, i64),
) -> Result<(), Failure> {
    let rows = sqlx::query("SELECT pid, sealed, position, retired_at FROM machine_psk WHERE machine = ?1")
        .bind(old_row)
        .fetch_all(&mut *tx.connection)
        .await
        .map_err(failed("read"))?;
    for row in &rows {
        let pair = open_pair(tx.seal, old, row)?;
        // Behind those that the new record may have.
        let position = required::<i64>(row, "position")? + 1000;
        insert_pair(tx, new, new_row, &pair, position, optional(row, "retired_at")?).await?;
    }
    sqlx::query("UPDATE psk_vault SET machine = ?2 WHERE machine = ?1")
        .bind(old.to_string())
        .bind(new.to_string())
        .execute(&mut *tx.connection)
        .await
        .map(drop)
        .map_err(failed("rebind"))
}

fn open_pair(seal: &SealKey, id: SystemId, row: &SqliteRow) -> Result<PskPair, Failure> {
    let pid = pid(row)?;
    let clear = seal.open(pair_place(&pair_row(id, pid)), &required::<Vec<u8>>(row, "sealed")?)?;
    let damaged = || Failure::new(ErrorCode::STORE, "read", format!("the pair of PID {pid} is damaged"));
    let text = std::str::from_utf8(clear.expose()).map_err(|_| damaged())?;
    Ok(PskPair { pid, pps: Pps::parse(text, Form::Strict).map_err(|_| damaged())? })
}

fn pair_row(id: SystemId, pid: Pid) -> String {
    format!("{id} {}", pid.plain())
}

fn pair_place(row: &str) -> Place<'_> {
    Place { column: "machine_psk.sealed", row }
}
