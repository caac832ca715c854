//! One machine to be provisioned.

use crate::certificate::ProvisioningCertificate;
use crate::local::RemoteChains;
use crate::tls::ClientCertificates;
use amt_core::SystemId;
use amt_core::hello::Hello;
use amt_core::psk::PskPair;
use amt_provision::{Plan, Record};
use std::net::IpAddr;
use std::sync::Arc;

/// Which machine, where, and what it shall become.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Job {
    /// The machine.
    pub id: SystemId,
    /// Where the hello came from.
    pub address: IpAddr,
    /// TLS port, 16993.
    pub port: u16,
    /// The hello, if there was one: it tells which root hashes the firmware holds.
    pub hello: Option<Hello>,
    /// Provisioning certificates that may be presented; the best for this machine is tried first.
    pub certificates: Arc<[ProvisioningCertificate]>,
    /// Provisioning certificates whose keys are elsewhere, on a server or in a module: whoever has them signs within the handshake. For
    /// machines from AMT 14 on; TLS before 1.2 is signed with a key that is here.
    pub remote: Option<RemoteChains>,
    /// Certificates to show to a machine that turns out to be set up, with mutual TLS: that of the setup which is gone on with here, or
    /// another, which is told then.
    pub client: ClientCertificates,
    /// Pre-shared pairs that the machine may hold, likeliest first: for firmware that waits for one (hello type 2).
    pub psk: Vec<PskPair>,
    /// The desired state.
    pub plan: Plan,
    /// DNS suffix that the machine's network has, if known: chooses among certificates.
    pub suffix: Option<String>,
    /// What an earlier attempt made durable.
    pub record: Option<Record>,
}

impl Job {
    /// A first attempt.
    pub fn new(id: SystemId, address: IpAddr, plan: Plan) -> Self {
        let certificates = Arc::new([]);
        Self {
            id,
            address,
            port: 16993,
            hello: None,
            certificates,
            remote: None,
            client: ClientCertificates::default(),
            psk: Vec::new(),
            plan,
            suffix: None,
            record: None,
        }
    }
}
