//! A setup is taken back from afar: sent once, proven by what the machine shows, and no password is lost on the way.

use crate::support::{Attempt, Crash, World};
use amt_core::psk::{Form, PskPair};
use amt_core::tls::LegacyTls;
use amt_core::{ErrorCode, Secret};
use amt_provision::remote::ControlMode;
use amt_provision::unprovision::{Extent, Proof, Unprovision, Unprovisioned, is_taken_back};
use amt_provision::{Access, Record, Step};
use amt_sim::Persona;
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use amt_sim::firmware::{Phase, SetUp};
use std::sync::Arc;
use std::time::Duration;

const FULL: &str = "AMT_SetupAndConfigurationService.Unprovision";
const PARTIAL: &str = "AMT_SetupAndConfigurationService.PartialUnprovision";
const PASSWORD: &str = "H0st!Passw0rd";
const EXTENTS: [(Extent, &str); 2] = [(Extent::Full, FULL), (Extent::Partial, PARTIAL)];

fn unprovision(world: &mut World, extent: Extent, crash: Option<Crash>) -> Attempt<Unprovisioned> {
    unprovision_by(world, extent, crash, |_| {})
}

fn unprovision_by(
    world: &mut World,
    extent: Extent,
    crash: Option<Crash>,
    change: impl FnOnce(&mut Unprovision),
) -> Attempt<Unprovisioned> {
    let mut job = Unprovision::new(world.access(), world.record().unwrap(), extent);
    change(&mut job);
    world.run_recorded(job.start(), crash)
}

/// A machine of this family that a setup server has set up.
fn of(persona: &str) -> World {
    World::provisioned_as(
        |server| server.plan.legacy_tls = LegacyTls::Allow,
        |config| {
            config.persona = Arc::new(Persona::built_in(persona).unwrap());
            Arc::make_mut(&mut config.persona).keys.not_ready_percent = 0;
        },
    )
}

/// A machine that its own user set up: client control mode.
fn client() -> World {
    let mut world = World::with(|config| {
        config.set_up = Some(SetUp::Client);
        config.admin_password = Some(PASSWORD.into());
    });
    let mut record = Record::new(world.firmware.id());
    record.step = Step::Done;
    (record.admin_passwords, record.admin_proven, record.verified) = (vec![PASSWORD.into()], true, true);
    world.server.disk = Some(record.encode().expose().clone());
    world.wait(Duration::from_secs(60));
    world
}

/// Every handshake is cut.
fn broken_line() -> Fault {
    let mut fault = Fault::once(Place::Handshake, Direction::In, FaultKind::Reset);
    fault.times = u32::MAX;
    fault
}

fn passwords(world: &World) -> Vec<String> {
    world.record().unwrap().admin_passwords.iter().map(|password| password.expose().clone()).collect()
}

/// How often the machine was asked to give up its setup, in either way.
fn asked(world: &World) -> u64 {
    let truth = world.firmware.truth(world.now);
    [FULL, PARTIAL].iter().filter_map(|label| truth.requests.get(*label)).sum()
}

fn writes(world: &World) -> u64 {
    world.firmware.truth(world.now).writes
}

