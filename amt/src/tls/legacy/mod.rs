//! The legacy engine: OpenSSL, for what rustls will never speak. TLS 1.0 to 1.2, pre-shared keys, RSA key exchange, CBC, certificates
//! of any age and key size.

mod ended;
mod init;
mod watch;

use super::stream::{Engine, TlsStream, Wire};
use super::{ClientChain, Endpoint, unusable};
use amt_core::psk::{PID_LEN, PPS_LEN, PskPair};
use amt_core::tls::{PeerIdentity, Rung, TlsOutcome, TlsPlan};
use amt_core::version::TlsVersion;
use amt_core::{ErrorCode, Failure, Secret};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509StoreContextRef, X509VerifyResult};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_openssl::SslStream;
use watch::Watched;

pub(super) use init::prepare;

/// A connection of this engine.
pub(super) type Stream = SslStream<Watched<Wire>>;

/// Forward secrecy first, then RSA key exchange; AES only. SHA-1 in certificates and small keys are what old firmware has: level 0.
const SUITES: &str = "ECDHE+AESGCM:DHE+AESGCM:kRSA+AESGCM:ECDHE+AES:DHE+AES:kRSA+AES:!PSK:!aNULL:!eNULL";
/// What the oldest firmware is offered: no elliptic curves, and so no extensions about them.
const SUITES_TLS10: &str = "kRSA+AES:!PSK:!aNULL:!eNULL";
/// In the order of `spec/hello-tls.md` §2.2.
const SUITES_PSK: &str = "PSK-AES128-CBC-SHA:PSK-AES256-CBC-SHA";
/// Added with consent, by a build that has them.
const WEAK: &str = ":DES-CBC3-SHA:RC4-SHA";
const WEAK_PSK: &str = ":PSK-3DES-EDE-CBC-SHA:PSK-RC4-SHA";

/// Options that the crate has no names for (OpenSSL's `ssl.h`).
mod option {
    use openssl::ssl::SslOptions;

    /// `SSL_OP_NO_EXTENDED_MASTER_SECRET`.
    pub(super) const NO_EXTENDED_MASTER_SECRET: SslOptions = SslOptions::from_bits_retain(1);
    /// `SSL_OP_LEGACY_SERVER_CONNECT`: firmware before RFC 5746 says nothing of renegotiation.
    pub(super) const LEGACY_SERVER_CONNECT: SslOptions = SslOptions::from_bits_retain(1 << 2);
    /// `SSL_OP_NO_ENCRYPT_THEN_MAC`.
    pub(super) const NO_ENCRYPT_THEN_MAC: SslOptions = SslOptions::from_bits_retain(1 << 19);
}

/// A chain with its key, as this engine wants them.
pub(super) struct Chain {
    certificates: Vec<X509>,
    key: PKey<Private>,
}

impl Chain {
    pub(super) fn new(chain: &[Vec<u8>], key: &Secret<Vec<u8>>) -> Result<Self, Failure> {
        prepare();
        let bad = |what: &str| Failure::new(ErrorCode::PFX_OPEN, "load-certificate", what);
        let certificates = chain.iter().map(|der| X509::from_der(der)).collect::<Result<_, _>>();
        Ok(Self {
            certificates: certificates.map_err(|_| bad("a certificate of the chain cannot be used for TLS"))?,
            key: PKey::private_key_from_pkcs8(key.expose())
                .map_err(|_| bad("the private key cannot be used for TLS"))?,
        })
    }
}

/// Shakes hands on `wire`.
pub(super) async fn handshake<'a>(
    wire: Wire,
    endpoint: &Endpoint<'_>,
    chain: Option<&'a ClientChain>,
) -> Result<(TlsStream, TlsOutcome), Failure> {
    prepare();
    let plan = endpoint.plan;
    let here = |chain: &'a ClientChain| {
        let elsewhere = || {
            let text = "the machine speaks only TLS before 1.2, which is signed with a key that is here, and the certificate's key is elsewhere";
            Failure::new(ErrorCode::UNSUPPORTED, super::STAGE, text)
                .hint("for machines before AMT 14 give the provisioning certificate together with its key")
        };
        chain.0.legacy.as_ref().ok_or_else(elsewhere)
    };
    let chain = chain.map(here).transpose()?;
    let stranger = Arc::new(AtomicBool::new(false));
    let broken = |e: ErrorStack| unusable(format!("the legacy engine cannot be set up: {e}"));
    let context = context(plan, chain, &stranger).map_err(broken)?;
    let ssl = Ssl::new(&context).map_err(broken)?;
    let mut stream = SslStream::new(ssl, Watched::new(wire)).map_err(broken)?;
    if let Err(error) = Pin::new(&mut stream).connect().await {
        if stranger.load(Ordering::Relaxed) {
            let text = "the machine presented another certificate than the one expected";
            return Err(Failure::new(ErrorCode::TLS_PIN_MISMATCH, super::STAGE, text));
        }
        let requested = stream.get_ref().certificate_requested();
        let psk = matches!(plan.identity, PeerIdentity::Psk(_));
        return Err(ended::explain(error, requested, requested && chain.is_some(), psk, plan.present.is_none()));
    }
    let outcome = outcome(&stream);
    Ok((TlsStream(Engine::OpenSsl(Box::new(stream))), outcome))
}

