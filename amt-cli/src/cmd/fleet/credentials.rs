//! `amt fleet export-credentials`.

use super::{Database, Error, Verdict};
use crate::output::Output;
use amt_core::SystemId;
use amt_core::psk::PskPair;
use amt_fleet::{Credential, CredentialKind, Machine, MachinePair};
use serde_json::{Value, json};
use std::path::PathBuf;

pub(super) async fn run(
    out: &mut Output,
    fleet: Database,
    only: Vec<SystemId>,
    target: PathBuf,
) -> Result<Verdict, Error> {
    let machines = if only.is_empty() {
        fleet.machines().await?
    } else {
        let mut machines = Vec::with_capacity(only.len());
        for id in only {
            machines.push(fleet.machine(id).await?);
        }
        machines
    };
    let mut documents = Vec::with_capacity(machines.len());
    let mut text = String::new();
    for machine in &machines {
        let all = fleet.credentials(machine.id).await?;
        let pairs: Vec<PskPair> = fleet.machine_pairs(machine.id).await?.into_iter().filter_map(current).collect();
        documents.push(credentials_json(machine, &all, &pairs));
        for pair in &pairs {
            let (address, name) = (machine.address.map(|a| a.to_string()), machine.name());
            let place = [machine.id.to_string(), address.unwrap_or_default(), name.unwrap_or_default()].join("\t");
            text += &format!("{place}\tpsk\t{}\t{}\n", pair.pid.plain(), pair.pps.plain().expose());
        }
        for credential in &all {
            let line = [
                machine.id.to_string(),
                machine.address.map(|a| a.to_string()).unwrap_or_default(),
                machine.name().unwrap_or_default(),
                credential.kind.to_string(),
                credential.account.clone(),
                credential.password.expose().clone(),
            ];
            text += &line.join("\t");
            text.push('\n');
        }
    }
    fleet.close().await;
    let document = json!({ "machines": documents });
    let content = if out.is_json() { format!("{document}\n") } else { text };
    out.file(&target, content.as_bytes(), true)?;
    Ok(Verdict::Done)
}

/// The pair, unless it was replaced by another that is proven.
fn current(held: MachinePair) -> Option<PskPair> {
    held.retired_at.is_none().then_some(held.pair)
}

fn credentials_json(machine: &Machine, all: &[Credential], pairs: &[PskPair]) -> Value {
    let of = |kind: CredentialKind| {
        all.iter()
            .filter(|c| c.kind == kind)
            .map(|c| json!({ "user": c.account, "password": c.password.expose() }))
            .collect::<Vec<_>>()
    };
    let mebx: Vec<&String> =
        all.iter().filter(|c| c.kind == CredentialKind::Mebx).map(|c| c.password.expose()).collect();
    let pair = |pair: &PskPair| json!({ "pid": pair.pid.plain(), "pps": pair.pps.plain().expose() });
    json!({
        "uuid": machine.id.to_string(),
        "psk": pairs.iter().map(pair).collect::<Vec<_>>(),
        "address": machine.address,
        "name": machine.name(),
        "verified": machine.is_verified(),
        "credentials": of(CredentialKind::Admin),
        "mebx": mebx,
        "certificate_sha256": machine.certificate_sha256,
        "realm": machine.realm,
    })
}
