//! AMTHI's rarer questions: what local management services and inventories ask (`spec/heci.md` §3.3, §8.1).

use super::amthi::{Answer, body, good, plain};
use crate::firmware::{Firmware, Phase};
use amt_core::Tick;
use amt_core::status::PtStatus;
use amt_heci::amthi::*;

/// What `AMT_RedirectionService.EnabledState` begins from: bit 0 storage, bit 1 serial.
const REDIRECTION: u32 = 32_768;

impl Firmware {
    pub(super) fn more(&self, now: Tick, incoming: &Incoming<'_>) -> Answer {
        match incoming.code {
            GetSecurityParameters::CODE => plain::<GetSecurityParameters>(incoming, || self.security()),
            GetCurrentPowerPolicy::CODE => plain::<GetCurrentPowerPolicy>(incoming, || Text {
                text: "Desktop: ON in S0, ME Wake in S3, S4-5".to_owned(),
            }),
            GetFeaturesState::CODE => self.features(incoming),
            GetLastHostResetReason::CODE => plain::<GetLastHostResetReason>(incoming, || HostReset {
                reason: 1,
                time: u32::try_from(self.device.clock(now)).unwrap_or(0),
            }),
            GetUserInitiatedEnabledInterfaces::CODE => {
                plain::<GetUserInitiatedEnabledInterfaces>(incoming, || Number { value: 0 })
            }
            GetMeSetupAuditRecord::CODE => self.audit_record(incoming),
            GetIpv6LanStatus::CODE => match body(incoming)? {
                GetIpv6LanStatus { interface: 0 | 1 } => good(Ipv6Status {
                    router: IpText::default(),
                    dns1: IpText::default(),
                    dns2: IpText::default(),
                    addresses: Ipv6Addresses(Vec::new()),
                }),
                _ => Err(PtStatus::INVALID_INDEX),
            },
            // Manufacturing has ended: it is off, and stays off.
            GetEhbcState::CODE => plain::<GetEhbcState>(incoming, || Number { value: 0 }),
            SetEhbcState::CODE => {
                let SetEhbcState { state: _ } = body(incoming)?;
                Err(PtStatus::NOT_PERMITTED)
            }
            // No server is configured that could be called.
            OpenUserInitiatedConnection::CODE => {
                let OpenUserInitiatedConnection {} = body(incoming)?;
                Err(PtStatus::NOT_FOUND)
            }
            CloseUserInitiatedConnection::CODE => {
                let CloseUserInitiatedConnection {} = body(incoming)?;
                Err(PtStatus::NOT_FOUND)
            }
            _ => Err(PtStatus::INVALID_COMMAND),
        }
    }

    fn security(&self) -> SecurityParameters {
        let device = &self.device;
        SecurityParameters {
            enterprise: 1,
            tls: u32::from(device.active.remote.enabled),
            hardware_crypto: 1,
            provisioning_state: device.phase.number(),
            network: u32::from(device.phase == Phase::Post),
            sol: 1,
            ider: 1,
            firmware_update: 1,
            link_up: u32::from(device.config.link_up),
            kvm: 1,
            reserved: [0; 28],
        }
    }

    /// Redirection is two truth values and one that is reserved; the others are numbers.
    fn features(&self, incoming: &Incoming<'_>) -> Answer {
        let GetFeaturesState { id } = body(incoming)?;
        let bits = self.device.redirection.0.saturating_sub(REDIRECTION);
        let words = match id {
            0 => [bits & 1, bits >> 1 & 1, 0],
            1..=4 => [0; 3],
            _ => return Err(PtStatus::INVALID_PARAMETER),
        };
        good(FeaturesState { id, state: Rest(words.into_iter().flat_map(u32::to_le_bytes).collect()) })
    }

    fn audit_record(&self, incoming: &Incoming<'_>) -> Answer {
        let GetMeSetupAuditRecord {} = body(incoming)?;
        let record = self.device.record.as_ref().ok_or(PtStatus::NOT_FOUND)?;
        let mut hash = [0; 64];
        for (to, from) in hash.iter_mut().zip(&record.root_hash) {
            *to = *from;
        }
        let mut serials = [0; 48];
        for (room, serial) in serials.chunks_mut(16).zip(&record.serials) {
            for (to, from) in room.iter_mut().zip(serial) {
                *to = *from;
            }
        }
        // As text it is 2026-11-03T12:00:00Z: the numbers between the separators.
        let text = crate::http::iso(record.time);
        let mut numbers = text.split(['-', 'T', ':', 'Z']).map(|part| part.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        let (year, month, day, hour, minute, second) = (next(), next(), next(), next(), next(), next());
        // 1970 began on a Thursday.
        let weekday = u16::try_from((record.time.div_euclid(86_400) + 4).rem_euclid(7)).unwrap_or(0);
        good(MeSetupAuditRecord {
            tls_mode: 2,
            secure_dns: false,
            host_initiated: record.server.is_empty(),
            hash_type: 2,
            hash,
            serials,
            additional_serials: false,
            is_oem_default: false,
            is_time_valid: true,
            server: IpText(record.server.clone()),
            time: [year, month, weekday, day, hour, minute, second],
            fqdn: record.common_name.clone(),
        })
    }
}
