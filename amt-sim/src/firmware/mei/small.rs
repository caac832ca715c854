//! The small clients: watchdog, MKHI, UPID, HOTHAM (`spec/heci.md` §3.6, §3.7, §4.1).

use crate::firmware::{Firmware, Phase};
use amt_core::FirmwareVersion;
use amt_heci::mkhi::{MkhiRequest, MkhiVersion, MkhiVersions, Rule, rule};
use amt_heci::upid::{self, PlatformIds};
use amt_heci::watchdog::WatchdogRequest;
use sha2::{Digest, Sha256};

/// From here on the watchdog client tells more, and switches AMT.
const NEW_INTERFACE: FirmwareVersion = FirmwareVersion::new(16, 1);
const NOT_SUPPORTED: u32 = 0x89;
const NOT_ALLOWED: u32 = 0xA8;
/// Result of MKHI for what it does not know.
const MKHI_UNKNOWN: u8 = 0x8D;

impl Firmware {
    pub(super) fn watchdog(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let new = self.device.config.persona.version >= NEW_INTERFACE;
        let pre = self.device.phase == Phase::Pre;
        let status = |sub: u8, status: u32| {
            let mut out = vec![5, 2, sub, 0x10];
            out.extend_from_slice(&status.to_le_bytes());
            Some(out)
        };
        match WatchdogRequest::decode(message).ok()? {
            WatchdogRequest::IsEnabled => {
                let mut flags = u8::from(pre);
                if new {
                    let tls = self.device.local_tls();
                    flags |= 0x80 | u8::from(self.device.local.enabled) << 1 | u8::from(tls) << 6;
                }
                Some(vec![flags])
            }
            WatchdogRequest::SetState(_) if !new => status(0x53, NOT_SUPPORTED),
            WatchdogRequest::SetState(_) if !pre => status(0x53, NOT_ALLOWED),
            WatchdogRequest::SetState(on) => {
                self.device.local.enabled = on;
                status(0x53, 0)
            }
            WatchdogRequest::Other(sub) => status(sub, NOT_SUPPORTED),
            _ => None,
        }
    }

    pub(super) fn mkhi(&self, message: &[u8]) -> Option<Vec<u8>> {
        let FirmwareVersion { major, minor, hotfix, build, .. } = self.device.config.persona.version;
        let version = MkhiVersion { major, minor, hotfix, build };
        Some(match MkhiRequest::decode(message).ok()? {
            MkhiRequest::Version => MkhiVersions(vec![version; 3]).encode(),
            MkhiRequest::Rule(id) => {
                // Corporate firmware with AMT, for a desktop.
                let data: u32 = match id {
                    rule::SKU | rule::ENABLED | rule::AVAILABLE => 0x0024_0004,
                    rule::LOCAL_UPDATE => 1,
                    rule::PLATFORM => 0x0000_1002,
                    _ => return Some(MkhiRequest::refuse(3, 2, MKHI_UNKNOWN).to_vec()),
                };
                Rule { id, data: data.to_le_bytes().to_vec() }.encode()
            }
            MkhiRequest::Other(group, command) => MkhiRequest::refuse(group, command, MKHI_UNKNOWN).to_vec(),
            _ => return None,
        })
    }

    pub(super) fn upid(&self, message: &[u8]) -> Option<Vec<u8>> {
        if message == upid::GET_PLATFORM_IDS {
            let csme = Sha256::digest(self.device.config.id.to_wire()).into();
            return Some(PlatformIds { oem_kind: 0, oem: [0; 32], csme }.encode());
        }
        let [feature, command, ..] = *message else { return None };
        // Support and state: none. Any other command: not supported.
        Some(vec![feature, command, 4, 0, 1, 0, 0, 0])
    }

    /// The flash log: none.
    pub(super) fn hotham(message: &[u8]) -> Option<Vec<u8>> {
        let header: [u8; 4] = message.get(..4)?.try_into().ok()?;
        let mut out = header.to_vec();
        out.extend_from_slice(&[0; 4]);
        Some(out)
    }
}
