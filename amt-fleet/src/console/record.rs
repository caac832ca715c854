//! What the database keeps of the console's certificates.

use super::seconds;
use crate::digest::sha256_hex;
use amt_core::{ErrorCode, Failure, Secret};
use amt_provision::csr::Validity;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroize as _;

/// Version of the encoded record. A newer one is refused.
const FORMAT: u32 = 1;

/// All certificates that this console has or wants.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Console {
    /// The newest: shown first.
    pub current: Option<ConsoleCertificate>,
    /// What it replaced: shown to machines that refuse the newest, until that is proven.
    pub older: Option<ConsoleCertificate>,
    /// What is asked of an authority.
    pub request: Option<ConsoleRequest>,
    pub(crate) version: i64,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConsoleCertificate {
    /// Its common name.
    pub name: String,
    /// DER.
    pub certificate: Vec<u8>,
    /// Its issuers, DER.
    pub chain: Vec<Vec<u8>>,
    /// Its key, PKCS#8 DER.
    pub key: Secret<Vec<u8>>,
    /// When it came.
    pub issued_at: SystemTime,
    /// When a machine has let it in first.
    pub proven_at: Option<SystemTime>,
}

/// A certificate that an authority was or is to be asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConsoleRequest {
    /// Common name wanted.
    pub name: String,
    /// Its key, PKCS#8 DER.
    pub key: Secret<Vec<u8>>,
    /// PKCS#10, DER.
    pub csr: Vec<u8>,
    /// The authority's name for it, once it has put it off.
    pub request: Option<String>,
    /// When the key was made.
    pub since: SystemTime,
    /// When the authority was asked last.
    pub asked_at: Option<SystemTime>,
    /// When it is asked again.
    pub retry_at: Option<SystemTime>,
    /// Why there is no certificate yet.
    pub failure: Option<Failure>,
}

impl ConsoleCertificate {
    /// SHA-256 of the certificate, hexadecimal.
    pub fn sha256(&self) -> String {
        sha256_hex(&self.certificate)
    }

    /// How long it is good.
    pub fn validity(&self) -> Option<Validity> {
        Validity::of(&self.certificate)
    }

    /// All that is shown, leaf first, and the key.
    pub(super) fn shown(&self) -> (Vec<Vec<u8>>, Secret<Vec<u8>>) {
        let chain = std::iter::once(&self.certificate).chain(self.chain.iter().filter(|der| **der != self.certificate));
        (chain.cloned().collect(), self.key.clone())
    }

    /// The certificate, its issuers and its key as one PEM text.
    pub fn pem(&self) -> Secret<String> {
        let (chain, key) = self.shown();
        let mut text: String = chain.iter().map(|der| amt::certificate::write_pem("CERTIFICATE", der)).collect();
        let key = Secret::new(amt::certificate::write_pem("PRIVATE KEY", key.expose()));
        text.push_str(key.expose());
        Secret::new(text)
    }

    pub(crate) fn is_good(&self, now: SystemTime) -> bool {
        self.validity().is_some_and(|validity| validity.not_after > seconds(now))
    }
}

impl Console {
    /// The certificates, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = &ConsoleCertificate> {
        self.current.iter().chain(&self.older)
    }

    /// Whether one of them has not ended.
    pub(super) fn has_good(&self, now: SystemTime) -> bool {
        self.iter().any(|certificate| certificate.is_good(now))
    }

    /// A newer certificate has come. One that no machine has let in yet does not take the place of one that was.
    pub(super) fn succeed(&mut self, newer: ConsoleCertificate) {
        let replaced = self.current.replace(newer);
        if self.older.is_none() || replaced.as_ref().is_some_and(|replaced| replaced.proven_at.is_some()) {
            self.older = replaced;
        }
    }

    /// The newest was let in. What it replaced goes; one of another authority stays until it ends: other machines may not trust the new one's
    /// root yet. Tells whether that is news.
    pub(super) fn prove(&mut self, sha256: &str, now: SystemTime) -> bool {
        let Some(current) = self.current.as_mut().filter(|current| current.sha256() == sha256) else { return false };
        if current.proven_at.is_some() {
            return false;
        }
        current.proven_at = Some(now);
        let chain = current.chain.clone();
        let same_authority = self.older.as_ref().is_some_and(|older| older.chain == chain);
        if same_authority {
            self.older = None;
        }
        true
    }

    /// An older certificate that has ended goes. Tells whether one did.
    pub(super) fn drop_ended(&mut self, now: SystemTime) -> bool {
        let ended = self.older.as_ref().is_some_and(|older| !older.is_good(now));
        if ended {
            self.older = None;
        }
        ended
    }

    pub(crate) fn encode(&self) -> Result<Secret<Vec<u8>>, Failure> {
        let mut stored = Stored {
            format: FORMAT,
            current: self.current.as_ref().map(StoredCertificate::of),
            older: self.older.as_ref().map(StoredCertificate::of),
            request: self.request.as_ref().map(StoredRequest::of),
        };
        let encoded = serde_json::to_vec(&stored).map(Secret::new);
        stored.wipe();
        encoded.map_err(|error| damaged(&error.to_string()))
    }

    pub(crate) fn decode(bytes: &[u8], version: i64) -> Result<Self, Failure> {
        let mut stored: Stored = serde_json::from_slice(bytes).map_err(|_| damaged("it cannot be read"))?;
        let known = stored.format <= FORMAT;
        let console = if known { stored.open(version) } else { Err(damaged("it was written by a newer version")) };
        stored.wipe();
        console
    }
}

