//! `AMT_SystemPowerScheme` (`spec/wsman.md` §3.11, `spec/setupbin.md` §2.3).

use super::super::Class;
use crate::class::class;
use crate::op::Request;
use base64::prelude::{BASE64_STANDARD, Engine};

class! {
    /// A power package: in which states of the computer the device works. Which is active is told by
    /// [`ElementSettingData`](crate::class::cim::ElementSettingData::active_power_scheme).
    SystemPowerScheme = "AMT_SystemPowerScheme" {
        /// Key.
        instance_id: String = "InstanceID",
        /// Meaning, for people.
        description: Option<String> = "Description",
        /// Identifier, base64 of its sixteen bytes in the printed order.
        scheme_guid: Option<String> = "SchemeGUID",
    }
}

impl SystemPowerScheme {
    /// The identifier's bytes.
    pub fn guid(&self) -> Option<[u8; 16]> {
        BASE64_STANDARD.decode(self.scheme_guid.as_deref()?).ok()?.try_into().ok()
    }

    /// Makes this package the active one.
    pub fn set_power_scheme(instance_id: &str) -> Request {
        Request::invoke(Self::NAME, "SetPowerScheme").selector("InstanceID", instance_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::Envelope;

    #[test]
    fn the_package_is_chosen_by_selector() {
        let request = SystemPowerScheme::set_power_scheme("Intel(r) AMT:Power Scheme 1").encode(1);
        let text = String::from_utf8(request.clone()).unwrap();
        assert!(text.contains("<w:Selector Name=\"InstanceID\">Intel(r) AMT:Power Scheme 1</w:Selector>"), "{text}");
        assert_eq!(Envelope::decode(&request).unwrap().body[0].name, "SetPowerScheme_INPUT");
        let guid = Some("cyJzRiPcQy+pihPTeYLYVQ==".to_owned());
        let package = SystemPowerScheme { scheme_guid: guid, ..Default::default() };
        assert_eq!(package.guid().unwrap()[..4], [0x73, 0x22, 0x73, 0x46]);
    }
}
