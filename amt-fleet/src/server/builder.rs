//! How a setup server is put together.

use super::Server;
use super::attempt::{Proven, Provisioner, Shared};
use super::busy::{Busy, Turns};
use crate::Fleet;
use crate::action::ActionRule;
use crate::ca::{ByPurpose, CertificateAuthority};
use crate::certificates::Presented;
use crate::config::{Admission, Config, RetryPolicy};
use crate::console::ConsoleKeeper;
use crate::directory;
use crate::event::Events;
use crate::guard::GuardPolicy;
use crate::host::{FleetHost, tls_facts};
use crate::names::NameTemplate;
use crate::profiles::Profiles;
use crate::resolve::{Defaults, Resolver};
use amt::listener::{HelloListener, ListenerConfig};
use amt::local::RemoteChains;
use amt::{Job, ProvisioningCertificate};
use amt_core::{ErrorCode, Failure, Severity};
use amt_provision::Plan;
use amt_provision::renew::DUE_PERCENT;
use std::fs::File;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

/// Puts a [`Server`] together. Listener addresses, a certificate authority and at least one provisioning certificate are needed.
pub struct ServerBuilder {
    fleet: Fleet,
    listen: Vec<SocketAddr>,
    listener: ListenerConfig,
    presented: Presented,
    chains_follow: bool,
    ca: Option<Arc<dyn CertificateAuthority>>,
    plan: Plan,
    profiles: Profiles,
    defaults: Defaults,
    resolvers: Vec<Arc<dyn Resolver>>,
    actions: Vec<ActionRule>,
    retry: RetryPolicy,
    renew_at: Option<u8>,
    console: Option<ConsoleKeeper>,
    directory: Option<directory::Settings>,
    concurrency: usize,
    port: u16,
}

impl std::fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("fleet", &self.fleet)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

impl ServerBuilder {
    pub(super) fn new(fleet: Fleet) -> Self {
        Self {
            fleet,
            listen: Vec::new(),
            listener: ListenerConfig::default(),
            presented: Presented::default(),
            chains_follow: false,
            ca: None,
            plan: Plan::new(),
            profiles: Profiles::default(),
            defaults: Defaults::default(),
            resolvers: Vec::new(),
            actions: Vec::new(),
            retry: RetryPolicy::default(),
            renew_at: Some(DUE_PERCENT),
            console: None,
            directory: None,
            concurrency: 64,
            port: 16993,
        }
    }

    /// Everything that `config` says: certificates are read, a local authority is made if it is new, and the list of known
    /// machines is imported.
    ///
    /// # Errors
    /// As the loading of each; the message names the file.
    pub async fn config(mut self, config: &Config) -> Result<Self, Failure> {
        self.fleet.import(config.known.clone()).await?;
        self.presented = Presented::load(&config.certificates)?;
        let ca = config.ca.open()?;
        self.ca = Some(match &config.client_ca {
            Some(client) => Arc::new(ByPurpose { server: ca, client: client.open()? }),
            None => ca,
        });
        self.listen.clone_from(&config.listen);
        self.plan = config.plan.clone();
        self.profiles = config.profiles.clone();
        self.defaults = Defaults {
            admission: config.admit,
            guard: config.guard.clone(),
            names: config.names.clone(),
            suffixes: config.dns_suffixes.clone(),
        };
        self.resolvers.extend(config.resolvers());
        self.actions.extend(config.actions.iter().cloned());
        self.retry = config.retry.clone();
        self.renew_at = config.renew_at;
        self.console = config.console_keeper(self.fleet.clone())?;
        self.directory.clone_from(&config.directory);
        self.concurrency = config.concurrency;
        Ok(self)
    }

    /// Where to listen for hellos.
    #[must_use]
    pub fn listen(mut self, addresses: impl Into<Vec<SocketAddr>>) -> Self {
        self.listen = addresses.into();
        self
    }

    /// Limits of the listener.
    #[must_use]
    pub fn listener(mut self, config: ListenerConfig) -> Self {
        self.listener = config;
        self
    }

    /// Provisioning certificates with their keys.
    #[must_use]
    pub fn certificates(mut self, certificates: impl Into<Arc<[ProvisioningCertificate]>>) -> Self {
        self.presented.here = certificates.into();
        self
    }

    /// More provisioning certificates, whose keys are elsewhere: for machines from AMT 14 on.
    #[must_use]
    pub fn chains(mut self, chains: RemoteChains) -> Self {
        self.presented.elsewhere.append(chains);
        self
    }

    /// Binds also without any certificate: [`Server::add_chains`] gives them before the server runs.
    #[must_use]
    pub fn chains_follow(mut self) -> Self {
        self.chains_follow = true;
        self
    }

    /// Who signs the machines' certificates.
    #[must_use]
    pub fn ca(mut self, ca: Arc<dyn CertificateAuthority>) -> Self {
        self.ca = Some(ca);
        self
    }

    /// What machines become. Host and domain names in it serve machines that have none of their own.
    #[must_use]
    pub fn plan(mut self, plan: Plan) -> Self {
        self.plan = plan;
        self
    }

