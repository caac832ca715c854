//! `CIM_SoftwareIdentity` (`spec/wsman.md` §3.1).

use crate::class::class;
use amt_core::FirmwareVersion;

class! {
    /// Version of a part of the firmware.
    SoftwareIdentity = "CIM_SoftwareIdentity" {
        /// Which part: [`AMT`](Self::AMT), `Flash`, `Netstack`, `Sku`, `Build Number`, and so on.
        instance_id: String = "InstanceID",
        /// Its version, or the value of a flag.
        version_string: Option<String> = "VersionString",
    }
}

impl SoftwareIdentity {
    /// The part that is AMT itself.
    pub const AMT: &'static str = "AMT";
    /// The part that holds the last number of the version.
    pub const BUILD_NUMBER: &'static str = "Build Number";

    /// Version of AMT out of all parts.
    pub fn firmware_version(parts: &[Self]) -> Option<FirmwareVersion> {
        let part = |id: &str| parts.iter().find(|part| part.instance_id == id)?.version_string.as_deref();
        let mut version: FirmwareVersion = part(Self::AMT)?.parse().ok()?;
        if let Some(build) = part(Self::BUILD_NUMBER).and_then(|build| build.parse().ok()) {
            version.build = build;
        }
        Some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_put_together_from_its_parts() {
        let part =
            |id: &str, version: &str| SoftwareIdentity { instance_id: id.into(), version_string: Some(version.into()) };
        let parts = [part("Flash", "16.1.25"), part("Build Number", "2124"), part("AMT", "16.1.25")];
        assert_eq!(SoftwareIdentity::firmware_version(&parts).unwrap().to_string(), "16.1.25.2124");
        assert_eq!(SoftwareIdentity::firmware_version(&parts[..2]), None);
    }
}
