//! What the firmware writes down: the event log, which anybody who may log in reads, and the audit log, which says who did what.

use super::class::Call;
use super::device::{Device, Phase};
use amt_core::Tick;
use amt_core::audit_log::{AuditRecord, Initiator};
use amt_core::event_log::{Entity, EventRecord, EventType, SensorType, Severity};
use std::collections::VecDeque;
use std::net::IpAddr;

/// Most events; then the oldest gives way.
pub(crate) const MAX_EVENTS: usize = 390;
/// Most audit records; then the oldest gives way.
const MAX_AUDITS: usize = 256;

// The firmware's own numbers, not the library's.
const SPECIFIC: u8 = 0x6f;
const FIRMWARE: u8 = 0x68;
/// Marks data that the firmware itself wrote.
const OWN: u8 = 0xaa;
const BIOS: u8 = 34;
const ENGINE: u8 = 38;

/// Both logs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logs {
    events: VecDeque<[u8; EventRecord::LEN]>,
    pub(crate) frozen: bool,
    audits: VecDeque<Vec<u8>>,
    failed_logins: u16,
}

impl Logs {
    /// Newest first, as firmware tells them.
    pub(crate) fn events(&self) -> impl ExactSizeIterator<Item = &[u8; EventRecord::LEN]> {
        self.events.iter()
    }

    pub(crate) fn clear_events(&mut self) {
        self.events.clear();
    }

    /// Oldest first.
    pub(crate) fn audits(&self) -> impl ExactSizeIterator<Item = &Vec<u8>> {
        self.audits.iter()
    }

    fn event(&mut self, record: &EventRecord) {
        if self.frozen {
            return;
        }
        self.events.truncate(MAX_EVENTS - 1);
        self.events.push_front(record.encode());
    }

    fn audit(&mut self, record: &AuditRecord) {
        if self.audits.len() == MAX_AUDITS {
            self.audits.pop_front();
        }
        self.audits.push_back(record.encode());
    }
}

fn record(time: u32, sensor: u8, offset: u8, severity: u8, entity: u8, data: &[u8]) -> EventRecord {
    let mut all = [0; 8];
    all[..data.len()].copy_from_slice(data);
    EventRecord {
        time,
        device_address: 0xff,
        sensor_type: SensorType(sensor),
        event_type: EventType(SPECIFIC),
        offset,
        source_type: FIRMWARE,
        severity: Severity(severity),
        sensor_number: 0xff,
        entity: Entity(entity),
        entity_instance: 0,
        data: all,
    }
}

impl Device {
    fn seconds(&self, now: Tick) -> u32 {
        u32::try_from(self.clock(now)).unwrap_or(0)
    }

    /// The BIOS hands over to what it boots.
    pub(crate) fn log_boot(&mut self, now: Tick) {
        let time = self.seconds(now);
        self.logs.event(&record(time, 15, 2, 1, BIOS, &[0x40, 1]));
        self.logs.event(&record(time, 15, 2, 1, BIOS, &[0x40, 19]));
    }

    /// A wrong password or an unknown user; the event tells how many there were since the last login.
    pub(crate) fn log_failed_login(&mut self, now: Tick, user: &str, peer: Option<IpAddr>) {
        self.logs.failed_logins = self.logs.failed_logins.saturating_add(1);
        let [low, high] = self.logs.failed_logins.to_le_bytes();
        let time = self.seconds(now);
        self.logs.event(&record(time, 6, 1, 8, ENGINE, &[OWN, low, high]));
        self.audit(now, (16, 5), Initiator::Digest(user.as_bytes().to_vec()), peer);
    }

    pub(crate) fn log_login(&mut self) {
        self.logs.failed_logins = 0;
    }

    /// A setup server was let in.
    pub(crate) fn log_provisioning(&mut self, now: Tick, peer: Option<IpAddr>) {
        self.audit(now, (16, 0), Initiator::Digest(b"admin".to_vec()), peer);
    }

    /// A call was carried out: written down if it is one of those that are audited.
    pub(super) fn log_call(&mut self, call: &Call<'_>, class: &str, method: &str, before: Phase) {
        let Some(what) = audited(call, class, method, before) else { return };
        let caller = &call.caller;
        let local = caller.local || caller.user.is_empty();
        let who = if local { Initiator::Local } else { Initiator::Digest(caller.user.as_bytes().to_vec()) };
        self.audit(call.now, what, who, caller.peer);
    }

    fn audit(&mut self, now: Tick, (application, event): (u16, u16), initiator: Initiator, peer: Option<IpAddr>) {
        if !self.settings.audit_policy.records(application, event) {
            return;
        }
        let location = match peer {
            Some(IpAddr::V4(_)) => 0,
            Some(IpAddr::V6(_)) => 1,
            None => 2,
        };
        let address = peer.map(|peer| peer.to_string().into_bytes()).unwrap_or_default();
        let time = self.seconds(now);
        self.logs.audit(&AuditRecord { application, event, initiator, time, location, address, extra: Vec::new() });
    }
}

/// Part of the firmware and event, for a call that was carried out.
fn audited(call: &Call<'_>, class: &str, method: &str, before: Phase) -> Option<(u16, u16)> {
    Some(match (class, method) {
        ("AMT_SetupAndConfigurationService", "CommitChanges") if before != Phase::Post => (16, 1),
        ("AMT_AuditPolicyRule", "SetAuditPolicyBulk") => (20, 1),
        ("IPS_HostBasedSetupService", "Setup" | "AdminSetup") => (16, 1),
        ("AMT_AuthorizationService", "AddUserAclEntryEx") => (16, 2),
        ("AMT_AuthorizationService", "SetAdminAclEntryEx") => (16, 3),
        ("AMT_AuthorizationService", "RemoveUserAclEntry") => (16, 4),
        ("AMT_AuthorizationService", "SetAclEnabledState") => (16, 6),
        ("AMT_TLSSettingData", "Put") => (16, 7),
        ("AMT_TLSCredentialContext", "Create" | "Put") => (16, 8),
        ("AMT_TLSCredentialContext", "Delete") => (16, 9),
        ("AMT_PublicKeyManagementService", "AddTrustedRootCertificate") => (16, 10),
        ("AMT_SetupAndConfigurationService", "SetTLSPSK") => (16, 12),
        ("IPS_HostBasedSetupService", "UpgradeClientToAdmin") => (16, 18),
        ("AMT_SetupAndConfigurationService", "Unprovision" | "PartialUnprovision") => (16, 19),
        ("CIM_PowerManagementService", "RequestPowerStateChange") => (17, power(call.input.u32("PowerState")?)?),
        ("AMT_BootSettingData", "Put") => (17, 4),
        ("AMT_TimeSynchronizationService", "SetHighAccuracyTimeSynch") => (21, 0),
        ("AMT_EthernetPortSettings", "Put") => (22, 0),
        ("AMT_GeneralSettings", "Put") => (22, 1),
        ("AMT_MessageLog", "ClearLog") => (24, 2),
        ("AMT_MessageLog", "FreezeLog") if call.input.bool("Freeze") == Some(true) => (24, 3),
        _ => return None,
    })
}

const fn power(state: u32) -> Option<u16> {
    Some(match state {
        2 => 0,
        8 => 1,
        5 => 2,
        10 => 3,
        12 => 5,
        14 => 6,
        4 => 7,
        7 => 8,
        11 => 9,
        _ => return None,
    })
}
