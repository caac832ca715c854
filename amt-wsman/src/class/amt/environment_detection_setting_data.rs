//! `AMT_EnvironmentDetectionSettingData` (`spec/wsman.md` §3.10).

use crate::class::class;

class! {
    /// In which networks the device is at home. One instance. Write it last: a device that is at home in none of the networks
    /// that it is in closes its ports.
    EnvironmentDetectionSettingData = "AMT_EnvironmentDetectionSettingData" {
        /// Which one.
        instance_id: Option<String> = "InstanceID",
        /// DNS suffixes of the home networks, each shorter than 64 characters; none: it is at home everywhere.
        detection_strings: Vec<String> = "DetectionStrings",
    }
}

impl EnvironmentDetectionSettingData {
    /// Suffixes that every firmware has room for.
    pub const MAX_STRINGS: usize = 4;
}
