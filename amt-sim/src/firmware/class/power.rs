//! Power state of the computer (`spec/wsman.md` §3.11).

use super::boot::refused;
use super::{Call, Class, Instance, Output, SERVICE, number, service};
use crate::firmware::device::Device;
use crate::firmware::host::value;
use crate::firmware::soap::{Fault, reference};
use amt_core::Tick;
use std::time::Duration;

const CLASS: &str = "CIM_PowerManagementService";
const NAME: &str = "Intel(r) AMT Power Management Service";
const SYSTEM: &str = "CIM_ComputerSystem";

pub(super) const CLASSES: &[Class] = &[
    Class { methods: &[("RequestPowerStateChange", request)], ..Class::read(CLASS, SERVICE, list_service) },
    Class::read("CIM_AssociatedPowerManagementService", &["ServiceProvided", "UserOfService"], list_state),
];

fn list_service(_: &Device, _: Tick) -> Vec<Instance> {
    vec![service(CLASS, NAME, &[("EnabledState", "5"), ("RequestedState", "12")])]
}

fn list_state(device: &Device, _: Tick) -> Vec<Instance> {
    let of_service = [
        ("CreationClassName", CLASS),
        ("Name", NAME),
        ("SystemCreationClassName", SYSTEM),
        ("SystemName", "Intel(r) AMT"),
    ];
    let mut state = Instance::new("CIM_AssociatedPowerManagementService");
    for available in device.host.available() {
        state.push("AvailableRequestedPowerStates", available);
    }
    state.push("PowerState", device.host.power_state());
    state.push("ServiceProvided", reference(CLASS, &of_service));
    state.push("UserOfService", reference(SYSTEM, &[("CreationClassName", SYSTEM), ("Name", "ManagedSystem")]));
    vec![state]
}

fn request(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    if let Some(refusal) = refused(device) {
        return Ok(refusal);
    }
    let state = number(call, "PowerState")?;
    let element = call.input.reference("ManagedElement").ok_or_else(Fault::missing_values)?;
    if element.class() != Some(SYSTEM) || element.selector("Name") != Some("ManagedSystem") {
        return Ok(Output::value(value::INVALID_PARAMETER));
    }
    let post = Duration::from_secs(device.config.persona.power.boot_seconds);
    Ok(Output::value(device.host.request(call.now, state, post)))
}
