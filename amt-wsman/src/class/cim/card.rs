//! `CIM_Card` (`spec/wsman.md` §3.1).

use crate::class::class;

class! {
    /// The main board.
    Card = "CIM_Card" {
        /// Maker.
        manufacturer: Option<String> = "Manufacturer",
        /// Model.
        model: Option<String> = "Model",
        /// Serial number.
        serial_number: Option<String> = "SerialNumber",
        /// Version.
        version: Option<String> = "Version",
    }
}
