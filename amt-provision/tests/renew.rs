//! The certificate of a machine that is set up is renewed when a share of its life is over: whatever is lost on the way, it ends with the
//! new certificate, one key pair, and nothing of the old ones.

use crate::support::{Crash, World, assert_known, assert_replaced, at, count, secret, served, truth};
use amt_core::tls::{LegacyTls, PeerIdentity};
use amt_core::{ErrorCode, SystemId};
use amt_provision::csr::Validity;
use amt_provision::renew::{Due, RenewRecord};
use amt_provision::{CaAnswer, Stage, Step, csr};
use amt_sim::fault::{Direction, FaultKind, FaultPlan};
use amt_sim::persona::Persona;
use std::sync::Arc;
use std::time::Duration;

const COMMIT: &str = "AMT_SetupAndConfigurationService.CommitChanges";
const KEY: &str = "AMT_PublicKeyManagementService.GenerateKeyPair";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A machine whose certificate is good from 4 days before 2026 to 6 days into it: half of its life is over a day after New Year.
fn world() -> World {
    of(|_| {})
}

fn of(change: impl FnOnce(&mut amt_sim::firmware::MachineConfig)) -> World {
    let mut world = World::provisioned_as(|server| server.ca.days = Some((4, 6)), change);
    world.server.ca.days = None;
    world
}

fn of_persona(name: &str) -> World {
    World::provisioned_as(
        |server| server.plan.legacy_tls = LegacyTls::Allow,
        |config| {
            config.persona = Arc::new(Persona::built_in(name).unwrap_or_else(|| panic!("there is no persona {name}")));
            Arc::make_mut(&mut config.persona).keys.not_ready_percent = 0;
        },
    )
}

fn assert_renewed(world: &World, old: &[u8], what: &str) {
    let served = served(world);
    assert_ne!(served, old, "{what}: it serves its old certificate");
    assert_ne!(csr::certificate_key(&served), csr::certificate_key(old), "{what}: the key pair is the old one");
    assert!(csr::is_for(&served, "pc1.example.com"), "{what}: it lost its name");
    assert_replaced(world, &world.renew_record().replacement, what);
    assert_eq!(world.renew_record().replacement.private_key, None, "{what}: the key is kept for nothing");
}

/// Attempts until it is done.
fn finish(world: &mut World, old: &[u8], what: &str) {
    let mut last = None;
    for _ in 0..6 {
        let result = world.renew(Due::default(), None).result.unwrap();
        if result.is_ok() {
            return assert_renewed(world, old, what);
        }
        last = Some(result);
        world.wait(Duration::from_secs(40));
    }
    panic!("{what}: not finished: {last:?}");
}

/// The same once its time has come.
fn due() -> (World, Vec<u8>) {
    let mut world = world();
    world.wait(DAY);
    let old = served(&world);
    (world, old)
}

#[test]
fn before_its_time_nothing_is_written_and_then_it_is_renewed_once() {
    let mut world = world();
    let old = served(&world);
    let before = truth(&world);
    let early = world.renew(Due::default(), None);
    let renewed = early.result.as_ref().unwrap().as_ref().unwrap();
    assert!(!renewed.changed && renewed.certificate == old);
    assert_eq!(renewed.validity, Validity::of(&old).unwrap());
    assert_eq!((truth(&world).writes, world.server.renew_disk.as_ref()), (before.writes, None), "nothing is written");
    assert!(world.renew(Due::Percent(0), None).result.unwrap().unwrap().changed, "a share that is over");

    let (mut world, old) = due();
    let before = truth(&world);
    let attempt = world.renew(Due::default(), None);
    let renewed = attempt.result.as_ref().unwrap().as_ref().unwrap();
    assert!(renewed.changed && renewed.certificate == served(&world));
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
            Step::BindCertificate,
            Step::Commit,
            Step::Prove,
            Step::Connect,
            Step::ReadState,
            Step::Tidy,
            Step::Done
        ]
    );
    assert_renewed(&world, &old, "at once");
    let after = truth(&world);
    assert_eq!((count(&after, COMMIT) - count(&before, COMMIT), count(&after, KEY) - count(&before, KEY)), (1, 1));
    assert_eq!(after.refusal_total, before.refusal_total, "{:?}", after.refusals);
    assert_eq!(after.host_name, before.host_name);

    let again = world.renew(Due::default(), None).result.unwrap().unwrap();
    assert!(!again.changed && again.certificate == renewed.certificate, "a new one is not due");
    assert_eq!(truth(&world).writes, after.writes);
}

