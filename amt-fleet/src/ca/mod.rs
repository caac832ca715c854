//! Certificate authorities: who signs the machines' certificates, those of their TLS servers and those by which they log in to networks.
//!
//! [`LocalCa`] signs by itself with a key in a file, [`CertreqCa`] asks Active Directory Certificate Services, [`EstCa`] a server that
//! speaks EST, [`CommandCa`] a program. Embedders implement [`CertificateAuthority`] for anything else.

mod bundle;
mod certreq;
mod command;
mod est;
mod local;

pub(crate) use local::new_key;

pub use crate::program::MAX_ANSWER;
pub use bundle::certs_only;
pub use certreq::CertreqCa;
pub use command::{CommandCa, MAX_REQUEST_ID};
pub use est::{ClientCertificate, EstCa, EstSettings};
pub use local::{LocalCa, LocalCaFiles, MIN_VALIDITY};

use amt::certificate::write_pem as pem;
use amt_provision::{CaAnswer, CertificateRequest, Purpose};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Most certificates read from one file or answer.
pub const MAX_CERTIFICATES: usize = 16;

/// A question on its way.
pub type Asked<'a> = Pin<Box<dyn Future<Output = CaAnswer> + Send + 'a>>;

/// Somebody who signs certificates, at once or later.
pub trait CertificateAuthority: Send + Sync {
    /// Answers a request. With `request_id` set, the question is about a request that was answered `Pending`, possibly by an
    /// earlier process: no new one is submitted.
    fn certify<'a>(&'a self, request: &'a CertificateRequest) -> Asked<'a>;
}

/// Two authorities: one for the machines' TLS servers, one for the certificates by which they log in to networks.
pub(crate) struct ByPurpose {
    pub(crate) server: Arc<dyn CertificateAuthority>,
    pub(crate) client: Arc<dyn CertificateAuthority>,
}

impl CertificateAuthority for ByPurpose {
    fn certify<'a>(&'a self, request: &'a CertificateRequest) -> Asked<'a> {
        match request.purpose {
            Purpose::Client => self.client.certify(request),
            _ => self.server.certify(request),
        }
    }
}

/// The certificates of a PEM text, in its order; anything around the blocks is ignored, as OpenSSL does.
fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    for block in x509_parser::pem::Pem::iter_from_buffer(pem) {
        let block = block.map_err(|_| "a PEM block is damaged".to_owned())?;
        if !matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE") {
            continue;
        }
        if found.len() == MAX_CERTIFICATES {
            return Err(format!("more than {MAX_CERTIFICATES} certificates"));
        }
        if !matches!(x509_parser::parse_x509_certificate(&block.contents), Ok((rest, _)) if rest.is_empty()) {
            return Err(format!("certificate {} cannot be read", found.len() + 1));
        }
        found.push(block.contents);
    }
    if found.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(found) }
}
