//! `Session`: what `amtpy.Machine` and `amtpy.aio.Machine` are made of.

use crate::awaitable::awaitable;
use crate::certificate::Source;
use crate::convert::{seconds, to_python, wrong};
use crate::exception::raise;
use crate::instance::{members, reference_to_dict, selectors, to_dict, to_instance};
use crate::operate::Operation;
use crate::provision::Certificate;
use crate::upkeep::{Attempt, Given, Upkeep};
use crate::wait::wait;
use amt::certificate::authorities;
use amt::place::resolve;
use amt::tls::ClientCertificates;
use amt::{Administrator, Device, Transport};
use amt_core::tls::{LegacyTls, PeerIdentity, TlsOutcome, parse_sha256};
use amt_core::{ErrorCode, Failure, FirmwareVersion};
use amt_wsman::client::Credentials;
use amt_wsman::op::{Reply, Request};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

const TLS_PORT: u16 = 16_993;
const PLAIN_PORT: u16 = 16_992;
/// How many times the patience of one call an operation of several has.
const OPERATION_CALLS: u32 = 10;

/// WS-Man calls to one machine, one at a time, on one connection.
#[pyclass(frozen, module = "amtpy._amt")]
pub(crate) struct Session(Arc<Line>);

/// The way to the machine, and what was learnt on it.
struct Line {
    host: String,
    port: u16,
    transport: Transport,
    consent: LegacyTls,
    client: ClientCertificates,
    credentials: Credentials,
    patience: Duration,
    /// Taken out for a call: one that is broken off leaves none behind, and the next one connects anew.
    device: tokio::sync::Mutex<Option<Device>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    closed: bool,
    version: Option<FirmwareVersion>,
    tls: Option<TlsOutcome>,
}

/// What is done while a call has the device to itself.
enum Work {
    Call(Request),
    Operation(Operation),
}

impl Work {
    /// For messages.
    fn label(&self) -> String {
        match self {
            Self::Call(request) => request.label(),
            Self::Operation(operation) => operation.label().to_owned(),
        }
    }
}

/// What came of it.
enum Done {
    Reply(Reply),
    Document(Value),
}

/// What of a reply Python gets.
#[derive(Clone, Copy)]
enum Answer {
    Instance,
    Output,
    Instances,
    Created,
    Nothing,
}

#[pymethods]
impl Session {
    #[new]
    #[pyo3(signature = (host, password, user, port, certificate, pin, ca, name, insecure_any, plain, client_certificate, legacy_tls, timeout))]
    #[allow(clippy::too_many_arguments, reason = "called by the package alone")]
    fn new(
        host: String,
        password: String,
        user: &str,
        port: Option<u16>,
        certificate: Option<Vec<u8>>,
        pin: Option<&str>,
        ca: Option<Source<'_>>,
        name: Option<String>,
        insecure_any: bool,
        plain: bool,
        client_certificate: Option<&Certificate>,
        legacy_tls: &str,
        timeout: f64,
    ) -> PyResult<Self> {
        let mut ways = Vec::new();
        if name.is_some() && ca.is_none() {
            return Err(wrong("name: it is compared with certificates of an authority: give ca too"));
        }
        ways.extend(certificate.map(|certificate| Transport::Tls(PeerIdentity::Pinned(certificate))));
        if let Some(pin) = pin {
            ways.push(Transport::Tls(PeerIdentity::Fingerprint(fingerprint(pin)?)));
        }
        if let Some(ca) = ca {
            let roots = authorities(&ca.read()?).map_err(|mut failure| {
                failure.message = format!("ca: {}", failure.message);
                raise(failure)
            })?;
            ways.push(Transport::Tls(PeerIdentity::Verified { roots, name: name.unwrap_or_else(|| host.clone()) }));
        }
        ways.extend(insecure_any.then_some(Transport::Tls(PeerIdentity::Any)));
        ways.extend(plain.then_some(Transport::Plain));
        let (Some(transport), None) = (ways.pop(), ways.pop()) else {
            return Err(wrong(
                "give one of certificate, pin, ca, insecure_any and plain: whom to take for the machine",
            ));
        };
        let port = port.unwrap_or(if plain { PLAIN_PORT } else { TLS_PORT });
        let credentials = Credentials::new(user, password);
        let patience = seconds("timeout", timeout)?;
        let consent = legacy_tls.parse().map_err(raise)?;
        let client = client_certificate.map(|pair| ClientCertificates::of(&pair.0)).transpose().map_err(raise)?;
        let client = client.unwrap_or_default();
        let (device, state) = (tokio::sync::Mutex::default(), Mutex::default());
        Ok(Self(Arc::new(Line { host, port, transport, consent, client, credentials, patience, device, state })))
    }

