//! The desired state of a machine, validated once.

use crate::password;
use amt_core::tls::LegacyTls;
use amt_core::{ErrorCode, Failure, Finding, Secret, Severity};
use std::time::Duration;

/// Longest host name AMT takes (`spec/wsman.md` §3.1).
pub const MAX_HOST_NAME: usize = 63;
/// Longest domain name AMT takes.
pub const MAX_DOMAIN_NAME: usize = 191;
/// Least time between two different passwords, within the firmware's lock-out (`spec/wsman.md` §1.4).
pub const GUESS_SPACING: Duration = Duration::from_secs(20);

/// Where a password comes from.
#[derive(Clone, Debug)]
pub enum PasswordPolicy {
    /// The same for every machine.
    Fixed(Secret<String>),
    /// A strong one, generated for each machine.
    Generate,
    /// One for each machine, computed out of this master secret and the machine's UUID ([`derive`](crate::profile::derive)).
    Derived(Secret<String>),
}

/// TLS of the machine after setup.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TlsSettings {
    /// Whether port 16992 stays open to plain HTTP. Absent: as the firmware has it.
    pub plain_http: Option<bool>,
}

/// What to do about signs that a machine has an owner already: the name of an operating system in it, records of setups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InUse {
    /// Do not look for them.
    #[default]
    Ignore,
    /// Tell what the machine says ([`Event::Facts`](crate::Event::Facts)), and go on.
    Tell,
    /// Tell it, and end with `IN_USE` before anything is changed if there are such signs.
    Refuse,
}

/// What a machine shall become.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// Password of the network administrator `admin`.
    pub admin_password: PasswordPolicy,
    /// Password of the machine's setup menu.
    pub mebx_password: PasswordPolicy,
    /// Tried in this order on a machine that says its credentials are already set.
    pub known_admin_passwords: Vec<Secret<String>>,
    /// One-time password that the machine must hold; absent: none demanded.
    pub otp: Option<Secret<String>>,
    /// Host name to set. A name is needed where the machine uses DHCP, and for the certificate.
    pub host_name: Option<String>,
    /// Domain to set.
    pub domain_name: Option<String>,
    /// TLS after setup.
    pub tls: TlsSettings,
    /// Whether TLS older than 1.2, or without forward secrecy, may be used to reach the machine.
    pub legacy_tls: LegacyTls,
    /// Hours to extend the setup window by, 1–24; absent: leave it.
    pub window_hours: Option<u8>,
    /// Time between two different passwords.
    pub guess_spacing: Duration,
    /// How long the machine may take to come back after the commit.
    pub proof_timeout: Duration,
    /// Whether a machine that is in use is taken.
    pub in_use: InUse,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            admin_password: PasswordPolicy::Generate,
            mebx_password: PasswordPolicy::Generate,
            known_admin_passwords: Vec::new(),
            otp: None,
            host_name: None,
            domain_name: None,
            tls: TlsSettings::default(),
            legacy_tls: LegacyTls::default(),
            window_hours: None,
            guess_spacing: GUESS_SPACING,
            proof_timeout: Duration::from_secs(90),
            in_use: InUse::default(),
        }
    }
}

impl Plan {
    /// Generated passwords, names left alone, TLS on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Host and domain as one name, if a host name is set.
    pub fn fqdn(&self) -> Option<String> {
        let host = self.host_name.as_ref()?;
        Some(self.domain_name.as_ref().map_or_else(|| host.clone(), |domain| format!("{host}.{domain}")))
    }

    /// Refuses a plan that is wrong, with the first of its errors.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.validate().into_iter().find(|f| f.severity == Severity::Error) {
            None => Ok(()),
            Some(f) => {
                Err(Failure::new(ErrorCode::PLAN_INVALID, "plan", format!("{}: {}", f.field, f.message)).hint(f.hint))
            }
        }
    }

    /// Everything that is wrong with this plan; empty if nothing is.
    pub fn validate(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (field, policy) in [("admin_password", &self.admin_password), ("mebx_password", &self.mebx_password)] {
            if let PasswordPolicy::Fixed(secret) = policy
                && let Err(why) = password::check(secret.expose())
            {
                findings.push(Finding::new(
                    "PASSWORD-WEAK",
                    Severity::Error,
                    field,
                    format!("the firmware would refuse this password: {why}"),
                    "use 8 to 32 characters with upper and lower case, a digit and a special character other than \" , : &",
                ));
            }
        }
        match &self.host_name {
            Some(host) if !is_label(host) => findings.push(Finding::new(
                "HOST-NAME",
                Severity::Error,
                "host_name",
                format!("{host:?} is not a host name"),
                "use 1 to 63 letters, digits and hyphens, without a dot",
            )),
            _ => {}
        }
        match &self.domain_name {
            Some(domain) if !is_domain(domain) => {
                findings.push(Finding::new(
                    "DOMAIN-NAME",
                    Severity::Error,
                    "domain_name",
                    format!("{domain:?} is not a domain name"),
                    "use labels of letters, digits and hyphens separated by dots, at most 191 characters",
                ));
            }
            _ => {}
        }
        if self.window_hours.is_some_and(|hours| !(1..=24).contains(&hours)) {
            findings.push(Finding::new(
                "WINDOW-HOURS",
                Severity::Error,
                "window_hours",
                "the setup window can be extended by 1 to 24 hours",
                "give a number from 1 to 24, or leave it out",
            ));
        }
        findings
    }
}

/// Whether `text` is one label of a DNS name, and so a host name: 1 to 63 letters, digits and inner hyphens.
pub fn is_label(text: &str) -> bool {
    (1..=MAX_HOST_NAME).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether `text` is a DNS domain: labels separated by dots, at most 191 characters.
pub fn is_domain(text: &str) -> bool {
    text.len() <= MAX_DOMAIN_NAME && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_field_is_reported_at_once() {
        let plan = Plan {
            admin_password: PasswordPolicy::Fixed("short".into()),
            host_name: Some("has.dot".into()),
            domain_name: Some("bad..domain".into()),
            window_hours: Some(0),
            ..Plan::new()
        };
        let codes: Vec<_> = plan.validate().iter().map(|f| f.code).collect();
        assert_eq!(codes, ["PASSWORD-WEAK", "HOST-NAME", "DOMAIN-NAME", "WINDOW-HOURS"]);
        assert!(Plan::new().validate().is_empty());
    }

    #[test]
    fn the_full_name_joins_host_and_domain() {
        let plan = Plan { host_name: Some("pc1".into()), domain_name: Some("example.com".into()), ..Plan::new() };
        assert_eq!(plan.fqdn().as_deref(), Some("pc1.example.com"));
        assert_eq!(Plan::new().fqdn(), None);
    }
}
