//! A machine that is set up gets another name: whatever is lost on the way, it ends with the new names, the new certificate and
//! nothing of the old ones.

use crate::support::{Crash, SUFFIX, World, assert_known, assert_replaced, at, count, issue, secret, served, truth};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, SystemId};
use amt_provision::remote::Candidate;
use amt_provision::rename::RenameRecord;
use amt_provision::{CaAnswer, Event, Stage, Step, csr};
use amt_sim::fault::{Direction, FaultKind, FaultPlan};
use amt_sim::firmware::MAX_AUDIT;
use amt_sim::persona::CommitReply;
use amt_wsman::class::Class;
use amt_wsman::class::amt::GeneralSettings;
use amt_wsman::op::Request;
use std::sync::Arc;
use std::time::Duration;

const NEW: &str = "desk7.example.com";
const COMMIT: &str = "AMT_SetupAndConfigurationService.CommitChanges";
const KEY: &str = "AMT_PublicKeyManagementService.GenerateKeyPair";
const DELETE: &str = "AMT_PublicKeyCertificate.Delete";

/// What must hold when the rename is done.
fn assert_renamed(world: &World, to: &str, what: &str) {
    let truth = truth(world);
    assert_eq!(format!("{}.{}", truth.host_name, truth.domain_name), to, "{what}");
    assert!(csr::is_for(&served(world), to), "{what}: it serves a certificate for another name");
    assert_replaced(world, &world.rename_record().replacement, what);
}

/// Attempts until it is done.
fn finish(world: &mut World, what: &str) {
    let mut last = None;
    for _ in 0..6 {
        let result = world.rename(None).result.unwrap();
        if result.is_ok() {
            return assert_renamed(world, NEW, what);
        }
        last = Some(result);
        world.wait(Duration::from_secs(40));
    }
    panic!("{what}: not finished: {last:?}");
}

#[test]
fn names_and_certificate_are_renewed_and_the_old_ones_removed_after_the_proof() {
    let mut world = World::provisioned(|_| {});
    let (before, old) = (truth(&world), served(&world));
    let attempt = world.rename(None);
    let renamed = attempt.result.as_ref().unwrap().as_ref().unwrap();
    assert!(renamed.changed);
    assert_eq!((renamed.host_name.as_str(), renamed.domain_name.as_deref()), ("desk7", Some(SUFFIX)));
    assert_eq!(renamed.certificate, served(&world));
    assert_ne!(renamed.certificate, old);
    let mut steps = attempt.steps();
    steps.dedup();
    assert_eq!(
        steps,
        [
            Step::Connect,
            Step::ReadState,
            Step::ReadFacts,
            Step::ReadKeys,
            Step::GenerateKey,
            Step::SignRequest,
            Step::Certify,
            Step::AddCertificate,
            Step::SetNames,
            Step::BindCertificate,
            Step::Commit,
            Step::Prove,
            Step::Connect,
            Step::ReadState,
            Step::Tidy,
            Step::Done
        ]
    );
    assert_renamed(&world, NEW, "at once");
    let after = truth(&world);
    assert_eq!(count(&after, COMMIT) - count(&before, COMMIT), 1);
    assert_eq!(count(&after, KEY) - count(&before, KEY), 1);
    assert_eq!(after.refusal_total, before.refusal_total, "{:?}", after.refusals);
    assert_ne!(after.keys[0].public_key, before.keys[0].public_key, "a new key pair");
    let asked = world.server.ca.asked.last().unwrap();
    assert_eq!(
        (asked.common_name.as_str(), asked.dns_names.as_slice()),
        (NEW, &[NEW.to_owned(), "desk7".to_owned()][..])
    );

    let again = world.rename(None);
    assert!(again.result.unwrap().unwrap().changed && again.outputs == 2, "a rename that is done is not done again");
    assert_eq!(truth(&world).request_total, after.request_total);
}

