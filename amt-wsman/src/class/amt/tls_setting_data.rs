//! `AMT_TLSSettingData` (`spec/wsman.md` §3.8).

use super::super::Class;
use crate::class::class;
use crate::instance::Instance;
use crate::op::Request;

class! {
    /// TLS of one interface. Two instances, told apart by [`REMOTE`](Self::REMOTE) and [`LOCAL`](Self::LOCAL), in any
    /// order. Changes but those of `TrustedCN` take effect with `CommitChanges`.
    TlsSettingData = "AMT_TLSSettingData" {
        /// Which of the two.
        instance_id: String = "InstanceID",
        /// Whether TLS is on.
        enabled: bool = "Enabled",
        /// Whether clients need a certificate.
        mutual_authentication: Option<bool> = "MutualAuthentication",
        /// Whether the ports without TLS stay open.
        accept_non_secure_connections: Option<bool> = "AcceptNonSecureConnections",
        /// Names that clients' certificates must have; at most 4.
        trusted_cn: Vec<String> = "TrustedCN",
        /// Whether ports without TLS exist at all; since 16.1. Never to be put back.
        non_secure_connections_supported: Option<bool> = "NonSecureConnectionsSupported",
    }
}

impl TlsSettingData {
    /// `InstanceID` of the network interface.
    pub const REMOTE: &'static str = "Intel(r) AMT 802.3 TLS Settings";
    /// `InstanceID` of the host interface.
    pub const LOCAL: &'static str = "Intel(r) AMT LMS TLS Settings";

    /// Whether this is the network interface.
    pub fn is_remote(&self) -> bool {
        self.instance_id == Self::REMOTE
    }

    /// Reads one of the two.
    pub fn get_one(instance_id: &str) -> Request {
        Request::get(Self::NAME).selector("InstanceID", instance_id)
    }

    /// Puts back one of the two, without what firmware rejects in a Put.
    pub fn put(instance: &Instance) -> Request {
        let mut instance = instance.clone();
        instance.remove("NonSecureConnectionsSupported");
        let id = instance.text("InstanceID").unwrap_or_default().to_owned();
        Request::put(&instance).selector("InstanceID", id)
    }
}
