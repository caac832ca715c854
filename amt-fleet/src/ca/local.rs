//! A certificate authority in two files: a private key and a certificate.

use super::{Asked, CertificateAuthority, certificates, pem};
use crate::seal::{warn_if_readable_by_others, write_new_private_file};
use amt_core::{ErrorCode, Failure};
use amt_provision::{CaAnswer, CertificateRequest, Purpose};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use rsa::pkcs8::EncodePrivateKey as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

/// A machine's certificate is refused when the authority itself lives shorter than this.
pub const MIN_VALIDITY: Duration = Duration::from_secs(24 * 3600);

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Certificates begin a day early: not every clock is right.
const BACKDATED: Duration = DAY;
const ROOT_DAYS: u32 = 20 * 365;
const ROOT_KEY_BITS: usize = 2048;
/// X.520 ub-common-name.
const MAX_COMMON_NAME: usize = 64;
const MAX_FILE: u64 = 256 * 1024;

/// Where the authority's files are and what it is called if they must be made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LocalCaFiles {
    /// The authority's certificate (PEM); issuers up to the root may follow it.
    pub certificate: PathBuf,
    /// Its private key (PEM, PKCS#8).
    pub key: PathBuf,
    /// Common name of a new authority.
    pub common_name: String,
    /// Days that a machine's certificate is valid.
    pub days: u32,
}

impl LocalCaFiles {
    /// Files at these places, machines' certificates valid for five years.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            common_name: "AMT fleet local root".to_owned(),
            days: 5 * 365,
        }
    }
}

/// Signs what machines ask for, at once.
///
/// The certificate carries the names of the request as decided by the profile, not those that the machine wrote into
/// its PKCS#10; of that, only key and signature count.
pub struct LocalCa {
    issuer: Issuer<'static, KeyPair>,
    chain: Vec<Vec<u8>>,
    not_after: SystemTime,
    days: u32,
}

impl std::fmt::Debug for LocalCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalCa").field("certificates", &self.chain.len()).field("days", &self.days).finish()
    }
}

impl LocalCa {
    /// Opens the authority, or makes it if there is neither key nor certificate: RSA-2048, self-signed, 20 years, the key
    /// readable by its owner alone.
    ///
    /// # Errors
    /// `CA_UNAVAILABLE` with the file and what is wrong with it.
    pub fn open(files: &LocalCaFiles) -> Result<Self, Failure> {
        if !files.key.exists() {
            if files.certificate.exists() {
                return Err(unusable(&files.key, "the key is missing, but there is a certificate for it"));
            }
            let key = Zeroizing::new(new_key().map_err(|why| unusable(&files.key, why))?);
            write_new_private_file(&files.key, key.as_bytes()).map_err(|e| unusable(&files.key, e))?;
        }
        let key = Zeroizing::new(read(&files.key, true)?);
        let key_text = std::str::from_utf8(&key).map_err(|_| unusable(&files.key, "it is not PEM"))?;
        let key = KeyPair::from_pem(key_text).map_err(|_| unusable(&files.key, "it holds no PKCS#8 key in PEM"))?;
        if !files.certificate.exists() {
            let root = new_root(&key, &files.common_name).map_err(|why| unusable(&files.certificate, why))?;
            write_new_private_file(&files.certificate, root.as_bytes()).map_err(|e| unusable(&files.certificate, e))?;
            tracing::info!(path = %files.certificate.display(), "made a new certificate authority");
        }
        let chain = certificates(&read(&files.certificate, false)?).map_err(|why| unusable(&files.certificate, why))?;
        Self::new(chain, key, files.days).map_err(|why| unusable(&files.certificate, why))
    }

    fn new(chain: Vec<Vec<u8>>, key: KeyPair, days: u32) -> Result<Self, String> {
        let der = chain.first().ok_or("there is no certificate in it")?;
        let (_, own) = x509_parser::parse_x509_certificate(der).map_err(|_| "the certificate cannot be read")?;
        if !own.is_ca() {
            return Err("it is not a certificate of an authority (basic constraints: CA)".to_owned());
        }
        if own.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err("the private key does not belong to it".to_owned());
        }
        let not_after = expiry(&own);
        let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), key).map_err(|e| e.to_string())?;
        Ok(Self { issuer, chain, not_after, days })
    }

    /// The authority's certificate and its issuers, DER.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    fn sign(&self, request: &CertificateRequest, now: SystemTime) -> Result<Vec<u8>, Failure> {
        let broken = |why: String| Failure::new(ErrorCode::CSR_INVALID, "certify", why);
        let internal = |why: String| Failure::new(ErrorCode::CA_UNAVAILABLE, "certify", why);
        // Reads the request and verifies its signature: the machine holds the key that it asks for.
        let key = requested_key(&request.csr).map_err(|why| broken(format!("the certification request: {why}")))?;
        let not_after = self.not_after.min(now + DAY * self.days);
        if not_after < now + MIN_VALIDITY {
            return Err(internal("the local authority's own certificate has expired or is about to".to_owned())
                .hint("make a new authority: move its two files away"));
        }
        let mut params = CertificateParams::default();
        params.serial_number = Some(serial().map_err(internal)?);
        params.not_before = date(now - BACKDATED);
        params.not_after = date(not_after);
        params.distinguished_name = DistinguishedName::new();
        let common_name = if request.common_name.len() <= MAX_COMMON_NAME {
            request.common_name.as_str()
        } else {
            // The whole name is in the alternative names, which is where clients look.
            request.common_name.split('.').next().unwrap_or_default()
        };
        params.distinguished_name.push(DnType::CommonName, common_name);
        for name in std::iter::once(&request.common_name).chain(&request.dns_names) {
            let name =
                SanType::DnsName(name.as_str().try_into().map_err(|_| broken(format!("{name:?} is not a DNS name")))?);
            if !params.subject_alt_names.contains(&name) {
                params.subject_alt_names.push(name);
            }
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = match request.purpose {
            Purpose::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
            Purpose::Console => crate::console::usages(),
            _ => vec![ExtendedKeyUsagePurpose::ServerAuth],
        };
        params.use_authority_key_identifier_extension = true;
        let signed = params.signed_by(&key, &self.issuer).map_err(|e| internal(e.to_string()))?;
        Ok(signed.der().to_vec())
    }
}

