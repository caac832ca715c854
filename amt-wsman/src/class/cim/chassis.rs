//! `CIM_Chassis` (`spec/wsman.md` §3.1).

use crate::class::class;

class! {
    /// The machine as a thing. One instance.
    Chassis = "CIM_Chassis" {
        /// Maker.
        manufacturer: Option<String> = "Manufacturer",
        /// Model.
        model: Option<String> = "Model",
        /// Serial number.
        serial_number: Option<String> = "SerialNumber",
        /// Version.
        version: Option<String> = "Version",
        /// Kind of chassis.
        chassis_package_type: Option<u32> = "ChassisPackageType",
        /// Kind of package.
        package_type: Option<u32> = "PackageType",
        /// State.
        operational_status: Vec<u32> = "OperationalStatus",
    }
}