    /// Makes one call and waits for the answer.
    #[pyo3(signature = (operation, class_name, method=None, properties=None, selectors=None))]
    fn call<'py>(
        &self,
        py: Python<'py>,
        operation: &str,
        class_name: &str,
        method: Option<&str>,
        properties: Option<&Bound<'py, PyDict>>,
        selectors: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (request, answer) = request(operation, class_name, method, properties, selectors)?;
        let reply = wait(py, Arc::clone(&self.0).call(request))?;
        answer.of(py, &reply)
    }

    /// The same, to be awaited.
    #[pyo3(signature = (operation, class_name, method=None, properties=None, selectors=None))]
    fn call_async<'py>(
        &self,
        py: Python<'py>,
        operation: &str,
        class_name: &str,
        method: Option<&str>,
        properties: Option<&Bound<'py, PyDict>>,
        selectors: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (request, answer) = request(operation, class_name, method, properties, selectors)?;
        let call = Arc::clone(&self.0).call(request);
        awaitable(py, call, move |py, reply| answer.of(py, &reply).map(Bound::unbind))
    }

    /// Does one operation of several calls and waits for it.
    #[pyo3(signature = (operation, options=None))]
    fn operate<'py>(
        &self,
        py: Python<'py>,
        operation: &str,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let operation = Operation::read(operation, options)?;
        to_python(py, &wait(py, Arc::clone(&self.0).operate(operation))?)
    }

    /// The same, to be awaited.
    #[pyo3(signature = (operation, options=None))]
    fn operate_async<'py>(
        &self,
        py: Python<'py>,
        operation: &str,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let operation = Operation::read(operation, options)?;
        awaitable(py, Arc::clone(&self.0).operate(operation), |py, document| {
            to_python(py, &document).map(Bound::unbind)
        })
    }

    /// How the machine stands: an attempt that stores nothing.
    fn status(&self) -> PyResult<Attempt> {
        self.begin(Upkeep::Status)
    }

    /// Makes the machine what a profile says, in turns.
    #[pyo3(signature = (file, document, record, authority, dry_run))]
    fn configure(
        &self,
        file: Option<PathBuf>,
        document: Option<String>,
        record: Option<Vec<u8>>,
        authority: Option<(PathBuf, PathBuf)>,
        dry_run: bool,
    ) -> PyResult<Attempt> {
        self.begin(Upkeep::configure(Given::read(file, document)?, record, authority, dry_run)?)
    }

    /// Gives the administrator another password, in turns.
    #[pyo3(signature = (record, password))]
    fn rotate(&self, record: Option<Vec<u8>>, password: Option<String>) -> PyResult<Attempt> {
        self.begin(Upkeep::rotate(record, password)?)
    }

    /// Gives the machine another certificate, in turns.
    #[pyo3(signature = (record, at_percent, authority))]
    fn renew(
        &self,
        record: Option<Vec<u8>>,
        at_percent: Option<u8>,
        authority: (PathBuf, PathBuf),
    ) -> PyResult<Attempt> {
        self.begin(Upkeep::renew(record, at_percent, authority)?)
    }

    /// Takes the setup of the machine back, in turns.
    #[pyo3(signature = (extent, record, dry_run))]
    fn unprovision(&self, extent: &str, record: Option<Vec<u8>>, dry_run: bool) -> PyResult<Attempt> {
        self.begin(Upkeep::unprovision(record, extent, dry_run)?)
    }

    /// Disconnects and lets no further call through.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, Arc::clone(&self.0).close())
    }

    /// The same, to be awaited.
    fn close_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        awaitable(py, Arc::clone(&self.0).close(), |py, ()| Ok(py.None()))
    }

    /// Firmware version by what it says with every answer.
    #[getter]
    fn version(&self) -> Option<String> {
        self.0.state().version.map(|version| version.to_string())
    }

    /// Version, suite and engine of the last TLS handshake.
    #[getter]
    fn tls(&self) -> Option<(String, String, &'static str)> {
        let state = self.0.state();
        state.tls.as_ref().map(|tls| (tls.version.to_string(), tls.suite.clone(), tls.engine))
    }

    /// Where it is.
    #[getter]
    fn place(&self) -> (&str, u16) {
        (&self.0.host, self.0.port)
    }
}

