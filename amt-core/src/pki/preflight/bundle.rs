//! The file and the bundle in itself: PFX-ALGO, CHAIN-*, KEY-*, EKU-NOSERVER, OID-OU.

use super::{Check, count};
use crate::Severity::{Error, Info, Warning};
use crate::pki::facts::{CertFacts, LinkSignature};
use crate::pki::{OID_INTEL, OID_SERVER_AUTH, OID_SETUP, OU_SETUP, PublicKey};

/// A certificate that ends within so many days is warned of.
pub(super) const EXPIRY_WARNING_DAYS: i64 = 30;
/// Smallest RSA key of AMT 15-H and 16.
pub(super) const MIN_RSA_BITS: u32 = 2048;
/// Smallest RSA key that AMT 22 is announced to keep.
const MIN_RSA_BITS_22: u32 = 3072;
/// Largest RSA keys that AMT up to 10 is known to have worked with: leaf, any other.
const MAX_RSA_BITS_10: (u32, u32) = (2048, 4096);
const DAY: i64 = 24 * 60 * 60;

impl<'a> Check<'a> {
    pub(super) fn pfx(&mut self) {
        let Some(pfx) = &self.input.chain.pfx else { return };
        let legacy: Vec<&str> = pfx.encryption.iter().filter(|e| e.legacy).map(|e| e.name.as_str()).collect();
        let hint =
            "re-export the PFX with AES-256 and SHA-256 (openssl pkcs12 -export, or \"AES256-SHA256\" in Windows)";
        if !pfx.opened {
            let all: Vec<&str> = pfx.encryption.iter().map(|e| e.name.as_str()).collect();
            let text = format!("the PFX is encrypted with {}, which cannot be opened here", all.join(", "));
            self.report("PFX-ALGO", Error, "pfx.encryption", text, hint.to_owned());
        } else if !legacy.is_empty() {
            let text = format!(
                "the PFX is encrypted with {}: it was opened, but modern stacks need a legacy provider for it",
                legacy.join(", ")
            );
            self.report("PFX-ALGO", Warning, "pfx.encryption", text, hint.to_owned());
        }
    }

    pub(super) fn bundle(&mut self) {
        self.private_key();
        self.linkage();
        self.extra();
        self.expired();
        self.not_yet();
        self.key_sizes();
        self.server_usage();
        self.setup_mark();
    }

    fn private_key(&mut self) {
        let chain = self.input.chain;
        let certificate = |at: &usize| chain.certificates.get(*at);
        let (text, hint) = match chain.keys.as_slice() {
            [] => (
                "the bundle has no private key".to_owned(),
                "export the certificate again together with its private key".to_owned(),
            ),
            [key] => match (key.certificate.as_ref().and_then(certificate), self.leaf()) {
                (Some(cert), Some(leaf)) if cert.sha256 == leaf.sha256 => return,
                (Some(cert), _) => (
                    format!("the private key belongs to {}, which is an issuer and not the leaf", cert.subject.text),
                    "export the provisioning certificate with its own private key".to_owned(),
                ),
                (None, leaf) => (
                    format!(
                        "the private key matches none of the {}{}",
                        count(chain.certificates.len(), "certificate", "certificates"),
                        leaf.map(|leaf| format!("; the leaf is {}", leaf.subject.text)).unwrap_or_default()
                    ),
                    "export certificate and private key together; the key must be the one of the signing request"
                        .to_owned(),
                ),
            },
            keys => (
                format!("the bundle has {} private keys where there must be one", keys.len()),
                "export the provisioning certificate alone, with its chain and its own private key".to_owned(),
            ),
        };
        self.report("CHAIN-NOKEY", Error, "bundle.private_key", text, hint);
    }

    /// CHAIN-SHORT: nothing self-signed at the end. CHAIN-ORDER: there is something self-signed, but the way to it is broken.
    fn linkage(&mut self) {
        let chain = self.input.chain;
        let Some(path) = &self.path else {
            let hint = "export the certificate with \"include all certificates in the path\"".to_owned();
            return self.report("CHAIN-SHORT", Error, "bundle", "the bundle has no certificate".to_owned(), hint);
        };
        let Some(last) = path.certificates.last() else { return };
        let Some(end) = chain.certificates.get(*last) else { return };
        if path.complete {
            if path.certificates.len() == 1 {
                let text = format!("{} is self-signed: a chain has at least a leaf and a root", end.subject.text);
                let hint = "have the leaf issued by a root whose hash the machine lists".to_owned();
                self.report("CHAIN-SHORT", Error, "leaf", text, hint);
            }
            return;
        }
        let impostor = chain.links_of(*last).find(|link| link.signature == LinkSignature::Bad);
        let others = (0..chain.certificates.len()).filter(|at| !path.certificates.contains(at));
        if let Some(link) = impostor {
            let text = format!(
                "{} names {} as its issuer, but was not signed with the key of the certificate of that name in the bundle",
                end.subject.text, end.issuer.text
            );
            let hint = format!("replace the certificate of {} by the one whose key signed it", end.issuer.text);
            self.report("CHAIN-ORDER", Error, format!("bundle[{}]", link.issuer), text, hint);
        } else if others.clone().any(|at| chain.is_self_signed(at)) {
            let text = format!(
                "the chain is broken: {} was issued by {}, which is not in the bundle",
                end.subject.text, end.issuer.text
            );
            let hint = format!("add the intermediate certificate of {}", end.issuer.text);
            self.report("CHAIN-ORDER", Error, "chain.issuer", text, hint);
        } else {
            let text = format!(
                "the chain ends at {}, whose issuer {} is missing: the machine must receive the root, it holds only hashes",
                end.subject.text, end.issuer.text
            );
            let hint = format!(
                "export with \"include all certificates in the path\", or add the certificate of {} by hand",
                end.issuer.text
            );
            self.report("CHAIN-SHORT", Error, "chain.root", text, hint);
        }
    }

