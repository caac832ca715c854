//! From one observation to a class, with the reason and the fix in words.
//!
//! A hello is all there is: which firmware sent it, which DNS suffix the machine has and who set its password are inferred or
//! looked up, and the text says which of the two.

use super::Site;
use crate::{Observation, Verdict};
use amt_core::hello::{HashAlgorithm, Hello, HelloKind};
use amt_core::psk::Pid;
use amt_core::{Finding, Severity, SystemId};
use std::fmt;

/// Findings that mean that the machine does not know the certificate's root.
const ROOT_CODES: &[&str] = &["ROOT-NOHASH", "FW-NODEFAULT"];
/// Findings that mean that the certificate is for another DNS suffix.
const SUFFIX_CODES: &[&str] = &["CN-SUFFIX", "CN-PRIVATE", "NO-SUFFIX"];

/// What would become of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Class {
    /// It would be provisioned.
    Ready,
    /// It trusts none of our roots.
    NoMatchingRoot,
    /// Our certificates are for other DNS suffixes.
    WrongSuffix,
    /// Its firmware needs TLS that the default engine does not speak.
    NeedsLegacyTls,
    /// Somebody set it up already, or may have.
    AlreadyOwned,
    /// Something else is wrong with our certificates.
    CertificateProblem,
    /// It waits for a pre-shared key.
    Psk,
    /// Its UUID is one that many machines share.
    UnusableIdentity,
    /// Something that is no hello came to the port.
    NotAHello,
}

impl Class {
    /// Every class, in the order of reports.
    pub const ALL: &'static [Self] = &[
        Self::Ready,
        Self::NoMatchingRoot,
        Self::WrongSuffix,
        Self::NeedsLegacyTls,
        Self::AlreadyOwned,
        Self::CertificateProblem,
        Self::Psk,
        Self::UnusableIdentity,
        Self::NotAHello,
    ];

    /// The stable word, as in JSON and CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::NoMatchingRoot => "no-matching-root",
            Self::WrongSuffix => "wrong-suffix",
            Self::NeedsLegacyTls => "needs-legacy-tls",
            Self::AlreadyOwned => "already-owned",
            Self::CertificateProblem => "certificate-problem",
            Self::Psk => "psk",
            Self::UnusableIdentity => "unusable-identity",
            Self::NotAHello => "not-a-hello",
        }
    }

    /// The same for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::NoMatchingRoot => "No matching root",
            Self::WrongSuffix => "Wrong suffix",
            Self::NeedsLegacyTls => "Needs legacy TLS",
            Self::AlreadyOwned => "Already owned",
            Self::CertificateProblem => "Certificate problem",
            Self::Psk => "Pre-shared key",
            Self::UnusableIdentity => "Unusable identity",
            Self::NotAHello => "Not a hello",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A class, and why.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Judgement {
    /// The class.
    pub class: Class,
    /// False where the class is inferred from a hello that does not say it outright.
    pub certain: bool,
    /// Why, in words.
    pub reason: String,
    /// What to do, in words; empty where there is nothing to do.
    pub fix: String,
    /// SHA-256 (hex) of the certificate that it is about: the one that fits, or fits best.
    pub certificate: Option<String>,
    /// The DNS suffix that was held against it.
    pub suffix: Option<String>,
    /// What else was found about that certificate and machine.
    pub also: Vec<Finding>,
}

