//! Certificates against suffixes and firmware generations, and the clock that they are judged by.

use super::{Area, Doctor};
use crate::config::CertificateSource;
use amt::certificate::Bundle;
use amt_core::Severity::{Error, Info, Warning};
use amt_core::pki::{PreflightInput, SuffixInput, preflight};
use amt_core::{Finding, FirmwareVersion};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Findings that are about the suffix and not about the certificate.
const SUFFIX_CODES: &[&str] = &["CN-SUFFIX", "CN-PRIVATE", "LEAF-SAN"];
/// Firmware generations at which something changes that matters to a certificate (`spec/hello-tls.md` §2.3, §2.5).
const GENERATIONS: &[(u16, u16)] = &[
    (2, 2),
    (2, 6),
    (3, 0),
    (4, 1),
    (6, 0),
    (7, 0),
    (10, 0),
    (11, 0),
    (12, 0),
    (14, 0),
    (15, 0),
    (16, 0),
    (19, 0),
    (22, 0),
];
/// 2024-01-01: a clock before that is wrong.
const OLDEST_NOW: u64 = 1_704_067_200;
/// Clocks may differ so much.
const SLACK: Duration = Duration::from_secs(300);

impl Doctor<'_> {
    pub(super) fn certificates(&mut self) {
        let mut bundles = Vec::new();
        for source in &self.config.certificates.clone() {
            let field = source.path().display().to_string();
            match source.bundle() {
                Ok(bundle) => bundles.push((field, bundle)),
                Err(failure) => self.failure(Area::Certificates, "CERTIFICATE-UNREADABLE", field, &failure),
            }
            if let CertificateSource::Chain { sign, .. } = source {
                self.program(Area::Certificates, "SIGN-PROGRAM", "sign.command", sign.path());
            }
        }
        if self.config.certificates.is_empty() {
            let hint = "name one under [[provisioning_certificate]]";
            self.report(
                Area::Certificates,
                Error,
                "NO-CERTIFICATE",
                "provisioning_certificate",
                "there is no provisioning certificate",
                hint,
            );
        }
        for (field, bundle) in &bundles {
            let findings = self.held_against(bundle, None, self.firmware);
            let clean = findings.iter().all(|f| f.severity != Error);
            for mut finding in findings {
                finding.field = format!("{field}: {}", finding.field);
                self.found.push(super::Diagnosis { area: Area::Certificates, finding });
            }
            if clean {
                self.report(
                    Area::Certificates,
                    Info,
                    "CERTIFICATE-OK",
                    field,
                    "the certificate is whole and valid",
                    "",
                );
            }
            if self.firmware.is_none() {
                let text = self.generations(bundle);
                self.report(Area::Certificates, Info, "FIRMWARE", field, text, "");
            }
        }
        for suffix in &self.config.dns_suffixes.clone() {
            self.suffix(suffix, &bundles);
        }
    }

    /// One certificate for a suffix is enough.
    fn suffix(&mut self, suffix: &str, bundles: &[(String, Bundle)]) {
        let mut against = Vec::new();
        for (field, bundle) in bundles {
            let mut findings = self.held_against(bundle, Some(suffix), self.firmware);
            findings.retain(|f| SUFFIX_CODES.contains(&f.code));
            if findings.iter().all(|f| f.severity != Error) {
                self.report(Area::Certificates, Info, "SUFFIX-OK", suffix, format!("served by {field}"), "");
                for mut finding in findings {
                    finding.field = format!("{suffix}: {}", finding.field);
                    self.found.push(super::Diagnosis { area: Area::Certificates, finding });
                }
                return;
            }
            against.extend(
                findings.into_iter().filter(|f| f.severity == Error).map(|f| format!("{field}: {}", f.message)),
            );
        }
        if !bundles.is_empty() {
            let hint = "get a certificate for this suffix, or set DHCP option 15 to a domain that one of yours is for";
            let text = format!("no certificate is for this suffix: {}", against.join("; "));
            self.report(Area::Certificates, Error, "SUFFIX-UNCOVERED", suffix, text, hint);
        }
    }

    fn held_against(&self, bundle: &Bundle, suffix: Option<&str>, firmware: Option<FirmwareVersion>) -> Vec<Finding> {
        let now = self.now.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
        let mut input = PreflightInput::new(bundle.facts(), now);
        input.suffix = suffix.map_or(SuffixInput::Unknown, SuffixInput::Known);
        input.firmware = firmware;
        preflight(&input)
    }

    /// Which generations take the certificate, as ranges.
    fn generations(&self, bundle: &Bundle) -> String {
        let mut ranges: Vec<(FirmwareVersion, FirmwareVersion, String)> = Vec::new();
        for (major, minor) in GENERATIONS {
            let version = FirmwareVersion::new(*major, *minor);
            let findings = self.held_against(bundle, None, Some(version));
            let mut codes: Vec<&str> = findings.iter().filter(|f| f.severity == Error).map(|f| f.code).collect();
            codes.dedup();
            let legacy = if version.capabilities().tls.forward_secrecy { "" } else { ", over legacy TLS only" };
            let verdict =
                if codes.is_empty() { format!("accepted{legacy}") } else { format!("refused ({})", codes.join(", ")) };
            match ranges.last_mut() {
                Some((_, last, same)) if *same == verdict => *last = version,
                _ => ranges.push((version, version, verdict)),
            }
        }
        let short = |v: &FirmwareVersion| format!("{}.{}", v.major, v.minor);
        let words: Vec<String> = ranges
            .iter()
            .map(|(a, b, verdict)| {
                if a == b {
                    format!("AMT {} {verdict}", short(a))
                } else {
                    format!("AMT {} to {} {verdict}", short(a), short(b))
                }
            })
            .collect();
        words.join("; ")
    }

    pub(super) fn clock(&mut self, newest: Option<SystemTime>) {
        if self.now < UNIX_EPOCH + Duration::from_secs(OLDEST_NOW) {
            self.report(
                Area::Clock,
                Error,
                "CLOCK-WRONG",
                "clock",
                "the system clock stands before 2024",
                "set the clock, and keep it by NTP",
            );
        }
        match newest {
            Some(newest) if newest > self.now + SLACK => {
                let text = format!(
                    "the database has entries of {}, which is in the future",
                    humantime::format_rfc3339_seconds(newest)
                );
                self.report(
                    Area::Clock,
                    Error,
                    "CLOCK-BACK",
                    "clock",
                    text,
                    "the clock was set back, or was ahead once: set it right by NTP",
                );
            }
            _ => {
                let text = format!("the clock says {}", humantime::format_rfc3339_seconds(self.now));
                self.report(Area::Clock, Info, "CLOCK", "clock", text, "");
            }
        }
        match synchronized() {
            Some(true) => self.report(Area::Clock, Info, "CLOCK-SYNC", "clock", "it is synchronised by NTP", ""),
            Some(false) => {
                let hint = "have chrony or systemd-timesyncd keep it: machines get their clock from this host";
                self.report(
                    Area::Clock,
                    Warning,
                    "CLOCK-UNSYNC",
                    "clock",
                    "a time service runs and has not synchronised it",
                    hint,
                );
            }
            None => self.report(
                Area::Clock,
                Info,
                "CLOCK-UNKNOWN",
                "clock",
                "whether it is synchronised cannot be told here",
                "",
            ),
        }
    }
}

/// What systemd's time service says in its run-time folder; `None` where it does not run, as with other services.
fn synchronized() -> Option<bool> {
    let folder = std::path::Path::new("/run/systemd/timesync");
    folder.is_dir().then(|| folder.join("synchronized").exists())
}
