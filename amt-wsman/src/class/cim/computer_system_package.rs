//! `CIM_ComputerSystemPackage` (`spec/wsman.md` §3.1).

use crate::class::class;
use crate::soap::Reference;

class! {
    /// Which chassis the machine is in, and its identity. One instance.
    ComputerSystemPackage = "CIM_ComputerSystemPackage" {
        /// The chassis.
        antecedent: Reference = "Antecedent",
        /// The machine.
        dependent: Reference = "Dependent",
        /// Identity: 32 hexadecimal digits in SMBIOS byte order.
        platform_guid: String = "PlatformGUID",
    }
}