#[test]
fn both_ways_are_proven_by_the_machine_and_a_second_run_sends_nothing() {
    for family in ["9.5", "11.8", "16.0", "21.0"] {
        for (extent, label) in EXTENTS {
            let mut world = of(family);
            let (ours, menu) = (passwords(&world)[0].clone(), world.record().unwrap().mebx_passwords[0].clone());
            let before = writes(&world);
            let done = unprovision(&mut world, extent, None).result.unwrap().unwrap();
            assert_eq!((done.before, done.proof), (Some(ControlMode::Admin), Some(Proof::SetupMode)), "{family}");
            assert_eq!(done.version.map(|v| v.major.to_string()), family.split('.').next().map(str::to_owned));
            assert_ne!(world.firmware.phase(), Phase::Post);
            let truth = world.firmware.truth(world.now);
            assert_eq!((writes(&world) - before, truth.requests[label]), (1, 1), "{family}: one call");
            assert!(truth.certificates.is_empty() && truth.keys.is_empty());
            let kept = extent == Extent::Partial;
            assert_eq!(world.firmware.check_admin_password(&ours), kept, "{family} {extent:?}");
            assert_eq!(
                (truth.host_name.as_str(), truth.domain_name.is_empty()),
                (if kept { "pc1" } else { "" }, !kept)
            );
            assert!(world.firmware.check_mebx_password(menu.expose()), "the setup menu's password stays");
            let record = world.record().unwrap();
            assert!(is_taken_back(&record) && !record.admin_proven && record.realm.is_none() && !record.commit_sent);
            assert!(passwords(&world).contains(&ours), "a candidate still");

            let sent = writes(&world);
            world.server.disk_is_full = true;
            let again = unprovision(&mut world, extent, None).result.unwrap().unwrap();
            assert_eq!((again.before, again.proof), (None, Some(Proof::SetupMode)), "{family}");
            assert_eq!(writes(&world), sent, "{family}: nothing was sent, and nothing recorded");
            world.server.disk_is_full = false;

            // And the setup server can begin again, from what the record holds.
            world.wait(Duration::from_secs(60));
            world.attempt_with(None, Some(kept)).result.unwrap().unwrap();
            world.assert_reachable("set up again");
            assert!(world.record().unwrap().verified && world.firmware.phase() == Phase::Post);
        }
    }
}

#[test]
fn a_crash_at_any_point_leaves_the_machine_reachable_or_taken_back_and_the_next_attempt_ends_it() {
    for (extent, _) in EXTENTS {
        crashes(extent, || World::provisioned(|_| {}), Proof::SetupMode);
    }
    crashes(Extent::Full, client, Proof::PortClosed);
}

fn crashes(extent: Extent, fresh: fn() -> World, proof: Proof) {
    let total = unprovision(&mut fresh(), extent, None).outputs;
    assert!(total > 10, "{total}");
    let mut ends = [0, 0];
    for output in 0..total {
        for after in [false, true] {
            let crash = Crash { output, after };
            let mut world = fresh();
            let ours = passwords(&world)[0].clone();
            unprovision(&mut world, extent, Some(crash));
            let gone = world.firmware.phase() != Phase::Post;
            ends[usize::from(gone)] += 1;
            assert!(gone || world.firmware.check_admin_password(&ours), "{crash:?}");
            assert!(passwords(&world).contains(&ours), "{crash:?}: it was forgotten");
            assert!(!gone || asked(&world) == 1, "{crash:?}");
            world.wait(Duration::from_secs(60));
            let known = is_taken_back(&world.record().unwrap());
            let end = unprovision(&mut world, extent, None);
            if known && proof == Proof::PortClosed {
                // All was recorded, and the machine is silent: there is nothing to see any more.
                assert_eq!(end.failure().code, ErrorCode::CONNECT_REFUSED, "{crash:?}");
            } else {
                let end = end.result.unwrap().unwrap();
                assert_eq!((end.before.is_none(), end.proof), (gone, Some(proof)), "{crash:?}");
            }
            assert_eq!(asked(&world), 1, "{crash:?}: asked again although it had done it");
            assert!(is_taken_back(&world.record().unwrap()) && world.firmware.phase() != Phase::Post, "{crash:?}");
            assert!(passwords(&world).contains(&ours), "{crash:?}");
        }
    }
    assert!(ends[0] > 5 && ends[1] > 5, "crashes before and after the change: {ends:?}");
}

#[test]
fn a_lost_answer_is_answered_by_what_the_machine_shows() {
    for (extent, label) in EXTENTS {
        let fault = |direction| Fault::once(Place::Label(label.to_owned()), direction, FaultKind::Reset);
        let mut world = World::provisioned(|_| {});
        world.fault(fault(Direction::Out));
        let done = unprovision(&mut world, extent, None).result.unwrap().unwrap();
        assert_eq!((done.proof, asked(&world)), (Some(Proof::SetupMode), 1), "the firmware had done it");

        let mut world = World::provisioned(|_| {});
        let before = world.record().unwrap();
        world.fault(fault(Direction::In));
        let lost = unprovision(&mut world, extent, None);
        assert_eq!(lost.failure().code, ErrorCode::PROOF_FAILED, "the request was lost");
        assert!(lost.failure().message.contains("still set up"), "{}", lost.failure());
        let record = world.record().unwrap();
        assert_eq!((record.step, &record.certificate), (Step::Unprovision, &before.certificate), "nothing is dropped");
        world.assert_reachable("after a lost request");
        let done = unprovision(&mut world, extent, None).result.unwrap().unwrap();
        assert_eq!((done.before, done.proof, asked(&world)), (Some(ControlMode::Admin), Some(Proof::SetupMode), 1));
    }
}

