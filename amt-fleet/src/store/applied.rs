//! Which configuration profile each machine was given, and the record of the procedure that did it.

use super::change::Tx;
use super::machine::{optional, required, time};
use super::writer::Change;
use super::{Fleet, failed, from_millis};
use crate::seal::Place;
use amt_core::{Failure, SystemId};
use amt_provision::ApplyRecord;
use amt_provision::csr::Validity;
use std::net::IpAddr;
use std::time::SystemTime;

/// The profile that a machine was given last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppliedProfile {
    /// Name of the document.
    pub profile: String,
    /// SHA-256 of the document, hexadecimal.
    pub revision: String,
    /// When.
    pub at: SystemTime,
}

struct KeepApplied {
    id: SystemId,
    profile: Option<String>,
    revision: Option<String>,
    /// Of the certificate for 802.1X.
    client: Option<Validity>,
    /// Where the machine is now: its profile gave it another address.
    found_at: Option<IpAddr>,
    sealed: Vec<u8>,
}

impl Change for KeepApplied {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let row = tx.existing_row(self.id).await?;
        sqlx::query(
            "INSERT INTO applied (machine, profile, revision, changed_at, sealed, client_from, client_until) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (machine) DO UPDATE SET \
             profile = ?2, revision = ?3, changed_at = ?4, sealed = ?5, client_from = ?6, client_until = ?7",
        )
        .bind(row)
        .bind(self.profile.as_deref())
        .bind(self.revision.as_deref())
        .bind(tx.now)
        .bind(self.sealed.as_slice())
        .bind(self.client.map(|validity| validity.not_before.saturating_mul(1000)))
        .bind(self.client.map(|validity| validity.not_after.saturating_mul(1000)))
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("write applied profile"))?;
        let Some(address) = self.found_at else { return Ok(()) };
        sqlx::query("UPDATE machines SET address = ?2, changed_at = ?3 WHERE id = ?1")
            .bind(row)
            .bind(address.to_string())
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await
            .map(drop)
            .map_err(failed("write address"))
    }
}

fn place(row: &str) -> Place<'_> {
    Place { column: "applied.sealed", row }
}

impl Fleet {
    /// The profile that was applied to the machine last, whole; none if none was.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn applied(&self, id: SystemId) -> Result<Option<AppliedProfile>, Failure> {
        let sql = "SELECT a.profile, a.revision, a.changed_at FROM applied a JOIN machines m ON m.id = a.machine WHERE uuid = ?1";
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(self.readers()).await.map_err(failed("read"))?;
        let Some(row) = row else { return Ok(None) };
        let (profile, revision) = (optional(&row, "profile")?, optional(&row, "revision")?);
        let at = from_millis(required(&row, "changed_at")?);
        Ok(profile.zip(revision).map(|(profile, revision)| AppliedProfile { profile, revision, at }))
    }

    /// Until when the certificate is good by which the machine logs in to its network (802.1X); none if it was given none.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn client_certificate_until(&self, id: SystemId) -> Result<Option<SystemTime>, Failure> {
        let sql = "SELECT a.client_until FROM applied a JOIN machines m ON m.id = a.machine WHERE uuid = ?1";
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(self.readers()).await.map_err(failed("read"))?;
        row.map_or(Ok(None), |row| time(&row, "client_until"))
    }

    /// What the procedure kept of this machine.
    pub(crate) async fn apply_record(&self, id: SystemId) -> Result<Option<ApplyRecord>, Failure> {
        let sql = "SELECT a.sealed FROM applied a JOIN machines m ON m.id = a.machine WHERE uuid = ?1";
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(self.readers()).await.map_err(failed("read"))?;
        let Some(row) = row else { return Ok(None) };
        let sealed: Vec<u8> = required(&row, "sealed")?;
        let clear = self.seal().open(place(&id.to_string()), &sealed)?;
        ApplyRecord::decode(clear.expose()).map(Some)
    }

    /// Makes it durable, and where the machine was found: it is looked for there from now on.
    pub(crate) async fn keep_apply(&self, record: &ApplyRecord) -> Result<(), Failure> {
        let sealed = self.seal().seal(place(&record.id.to_string()), record.encode().expose())?;
        let (profile, revision) = (record.profile.clone(), record.revision.clone());
        let client = record.client_certificate().and_then(Validity::of);
        let found_at = record.found_at;
        self.write(KeepApplied { id: record.id, profile, revision, client, found_at, sealed }).await
    }
}
