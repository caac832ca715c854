//! `kerberos`: `AMT_KerberosSettingData` (`spec/wsman.md` §1.5). The account in the directory is made by somebody else.

use super::{Pass, Run, refused};
use crate::names;
use crate::profile::Kerberos;
use crate::session::read_general;
use crate::step::Step;
use amt_core::Failure;
use amt_wsman::class::Class;
use amt_wsman::class::amt::{KerberosKey, KerberosSettingData};
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;

pub(super) const PASSWORD: &str = "kerberos.password";
/// Rounds by which Kerberos derives keys from passwords (RFC 3962), as directories do.
const ROUNDS: u32 = 4096;
/// Version of the key where the profile does not say.
const FIRST_KEY: u32 = 1;
/// Strongest first, for directories that have not all of them.
const ALGORITHMS: &[u32] = &[KerberosSettingData::AES256, KerberosSettingData::AES128];

impl Run {
    pub(super) async fn kerberos(&mut self) -> Result<(), Failure> {
        let Some(kerberos) = self.profile().kerberos.clone() else { return Ok(()) };
        let Some(enabled) = kerberos.enabled else { return Ok(()) };
        let request = Request::get(KerberosSettingData::NAME).selector("InstanceID", KerberosSettingData::ID);
        let Some(instance) = self.read(request).await? else {
            if enabled {
                self.lacks("kerberos", "the firmware has no Kerberos");
            }
            return Ok(());
        };
        let has = instance.bool("KrbEnabled") == Some(true);
        if !enabled {
            if has && self.change("kerberos.enabled", "true", "false") {
                let request = KerberosSettingData::disable(&instance);
                self.write(request).await.map_err(|error| refused("kerberos", error))?;
                self.record.forget(PASSWORD);
            }
            return Ok(());
        }
        if instance.texts("SupportedEncryptionAlgorithms").is_empty() {
            self.lacks("kerberos", "before AMT 8 the firmware takes no password, only a key of RC4");
            return Ok(());
        }
        let wanted = describe(&kerberos);
        let current = if has { describe_instance(&instance) } else { String::new() };
        let write = if wanted != current {
            self.change("kerberos", current, wanted)
        } else {
            let differs = self.mode != Pass::Verify && self.secret_differs(PASSWORD, PASSWORD)?;
            differs && self.change(PASSWORD, "(not known)", "(secret)")
        };
        if write { self.write_kerberos(instance, &kerberos).await } else { Ok(()) }
    }

    async fn write_kerberos(&mut self, mut instance: Instance, kerberos: &Kerberos) -> Result<(), Failure> {
        let general = read_general(&mut self.session, Step::Configure).await?;
        let host = general.text("HostName").unwrap_or_default().to_lowercase();
        let fqdn = names::full(&host, names::own(&general, "DomainName")).to_lowercase();
        let realm = kerberos.realm.clone().unwrap_or_default();
        // As directories salt the key of a computer's account.
        let salt = match &kerberos.account_suffix {
            Some(suffix) => format!("{realm}host{host}{}.{}", suffix.to_lowercase(), realm.to_lowercase()),
            None => format!("{realm}host{fqdn}"),
        };
        if let Some(minutes) = kerberos.clock_tolerance_minutes {
            instance.set("MaximumClockTolerance", minutes.to_string());
        }
        let password = self.desired.secret(PASSWORD)?.clone();
        let key = KerberosKey::Passphrase(&password, &salt, ROUNDS);
        let version = kerberos.key_version.unwrap_or(FIRST_KEY);
        let request = KerberosSettingData::enable(&instance, &realm, version, key, ALGORITHMS);
        self.write(request).await.map_err(|error| refused("kerberos", error))?;
        self.secret_written(PASSWORD, PASSWORD).await
    }
}

fn describe(kerberos: &Kerberos) -> String {
    let version = kerberos.key_version.unwrap_or(FIRST_KEY);
    words(kerberos.realm.as_deref().unwrap_or_default(), version, kerberos.clock_tolerance_minutes.unwrap_or(5))
}

fn describe_instance(has: &Instance) -> String {
    let number = |name| has.u32(name).unwrap_or_default();
    words(has.text("RealmName").unwrap_or_default(), number("KeyVersion"), number("MaximumClockTolerance"))
}

fn words(realm: &str, version: u32, minutes: u32) -> String {
    format!("{realm}, key version {version}, clocks within {minutes} minutes")
}
