//! `CIM_PowerManagementService` (`spec/wsman.md` §3.11).

use super::super::Class;
use crate::class::class;
use crate::op::Request;
use crate::soap::Reference;

class! {
    /// Switches the machine. One instance. The present state is in
    /// [`AssociatedPowerManagementService`](super::AssociatedPowerManagementService).
    PowerManagementService = "CIM_PowerManagementService" {
        /// Name.
        name: Option<String> = "Name",
        /// 5 when not applicable.
        enabled_state: Option<u32> = "EnabledState",
    }
}

impl PowerManagementService {
    /// On.
    pub const ON: u32 = 2;
    /// Sleep, its memory powered (S3).
    pub const SLEEP: u32 = 4;
    /// Off and on again.
    pub const CYCLE: u32 = 5;
    /// Sleep, its memory on disk (S4).
    pub const HIBERNATE: u32 = 7;
    /// Off, at once.
    pub const OFF: u32 = 8;
    /// Reset, at once.
    pub const RESET: u32 = 10;
    /// Non-maskable interrupt: the operating system usually stops with a dump.
    pub const NMI: u32 = 11;
    /// Off by the operating system; needs an agent there.
    pub const OFF_GRACEFUL: u32 = 12;
    /// Restart by the operating system; needs an agent there.
    pub const RESET_GRACEFUL: u32 = 14;

    /// Asks for a power state. Not to be repeated blindly: a second reset falls into the boot that the first began.
    pub fn request_power_state_change(state: u32) -> Request {
        let machine = Reference::to("CIM_ComputerSystem")
            .with("CreationClassName", "CIM_ComputerSystem")
            .with("Name", "ManagedSystem");
        Request::invoke(Self::NAME, "RequestPowerStateChange").arg("PowerState", state).arg("ManagedElement", machine)
    }
}