#[test]
fn a_machine_that_fits_already_is_left_as_it_is() {
    let mut world = World::provisioned(|_| {});
    let (before, old) = (truth(&world), served(&world));
    let record = RenameRecord::new(world.firmware.id(), "PC1".to_owned(), None);
    let access = world.access();
    let renamed = world.rename_by(access, record, None).result.unwrap().unwrap();
    assert!(!renamed.changed);
    assert_eq!((renamed.domain_name.as_deref(), renamed.certificate), (Some(SUFFIX), old));
    let after = truth(&world);
    assert_eq!((after.commits, &after.certificates, &after.keys), (before.commits, &before.certificates, &before.keys));
    assert_eq!(count(&after, "AMT_GeneralSettings.Put"), count(&before, "AMT_GeneralSettings.Put"));
    assert_eq!(world.rename_record().replacement.stage, Stage::Done);
}

/// A machine whose names were changed by hand, and its rename back to what its certificate says.
fn stray() -> World {
    let mut world = World::provisioned(|_| {});
    let mut general = world.call(&GeneralSettings::get()).instance().unwrap().clone();
    general.set("HostName", "stray");
    world.call(&Request::put(&general));
    let record = RenameRecord::new(world.firmware.id(), "pc1".to_owned(), None);
    world.server.rename_disk = Some(record.encode().expose().clone());
    world
}

#[test]
fn a_certificate_that_has_the_name_already_is_kept() {
    let mut world = stray();
    let old = served(&world);
    let attempt = world.rename(None);
    assert!(attempt.result.unwrap().unwrap().changed);
    assert_renamed(&world, "pc1.example.com", "names only");
    assert_eq!((served(&world), count(&truth(&world), KEY)), (old.clone(), 1));
    for output in 0..attempt.outputs {
        let mut world = stray();
        world.rename(Some(Crash { output, after: true }));
        world.wait(Duration::from_secs(30));
        assert!(world.rename(None).result.unwrap().is_ok(), "{output}");
        assert_renamed(&world, "pc1.example.com", &format!("names only, after output {output}"));
        assert_eq!((served(&world), count(&truth(&world), KEY)), (old.clone(), 1), "{output}");
    }
}

#[test]
fn a_crash_at_any_point_ends_in_the_same_machine() {
    let total = World::provisioned(|_| {}).rename(None).outputs;
    assert!(total > 70, "{total}");
    for output in 0..total {
        for after in [false, true] {
            // Back at once, while the machine may be restarting its network, and long after.
            for pause in [0, 3, 600] {
                let crash = Crash { output, after };
                let mut world = World::provisioned(|_| {});
                let old = served(&world);
                let attempt = world.rename(Some(crash));
                assert!(attempt.result.is_none() || output + 1 >= total, "{crash:?} was not reached");
                assert_known(&world, &world.rename_record().replacement, &old, &format!("{crash:?}"));
                world.assert_reachable("after the crash");
                world.wait(Duration::from_secs(pause));
                let what = format!("{crash:?}, back after {pause} s");
                finish(&mut world, &what);
                assert_eq!(truth(&world).commits, 2, "{what}: setup and rename are committed once each");
            }
        }
    }
}

#[test]
fn two_crashes_in_a_row_do_too() {
    for first in (0..100).step_by(5) {
        for second in (0..100).step_by(7) {
            let mut world = World::provisioned(|_| {});
            for output in [first, second] {
                world.rename(Some(Crash { output, after: true }));
                world.wait(Duration::from_secs(1));
            }
            finish(&mut world, &format!("{first} then {second}"));
        }
    }
}

#[test]
fn another_aim_in_the_middle_leaves_nothing_of_the_first() {
    let total = World::provisioned(|_| {}).rename(None).outputs;
    for output in 0..total {
        let mut world = World::provisioned(|_| {});
        world.rename(Some(Crash { output, after: true }));
        world.wait(Duration::from_secs(30));
        let mut record = world.rename_record();
        record.retarget("desk8".to_owned(), None);
        let access = world.access();
        let result = world.rename_by(access, record, None).result.unwrap();
        assert!(result.is_ok(), "{output}: {result:?}");
        assert_renamed(&world, "desk8.example.com", &format!("after output {output}"));
    }
}

