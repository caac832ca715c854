//! `AMT_SetupAndConfigurationService` (`spec/wsman.md` §3.1, §3.2).

use super::super::Class;
use crate::Error;
use crate::class::class;
use crate::op::{Reply, Request};
use amt_core::Secret;

class! {
    /// State of setup, and the methods that end it. One instance.
    SetupAndConfigurationService = "AMT_SetupAndConfigurationService" {
        /// [`PRE`](Self::PRE), [`IN`](Self::IN) or [`POST`](Self::POST).
        provisioning_state: u32 = "ProvisioningState",
        /// 1 admin (enterprise), 4 client control mode.
        provisioning_mode: Option<u32> = "ProvisioningMode",
        /// MEBx and network password: 0 coupled, 1 separate, 2 separate with hash.
        password_model: Option<u32> = "PasswordModel",
        /// Whether certificate-based setup is on.
        zero_touch_configuration_enabled: Option<bool> = "ZeroTouchConfigurationEnabled",
        /// One-time password, base64 of 32 bytes padded with zeros; readable only during setup.
        provisioning_server_otp: Option<String> = "ProvisioningServerOTP",
        /// Address of the setup server.
        configuration_server_fqdn: Option<String> = "ConfigurationServerFQDN",
        /// DNS suffix from DHCP.
        dhcp_dns_suffix: Option<String> = "DhcpDNSSuffix",
        /// DNS suffix set in MEBx or by USB key.
        trusted_dns_suffix: Option<String> = "TrustedDNSSuffix",
    }
}

impl SetupAndConfigurationService {
    /// State before setup.
    pub const PRE: u32 = 0;
    /// State during setup.
    pub const IN: u32 = 1;
    /// State after setup.
    pub const POST: u32 = 2;
    /// The audit log among what blocks an unprovision: an auditor has locked it (before AMT 12.0).
    pub const AUDIT_LOG: u32 = 1;
    /// Longest setup window, in hours, that [`extend_provisioning_period`](Self::extend_provisioning_period) accepts.
    pub const MAX_WINDOW_HOURS: u32 = 24;

    /// Ends setup. Never to be repeated blindly; the connection may end before the reply.
    pub fn commit_changes() -> Request {
        invoke("CommitChanges")
    }

    /// Keeps the setup window open for so many hours from now; 0 closes it.
    pub fn extend_provisioning_period(hours: u32) -> Request {
        invoke("ExtendProvisioningPeriod").arg("Duration", hours)
    }

    /// Sets the password of the BIOS extension.
    pub fn set_mebx_password(password: &Secret<String>) -> Request {
        invoke("SetMEBxPassword").secret_arg("Password", password)
    }

    /// Replaces the pre-shared pair of the next setup (firmware before AMT 11). `pps` has 32 characters, without dashes.
    pub fn set_tls_psk(pid: &str, pps: &Secret<String>) -> Request {
        invoke("SetTLSPSK").arg("PID", pid).secret_arg("PPS", pps)
    }

    /// Asks for the identity; read it with [`uuid`](Self::uuid).
    pub fn get_uuid() -> Request {
        invoke("GetUuid")
    }

    /// The identity out of the reply to [`get_uuid`](Self::get_uuid), in SMBIOS byte order: the first three fields are
    /// little-endian.
    pub fn uuid(reply: &Reply) -> Result<[u8; 16], Error> {
        let output = reply.output()?;
        let wrong =
            |_| Error::Property { class: output.class.clone(), property: "UUID".to_owned(), what: "not 16 bytes" };
        output.required_bytes("UUID")?.try_into().map_err(wrong)
    }

    /// Returns the device to its state before setup. Never to be repeated blindly.
    pub fn unprovision() -> Request {
        invoke("Unprovision").arg("ProvisioningMode", 1)
    }

    /// Returns the device to setup, keeping its names, the admin login and the setup server's address.
    pub fn partial_unprovision() -> Request {
        invoke("PartialUnprovision")
    }

    /// Asks what made the last unprovision, full or partial, fail; read it with [`blocking_components`](Self::blocking_components).
    pub fn get_unprovision_blocking_components() -> Request {
        invoke("GetUnprovisionBlockingComponents")
    }

    /// The components out of the reply to [`get_unprovision_blocking_components`](Self::get_unprovision_blocking_components):
    /// [`AUDIT_LOG`](Self::AUDIT_LOG), all others are reserved. Empty if no unprovision was refused.
    pub fn blocking_components(reply: &Reply) -> Result<Vec<u32>, Error> {
        Ok(reply.output()?.texts("Component").into_iter().filter_map(|number| number.trim().parse().ok()).collect())
    }
}

fn invoke(method: &str) -> Request {
    Request::invoke(SetupAndConfigurationService::NAME, method)
}