#[test]
fn every_generation_renews_now_when_it_is_told_to() {
    for name in ["9.5", "11.8", "14.0", "16.0", "18.0", "21.0"] {
        let mut world = of_persona(name);
        let old = served(&world);
        assert!(!world.renew(Due::default(), None).result.unwrap().unwrap().changed, "{name}: good for ages");
        assert!(world.renew(Due::Now, None).result.unwrap().unwrap().changed, "{name}");
        assert_renewed(&world, &old, name);
        let second = served(&world);
        assert!(world.renew(Due::Now, None).result.unwrap().unwrap().changed, "{name}: again");
        assert_renewed(&world, &second, name);
    }
}

#[test]
fn a_crash_at_any_point_ends_in_the_same_machine() {
    let total = due().0.renew(Due::default(), None).outputs;
    assert!(total > 60, "{total}");
    for output in 0..total {
        for after in [false, true] {
            // Back at once, while the machine may be restarting its network, and long after.
            for pause in [0, 3, 600] {
                let crash = Crash { output, after };
                let (mut world, old) = due();
                let attempt = world.renew(Due::default(), Some(crash));
                assert!(attempt.result.is_none() || output + 1 >= total, "{crash:?} was not reached");
                assert_known(&world, &world.renew_record().replacement, &old, &format!("{crash:?}"));
                world.assert_reachable("after the crash");
                world.wait(Duration::from_secs(pause));
                let what = format!("{crash:?}, back after {pause} s");
                finish(&mut world, &old, &what);
                assert_eq!(truth(&world).commits, 2, "{what}: setup and renewal are committed once each");
                assert_eq!(count(&truth(&world), KEY), 2, "{what}: one new key pair");
            }
        }
    }
}

#[test]
fn two_crashes_in_a_row_do_too() {
    for first in (0..100).step_by(5) {
        for second in (0..100).step_by(7) {
            let (mut world, old) = due();
            for output in [first, second] {
                world.renew(Due::default(), Some(Crash { output, after: true }));
                world.wait(Duration::from_secs(1));
            }
            finish(&mut world, &old, &format!("{first} then {second}"));
        }
    }
}

#[test]
fn a_fault_at_every_message_ends_in_the_same_machine() {
    let labels: Vec<String> = {
        let (mut world, _) = due();
        let before = truth(&world).request_log.len();
        world.renew(Due::default(), None);
        let mut labels = truth(&world).request_log.split_off(before);
        labels.sort_unstable();
        labels.dedup();
        labels
    };
    assert!(labels.iter().any(|label| label == "AMT_PublicPrivateKeyPair.Delete"), "{labels:?}");
    for label in &labels {
        for direction in [Direction::In, Direction::Out] {
            for kind in [FaultKind::Reset, FaultKind::Truncate, FaultKind::Stall, FaultKind::Garbage] {
                let what = format!("{label} {direction:?} {kind:?}");
                let (mut world, old) = due();
                world.fault(at(label, direction, kind));
                finish(&mut world, &old, &what);
                assert_eq!(truth(&world).commits, 2, "{what}");
            }
        }
    }
}

#[test]
fn random_faults_end_in_the_same_machine() {
    for seed in 0..100 {
        let (mut world, old) = due();
        world.firmware.set_faults(FaultPlan::random(seed, 4));
        let mut last = None;
        for _ in 0..60 {
            last = world.renew(Due::default(), None).result;
            if matches!(last, Some(Ok(_))) {
                break;
            }
            world.wait(Duration::from_secs(40));
        }
        assert!(matches!(last, Some(Ok(_))), "seed {seed}: {last:?}");
        assert_renewed(&world, &old, &format!("seed {seed}"));
    }
}

fn pending() -> CaAnswer {
    CaAnswer::pending("42")
}

