//! Classes of the Common Information Model, `CIM_`.

mod associated_power_management_service;
mod bios_element;
mod boot_config_setting;
mod boot_service;
mod boot_source_setting;
mod chassis;
mod computer_system_package;
mod element_setting_data;
mod ieee8021x_settings;
mod kvm_redirection_sap;
mod power_management_service;
mod service_available_to_element;
mod software_identity;
mod wifi_endpoint;
mod wifi_endpoint_settings;
mod wifi_port;

pub use associated_power_management_service::AssociatedPowerManagementService;
pub use bios_element::BiosElement;
pub use boot_config_setting::BootConfigSetting;
pub use boot_service::BootService;
pub use boot_source_setting::BootSourceSetting;
pub use chassis::Chassis;
pub use computer_system_package::ComputerSystemPackage;
pub use element_setting_data::ElementSettingData;
pub use ieee8021x_settings::{Ieee8021x, Ieee8021xSettings};
pub use kvm_redirection_sap::KvmRedirectionSap;
pub use power_management_service::PowerManagementService;
pub use service_available_to_element::ServiceAvailableToElement;
pub use software_identity::SoftwareIdentity;
pub use wifi_endpoint::WifiEndpoint;
pub use wifi_endpoint_settings::{WifiEndpointSettings, WifiProfile};
pub use wifi_port::WifiPort;
