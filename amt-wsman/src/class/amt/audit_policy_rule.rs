//! `AMT_AuditPolicyRule` (`spec/wsman.md` §3.12; Intel's description of the class, version 7).

use crate::class::{Class, class};
use crate::op::Request;

class! {
    /// Which events the audit log records. One instance.
    AuditPolicyRule = "AMT_AuditPolicyRule" {
        /// The events: part of the firmware in the upper 16 bits, event of that part in the lower.
        audit_application_event_id: Vec<u32> = "AuditApplicationEventID",
        /// Of each event: 0, or 1 where it does not happen if it cannot be recorded.
        policy_type: Vec<u32> = "PolicyType",
    }
}

impl AuditPolicyRule {
    /// Switches the recording of events on, not critical, or off: all of one part of the firmware, and not too many, since firmware takes
    /// about 6000 bytes. If one is refused, nothing is changed.
    pub fn set_policy(application: u16, events: &[u16], on: bool) -> Request {
        let each = |request: Request, name: &'static str, value: &dyn Fn(u16) -> String| {
            events.iter().fold(request, |request, event| request.arg(name, value(*event)))
        };
        let mut request = Request::invoke(Self::NAME, "SetAuditPolicyBulk");
        request = each(request, "Enable", &|_| on.to_string());
        request = each(request, "AuditedAppID", &|_| application.to_string());
        request = each(request, "EventID", &|event| event.to_string());
        each(request, "PolicyType", &|_| "0".to_owned())
    }
}
