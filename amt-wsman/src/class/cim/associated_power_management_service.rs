//! `CIM_AssociatedPowerManagementService` (`spec/wsman.md` §3.1, §3.11).

use crate::class::class;
use crate::soap::Reference;

class! {
    /// Power state of the machine. One instance.
    AssociatedPowerManagementService = "CIM_AssociatedPowerManagementService" {
        /// 2 on, 3 and 4 asleep, 7 hibernated, 8 off.
        power_state: u32 = "PowerState",
        /// States that can be asked for now.
        available_requested_power_states: Vec<u32> = "AvailableRequestedPowerStates",
        /// The service that can be asked.
        service_provided: Reference = "ServiceProvided",
        /// The machine.
        user_of_service: Reference = "UserOfService",
    }
}
