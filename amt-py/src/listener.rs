//! `HelloListener` and `HelloEvent`.

use crate::awaitable::awaitable;
use crate::convert::seconds;
use crate::exception::raise;
use crate::hello::Hello;
use crate::server::Addresses;
use crate::wait::wait;
use amt::ListenerConfig;
use amt_core::Failure;
use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::timeout;

/// Awaits hellos: an iterator, and an asynchronous one, over what arrives. Open from the beginning until `close()`, which ends the iterators,
/// or the end of `with` or `async with`.
///
/// `listen` is an address with a port, or several; `[::]` also takes IPv4. Nothing that arrives is authenticated: anybody may say hello. A
/// connection on which nothing comes for `idle` seconds is dropped, and one address may have `max_per_source` at a time.
///
/// >>> import amtpy
/// >>> from amtpy.sim import VirtualMachines
/// >>> with amtpy.HelloListener("127.0.0.1:0") as listener, VirtualMachines(hello=listener.addresses[0]) as machines:
/// ...     next(listener).hello.uuid == machines[0].uuid
/// True
#[pyclass(frozen, module = "amtpy")]
pub(crate) struct HelloListener {
    addresses: Vec<SocketAddr>,
    ears: Arc<Ears>,
}

struct Ears {
    listener: tokio::sync::Mutex<Option<amt::HelloListener>>,
    closed: watch::Sender<bool>,
}

/// What one connection brought: a hello, or bytes that are none.
#[pyclass(frozen, module = "amtpy")]
pub(crate) struct HelloEvent(amt::HelloEvent);

#[pymethods]
impl HelloListener {
    #[new]
    #[pyo3(signature = (listen=None, *, idle=10.0, max_per_source=64))]
    fn new(py: Python<'_>, listen: Option<Addresses>, idle: f64, max_per_source: u32) -> PyResult<Self> {
        let addresses = match listen {
            Some(listen) => listen.read("listen")?,
            None => vec![SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, amt_fleet::config::HELLO_PORT))],
        };
        let mut config = ListenerConfig::default();
        config.idle = seconds("idle", idle)?;
        config.max_per_source = max_per_source;
        let listener = wait(py, async move { amt::HelloListener::bind(&addresses, config).await })?;
        let addresses = listener.addresses();
        let listener = tokio::sync::Mutex::new(Some(listener));
        Ok(Self { addresses, ears: Arc::new(Ears { listener, closed: watch::Sender::new(false) }) })
    }

    /// Where it listens; the port that was chosen where 0 was asked for.
    #[getter]
    fn addresses(&self) -> Vec<String> {
        self.addresses.iter().map(ToString::to_string).collect()
    }

    /// The next hello, or the next bytes that are none; `None` when `timeout` seconds are over, or after `close()`.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<HelloEvent>> {
        let patience = timeout.map(|timeout| seconds("timeout", timeout)).transpose()?;
        wait(py, Arc::clone(&self.ears).hear(patience)).map(|event| event.map(HelloEvent))
    }

    /// Closes the ports. Whoever waits for a hello gets none.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        wait(py, Arc::clone(&self.ears).close())
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<HelloEvent>> {
        self.next(py, None)
    }

    fn __aiter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __anext__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        awaitable(py, Arc::clone(&self.ears).hear(None), |py, event| match event {
            Some(event) => Ok(Py::new(py, HelloEvent(event))?.into_any()),
            None => Err(PyStopAsyncIteration::new_err(())),
        })
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __aenter__<'py>(slf: Py<Self>, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        awaitable(py, async { Ok(()) }, move |_, ()| Ok(slf.into_any()))
    }

    #[pyo3(signature = (*_exception))]
    fn __aexit__<'py>(&self, py: Python<'py>, _exception: &Bound<'_, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        awaitable(py, Arc::clone(&self.ears).close(), |py, ()| Ok(py.None()))
    }

    fn __repr__(&self) -> String {
        format!("HelloListener({:?})", self.addresses())
    }
}

impl Ears {
    /// The next event. `None`: closed, or nothing within `patience`.
    async fn hear(self: Arc<Self>, patience: Option<Duration>) -> Result<Option<amt::HelloEvent>, Failure> {
        let mut closed = self.closed.subscribe();
        let next = async {
            match self.listener.lock().await.as_mut() {
                Some(listener) => listener.next().await.map(Some),
                None => Ok(None),
            }
        };
        let next = async {
            tokio::select! {
                biased;
                _ = closed.wait_for(|closed| *closed) => Ok(None),
                event = next => event,
            }
        };
        match patience {
            Some(patience) => timeout(patience, next).await.unwrap_or(Ok(None)),
            None => next.await,
        }
    }

    async fn close(self: Arc<Self>) -> Result<(), Failure> {
        self.closed.send_replace(true);
        *self.listener.lock().await = None;
        Ok(())
    }
}

#[pymethods]
impl HelloEvent {
    /// Where it came from, and where the machine is to be connected back to.
    #[getter]
    fn address(&self) -> String {
        self.0.source.ip().to_string()
    }

    /// When it was complete, in seconds since 1970.
    #[getter]
    fn received(&self) -> f64 {
        self.0.received.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
    }

    /// The hello; `None` if it was none.
    #[getter]
    fn hello(&self) -> Option<Hello> {
        self.0.result.as_ref().ok().map(|hello| Hello(hello.clone()))
    }

    /// Why the bytes are no hello; `None` if they are one.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.0.result.as_ref().err().map(|failure| raise(failure.clone()).into_value(py).into_any())
    }

    /// The bytes as received.
    #[getter]
    fn data(&self) -> &[u8] {
        &self.0.bytes
    }

    /// How many hellos of this machine were received within a minute before it.
    #[getter]
    fn repeat(&self) -> u32 {
        self.0.repeat
    }

    fn __repr__(&self) -> String {
        match &self.0.result {
            Ok(hello) => format!("HelloEvent(address=\"{}\", uuid=\"{}\")", self.address(), hello.id),
            Err(failure) => format!("HelloEvent(address=\"{}\", error=\"{}\")", self.address(), failure.code.name()),
        }
    }
}
