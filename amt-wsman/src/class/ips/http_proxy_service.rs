//! `IPS_HTTPProxyService` (`spec/wsman.md` §3.10).

use super::super::Class;
use crate::Error;
use crate::class::amt::info_format;
use crate::class::class;
use crate::op::{Reply, Request};
use crate::soap::Reference;

class! {
    /// HTTP proxies through which the device leaves a network. One instance, from AMT 12 on.
    HttpProxyService = "IPS_HTTPProxyService" {
        /// Name.
        name: Option<String> = "Name",
    }
}

impl HttpProxyService {
    /// Adds a proxy for networks with this DNS suffix. The same one again is a duplicate (2058).
    pub fn add_proxy_access_point(address: &str, port: u16, network_dns_suffix: &str) -> Request {
        Request::invoke(Self::NAME, "AddProxyAccessPoint")
            .arg("AccessInfo", address)
            .arg("InfoFormat", info_format(address))
            .arg("Port", u32::from(port))
            .arg("NetworkDnsSuffix", network_dns_suffix)
    }

    /// The proxy that [`add_proxy_access_point`](Self::add_proxy_access_point) made.
    pub fn proxy_access_point(reply: &Reply) -> Result<Reference, Error> {
        reply.output()?.required_reference("ProxyAccessPoint").cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::written::{body, call};

    #[test]
    fn a_proxy_is_written_byte_for_byte() {
        let request = HttpProxyService::add_proxy_access_point("proxy.example.com", 8080, "example.com");
        let arguments = "<h:AccessInfo>proxy.example.com</h:AccessInfo><h:InfoFormat>201</h:InfoFormat>\
            <h:Port>8080</h:Port><h:NetworkDnsSuffix>example.com</h:NetworkDnsSuffix>";
        assert_eq!(body(&request), call("IPS_HTTPProxyService", "AddProxyAccessPoint", arguments));
    }
}
