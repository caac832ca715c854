//! A machine boots from the network once: exactly once, whatever is lost on the way.

use crate::support::{Crash, World, secret};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, SystemId};
use amt_provision::boot::{BootRecord, BootSource, BootStage};
use amt_provision::remote::Candidate;
use amt_provision::{Event, Step};
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use amt_sim::firmware::MachineTruth;
use amt_sim::persona::PlainPort;
use amt_wsman::class::Class;
use amt_wsman::class::amt::BootSettingData;
use amt_wsman::class::cim::PowerManagementService;
use amt_wsman::op::Request;
use std::sync::Arc;
use std::time::Duration;

const POWER: &str = "CIM_PowerManagementService.RequestPowerStateChange";

fn truth(world: &World) -> MachineTruth {
    world.firmware.truth(world.now)
}

fn network_boots(world: &World) -> usize {
    truth(world).boots.iter().filter(|boot| boot.source == "network").count()
}

fn at(label: &str, direction: Direction, kind: FaultKind) -> Fault {
    Fault::once(Place::Label(label.to_owned()), direction, kind)
}

fn stage(world: &World) -> Option<BootStage> {
    world.server.boot_disk.as_ref().map(|bytes| BootRecord::decode(bytes).unwrap().stage)
}

/// Attempts until it is done.
fn finish(world: &mut World, what: &str) {
    let mut last = None;
    for _ in 0..5 {
        let result = world.boot(None).result.unwrap();
        if result.is_ok() {
            world.wait(Duration::from_secs(60));
            let truth = truth(world);
            assert_eq!(network_boots(world), 1, "{what}: {:?}", truth.boots);
            assert!(!truth.boot_armed && truth.boot_order.is_none(), "{what}: still armed");
            let last = truth.boots.last().map(|boot| boot.source.as_str());
            assert_eq!(last, Some("network"), "{what}: what was booted was cut off by another start");
            assert_eq!(stage(world), Some(BootStage::Done));
            return;
        }
        last = Some(result);
        world.wait(Duration::from_secs(30));
    }
    panic!("{what}: not finished: {last:?}");
}

#[test]
fn a_running_machine_is_reset_and_boots_from_the_network_once() {
    let mut world = World::provisioned(|_| {});
    let attempt = world.boot(None);
    let booted = attempt.result.as_ref().unwrap().as_ref().unwrap();
    assert!(booted.proven && booted.source == BootSource::Network);
    let steps = attempt.steps();
    assert_eq!(steps, [Step::Connect, Step::ReadState, Step::ArmBoot, Step::PowerAction, Step::Prove, Step::Done]);
    let done = truth(&world);
    assert_eq!(done.requests[POWER], 1);
    assert_eq!((network_boots(&world), done.boot_total), (1, 1));
    assert_eq!(done.refusal_total, 0, "{:?}", done.refusals);
    let again = world.boot(None);
    assert!(again.result.unwrap().is_ok() && again.outputs == 2, "a boot that is done is not done again");
    assert_eq!(truth(&world).boot_total, 1);
}

#[test]
fn a_machine_that_is_off_is_switched_on() {
    let mut world = World::provisioned(|_| {});
    world.call(&PowerManagementService::request_power_state_change(PowerManagementService::OFF));
    assert_eq!(truth(&world).power, "off");
    finish(&mut world, "off");
    assert_eq!((truth(&world).power.as_str(), truth(&world).boot_total), ("on", 1));
}

#[test]
fn a_crash_at_any_point_neither_repeats_the_boot_nor_leaves_it_out() {
    let total = World::provisioned(|_| {}).boot(None).outputs;
    assert!(total > 25, "{total}");
    for output in 0..total {
        for after in [false, true] {
            // Back at once, while the computer may be on its way, and long after.
            for pause in [0, 2, 600] {
                let crash = Crash { output, after };
                let mut world = World::provisioned(|_| {});
                let attempt = world.boot(Some(crash));
                assert!(attempt.result.is_none() || output + 1 >= total, "{crash:?} was not reached");
                world.wait(Duration::from_secs(pause));
                finish(&mut world, &format!("{crash:?}, back after {pause} s"));
            }
        }
    }
}

