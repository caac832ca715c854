//! Decisions about machines, written as they were made, and what is known of a machine when one is to be made.

use super::change::Tx;
use super::facts::tell;
use super::machine::{Machine, MachineState, Name, Parked, Release, required, time};
use super::writer::Change;
use super::{Fleet, Report, actions, failed, millis};
use crate::fact::{FactKey, FactSource};
use crate::guard::{Conflict, ConflictKind};
use crate::resolve::{Admit, Decision, RESOLVER, has_begun};
use amt_core::{Failure, SystemId};
use std::net::IpAddr;
use std::time::SystemTime;

/// Most other machines that are named in a conflict.
const MAX_OTHERS: i64 = 4;

/// What was decided about a machine.
pub(crate) struct Decide {
    pub(crate) id: SystemId,
    pub(crate) decision: Decision,
}

/// What a decision changed.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub(crate) machine: Machine,
    /// Whether the machine may be provisioned now and could not before.
    pub(crate) begins: bool,
    /// Why it is kept out, if that is new.
    pub(crate) parked: Option<Parked>,
    /// Why it is let in, if that is new and worth a line.
    pub(crate) admitted: Option<String>,
    /// The final name, if it is new that the machine is to be renamed.
    pub(crate) rename: Option<Name>,
}

impl Change for Decide {
    type Reply = Decided;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Decided, Failure> {
        let row = tx.existing_row(self.id).await?;
        let before = tx.machine(row).await?;
        let decision = &self.decision;
        let begun = has_begun(&before);
        let (name, elsewhere) = if begun { (None, None) } else { free_name(tx, row, decision).await? };
        let admit = match (&decision.admit, elsewhere) {
            (Admit::Yes { .. }, Some(parked)) if before.released.is_none() => Admit::Park(parked),
            (admit, _) => admit.clone(),
        };
        let parked = match &admit {
            // Two machines with one UUID stay two, whatever became of one of them.
            _ if begun => {
                before.parked.clone().filter(|p| p.code == ConflictKind::UuidTwice.name() && before.released.is_none())
            }
            Admit::Yes { .. } => None,
            Admit::Park(parked) => Some(parked.clone()),
        };
        let state = match (&admit, before.state) {
            (_, state) if begun => state,
            (Admit::Yes { .. }, MachineState::Known | MachineState::Parked) if before.hello_at.is_some() => {
                MachineState::Working
            }
            (Admit::Yes { .. }, MachineState::Parked) => MachineState::Known,
            (Admit::Yes { .. }, state) => state,
            (Admit::Park(_), _) => MachineState::Parked,
        };
        let admitted = before.admitted || matches!(admit, Admit::Yes { .. });
        let released = overruled(before.released.as_ref(), decision.released, tx.now);
        let boot = overruled(before.boot_released.as_ref(), decision.boot, tx.now);
        if boot.is_some() && before.boot_released.is_none() {
            actions::unblock(tx, row).await?;
        }
        sqlx::query(
            "UPDATE machines SET admitted = ?2, state = ?3, parked_code = ?4, parked_reason = ?5, parked_hint = ?6, \
             host_name = ifnull(?7, host_name), domain_name = CASE WHEN ?7 IS NULL THEN domain_name ELSE ?8 END, \
             temporary = ?9, dns_suffix = ifnull(?10, dns_suffix), profile = ?11, ou = ?12, present = ?13, \
             released_at = ?14, released_by = ?15, boot_released_at = ?16, boot_released_by = ?17, \
             changed_at = iif(?18, ?19, changed_at) WHERE id = ?1",
        )
        .bind(row)
        .bind(admitted)
        .bind(state.name())
        .bind(parked.as_ref().map(|p| p.code.as_str()))
        .bind(parked.as_ref().map(|p| p.reason.as_str()))
        .bind(parked.as_ref().map(|p| p.hint.as_str()))
        .bind(name.as_ref().map(|n| n.host.as_str()))
        .bind(name.as_ref().and_then(|n| n.domain.as_deref()))
        .bind(if begun { before.temporary } else { decision.temporary })
        .bind(decision.dns_suffix.as_deref())
        .bind(decision.profile.as_deref())
        .bind(decision.ou.as_deref())
        .bind(decision.present.as_deref())
        .bind(released.as_ref().map(|r| r.0))
        .bind(released.as_ref().map(|r| r.1.as_str()))
        .bind(boot.as_ref().map(|r| r.0))
        .bind(boot.as_ref().map(|r| r.1.as_str()))
        .bind(state != before.state || parked != before.parked || name.is_some())
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("write decision"))?;
        tell_decision(tx, row, self.id, decision).await?;
        let rename = want_name(tx, row, &before, decision.rename.as_ref()).await?;
        let machine = tx.machine(row).await?;
        Ok(Decided {
            begins: machine.state == MachineState::Working && before.state != MachineState::Working,
            parked: parked.filter(|p| before.parked.as_ref() != Some(p)),
            admitted: match admit {
                Admit::Yes { note } if before.parked.is_some() || !before.admitted => note,
                _ => None,
            },
            rename,
            machine,
        })
    }
}