#[test]
fn aims_that_change_often_do_not_fill_the_stores() {
    let bound = |world: &World| {
        let context = truth(world).requests.contains_key("AMT_TLSCredentialContext.Put");
        context && world.rename_record().replacement.stage == Stage::Preparing
    };
    let stop = (0..)
        .find(|output| {
            let mut world = World::provisioned(|_| {});
            world.rename(Some(Crash { output: *output, after: true }));
            bound(&world)
        })
        .unwrap();
    let mut world = World::provisioned(|_| {});
    for aim in 0..12 {
        world.rename(Some(Crash { output: stop, after: true }));
        assert!(truth(&world).certificates.len() <= 4, "{aim}: {:?}", truth(&world).certificates);
        let mut record = world.rename_record();
        record.retarget(format!("desk{aim}"), None);
        assert!(record.replacement.superseded.len() <= 4);
        world.server.rename_disk = Some(record.encode().expose().clone());
    }
    assert!(world.rename(None).result.unwrap().is_ok());
    assert_renamed(&world, "desk11.example.com", "the last aim");
}

#[test]
fn an_authority_that_gives_too_much_is_refused() {
    let mut world = World::provisioned(|_| {});
    world.server.ca.chain = Some(vec![world.server.chains[0][0].clone(); 9]);
    let attempt = world.rename(None);
    assert_eq!(attempt.failure().code, ErrorCode::CA_CERTIFICATE_WRONG);
    world.server.ca.chain = None;
    finish(&mut world, "a sensible chain");
}

#[test]
fn a_fault_at_every_message_ends_in_the_same_machine() {
    let labels: Vec<String> = {
        let mut world = World::provisioned(|_| {});
        let before = truth(&world).request_log.len();
        world.rename(None);
        let mut log = truth(&world).request_log;
        assert!(log.len() < MAX_AUDIT, "the log is not whole");
        let mut labels = log.split_off(before);
        labels.sort_unstable();
        labels.dedup();
        labels
    };
    for label in [COMMIT, KEY, DELETE, "AMT_PublicPrivateKeyPair.Delete", "AMT_TLSCredentialContext.Put"] {
        assert!(labels.iter().any(|other| other == label), "{label}: {labels:?}");
    }
    for label in &labels {
        for direction in [Direction::In, Direction::Out] {
            for kind in [FaultKind::Reset, FaultKind::Truncate, FaultKind::Stall, FaultKind::Garbage] {
                let what = format!("{label} {direction:?} {kind:?}");
                let mut world = World::provisioned(|_| {});
                world.fault(at(label, direction, kind));
                finish(&mut world, &what);
                assert_eq!(truth(&world).commits, 2, "{what}");
            }
        }
    }
}

#[test]
fn random_faults_end_in_the_same_machine() {
    for seed in 0..150 {
        let mut world = World::provisioned(|_| {});
        world.firmware.set_faults(FaultPlan::random(seed, 4));
        let mut last = None;
        for _ in 0..60 {
            last = world.rename(None).result;
            if matches!(last, Some(Ok(_))) {
                break;
            }
            world.wait(Duration::from_secs(40));
        }
        assert!(matches!(last, Some(Ok(_))), "seed {seed}: {last:?}");
        assert_renamed(&world, NEW, &format!("seed {seed}"));
    }
}

#[test]
fn a_commit_without_an_answer_is_answered_by_the_machine() {
    let mut world = World::provisioned(|config| {
        Arc::make_mut(&mut config.persona).network.commit_reply = CommitReply::Dropped;
    });
    assert!(world.rename(None).result.unwrap().is_ok());
    assert_eq!(count(&truth(&world), COMMIT), 2);

    let mut world = World::provisioned(|_| {});
    world.fault(at(COMMIT, Direction::In, FaultKind::Reset));
    let attempt = world.rename(None);
    assert_eq!((attempt.failure().code, attempt.failure().stage.as_ref()), (ErrorCode::PROOF_FAILED, "prove"));
    assert_eq!(world.rename_record().replacement.stage, Stage::Committing);
    assert_eq!(truth(&world).certificates.len(), 2, "the old certificate stays until the proof");
    finish(&mut world, "a commit that did not arrive");
}

