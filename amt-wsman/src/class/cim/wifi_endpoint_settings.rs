//! `CIM_WiFiEndpointSettings` (`spec/wsman.md` §3.6).

use super::super::Class;
use crate::class::class;
use crate::instance::Value;
use crate::names;
use crate::op::Request;
use crate::soap::Reference;
use amt_core::Secret;

class! {
    /// One wireless profile. Its passphrase is never told.
    WifiEndpointSettings = "CIM_WiFiEndpointSettings" {
        /// [`ID_PREFIX`](Self::ID_PREFIX) and the name; something else where the computer's user shared the profile.
        instance_id: Option<String> = "InstanceID",
        /// Name.
        element_name: Option<String> = "ElementName",
        /// Name of the network.
        ssid: Option<String> = "SSID",
        /// How one joins: [`WPA2_PSK`](Self::WPA2_PSK) and others.
        authentication_method: Option<u32> = "AuthenticationMethod",
        /// How it is encrypted: [`CCMP`](Self::CCMP) and others.
        encryption_method: Option<u32> = "EncryptionMethod",
        /// From 1, the most wanted; 0 where the computer's user shared the profile.
        priority: Option<u32> = "Priority",
    }
}

impl WifiEndpointSettings {
    /// What `InstanceID` of an administrator's profile begins with; the name follows.
    pub const ID_PREFIX: &'static str = "Intel(r) AMT:WiFi Endpoint Settings ";

    /// `AuthenticationMethod`: WPA with a passphrase.
    pub const WPA_PSK: u32 = 4;
    /// `AuthenticationMethod`: WPA with 802.1X.
    pub const WPA_8021X: u32 = 5;
    /// `AuthenticationMethod`: WPA2 with a passphrase.
    pub const WPA2_PSK: u32 = 6;
    /// `AuthenticationMethod`: WPA2 with 802.1X.
    pub const WPA2_8021X: u32 = 7;
    /// `AuthenticationMethod`: WPA3 with a passphrase (SAE).
    pub const WPA3_SAE: u32 = 32_768;
    /// `AuthenticationMethod`: WPA3 without one (OWE).
    pub const WPA3_OWE: u32 = 32_769;
    /// `EncryptionMethod`: TKIP.
    pub const TKIP: u32 = 3;
    /// `EncryptionMethod`: CCMP, which is AES.
    pub const CCMP: u32 = 4;

    /// The profile of this name, as an argument.
    pub fn reference(name: &str) -> Reference {
        Reference::to(Self::NAME).with("InstanceID", format!("{}{name}", Self::ID_PREFIX).as_str())
    }

    /// Deletes the administrator's profile of this name.
    pub fn delete(name: &str) -> Request {
        Request::delete(Self::NAME).at(&Self::reference(name))
    }

    /// The name, where an administrator wrote the profile; what the computer's user shared has none here.
    pub fn own_name(&self) -> Option<&str> {
        let name = self.instance_id.as_deref()?.strip_prefix(Self::ID_PREFIX)?;
        self.priority.is_none_or(|priority| priority > 0).then_some(name)
    }
}

/// A wireless profile to write.
#[derive(Clone, Copy, Debug)]
pub struct WifiProfile<'a> {
    name: &'a str,
    ssid: &'a str,
    authentication: u32,
    encryption: u32,
    priority: u32,
    passphrase: Option<&'a Secret<String>>,
}

impl<'a> WifiProfile<'a> {
    /// A profile without a passphrase. Name and priority (from 1) are each the profile's alone.
    pub const fn new(name: &'a str, ssid: &'a str, authentication: u32, encryption: u32, priority: u32) -> Self {
        Self { name, ssid, authentication, encryption, priority, passphrase: None }
    }

    /// The same with a passphrase, 8 to 63 characters.
    #[must_use]
    pub const fn passphrase(mut self, passphrase: &'a Secret<String>) -> Self {
        self.passphrase = Some(passphrase);
        self
    }

    /// The profile as an argument, in the namespace of its class.
    pub(crate) fn argument(&self) -> Value {
        let space = names::class_uri(WifiEndpointSettings::NAME);
        let id = format!("{}{}", WifiEndpointSettings::ID_PREFIX, self.name);
        let mut members: Vec<(&str, Value)> = vec![
            ("ElementName", self.name.into()),
            ("InstanceID", id.into()),
            ("AuthenticationMethod", self.authentication.into()),
            ("EncryptionMethod", self.encryption.into()),
            ("SSID", self.ssid.into()),
            ("Priority", self.priority.into()),
        ];
        members.extend(self.passphrase.map(|secret| ("PSKPassPhrase", secret.expose().into())));
        Value::Object(members.into_iter().map(|(name, value)| (format!("{{{space}}}{name}"), value)).collect())
    }
}
