//! A machine in operation, as JSON documents.

use super::{moment, time};
use amt::certificate::{Authority, TrustBundle};
use amt::discover::{Discovered, PORTS, SeenCertificate};
use amt::operate::{
    AuditLog, BootPlan, BootState, EventLog, Inventory, MachineTrust, NextBoot, PowerChange, PowerStatus, Sessions,
    TrustChange,
};
use amt_core::audit_log::{AuditRecord, Initiator};
use amt_core::event_log::EventRecord;
use amt_wsman::instance;
use serde_json::{Map, Value, json};
use std::time::{Duration, UNIX_EPOCH};

/// `state`, `state_number`, `available` (null where the firmware does not tell), `other_states`.
pub fn power_status(status: &PowerStatus) -> Value {
    let names: Option<Vec<&str>> =
        status.available.as_ref().map(|actions| actions.iter().map(|action| action.name()).collect());
    json!({
        "state": status.state.name(),
        "state_number": status.state.0,
        "available": names,
        "other_states": status.other,
    })
}

/// `action`, `before`, `answer`: `accepted`, or `lost` where only the state afterwards tells.
pub fn power_change(change: &PowerChange) -> Value {
    json!({
        "action": change.action.name(),
        "before": change.before.name(),
        "answer": if change.seen_only { "lost" } else { "accepted" },
    })
}

/// What was set to be booted next: `next`, `url`, `sol`, and `power`, what became of that; null where nothing was to.
pub fn boot(plan: &BootPlan, change: Option<&PowerChange>) -> Value {
    let url = match &plan.next {
        NextBoot::Https(url) => Some(url),
        _ => None,
    };
    json!({"next": plan.next.name(), "url": url, "sol": plan.sol, "power": change.map(power_change)})
}

/// `armed`, `options`, `options_cleared`, `possible`.
pub fn boot_state(state: &BootState) -> Value {
    json!({
        "armed": state.armed,
        "options": state.options,
        "options_cleared": state.options_cleared,
        "possible": state.possible,
    })
}

/// `listener`, `sessions` (an object of `serial`, `drives`, `screen`, each with `state` and `why`), `consent` (`needed_for`, `state`,
/// `state_number`; null where the firmware has none).
pub fn sessions(found: &Sessions) -> Value {
    let each = found.sessions.iter().map(|session| {
        let document = json!({"state": session.state.name(), "why": session.why});
        (session.kind.name().to_owned(), document)
    });
    let consent = found.consent.map(|consent| {
        json!({
            "needed_for": consent.needed_for.map(|needed| needed.name()),
            "state": consent.state.map(|state| state.name()),
            "state_number": consent.state.map(|state| state.0),
        })
    });
    json!({"listener": found.listener, "sessions": each.collect::<Map<_, _>>(), "consent": consent})
}

/// `certificates`, `without_issuer` (their SHA-256), `unreadable`, `bundle` (the PEM text).
pub fn trust(found: &MachineTrust, written: &[Authority], bundle: &str) -> Value {
    json!({
        "certificates": written.iter().map(authority).collect::<Vec<_>>(),
        "without_issuer": found.without_issuer().map(|authority| hex::encode(authority.sha256)).collect::<Vec<_>>(),
        "unreadable": found.unreadable,
        "bundle": bundle,
    })
}

/// `dry_run`, `added`, `present`, `warnings` (findings).
pub fn trust_change(bundle: &TrustBundle, change: &TrustChange, dry_run: bool) -> Value {
    json!({
        "dry_run": dry_run,
        "added": change.added.iter().map(authority).collect::<Vec<_>>(),
        "present": change.present.iter().map(authority).collect::<Vec<_>>(),
        "warnings": bundle.warnings.iter().map(super::finding).collect::<Vec<_>>(),
    })
}

