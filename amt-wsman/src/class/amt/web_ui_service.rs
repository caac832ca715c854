//! `AMT_WebUIService`.

use super::super::Class;
use crate::class::class;
use crate::op::Request;

class! {
    /// The device's web pages. One instance.
    WebUiService = "AMT_WebUIService" {
        /// [`ON`](Self::ON) or [`OFF`](Self::OFF).
        enabled_state: Option<u32> = "EnabledState",
    }
}

impl WebUiService {
    /// The pages are shown.
    pub const ON: u32 = 2;
    /// They are not.
    pub const OFF: u32 = 3;

    /// Switches the pages; other states are refused (5).
    pub fn request_state_change(state: u32) -> Request {
        Request::invoke(Self::NAME, "RequestStateChange").arg("RequestedState", state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::amt::UserInitiatedConnectionService;
    use crate::class::cim::WifiPort;
    use crate::class::written::{body, call};

    #[test]
    fn states_are_asked_for_alike() {
        let expected = |class: &str, state: u32| {
            call(class, "RequestStateChange", &format!("<h:RequestedState>{state}</h:RequestedState>"))
        };
        let web = WebUiService::request_state_change(WebUiService::OFF);
        assert_eq!(body(&web), expected("AMT_WebUIService", 3));
        let port = WifiPort::request_state_change(WifiPort::ON_IN_SX);
        assert_eq!(body(&port), expected("CIM_WiFiPort", 32_769));
        let user = UserInitiatedConnectionService::request_state_change(UserInitiatedConnectionService::BOTH);
        assert_eq!(body(&user), expected("AMT_UserInitiatedConnectionService", 32_771));
    }
}
