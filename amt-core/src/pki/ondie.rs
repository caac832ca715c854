//! The chain of the chip's own authority (ODCA), which the local TLS port presents from CSME 15 on (`spec/wsman.md` §4(d) d3,
//! `spec/hello-tls.md` §3): no host name tells whose it is, its shape and its root do.
//!
//! Dates are not judged: the clock of a machine that is not set up yet may be anywhere. Neither are key usages, which some of these
//! leaves lack.

use super::{CertFacts, ChainFacts, LinkSignature};
use std::fmt;

/// Lengths of such chains: up to the certificate of the ROM, or up to the maker's root.
const LENGTHS: [usize; 2] = [4, 6];
/// Common names of the leaf.
const LEAF: [&str; 2] = ["iAMT CSME IDevID RCFG", "AMT RCFG"];
/// Position of the certificate by which the ROM vouches for everything below it, and what its common name contains.
const ROM_AT: usize = 3;
const ROM: [&str; 2] = ["ROM CA", "ROM DE"];
/// How the organisational unit of its issuer begins.
const AUTHORITY: [&str; 2] = ["ODCA", "On Die CSME"];

/// Most certificates of such a chain.
pub const MAX_ON_DIE: usize = 6;

/// The check that a chain did not pass; positions count from the leaf, which is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDieFault {
    /// A certificate could not be read.
    Unreadable {
        /// Why.
        why: String,
    },
    /// Neither 4 nor 6 certificates.
    Length {
        /// How many.
        have: usize,
    },
    /// The leaf is not named as AMT's leaf.
    Leaf {
        /// Its name.
        subject: String,
    },
    /// The fourth certificate is not one of the ROM.
    Rom {
        /// Its name.
        subject: String,
    },
    /// The issuer of the ROM's certificate is no authority of on-die certificates.
    Authority {
        /// Its name.
        issuer: String,
    },
    /// A certificate names another issuer than the one that follows it.
    Order {
        /// Position.
        at: usize,
        /// Whom it names.
        issuer: String,
    },
    /// The signature on a certificate is not by the key of the one that follows it.
    Signature {
        /// Position.
        at: usize,
    },
    /// The chain ends at none of the given roots.
    Root {
        /// Whom the last certificate names as its issuer.
        issuer: String,
    },
}

impl fmt::Display for OnDieFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { why } => write!(f, "reading: {why}"),
            Self::Length { have } => write!(f, "length: {have} certificates, where there should be 4 or 6"),
            Self::Leaf { subject } => {
                write!(f, "leaf: it is named {subject:?}, not \"{}\" or \"{}\"", LEAF[0], LEAF[1])
            }
            Self::Rom { subject } => write!(f, "ROM: the fourth certificate is named {subject:?}, not as a \"ROM CA\""),
            Self::Authority { issuer } => {
                write!(f, "authority: the ROM's certificate was issued by {issuer:?}, which is no on-die authority")
            }
            Self::Order { at, issuer } => {
                write!(f, "order: certificate {at} names {issuer:?} as its issuer, which does not follow it")
            }
            Self::Signature { at } => write!(f, "signature: the one on certificate {at} is not by its issuer"),
            Self::Root { issuer } => {
                write!(f, "root: the chain ends at {issuer:?}, which is none of the on-die roots given")
            }
        }
    }
}

impl std::error::Error for OnDieFault {}

/// Checks a chain as it was `presented`, leaf first, DER. `facts` are those of its certificates and of `roots`, which the caller trusts:
/// roots, or authorities below them.
///
/// # Errors
/// The first check that it does not pass, in the order of [`OnDieFault`].
pub fn check_on_die(facts: &ChainFacts, presented: &[Vec<u8>], roots: &[Vec<u8>]) -> Result<(), OnDieFault> {
    let length = || OnDieFault::Length { have: presented.len() };
    let at = |der: &Vec<u8>| facts.certificates.iter().position(|certificate| certificate.der == *der);
    let places: Vec<usize> = presented.iter().filter_map(at).collect();
    let chain: Vec<&CertFacts> = places.iter().filter_map(|at| facts.certificates.get(*at)).collect();
    let ([leaf, .., last], Some(rom)) = (chain.as_slice(), chain.get(ROM_AT)) else { return Err(length()) };
    if !LENGTHS.contains(&chain.len()) {
        return Err(length());
    }
    if !leaf.subject.common_names().any(|name| LEAF.contains(&name)) {
        return Err(OnDieFault::Leaf { subject: leaf.subject.text.clone() });
    }
    if !rom.subject.common_names().any(|name| ROM.iter().any(|part| name.contains(part))) {
        return Err(OnDieFault::Rom { subject: rom.subject.text.clone() });
    }
    if !rom.issuer.organizational_units().any(|unit| AUTHORITY.iter().any(|stem| unit.starts_with(stem))) {
        return Err(OnDieFault::Authority { issuer: rom.issuer.text.clone() });
    }
    for (nth, (pair, place)) in chain.windows(2).zip(places.windows(2)).enumerate() {
        let ([certificate, issuer], [at, issuer_at]) = (pair, place) else { continue };
        if !certificate.issuer.is(&issuer.subject) {
            return Err(OnDieFault::Order { at: nth + 1, issuer: certificate.issuer.text.clone() });
        }
        if !is_signed_by(facts, *at, *issuer_at) {
            return Err(OnDieFault::Signature { at: nth + 1 });
        }
    }
    // The last one is trusted itself, or signed by one that is.
    let last_at = places.last().copied().unwrap_or_default();
    let by_root = || roots.iter().filter_map(at).any(|root| is_signed_by(facts, last_at, root));
    if roots.contains(&last.der) || by_root() {
        return Ok(());
    }
    Err(OnDieFault::Root { issuer: last.issuer.text.clone() })
}

fn is_signed_by(facts: &ChainFacts, certificate: usize, issuer: usize) -> bool {
    let good = |link: &&super::Link| link.signature == LinkSignature::Good;
    facts.links.iter().filter(good).any(|link| link.certificate == certificate && link.issuer == issuer)
}
