//! What would stop the provisioning of a machine, by what its firmware says: every reason at once.

use super::status::{LocalStatus, Standing};
use amt_core::{Finding, Severity};

impl LocalStatus {
    /// What would stop provisioning, and what to do; empty if nothing is known to.
    pub fn blockers(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut add = |code, severity, field, message: String, hint: &'static str| {
            findings.push(Finding::new(code, severity, field, message, hint));
        };
        let (error, warning, info) = (Severity::Error, Severity::Warning, Severity::Info);
        let can = self.facts.version.capabilities();
        if self.facts.is_amt_enabled() == Some(false) {
            let hint = "switch AMT on in the BIOS or the setup menu, or let `amt activate --enable` do it";
            add("AMT-OFF", error, "amt_enabled", "AMT is switched off".into(), hint);
        }
        match self.facts.standing {
            Standing::Unprovisioned => {}
            Standing::InProvisioning => add(
                "IN-PROVISIONING",
                warning,
                "standing",
                "a setup has begun and not ended".into(),
                "`amt activate` takes the machine out of it; `amt start-hello --stop` does only that",
            ),
            standing => add(
                "SET-UP",
                info,
                "standing",
                format!("the machine is set up already: {}", standing.as_str()),
                "`amt unprovision` takes the setup back",
            ),
        }
        if !can.host_based_setup {
            let text = format!("AMT {} cannot be set up from its own system", self.facts.version);
            add("NO-HOST-SETUP", info, "version", text, "`amt start-hello` lets a setup server do it");
        }
        if self.zero_touch == Some(false) {
            let hint = "switch remote configuration on in the setup menu; `amt activate` does not need it";
            add("ZERO-TOUCH-OFF", warning, "zero_touch", "remote configuration is switched off".into(), hint);
        }
        if can.pki && self.tls_mode != Some(1) && !self.roots.iter().any(|root| root.is_active) {
            let hint = "enter a root hash in the setup menu or by USB key (`amt setupbin create`)";
            add("NO-ROOT", warning, "roots", "the firmware trusts no root: no certificate can set it up".into(), hint);
        }
        match &self.wired {
            None => add(
                "NO-WIRED",
                warning,
                "wired",
                "there is no wired network interface: no setup server can reach this machine".into(),
                "activate it from its own system",
            ),
            Some(wired) if wired.link_up != 1 => {
                let hint = "connect the cable: hellos and admin control mode need the wired network";
                add("NO-LINK", warning, "wired.link_up", "the wired network has no link".into(), hint);
            }
            Some(wired) if !wired.dhcp && self.suffix.as_ref().is_none_or(String::is_empty) => {
                let hint = "use DHCP with option 15, or set the DNS suffix in the setup menu or with `amt start-hello --suffix`";
                let text = "no DHCP and no DNS suffix: the firmware cannot judge a certificate's name".into();
                add("NO-SUFFIX", warning, "suffix", text, hint);
            }
            Some(_) => {}
        }
        if self.rng_status == Some(2) {
            let hint = "`amt start-hello` has them made; it takes up to two minutes";
            add("NO-RANDOM", info, "rng_status", "the firmware has no random numbers for keys yet".into(), hint);
        }
        findings
    }
}