#[test]
fn a_refused_commit_changes_nothing_that_is_served() {
    let mut world = World::provisioned(|_| {});
    let old = served(&world);
    world.fault(at(COMMIT, Direction::In, FaultKind::Status(38)));
    assert_eq!(world.rename(None).failure().code, ErrorCode::COMMIT_REFUSED);
    assert_eq!((served(&world), world.rename_record().replacement.stage), (old, Stage::Preparing));
    finish(&mut world, "after a refusal");
}

#[test]
fn an_authority_that_takes_its_time_is_asked_about_the_same_request() {
    let mut world = World::provisioned(|_| {});
    let old = served(&world);
    let pending = || CaAnswer::pending("42");
    world.server.ca.answers.extend([pending(), pending()]);
    for _ in 0..2 {
        assert_eq!(world.rename(None).failure().code, ErrorCode::CA_PENDING);
        assert_eq!((served(&world), truth(&world).host_name.as_str()), (old.clone(), "pc1"));
        world.wait(Duration::from_secs(3600));
    }
    finish(&mut world, "pending");
    let asked = &world.server.ca.asked[1..];
    assert_eq!(asked.iter().map(|r| r.request_id.as_deref()).collect::<Vec<_>>(), [None, Some("42"), Some("42")]);
    assert!(asked.iter().all(|request| request.csr == asked[0].csr));
    assert_eq!(count(&truth(&world), KEY), 2);
}

#[test]
fn an_authority_that_refuses_leaves_the_machine_as_it_was() {
    let mut world = World::provisioned(|_| {});
    let old = served(&world);
    world.server.ca.answers.push_back(CaAnswer::Denied { reason: "not in the directory".to_owned() });
    let attempt = world.rename(None);
    assert_eq!(attempt.failure().code, ErrorCode::CA_DENIED);
    assert!(attempt.failure().message.contains("not in the directory"));
    let truth = truth(&world);
    assert_eq!((served(&world), truth.host_name.as_str(), truth.commits), (old, "pc1", 1));
    finish(&mut world, "asked again");
    assert_eq!(count(&self::truth(&world), KEY), 2, "the key of the first attempt is used");
}

#[test]
fn a_certificate_for_another_name_is_not_taken() {
    let mut world = World::provisioned(|_| {});
    let mut other = World::provisioned(|_| {});
    let access = other.access();
    let record = RenameRecord::new(other.firmware.id(), "desk8".to_owned(), None);
    other.rename_by(access, record, None).result.unwrap().unwrap();
    // Both machines are the same one: the key of this request is the one that it makes next.
    let foreign = issue(other.server.ca.asked.last().unwrap());
    world.server.ca.answers.push_back(foreign);
    let attempt = world.rename(None);
    assert_eq!(attempt.failure().code, ErrorCode::CA_CERTIFICATE_WRONG);
    assert!(attempt.failure().message.contains(NEW), "{}", attempt.failure().message);
    assert_eq!(truth(&world).certificates.len(), 1);
    finish(&mut world, "issued again");
}

#[test]
fn what_cannot_be_removed_stays_and_is_said() {
    let mut world = World::provisioned(|_| {});
    world.fault(at(DELETE, Direction::In, FaultKind::Status(16)));
    let attempt = world.rename(None);
    assert!(attempt.result.as_ref().unwrap().is_ok());
    assert!(attempt.events.iter().any(|e| matches!(e, Event::Note(text) if text.contains("stays on the machine"))));
    let left = truth(&world);
    assert_eq!((left.certificates.len(), left.keys.len()), (2, 2), "the key of a certificate that stays, stays");
    assert_eq!(left.certificates.iter().filter(|c| c.served).count(), 1);
}

