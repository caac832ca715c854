//! `AMT_RemoteAccessPolicyAppliesToMPS` (`spec/wsman.md` §3.10).

use crate::class::class;
use crate::instance::Instance;
use crate::op::Request;
use crate::soap::Reference;

class! {
    /// That a rule applies to a server. One instance for each pair.
    RemoteAccessPolicyAppliesToMps = "AMT_RemoteAccessPolicyAppliesToMPS" {
        /// The server.
        server: Reference = "ManagedElement",
        /// The rule.
        rule: Reference = "PolicySet",
        /// Which server of a rule is tried first, from 0.
        order_of_access: Option<u32> = "OrderOfAccess",
        /// [`EXTERNAL`](Self::EXTERNAL), [`INTERNAL`](Self::INTERNAL), [`BOTH`](Self::BOTH); missing before 11.6.
        mps_type: Option<u32> = "MpsType",
    }
}

impl RemoteAccessPolicyAppliesToMps {
    /// `MpsType`: used outside of the home networks.
    pub const EXTERNAL: u32 = 0;
    /// `MpsType`: used inside.
    pub const INTERNAL: u32 = 1;
    /// `MpsType`: both.
    pub const BOTH: u32 = 2;

    /// Puts `instance`, as it was read, back with another `MpsType`. The pair selects it. The answer has no body.
    pub fn put_mps_type(instance: &Instance, mps_type: u32) -> Result<Request, crate::Error> {
        let mut changed = instance.clone();
        changed.set("MpsType", mps_type);
        let mut request = Request::put(&changed);
        for name in ["ManagedElement", "PolicySet"] {
            request = request.selector(name, instance.required_reference(name)?.clone());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::written::{body, reference};
    use crate::names::class_uri;
    use crate::soap::Envelope;

    #[test]
    fn the_type_is_put_back_with_the_pair_as_selectors() {
        let class = "AMT_RemoteAccessPolicyAppliesToMPS";
        let mut instance = Instance::new(class);
        let server = Reference::to("AMT_ManagementPresenceRemoteSAP").with("Name", "S");
        let rule = Reference::to("AMT_RemoteAccessPolicyRule").with("PolicyRuleName", "Periodic");
        instance.push("ManagedElement", &server);
        instance.push("MpsType", 0);
        instance.push("OrderOfAccess", 0);
        instance.push("PolicySet", &rule);
        let request = RemoteAccessPolicyAppliesToMps::put_mps_type(&instance, RemoteAccessPolicyAppliesToMps::BOTH);
        let request = request.unwrap();
        let expected = format!(
            "<h:{class} xmlns:h=\"{}\"><h:ManagedElement>{}</h:ManagedElement><h:MpsType>2</h:MpsType>\
             <h:OrderOfAccess>0</h:OrderOfAccess><h:PolicySet>{}</h:PolicySet></h:{class}>",
            class_uri(class),
            reference("AMT_ManagementPresenceRemoteSAP", "Name", "S"),
            reference("AMT_RemoteAccessPolicyRule", "PolicyRuleName", "Periodic")
        );
        assert_eq!(body(&request), expected);
        let selectors = Envelope::decode(&request.encode(1)).unwrap().selectors;
        assert_eq!(selectors[0].value, server.into());
        assert_eq!(selectors[1].value, rule.into());
        assert!(RemoteAccessPolicyAppliesToMps::put_mps_type(&Instance::new(class), 2).is_err());
    }
}