impl CertificateAuthority for LocalCa {
    fn certify<'a>(&'a self, request: &'a CertificateRequest) -> Asked<'a> {
        Box::pin(async move {
            match self.sign(request, SystemTime::now()) {
                Ok(certificate) => CaAnswer::Issued { certificate, chain: self.chain.clone() },
                Err(failure) => CaAnswer::Failed(failure),
            }
        })
    }
}

/// The key of a request whose signature holds. What else it says is not looked at: rcgen's own reader refuses whole requests for an extended key
/// usage that it has no name for.
fn requested_key(csr: &[u8]) -> Result<SubjectPublicKeyInfo, String> {
    let (rest, request) = X509CertificationRequest::from_der(csr).map_err(|error| error.to_string())?;
    if !rest.is_empty() {
        return Err("something follows it".to_owned());
    }
    request.verify_signature().map_err(|error| error.to_string())?;
    SubjectPublicKeyInfo::from_der(request.certification_request_info.subject_pki.raw)
        .map_err(|error| error.to_string())
}

pub(crate) fn new_key() -> Result<String, String> {
    let key = rsa::PrivateKey::new(&mut getrandom::SysRng, ROOT_KEY_BITS).map_err(|e| e.to_string())?;
    let der = key.to_pkcs8_der().map_err(|e| e.to_string())?;
    Ok(pem("PRIVATE KEY", der.as_bytes()))
}

fn new_root(key: &KeyPair, common_name: &str) -> Result<String, String> {
    let now = SystemTime::now();
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial()?);
    params.not_before = date(now - BACKDATED);
    params.not_after = date(now + DAY * ROOT_DAYS);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.self_signed(key).map(|root| root.pem()).map_err(|e| e.to_string())
}