#[test]
fn a_full_key_store_is_said_and_nothing_is_changed() {
    let mut world = World::provisioned(|config| Arc::make_mut(&mut config.persona).keys.slots = 1);
    let old = served(&world);
    let attempt = world.rename(None);
    assert_eq!((attempt.failure().code, attempt.failure().stage.as_ref()), (ErrorCode::RETURN_VALUE, "generate-key"));
    assert_eq!((served(&world), truth(&world).host_name.as_str()), (old, "pc1"));
}

#[test]
fn passwords_are_tried_in_order_and_not_too_fast() {
    let mut world = World::provisioned(|_| {});
    let record = world.rename_record();
    let mut access = world.access();
    access.admin_passwords = vec![secret("0ld-Passw0rd!")];
    let before = truth(&world);
    assert_eq!(world.rename_by(access, record.clone(), None).failure().code, ErrorCode::ADMIN_PASSWORD_UNKNOWN);
    assert_eq!((truth(&world).certificates, world.server.rename_disk.is_none()), (before.certificates, true));
    world.wait(Duration::from_secs(60));
    let mut access = world.access();
    access.admin_passwords.insert(0, secret("0ld-Passw0rd!"));
    let attempt = world.rename_by(access, record, None);
    assert!(attempt.result.as_ref().unwrap().is_ok());
    let waits = attempt.events.iter().filter(|e| matches!(e, Event::Note(text) if text.contains("tried in 20 s")));
    assert_eq!(waits.count(), 1, "the wrong one is not tried again after the commit");
    assert_renamed(&world, NEW, "by the second password");
}

#[test]
fn without_a_durable_record_nothing_is_touched() {
    let mut world = World::provisioned(|_| {});
    let before = truth(&world);
    world.server.disk_is_full = true;
    assert_eq!(world.rename(None).failure().code, ErrorCode::JOURNAL);
    let after = truth(&world);
    assert_eq!(count(&after, KEY), count(&before, KEY));
    assert_eq!((after.commits, after.host_name), (before.commits, before.host_name));
}

#[test]
fn another_machine_and_one_in_setup_mode_are_left_alone() {
    let mut world = World::provisioned(|_| {});
    let other = SystemId::from_wire([9; 16]);
    let mut access = world.access();
    access.id = other;
    let record = RenameRecord::new(other, "desk7".to_owned(), None);
    assert_eq!(world.rename_by(access, record.clone(), None).failure().code, ErrorCode::WRONG_MACHINE);
    let access = world.access();
    assert_eq!(world.rename_by(access, record, None).failure().code, ErrorCode::JOURNAL, "a record of another machine");
    let mut access = world.access();
    access.identity = PeerIdentity::Pinned(vec![0x30, 0]);
    let record = world.rename_record();
    assert_eq!(world.rename_by(access, record, None).failure().code, ErrorCode::TLS_PIN_MISMATCH);
    assert_eq!(truth(&world).commits, 1);

    let mut fresh = World::new();
    let mut access = fresh.access();
    access.candidates = vec![Candidate { index: 0, leaf_sha256: "leaf-0".to_owned() }];
    let record = fresh.rename_record();
    let attempt = fresh.rename_by(access, record, None);
    assert_eq!(attempt.failure().code, ErrorCode::WRONG_STATE);
    assert!(attempt.failure().message.contains("renamed"));
}

#[test]
fn names_that_are_none_are_refused_before_anything_is_sent() {
    let mut world = World::provisioned(|_| {});
    for (host, domain) in [("", None), ("has.dot", None), ("ok", Some("bad..domain")), ("-x", Some(SUFFIX))] {
        let id = world.firmware.id();
        let record = RenameRecord::new(id, host.to_owned(), domain.map(str::to_owned));
        let (access, before) = (world.access(), truth(&world).connections);
        assert_eq!(world.rename_by(access, record, None).failure().code, ErrorCode::PLAN_INVALID, "{host} {domain:?}");
        assert_eq!(truth(&world).connections, before);
    }
}
