//! Names of the firmware's status values (`spec/wsman.md` §2.5).

use std::fmt;

/// A `PT_STATUS` value: what Intel's own methods return. Open: unknown values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PtStatus(pub u32);

macro_rules! statuses {
    ($($name:ident = $value:literal;)*) => {
        #[allow(missing_docs, reason = "the names are the documentation: PT_STATUS_ and this")]
        impl PtStatus {
            $(pub const $name: Self = Self($value);)*
        }

        const NAMES: &[(u32, &str)] = &[$(($value, stringify!($name)),)*];
    };
}

statuses! {
    SUCCESS = 0;
    INTERNAL_ERROR = 1;
    NOT_READY = 2;
    INVALID_PT_MODE = 3;
    INVALID_MESSAGE_LENGTH = 4;
    TABLE_FINGERPRINT_NOT_AVAILABLE = 5;
    INTEGRITY_CHECK_FAILED = 6;
    UNSUPPORTED_ISVS_VERSION = 7;
    APPLICATION_NOT_REGISTERED = 8;
    INVALID_REGISTRATION_DATA = 9;
    APPLICATION_DOES_NOT_EXIST = 10;
    NOT_ENOUGH_STORAGE = 11;
    INVALID_NAME = 12;
    BLOCK_DOES_NOT_EXIST = 13;
    INVALID_BYTE_OFFSET = 14;
    INVALID_BYTE_COUNT = 15;
    NOT_PERMITTED = 16;
    NOT_OWNER = 17;
    BLOCK_LOCKED_BY_OTHER = 18;
    BLOCK_NOT_LOCKED = 19;
    INVALID_GROUP_PERMISSIONS = 20;
    GROUP_DOES_NOT_EXIST = 21;
    INVALID_MEMBER_COUNT = 22;
    MAX_LIMIT_REACHED = 23;
    INVALID_AUTH_TYPE = 24;
    AUTHENTICATION_FAILED = 25;
    INVALID_DHCP_MODE = 26;
    INVALID_IP_ADDRESS = 27;
    INVALID_DOMAIN_NAME = 28;
    UNSUPPORTED_VERSION = 29;
    REQUEST_UNEXPECTED = 30;
    INVALID_TABLE_TYPE = 31;
    INVALID_PROVISIONING_STATE = 32;
    UNSUPPORTED_OBJECT = 33;
    INVALID_TIME = 34;
    INVALID_INDEX = 35;
    INVALID_PARAMETER = 36;
    INVALID_NETMASK = 37;
    FLASH_WRITE_LIMIT_EXCEEDED = 38;
    INVALID_IMAGE_LENGTH = 39;
    INVALID_IMAGE_SIGNATURE = 40;
    PROPOSE_ANOTHER_VERSION = 41;
    INVALID_PID_FORMAT = 42;
    INVALID_PPS_FORMAT = 43;
    BIST_COMMAND_BLOCKED = 44;
    CONNECTION_FAILED = 45;
    CONNECTION_TOO_MANY = 46;
    RNG_GENERATION_IN_PROGRESS = 47;
    RNG_NOT_READY = 48;
    CERTIFICATE_NOT_READY = 49;
    DISABLED_BY_POLICY = 1024;
    NETWORK_IF_ERROR_BASE = 2048;
    UNSUPPORTED_OEM_NUMBER = 2049;
    UNSUPPORTED_BOOT_OPTION = 2050;
    INVALID_COMMAND = 2051;
    INVALID_SPECIAL_COMMAND = 2052;
    INVALID_HANDLE = 2053;
    INVALID_PASSWORD = 2054;
    INVALID_REALM = 2055;
    STORAGE_ACL_ENTRY_IN_USE = 2056;
    DATA_MISSING = 2057;
    DUPLICATE = 2058;
    EVENTLOG_FROZEN = 2059;
    PKI_MISSING_KEYS = 2060;
    PKI_GENERATING_KEYS = 2061;
    INVALID_KEY = 2062;
    INVALID_CERT = 2063;
    CERT_KEY_NOT_MATCH = 2064;
    MAX_KERB_DOMAIN_REACHED = 2065;
    UNSUPPORTED = 2066;
    INVALID_PRIORITY = 2067;
    NOT_FOUND = 2068;
    INVALID_CREDENTIALS = 2069;
    INVALID_PASSPHRASE = 2070;
    NO_ASSOCIATION = 2072;
    AUDIT_FAIL = 2075;
    BLOCKING_COMPONENT = 2076;
    USER_CONSENT_REQUIRED = 2081;
    OPERATION_IN_PROGRESS = 2082;
}

impl PtStatus {
    /// The name without `PT_STATUS_`, if the value is known.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(value, _)| *value == self.0).map(|(_, name)| *name)
    }
}

impl fmt::Display for PtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown_values_print() {
        assert_eq!(PtStatus::DATA_MISSING.to_string(), "2057 (DATA_MISSING)");
        assert_eq!(PtStatus(77777).to_string(), "77777");
    }
}
