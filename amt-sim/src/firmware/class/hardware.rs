//! What the computer is made of, as its BIOS told the firmware (`spec/wsman.md` §3.1).

use super::{Class, Instance, instance};
use crate::digest::hex;
use crate::firmware::device::Device;
use amt_core::Tick;
use amt_wsman::instance::Value;

pub(super) const CLASSES: &[Class] = &[
    Class::read("CIM_Chassis", &["CreationClassName", "Tag"], list_chassis),
    Class::read("CIM_Card", &["CreationClassName", "Tag"], list_card),
    Class::read("CIM_BIOSElement", &["Name", "Version"], list_bios),
    Class::read("CIM_Processor", &["CreationClassName", "DeviceID"], list_processors),
    Class::read("CIM_Chip", &["CreationClassName", "Tag"], list_chips),
    Class::read("CIM_PhysicalMemory", &["CreationClassName", "Tag"], list_memory),
    Class::read("CIM_MediaAccessDevice", &["CreationClassName", "DeviceID"], list_media),
    Class::read("CIM_Battery", &["CreationClassName", "DeviceID"], list_batteries),
];

/// Serial number of this very machine.
fn serial(device: &Device) -> String {
    hex(&device.config.id.to_wire()[10..]).to_uppercase()
}

fn list_chassis(device: &Device, _: Tick) -> Vec<Instance> {
    let persona = &device.config.persona;
    let properties = [
        ("ChassisPackageType", "3"),
        ("CreationClassName", "CIM_Chassis"),
        ("ElementName", "Managed System Chassis"),
        ("Manufacturer", persona.hardware.manufacturer.as_str()),
        ("Model", persona.hardware.model.as_str()),
        ("OperationalStatus", "0"),
        ("PackageType", "3"),
        ("SerialNumber", &serial(device)),
        ("Tag", "CIM_Chassis"),
        ("Version", persona.name.as_str()),
    ];
    vec![instance("CIM_Chassis", &properties)]
}

fn list_card(device: &Device, _: Tick) -> Vec<Instance> {
    let hardware = &device.config.persona.hardware;
    let properties = [
        ("CanBeFRUed", "true"),
        ("CreationClassName", "CIM_Card"),
        ("ElementName", "Managed System Base Board"),
        ("Manufacturer", hardware.manufacturer.as_str()),
        ("Model", &format!("{} board", hardware.model)),
        ("OperationalStatus", "0"),
        ("PackageType", "9"),
        ("SerialNumber", &format!("B{}", serial(device))),
        ("Tag", "CIM_Card"),
        ("Version", "1"),
    ];
    vec![instance("CIM_Card", &properties)]
}

fn list_bios(device: &Device, _: Tick) -> Vec<Instance> {
    let hardware = &device.config.persona.hardware;
    let properties = [
        ("ElementName", "Primary BIOS"),
        ("Manufacturer", hardware.manufacturer.as_str()),
        ("Name", "Primary BIOS"),
        ("OperationalStatus", "2"),
        ("PrimaryBIOS", "true"),
    ];
    let mut bios = instance("CIM_BIOSElement", &properties);
    let date = Value::Text("2022-03-01T00:00:00Z".to_owned());
    bios.push("ReleaseDate", Value::Object(vec![("Datetime".to_owned(), date)]));
    bios.push("SoftwareElementState", "2");
    bios.push("TargetOperatingSystem", "66");
    bios.push("Version", hardware.bios_version.as_str());
    vec![bios]
}