    fn extra(&mut self) {
        let chain = self.input.chain;
        let roots = self.listed();
        let Some(path) = self.path.clone().filter(|path| path.complete) else { return };
        let complete: Vec<_> = chain.paths(roots).into_iter().filter(|path| path.complete).collect();
        let left = |at: &usize| !path.certificates.contains(at);
        let name = |at: usize| chain.certificates.get(at).map(|cert| cert.subject.text.as_str()).unwrap_or_default();
        let on_another_way = |at: &usize| complete.iter().any(|path| path.certificates.contains(at));
        let (other_ways, unrelated): (Vec<usize>, Vec<usize>) =
            (0..chain.certificates.len()).filter(left).partition(on_another_way);
        if !other_ways.is_empty() {
            let root = path.certificates.last().map(|at| name(*at)).unwrap_or_default();
            // Chosen by the hello it is no more than a remark: what we present is right.
            let severity = if chain.ends_listed(&path, roots) { Info } else { Warning };
            let text = format!(
                "there are {} from the leaf to a root; the one to {root} is used",
                count(complete.len(), "way", "ways"),
            );
            let hint = "other tools may take another one: keep only the chain whose root the machine lists".to_owned();
            self.report("CHAIN-EXTRA", severity, "bundle", text, hint);
        }
        if !unrelated.is_empty() {
            let names: Vec<&str> = unrelated.iter().map(|at| name(*at)).collect();
            let text = format!("not part of the chain: {}", names.join("; "));
            let hint = "remove them: tools that take the first match choose a wrong chain".to_owned();
            self.report("CHAIN-EXTRA", Warning, "bundle", text, hint);
        }
    }

    fn expired(&mut self) {
        let now = self.input.now;
        for (place, cert) in self.placed() {
            let left = cert.not_after.saturating_sub(now);
            let (severity, what) = if left < 0 {
                (Error, format!("expired {} ago", days(left.saturating_neg())))
            } else if left <= EXPIRY_WARNING_DAYS * DAY {
                (Warning, format!("expires in {}", days(left)))
            } else {
                continue;
            };
            let hint = match place.as_str() {
                "leaf" => "renew the provisioning certificate".to_owned(),
                _ => format!(
                    "replace it by the current certificate of {}; a renewed leaf may be needed",
                    cert.subject.text
                ),
            };
            let text = format!("{} {what} ({})", cert.subject.text, date(cert.not_after));
            self.report("CHAIN-EXPIRED", severity, format!("{place}.not_after"), text, hint);
        }
    }

    fn not_yet(&mut self) {
        for (place, cert) in self.placed() {
            if cert.not_before > self.input.now {
                let text = format!(
                    "{} is valid from {}, and it is {} now",
                    cert.subject.text,
                    date(cert.not_before),
                    date(self.input.now)
                );
                let hint = "correct the clock of this server, or wait".to_owned();
                self.report("CHAIN-NOTYET", Error, format!("{place}.not_before"), text, hint);
            }
        }
    }

