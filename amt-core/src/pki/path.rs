//! Leaf to root, out of a bundle in any order (`spec/hello-tls.md` §2.4, §4 CHAIN-ORDER).

use super::OID_SETUP;
use super::facts::{CertFacts, ChainFacts, Link, LinkSignature};
use crate::hello::Roots;

/// Most paths of one bundle that are compared.
const MAX_PATHS: usize = 64;
/// Most links that are followed in search of them; bounds the work on a bundle made to have very many.
const MAX_STEPS: usize = 4096;

/// A way from the leaf up, by position in [`ChainFacts::certificates`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Leaf first.
    pub certificates: Vec<usize>,
    /// Ends at a self-signed certificate.
    pub complete: bool,
}

impl ChainFacts {
    /// Position of the provisioning certificate itself: the one that belongs to the private key; without such a key the one that
    /// looks most like it.
    pub fn leaf(&self) -> Option<usize> {
        let of_key = |key: &super::KeyFacts| key.certificate.filter(|at| *at < self.certificates.len());
        let by_key = || self.keys.iter().filter_map(of_key);
        by_key().find(|at| !self.issues_another(*at)).or_else(|| self.likely_leaf()).or_else(|| by_key().next())
    }

    /// Every way from the leaf to a self-signed certificate or to where the bundle ends; the best first.
    ///
    /// Best is one whose root the hello lists, then one that is complete, then the shortest.
    pub fn paths(&self, roots: Option<&Roots>) -> Vec<Path> {
        let Some(leaf) = self.leaf() else { return Vec::new() };
        let mut search = Search { chain: self, found: Vec::new(), steps: 0 };
        search.climb(&mut vec![leaf]);
        let mut paths = search.found;
        paths.sort_by_key(|path| (!self.ends_listed(path, roots), !path.complete, path.certificates.len()));
        paths
    }

    /// The way to present to a machine that sent these roots.
    pub fn path(&self, roots: Option<&Roots>) -> Option<Path> {
        self.paths(roots).into_iter().next()
    }

    /// The certificates of `path`, leaf first.
    pub fn along<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a CertFacts> {
        path.certificates.iter().filter_map(|at| self.certificates.get(*at))
    }

    /// Whether `path` ends at a self-signed certificate that the hello lists.
    pub fn ends_listed(&self, path: &Path, roots: Option<&Roots>) -> bool {
        let last = path.certificates.last().and_then(|at| self.certificates.get(*at));
        path.complete && roots.zip(last).is_some_and(|(roots, last)| last.is_listed(roots))
    }

    /// Signed with its own key, or at least not shown otherwise.
    pub(super) fn is_self_signed(&self, at: usize) -> bool {
        self.links_of(at).any(|link| link.issuer == at && link.signature != LinkSignature::Bad)
    }

    /// Links from `at` to what may have issued it.
    pub(super) fn links_of(&self, at: usize) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.certificate == at)
    }

    fn issues_another(&self, at: usize) -> bool {
        let issued = |l: &Link| l.issuer == at && l.certificate != at && l.signature != LinkSignature::Bad;
        self.links.iter().any(issued)
    }

    fn likely_leaf(&self) -> Option<usize> {
        let has_setup_oid = |cert: &CertFacts| cert.extended_key_usage.iter().flatten().any(|oid| oid == OID_SETUP);
        self.certificates
            .iter()
            .enumerate()
            .filter(|(at, _)| !self.issues_another(*at))
            .min_by_key(|(at, cert)| (!has_setup_oid(cert), cert.is_ca, self.is_self_signed(*at)))
            .map(|(at, _)| at)
    }
}

struct Search<'a> {
    chain: &'a ChainFacts,
    found: Vec<Path>,
    steps: usize,
}

impl Search<'_> {
    fn climb(&mut self, so_far: &mut Vec<usize>) {
        let Some(&at) = so_far.last() else { return };
        let complete = self.chain.is_self_signed(at);
        let mut dead_end = true;
        if !complete {
            for link in self.chain.links_of(at) {
                self.steps += 1;
                if self.steps > MAX_STEPS || self.found.len() >= MAX_PATHS {
                    return;
                }
                if link.signature != LinkSignature::Bad && !so_far.contains(&link.issuer) {
                    dead_end = false;
                    so_far.push(link.issuer);
                    self.climb(so_far);
                    so_far.pop();
                }
            }
        }
        if dead_end && self.found.len() < MAX_PATHS {
            self.found.push(Path { certificates: so_far.clone(), complete });
        }
    }
}
