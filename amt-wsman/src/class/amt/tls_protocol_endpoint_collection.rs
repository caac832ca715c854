//! `AMT_TLSProtocolEndpointCollection` (`spec/wsman.md` §3.8).

use super::super::Class;
use crate::class::class;
use crate::soap::Reference;

class! {
    /// The endpoints that speak TLS. One instance.
    TlsProtocolEndpointCollection = "AMT_TLSProtocolEndpointCollection" {
        /// Name, with a blank more than the one that it is sent by.
        element_name: String = "ElementName",
    }
}

impl TlsProtocolEndpointCollection {
    /// Name as every client sends it; firmware reports `TLSProtocolEndpoint Instances Collection`.
    pub const ELEMENT_NAME: &'static str = "TLSProtocolEndpointInstances Collection";

    /// The collection, as an argument.
    pub fn reference() -> Reference {
        Reference::to(Self::NAME).with("ElementName", Self::ELEMENT_NAME)
    }
}
