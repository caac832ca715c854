//! Any bytes from the firmware's clients are an answer or an error; what is accepted is written and read back as the same.
#![no_main]

use amt_heci::amthi::*;
use amt_heci::mei::Connected;
use amt_heci::mkhi::{MkhiRequest, MkhiVersions, Rule};
use amt_heci::smbios::{AmtStructure, VproStructure};
use amt_heci::upid::PlatformIds;
use amt_heci::watchdog::{Enabled, WatchdogRequest, WatchdogStatus};
use libfuzzer_sys::fuzz_target;

macro_rules! answers {
    ($bytes:ident: $($command:ty),* $(,)?) => {$(
        if let Ok(read) = answer::<$command>($bytes) {
            let written = respond(<$command as Command>::CODE, amt_core::status::PtStatus::SUCCESS, Some(&read));
            assert_eq!(answer::<$command>(&written).as_ref(), Ok(&read));
        }
    )*};
}

fuzz_target!(|bytes: &[u8]| {
    answers!(bytes: GetTcpipParameters, GetCodeVersions, GetSecurityParameters, EnumerateHashHandles, GetCertHashEntry,
        GetDnsSuffixList, GetRemoteAccessConnectionStatus, GetLanInterfaceSettings, GetFeaturesState, GetConfigServerData,
        GetMeSetupAuditRecord, GetIpv6LanStatus, GetFqdn, GetUuid, GetControlMode, GetLocalSystemAccount, GetAmtState,
        GetPkiFqdnSuffix, StartConfigurationHBased, GetMacAddresses, GetProvisioningMode);
    if let Ok(incoming) = Incoming::decode(bytes) {
        if let Some(command) = incoming.body::<StartConfigurationHBased>() {
            let _ = request(&command);
        }
        if let Some(command) = incoming.body::<SetProvisioningServerOtp>() {
            let _ = request(&command);
        }
    }
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
