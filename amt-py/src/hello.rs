//! `Hello` and `Root`.

use crate::exception::raise;
use amt_core::hello::{Hello as Decoded, HelloKind};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a machine that waits for setup says to port 9971.
#[pyclass(frozen, eq, module = "amtpy")]
#[derive(PartialEq, Eq)]
pub(crate) struct Hello(pub(crate) Decoded);

/// The fingerprint of a root certificate that a machine trusts.
#[pyclass(frozen, eq, hash, module = "amtpy")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Root {
    algorithm: String,
    fingerprint: String,
}

#[pymethods]
impl Hello {
    /// Decode one whole hello. Raises `DecodeError`, which names field and offset.
    ///
    /// >>> import amtpy
    /// >>> amtpy.Hello.parse(b"\0\0\2\0" + bytes(4) + bytes(range(16)) + b"AMT1SET7")
    /// Hello(type="psk", uuid="03020100-0504-0706-0809-0a0b0c0d0e0f", retry=0, admin_credentials_set=False, pid="AMT1-SET7")
    #[staticmethod]
    #[pyo3(signature = (data, /))]
    fn parse(py: Python<'_>, data: PyBuffer<u8>) -> PyResult<Self> {
        Decoded::decode(&data.to_vec(py)?).map(Self).map_err(|error| raise(error.into()))
    }

    /// The hello as it travels, without trailing bytes.
    fn encode<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.encode())
    }

    /// `"pki"` or `"psk"`: what the machine waits for.
    #[getter]
    fn r#type(&self) -> &'static str {
        match self.0.kind {
            HelloKind::Pki { .. } => "pki",
            HelloKind::Psk { .. } => "psk",
            _ => "other",
        }
    }

    /// How often the machine said hello before in this round.
    #[getter]
    fn retry(&self) -> u32 {
        self.0.retry
    }

    /// Whether the factory password of the administrator was changed already.
    #[getter]
    fn admin_credentials_set(&self) -> bool {
        self.0.admin_credentials_set
    }

    /// The machine's UUID, lower case.
    #[getter]
    fn uuid(&self) -> String {
        self.0.id.to_string()
    }

    /// The name of the pre-shared key, `XXXX-XXXX`; `None` for a PKI hello.
    #[getter]
    fn pid(&self) -> Option<String> {
        match &self.0.kind {
            HelloKind::Psk { pid } => Some(pid.to_string()),
            _ => None,
        }
    }

    /// The root certificates that the machine trusts, in the order sent; empty for a PSK hello.
    #[getter]
    fn roots<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let roots: Vec<Root> = self
            .0
            .roots()
            .iter()
            .map(|root| Root { algorithm: root.algorithm.to_string(), fingerprint: root.hex() })
            .collect();
        PyTuple::new(py, roots)
    }

    /// Number of bytes after the hello: harmless, but worth a warning.
    #[getter]
    fn trailing(&self) -> usize {
        self.0.trailing
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.0.encode(), self.0.trailing).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        let set = if self.0.admin_credentials_set { "True" } else { "False" };
        let what = match self.pid() {
            Some(pid) => format!("pid={pid:?}"),
            None => format!("roots=<{}>", self.0.roots().len()),
        };
        format!(
            "Hello(type={:?}, uuid={:?}, retry={}, admin_credentials_set={set}, {what})",
            self.r#type(),
            self.uuid(),
            self.0.retry
        )
    }
}

#[pymethods]
impl Root {
    /// The hash algorithm: `"sha1"`, `"sha256"`, `"sha384"`, or `"unknown(N)"`.
    #[getter]
    fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The fingerprint of the whole certificate, lower-case hex.
    #[getter]
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn __repr__(&self) -> String {
        format!("Root(algorithm={:?}, fingerprint={:?})", self.algorithm, self.fingerprint)
    }
}
