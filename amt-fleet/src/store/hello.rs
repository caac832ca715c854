//! A hello in the database: what it says, and whether it comes from the machine that is meant.

use super::change::Tx;
use super::facts::tell;
use super::machine::{Machine, Origin, required};
use super::writer::Change;
use super::{MAX_DIARY, MAX_HELLOS, MAX_UNADMITTED, Report, failed, millis};
use crate::fact::{FactKey, FactSource};
use crate::guard::ConflictKind;
use amt_core::psk::Pid;
use amt_core::{Failure, SystemId};
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

/// A hello was heard.
pub(crate) struct SawHello {
    pub(crate) id: SystemId,
    pub(crate) source: SocketAddr,
    pub(crate) at: SystemTime,
    pub(crate) retry: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) credentials_set: bool,
    /// The pre-shared key that it waits for; absent: a certificate.
    pub(crate) pid: Option<Pid>,
    /// Name that DNS gives for the source.
    pub(crate) reverse: Option<String>,
    /// The address recorded before, if a machine still answers there: then there are two.
    pub(crate) twin: Option<IpAddr>,
    /// Whether strangers are counted: where none is let in unasked, their number is limited.
    pub(crate) limited: bool,
}

/// From whom a hello came.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// The machine of this record.
    Machine,
    /// Another with the same UUID.
    Twin(Box<Machine>),
    /// A stranger for whom there is no room.
    NoRoom,
}

impl Change for SawHello {
    type Reply = Heard;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Heard, Failure> {
        let row = match tx.row_of(self.id).await? {
            Some(row) => row,
            None if self.limited && unadmitted(tx).await? >= MAX_UNADMITTED => return Ok(Heard::NoRoom),
            None => tx.insert_machine(self.id, Origin::Hello, false).await?,
        };
        let machine = tx.machine(row).await?;
        let ip = self.source.ip().to_canonical();
        sqlx::query("INSERT INTO hellos (machine, at, source, retry, bytes) VALUES (?1, ?2, ?3, ?4, ?5)")
            .bind(row)
            .bind(millis(self.at))
            .bind(self.source.to_string())
            .bind(i64::from(self.retry))
            .bind(self.bytes.as_slice())
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("write hello"))?;
        forget_old(tx, row).await?;
        if machine.bound_address.is_some_and(|bound| bound != ip) {
            return Ok(Heard::Twin(Box::new(machine)));
        }
        if let Some(other) = self.twin.filter(|_| machine.bound_address.is_none()) {
            park_both(tx, row, other, ip).await?;
            return Ok(Heard::Twin(Box::new(tx.machine(row).await?)));
        }
        sqlx::query("UPDATE machines SET address = ?2, hello_at = ?3, changed_at = ?3, pid = ?4 WHERE id = ?1")
            .bind(row)
            .bind(ip.to_string())
            .bind(millis(self.at))
            .bind(self.pid.map(|pid| pid.plain()))
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("write machine"))?;
        let said = Report::new(self.id, FactSource::Hello)
            .with(FactKey::Address, ip.to_string())
            .with(FactKey::CredentialsSet, self.credentials_set.to_string());
        tell(tx, row, &said).await?;
        if let Some(name) = &self.reverse {
            let looked_up = Report::new(self.id, FactSource::Dns).with(FactKey::ReverseDns, name);
            if let Ok(looked_up) = looked_up.normalised() {
                tell(tx, row, &looked_up).await?;
            }
        }
        Ok(Heard::Machine)
    }
}

/// Nobody can say which of the two the record is about: both wait for somebody who can. A provisioned machine stays
/// what it is, and the note beside it.
async fn park_both(tx: &mut Tx<'_>, row: i64, one: IpAddr, other: IpAddr) -> Result<(), Failure> {
    let reason = format!("two machines say hello with this UUID, one at {one} and one at {other}");
    sqlx::query(
        "UPDATE machines SET parked_code = ?2, parked_reason = ?3, parked_hint = ?4, changed_at = ?5, \
         state = CASE WHEN state = 'verified' THEN state ELSE 'parked' END, retry_at = NULL WHERE id = ?1",
    )
    .bind(row)
    .bind(ConflictKind::UuidTwice.name())
    .bind(reason)
    .bind(ConflictKind::UuidTwice.hint())
    .bind(tx.now)
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .map_err(failed("write machine"))
}

async fn unadmitted(tx: &mut Tx<'_>) -> Result<i64, Failure> {
    sqlx::query("SELECT count(*) AS n FROM machines WHERE state = 'parked'")
        .fetch_one(&mut *tx.connection)
        .await
        .map_err(failed("read"))
        .and_then(|row| required(&row, "n"))
}

/// Keeps what a machine says over and over from filling the disk.
async fn forget_old(tx: &mut Tx<'_>, row: i64) -> Result<(), Failure> {
    for (sql, keep) in [
        (
            "DELETE FROM hellos WHERE machine = ?1 AND id <= \
             (SELECT id FROM hellos WHERE machine = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            MAX_HELLOS,
        ),
        (
            "DELETE FROM events WHERE machine = ?1 AND id <= \
             (SELECT id FROM events WHERE machine = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            MAX_DIARY,
        ),
    ] {
        sqlx::query(sql).bind(row).bind(keep).execute(&mut *tx.connection).await.map_err(failed("forget"))?;
    }
    Ok(())
}
