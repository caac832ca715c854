//! `AMT_BootCapabilities` (`spec/wsman.md` §3.6, §3.11).

use crate::class::class;

class! {
    /// What the firmware and BIOS can be told about the next boot. One instance.
    BootCapabilities = "AMT_BootCapabilities" {
        /// Storage redirection.
        ider: Option<bool> = "IDER",
        /// Serial over LAN.
        sol: Option<bool> = "SOL",
        /// BIOS setup.
        bios_setup: Option<bool> = "BIOSSetup",
        /// Boot over the network.
        force_pxe_boot: Option<bool> = "ForcePXEBoot",
        /// Boot from disk.
        force_hard_drive_boot: Option<bool> = "ForceHardDriveBoot",
        /// Boot from optical disc.
        force_cd_or_dvd_boot: Option<bool> = "ForceCDorDVDBoot",
        /// Boot over HTTPS.
        force_uefi_https_boot: Option<bool> = "ForceUEFIHTTPSBoot",
        /// Boot into the recovery environment.
        force_win_re_boot: Option<bool> = "ForceWinREBoot",
        /// Whether secure boot can be overridden.
        amt_secure_boot_control: Option<bool> = "AMTSecureBootControl",
        /// Erase of disks.
        secure_erase: Option<bool> = "SecureErase",
        /// What a remote platform erase can do, as bits.
        platform_erase: Option<u32> = "PlatformErase",
        /// Whether wireless profiles are shared with UEFI; since 16.
        uefi_wifi_profile_share: Option<bool> = "UEFIWiFiCoExistenceAndProfileShare",
    }
}