/// The class of one observation. The first thing in the way decides; what else there is stands in `also`.
pub fn classify(seen: &Observation, site: &Site) -> Judgement {
    let hello = match &seen.hello {
        Ok(hello) => hello,
        Err(failure) => return bare(Class::NotAHello, true, failure.message.clone(), failure.hint.clone()),
    };
    if !hello.id.is_usable_as_key() {
        let reason = format!("{} is not programmed, or a value that many boards share", hello.id);
        return bare(Class::UnusableIdentity, true, reason, "have the UUID programmed by the maker's tool");
    }
    let ours = site.machines.get(&hello.id);
    if ours.is_some_and(|m| m.verified && !m.redo) {
        let reason = "our database says that it is provisioned and proven, yet it says hello: it was unprovisioned or reset since, \
                      or its board serves another machine now";
        let fix = format!("nothing is done to it unless you say so: `amt fleet redo {}` has it set up again", hello.id);
        return bare(Class::AlreadyOwned, true, reason, fix);
    }
    if let HelloKind::Psk { pid } = &hello.kind {
        return by_pair(hello.id, *pid, site);
    }
    let mut judgement = by_certificate(&seen.verdicts);
    judgement.also.extend(mixed_roots(hello));
    if judgement.class != Class::Ready {
        return judgement;
    }
    let version = ours.and_then(|m| m.firmware);
    let old_is_fine = site.allows_legacy_tls(hello.id);
    match version {
        Some(version) if !old_is_fine && !version.capabilities().tls.forward_secrecy => {
            judgement.class = Class::NeedsLegacyTls;
            judgement.reason = format!("it has AMT {version}, which offers RSA key exchange only (AMT before 14)");
            LEGACY_FIX.clone_into(&mut judgement.fix);
        }
        None if !old_is_fine && only_sha1(hello) => {
            judgement.class = Class::NeedsLegacyTls;
            judgement.certain = false;
            judgement.reason =
                "it lists SHA-1 roots only: probably firmware before AMT 7, which speaks TLS 1.0 or 1.1 with RSA key \
                                exchange; a hello does not tell the version itself"
                    .to_owned();
            LEGACY_FIX.clone_into(&mut judgement.fix);
        }
        _ if hello.admin_credentials_set && !site.passwords_known => {
            judgement.class = Class::AlreadyOwned;
            judgement.certain = false;
            judgement.reason = "its admin credentials are already set: perhaps another console set it up, perhaps only somebody typed a \
                                new MEBx password"
                .to_owned();
            judgement.fix = "ask who uses it; if it is free, put its MEBx password into known_admin_passwords_file, or reset it in MEBx"
                .to_owned();
        }
        _ => {}
    }
    judgement
}

const LEGACY_FIX: &str = "update its firmware to AMT 14 or later where the maker offers it; otherwise a build with the legacy TLS \
                          engine is needed, and legacy_tls = \"allow\" in its profile";

/// A machine that waits for a pre-shared key is opened by it alone, whatever our certificates are.
fn by_pair(id: SystemId, pid: Pid, site: &Site) -> Judgement {
    let owner = site.pairs.get(&pid);
    let is_own = site.machines.get(&id).is_some_and(|machine| machine.pids.contains(&pid));
    match owner {
        Some(Some(other)) if *other != id && !is_own => {
            let reason =
                format!("it waits for the pre-shared key of PID {pid}, which is for one machine, and that is {other}");
            let fix = format!(
                "if it is the same computer with a new UUID, `amt fleet rebind {other} {id}`; if several machines hold this pair, import \
                 it with `amt psk import --scope shared`"
            );
            bare(Class::Psk, true, reason, fix)
        }
        None if !is_own => {
            let reason = format!(
                "it waits for the pre-shared key of PID {pid}, which the database does not have: firmware before AMT 11, which also \
                 needs the legacy TLS engine"
            );
            let fix = "import the pair with `amt psk import`, or clear the PID in MEBx so that it uses certificates (AMT 2.2, 2.6, 3.0 \
                       and later)";
            bare(Class::Psk, true, reason, fix)
        }
        _ if !site.allows_legacy_tls(id) => {
            let reason = format!(
                "it waits for the pre-shared key of PID {pid}; the database has it, but its profile or this build does not allow the old \
                 TLS that it is used over"
            );
            bare(
                Class::Psk,
                true,
                reason,
                "set legacy_tls = \"allow\" in its profile, in a build with the legacy TLS engine",
            )
        }
        _ => {
            let reason = format!("it waits for the pre-shared key of PID {pid}, which the database has");
            bare(Class::Ready, true, reason, "")
        }
    }
}

