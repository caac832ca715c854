//! Looking without touching: every hello is held against the certificates at hand, and nothing is changed.

use crate::config::{CertificateSource, Config};
use amt::ProvisioningCertificate;
use amt::listener::{HelloListener, ListenerConfig};
use amt_core::hello::{Hello, HelloKind};
use amt_core::pki::{ChainFacts, PreflightInput, SuffixInput, preflight};
use amt_core::{Failure, Finding, Severity, SystemId};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// What one certificate would do for a machine.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Verdict {
    /// SHA-256 (hex) of the leaf.
    pub certificate: String,
    /// The suffix that it was held against, if one is known.
    pub suffix: Option<String>,
    /// Whether that is known to be the machine's suffix; otherwise it is the one of the site that suits best: a hello does not say.
    pub suffix_known: bool,
    /// Everything that speaks against it, and what is worth knowing.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Whether nothing found would keep it from provisioning the machine.
    pub fn fits(&self) -> bool {
        self.findings.iter().all(|f| f.severity != Severity::Error)
    }
}

/// One connection to the hello port.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Observation {
    /// When.
    pub at: SystemTime,
    /// Whence.
    pub source: SocketAddr,
    /// The hello, or why it is none.
    pub hello: Result<Hello, Failure>,
    /// The certificates' chances, best suffix each, in the order of the configuration.
    pub verdicts: Vec<Verdict>,
    /// Whether this server would begin, were it not only looking. Never for a machine that waits for a pre-shared key: the pairs are in the
    /// database, and [`Report::judge`](crate::report::Report::judge) knows them.
    pub ready: bool,
}

impl Observation {
    /// The machine.
    pub fn id(&self) -> Option<SystemId> {
        self.hello.as_ref().ok().map(|h| h.id)
    }

    /// Whether the machine waits for a pre-shared key.
    pub fn waits_for_pair(&self) -> bool {
        self.hello.as_ref().is_ok_and(|hello| matches!(hello.kind, HelloKind::Psk { .. }))
    }
}

/// Listens, and says of every hello what the certificates at hand would do. Opens no database and connects to nothing.
#[derive(Debug)]
pub struct Observer {
    listener: HelloListener,
    certificates: Vec<Known>,
    suffixes: Vec<String>,
    machine_suffixes: HashMap<SystemId, String>,
}

impl Observer {
    /// Listens where `config` says, with its certificates and suffixes.
    ///
    /// # Errors
    /// `LISTEN`, or what is wrong with a certificate file.
    pub async fn bind(config: &Config) -> Result<Self, Failure> {
        let certificates: Result<Vec<_>, _> = config.certificates.iter().map(Known::load).collect();
        let of_list = config.known.iter().filter_map(|m| Some((m.id?, m.dns_suffix.clone()?)));
        Ok(Self::of(&config.listen, certificates?, config.dns_suffixes.clone()).await?.machine_suffixes(of_list))
    }

    /// Listens at `listen`.
    ///
    /// # Errors
    /// `LISTEN`.
    pub async fn new(
        listen: &[SocketAddr],
        certificates: Vec<ProvisioningCertificate>,
        suffixes: Vec<String>,
    ) -> Result<Self, Failure> {
        Self::of(listen, certificates.iter().map(Known::from).collect(), suffixes).await
    }

    async fn of(listen: &[SocketAddr], certificates: Vec<Known>, suffixes: Vec<String>) -> Result<Self, Failure> {
        let listener = HelloListener::bind(listen, ListenerConfig::default()).await?;
        Ok(Self { listener, certificates, suffixes, machine_suffixes: HashMap::new() })
    }

    /// The same, knowing the DNS suffixes of these machines too; later ones replace earlier ones.
    #[must_use]
    pub fn machine_suffixes(mut self, known: impl IntoIterator<Item = (SystemId, String)>) -> Self {
        self.machine_suffixes.extend(known);
        self
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listener.addresses()
    }

    /// The next observation. Safe to cancel.
    ///
    /// # Errors
    /// `LISTEN` if the ports are lost.
    pub async fn next(&mut self) -> Result<Observation, Failure> {
        let event = self.listener.next().await?;
        let verdicts = match &event.result {
            Ok(hello) => {
                let known = self.machine_suffixes.get(&hello.id);
                let suffixes = known.map_or(self.suffixes.as_slice(), std::slice::from_ref);
                let judge = |c| judge(c, hello, suffixes, known.is_some(), event.received);
                self.certificates.iter().map(judge).collect()
            }
            Err(_) => Vec::new(),
        };
        let usable =
            event.result.as_ref().is_ok_and(|h| h.id.is_usable_as_key() && matches!(h.kind, HelloKind::Pki { .. }));
        let ready = usable && verdicts.iter().any(Verdict::fits);
        Ok(Observation { at: event.received, source: event.source, hello: event.result, verdicts, ready })
    }
}

/// A certificate against a hello and the suffix that suits it best: which one the machine has is not in a hello.
fn judge(certificate: &Known, hello: &Hello, suffixes: &[String], suffix_known: bool, at: SystemTime) -> Verdict {
    let now = at.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX));
    let with = |suffix: Option<&String>| {
        let mut input = PreflightInput::new(&certificate.facts, now);
        input.hello = Some(hello);
        input.suffix = suffix.map_or(SuffixInput::Unknown, |s| SuffixInput::Known(s));
        Verdict {
            certificate: certificate.sha256.clone(),
            suffix: suffix.cloned(),
            suffix_known,
            findings: preflight(&input),
        }
    };
    let errors = |v: &Verdict| v.findings.iter().filter(|f| f.severity == Severity::Error).count();
    suffixes.iter().map(|s| with(Some(s))).min_by_key(errors).unwrap_or_else(|| with(None))
}

/// What there is to know of a certificate for that, wherever its key is.
#[derive(Debug)]
struct Known {
    sha256: String,
    facts: ChainFacts,
}

impl Known {
    /// Reads a certificate that a configuration names.
    ///
    /// # Errors
    /// Why it cannot be used, with its file.
    fn load(source: &CertificateSource) -> Result<Self, Failure> {
        if let CertificateSource::Chain { .. } = source {
            let bundle = source.bundle()?;
            return Ok(Self { sha256: bundle.leaf_sha256_hex(), facts: bundle.facts().clone() });
        }
        source.load().map(|certificate| Self::from(&certificate))
    }
}

impl From<&ProvisioningCertificate> for Known {
    fn from(certificate: &ProvisioningCertificate) -> Self {
        Self { sha256: certificate.leaf_sha256_hex(), facts: certificate.facts().clone() }
    }
}
