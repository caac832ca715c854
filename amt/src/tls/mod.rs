//! TLS to a machine: one connection as a [`TlsPlan`] says, and what it brought.

mod rustls;
mod verify;

pub(crate) use self::rustls::io_failure;
pub use self::rustls::{ClientChain, TlsStream, connect};

use amt_core::tls::TlsPlan;
use std::net::SocketAddr;
use std::time::Duration;

/// Where and how long to try.
#[derive(Clone, Debug)]
pub struct Endpoint<'a> {
    /// Address and port.
    pub address: SocketAddr,
    /// Policy of the handshake.
    pub plan: &'a TlsPlan,
    /// Limit for the TCP connection.
    pub connect_timeout: Duration,
    /// Limit for the TLS handshake; firmware needs seconds for its RSA operations.
    pub handshake_timeout: Duration,
}

impl<'a> Endpoint<'a> {
    /// With the usual limits: 10 s and 30 s.
    pub const fn new(address: SocketAddr, plan: &'a TlsPlan) -> Self {
        Self { address, plan, connect_timeout: Duration::from_secs(10), handshake_timeout: Duration::from_secs(30) }
    }
}
