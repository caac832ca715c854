//! `audit`: `AMT_AuditPolicyRule` (`spec/wsman.md` §3.12).

use super::{Run, refused};
use crate::profile::AuditEvents;
use amt_core::Failure;
use amt_wsman::class::Class;
use amt_wsman::class::amt::AuditPolicyRule;
use amt_wsman::op::Request;

const FIELD: &str = "audit";
/// What concerns the log itself; firmware refuses to leave it out.
const AUDIT_LOG: u16 = 20;

/// Number of a part of the firmware, and the events of it that firmware lists.
const fn part(events: AuditEvents) -> (u16, &'static [u16]) {
    match events {
        AuditEvents::SecurityAdministration => (16, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 18, 19]),
        AuditEvents::RemoteControl => (17, &[0, 1, 2, 3, 4]),
        AuditEvents::Redirection => (18, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        AuditEvents::FirmwareUpdate => (19, &[0, 1]),
        AuditEvents::NetworkTime => (21, &[0]),
        AuditEvents::Wireless => (27, &[3, 4]),
        AuditEvents::Kvm => (29, &[0, 1, 2, 3, 4]),
        AuditEvents::UserConsent => (30, &[0, 1, 2]),
    }
}

impl Run {
    pub(super) async fn audit(&mut self) -> Result<(), Failure> {
        let Some(audit) = self.profile().audit.clone() else { return Ok(()) };
        let Some(enabled) = audit.enabled else { return Ok(()) };
        let Some(instance) = self.read(Request::get(AuditPolicyRule::NAME)).await? else {
            self.lacks(FIELD, "the firmware has no policy of its audit log");
            return Ok(());
        };
        let has: Vec<(u16, u16)> = instance
            .texts("AuditApplicationEventID")
            .iter()
            .filter_map(|text| text.trim().parse::<u32>().ok())
            .filter_map(|id| Some((u16::try_from(id >> 16).ok()?, u16::try_from(id & 0xffff).ok()?)))
            .filter(|(application, _)| *application != AUDIT_LOG)
            .collect();
        let wanted = if enabled { audit.events.as_deref().unwrap_or(AuditEvents::ALL) } else { &[] };
        let wanted: Vec<(u16, u16)> = wanted
            .iter()
            .flat_map(|events| {
                let (application, events) = part(*events);
                events.iter().map(move |event| (application, *event))
            })
            .collect();
        let missing: Vec<_> = wanted.iter().filter(|event| !has.contains(event)).copied().collect();
        let surplus: Vec<_> = has
            .iter()
            .filter(|(application, _)| !wanted.iter().any(|(other, _)| other == application))
            .copied()
            .collect();
        if missing.is_empty() && surplus.is_empty() || !self.change(FIELD, described(&has), described(&wanted)) {
            return Ok(());
        }
        for (events, on) in [(missing, true), (surplus, false)] {
            for application in applications(&events) {
                let of_it: Vec<u16> =
                    events.iter().filter(|(other, _)| *other == application).map(|(_, event)| *event).collect();
                let request = AuditPolicyRule::set_policy(application, &of_it, on);
                let field = format!("{FIELD}.events ({})", name(application));
                self.write(request).await.map_err(|error| refused(&field, error))?;
            }
        }
        Ok(())
    }
}

/// The parts of the firmware in a list of events, each once.
fn applications(events: &[(u16, u16)]) -> Vec<u16> {
    let mut all: Vec<u16> = events.iter().map(|(application, _)| *application).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// `16 (18 events)`, by name.
fn described(events: &[(u16, u16)]) -> String {
    let of = |application| events.iter().filter(|(other, _)| *other == application).count();
    let parts: Vec<String> =
        applications(events).into_iter().map(|it| format!("{} ({} events)", name(it), of(it))).collect();
    parts.join(", ")
}

fn name(application: u16) -> String {
    let known = amt_core::audit_log::application_name(application);
    known.map_or_else(|| application.to_string(), str::to_owned)
}
