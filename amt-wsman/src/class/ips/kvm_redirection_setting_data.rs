//! `IPS_KVMRedirectionSettingData` (`spec/wsman.md` §3.9).

use crate::class::class;

class! {
    /// How the screen goes over the network. One instance. `RFBPassword`, exactly eight strong characters, is written
    /// by Put and reads back empty.
    KvmRedirectionSettingData = "IPS_KVMRedirectionSettingData" {
        /// Whether the setup menu allows it.
        enabled_by_mebx: Option<bool> = "EnabledByMEBx",
        /// Whether VNC's own port is open; not from AMT 12 on.
        is_5900_port_enabled: Option<bool> = "Is5900PortEnabled",
        /// Whether consent is needed for it.
        opt_in_policy: Option<bool> = "OptInPolicy",
        /// Seconds that consent is waited for.
        opt_in_policy_timeout: Option<u32> = "OptInPolicyTimeout",
        /// Minutes of silence that end a session; 0 is no end.
        session_timeout: Option<u32> = "SessionTimeout",
        /// Screen shown first.
        default_screen: Option<u32> = "DefaultScreen",
    }
}