#[test]
fn a_machine_that_is_gone_meanwhile_proves_nothing_and_is_found_later() {
    let mut world = World::provisioned(|_| {});
    let ours = passwords(&world);
    world.fault(Fault::once(Place::Label(FULL.to_owned()), Direction::In, FaultKind::Reset));
    world.fault(broken_line());
    let away = unprovision(&mut world, Extent::Full, None);
    assert_eq!(away.failure().code, ErrorCode::CONNECTION_RESET, "not reached at all: nothing was begun");
    assert_eq!((world.record().unwrap().step, passwords(&world)), (Step::Done, ours.clone()));
    world.firmware.set_faults(amt_sim::fault::FaultPlan::none());
    // Sent, lost, and away from then on.
    let total = unprovision(&mut World::provisioned(|_| {}), Extent::Full, None).outputs;
    let mut crash = None;
    for output in 0..total {
        let mut probe = World::provisioned(|_| {});
        unprovision(&mut probe, Extent::Full, Some(Crash { output, after: true }));
        if probe.record().unwrap().step == Step::Unprovision && asked(&probe) == 0 {
            crash = Some(Crash { output, after: true });
        }
    }
    unprovision(&mut world, Extent::Full, crash);
    world.firmware.set_faults(amt_sim::fault::FaultPlan::none());
    world.fault(broken_line());
    let away = unprovision(&mut world, Extent::Full, None);
    assert_eq!(away.failure().code, ErrorCode::PROOF_FAILED, "{}", away.failure());
    assert_eq!(world.record().unwrap().step, Step::Unprovision);
    assert!(passwords(&world).contains(&ours[0]) && world.firmware.check_admin_password(&ours[0]));
    world.firmware.set_faults(amt_sim::fault::FaultPlan::none());
    let done = unprovision(&mut world, Extent::Full, None).result.unwrap().unwrap();
    assert_eq!((done.before, asked(&world)), (Some(ControlMode::Admin), 1));
}

#[test]
fn what_cannot_be_recorded_is_not_sent() {
    let mut world = World::provisioned(|_| {});
    world.server.disk_is_full = true;
    assert_eq!(unprovision(&mut world, Extent::Full, None).failure().code, ErrorCode::JOURNAL);
    assert_eq!((asked(&world), world.firmware.phase()), (0, Phase::Post));
}

#[test]
fn an_auditor_blocks_before_amt_12_and_is_named() {
    let audited = |family: &str| {
        let persona = Arc::new(Persona::built_in(family).unwrap());
        World::provisioned_as(
            |server| server.plan.legacy_tls = LegacyTls::Allow,
            |config| (config.persona, config.auditor) = (persona, true),
        )
    };
    for family in ["9.5", "11.8"] {
        for (extent, _) in EXTENTS {
            let mut world = audited(family);
            let before = world.record();
            let refused = unprovision(&mut world, extent, None);
            let failure = refused.failure();
            assert_eq!(failure.code, ErrorCode::STEP_REFUSED);
            assert!(failure.device.as_ref().unwrap().to_string().contains("2076"), "{failure}");
            assert!(failure.message.contains("the audit log blocks") && failure.hint.contains("auditor"), "{failure}");
            assert_eq!((asked(&world), world.firmware.phase(), world.record()), (1, Phase::Post, before), "as it was");
        }
    }
    let mut world = audited("12.0");
    assert!(
        unprovision(&mut world, Extent::Full, None).result.unwrap().is_ok(),
        "from AMT 12.0 an auditor does not block"
    );
}

#[test]
fn client_control_mode_ends_in_full_only_and_shows_a_closed_port() {
    let mut world = client();
    let before = world.record();
    let refused = unprovision(&mut world, Extent::Partial, None);
    assert_eq!(refused.failure().code, ErrorCode::WRONG_STATE);
    assert!(refused.failure().message.contains("client control mode"));
    assert_eq!((asked(&world), world.record()), (0, before), "nothing was sent");
    let done = unprovision(&mut world, Extent::Full, None).result.unwrap().unwrap();
    assert_eq!((done.before, done.proof), (Some(ControlMode::Client), Some(Proof::PortClosed)));
    assert_eq!((asked(&world), world.firmware.phase()), (1, Phase::Pre));
    assert!(passwords(&world).contains(&PASSWORD.to_owned()));
}

