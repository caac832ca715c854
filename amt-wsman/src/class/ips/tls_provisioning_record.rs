//! `IPS_TLSProvisioningRecord` (`spec/wsman.md` §3.1).

use crate::class::class;
use crate::instance::Value;

class! {
    /// How the machine was set up over TLS.
    TlsProvisioningRecord = "IPS_TLSProvisioningRecord" {
        /// Key.
        instance_id: Option<String> = "InstanceID",
        /// When it was set up, by the machine's clock.
        creation_time_stamp: Option<Value> = "CreationTimeStamp",
        /// 1 PSK, 2 PKI.
        provisioning_tls_mode: Option<u32> = "ProvisioningTLSMode",
        /// Whether the DNS suffix came from MEBx and not from DHCP.
        secure_dns: Option<bool> = "SecureDNS",
        /// Whether the host began it.
        host_initiated: Option<bool> = "HostInitiated",
        /// Name of the setup server, out of its certificate.
        prov_server_fqdn: Option<String> = "ProvServerFQDN",
        /// Address of the setup server.
        prov_server_ip: Option<String> = "ProvServerIP",
        /// Algorithm of the root's hash.
        selected_hash_type: Option<u32> = "SelectedHashType",
        /// Hash of the root, base64.
        selected_hash_data: Option<String> = "SelectedHashData",
        /// Whether that root is there from the factory.
        hash_is_oem_default: Option<bool> = "HashIsOemDefault",
        /// Serial numbers of the chain's authorities, base64, at most three.
        ca_certificate_serials: Vec<String> = "CaCertificateSerials",
        /// Whether the certificate was valid by the machine's clock; setup does not depend on it.
        is_time_valid: Option<bool> = "IsTimeValid",
    }
}
