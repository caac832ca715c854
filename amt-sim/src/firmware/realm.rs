//! Which realm a user needs for which class (`spec/wsman.md` §3.2). The administrator, and whoever has the realm of
//! administration, may do everything.

use super::Phase;
use super::class::Caller;
use super::device::{Device, Principal, User};
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
        let realms: Vec<u32> = if caller.sids.is_empty() {
            let Some(user) = self.users.iter().find(|user| user.is_digest(&caller.user)) else { return true };
            user.realms.clone()
        } else {
            // A user of a domain has what it was given itself, and what its groups were given.
            self.domain_users(&caller.sids).flat_map(|user| user.realms.iter().copied()).collect()
        };
        let reads = match operation {
            Operation::Invoke(method) => {
                ["Get", "Enumerate", "PositionTo", "Read"].iter().any(|verb| method.starts_with(verb))
            }
            Operation::Get | Operation::Enumerate | Operation::Pull | Operation::Release => true,
            _ => false,
        };
        let (to_read, to_change) = needed(class);
        let realm = if reads { to_read } else { to_change };
        realms.contains(&ADMINISTRATION) || realms.contains(&realm)
    }

    /// Entries that let in, over the network, whoever has one of these SIDs.
    pub(super) fn domain_users<'a>(&'a self, sids: &'a [Vec<u8>]) -> impl Iterator<Item = &'a User> {
        let users = self.users.iter().filter(|user| user.enabled && user.access != 0 && self.phase == Phase::Post);
        users.filter(move |user| matches!(&user.who, Principal::Kerberos(sid) if sids.contains(sid)))
    }
}