#[test]
fn two_crashes_in_a_row_do_not_either() {
    for first in (0..60).step_by(3) {
        for second in (0..60).step_by(4) {
            let mut world = World::provisioned(|_| {});
            for output in [first, second] {
                world.boot(Some(Crash { output, after: true }));
                world.wait(Duration::from_secs(1));
            }
            finish(&mut world, &format!("{first} then {second}"));
        }
    }
}

#[test]
fn a_lost_message_at_any_request_ends_in_one_boot() {
    let labels: Vec<String> = {
        let mut world = World::provisioned(|_| {});
        let before = truth(&world).request_log.len();
        world.boot(None);
        truth(&world).request_log.split_off(before)
    };
    assert!(labels.iter().any(|label| label == POWER));
    for label in &labels {
        for direction in [Direction::In, Direction::Out] {
            for kind in [FaultKind::Reset, FaultKind::Truncate, FaultKind::Stall, FaultKind::Garbage] {
                let mut world = World::provisioned(|_| {});
                world.fault(at(label, direction, kind));
                finish(&mut world, &format!("{label} {direction:?} {kind:?}"));
            }
        }
    }
}

#[test]
fn a_lost_answer_to_the_start_is_answered_by_the_machine() {
    let mut world = World::provisioned(|_| {});
    world.fault(at(POWER, Direction::Out, FaultKind::Reset));
    assert!(world.boot(None).result.unwrap().unwrap().proven);
    assert_eq!(truth(&world).requests[POWER], 1, "it took place: not asked for again");

    let mut world = World::provisioned(|_| {});
    world.fault(at(POWER, Direction::In, FaultKind::Reset));
    let attempt = world.boot(None);
    assert!(attempt.result.as_ref().unwrap().is_ok());
    assert_eq!(network_boots(&world), 1);
    assert_eq!(attempt.steps().iter().filter(|step| **step == Step::PowerAction).count(), 2, "it did not take place");
}

#[test]
fn firmware_that_does_not_tell_is_never_started_twice() {
    let silent = || World::provisioned(|config| Arc::make_mut(&mut config.persona).power.tells_next_boot = false);
    let mut world = silent();
    let booted = world.boot(None).result.unwrap().unwrap();
    assert!(!booted.proven, "it accepted the start, and that is all that is known");

    let mut world = silent();
    world.fault(at(POWER, Direction::Out, FaultKind::Reset));
    assert_eq!(world.boot(None).failure().code, ErrorCode::PROOF_FAILED);
    world.wait(Duration::from_secs(600));
    assert_eq!(world.boot(None).failure().code, ErrorCode::PROOF_FAILED);
    assert_eq!((network_boots(&world), stage(&world)), (1, Some(BootStage::Armed)));

    let mut world = silent();
    world.fault(at(POWER, Direction::In, FaultKind::Reset));
    assert_eq!(world.boot(None).failure().code, ErrorCode::PROOF_FAILED, "left out, but said so");
    assert_eq!(network_boots(&world), 0);
}

#[test]
fn a_refused_start_takes_the_source_back() {
    let mut world = World::provisioned(|_| {});
    world.fault(at(POWER, Direction::In, FaultKind::Status(2)));
    let attempt = world.boot(None);
    assert_eq!((attempt.failure().code, &*attempt.failure().stage), (ErrorCode::RETURN_VALUE, "power-action"));
    let refused = truth(&world);
    assert!(!refused.boot_armed && refused.boot_order.is_none(), "the next restart is nobody's surprise");
    assert_eq!(stage(&world), Some(BootStage::Idle));
    finish(&mut world, "after a refusal");
}

