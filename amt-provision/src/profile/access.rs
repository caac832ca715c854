//! Sections `access` and `kerberos`.

use super::SecretSource;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may log in besides the administrator (`AMT_AuthorizationService`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Access {
    /// Users and groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<User>>,
    /// Whether users that are not listed here are removed. Those of the firmware's own (`$$`) stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove_others: Option<bool>,
}

/// One user, or one user or group of a directory.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct User {
    /// Name for digest log-in: 1 to 16 characters; either this or `sid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Security identifier of a user or group of a directory, as `S-1-5-21-…`; either this or `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Password of a digest user, with the rules of the administrator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// From where.
    pub from: Permission,
    /// What may be done.
    pub realms: Vec<Realm>,
}

/// From where a user may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// The machine's own system.
    Local,
    /// The network.
    Network,
    /// Both.
    Any,
}

impl Permission {
    /// `AccessPermission`.
    pub const fn number(self) -> u32 {
        match self {
            Self::Local => 0,
            Self::Network => 1,
            Self::Any => 2,
        }
    }
}

macro_rules! realms {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What a user may do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
        #[cfg_attr(test, derive(JsonSchema))]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum Realm { $($(#[$doc])* $name,)* }

        impl Realm {
            /// The firmware's number (`spec/profile.md` §2.6).
            pub const fn number(self) -> u32 {
                match self { $(Self::$name => $number,)* }
            }

            /// The realm with this number.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

realms! {
    /// Serial over LAN and remote drives.
    Redirection = 2,
    /// Everything.
    Administration = 3,
    /// Inventory.
    HardwareAsset = 4,
    /// Power and boot.
    RemoteControl = 5,
    /// Storage for programs.
    Storage = 6,
    /// Alerts.
    EventManager = 7,
    /// Administration of the storage.
    StorageAdmin = 8,
    /// Agent presence, from the machine.
    AgentPresenceLocal = 9,
    /// Agent presence, from the network.
    AgentPresenceRemote = 10,
    /// System defense.
    SystemDefense = 11,
    /// The clock.
    NetworkTime = 12,
    /// General information.
    GeneralInfo = 13,
    /// Firmware update.
    FirmwareUpdate = 14,
    /// EIT.
    Eit = 15,
    /// Notification of the local user.
    LocalUserNotification = 16,
    /// Endpoint access control.
    EndpointAccess = 17,
    /// Administration of endpoint access control.
    EndpointAccessAdmin = 18,
    /// Reading the event log.
    EventLogReader = 19,
    /// The audit log.
    AuditLog = 20,
    /// Users.
    UserAccess = 21,
}

/// Log-in with an account of a directory (`AMT_KerberosSettingData`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema), schemars(deny_unknown_fields))]
#[non_exhaustive]
pub struct Kerberos {
    /// Whether it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Kerberos realm, in capital letters: `EXAMPLE.COM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// What the machine's account in the directory has behind the host name, `-amt` as `amt directory` makes it; none if it is left
    /// out. The key is salted with it: change it together with the password or the key version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_suffix: Option<String>,
    /// Password of the machine's account in the directory, the same in both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretSource>,
    /// Version of the key that the account has in the directory; 1 if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_version: Option<u32>,
    /// Minutes by which clocks may differ: 1 to 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_tolerance_minutes: Option<u32>,
}
