//! Who the machine is: software identities, platform GUID, trust anchors (`spec/wsman.md` §3.1).

use super::{Class, Instance, instance};
use crate::digest::hex;
use crate::firmware::device::Device;
use crate::firmware::soap::reference;
use amt_core::Tick;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) const CLASSES: &[Class] = &[
    Class::read("CIM_SoftwareIdentity", &["InstanceID"], list_software),
    Class::read("CIM_ComputerSystemPackage", &["Antecedent", "Dependent"], list_package),
    Class::read("CIM_ComputerSystem", &["CreationClassName", "Name"], list_systems),
    Class::read("AMT_ProvisioningCertificateHash", &["InstanceID"], list_hashes),
];

fn list_software(device: &Device, _: Tick) -> Vec<Instance> {
    let v = device.config.persona.version;
    let short = format!("{}.{}.{}", v.major, v.minor, v.hotfix);
    let build = v.build.to_string();
    let items = [
        ("Flash", short.as_str()),
        ("Netstack", &short),
        ("AMTApps", &short),
        ("AMT", &short),
        ("Sku", "16392"),
        ("VendorID", "8086"),
        ("Build Number", &build),
        ("Recovery Version", &short),
        ("Recovery Build Num", &build),
        ("Legacy Mode", "False"),
        ("AMT FW Core Version", &short),
    ];
    items
        .into_iter()
        .map(|(id, version)| {
            instance("CIM_SoftwareIdentity", &[("InstanceID", id), ("IsEntity", "true"), ("VersionString", version)])
        })
        .collect()
}

fn list_package(device: &Device, _: Tick) -> Vec<Instance> {
    let mut package = Instance::new("CIM_ComputerSystemPackage");
    let chassis = [("CreationClassName", "CIM_Chassis"), ("Tag", "CIM_Chassis")];
    let system = [("CreationClassName", "CIM_ComputerSystem"), ("Name", "ManagedSystem")];
    package.push("Antecedent", reference("CIM_Chassis", &chassis));
    package.push("Dependent", reference("CIM_ComputerSystem", &system));
    package.push("PlatformGUID", hex(&device.config.id.to_wire()).to_uppercase());
    vec![package]
}

fn list_systems(_: &Device, _: Tick) -> Vec<Instance> {
    ["ManagedSystem", "Intel(r) AMT"]
        .into_iter()
        .map(|name| {
            let properties = [
                ("CreationClassName", "CIM_ComputerSystem"),
                ("ElementName", name),
                ("EnabledState", "2"),
                ("Name", name),
                ("NameFormat", "Other"),
            ];
            instance("CIM_ComputerSystem", &properties)
        })
        .collect()
}

fn list_hashes(device: &Device, _: Tick) -> Vec<Instance> {
    let roots = device.config.roots.iter().enumerate();
    roots
        .map(|(at, root)| {
            let id = format!("Intel(r) AMT Certificate Hash {at}");
            let properties = [
                ("ElementName", "Intel(r) AMT Certificate Hash"),
                ("Enabled", "true"),
                ("HashData", &STANDARD.encode(&root.digest)),
                ("HashType", &root.algorithm.to_string()),
                ("InstanceID", &id),
                ("IsDefault", "false"),
            ];
            instance("AMT_ProvisioningCertificateHash", &properties)
        })
        .collect()
}