/// By our certificates alone: ready, or what is wrong with the one that comes closest.
fn by_certificate(verdicts: &[Verdict]) -> Judgement {
    let has = |verdict: &Verdict, codes: &[&str]| errors(verdict).any(|f| codes.contains(&f.code));
    let only = |verdict: &Verdict, codes: &[&str]| errors(verdict).all(|f| codes.contains(&f.code));
    if let Some(verdict) = verdicts.iter().find(|v| v.fits()) {
        return about(Class::Ready, verdict, ready_reason(verdict), String::new());
    }
    let rooted = || verdicts.iter().filter(|v| !has(v, ROOT_CODES));
    let closest = rooted().find(|v| only(v, SUFFIX_CODES)).or_else(|| rooted().next()).or(verdicts.first());
    let Some(verdict) = closest else {
        let fix = "name one under [[provisioning_certificate]] in the configuration";
        return bare(Class::CertificateProblem, true, "there is no provisioning certificate", fix);
    };
    let class = if has(verdict, ROOT_CODES) {
        Class::NoMatchingRoot
    } else if only(verdict, SUFFIX_CODES) {
        Class::WrongSuffix
    } else {
        Class::CertificateProblem
    };
    let codes: Option<&[&str]> = match class {
        Class::NoMatchingRoot => Some(ROOT_CODES),
        Class::WrongSuffix => Some(SUFFIX_CODES),
        _ => None,
    };
    let main = errors(verdict).find(|f| codes.is_none_or(|codes| codes.contains(&f.code)));
    let (mut reason, fix) = main.map(|f| (f.message.clone(), f.hint.clone())).unwrap_or_default();
    if class == Class::NoMatchingRoot && verdicts.len() > 1 {
        reason =
            format!("none of our {} certificates has a root that it lists; of the first: {reason}", verdicts.len());
    }
    if class == Class::WrongSuffix && !verdict.suffix_known {
        reason.push_str("; the suffix is assumed from the configuration");
    }
    let mut judgement = about(class, verdict, reason, fix);
    judgement.certain = class != Class::WrongSuffix || verdict.suffix_known;
    judgement.also.retain(|f| Some(f) != main);
    judgement
}

fn ready_reason(verdict: &Verdict) -> String {
    match (&verdict.suffix, verdict.suffix_known) {
        (Some(suffix), true) => format!("it lists our root, and the certificate is for its DNS suffix {suffix}"),
        (Some(suffix), false) => {
            format!(
                "it lists our root; a hello does not tell the DNS suffix, {suffix} is assumed from the configuration"
            )
        }
        (None, _) => "it lists our root; its DNS suffix is not known and was not checked".to_owned(),
    }
}

/// A SHA-1 root beside others: since AMT 11 none is there by default, so the firmware may be older.
fn mixed_roots(hello: &Hello) -> Option<Finding> {
    let sha1 = hello.roots().iter().filter(|root| root.algorithm == HashAlgorithm::SHA1).count();
    (sha1 > 0 && sha1 < hello.roots().len()).then(|| {
        let text = "it lists SHA-1 roots among others: firmware before AMT 11 does, later firmware only where somebody added them";
        let hint = "if it turns out to be older than AMT 14, it needs the legacy TLS engine";
        Finding::new("LEGACY-TLS", Severity::Info, "hello.roots", text, hint)
    })
}

fn only_sha1(hello: &Hello) -> bool {
    !hello.roots().is_empty() && hello.roots().iter().all(|root| root.algorithm == HashAlgorithm::SHA1)
}

fn errors(verdict: &Verdict) -> impl Iterator<Item = &Finding> {
    verdict.findings.iter().filter(|f| f.severity == Severity::Error)
}

fn about(class: Class, verdict: &Verdict, reason: String, fix: String) -> Judgement {
    Judgement {
        class,
        certain: true,
        reason,
        fix,
        certificate: Some(verdict.certificate.clone()),
        suffix: verdict.suffix.clone(),
        also: verdict.findings.clone(),
    }
}

fn bare(class: Class, certain: bool, reason: impl Into<String>, fix: impl Into<String>) -> Judgement {
    let (reason, fix) = (reason.into(), fix.into());
    Judgement { class, certain, reason, fix, certificate: None, suffix: None, also: Vec::new() }
}
