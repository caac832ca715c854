//! The machine's TLS server on OpenSSL: TLS 1.0 to 1.2, RSA key exchange and pre-shared keys, for firmware that rustls
//! cannot stand in for.
//!
//! OpenSSL's own idea of a good chain is not asked for: nothing is trusted, and its verdict is replaced by the firmware's.

use super::{Accepted, Carrier, Gate, Handshake, Refusal, Refused, Verdict};
use crate::chain::ChainFault;
use crate::firmware::{ClientAuth, TlsServing, TlsSession};
use crate::persona::{Persona, RefusedChain};
use amt_core::psk::PskPair;
use amt_core::version::TlsVersion;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef, SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509StoreContextRef, X509VerifyResult};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

/// One handshake.
pub(super) async fn accept(handshake: Handshake<'_>, gate: Gate<TcpStream>) -> Result<Accepted, Refused> {
    let verdict = Verdict::default();
    let refused_key = RefusedKey::default();
    let made = context(&handshake, &verdict, &refused_key).and_then(|context| Ssl::new(&context));
    let ssl = match made {
        Ok(ssl) => ssl,
        Err(error) => return Err(Refused { carrier: Box::new(gate), refusal: Some(Refusal::Tls(error.to_string())) }),
    };
    let mut stream = SslStream::new(ssl, gate).expect("a fresh session takes a stream");
    if let Err(error) = Pin::new(&mut stream).accept().await {
        let refusal = refusal(&handshake.serving.client, &verdict, &refused_key, &error);
        return Err(Refused { carrier: Box::new(stream), refusal });
    }
    let chain = presented(stream.ssl());
    let session = session(stream.ssl());
    Ok(Accepted { stream: Box::new(stream), chain, session })
}

impl Carrier for SslStream<Gate<TcpStream>> {
    fn gate(&mut self) -> &mut Gate<TcpStream> {
        self.get_mut()
    }
}

/// Why the pre-shared key was refused.
type RefusedKey = Arc<Mutex<Option<String>>>;

fn context(handshake: &Handshake<'_>, verdict: &Verdict, refused: &RefusedKey) -> Result<SslContext, ErrorStack> {
    let Handshake { serving, persona, mute } = handshake;
    let mut context = SslContext::builder(SslMethod::tls_server())?;
    // Level 0 is what these versions need: SHA-1 and MD5 in handshakes, RSA keys of 1024 bits.
    context.set_security_level(0);
    context.set_min_proto_version(Some(version(persona.tls.min.0)))?;
    context.set_max_proto_version(Some(version(persona.tls.max.0)))?;
    context.set_options(SslOptions::NO_TICKET | SslOptions::CIPHER_SERVER_PREFERENCE | SslOptions::NO_COMPRESSION);
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    match &serving.client {
        ClientAuth::Psk(pair) => {
            context.set_cipher_list(&persona.tls.psk_suites.list())?;
            ask_for_key(&mut context, pair.clone(), Arc::clone(refused));
        }
        client => {
            context.set_cipher_list(&persona.tls.suites.list())?;
            serve_certificate(&mut context, serving)?;
            if !matches!(client, ClientAuth::None) {
                ask_for_chain(&mut context, client.clone(), persona, verdict.clone(), Arc::clone(mute));
            }
        }
    }
    Ok(context.build())
}

fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::V1_0 => SslVersion::TLS1,
        TlsVersion::V1_1 => SslVersion::TLS1_1,
        TlsVersion::V1_2 => SslVersion::TLS1_2,
        TlsVersion::V1_3 => SslVersion::TLS1_3,
    }
}

fn serve_certificate(context: &mut SslContextBuilder, serving: &TlsServing) -> Result<(), ErrorStack> {
    context.set_certificate(&*X509::from_der(&serving.certificate)?)?;
    for issuer in &serving.issuers {
        context.add_extra_chain_cert(X509::from_der(issuer)?)?;
    }
    context.set_private_key(&*PKey::private_key_from_pkcs8(serving.key.pkcs8())?)
}

fn ask_for_key(context: &mut SslContextBuilder, pair: PskPair, refused: RefusedKey) {
    context.set_psk_server_callback(move |_, identity, key| {
        if identity != Some(pair.pid.0.as_slice()) {
            let identity = identity.unwrap_or_default().escape_ascii();
            *refused.lock().expect("no panic while held") = Some(format!("no key for the identity {identity:.64}"));
            // No key: the alert is unknown_psk_identity.
            return Ok(0);
        }
        let pps = pair.pps.expose();
        let room = key.get_mut(..pps.len()).ok_or_else(ErrorStack::get)?;
        room.copy_from_slice(pps);
        Ok(pps.len())
    });
}

