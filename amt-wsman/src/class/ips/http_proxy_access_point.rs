//! `IPS_HTTPProxyAccessPoint` (`spec/wsman.md` §3.10).

use super::super::Class;
use crate::class::class;
use crate::op::Request;

class! {
    /// One HTTP proxy.
    HttpProxyAccessPoint = "IPS_HTTPProxyAccessPoint" {
        /// Which one.
        name: String = "Name",
        /// Its address.
        access_info: Option<String> = "AccessInfo",
        /// Its port.
        port: Option<u32> = "Port",
        /// DNS suffix of the networks that it is for.
        network_dns_suffix: Option<String> = "NetworkDnsSuffix",
    }
}

impl HttpProxyAccessPoint {
    /// Deletes the proxy.
    pub fn delete(&self) -> Request {
        Request::delete(Self::NAME).selector("Name", self.name.as_str())
    }
}
