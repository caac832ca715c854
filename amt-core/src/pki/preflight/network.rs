//! Against the machine's network, and what a connection has shown: CN-*, LEAF-SAN, NO-SUFFIX, WIRELESS, NOT-PKI, SELF-BAD.

use super::{Check, SuffixInput};
use crate::Severity::{Error, Warning};
use crate::hello::HelloKind;
use crate::pki::facts::CertFacts;
use crate::pki::known;
use crate::pki::suffix::{self, SuffixMatch};

impl<'a> Check<'a> {
    /// What needs the leaf.
    pub(super) fn against_names(&mut self) {
        let (Some(leaf), SuffixInput::Known(suffix)) = (self.leaf(), self.input.suffix) else { return };
        let firmware = self.at_least();
        let best = leaf
            .subject
            .common_names()
            .map(|name| suffix::compare(name, suffix, firmware))
            .min_by_key(|result| match result {
                SuffixMatch::Match => 0,
                SuffixMatch::MatchOnlyOnNewerFirmware(_) => 1,
                SuffixMatch::Mismatch => 2,
            })
            .unwrap_or(SuffixMatch::Mismatch);
        let names = quoted(leaf.subject.common_names());
        let hint = "set DHCP option 15 on the wired network, or the PKI DNS suffix in MEBx, to the certificate's domain; or use a \
                    certificate for this suffix";
        match best {
            SuffixMatch::Match => {}
            SuffixMatch::MatchOnlyOnNewerFirmware(rule) => {
                let severity = if self.input.firmware.is_some() { Error } else { Warning };
                let text = format!("common name {names} matches the suffix {suffix:?} only by the rule of {rule}");
                self.report("CN-SUFFIX", severity, "leaf.subject.cn", text, hint.to_owned());
            }
            SuffixMatch::Mismatch => {
                let compared: Vec<String> = leaf
                    .subject
                    .common_names()
                    .map(|name| suffix::compared(&suffix::normal(name)).to_owned())
                    .collect();
                let text = format!(
                    "common name {names} does not match the suffix {suffix:?}: firmware compares {}",
                    quoted(compared.iter().map(String::as_str))
                );
                self.report("CN-SUFFIX", Error, "leaf.subject.cn", text, hint.to_owned());
                self.alternative_name(leaf, suffix);
                self.private_suffix(leaf, suffix);
            }
        }
    }

    fn alternative_name(&mut self, leaf: &CertFacts, suffix: &str) {
        let firmware = self.at_least();
        let fits = |name: &&String| suffix::compare(name, suffix, firmware) == SuffixMatch::Match;
        if let Some(name) = leaf.dns_names.iter().find(fits) {
            let text = format!(
                "only the alternative name {name:?} matches the suffix {suffix:?}; firmware goes by the common name"
            );
            let hint = "have it issued anew with that name as the common name".to_owned();
            self.report("LEAF-SAN", Warning, "leaf.subject_alt_name", text, hint);
        }
    }

    fn private_suffix(&mut self, leaf: &CertFacts, suffix: &str) {
        let public = |name: &str| !suffix::is_private(name);
        if !suffix::is_private(suffix) || !leaf.subject.common_names().any(public) {
            return;
        }
        let authority =
            self.root().and_then(|root| known::by_sha256(&root.sha256).or_else(|| known::by_key(&root.key_sha256)));
        let text = match authority {
            Some(root) => format!("{} is a public authority: it certifies nothing under {suffix:?}", root.name),
            None => format!(
                "the suffix {suffix:?} is private, but the certificate is for the public name {}",
                quoted(leaf.subject.common_names())
            ),
        };
        let hint =
            "set DHCP option 15 or the MEBx suffix to a public domain that you own, or use an authority of your own";
        self.report("CN-PRIVATE", Error, "network.suffix", text, hint.to_owned());
    }

    /// What needs no certificate.
    pub(super) fn against_network(&mut self) {
        if self.input.suffix == SuffixInput::Absent {
            let text =
                "the machine has neither a DNS suffix by DHCP option 15 nor one set in MEBx: certificates cannot match";
            let hint = "configure DHCP option 15 on the wired network, and option 6 for DNS";
            self.report("NO-SUFFIX", Error, "network.suffix", text.to_owned(), hint.to_owned());
        }
        if self.input.wireless {
            let text = "the address is the machine's wireless one: AMT cannot be set up over wireless";
            let hint = "connect the machine by cable and use its wired address";
            self.report("WIRELESS", Error, "network.address", text.to_owned(), hint.to_owned());
        }
        let psk = match self.input.hello.map(|hello| &hello.kind) {
            Some(HelloKind::Psk { pid }) => Some(pid),
            _ => None,
        };
        if let Some(pid) = psk {
            let text = format!("the machine said hello for PSK (PID {pid}): certificates are of no use to it");
            let hint = "set it up with the PPS of this PID, or clear the PID in MEBx so that it uses PKI".to_owned();
            self.report("NOT-PKI", Error, "hello.type", text, hint);
        } else if let Some(version) = self.input.firmware.filter(|version| !version.capabilities().pki) {
            let text = format!("AMT {}.{} has no PKI configuration; use a PID/PPS pair", version.major, version.minor);
            let hint = "`amt capabilities VERSION` tells how this firmware can be set up".to_owned();
            self.report("NOT-PKI", Error, "firmware.version", text, hint);
        } else if self.input.port_open == Some(false) {
            let text =
                "port 16993 is closed: the setup window has ended, or the machine does not wait for PKI".to_owned();
            let hint = "re-arm the machine: agent on the machine, partial unprovision in MEBx, or USB key".to_owned();
            self.report("NOT-PKI", Error, "network.port", text, hint);
        }
        if let Some(peer) = self.input.peer {
            let text = match (&peer.unreadable, peer.validity) {
                (Some(why), _) => format!("the machine's own certificate cannot be read: {why}"),
                (None, None) => "the machine's own certificate has no usable dates".to_owned(),
                (None, Some(_)) => return,
            };
            let hint = "its dates and names are ignored here, but other tools fail on it: AMT 3.2.1 is known for this, update it \
                        to 3.2.2 or later";
            self.report("SELF-BAD", Warning, "peer.certificate", text, hint.to_owned());
        }
    }
}

fn quoted<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    if names.is_empty() { "(none)".to_owned() } else { names.join(", ") }
}
