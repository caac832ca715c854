//! `CIM_ServiceAvailableToElement` (`spec/wsman.md` §3.1).

use crate::class::class;
use crate::soap::Reference;

class! {
    /// Which service serves which element; its concrete forms carry the power state.
    ServiceAvailableToElement = "CIM_ServiceAvailableToElement" {
        /// The service.
        service_provided: Reference = "ServiceProvided",
        /// What it serves.
        user_of_service: Reference = "UserOfService",
        /// 2 on, 3 and 4 asleep, 7 hibernated, 8 off.
        power_state: Option<u32> = "PowerState",
    }
}