fn context(plan: &TlsPlan, chain: Option<&Chain>, stranger: &Arc<AtomicBool>) -> Result<SslContext, ErrorStack> {
    let mut builder = SslContextBuilder::new(SslMethod::tls_client())?;
    builder.set_security_level(0);
    builder.set_min_proto_version(Some(SslVersion::TLS1))?;
    builder.set_max_proto_version(Some(match plan.rung {
        Rung::LegacyTls10 => SslVersion::TLS1,
        _ => SslVersion::TLS1_2,
    }))?;
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_options(option::LEGACY_SERVER_CONNECT | SslOptions::NO_COMPRESSION | SslOptions::NO_TICKET);
    // Only what we were given is sent, and all of it.
    builder.set_mode(SslMode::NO_AUTO_CHAIN | SslMode::AUTO_RETRY);
    let psk = matches!(plan.identity, PeerIdentity::Psk(_));
    if psk || plan.rung == Rung::LegacyTls10 {
        builder.set_options(option::NO_EXTENDED_MASTER_SECRET | option::NO_ENCRYPT_THEN_MAC);
    }
    builder.set_cipher_list(&suites(plan, psk))?;
    if let Some(chain) = chain {
        present(&mut builder, chain)?;
    }
    accept(&mut builder, &plan.identity, stranger)?;
    Ok(builder.build())
}

fn suites(plan: &TlsPlan, psk: bool) -> String {
    let (strong, weak) = match (psk, plan.rung) {
        (true, _) => (SUITES_PSK, WEAK_PSK),
        (false, Rung::LegacyTls10) => (SUITES_TLS10, WEAK),
        (false, _) => (SUITES, WEAK),
    };
    // Names that the build does not have are passed over.
    format!("{strong}{}", if plan.weak_ciphers { weak } else { "" })
}

fn present(builder: &mut SslContextBuilder, chain: &Chain) -> Result<(), ErrorStack> {
    let Some((leaf, issuers)) = chain.certificates.split_first() else { return Ok(()) };
    builder.set_certificate(leaf)?;
    builder.set_private_key(&chain.key)?;
    issuers.iter().try_for_each(|issuer| builder.add_extra_chain_cert(issuer.clone()))
}

/// Identity is policy. That the peer holds the key of its certificate is checked always: by the signature of its key exchange, or by its
/// being able to decrypt what was encrypted to that key.
fn accept(
    builder: &mut SslContextBuilder,
    identity: &PeerIdentity,
    stranger: &Arc<AtomicBool>,
) -> Result<(), ErrorStack> {
    let expected: Box<dyn Fn(&X509) -> bool + Send + Sync> = match identity {
        PeerIdentity::Psk(pair) => {
            share(builder, pair.clone());
            return Ok(());
        }
        PeerIdentity::Any => Box::new(|_| true),
        PeerIdentity::Pinned(der) => {
            let der = der.clone();
            Box::new(move |leaf| leaf.to_der().is_ok_and(|leaf| leaf == der))
        }
        PeerIdentity::Fingerprint(sha256) => {
            let sha256 = *sha256;
            Box::new(move |leaf| leaf.digest(MessageDigest::sha256()).is_ok_and(|digest| *digest == sha256))
        }
        PeerIdentity::Verified { roots, name } => {
            let mut store = X509StoreBuilder::new()?;
            for root in roots {
                store.add_cert(X509::from_der(root)?)?;
            }
            builder.set_cert_store(store.build());
            builder.verify_param_mut().set_host(name)?;
            builder.set_verify(SslVerifyMode::PEER);
            return Ok(());
        }
        // A kind that this engine does not know is nobody.
        _ => Box::new(|_| false),
    };
    let stranger = Arc::clone(stranger);
    builder.set_verify_callback(SslVerifyMode::PEER, move |_, context: &mut X509StoreContextRef| {
        let known = leaf(context).is_some_and(|leaf| expected(&leaf));
        if known {
            context.set_error(X509VerifyResult::OK);
        } else {
            stranger.store(true, Ordering::Relaxed);
        }
        known
    });
    Ok(())
}

/// The peer's own certificate, whichever of its chain is being looked at.
fn leaf(context: &X509StoreContextRef) -> Option<X509> {
    Some(context.chain()?.get(0)?.to_owned())
}

/// Answers with the pair: PID as identity, the 32 characters of the PPS as key.
fn share(builder: &mut SslContextBuilder, pair: PskPair) {
    builder.set_psk_client_callback(move |_, _hint, identity, key| {
        // The identity ends with a zero byte in this buffer, not on the wire.
        if let (Some(identity), Some(key)) = (identity.get_mut(..=PID_LEN), key.get_mut(..PPS_LEN)) {
            identity[..PID_LEN].copy_from_slice(&pair.pid.0);
            identity[PID_LEN] = 0;
            key.copy_from_slice(pair.pps.expose());
            return Ok(PPS_LEN);
        }
        Ok(0)
    });
}

fn outcome(stream: &Stream) -> TlsOutcome {
    let ssl = stream.ssl();
    TlsOutcome {
        version: match ssl.version2() {
            Some(SslVersion::TLS1) => TlsVersion::V1_0,
            Some(SslVersion::TLS1_1) => TlsVersion::V1_1,
            _ => TlsVersion::V1_2,
        },
        suite: ssl.current_cipher().and_then(|c| c.standard_name()).unwrap_or_default().to_owned(),
        engine: "openssl",
        peer: ssl.peer_cert_chain().into_iter().flatten().filter_map(|c| c.to_der().ok()).collect(),
        certificate_requested: stream.get_ref().certificate_requested(),
    }
}
