//! `provision`, `Certificate` and `Outcome`.

use crate::awaitable::{Loop, awaitable};
use crate::convert::{id, wrong};
use crate::enroll::AbortOnDrop;
use crate::exception::raise;
use crate::hello::Hello;
use crate::signer::{self, Chains};
use crate::wait::{broken, runtime, wait};
use crate::{certificate, fleet, psk};
use ::amt_provision::{CaAnswer, CertificateRequest, Event, PasswordPolicy, Plan, Record, Step};
use amt::tls::ClientCertificates;
use amt::{Host, Job, ProvisioningCertificate};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_fleet::Fleet;
use amt_fleet::ca::{CertificateAuthority, LocalCa, LocalCaFiles};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A provisioning certificate with its chain and private key.
#[pyclass(frozen, module = "amtpy")]
pub(crate) struct Certificate(pub(crate) ProvisioningCertificate);

#[pymethods]
impl Certificate {
    /// From `pfx`, or from `pem` with the key in it or in `key`: each a path or the bytes themselves.
    #[new]
    #[pyo3(signature = (*, pfx=None, pem=None, key=None, password=None))]
    fn new(
        pfx: Option<certificate::Source<'_>>,
        pem: Option<certificate::Source<'_>>,
        key: Option<certificate::Source<'_>>,
        password: Option<String>,
    ) -> PyResult<Self> {
        certificate::bundle(pfx, pem, key, password)?.try_into().map(Self).map_err(raise)
    }

    /// SHA-256 of the leaf, lower-case hex.
    #[getter]
    fn sha256(&self) -> String {
        self.0.leaf_sha256_hex()
    }

    fn __repr__(&self) -> String {
        format!("Certificate(sha256={:?})", self.sha256())
    }
}

/// What a provisioned machine has proven. Holds its password: neither `repr` nor `str` shows it.
#[pyclass(frozen, eq, hash, module = "amtpy")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Outcome {
    /// The machine.
    #[pyo3(get)]
    uuid: String,
    /// How the machine says it is controlled: `"admin"`.
    #[pyo3(get)]
    control_mode: &'static str,
    /// TLS version of the connection on which the new password was taken.
    #[pyo3(get)]
    tls_version: String,
    /// Engine of that connection: `"rustls"`, or `"openssl"` for firmware before AMT 14.
    #[pyo3(get)]
    tls_engine: &'static str,
    /// Cipher suite of that connection, by its IANA name.
    #[pyo3(get)]
    tls_suite: String,
    /// Firmware version, if the machine told it.
    #[pyo3(get)]
    firmware: Option<String>,
    /// The password of `admin`, as proven.
    #[pyo3(get)]
    admin_password: String,
    /// The certificate (DER) of the machine's TLS server, to be pinned when connecting.
    #[pyo3(get)]
    certificate: Vec<u8>,
}

#[pymethods]
impl Outcome {
    fn __repr__(&self) -> String {
        format!(
            "Outcome(uuid={:?}, control_mode={:?}, tls_version={:?}, tls_suite={:?})",
            self.uuid, self.control_mode, self.tls_version, self.tls_suite
        )
    }
}

/// What is to be done to which machine, with what.
struct Order {
    job: Job,
    journal: Journal,
    authority: LocalCaFiles,
}

/// Where the record of an attempt is kept.
pub(crate) enum Journal {
    /// A database of its own: path and key file.
    File(PathBuf, PathBuf),
    /// One that is open.
    Open(Fleet, Arc<()>),
}

impl Journal {
    /// The database, whether it is to be closed at the end, and what keeps it open until then.
    pub(crate) async fn open(self) -> Result<(Fleet, bool, Option<Arc<()>>), Failure> {
        match self {
            Self::File(path, key) => Ok((fleet::open(path, key).await?, true, None)),
            Self::Open(fleet, hold) => Ok((fleet, false, Some(hold))),
        }
    }
}

