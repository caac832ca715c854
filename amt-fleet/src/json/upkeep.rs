//! What one machine says of itself, and what was done about it, as JSON documents.

use super::moment;
use crate::store::extent_name;
use amt_provision::apply::Applied;
use amt_provision::clock::ClockSeen;
use amt_provision::rotate::Rotated;
use amt_provision::unprovision::{Extent, Proof, Unprovisioned, consequences, remains};
use amt_provision::{MachineFacts, Renewed};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What `amt status --json` shows.
pub fn facts(facts: &MachineFacts) -> Value {
    let setups: Vec<Value> = facts
        .setups
        .iter()
        .map(|setup| {
            json!({
                "kind": setup.kind,
                "server": setup.server,
                "address": setup.address,
                "root_hash": setup.root_hash.as_ref().map(hex::encode),
                "time": setup.time,
            })
        })
        .collect();
    json!({
        "id": facts.id.to_string(),
        "provisioning_state": facts.provisioning_state,
        "control_mode": facts.control_mode.as_ref().map(|mode| mode.as_str()),
        "version": facts.version.map(|version| version.to_string()),
        "host_name": facts.host_name,
        "domain_name": facts.domain_name,
        "host_os_fqdn": facts.host_os_fqdn,
        "wired_mac": facts.wired_mac,
        "wireless_mac": facts.wireless_mac,
        "realm": facts.realm,
        "certificate_sha256": facts.certificate.as_ref().map(|der| hex::encode(Sha256::digest(der))),
        "setups": setups,
    })
}

/// `id`, `dry_run`, `changes` (`field`, `from`, `to`), `unsupported` (`field`, `reason`), `writes`, `address` (where it was found, if that
/// is not where it was looked for).
pub fn applied(applied: &Applied, dry_run: bool) -> Value {
    let changes: Vec<_> =
        applied.changes.iter().map(|c| json!({ "field": c.field, "from": c.from, "to": c.to })).collect();
    let unsupported: Vec<_> =
        applied.unsupported.iter().map(|u| json!({ "field": u.field, "reason": u.reason })).collect();
    json!({
        "id": applied.id.to_string(),
        "dry_run": dry_run,
        "changes": changes,
        "unsupported": unsupported,
        "writes": applied.writes,
        "address": applied.address.map(|address| address.to_string()),
    })
}

/// `id`, `drift_seconds` (below zero: behind), `set`.
pub fn clock(seen: &ClockSeen) -> Value {
    json!({ "id": seen.id.to_string(), "drift_seconds": seen.drift, "set": seen.set })
}

/// `id`, `changed`.
pub fn rotated(rotated: &Rotated) -> Value {
    json!({ "id": rotated.id.to_string(), "changed": rotated.changed })
}

/// `id`, `changed`, and of the certificate that the machine serves now `certificate_sha256` and `not_after`.
pub fn renewed(renewed: &Renewed) -> Value {
    json!({
        "id": renewed.id.to_string(),
        "changed": renewed.changed,
        "certificate_sha256": hex::encode(Sha256::digest(&renewed.certificate)),
        "not_after": moment(renewed.validity.not_after),
    })
}

/// `uuid`, `version`, `extent`, `before`, `changed`, `dry_run`, `proof`; what it means for the machine (`consequences`), and what is left
/// in it afterwards (`remains`).
pub fn unprovisioned(done: &Unprovisioned, extent: Extent, dry_run: bool) -> Value {
    let was_set_up = done.before.is_some();
    let changed = !dry_run && was_set_up;
    json!({
        "uuid": done.id.to_string(),
        "version": done.version.map(|version| version.to_string()),
        "extent": extent_name(extent),
        "before": done.before.map_or("unprovisioned", |mode| mode.as_str()),
        "changed": changed,
        "dry_run": dry_run,
        "proof": done.proof.map(Proof::as_str),
        "consequences": if was_set_up { consequences(extent, done.before, done.version) } else { Vec::new() },
        "remains": if changed { remains(extent, done.version) } else { Vec::new() },
    })
}
