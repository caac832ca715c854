//! `CIM_BIOSElement` (`spec/wsman.md` §3.1).

use crate::class::class;
use crate::instance::Value;

class! {
    /// The BIOS. One instance.
    BiosElement = "CIM_BIOSElement" {
        /// Maker.
        manufacturer: Option<String> = "Manufacturer",
        /// Version.
        version: Option<String> = "Version",
        /// Name.
        name: Option<String> = "Name",
        /// Whether it is the one that is used.
        primary_bios: Option<bool> = "PrimaryBIOS",
        /// When it was made, as a CIM date.
        release_date: Option<Value> = "ReleaseDate",
        /// State.
        operational_status: Vec<u32> = "OperationalStatus",
    }
}