/// Longer than any loop, and the process is gone between: all that is left each time is what was written down.
#[test]
fn an_authority_that_takes_weeks_gets_one_request_for_one_key() {
    let (mut world, old) = due();
    world.server.ca.answers.extend([pending(), pending(), pending()]);
    for round in 0..3 {
        assert_eq!(world.renew(Due::default(), None).failure().code, ErrorCode::CA_PENDING, "{round}");
        let kept = world.renew_record();
        assert_eq!(kept.replacement.ca_request.as_deref(), Some("42"));
        assert_eq!((served(&world), truth(&world).keys.len()), (old.clone(), 2));
        assert_eq!(RenewRecord::decode(kept.encode().expose()).unwrap(), kept);
        world.wait(DAY * 7);
    }
    finish(&mut world, &old, "pending");
    let asked = &world.server.ca.asked[1..];
    let ids: Vec<_> = asked.iter().map(|request| request.request_id.as_deref()).collect();
    assert_eq!(ids, [None, Some("42"), Some("42"), Some("42")]);
    assert!(asked.iter().all(|request| request.csr == asked[0].csr));
    assert_eq!(count(&truth(&world), KEY), 2, "one key pair for both");
}

#[test]
fn a_crash_around_a_request_that_waits_uses_the_same_key() {
    let total = {
        let (mut world, _) = due();
        world.server.ca.answers.push_back(pending());
        world.renew(Due::default(), None).outputs
    };
    for output in 0..total {
        for after in [false, true] {
            let what = format!("{output} {after}");
            let (mut world, old) = due();
            world.server.ca.answers.push_back(pending());
            world.renew(Due::default(), Some(Crash { output, after }));
            world.wait(DAY);
            finish(&mut world, &old, &what);
            assert_eq!(count(&truth(&world), KEY), 2, "{what}");
        }
    }
}

#[test]
fn an_authority_that_refuses_leaves_the_machine_as_it_was() {
    let (mut world, old) = due();
    world.server.ca.answers.push_back(CaAnswer::Denied { reason: "not in the directory".to_owned() });
    assert_eq!(world.renew(Due::default(), None).failure().code, ErrorCode::CA_DENIED);
    assert_eq!((served(&world), truth(&world).commits), (old.clone(), 1));
    world.fault(at(COMMIT, Direction::In, FaultKind::Status(38)));
    assert_eq!(world.renew(Due::default(), None).failure().code, ErrorCode::COMMIT_REFUSED);
    assert_eq!(
        (served(&world), truth(&world).certificates.len()),
        (old.clone(), 2),
        "the old one stays until the proof"
    );
    finish(&mut world, &old, "asked again");
    assert_eq!(count(&truth(&world), KEY), 2, "the key of the first attempt is used");
}

/// A rename comes between while the authority thinks about a renewal.
#[test]
fn a_certificate_that_something_else_replaced_is_not_replaced_again() {
    let total = due().0.renew(Due::default(), None).outputs;
    for output in (0..total).step_by(3) {
        let (mut world, old) = due();
        world.renew(Due::default(), Some(Crash { output, after: true }));
        world.wait(Duration::from_secs(60));
        let record = world.renew_record();
        if record.replacement.stage == Stage::Done || world.rename(None).result.unwrap().is_err() {
            // It serves the new one already: only the renewal knows that, and ends first.
            finish(&mut world, &old, "first the renewal");
            world.rename(None).result.unwrap().unwrap();
        }
        let what = format!("after output {output}");
        let renamed = served(&world);
        assert!(csr::is_for(&renamed, "desk7.example.com"), "{what}");
        let result = world.renew(Due::default(), None).result.unwrap();
        assert!(result.is_ok(), "{what}: {result:?}");
        assert_eq!(served(&world), renamed, "{what}");
        let truth = truth(&world);
        assert_eq!((truth.certificates.len(), truth.keys.len()), (1, 1), "{what}: something is left behind");
        assert_eq!(world.record().unwrap().certificate, Some(renamed), "{what}");
    }
}