    /// Names for machines that have none.
    #[must_use]
    pub fn names(mut self, names: NameTemplate) -> Self {
        self.defaults.names = names;
        self
    }

    /// DNS suffixes of the site.
    #[must_use]
    pub fn dns_suffixes(mut self, suffixes: impl Into<Vec<String>>) -> Self {
        self.defaults.suffixes = suffixes.into();
        self
    }

    /// Who is let in; by default only machines that were imported.
    #[must_use]
    pub fn admit(mut self, admit: Admission) -> Self {
        self.defaults.admission = admit;
        self
    }

    /// How evidence that a machine is in use is weighed.
    #[must_use]
    pub fn guard(mut self, guard: GuardPolicy) -> Self {
        self.defaults.guard = guard;
        self
    }

    /// Who decides about machines: their names, profiles, and whether they are let in. Several are asked in turn; what the first
    /// leaves open the next may say.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolver + 'static) -> Self {
        self.resolvers.push(Arc::new(resolver));
        self
    }

    /// What follows when something happened to a machine.
    #[must_use]
    pub fn action(mut self, action: ActionRule) -> Self {
        self.actions.push(action);
        self
    }

    /// Profiles by name, beside the [`plan`](Self::plan) of machines that are given none.
    #[must_use]
    pub fn profiles(mut self, profiles: Profiles) -> Self {
        self.profiles = profiles;
        self
    }

    /// When failed attempts are repeated.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Share of the life of a machine's certificate, in percent, after which the server renews it; none: never. 50 unless it is said.
    #[must_use]
    pub fn renew_at(mut self, percent: Option<u8>) -> Self {
        self.renew_at = percent.map(|percent| percent.min(100));
        self
    }

    /// Who keeps the certificate that is shown to machines with mutual TLS. Without one nothing but what the database has already is shown.
    #[must_use]
    pub fn console(mut self, console: ConsoleKeeper) -> Self {
        self.console = Some(console);
        self
    }

    /// Most machines provisioned at a time, at least 1.
    #[must_use]
    pub fn concurrency(mut self, machines: usize) -> Self {
        self.concurrency = machines.max(1);
        self
    }

    /// TLS port of the machines, 16993 unless they are virtual.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Binds the ports and takes hold of the database.
    ///
    /// # Errors
    /// `CONFIG` if something needed was not given; `PLAN_INVALID`; `LISTEN`; `STORE` if another server works on this
    /// database.
    pub async fn bind(self) -> Result<Server, Failure> {
        let ca = self.ca.ok_or_else(|| missing("certificate authority"))?;
        if self.presented.is_empty() && !self.chains_follow {
            return Err(missing("provisioning certificate"));
        }
        if let Some(finding) =
            self.plan.validate().into_iter().chain(self.profiles.findings()).find(|f| f.severity == Severity::Error)
        {
            let text = format!("{}: {}", finding.field, finding.message);
            return Err(Failure::new(ErrorCode::PLAN_INVALID, "serve", text).hint(finding.hint));
        }
        let lock = lock(self.fleet.path())?;
        let listener = HelloListener::bind(&self.listen, self.listener).await?;
        let shared = Shared {
            fleet: self.fleet,
            ca,
            events: Events::new(),
            provisioner: Box::new(Network),
            presented: self.presented,
            plan: self.plan,
            profiles: self.profiles,
            defaults: self.defaults,
            resolvers: self.resolvers,
            actions: self.actions,
            retry: self.retry,
            renew_at: self.renew_at,
            console: self.console,
            directory: self.directory,
            port: self.port,
            busy: Busy::default(),
            turns: Turns::default(),
        };
        Ok(Server { listener, shared: Arc::new(shared), concurrency: self.concurrency, _lock: lock })
    }
}

/// The library over the network.
struct Network;

impl Provisioner for Network {
    fn provision<'a>(
        &'a self,
        job: Job,
        host: &'a FleetHost,
    ) -> Pin<Box<dyn Future<Output = Result<Proven, Failure>> + Send + 'a>> {
        Box::pin(async move {
            let outcome = amt::provision(job, host).await?;
            Ok(Proven { control_mode: outcome.control_mode.as_str().to_owned(), tls: tls_facts(&outcome.tls) })
        })
    }
}

/// Something that the server cannot be without.
pub(super) fn missing(what: &str) -> Failure {
    Failure::new(ErrorCode::CONFIG, "serve", format!("no {what} was given"))
}

/// The right to be the one server of a database, for as long as the file is open. Released by the system when the process
/// ends, however it ends.
pub(crate) fn lock(database: &Path) -> Result<File, Failure> {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    let failed =
        |why: String| Failure::new(ErrorCode::STORE, "serve", format!("{}: {why}", Path::new(&name).display()));
    let file =
        File::options().create(true).truncate(false).write(true).open(&name).map_err(|e| failed(e.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(failed("another setup server works on this database".to_owned())
            .hint("stop the other server, or give this one a database of its own")),
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error.to_string())),
    }
}
