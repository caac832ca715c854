//! A setup that was taken back: from the moment that it is proven the machine is no longer provisioned, and kept out until somebody lets
//! it in again.

use super::change::{SaveRecord, Tx};
use super::writer::Change;
use super::{Fleet, failed, journal_place};
use amt_core::{Failure, SystemId};
use amt_provision::Record;
use amt_provision::unprovision::Extent;

/// The word in the database and in JSON.
pub(crate) const fn extent_name(extent: Extent) -> &'static str {
    match extent {
        Extent::Partial => "partial",
        _ => "full",
    }
}

struct TakeBack {
    id: SystemId,
    /// What the procedure made durable last; its passwords stay as candidates. None: it had nothing to record.
    journal: Option<SaveRecord>,
    extent: &'static str,
    by: String,
    diary: String,
}

impl Change for TakeBack {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let row = tx.existing_row(self.id).await?;
        if let Some(journal) = &self.journal {
            journal.apply(tx).await?;
        }
        sqlx::query(
            "UPDATE machines SET state = 'parked', taken_back_at = ?2, taken_back_by = ?3, taken_back = ?4, parked_code = ?5, \
             parked_reason = ?6, parked_hint = ?7, changed_at = ?2 WHERE id = ?1",
        )
        .bind(row)
        .bind(tx.now)
        .bind(self.by.as_str())
        .bind(self.extent)
        .bind(crate::guard::TAKEN_BACK)
        .bind(crate::guard::taken_back(self.extent, &self.by))
        .bind(crate::guard::TAKEN_BACK_HINT)
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("write machine"))?;
        for sql in [
            // Nothing of the last setup is in the machine any more, and nobody's word about it before counts.
            "UPDATE machines SET attempts = 0, redo = 0, retry_at = NULL, failure_code = NULL, failure_stage = NULL, \
             failure_message = NULL, failure_hint = NULL, control_mode = NULL, verified_at = NULL, tls_version = NULL, \
             tls_suite = NULL, tls_engine = NULL, released_at = NULL, released_by = NULL, boot_released_at = NULL, \
             boot_released_by = NULL WHERE id = ?1",
            "DELETE FROM journal WHERE machine = ?1",
            "DELETE FROM applied WHERE machine = ?1",
            "UPDATE facts SET until = ?2 WHERE machine = ?1 AND source = 'wsman' AND key IN ('control_mode', 'digest_realm') \
             AND until IS NULL",
            // What was to follow from its setup.
            "UPDATE actions SET state = 'cancelled', ended_at = ?2 WHERE machine = ?1 AND job IS NULL \
             AND state IN ('pending', 'blocked')",
        ] {
            sqlx::query(sql)
                .bind(row)
                .bind(tx.now)
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("write machine"))?;
        }
        tx.diary(row, "taken-back", &self.diary).await
    }
}

impl Fleet {
    /// The setup of a machine is proven to be gone. `record` is what the procedure makes durable last, where there is something: it is in
    /// the same transaction, so that the database never says that a machine is provisioned and has forgotten how it is reached.
    pub(crate) async fn taken_back(
        &self,
        id: SystemId,
        record: Option<&Record>,
        extent: Extent,
        by: &str,
    ) -> Result<(), Failure> {
        let journal = record
            .map(|record| {
                let sealed = self.seal().seal(journal_place(&id.to_string()), record.encode().expose())?;
                Ok::<_, Failure>(SaveRecord { record: record.clone(), sealed })
            })
            .transpose()?;
        let extent = extent_name(extent);
        let diary =
            format!("{}; it is not set up again before somebody lets it in", crate::guard::taken_back(extent, by));
        self.write(TakeBack { id, journal, extent, by: by.to_owned(), diary }).await?;
        self.touch(id);
        Ok(())
    }
}
