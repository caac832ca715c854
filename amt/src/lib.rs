//! Provision Intel AMT machines over the network: sockets, TLS, the hello listener and the driver of the procedures.
//!
//! Layer 3 of the workspace and the only one that does I/O. Procedures come from `amt-provision`; what they ask for is done here.

mod driver;
pub mod host;
pub mod job;
pub mod tls;

pub use host::Host;
pub use job::Job;
