//! `AMT_BootSettingData` (`spec/wsman.md` §3.11).

use crate::class::class;
use crate::instance::Instance;
use crate::op::Request;

class! {
    /// Options of the next boot beside its source. One instance. The BIOS clears them once it has used them.
    BootSettingData = "AMT_BootSettingData" {
        /// Key.
        instance_id: Option<String> = "InstanceID",
        /// Serial over LAN.
        use_sol: Option<bool> = "UseSOL",
        /// Storage redirection; excludes a boot source.
        use_ider: Option<bool> = "UseIDER",
        /// Enter the BIOS setup; excludes a boot source.
        bios_setup: Option<bool> = "BIOSSetup",
        /// Wait for a key before booting; excludes a boot source.
        bios_pause: Option<bool> = "BIOSPause",
        /// Which medium of the boot source; 0 the default one, and the only one of a network boot.
        boot_media_index: Option<u32> = "BootMediaIndex",
        /// Erase disks.
        secure_erase: Option<bool> = "SecureErase",
        /// Erase the platform; since 16.
        platform_erase: Option<bool> = "PlatformErase",
        /// Whether the BIOS has boots over HTTPS switched on. Read-only.
        uefi_https_boot_enabled: Option<bool> = "UEFIHTTPSBootEnabled",
        /// Whether the BIOS has cleared the options. Read-only.
        options_cleared: Option<bool> = "OptionsCleared",
        /// What the BIOS said of the last boot: 0 success, 1 in progress, 2 not updated, 65535 failed. Read-only.
        bios_last_status: Vec<u32> = "BIOSLastStatus",
    }
}

impl BootSettingData {
    /// What firmware reports and does not take back.
    pub const READ_ONLY: &'static [&'static str] = &[
        "BIOSLastStatus",
        "BootguardStatus",
        "OptionsCleared",
        "RPEEnabled",
        "RSEPassword",
        "SecureBootControlEnabled",
        "UEFIHTTPSBootEnabled",
        "UEFILocalPBABootEnabled",
        "UefiBootParametersArray",
        "WinREBootEnabled",
    ];

    /// Truth values that change what the next boot does.
    pub const OPTIONS: &'static [&'static str] = &[
        "BIOSPause",
        "BIOSSetup",
        "ConfigurationDataReset",
        "ForcedProgressEvents",
        "LockKeyboard",
        "LockPowerButton",
        "LockResetButton",
        "LockSleepButton",
        "PlatformErase",
        "ReflashBIOS",
        "SecureErase",
        "UseIDER",
        "UseSOL",
        "UseSafeMode",
        "UserPasswordBypass",
    ];

    /// Puts back `instance` with every option off, without what is read-only: the next boot does nothing but boot. A
    /// property that this firmware does not have is not added.
    pub fn put_plain(instance: &Instance) -> Request {
        Request::put(&Self::plain(instance))
    }

    /// `instance` as [`put_plain`](Self::put_plain) puts it back, for options to be set in it.
    pub fn plain(instance: &Instance) -> Instance {
        let mut plain = instance.clone();
        for name in Self::READ_ONLY {
            plain.remove(name);
        }
        for name in Self::OPTIONS {
            if plain.value(name).is_some() {
                plain.set(name, false);
            }
        }
        for name in ["BootMediaIndex", "FirmwareVerbosity", "IDERBootDevice", "UefiBootNumberOfParams"] {
            if plain.value(name).is_some() {
                plain.set(name, 0);
            }
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Class;
    use crate::soap::Envelope;

    #[test]
    fn a_plain_boot_switches_options_off_and_leaves_out_what_is_read_only() {
        let mut instance = Instance::new(BootSettingData::NAME);
        for (name, value) in [("BIOSSetup", "true"), ("BootMediaIndex", "3"), ("OptionsCleared", "true"), ("X", "7")] {
            instance.push(name, value);
        }
        let bytes = BootSettingData::put_plain(&instance).encode(1);
        let body = Instance::from_node(&Envelope::decode(&bytes).unwrap().body[0]);
        let flat: Vec<_> = body.properties.iter().map(|(n, v)| format!("{n}={}", v.text().unwrap())).collect();
        assert_eq!(flat, ["BIOSSetup=false", "BootMediaIndex=0", "X=7"]);
    }
}
