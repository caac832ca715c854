//! Lists of machines in the database: what they say becomes facts, and who stands in them is let in.
//!
//! A line that names only an interface address waits until a machine is known to have it: a hello names none, clients and the firmware
//! do.

use super::change::Tx;
use super::facts::say;
use super::machine::{Origin, required};
use super::writer::Change;
use super::{Fleet, Report, failed};
use crate::fact::{FactKey, FactSource};
use amt_core::{ErrorCode, Failure, SystemId};
use std::collections::BTreeSet;

/// A machine that is expected: known by its UUID, or else by its interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KnownMachine {
    /// UUID.
    pub id: Option<SystemId>,
    /// Interface addresses.
    pub macs: Vec<String>,
    /// Host name to give it; absent: by the template.
    pub host_name: Option<String>,
    /// Domain to give it; absent: by the configuration.
    pub domain_name: Option<String>,
    /// DNS suffix its firmware has; absent: by the configuration.
    pub dns_suffix: Option<String>,
    /// Profile to give it.
    pub profile: Option<String>,
    /// Its organisational unit.
    pub ou: Option<String>,
    /// Labels.
    pub labels: Vec<String>,
}

impl KnownMachine {
    /// A machine of which only the UUID is known.
    pub fn new(id: SystemId) -> Self {
        Self { id: Some(id), ..Self::default() }
    }

    /// A machine of which only an interface address is known.
    pub fn by_mac(mac: impl Into<String>) -> Self {
        Self { macs: vec![mac.into()], ..Self::default() }
    }

    /// Host and domain as one name.
    pub fn name(&self) -> Option<String> {
        let domain = self.domain_name.as_ref().map(|domain| format!(".{domain}")).unwrap_or_default();
        self.host_name.as_ref().map(|host| format!("{host}{domain}"))
    }

    /// What the list says of it, as facts in their one form.
    fn facts(&self) -> Result<Vec<(FactKey, String)>, Failure> {
        // Whose report it will be is not known yet of a machine that is known by its interfaces.
        let mut report = Report::new(self.id.unwrap_or(SystemId::from_wire([0; 16])), FactSource::List);
        let name_key = if self.domain_name.is_some() { FactKey::Fqdn } else { FactKey::HostName };
        let single = [
            (name_key, self.name()),
            (FactKey::DnsSuffix, self.dns_suffix.clone()),
            (FactKey::Profile, self.profile.clone()),
            (FactKey::Ou, self.ou.clone()),
        ];
        report.facts.extend(single.into_iter().filter_map(|(key, value)| Some((key, value?))));
        report.facts.extend(self.macs.iter().map(|mac| (FactKey::Mac, mac.clone())));
        report.facts.extend(self.labels.iter().map(|label| (FactKey::Label, label.clone())));
        Ok(report.normalised()?.facts)
    }
}

/// What came of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Machines that are let in by it.
    pub machines: u64,
    /// Lines that wait for a machine with their interface address.
    pub waiting: u64,
    /// Lines about machines whose record was handed over to another: passed over.
    pub replaced: u64,
}

/// Machines of a list and what it says of them.
struct Import(Vec<(KnownMachine, Vec<(FactKey, String)>)>);

impl Change for Import {
    type Reply = (Imported, Vec<SystemId>);

    async fn apply(&self, tx: &mut Tx<'_>) -> Result<(Imported, Vec<SystemId>), Failure> {
        let (mut imported, mut ids) = (Imported::default(), Vec::new());
        for (known, facts) in &self.0 {
            let row = match known.id {
                Some(id) => match tx.row_of(id).await? {
                    Some(row) => row,
                    None => tx.insert_machine(id, Origin::List, true).await?,
                },
                None => match owners(tx, &known.macs).await?[..] {
                    [row] => row,
                    // Of several nobody can say which is meant: they are parked for it, and the line waits for the end of that.
                    _ => {
                        expect(tx, known, facts).await?;
                        imported.waiting += 1;
                        continue;
                    }
                },
            };
            if !let_in(tx, row, known, facts).await? {
                imported.replaced += 1;
                continue;
            }
            imported.machines += 1;
            ids.push(tx.machine(row).await?.id);
        }
        Ok((imported, ids))
    }
}

