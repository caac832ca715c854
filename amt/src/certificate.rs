//! Provisioning certificates: from PFX, PEM or DER files to plain facts and to a chain that can be presented.
//!
//! Two strictnesses. [`Bundle`] reads whatever a file holds, so that [`preflight`](amt_core::pki::preflight()) can diagnose
//! it: no key, two keys, a missing root. [`ProvisioningCertificate`] is a bundle that can be used.

mod facts;
mod keys;
mod ondie;
mod pem;
mod pfx;
mod trust;
mod verify;

pub use facts::peer_facts;
pub(crate) use facts::{name_text, single};
pub(crate) use ondie::check_on_die;
pub use pem::write as write_pem;
pub use trust::{Authority, MAX_AUTHORITIES, MAX_MACHINE_CERTIFICATE, TrustBundle, root_first, write_bundle};

use amt_core::hello::Hello;
use amt_core::pki::{ChainFacts, KeyFacts, MAX_CERTIFICATES, MAX_KEYS};
use amt_core::{ErrorCode, Failure, Secret};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Largest file that is read as a bundle.
pub const MAX_BUNDLE: usize = 1024 * 1024;

const STAGE: &str = "load-certificate";
/// How every certificate in DER begins.
const DER_SEQUENCE: u8 = 0x30;

/// What one file (or a certificate file and a key file) holds, usable or not.
#[derive(Clone, Debug)]
pub struct Bundle {
    facts: ChainFacts,
    /// PKCS#8 DER, in the order of [`ChainFacts::keys`].
    keys: Vec<Secret<Vec<u8>>>,
}

/// A certificate chain with its private key, ready to be presented to machines in setup mode.
#[derive(Clone, Debug)]
pub struct ProvisioningCertificate {
    facts: ChainFacts,
    key: Secret<Vec<u8>>,
}

impl Bundle {
    /// Reads a PFX (PKCS#12) file. One whose encryption is not supported gives a bundle that says so in its facts, and holds
    /// nothing else.
    ///
    /// # Errors
    /// `PFX_OPEN` if the password is wrong, `CERTIFICATE_PARSE` if the file is no PFX.
    pub fn from_pfx(bytes: &[u8], password: &Secret<String>) -> Result<Self, Failure> {
        let pfx = pfx::open(limited(bytes)?, password)?;
        Self::new(pfx.certificates, pfx.keys, Some(pfx.facts))
    }

    /// Reads PEM text with certificates and perhaps a key, or one DER certificate; a key may also come in a file of its own, as
    /// PEM (PKCS#8, plain or encrypted, PKCS#1, SEC 1) or as PKCS#8 DER.
    ///
    /// # Errors
    /// `CERTIFICATE_PARSE` if something in it cannot be read, `PFX_OPEN` if an encrypted key does not open.
    pub fn from_pem(bundle: &[u8], key: Option<&[u8]>, password: Option<&Secret<String>>) -> Result<Self, Failure> {
        let mut found = pem::read(limited(bundle)?, password)?;
        if let Some(key) = key {
            let read = limited(key).and_then(|key| keys::read_file(key, password));
            found.keys.extend(read.map_err(|mut failure| {
                failure.message = format!("key file: {}", failure.message);
                failure
            })?);
        }
        Self::new(found.certificates, found.keys, None)
    }

    /// What is known of it, for [`preflight`](amt_core::pki::preflight()).
    pub const fn facts(&self) -> &ChainFacts {
        &self.facts
    }

    /// The same as one whose key is elsewhere: known to belong to the leaf, and not here.
    #[must_use]
    pub fn without_key(mut self) -> Self {
        self.facts.keys = self.facts.leaf().map(|leaf| KeyFacts { certificate: Some(leaf) }).into_iter().collect();
        self.keys.clear();
        self
    }

    /// SHA-256 of the leaf, lower-case hex; empty if there is no certificate in it.
    pub fn leaf_sha256_hex(&self) -> String {
        leaf_sha256_hex(&self.facts)
    }

    fn new(
        certificates: Vec<Vec<u8>>,
        mut keys: Vec<Secret<Vec<u8>>>,
        pfx: Option<amt_core::pki::PfxFacts>,
    ) -> Result<Self, Failure> {
        let mut once: Vec<Secret<Vec<u8>>> = Vec::new();
        keys.retain(|key| {
            let new = !once.contains(key);
            if new {
                once.push(key.clone());
            }
            new
        });
        too_many("certificates", certificates.len(), MAX_CERTIFICATES)?;
        too_many("private keys", keys.len(), MAX_KEYS)?;
        Ok(Self { facts: facts::chain(&certificates, &keys, pfx)?, keys })
    }
}

