//! `CIM_KVMRedirectionSAP` (`spec/wsman.md` §3.9).

use super::super::Class;
use crate::class::class;
use crate::op::Request;

class! {
    /// The screen over the network. One instance; Standard Manageability does not have the class.
    KvmRedirectionSap = "CIM_KVMRedirectionSAP" {
        /// [`IN_SESSION`](Self::IN_SESSION) and [`IDLE`](Self::IDLE) when it is on, 3 when it is off.
        enabled_state: Option<u32> = "EnabledState",
        /// What was asked for last.
        requested_state: Option<u32> = "RequestedState",
    }
}

impl KvmRedirectionSap {
    /// `EnabledState`: on, and somebody is connected.
    pub const IN_SESSION: u32 = 2;
    /// `EnabledState`: on, and nobody is connected.
    pub const IDLE: u32 = 6;

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        matches!(self.enabled_state, Some(Self::IN_SESSION | Self::IDLE))
    }

    /// Switches it on or off.
    pub fn request_state_change(on: bool) -> Request {
        Request::invoke(Self::NAME, "RequestStateChange").arg("RequestedState", if on { 2 } else { 3 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::Envelope;

    #[test]
    fn two_is_on_and_three_is_off() {
        for (on, state) in [(true, "2"), (false, "3")] {
            let body = &Envelope::decode(&KvmRedirectionSap::request_state_change(on).encode(1)).unwrap().body[0];
            assert_eq!(body.name, "RequestStateChange_INPUT");
            assert_eq!(body.child("RequestedState").unwrap().text, state);
        }
        assert!(KvmRedirectionSap { enabled_state: Some(6), ..Default::default() }.is_on());
        assert!(!KvmRedirectionSap { enabled_state: Some(3), ..Default::default() }.is_on());
    }
}