/// Lets a machine in and tells what the list says of it. Not if its record was handed over to another machine.
async fn let_in(tx: &mut Tx<'_>, row: i64, known: &KnownMachine, facts: &[(FactKey, String)]) -> Result<bool, Failure> {
    // A name that the machine already carries is kept for now: changing it takes a new certificate.
    let done = sqlx::query(
        "UPDATE machines SET admitted = 1, domain_name = iif(host_name IS NULL, ifnull(?3, domain_name), domain_name), \
         host_name = ifnull(host_name, ?2), dns_suffix = ifnull(?4, dns_suffix), changed_at = ?5 \
         WHERE id = ?1 AND ifnull(parked_code, '') <> 'REPLACED'",
    )
    .bind(row)
    .bind(known.host_name.as_deref())
    .bind(known.domain_name.as_deref())
    .bind(known.dns_suffix.as_deref())
    .bind(tx.now)
    .execute(&mut *tx.connection)
    .await
    .map_err(|error| match error.as_database_error() {
        Some(e) if e.is_unique_violation() => {
            let name = known.name().unwrap_or_default();
            let text = format!("{}: the name {name} belongs to another machine already", about(known));
            Failure::new(ErrorCode::CONFIG, "import", text).hint(
                "`amt fleet list --where 'name = NAME'` shows whose it is; `amt fleet rebind` hands a record over",
            )
        }
        _ => failed("import")(error),
    })?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    if stands(tx, row, facts).await? {
        return Ok(true);
    }
    let id = tx.machine(row).await?.id;
    say(tx, row, &Report { id, source: FactSource::List, facts: facts.to_vec() }).await?;
    Ok(true)
}

fn about(known: &KnownMachine) -> String {
    known.id.map_or_else(|| known.macs.join(" "), |id| id.to_string())
}

/// Whether the list said all of it before: a list is read at every start, and most of it is old.
async fn stands(tx: &mut Tx<'_>, row: i64, facts: &[(FactKey, String)]) -> Result<bool, Failure> {
    let rows = sqlx::query("SELECT key, value FROM facts WHERE machine = ?1 AND source = 'list' AND until IS NULL")
        .bind(row)
        .fetch_all(&mut *tx.connection)
        .await
        .map_err(failed("read"))?;
    let said: Vec<(String, String)> =
        rows.iter().map(|row| Ok((required(row, "key")?, required(row, "value")?))).collect::<Result<_, Failure>>()?;
    let keys: BTreeSet<&str> = facts.iter().map(|(key, _)| key.name()).collect();
    let of_keys = said.iter().filter(|(key, _)| keys.contains(key.as_str()));
    let before: BTreeSet<(&str, &str)> = of_keys.map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let now: BTreeSet<(&str, &str)> = facts.iter().map(|(key, value)| (key.name(), value.as_str())).collect();
    Ok(before == now)
}

/// The machines that are said to have one of these interfaces now.
async fn owners(tx: &mut Tx<'_>, macs: &[String]) -> Result<Vec<i64>, Failure> {
    let rows = sqlx::query(
        "SELECT DISTINCT f.machine FROM facts f JOIN machines m ON m.id = f.machine WHERE f.key = 'mac' AND f.until IS NULL \
         AND f.value IN (SELECT value FROM json_each(?1)) AND ifnull(m.parked_code, '') <> 'REPLACED' LIMIT 2",
    )
    .bind(serde_json::json!(macs).to_string())
    .fetch_all(&mut *tx.connection)
    .await
    .map_err(failed("read"))?;
    rows.iter().map(|row| required(row, "machine")).collect()
}

/// Keeps a line until a machine with its interface is known.
async fn expect(tx: &mut Tx<'_>, known: &KnownMachine, facts: &[(FactKey, String)]) -> Result<(), Failure> {
    let said: Vec<(&str, &str)> = facts.iter().map(|(key, value)| (key.name(), value.as_str())).collect();
    let said = serde_json::json!(said).to_string();
    for mac in &known.macs {
        sqlx::query("INSERT INTO expected (mac, said, at) VALUES (?1, ?2, ?3) ON CONFLICT (mac) DO UPDATE SET said = ?2, at = ?3")
            .bind(mac.as_str())
            .bind(said.as_str())
            .bind(tx.now)
            .execute(&mut *tx.connection)
            .await
            .map_err(failed("import"))?;
    }
    Ok(())
}

