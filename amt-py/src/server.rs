//! `SetupServer` and its events.

use crate::convert::{seconds, socket, to_python, word, wrong};
use crate::exception::raise;
use crate::fleet::Fleet;
use crate::preflight::Finding;
use crate::provision::certificates;
use crate::resolver::Asked;
use crate::signer::{self, Chains};
use crate::wait::{broken, runtime, wait};
use amt::ProvisioningCertificate;
use amt::local::RemoteChains;
use amt_core::Failure;
use amt_fleet::ca::{LocalCa, LocalCaFiles};
use amt_fleet::config::{Admission, Config, HELLO_PORT};
use amt_fleet::intake::Intake;
use amt_fleet::{Server, Subscription};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// Waits for hellos and provisions the machines that say them; with `intake`, clients on the machines report to it.
///
/// What `config`, the path of a configuration file, leaves out or says otherwise is given by the other arguments. `resolver` is called
/// with a dict for every machine about which something is new and answers with a dict or None; it is asked after the rules and the
/// program of the configuration. `chains` are provisioning certificates for whose keys `sign` signs, as in `amtpy.provision`. A context manager,
/// which starts and stops it.
#[pyclass(frozen, module = "amtpy")]
pub(crate) struct SetupServer {
    fleet: Py<Fleet>,
    settings: Settings,
    state: Mutex<State>,
}

/// What it was told; it may be started more than once.
#[derive(Clone)]
struct Settings {
    config: Option<Config>,
    listen: Option<Vec<SocketAddr>>,
    certificates: Option<Arc<[ProvisioningCertificate]>>,
    remote: Option<RemoteChains>,
    ca: Option<LocalCaFiles>,
    dns_suffixes: Option<Vec<String>>,
    admit: Option<Admission>,
    resolver: Option<Asked>,
    intake: Option<Vec<SocketAddr>>,
    port: Option<u16>,
}

#[derive(Default)]
struct State {
    is_starting: bool,
    running: Option<Running>,
    /// Of the newest start; what the server said last can be read after it has stopped.
    events: Option<Arc<tokio::sync::Mutex<Subscription>>>,
}

struct Running {
    addresses: Vec<SocketAddr>,
    /// Addresses and pin.
    intake: Option<(Vec<SocketAddr>, String)>,
    stop: Arc<watch::Sender<bool>>,
    task: Option<JoinHandle<Result<(), Failure>>>,
    _hold: Arc<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

#[pymethods]
impl SetupServer {
    #[new]
    #[pyo3(signature = (
        fleet, *, config=None, listen=None, certificate=None, ca=None, dns_suffixes=None, admit=None, resolver=None,
        resolver_timeout=30.0, intake=None, port=None, chains=None, sign=None
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
    fn new(
        fleet: Py<Fleet>,
        config: Option<PathBuf>,
        listen: Option<Addresses>,
        certificate: Option<&Bound<'_, PyAny>>,
        ca: Option<(PathBuf, PathBuf)>,
        dns_suffixes: Option<Vec<String>>,
        admit: Option<&str>,
        resolver: Option<Bound<'_, PyAny>>,
        resolver_timeout: f64,
        intake: Option<Addresses>,
        port: Option<u16>,
        chains: Option<Chains>,
        sign: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let patience = seconds("resolver_timeout", resolver_timeout)?;
        if let Some(resolver) = resolver.as_ref().filter(|resolver| !resolver.is_callable()) {
            return Err(wrong(format!("resolver: {} cannot be called", resolver.get_type().name()?)));
        }
        let settings = Settings {
            config: config.map(|path| Config::load(&path)).transpose().map_err(raise)?,
            listen: listen.map(|listen| listen.read("listen")).transpose()?,
            certificates: certificate.map(certificates).transpose()?,
            remote: signer::remote(chains, sign)?,
            ca: ca.map(|(certificate, key)| LocalCaFiles::new(certificate, key)),
            dns_suffixes: dns_suffixes.map(|all| all.iter().map(|suffix| suffix.to_ascii_lowercase()).collect()),
            admit: match admit {
                Some(text) => Some(word(&ADMISSIONS, |(name, _)| name, "admit", text)?.1),
                None => None,
            },
            resolver: resolver.map(|function| Asked::new(function.unbind(), patience)),
            intake: intake.map(|intake| intake.read("intake")).transpose()?,
            port,
        };
        Ok(Self { fleet, settings, state: Mutex::default() })
    }

    /// Binds the ports and serves in the background, beside whatever Python does. What was unfinished is taken up.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let (fleet, hold) = self.fleet.get().serve()?;
        {
            let mut state = self.lock();
            if state.is_starting || state.running.is_some() {
                return Err(wrong("the setup server is started already"));
            }
            state.is_starting = true;
        }
        let settings = self.settings.clone();
        let bound = wait(py, async move { settings.bind(fleet).await });
        let mut state = self.lock();
        state.is_starting = false;
        let (server, intake) = bound?;
        state.events = Some(Arc::new(tokio::sync::Mutex::new(server.subscribe())));
        state.running = Some(Running {
            addresses: server.addresses(),
            intake: intake.as_ref().map(|intake| (intake.addresses(), intake.pin().to_owned())),
            stop: Arc::new(watch::Sender::new(false)),
            task: None,
            _hold: hold,
        });
        if let Some(running) = &mut state.running {
            let mut stop = running.stop.subscribe();
            let stopped = async move {
                let _ = stop.wait_for(|stopped| *stopped).await;
            };
            running.task = Some(runtime().map_err(raise)?.spawn(server.run_with(intake, stopped)));
        }
        Ok(())
    }

