//! The administrator gets another password: whatever is lost on the way, a recorded one opens the machine.

use crate::support::{Attempt, Crash, World};
use amt_core::{ErrorCode, Secret};
use amt_provision::rotate::{Rotate, Rotated};
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use std::time::Duration;

const SET: &str = "AMT_AuthorizationService.SetAdminAclEntryEx";

fn rotate(world: &mut World, password: Option<&str>, crash: Option<Crash>) -> Attempt<Rotated> {
    let mut rotate = Rotate::new(world.access(), world.record().unwrap());
    rotate.password = password.map(Secret::from);
    world.run_recorded(rotate.start(), crash)
}

fn passwords(world: &World) -> Vec<String> {
    world.record().unwrap().admin_passwords.iter().map(|password| password.expose().clone()).collect()
}

#[test]
fn the_new_password_is_recorded_before_it_is_sent_and_the_old_goes_after_a_login() {
    let mut world = World::provisioned(|_| {});
    let old = passwords(&world);
    let done = rotate(&mut world, None, None).result.unwrap().unwrap();
    assert!(done.changed);
    let new = passwords(&world);
    assert!(new.len() == 1 && new != old && world.firmware.check_admin_password(&new[0]));
    assert!(world.record().unwrap().admin_proven);
    let chosen = "Ch0sen!by-hand";
    assert!(rotate(&mut world, Some(chosen), None).result.unwrap().unwrap().changed);
    assert_eq!(passwords(&world), [chosen]);
    assert!(!rotate(&mut world, Some(chosen), None).result.unwrap().unwrap().changed, "it has it already");
    let weak = rotate(&mut world, Some("weak"), None);
    assert_eq!(weak.failure().code, ErrorCode::PLAN_INVALID);
    assert_eq!(passwords(&world), [chosen]);
}

#[test]
fn a_crash_at_any_point_leaves_a_password_that_opens_it_and_the_next_attempt_ends_it() {
    let total = rotate(&mut World::provisioned(|_| {}), None, None).outputs;
    assert!(total > 10, "{total}");
    for output in 0..total {
        for after in [false, true] {
            let crash = Crash { output, after };
            let mut world = World::provisioned(|_| {});
            let before = passwords(&world);
            rotate(&mut world, None, Some(crash));
            world.assert_reachable("after the crash");
            let candidates = passwords(&world);
            world.wait(Duration::from_secs(60));
            rotate(&mut world, None, None).result.unwrap().unwrap();
            world.assert_reachable("after the second attempt");
            let end = passwords(&world);
            assert!(end.len() == 1 && world.firmware.check_admin_password(&end[0]), "{crash:?}");
            if candidates.len() > 1 {
                assert_eq!(end[0], candidates[0], "{crash:?}: the candidate is gone on with, not replaced");
            }
            assert!(output + 1 >= total || end != before, "{crash:?}: it was not changed");
        }
    }
}

#[test]
fn a_lost_answer_is_answered_by_a_login_and_a_refusal_keeps_the_old_password() {
    let mut world = World::provisioned(|_| {});
    world.fault(Fault::once(Place::Label(SET.to_owned()), Direction::Out, FaultKind::Reset));
    assert!(rotate(&mut world, None, None).result.unwrap().unwrap().changed, "the firmware had done it");
    world.assert_reachable("after a lost answer");
    assert_eq!(passwords(&world).len(), 1);
    world.fault(Fault::once(Place::Label(SET.to_owned()), Direction::In, FaultKind::Reset));
    let lost = rotate(&mut world, None, None);
    assert_eq!(lost.failure().code, ErrorCode::PROOF_FAILED, "the request was lost");
    assert_eq!(passwords(&world).len(), 2);
    world.wait(Duration::from_secs(60));
    let candidate = passwords(&world)[0].clone();
    assert!(rotate(&mut world, None, None).result.unwrap().unwrap().changed);
    assert_eq!(passwords(&world), [candidate]);
    world.fault(Fault::once(Place::Label(SET.to_owned()), Direction::In, FaultKind::Status(36)));
    let before = passwords(&world);
    assert_eq!(rotate(&mut world, None, None).failure().code, ErrorCode::RETURN_VALUE);
    assert_eq!(passwords(&world), before, "a refused candidate is none");
    let kept = passwords(&world);
    world.server.disk_is_full = true;
    let failed = rotate(&mut world, None, None);
    assert_eq!(failed.failure().code, ErrorCode::JOURNAL, "what can't be recorded is not sent");
    assert!(world.firmware.check_admin_password(&kept[0]));
}
