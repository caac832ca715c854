//! A machine's clock is compared with ours, and set where it is off.

use crate::support::{Attempt, World};
use amt_core::ErrorCode;
use amt_provision::clock::{Clock, ClockSeen};
use amt_sim::fault::{Direction, Fault, FaultKind, Place};

const SET: &str = "AMT_TimeSynchronizationService.SetHighAccuracyTimeSynch";

fn look(world: &mut World, our_time: i64, set: bool) -> Attempt<ClockSeen> {
    let mut clock = Clock::new(world.access(), our_time);
    clock.set = set;
    world.run_unrecorded(clock.start())
}

#[test]
fn a_clock_is_set_only_where_it_is_off_and_read_back() {
    let mut world = World::provisioned(|_| {});
    // Setup made it right; by our clock of tomorrow it is a day behind.
    let seen = look(&mut world, 0, false).result.unwrap().unwrap();
    let ours = seen.drift;
    let sets = |world: &World| world.firmware.truth(world.now).requests.get(SET).copied().unwrap_or_default();
    let before = sets(&world);
    let right = look(&mut world, ours, true).result.unwrap().unwrap();
    assert!(!right.set && right.drift.abs() <= 10, "{right:?}");
    let tomorrow = ours + 86_400;
    let seen = look(&mut world, tomorrow, false).result.unwrap().unwrap();
    assert!(!seen.set && (seen.drift + 86_400).abs() <= 10, "{seen:?}");
    assert_eq!(sets(&world), before, "only looked at");
    let set = look(&mut world, tomorrow, true).result.unwrap().unwrap();
    assert!(set.set && (set.drift + 86_400).abs() <= 10, "{set:?}");
    assert_eq!(sets(&world), before + 1);
    let again = look(&mut world, tomorrow, true).result.unwrap().unwrap();
    assert!(!again.set && again.drift.abs() <= 10, "{again:?}");
}

#[test]
fn a_clock_that_the_firmware_refuses_to_set_is_told_as_that() {
    let mut world = World::provisioned(|_| {});
    world.fault(Fault::once(Place::Label(SET.to_owned()), Direction::In, FaultKind::Status(1)));
    let refused = look(&mut world, 4_000_000_000, true);
    assert_eq!(refused.failure().code, ErrorCode::CLOCK_REFUSED, "{:?}", refused.failure());
}