    /// Lets what runs come to an end, for ten seconds at most; what is unfinished then is taken up at the next start. Raises what
    /// ended the server before, if anything did. A server that does not run is left alone.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        let Some(mut running) = self.lock().running.take() else { return Ok(()) };
        running.stop.send_replace(true);
        let Some(task) = running.task.take() else { return Ok(()) };
        wait(py, async move {
            let ended = task.await.map_err(|error| broken(&error.to_string()))?;
            drop(running);
            ended
        })
    }

    /// What happens, each event once, whoever reads it, from the start on: dicts with `at`, `event`, `uuid`, `address`, `message` and
    /// what is particular to the event, as of `amt serve --json`. Ends when the server has, or after `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn events(&self, timeout: Option<f64>) -> PyResult<Events> {
        let events = self.lock().events.clone().ok_or_else(|| wrong("the setup server was not started"))?;
        let until = match timeout {
            Some(timeout) => Instant::now().checked_add(seconds("timeout", timeout)?),
            None => None,
        };
        Ok(Events { events, until })
    }

    /// Whether it serves.
    #[getter]
    fn running(&self) -> bool {
        let state = self.lock();
        state.running.as_ref().and_then(|running| running.task.as_ref()).is_some_and(|task| !task.is_finished())
    }

    /// Where hellos are waited for; the port that was chosen where 0 was asked for. Empty while it does not run.
    #[getter]
    fn addresses(&self) -> Vec<String> {
        texts(self.lock().running.as_ref().map(|running| running.addresses.as_slice()))
    }

    /// Where clients report: what follows `https://` in `amt enroll --server`. Empty without an intake.
    #[getter]
    fn intake_addresses(&self) -> Vec<String> {
        let state = self.lock();
        texts(state.running.as_ref().and_then(|running| running.intake.as_ref()).map(|(all, _)| all.as_slice()))
    }

    /// SHA-256 (hex) of the intake's certificate, by which clients know it; None without an intake.
    #[getter]
    fn pin(&self) -> Option<String> {
        self.lock().running.as_ref().and_then(|running| running.intake.as_ref()).map(|(_, pin)| pin.clone())
    }

    /// What the configuration allows itself that is worth a warning.
    #[getter]
    fn warnings(&self) -> Vec<Finding> {
        let config = self.settings.config.as_ref();
        config.map(|config| config.warnings.iter().cloned().map(Finding::from).collect()).unwrap_or_default()
    }

    fn __enter__<'py>(slf: PyRef<'py, Self>, py: Python<'py>) -> PyResult<PyRef<'py, Self>> {
        slf.start(py)?;
        Ok(slf)
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, py: Python<'_>, exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        let ended = self.stop(py);
        // What is raised in the block is the more important.
        if exception.iter().any(|part| !part.is_none()) { Ok(()) } else { ended }
    }

    fn __repr__(&self) -> String {
        format!(
            "SetupServer(addresses={:?}, running={})",
            self.addresses(),
            if self.running() { "True" } else { "False" }
        )
    }
}

impl SetupServer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `admit`, as in a configuration.
const ADMISSIONS: [(&str, Admission); 2] = [("known", Admission::Known), ("auto", Admission::Auto)];

impl Settings {
    async fn bind(self, fleet: amt_fleet::Fleet) -> Result<(Server, Option<Intake>), Failure> {
        let mut server = Server::builder(fleet.clone());
        match &self.config {
            Some(config) => server = server.config(config).await?,
            // IPv4 too.
            None => server = server.listen([SocketAddr::from((Ipv6Addr::UNSPECIFIED, HELLO_PORT))]),
        }
        if let Some(listen) = self.listen {
            server = server.listen(listen);
        }
        if let Some(certificates) = self.certificates {
            server = server.certificates(certificates);
        }
        if let Some(remote) = self.remote {
            server = server.chains(remote);
        }
        if let Some(ca) = self.ca {
            server = server.ca(Arc::new(LocalCa::open(&ca)?));
        }
        if let Some(suffixes) = self.dns_suffixes {
            server = server.dns_suffixes(suffixes);
        }
        if let Some(admit) = self.admit {
            server = server.admit(admit);
        }
        if let Some(resolver) = self.resolver {
            server = server.resolver(resolver);
        }
        if let Some(port) = self.port {
            server = server.port(port);
        }
        let server = server.bind().await?;
        let settings = self.config.as_ref().and_then(|config| config.intake.as_ref());
        if settings.is_none() && self.intake.is_none() {
            return Ok((server, None));
        }
        let mut intake = Intake::builder(fleet);
        if let Some(settings) = settings {
            intake = intake.settings(settings);
        }
        if let Some(listen) = self.intake {
            intake = intake.listen(listen);
        }
        Ok((server, Some(intake.bind().await?)))
    }
}

/// One address with a port, or several.
#[derive(FromPyObject)]
pub(crate) enum Addresses {
    One(String),
    Many(Vec<String>),
}

impl Addresses {
    pub(crate) fn read(self, name: &str) -> PyResult<Vec<SocketAddr>> {
        match self {
            Self::One(text) => Ok(vec![socket(name, &text)?]),
            Self::Many(texts) => texts.iter().map(|text| socket(name, text)).collect(),
        }
    }
}

fn texts(addresses: Option<&[SocketAddr]>) -> Vec<String> {
    addresses.unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// Iterator over events.
#[pyclass(frozen, module = "amtpy")]
pub(crate) struct Events {
    events: Arc<tokio::sync::Mutex<Subscription>>,
    until: Option<Instant>,
}

#[pymethods]
impl Events {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (events, until) = (Arc::clone(&self.events), self.until);
        let event = wait(py, async move {
            let next = async { events.lock().await.next().await };
            Ok(match until {
                Some(until) => timeout_at(until, next).await.ok().flatten(),
                None => next.await,
            })
        })?;
        event.map(|event| to_python(py, &event.to_json())).transpose()
    }
}
