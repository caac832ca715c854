//! Common name of the certificate against the DNS suffix of the machine's network (`spec/hello-tls.md` §2.3, domain-suffix
//! rule). Firmware generations compare differently.

use crate::FirmwareVersion;
use std::fmt;

/// How a firmware generation compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SuffixRule {
    /// The domain in the common name must equal the suffix.
    Equal,
    /// Under `com` and `net` the last two labels decide, so that sub-domains match; elsewhere as before.
    ComNet,
    /// So many labels decide as the table says for the top-level domain; the whole name for one that is not in the table.
    Table,
}

/// Result of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuffixMatch {
    /// Accepted.
    Match,
    /// Accepted only by firmware that has this rule or a later one.
    MatchOnlyOnNewerFirmware(SuffixRule),
    /// Refused.
    Mismatch,
}

/// Top-level domains of which two labels decide.
const TWO_LABELS: &[&str] = &["com", "net", "org", "gov", "edu", "de", "ch", "dk", "cz", "cl", "ua"];
/// Top-level domains of which three labels decide.
const THREE_LABELS: &[&str] = &[
    "arpa", "fr", "cn", "nl", "br", "mx", "uk", "pl", "tw", "ca", "fi", "be", "ru", "se", "ar", "es", "no", "at", "in",
    "tr", "ro", "hu", "nz", "pt", "il", "gr", "co", "ie", "za", "th", "sg", "hk", "lt", "id", "hr", "ee", "bg",
];
/// Suffixes that no public authority certifies.
const PRIVATE: &[&str] = &["local", "corp", "lan", "internal", "intranet", "home", "private", "localdomain"];

impl SuffixRule {
    /// Oldest first.
    pub const ALL: [Self; 3] = [Self::Equal, Self::ComNet, Self::Table];

    /// What this firmware does.
    pub fn of(version: FirmwareVersion) -> Self {
        match (version.major, version.minor) {
            (4, 0) | (5, 0) => Self::ComNet,
            (4.., _) => Self::Table,
            (3, 0) | (..=1, _) | (2, ..=5) => Self::Equal,
            (2 | 3, _) => Self::ComNet,
        }
    }

    /// What decides under this rule: `suffix` must equal one of these or, unless the rule is `Equal`, end with a dot and it.
    fn accepts(self, name: &str, suffix: &str) -> bool {
        let cut = match self {
            Self::Table => compared(name),
            Self::ComNet if matches!(top_level(name), "com" | "net") => last_labels(name, 2),
            Self::ComNet | Self::Equal => {
                let parent = name.split_once('.').map(|(_, parent)| parent).filter(|parent| parent.contains('.'));
                return name == suffix || parent == Some(suffix);
            }
        };
        suffix == cut || suffix.strip_suffix(cut).is_some_and(|front| front.ends_with('.'))
    }
}

impl fmt::Display for SuffixRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "AMT up to 2.5 and 3.0, which want the domain equal to the suffix",
            Self::ComNet => "AMT 2.6 and 3.x, which compare two labels under .com and .net",
            Self::Table => "AMT 4.1, 5.1 and later, which compare two or three labels by country",
        })
    }
}

/// Compares a certificate's common name with the suffix. `firmware` is the version, or a lower bound of it, if known.
pub fn compare(common_name: &str, suffix: &str, firmware: Option<FirmwareVersion>) -> SuffixMatch {
    let (name, suffix) = (normal(common_name), normal(suffix));
    if name.is_empty() || suffix.is_empty() || name.contains(char::is_whitespace) {
        return SuffixMatch::Mismatch;
    }
    let accepted = |rule: &SuffixRule| rule.accepts(&name, &suffix);
    match firmware.map(SuffixRule::of) {
        Some(rule) if accepted(&rule) => SuffixMatch::Match,
        // Without a version the newest rule decides, and the oldest from which on it matches is named.
        None if accepted(&SuffixRule::Table) => {
            match SuffixRule::ALL.iter().rev().take_while(|rule| accepted(rule)).last() {
                Some(SuffixRule::Equal) | None => SuffixMatch::Match,
                Some(rule) => SuffixMatch::MatchOnlyOnNewerFirmware(*rule),
            }
        }
        Some(rule) => match SuffixRule::ALL.iter().find(|newer| **newer > rule && accepted(newer)) {
            Some(newer) => SuffixMatch::MatchOnlyOnNewerFirmware(*newer),
            None => SuffixMatch::Mismatch,
        },
        None => SuffixMatch::Mismatch,
    }
}

