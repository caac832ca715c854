//! `CIM_ElementSettingData` (`spec/wsman.md` §3.11).

use super::super::Class;
use super::super::amt::SystemPowerScheme;
use super::BootConfigSetting;
use crate::class::class;
use crate::soap::Reference;

class! {
    /// Which settings belong to which element, and whether they count. The one of [`BootConfigSetting`] tells whether the next
    /// boot follows it.
    ElementSettingData = "CIM_ElementSettingData" {
        /// The element.
        managed_element: Reference = "ManagedElement",
        /// Its settings.
        setting_data: Reference = "SettingData",
        /// 1 in use, 2 not in use.
        is_current: Option<u32> = "IsCurrent",
        /// 1 [next](Self::NEXT), 2 [not next](Self::NOT_NEXT), 3 [next, once](Self::NEXT_SINGLE_USE).
        is_next: Option<u32> = "IsNext",
    }
}

impl ElementSettingData {
    /// `IsCurrent`: in use.
    pub const CURRENT: u32 = 1;
    /// `IsNext`: counts at every boot from the next one on.
    pub const NEXT: u32 = 1;
    /// `IsNext`: does not count.
    pub const NOT_NEXT: u32 = 2;
    /// `IsNext`: counts at the next boot; then it becomes [`NOT_NEXT`](Self::NOT_NEXT).
    pub const NEXT_SINGLE_USE: u32 = 3;

    /// Keys of the active power package out of all settings.
    pub fn active_power_scheme(all: &[Self]) -> Option<&Reference> {
        let scheme = |one: &&Self| one.setting_data.class() == Some(SystemPowerScheme::NAME);
        all.iter().filter(scheme).find(|one| one.is_current == Some(Self::CURRENT)).map(|one| &one.setting_data)
    }

    /// `IsNext` of the boot configuration out of all settings; none if the firmware does not tell.
    pub fn boot_is_next(all: &[Self]) -> Option<u32> {
        let boot = |one: &&Self| one.setting_data.class() == Some(BootConfigSetting::NAME);
        all.iter().find(boot)?.is_next
    }
}