fn ask_for_chain(
    context: &mut SslContextBuilder,
    client: ClientAuth,
    persona: &Persona,
    verdict: Verdict,
    mute: Arc<AtomicBool>,
) {
    let silent = persona.network.refused_chain == RefusedChain::Close;
    // OpenSSL calls once for each certificate and each doubt; the whole chain is judged at the first call. A context serves
    // one handshake, so what was judged may be kept here.
    let judged = Mutex::new(None);
    context.set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, move |_, store| {
        let mut judged = judged.lock().expect("no panic while held");
        let accepted = *judged.get_or_insert_with(|| {
            let faults = client.judge(&built(store));
            let accepted = faults.is_empty();
            if !accepted {
                mute.fetch_or(silent, Ordering::SeqCst);
                name_fault(store, faults.first());
                verdict.set(faults);
            }
            accepted
        });
        if accepted {
            store.set_error(X509VerifyResult::OK);
        }
        accepted
    });
}

/// The chain as OpenSSL put it together from what was sent, leaf first; where a link is missing it ends there. What was
/// sent beside it, or in another order, is judged when the handshake is done.
fn built(store: &X509StoreContextRef) -> Vec<Vec<u8>> {
    let chain = store.chain().into_iter().flatten();
    chain.filter_map(|certificate| certificate.to_der().ok()).collect()
}

/// Has the alert be one of the certificate's. For a missing or unknown root OpenSSL's own finding is kept (unknown_ca);
/// else a finding without an alert of its own gives certificate_unknown.
fn name_fault(store: &mut X509StoreContextRef, fault: Option<&ChainFault>) {
    if matches!(fault, Some(ChainFault::RootUnknown | ChainFault::RootNotSent | ChainFault::Broken(_))) {
        return;
    }
    let leaf = store.chain().and_then(|chain| chain.get(0));
    let mismatch = leaf.map_or(X509VerifyResult::OK, |leaf| leaf.issued(leaf));
    if mismatch != X509VerifyResult::OK {
        store.set_error(mismatch);
    }
}

fn refusal(
    client: &ClientAuth,
    verdict: &Verdict,
    refused: &RefusedKey,
    error: &openssl::ssl::Error,
) -> Option<Refusal> {
    let mut faults = verdict.take();
    let reasons: Vec<&str> =
        error.ssl_error().map(|stack| stack.errors().iter().filter_map(|e| e.reason()).collect()).unwrap_or_default();
    if reasons.contains(&"peer did not return a certificate") {
        faults.push(ChainFault::NoCertificate);
    }
    if !faults.is_empty() {
        return Some(Refusal::Chain(faults));
    }
    if let Some(why) = refused.lock().expect("no panic while held").take() {
        return Some(Refusal::Psk(why));
    }
    let why = reasons.join("; ");
    match client {
        // The client's Finished cannot be read: it was keyed with another PPS.
        ClientAuth::Psk(_) if why.contains("bad record mac") || why.contains("digest check failed") => {
            Some(Refusal::Psk("the client has another key".to_owned()))
        }
        // Without a reason the client went away.
        _ => (!why.is_empty()).then_some(Refusal::Tls(why)),
    }
}

/// What the client sent, leaf first; OpenSSL's list for a server is without the leaf.
fn presented(ssl: &SslRef) -> Vec<Vec<u8>> {
    let leaf = ssl.peer_certificate().and_then(|leaf| leaf.to_der().ok());
    let rest = ssl.peer_cert_chain().into_iter().flatten().filter_map(|certificate| certificate.to_der().ok());
    leaf.into_iter().chain(rest).collect()
}

fn session(ssl: &SslRef) -> TlsSession {
    let version = match ssl.version2() {
        Some(SslVersion::TLS1) => TlsVersion::V1_0,
        Some(SslVersion::TLS1_1) => TlsVersion::V1_1,
        Some(SslVersion::TLS1_3) => TlsVersion::V1_3,
        _ => TlsVersion::V1_2,
    };
    let suite = ssl.current_cipher().and_then(|cipher| cipher.standard_name()).unwrap_or_default().to_owned();
    TlsSession { engine: "openssl", version, suite }
}
