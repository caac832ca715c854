//! Machines that wait for a pre-shared pair: the whole way, every error by its own name, and power cuts at every output.

use crate::support::{Crash, World};
use amt_core::psk::{Form, PskPair};
use amt_core::tls::{LegacyTls, Rung};
use amt_core::{ErrorCode, FirmwareVersion, Secret};
use amt_provision::{Event, Step};
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use amt_sim::persona::Persona;
use std::sync::Arc;
use std::time::Duration;

fn shared() -> PskPair {
    PskPair::parse("AMT1-SET7", "CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD", Form::Typed).unwrap()
}

fn other_pps() -> PskPair {
    PskPair::parse("AMT1-SET7", "NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ", Form::Typed).unwrap()
}

/// A machine of this version that holds the shared pair, which the vault has too.
fn world(version: &str) -> World {
    let persona = format!(
        "based_on = \"amt-16.0\"\nname = \"old\"\nversion = \"{version}\"\n[tls]\nmin = \"1.0\"\nmax = \"1.0\"\n\
         suites = [\"AES128-SHA\"]\npsk_suites = [\"PSK-AES128-CBC-SHA\"]\n[keys]\nnot_ready_percent = 0\n"
    );
    let mut world = World::with(|machine| {
        machine.persona = Arc::new(Persona::parse(&persona).unwrap());
        machine.psk = Some(shared());
    });
    world.server.vault = vec![shared()];
    world.server.plan.legacy_tls = LegacyTls::Allow;
    world
}

/// Attempts until the machine is proven, as hellos would bring them.
fn finish(world: &mut World, what: &str) {
    let mut last = None;
    for _ in 0..6 {
        if let Some(record) = world.record().filter(|record| record.verified) {
            assert_eq!(world.firmware.truth(world.now).commits, 1, "{what}");
            assert_eq!(record.psk.len(), 1, "{what}: one pair is left");
            assert!(world.firmware.check_psk(&record.psk[0]), "{what}: the machine holds it");
            assert_ne!(record.psk[0], shared(), "{what}: it is the machine's own");
            assert_eq!((record.fresh_psk, record.private_key), (None, None), "{what}");
            return;
        }
        last = world.attempt(None).result;
        world.wait(Duration::from_secs(30));
    }
    panic!("{what}: not finished: {last:?}");
}

#[test]
fn a_machine_is_set_up_with_its_pair_and_gets_one_of_its_own() {
    for version in ["9.5.0", "3.2.1"] {
        let mut world = world(version);
        let attempt = world.attempt(None);
        let steps = attempt.steps();
        attempt.result.unwrap().unwrap();
        assert!(steps.contains(&Step::SetPsk) && steps.last() == Some(&Step::Done), "{steps:?}");
        assert_eq!(steps.contains(&Step::AddKey), version.starts_with('3'), "{steps:?}");
        finish(&mut world, version);
        assert_eq!(world.record().unwrap().rung, Some(Rung::Legacy));
    }
}

#[test]
fn each_error_has_its_own_code() {
    let failed = |change: &dyn Fn(&mut World)| {
        let mut world = world("9.5.0");
        change(&mut world);
        world.attempt(None).failure().code
    };
    let wrong = |w: &mut World| {
        w.server.vault = vec![other_pps()];
        w.pair_is_unknown = true;
    };
    assert_eq!(failed(&wrong), ErrorCode::PSK_WRONG);
    assert_eq!(failed(&|w| w.server.plan.legacy_tls = LegacyTls::Refuse), ErrorCode::TLS_LEGACY_NOT_ALLOWED);
    // The window has closed.
    assert_eq!(failed(&|w| w.wait(Duration::from_secs(300 * 3600))), ErrorCode::CONNECT_REFUSED);
    let mut owned = World::with(|machine| {
        machine.persona = world("9.5.0").firmware.persona().clone();
        machine.psk = Some(shared());
        machine.admin_password = Some(Secret::from("Their0wn!Word"));
    });
    owned.password_is_unknown = true;
    owned.server.vault = vec![shared()];
    owned.server.plan.legacy_tls = LegacyTls::Allow;
    assert_eq!(owned.attempt_with(None, Some(true)).failure().code, ErrorCode::ADMIN_PASSWORD_UNKNOWN);
}

#[test]
fn firmware_without_pre_shared_keys_is_refused_before_anything_is_tried() {
    let mut world = world("9.5.0");
    let mut record = amt_provision::Record::new(world.firmware.id());
    record.version = Some(FirmwareVersion::new(11, 0));
    record.admin_passwords = vec![Secret::from("admin")];
    world.server.disk = Some(record.encode().expose().clone());
    let attempt = world.attempt(None);
    assert_eq!(attempt.failure().code, ErrorCode::PSK_UNSUPPORTED);
    assert!(!attempt.events.iter().any(|event| matches!(event, Event::Connected(_))));
}

#[test]
fn a_crash_at_any_point_loses_neither_pair_nor_password() {
    for version in ["9.5.0", "3.2.1"] {
        let total = {
            let mut world = world(version);
            let attempt = world.attempt(None);
            attempt.result.unwrap().unwrap();
            attempt.outputs
        };
        for output in 0..total {
            for after in [false, true] {
                let mut world = world(version);
                let crash = Crash { output, after };
                let attempt = world.attempt(Some(crash));
                assert!(attempt.result.is_none() || output + 1 >= total, "{crash:?} was not reached");
                world.assert_reachable("after the crash");
                finish(&mut world, &format!("{version}, {crash:?}"));
            }
        }
    }
}

#[test]
fn two_crashes_in_a_row_lose_nothing_either() {
    for first in (0..120).step_by(7) {
        for second in (0..120).step_by(5) {
            let mut world = world("9.5.0");
            for output in [first, second] {
                world.attempt(Some(Crash { output, after: true }));
                world.assert_reachable("after a crash");
            }
            finish(&mut world, &format!("{first} then {second}"));
        }
    }
}

#[test]
fn a_fault_at_the_replacement_loses_no_pair() {
    for label in [
        "AMT_SetupAndConfigurationService.SetTLSPSK",
        "AMT_SetupAndConfigurationService.CommitChanges",
        "AMT_PublicKeyManagementService.AddCertificate",
    ] {
        for direction in [Direction::In, Direction::Out] {
            for kind in [FaultKind::Reset, FaultKind::Stall, FaultKind::Truncate, FaultKind::Garbage] {
                let mut world = world("9.5.0");
                world.fault(Fault::once(Place::Label(label.to_owned()), direction, kind));
                world.attempt(None);
                world.assert_reachable("after the fault");
                world.wait(Duration::from_secs(30));
                finish(&mut world, &format!("{label} {direction:?} {kind:?}"));
            }
        }
    }
}