/// The same arguments twice: what differs is who waits.
macro_rules! provision {
    ($(#[$doc:meta])* $name:ident -> $output:ty, $run:expr) => {
        $(#[$doc])*
        #[pyfunction]
        #[pyo3(signature = (
            address, *, uuid, journal, authority, certificate=None, psk=Vec::new(), legacy_tls="refuse", journal_key=None,
            port=16993, hello=None, suffix=None, host_name=None, domain_name=None, admin_password=None, mebx_password=None,
            known_admin_passwords=Vec::new(), otp=None, progress=None, chains=None, sign=None,
            client_certificate=None
        ))]
        #[allow(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
        pub(crate) fn $name<'py>(
            py: Python<'py>,
            address: &str,
            uuid: &Bound<'py, PyAny>,
            journal: &Bound<'py, PyAny>,
            authority: (PathBuf, PathBuf),
            certificate: Option<&Bound<'py, PyAny>>,
            psk: Vec<psk::Given>,
            legacy_tls: &str,
            journal_key: Option<PathBuf>,
            port: u16,
            hello: Option<PyRef<'py, Hello>>,
            suffix: Option<String>,
            host_name: Option<String>,
            domain_name: Option<String>,
            admin_password: Option<String>,
            mebx_password: Option<String>,
            known_admin_passwords: Vec<String>,
            otp: Option<String>,
            progress: Option<Py<PyAny>>,
            chains: Option<Chains>,
            sign: Option<Bound<'py, PyAny>>,
            client_certificate: Option<PyRef<'py, Certificate>>,
        ) -> PyResult<$output> {
            let mut plan = Plan::new();
            plan.host_name = host_name;
            plan.domain_name = domain_name;
            plan.admin_password = policy(admin_password);
            plan.mebx_password = policy(mebx_password);
            plan.known_admin_passwords = known_admin_passwords.into_iter().map(Secret::from).collect();
            plan.otp = otp.map(Secret::from);
            plan.legacy_tls = legacy_tls.parse().map_err(raise)?;
            let not_ip = || Failure::new(ErrorCode::PARSE_TEXT, "parse", format!("not an IP address: {address:?}"));
            let mut job = Job::new(id(uuid)?, address.parse().map_err(|_| raise(not_ip()))?, plan);
            job.port = port;
            job.hello = hello.map(|hello| hello.0.clone());
            job.suffix = suffix;
            if let Some(certificate) = certificate {
                job.certificates = certificates(certificate)?;
            }
            job.remote = signer::remote(chains, sign)?;
            if let Some(pair) = client_certificate {
                job.client = ClientCertificates::of(&pair.0).map_err(raise)?;
            }
            job.psk = psk.into_iter().map(|given| given.0).collect();
            let journal = journal_of(journal, journal_key)?;
            let authority = LocalCaFiles::new(authority.0, authority.1);
            $run(py, Order { job, journal, authority }, progress)
        }
    };
}

provision! {
    /// Take a machine from setup mode to proven admin control mode; blocks until it is done.
    ///
    /// The journal is a SQLite file with a key file beside it, both made on first use, or a `Fleet`, which many attempts may share: called again
    /// with the same journal, an attempt that broke off is gone on with. Firmware before AMT 11 may wait for a pre-shared pair instead of
    /// `certificate`: `psk` is a list of `PskPair` or (PID, PPS), and `legacy_tls="allow"` consents to the old TLS that it speaks. The machine's
    /// certificate is signed by the authority in `authority`, a pair of paths of certificate and key (PEM), made on first use as well. Passwords
    /// that are not given are generated; a `host_name` is needed wherever addresses come by DHCP. `progress` is called with the name of every step.
    /// `chains` are certificates for whose keys `sign(index, data)` signs, in a thread of its own, within 20 seconds: it gets the position of the
    /// chain and returns an RSA signature, PKCS#1 v1.5 over the SHA-256 of `data`. What it raises ends the attempt as `SIGNER`. For AMT 14 and
    /// later. `client_certificate` is shown to a machine that turns out to be set up already, with mutual TLS: without it that is told as
    /// `TLS_CHAIN_REFUSED`. Ctrl-C ends the attempt; what the journal holds stays.
    provision -> Outcome, run
}

provision! {
    /// As `amtpy.provision`, to be awaited. `progress` is called in the thread of the event loop. Whoever cancels it ends the attempt.
    provision_async -> Bound<'py, PyAny>, run_async
}

fn run(py: Python<'_>, order: Order, progress: Option<Py<PyAny>>) -> PyResult<Outcome> {
    let (tell, told) = unbounded_channel();
    follow(py, attempt(order, tell), told, progress)
}

/// Waits for an attempt and tells its steps.
pub(crate) fn follow<T: Send + 'static>(
    py: Python<'_>,
    attempt: impl Future<Output = Result<T, Failure>> + Send + 'static,
    mut told: UnboundedReceiver<Step>,
    progress: Option<Py<PyAny>>,
) -> PyResult<T> {
    let task = runtime().map_err(raise)?.spawn(attempt);
    let _guard = AbortOnDrop(task.abort_handle());
    loop {
        let (step, rest) = wait(py, async move { Ok((told.recv().await, told)) })?;
        told = rest;
        match (step, &progress) {
            (Some(step), Some(progress)) => {
                progress.call1(py, (step.name(),))?;
            }
            (Some(_), None) => {}
            (None, _) => return wait(py, async move { task.await.map_err(|error| broken(&error.to_string()))? }),
        }
    }
}

