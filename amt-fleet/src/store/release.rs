//! What somebody decides by hand about a machine.

use super::change::{Tx, credential_place, credential_row};
use super::machine::{CredentialKind, required};
use super::vault::copy_pairs;
use super::writer::Change;
use super::{Fleet, actions, failed};
use crate::fact::{FactKey, FactSource};
use amt_core::{ErrorCode, Failure, SystemId};
use std::net::IpAddr;

/// Longest name of somebody.
const MAX_BY: usize = 100;

/// How a machine is let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReleaseOrder {
    /// Who says so; shown in the diary.
    pub by: String,
    /// Of several machines with this UUID, the one at this address.
    pub address: Option<IpAddr>,
    /// Let a boot action fire once, instead of letting the machine in.
    pub boot: bool,
}

impl ReleaseOrder {
    /// A release by somebody.
    pub fn by(name: impl Into<String>) -> Self {
        Self { by: name.into(), ..Self::default() }
    }
}

struct ReleaseMachine {
    id: SystemId,
    order: ReleaseOrder,
}

impl Change for ReleaseMachine {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let row = tx.existing_row(self.id).await?;
        let by = self.order.by.as_str();
        if self.order.boot {
            sqlx::query(
                "UPDATE machines SET boot_released_at = ?2, boot_released_by = ?3, changed_at = ?2 WHERE id = ?1",
            )
            .bind(row)
            .bind(tx.now)
            .bind(by)
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("write machine"))?;
            actions::unblock(tx, row).await?;
            return tx
                .diary(row, "released", &format!("{by} lets a boot action fire once, whatever the guard says"))
                .await;
        }
        sqlx::query(
            "UPDATE machines SET released_at = ?2, released_by = ?3, taken_back_at = NULL, taken_back_by = NULL, \
             taken_back = NULL, bound_address = ifnull(?4, bound_address), \
             address = ifnull(?4, address), changed_at = ?2 WHERE id = ?1",
        )
        .bind(row)
        .bind(tx.now)
        .bind(by)
        .bind(self.order.address.map(|a| a.to_canonical().to_string()))
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("write machine"))?;
        let which = self.order.address.map(|a| format!(", the one at {a}")).unwrap_or_default();
        tx.diary(row, "released", &format!("{by} lets this machine in{which}, whatever the guard says")).await
    }
}

/// One computer took the place of another record's.
struct Rebind {
    old: SystemId,
    new: SystemId,
    by: String,
}

impl Change for Rebind {
    type Reply = ();

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let (old, new) = (tx.existing_row(self.old).await?, tx.existing_row(self.new).await?);
        let machine = tx.machine(new).await?;
        if machine.is_verified() {
            return Err(Failure::new(
                ErrorCode::WRONG_STATE,
                "rebind",
                format!("{} is provisioned under a name of its own already", self.new),
            )
            .hint("`amt fleet redo` it first, or leave the two records apart"));
        }
        self.copy_credentials(tx, old, new).await?;
        copy_pairs(tx, (self.old, old), (self.new, new)).await?;
        for sql in [
            // The name must be free before it is given.
            "UPDATE machines SET (host_name, domain_name, dns_suffix, profile, ou, temporary) = \
             (SELECT NULL, NULL, dns_suffix, profile, ou, 0 FROM machines o WHERE o.id = ?1) WHERE id = ?2",
            "UPDATE OR IGNORE facts SET machine = ?2 WHERE machine = ?1 AND source IN ('list', 'operator', 'resolver') AND until IS NULL",
            "UPDATE facts SET until = ?3 WHERE machine = ?1 AND key = 'mac' AND until IS NULL",
            "INSERT OR IGNORE INTO facts (machine, key, value, source, since, at) \
             SELECT ?2, iif(domain_name IS NULL, 'host_name', 'fqdn'), host_name || ifnull('.' || domain_name, ''), 'operator', \
             ?3, ?3 FROM machines WHERE id = ?1 AND host_name IS NOT NULL AND temporary = 0",
            "UPDATE machines SET admitted = 1 WHERE id = ?2 AND (SELECT admitted FROM machines WHERE id = ?1)",
            "UPDATE machines SET host_name = NULL, domain_name = NULL, wanted_host = NULL, wanted_domain = NULL, admitted = 0, \
             redo = 0, retry_at = NULL, state = 'parked' WHERE id = ?1",
            "UPDATE actions SET state = 'cancelled', ended_at = ?3 WHERE machine = ?1 AND state IN ('pending', 'running', 'blocked')",
        ] {
            sqlx::query(sql)
                .bind(old)
                .bind(new)
                .bind(tx.now)
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("rebind"))?;
        }
        sqlx::query(
            "UPDATE machines SET parked_code = 'REPLACED', parked_reason = ?2, parked_hint = ?3, changed_at = ?4 WHERE id = ?1",
        )
        .bind(old)
        .bind(format!("{} handed this record over to {}", self.by, self.new))
        .bind("nothing, if that was right; its credentials are kept")
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("rebind"))?;
        sqlx::query(
            "UPDATE machines SET changed_at = ?2, released_at = ?2, released_by = ?3, taken_back_at = NULL, \
             taken_back_by = NULL, taken_back = NULL WHERE id = ?1",
        )
        .bind(new)
        .bind(tx.now)
        .bind(self.by.as_str())
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("rebind"))?;
        tx.diary(old, "rebound", &format!("{} handed this record over to {}", self.by, self.new)).await?;
        tx.diary(new, "rebound", &format!("{} handed the record of {} over to this machine", self.by, self.old)).await
    }
}

