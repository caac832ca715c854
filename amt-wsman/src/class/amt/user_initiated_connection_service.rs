//! `AMT_UserInitiatedConnectionService` (`spec/wsman.md` §3.10).

use super::super::Class;
use crate::class::class;
use crate::op::Request;

class! {
    /// Who at the computer may have it connect. One instance.
    UserInitiatedConnectionService = "AMT_UserInitiatedConnectionService" {
        /// [`NOBODY`](Self::NOBODY), [`BIOS`](Self::BIOS), [`SYSTEM`](Self::SYSTEM), [`BOTH`](Self::BOTH).
        enabled_state: Option<u32> = "EnabledState",
    }
}

impl UserInitiatedConnectionService {
    /// Nobody.
    pub const NOBODY: u32 = 32_768;
    /// From the BIOS.
    pub const BIOS: u32 = 32_769;
    /// From the operating system.
    pub const SYSTEM: u32 = 32_770;
    /// From both.
    pub const BOTH: u32 = 32_771;

    /// Sets who may; other states are refused (5).
    pub fn request_state_change(state: u32) -> Request {
        Request::invoke(Self::NAME, "RequestStateChange").arg("RequestedState", state)
    }
}
