//! The certificates that this program shows to machines with mutual TLS.

use super::{ClientChain, Endpoint, TlsStream, check, connect, dial, shake_hands};
use crate::certificate::ProvisioningCertificate;
use amt_core::tls::{TlsOutcome, TlsPlan};
use amt_core::version::TlsVersion;
use amt_core::{ErrorCode, Failure};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Certificates of a console, the preferred first: shown to a set-up machine that lets only those in whose certificate it trusts (mutual
/// TLS). A machine that asks for none is reached as without. One that refuses the first is shown the next.
///
/// A machine that asks is spoken to with TLS 1.2: with 1.3 a client learns only from its first request that its certificate was refused.
///
/// Clones share what was seen: made anew for each machine.
#[derive(Clone, Debug, Default)]
pub struct ClientCertificates(Arc<Inner>);

#[derive(Default)]
struct Inner {
    chains: Vec<ClientChain>,
    /// The machine was seen asking with a newer TLS version.
    asks: AtomicBool,
    /// Told the position of each that is accepted.
    accepted: Option<Box<dyn Fn(usize) + Send + Sync>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.chains).finish()
    }
}

impl ClientCertificates {
    /// Each with its issuers and its key.
    pub fn new(chains: Vec<ClientChain>) -> Self {
        Self(Arc::new(Inner { chains, ..Inner::default() }))
    }

    /// One certificate with its key: `pair` need not be for setups, whatever its type is named.
    ///
    /// # Errors
    /// `PFX_OPEN` if the engine cannot use the key.
    pub fn of(pair: &ProvisioningCertificate) -> Result<Self, Failure> {
        Ok(Self::new(vec![ClientChain::new(&pair.chain(None), pair.key())?]))
    }

    /// The same, with `accepted` called with the position of the certificate whenever a machine has let one in.
    pub fn watched(chains: Vec<ClientChain>, accepted: impl Fn(usize) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { chains, accepted: Some(Box::new(accepted)), ..Inner::default() }))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.chains.is_empty()
    }

    /// The first, with its issuers, DER.
    pub(crate) fn preferred(&self) -> Option<Vec<Vec<u8>>> {
        let chain = self.0.chains.first()?;
        Some(chain.0.modern.cert.iter().map(|der| der.to_vec()).collect())
    }

    /// Connects with a plan that presents no provisioning certificate.
    pub(crate) async fn connect(&self, endpoint: &Endpoint<'_>) -> Result<(TlsStream, TlsOutcome), Failure> {
        check(endpoint.plan)?;
        if self.is_empty() {
            return self.show(endpoint, None).await;
        }
        let mut refused = None;
        for (at, chain) in self.0.chains.iter().enumerate() {
            match self.show(endpoint, Some(chain)).await {
                Ok((stream, outcome)) => {
                    if let Some(accepted) = self.0.accepted.as_ref().filter(|_| outcome.certificate_requested) {
                        accepted(at);
                    }
                    return Ok((stream, outcome));
                }
                Err(failure) if failure.code == ErrorCode::TLS_CLIENT_REFUSED => {
                    refused.get_or_insert(failure);
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(refused.unwrap_or_else(|| super::unusable("there is no certificate to show".to_owned())))
    }

    /// Connects with this certificate, or none, in a way that its refusal is seen.
    async fn show(
        &self,
        endpoint: &Endpoint<'_>,
        chain: Option<&ClientChain>,
    ) -> Result<(TlsStream, TlsOutcome), Failure> {
        let mut older: TlsPlan = endpoint.plan.clone();
        older.max = TlsVersion::V1_2;
        let older = Endpoint { plan: &older, ..endpoint.clone() };
        let shake = async |endpoint: &Endpoint<'_>| shake_hands(Box::new(dial(endpoint).await?), endpoint, chain).await;
        if self.0.asks.load(Ordering::Relaxed) {
            match shake(&older).await {
                // It speaks 1.3 only.
                Err(failure) if failure.code == ErrorCode::TLS_VERSION => return shake(endpoint).await,
                other => return other,
            }
        }
        let (stream, outcome) = shake(endpoint).await?;
        if outcome.version != TlsVersion::V1_3 || !outcome.certificate_requested {
            return Ok((stream, outcome));
        }
        self.0.asks.store(true, Ordering::Relaxed);
        drop(stream);
        match shake(&older).await {
            Err(failure) if failure.code == ErrorCode::TLS_VERSION => shake(endpoint).await,
            other => other,
        }
    }
}

/// All that a procedure may present.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chains {
    /// What [`TlsPlan::present`] points into.
    pub(crate) provisioning: Vec<ClientChain>,
    /// Shown where the plan presents none of these.
    pub(crate) client: ClientCertificates,
}

impl Chains {
    pub(crate) async fn connect(&self, endpoint: &Endpoint<'_>) -> Result<(TlsStream, TlsOutcome), Failure> {
        if endpoint.plan.present.is_some() {
            return connect(endpoint, &self.provisioning).await;
        }
        self.client.connect(endpoint).await
    }
}

impl From<Vec<ClientChain>> for Chains {
    fn from(provisioning: Vec<ClientChain>) -> Self {
        Self { provisioning, client: ClientCertificates::default() }
    }
}