fn authority(authority: &Authority) -> Value {
    json!({
        "sha256": hex::encode(authority.sha256),
        "subject": authority.subject,
        "issuer": authority.issuer,
        "root": authority.is_root,
        "not_before": moment(authority.validity.0),
        "not_after": moment(authority.validity.1),
    })
}

/// `frozen`, `capacity`, `unreadable`, `records`.
pub fn event_log(log: &EventLog) -> Value {
    let records: Vec<Value> = log.records.iter().map(event).collect();
    json!({"frozen": log.frozen, "capacity": log.capacity, "unreadable": log.unreadable, "records": records})
}

fn event(record: &EventRecord) -> Value {
    json!({
        "time": machine_time(record.time),
        "severity": record.severity.name(),
        "severity_number": record.severity.0,
        "sensor": record.sensor_type.name(),
        "sensor_number": record.sensor_type.0,
        "entity": record.entity.name(),
        "entity_number": record.entity.0,
        "entity_instance": record.entity_instance,
        "event_type": record.event_type.0,
        "offset": record.offset,
        "source_type": record.source_type,
        "text": record.text(),
        "data": hex::encode(record.data),
    })
}

/// `total`, `unreadable`, `records`.
pub fn audit_log(log: &AuditLog) -> Value {
    let records: Vec<Value> = log.records.iter().map(audit).collect();
    json!({"total": log.total, "unreadable": log.unreadable, "records": records})
}

fn audit(record: &AuditRecord) -> Value {
    let bytes = match &record.initiator {
        Initiator::Digest(name) => Some(hex::encode(name)),
        Initiator::Kerberos { domain, .. } => Some(hex::encode(domain)),
        _ => None,
    };
    json!({
        "time": machine_time(record.time),
        "application": record.application_name(),
        "application_number": record.application,
        "event": record.event_name(),
        "event_number": record.event,
        "initiator": record.initiator.kind(),
        "user": record.initiator.name(),
        "user_bytes": bytes,
        "address": record.address_text(),
        "extra": hex::encode(&record.extra),
    })
}

/// What a machine is made of. Every key is always there; what the firmware does not tell is null.
pub fn inventory(inventory: &Inventory) -> Value {
    let chassis = inventory.chassis.as_ref();
    let board = inventory.board.as_ref();
    let bios = inventory.bios.as_ref();
    // The chip of a processor has its name; both are listed in the same order.
    let processors = inventory.processors.iter().enumerate().map(|(at, processor)| {
        let chip = inventory.chips.get(at);
        json!({
            "name": chip.and_then(|chip| chip.version.as_deref()),
            "manufacturer": chip.and_then(|chip| chip.manufacturer.as_deref()),
            "max_mhz": processor.max_clock_speed,
            "mhz": processor.current_clock_speed,
            "family": processor.family,
            "stepping": processor.stepping,
        })
    });
    let memory = inventory.memory.iter().map(|module| {
        json!({
            "bank": module.bank_label,
            "bytes": module.capacity,
            "type": module.kind(),
            "type_number": module.memory_type,
            "mhz": module.configured_memory_clock_speed,
            "manufacturer": module.manufacturer,
            "part": module.part_number.as_deref().map(str::trim),
            "serial": module.serial_number,
        })
    });
    let disks = inventory.media.iter().map(
        |disk| json!({"device": disk.device_id, "bytes": disk.max_media_size.map(|size| size.saturating_mul(1000))}),
    );
    let batteries = inventory.batteries.iter().map(|battery| {
        json!({"device": battery.device_id, "design_mwh": battery.design_capacity, "design_mv": battery.design_voltage})
    });
    let ports = inventory.ports.iter().filter(|port| is_port(port.mac_address.as_deref())).map(|port| {
        json!({
            "port": port.instance_id,
            "mac": port.mac_address.as_deref().map(|mac| mac.replace('-', ":").to_lowercase()),
            "wireless": port.instance_id == amt_wsman::class::amt::EthernetPortSettings::WIRELESS,
            "link": port.link_is_up,
            "dhcp": port.dhcp_enabled,
            "address": port.ip_address,
        })
    });
    let software: serde_json::Map<String, Value> =
        inventory.software.iter().map(|part| (part.instance_id.clone(), json!(part.version_string))).collect();
    json!({
        "uuid": inventory.id.map(|id| id.to_string()),
        "version": inventory.version().map(|version| version.to_string()),
        "chassis": {
            "manufacturer": chassis.and_then(|c| c.manufacturer.as_deref()),
            "model": chassis.and_then(|c| c.model.as_deref()),
            "serial": chassis.and_then(|c| c.serial_number.as_deref()),
            "version": chassis.and_then(|c| c.version.as_deref()),
        },
        "board": {
            "manufacturer": board.and_then(|b| b.manufacturer.as_deref()),
            "model": board.and_then(|b| b.model.as_deref()),
            "serial": board.and_then(|b| b.serial_number.as_deref()),
            "version": board.and_then(|b| b.version.as_deref()),
        },
        "bios": {
            "manufacturer": bios.and_then(|b| b.manufacturer.as_deref()),
            "version": bios.and_then(|b| b.version.as_deref()),
            "date": bios.and_then(|b| b.release_date.as_ref()).and_then(date),
        },
        "processors": processors.collect::<Vec<_>>(),
        "memory_bytes": inventory.memory_bytes(),
        "memory": memory.collect::<Vec<_>>(),
        "disks": disks.collect::<Vec<_>>(),
        "batteries": batteries.collect::<Vec<_>>(),
        "network": ports.collect::<Vec<_>>(),
        "software": software,
        "missing_classes": inventory.missing,
    })
}

