//! A rename in the database: the procedure's record, and the new identity from the moment that it is proven.

use super::actions::place;
use super::change::{SaveRecord, Tx};
use super::writer::Change;
use super::{Fleet, failed};
use amt_core::Failure;
use amt_provision::RenameRecord;

/// What a rename makes durable. Once it is proven, the machine's journal and name follow in the same transaction.
pub(crate) struct KeepRename {
    action: i64,
    sealed: Vec<u8>,
    proven: Option<Proven>,
}

struct Proven {
    journal: SaveRecord,
    host: String,
    domain: Option<String>,
}

impl Change for KeepRename {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        sqlx::query("UPDATE actions SET sealed = ?2 WHERE id = ?1")
            .bind(self.action)
            .bind(self.sealed.as_slice())
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("write action"))?;
        let Some(proven) = &self.proven else { return Ok(()) };
        proven.journal.apply(tx).await?;
        let row = tx.existing_row(proven.journal.record.id).await?;
        take_name(tx, row, &proven.host, proven.domain.as_deref()).await
    }
}

/// The machine carries the name now.
async fn take_name(tx: &mut Tx<'_>, row: i64, host: &str, domain: Option<&str>) -> Result<(), Failure> {
    sqlx::query(
        "UPDATE machines SET host_name = ?2, domain_name = ifnull(?3, domain_name), temporary = 0, changed_at = ?4, \
         wanted_host = iif(wanted_host = ?2 AND wanted_domain IS ?3, NULL, wanted_host), \
         wanted_domain = iif(wanted_host = ?2 AND wanted_domain IS ?3, NULL, wanted_domain) WHERE id = ?1",
    )
    .bind(row)
    .bind(host)
    .bind(domain)
    .bind(tx.now)
    .execute(&mut *tx.connection)
    .await
    .map(drop)
    .map_err(failed("write machine"))
}

impl Fleet {
    /// Makes what a rename keeps durable.
    pub(crate) async fn keep_rename(&self, action: i64, rename: &RenameRecord) -> Result<(), Failure> {
        let sealed = self.seal().seal(place(&action.to_string()), rename.encode().expose())?;
        let proven = self.carried_over(&rename.replacement).await?.map(|journal| Proven {
            journal,
            host: rename.host_name.clone(),
            domain: rename.domain_name.clone(),
        });
        self.write(KeepRename { action, sealed, proven }).await
    }

    /// The machine carried the name before the rename began.
    pub(crate) async fn has_name(&self, rename: &RenameRecord) -> Result<(), Failure> {
        let (id, host, domain) = (rename.replacement.id, rename.host_name.clone(), rename.domain_name.clone());
        self.write(TakeName { id, host, domain }).await
    }
}

struct TakeName {
    id: amt_core::SystemId,
    host: String,
    domain: Option<String>,
}

impl Change for TakeName {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let row = tx.existing_row(self.id).await?;
        take_name(tx, row, &self.host, self.domain.as_deref()).await
    }
}
