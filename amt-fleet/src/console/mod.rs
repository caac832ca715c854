//! The certificate that this console shows to machines with mutual TLS: made here, signed by an authority, renewed in time.
//!
//! The key pair is made before the authority is asked and stands sealed in the database: whatever is interrupted goes on with the same key and
//! the same request. A renewal has a key pair of its own, and what it replaces stays until a machine has let the new certificate in.

mod record;
mod request;

pub use record::{Console, ConsoleCertificate, ConsoleRequest};
pub(crate) use request::usages;

use crate::Fleet;
use crate::ca::CertificateAuthority;
use amt::tls::{ClientCertificates, ClientChain};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_provision::csr::Validity;
use amt_provision::renew::Due;
use amt_provision::{CaAnswer, CertificateRequest, Purpose};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;

/// Longest name of a console: X.520 ub-common-name.
pub const MAX_CONSOLE_NAME: usize = 64;
/// Of no machine.
const NO_MACHINE: SystemId = SystemId::from_wire([0; 16]);
/// An authority that could not be asked, or has not decided, is asked again after this, unless it says when.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// One that has said no, or issued what cannot be used, is asked by itself after this.
const REFUSED_REST: Duration = Duration::from_secs(3600);
/// Longest time that an authority may ask to be left alone.
const MAX_ASKED: Duration = Duration::from_secs(24 * 3600);

/// Keeps the console's certificate: one program on one database at a time.
#[derive(Clone)]
pub struct ConsoleKeeper {
    fleet: Fleet,
    authority: Arc<dyn CertificateAuthority>,
    name: String,
    due: Due,
    /// Asked by whoever needs a certificate and by the clock: one at a time.
    turn: Arc<Mutex<()>>,
}

