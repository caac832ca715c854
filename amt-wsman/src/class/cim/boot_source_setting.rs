//! `CIM_BootSourceSetting` (`spec/wsman.md` §3.11).

use crate::class::class;

class! {
    /// Something to boot from.
    BootSourceSetting = "CIM_BootSourceSetting" {
        /// [`NETWORK`](Self::NETWORK) and others.
        instance_id: String = "InstanceID",
        /// `CIM:Network:1` and the like.
        structured_boot_string: Option<String> = "StructuredBootString",
        /// 2: when it fails, the next source is not tried.
        fail_through_supported: Option<u32> = "FailThroughSupported",
    }
}

impl BootSourceSetting {
    /// `InstanceID` of the network (PXE).
    pub const NETWORK: &'static str = "Intel(r) AMT: Force PXE Boot";
    /// `InstanceID` of the hard disk.
    pub const HARD_DRIVE: &'static str = "Intel(r) AMT: Force Hard-drive Boot";
    /// `InstanceID` of the optical disc.
    pub const OPTICAL: &'static str = "Intel(r) AMT: Force CD/DVD Boot";
    /// `InstanceID` of a server reached over HTTPS by UEFI, since 16.
    pub const HTTPS: &'static str = "Intel(r) AMT: Force OCR UEFI HTTPS Boot";
}
