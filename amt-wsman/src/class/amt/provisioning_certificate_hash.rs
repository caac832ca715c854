//! `AMT_ProvisioningCertificateHash` (`spec/wsman.md` §3.1).

use crate::class::class;

class! {
    /// A root that provisioning certificates may lead to, by the hash of its certificate.
    ProvisioningCertificateHash = "AMT_ProvisioningCertificateHash" {
        /// Key.
        instance_id: String = "InstanceID",
        /// Name of the authority.
        element_name: Option<String> = "ElementName",
        /// Hash, base64.
        hash_data: String = "HashData",
        /// Algorithm.
        hash_type: Option<u32> = "HashType",
        /// Whether it is in use.
        enabled: Option<bool> = "Enabled",
        /// Whether it is there from the factory.
        is_default: Option<bool> = "IsDefault",
    }
}
