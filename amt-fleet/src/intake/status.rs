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
