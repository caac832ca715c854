//! Which of several provisioning certificates to try first (`spec/hello-tls.md` §2.4).

use super::facts::ChainFacts;
use super::suffix::{self, SuffixMatch};
use crate::FirmwareVersion;
use crate::hello::{Hello, HelloKind};
use std::cmp::Reverse;

/// What is known of the machine; what is not known does not decide.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChooseInput<'a> {
    /// Its hello.
    pub hello: Option<&'a Hello>,
    /// DNS suffix of its network.
    pub suffix: Option<&'a str>,
    /// Its firmware.
    pub firmware: Option<FirmwareVersion>,
    /// SHA-256 (lower-case hex) of the leaf that this machine accepted before.
    pub remembered: Option<&'a str>,
}

/// One candidate in the order of trying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Position among the candidates given.
    pub index: usize,
    /// Why it stands here, for people.
    pub reasons: Vec<String>,
    /// Nothing known speaks against it.
    pub fits: bool,
}

/// Larger is better, compared from the first field on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Has a leaf with its key; without that it cannot even be presented.
    usable: bool,
    /// 2 listed, 1 unknown, 0 not listed.
    root: u8,
    remembered: bool,
    /// 2 match, 1 unknown or only on newer firmware, 0 mismatch.
    suffix: u8,
}

/// All candidates, likeliest first: by the hello's root hashes, then the one that was accepted before, then by DNS suffix,
/// then in the order given. None is left out: firmware has the last word.
pub fn choose(candidates: &[&ChainFacts], input: &ChooseInput<'_>) -> Vec<Choice> {
    let mut ranked: Vec<(Rank, Choice)> = candidates
        .iter()
        .enumerate()
        .map(|(index, chain)| {
            let (rank, reasons) = judge(chain, input);
            let fits = rank.usable && rank.root > 0 && rank.suffix > 0;
            (rank, Choice { index, reasons, fits })
        })
        .collect();
    ranked.sort_unstable_by_key(|(rank, choice)| (Reverse(*rank), choice.index));
    ranked.into_iter().map(|(_, choice)| choice).collect()
}

fn judge(chain: &ChainFacts, input: &ChooseInput<'_>) -> (Rank, Vec<String>) {
    let mut reasons = Vec::new();
    let leaf = chain.leaf();
    let usable = leaf.is_some() && chain.keys.iter().any(|key| key.certificate == leaf);
    let Some(cert) = leaf.and_then(|at| chain.certificates.get(at)) else {
        return (Rank { usable: false, root: 0, remembered: false, suffix: 0 }, vec!["has no certificate".to_owned()]);
    };
    if !usable {
        reasons.push("has no private key for its leaf".to_owned());
    }
    let root = match input.hello.map(|hello| &hello.kind) {
        Some(HelloKind::Pki { roots }) => {
            let path = chain.path(Some(roots)).filter(|path| chain.ends_listed(path, Some(roots)));
            let end = path.and_then(|path| path.certificates.last().and_then(|at| chain.certificates.get(*at)));
            match end {
                Some(end) => {
                    reasons.push(format!("the machine lists its root {}", end.subject.text));
                    2
                }
                None => {
                    reasons.push("the machine does not list its root".to_owned());
                    0
                }
            }
        }
        _ => 1,
    };
    let remembered = input.remembered.is_some_and(|hex| cert.sha256_hex() == hex);
    if remembered {
        reasons.push("this machine accepted it before".to_owned());
    }
    let firmware = input.firmware.or_else(|| input.hello.map(|hello| hello.firmware_guess().at_least));
    let suffix = input.suffix.map_or(1, |suffix| {
        let results = cert.subject.common_names().map(|name| (name, suffix::compare(name, suffix, firmware)));
        let rank = |result| match result {
            SuffixMatch::Match => 2,
            SuffixMatch::MatchOnlyOnNewerFirmware(_) => 1,
            SuffixMatch::Mismatch => 0,
        };
        let best = results.map(|(name, result)| (rank(result), name)).max_by_key(|(rank, _)| *rank);
        let (rank, name) = best.unwrap_or((0, ""));
        reasons.push(match rank {
            2 => format!("common name {name:?} matches the suffix {suffix:?}"),
            1 => format!("common name {name:?} matches the suffix {suffix:?} on newer firmware only"),
            _ => format!("common name {name:?} does not match the suffix {suffix:?}"),
        });
        rank
    });
    (Rank { usable, root, remembered, suffix }, reasons)
}