impl Session {
    /// On connections of its own.
    fn begin(&self, upkeep: Upkeep) -> PyResult<Attempt> {
        let line = Arc::clone(&self.0);
        Attempt::begin(upkeep, async move { line.administrator().await })
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(self: Arc<Self>, request: Request) -> Result<Reply, Failure> {
        match self.within(self.patience, &Work::Call(request)).await? {
            Done::Reply(reply) => Ok(reply),
            Done::Document(_) => Err(Failure::new(ErrorCode::PANIC, "call", "a document answers no call")),
        }
    }

    /// Of several calls: it has several times their patience.
    async fn operate(self: Arc<Self>, operation: Operation) -> Result<Value, Failure> {
        let patience = self.patience.saturating_mul(OPERATION_CALLS);
        match self.within(patience, &Work::Operation(operation)).await? {
            Done::Document(document) => Ok(document),
            Done::Reply(_) => Err(Failure::new(ErrorCode::PANIC, "call", "a reply is no document")),
        }
    }

    async fn within(&self, patience: Duration, work: &Work) -> Result<Done, Failure> {
        timeout(patience, self.attempt(work)).await.unwrap_or_else(|_| {
            let text = format!("{}: no answer within {} s", work.label(), patience.as_secs_f64());
            Err(Failure::new(ErrorCode::REPLY_TIMEOUT, "call", text))
        })
    }

    async fn attempt(&self, work: &Work) -> Result<Done, Failure> {
        let mut place = self.device.lock().await;
        self.open()?;
        let mut device = match place.take() {
            Some(device) => device,
            None => self.device().await?,
        };
        let done = match work {
            Work::Call(request) => device.call(request).await.map(Done::Reply),
            Work::Operation(operation) => operation.run(&mut device).await.map(Done::Document),
        };
        {
            let mut state = self.state();
            (state.version, state.tls) = (device.version(), device.tls().cloned());
        }
        // What was refused can be asked again on the same connection, a broken one is remade.
        *place = Some(device);
        done
    }

    fn open(&self) -> Result<(), Failure> {
        match self.state().closed {
            true => Err(Failure::new(ErrorCode::INVALID_ARGUMENT, "call", "the machine was closed")),
            false => Ok(()),
        }
    }

    async fn administrator(&self) -> Result<Administrator, Failure> {
        self.open()?;
        let address = self.address().await?;
        let credentials = self.credentials.clone();
        let administrator = Administrator::new(address, self.transport.clone(), credentials, self.consent)?;
        Ok(administrator.client_certificates(self.client.clone()))
    }

    async fn device(&self) -> Result<Device, Failure> {
        let address = self.address().await?;
        let device = Device::new(address, self.transport.clone(), self.credentials.clone())?.legacy_tls(self.consent);
        Ok(device.client_certificates(self.client.clone()))
    }

    async fn address(&self) -> Result<SocketAddr, Failure> {
        resolve(&self.host, self.port, "connect").await
    }

    async fn close(self: Arc<Self>) -> Result<(), Failure> {
        // First, so that calls that wait for their turn are refused it.
        self.state().closed = true;
        *self.device.lock().await = None;
        Ok(())
    }
}

impl Answer {
    fn of<'py>(self, py: Python<'py>, reply: &Reply) -> PyResult<Bound<'py, PyAny>> {
        let read = |error: amt_wsman::Error| raise(error.failure("read"));
        Ok(match self {
            Self::Instance => to_dict(py, &reply.instance().map_err(read)?.properties)?.into_any(),
            Self::Output => to_dict(py, &reply.output().map_err(read)?.properties)?.into_any(),
            Self::Instances => {
                let all: Vec<_> =
                    reply.instances().iter().map(|each| to_dict(py, &each.properties)).collect::<PyResult<_>>()?;
                PyList::new(py, all)?.into_any()
            }
            Self::Created => match reply.created() {
                Some(reference) => reference_to_dict(py, reference)?.into_any(),
                None => py.None().into_bound(py),
            },
            Self::Nothing => py.None().into_bound(py),
        })
    }
}

fn request(
    operation: &str,
    class: &str,
    method: Option<&str>,
    properties: Option<&Bound<'_, PyDict>>,
    given: Option<&Bound<'_, PyAny>>,
) -> PyResult<(Request, Answer)> {
    if class.is_empty() || !class.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(wrong(format!("{class:?} is no name of a class, such as AMT_GeneralSettings")));
    }
    let instance = || match properties {
        Some(properties) => to_instance(class, properties),
        None => Err(wrong(format!("{operation}: no properties"))),
    };
    let (mut request, answer) = match (operation, method) {
        ("get", None) => (Request::get(class), Answer::Instance),
        ("put", None) => (Request::put(&instance()?), Answer::Instance),
        ("create", None) => (Request::create(&instance()?), Answer::Created),
        ("delete", None) => (Request::delete(class), Answer::Nothing),
        ("enumerate", None) => (Request::enumerate(class), Answer::Instances),
        ("invoke", Some(method)) => {
            let mut request = Request::invoke(class, method);
            for (name, value) in properties.map(|given| members(given, 0)).transpose()?.unwrap_or_default() {
                request = request.arg(&name, value);
            }
            (request, Answer::Output)
        }
        _ => return Err(wrong(format!("there is no operation {operation:?}"))),
    };
    for (name, value) in given.map(selectors).transpose()?.unwrap_or_default() {
        request = request.selector(&name, value);
    }
    Ok((request, answer))
}

/// 64 hexadecimal digits, with or without colons.
fn fingerprint(text: &str) -> PyResult<[u8; 32]> {
    parse_sha256(text).ok_or_else(|| wrong("pin: write the 64 hexadecimal digits of a SHA-256"))
}