/// The part of a common name that current firmware compares: two or three labels by top-level domain, else all of it.
pub fn compared(common_name: &str) -> &str {
    let tld = top_level(common_name);
    if TWO_LABELS.contains(&tld) {
        last_labels(common_name, 2)
    } else if THREE_LABELS.contains(&tld) {
        last_labels(common_name, 3)
    } else {
        common_name
    }
}

/// Under a domain that no public authority certifies, or without any domain.
pub fn is_private(domain: &str) -> bool {
    let domain = normal(domain);
    let tld = top_level(&domain);
    !domain.contains('.') || PRIVATE.contains(&tld) || domain == "home.arpa" || domain.ends_with(".home.arpa")
}

/// Lower case, without a wildcard label, surrounding space or dots.
pub fn normal(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    name.strip_prefix("*.").unwrap_or(&name).trim_matches('.').to_owned()
}

fn top_level(name: &str) -> &str {
    last_labels(name, 1)
}

/// The last `count` labels, or all if there are fewer.
fn last_labels(name: &str, count: usize) -> &str {
    let dot = name.rmatch_indices('.').nth(count.saturating_sub(1));
    dot.and_then(|(at, _)| name.get(at + 1..)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(version: &str, name: &str, suffix: &str) -> SuffixMatch {
        compare(name, suffix, (!version.is_empty()).then(|| version.parse().unwrap()))
    }

    #[test]
    fn every_generation_compares_by_its_rule() {
        use SuffixMatch::{Match, MatchOnlyOnNewerFirmware as Newer, Mismatch};
        use SuffixRule::{ComNet, Table};
        for (version, name, suffix, expected) in [
            ("", "vpro.example.com", "example.com", Match),
            ("", "example.com", "example.com", Match),
            ("", "*.Example.com", "example.COM.", Match),
            ("", "vpro.example.com", "lab.example.com", Newer(ComNet)),
            ("", "vpro.example.org", "lab.example.org", Newer(Table)),
            ("", "vpro.example.com", "example.net", Mismatch),
            ("", "vpro.example.com", "badexample.com", Mismatch),
            ("", "vpro.example.com", "com", Mismatch),
            ("16.0", "vpro.example.com", "lab.example.com", Match),
            ("2.5", "vpro.example.com", "lab.example.com", Newer(ComNet)),
            ("3.0", "vpro.example.com", "lab.example.com", Newer(ComNet)),
            ("2.6", "vpro.example.com", "lab.example.com", Match),
            ("3.2", "vpro.example.de", "lab.example.de", Newer(Table)),
            ("5.0", "vpro.example.de", "lab.example.de", Newer(Table)),
            ("4.1", "vpro.example.de", "lab.example.de", Match),
            // Three labels decide: a host name directly under the registered name is part of the comparison.
            ("16.0", "vpro.example.co.uk", "lab.example.co.uk", Match),
            ("16.0", "vpro.example.fr", "example.fr", Mismatch),
            ("2.2", "vpro.example.fr", "example.fr", Match),
            ("16.0", "example.fr", "lab.example.fr", Match),
            // Not in the table: the whole name decides.
            ("16.0", "vpro.example.xyz", "example.xyz", Mismatch),
            ("16.0", "example.xyz", "lab.example.xyz", Match),
            ("16.0", "AMT provisioning", "example.com", Mismatch),
            ("16.0", "", "example.com", Mismatch),
            ("16.0", "vpro.example.com", "", Mismatch),
        ] {
            assert_eq!(on(version, name, suffix), expected, "{version} {name} {suffix}");
        }
    }

    #[test]
    fn private_suffixes_are_known() {
        for domain in ["corp.local", "a.corp", "x.LAN.", "intranet", "me.home.arpa"] {
            assert!(is_private(domain), "{domain}");
        }
        for domain in ["example.com", "local.example.com", "in-addr.arpa"] {
            assert!(!is_private(domain), "{domain}");
        }
    }

    #[test]
    fn the_table_has_no_domain_twice() {
        assert!(TWO_LABELS.iter().all(|tld| !THREE_LABELS.contains(tld)));
        assert_eq!((TWO_LABELS.len(), THREE_LABELS.len()), (11, 37));
    }
}
