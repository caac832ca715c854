//! `provision`, `Certificate` and `Outcome`.

use crate::certificate;
use crate::exception::raise;
use crate::hello::Hello;
use crate::wait::ATTENTION;
use ::amt_provision::{Event, PasswordPolicy, Plan};
use amt::blocking::{Provisioning, Turn};
use amt::{Job, ProvisioningCertificate};
use amt_core::psk::{Form, PskPair};
use amt_core::{ErrorCode, Failure, Secret};
use amt_fleet::Fleet;
use amt_fleet::ca::{CertificateAuthority, LocalCa, LocalCaFiles};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A provisioning certificate with its chain and private key.
#[pyclass(frozen, module = "amtpy")]
pub(crate) struct Certificate(ProvisioningCertificate);

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

/// Take a machine from setup mode to proven admin control mode; blocks until it is done.
///
/// The journal is a SQLite file with a key file beside it, both made on first use: called again with the same journal, an attempt
/// that broke off is gone on with. Firmware before AMT 11 may wait for a pre-shared pair instead of `certificate`: `psk` is a list of
/// (PID, PPS), and `legacy_tls="allow"` consents to the old TLS that it speaks. The machine's certificate is signed by the authority in `authority`, a pair of paths
/// of certificate and key (PEM), made on first use as well. Passwords that are not given are generated. `progress` is
/// called with the name of every step. Ctrl-C ends the attempt; what the journal holds stays.
#[pyfunction]
#[pyo3(signature = (
    address, *, uuid, journal, authority, certificate=None, psk=Vec::new(), legacy_tls="refuse", journal_key=None, port=16993, hello=None, suffix=None, host_name=None,
    domain_name=None, admin_password=None, mebx_password=None, known_admin_passwords=Vec::new(), otp=None, progress=None
))]
#[allow(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
pub(crate) fn provision(
    py: Python<'_>,
    address: &str,
    uuid: &Bound<'_, PyAny>,
    journal: PathBuf,
    authority: (PathBuf, PathBuf),
    certificate: Option<&Bound<'_, PyAny>>,
    psk: Vec<(String, String)>,
    legacy_tls: &str,
    journal_key: Option<PathBuf>,
    port: u16,
    hello: Option<PyRef<'_, Hello>>,
    suffix: Option<String>,
    host_name: Option<String>,
    domain_name: Option<String>,
    admin_password: Option<String>,
    mebx_password: Option<String>,
    known_admin_passwords: Vec<String>,
    otp: Option<String>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Outcome> {
    let mut plan = Plan::new();
    plan.host_name = host_name;
    plan.domain_name = domain_name;
    plan.admin_password = policy(admin_password);
    plan.mebx_password = policy(mebx_password);
    plan.known_admin_passwords = known_admin_passwords.into_iter().map(Secret::from).collect();
    plan.otp = otp.map(Secret::from);
    plan.legacy_tls = legacy_tls.parse().map_err(raise)?;
    let address = address
        .parse()
        .map_err(|_| raise(Failure::new(ErrorCode::PARSE_TEXT, "parse", format!("not an IP address: {address:?}"))))?;
    let id = uuid.str()?.to_str()?.parse().map_err(raise)?;
    let mut job = Job::new(id, address, plan);
    job.port = port;
    job.hello = hello.map(|hello| hello.0.clone());
    job.suffix = suffix;
    if let Some(certificate) = certificate {
        job.certificates = certificates(certificate)?;
    }
    job.psk =
        psk.iter().map(|(pid, pps)| PskPair::parse(pid, pps, Form::Typed)).collect::<Result<_, _>>().map_err(raise)?;
    let journal_key = journal_key.unwrap_or_else(|| journal.with_added_extension("key"));

    let mut attempt = py.detach(|| Attempt::new(job, &journal, &journal_key, authority)).map_err(raise)?;
    loop {
        py.check_signals()?;
        match py.detach(|| attempt.next(ATTENTION)).map_err(raise)? {
            Some(Turn::Event(Event::Step(step))) => {
                if let Some(progress) = &progress {
                    progress.call1(py, (step.name(),))?;
                }
            }
            Some(Turn::Done(outcome)) => return py.detach(|| attempt.outcome(&outcome)).map_err(raise),
            _ => {}
        }
    }
}

/// One certificate, or a sequence of them.
pub(crate) fn certificates(given: &Bound<'_, PyAny>) -> PyResult<Arc<[ProvisioningCertificate]>> {
    if let Ok(one) = given.cast::<Certificate>() {
        return Ok(Arc::new([one.get().0.clone()]));
    }
    given.try_iter()?.map(|each| Ok(each?.cast::<Certificate>()?.get().0.clone())).collect()
}

fn policy(password: Option<String>) -> PasswordPolicy {
    password.map_or(PasswordPolicy::Generate, |password| PasswordPolicy::Fixed(password.into()))
}

/// The attempt, its journal and the authority.
struct Attempt {
    provisioning: Provisioning,
    journal: Option<Fleet>,
    authority: LocalCa,
    id: amt_core::SystemId,
}

impl Attempt {
    fn new(
        job: Job,
        journal: &std::path::Path,
        journal_key: &std::path::Path,
        (certificate, key): (PathBuf, PathBuf),
    ) -> Result<Self, Failure> {
        let id = job.id;
        let authority = LocalCa::open(&LocalCaFiles::new(certificate, key))?;
        let mut provisioning = Provisioning::new(job)?;
        let journal = provisioning.block_on(Fleet::open_with_key_file(journal, journal_key))?;
        if let Some(record) = provisioning.block_on(journal.record(id))? {
            provisioning.resume(record);
        }
        Ok(Self { provisioning, journal: Some(journal), authority, id })
    }

    /// The next turn that is the caller's; `None` if there is none yet.
    fn next(&mut self, timeout: Duration) -> Result<Option<Turn>, Failure> {
        match self.provisioning.next(timeout)? {
            Some(Turn::Persist(record)) => {
                let result = match &self.journal {
                    Some(journal) => self.provisioning.block_on(journal.persist(&record)),
                    None => Err(closed()),
                };
                self.provisioning.persisted(result)?;
                Ok(None)
            }
            Some(Turn::Certify(request)) => {
                let answer = self.provisioning.block_on(self.authority.certify(&request));
                self.provisioning.certified(answer)?;
                Ok(None)
            }
            turn => Ok(turn),
        }
    }

    fn outcome(&mut self, outcome: &::amt_provision::remote::Outcome) -> Result<Outcome, Failure> {
        let journal = self.journal.as_ref().ok_or_else(closed)?;
        let record = self.provisioning.block_on(journal.record(self.id))?.ok_or_else(closed)?;
        let password = record.admin_passwords.first();
        Ok(Outcome {
            uuid: outcome.id.to_string(),
            control_mode: outcome.control_mode.as_str(),
            tls_version: outcome.tls.version.to_string(),
            tls_engine: outcome.tls.engine,
            tls_suite: outcome.tls.suite.clone(),
            firmware: outcome.version.map(|version| version.to_string()),
            admin_password: password.map(|password| password.expose().clone()).unwrap_or_default(),
            certificate: record.certificate.clone().unwrap_or_default(),
        })
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(journal) = self.journal.take() {
            self.provisioning.block_on(journal.close());
        }
    }
}

fn closed() -> Failure {
    Failure::new(ErrorCode::JOURNAL, "journal", "the journal does not hold this machine")
}
