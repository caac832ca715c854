//! `CIM_WiFiEndpoint` (`spec/wsman.md` §3.6).

use super::super::Class;
use crate::class::class;
use crate::soap::Reference;

class! {
    /// What wireless profiles belong to. One instance.
    WifiEndpoint = "CIM_WiFiEndpoint" {
        /// [`ENDPOINT_NAME`](Self::ENDPOINT_NAME).
        name: String = "Name",
        /// 2 on, 3 off.
        enabled_state: Option<u32> = "EnabledState",
    }
}

impl WifiEndpoint {
    /// `Name` of the only one.
    pub const ENDPOINT_NAME: &'static str = "WiFi Endpoint 0";

    /// The endpoint, as an argument.
    pub fn reference() -> Reference {
        Reference::to(Self::NAME).with("Name", Self::ENDPOINT_NAME)
    }
}
