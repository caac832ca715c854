//! `AMT_RedirectionService` (`spec/wsman.md` §3.9).

use super::super::Class;
use crate::class::class;
use crate::op::Request;

class! {
    /// Serial over LAN and remote drives. One instance. Two steps switch them: [`request_state_change`], then a Put with
    /// `ListenerEnabled`.
    ///
    /// [`request_state_change`]: Self::request_state_change
    RedirectionService = "AMT_RedirectionService" {
        /// 32768 and 1 for remote drives, 2 for serial over LAN.
        enabled_state: Option<u32> = "EnabledState",
        /// Whether the ports listen.
        listener_enabled: Option<bool> = "ListenerEnabled",
    }
}

impl RedirectionService {
    /// `EnabledState` with nothing on.
    pub const OFF: u32 = 32_768;
    /// Bit of remote drives.
    pub const DRIVES: u32 = 1;
    /// Bit of serial over LAN.
    pub const SERIAL: u32 = 2;

    /// Switches both: [`OFF`](Self::OFF) with the bits of those that are to be on.
    pub fn request_state_change(state: u32) -> Request {
        Request::invoke(Self::NAME, "RequestStateChange").arg("RequestedState", state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::Envelope;

    #[test]
    fn the_state_is_one_number() {
        let state = RedirectionService::OFF | RedirectionService::DRIVES | RedirectionService::SERIAL;
        let body = &Envelope::decode(&RedirectionService::request_state_change(state).encode(1)).unwrap().body[0];
        assert_eq!(body.child("RequestedState").unwrap().text, "32771");
    }
}
