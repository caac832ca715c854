//! A program that signs for provisioning certificates: their keys need not be on the machines that are set up with them.

use crate::program::Program;
use amt::local::{MAX_SIGNATURE, SIGNING_TIME, Signer};
use amt::mei::MeiFuture;
use amt_core::{ErrorCode, Failure};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Runs a program for each signature. It is given what is to be signed on standard input, and the number of the certificate, from 0, in
/// `AMT_CERTIFICATE`; it answers with the bytes of an RSA signature, PKCS#1 v1.5 over SHA-256, as `openssl dgst -sha256 -sign` does.
#[derive(Clone, Debug)]
pub struct SignProgram {
    program: Program,
}

impl SignProgram {
    /// Without arguments, killed if it takes longer than [`SIGNING_TIME`].
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let mut program = Program::new(path);
        program.timeout = SIGNING_TIME;
        Self { program }
    }

    /// With these arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: Vec<String>) -> Self {
        self.program.arguments = arguments;
        self
    }

    /// The same with another limit of time.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.program.timeout = timeout;
        self
    }

    /// The program.
    pub(crate) fn path(&self) -> &Path {
        &self.program.path
    }
}

impl Signer for SignProgram {
    fn sign<'a>(&'a self, index: usize, data: &'a [u8]) -> MeiFuture<'a, Vec<u8>> {
        Box::pin(async move {
            let fail = |why: String| {
                let text = format!("{} {why}", self.program.path.display());
                Failure::new(ErrorCode::SIGNER, "sign", text)
            };
            let index = index.to_string();
            let signature = self.program.run(&[("AMT_CERTIFICATE", Some(&index))], data).await.map_err(fail)?;
            match signature.len() {
                0 => Err(fail("answered nothing".to_owned())),
                length if length > MAX_SIGNATURE => {
                    Err(fail(format!("answered {length} bytes, which is no signature")))
                }
                _ => Ok(signature),
            }
        })
    }
}
