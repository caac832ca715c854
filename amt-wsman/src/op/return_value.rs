//! What methods return, and what that is called (`spec/wsman.md` §2.5).

use amt_core::status::PtStatus;
use std::borrow::Cow;
use std::fmt;

/// Where CIM's vendor range begins: such a value is this plus a `PT_STATUS`.
const CIM_VENDOR: u32 = 32_768;

/// Return value of a method, named by the enumeration that this method uses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReturnValue {
    /// The value as sent.
    pub value: u32,
    /// Its name in the enumeration of the method; `UNKNOWN` if it has none.
    pub name: Cow<'static, str>,
    /// The `PT_STATUS` it stands for, if the method uses those.
    pub status: Option<PtStatus>,
}

impl ReturnValue {
    /// Names a value that `class.method` returned.
    pub fn of(class: &str, method: &str, value: u32) -> Self {
        let own = match (class, method) {
            ("IPS_HostBasedSetupService", "Setup") => Some(SETUP),
            ("IPS_HostBasedSetupService", "AddNextCertInChain") => Some(ADD_NEXT_CERT_IN_CHAIN),
            ("IPS_HostBasedSetupService", "AdminSetup" | "UpgradeClientToAdmin") => Some(ADMIN_SETUP),
            ("AMT_MessageLog", "GetRecords") => Some(GET_RECORDS),
            ("AMT_MessageLog", "PositionToFirstRecord") => Some(POSITION_TO_FIRST_RECORD),
            // A method of CIM's even where Intel's classes have it.
            (_, "RequestStateChange") => Some(CIM),
            _ if class.starts_with("CIM_") => Some(CIM),
            _ => None,
        };
        let status = match own {
            None => Some(value),
            Some(names) if names.as_ptr() == CIM.as_ptr() => value.checked_sub(CIM_VENDOR),
            Some(_) => None,
        };
        let status = status.map(PtStatus);
        let name = match own.and_then(|names| names.iter().find(|(number, _)| *number == value)) {
            Some((_, name)) => Some(*name),
            None => status.and_then(PtStatus::name),
        };
        Self { value, name: Cow::Borrowed(name.unwrap_or("UNKNOWN")), status }
    }

    /// Whether the method did what it was asked.
    pub fn is_success(&self) -> bool {
        self.value == 0
    }
}

impl fmt::Display for ReturnValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.value, self.name)
    }
}

type Names = &'static [(u32, &'static str)];

static CIM: Names = &[
    (0, "SUCCESS"),
    (1, "NOT_SUPPORTED"),
    (2, "UNKNOWN_ERROR"),
    (3, "TIMEOUT"),
    (4, "FAILED"),
    (5, "INVALID_PARAMETER"),
    (6, "IN_USE"),
    (4096, "JOB_STARTED"),
    (4097, "INVALID_STATE_TRANSITION"),
    (4098, "TIMEOUT_PARAMETER_NOT_SUPPORTED"),
    (4099, "BUSY"),
];

static GET_RECORDS: Names = &[(0, "SUCCESS"), (1, "NOT_SUPPORTED"), (2, "INVALID_RECORD_POINTED"), (3, "NO_RECORD")];

static POSITION_TO_FIRST_RECORD: Names = &[(0, "SUCCESS"), (1, "NOT_SUPPORTED"), (2, "NO_RECORD")];

static SETUP: Names = &[
    (0, "SUCCESS"),
    (1, "INTERNAL_ERROR"),
    (2, "INVALID_STATE"),
    (3, "INVALID_PARAMETER"),
    (4, "METHOD_DISABLED"),
    (5, "AUTHENTICATION_FAILED"),
    (6, "FLASH_WRITE_LIMIT_EXCEEDED"),
];

static ADD_NEXT_CERT_IN_CHAIN: Names = &[
    (0, "SUCCESS"),
    (1, "INVALID_PARAMETER"),
    (2, "INTERNAL_ERROR"),
    (3, "INVALID_STATE"),
    (4, "CERTIFICATE_VERIFY_FAILED"),
    (5, "CERTIFICATE_CHAIN_LENGTH_EXCEEDED"),
];

static ADMIN_SETUP: Names = &[
    (0, "SUCCESS"),
    (1, "INTERNAL_ERROR"),
    (2, "INVALID_STATE"),
    (3, "INVALID_PARAMETER"),
    (5, "AUTHENTICATION_FAILED"),
    (6, "FLASH_WRITE_LIMIT_EXCEEDED"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_names_its_values_by_its_own_enumeration() {
        let name = |class, method, value| ReturnValue::of(class, method, value).name.into_owned();
        assert_eq!(name("AMT_PublicKeyManagementService", "AddCertificate", 2058), "DUPLICATE");
        assert_eq!(name("AMT_SetupAndConfigurationService", "CommitChanges", 2057), "DATA_MISSING");
        assert_eq!(name("IPS_HostBasedSetupService", "Setup", 4), "METHOD_DISABLED");
        assert_eq!(name("IPS_HostBasedSetupService", "AddNextCertInChain", 4), "CERTIFICATE_VERIFY_FAILED");
        assert_eq!(name("IPS_HostBasedSetupService", "AdminSetup", 5), "AUTHENTICATION_FAILED");
        assert_eq!(name("IPS_HostBasedSetupService", "DisableClientControlMode", 16), "NOT_PERMITTED");
        assert_eq!(name("CIM_PowerManagementService", "RequestPowerStateChange", 5), "INVALID_PARAMETER");
        assert_eq!(name("AMT_RedirectionService", "RequestStateChange", 4097), "INVALID_STATE_TRANSITION");
        assert_eq!(name("CIM_BootService", "SetBootConfigRole", 32_768 + 16), "NOT_PERMITTED");
        assert_eq!(name("AMT_MessageLog", "GetRecords", 3), "NO_RECORD");
        assert_eq!(name("AMT_MessageLog", "ClearLog", 2059), "EVENTLOG_FROZEN");
        assert_eq!(name("CIM_X", "Y", 9), "UNKNOWN");
        assert_eq!(name("AMT_X", "Y", 99_999), "UNKNOWN");
    }

    #[test]
    fn the_firmware_status_is_there_where_the_method_uses_it() {
        let status = |class, method, value| ReturnValue::of(class, method, value).status;
        assert_eq!(status("AMT_X", "Y", 38), Some(PtStatus::FLASH_WRITE_LIMIT_EXCEEDED));
        assert_eq!(status("CIM_X", "Y", 32_768 + 38), Some(PtStatus::FLASH_WRITE_LIMIT_EXCEEDED));
        assert_eq!(status("CIM_X", "Y", 4), None);
        assert_eq!(status("IPS_HostBasedSetupService", "Setup", 5), None);
        assert_eq!(ReturnValue::of("AMT_X", "Y", 2058).to_string(), "2058 (DUPLICATE)");
    }
}
