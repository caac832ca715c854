//! The certificate that the intake serves: the administrator's, or one made here that clients pin.

use crate::digest::sha256_hex;
use crate::seal::{warn_if_readable_by_others, write_new_private_file};
use amt_core::{ErrorCode, Failure, Secret};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use zeroize::Zeroize as _;

/// Most certificates in a chain.
const MAX_CHAIN: usize = 16;
/// Largest certificate or key file.
const MAX_PEM: u64 = 256 * 1024;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Clients hold the certificate by its digest and ask for no date, but other tools do.
const SELF_MADE_DAYS: u32 = 10 * 365;

/// A chain and its key, in PEM.
pub(super) struct Pem {
    pub(super) chain: Vec<u8>,
    pub(super) key: Secret<Vec<u8>>,
}

impl Pem {
    /// Reads both files.
    pub(super) fn read(chain: &Path, key: &Path) -> Result<Self, Failure> {
        Ok(Self { chain: read(chain, false)?, key: Secret::new(read(key, true)?) })
    }

    /// The one beside the database, made if there is none.
    pub(super) fn beside(database: &Path) -> Result<Self, Failure> {
        let (chain, key) = (sibling(database, ".intake.pem"), sibling(database, ".intake.key"));
        if !key.exists() || !chain.exists() {
            let made = self_made().map_err(|why| unusable(&format!("no certificate can be made: {why}")))?;
            // Without its certificate a key is worth nothing, and the other way round: a rest of either is replaced.
            for (path, content) in [(&key, made.key.expose()), (&chain, &made.chain)] {
                let _ = std::fs::remove_file(path);
                write_new_private_file(path, content)
                    .map_err(|e| Failure::new(ErrorCode::FILE_WRITE, "intake", format!("{}: {e}", path.display())))?;
            }
            tracing::info!(path = %chain.display(), "made a certificate for the intake");
        }
        Self::read(&chain, &key)
    }

    /// Ready to serve, with the SHA-256 (hex) of the certificate.
    pub(super) fn serve(&self) -> Result<(Arc<ServerConfig>, String), Failure> {
        let mut chain = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(&self.chain) {
            let certificate = certificate.map_err(|e| unusable(&format!("the certificate is no PEM: {e}")))?;
            if chain.len() == MAX_CHAIN {
                return Err(unusable(&format!("the chain has more than {MAX_CHAIN} certificates")));
            }
            chain.push(certificate);
        }
        let pin = sha256_hex(chain.first().ok_or_else(|| unusable("there is no certificate in the file"))?);
        let key = PrivateKeyDer::from_pem_slice(self.key.expose())
            .map_err(|_| unusable("the key file holds no private key in PEM without a password"))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|e| unusable(&format!("certificate and key cannot be served: {e}")))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A client comes once or twice: nothing of its sessions need be kept.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok((Arc::new(config), pin))
    }
}

fn self_made() -> Result<Pem, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "AMT fleet intake");
    let now = SystemTime::now();
    // A day early: not every clock is right.
    (params.not_before, params.not_after) = ((now - DAY).into(), (now + DAY * SELF_MADE_DAYS).into());
    let certificate = params.self_signed(&key)?;
    let mut text = key.serialize_pem();
    let pem = Pem { chain: certificate.pem().into_bytes(), key: Secret::new(text.clone().into_bytes()) };
    text.zeroize();
    Ok(pem)
}

fn sibling(database: &Path, end: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn read(path: &Path, is_secret: bool) -> Result<Vec<u8>, Failure> {
    let failed = |why: String| Failure::new(ErrorCode::FILE_READ, "intake", format!("{}: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|e| failed(e.to_string()))?;
    if is_secret {
        warn_if_readable_by_others(path, &file);
    }
    let mut bytes = Vec::new();
    file.take(MAX_PEM + 1).read_to_end(&mut bytes).map_err(|e| failed(e.to_string()))?;
    if bytes.len() as u64 > MAX_PEM {
        return Err(failed(format!("larger than {MAX_PEM} bytes")));
    }
    Ok(bytes)
}

fn unusable(why: &str) -> Failure {
    Failure::new(ErrorCode::CERTIFICATE_PARSE, "intake", why)
        .hint("intake.certificate and intake.key name PEM files that belong together; without them one is made")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_pinned_by_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("fleet.db");
        let (_, pin) = Pem::beside(&database).unwrap().serve().unwrap();
        assert_eq!(Pem::beside(&database).unwrap().serve().unwrap().1, pin);
        assert_eq!(pin.len(), 64);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let facts = std::fs::metadata(folder.path().join("fleet.db.intake.key")).unwrap();
            assert_eq!(facts.permissions().mode() & 0o777, 0o600);
        }
        std::fs::remove_file(folder.path().join("fleet.db.intake.pem")).unwrap();
        assert_ne!(Pem::beside(&database).unwrap().serve().unwrap().1, pin, "half of a pair is replaced whole");
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let (one, other) = (self_made().unwrap(), self_made().unwrap());
        let refused = |chain: &[u8], key: &Secret<Vec<u8>>| {
            Pem { chain: chain.to_vec(), key: key.clone() }.serve().unwrap_err().code
        };
        assert_eq!(refused(&one.chain, &other.key), ErrorCode::CERTIFICATE_PARSE);
        assert_eq!(refused(b"", &one.key), ErrorCode::CERTIFICATE_PARSE);
        assert_eq!(refused(&one.chain, &Secret::new(b"x".to_vec())), ErrorCode::CERTIFICATE_PARSE);
        assert_eq!(refused(&one.chain.repeat(MAX_CHAIN + 1), &one.key), ErrorCode::CERTIFICATE_PARSE);
    }
}
