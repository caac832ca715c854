//! `AMT_8021XProfile` (`spec/wsman.md` §3.7).

use crate::class::class;
use crate::instance::Value;

class! {
    /// 802.1X of the wired port, on older firmware. One instance; its password is never told. Where it does not answer,
    /// [`WiredIeee8021xSettings`](crate::class::ips::WiredIeee8021xSettings) does.
    Profile8021x = "AMT_8021XProfile" {
        /// Which one.
        instance_id: Option<String> = "InstanceID",
        /// Whether it is on. User, password, protocol and certificates are left out of a Put that switches it off.
        enabled: Option<bool> = "Enabled",
        /// As in the newer class up to 5; 6 is EAP-FAST with TLS.
        authentication_protocol: Option<u32> = "AuthenticationProtocol",
        /// User.
        username: Option<String> = "Username",
        /// Domain of the user.
        domain: Option<String> = "Domain",
        /// Identity outside the tunnel.
        roaming_identity: Option<String> = "RoamingIdentity",
        /// Name that the server's certificate must have.
        server_certificate_name: Option<String> = "ServerCertificateName",
        /// The client's certificate, an endpoint reference.
        client_certificate: Option<Value> = "ClientCertificate",
        /// Authority of the server's certificate, an endpoint reference.
        server_certificate_issuer: Option<Value> = "ServerCertificateIssuer",
        /// Whether it counts while the computer's own system runs.
        active_in_s0: Option<bool> = "ActiveInS0",
        /// Seconds for which the port is left to a boot over the network; 0: not at all.
        pxe_timeout: Option<u32> = "PxeTimeout",
    }
}
