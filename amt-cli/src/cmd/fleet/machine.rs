//! A machine's record as JSON.

use crate::cmd::serve::tls_json;
use crate::output::failure_json;
use crate::time::rfc3339;
use amt_fleet::Machine;
use serde_json::{Value, json};

pub(super) fn machine_json(machine: &Machine) -> Value {
    json!({
        "uuid": machine.id.to_string(),
        "state": machine.state.name(),
        "verified": machine.is_verified(),
        "admitted": machine.admitted,
        "redo": machine.redo,
        "address": machine.address,
        "name": machine.name(),
        "dns_suffix": machine.dns_suffix,
        "step": machine.step.map(|s| s.name()),
        "firmware": machine.firmware.map(|v| v.to_string()),
        "control_mode": machine.control_mode,
        "tls": machine.tls.as_ref().map(tls_json),
        "realm": machine.realm,
        "certificate_sha256": machine.certificate_sha256,
        "provisioning_certificate": machine.winner,
        "attempts": machine.attempts,
        "hello_at": machine.hello_at.map(rfc3339),
        "retry_at": machine.retry_at.map(rfc3339),
        "verified_at": machine.verified_at.map(rfc3339),
        "error": machine.failure.as_ref().map(failure_json),
    })
}
