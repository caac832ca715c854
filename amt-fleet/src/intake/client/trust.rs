//! Which server a client believes: one whose certificate a known root signed, or the one with a given fingerprint.

use super::STAGE;
use crate::digest::{hex, sha256_hex};
use crate::roots;
use amt::certificate::authorities;
use amt_core::tls::parse_sha256;
use amt_core::{ErrorCode, Failure};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Most certificates in one file of roots.
pub const MAX_ROOTS: usize = 1000;

/// SHA-256 of a server's certificate, as `amt serve` and browsers show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl FromStr for Pin {
    type Err = Failure;

    /// 64 hex digits, with colons or without, in either case, after `sha256:` or not.
    fn from_str(text: &str) -> Result<Self, Failure> {
        let bare = text.trim();
        let bare = bare.get(..7).filter(|p| p.eq_ignore_ascii_case("sha256:")).map_or(bare, |p| &bare[p.len()..]);
        parse_sha256(bare).map(Self).ok_or_else(|| {
            Failure::new(ErrorCode::PARSE_TEXT, "parse", "a pin is 64 hex digits, with or without colons")
                .hint("take the SHA-256 that `amt serve` prints when its intake starts")
        })
    }
}

impl std::fmt::Display for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Whom to believe.
#[derive(Clone, Debug, Default)]
pub struct Trust(Rule);

#[derive(Clone, Debug, Default)]
enum Rule {
    #[default]
    System,
    Roots(Vec<CertificateDer<'static>>),
    Pin(Pin),
}

impl Trust {
    /// The roots that the operating system trusts.
    pub const fn system() -> Self {
        Self(Rule::System)
    }

    /// The one server with this certificate, whatever its name, issuer and dates.
    pub const fn pin(pin: Pin) -> Self {
        Self(Rule::Pin(pin))
    }

    /// The roots in a file: PEM, or one certificate in DER.
    ///
    /// # Errors
    /// `CERTIFICATE_PARSE` if there is none in it or more than [`MAX_ROOTS`].
    pub fn roots(file: &[u8]) -> Result<Self, Failure> {
        let bad = |why: String| Failure::new(ErrorCode::CERTIFICATE_PARSE, STAGE, why);
        let roots = authorities(file).map_err(|failure| failure.at(STAGE))?;
        if roots.len() > MAX_ROOTS {
            return Err(bad(format!("more than {MAX_ROOTS} certificates")));
        }
        let roots = roots.into_iter().map(CertificateDer::from).collect();
        Ok(Self(Rule::Roots(roots)))
    }

    /// The TLS side of it, and what it sees.
    pub(super) fn config(&self) -> Result<(Arc<ClientConfig>, Arc<Verifier>), Failure> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(Verifier::new(&self.0, Arc::clone(&provider))?);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new(ErrorCode::TLS_HANDSHAKE, STAGE, error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        Ok((Arc::new(config), verifier))
    }
}

/// Checks the server as [`Trust`] says, and remembers what it was shown: a refusal can then say how to trust it.
#[derive(Debug)]
pub(super) struct Verifier {
    pin: Option<Pin>,
    /// Against the roots; absent with a pin.
    roots: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<String>>,
}

impl Verifier {
    fn new(rule: &Rule, provider: Arc<CryptoProvider>) -> Result<Self, Failure> {
        let mut store = RootCertStore::empty();
        match rule {
            Rule::Pin(pin) => return Ok(Self { pin: Some(*pin), roots: None, provider, seen: Mutex::default() }),
            Rule::System => {
                store = roots::of_the_system();
                if store.is_empty() {
                    let text = "this system has no root certificates to check the server with";
                    return Err(Failure::new(ErrorCode::CERTIFICATE_PARSE, STAGE, text).hint(HOW_TO_TRUST));
                }
            }
            Rule::Roots(roots) => {
                for (at, root) in roots.iter().enumerate() {
                    store.add(root.clone()).map_err(|error| {
                        let text = format!("certificate {} of the roots cannot be used: {error}", at + 1);
                        Failure::new(ErrorCode::CERTIFICATE_PARSE, STAGE, text)
                    })?;
                }
            }
        }
        let roots = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
            .build()
            .map_err(|error| Failure::new(ErrorCode::CERTIFICATE_PARSE, STAGE, format!("the roots: {error}")))?;
        Ok(Self { pin: None, roots: Some(roots), provider, seen: Mutex::default() })
    }

