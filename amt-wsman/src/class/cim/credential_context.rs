//! `CIM_CredentialContext` (`spec/wsman.md` §3.6).

use crate::class::class;
use crate::soap::Reference;

class! {
    /// Which certificate belongs to which settings: those of 802.1X of a wireless profile. Firmware tells associations of subclasses
    /// too, of TLS and of the wired port, when this class is enumerated.
    CredentialContext = "CIM_CredentialContext" {
        /// The certificate.
        certificate: Reference = "ElementInContext",
        /// Whose it is.
        settings: Reference = "ElementProvidingContext",
    }
}
