//! `AMT_SystemPowerScheme`: the power packages, of which one is active (`spec/setupbin.md` §2.3).

use super::{Call, Class, Instance, Output, instance};
use crate::firmware::device::Device;
use crate::firmware::soap::{Fault, reference};
use amt_core::Tick;
use amt_core::status::PtStatus;
use amt_wsman::soap::SelectorValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const CLASS: &str = "AMT_SystemPowerScheme";

/// Of a desktop and of a notebook: on with the computer only, and ready to wake while it sleeps.
const DESKTOP: &[([u8; 16], &str)] = &[
    (0x944F_8312_FB10_4FDC_968E_1E23_2B0C_9065_u128.to_be_bytes(), "Desktop: ON in S0"),
    (0x7322_7346_23DC_432F_A98A_13D3_7982_D855_u128.to_be_bytes(), "Desktop: ON in S0, ME Wake in S3, S4-5"),
];
const MOBILE: &[([u8; 16], &str)] = &[
    (0x7639_9711_0B56_5043_8870_9812_F391_B560_u128.to_be_bytes(), "Mobile: ON in S0"),
    (0x3080_0DEE_09C0_7843_AF28_7868_A2DB_BE3A_u128.to_be_bytes(), "Mobile: ON in S0, ME Wake in S3/AC, S4-5/AC"),
];

pub(super) const CLASSES: &[Class] =
    &[Class { methods: &[("SetPowerScheme", set)], ..Class::read(CLASS, &["InstanceID", "SchemeGUID"], list) }];

fn packages(device: &Device) -> &'static [([u8; 16], &'static str)] {
    if device.config.persona.features.mobile { MOBILE } else { DESKTOP }
}

fn id(index: usize) -> String {
    format!("Intel(r) AMT:Power Scheme {index}")
}

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let packages = packages(device).iter().enumerate();
    packages
        .map(|(index, (guid, meaning))| {
            let guid = STANDARD.encode(guid);
            let properties = [
                ("Description", *meaning),
                ("ElementName", "Intel(r) AMT: Power Scheme"),
                ("InstanceID", &id(index)),
                ("SchemeGUID", &guid),
            ];
            instance(CLASS, &properties)
        })
        .collect()
}

/// The scheme is the one that the selectors name.
fn set(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let text = |name: &str| {
        call.selectors.iter().find(|selector| selector.name == name).and_then(|selector| match &selector.value {
            SelectorValue::Text(text) => Some(text.as_str()),
            SelectorValue::Reference(_) => None,
        })
    };
    let (instance, guid) = (text("InstanceID"), text("SchemeGUID"));
    if instance.is_none() && guid.is_none() {
        return Err(Fault::invalid_selectors());
    }
    let found = packages(device).iter().enumerate().position(|(index, (bytes, _))| {
        instance.is_none_or(|want| want == id(index)) && guid.is_none_or(|want| want == STANDARD.encode(bytes))
    });
    let Some(found) = found else { return Ok(Output::value(PtStatus::INVALID_PARAMETER.0)) };
    device.settings.power_package = found;
    Ok(Output::ok())
}

/// Which scheme is active, as `CIM_ElementSettingData` tells it.
pub(super) fn roles(device: &Device) -> Vec<Instance> {
    let system = [("CreationClassName", "CIM_ComputerSystem"), ("Name", "Intel(r) AMT")];
    let packages = packages(device).iter().enumerate();
    packages
        .map(|(index, (guid, _))| {
            let mut role = Instance::new("CIM_ElementSettingData");
            role.push("IsCurrent", if index == device.settings.power_package { 1 } else { 2 });
            role.push("IsDefault", "2");
            role.push("IsNext", "2");
            role.push("ManagedElement", reference("CIM_ComputerSystem", &system));
            let keys = [("InstanceID", id(index)), ("SchemeGUID", STANDARD.encode(guid))];
            let keys: Vec<(&str, &str)> = keys.iter().map(|(name, value)| (*name, value.as_str())).collect();
            role.push("SettingData", reference(CLASS, &keys));
            role
        })
        .collect()
}
