//! What a machine is made of, as BIOS and firmware tell it.

use crate::device::Device;
use amt_core::{ErrorCode, Failure, FirmwareVersion, SystemId};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{EthernetPortSettings, SetupAndConfigurationService};
use amt_wsman::class::cim::{
    Battery, BiosElement, Card, Chassis, Chip, ComputerSystemPackage, MediaAccessDevice, PhysicalMemory, Processor,
    SoftwareIdentity,
};
use amt_wsman::op::{Reply, Request};

const STAGE: &str = "inventory";

/// A machine. What firmware or BIOS do not tell is none, or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inventory {
    /// Identity (SMBIOS UUID).
    pub id: Option<SystemId>,
    /// The machine as a thing.
    pub chassis: Option<Chassis>,
    /// Its main board.
    pub board: Option<Card>,
    /// Its BIOS.
    pub bios: Option<BiosElement>,
    /// Its processors.
    pub processors: Vec<Processor>,
    /// Its chips: the names of the processors.
    pub chips: Vec<Chip>,
    /// Its memory modules.
    pub memory: Vec<PhysicalMemory>,
    /// Its disks.
    pub media: Vec<MediaAccessDevice>,
    /// Its batteries.
    pub batteries: Vec<Battery>,
    /// Parts of its firmware, with their versions.
    pub software: Vec<SoftwareIdentity>,
    /// Its network ports.
    pub ports: Vec<EthernetPortSettings>,
    /// Classes that this firmware refused.
    pub missing: Vec<&'static str>,
}

impl Inventory {
    /// Version of AMT.
    pub fn version(&self) -> Option<FirmwareVersion> {
        SoftwareIdentity::firmware_version(&self.software)
    }

    /// All memory, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.memory.iter().filter_map(|module| module.capacity).fold(0, u64::saturating_add)
    }
}

/// Reads what the machine is made of. Classes that its firmware does not have are listed, and the rest is read.
///
/// # Errors
/// As [`Device::call`], except that a class that is refused is no error.
pub async fn inventory(device: &mut Device) -> Result<Inventory, Failure> {
    let mut missing = Vec::new();
    let mut inventory = Inventory {
        chassis: first(all(device, &mut missing).await?),
        board: first(all(device, &mut missing).await?),
        bios: first(all(device, &mut missing).await?),
        processors: all(device, &mut missing).await?,
        chips: all(device, &mut missing).await?,
        memory: all(device, &mut missing).await?,
        media: all(device, &mut missing).await?,
        batteries: all(device, &mut missing).await?,
        software: all(device, &mut missing).await?,
        ports: all(device, &mut missing).await?,
        ..Inventory::default()
    };
    inventory.id = match device.call(&SetupAndConfigurationService::get_uuid()).await {
        Ok(reply) => {
            let wire = SetupAndConfigurationService::uuid(&reply).map_err(|error| error.failure(STAGE))?;
            Some(SystemId::from_wire(wire))
        }
        // Before 6 or so there is no such method.
        Err(failure) if is_refusal(&failure) => {
            let package: Vec<ComputerSystemPackage> = all(device, &mut missing).await?;
            first(package).and_then(|package| platform_guid(&package.platform_guid))
        }
        Err(failure) => return Err(failure.at(STAGE)),
    };
    inventory.missing = missing;
    Ok(inventory)
}

async fn all<T: Class>(device: &mut Device, missing: &mut Vec<&'static str>) -> Result<Vec<T>, Failure> {
    match ask(device, T::NAME, missing).await? {
        Some(reply) => reply.typed_all().map_err(|error| error.failure(STAGE)),
        None => Ok(Vec::new()),
    }
}

async fn ask(
    device: &mut Device,
    class: &'static str,
    missing: &mut Vec<&'static str>,
) -> Result<Option<Reply>, Failure> {
    match device.call(&Request::enumerate(class)).await {
        Ok(reply) => Ok(Some(reply)),
        Err(failure) if is_refusal(&failure) => {
            missing.push(class);
            Ok(None)
        }
        Err(failure) => Err(failure.at(STAGE)),
    }
}

fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.code, ErrorCode::SOAP_FAULT | ErrorCode::RETURN_VALUE)
}

fn first<T>(list: Vec<T>) -> Option<T> {
    list.into_iter().next()
}

/// 32 hexadecimal digits in SMBIOS byte order.
fn platform_guid(text: &str) -> Option<SystemId> {
    let digits = text.as_bytes();
    let mut wire = [0; 16];
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in wire.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(SystemId::from_wire(wire))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_is_read_from_the_platform_guid_too() {
        let id = platform_guid("13AEE355D2BFBB6117A088AEDD7037EA").unwrap();
        assert_eq!(id.to_string(), "55e3ae13-bfd2-61bb-17a0-88aedd7037ea");
        for wrong in ["", "13AE", "ZZAEE355D2BFBB6117A088AEDD7037EA", "13AEE355D2BFBB6117A088AEDD7037EA0"] {
            assert_eq!(platform_guid(wrong), None);
        }
    }
}
