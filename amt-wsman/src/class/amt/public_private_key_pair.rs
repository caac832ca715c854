//! `AMT_PublicPrivateKeyPair` (`spec/wsman.md` §3.8).

use super::super::Class;
use crate::class::class;
use crate::op::Request;
use crate::soap::Reference;
use base64::prelude::{BASE64_STANDARD, Engine};

class! {
    /// A key pair that the device holds; only its public half can be read.
    PublicPrivateKeyPair = "AMT_PublicPrivateKeyPair" {
        /// `Intel(r) AMT Key: Handle: N`.
        instance_id: String = "InstanceID",
        /// Public half: base64 of a PKCS#1 `RSAPublicKey`.
        der_key: String = "DERKey",
    }
}

impl PublicPrivateKeyPair {
    /// The PKCS#1 `RSAPublicKey`, DER; none if the text is no base64.
    pub fn der(&self) -> Option<Vec<u8>> {
        let text: String = self.der_key.split_whitespace().collect();
        BASE64_STANDARD.decode(text).ok()
    }

    /// Its name on the device.
    pub fn reference(&self) -> Reference {
        Reference::to(Self::NAME).with("InstanceID", &self.instance_id)
    }

    /// Reads the pair that `reference` names.
    pub fn get_at(reference: &Reference) -> Request {
        Request::get(Self::NAME).at(reference)
    }

    /// Removes it. Refused while it is in use.
    pub fn delete(&self) -> Request {
        Request::delete(Self::NAME).at(&self.reference())
    }
}
