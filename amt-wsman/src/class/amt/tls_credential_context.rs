//! `AMT_TLSCredentialContext` (`spec/wsman.md` §3.8).

use super::super::Class;
use super::TlsProtocolEndpointCollection;
use crate::class::class;
use crate::instance::Instance;
use crate::op::Request;
use crate::soap::Reference;

class! {
    /// Which certificate the device serves.
    TlsCredentialContext = "AMT_TLSCredentialContext" {
        /// The certificate.
        certificate: Reference = "ElementInContext",
        /// The endpoints that serve it.
        endpoints: Reference = "ElementProvidingContext",
    }
}

impl TlsCredentialContext {
    /// Serves `certificate`. If a context exists (fault `AlreadyExists`), [`put`](Self::put) replaces its certificate.
    pub fn create(certificate: &Reference) -> Request {
        Request::create(&instance(certificate))
    }

    /// Serves `certificate` instead of the present one.
    pub fn put(certificate: &Reference) -> Request {
        Request::put(&instance(certificate))
    }

    /// Stops serving the certificate of this context.
    pub fn delete(&self) -> Request {
        Request::delete(Self::NAME)
            .selector("ElementInContext", self.certificate.clone())
            .selector("ElementProvidingContext", self.endpoints.clone())
    }
}

fn instance(certificate: &Reference) -> Instance {
    let mut instance = Instance::new(TlsCredentialContext::NAME);
    instance.push("ElementInContext", certificate);
    instance.push("ElementProvidingContext", TlsProtocolEndpointCollection::reference());
    instance
}
