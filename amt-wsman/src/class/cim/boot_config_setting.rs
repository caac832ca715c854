//! `CIM_BootConfigSetting` (`spec/wsman.md` §3.11).

use super::super::Class;
use super::BootSourceSetting;
use crate::class::class;
use crate::op::Request;
use crate::soap::Reference;

class! {
    /// The boot configuration. One instance.
    BootConfigSetting = "CIM_BootConfigSetting" {
        /// [`ID`](Self::ID).
        instance_id: String = "InstanceID",
    }
}

impl BootConfigSetting {
    /// `InstanceID` of the only one.
    pub const ID: &'static str = "Intel(r) AMT: Boot Configuration 0";

    /// The boot configuration, as an argument.
    pub fn reference() -> Reference {
        Reference::to(Self::NAME).with("InstanceID", Self::ID)
    }

    /// Boots from `source`, an `InstanceID` of [`BootSourceSetting`], when the configuration's role says that it counts; none:
    /// clears the boot order. Refused (5) for an unknown source and while an option is set that excludes one.
    pub fn change_boot_order(source: Option<&str>) -> Request {
        let request = Request::invoke(Self::NAME, "ChangeBootOrder").at(&Self::reference());
        match source {
            Some(id) => request.arg("Source", Reference::to(BootSourceSetting::NAME).with("InstanceID", id)),
            None => request,
        }
    }
}
