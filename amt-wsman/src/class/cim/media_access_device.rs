//! `CIM_MediaAccessDevice` (`spec/wsman.md` §3.1).

use crate::class::class;

class! {
    /// One disk, as the BIOS saw it.
    MediaAccessDevice = "CIM_MediaAccessDevice" {
        /// Which one.
        device_id: Option<String> = "DeviceID",
        /// What it is.
        element_name: Option<String> = "ElementName",
        /// Size in thousands of bytes.
        max_media_size: Option<u64> = "MaxMediaSize",
    }
}