#[test]
fn a_dry_run_and_a_wrong_machine_change_nothing() {
    let mut world = World::provisioned(|_| {});
    let (before, sent) = (world.record(), writes(&world));
    world.server.disk_is_full = true;
    let would = unprovision_by(&mut world, Extent::Full, None, |job| job.dry_run = true).result.unwrap().unwrap();
    assert_eq!((would.before, would.proof), (Some(ControlMode::Admin), None));
    assert_eq!((writes(&world), world.record()), (sent, before.clone()));
    world.server.disk_is_full = false;

    // Another machine, in setup mode, has the address of one that is recorded as set up.
    let mut other = World::with(|config| config.seed = 9);
    other.password_is_unknown = true;
    other.server.disk = before.as_ref().map(|record| record.encode().expose().clone());
    let wrong = unprovision(&mut other, Extent::Full, None);
    assert_eq!(wrong.failure().code, ErrorCode::WRONG_STATE, "{}", wrong.failure());
    assert_eq!((other.record(), writes(&other)), (before.clone(), 0), "the record keeps what opens its machine");

    let mut record = before.unwrap();
    record.admin_passwords = vec!["N0t-the-one!".into()];
    let access: Access = world.access();
    let locked = world.run_recorded(Unprovision::new(access, record, Extent::Full).start(), None);
    assert_eq!(locked.failure().code, ErrorCode::ADMIN_PASSWORD_UNKNOWN);
    assert_eq!(asked(&world), 0);
}

#[test]
fn a_machine_that_can_be_asked_says_its_state_itself() {
    let mut world = World::provisioned(|_| {});
    unprovision(&mut world, Extent::Partial, None).result.unwrap().unwrap();
    world.wait(Duration::from_secs(60));
    let sent = writes(&world);
    // With a provisioning certificate setup mode opens, and the machine tells who it is.
    let again = unprovision_by(&mut world, Extent::Full, None, |job| {
        job.access.candidates = vec![amt_provision::remote::Candidate { index: 0, leaf_sha256: "leaf-0".to_owned() }];
    });
    let again = again.result.unwrap().unwrap();
    assert_eq!((again.before, again.proof, writes(&world)), (None, Some(Proof::State), sent));
}

#[test]
fn no_secret_is_told() {
    let mut world = World::provisioned(|_| {});
    let ours: Secret<String> = world.record().unwrap().admin_passwords[0].clone();
    let attempt = unprovision(&mut world, Extent::Full, None);
    assert!(!format!("{:?}", attempt.events).contains(ours.expose()));
}

#[test]
fn a_machine_that_waits_for_its_pair_again_is_known_by_it() {
    let shared = || PskPair::parse("AMT1-SET7", "CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD", Form::Typed).unwrap();
    for (extent, _) in EXTENTS {
        let mut world = World::provisioned_as(
            |server| (server.plan.legacy_tls, server.vault) = (LegacyTls::Allow, vec![shared()]),
            |config| {
                config.persona = Arc::new(Persona::built_in("9.5").unwrap());
                Arc::make_mut(&mut config.persona).keys.not_ready_percent = 0;
                config.psk = Some(shared());
            },
        );
        let pair = world.record().unwrap().psk[0].clone();
        assert!(world.firmware.check_psk(&pair) && pair != shared(), "it has a pair of its own");
        let done = unprovision(&mut world, extent, None).result.unwrap().unwrap();
        assert_eq!((done.proof, asked(&world)), (Some(Proof::SetupMode), 1));
        assert!(world.firmware.check_psk(&pair) && world.record().unwrap().psk.contains(&pair));
        let again = unprovision(&mut world, extent, None).result.unwrap().unwrap();
        assert_eq!((again.before, again.proof, asked(&world)), (None, Some(Proof::SetupMode), 1));
        world.attempt_with(None, Some(extent == Extent::Partial)).result.unwrap().unwrap();
        assert_eq!(world.firmware.phase(), Phase::Post, "set up again, by that pair");
    }
}
