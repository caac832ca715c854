//! The renewal of certificates in the database: how long each is good, whose time has come, and what the procedure keeps.

use super::change::{SaveRecord, Tx};
use super::machine::required;
use super::writer::Change;
use super::{CONFIGURE, Fleet, failed, journal_place, millis};
use crate::digest::sha256_hex;
use crate::seal::Place;
use amt_core::{Failure, SystemId};
use amt_provision::csr::Validity;
use amt_provision::{RenewRecord, Replacement, Stage};
use std::time::{Duration, SystemTime};

/// Name of the action that renews a machine's certificate.
pub const RENEW: &str = "renew";
/// Cause of a renewal that the server begins by itself.
const CAUSE: &str = "certificate";
/// After one renewal, whatever became of it, the server begins another no sooner: firmware can be written to only so often, and an
/// authority may issue what is old already.
const REST: Duration = Duration::from_secs(24 * 3600);

fn place(row: &str) -> Place<'_> {
    Place { column: "renewals.sealed", row }
}

/// Writes down how long the machine's certificate is good.
pub(super) async fn date(tx: &mut Tx<'_>, row: i64, certificate: Option<&[u8]>) -> Result<(), Failure> {
    let validity = certificate.and_then(Validity::of);
    let milliseconds = |seconds: i64| seconds.saturating_mul(1000);
    sqlx::query(
        "UPDATE machines SET certificate_from = ?2, certificate_until = ?3 \
         WHERE id = ?1 AND (certificate_from IS NOT ?2 OR certificate_until IS NOT ?3)",
    )
    .bind(row)
    .bind(validity.map(|validity| milliseconds(validity.not_before)))
    .bind(validity.map(|validity| milliseconds(validity.not_after)))
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .map_err(failed("write machine"))
}

/// Dates the certificates that an older version recorded.
pub(crate) struct DateCertificates;

impl Change for DateCertificates {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let rows = sqlx::query(
            "SELECT m.id, c.der FROM machines m JOIN journal j ON j.machine = m.id \
             JOIN certificates c ON c.machine = m.id AND c.sha256 = j.certificate WHERE m.certificate_until IS NULL",
        )
        .fetch_all(&mut *tx.connection)
        .await
        .map_err(failed("read"))?;
        for row in &rows {
            date(tx, required(row, "id")?, Some(&required::<Vec<u8>>(row, "der")?)).await?;
        }
        Ok(())
    }
}

/// Has the certificates renewed of which `percent` of the life is over at `now`, but for machines whose last renewal is too young. Those
/// for 802.1X belong to the settings: these are applied again.
struct Schedule {
    percent: u8,
    now: i64,
}

impl Change for Schedule {
    type Reply = u64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<u64, Failure> {
        // Divided first: a certificate without an end is good until the year 9999.
        sqlx::query(
            "INSERT INTO actions (machine, name, cause, state, created_at) SELECT m.id, d.name, ?2, 'pending', ?3 FROM ( \
             SELECT id AS machine, ?1 AS name, certificate_from AS since, certificate_until AS until FROM machines \
             UNION ALL SELECT machine, ?6, client_from, client_until FROM applied) d JOIN machines m ON m.id = d.machine \
             WHERE m.state = 'verified' AND m.address IS NOT NULL AND d.since + (d.until - d.since) / 100 * ?4 <= ?3 \
             AND NOT EXISTS (SELECT 1 FROM actions a WHERE a.machine = m.id AND a.name = d.name \
             AND (a.state IN ('pending', 'running') \
             OR ((d.name = ?1 OR a.cause = ?2) AND ifnull(a.ended_at, a.created_at) > ?5)))",
        )
        .bind(RENEW)
        .bind(CAUSE)
        .bind(self.now)
        .bind(i64::from(self.percent))
        .bind(self.now.saturating_sub(i64::try_from(REST.as_millis()).unwrap_or(i64::MAX)))
        .bind(CONFIGURE)
        .execute(&mut *tx.connection)
        .await
        .map(|done| done.rows_affected())
        .map_err(failed("write action"))
    }
}

/// What a renewal makes durable. Once it is proven, the machine's journal follows in the same transaction.
struct KeepRenewal {
    id: SystemId,
    /// None: it is done.
    sealed: Option<Vec<u8>>,
    journal: Option<SaveRecord>,
}

impl Change for KeepRenewal {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let row = tx.existing_row(self.id).await?;
        let query = match &self.sealed {
            None => sqlx::query("DELETE FROM renewals WHERE machine = ?1").bind(row),
            Some(sealed) => sqlx::query(
                "INSERT INTO renewals (machine, changed_at, sealed) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (machine) DO UPDATE SET changed_at = ?2, sealed = ?3",
            )
            .bind(row)
            .bind(tx.now)
            .bind(sealed.as_slice()),
        };
        query.execute(&mut *tx.connection).await.map_err(failed("write renewal"))?;
        match &self.journal {
            Some(journal) => journal.apply(tx).await,
            None => Ok(()),
        }
    }
}

impl Fleet {
    /// Has the certificates renewed of which `percent` of the life is over at `now`. Tells of how many.
    pub(crate) async fn schedule_renewals(&self, percent: u8, now: SystemTime) -> Result<u64, Failure> {
        self.write(Schedule { percent, now: millis(now) }).await
    }

    /// What a renewal of the machine's certificate kept that is not done.
    pub(crate) async fn renewal(&self, id: SystemId) -> Result<Option<RenewRecord>, Failure> {
        let sql = "SELECT r.sealed FROM renewals r JOIN machines m ON m.id = r.machine WHERE uuid = ?1";
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(self.readers()).await.map_err(failed("read"))?;
        let Some(row) = row else { return Ok(None) };
        let clear = self.seal().open(place(&id.to_string()), &required::<Vec<u8>>(&row, "sealed")?)?;
        RenewRecord::decode(clear.expose()).map(Some)
    }

    /// Makes what a renewal keeps durable.
    pub(crate) async fn keep_renewal(&self, renewal: &RenewRecord) -> Result<(), Failure> {
        let id = renewal.replacement.id;
        let sealed = match renewal.replacement.stage {
            Stage::Done => None,
            _ => Some(self.seal().seal(place(&id.to_string()), renewal.encode().expose())?),
        };
        let journal = self.carried_over(&renewal.replacement).await?;
        self.write(KeepRenewal { id, sealed, journal }).await
    }

    /// The machine's journal with the identity that `replacement` gave it, once that is proven.
    pub(super) async fn carried_over(&self, replacement: &Replacement) -> Result<Option<SaveRecord>, Failure> {
        let Some(mut record) = self.record(replacement.id).await? else { return Ok(None) };
        if !replacement.carry_over(&mut record) {
            return Ok(None);
        }
        let sealed = self.seal().seal(journal_place(&record.id.to_string()), record.encode().expose())?;
        Ok(Some(SaveRecord { record, sealed }))
    }

    /// Whether the certificate that the machine is known by was recorded at `since` or later.
    pub(crate) async fn certified_since(&self, id: SystemId, since: SystemTime) -> Result<bool, Failure> {
        let Some(certificate) = self.record(id).await?.and_then(|record| record.certificate) else { return Ok(false) };
        let sql = "SELECT 1 FROM certificates c JOIN machines m ON m.id = c.machine \
                   WHERE m.uuid = ?1 AND c.sha256 = ?2 AND c.issued_at >= ?3";
        let found = sqlx::query(sql).bind(id.to_string()).bind(sha256_hex(&certificate)).bind(millis(since));
        Ok(found.fetch_optional(self.readers()).await.map_err(failed("read"))?.is_some())
    }
}
