//! Which events the audit log records.

use crate::persona::Persona;
use std::collections::BTreeMap;

/// The log itself: always recorded.
const AUDIT_LOG: u16 = 20;
/// Parts of the firmware that came with AMT 6: KVM and consent.
const SINCE_KVM: &[u16] = &[29, 30];

/// Parts of the firmware and their events, as a real machine listed them.
const KNOWN: &[(u16, &[u16])] = &[
    (16, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 18, 19]),
    (17, &[0, 1, 2, 3, 4]),
    (18, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    (19, &[0, 1]),
    (AUDIT_LOG, &[0, 1, 2, 3, 4, 5]),
    (21, &[0]),
    (27, &[3, 4]),
    (29, &[0, 1, 2, 3, 4]),
    (30, &[0, 1, 2]),
];

/// The events that are recorded, and whether each is critical. From the factory all of them, as in the recorded reply; that it was a factory's
/// is not documented.
#[derive(Clone, Debug)]
pub(crate) struct AuditPolicy(BTreeMap<u32, bool>);

impl AuditPolicy {
    pub(crate) fn factory(persona: &Persona) -> Self {
        let known = KNOWN.iter().filter(|(application, _)| has(persona, *application));
        Self(
            known
                .flat_map(|(application, events)| events.iter().map(|event| (id(*application, *event), false)))
                .collect(),
        )
    }

    /// In the order of their numbers.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u32, bool)> {
        self.0.iter().map(|(event, critical)| (*event, *critical))
    }

    /// What concerns the log itself is recorded whatever the policy; so are events that no policy is known for.
    pub(crate) fn records(&self, application: u16, event: u16) -> bool {
        !is_known(application, event) || application == AUDIT_LOG || self.0.contains_key(&id(application, event))
    }

    /// False for an event that this firmware does not have, and for one that is always recorded and shall not be.
    pub(crate) fn set(&mut self, persona: &Persona, application: u16, event: u16, on: bool, critical: bool) -> bool {
        if !is_known(application, event) || !has(persona, application) || (application == AUDIT_LOG && !on) {
            return false;
        }
        if on {
            self.0.insert(id(application, event), critical);
        } else {
            self.0.remove(&id(application, event));
        }
        true
    }
}

fn id(application: u16, event: u16) -> u32 {
    u32::from(application) << 16 | u32::from(event)
}

fn is_known(application: u16, event: u16) -> bool {
    KNOWN.iter().any(|(known, events)| *known == application && events.contains(&event))
}

fn has(persona: &Persona, application: u16) -> bool {
    persona.version.major >= 6 || !SINCE_KVM.contains(&application)
}
