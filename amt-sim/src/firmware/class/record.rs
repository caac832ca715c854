//! Provenance of the last setup (`spec/wsman.md` §3.1).

use super::{Class, Instance, instance};
use crate::firmware::device::Device;
use amt_core::Tick;
use amt_wsman::instance::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(super) const CLASSES: &[Class] = &[
    Class::read("IPS_ProvisioningRecordLog", &["InstanceID"], list_log),
    Class::read("IPS_TLSProvisioningRecord", &["InstanceID"], list_records),
];

fn list_log(device: &Device, _: Tick) -> Vec<Instance> {
    let records = if device.record.is_some() { "1" } else { "0" };
    let properties = [
        ("CurrentNumberOfRecords", records),
        ("ElementName", "Intel(r) AMT: Provisioning Record Log"),
        ("EnabledState", "2"),
        ("InstanceID", "Intel(r) AMT: Provisioning Record Log"),
        ("LogState", "4"),
        ("MaxNumberOfRecords", "1"),
        ("Name", "Intel(r) AMT: Provisioning Record Log"),
        ("OverwritePolicy", "2"),
        ("RequestedState", "12"),
    ];
    vec![instance("IPS_ProvisioningRecordLog", &properties)]
}

fn list_records(device: &Device, _: Tick) -> Vec<Instance> {
    let Some(record) = &device.record else { return Vec::new() };
    let mut out = Instance::new("IPS_TLSProvisioningRecord");
    for serial in &record.serials {
        out.push("CaCertificateSerials", STANDARD.encode(serial));
    }
    let time = Value::Text(crate::http::iso(record.time));
    out.push("CreationTimeStamp", Value::Object(vec![("Datetime".to_owned(), time)]));
    for (name, value) in [
        ("ElementName", "Intel(r) AMT: TLS Provisioning Record"),
        ("HashIsOemDefault", "false"),
        ("HostInitiated", "false"),
        ("InstanceID", "Intel(r) AMT: TLS Provisioning Record"),
        ("IsTimeValid", "true"),
        ("ProvServerFQDN", &record.common_name),
        ("ProvServerIP", &record.server),
        ("ProvisioningTLSMode", "2"),
        ("SecureDNS", "false"),
        ("SelectedHashData", &STANDARD.encode(&record.root_hash)),
        ("SelectedHashType", "2"),
    ] {
        out.push(name, value);
    }
    vec![out]
}
