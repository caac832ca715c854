//! 802.1X as a profile holds it, wired or wireless (`spec/wsman.md` §3.7). Passwords are kept and never told.

use amt_core::Secret;

/// EAP-TLS: the client's certificate is the credential.
pub(crate) const TLS: u32 = 0;
/// EAP-FAST with TLS inside it.
pub(crate) const FAST_TLS: u32 = 10;

/// Identity and credentials of one 802.1X profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Eap {
    pub(crate) protocol: u32,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret<String>>,
    pub(crate) domain: Option<String>,
    pub(crate) roaming_identity: Option<String>,
    pub(crate) server_name: Option<String>,
    /// 2 the whole name, 3 its suffix.
    pub(crate) comparison: Option<u32>,
    /// Handle of the client's certificate.
    pub(crate) client: Option<u32>,
    /// Handle of the authority that the server's certificate must come from.
    pub(crate) root: Option<u32>,
}

impl Eap {
    /// Whether a certificate of the machine's own is what it shows.
    pub(crate) const fn by_certificate(&self) -> bool {
        matches!(self.protocol, TLS | FAST_TLS)
    }

    pub(crate) fn uses(&self, certificate: u32) -> bool {
        self.client == Some(certificate) || self.root == Some(certificate)
    }

    /// What is told of it, by property.
    pub(crate) fn told(&self) -> Vec<(&'static str, String)> {
        let comparison = self.comparison.map(|number| number.to_string());
        let texts = [
            ("Domain", &self.domain),
            ("RoamingIdentity", &self.roaming_identity),
            ("ServerCertificateName", &self.server_name),
            ("ServerCertificateNameComparison", &comparison),
            ("Username", &self.username),
        ];
        let present = texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?)));
        [("AuthenticationProtocol", self.protocol.to_string())].into_iter().chain(present).collect()
    }
}

/// `Enabled`: on, with certificates of the store.
pub(crate) const WITH_CERTIFICATES: u32 = 2;
/// `Enabled`: off.
pub(crate) const OFF: u32 = 3;
/// `Enabled`: on, without certificates.
pub(crate) const WITHOUT_CERTIFICATES: u32 = 6;

/// 802.1X of the wired port.
#[derive(Clone, Debug)]
pub(crate) struct WiredEap {
    pub(crate) enabled: u32,
    /// Whether it counts while the computer's own system runs.
    pub(crate) in_s0: bool,
    /// Seconds for which it leaves the port to a boot over the network.
    pub(crate) pxe_timeout: u32,
    /// There is one where it is on.
    pub(crate) eap: Option<Eap>,
}

impl WiredEap {
    pub(crate) const FACTORY: Self = Self { enabled: OFF, in_s0: true, pxe_timeout: 120, eap: None };

    pub(crate) fn uses(&self, certificate: u32) -> bool {
        self.eap.as_ref().is_some_and(|eap| eap.uses(certificate))
    }
}
