//! What a machine's firmware says of itself, as a JSON document.

use super::finding;
use amt::local::Survey;
use amt_heci::amthi::LanInterface;
use serde_json::{Map, Value, json};

/// What `amt info --json` shows. Every key is always there; what the firmware does not tell is null.
pub fn survey(survey: &Survey) -> Value {
    let Survey { status, registers, services, findings, .. } = survey;
    let facts = &status.facts;
    let versions: Map<String, Value> =
        facts.versions.versions.iter().map(|(name, version)| (name.clone(), version.as_str().into())).collect();
    let roots: Vec<Value> = status
        .roots
        .iter()
        .map(|root| {
            json!({
                "name": root.name,
                "algorithm": root.algorithm.map(|algorithm| algorithm.name()),
                "hash": hex::encode(&root.digest),
                "active": root.is_active,
                "default": root.is_default,
            })
        })
        .collect();
    let bit = |bits: Option<u32>, at: u32| bits.map(|bits| bits >> at & 1 == 1);
    json!({
        "uuid": facts.id.map(|id| id.to_string()),
        "version": facts.version.to_string(),
        "bios": facts.versions.bios,
        "versions": versions,
        "sku": facts.versions.sku().map(|sku| sku.words(facts.version.major)),
        "brand": status.brand,
        "me_version": status.me_version.map(|v| format!("{}.{}.{}.{}", v.major, v.minor, v.hotfix, v.build)),
        "control": {
            "standing": facts.standing.as_str(),
            "provisioning_mode": status.provisioning_mode,
            "amt_enabled": facts.is_amt_enabled(),
            "local_tls_enforced": facts.is_local_tls_enforced(),
            "zero_touch": status.zero_touch,
            "hello_proof": status.tls_mode.map(|mode| match mode {
                1 => "psk",
                2 => "pki",
                _ => "not-ready",
            }),
            "pid": status.pid.map(|pid| pid.to_string()),
            "factory_credentials": status.admin_is_factory,
            "random_numbers": status.rng_status.map(|status| match status {
                0 => "ready",
                1 => "in-progress",
                _ => "absent",
            }),
        },
        "roots": roots,
        "wired": status.wired.as_ref().map(interface),
        "wireless": status.wireless.as_ref().map(interface),
        "mac": status.macs.as_ref().map(|macs| json!({
            "host": macs.host.to_string(),
            "dedicated": (!macs.dedicated.is_zero()).then(|| macs.dedicated.to_string()),
        })),
        "suffix": status.suffix,
        "suffixes": status.suffixes,
        "fqdn": status.fqdn.as_ref().map(|name| name.fqdn.clone()),
        "config_server": status.config_server.as_ref().map(|server| json!({
            "address": server.address.0, "fqdn": server.fqdn, "port": server.port,
        })),
        "redirection": {
            "sol": bit(status.redirection, 0),
            "ider": bit(status.redirection, 1),
            "kvm": bit(status.redirection, 2),
        },
        "remote_access": status.remote_access.as_ref().map(|access| json!({
            "connected": access.state == 2, "server": access.server,
        })),
        "firmware_status": registers.as_ref().map(|registers| json!({
            "registers": registers.0.iter().map(|register| format!("{register:08X}")).collect::<Vec<_>>(),
            "working_state": registers.working_state(),
            "operating_mode": registers.operating_mode(),
            "healthy": registers.is_healthy(),
        })),
        "lms": services.iter().map(|(port, state)| (port.to_string(), Value::from(*state))).collect::<Map<_, _>>(),
        "findings": findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn interface(interface: &LanInterface) -> Value {
    json!({
        "enabled": interface.enabled,
        "address": (!interface.address.is_unspecified()).then(|| interface.address.to_string()),
        "dhcp": interface.dhcp,
        "link_up": interface.link_up == 1,
        "mac": interface.mac.to_string(),
    })
}
