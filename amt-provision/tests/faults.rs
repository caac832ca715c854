//! A cut, a stall or garbage at every message of the procedure, both ways: each ends in "provisioned" or in the error that
//! this message and this fault should give, and the next hello finishes the job.

use crate::support::World;
use amt_core::ErrorCode;
use amt_provision::Step;
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use std::time::Duration;

/// Requests in the order of the procedure, with the steps that make them.
fn requests() -> Vec<String> {
    let mut world = World::new();
    world.attempt(None).result.unwrap().unwrap();
    let mut labels = Vec::new();
    for line in world.firmware.truth(world.now).request_log {
        let label = line.split_whitespace().find(|word| word.contains('.')).unwrap_or(&line).to_owned();
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    labels
}

/// The stage that an error at this request must name. Requests that several steps make name any of theirs.
fn stages(label: &str) -> &'static [Step] {
    match label {
        "AMT_SetupAndConfigurationService.Get" => &[Step::ReadState, Step::Prove],
        "AMT_SetupAndConfigurationService.GetUuid" => &[Step::ReadState],
        "AMT_GeneralSettings.Get" => &[Step::ReadFacts],
        "AMT_SetupAndConfigurationService.SetMEBxPassword" => &[Step::SetMebxPassword],
        "AMT_AuthorizationService.SetAdminAclEntryEx" => &[Step::SetAdminPassword],
        "AMT_TimeSynchronizationService.GetLowAccuracyTimeSynch"
        | "AMT_TimeSynchronizationService.SetHighAccuracyTimeSynch" => &[Step::SetClock],
        "AMT_GeneralSettings.Put" => &[Step::SetNames],
        "AMT_PublicKeyCertificate.Enumerate" | "AMT_PublicKeyCertificate.Pull" => &[Step::ReadKeys],
        "AMT_PublicPrivateKeyPair.Enumerate" | "AMT_PublicPrivateKeyPair.Pull" => &[Step::ReadKeys],
        "AMT_PublicKeyManagementService.GenerateKeyPair" | "AMT_PublicPrivateKeyPair.Get" => &[Step::GenerateKey],
        "AMT_PublicKeyManagementService.GeneratePKCS10RequestEx" => &[Step::SignRequest],
        "AMT_PublicKeyManagementService.AddCertificate" => &[Step::AddCertificate],
        "AMT_TLSCredentialContext.Enumerate" | "AMT_TLSCredentialContext.Pull" | "AMT_TLSCredentialContext.Create" => {
            &[Step::BindCertificate]
        }
        "AMT_TLSSettingData.Enumerate" | "AMT_TLSSettingData.Pull" | "AMT_TLSSettingData.Put" => &[Step::SetTls],
        // A commit that never arrived shows in the proof: the machine does not come back as another.
        "AMT_SetupAndConfigurationService.CommitChanges" => &[Step::Commit, Step::Prove],
        "IPS_HostBasedSetupService.Get" => &[Step::Prove],
        other => panic!("no stage is stated for {other}: add it to the table"),
    }
}

