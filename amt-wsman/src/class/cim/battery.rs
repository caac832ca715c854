//! `CIM_Battery` (`spec/wsman.md` §3.1).

use crate::class::class;

class! {
    /// One battery.
    Battery = "CIM_Battery" {
        /// Which one.
        device_id: Option<String> = "DeviceID",
        /// Capacity when new, mWh.
        design_capacity: Option<u64> = "DesignCapacity",
        /// Voltage when new, mV.
        design_voltage: Option<u64> = "DesignVoltage",
        /// Chemistry, by CIM's number.
        chemistry: Option<u32> = "Chemistry",
    }
}
