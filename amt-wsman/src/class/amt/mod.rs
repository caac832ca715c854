//! Intel's own classes, `AMT_`.

mod audit_log;
mod audit_policy_rule;
mod authorization_service;
mod boot_capabilities;
mod boot_setting_data;
mod environment_detection_setting_data;
mod ethernet_port_settings;
mod general_settings;
mod kerberos_setting_data;
mod management_presence_remote_sap;
mod message_log;
mod mps_username_password;
mod profile_8021x;
mod provisioning_certificate_hash;
mod public_key_certificate;
mod public_key_management_service;
mod public_private_key_pair;
mod redirection_service;
mod remote_access_policy_applies_to_mps;
mod remote_access_policy_rule;
mod remote_access_service;
mod setup_and_configuration_service;
mod system_power_scheme;
mod time_synchronization_service;
mod tls_credential_context;
mod tls_protocol_endpoint_collection;
mod tls_setting_data;
mod uefi_boot_parameters;
mod user_initiated_connection_service;
mod web_ui_service;
mod wifi_port_configuration_service;

pub use audit_log::{AuditLog, AuditPage};
pub use audit_policy_rule::AuditPolicyRule;
pub use authorization_service::{AclEntry, AclPrincipal, AuthorizationService};
pub use boot_capabilities::BootCapabilities;
pub use boot_setting_data::BootSettingData;
pub use environment_detection_setting_data::EnvironmentDetectionSettingData;
pub use ethernet_port_settings::EthernetPortSettings;
pub use general_settings::GeneralSettings;
pub use kerberos_setting_data::{KerberosKey, KerberosSettingData};
pub use management_presence_remote_sap::ManagementPresenceRemoteSap;
pub use message_log::{MessageLog, MessagePage};
pub use mps_username_password::MpsUsernamePassword;
pub use profile_8021x::Profile8021x;
pub use provisioning_certificate_hash::ProvisioningCertificateHash;
pub use public_key_certificate::PublicKeyCertificate;
pub use public_key_management_service::PublicKeyManagementService;
pub use public_private_key_pair::PublicPrivateKeyPair;
pub use redirection_service::RedirectionService;
pub use remote_access_policy_applies_to_mps::RemoteAccessPolicyAppliesToMps;
pub use remote_access_policy_rule::RemoteAccessPolicyRule;
pub use remote_access_service::{MpServer, RemoteAccessService, Trigger};
pub use setup_and_configuration_service::SetupAndConfigurationService;
pub use system_power_scheme::SystemPowerScheme;
pub use time_synchronization_service::TimeSynchronizationService;
pub use tls_credential_context::TlsCredentialContext;
pub use tls_protocol_endpoint_collection::TlsProtocolEndpointCollection;
pub use tls_setting_data::TlsSettingData;
pub use uefi_boot_parameters::{MAX_URL, UefiBootParameters};

pub use user_initiated_connection_service::UserInitiatedConnectionService;
pub use web_ui_service::WebUiService;
pub use wifi_port_configuration_service::WifiPortConfigurationService;

pub(crate) use remote_access_service::info_format;

use crate::Error;
use crate::instance::Instance;
use crate::op::Reply;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A number out of a method's output.
fn number(reply: &Reply, property: &str) -> Result<u32, Error> {
    let output = reply.output()?;
    let wrong = |_| Error::Property { class: output.class.clone(), property: property.to_owned(), what: "no number" };
    output.required(property)?.parse().map_err(wrong)
}

/// Binary values out of a method's output, in order; none in place of one that is no base64.
fn blobs(output: &Instance, property: &str) -> Vec<Option<Vec<u8>>> {
    output.texts(property).iter().map(|text| STANDARD.decode(text.trim()).ok()).collect()
}