fn damaged(why: &str) -> Failure {
    Failure::new(ErrorCode::STORE, "console", format!("the record of the console's certificates: {why}"))
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    current: Option<StoredCertificate>,
    older: Option<StoredCertificate>,
    request: Option<StoredRequest>,
}

#[derive(Serialize, Deserialize)]
struct StoredCertificate {
    name: String,
    certificate: String,
    chain: Vec<String>,
    key: String,
    issued_at: u64,
    proven_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct StoredRequest {
    name: String,
    key: String,
    csr: String,
    request: Option<String>,
    since: u64,
    asked_at: Option<u64>,
    retry_at: Option<u64>,
    failure: Option<StoredFailure>,
}

#[derive(Serialize, Deserialize)]
struct StoredFailure {
    code: u32,
    message: String,
    hint: String,
}

impl Stored {
    fn open(&self, version: i64) -> Result<Console, Failure> {
        Ok(Console {
            current: self.current.as_ref().map(StoredCertificate::open).transpose()?,
            older: self.older.as_ref().map(StoredCertificate::open).transpose()?,
            request: self.request.as_ref().map(StoredRequest::open).transpose()?,
            version,
        })
    }

    fn wipe(&mut self) {
        for certificate in self.current.iter_mut().chain(&mut self.older) {
            certificate.key.zeroize();
        }
        if let Some(request) = &mut self.request {
            request.key.zeroize();
        }
    }
}

impl StoredCertificate {
    fn of(certificate: &ConsoleCertificate) -> Self {
        Self {
            name: certificate.name.clone(),
            certificate: STANDARD.encode(&certificate.certificate),
            chain: certificate.chain.iter().map(|der| STANDARD.encode(der)).collect(),
            key: STANDARD.encode(certificate.key.expose()),
            issued_at: since_1970(certificate.issued_at),
            proven_at: certificate.proven_at.map(since_1970),
        }
    }

    fn open(&self) -> Result<ConsoleCertificate, Failure> {
        Ok(ConsoleCertificate {
            name: self.name.clone(),
            certificate: bytes(&self.certificate)?,
            chain: self.chain.iter().map(|der| bytes(der)).collect::<Result<_, _>>()?,
            key: Secret::new(bytes(&self.key)?),
            issued_at: time(self.issued_at),
            proven_at: self.proven_at.map(time),
        })
    }
}

impl StoredRequest {
    fn of(request: &ConsoleRequest) -> Self {
        let failure = request.failure.as_ref().map(|failure| StoredFailure {
            code: failure.code.number(),
            message: failure.message.clone(),
            hint: failure.hint.to_string(),
        });
        Self {
            name: request.name.clone(),
            key: STANDARD.encode(request.key.expose()),
            csr: STANDARD.encode(&request.csr),
            request: request.request.clone(),
            since: since_1970(request.since),
            asked_at: request.asked_at.map(since_1970),
            retry_at: request.retry_at.map(since_1970),
            failure,
        }
    }

    fn open(&self) -> Result<ConsoleRequest, Failure> {
        let failure = |stored: &StoredFailure| {
            Failure::new(
                ErrorCode::from_number(stored.code).unwrap_or(ErrorCode::CA_UNAVAILABLE),
                "console",
                stored.message.clone(),
            )
            .hint(stored.hint.clone())
        };
        Ok(ConsoleRequest {
            name: self.name.clone(),
            key: Secret::new(bytes(&self.key)?),
            csr: bytes(&self.csr)?,
            request: self.request.clone(),
            since: time(self.since),
            asked_at: self.asked_at.map(time),
            retry_at: self.retry_at.map(time),
            failure: self.failure.as_ref().map(failure),
        })
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(text).map_err(|_| damaged("a part of it is not base64"))
}

fn since_1970(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

pub(super) fn time(seconds: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH)
}
