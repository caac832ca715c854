//! `AMT_AuditPolicyRule`: which events the audit log records (Intel's description of the class, version 7; the list is that of a recorded reply).

use super::{Call, Class, Instance, Output, instance};
use crate::firmware::device::Device;
use crate::firmware::soap::Fault;
use amt_core::Tick;
use amt_core::status::PtStatus;

const CLASS: &str = "AMT_AuditPolicyRule";

pub(super) const CLASSES: &[Class] =
    &[Class { methods: &[("SetAuditPolicyBulk", set)], ..Class::read(CLASS, &["PolicyRuleName"], list) }];

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let mut told = instance(CLASS, &[]);
    for (event, _) in device.settings.audit_policy.all() {
        told.push("AuditApplicationEventID", event);
    }
    told.push("CreationClassName", CLASS);
    told.push("ElementName", "Intel(r) AMT Audit Policy Rule");
    told.push("PolicyRuleName", "Audit Policy Rule");
    for (_, critical) in device.settings.audit_policy.all() {
        told.push("PolicyType", u32::from(critical));
    }
    told.push("SystemCreationClassName", "CIM_ComputerSystem");
    told.push("SystemName", "Intel(r) AMT");
    vec![told]
}

/// All of it or nothing.
fn set(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let texts = |name: &str| call.input.texts(name);
    let numbers = |name: &str| -> Result<Vec<u16>, Fault> {
        texts(name).iter().map(|text| text.parse().map_err(|_| Fault::invalid_values())).collect()
    };
    let on: Result<Vec<bool>, Fault> = texts("Enable")
        .iter()
        .map(|text| match *text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(Fault::invalid_values()),
        })
        .collect();
    let (on, applications, events, kinds) =
        (on?, numbers("AuditedAppID")?, numbers("EventID")?, numbers("PolicyType")?);
    if on.is_empty() {
        return Err(Fault::missing_values());
    }
    if [applications.len(), events.len(), kinds.len()].iter().any(|len| *len != on.len()) {
        return Ok(Output::value(PtStatus::INVALID_PARAMETER.0));
    }
    let mut policy = device.settings.audit_policy.clone();
    for (((on, application), event), kind) in on.iter().zip(&applications).zip(&events).zip(&kinds) {
        if *kind > 1 || !policy.set(&device.config.persona, *application, *event, *on, *kind == 1) {
            return Ok(Output::value(PtStatus::INVALID_PARAMETER.0));
        }
    }
    device.settings.audit_policy = policy;
    Ok(Output::ok())
}
