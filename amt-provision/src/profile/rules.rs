//! What a profile means, judged: every finding at once (`spec/profile.md` §8), and what a firmware can't do.

mod access;
mod firmware;
mod network;
mod remote;

use super::{CertificateSource, ConsentFor, Mode, PasswordSource, Profile, SecretSource, Tls, is_variable};
use crate::plan::{is_domain, is_label};
use amt_core::{Finding, FirmwareVersion, Severity, SystemId};
use std::collections::BTreeMap;

/// Most names of clients that the firmware keeps.
const MAX_TRUSTED_NAMES: usize = 4;

/// The findings of one check.
struct Report(Vec<Finding>);

impl Report {
    fn error(&mut self, code: &'static str, field: impl Into<String>, message: impl Into<String>, hint: &str) {
        self.0.push(Finding::new(code, Severity::Error, field, message, hint));
    }

    fn warning(&mut self, code: &'static str, field: impl Into<String>, message: impl Into<String>, hint: &str) {
        self.0.push(Finding::new(code, Severity::Warning, field, message, hint));
    }

    /// A secret comes from exactly one place.
    fn secret(&mut self, field: &str, source: Option<&SecretSource>) {
        if source.is_some_and(|source| source.count() != 1) {
            self.error("SECRET-SOURCE", field, "it needs exactly one source", "give either `file` or `env`");
        }
        self.variable("SECRET-SOURCE", field, source.and_then(|source| source.env.as_deref()));
    }

    /// A variable of the environment is named, not its value: what cannot be a name may be the secret, and is not repeated.
    fn variable(&mut self, code: &'static str, field: &str, name: Option<&str>) {
        if name.is_some_and(|name| !is_variable(name)) {
            let hint = "name a variable of the environment (letters, digits and _); set the secret in the environment, never here, and \
                        change one that was written here";
            self.error(code, format!("{field}.env"), "it is no name of a variable", hint);
        }
    }

    fn certificate(&mut self, field: &str, source: &CertificateSource) {
        if usize::from(source.file.is_some()) + usize::from(source.pem.is_some()) != 1 {
            self.error("CERTIFICATE-SOURCE", field, "it needs exactly one source", "give either `file` or `pem`");
        }
    }

    fn password(&mut self, field: &str, source: Option<&PasswordSource>) {
        let Some(source) = source else { return };
        if source.count() != 1 {
            let text = "a password has exactly one source: random, static or derived";
            self.error("PASSWORD-SOURCE", field, text, "give one of `random = true`, `file`, `env`, `derived_from`");
        }
        self.variable("PASSWORD-SOURCE", field, source.env.as_deref());
        self.secret(&format!("{field}.derived_from"), source.derived_from.as_ref());
    }
}

impl Profile {
    /// Everything that is wrong with the profile, and with `firmware` known also what that can't do. Secrets and files that it names
    /// are not looked at.
    pub fn check(&self, firmware: Option<FirmwareVersion>) -> Vec<Finding> {
        let mut report = Report(Vec::new());
        self.check_head(&mut report);
        self.check_passwords(&mut report);
        if let Some(tls) = &self.tls {
            self.check_tls(&mut report, tls);
        }
        self.check_consent(&mut report);
        network::check(self, &mut report);
        access::check(self, &mut report);
        remote::check(self, &mut report);
        if let Some(version) = firmware {
            firmware::check(self, version, &mut report);
        }
        report.0
    }

    fn check_head(&self, report: &mut Report) {
        let bad = |c: char| c.is_control() || matches!(c, '/' | '?' | '#' | '%');
        if self.name.len() > 64 {
            let text = format!("a name of {} bytes", self.name.len());
            report.error("PROFILE-NAME", "name", text, "use 1 to 64 characters other than / ? # %");
        } else if self.name.trim().is_empty() || self.name.contains(bad) {
            let hint = "use 1 to 64 characters other than / ? # %";
            report.error("PROFILE-NAME", "name", format!("{:?} is no name of a profile", self.name), hint);
        }
        let mut ids = BTreeMap::new();
        for key in self.machines.keys() {
            let Ok(id) = key.parse::<SystemId>() else {
                let hint = "write the machine's UUID, as 8-4-4-4-12 hexadecimal digits";
                report.error("MACHINE-ID", format!("machines.{key}"), "it is no UUID", hint);
                continue;
            };
            if let Some(other) = ids.insert(id.to_string(), key) {
                let text = format!("machines.{other} is the same machine");
                report.error("MACHINE-ID", format!("machines.{key}"), text, "write both into one section");
            }
        }
    }