impl Rebind {
    /// A changed UUID leaves the passwords in the firmware: they are candidates for the new record too.
    async fn copy_credentials(&self, tx: &mut Tx<'_>, old: i64, new: i64) -> Result<(), Failure> {
        let rows = sqlx::query("SELECT kind, account, position, added_at, sealed FROM credentials WHERE machine = ?1 AND retired_at IS NULL")
            .bind(old)
            .fetch_all(&mut *tx.connection)
            .await
            .map_err(failed("read"))?;
        for row in &rows {
            let kind: CredentialKind = required::<String>(row, "kind")?.parse()?;
            let account: String = required(row, "account")?;
            let (from, to) = (credential_row(self.old, kind, &account), credential_row(self.new, kind, &account));
            let clear = tx.seal.open(credential_place(&from), &required::<Vec<u8>>(row, "sealed")?)?;
            let sealed = tx.seal.seal(credential_place(&to), clear.expose())?;
            sqlx::query(
                "INSERT INTO credentials (machine, kind, account, position, added_at, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .bind(new)
            .bind(kind.name())
            .bind(account)
            // Behind those that the new record may have.
            .bind(required::<i64>(row, "position")? + 1000)
            .bind(required::<i64>(row, "added_at")?)
            .bind(sealed)
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("write credential"))?;
        }
        Ok(())
    }
}

/// What a source said is outdated.
struct Forget {
    id: SystemId,
    source: FactSource,
    key: Option<FactKey>,
}

impl Change for Forget {
    type Reply = u64;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<u64, Failure> {
        let row = tx.existing_row(self.id).await?;
        let done = sqlx::query(
            "UPDATE facts SET until = ?4 WHERE machine = ?1 AND source = ?2 AND (?3 IS NULL OR key = ?3) AND until IS NULL",
        )
        .bind(row)
        .bind(self.source.name())
        .bind(self.key.map(FactKey::name))
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("write fact"))?;
        tx.touched(row).await?;
        Ok(done.rows_affected())
    }
}

impl Fleet {
    /// Lets a machine in, or a boot action fire, whatever the guard says. The server takes it up within a second.
    ///
    /// # Errors
    /// `MACHINE_UNKNOWN`, `STORE`; `PARSE_TEXT` if nobody is named.
    pub async fn release(&self, id: SystemId, mut order: ReleaseOrder) -> Result<(), Failure> {
        order.by = somebody(&order.by)?;
        self.write(ReleaseMachine { id, order }).await?;
        self.touch(id);
        Ok(())
    }

    /// Hands the record of `old` over to `new`: name, profile, labels and what lists say of it; passwords become candidates. The old
    /// record stays, parked as `REPLACED`, with its credentials.
    ///
    /// # Errors
    /// `MACHINE_UNKNOWN`; `WRONG_STATE` if `new` is provisioned already; `STORE`.
    pub async fn rebind(&self, old: SystemId, new: SystemId, by: &str) -> Result<(), Failure> {
        if old == new {
            return Err(Failure::new(ErrorCode::PARSE_TEXT, "rebind", "both UUIDs are the same"));
        }
        self.write(Rebind { old, new, by: somebody(by)? }).await?;
        self.touch(new);
        Ok(())
    }

    /// Ends what `source` says of a machine, about one key or about all. Returns how many facts that were.
    ///
    /// # Errors
    /// `MACHINE_UNKNOWN`, `STORE`.
    pub async fn forget_facts(&self, id: SystemId, source: FactSource, key: Option<FactKey>) -> Result<u64, Failure> {
        let ended = self.write(Forget { id, source, key }).await?;
        self.touch(id);
        Ok(ended)
    }
}

fn somebody(name: &str) -> Result<String, Failure> {
    let name: String = name.chars().filter(|c| !c.is_control()).take(MAX_BY).collect();
    if name.trim().is_empty() {
        return Err(Failure::new(ErrorCode::PARSE_TEXT, "release", "nobody is named who says so"));
    }
    Ok(name.trim().to_owned())
}