/// The codes that this fault may give, whichever request it hits.
fn codes(direction: Direction, kind: FaultKind) -> &'static [ErrorCode] {
    match (direction, kind) {
        // The request was cut or never answered: the connection ended before a reply.
        (_, FaultKind::Reset) | (Direction::In, FaultKind::Truncate) => &[ErrorCode::CONNECTION_CLOSED],
        // Half a reply.
        (Direction::Out, FaultKind::Truncate) => &[ErrorCode::REPLY_TRUNCATED],
        (_, FaultKind::Stall) => &[ErrorCode::REPLY_TIMEOUT],
        // A damaged request is refused by the firmware, by its web server or its SOAP layer, or waited for in vain.
        (Direction::In, FaultKind::Garbage) => &[
            ErrorCode::NOT_SOAP,
            ErrorCode::SOAP_FAULT,
            ErrorCode::HTTP_STATUS,
            ErrorCode::ADMIN_PASSWORD_UNKNOWN,
            ErrorCode::WRONG_OR_LOCKED,
            ErrorCode::REPLY_TIMEOUT,
            ErrorCode::CONNECTION_CLOSED,
            ErrorCode::COMMIT_REFUSED,
        ],
        // A damaged reply: no HTTP, no XML, another envelope, or a value that is not one.
        (Direction::Out, FaultKind::Garbage) => &[
            ErrorCode::HTTP_MALFORMED,
            ErrorCode::HTTP_STATUS,
            ErrorCode::XML_MALFORMED,
            ErrorCode::XML_REFUSED,
            ErrorCode::SOAP_UNEXPECTED,
            ErrorCode::SOAP_FAULT,
            ErrorCode::NOT_SOAP,
            ErrorCode::PROPERTY,
            ErrorCode::REPLY_TRUNCATED,
            ErrorCode::REPLY_TIMEOUT,
            ErrorCode::REALM_MISMATCH,
            ErrorCode::WRONG_MACHINE,
            ErrorCode::CSR_INVALID,
            ErrorCode::REPLY_TOO_LARGE,
        ],
        other => panic!("no code is stated for {other:?}"),
    }
}

#[test]
fn every_fault_at_every_message_gives_its_error_and_the_next_hello_finishes() {
    let mut runs = 0;
    for label in requests() {
        for direction in [Direction::In, Direction::Out] {
            for kind in [FaultKind::Reset, FaultKind::Truncate, FaultKind::Stall, FaultKind::Garbage] {
                let what = format!("{label} {direction:?} {kind:?}");
                let mut world = World::new();
                world.fault(Fault::once(Place::Label(label.clone()), direction, kind));
                let attempt = world.attempt(None);
                if let Err(failure) = attempt.result.as_ref().unwrap() {
                    let stage = stages(&label).iter().any(|s| s.name() == failure.stage);
                    assert!(stage, "{what}: stage of {failure}");
                    let lost_commit = failure.code == ErrorCode::PROOF_FAILED && failure.stage == Step::Prove.name();
                    let stated = codes(direction, kind).contains(&failure.code);
                    assert!(stated || lost_commit && label.ends_with("CommitChanges"), "{what}: code of {failure}");
                }
                finish(&mut world, &what);
                runs += 1;
            }
        }
    }
    assert!(runs > 150, "only {runs} runs: the list of requests is not whole");
}

#[test]
fn every_fault_of_the_handshake_gives_its_error_and_the_next_hello_finishes() {
    for direction in [Direction::In, Direction::Out] {
        for (kind, code) in [
            (FaultKind::Reset, ErrorCode::CONNECTION_RESET),
            (FaultKind::Stall, ErrorCode::TLS_HANDSHAKE),
            (FaultKind::Garbage, ErrorCode::TLS_HANDSHAKE),
        ] {
            let mut world = World::new();
            world.fault(Fault::once(Place::Handshake, direction, kind));
            let attempt = world.attempt(None);
            let failure = attempt.failure();
            assert_eq!((failure.code, &*failure.stage), (code, "connect"), "{direction:?} {kind:?}");
            finish(&mut world, "handshake");
        }
    }
}

#[test]
fn random_faults_never_lose_a_credential() {
    for seed in 0..300 {
        let mut world = World::with(|m| m.faults = amt_sim::fault::FaultPlan::random(seed, 2));
        let mut last = None;
        for _ in 0..60 {
            let attempt = world.attempt(None);
            world.assert_reachable("after an attempt");
            last = attempt.result;
            if matches!(last, Some(Ok(_))) {
                break;
            }
            world.wait(Duration::from_secs(40));
        }
        assert!(world.record().is_some_and(|r| r.verified), "seed {seed}: {last:?}");
    }
}

/// The next hellos: a machine that is restarting or locks its account for a while needs more than one.
fn finish(world: &mut World, what: &str) {
    let mut last = None;
    for _ in 0..6 {
        if world.record().is_some_and(|r| r.verified) {
            return;
        }
        world.wait(Duration::from_secs(40));
        last = world.attempt(None).result;
    }
    assert!(world.record().is_some_and(|r| r.verified), "{what}: not finished: {last:?}");
}
