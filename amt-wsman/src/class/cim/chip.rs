//! `CIM_Chip` (`spec/wsman.md` §3.1).

use crate::class::class;

class! {
    /// A chip: the processor and others, by name.
    Chip = "CIM_Chip" {
        /// What it is.
        element_name: Option<String> = "ElementName",
        /// Maker.
        manufacturer: Option<String> = "Manufacturer",
        /// Name as the maker prints it.
        version: Option<String> = "Version",
        /// Key.
        tag: Option<String> = "Tag",
    }
}
