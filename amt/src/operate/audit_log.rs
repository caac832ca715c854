//! The audit log: who did what.

use crate::device::Device;
use amt_core::audit_log::AuditRecord;
use amt_core::{DeviceStatus, ErrorCode, Failure};
use amt_wsman::class::amt;

const STAGE: &str = "audit-log";

/// Most records that are read.
pub const MAX_AUDITS: usize = 16_384;

/// The audit log as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditLog {
    /// Oldest first.
    pub records: Vec<AuditRecord>,
    /// Records that could not be read.
    pub unreadable: usize,
    /// How many the firmware said there are.
    pub total: u32,
}

/// Reads all of the audit log. The user needs realm 20 (audit log) or 3 (administration).
///
/// # Errors
/// As [`Device::call`]: `SOAP_FAULT` without the realm; `SOAP_UNEXPECTED` for a log that does not end.
pub async fn audit_log(device: &mut Device) -> Result<AuditLog, Failure> {
    let mut log = AuditLog::default();
    let mut read = 0_u32;
    loop {
        let request = amt::AuditLog::read_records(read.saturating_add(1));
        let reply = match device.call(&request).await {
            Ok(reply) => reply,
            // No such index: nothing is left, or there was nothing at all.
            Err(failure) if returned(&failure, 35) => return Ok(log),
            Err(failure) => return Err(explain(failure)),
        };
        let page = amt::AuditLog::page(&reply).map_err(|error| error.failure(STAGE))?;
        let count = page.records.len();
        log.total = page.total;
        for record in page.records {
            match record.map(|bytes| AuditRecord::decode(&bytes)) {
                Some(Ok(record)) => log.records.push(record),
                Some(Err(_)) | None => log.unreadable += 1,
            }
        }
        read = read.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if read >= page.total {
            return Ok(log);
        }
        if count == 0 || log.records.len() + log.unreadable > MAX_AUDITS {
            return Err(Failure::new(ErrorCode::SOAP_UNEXPECTED, STAGE, "the audit log does not end"));
        }
    }
}

fn returned(failure: &Failure, wanted: u32) -> bool {
    matches!(&failure.device, Some(DeviceStatus::ReturnValue { value, .. }) if *value == wanted)
}

fn explain(failure: Failure) -> Failure {
    let failure = failure.at(STAGE);
    match &failure.device {
        Some(DeviceStatus::Fault { subcode, .. }) if subcode.as_deref() == Some("AccessDenied") => {
            failure.hint("this user may not read the audit log: it wants realm 20 (audit log) or 3 (administration)")
        }
        _ => failure,
    }
}