#[test]
fn without_a_durable_record_nothing_stays_armed() {
    let mut world = World::provisioned(|_| {});
    world.server.disk_is_full = true;
    assert_eq!(world.boot(None).failure().code, ErrorCode::JOURNAL);
    let left = truth(&world);
    assert!(!left.boot_armed && left.boot_order.is_none());
    assert!(!left.requests.contains_key(POWER));
}

#[test]
fn a_bios_that_takes_too_long_is_said_to_and_asked_again() {
    let mut world = World::provisioned(|config| Arc::make_mut(&mut config.persona).power.boot_seconds = 200);
    assert_eq!(world.boot(None).failure().code, ErrorCode::PROOF_FAILED);
    world.wait(Duration::from_secs(60));
    finish(&mut world, "slow");
    assert_eq!(truth(&world).requests[POWER], 1);
}

#[test]
fn settings_left_behind_by_another_console_do_not_stand_in_the_way() {
    for option in ["BIOSSetup", "UseIDER", "BIOSPause"] {
        let mut world = World::provisioned(|_| {});
        let mut settings = world.call(&BootSettingData::get()).instance().unwrap().clone();
        BootSettingData::READ_ONLY.iter().for_each(|name| settings.remove(name));
        settings.set(option, true);
        world.call(&Request::put(&settings));
        finish(&mut world, option);
    }
}

#[test]
fn another_machine_is_left_alone() {
    let mut world = World::provisioned(|_| {});
    let other: SystemId = SystemId::from_wire([9; 16]);
    let mut access = world.access();
    access.id = other;
    world.server.boot_disk = Some(BootRecord::new(other, BootSource::Network).encode());
    assert_eq!(world.boot_by(access, None).failure().code, ErrorCode::WRONG_MACHINE);
    let mut access = world.access();
    access.identity = PeerIdentity::Fingerprint([1; 32]);
    world.server.boot_disk = None;
    let mut wrong = World::provisioned(|config| config.seed = 77);
    access.identity = PeerIdentity::Pinned(wrong.record().unwrap().certificate.unwrap());
    assert_eq!(world.boot_by(access, None).failure().code, ErrorCode::TLS_PIN_MISMATCH);
    assert_eq!(truth(&world).boot_total, 0);
    let access = wrong.access();
    wrong.server.boot_disk = Some(BootRecord::new(other, BootSource::Network).encode());
    assert_eq!(wrong.boot_by(access, None).failure().code, ErrorCode::JOURNAL, "a record of another machine");
}

#[test]
fn a_machine_in_setup_mode_is_not_booted() {
    let mut world = World::new();
    let mut access = world.access();
    access.candidates = vec![Candidate { index: 0, leaf_sha256: "leaf-0".to_owned() }];
    let attempt = world.boot_by(access, None);
    assert_eq!(attempt.failure().code, ErrorCode::WRONG_STATE);
    assert!(!truth(&world).requests.keys().any(|label| label.starts_with("CIM_Boot")));
}

#[test]
fn passwords_are_tried_in_order_and_not_too_fast() {
    let mut world = World::provisioned(|config| {
        Arc::make_mut(&mut config.persona).network.plain_port = PlainPort::Removed;
    });
    let mut access = world.access();
    access.admin_passwords.insert(0, secret("0ld-Passw0rd!"));
    let started = world.now;
    let attempt = world.boot_by(access, None);
    assert!(attempt.result.as_ref().unwrap().is_ok());
    assert!(attempt.events.iter().any(|e| matches!(e, Event::Note(text) if text.contains("tried in 20 s"))));
    assert!(world.now.since(started) >= Duration::from_secs(20));
    let mut access = world.access();
    access.admin_passwords = vec![secret("0ld-Passw0rd!")];
    world.server.boot_disk = None;
    assert_eq!(world.boot_by(access, None).failure().code, ErrorCode::ADMIN_PASSWORD_UNKNOWN);
}
