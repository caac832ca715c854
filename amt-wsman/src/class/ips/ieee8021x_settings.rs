//! `IPS_IEEE8021xSettings` (`spec/wsman.md` §3.7).

use super::super::Class;
use crate::class::class;
use crate::op::Request;
use crate::soap::Reference;

class! {
    /// 802.1X of the wired port, on newer firmware. One instance; its password is never told. Where it does not answer,
    /// [`Profile8021x`](crate::class::amt::Profile8021x) does.
    WiredIeee8021xSettings = "IPS_IEEE8021xSettings" {
        /// Which one.
        instance_id: Option<String> = "InstanceID",
        /// [`WITH_CERTIFICATES`](Self::WITH_CERTIFICATES), [`OFF`](Self::OFF),
        /// [`WITHOUT_CERTIFICATES`](Self::WITHOUT_CERTIFICATES).
        enabled: Option<u32> = "Enabled",
        /// 0 EAP-TLS, 2 PEAPv0 with MSCHAPv2, 3 PEAPv1 with GTC, 5 EAP-FAST with GTC, 10 EAP-FAST with TLS.
        authentication_protocol: Option<u32> = "AuthenticationProtocol",
        /// User.
        username: Option<String> = "Username",
        /// Domain of the user.
        domain: Option<String> = "Domain",
        /// Identity outside the tunnel.
        roaming_identity: Option<String> = "RoamingIdentity",
        /// Name that the server's certificate must have.
        server_certificate_name: Option<String> = "ServerCertificateName",
        /// Seconds for which the port is left to a boot over the network; 0: not at all.
        pxe_timeout: Option<u32> = "PxeTimeout",
    }
}

impl WiredIeee8021xSettings {
    /// On; certificates follow by [`set_certificates`](Self::set_certificates).
    pub const WITH_CERTIFICATES: u32 = 2;
    /// Off. User, password and protocol are left out of the Put.
    pub const OFF: u32 = 3;
    /// On, without certificates.
    pub const WITHOUT_CERTIFICATES: u32 = 6;

    /// Sets the authority of the server's certificate and the client's certificate. Only while
    /// [`WITH_CERTIFICATES`](Self::WITH_CERTIFICATES) is put.
    pub fn set_certificates(authority: Option<&Reference>, client: Option<&Reference>) -> Request {
        let mut request = Request::invoke(Self::NAME, "SetCertificates");
        for (name, certificate) in [("ServerCertificateIssuer", authority), ("ClientCertificate", client)] {
            if let Some(certificate) = certificate {
                request = request.arg(name, certificate);
            }
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::written::{body, call, reference};

    #[test]
    fn certificates_are_written_byte_for_byte() {
        let class = "AMT_PublicKeyCertificate";
        let at = |handle: u32| {
            let id = format!("Intel(r) AMT Certificate: Handle: {handle}");
            (Reference::to(class).with("InstanceID", id.as_str()), reference(class, "InstanceID", &id))
        };
        let ((root, root_text), (client, client_text)) = (at(1), at(2));
        let issuer = format!("<h:ServerCertificateIssuer>{root_text}</h:ServerCertificateIssuer>");
        let own = format!("<h:ClientCertificate>{client_text}</h:ClientCertificate>");
        let expected = |arguments: &str| call("IPS_IEEE8021xSettings", "SetCertificates", arguments);
        let both = WiredIeee8021xSettings::set_certificates(Some(&root), Some(&client));
        assert_eq!(body(&both), expected(&format!("{issuer}{own}")));
        assert_eq!(body(&WiredIeee8021xSettings::set_certificates(Some(&root), None)), expected(&issuer));
    }
}
