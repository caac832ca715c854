//! `CIM_WiFiPort` (`spec/wsman.md` §3.6).

use super::super::Class;
use crate::class::class;
use crate::op::Request;

class! {
    /// The wireless port. One instance, where the machine has such a port.
    WifiPort = "CIM_WiFiPort" {
        /// [`OFF`](Self::OFF), [`ON_IN_S0`](Self::ON_IN_S0), [`ON_IN_SX`](Self::ON_IN_SX).
        enabled_state: Option<u32> = "EnabledState",
        /// The state that was asked for last.
        requested_state: Option<u32> = "RequestedState",
        /// Address, twelve hexadecimal digits; zeroes where there is no port.
        permanent_address: Option<String> = "PermanentAddress",
    }
}

impl WifiPort {
    /// Off.
    pub const OFF: u32 = 3;
    /// On while the computer is on.
    pub const ON_IN_S0: u32 = 32_768;
    /// On in sleep as well, on mains.
    pub const ON_IN_SX: u32 = 32_769;

    /// Switches the port to one of the three states; others are refused (5).
    pub fn request_state_change(state: u32) -> Request {
        Request::invoke(Self::NAME, "RequestStateChange").arg("RequestedState", state)
    }
}