fn list_processors(device: &Device, _: Tick) -> Vec<Instance> {
    let clock = device.config.persona.hardware.clock_mhz.to_string();
    let properties = [
        ("CPUStatus", "1"),
        ("CreationClassName", "CIM_Processor"),
        ("CurrentClockSpeed", clock.as_str()),
        ("DeviceID", "CPU 0"),
        ("ElementName", "Managed System CPU"),
        ("EnabledState", "2"),
        ("ExternalBusClockSpeed", "100"),
        ("Family", "198"),
        ("HealthState", "0"),
        ("MaxClockSpeed", &clock),
        ("OperationalStatus", "0"),
        ("Role", "Central"),
        ("Stepping", "5"),
        ("SystemCreationClassName", "CIM_ComputerSystem"),
        ("SystemName", "ManagedSystem"),
        ("UpgradeMethod", "1"),
    ];
    vec![instance("CIM_Processor", &properties)]
}

fn list_chips(device: &Device, _: Tick) -> Vec<Instance> {
    let hardware = &device.config.persona.hardware;
    let properties = [
        ("CanBeFRUed", "true"),
        ("CreationClassName", "CIM_Chip"),
        ("ElementName", "Managed System Processor Chip"),
        ("Manufacturer", hardware.manufacturer.as_str()),
        ("OperationalStatus", "0"),
        ("Tag", "CPU 0"),
        ("Version", hardware.processor.as_str()),
    ];
    vec![instance("CIM_Chip", &properties)]
}

fn list_memory(device: &Device, _: Tick) -> Vec<Instance> {
    let hardware = &device.config.persona.hardware;
    let module = |(index, mib): (usize, &u32)| {
        let tag = if index == 0 { "9876543210".to_owned() } else { format!("9876543210 (#{index})") };
        let properties = [
            ("BankLabel", format!("BANK {index}")),
            ("Capacity", (u64::from(*mib) << 20).to_string()),
            ("ConfiguredMemoryClockSpeed", "3200".to_owned()),
            ("CreationClassName", "CIM_PhysicalMemory".to_owned()),
            ("ElementName", "Managed System Memory Chip".to_owned()),
            ("FormFactor", "13".to_owned()),
            ("IsSpeedInMhz", "true".to_owned()),
            ("Manufacturer", hardware.manufacturer.clone()),
            ("MaxMemorySpeed", "3200".to_owned()),
            ("MemoryType", hardware.memory_type.to_string()),
            ("PartNumber", format!("VM{mib}")),
            ("SerialNumber", format!("{}{index}", serial(device))),
            ("Speed", "0".to_owned()),
            ("Tag", tag),
        ];
        let borrowed: Vec<(&str, &str)> = properties.iter().map(|(name, value)| (*name, value.as_str())).collect();
        instance("CIM_PhysicalMemory", &borrowed)
    };
    hardware.memory_mib.iter().enumerate().map(module).collect()
}

fn list_media(device: &Device, _: Tick) -> Vec<Instance> {
    let size = (device.config.persona.hardware.disk_mb * 1000).to_string();
    let properties = [
        ("Capabilities", "4"),
        ("CreationClassName", "CIM_MediaAccessDevice"),
        ("DeviceID", "MEDIA DEV 0"),
        ("ElementName", "Managed System Media Access Device"),
        ("EnabledDefault", "2"),
        ("EnabledState", "0"),
        ("MaxMediaSize", size.as_str()),
        ("OperationalStatus", "0"),
        ("RequestedState", "12"),
        ("Security", "2"),
        ("SystemCreationClassName", "CIM_ComputerSystem"),
        ("SystemName", "ManagedSystem"),
    ];
    vec![instance("CIM_MediaAccessDevice", &properties)]
}

fn list_batteries(device: &Device, _: Tick) -> Vec<Instance> {
    if !device.config.persona.hardware.battery {
        return Vec::new();
    }
    let properties = [
        ("BatteryStatus", "2"),
        ("Chemistry", "2"),
        ("CreationClassName", "CIM_Battery"),
        ("DesignCapacity", "56010"),
        ("DesignVoltage", "11550"),
        ("DeviceID", "VB03"),
        ("EnabledState", "2"),
        ("SystemCreationClassName", "CIM_ComputerSystem"),
        ("SystemName", "ManagedSystem"),
    ];
    vec![instance("CIM_Battery", &properties)]
}
