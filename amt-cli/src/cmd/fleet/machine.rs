//! A machine's record as JSON.

use crate::cmd::serve::tls_json;
use crate::output::failure_json;
use crate::time::rfc3339;
use amt_fleet::{Machine, Parked, Release};
use serde_json::{Value, json};

pub(super) fn machine_json(machine: &Machine) -> Value {
    json!({
        "uuid": machine.id.to_string(),
        "state": machine.state.name(),
        "verified": machine.is_verified(),
        "admitted": machine.admitted,
        "redo": machine.redo,
        "origin": machine.origin.name(),
        "address": machine.address,
        "bound_address": machine.bound_address,
        "name": machine.name(),
        "temporary": machine.temporary,
        "wanted": machine.wanted.as_ref().map(ToString::to_string),
        "dns_suffix": machine.dns_suffix,
        "profile": machine.profile,
        "ou": machine.ou,
        "present": machine.present,
        "parked": machine.parked.as_ref().map(parked_json),
        "released": machine.released.as_ref().map(release_json),
        "boot_released": machine.boot_released.as_ref().map(release_json),
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
        "first_verified_at": machine.first_verified_at.map(rfc3339),
        "error": machine.failure.as_ref().map(failure_json),
    })
}

pub(super) fn parked_json(parked: &Parked) -> Value {
    json!({ "code": parked.code, "reason": parked.reason, "hint": parked.hint })
}

fn release_json(release: &Release) -> Value {
    json!({ "at": rfc3339(release.at), "by": release.by })
}
