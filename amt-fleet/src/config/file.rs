//! The configuration file as it is written.

use crate::resolve::Entry;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) listen: Option<OneOrMany>,
    pub(super) database: PathBuf,
    pub(super) seal_key_file: PathBuf,
    #[serde(default)]
    pub(super) provisioning_certificate: Vec<Certificate>,
    #[serde(default)]
    pub(super) dns_suffixes: Vec<String>,
    pub(super) names: Option<String>,
    #[serde(default)]
    pub(super) ca: super::ca::Section,
    pub(super) client_ca: Option<super::ca::Section>,
    pub(super) console: Option<Console>,
    pub(super) directory: Option<super::directory::Section>,
    #[serde(default)]
    pub(super) profile: Profile,
    pub(super) renew_at_percent: Option<u8>,
    pub(super) concurrency: Option<usize>,
    pub(super) admit: Option<Admit>,
    pub(super) known: Option<PathBuf>,
    #[serde(default)]
    pub(super) retry: Retry,
    #[serde(default)]
    pub(super) profiles: BTreeMap<String, Profile>,
    #[serde(default)]
    pub(super) guard: Guard,
    pub(super) resolver: Option<Program>,
    #[serde(default)]
    pub(super) rule: Vec<Rule>,
    #[serde(default)]
    pub(super) action: Vec<Action>,
    pub(super) intake: Option<super::intake::Section>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Console {
    pub(super) name: Option<String>,
    pub(super) ca: Option<super::ca::Section>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) when: Option<String>,
    pub(super) entry: Option<Entry>,
    pub(super) reason: Option<String>,
    pub(super) name: Option<String>,
    pub(super) dns_suffix: Option<String>,
    pub(super) profile: Option<String>,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    pub(super) ou: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) boot: Option<bool>,
    pub(super) rename: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Action {
    pub(super) name: String,
    pub(super) on: String,
    pub(super) when: Option<String>,
    pub(super) command: Option<PathBuf>,
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    pub(super) webhook: Option<String>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) boot: Option<Boot>,
    #[serde(default, deserialize_with = "duration")]
    pub(super) timeout: Option<Duration>,
    pub(super) attempts: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Boot {
    Network,
    HardDrive,
    Optical,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Guard {
    #[serde(default, deserialize_with = "duration")]
    pub(super) recent: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    pub(super) settled: Option<Duration>,
    pub(super) park: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Program {
    pub(super) command: PathBuf,
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    #[serde(default, deserialize_with = "duration")]
    pub(super) timeout: Option<Duration>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected an address and port, or a list of them")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    pub(super) pfx: Option<PathBuf>,
    pub(super) pem: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) password_env: Option<String>,
    pub(super) chain: Option<PathBuf>,
    pub(super) sign: Option<Program>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Admit {
    Auto,
    Known,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    pub(super) admin_password: Option<Password>,
    pub(super) mebx_password: Option<Password>,
    pub(super) known_admin_passwords_file: Option<PathBuf>,
    pub(super) otp_file: Option<PathBuf>,
    pub(super) window_hours: Option<u8>,
    #[serde(default, deserialize_with = "duration")]
    pub(super) guess_spacing: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    pub(super) proof_timeout: Option<Duration>,
    pub(super) legacy_tls: Option<LegacyConsent>,
    #[serde(default)]
    pub(super) tls: Tls,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    pub(super) settings: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LegacyConsent {
    Refuse,
    Allow,
    AllowWeak,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) plain_http: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected \"generate\", { file = \"…\" } or { env = \"…\" }; a password itself is never written here"
)]
pub(super) enum Password {
    Word(Generate),
    File(FromFile),
    Env(FromEnv),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Generate {
    Generate,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FromFile {
    pub(super) file: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FromEnv {
    pub(super) env: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    #[serde(default, deserialize_with = "duration")]
    pub(super) first: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    pub(super) most: Option<Duration>,
    pub(super) attempts: Option<u32>,
    #[serde(default, deserialize_with = "duration")]
    pub(super) undecided: Option<Duration>,
}

/// `"90s"`, `"1500ms"`, `"10m"`, `"2h"`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map(Some).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "{text:?} is not a time: write a number with ms, s, m or h, for example \"90s\""
        ))
    })
}

fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(parse_duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_duration(" 2 h"), Some(Duration::from_secs(7200)));
        assert_eq!(parse_duration("1500ms"), Some(Duration::from_millis(1500)));
        for bad in ["", "5", "s", "-1s", "1d", "1.5h", "99999999999999999999s", "9999999999999999999h"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