    /// Why a handshake failed, and what to do.
    pub(super) fn explain(&self, error: &Error, host: &str) -> Failure {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default();
        let failure = |code, text: String| Failure::new(code, STAGE, text);
        let Error::InvalidCertificate(why) = error else {
            return failure(ErrorCode::TLS_HANDSHAKE, format!("no TLS with {host}: {error}"))
                .hint("check that the address and port are the intake's, and that nothing in between breaks TLS open");
        };
        match why {
            CertificateError::ApplicationVerificationFailure => {
                let pin = self.pin.map(|pin| pin.to_string()).unwrap_or_default();
                failure(
                    ErrorCode::TLS_PIN_MISMATCH,
                    format!("{host} has another certificate than the pinned one: SHA-256 {seen}, pinned {pin}"),
                )
                .hint("compare with what `amt serve` printed on the server: give the new pin if that certificate was replaced; otherwise another server answers here and must not get the token")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => failure(
                ErrorCode::TLS_HANDSHAKE,
                format!("the certificate of {host} is not valid yet; this machine's clock says {}", now()),
            )
            .hint("set the clock (Linux: date -u -s \"2030-12-31 23:59\"; WinPE: date and time), or give --pin, which looks at no dates"),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => failure(
                ErrorCode::TLS_HANDSHAKE,
                format!("the certificate of {host} has expired; this machine's clock says {}", now()),
            )
            .hint("if the clock is right, the server needs a new certificate; otherwise set the clock, or give --pin, which looks at no dates"),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => failure(
                ErrorCode::TLS_HANDSHAKE,
                format!("the certificate of the server is for another name than {host}; its SHA-256 is {seen}"),
            )
            .hint("use the name in the certificate as --server, or give --pin after comparing the SHA-256 with what `amt serve` printed"),
            // A root of the same name with another key is no better than none.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => failure(
                ErrorCode::TLS_HANDSHAKE,
                format!("the certificate of {host} is not trusted: no root known here signed it; its SHA-256 is {seen}"),
            )
            .hint(format!("{HOW_TO_TRUST}; if it printed {seen}, that is --pin {seen}")),
            other => failure(ErrorCode::TLS_HANDSHAKE, format!("the certificate of {host} is refused: {other}"))
                .hint(HOW_TO_TRUST),
        }
    }
}

const HOW_TO_TRUST: &str = "give --ca with the certificate of the authority that signed it, or --pin with the SHA-256 that `amt serve` printed on the server";

fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = Duration::from_secs(since.as_secs());
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + seconds).to_string()
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(sha256_hex(end_entity));
        if let Some(roots) = &self.roots {
            return roots.verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
        }
        let sha256: [u8; 32] = Sha256::digest(end_entity).into();
        if self.pin == Some(Pin(sha256)) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    // With a pin too: the certificate proves nothing unless the server has its key.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_as_they_are_shown() {
        let plain = "ab".repeat(32);
        let colons = ["AB"; 32].join(":");
        for text in [plain.clone(), colons.clone(), format!("sha256:{plain}"), format!(" SHA256:{colons}\n")] {
            assert_eq!(text.parse::<Pin>().unwrap().to_string(), plain);
        }
        for text in ["", "ab", &"ag".repeat(32), &"ab".repeat(33), "sha256:", "sha1:00", "é".repeat(40).as_str()] {
            let failure = text.parse::<Pin>().unwrap_err();
            assert!(failure.hint.contains("amt serve"), "{failure:?}");
        }
    }

    #[test]
    fn roots_are_read_from_pem_and_der_and_nothing_else() {
        let key = rcgen::KeyPair::generate().unwrap();
        let cert =
            rcgen::CertificateParams::new(vec!["intake.example.com".to_owned()]).unwrap().self_signed(&key).unwrap();
        for good in [cert.pem().into_bytes(), cert.pem().repeat(2).into_bytes(), cert.der().to_vec()] {
            assert!(Trust::roots(&good).unwrap().config().is_ok());
        }
        let broken = b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
        for bad in [&b""[..], b"hello", broken, key.serialize_pem().as_bytes()] {
            assert_eq!(Trust::roots(bad).unwrap_err().code, ErrorCode::CERTIFICATE_PARSE);
        }
        assert!(Trust::roots(b"0123").unwrap().config().is_err(), "no certificate, though it begins like one");
    }
}
