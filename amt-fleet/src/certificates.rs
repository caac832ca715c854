//! Provisioning certificates from the files that a configuration names.

use crate::config::CertificateSource;
use amt::ProvisioningCertificate;
use amt::certificate::{Bundle, MAX_BUNDLE};
use amt_core::{ErrorCode, Failure};
use std::io::Read as _;
use std::path::Path;

impl CertificateSource {
    /// The file that the chain is in: by this name people know the certificate.
    pub fn path(&self) -> &Path {
        match self {
            Self::Pfx { path, .. } => path,
            Self::Pem { chain, .. } => chain,
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
        };
        bundle.map_err(|failure| self.named(failure))
    }

    /// Reads a certificate that can be used.
    ///
    /// # Errors
    /// As [`bundle`](Self::bundle), and `PFX_OPEN` if it does not hold exactly one private key that belongs to its leaf.
    pub fn load(&self) -> Result<ProvisioningCertificate, Failure> {
        self.bundle()?.try_into().map_err(|failure| self.named(failure))
    }

    fn named(&self, mut failure: Failure) -> Failure {
        failure.message = format!("{}: {}", self.path().display(), failure.message);
        failure
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
