//! Provisioning certificates from the files that a configuration names.

use crate::config::CertificateSource;
use amt::certificate::{Bundle, MAX_BUNDLE};
use amt::local::RemoteChains;
use amt::{Job, ProvisioningCertificate};
use amt_core::{ErrorCode, Failure};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

impl CertificateSource {
    /// The file that the chain is in: by this name people know the certificate.
    pub fn path(&self) -> &Path {
        match self {
            Self::Pfx { path, .. } => path,
            Self::Pem { chain, .. } | Self::Chain { chain, .. } => chain,
        }
    }

    /// Reads whatever the files hold, usable or not: for a diagnosis.
    ///
    /// # Errors
    /// `FILE_READ`, or as [`Bundle::from_pfx`] and [`Bundle::from_pem`]; the message names the file.
    pub fn bundle(&self) -> Result<Bundle, Failure> {
        let bundle = match self {
            Self::Pfx { path, password } => Bundle::from_pfx(&read(path)?, password),
            Self::Pem { chain, key, password } => {
                let key = key.as_deref().map(read).transpose()?;
                Bundle::from_pem(&read(chain)?, key.as_deref(), password.as_ref())
            }
            Self::Chain { chain, .. } => Bundle::from_pem(&read(chain)?, None, None).map(Bundle::without_key),
        };
        bundle.map_err(|failure| self.named(failure))
    }

    /// Reads a certificate that can be used.
    ///
    /// # Errors
    /// As [`bundle`](Self::bundle), and `PFX_OPEN` if it does not hold exactly one private key that belongs to its leaf: never of a chain whose
    /// key is elsewhere.
    pub fn load(&self) -> Result<ProvisioningCertificate, Failure> {
        self.bundle()?.try_into().map_err(|failure| self.named(failure))
    }

    fn named(&self, mut failure: Failure) -> Failure {
        failure.message = format!("{}: {}", self.path().display(), failure.message);
        failure
    }
}

/// Provisioning certificates that a server presents: with their keys, and those whose keys are elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presented {
    pub(crate) here: Arc<[ProvisioningCertificate]>,
    pub(crate) elsewhere: RemoteChains,
}

impl Presented {
    /// Reads what a configuration names.
    ///
    /// # Errors
    /// The first that cannot be used, with its file.
    pub(crate) fn load(sources: &[CertificateSource]) -> Result<Self, Failure> {
        let mut here = Vec::new();
        let mut elsewhere = RemoteChains::default();
        for source in sources {
            match source {
                CertificateSource::Chain { sign, number, .. } => elsewhere
                    .add(&source.bundle()?, Arc::new(sign.clone()), *number)
                    .map_err(|failure| source.named(failure))?,
                _ => here.push(source.load()?),
            }
        }
        Ok(Self { here: here.into(), elsewhere })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.here.is_empty() && self.elsewhere.is_empty()
    }

    /// Gives all of them to `job`, or the one whose leaf has the SHA-256 `only`.
    ///
    /// # Errors
    /// `NO_CERTIFICATE_FITS` if that one is not among them.
    pub(crate) fn give(&self, job: &mut Job, only: Option<&str>) -> Result<(), Failure> {
        let chosen = match only {
            None => self.clone(),
            Some(only) => Self {
                here: self.here.iter().filter(|here| here.leaf_sha256_hex() == only).cloned().collect(),
                elsewhere: self.elsewhere.only(only),
            },
        };
        if let Some(only) = only.filter(|_| chosen.is_empty()) {
            let text =
                format!("the provisioning certificate decided for this machine, {only}, is none of this server's");
            return Err(Failure::new(ErrorCode::NO_CERTIFICATE_FITS, "admit", text)
                .hint("correct the rule or resolver that decides it, or add the certificate to the configuration"));
        }
        job.certificates = chosen.here;
        job.remote = (!chosen.elsewhere.is_empty()).then_some(chosen.elsewhere);
        Ok(())
    }
}

/// One byte more than is accepted, so that what is too large is refused by whoever reads it.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |e: std::io::Error| Failure::new(ErrorCode::FILE_READ, "config", format!("{}: {e}", path.display()));
    let mut content = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_BUNDLE as u64 + 1).read_to_end(&mut content).map_err(failed)?;
    Ok(content)
}
