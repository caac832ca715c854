//! The result: what the server says, held against what the machines know.

use super::progress::Progress;
use crate::output::{Output, failure_json};
use amt_core::{ErrorCode, Failure, SystemId};
use amt_fleet::Fleet;
use amt_sim::Simulator;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::IpAddr;

/// Result of a demonstration.
pub(super) struct Report {
    document: Value,
    summary: String,
    good: bool,
}

impl Report {
    pub(super) async fn new(
        progress: &Progress,
        simulator: &Simulator,
        fleet: &Fleet,
        addresses: &HashMap<SystemId, IpAddr>,
        seconds: f64,
    ) -> Result<Self, Failure> {
        let (mut provisioned, mut verified) = (0_u32, 0_u32);
        let mut machines = Vec::new();
        for info in simulator.machines() {
            let seen = progress.machine(info.id);
            let proven = seen.is_some_and(|s| s.seconds.is_some());
            provisioned += u32::from(proven);
            let mut error = seen.and_then(|s| s.error.clone());
            if proven {
                match compare(simulator, fleet, info.id).await {
                    Ok(()) => verified += 1,
                    Err(failure) => error = Some(failure),
                }
            } else if error.is_none() {
                let text = if seen.is_some() { "it was not finished in time" } else { "it was not heard of in time" };
                error = Some(Failure::new(ErrorCode::REPLY_TIMEOUT, "demo", text));
            }
            machines.push(json!({
                "uuid": info.id.to_string(),
                "persona": simulator.truth(info.id).map(|truth| truth.persona),
                "address": addresses.get(&info.id).map(ToString::to_string),
                "control_mode": seen.and_then(|s| s.control_mode.clone()),
                "tls": seen.and_then(|s| s.tls.as_ref()).map(|tls| {
                    json!({"version": tls.version, "suite": tls.suite, "engine": tls.engine})
                }),
                "seconds": seen.and_then(|s| s.seconds).map(round),
                "error": error.as_ref().map(failure_json),
            }));
        }
        let devices = machines.len();
        let failed = devices - verified as usize;
        let rate = f64::from(verified) / seconds.max(0.001);
        let summary = format!(
            "{verified} of {devices} machines verified in admin control mode, {failed} failed, in {seconds:.1} s ({rate:.1} machines/s)"
        );
        let document = json!({
            "devices": devices, "provisioned": provisioned, "verified": verified, "failed": failed,
            "seconds": round(seconds), "machines": machines,
        });
        Ok(Self { document, summary, good: failed == 0 })
    }

    pub(super) fn is_good(&self) -> bool {
        self.good
    }

    pub(super) fn show(&self, out: &mut Output) -> Result<(), Failure> {
        out.show(&self.document, |w| {
            for machine in self.document["machines"].as_array().into_iter().flatten() {
                if let Some(message) = machine["error"]["message"].as_str() {
                    writeln!(w, "{} {message}", machine["uuid"].as_str().unwrap_or_default())?;
                }
            }
            writeln!(w, "{}", self.summary)
        })?;
        out.flush()
    }
}

fn round(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// The machine's own word: our password opens it, the factory's does not, and it serves the certificate that we recorded.
async fn compare(simulator: &Simulator, fleet: &Fleet, id: SystemId) -> Result<(), Failure> {
    let wrong = |text: &str| Failure::new(ErrorCode::PROOF_FAILED, "demo", text);
    let record = fleet.record(id).await?.ok_or_else(|| wrong("there is no record of it in the database"))?;
    let password = record.admin_passwords.first().ok_or_else(|| wrong("there is no password in the database"))?;
    if !simulator.check_admin_password(id, password.expose()) {
        return Err(wrong("the recorded password does not open the machine"));
    }
    if simulator.check_admin_password(id, "admin") {
        return Err(wrong("the machine still has its factory password"));
    }
    let truth = simulator.truth(id).ok_or_else(|| wrong("the machine is gone"))?;
    if truth.control_mode != "admin" || truth.state != "post" {
        return Err(wrong("the machine says that it is not in admin control mode"));
    }
    let served = STANDARD.decode(&truth.certificate).unwrap_or_default();
    if record.certificate.as_deref() != Some(served.as_slice()) {
        return Err(wrong("the machine serves another certificate than the one recorded"));
    }
    Ok(())
}
