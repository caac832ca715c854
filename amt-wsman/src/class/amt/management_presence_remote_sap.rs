//! `AMT_ManagementPresenceRemoteSAP` (`spec/wsman.md` §3.10).

use super::super::Class;
use crate::class::class;
use crate::op::Request;
use crate::soap::Reference;

class! {
    /// One management presence server.
    ManagementPresenceRemoteSap = "AMT_ManagementPresenceRemoteSAP" {
        /// Which one.
        name: String = "Name",
        /// Its address.
        access_info: Option<String> = "AccessInfo",
        /// 3 IPv4, 4 IPv6, 201 a name.
        info_format: Option<u32> = "InfoFormat",
        /// Its port.
        port: Option<u32> = "Port",
        /// The name in its certificate.
        common_name: Option<String> = "CN",
    }
}

impl ManagementPresenceRemoteSap {
    /// This server, as an argument.
    pub fn reference(&self) -> Reference {
        Reference::to(Self::NAME).with("Name", self.name.as_str())
    }

    /// Deletes this server. Refused while a rule names it: delete the rules first.
    pub fn delete(&self) -> Request {
        Request::delete(Self::NAME).at(&self.reference())
    }
}