impl std::fmt::Debug for ConsoleKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleKeeper").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ConsoleKeeper {
    /// The console `name` (its common name), whose certificates `authority` signs and which are renewed when `due` says.
    ///
    /// # Errors
    /// `CONFIG` if `name` is none.
    pub fn new(
        fleet: Fleet,
        authority: Arc<dyn CertificateAuthority>,
        name: impl Into<String>,
        due: Due,
    ) -> Result<Self, Failure> {
        let name = name.into();
        if let Some(why) = wrong_name(&name) {
            return Err(Failure::new(ErrorCode::CONFIG, "console", why));
        }
        Ok(Self { fleet, authority, name, due, turn: Arc::default() })
    }

    /// The same where nothing else works on the database, which is made sure of as long as what is returned lives.
    ///
    /// # Errors
    /// `STORE` if a setup server does: it keeps the certificate by itself.
    pub fn alone(&self) -> Result<std::fs::File, Failure> {
        crate::server::lock(self.fleet.path()).map_err(|failure| {
            failure.hint("the server keeps the console's certificate by itself: see `amt fleet console show`")
        })
    }

    /// Looks whether there is a good certificate, and does what is to be done for one: makes a key and a request, asks the authority or asks
    /// about the request again. `at_once`: although the authority wants to be left alone for a while. Returns what the database holds then.
    ///
    /// # Errors
    /// `CA_PENDING`, `CA_DENIED`, `CA_UNAVAILABLE`, `CA_CERTIFICATE_WRONG` while a certificate is wanted and there is none that is good; with one
    /// that is good they stand in [`ConsoleRequest::failure`] only. `STORE`, `UNSEAL`.
    pub async fn keep(&self, at_once: bool) -> Result<Console, Failure> {
        self.tend(self.due, at_once).await
    }

    /// Wants another certificate now, however long the present one is good. A request that is under way is gone on with.
    ///
    /// # Errors
    /// As [`keep`](Self::keep).
    pub async fn renew(&self) -> Result<Console, Failure> {
        self.tend(Due::Now, true).await
    }

    async fn tend(&self, due: Due, at_once: bool) -> Result<Console, Failure> {
        let _turn = self.turn.lock().await;
        // As it will be read back: records hold whole seconds.
        let (mut console, now) = (self.fleet.console().await?, record::time(seconds(SystemTime::now()).unsigned_abs()));
        if console.drop_ended(now) {
            self.fleet.keep_console(&mut console).await?;
        }
        if console.request.as_ref().is_some_and(|request| request.name != self.name) {
            // Of a name that the console does not have any more.
            console.request = None;
        }
        if console.request.is_none() {
            let is_good =
                console.current.as_ref().is_some_and(|current| current.name == self.name && !is_due(due, current, now));
            if is_good {
                return Ok(console);
            }
            console.request = Some(request::make(&self.name, now).await?);
            // Before the authority hears of it.
            self.fleet.keep_console(&mut console).await?;
        }
        self.ask(&mut console, now, at_once).await?;
        match console.request.as_ref().and_then(|request| request.failure.clone()) {
            Some(failure) if !console.has_good(now) => Err(failure),
            _ => Ok(console),
        }
    }

    async fn ask(&self, console: &mut Console, now: SystemTime, at_once: bool) -> Result<(), Failure> {
        let Some(request) = &mut console.request else { return Ok(()) };
        if !at_once && request.retry_at.is_some_and(|at| at > now) {
            return Ok(());
        }
        let mut question =
            CertificateRequest::new(NO_MACHINE, request.csr.clone(), self.name.clone(), vec![self.name.clone()]);
        question.purpose = Purpose::Console;
        question.request_id.clone_from(&request.request);
        let answer = self.authority.certify(&question).await;
        request.asked_at = Some(now);
        let failed = |code, text: String| Failure::new(code, "console", text);
        let mut wait = ASK_AGAIN;
        request.failure = Some(match answer {
            CaAnswer::Issued { certificate, chain } => match request::check(request, &certificate, now) {
                Ok(()) => {
                    let key = request.key.clone();
                    console.request = None;
                    console.succeed(ConsoleCertificate {
                        name: self.name.clone(),
                        certificate,
                        chain,
                        key,
                        issued_at: now,
                        proven_at: None,
                    });
                    tracing::info!(name = self.name, "the console has another certificate");
                    return self.fleet.keep_console(console).await;
                }
                Err(why) => {
                    request.request = None;
                    wait = REFUSED_REST;
                    failed(
                        ErrorCode::CA_CERTIFICATE_WRONG,
                        format!("the certificate issued for the console cannot be used: {why}"),
                    )
                    .hint(request::NEEDED)
                }
            },
            CaAnswer::Pending { request_id, retry_after, words, hint } => {
                wait = retry_after.unwrap_or(ASK_AGAIN).min(MAX_ASKED);
                let said = words.map(|words| format!(" ({words})")).unwrap_or_default();
                let text = format!(
                    "the console's certificate waits for the authority to decide about request {request_id}{said}"
                );
                request.request = Some(request_id);
                let failure = failed(ErrorCode::CA_PENDING, text);
                match hint {
                    Some(hint) => failure.hint(hint),
                    None => failure.hint("approve the request at the authority; it is asked about again by itself"),
                }
            }
            CaAnswer::Denied { reason } => {
                request.request = None;
                wait = REFUSED_REST;
                failed(ErrorCode::CA_DENIED, format!("the authority refused the console's certificate: {reason}"))
            }
            CaAnswer::Failed(failure) => failure,
        });
        request.retry_at = now.checked_add(wait);
        self.fleet.keep_console(console).await
    }

    /// What to show to one machine.
    ///
    /// # Errors
    /// `STORE`, `UNSEAL`, `PFX_OPEN`.
    pub async fn certificates(&self) -> Result<ClientCertificates, Failure> {
        self.fleet.client_certificates().await
    }

    /// Looks after the certificate for as long as it is polled.
    pub(crate) async fn watch(self) {
        let mut said = None;
        loop {
            // With a good certificate a failed renewal is told here only.
            let failure = match self.keep(false).await {
                Ok(console) => console.request.and_then(|request| request.failure),
                Err(failure) => Some(failure),
            };
            tell(&mut said, failure);
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}

/// Says once what keeps the console from its certificate.
fn tell(said: &mut Option<String>, failure: Option<Failure>) {
    let text = failure.as_ref().map(ToString::to_string);
    if let Some(failure) = failure.filter(|_| *said != text) {
        let hint = failure.hint.clone();
        tracing::warn!(%failure, %hint, "the console's certificate");
    }
    *said = text;
}

impl Fleet {
    /// The console's certificates, to be shown to one machine; none where there are none. When a machine lets the newest in, what it replaced
    /// goes.
    ///
    /// # Errors
    /// `STORE`, `UNSEAL`, `PFX_OPEN`.
    pub async fn client_certificates(&self) -> Result<ClientCertificates, Failure> {
        let console = self.console().await?;
        let ready = |(chain, key): (Vec<Vec<u8>>, Secret<Vec<u8>>)| ClientChain::new(&chain, &key);
        let all = console.iter().map(ConsoleCertificate::shown).map(ready).collect::<Result<Vec<_>, _>>()?;
        let Some(newest) = console.current.filter(|current| current.proven_at.is_none()) else {
            return Ok(ClientCertificates::new(all));
        };
        let (fleet, newest) = (self.clone(), newest.sha256());
        let told = std::sync::Once::new();
        Ok(ClientCertificates::watched(all, move |position| {
            if position == 0 {
                told.call_once(|| {
                    let (fleet, newest) = (fleet.clone(), newest.clone());
                    tokio::spawn(async move {
                        if let Err(failure) = fleet.prove_console(&newest).await {
                            tracing::warn!(%failure, "that the console's certificate was let in could not be recorded");
                        }
                    });
                });
            }
        }))
    }

    /// A machine has let the certificate with this SHA-256 in.
    async fn prove_console(&self, sha256: &str) -> Result<(), Failure> {
        let mut console = self.console().await?;
        if console.prove(sha256, SystemTime::now()) {
            self.keep_console(&mut console).await?;
        }
        Ok(())
    }
}

/// Why this can't be the name of a console.
pub(crate) fn wrong_name(name: &str) -> Option<String> {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() < MAX_CONSOLE_NAME
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let good = name.len() <= MAX_CONSOLE_NAME && name.split('.').all(is_label);
    (!good).then(|| {
        format!("{name:?} is not the name of a console: write a DNS name of at most {MAX_CONSOLE_NAME} characters")
    })
}

/// Whether a certificate is to be renewed.
pub(crate) fn is_due(due: Due, certificate: &ConsoleCertificate, now: SystemTime) -> bool {
    let at = Validity::of(&certificate.certificate).and_then(|validity| due.at(validity));
    at.is_none_or(|at| at <= seconds(now))
}

pub(crate) fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
}