#[test]
fn a_key_that_is_made_outside_is_made_once_and_not_left_behind() {
    let old_machine = || {
        let persona = "based_on = \"amt-16.0\"\nname = \"old\"\nversion = \"3.2.1\"\n[tls]\nmin = \"1.0\"\nmax = \"1.0\"\n\
                       suites = [\"AES128-SHA\"]\n[keys]\nnot_ready_percent = 0\n";
        let mut world = World::provisioned_as(
            |server| server.plan.legacy_tls = LegacyTls::Allow,
            |config| config.persona = Arc::new(Persona::parse(persona).unwrap()),
        );
        let old = served(&world);
        world.wait(DAY);
        (world, old)
    };
    let (mut world, old) = old_machine();
    let total = {
        let attempt = world.renew(Due::Now, None);
        assert!(attempt.result.as_ref().unwrap().is_ok(), "{:?}", attempt.result);
        assert_renewed(&world, &old, "made outside");
        assert_eq!(world.record().unwrap().private_key, None);
        attempt.outputs
    };
    for output in 0..total {
        let (mut world, old) = old_machine();
        world.server.ca.answers.push_back(pending());
        world.renew(Due::Now, Some(Crash { output, after: true }));
        world.wait(DAY);
        let mut done = false;
        for _ in 0..4 {
            done = done || world.renew(Due::Now, None).result.unwrap().is_ok();
            world.wait(Duration::from_secs(60));
            if done {
                break;
            }
        }
        assert!(done, "{output}");
        assert_renewed(&world, &old, &format!("made outside, {output}"));
    }
}

#[test]
fn a_refused_request_leaves_no_key_that_was_made_outside() {
    let persona = "based_on = \"amt-16.0\"\nname = \"old\"\nversion = \"3.2.1\"\n[tls]\nmin = \"1.0\"\nmax = \"1.0\"\n\
                   suites = [\"AES128-SHA\"]\n[keys]\nnot_ready_percent = 0\n";
    let mut world = World::provisioned_as(
        |server| server.plan.legacy_tls = LegacyTls::Allow,
        |config| config.persona = Arc::new(Persona::parse(persona).unwrap()),
    );
    let old = served(&world);
    for _ in 0..3 {
        world.server.ca.answers.push_back(CaAnswer::Denied { reason: "no".to_owned() });
        assert_eq!(world.renew(Due::Now, None).failure().code, ErrorCode::CA_DENIED);
        assert!(truth(&world).keys.len() <= 2, "{:?}", truth(&world).keys);
    }
    assert!(world.renew(Due::Now, None).result.unwrap().unwrap().changed);
    assert_renewed(&world, &old, "in the end");
}

#[test]
fn other_machines_and_wrong_orders_are_left_alone() {
    let (mut world, old) = due();
    let other = RenewRecord::new(SystemId::from_wire([9; 16]));
    let access = world.access();
    assert_eq!(world.renew_by(access, other, Due::Now, None).failure().code, ErrorCode::JOURNAL);
    let record = world.renew_record();
    let mut access = world.access();
    access.identity = PeerIdentity::Pinned(vec![0x30, 0]);
    assert_eq!(world.renew_by(access, record.clone(), Due::Now, None).failure().code, ErrorCode::TLS_PIN_MISMATCH);
    let mut access = world.access();
    access.admin_passwords = vec![secret("0ld-Passw0rd!")];
    assert_eq!(world.renew_by(access, record, Due::Now, None).failure().code, ErrorCode::ADMIN_PASSWORD_UNKNOWN);
    assert_eq!(world.renew(Due::Percent(101), None).failure().code, ErrorCode::PLAN_INVALID);
    world.server.disk_is_full = true;
    world.wait(Duration::from_secs(60));
    assert_eq!(world.renew(Due::Now, None).failure().code, ErrorCode::JOURNAL, "without a record nothing is touched");
    assert_eq!((served(&world), count(&truth(&world), KEY)), (old, 1));
}

#[test]
fn stores_that_are_full_are_said_and_nothing_is_changed() {
    let mut world = of(|config| Arc::make_mut(&mut config.persona).keys.slots = 1);
    let old = served(&world);
    let attempt = world.renew(Due::Now, None);
    assert_eq!((attempt.failure().code, attempt.failure().stage.as_ref()), (ErrorCode::RETURN_VALUE, "generate-key"));
    let mut narrow = of(|config| Arc::make_mut(&mut config.persona).certificates.slots = 1);
    let attempt = narrow.renew(Due::Now, None);
    assert_eq!(
        (attempt.failure().code, attempt.failure().stage.as_ref()),
        (ErrorCode::RETURN_VALUE, "add-certificate")
    );
    assert_eq!((served(&world), truth(&world).commits, truth(&narrow).commits), (old, 1, 1));
}
