//! The server loses power at every output of the procedure; every time it comes back to a machine that it can open, and
//! finishes the job.

use crate::support::{Crash, World};
use std::time::Duration;

#[test]
fn a_crash_at_any_point_loses_no_credential_and_the_next_attempt_finishes() {
    let total = {
        let mut world = World::new();
        let attempt = world.attempt(None);
        attempt.result.unwrap().unwrap();
        attempt.outputs
    };
    for output in 0..total {
        for after in [false, true] {
            let mut world = World::new();
            let crash = Crash { output, after };
            let attempt = world.attempt(Some(crash));
            assert!(attempt.result.is_none() || output + 1 >= total, "{crash:?} was not reached");
            world.assert_reachable("after the crash");
            finish(&mut world, &format!("{crash:?}"));
        }
    }
}

#[test]
fn two_crashes_in_a_row_lose_nothing_either() {
    for first in (0..120).step_by(7) {
        for second in (0..120).step_by(5) {
            let mut world = World::new();
            for output in [first, second] {
                world.attempt(Some(Crash { output, after: true }));
                world.assert_reachable("after a crash");
            }
            finish(&mut world, &format!("{first} then {second}"));
        }
    }
}

/// Attempts until the machine is proven; a machine that is restarting or has to be guessed may need some.
fn finish(world: &mut World, what: &str) {
    let mut last = None;
    for _ in 0..6 {
        if world.record().is_some_and(|r| r.verified) {
            let truth = world.firmware.truth(world.now);
            let commits = truth.requests.get("AMT_SetupAndConfigurationService.CommitChanges");
            assert_eq!(truth.commits, 1, "{what}: {commits:?} commits were sent");
            let keys = truth.requests.get("AMT_PublicKeyManagementService.GenerateKeyPair");
            assert_eq!(keys, Some(&1), "{what}: a key slot leaked");
            return;
        }
        last = world.attempt(None).result;
        world.wait(Duration::from_secs(30));
    }
    panic!("{what}: not finished: {last:?}");
}
