//! `AMT_RemoteAccessPolicyRule` (`spec/wsman.md` §3.10).

use super::super::Class;
use crate::class::class;
use crate::op::Request;

class! {
    /// One rule of when the device connects. At most one of each trigger.
    RemoteAccessPolicyRule = "AMT_RemoteAccessPolicyRule" {
        /// `User Initiated`, `Alert` or `Periodic`.
        policy_rule_name: String = "PolicyRuleName",
        /// 0 the user, 1 an alert, 2 time.
        trigger: Option<u32> = "Trigger",
        /// Seconds for which a connection stays; 0 for ever.
        tunnel_life_time: Option<u32> = "TunnelLifeTime",
        /// When, in base64: words in the order of the network, 0 and seconds, or 1, hour and minute.
        extended_data: Option<String> = "ExtendedData",
    }
}

impl RemoteAccessPolicyRule {
    /// Deletes the rule of this name.
    pub fn delete(name: &str) -> Request {
        Request::delete(Self::NAME).selector("PolicyRuleName", name)
    }
}