/// A machine is said to have these interfaces: if a list expects one of them and no other machine has it, this is the machine that is meant.
pub(super) async fn claim(tx: &mut Tx<'_>, row: i64, report: &Report) -> Result<bool, Failure> {
    let macs: Vec<String> =
        report.facts.iter().filter(|(key, _)| *key == FactKey::Mac).map(|(_, mac)| mac.clone()).collect();
    if macs.is_empty() || !matches!(report.source, FactSource::Agent | FactSource::Wsman) {
        return Ok(false);
    }
    let rows =
        sqlx::query("SELECT mac, said FROM expected WHERE mac IN (SELECT value FROM json_each(?1)) ORDER BY at, mac")
            .bind(serde_json::json!(macs).to_string())
            .fetch_all(&mut *tx.connection)
            .await
            .map_err(failed("read"))?;
    let mut claimed = false;
    for expected in &rows {
        let (mac, said): (String, String) = (required(expected, "mac")?, required(expected, "said")?);
        if owners(tx, std::slice::from_ref(&mac)).await? != [row] {
            continue;
        }
        let said_of_it: Vec<(String, String)> = serde_json::from_str(&said)
            .map_err(|error| Failure::new(ErrorCode::STORE, "store", format!("expected.said: {error}")))?;
        let facts: Result<Vec<(FactKey, String)>, Failure> =
            said_of_it.into_iter().map(|(key, value)| Ok((key.parse()?, value))).collect();
        say(tx, row, &Report { id: report.id, source: FactSource::List, facts: facts? }).await?;
        for sql in [
            "DELETE FROM expected WHERE said = ?2 AND ?1 IS NOT NULL AND ?3 IS NOT NULL",
            "UPDATE machines SET admitted = 1, changed_at = ?3 WHERE id = ?1 AND ?2 IS NOT NULL",
        ] {
            sqlx::query(sql)
                .bind(row)
                .bind(said.as_str())
                .bind(tx.now)
                .execute(&mut *tx.connection)
                .await
                .map_err(failed("import"))?;
        }
        tx.diary(row, "note", &format!("it has the interface {mac}, which a list expects, says {}", report.source))
            .await?;
        claimed = true;
    }
    Ok(claimed)
}

impl Fleet {
    /// Lets machines in by a list, all or none. What it says of them becomes facts of source `list`; what it said before and says no longer
    /// stands until [`forget_facts`](Self::forget_facts). Machines that are known by their interfaces alone are let in as soon as a client or
    /// the firmware tells that one has such an interface.
    ///
    /// # Errors
    /// `IDENTITY_UNUSABLE` if a UUID is one that many machines share; `PARSE_TEXT` for a value that cannot be; `CONFIG` if a name is taken;
    /// `STORE`.
    pub async fn import(&self, machines: Vec<KnownMachine>) -> Result<Imported, Failure> {
        let mut list = Vec::with_capacity(machines.len());
        for mut known in machines {
            if let Some(id) = known.id.filter(|id| !id.is_usable_as_key()) {
                let text = format!("{id} is a placeholder that many machines share");
                return Err(Failure::new(ErrorCode::IDENTITY_UNUSABLE, "import", text));
            }
            if known.id.is_none() && known.macs.is_empty() {
                let text = "a machine of the list has neither UUID nor interface address";
                return Err(Failure::new(ErrorCode::PARSE_TEXT, "import", text));
            }
            let facts = known.facts().map_err(|failure| {
                let text = format!("{}: {}", about(&known), failure.message);
                Failure::new(failure.code, "import", text)
            })?;
            known.macs = facts.iter().filter(|(key, _)| *key == FactKey::Mac).map(|(_, mac)| mac.clone()).collect();
            list.push((known, facts));
        }
        let (imported, ids) = self.write(Import(list)).await?;
        ids.into_iter().for_each(|id| self.touch(id));
        Ok(imported)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fleet, id};
    use super::*;
    use crate::Filter;

    fn pc(n: u8) -> KnownMachine {
        let mut known = KnownMachine::new(id(n));
        known.host_name = Some(format!("pc{n}"));
        (known.domain_name, known.profile) = (Some("example.com".into()), Some("desk".into()));
        (known.ou, known.labels) = (Some("OU=Lab".into()), vec!["red".into(), "lab".into()]);
        known
    }

    #[tokio::test]
    async fn what_a_list_says_becomes_facts_and_is_read_again_without_a_trace() {
        let (_folder, fleet) = fleet().await;
        for _ in 0..2 {
            let imported = fleet.import(vec![pc(1)]).await.unwrap();
            assert_eq!((imported.machines, imported.waiting), (1, 0));
        }
        let facts = fleet.facts(id(1)).await.unwrap();
        assert!(facts.iter().all(|fact| fact.source == FactSource::List));
        assert_eq!(facts.value(FactKey::Fqdn), Some("pc1.example.com"));
        assert_eq!((facts.value(FactKey::Profile), facts.value(FactKey::Ou)), (Some("desk"), Some("OU=Lab")));
        assert_eq!(facts.values(FactKey::Label).len(), 2);
        let mut fewer = pc(1);
        fewer.labels = vec!["blue".into()];
        fewer.profile = None;
        fleet.import(vec![fewer]).await.unwrap();
        let facts = fleet.facts(id(1)).await.unwrap();
        assert_eq!((facts.values(FactKey::Label), facts.value(FactKey::Profile)), (vec!["blue"], Some("desk")));
        assert!(fleet.machine(id(1)).await.unwrap().admitted);
        // All or none.
        let mut other = pc(2);
        other.host_name = Some("pc1".into());
        assert_eq!(fleet.import(vec![pc(3), other]).await.unwrap_err().code, ErrorCode::CONFIG);
        assert_eq!(fleet.count(&Filter::every()).await.unwrap(), 1);
        let mut bad = pc(4);
        bad.labels = vec!["a b".into()];
        assert_eq!(fleet.import(vec![bad]).await.unwrap_err().code, ErrorCode::PARSE_TEXT);
    }