/// What is at an address: `address`, `standing`, `version`, `server`, `ports`, `tls`.
pub fn discovered(found: &Discovered) -> Value {
    let ports: serde_json::Map<String, Value> =
        found.ports.iter().map(|(port, state)| (port.to_string(), state.name().into())).collect();
    debug_assert_eq!(ports.len(), PORTS.len());
    let tls = found.tls.as_ref().map(|tls| {
        json!({
            "port": tls.port,
            "version": tls.version.map(|version| version.to_string()),
            "suite": tls.suite,
            "certificate_requested": tls.certificate_requested,
            "acceptable_authorities": tls.acceptable_authorities,
            "certificate": tls.certificate.as_ref().map(certificate),
            "failure": tls.failure,
        })
    });
    json!({
        "address": found.place(),
        "standing": found.standing.name(),
        "likely": found.likely.map(|likely| likely.name()),
        "signs": found.signs,
        "version": found.version.map(|version| version.to_string()),
        "server": found.server,
        "ports": ports,
        "tls": tls,
    })
}

fn certificate(seen: &SeenCertificate) -> Value {
    json!({
        "sha256": hex::encode(&seen.sha256),
        "subject": seen.subject,
        "issuer": seen.issuer,
        "self_signed": seen.self_signed,
        "dns_names": seen.dns_names,
        "not_before": moment(seen.validity.0),
        "not_after": moment(seen.validity.1),
    })
}

/// Firmware lists a wireless port that is not there without an address, or with one of zeroes.
fn is_port(mac: Option<&str>) -> bool {
    mac.is_some_and(|mac| mac.bytes().any(|digit| !matches!(digit, b'0' | b'-' | b':')))
}

fn date(value: &instance::Value) -> Option<String> {
    match value {
        instance::Value::Text(text) => Some(text.clone()),
        instance::Value::Object(members) => members.iter().find_map(|(_, value)| value.text().map(str::to_owned)),
        instance::Value::Reference(_) => None,
    }
}

/// Seconds by the machine's clock; null where it had none.
pub fn machine_time(seconds: u32) -> Option<String> {
    let is_set = !matches!(seconds, 0 | u32::MAX);
    is_set.then(|| time(UNIX_EPOCH + Duration::from_secs(seconds.into())))
}
