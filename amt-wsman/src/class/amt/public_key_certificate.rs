//! `AMT_PublicKeyCertificate` (`spec/wsman.md` §3.8).

use super::super::Class;
use crate::class::class;
use crate::op::Request;
use crate::soap::Reference;
use base64::prelude::{BASE64_STANDARD, Engine};

class! {
    /// A certificate that the device holds.
    PublicKeyCertificate = "AMT_PublicKeyCertificate" {
        /// `Intel(r) AMT Certificate: Handle: N`.
        instance_id: String = "InstanceID",
        /// The certificate, base64 of DER.
        x509_certificate: String = "X509Certificate",
        /// Whether it is a trusted root. The wire has this spelling.
        trusted_root: Option<bool> = "TrustedRootCertficate",
        /// Issuer.
        issuer: Option<String> = "Issuer",
        /// Subject.
        subject: Option<String> = "Subject",
        /// Whether it cannot be deleted.
        read_only: Option<bool> = "ReadOnlyCertificate",
    }
}

impl PublicKeyCertificate {
    /// The certificate, DER; none if the text is no base64.
    pub fn der(&self) -> Option<Vec<u8>> {
        let text: String = self.x509_certificate.split_whitespace().collect();
        BASE64_STANDARD.decode(text).ok()
    }

    /// Its name on the device.
    pub fn reference(&self) -> Reference {
        Reference::to(Self::NAME).with("InstanceID", &self.instance_id)
    }

    /// Removes it. Refused while it is in use.
    pub fn delete(&self) -> Request {
        Request::delete(Self::NAME).at(&self.reference())
    }
}
