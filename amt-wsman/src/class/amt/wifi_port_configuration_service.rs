//! `AMT_WiFiPortConfigurationService` (`spec/wsman.md` §3.6).

use super::super::Class;
use crate::class::cim::{Ieee8021x, WifiEndpoint, WifiEndpointSettings, WifiProfile};
use crate::class::class;
use crate::op::Request;
use crate::soap::Reference;

class! {
    /// Wireless profiles, and with whom they are shared. One instance.
    WifiPortConfigurationService = "AMT_WiFiPortConfigurationService" {
        /// Profiles of the computer's own system: 0 none, 1 the user's, 3 all. The small letter is the firmware's.
        local_profile_synchronization: Option<u32> = "localProfileSynchronizationEnabled",
        /// Whether profiles are shared with UEFI; missing where they cannot be.
        uefi_wifi_profile_share: Option<bool> = "UEFIWiFiProfileShareEnabled",
    }
}

impl WifiPortConfigurationService {
    /// Adds a profile, with 802.1X settings, the client's certificate and the server's authority where it has them. Not to
    /// be repeated blindly: a profile of that name is a duplicate (2058), a priority that is taken is refused (2067).
    pub fn add_wifi_settings(
        profile: &WifiProfile<'_>,
        ieee8021x: Option<&Ieee8021x<'_>>,
        client: Option<&Reference>,
        authority: Option<&Reference>,
    ) -> Request {
        let request = Request::invoke(Self::NAME, "AddWiFiSettings").arg("WiFiEndpoint", WifiEndpoint::reference());
        settings(request, profile, ieee8021x, client, authority)
    }

    /// Replaces the profile `name`; arguments as of [`add_wifi_settings`](Self::add_wifi_settings).
    pub fn update_wifi_settings(
        name: &str,
        profile: &WifiProfile<'_>,
        ieee8021x: Option<&Ieee8021x<'_>>,
        client: Option<&Reference>,
        authority: Option<&Reference>,
    ) -> Request {
        let request = Request::invoke(Self::NAME, "UpdateWiFiSettings")
            .arg("WiFiEndpointSettings", WifiEndpointSettings::reference(name));
        settings(request, profile, ieee8021x, client, authority)
    }
}

fn settings(
    request: Request,
    profile: &WifiProfile<'_>,
    ieee8021x: Option<&Ieee8021x<'_>>,
    client: Option<&Reference>,
    authority: Option<&Reference>,
) -> Request {
    let mut request = request.arg("WiFiEndpointSettingsInput", profile.argument());
    if let Some(settings) = ieee8021x {
        request = request.arg("IEEE8021xSettingsInput", settings.argument());
    }
    for (name, certificate) in [("ClientCredential", client), ("CACredential", authority)] {
        if let Some(certificate) = certificate {
            request = request.arg(name, certificate);
        }
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::cim::Ieee8021xSettings;
    use crate::class::written::{body, reference};
    use crate::names::class_uri;
    use amt_core::Secret;

    fn members(class: &str, members: &[(&str, &str)]) -> String {
        let space = class_uri(class);
        members.iter().map(|(name, text)| format!("<h:{name} xmlns:h=\"{space}\">{text}</h:{name}>")).collect()
    }

    #[test]
    fn a_profile_with_a_passphrase_is_written_byte_for_byte() {
        let passphrase = Secret::from("c0rrect&horse");
        let profile =
            WifiProfile::new("Office", "Net <1>", WifiEndpointSettings::WPA2_PSK, 4, 1).passphrase(&passphrase);
        let settings = members(
            "CIM_WiFiEndpointSettings",
            &[
                ("ElementName", "Office"),
                ("InstanceID", "Intel(r) AMT:WiFi Endpoint Settings Office"),
                ("AuthenticationMethod", "6"),
                ("EncryptionMethod", "4"),
                ("SSID", "Net &lt;1&gt;"),
                ("Priority", "1"),
                ("PSKPassPhrase", "c0rrect&amp;horse"),
            ],
        );
        let expected = |method: &str, first: &str, target: &str| {
            format!(
                "<h:{method}_INPUT xmlns:h=\"{}\"><h:{first}>{target}</h:{first}><h:WiFiEndpointSettingsInput>{settings}\
                 </h:WiFiEndpointSettingsInput></h:{method}_INPUT>",
                class_uri("AMT_WiFiPortConfigurationService")
            )
        };
        let add = WifiPortConfigurationService::add_wifi_settings(&profile, None, None, None);
        let endpoint = reference("CIM_WiFiEndpoint", "Name", "WiFi Endpoint 0");
        assert_eq!(body(&add), expected("AddWiFiSettings", "WiFiEndpoint", &endpoint));
        let update = WifiPortConfigurationService::update_wifi_settings("Office", &profile, None, None, None);
        let id = "Intel(r) AMT:WiFi Endpoint Settings Office";
        let target = reference("CIM_WiFiEndpointSettings", "InstanceID", id);
        assert_eq!(body(&update), expected("UpdateWiFiSettings", "WiFiEndpointSettings", &target));
        assert!(!format!("{profile:?} {add:?}").contains("horse"));
    }

    #[test]
    fn settings_of_8021x_have_their_own_namespace_and_certificates_follow() {
        let password = Secret::from("s3cret");
        let eap = Ieee8021x::new("Office", Ieee8021xSettings::PEAP_MSCHAPV2)
            .username("pc1")
            .password(&password)
            .domain("EXAMPLE")
            .roaming_identity("anonymous")
            .server_name("radius.example.com", 2);
        let profile = WifiProfile::new("Office", "Net", WifiEndpointSettings::WPA2_8021X, 4, 1);
        let certificate = |handle: u32| {
            let id = format!("Intel(r) AMT Certificate: Handle: {handle}");
            Reference::to("AMT_PublicKeyCertificate").with("InstanceID", id.as_str())
        };
        let (client, root) = (certificate(1), certificate(2));
        let add = WifiPortConfigurationService::add_wifi_settings(&profile, Some(&eap), Some(&client), Some(&root));
        let settings = members(
            "CIM_IEEE8021xSettings",
            &[
                ("ElementName", "Office"),
                ("InstanceID", "Intel(r) AMT:IEEE 802.1x Settings Office"),
                ("AuthenticationProtocol", "2"),
                ("Username", "pc1"),
                ("Password", "s3cret"),
                ("Domain", "EXAMPLE"),
                ("RoamingIdentity", "anonymous"),
                ("ServerCertificateName", "radius.example.com"),
                ("ServerCertificateNameComparison", "2"),
            ],
        );
        let of = |handle| reference("AMT_PublicKeyCertificate", "InstanceID", handle);
        let expected = format!(
            "<h:IEEE8021xSettingsInput>{settings}</h:IEEE8021xSettingsInput><h:ClientCredential>{}</h:ClientCredential>\
             <h:CACredential>{}</h:CACredential></h:AddWiFiSettings_INPUT>",
            of("Intel(r) AMT Certificate: Handle: 1"),
            of("Intel(r) AMT Certificate: Handle: 2")
        );
        assert!(body(&add).ends_with(&expected), "{}", body(&add));
        assert!(!format!("{eap:?}").contains("s3cret"));
    }
}