    fn check_passwords(&self, report: &mut Report) {
        let Some(passwords) = &self.passwords else { return };
        report.password("passwords.admin", passwords.admin.as_ref());
        report.password("passwords.mebx", passwords.mebx.as_ref());
        if passwords.mebx.is_some() && self.control_mode == Some(Mode::Client) {
            let text = "in client control mode the password of the setup menu can't be set";
            report.error("MEBX-CLIENT-MODE", "passwords.mebx", text, "take it out, or use control_mode = \"admin\"");
        }
    }

    fn check_tls(&self, report: &mut Report, tls: &Tls) {
        let roots = tls.trusted_roots.as_deref().unwrap_or_default();
        for (index, root) in roots.iter().enumerate() {
            report.certificate(&format!("tls.trusted_roots[{index}]"), root);
        }
        for (field, mode) in [("tls.remote", tls.remote), ("tls.local", tls.local)] {
            if mode.is_some_and(|mode| mode.mutual()) && roots.is_empty() {
                let text = "mutual TLS without an authority that clients are trusted by locks everybody out";
                report.error("TLS-MUTUAL-ROOT", field, text, "name at least one authority in tls.trusted_roots");
            }
            if mode.is_some_and(|mode| mode.mutual()) && self.time.as_ref().is_some_and(|time| time.set == Some(false))
            {
                let text = "mutual TLS needs a clock that is right";
                report.error("CLOCK-NEEDED", "time.set", text, "take time.set = false out");
            }
        }
        let names = tls.trusted_names.as_deref().unwrap_or_default();
        if names.len() > MAX_TRUSTED_NAMES {
            let text = format!("{} names, the firmware keeps {MAX_TRUSTED_NAMES}", names.len());
            report.error("TLS-NAMES", "tls.trusted_names", text, "use ends of names, which stand for many");
        }
        let wants_tls = tls.remote.is_some_and(|mode| mode.enabled());
        if wants_tls && self.remote_access.as_ref().is_some_and(|remote| remote.server.is_some()) {
            let text = "some consoles refuse TLS and remote access in one profile; the firmware takes both";
            report.warning("TLS-CIRA", "remote_access", text, "nothing has to be done for this library");
        }
    }

    fn check_consent(&self, report: &mut Report) {
        let required = self.consent.as_ref().and_then(|consent| consent.required);
        if self.control_mode == Some(Mode::Client) && required.is_some_and(|required| required != ConsentFor::All) {
            let text = "in client control mode consent is demanded for everything";
            let hint = "use consent.required = \"all\" or leave it out, or use control_mode = \"admin\"";
            report.error("CONSENT-CLIENT-MODE", "consent.required", text, hint);
        }
        let idle = self.power.as_ref().and_then(|power| power.idle_minutes);
        if idle.is_some_and(|minutes| !(1..=65_535).contains(&minutes)) {
            report.error(
                "POWER-IDLE",
                "power.idle_minutes",
                "it is 1 to 65535",
                "give a number of minutes in that range",
            );
        }
        let audit = self.audit.as_ref();
        if audit.is_some_and(|audit| audit.events.is_some() && audit.enabled != Some(true)) {
            let text = "what is recorded is named, and that anything is recorded is not asked for";
            report.error("AUDIT-EVENTS", "audit.events", text, "set audit.enabled = true, or take audit.events out");
        }
        let Some(kvm) = &self.kvm else { return };
        report.secret("kvm.rfb_password", kvm.rfb_password.as_ref());
        if kvm.session_minutes.is_some_and(|minutes| minutes > 255) {
            report.error("KVM-SESSION", "kvm.session_minutes", "it is 0 to 255", "0 keeps sessions for ever");
        }
        if kvm.port_5900 == Some(true) && kvm.rfb_password.is_none() {
            let hint = "give kvm.rfb_password: exactly 8 characters";
            report.error("KVM-RFB", "kvm.port_5900", "VNC viewers need a password", hint);
        }
    }
}

/// Findings about names of one machine; `at` is the section that they stand in.
fn names(report: &mut Report, at: &str, host: Option<&String>, domain: Option<&String>) {
    if let Some(host) = host.filter(|host| !is_label(host)) {
        let hint = "use 1 to 63 letters, digits and inner hyphens, without a dot";
        report.error("HOST-NAME", format!("{at}.host_name"), format!("{host:?} is not a host name"), hint);
    }
    if let Some(domain) = domain.filter(|domain| !is_domain(domain)) {
        let hint = "use labels of letters, digits and hyphens separated by dots, at most 191 characters";
        report.error("DOMAIN-NAME", format!("{at}.domain_name"), format!("{domain:?} is not a domain"), hint);
    }
}
