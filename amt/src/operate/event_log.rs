//! The event log: what sensors, BIOS and firmware report.

use crate::device::Device;
use amt_core::event_log::EventRecord;
use amt_core::{DeviceStatus, ErrorCode, Failure};
use amt_wsman::class::Class;
use amt_wsman::class::amt::MessageLog;

const STAGE: &str = "event-log";

/// Most records that are read; firmware keeps some hundred.
pub const MAX_EVENTS: usize = 4096;

/// The event log as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventLog {
    /// In the firmware's order: the newest first, as far as known.
    pub records: Vec<EventRecord>,
    /// Records that could not be read.
    pub unreadable: usize,
    /// Whether nothing is written into it now.
    pub frozen: Option<bool>,
    /// How many records there can be.
    pub capacity: Option<u32>,
}

/// Reads all of the event log.
///
/// # Errors
/// As [`Device::call`]; `SOAP_UNEXPECTED` for a log that does not end.
pub async fn event_log(device: &mut Device) -> Result<EventLog, Failure> {
    let failed = |error: amt_wsman::Error| error.failure(STAGE);
    let reply = device.call(&MessageLog::get()).await.map_err(|failure| failure.at(STAGE))?;
    let about: MessageLog = reply.typed().map_err(failed)?;
    let mut log = EventLog { frozen: about.is_frozen, capacity: about.max_number_of_records, ..EventLog::default() };
    let mut position = match device.call(&MessageLog::position_to_first_record()).await {
        Ok(reply) => MessageLog::position(&reply).map_err(failed)?,
        Err(failure) if is_empty(&failure) => return Ok(log),
        Err(failure) => return Err(failure.at(STAGE)),
    };
    loop {
        let reply = match device.call(&MessageLog::get_records(position)).await {
            Ok(reply) => reply,
            // Cleared meanwhile, or nothing follows a page that was full.
            Err(failure) if is_empty(&failure) => return Ok(log),
            Err(failure) => return Err(failure.at(STAGE)),
        };
        let page = MessageLog::page(&reply).map_err(failed)?;
        let count = page.records.len();
        for record in page.records {
            match record.map(|bytes| EventRecord::decode(&bytes)) {
                Some(Ok(record)) => log.records.push(record),
                Some(Err(_)) | None => log.unreadable += 1,
            }
        }
        if page.is_last {
            return Ok(log);
        }
        if count == 0 || page.next == position || log.records.len() + log.unreadable > MAX_EVENTS {
            return Err(Failure::new(ErrorCode::SOAP_UNEXPECTED, STAGE, "the event log does not end"));
        }
        position = page.next;
    }
}

/// Removes all events.
///
/// # Errors
/// As [`Device::call`]: `RETURN_VALUE` while the log is frozen.
pub async fn clear_event_log(device: &mut Device) -> Result<(), Failure> {
    device.call(&MessageLog::clear()).await.map(drop).map_err(|failure| {
        let failure = failure.at(STAGE);
        match &failure.device {
            Some(DeviceStatus::ReturnValue { value: 2059, .. }) => {
                failure.hint("the log is frozen: thaw it first with `amt log events --thaw`")
            }
            _ => failure,
        }
    })
}

/// Keeps new events out of the log, or lets them in again.
///
/// # Errors
/// As [`Device::call`].
pub async fn freeze_event_log(device: &mut Device, frozen: bool) -> Result<(), Failure> {
    device.call(&MessageLog::freeze(frozen)).await.map(drop).map_err(|failure| failure.at(STAGE))
}

/// Whether the firmware says that there is no record.
fn is_empty(failure: &Failure) -> bool {
    matches!(&failure.device, Some(DeviceStatus::ReturnValue { value, .. }) if MessageLog::NO_RECORD.contains(value))
}
