//! What one machine shall be: a profile with its overrides for the machine, and the secrets and certificates that it names.

use super::{CertificateSource, General, Profile, SecretSource};
use crate::password;
use amt_core::{ErrorCode, Failure, Finding, FirmwareVersion, Secret, Severity, SystemId};
use std::collections::BTreeMap;

/// Brings what a profile names: files and variables are outside of this layer.
pub trait Material {
    /// The secret behind `source`.
    ///
    /// # Errors
    /// Whatever keeps it from being read, with the file or variable in the message.
    fn secret(&mut self, source: &SecretSource) -> Result<Secret<String>, Failure>;

    /// The certificates behind `source`, DER, in the order in which they stand.
    ///
    /// # Errors
    /// Whatever keeps them from being read, with the file in the message.
    fn certificates(&mut self, source: &CertificateSource) -> Result<Vec<Vec<u8>>, Failure>;
}

/// What one machine shall be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Desired {
    /// The profile, with what it says about this machine in place.
    pub profile: Profile,
    /// Hash of the document that it was made of.
    pub revision: String,
    /// Secrets, by the field that names them.
    pub(crate) secrets: BTreeMap<String, Secret<String>>,
    /// Certificates likewise.
    pub(crate) certificates: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Desired {
    /// `profile` for the machine `id`, with everything that it names.
    ///
    /// # Errors
    /// Every finding of error severity, of the profile itself and of what it names.
    pub fn new(
        profile: &Profile,
        id: SystemId,
        firmware: Option<FirmwareVersion>,
        material: &mut dyn Material,
    ) -> Result<Self, Vec<Finding>> {
        let revision = profile.revision();
        let mut findings: Vec<Finding> =
            profile.check(firmware).into_iter().filter(|finding| finding.severity == Severity::Error).collect();
        let profile = for_machine(profile, id);
        let (mut secrets, mut certificates) = (BTreeMap::new(), BTreeMap::new());
        for (field, source) in secret_sources(&profile) {
            match material.secret(source).and_then(|secret| fits(&field, secret)) {
                Ok(secret) => {
                    secrets.insert(field, secret);
                }
                Err(failure) => findings.push(unusable("SECRET", &field, failure)),
            }
        }
        for (field, source) in certificate_sources(&profile) {
            match material.certificates(source) {
                Ok(all) if !all.is_empty() => {
                    certificates.insert(field, all);
                }
                Ok(_) => {
                    let failure = Failure::new(ErrorCode::PARSE_TEXT, "profile", "there is no certificate in it");
                    findings.push(unusable("CERTIFICATE", &field, failure));
                }
                Err(failure) => findings.push(unusable("CERTIFICATE", &field, failure)),
            }
        }
        if findings.is_empty() { Ok(Self { profile, revision, secrets, certificates }) } else { Err(findings) }
    }

    /// The secret of the field, which the profile names.
    pub(crate) fn secret(&self, field: &str) -> Result<&Secret<String>, Failure> {
        self.secrets.get(field).ok_or_else(|| {
            Failure::new(ErrorCode::PLAN_INVALID, "profile", format!("{field}: the secret was not given"))
        })
    }

    /// The password that the machine's account in a directory has, if log-in by Kerberos shall be on.
    pub fn kerberos_password(&self) -> Option<&Secret<String>> {
        self.profile.kerberos.as_ref().filter(|kerberos| kerberos.enabled == Some(true))?;
        self.secrets.get("kerberos.password")
    }

    /// The certificates of the field.
    pub(crate) fn certificates(&self, field: &str) -> &[Vec<u8>] {
        self.certificates.get(field).map(Vec::as_slice).unwrap_or_default()
    }
}

fn unusable(code: &'static str, field: &str, failure: Failure) -> Finding {
    let failure = failure.into_details();
    Finding::new(code, Severity::Error, field, failure.message, failure.hint)
}

/// The profile with the overrides of one machine in place, and without those of all others.
fn for_machine(profile: &Profile, id: SystemId) -> Profile {
    let mut profile = profile.clone();
    let machines = std::mem::take(&mut profile.machines);
    let own = machines.into_iter().find(|(key, _)| key.parse::<SystemId>().is_ok_and(|key| key == id));
    let Some((_, machine)) = own else { return profile };
    if machine.host_name.is_some() || machine.domain_name.is_some() {
        let general = profile.general.get_or_insert_with(General::default);
        general.host_name = machine.host_name.or(general.host_name.take());
        general.domain_name = machine.domain_name.or(general.domain_name.take());
    }
    profile.wired = machine.wired.or(profile.wired);
    profile
}

