//! Provisioning chains whose keys are elsewhere, and a Python function that signs for them.

use crate::callback::{Callback, raised};
use crate::certificate::{self, Source};
use crate::convert::wrong;
use crate::exception::raise;
use amt::certificate::Bundle;
use amt::local::{MAX_SIGNATURE, NoSigner, RemoteChains, SIGNING_TIME, Signer};
use amt::mei::MeiFuture;
use amt_core::{ErrorCode, Failure};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;

const NAME: &str = "signer";

/// A provisioning certificate with its chain, and without its private key: that stays on a server or in a module, and whoever has it signs.
#[pyclass(frozen, module = "amtpy")]
pub(crate) struct Chain(Bundle);

#[pymethods]
impl Chain {
    /// From `pem` (or one certificate in DER): a path or the bytes themselves.
    #[new]
    fn new(pem: Source<'_>) -> PyResult<Self> {
        let bundle = certificate::bundle(None, Some(pem), None, None)?;
        // Refused here rather than when it is needed.
        RemoteChains::new(std::slice::from_ref(&bundle), Arc::new(NoSigner)).map_err(raise)?;
        Ok(Self(bundle))
    }

    /// SHA-256 of the leaf, lower-case hex.
    #[getter]
    fn sha256(&self) -> String {
        self.0.leaf_sha256_hex()
    }

    fn __repr__(&self) -> String {
        format!("Chain(sha256={:?})", self.sha256())
    }
}

/// One chain, or several.
#[derive(FromPyObject)]
pub(crate) enum Chains {
    One(Py<Chain>),
    Many(Vec<Py<Chain>>),
}

/// These chains, for which the function `sign` signs; none if neither is given.
pub(crate) fn remote(chains: Option<Chains>, sign: Option<Bound<'_, PyAny>>) -> PyResult<Option<RemoteChains>> {
    let chains = match chains {
        Some(Chains::One(one)) => vec![one],
        Some(Chains::Many(many)) => many,
        None => Vec::new(),
    };
    let sign = match (sign, chains.is_empty()) {
        (None, true) => return Ok(None),
        (Some(sign), false) => sign,
        (None, false) => return Err(wrong("sign: who signs for the chains? Give a function")),
        (Some(_), true) => return Err(wrong("chains: give the certificates for which the function signs")),
    };
    if !sign.is_callable() {
        return Err(wrong(format!("sign: {} cannot be called", sign.get_type().name()?)));
    }
    let bundles: Vec<Bundle> = chains.iter().map(|chain| chain.get().0.clone()).collect();
    let signer = Function(Callback::new(sign.unbind(), NAME, SIGNING_TIME, failed));
    RemoteChains::new(&bundles, Arc::new(signer)).map(Some).map_err(raise)
}

/// Asks a function for each signature.
struct Function(Callback);

impl Signer for Function {
    fn sign<'a>(&'a self, index: usize, data: &'a [u8]) -> MeiFuture<'a, Vec<u8>> {
        let data = data.to_vec();
        Box::pin(async move { self.0.ask(move |function| call(function, index, &data)).await })
    }
}

fn call(function: &Bound<'_, PyAny>, index: usize, data: &[u8]) -> Result<Vec<u8>, Failure> {
    let py = function.py();
    let answer = function.call1((index, PyBytes::new(py, data))).map_err(|error| failed(raised(py, NAME, &error)))?;
    let unusable = |what: String| failed(format!("the signer's answer cannot be used: {what}"));
    let Ok(signature) = answer.cast::<PyBytes>() else {
        let kind = answer.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string());
        return Err(unusable(format!("it is no bytes but {kind}")));
    };
    let signature = signature.as_bytes();
    if !(1..=MAX_SIGNATURE).contains(&signature.len()) {
        return Err(unusable(format!("{} bytes are no signature", signature.len())));
    }
    Ok(signature.to_vec())
}

fn failed(text: String) -> Failure {
    Failure::new(ErrorCode::SIGNER, "sign", text)
}