impl ProvisioningCertificate {
    /// Reads a PFX (PKCS#12) file.
    ///
    /// # Errors
    /// Those of [`Bundle::from_pfx`], and `PFX_OPEN` if it does not hold exactly one private key that belongs to its leaf.
    pub fn from_pfx(bytes: &[u8], password: &Secret<String>) -> Result<Self, Failure> {
        Bundle::from_pfx(bytes, password)?.try_into()
    }

    /// Reads PEM text or a DER certificate, and the key from there or from a file of its own.
    ///
    /// # Errors
    /// Those of [`Bundle::from_pem`], and `PFX_OPEN` if there is not exactly one private key that belongs to the leaf.
    pub fn from_pem(bundle: &[u8], key: Option<&[u8]>, password: Option<&Secret<String>>) -> Result<Self, Failure> {
        Bundle::from_pem(bundle, key, password)?.try_into()
    }

    /// What is known of it.
    pub const fn facts(&self) -> &ChainFacts {
        &self.facts
    }

    /// The private key, PKCS#8 DER.
    pub const fn key(&self) -> &Secret<Vec<u8>> {
        &self.key
    }

    /// The chain to present, DER, leaf first and root last. With cross-signed alternatives it is the one whose root the hello lists;
    /// where the bundle is incomplete it ends early.
    pub fn chain(&self, hello: Option<&Hello>) -> Vec<Vec<u8>> {
        chain(&self.facts, hello)
    }

    /// SHA-256 of the leaf, lower-case hex: the name under which it is remembered.
    pub fn leaf_sha256_hex(&self) -> String {
        leaf_sha256_hex(&self.facts)
    }
}

impl TryFrom<Bundle> for ProvisioningCertificate {
    type Error = Failure;

    fn try_from(bundle: Bundle) -> Result<Self, Failure> {
        let unusable = |text: String| Failure::new(ErrorCode::PFX_OPEN, STAGE, text);
        let Bundle { facts, keys } = bundle;
        if let Some(pfx) = facts.pfx.as_ref().filter(|pfx| !pfx.opened) {
            let names: Vec<&str> = pfx.encryption.iter().map(|e| e.name.as_str()).collect();
            return Err(unusable(format!("the PFX is encrypted with {}, which is not supported", names.join(", ")))
                .hint("re-export the PFX with AES-256"));
        }
        let count = keys.len();
        let mut keys = keys.into_iter();
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(unusable(format!("there must be one private key, and there are {count}"))
                .hint("export the provisioning certificate with its own private key"));
        };
        match (facts.leaf(), facts.keys.first().and_then(|key| key.certificate)) {
            (Some(leaf), Some(of_key)) if leaf == of_key => Ok(Self { facts, key }),
            _ => Err(unusable("the private key does not belong to the leaf certificate".to_owned())
                .hint("export certificate and private key together")),
        }
    }
}

/// SHA-256 of the leaf, lower-case hex: the name under which a certificate is remembered. Empty if there is none.
pub(crate) fn leaf_sha256_hex(facts: &ChainFacts) -> String {
    let leaf = facts.leaf().and_then(|leaf| facts.certificates.get(leaf));
    leaf.map(amt_core::pki::CertFacts::sha256_hex).unwrap_or_default()
}

/// The chain to present, as [`ProvisioningCertificate::chain`] says.
pub(crate) fn chain(facts: &ChainFacts, hello: Option<&Hello>) -> Vec<Vec<u8>> {
    let path = facts.path(hello.map(Hello::roots));
    let chain = path.iter().flat_map(|path| facts.along(path));
    chain.map(|certificate| certificate.der.clone()).collect()
}

/// All certificates of a file, PEM or one in DER, as DER: authorities to be trusted.
///
/// # Errors
/// `CERTIFICATE_PARSE` if there is none in it, or one that cannot be read.
pub fn authorities(file: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let all: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(file).map(|each| each.map(|der| der.to_vec())).collect();
    let mut all = all.map_err(|error| unreadable(error.to_string()))?;
    if all.is_empty() && file.first() == Some(&DER_SEQUENCE) {
        all.push(file.to_vec());
    }
    if all.is_empty() { Err(unreadable("there is no certificate in it")) } else { Ok(all) }
}

fn limited(bytes: &[u8]) -> Result<&[u8], Failure> {
    if bytes.len() > MAX_BUNDLE {
        let text = format!("the file has {} bytes, at most {MAX_BUNDLE} are read", bytes.len());
        return Err(Failure::new(ErrorCode::DECODE_TOO_LARGE, STAGE, text));
    }
    Ok(bytes)
}

fn too_many(what: &str, have: usize, max: usize) -> Result<(), Failure> {
    if have > max {
        let text = format!("the bundle has {have} {what}, at most {max} are read");
        return Err(Failure::new(ErrorCode::DECODE_TOO_LARGE, STAGE, text));
    }
    Ok(())
}

fn unreadable(text: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::CERTIFICATE_PARSE, STAGE, text)
}
