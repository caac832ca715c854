//! Redirection (`spec/wsman.md` §3.9).

use super::{Call, Class, Fields, Instance, Output, SERVICE, number, service};
use crate::firmware::device::Device;
use crate::firmware::soap::Fault;
use amt_core::Tick;

pub(super) const CLASSES: &[Class] = &[Class {
    put: Some(put_redirection),
    methods: &[("RequestStateChange", redirect)],
    ..Class::read("AMT_RedirectionService", SERVICE, list_redirection)
}];

fn list_redirection(device: &Device, _: Tick) -> Vec<Instance> {
    let (state, listener) = device.redirection;
    let state = state.to_string();
    let properties = [("EnabledState", state.as_str()), ("ListenerEnabled", if listener { "true" } else { "false" })];
    vec![service("AMT_RedirectionService", "Intel(r) AMT Redirection Service", &properties)]
}

fn put_redirection(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    let known: Vec<&str> = current.properties.iter().map(|(name, _)| name.as_str()).collect();
    fields.only(&known)?;
    fields
        .unchanged(current, &["CreationClassName", "ElementName", "Name", "SystemCreationClassName", "SystemName"])?;
    let listener = fields.need_bool("ListenerEnabled")?;
    let state = fields.number("EnabledState", 32_768..=32_771)?.unwrap_or(device.redirection.0);
    device.redirection = (state, listener);
    Ok(())
}

/// A CIM method: its own return values, not PT_STATUS (§2.5).
fn redirect(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let state = number(call, "RequestedState")?;
    if !(32_768..=32_771).contains(&state) {
        return Ok(Output::value(5));
    }
    device.redirection.0 = state;
    Ok(Output::ok())
}
