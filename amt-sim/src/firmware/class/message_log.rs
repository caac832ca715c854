//! `AMT_MessageLog`: the event log (`spec/wsman.md` §3.12).

use super::{Call, Class, Instance, Output, argument, instance, number};
use crate::firmware::device::Device;
use crate::firmware::logs::MAX_EVENTS;
use crate::firmware::soap::Fault;
use amt_core::Tick;
use amt_core::status::PtStatus;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const CLASS: &str = "AMT_MessageLog";
const NAME: &str = "Intel(r) AMT:MessageLog 1";

/// Most records of one answer, whatever the client asks for.
const MAX_READ: usize = 128;

/// Return values of its own.
const INVALID_POSITION: u32 = 2;
const NO_RECORD: u32 = 2;
const NO_RECORD_IN_LOG: u32 = 3;

pub(super) const CLASSES: &[Class] = &[Class {
    methods: &[
        ("PositionToFirstRecord", position),
        ("GetRecords", records),
        ("ClearLog", clear),
        ("FreezeLog", freeze),
    ],
    ..Class::read(CLASS, &["CreationClassName", "Name"], list)
}];

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let count = device.logs.events().len();
    let properties = [
        ("CharacterSet", "10"),
        ("CreationClassName", CLASS),
        ("CurrentNumberOfRecords", &count.to_string()),
        ("ElementName", NAME),
        ("EnabledState", "2"),
        ("IsFrozen", if device.logs.frozen { "true" } else { "false" }),
        ("LogState", "4"),
        ("MaxNumberOfRecords", &MAX_EVENTS.to_string()),
        ("MaxRecordSize", "21"),
        ("Name", NAME),
        ("OverwritePolicy", "2"),
        ("PercentageNearFull", "100"),
        ("Status", "OK"),
    ];
    vec![instance(CLASS, &properties)]
}

fn position(device: &mut Device, _: &Call<'_>) -> Result<Output, Fault> {
    let empty = device.logs.events().len() == 0;
    Ok(Output::value(if empty { NO_RECORD } else { 0 }).with("IterationIdentifier", u32::from(!empty)))
}

/// Positions count from 1, the newest record.
fn records(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let (from, most) = (number(call, "IterationIdentifier")?, number(call, "MaxReadRecords")?);
    let total = device.logs.events().len();
    if total == 0 {
        return Ok(Output::value(NO_RECORD_IN_LOG));
    }
    let skip = usize::try_from(from).unwrap_or(usize::MAX);
    if skip == 0 || skip > total || most == 0 {
        return Ok(Output::value(INVALID_POSITION));
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(MAX_READ);
    let some: Vec<_> = device.logs.events().skip(skip - 1).take(most).collect();
    let next = skip + some.len();
    let mut output = Output::ok()
        .with("IterationIdentifier", u32::try_from(next).unwrap_or(u32::MAX))
        .with("NoMoreRecords", next > total);
    for record in some {
        output = output.with("RecordArray", STANDARD.encode(record));
    }
    Ok(output)
}

fn clear(device: &mut Device, _: &Call<'_>) -> Result<Output, Fault> {
    if device.logs.frozen {
        return Ok(Output::value(PtStatus::EVENTLOG_FROZEN.0));
    }
    device.logs.clear_events();
    Ok(Output::ok())
}

fn freeze(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    device.logs.frozen = match argument(call, "Freeze")? {
        "true" | "1" => true,
        "false" | "0" => false,
        _ => return Err(Fault::invalid_values()),
    };
    Ok(Output::ok())
}
