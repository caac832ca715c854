//! Sections `redirection`, `kvm`, `consent`, `power`, `time` and `audit`.

use super::SecretSource;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Serial over LAN and remote drives (`AMT_RedirectionService`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Redirection {
    /// Whether the redirection ports are open at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<bool>,
    /// Serial over LAN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sol: Option<bool>,
    /// Remote drives (IDE-R, USB-R).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drives: Option<bool>,
}

/// Remote screen, keyboard and mouse (`CIM_KVMRedirectionSAP`, `IPS_KVMRedirectionSettingData`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Kvm {
    /// Whether it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether port 5900 is open to VNC viewers; before AMT 12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_5900: Option<bool>,
    /// Password for VNC viewers: exactly 8 characters; before AMT 12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rfb_password: Option<SecretSource>,
    /// Minutes after which an idle session ends, 0 to 255; 0 for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_minutes: Option<u32>,
}

/// Whether whoever sits at the machine has to agree (`IPS_OptInService`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Consent {
    /// For what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<ConsentFor>,
}

/// What consent is demanded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ConsentFor {
    /// Nothing; in admin control mode only.
    None,
    /// KVM; in admin control mode only.
    Kvm,
    /// Everything: KVM, redirection, boot options. The only one in client control mode.
    All,
}

/// When the management engine has power (`AMT_SystemPowerScheme`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Power {
    /// Power package, by what it means: the machine's list decides which it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PowerPackage>,
    /// Minutes without work until the engine sleeps, 1 to 65535.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_minutes: Option<u32>,
}

/// Power packages by meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PowerPackage {
    /// On while the system runs.
    S0,
    /// On while the system runs, sleeps or is off; woken by the network when it is idle.
    S0WakeInSx,
}

/// The machine's clock (`AMT_TimeSynchronizationService`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Time {
    /// Whether the clock is set when it is off by more than ten seconds. On unless it is switched off here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<bool>,
    /// Whether programs of the machine's own system may set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_sync: Option<bool>,
}

/// The audit log (`AMT_AuditPolicyRule`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Audit {
    /// Whether what changes the security of the machine is recorded. What concerns the log itself always is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The parts of the firmware whose events are recorded, and no others; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<AuditEvents>>,
}

/// A part of the firmware whose events may be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AuditEvents {
    /// Provisioning, users, TLS, keys, Kerberos.
    SecurityAdministration,
    /// Power and boot.
    RemoteControl,
    /// Serial over LAN, drives, KVM.
    Redirection,
    /// Updates of the firmware.
    FirmwareUpdate,
    /// The clock.
    NetworkTime,
    /// Settings of wireless.
    Wireless,
    /// Settings and sessions of KVM.
    Kvm,
    /// The user's consent.
    UserConsent,
}

impl AuditEvents {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::SecurityAdministration,
        Self::RemoteControl,
        Self::Redirection,
        Self::FirmwareUpdate,
        Self::NetworkTime,
        Self::Wireless,
        Self::Kvm,
        Self::UserConsent,
    ];
}
