//! `wired.ieee8021x`: log-in at the switch, in the class of newer or of older firmware, whichever answers (`spec/wsman.md` §3.7).

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

impl Run {
    pub(super) async fn wired_login(&mut self) -> Result<(), Failure> {
        let Some(login) = self.profile().wired.as_ref().and_then(|wired| wired.ieee8021x.clone()) else {
            return Ok(());
        };
        let newer = self.read(&WiredIeee8021xSettings::get()).await?;
        let is_new = newer.is_some();
        let found = match newer {
            Some(instance) => Some(instance),
            None => self.read(&Profile8021x::get()).await?,
        };
        let Some(mut instance) = found else {
            if login.enabled != Some(false) {
                self.lacks(AT, "the firmware has no 802.1X");
            }
            return Ok(());
        };
        if login.enabled != Some(false) && login.protocol == Some(Protocol::Tls) {
            self.lacks(AT, "EAP-TLS needs a client's certificate, which this version does not make");
            return Ok(());
        }
        let has = describe_instance(&instance, is_new);
        let wanted = describe(&login, &instance, is_new);
        let secret = login.enabled != Some(false) && login.password.is_some();
        let write = if has != wanted {
            self.change(AT, has, wanted)
        } else {
            let differs = secret && self.mode != Pass::Verify && self.secret_differs(PASSWORD, PASSWORD)?;
            differs && self.change(PASSWORD, "(not known)", "(secret)")
        };
        if !write {
            return Ok(());
        }
        fill(&mut instance, &login, is_new);
        if secret {
            instance.set("Password", self.desired.secret(PASSWORD)?.expose().as_str());
        }
        self.write(&Request::put(&instance)).await.map_err(|error| refused(AT, error))?;
        if secret {
            self.secret_written(PASSWORD, PASSWORD).await?;
        }
        Ok(())
    }
}

/// `Enabled`: a number in the newer class, a truth value in the older.
fn enabled(on: bool, is_new: bool) -> String {
    match (is_new, on) {
        (true, true) => WiredIeee8021xSettings::WITHOUT_CERTIFICATES.to_string(),
        (true, false) => WiredIeee8021xSettings::OFF.to_string(),
        (false, on) => on.to_string(),
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

fn fill(instance: &mut Instance, login: &Ieee8021x, is_new: bool) {
    let on = login.enabled != Some(false);
    instance.set("Enabled", enabled(on, is_new));
    for name in CREDENTIALS {
        instance.remove(name);
    }
    if on {
        instance.set(
            "AuthenticationProtocol",
            protocol(login.protocol.unwrap_or(Protocol::PeapMschapv2), is_new).to_string(),
        );
        for (name, value) in [
            ("Username", &login.user),
            ("Domain", &login.domain),
            ("RoamingIdentity", &login.roaming_identity),
            ("ServerCertificateName", &login.server_name),
        ] {
            if let Some(value) = value {
                instance.set(name, value.as_str());
            }
        }
    }
    if let Some(seconds) = login.pxe_seconds {
        instance.set("PxeTimeout", seconds.to_string());
    }
    if let Some(active) = login.active_in_s0 {
        instance.set(in_s0(is_new), active.to_string());
    }
}

/// What the machine would say if it were as the profile says; what the profile does not name is what the machine has.
fn describe(login: &Ieee8021x, has: &Instance, is_new: bool) -> String {
    let mut wanted = has.clone();
    fill(&mut wanted, login, is_new);
    describe_instance(&wanted, is_new)
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
