//! Any bytes from the firmware's clients are an answer or an error; what is accepted is written and read back as the same.
#![no_main]

use amt_heci::amthi::*;
use amt_heci::mei::Connected;
use amt_heci::mkhi::{MkhiRequest, MkhiVersions, Rule};
use amt_heci::smbios::{AmtStructure, VproStructure};
use amt_heci::upid::PlatformIds;
use amt_heci::watchdog::{Enabled, WatchdogRequest, WatchdogStatus};
use libfuzzer_sys::fuzz_target;

macro_rules! every {
    ($bytes:ident: $($command:ident),* $(,)?) => {
        $(
            if let Ok(read) = answer::<$command>($bytes) {
                let written = respond(<$command as Command>::CODE, amt_core::status::PtStatus::SUCCESS, Some(&read));
                assert_eq!(answer::<$command>(&written).as_ref(), Ok(&read));
            }
            if let Some(command) = Incoming::decode($bytes).ok().and_then(|incoming| incoming.body::<$command>()) {
                let written = request(&command);
                assert_eq!(Incoming::decode(&written).unwrap().body().as_ref(), Some(&command));
            }
        )*
        // One that is not in the list is one that nobody tries.
        const LISTED: usize = [$(stringify!($command)),*].len();
        const { assert!(LISTED == COMMANDS.len() + 1) };
    };
}

fuzz_target!(|bytes: &[u8]| {
    every!(bytes: GetTcpipParameters, GetProvisioningMode, Unprovision, GetProvisioningState, GetCodeVersions, GetSecurityParameters, GetAdminNetAclEntryStatus, GetMacAddresses, GetAmtSetupAuditRecord, GenerateRngSeed, StartConfiguration, SetProvisioningServerOtp, GetProvisioningTlsMode, EnumerateHashHandles, GetCertHashEntry, GetRngSeedStatus, SetPkiFqdnSuffix, GetZeroTouchEnabled, GetPkiFqdnSuffix, SetZeroTouchEnabled, GetPid, GetDnsSuffixList, SetEnterpriseAccess, OpenUserInitiatedConnection, CloseUserInitiatedConnection, GetRemoteAccessConnectionStatus, GetCurrentPowerPolicy, GetLanInterfaceSettings, GetFeaturesState, GetLastHostResetReason, GetUserInitiatedEnabledInterfaces, GetConfigServerData, GetMeSetupAuditRecord, GetIpv6LanStatus, GetFqdn, GetRedirectionState, SetHostFqdn, GetUuid, StopConfiguration, StartConfigurationEx, GetLocalSystemAccount, GetControlMode, GetEhbcState, SetEhbcState, GetAuditLogRecords, DisableAndClearAmt, GetAuditLogSignature, GetCiraLog, GetAmtState, StartConfigurationHBased);
    let _ = (Connected::decode(bytes), Enabled::decode(bytes), WatchdogStatus::decode(bytes));
    let _ = (WatchdogRequest::decode(bytes), MkhiRequest::decode(bytes), Rule::decode(bytes));
    let _ = (AmtStructure::decode(bytes), VproStructure::decode(bytes));
    if let Ok(versions) = MkhiVersions::decode(bytes) {
        assert_eq!(MkhiVersions::decode(&versions.encode()), Ok(versions));
    }
    if let Ok(ids) = PlatformIds::decode(bytes) {
        assert_eq!(PlatformIds::decode(&ids.encode()), Ok(ids));
    }
});
