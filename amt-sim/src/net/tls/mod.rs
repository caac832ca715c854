//! The machine's TLS server: which engine serves, and what a handshake brings.

mod gate;
#[cfg(feature = "legacy-tls")]
mod openssl;
mod rustls;

pub(super) use gate::Gate;

use crate::chain::ChainFault;
use crate::firmware::{ClientAuth, TlsServing, TlsSession};
use crate::persona::{Engine, Persona};
use amt_core::{ErrorCode, Failure};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// What one handshake is about.
pub(super) struct Handshake<'a> {
    pub(super) serving: &'a TlsServing,
    pub(super) persona: &'a Persona,
    /// Set on refusal by a persona that closes without an alert.
    pub(super) mute: &'a Arc<AtomicBool>,
}

/// A handshake that is done.
pub(super) struct Accepted {
    pub(super) stream: Box<dyn Stream>,
    /// The client's certificates as sent, leaf first.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) session: TlsSession,
}

/// A handshake that failed.
pub(super) struct Refused {
    pub(super) carrier: Box<dyn Carrier>,
    /// Why, if it was the machine that refused.
    pub(super) refusal: Option<Refusal>,
}

/// What the machine refused.
#[derive(Clone, Debug)]
pub(super) enum Refusal {
    Chain(Vec<ChainFault>),
    Psk(String),
    Tls(String),
}

/// Whatever has the TCP stream below it.
pub(super) trait Carrier: Send {
    fn gate(&mut self) -> &mut Gate<TcpStream>;
}

impl Carrier for Gate<TcpStream> {
    fn gate(&mut self) -> &mut Self {
        self
    }
}

/// An established TLS stream.
pub(super) trait Stream: AsyncRead + AsyncWrite + Carrier + Unpin {}

impl<T: AsyncRead + AsyncWrite + Carrier + Unpin> Stream for T {}

/// Runs the handshake on the persona's engine.
pub(super) async fn accept(handshake: Handshake<'_>, gate: Gate<TcpStream>) -> Result<Accepted, Refused> {
    if matches!(handshake.serving.client, ClientAuth::Psk(_)) && handshake.persona.tls.psk_suites.0.is_empty() {
        let refusal =
            Some(Refusal::Psk("this machine waits for a pre-shared key, and offers no suite for it".to_owned()));
        return Err(Refused { carrier: Box::new(gate), refusal });
    }
    match handshake.persona.tls.engine() {
        Engine::Rustls => rustls::accept(handshake, gate).await,
        #[cfg(feature = "legacy-tls")]
        Engine::Openssl => openssl::accept(handshake, gate).await,
        #[cfg(not(feature = "legacy-tls"))]
        Engine::Openssl => {
            let refusal = Some(Refusal::Tls("this build has no engine for it".to_owned()));
            Err(Refused { carrier: Box::new(gate), refusal })
        }
    }
}

/// Refuses a persona whose TLS this build cannot serve.
pub(super) fn check(persona: &Persona) -> Result<(), Failure> {
    if persona.tls.engine() == Engine::Rustls || cfg!(feature = "legacy-tls") {
        return Ok(());
    }
    let what = format!("the TLS of persona {} needs OpenSSL, which this build does not have", persona.name);
    Err(Failure::new(ErrorCode::TLS_LEGACY_MISSING, "sim", what).hint("build with the feature legacy-tls"))
}

/// What the verifier found, for whoever ran the handshake.
#[derive(Clone, Debug, Default)]
struct Verdict(Arc<Mutex<Vec<ChainFault>>>);

impl Verdict {
    fn set(&self, faults: Vec<ChainFault>) {
        *self.0.lock().expect("no panic while held") = faults;
    }

    fn take(&self) -> Vec<ChainFault> {
        std::mem::take(&mut self.0.lock().expect("no panic while held"))
    }
}
