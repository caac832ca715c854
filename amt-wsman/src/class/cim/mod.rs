//! Classes of the Common Information Model, `CIM_`.

mod associated_power_management_service;
mod battery;
mod bios_element;
mod boot_config_setting;
mod boot_service;
mod boot_source_setting;
mod card;
mod chassis;
mod chip;
mod computer_system_package;
mod element_setting_data;
mod media_access_device;
mod physical_memory;
mod power_management_service;
mod processor;
mod service_available_to_element;
mod software_identity;

pub use associated_power_management_service::AssociatedPowerManagementService;
pub use battery::Battery;
pub use bios_element::BiosElement;
pub use boot_config_setting::BootConfigSetting;
pub use boot_service::BootService;
pub use boot_source_setting::BootSourceSetting;
pub use card::Card;
pub use chassis::Chassis;
pub use chip::Chip;
pub use computer_system_package::ComputerSystemPackage;
pub use element_setting_data::ElementSettingData;
pub use media_access_device::MediaAccessDevice;
pub use physical_memory::PhysicalMemory;
pub use power_management_service::PowerManagementService;
pub use processor::Processor;
pub use service_available_to_element::ServiceAvailableToElement;
pub use software_identity::SoftwareIdentity;
