//! `IPS_HostBasedSetupService` (`spec/wsman.md` §3.3).

use crate::class::class;
use base64::prelude::{BASE64_STANDARD, Engine};

class! {
    /// Setup from the host, and the control mode. One instance.
    HostBasedSetupService = "IPS_HostBasedSetupService" {
        /// [`NONE`](Self::NONE), [`CLIENT`](Self::CLIENT) or [`ADMIN`](Self::ADMIN).
        current_control_mode: u32 = "CurrentControlMode",
        /// Modes that the host may set up.
        allowed_control_modes: Vec<u32> = "AllowedControlModes",
        /// 0 not started, 1 in progress, 2 complete.
        cert_chain_status: Option<u32> = "CertChainStatus",
        /// Nonce to be signed, base64 of 20 bytes.
        configuration_nonce: Option<String> = "ConfigurationNonce",
    }
}

impl HostBasedSetupService {
    /// Not set up.
    pub const NONE: u32 = 0;
    /// Client control mode.
    pub const CLIENT: u32 = 1;
    /// Admin control mode.
    pub const ADMIN: u32 = 2;

    /// The nonce's bytes, if there are any.
    pub fn nonce(&self) -> Option<Vec<u8>> {
        BASE64_STANDARD.decode(self.configuration_nonce.as_deref()?).ok()
    }
}
