//! `CIM_PhysicalMemory` (`spec/wsman.md` §3.1).

use crate::class::class;

class! {
    /// One memory module.
    PhysicalMemory = "CIM_PhysicalMemory" {
        /// Where it sits.
        bank_label: Option<String> = "BankLabel",
        /// Bytes.
        capacity: Option<u64> = "Capacity",
        /// Clock that it runs at, MHz.
        configured_memory_clock_speed: Option<u32> = "ConfiguredMemoryClockSpeed",
        /// Maker, often a number.
        manufacturer: Option<String> = "Manufacturer",
        /// Part number.
        part_number: Option<String> = "PartNumber",
        /// Serial number.
        serial_number: Option<String> = "SerialNumber",
        /// Kind, by the number of SMBIOS: see [`kind`](Self::kind).
        memory_type: Option<u32> = "MemoryType",
    }
}

impl PhysicalMemory {
    /// Name of its kind, if it is known.
    pub fn kind(&self) -> Option<&'static str> {
        Some(match self.memory_type? {
            18 => "DDR",
            19 => "DDR2",
            24 => "DDR3",
            26 => "DDR4",
            27 => "LPDDR",
            28 => "LPDDR2",
            29 => "LPDDR3",
            30 => "LPDDR4",
            34 => "DDR5",
            35 => "LPDDR5",
            _ => return None,
        })
    }
}