    #[tokio::test]
    async fn a_line_with_an_interface_alone_waits_for_the_machine_that_has_it() {
        let (_folder, fleet) = fleet().await;
        let mac = "00:1b:21:aa:bb:cc";
        let mut line = KnownMachine::by_mac("00-1B-21-AA-BB-CC");
        line.macs.push("00:1b:21:aa:bb:cd".into());
        (line.host_name, line.profile) = (Some("pc1".into()), Some("desk".into()));
        let imported = fleet.import(vec![line.clone()]).await.unwrap();
        assert_eq!((imported.machines, imported.waiting), (0, 1));
        fleet.write(super::super::tests::hello(1)).await.unwrap();
        fleet.write(super::super::tests::hello(2)).await.unwrap();
        assert!(!fleet.machine(id(1)).await.unwrap().admitted, "a hello names no interface");
        let told = |n, source, mac: &str| Report::new(id(n), source).with(FactKey::Mac, mac);
        fleet.report(told(2, FactSource::Agent, "00:1b:21:00:00:01")).await.unwrap();
        assert!(!fleet.machine(id(2)).await.unwrap().admitted);
        fleet.report(told(1, FactSource::Wsman, mac)).await.unwrap();
        let machine = fleet.machine(id(1)).await.unwrap();
        assert!(machine.admitted);
        let facts = fleet.facts(id(1)).await.unwrap();
        assert_eq!(facts.from_source(FactKey::Profile, FactSource::List).unwrap().value, "desk");
        assert_eq!(facts.from_source(FactKey::HostName, FactSource::List).unwrap().value, "pc1");
        assert!(
            fleet.diary(id(1), 9).await.unwrap().iter().any(|e| e.message.contains("which a list expects, says wsman"))
        );
        // Its other interface is not for somebody else to claim.
        fleet.report(told(2, FactSource::Agent, "00:1b:21:aa:bb:cd")).await.unwrap();
        assert!(!fleet.machine(id(2)).await.unwrap().admitted);
        fleet.forget_facts(id(2), FactSource::Agent, None).await.unwrap();
        // Read again at the next start, the line finds its machine at once.
        let imported = fleet.import(vec![line]).await.unwrap();
        assert_eq!((imported.machines, imported.waiting), (1, 0));
    }

    #[tokio::test]
    async fn of_two_machines_with_one_interface_none_is_taken_for_the_one_of_the_list() {
        let (_folder, fleet) = fleet().await;
        let mac = "00:1b:21:aa:bb:cc";
        for n in [1, 2] {
            fleet.write(super::super::tests::hello(n)).await.unwrap();
            fleet.report(Report::new(id(n), FactSource::Agent).with(FactKey::Mac, mac)).await.unwrap();
        }
        assert_eq!(fleet.import(vec![KnownMachine::by_mac(mac)]).await.unwrap().waiting, 1);
        fleet.forget_facts(id(2), FactSource::Agent, None).await.unwrap();
        // Heard again, it is the only one.
        fleet.report(Report::new(id(1), FactSource::Agent).with(FactKey::Mac, mac)).await.unwrap();
        assert!(fleet.machine(id(1)).await.unwrap().admitted && !fleet.machine(id(2)).await.unwrap().admitted);
    }

    #[tokio::test]
    async fn a_line_about_a_record_that_was_handed_over_is_passed_over() {
        let (_folder, fleet) = fleet().await;
        fleet.import(vec![pc(1)]).await.unwrap();
        fleet.write(super::super::tests::hello(2)).await.unwrap();
        fleet.rebind(id(1), id(2), "somebody").await.unwrap();
        let imported = fleet.import(vec![pc(1)]).await.unwrap();
        assert_eq!((imported.machines, imported.replaced), (0, 1), "the list still names the old UUID");
        assert!(!fleet.machine(id(1)).await.unwrap().admitted);
    }
}
