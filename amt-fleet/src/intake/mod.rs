//! The intake: an HTTPS endpoint where clients on the machines push their facts and learn how their machine fares.
//!
//! A client holds an enrolment token once and then a key that it made itself. With that key it can write the facts of its own
//! machine and read its own status, nothing else. What becomes of the machine is decided by the resolver, on the server.
//! `docs/intake.md` describes interface and threats.
//!
//! ```no_run
//! # async fn example(fleet: amt_fleet::Fleet) -> Result<(), amt_core::Failure> {
//! use amt_fleet::intake::Intake;
//! let (_, token) = fleet.new_token(amt_fleet::TokenTerms::default()).await?;
//! let intake = Intake::builder(fleet)
//!     .listen(["[::]:9972".parse().expect("an address")])
//!     .on_report(std::sync::Arc::new(|id| println!("{id} has something to say")))
//!     .bind()
//!     .await?;
//! println!("give clients {} and the pin {}", token.reveal().expose(), intake.pin());
//! intake.run(std::future::pending()).await
//! # }
//! ```

mod api;
pub mod client;
mod connection;
mod identity;
mod limits;
mod status;
#[cfg(test)]
mod tests;
pub mod wire;

pub use connection::{MAX_HEAD, MAX_HEADERS};
pub use limits::Rate;

use crate::Fleet;
use crate::config::IntakeSettings;
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use identity::Pem;
use limits::{Buckets, Open};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Told the machine of every report that was recorded, after it is on disk. Must return soon.
pub type OnReport = Arc<dyn Fn(SystemId) + Send + Sync>;

/// Limits of an intake.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IntakeConfig {
    /// The TLS handshake takes no longer.
    pub handshake: Duration,
    /// The head of a request takes no longer; a connection without requests is closed after as long.
    pub head: Duration,
    /// The body of a request takes no longer.
    pub body: Duration,
    /// A connection lives no longer.
    pub lifetime: Duration,
    /// Most connections at a time; further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// Most connections at a time from one address; further ones are dropped. Several machines may share one behind a router.
    pub max_per_source: u32,
    /// Connections and requests of one address.
    pub per_source: Rate,
    /// Requests with one token, good or not.
    pub per_token: Rate,
    /// Requests of one client.
    pub per_client: Rate,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            lifetime: Duration::from_secs(300),
            max_connections: 1024,
            max_per_source: 128,
            per_source: Rate::new(512, 32),
            per_token: Rate::new(1024, 64),
            per_client: Rate::new(32, 1),
        }
    }
}

/// What every request needs.
struct Shared {
    fleet: Fleet,
    config: IntakeConfig,
    on_report: Option<OnReport>,
    sockets: Arc<Semaphore>,
    open: Mutex<Open>,
    by_source: Mutex<Buckets<IpAddr>>,
    by_token: Mutex<Buckets<[u8; 32]>>,
    by_client: Mutex<Buckets<[u8; 32]>>,
}

/// The maps behind these locks stay consistent between any two statements, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the certificate comes from.
enum Source {
    Beside,
    Files(PathBuf, PathBuf),
    Given(Pem),
}

/// Puts an [`Intake`] together. Only addresses are needed.
pub struct IntakeBuilder {
    fleet: Fleet,
    listen: Vec<SocketAddr>,
    certificate: Source,
    config: IntakeConfig,
    on_report: Option<OnReport>,
}

impl std::fmt::Debug for IntakeBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IntakeBuilder")
            .field("fleet", &self.fleet)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl IntakeBuilder {
    /// What the section `[intake]` of a configuration says.
    #[must_use]
    pub fn settings(mut self, settings: &IntakeSettings) -> Self {
        self.listen.clone_from(&settings.listen);
        if let Some((certificate, key)) = &settings.certificate {
            self.certificate = Source::Files(certificate.clone(), key.clone());
        }
        self
    }

    /// Where to listen; `[::]` also takes IPv4.
    #[must_use]
    pub fn listen(mut self, addresses: impl Into<Vec<SocketAddr>>) -> Self {
        self.listen = addresses.into();
        self
    }

    /// The certificate chain, leaf first, and its key, both PEM. Without, one is made beside the database, to be pinned.
    #[must_use]
    pub fn certificate(mut self, chain: impl Into<Vec<u8>>, key: Secret<Vec<u8>>) -> Self {
        self.certificate = Source::Given(Pem { chain: chain.into(), key });
        self
    }

    /// Limits.
    #[must_use]
    pub fn config(mut self, config: IntakeConfig) -> Self {
        self.config = config;
        self
    }

    /// Who is told of reports: the setup server, which looks at the machine again.
    #[must_use]
    pub fn on_report(mut self, on_report: OnReport) -> Self {
        self.on_report = Some(on_report);
        self
    }

    /// Opens the ports and readies the certificate.
    ///
    /// # Errors
    /// `LISTEN`; `FILE_READ` and `CERTIFICATE_PARSE` for certificate and key; `FILE_WRITE` if one cannot be made.
    pub async fn bind(self) -> Result<Intake, Failure> {
        if self.listen.is_empty() {
            return Err(Failure::new(ErrorCode::LISTEN, "intake", "there is no address to listen at"));
        }
        let pem = match self.certificate {
            Source::Given(pem) => pem,
            Source::Files(certificate, key) => Pem::read(&certificate, &key)?,
            Source::Beside => Pem::beside(self.fleet.path())?,
        };
        let (tls, pin) = pem.serve()?;
        let listeners = self.listen.iter().map(amt::listener::open).collect::<Result<Vec<_>, _>>()?;
        let config = self.config;
        let shared = Shared {
            fleet: self.fleet,
            on_report: self.on_report,
            sockets: Arc::new(Semaphore::new(config.max_connections)),
            open: Mutex::default(),
            by_source: Mutex::new(Buckets::new(config.per_source)),
            by_token: Mutex::new(Buckets::new(config.per_token)),
            by_client: Mutex::new(Buckets::new(config.per_client)),
            config,
        };
        Ok(Intake { listeners, acceptor: TlsAcceptor::from(tls), pin, shared: Arc::new(shared) })
    }
}

/// An intake, bound to its ports.
pub struct Intake {
    listeners: Vec<TcpListener>,
    acceptor: TlsAcceptor,
    pin: String,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("addresses", &self.addresses()).field("pin", &self.pin).finish_non_exhaustive()
    }
}

impl Intake {
    /// An intake that writes to `fleet`.
    pub fn builder(fleet: Fleet) -> IntakeBuilder {
        IntakeBuilder {
            fleet,
            listen: Vec::new(),
            certificate: Source::Beside,
            config: IntakeConfig::default(),
            on_report: None,
        }
    }

    /// Where it listens; the port that was chosen where 0 was asked for.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// SHA-256 (hex) of the certificate: what clients are given as `--pin`.
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// Serves until `shutdown` is ready; requests under way are answered first, for a while.
    ///
    /// # Errors
    /// `LISTEN` if the ports are lost.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Failure> {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for listener in self.listeners {
            let shared = Arc::clone(&self.shared);
            tasks.spawn(connection::accept(listener, self.acceptor.clone(), shared, stopped.clone()));
        }
        tokio::select! {
            () = shutdown => {}
            _ = tasks.join_next() => {
                return Err(Failure::new(ErrorCode::LISTEN, "intake", "the listener has ended"));
            }
        }
        stop.send_replace(true);
        while tasks.join_next().await.is_some() {}
        Ok(())
    }
}
