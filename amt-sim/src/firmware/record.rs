//! The record of the last setup: who did it, and by which chain (`spec/wsman.md` §3.1).

use super::Phase;
use super::device::Device;
use amt_core::Tick;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use x509_parser::prelude::*;

/// Most serial numbers of one record.
const MAX_SERIALS: usize = 3;

/// Who set a machine up (`IPS_TLSProvisioningRecord`). It stays when the setup is undone: the next owner can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetupRecord {
    /// Common name of the setup server's certificate.
    pub common_name: String,
    /// SHA-256 of the root of its chain.
    pub root_hash: Vec<u8>,
    /// Serial numbers of the authorities of its chain, at most three.
    pub serials: Vec<Vec<u8>>,
    /// Address of the setup server.
    pub server: String,
    /// When, in seconds since 1970 by the machine's clock.
    pub time: i64,
}

impl SetupRecord {
    /// A setup by the server of this name, of which nothing else is known.
    pub fn by(common_name: &str) -> Self {
        let server = String::new();
        Self { common_name: common_name.to_owned(), root_hash: vec![0; 32], serials: Vec::new(), server, time: 0 }
    }

    /// The record of the setup that ends at `now`.
    pub(super) fn of(device: &Device, now: Tick, server: Option<IpAddr>) -> Self {
        debug_assert!(device.phase == Phase::Post);
        let parsed: Vec<_> =
            device.accepted.iter().filter_map(|der| X509Certificate::from_der(der).ok()).map(|(_, c)| c).collect();
        let name = parsed.first().and_then(|leaf| leaf.subject().iter_common_name().next()?.as_str().ok());
        let authorities = parsed.get(1..).unwrap_or_default();
        let last = authorities.len().saturating_sub(MAX_SERIALS);
        Self {
            common_name: name.unwrap_or_default().to_owned(),
            root_hash: device.accepted.last().map(|root| Sha256::digest(root).to_vec()).unwrap_or_default(),
            serials: authorities[last..].iter().map(|c| c.raw_serial().to_vec()).collect(),
            server: server.map(|ip| ip.to_string()).unwrap_or_default(),
            time: device.clock(now),
        }
    }
}
