//! `CIM_BootService` (`spec/wsman.md` §3.11).

use super::super::Class;
use super::BootConfigSetting;
use crate::class::class;
use crate::op::Request;

class! {
    /// Decides whether the boot configuration is used. One instance.
    BootService = "CIM_BootService" {
        /// Name.
        name: Option<String> = "Name",
        /// 2 when it is on; 32768 and 32769 tell about one-click recovery.
        enabled_state: Option<u32> = "EnabledState",
    }
}

impl BootService {
    /// Role: used for the next boot, then no more.
    pub const NEXT_SINGLE_USE: u32 = 1;
    /// Role: not used.
    pub const NOT_NEXT: u32 = 32_768;

    /// Says whether [`BootConfigSetting`] counts at the next boot: [`NEXT_SINGLE_USE`](Self::NEXT_SINGLE_USE) or
    /// [`NOT_NEXT`](Self::NOT_NEXT). Without the first the BIOS ignores its boot order. 4: no such configuration, 5: no
    /// such role.
    pub fn set_boot_config_role(role: u32) -> Request {
        Request::invoke(Self::NAME, "SetBootConfigRole")
            .arg("BootConfigSetting", BootConfigSetting::reference())
            .arg("Role", role)
    }
}
