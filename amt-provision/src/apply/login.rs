//! `wired.ieee8021x`: log-in at the switch, in the class of newer or of older firmware, whichever answers (`spec/wsman.md` §3.7).

use super::client::{Certificates, User, reference};
use super::{Pass, Run, refused};
use crate::profile::{Ieee8021x, Protocol};
use amt_core::Failure;
use amt_wsman::class::Class;
use amt_wsman::class::amt::Profile8021x;
use amt_wsman::class::ips::WiredIeee8021xSettings;
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;

const AT: &str = "wired.ieee8021x";
const PASSWORD: &str = "wired.ieee8021x.password";
/// Properties that are left out of a Put that switches it off.
const CREDENTIALS: &[&str] = &["Username", "Password", "AuthenticationProtocol", "Domain", "RoamingIdentity"];
/// References of the older class, which takes them with the rest.
const CERTIFICATES: &[&str] = &["ClientCertificate", "ServerCertificateIssuer"];

impl Run {
    pub(super) async fn wired_login(&mut self) -> Result<(), Failure> {
        let Some(login) = self.profile().wired.as_ref().and_then(|wired| wired.ieee8021x.clone()) else {
            return Ok(());
        };
        let newer = self.read(WiredIeee8021xSettings::get()).await?;
        let is_new = newer.is_some();
        let found = match newer {
            Some(instance) => Some(instance),
            None => self.read(Profile8021x::get()).await?,
        };
        let Some(mut instance) = found else {
            if login.enabled != Some(false) {
                self.lacks(AT, "the firmware has no 802.1X");
            }
            return Ok(());
        };
        let client = match login.by_certificate() {
            true => match self.client(AT).await? {
                // What the machine has stays until an authority gives a certificate.
                None => return Ok(()),
                client => client,
            },
            false => None,
        };
        let with_certificates = login.by_certificate() || (login.enabled != Some(false) && login.server_root.is_some());
        let (bound, certificates) = match with_certificates {
            true => self.certificates(AT, &User::Wired, &login, client.as_ref()).await?,
            false => Default::default(),
        };
        let login = Login { settings: &login, user: client.map(|client| client.name), certificates, is_new };
        let same_settings = describe_instance(&instance, is_new) == login.describe(&instance);
        let has = describe_instance(&instance, is_new) + &bound.describe();
        let wanted = login.describe(&instance) + &login.certificates.describe();
        let secret = login.is_on() && login.settings.password.is_some();
        let write = if has != wanted {
            self.change(AT, has, wanted)
        } else {
            let differs = secret && self.mode != Pass::Verify && self.secret_differs(PASSWORD, PASSWORD)?;
            differs && self.change(PASSWORD, "(not known)", "(secret)")
        };
        if !write {
            return Ok(());
        }
        // Where only certificates change, 802.1X is not switched off and on for them.
        let is_ready = instance.u32("Enabled") == Some(WiredIeee8021xSettings::WITH_CERTIFICATES);
        if !(is_new && same_settings && with_certificates && is_ready && bound != login.certificates) {
            login.fill(&mut instance);
            if secret {
                instance.set("Password", self.desired.secret(PASSWORD)?.expose().as_str());
            }
            self.write(Request::put(&instance)).await.map_err(|error| refused(AT, error))?;
        }
        if is_new && with_certificates {
            let Certificates { client, root } = &login.certificates;
            let (client, root) = (client.as_deref().map(reference), root.as_deref().map(reference));
            let request = WiredIeee8021xSettings::set_certificates(root.as_ref(), client.as_ref());
            self.write(request).await.map_err(|error| refused(AT, error))?;
        }
        if secret {
            self.secret_written(PASSWORD, PASSWORD).await?;
        }
        Ok(())
    }
}

/// What the profile says, with what was found out for this machine.
struct Login<'p> {
    settings: &'p Ieee8021x,
    /// The user where the profile names none.
    user: Option<String>,
    certificates: Certificates,
    is_new: bool,
}

impl Login<'_> {
    fn is_on(&self) -> bool {
        self.settings.enabled != Some(false)
    }

    fn fill(&self, instance: &mut Instance) {
        let (login, is_new) = (self.settings, self.is_new);
        instance.set("Enabled", self.enabled());
        for name in CREDENTIALS.iter().chain(CERTIFICATES) {
            instance.remove(name);
        }
        if self.is_on() {
            instance.set(
                "AuthenticationProtocol",
                protocol(login.protocol.unwrap_or(Protocol::PeapMschapv2), is_new).to_string(),
            );
            for (name, value) in [
                ("Username", login.user.as_ref().or(self.user.as_ref())),
                ("Domain", login.domain.as_ref()),
                ("RoamingIdentity", login.roaming_identity.as_ref()),
                ("ServerCertificateName", login.server_name.as_ref()),
            ] {
                if let Some(value) = value {
                    instance.set(name, value.as_str());
                }
            }
            // The newer class takes certificates by a method of its own.
            let Certificates { client, root } = &self.certificates;
            for (name, handle) in CERTIFICATES.iter().zip([client, root]) {
                if let Some(handle) = handle.as_deref().filter(|_| !is_new) {
                    instance.set(name, reference(handle));
                }
            }
        } else {
            instance.remove("ServerCertificateName");
            instance.remove("ServerCertificateNameComparison");
        }
        if let Some(seconds) = login.pxe_seconds {
            instance.set("PxeTimeout", seconds.to_string());
        }
        if let Some(active) = login.active_in_s0 {
            instance.set(in_s0(is_new), active.to_string());
        }
    }

    /// `Enabled`: a number in the newer class, a truth value in the older.
    fn enabled(&self) -> String {
        match (self.is_new, self.is_on()) {
            (true, true) if self.certificates != Certificates::default() => {
                WiredIeee8021xSettings::WITH_CERTIFICATES.to_string()
            }
            (true, true) => WiredIeee8021xSettings::WITHOUT_CERTIFICATES.to_string(),
            (true, false) => WiredIeee8021xSettings::OFF.to_string(),
            (false, on) => on.to_string(),
        }
    }

    /// What the machine would say if it were as the profile says; what the profile does not name is what the machine has.
    fn describe(&self, has: &Instance) -> String {
        let mut wanted = has.clone();
        self.fill(&mut wanted);
        describe_instance(&wanted, self.is_new)
    }
}

/// Whether it counts while the system runs: the classes call it differently.
const fn in_s0(is_new: bool) -> &'static str {
    if is_new { "AvailableInS0" } else { "ActiveInS0" }
}

/// `AuthenticationProtocol`: the older class counts EAP-FAST with TLS as 6.
fn protocol(protocol: Protocol, is_new: bool) -> u32 {
    match (protocol, is_new) {
        (Protocol::FastTls, false) => 6,
        (protocol, _) => protocol.number(),
    }
}

fn describe_instance(has: &Instance, is_new: bool) -> String {
    let off = if is_new {
        has.u32("Enabled") == Some(WiredIeee8021xSettings::OFF)
    } else {
        has.bool("Enabled") != Some(true)
    };
    let text = |name| has.text(name).unwrap_or_default().to_owned();
    let tail = format!("boot waits {} s, in S0 {}", text("PxeTimeout"), text(in_s0(is_new)));
    if off {
        return format!("off, {tail}");
    }
    let (user, domain, server) = (text("Username"), text("Domain"), text("ServerCertificateName"));
    let method = text("AuthenticationProtocol");
    format!("protocol {method}, user {user}, domain {domain}, as {}, server {server}, {tail}", text("RoamingIdentity"))
}
