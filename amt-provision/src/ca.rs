//! The seam to certificate authorities: a request goes out, an answer comes back, now or much later.

use amt_core::{Failure, Secret, SystemId};
use std::time::Duration;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// The machine's TLS server: extended key usage `serverAuth`.
    #[default]
    Server,
    /// The machine as a client, when it logs in to its network by 802.1X: extended key usage `clientAuth`.
    Client,
    /// The console as a client of machines with mutual TLS: extended key usages `clientAuth` and
    /// [`REMOTE_CONSOLE`] (`spec/hello-tls.md` §2.3). Its request is of no machine: its id is all zeros.
    Console,
}

/// Extended key usage of a remote console: what firmware with mutual TLS lets in over the network.
pub const REMOTE_CONSOLE: &str = "2.16.840.1.113741.1.2.1";

impl Purpose {
    /// The stable name: `server`, `client` or `console`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Console => "console",
        }
    }
}

/// A certificate wanted for a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateRequest {
    /// The machine.
    pub id: SystemId,
    /// PKCS#10 request (DER), signed inside the machine with a key that never leaves it, or with the key that was made for it
    /// (firmware before AMT 6).
    pub csr: Vec<u8>,
    /// Subject common name wanted.
    pub common_name: String,
    /// DNS names wanted in the subject alternative name.
    pub dns_names: Vec<String>,
    /// What it is for.
    pub purpose: Purpose,
    /// Set when an earlier answer was [`CaAnswer::Pending`]: ask about that request, do not submit a new one.
    pub request_id: Option<String>,
}

impl CertificateRequest {
    /// A first request, for a machine's TLS server.
    pub fn new(id: SystemId, csr: Vec<u8>, common_name: String, dns_names: Vec<String>) -> Self {
        Self { id, csr, common_name, dns_names, purpose: Purpose::Server, request_id: None }
    }
}

/// A key pair wanted for a machine that makes none itself, and a certification request signed with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRequest {
    /// Bits of the RSA modulus.
    pub bits: u32,
    /// Subject common name of the request.
    pub common_name: String,
    /// DNS names in its subject alternative name.
    pub dns_names: Vec<String>,
    /// What the certificate is for.
    pub purpose: Purpose,
}

/// The answer to a [`KeyRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAnswer {
    /// Private key, PKCS#1 DER.
    pub private_key: Secret<Vec<u8>>,
    /// Its public half, PKCS#1 DER.
    pub public_key: Vec<u8>,
    /// PKCS#10 request, DER, signed with SHA-256.
    pub csr: Vec<u8>,
}

impl CaAnswer {
    /// Not decided yet, and nothing more is known.
    pub fn pending(request_id: impl Into<String>) -> Self {
        Self::Pending { request_id: request_id.into(), retry_after: None, words: None, hint: None }
    }
}

/// What an authority says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaAnswer {
    /// The certificate.
    Issued {
        /// The machine's certificate, DER.
        certificate: Vec<u8>,
        /// Its issuers in order up to the self-signed root, DER; may be empty.
        chain: Vec<Vec<u8>>,
    },
    /// Not decided yet. The id is kept over restarts and asked about again.
    Pending {
        /// The authority's own name for the request.
        request_id: String,
        /// When it is worth asking again, if the authority said so.
        retry_after: Option<Duration>,
        /// The authority's own words, if it had any.
        words: Option<String>,
        /// What whoever administers the authority does about it, if that is known; otherwise what the error code says.
        hint: Option<String>,
    },
    /// Refused for good, with the authority's own words.
    Denied {
        /// Why.
        reason: String,
    },
    /// The authority could not be asked.
    Failed(Failure),
}
