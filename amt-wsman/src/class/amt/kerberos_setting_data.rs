//! `AMT_KerberosSettingData` (`spec/wsman.md` §1.5).

use crate::class::class;
use crate::instance::{Instance, Value};
use crate::op::Request;
use amt_core::Secret;
use base64::prelude::{BASE64_STANDARD, Engine};

class! {
    /// Kerberos. One instance. Its keys are never told.
    KerberosSettingData = "AMT_KerberosSettingData" {
        /// [`ID`](Self::ID).
        instance_id: Option<String> = "InstanceID",
        /// Whether tickets are taken.
        krb_enabled: Option<bool> = "KrbEnabled",
        /// Realm.
        realm_name: Option<String> = "RealmName",
        /// Version of the key.
        key_version: Option<u32> = "KeyVersion",
        /// Most minutes that a ticket's clock may be off.
        maximum_clock_tolerance: Option<u32> = "MaximumClockTolerance",
        /// [`RC4_HMAC`](Self::RC4_HMAC) and others, as configured.
        configured_encryption_algorithms: Vec<u32> = "ConfiguredEncryptionAlgorithms",
        /// The same, as the firmware knows them; from AMT 8 on.
        supported_encryption_algorithms: Vec<u32> = "SupportedEncryptionAlgorithms",
    }
}

/// Where the machine's key comes from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum KerberosKey<'a> {
    /// The key of RC4-HMAC itself.
    Master(&'a Secret<[u8; 16]>),
    /// Passphrase, salt and rounds that the keys are derived from; from AMT 8 on.
    Passphrase(&'a Secret<String>, &'a str, u32),
}

impl KerberosSettingData {
    /// `InstanceID` of the only one. The blank is the firmware's.
    pub const ID: &'static str = "Intel (r) AMT: Kerberos Settings";
    /// Algorithm: RC4-HMAC.
    pub const RC4_HMAC: u32 = 0;
    /// Algorithm: AES-128 with CTS and HMAC-SHA1-96.
    pub const AES128: u32 = 1;
    /// Algorithm: AES-256 with CTS and HMAC-SHA1-96.
    pub const AES256: u32 = 2;

    /// Switches Kerberos on: puts `instance`, as it was read, back with realm, key and its version, and the algorithms that it
    /// is for (none: RC4-HMAC, and the only choice before AMT 8).
    pub fn enable(instance: &Instance, realm: &str, version: u32, key: KerberosKey<'_>, algorithms: &[u32]) -> Request {
        let mut changed = instance.clone();
        changed.set("KrbEnabled", true);
        changed.set("RealmName", realm);
        changed.set("KeyVersion", version);
        changed.set_all("ConfiguredEncryptionAlgorithms", algorithms.iter().map(|number| Value::from(*number)));
        let request = Request::put(&changed);
        match key {
            KerberosKey::Master(key) => {
                request.secret_arg("MasterKey", &Secret::new(BASE64_STANDARD.encode(key.expose())))
            }
            KerberosKey::Passphrase(passphrase, salt, iterations) => {
                request.secret_arg("Passphrase", passphrase).arg("Salt", salt).arg("IterationCount", iterations)
            }
        }
    }

    /// Switches Kerberos off; the firmware forgets realm and key.
    pub fn disable(instance: &Instance) -> Request {
        let mut changed = instance.clone();
        changed.set("KrbEnabled", false);
        Request::put(&changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Class;
    use crate::class::written::body;
    use crate::names::class_uri;

    fn expected(properties: &str) -> String {
        let class = KerberosSettingData::NAME;
        format!("<h:{class} xmlns:h=\"{}\">{properties}</h:{class}>", class_uri(class))
    }

    #[test]
    fn settings_are_put_back_whole_with_either_key() {
        let mut instance = Instance::new(KerberosSettingData::NAME);
        instance.push("InstanceID", KerberosSettingData::ID);
        instance.push("KrbEnabled", false);
        let passphrase = Secret::from("a&b");
        let key = KerberosKey::Passphrase(&passphrase, "SALT", 4096);
        let request = KerberosSettingData::enable(&instance, "EXAMPLE.COM", 3, key, &[1, 2]);
        let common = "<h:InstanceID>Intel (r) AMT: Kerberos Settings</h:InstanceID><h:KrbEnabled>true</h:KrbEnabled>\
            <h:RealmName>EXAMPLE.COM</h:RealmName><h:KeyVersion>3</h:KeyVersion>";
        let aes = "<h:ConfiguredEncryptionAlgorithms>1</h:ConfiguredEncryptionAlgorithms>\
            <h:ConfiguredEncryptionAlgorithms>2</h:ConfiguredEncryptionAlgorithms>\
            <h:Passphrase>a&amp;b</h:Passphrase><h:Salt>SALT</h:Salt><h:IterationCount>4096</h:IterationCount>";
        assert_eq!(body(&request), expected(&format!("{common}{aes}")));
        assert!(!format!("{request:?} {key:?}").contains("a&b"));
        let master = Secret::new([0; 16]);
        let request = KerberosSettingData::enable(&instance, "EXAMPLE.COM", 3, KerberosKey::Master(&master), &[]);
        let key = "<h:MasterKey>AAAAAAAAAAAAAAAAAAAAAA==</h:MasterKey>";
        assert_eq!(body(&request), expected(&format!("{common}{key}")));
        let off = "<h:InstanceID>Intel (r) AMT: Kerberos Settings</h:InstanceID><h:KrbEnabled>false</h:KrbEnabled>";
        assert_eq!(body(&KerberosSettingData::disable(&instance)), expected(off));
    }
}
