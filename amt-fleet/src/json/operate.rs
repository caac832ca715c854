//! A machine in operation, as JSON documents.

use super::time;
use amt::operate::{AuditLog, BootState, EventLog, PowerChange, PowerStatus};
use amt_core::audit_log::{AuditRecord, Initiator};
use amt_core::event_log::EventRecord;
use serde_json::{Value, json};
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

/// `armed`, `options`, `options_cleared`, `possible`.
pub fn boot_state(state: &BootState) -> Value {
    json!({
        "armed": state.armed,
        "options": state.options,
        "options_cleared": state.options_cleared,
        "possible": state.possible,
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

/// Seconds by the machine's clock; null where it had none.
pub fn machine_time(seconds: u32) -> Option<String> {
    let is_set = !matches!(seconds, 0 | u32::MAX);
    is_set.then(|| time(UNIX_EPOCH + Duration::from_secs(seconds.into())))
}
