//! What a machine's own client may know of how it fares.
//!
//! Written from stable words only. The full texts of the diary and of failures may name other machines, addresses and what the
//! firmware said; they are for the administrator.

use super::wire::{Stage, Status};
use crate::{Machine, MachineState};
use sha2::{Digest as _, Sha256};

/// Revisions stay exact in programs that know no other numbers than floating ones.
const REVISION_BITS: u32 = 52;

/// The status of `machine`.
pub(super) fn of(machine: &Machine) -> Status {
    let (stage, message, hint) = words(machine);
    let mut status = Status {
        uuid: machine.id,
        stage,
        message,
        hint: hint.to_owned(),
        name: machine.name(),
        profile: machine.profile.clone(),
        control_mode: machine.control_mode.clone(),
        revision: 0,
        done: machine.is_verified() && !machine.redo && machine.wanted.is_none(),
    };
    status.revision = revision(&status);
    status
}

fn words(machine: &Machine) -> (Stage, String, &'static str) {
    let heard = machine.hello_at.is_some();
    let failure = |text: &str| match &machine.failure {
        Some(failure) => (format!("{text}: {}", failure.code), failure.code.hint()),
        None => (text.to_owned(), ""),
    };
    match machine.state {
        MachineState::Verified => match &machine.wanted {
            Some(_) => (Stage::Verified, "provisioned and proven; its final name comes next".to_owned(), ""),
            None => (Stage::Verified, "provisioned and proven".to_owned(), ""),
        },
        MachineState::Parked => {
            let code = machine.parked.as_ref().map_or("UNKNOWN", |parked| parked.code.as_str());
            (Stage::Parked, parked(code), "ask the administrator: `amt fleet show UUID` tells the reason")
        }
        MachineState::Failed => {
            let (text, hint) = failure("the last attempt failed");
            (Stage::Failed, text, hint)
        }
        MachineState::Waiting => {
            let (text, hint) = failure(&format!("attempt {} failed, the next comes by itself", machine.attempts));
            (Stage::Waiting, text, hint)
        }
        MachineState::Working => match machine.step {
            Some(step) => (Stage::Working, format!("being provisioned: {step}"), ""),
            None => (Stage::Heard, "it said hello, provisioning is about to begin".to_owned(), ""),
        },
        MachineState::Known if heard => (Stage::Heard, "it said hello".to_owned(), ""),
        MachineState::Known => (
            Stage::Reported,
            "the report is taken; the machine has not said hello yet".to_owned(),
            "see that AMT is enabled, has a network cable and finds the setup server: `amt doctor` there checks it",
        ),
    }
}

fn parked(code: &str) -> String {
    let why = match code {
        "UNKNOWN" => "the server does not know it",
        "IN-USE" => "it seems to be in use already",
        "RESOLVER" => "the server's rules say so",
        "UUID-TWICE" | "UUID-OTHER-BOARD" => "its UUID does not tell it from another machine",
        "MAC-ELSEWHERE" | "NAME-ELSEWHERE" => "the server's records of it contradict each other",
        _ => "the administrator has to decide",
    };
    format!("not let in: {why} ({code})")
}

/// Of all that is told: it differs when anything does, in every process and after every restart.
fn revision(status: &Status) -> u64 {
    // A status of strings and flags is always written.
    let text = serde_json::to_vec(status).unwrap_or_default();
    let digest = Sha256::digest(text);
    let bytes = digest.first_chunk::<8>().copied().unwrap_or_default();
    u64::from_be_bytes(bytes) >> (u64::BITS - REVISION_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{KEY_LEN, SealKey};
    use crate::{Fleet, KnownMachine, Name, Parked};
    use amt_core::{ErrorCode, Failure, Secret, SystemId};
    use amt_provision::Step;
    use std::time::SystemTime;

    async fn machine() -> (tempfile::TempDir, Machine) {
        let folder = tempfile::tempdir().unwrap();
        let fleet =
            Fleet::open(folder.path().join("fleet.db"), SealKey::new(&Secret::new([1; KEY_LEN]))).await.unwrap();
        let id = SystemId::from_wire([7; 16]);
        fleet.import(vec![KnownMachine::new(id)]).await.unwrap();
        let machine = fleet.machine(id).await.unwrap();
        (folder, machine)
    }

    #[tokio::test]
    async fn every_state_has_its_stage_and_only_a_proof_is_done() {
        let (_folder, mut machine) = machine().await;
        let mut revisions = std::collections::BTreeSet::new();
        let mut is = |machine: &Machine, stage, done| {
            let status = of(machine);
            assert_eq!((status.stage, status.done), (stage, done), "{status:?}");
            assert!(revisions.insert(status.revision) && status.revision < 1 << REVISION_BITS);
            assert_eq!(of(machine), status);
        };
        is(&machine, Stage::Reported, false);
        machine.hello_at = Some(SystemTime::now());
        is(&machine, Stage::Heard, false);
        machine.state = MachineState::Parked;
        is(&machine, Stage::Parked, false);
        machine.state = MachineState::Working;
        is(&machine, Stage::Heard, false);
        machine.step = Some(Step::SetAdminPassword);
        is(&machine, Stage::Working, false);
        machine.state = MachineState::Waiting;
        is(&machine, Stage::Waiting, false);
        machine.state = MachineState::Failed;
        is(&machine, Stage::Failed, false);
        machine.state = MachineState::Verified;
        is(&machine, Stage::Verified, true);
        machine.wanted = Some(Name { host: "pc1".into(), domain: None });
        is(&machine, Stage::Verified, false);
        (machine.wanted, machine.redo) = (None, true);
        is(&machine, Stage::Verified, false);
    }

    #[tokio::test]
    async fn texts_for_the_administrator_are_not_told() {
        let (_folder, mut machine) = machine().await;
        let other = "00112233-4455-6677-8899-aabbccddeeff at 10.9.8.7";
        machine.state = MachineState::Parked;
        machine.parked = Some(Parked { code: "MAC-ELSEWHERE".into(), reason: other.into(), hint: other.into() });
        let parked = of(&machine);
        machine.state = MachineState::Failed;
        machine.failure = Some(Failure::new(ErrorCode::WRONG_MACHINE, "connect", other).hint(other));
        let failed = of(&machine);
        machine.state = MachineState::Waiting;
        for status in [parked, failed, of(&machine)] {
            let text = serde_json::to_string(&status).unwrap();
            assert!(!text.contains("00112233") && !text.contains("10.9.8.7"), "{text}");
            assert!(text.contains("MAC-ELSEWHERE") || text.contains("WRONG_MACHINE"), "{text}");
            assert!(!status.hint.is_empty());
        }
    }
}
