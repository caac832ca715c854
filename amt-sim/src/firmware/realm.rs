//! Which realm a user needs for which class (`spec/wsman.md` §3.2). The administrator, and whoever has the realm of
//! administration, may do everything.

use super::class::Caller;
use super::device::Device;
use super::soap::Operation;

const REDIRECTION: u32 = 2;
const ADMINISTRATION: u32 = 3;
const HARDWARE_ASSET: u32 = 4;
const REMOTE_CONTROL: u32 = 5;
const ENDPOINT_ACCESS: u32 = 18;
const NETWORK_TIME: u32 = 12;
const GENERAL_INFO: u32 = 13;
const EVENT_LOG: u32 = 19;
const AUDIT_LOG: u32 = 20;
const USER_ACCESS: u32 = 21;

/// The realm of a class: of those who read it, and of those who change it.
fn needed(class: &str) -> (u32, u32) {
    match class {
        "AMT_RedirectionService" | "CIM_KVMRedirectionSAP" | "IPS_KVMRedirectionSettingData" | "IPS_OptInService" => {
            (REDIRECTION, REDIRECTION)
        }
        "AMT_BootCapabilities"
        | "AMT_BootSettingData"
        | "CIM_AssociatedPowerManagementService"
        | "CIM_BootConfigSetting"
        | "CIM_BootService"
        | "CIM_BootSourceSetting"
        | "CIM_ElementSettingData"
        | "CIM_PowerManagementService" => (REMOTE_CONTROL, REMOTE_CONTROL),
        "CIM_BIOSElement" | "CIM_Chassis" | "CIM_ComputerSystemPackage" => (HARDWARE_ASSET, HARDWARE_ASSET),
        "AMT_TimeSynchronizationService" => (NETWORK_TIME, NETWORK_TIME),
        "AMT_AuthorizationService" => (USER_ACCESS, USER_ACCESS),
        "AMT_MessageLog" => (EVENT_LOG, ADMINISTRATION),
        "AMT_AuditLog" | "AMT_AuditPolicyRule" => (AUDIT_LOG, AUDIT_LOG),
        "AMT_8021XProfile" | "IPS_IEEE8021xSettings" => (ENDPOINT_ACCESS, ADMINISTRATION),
        "AMT_EthernetPortSettings"
        | "AMT_GeneralSettings"
        | "AMT_SetupAndConfigurationService"
        | "AMT_SystemPowerScheme"
        | "AMT_TLSSettingData"
        | "CIM_ServiceAvailableToElement"
        | "CIM_SoftwareIdentity"
        | "IPS_HostBasedSetupService"
        | "IPS_IPv6PortSettings" => (GENERAL_INFO, ADMINISTRATION),
        _ => (ADMINISTRATION, ADMINISTRATION),
    }
}

impl Device {
    /// Whether the realms of the caller cover the class. Whoever is no entry of the list is judged elsewhere.
    pub(super) fn covers(&self, caller: &Caller, class: &str, operation: &Operation) -> bool {
        let Some(user) = self.users.iter().find(|user| user.is_digest(&caller.user)) else { return true };
        let reads = match operation {
            Operation::Invoke(method) => {
                ["Get", "Enumerate", "PositionTo", "Read"].iter().any(|verb| method.starts_with(verb))
            }
            Operation::Get | Operation::Enumerate | Operation::Pull | Operation::Release => true,
            _ => false,
        };
        let (to_read, to_change) = needed(class);
        let realm = if reads { to_read } else { to_change };
        user.realms.contains(&ADMINISTRATION) || user.realms.contains(&realm)
    }
}
