//! Classes of the Common Information Model, `CIM_`.

mod associated_power_management_service;
mod bios_element;
mod chassis;
mod computer_system_package;
mod service_available_to_element;
mod software_identity;

pub use associated_power_management_service::AssociatedPowerManagementService;
pub use bios_element::BiosElement;
pub use chassis::Chassis;
pub use computer_system_package::ComputerSystemPackage;
pub use service_available_to_element::ServiceAvailableToElement;
pub use software_identity::SoftwareIdentity;
