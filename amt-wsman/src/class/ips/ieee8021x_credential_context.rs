//! `IPS_8021xCredentialContext` (`spec/wsman.md` §3.7).

use crate::class::class;
use crate::soap::Reference;

class! {
    /// Which certificates 802.1X of the wired port uses, on newer firmware: the client's, and the authority of the server's.
    WiredIeee8021xCredentialContext = "IPS_8021xCredentialContext" {
        /// The certificate.
        certificate: Reference = "ElementInContext",
        /// The settings.
        settings: Reference = "ElementProvidingContext",
    }
}
