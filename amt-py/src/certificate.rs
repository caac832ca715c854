//! Provisioning certificates as Python programs name them: files or bytes.

use crate::exception::raise;
use amt::certificate::{Bundle, MAX_BUNDLE};
use amt_core::{ErrorCode, Failure, Secret};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// A path (`str` or `os.PathLike`), or the content of the file.
pub(crate) struct Source<'py>(Bound<'py, PyAny>);

impl<'a, 'py> FromPyObject<'a, 'py> for Source<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(object.to_owned()))
    }
}

impl Source<'_> {
    pub(crate) fn read(&self) -> PyResult<Vec<u8>> {
        if let Ok(bytes) = PyBuffer::<u8>::get(&self.0) {
            return bytes.to_vec(self.0.py());
        }
        let path: PathBuf = self.0.extract()?;
        let mut content = Vec::new();
        let limit = u64::try_from(MAX_BUNDLE + 1).unwrap_or(u64::MAX);
        File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut content)).map_err(|error| {
            let failure =
                Failure::new(ErrorCode::FILE_READ, "load-certificate", format!("{}: {error}", path.display()));
            raise(failure)
        })?;
        Ok(content)
    }
}

/// The bundle that these arguments name.
pub(crate) fn bundle(
    pfx: Option<Source<'_>>,
    pem: Option<Source<'_>>,
    key: Option<Source<'_>>,
    password: Option<String>,
) -> PyResult<Bundle> {
    let password = password.map(Secret::from);
    match (pfx, pem, key) {
        (Some(pfx), None, None) => Bundle::from_pfx(&pfx.read()?, &password.unwrap_or_default()).map_err(raise),
        (None, Some(pem), key) => {
            let key = key.map(|key| key.read()).transpose()?;
            Bundle::from_pem(&pem.read()?, key.as_deref(), password.as_ref()).map_err(raise)
        }
        _ => Err(raise(Failure::new(
            ErrorCode::INVALID_ARGUMENT,
            "call",
            "give the certificate either as pfx, or as pem with or without key",
        ))),
    }
}
