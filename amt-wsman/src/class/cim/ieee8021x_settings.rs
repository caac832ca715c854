//! `CIM_IEEE8021xSettings` (`spec/wsman.md` §3.6, §3.7).

use super::super::Class;
use crate::class::class;
use crate::instance::Value;
use crate::names;
use amt_core::Secret;

class! {
    /// 802.1X of one wireless profile. Its password is never told.
    Ieee8021xSettings = "CIM_IEEE8021xSettings" {
        /// Which one.
        instance_id: Option<String> = "InstanceID",
        /// Name of the wireless profile.
        element_name: Option<String> = "ElementName",
        /// [`EAP_TLS`](Self::EAP_TLS) and others.
        authentication_protocol: Option<u32> = "AuthenticationProtocol",
        /// User.
        username: Option<String> = "Username",
        /// Domain of the user.
        domain: Option<String> = "Domain",
        /// Identity outside the tunnel.
        roaming_identity: Option<String> = "RoamingIdentity",
        /// Name that the server's certificate must have.
        server_certificate_name: Option<String> = "ServerCertificateName",
    }
}

impl Ieee8021xSettings {
    /// `AuthenticationProtocol`: EAP-TLS, by certificate.
    pub const EAP_TLS: u32 = 0;
    /// `AuthenticationProtocol`: PEAPv0 with MSCHAPv2, by password.
    pub const PEAP_MSCHAPV2: u32 = 2;

    /// `InstanceID` of the settings of the wireless profile `name`.
    pub fn id(name: &str) -> String {
        format!("Intel(r) AMT:IEEE 802.1x Settings {name}")
    }
}

/// 802.1X settings to write.
#[derive(Clone, Copy, Debug)]
pub struct Ieee8021x<'a> {
    name: &'a str,
    protocol: u32,
    username: Option<&'a str>,
    password: Option<&'a Secret<String>>,
    domain: Option<&'a str>,
    roaming_identity: Option<&'a str>,
    server_name: Option<(&'a str, u32)>,
}

impl<'a> Ieee8021x<'a> {
    /// Settings of this name and protocol.
    pub const fn new(name: &'a str, protocol: u32) -> Self {
        Self { name, protocol, username: None, password: None, domain: None, roaming_identity: None, server_name: None }
    }

    /// The same with a user.
    #[must_use]
    pub const fn username(mut self, username: &'a str) -> Self {
        self.username = Some(username);
        self
    }

    /// The same with the user's password.
    #[must_use]
    pub const fn password(mut self, password: &'a Secret<String>) -> Self {
        self.password = Some(password);
        self
    }

    /// The same with the user's domain.
    #[must_use]
    pub const fn domain(mut self, domain: &'a str) -> Self {
        self.domain = Some(domain);
        self
    }

    /// The same with an identity outside the tunnel.
    #[must_use]
    pub const fn roaming_identity(mut self, identity: &'a str) -> Self {
        self.roaming_identity = Some(identity);
        self
    }

    /// The same with a name that the server's certificate must have: 2 the whole of it, 3 at its end.
    #[must_use]
    pub const fn server_name(mut self, name: &'a str, comparison: u32) -> Self {
        self.server_name = Some((name, comparison));
        self
    }

    /// The settings as an argument, in the namespace of their class.
    pub(crate) fn argument(&self) -> Value {
        let space = names::class_uri(Ieee8021xSettings::NAME);
        let mut members: Vec<(&str, Value)> = vec![
            ("ElementName", self.name.into()),
            ("InstanceID", Ieee8021xSettings::id(self.name).into()),
            ("AuthenticationProtocol", self.protocol.into()),
        ];
        members.extend(self.username.map(|text| ("Username", text.into())));
        members.extend(self.password.map(|secret| ("Password", secret.expose().into())));
        members.extend(self.domain.map(|text| ("Domain", text.into())));
        members.extend(self.roaming_identity.map(|text| ("RoamingIdentity", text.into())));
        if let Some((name, comparison)) = self.server_name {
            members.push(("ServerCertificateName", name.into()));
            members.push(("ServerCertificateNameComparison", comparison.into()));
        }
        Value::Object(members.into_iter().map(|(name, value)| (format!("{{{space}}}{name}"), value)).collect())
    }
}
