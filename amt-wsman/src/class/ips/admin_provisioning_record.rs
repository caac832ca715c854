//! `IPS_AdminProvisioningRecord` (`spec/wsman.md` §3.1).

use crate::class::class;

class! {
    /// How the machine came into admin control mode from its host.
    AdminProvisioningRecord = "IPS_AdminProvisioningRecord" {
        /// Key.
        instance_id: Option<String> = "InstanceID",
        /// Name of the server that signed, out of its certificate.
        prov_server_fqdn: Option<String> = "ProvServerFQDN",
        /// Algorithm of the root's hash.
        selected_hash_type: Option<u32> = "SelectedHashType",
        /// Hash of the root, base64.
        selected_hash_data: Option<String> = "SelectedHashData",
        /// Whether that root is there from the factory.
        hash_is_oem_default: Option<bool> = "HashIsOemDefault",
    }
}