/// 20 octets at most, positive, 126 random bits (RFC 5280 §4.1.2.2).
fn serial() -> Result<SerialNumber, String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| "the system gives no randomness".to_owned())?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Whole seconds: X.509 knows no finer ones.
fn date<T: From<SystemTime>>(time: SystemTime) -> T {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    T::from(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn expiry(certificate: &X509Certificate<'_>) -> SystemTime {
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    // "No expiry" is the year 9999, which every platform's clock can hold.
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}

fn read(path: &Path, secret: bool) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|e| unusable(path, e))?;
    if secret {
        warn_if_readable_by_others(path, &file);
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|e| unusable(path, e))?;
    Ok(bytes)
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorCode::CA_UNAVAILABLE, "certify", format!("{}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use amt_core::SystemId;

    fn files(folder: &Path) -> LocalCaFiles {
        LocalCaFiles::new(folder.join("ca.pem"), folder.join("ca.key"))
    }

    fn request() -> (CertificateRequest, KeyPair) {
        let key = KeyPair::from_pem(&new_key().unwrap()).unwrap();
        let mut params = CertificateParams::new(vec!["what.the.machine.says".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let csr = params.serialize_request(&key).unwrap().der().to_vec();
        let names = vec!["amt-1.example.com".to_owned(), "amt-1".to_owned()];
        (CertificateRequest::new(SystemId::from_wire([1; 16]), csr, names[0].clone(), names), key)
    }

    async fn issue(ca: &LocalCa, request: &CertificateRequest) -> (Vec<u8>, Vec<Vec<u8>>) {
        match ca.certify(request).await {
            CaAnswer::Issued { certificate, chain } => (certificate, chain),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_certificate_has_the_machines_key_our_names_and_a_signature_that_holds() {
        let folder = tempfile::tempdir().unwrap();
        let ca = LocalCa::open(&files(folder.path())).unwrap();
        let (request, key) = request();
        let (der, chain) = issue(&ca, &request).await;
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
        let (_, root) = x509_parser::parse_x509_certificate(chain.last().unwrap()).unwrap();
        certificate.verify_signature(Some(root.public_key())).unwrap();
        root.verify_signature(None).unwrap();
        assert_eq!(certificate.issuer(), root.subject());
        assert_eq!(certificate.public_key().subject_public_key.data.as_ref(), key.public_key_raw());
        assert_eq!(certificate.subject().to_string(), "CN=amt-1.example.com");
        let names: Vec<_> = certificate
            .subject_alternative_name()
            .unwrap()
            .unwrap()
            .value
            .general_names
            .iter()
            .map(|n| n.to_string())
            .collect();
        assert_eq!(names, ["DNSName(amt-1.example.com)", "DNSName(amt-1)"], "not what the machine says");
        let usage = certificate.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.server_auth && !usage.client_auth && !usage.any);
        assert!(!certificate.is_ca(), "whatever the machine asks for");
        assert!(certificate.validity().is_valid() && root.validity().is_valid());
        assert!(certificate.validity().not_after <= root.validity().not_after);
        let mut as_client = request.clone();
        as_client.purpose = Purpose::Client;
        let (der, _) = issue(&ca, &as_client).await;
        let (_, client) = x509_parser::parse_x509_certificate(&der).unwrap();
        let usage = client.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth && !usage.any);
        let (other, _) = issue(&ca, &request).await;
        let (_, other) = x509_parser::parse_x509_certificate(&other).unwrap();
        assert_ne!(certificate.raw_serial(), other.raw_serial());
    }

    #[tokio::test]
    async fn openssl_accepts_the_chain() {
        let folder = tempfile::tempdir().unwrap();
        let ca = LocalCa::open(&files(folder.path())).unwrap();
        let (der, _) = issue(&ca, &request().0).await;
        let leaf = folder.path().join("leaf.pem");
        std::fs::write(&leaf, pem("CERTIFICATE", &der)).unwrap();
        let done = std::process::Command::new("openssl")
            .args([
                "verify",
                "-x509_strict",
                "-purpose",
                "sslserver",
                "-verify_hostname",
                "amt-1.example.com",
                "-CAfile",
            ])
            .arg(folder.path().join("ca.pem"))
            .arg(&leaf)
            .output();
        match done {
            Ok(done) => assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr)),
            Err(_) => assert!(std::env::var_os("CI").is_none(), "openssl is needed for this test: install it"),
        }
    }

    #[test]
    fn the_authority_stays_the_same_over_restarts_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = LocalCa::open(&files(folder.path())).unwrap();
        assert_eq!(LocalCa::open(&files(folder.path())).unwrap().chain(), first.chain());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(folder.path().join("ca.key")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        // Killed between the two files, the next start makes the second for the same key.
        std::fs::remove_file(folder.path().join("ca.pem")).unwrap();
        LocalCa::open(&files(folder.path())).unwrap();
        std::fs::remove_file(folder.path().join("ca.key")).unwrap();
        let failure = LocalCa::open(&files(folder.path())).unwrap_err();
        assert!(failure.message.contains("ca.key") && failure.message.contains("missing"), "{failure}");
    }

    #[tokio::test]
    async fn a_request_whose_signature_does_not_hold_gets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let ca = LocalCa::open(&files(folder.path())).unwrap();
        let (mut request, _) = request();
        *request.csr.last_mut().unwrap() ^= 1;
        assert!(matches!(ca.certify(&request).await, CaAnswer::Failed(f) if f.code == ErrorCode::CSR_INVALID));
        request.csr.truncate(100);
        assert!(matches!(ca.certify(&request).await, CaAnswer::Failed(f) if f.code == ErrorCode::CSR_INVALID));
    }

    #[test]
    fn foreign_keys_plain_certificates_and_junk_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        LocalCa::open(&files).unwrap();
        let reason = || LocalCa::open(&files).unwrap_err().into_details().message;
        std::fs::write(&files.key, new_key().unwrap()).unwrap();
        assert!(reason().contains("does not belong"), "{}", reason());
        std::fs::write(&files.key, "junk").unwrap();
        assert!(reason().contains("no PKCS#8 key"), "{}", reason());
        let key = KeyPair::from_pem(&new_key().unwrap()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        let plain = CertificateParams::new(vec!["x".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(&files.certificate, plain.pem()).unwrap();
        assert!(reason().contains("not a certificate of an authority"), "{}", reason());
        std::fs::write(&files.certificate, "junk").unwrap();
        assert!(reason().contains("no certificate"), "{}", reason());
    }

    #[test]
    fn an_authority_near_its_end_signs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let ca = LocalCa::open(&files(folder.path())).unwrap();
        let late = ca.not_after - Duration::from_secs(3600);
        let failure = ca.sign(&request().0, late).unwrap_err();
        assert!(failure.message.contains("expired or is about to"), "{failure}");
        // Before that, a certificate never outlives its authority.
        let der = ca.sign(&request().0, ca.not_after - 30 * DAY).unwrap();
        let (_, leaf) = x509_parser::parse_x509_certificate(&der).unwrap();
        assert_eq!(expiry(&leaf), ca.not_after);
    }
}
