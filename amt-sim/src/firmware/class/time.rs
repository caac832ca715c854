//! `AMT_TimeSynchronizationService` (`spec/wsman.md` §3.4).

use super::{Call, Class, Fields, Instance, Output, SERVICE, number, service};
use crate::firmware::device::Device;
use crate::firmware::soap::Fault;
use amt_core::Tick;
use amt_core::status::PtStatus;

/// 2004-01-01, the earliest time that firmware takes.
const EARLIEST: u32 = 1_072_915_200;

pub(super) const CLASSES: &[Class] = &[Class {
    put: Some(put),
    methods: &[("GetLowAccuracyTimeSynch", get), ("SetHighAccuracyTimeSynch", set)],
    ..Class::read("AMT_TimeSynchronizationService", SERVICE, list)
}];

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let source = if device.clock_set { "1" } else { "0" };
    let local = device.switches.local_time_sync.to_string();
    vec![service(
        "AMT_TimeSynchronizationService",
        "Intel(r) AMT Time Synchronization Service",
        &[("EnabledState", "5"), ("LocalTimeSyncEnabled", &local), ("RequestedState", "12"), ("TimeSource", source)],
    )]
}

fn put(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let known: Vec<&str> = current.properties.iter().map(|(name, _)| name.as_str()).collect();
    let fields = Fields(&call.input);
    fields.only(&known)?;
    let fixed: Vec<&str> = known.into_iter().filter(|name| *name != "LocalTimeSyncEnabled").collect();
    fields.unchanged(current, &fixed)?;
    let local = fields.number("LocalTimeSyncEnabled", 0..=2)?.ok_or_else(Fault::missing_values)?;
    device.switches.local_time_sync = local;
    Ok(())
}

fn get(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let seconds = u32::try_from(device.clock(call.now)).unwrap_or(0);
    Ok(Output::ok().with("Ta0", seconds))
}

/// Tm1 is the client's time when it got Ta0, Tm2 just before it sends this: the machine is `Tm1 - Ta0` behind, and
/// `Tm2` is the time now.
fn set(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let (ta0, tm1, tm2) = (number(call, "Ta0")?, number(call, "Tm1")?, number(call, "Tm2")?);
    if tm1 <= EARLIEST || tm2 <= EARLIEST {
        return Ok(Output::value(PtStatus::INVALID_TIME.0));
    }
    // Tm2 is not before Tm1, and Ta0 is a time of ours that is not in our future.
    if tm2 < tm1 || i64::from(ta0) > device.clock(call.now) + 1 {
        return Ok(Output::value(PtStatus::INVALID_PARAMETER.0));
    }
    device.set_clock(call.now, i64::from(tm2));
    Ok(Output::ok())
}
