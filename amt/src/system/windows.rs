//! A Windows system: `GetSystemFirmwareTable`, `GetAdaptersAddresses` and the registry, each behind a crate that wraps it.

use super::smbios::{self, Smbios};
use super::{MAX_INTERFACES, STAGE, System, interface, usable};
use amt_core::{ErrorCode, Failure};
use ipconfig::IfType;
use smbioslib::WinSMBiosData;
use windows_registry::LOCAL_MACHINE;

/// First three bytes of addresses that virtual machines' host adapters carry, the same on many machines.
const VIRTUAL: &[[u8; 3]] = &[[0x00, 0x15, 0x5d], [0x00, 0x50, 0x56], [0x00, 0x0c, 0x29]];

const VERSION_KEY: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion";
const PE_KEY: &str = r"SYSTEM\CurrentControlSet\Control\MiniNT";

pub(super) fn read() -> Result<System, Failure> {
    let raw = smbioslib::raw_smbios_from_device().map_err(|error| {
        Failure::new(ErrorCode::FILE_READ, STAGE, format!("Windows does not hand out the SMBIOS tables: {error}"))
    })?;
    let firmware = Smbios::decode(raw.get(WinSMBiosData::SMBIOS_TABLE_DATA_OFFSET..).unwrap_or_default())?;
    Ok(System {
        id: usable(firmware.id)?,
        model: firmware.model(),
        serial: firmware.serial,
        interfaces: interfaces(),
        os: os(),
        host_name: host_name(),
        dns_suffix: ipconfig::computer::get_domain().ok().flatten().map(|domain| domain.to_lowercase()),
        is_live: LOCAL_MACHINE.open(PE_KEY).is_ok(),
        version: None,
        standing: None,
    })
}

pub(super) fn host_name() -> Option<String> {
    std::env::var("COMPUTERNAME").ok().and_then(|name| smbios::clean(&name))
}

fn interfaces() -> Vec<String> {
    let adapters = ipconfig::get_adapters().unwrap_or_default();
    let mut found: Vec<String> = adapters
        .iter()
        .filter(|adapter| matches!(adapter.if_type(), IfType::EthernetCsmacd | IfType::Ieee80211))
        // What is on USB belongs to a dock or an adapter that is on another machine tomorrow.
        .filter(|adapter| !adapter.description().contains("USB"))
        .filter_map(|adapter| <[u8; 6]>::try_from(adapter.physical_address()?).ok())
        .filter(|address| !VIRTUAL.iter().any(|maker| address.starts_with(maker)))
        .filter_map(interface)
        .collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(MAX_INTERFACES);
    found
}

fn os() -> Option<String> {
    let key = LOCAL_MACHINE.open(VERSION_KEY).ok()?;
    let product = key.get_string("ProductName").ok()?;
    let build = key.get_string("CurrentBuildNumber").map(|build| format!(" build {build}")).unwrap_or_default();
    smbios::clean(&format!("{product}{build}"))
}
