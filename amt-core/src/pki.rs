//! Provisioning-certificate rules: which chain a machine will accept, and every reason why it would not
//! (`spec/hello-tls.md` §2.3, §2.4, §4).
//!
//! No TLS or X.509 library is known here. Whoever reads certificates hands in [`ChainFacts`]; [`preflight()`] answers with
//! findings, [`choose()`] with an order in which to try several certificates, [`connect::explain`] with the meaning of a failed
//! handshake.

pub mod choose;
pub mod connect;
pub mod facts;
pub mod known;
mod ondie;
mod path;
pub mod preflight;
pub mod suffix;

pub use choose::{Choice, ChooseInput, choose};
pub use facts::{
    CertFacts, ChainFacts, Encryption, KeyFacts, Link, LinkSignature, Name, PeerFacts, PfxFacts, PublicKey,
    SignatureHash,
};
pub use ondie::{MAX_ON_DIE, OnDieFault, check_on_die};
pub use path::Path;
pub use preflight::{PreflightInput, SuffixInput, preflight};

/// Most certificates of one bundle that are looked at.
pub const MAX_CERTIFICATES: usize = 32;
/// Most private keys of one bundle that are looked at.
pub const MAX_KEYS: usize = 8;

/// `id-kp-serverAuth`: firmware wants a server certificate, although it is presented by a TLS client.
pub const OID_SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
/// Intel's extended key usage of provisioning certificates.
pub const OID_SETUP: &str = "2.16.840.1.113741.1.2.3";
/// Stem of Intel's extended key usages; `.1` remote console, `.2` local console, `.3` setup.
pub const OID_INTEL: &str = "2.16.840.1.113741.1.2.";
/// The organisational unit that serves instead of [`OID_SETUP`], exactly so.
pub const OU_SETUP: &str = "Intel(R) Client Setup Certificate";
