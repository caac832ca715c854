//! `amt info`: what the firmware of this machine says of itself.

use super::Reach;
use crate::cmd::{Error, Verdict, block_on};
use crate::output::{Output, finding_json, write_findings};
use amt_core::{Finding, Severity};
use amt_heci::amthi::LanInterface;
use amt_heci::hfsts::StatusRegisters;
use amt_provision::local::LocalStatus;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a local service may take to accept.
const ACCEPT: Duration = Duration::from_secs(1);
const PORTS: [u16; 2] = [16992, 16993];

/// Tell what the AMT firmware of this machine is, how it stands, and what would stop its provisioning
///
/// Asks the firmware over the management engine interface, as root or administrator, and changes nothing. With --json every key
/// is always there; what the firmware does not tell is null. The exit status is 0 if the firmware answered, whatever it said.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  amt info
  amt info --json | jq .control.standing        unprovisioned, in-provisioning, client, admin, provisioned
  amt info --facts-file /var/lib/inventory/amt.json")]
pub(crate) struct Info {
    /// Also write the JSON document to this file, where an inventory tool collects it; it is replaced as a whole
    #[arg(long, value_name = "FILE")]
    facts_file: Option<PathBuf>,

    /// Also put every fact into the registry, as values of HKEY_LOCAL_MACHINE\SOFTWARE\amt\facts named by their path in the JSON document,
    /// for example control.standing; those of an earlier run are removed
    #[cfg(windows)]
    #[arg(long)]
    registry: bool,

    #[command(flatten)]
    reach: Reach,
}

impl Info {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        block_on(async {
            let access = self.reach.access()?;
            let registers = access.mei.status();
            let status = amt::local::status(&access).await.map_err(|mut failure| {
                if let Some(trouble) = registers.as_ref().and_then(StatusRegisters::trouble) {
                    failure.message = format!("{} ({trouble})", failure.message);
                }
                failure
            })?;
            let mut services = Vec::new();
            for port in PORTS {
                services.push((port, service(SocketAddr::new(access.lms, port)).await));
            }
            let findings = findings(&status, registers.as_ref());
            let document = document(&status, registers.as_ref(), &services, &findings);
            if let Some(file) = &self.facts_file {
                out.file(file, format!("{document}\n").as_bytes(), false)?;
            }
            #[cfg(windows)]
            if self.registry {
                super::registry::write(&document)?;
            }
            out.show(&document, |w| write(w, &status, &services, &findings))?;
            Ok(Verdict::Done)
        })
    }
}

/// What answers at a port of the local management service.
async fn service(address: SocketAddr) -> &'static str {
    match tokio::time::timeout(ACCEPT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => "listening",
        Ok(Err(_)) => "absent",
        Err(_) => "hung",
    }
}

fn findings(status: &LocalStatus, registers: Option<&StatusRegisters>) -> Vec<Finding> {
    let mut findings = status.blockers();
    if let Some(trouble) = registers.and_then(StatusRegisters::trouble) {
        let hint = "restart the machine, with its power cut; update its firmware if it stays so";
        findings.insert(0, Finding::new("FIRMWARE-STATE", Severity::Error, "firmware_status", trouble, hint));
    }
    findings
}

fn document(
    status: &LocalStatus,
    registers: Option<&StatusRegisters>,
    services: &[(u16, &'static str)],
    findings: &[Finding],
) -> Value {
    let facts = &status.facts;
    let versions: serde_json::Map<String, Value> =
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
        "firmware_status": registers.map(|registers| json!({
            "registers": registers.0.iter().map(|register| format!("{register:08X}")).collect::<Vec<_>>(),
            "working_state": registers.working_state(),
            "operating_mode": registers.operating_mode(),
            "healthy": registers.is_healthy(),
        })),
        "lms": services.iter().map(|(port, state)| (port.to_string(), Value::from(*state))).collect::<serde_json::Map<_, _>>(),
        "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
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

fn write(
    w: &mut dyn Write,
    status: &LocalStatus,
    services: &[(u16, &'static str)],
    findings: &[Finding],
) -> io::Result<()> {
    let facts = &status.facts;
    let or = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| "not told".to_owned());
    let mut row = |name: &str, value: String| writeln!(w, "{name:<16}{value}");
    row("AMT", facts.version.to_string())?;
    row("UUID", or(facts.id.map(|id| id.to_string())))?;
    row("BIOS", or(Some(facts.versions.bios.clone())))?;
    row("contains", or(facts.versions.sku().map(|sku| sku.words(facts.version.major).join(", "))))?;
    row("standing", facts.standing.as_str().to_owned())?;
    let on = |value: Option<bool>| match value {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => "not told".to_owned(),
    };
    row("switched on", on(facts.is_amt_enabled()))?;
    row("remote setup", on(status.zero_touch))?;
    row("DNS suffix", or(status.suffix.clone()))?;
    row("own name", or(status.fqdn.as_ref().map(|name| name.fqdn.clone())))?;
    for (name, interface) in [("wired", &status.wired), ("wireless", &status.wireless)] {
        row(
            name,
            match interface {
                None => "none".to_owned(),
                Some(lan) => format!(
                    "{}, {}, link {}, {}",
                    lan.mac,
                    if lan.address.is_unspecified() { "no address".to_owned() } else { lan.address.to_string() },
                    if lan.link_up == 1 { "up" } else { "down" },
                    if lan.dhcp { "DHCP" } else { "static" },
                ),
            },
        )?;
    }
    let services: Vec<String> = services.iter().map(|(port, state)| format!("{port} {state}")).collect();
    row("local service", services.join(", "))?;
    row("trusted roots", status.roots.iter().filter(|root| root.is_active).count().to_string())?;
    for root in status.roots.iter().filter(|root| root.is_active) {
        let algorithm = root.algorithm.map_or("unknown", |algorithm| algorithm.name());
        writeln!(w, "  {}  {algorithm}:{}", root.name, hex::encode(&root.digest))?;
    }
    if findings.is_empty() {
        return writeln!(w, "\nnothing is in the way of provisioning");
    }
    writeln!(w)?;
    write_findings(w, findings)
}
