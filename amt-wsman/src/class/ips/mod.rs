//! Intel's newer classes, `IPS_`.

mod admin_provisioning_record;
mod host_based_setup_service;
mod http_proxy_access_point;
mod http_proxy_service;
mod ieee8021x_credential_context;
mod ieee8021x_settings;
mod ipv6_port_settings;
mod kvm_redirection_setting_data;
mod opt_in_service;
mod provisioning_record_log;
mod tls_provisioning_record;

pub use admin_provisioning_record::AdminProvisioningRecord;
pub use host_based_setup_service::HostBasedSetupService;
pub use http_proxy_access_point::HttpProxyAccessPoint;
pub use http_proxy_service::HttpProxyService;
pub use ieee8021x_credential_context::WiredIeee8021xCredentialContext;
pub use ieee8021x_settings::WiredIeee8021xSettings;
pub use ipv6_port_settings::Ipv6PortSettings;
pub use kvm_redirection_setting_data::KvmRedirectionSettingData;
pub use opt_in_service::OptInService;
pub use provisioning_record_log::ProvisioningRecordLog;
pub use tls_provisioning_record::TlsProvisioningRecord;