fn run_async<'py>(py: Python<'py>, order: Order, progress: Option<Py<PyAny>>) -> PyResult<Bound<'py, PyAny>> {
    let (tell, mut told) = unbounded_channel::<Step>();
    let progress = match progress {
        Some(function) => Some((Arc::new(function), Arc::new(Loop::running(py)?))),
        None => None,
    };
    let report = async move {
        while let Some(step) = told.recv().await {
            if let Some((function, event_loop)) = progress.clone() {
                let call = move || Python::try_attach(|py| event_loop.call_soon(py, &function, step.name()));
                let _ = tokio::task::spawn_blocking(call).await;
            }
        }
    };
    let all = async move { tokio::join!(attempt(order, tell), report).0 };
    awaitable(py, all, |py, outcome| Ok(Py::new(py, outcome)?.into_any()))
}

/// The whole attempt. Broken off at any point, it leaves what the journal holds.
async fn attempt(order: Order, steps: UnboundedSender<Step>) -> Result<Outcome, Failure> {
    let Order { mut job, journal, authority } = order;
    let authority = Some(open_authority(authority).await?);
    let (fleet, is_own, _hold) = journal.open().await?;
    let id = job.id;
    let ended = async {
        job.record = fleet.record(id).await?;
        let outcome = amt::provision(job, &Keeper { fleet: &fleet, authority, steps }).await?;
        let record = fleet.record(id).await?.ok_or_else(lost)?;
        Ok(Outcome::new(&outcome, &record))
    }
    .await;
    if is_own {
        fleet.close().await;
    }
    ended
}

/// Keeps the record in the database, has certificates signed, tells steps.
pub(crate) struct Keeper<'f> {
    pub(crate) fleet: &'f Fleet,
    /// None where nothing is certified.
    pub(crate) authority: Option<LocalCa>,
    pub(crate) steps: UnboundedSender<Step>,
}

impl Host for Keeper<'_> {
    async fn persist(&self, record: &Record) -> Result<(), Failure> {
        self.fleet.persist(record).await
    }

    async fn certify(&self, request: &CertificateRequest) -> CaAnswer {
        match &self.authority {
            Some(authority) => authority.certify(request).await,
            None => CaAnswer::Failed(Failure::new(ErrorCode::CA_UNAVAILABLE, "certify", "there is no authority")),
        }
    }

    fn event(&self, _: SystemId, event: &Event) {
        if let Event::Step(step) = event {
            // Nobody listens any more where the attempt is being broken off.
            let _ = self.steps.send(*step);
        }
    }
}

/// The authority's files are made by the first of several attempts that begin at once.
static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub(crate) async fn open_authority(files: LocalCaFiles) -> Result<LocalCa, Failure> {
    let _only = MAKING.lock().await;
    let opened = tokio::task::spawn_blocking(move || LocalCa::open(&files)).await;
    opened.map_err(|error| broken(&error.to_string()))?
}

impl Outcome {
    fn new(outcome: &::amt_provision::remote::Outcome, record: &Record) -> Self {
        let password = record.admin_passwords.first();
        Self {
            uuid: outcome.id.to_string(),
            control_mode: outcome.control_mode.as_str(),
            tls_version: outcome.tls.version.to_string(),
            tls_engine: outcome.tls.engine,
            tls_suite: outcome.tls.suite.clone(),
            firmware: outcome.version.map(|version| version.to_string()),
            admin_password: password.map(|password| password.expose().clone()).unwrap_or_default(),
            certificate: record.certificate.clone().unwrap_or_default(),
        }
    }
}

pub(crate) fn journal_of(given: &Bound<'_, PyAny>, key: Option<PathBuf>) -> PyResult<Journal> {
    if let Ok(open) = given.cast::<fleet::Fleet>() {
        if key.is_some() {
            return Err(wrong("journal_key: an open database has its key"));
        }
        let (fleet, hold) = open.get().serve()?;
        return Ok(Journal::Open(fleet, hold));
    }
    let path: PathBuf = given.extract()?;
    let key = key.unwrap_or_else(|| path.with_added_extension("key"));
    Ok(Journal::File(path, key))
}

/// One certificate, or a sequence of them.
pub(crate) fn certificates(given: &Bound<'_, PyAny>) -> PyResult<Arc<[ProvisioningCertificate]>> {
    if let Ok(one) = given.cast::<Certificate>() {
        return Ok(Arc::new([one.get().0.clone()]));
    }
    given.try_iter()?.map(|each| Ok(each?.cast::<Certificate>()?.get().0.clone())).collect()
}

pub(crate) fn policy(password: Option<String>) -> PasswordPolicy {
    password.map_or(PasswordPolicy::Generate, |password| PasswordPolicy::Fixed(password.into()))
}

pub(crate) fn lost() -> Failure {
    Failure::new(ErrorCode::JOURNAL, "journal", "the journal does not hold this machine")
}