    fn key_sizes(&mut self) {
        let placed = self.placed();
        let modern = self.modern_rules().severity();
        let version = self.input.firmware;
        let is_22 = version.is_some_and(|version| version.major >= 22);
        let is_old = version.is_some_and(|version| version.major <= 10);
        for (place, cert) in &placed {
            let Some(bits) = cert.key.rsa_bits() else { continue };
            let field = format!("{place}.public_key");
            if let Some(severity) = modern.filter(|_| bits < MIN_RSA_BITS) {
                let text = format!(
                    "{} has an RSA key of {bits} bits; AMT 16 (and 15 on H platforms) refuses less than {MIN_RSA_BITS}",
                    cert.subject.text
                );
                let hint = format!("have it issued anew with a key of at least {MIN_RSA_BITS} bits");
                self.report("KEY-SMALL", severity, field, text, hint);
            } else if is_22 && bits < MIN_RSA_BITS_22 {
                let text = format!(
                    "{} has an RSA key of {bits} bits; AMT 22 is leaving less than {MIN_RSA_BITS_22} behind",
                    cert.subject.text
                );
                let hint = format!("have it issued anew with a key of {MIN_RSA_BITS_22} bits and SHA-384");
                self.report("KEY-SMALL", Warning, field, text, hint);
            }
        }
        for (place, cert) in &placed {
            let Some(bits) = cert.key.rsa_bits().filter(|_| is_old) else { continue };
            let limit = if place == "leaf" { MAX_RSA_BITS_10.0 } else { MAX_RSA_BITS_10.1 };
            if bits > limit {
                let text = format!(
                    "{} has an RSA key of {bits} bits; AMT up to 10 is not known to take more than {limit} there",
                    cert.subject.text
                );
                let hint = "use a chain of 2048-bit keys for these machines".to_owned();
                self.report("KEY-LARGE", Warning, format!("{place}.public_key"), text, hint);
            }
        }
        for (place, cert) in &placed {
            if !matches!(cert.key, PublicKey::Rsa(_)) {
                let severity = if place == "leaf" { Error } else { Warning };
                let text = format!("{} has an {} key; all known provisioning uses RSA", cert.subject.text, cert.key);
                let hint = "use a chain with RSA keys from leaf to root".to_owned();
                self.report("KEY-TYPE", severity, format!("{place}.public_key"), text, hint);
            }
        }
    }

    fn server_usage(&mut self) {
        let Some(leaf) = self.leaf() else { return };
        let Some(usages) = &leaf.extended_key_usage else { return };
        if !usages.iter().any(|oid| oid == OID_SERVER_AUTH) {
            let text = format!(
                "the extended key usage of {} has {} but not server authentication ({OID_SERVER_AUTH}), which firmware wants",
                leaf.subject.text,
                usages.join(", ")
            );
            let hint = format!("have it issued anew with both {OID_SERVER_AUTH} and {OID_SETUP}");
            self.report("EKU-NOSERVER", Error, "leaf.extended_key_usage", text, hint);
        }
    }

    fn setup_mark(&mut self) {
        let Some(leaf) = self.leaf() else { return };
        let has_oid = leaf.extended_key_usage.iter().flatten().any(|oid| oid == OID_SETUP);
        if has_oid || leaf.subject.organizational_units().any(|unit| unit == OU_SETUP) {
            return;
        }
        let mut text = format!(
            "{} has neither the extended key usage {OID_SETUP} nor the organisational unit {OU_SETUP:?}",
            leaf.subject.text
        );
        for miss in near_misses(leaf) {
            text.push_str("; ");
            text.push_str(&miss);
        }
        let hint = format!("have it issued anew with the extended key usages {OID_SERVER_AUTH} and {OID_SETUP}");
        self.report("OID-OU", Error, "leaf.subject.ou", text, hint);
    }
}

/// What was probably meant to be the OID or the unit.
fn near_misses(leaf: &CertFacts) -> Vec<String> {
    let wanted = squeezed(OU_SETUP);
    let mut misses = Vec::new();
    for oid in leaf.extended_key_usage.iter().flatten() {
        let other = oid.strip_prefix(OID_INTEL);
        match other {
            Some("1") => misses.push(format!("{oid} is for remote consoles, not for setup")),
            Some("2") => misses.push(format!("{oid} is for local consoles, not for setup")),
            Some(_) => misses.push(format!("{oid} is another usage of Intel's, not setup")),
            None => {}
        }
    }
    for (kind, value) in &leaf.subject.attributes {
        if squeezed(value) == wanted {
            let is_unit = leaf.subject.organizational_units().any(|unit| unit == value);
            misses.push(if is_unit {
                format!("the unit {value:?} differs by case, spacing or the (R) sign")
            } else if value == OU_SETUP {
                format!("{value:?} stands in attribute {kind} instead of the organisational unit")
            } else {
                format!("{value:?} stands in attribute {kind}, and differs by case, spacing or the (R) sign")
            });
        }
    }
    misses
}

/// Without case, white space and the registered sign in any writing.
fn squeezed(text: &str) -> String {
    let text = text.to_lowercase().replace("(r)", "").replace('\u{ae}', "");
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn days(seconds: i64) -> String {
    match seconds / DAY {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        n => format!("{n} days"),
    }
}

/// `YYYY-MM-DD` of seconds since 1970, in the proleptic Gregorian calendar.
fn date(seconds: i64) -> String {
    // Days since 0000-03-01, so that leap days end a year (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let days = seconds.div_euclid(DAY) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_735_689_599, "2024-12-31"),
            (4_102_444_800, "2100-01-01"),
            (-1, "1969-12-31"),
        ] {
            assert_eq!(date(seconds), text);
        }
        // The ends of the range do not overflow.
        assert!(!date(i64::MAX).is_empty() && !date(i64::MIN).is_empty());
    }
}