/// Every secret that applying a profile needs, by field. Those of `passwords` belong to setup and rotation.
fn secret_sources(profile: &Profile) -> Vec<(String, &SecretSource)> {
    let mut all: Vec<(String, Option<&SecretSource>)> = Vec::new();
    let wired = profile.wired.as_ref().and_then(|wired| wired.ieee8021x.as_ref());
    all.push(("wired.ieee8021x.password".to_owned(), wired.and_then(|settings| settings.password.as_ref())));
    for (index, network) in profile.wifi.iter().flat_map(|wifi| wifi.profiles.iter().flatten()).enumerate() {
        let at = format!("wifi.profiles[{index}]");
        let login = network.ieee8021x.as_ref().and_then(|settings| settings.password.as_ref());
        all.push((format!("{at}.passphrase"), network.passphrase.as_ref()));
        all.push((format!("{at}.ieee8021x.password"), login));
    }
    for (index, user) in profile.access.iter().flat_map(|access| access.users.iter().flatten()).enumerate() {
        all.push((format!("access.users[{index}].password"), user.password.as_ref()));
    }
    let kerberos = profile.kerberos.as_ref();
    all.push(("kerberos.password".to_owned(), kerberos.and_then(|kerberos| kerberos.password.as_ref())));
    all.push(("kvm.rfb_password".to_owned(), profile.kvm.as_ref().and_then(|kvm| kvm.rfb_password.as_ref())));
    let server = profile.remote_access.as_ref().and_then(|remote| remote.server.as_ref());
    all.push(("remote_access.server.password".to_owned(), server.map(|server| &server.password)));
    all.into_iter().filter_map(|(field, source)| Some((field, source?))).collect()
}

fn certificate_sources(profile: &Profile) -> Vec<(String, &CertificateSource)> {
    let roots = profile.tls.iter().flat_map(|tls| tls.trusted_roots.iter().flatten());
    let roots = roots.enumerate().map(|(index, source)| (format!("tls.trusted_roots[{index}]"), source));
    let server = profile.remote_access.as_ref().and_then(|remote| remote.server.as_ref());
    let server = server.map(|server| ("remote_access.server.root".to_owned(), &server.root));
    let wired = profile.wired.as_ref().and_then(|wired| wired.ieee8021x.as_ref());
    let wired = wired.map(|login| ("wired.ieee8021x".to_owned(), login));
    let networks = profile.wifi.iter().flat_map(|wifi| wifi.profiles.iter().flatten()).enumerate();
    let wireless = networks.filter_map(|(index, network)| {
        Some((format!("wifi.profiles[{index}].ieee8021x"), network.ieee8021x.as_ref()?))
    });
    let logins = wired.into_iter().chain(wireless);
    let logins = logins.filter_map(|(at, login)| Some((format!("{at}.server_root"), login.server_root.as_ref()?)));
    roots.chain(server).chain(logins).collect()
}

/// Whether the firmware would take a secret.
fn fits(field: &str, secret: Secret<String>) -> Result<Secret<String>, Failure> {
    let length = secret.expose().len();
    let wrong = |why: &str| Err(Failure::new(ErrorCode::PLAN_INVALID, "profile", why).hint("change it at its source"));
    if field.starts_with("access.users") || field == "kvm.rfb_password" {
        if field == "kvm.rfb_password" && length != 8 {
            return wrong("a VNC password has exactly 8 characters");
        }
        if let Err(why) = password::check(secret.expose()) {
            return wrong(&format!("the firmware would refuse this password: {why}"));
        }
    }
    if field.ends_with(".passphrase") && !(8..=63).contains(&length) {
        return wrong("a passphrase has 8 to 63 characters");
    }
    if field == "remote_access.server.password" && !(1..=16).contains(&length) {
        return wrong("the password at the gateway has 1 to 16 characters");
    }
    if secret.expose().is_empty() {
        return wrong("it is empty");
    }
    Ok(secret)
}
