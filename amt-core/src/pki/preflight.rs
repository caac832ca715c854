//! The diagnosis of `spec/hello-tls.md` §4: every reason why a chain would not provision a machine, before connecting.
//!
//! Findings come in the order of evaluation: the file, the bundle in itself, against the firmware, against the network, and
//! what a connection has shown. Each has a stable code out of [`CODES`].

mod bundle;
mod firmware;
mod network;

use super::facts::{CertFacts, ChainFacts, PeerFacts};
use super::path::Path;
use crate::hello::{HashAlgorithm, Hello, HelloKind, Roots};
use crate::{Finding, FirmwareVersion, Severity};

/// Every code, in the order in which findings are given.
pub const CODES: &[&str] = &[
    "PFX-ALGO",
    "CHAIN-NOKEY",
    "CHAIN-SHORT",
    "CHAIN-ORDER",
    "CHAIN-EXTRA",
    "CHAIN-EXPIRED",
    "CHAIN-NOTYET",
    "KEY-SMALL",
    "KEY-LARGE",
    "KEY-TYPE",
    "EKU-NOSERVER",
    "OID-OU",
    "ROOT-NOHASH",
    "ROOT-CROSS",
    "ROOT-SHA1FW",
    "FW-NOSHA2",
    "FW-NODEFAULT",
    "CN-SUFFIX",
    "LEAF-SAN",
    "CN-PRIVATE",
    "NO-SUFFIX",
    "WIRELESS",
    "NOT-PKI",
    "SELF-BAD",
];

/// What is known of the DNS suffix that the machine compares the certificate with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SuffixInput<'a> {
    /// Nobody said: not checked.
    #[default]
    Unknown,
    /// The operator says that there is neither DHCP option 15 nor a suffix set in the firmware.
    Absent,
    /// This one.
    Known(&'a str),
}

/// Everything the diagnosis looks at. What is not known is left as [`new`](Self::new) sets it, and not checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PreflightInput<'a> {
    /// The bundle.
    pub chain: &'a ChainFacts,
    /// Seconds since 1970.
    pub now: i64,
    /// What the machine said: its root hashes, and whether it waits for PKI at all.
    pub hello: Option<&'a Hello>,
    /// The suffix.
    pub suffix: SuffixInput<'a>,
    /// The machine's firmware.
    pub firmware: Option<FirmwareVersion>,
    /// Other root certificates at hand, to recognise one of the same key or name among the listed hashes.
    pub reference: &'a [CertFacts],
    /// The address at hand belongs to the machine's wireless adapter.
    pub wireless: bool,
    /// Whether port 16993 is open, if that was tried.
    pub port_open: Option<bool>,
    /// What the machine presented, if a connection was tried.
    pub peer: Option<&'a PeerFacts>,
}

impl<'a> PreflightInput<'a> {
    /// The bundle alone.
    pub const fn new(chain: &'a ChainFacts, now: i64) -> Self {
        Self {
            chain,
            now,
            hello: None,
            suffix: SuffixInput::Unknown,
            firmware: None,
            reference: &[],
            wireless: false,
            port_open: None,
            peer: None,
        }
    }
}

/// Every reason against provisioning with this bundle, most basic first; none if there is none.
///
/// A finding of [`Severity::Error`] means that the machine will refuse; a warning that some firmware does, or soon will.
pub fn preflight(input: &PreflightInput<'_>) -> Vec<Finding> {
    let mut check = Check::new(input);
    check.pfx();
    if input.chain.pfx.as_ref().is_none_or(|pfx| pfx.opened) {
        check.bundle();
        check.against_firmware();
        check.against_names();
    }
    check.against_network();
    check.findings
}

/// One diagnosis under way.
struct Check<'a> {
    input: &'a PreflightInput<'a>,
    path: Option<Path>,
    findings: Vec<Finding>,
}

/// Whether a rule of AMT 15-H and 16 applies to this machine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Applies {
    Yes,
    Maybe,
    No,
}

impl<'a> Check<'a> {
    fn new(input: &'a PreflightInput<'a>) -> Self {
        let path = input.chain.path(input.hello.map(Hello::roots));
        Self { input, path, findings: Vec::new() }
    }

    fn report(&mut self, code: &'static str, severity: Severity, field: impl Into<String>, text: String, hint: String) {
        self.findings.push(Finding::new(code, severity, field, text, hint));
    }

    /// The certificates to be presented, leaf first, each with the name of its place.
    fn placed(&self) -> Vec<(String, &'a CertFacts)> {
        let chain = self.input.chain;
        let Some(path) = &self.path else { return Vec::new() };
        let last = path.certificates.len().saturating_sub(1);
        let place = |at: usize| match at {
            0 => "leaf".to_owned(),
            at if at == last && path.complete => "root".to_owned(),
            at => format!("intermediate[{at}]"),
        };
        let cert = |(at, index): (usize, &usize)| Some((place(at), chain.certificates.get(*index)?));
        path.certificates.iter().enumerate().filter_map(cert).collect()
    }

    fn leaf(&self) -> Option<&'a CertFacts> {
        self.path.as_ref()?.certificates.first().and_then(|at| self.input.chain.certificates.get(*at))
    }

    /// The self-signed end of the path.
    fn root(&self) -> Option<&'a CertFacts> {
        let path = self.path.as_ref().filter(|path| path.complete)?;
        path.certificates.last().and_then(|at| self.input.chain.certificates.get(*at))
    }

    /// The root hashes of the machine, if it sent a PKI hello.
    fn listed(&self) -> Option<&'a Roots> {
        match &self.input.hello?.kind {
            HelloKind::Pki { roots } => Some(roots),
            HelloKind::Psk { .. } => None,
        }
    }

    /// The version, or the lower bound that the hello gives.
    fn at_least(&self) -> Option<FirmwareVersion> {
        self.input.firmware.or_else(|| self.input.hello.map(|hello| hello.firmware_guess().at_least))
    }

    /// Rules that came with 15 (H variants) and 16: no SHA-1, no RSA below 2048 bits (KB90051).
    fn modern_rules(&self) -> Applies {
        match (self.input.firmware, self.input.hello) {
            (Some(version), _) if version.major >= 16 => Applies::Yes,
            (Some(version), _) if version.major == 15 => Applies::Maybe,
            (Some(_), _) => Applies::No,
            (None, Some(hello)) => match &hello.kind {
                HelloKind::Psk { .. } => Applies::No,
                // Firmware with these rules cannot list one.
                HelloKind::Pki { roots } if roots.iter().any(|root| root.algorithm == HashAlgorithm::SHA1) => {
                    Applies::No
                }
                HelloKind::Pki { .. } => Applies::Maybe,
            },
            (None, None) => Applies::Maybe,
        }
    }
}

impl Applies {
    /// How bad it is to break the rule, if it may apply at all.
    const fn severity(self) -> Option<Severity> {
        match self {
            Self::Yes => Some(Severity::Error),
            Self::Maybe => Some(Severity::Warning),
            Self::No => None,
        }
    }
}

/// `1 root hash`, `3 root hashes`.
fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}
