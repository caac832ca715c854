//! Everything that can be told of this machine's firmware at once: what `amt info` shows.

use super::{LocalAccess, PLAIN, SECURE, status};
use amt_core::{Failure, Finding, Severity};
use amt_heci::hfsts::StatusRegisters;
use amt_provision::local::LocalStatus;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a local service may take to accept.
const ACCEPT: Duration = Duration::from_secs(1);

/// What [`survey`] found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Survey {
    /// What the firmware says.
    pub status: LocalStatus,
    /// Its status registers, where the driver tells them.
    pub registers: Option<StatusRegisters>,
    /// Ports of the local management service, and what answers there: `listening`, `absent` or `hung`.
    pub services: Vec<(u16, &'static str)>,
    /// What would stop provisioning.
    pub findings: Vec<Finding>,
}

/// Asks the firmware of this machine for everything, and looks for a local management service. Changes nothing.
///
/// # Errors
/// As [`status`], with what the status registers say against it.
pub async fn survey(access: &LocalAccess) -> Result<Survey, Failure> {
    let registers = access.mei.status();
    let trouble = registers.as_ref().and_then(StatusRegisters::trouble);
    let status = status(access).await.map_err(|mut failure| {
        if let Some(trouble) = &trouble {
            failure.message = format!("{} ({trouble})", failure.message);
        }
        failure
    })?;
    let mut services = Vec::new();
    for port in [PLAIN, SECURE] {
        services.push((port, service(SocketAddr::new(access.lms, port)).await));
    }
    let mut findings = status.blockers();
    if let Some(trouble) = trouble {
        let hint = "restart the machine, with its power cut; update its firmware if it stays so";
        findings.insert(0, Finding::new("FIRMWARE-STATE", Severity::Error, "firmware_status", trouble, hint));
    }
    Ok(Survey { status, registers, services, findings })
}

/// What answers at a port of the local management service.
async fn service(address: SocketAddr) -> &'static str {
    match tokio::time::timeout(ACCEPT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => "listening",
        Ok(Err(_)) => "absent",
        Err(_) => "hung",
    }
}
