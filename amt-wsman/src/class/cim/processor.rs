//! `CIM_Processor` (`spec/wsman.md` §3.1).

use crate::class::class;

class! {
    /// One processor. Its name is in [`Chip`](super::Chip).
    Processor = "CIM_Processor" {
        /// Which one.
        device_id: Option<String> = "DeviceID",
        /// Family, by the number of SMBIOS.
        family: Option<u32> = "Family",
        /// Highest clock, MHz.
        max_clock_speed: Option<u32> = "MaxClockSpeed",
        /// Clock at start, MHz.
        current_clock_speed: Option<u32> = "CurrentClockSpeed",
        /// Stepping.
        stepping: Option<String> = "Stepping",
        /// 1 enabled.
        cpu_status: Option<u32> = "CPUStatus",
    }
}
