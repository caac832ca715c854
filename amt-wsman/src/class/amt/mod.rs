//! Intel's own classes, `AMT_`.

mod authorization_service;
mod boot_capabilities;
mod boot_setting_data;
mod environment_detection_setting_data;
mod ethernet_port_settings;
mod general_settings;
mod management_presence_remote_sap;
mod mps_username_password;
mod provisioning_certificate_hash;
mod public_key_certificate;
mod public_key_management_service;
mod public_private_key_pair;
mod remote_access_policy_applies_to_mps;
mod remote_access_policy_rule;
mod remote_access_service;
mod setup_and_configuration_service;
mod time_synchronization_service;
mod tls_credential_context;
mod tls_protocol_endpoint_collection;
mod tls_setting_data;
mod user_initiated_connection_service;
mod wifi_port_configuration_service;

pub use authorization_service::AuthorizationService;
pub use boot_capabilities::BootCapabilities;
pub use boot_setting_data::BootSettingData;
pub use environment_detection_setting_data::EnvironmentDetectionSettingData;
pub use ethernet_port_settings::EthernetPortSettings;
pub use general_settings::GeneralSettings;
pub use management_presence_remote_sap::ManagementPresenceRemoteSap;
pub use mps_username_password::MpsUsernamePassword;
pub use provisioning_certificate_hash::ProvisioningCertificateHash;
pub use public_key_certificate::PublicKeyCertificate;
pub use public_key_management_service::PublicKeyManagementService;
pub use public_private_key_pair::PublicPrivateKeyPair;
pub use remote_access_policy_applies_to_mps::RemoteAccessPolicyAppliesToMps;
pub use remote_access_policy_rule::RemoteAccessPolicyRule;
pub use remote_access_service::{MpServer, RemoteAccessService, Trigger};
pub use setup_and_configuration_service::SetupAndConfigurationService;
pub use time_synchronization_service::TimeSynchronizationService;
pub use tls_credential_context::TlsCredentialContext;
pub use tls_protocol_endpoint_collection::TlsProtocolEndpointCollection;
pub use tls_setting_data::TlsSettingData;
pub use user_initiated_connection_service::UserInitiatedConnectionService;
pub use wifi_port_configuration_service::WifiPortConfigurationService;

pub(crate) use remote_access_service::info_format;
