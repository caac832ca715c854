//! `AMT_WebUIService`: whether the machine shows its web pages.

use super::{Call, Class, Instance, Output, SERVICE, number, service};
use crate::firmware::device::Device;
use crate::firmware::soap::Fault;
use amt_core::Tick;

const CLASS: &str = "AMT_WebUIService";
const ON: u32 = 2;
const OFF: u32 = 3;

pub(super) const CLASSES: &[Class] =
    &[Class { methods: &[("RequestStateChange", change)], ..Class::read(CLASS, SERVICE, list) }];

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let state = if device.switches.web_ui { ON } else { OFF }.to_string();
    let properties = [("EnabledState", state.as_str()), ("RequestedState", state.as_str())];
    vec![service(CLASS, "Intel(r) AMT Web UI Service", &properties)]
}

fn change(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    device.switches.web_ui = match number(call, "RequestedState")? {
        ON => true,
        OFF => false,
        _ => return Ok(Output::value(5)),
    };
    Ok(Output::ok())
}