/// The same decision, taken back before it is written: what would come of it.
pub(crate) struct Rehearse {
    pub(crate) id: SystemId,
    pub(crate) decision: Decision,
}

impl Change for Rehearse {
    type Reply = Decided;

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<Decided, Failure> {
        let step = async |tx: &mut Tx<'_>, sql: &'static str| {
            sqlx::query(sql).execute(&mut *tx.connection).await.map(drop).map_err(failed("rehearse"))
        };
        let dirty = tx.dirty.clone();
        step(tx, "SAVEPOINT rehearsal").await?;
        let decided = Decide { id: self.id, decision: self.decision.clone() }.apply(tx).await;
        step(tx, "ROLLBACK TO rehearsal").await?;
        step(tx, "RELEASE rehearsal").await?;
        // Nothing has changed about it.
        tx.dirty = dirty;
        decided
    }
}

/// Who overrules the guard now: somebody who did so by hand, or the resolver as long as it says so.
fn overruled(before: Option<&Release>, resolver: bool, now: i64) -> Option<(i64, String)> {
    match before {
        Some(release) if resolver || release.by != RESOLVER => Some((millis(release.at), release.by.clone())),
        _ => resolver.then(|| (now, RESOLVER.to_owned())),
    }
}

/// The name decided, or the one to take where it belongs to another machine; without that, why the machine cannot be let in.
async fn free_name(tx: &mut Tx<'_>, row: i64, decision: &Decision) -> Result<(Option<Name>, Option<Parked>), Failure> {
    let Some(name) = &decision.name else { return Ok((None, None)) };
    let Some(owner) = owner_of(tx, row, name).await? else { return Ok((Some(name.clone()), None)) };
    if let Some(fallback) = &decision.fallback {
        return Ok((Some(Name { host: fallback.clone(), domain: name.domain.clone() }), None));
    }
    let parked = Parked {
        code: ConflictKind::NameElsewhere.name().to_owned(),
        reason: format!("its name {name} belongs to {owner}: the board was swapped, or the computer replaced"),
        hint: ConflictKind::NameElsewhere.hint().to_owned(),
    };
    Ok((None, Some(parked)))
}

/// The other machine that carries a name.
async fn owner_of(tx: &mut Tx<'_>, row: i64, name: &Name) -> Result<Option<String>, Failure> {
    // A name that another is about to get is its own already.
    sqlx::query(
        "SELECT uuid FROM machines WHERE id <> ?3 AND ((host_name = ?1 AND ifnull(domain_name, '') = ?2) \
         OR (wanted_host = ?1 AND ifnull(wanted_domain, '') = ?2)) LIMIT 1",
    )
    .bind(name.host.as_str())
    .bind(name.domain.as_deref().unwrap_or_default())
    .bind(row)
    .fetch_optional(&mut *tx.connection)
    .await
    .map_err(failed("read"))?
    .map(|row| required(&row, "uuid"))
    .transpose()
}

async fn tell_decision(tx: &mut Tx<'_>, row: i64, id: SystemId, decision: &Decision) -> Result<(), Failure> {
    // Labels that are no longer given end; `tell` ends only what is about a key that is named.
    if decision.labels.is_empty() {
        let sql = "UPDATE facts SET until = ?2 WHERE machine = ?1 AND key = 'label' AND source = 'resolver' AND until IS NULL";
        sqlx::query(sql).bind(row).bind(tx.now).execute(&mut *tx.connection).await.map_err(failed("write fact"))?;
        return Ok(());
    }
    let mut report = Report::new(id, FactSource::Resolver);
    report.facts = decision.labels.iter().map(|label| (FactKey::Label, label.clone())).collect();
    tell(tx, row, &report).await.map(drop)
}

