//! The machine that this program runs on: who it is (SMBIOS), its interfaces, its operating system.
//!
//! Read from the firmware's tables and from the operating system, on Linux and Windows. The UUID is the one that AMT says in its
//! hello: the bytes of SMBIOS as they are, whatever the version of the tables (`spec/hello-tls.md` §1.2).

pub mod smbios;
mod sysfs;
#[cfg(windows)]
mod windows;

use crate::local::LocalAccess;
use amt_core::{ErrorCode, Failure, FirmwareVersion, SystemId};
use amt_provision::local::Standing;
use amt_provision::plan::is_label;
use std::path::Path;

pub use smbios::{MAX_SMBIOS, Smbios};

/// Most network interfaces that are told of.
pub const MAX_INTERFACES: usize = 32;

const STAGE: &str = "read-system";

/// This machine, as its firmware and its operating system describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct System {
    /// UUID; never blank and no placeholder.
    pub id: SystemId,
    /// Maker and model, for example `LENOVO 20XWCTO1WW`.
    pub model: Option<String>,
    /// Serial number of the machine, or of its chassis or board where that is all there is.
    pub serial: Option<String>,
    /// Addresses, `00:1b:21:aa:bb:cc`, of the interfaces that belong to the machine: no virtual ones, none that were made up, and none
    /// on USB, which go with the dock.
    pub interfaces: Vec<String>,
    /// Name and version of the operating system.
    pub os: Option<String>,
    /// What the operating system calls the machine.
    pub host_name: Option<String>,
    /// DNS suffix that the operating system uses.
    pub dns_suffix: Option<String>,
    /// The operating system was started from a stick or from the network: what it says of names is not the machine's.
    pub is_live: bool,
    /// Version of AMT, after [`ask_firmware`](Self::ask_firmware).
    pub version: Option<FirmwareVersion>,
    /// How AMT stands, after [`ask_firmware`](Self::ask_firmware).
    pub standing: Option<Standing>,
}

impl System {
    /// Reads the machine that this runs on.
    ///
    /// # Errors
    /// `FILE_READ` if the tables cannot be read (only root may on Linux), the `DECODE_` codes if they are damaged,
    /// `IDENTITY_UNUSABLE` for a UUID that many machines share, `UNSUPPORTED` on other operating systems.
    pub fn read() -> Result<Self, Failure> {
        #[cfg(target_os = "linux")]
        return Self::read_under(Path::new("/"));
        #[cfg(windows)]
        return windows::read();
        #[cfg(not(any(target_os = "linux", windows)))]
        Err(Failure::new(
            ErrorCode::UNSUPPORTED,
            STAGE,
            "the machine can be read on Linux and on Windows, not on this system",
        ))
    }

    /// Reads a Linux system whose `sys`, `proc` and `etc` are under `root`: another one that is mounted there, or a recording.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_under(root: &Path) -> Result<Self, Failure> {
        sysfs::read(root)
    }

    /// Adds what the AMT firmware says over `access`: version, standing and the addresses of its interfaces. Its UUID takes the place of
    /// the tables', because it is the one that it says in its hello.
    ///
    /// # Errors
    /// The 3xxx codes of [`local::status`](crate::local::status); then nothing was changed.
    pub async fn ask_firmware(&mut self, access: &LocalAccess) -> Result<(), Failure> {
        let status = crate::local::status(access).await?;
        self.id = status.facts.id.filter(|id| id.is_usable_as_key()).unwrap_or(self.id);
        self.version = Some(status.facts.version);
        self.standing = Some(status.facts.standing);
        for mac in [&status.wired, &status.wireless].into_iter().flatten().map(|lan| lan.mac.to_string()) {
            if !self.interfaces.contains(&mac) && self.interfaces.len() < MAX_INTERFACES {
                self.interfaces.push(mac);
            }
        }
        Ok(())
    }
}

/// What the operating system calls this machine: a host name, without a domain; none if it is no host name.
pub fn host_name() -> Option<String> {
    #[cfg(windows)]
    let name = windows::host_name();
    #[cfg(not(windows))]
    let name = sysfs::host_name(Path::new("/"));
    let label = name?.split('.').next()?.to_owned();
    is_label(&label).then_some(label)
}

/// Refuses what is no identity: the server would not find the machine by it, or find another.
fn usable(id: SystemId) -> Result<SystemId, Failure> {
    if id.is_usable_as_key() {
        return Ok(id);
    }
    let why = if id.is_blank() { "its maker has programmed none" } else { "many boards carry this one" };
    let text = format!("this machine has no UUID of its own: {id} ({why})");
    Err(Failure::new(ErrorCode::IDENTITY_UNUSABLE, STAGE, text).hint(
        "have the UUID programmed with the maker's tool, or update the BIOS; AMT says the same UUID in its hello",
    ))
}

/// The form of an address that everything else uses; nothing for what is none of a machine's own.
fn interface(bytes: [u8; 6]) -> Option<String> {
    const GROUP: u8 = 1;
    const LOCAL: u8 = 2;
    let made_up = bytes[0] & (GROUP | LOCAL) != 0 || bytes == [0; 6];
    (!made_up).then(|| bytes.map(|byte| format!("{byte:02x}")).join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_uuid_is_refused_in_plain_words() {
        for (text, why) in [
            ("00000000-0000-0000-0000-000000000000", "programmed none"),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", "programmed none"),
            ("03000200-0400-0500-0006-000700080009", "many boards"),
        ] {
            let failure = usable(text.parse().unwrap()).unwrap_err();
            assert_eq!(failure.code, ErrorCode::IDENTITY_UNUSABLE);
            assert!(failure.message.contains(why) && failure.hint.contains("maker"), "{failure:?}");
        }
    }

    #[test]
    fn made_up_addresses_are_no_identity() {
        assert_eq!(interface([0, 0x1b, 0x21, 0xaa, 0xbb, 0xcc]).as_deref(), Some("00:1b:21:aa:bb:cc"));
        for made_up in [[0; 6], [0xff; 6], [2, 0x42, 0, 0, 0, 1], [1, 0, 0x5e, 0, 0, 1]] {
            assert_eq!(interface(made_up), None);
        }
    }
}
