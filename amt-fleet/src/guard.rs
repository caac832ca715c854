//! Whether a machine is somebody's already: evidence of use, and records that contradict each other about who is who.
//!
//! Strong evidence parks a machine that is not ours yet. Any evidence, weak too, keeps boot actions from firing: a machine
//! that is imaged by mistake is lost, one that waits for an administrator is not.

use crate::fact::{FactKey, FactSource, Facts};
use crate::words::words;
use crate::{Fact, Machine};
use amt_core::SystemId;
use std::time::{Duration, SystemTime};

words! {
    /// What speaks for a machine being in use.
    EvidenceKind {
        /// We provisioned it before. Strong.
        Record = "record",
        /// The firmware keeps a record of a provisioning that was not ours. Strong.
        ProvisioningRecord = "provisioning-record",
        /// The firmware knows the name of an operating system on it. Strong.
        HostOsFqdn = "host-os-fqdn",
        /// An agent in an installed operating system was heard lately. Strong.
        AgentFact = "agent-fact",
        /// It says that its admin credentials are set. Weak: every hello recorded from real machines says so, a password typed
        /// into the setup menu is enough.
        CredentialsSet = "credentials-set",
    }
}

impl EvidenceKind {
    /// Whether it alone parks a machine.
    pub const fn is_strong(self) -> bool {
        !matches!(self, Self::CredentialsSet)
    }
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// What sort.
    pub kind: EvidenceKind,
    /// In words.
    pub text: String,
    /// Since when it is known.
    pub at: SystemTime,
}

/// How evidence is weighed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuardPolicy {
    /// How long a word from an agent in an installed system counts.
    pub recent: Duration,
    /// After this time a provisioned machine is taken to be in use.
    pub settled: Duration,
    /// Whether strong evidence parks a machine; without, it is only written into the diary.
    pub park: bool,
}

impl Default for GuardPolicy {
    fn default() -> Self {
        Self { recent: Duration::from_secs(7 * 24 * 3600), settled: Duration::from_secs(3600), park: true }
    }
}

impl GuardPolicy {
    /// All that speaks for this machine being in use at `now`, in the order of [`EvidenceKind`].
    pub fn evidence(&self, machine: &Machine, facts: &Facts, now: SystemTime) -> Vec<Evidence> {
        let mut all = Vec::new();
        let mut add = |kind, text: String, at| all.push(Evidence { kind, text, at });
        if let Some((text, at)) = self.record(machine, now) {
            add(EvidenceKind::Record, text, at);
        }
        for fact in facts.about(FactKey::ProvisioningRecord) {
            let text = format!("the firmware keeps a provisioning record that is not ours: {}", fact.value);
            add(EvidenceKind::ProvisioningRecord, text, fact.since);
        }
        for fact in facts.about(FactKey::Fqdn).filter(|f| f.source == FactSource::Wsman) {
            let text = format!("the firmware knows an operating system named {} on it", fact.value);
            add(EvidenceKind::HostOsFqdn, text, fact.since);
        }
        if let Some(fact) = self.agent(facts, now) {
            let name = facts.value(FactKey::Fqdn).or(facts.value(FactKey::HostName)).unwrap_or("no name");
            let text = format!("an agent in an installed operating system reported ({name})");
            add(EvidenceKind::AgentFact, text, fact.at);
        }
        if let Some(fact) = facts.about(FactKey::CredentialsSet).find(|f| f.value == "true") {
            add(EvidenceKind::CredentialsSet, "it says that its admin credentials are already set".into(), fact.since);
        }
        all
    }

    /// A machine that was provisioned again, or long ago. The provisioning that has just ended is no evidence of use.
    fn record(&self, machine: &Machine, now: SystemTime) -> Option<(String, SystemTime)> {
        let first = machine.first_verified_at?;
        let again = machine.verified_at.is_none_or(|last| last > first);
        let settled = now.duration_since(first).is_ok_and(|age| age > self.settled);
        (again || settled).then(|| ("this server has provisioned it before".to_owned(), first))
    }

    fn agent<'a>(&self, facts: &'a Facts, now: SystemTime) -> Option<&'a Fact> {
        let environment = facts.from_source(FactKey::Environment, FactSource::Agent).map(|f| f.value.as_str());
        if environment == Some("live") {
            return None;
        }
        let recent = |fact: &&Fact| now.duration_since(fact.at).is_ok_and(|age| age <= self.recent) || fact.at > now;
        facts.iter().filter(|f| f.source == FactSource::Agent).filter(recent).max_by_key(|f| f.at)
    }
}

words! {
    /// How records contradict each other about which machine is which.
    ConflictKind {
        /// Two machines say hello with one UUID.
        UuidTwice = "UUID-TWICE",
        /// One UUID is said to be on boards with different interfaces.
        UuidOtherBoard = "UUID-OTHER-BOARD",
        /// An interface of this machine is recorded under another UUID: the UUID was changed, or the board re-used.
        MacElsewhere = "MAC-ELSEWHERE",
        /// The name belongs to a machine with another board: it was swapped, or the computer replaced.
        NameElsewhere = "NAME-ELSEWHERE",
    }
}

/// Why a machine is parked whose setup was taken back.
pub(crate) const TAKEN_BACK: &str = "TAKEN-BACK";

/// What to do about it.
pub(crate) const TAKEN_BACK_HINT: &str =
    "nothing, if it shall stay so; `amt fleet release UUID` has it set up again at its next hello";

/// The same in words.
pub(crate) fn taken_back(extent: &str, by: &str) -> String {
    let extent = if extent == "partial" { "in part" } else { "in full" };
    format!("its setup was taken back {extent} by {by}")
}

/// A contradiction, to be settled by somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// What sort.
    pub kind: ConflictKind,
    /// The other machine, where there is one with a UUID of its own.
    pub other: Option<SystemId>,
    /// In words.
    pub text: String,
}

impl ConflictKind {
    /// What to do about it.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::UuidTwice => {
                "give one of them a UUID of its own with the maker's tool, or name the one that is meant: \
                 `amt fleet release UUID --address ADDRESS`"
            }
            Self::UuidOtherBoard => {
                "look at `amt fleet show UUID`: if the board was replaced, `amt fleet forget-facts UUID --source SOURCE` ends the \
                 outdated word; if two machines share the UUID, have one of them changed with the maker's tool"
            }
            Self::MacElsewhere | Self::NameElsewhere => {
                "if it is the same computer, hand the old record over with `amt fleet rebind OLD NEW`; if not, \
                 `amt fleet release UUID`"
            }
        }
    }
}

/// Sources that name interfaces of this machine and have none in common: they speak of different boards.
pub(crate) fn other_board(facts: &Facts) -> Option<Conflict> {
    let of = |source| facts.about(FactKey::Mac).filter(move |f| f.source == source).map(|f| f.value.as_str());
    let sources = [FactSource::Wsman, FactSource::Agent, FactSource::List, FactSource::Operator];
    let told: Vec<(FactSource, Vec<&str>)> =
        sources.iter().map(|s| (*s, of(*s).collect::<Vec<_>>())).filter(|(_, macs)| !macs.is_empty()).collect();
    for (at, (source, macs)) in told.iter().enumerate() {
        for (other, others) in told.iter().skip(at + 1) {
            if !macs.iter().any(|mac| others.contains(mac)) {
                let text = format!(
                    "{source} says its interfaces are {}, {other} says {}: these are two boards",
                    macs.join(" "),
                    others.join(" ")
                );
                return Some(Conflict { kind: ConflictKind::UuidOtherBoard, other: None, text });
            }
        }
    }
    None
}