/// Notes the final name of a provisioned machine, and has it renamed. A name that is no longer wanted is forgotten.
async fn want_name(
    tx: &mut Tx<'_>,
    row: i64,
    before: &Machine,
    wanted: Option<&Name>,
) -> Result<Option<Name>, Failure> {
    if before.wanted.as_ref() == wanted {
        return Ok(None);
    }
    if let Some(name) = wanted
        && let Some(owner) = owner_of(tx, row, name).await?
    {
        tx.diary(row, "note", &format!("its final name {name} belongs to {owner}: not renamed")).await?;
        return Ok(None);
    }
    sqlx::query("UPDATE machines SET wanted_host = ?2, wanted_domain = ?3, changed_at = ?4 WHERE id = ?1")
        .bind(row)
        .bind(wanted.map(|n| n.host.as_str()))
        .bind(wanted.and_then(|n| n.domain.as_deref()))
        .bind(tx.now)
        .execute(&mut *tx.connection)
        .await
        .map_err(failed("write machine"))?;
    if wanted.is_some() {
        actions::rename(tx, row).await?;
    }
    Ok(wanted.cloned())
}

impl Fleet {
    /// Records that contradict this machine's about who is who.
    ///
    /// # Errors
    /// `STORE`.
    pub(crate) async fn conflicts(&self, machine: &Machine) -> Result<Vec<Conflict>, Failure> {
        let mut conflicts = Vec::new();
        if let Some(parked) = machine.parked.as_ref().filter(|p| p.code == ConflictKind::UuidTwice.name()) {
            conflicts.push(Conflict { kind: ConflictKind::UuidTwice, other: None, text: parked.reason.clone() });
        }
        let rows = sqlx::query(
            "SELECT o.uuid, f.value, f.source FROM facts mine JOIN facts f ON f.key = 'mac' AND f.value = mine.value \
             AND f.until IS NULL AND f.machine <> mine.machine JOIN machines o ON o.id = f.machine \
             WHERE mine.machine = (SELECT id FROM machines WHERE uuid = ?1) AND mine.key = 'mac' AND mine.until IS NULL \
             AND ifnull(o.parked_code, '') <> 'REPLACED' GROUP BY o.uuid ORDER BY o.id LIMIT ?2",
        )
        .bind(machine.id.to_string())
        .bind(MAX_OTHERS)
        .fetch_all(self.readers())
        .await
        .map_err(failed("read"))?;
        for row in &rows {
            let (uuid, mac, source): (String, String, String) =
                (required(row, "uuid")?, required(row, "value")?, required(row, "source")?);
            let text = format!(
                "its interface {mac} is one of {uuid} too, says {source}: the UUID was changed, or the board re-used"
            );
            conflicts.push(Conflict { kind: ConflictKind::MacElsewhere, other: Some(uuid.parse()?), text });
        }
        Ok(conflicts)
    }

    /// When a machine was first told to be parked for the reason that it is parked for now, as far as its diary goes back.
    ///
    /// # Errors
    /// `STORE`.
    pub async fn parked_since(&self, id: SystemId) -> Result<Option<SystemTime>, Failure> {
        let row = sqlx::query(
            "SELECT min(at) AS at FROM events WHERE kind = 'parked' AND machine = (SELECT id FROM machines WHERE uuid = ?1) \
             AND message = (SELECT message FROM events WHERE kind = 'parked' \
             AND machine = (SELECT id FROM machines WHERE uuid = ?1) ORDER BY id DESC LIMIT 1)",
        )
        .bind(id.to_string())
        .fetch_one(self.readers())
        .await
        .map_err(failed("read"))?;
        time(&row, "at")
    }

    /// Whether another machine was seen at `address` after this one.
    pub(crate) async fn moved_in(&self, id: SystemId, address: IpAddr) -> Result<bool, Failure> {
        sqlx::query(
            "SELECT 1 FROM machines WHERE address = ?2 AND uuid <> ?1 \
             AND ifnull(hello_at, 0) > ifnull((SELECT hello_at FROM machines WHERE uuid = ?1), 0) LIMIT 1",
        )
        .bind(id.to_string())
        .bind(address.to_string())
        .fetch_optional(self.readers())
        .await
        .map(|row| row.is_some())
        .map_err(failed("read"))
    }
}
