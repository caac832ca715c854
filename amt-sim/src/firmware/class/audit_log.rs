//! `AMT_AuditLog`: who did what (`spec/wsman.md` §3.12).

use super::{Call, Class, Instance, Output, instance, number};
use crate::firmware::device::Device;
use crate::firmware::soap::Fault;
use amt_core::Tick;
use amt_core::status::PtStatus;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const CLASS: &str = "AMT_AuditLog";
const NAME: &str = "Intel(r) AMT:Audit Log";

/// Most records of one answer.
const MAX_READ: usize = 10;

pub(super) const CLASSES: &[Class] =
    &[Class { methods: &[("ReadRecords", read)], ..Class::read(CLASS, &["Name"], list) }];

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let properties = [
        ("AuditState", "16"),
        ("CurrentNumberOfRecords", &device.logs.audits().len().to_string()),
        ("ElementName", "Intel(r) AMT Audit Log"),
        ("EnabledState", "2"),
        ("MaxAllowedAuditors", "1"),
        ("MaxNumberOfRecords", "0"),
        ("Name", NAME),
        ("OverwritePolicy", "2"),
        ("PercentageFree", "90"),
        ("RequestedState", "2"),
        ("StoragePolicy", "1"),
    ];
    vec![instance(CLASS, &properties)]
}

fn read(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let start = usize::try_from(number(call, "StartIndex")?).unwrap_or(usize::MAX);
    let total = device.logs.audits().len();
    // The first record of an empty log may be asked for.
    if start == 0 || start > total.max(1) {
        return Ok(Output::value(PtStatus::INVALID_INDEX.0));
    }
    let some: Vec<_> = device.logs.audits().skip(start - 1).take(MAX_READ).collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut output = Output::ok().with("TotalRecordCount", count(total)).with("RecordsReturned", count(some.len()));
    for record in some {
        output = output.with("EventRecords", STANDARD.encode(record));
    }
    Ok(output)
}
