//! Procedures of the machine's own system, against virtual firmware of many generations, with faults and crashes at every point.

mod world;

use crate::support::SUFFIX;
use amt_core::hello::{Hello, HelloKind};
use amt_core::psk::PskPair;
use amt_core::{ErrorCode, Secret, Severity};
use amt_provision::local::status::Status;
use amt_provision::local::{
    Activate, Activated, Extent, SigningChain, Standing, Start, Stop, Unprovision, Unprovisioned,
};
use amt_provision::machine::Machine;
use amt_provision::plan::PasswordPolicy;
use amt_provision::remote::ControlMode;
use amt_provision::{Plan, Record};
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use std::time::Duration;
use world::{Attempt, Crash, PERSONAS, World, id};

fn keep(record: &Record) -> Vec<u8> {
    record.encode().expose().clone()
}

fn nothing(never: &std::convert::Infallible) -> Vec<u8> {
    match *never {}
}

fn activate(world: &World, mode: ControlMode) -> Machine<Activated> {
    let mut job = Activate::new(world.record(), Plan::new(), mode);
    job.plan.host_name = Some("pc1".to_owned());
    job.plan.domain_name = Some(SUFFIX.to_owned());
    job.chains = vec![SigningChain(world.chain.chain.clone())];
    job.seed = [u8::try_from(world.now.0 % 251).unwrap(); 32];
    job.utc_at_zero = 1_790_000_000;
    job.start()
}

fn unprovision(world: &World) -> Machine<Unprovisioned> {
    Unprovision::new(world.record(), Extent::Full).start()
}

/// What is done, and how it is known to be done.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    before: fn(&mut World),
    run: fn(&mut World, Option<Crash>) -> Attempt<()>,
    /// Control mode after it.
    mode: u32,
}

fn finish<T>(attempt: Attempt<T>) -> Attempt<()> {
    Attempt { result: attempt.result.map(|result| result.map(drop)), outputs: attempt.outputs, notes: attempt.notes }
}

const CASES: [Case; 5] = [
    Case {
        name: "client",
        before: |_| {},
        run: |w, c| finish(w.run(activate(w, ControlMode::Client), c, keep)),
        mode: 1,
    },
    Case {
        name: "admin",
        before: |_| {},
        run: |w, c| finish(w.run(activate(w, ControlMode::Admin), c, keep)),
        mode: 2,
    },
    Case {
        name: "upgrade",
        before: |w| drop(w.run(activate(w, ControlMode::Client), None, keep).value()),
        run: |w, c| finish(w.run(activate(w, ControlMode::Admin), c, keep)),
        mode: 2,
    },
    Case {
        name: "leave client",
        before: |w| drop(w.run(activate(w, ControlMode::Client), None, keep).value()),
        run: |w, c| finish(w.run(unprovision(w), c, keep)),
        mode: 0,
    },
    Case {
        name: "leave admin",
        before: |w| drop(w.run(activate(w, ControlMode::Admin), None, keep).value()),
        run: |w, c| finish(w.run(unprovision(w), c, keep)),
        mode: 0,
    },
];

#[test]
fn every_generation_reaches_both_control_modes_and_goes_back() {
    for persona in PERSONAS {
        for case in CASES {
            let mut world = World::new(persona);
            (case.before)(&mut world);
            let attempt = (case.run)(&mut world, None);
            assert!(matches!(attempt.result, Some(Ok(()))), "{persona} {}: {:?}", case.name, attempt);
            assert_eq!(world.mode(), case.mode, "{persona} {}", case.name);
            world.assert_reachable(case.name);
        }
    }
}

#[test]
fn an_upgrade_ends_with_the_password_that_is_planned_wherever_it_is_killed() {
    let planned = Secret::from("Pl@nned-0ne");
    for output in 0.. {
        let mut world = World::new("16.0");
        world.run(activate(&world, ControlMode::Client), None, keep).value();
        let upgrade = |world: &World| {
            let mut plan = Plan::new();
            plan.admin_password = PasswordPolicy::Fixed(planned.clone());
            let mut job = Activate::new(world.record(), plan, ControlMode::Admin);
            job.chains = vec![SigningChain(world.chain.chain.clone())];
            job.start()
        };
        let crash = Crash { output, after: true };
        let killed = world.run(upgrade(&world), Some(crash), keep).result.is_none();
        let again = world.run(upgrade(&world), None, keep);
        assert!(matches!(again.result, Some(Ok(_))), "{crash:?}: {again:?}");
        assert!(world.firmware.check_admin_password(planned.expose()), "{crash:?}");
        assert_eq!(world.record().admin_passwords, std::slice::from_ref(&planned), "{crash:?}");
        if !killed {
            break;
        }
    }
}

#[test]
fn again_is_no_change() {
    for persona in ["9.5", "16.0", "21.0"] {
        for mode in [ControlMode::Client, ControlMode::Admin] {
            let mut world = World::new(persona);
            assert!(world.run(activate(&world, mode), None, keep).value().changed);
            let disk = world.disk.clone();
            let again = world.run(activate(&world, mode), None, keep).value();
            assert!(!again.changed && again.control_mode == mode, "{persona}: {again:?}");
            assert_eq!(world.disk, disk, "nothing is written");
        }
    }
}

#[test]
fn a_crash_anywhere_is_gone_on_from() {
    for persona in PERSONAS {
        for case in CASES {
            let mut outputs = 0;
            loop {
                let mut crashed = false;
                for after in [false, true] {
                    let mut world = World::new(persona);
                    (case.before)(&mut world);
                    let crash = Crash { output: outputs, after };
                    let attempt = (case.run)(&mut world, Some(crash));
                    crashed |= attempt.result.is_none();
                    world.assert_reachable("after the crash");
                    let again = (case.run)(&mut world, None);
                    assert!(
                        matches!(again.result, Some(Ok(()))),
                        "{persona} {} killed at {crash:?}: {:?} {:?}",
                        case.name,
                        again.result,
                        again.notes
                    );
                    assert_eq!(world.mode(), case.mode, "{persona} {} {crash:?}", case.name);
                    world.assert_reachable("in the end");
                }
                if !crashed {
                    break;
                }
                outputs += 1;
            }
            assert!(outputs > 10, "{persona} {}: {outputs}", case.name);
        }
    }
}

/// Every fault of HECI, at every message: done in the end, or a coded error, and then done by running again.
#[test]
fn every_fault_at_every_message_ends_well_or_with_a_code() {
    let late = FaultKind::Delay(Duration::from_secs(20));
    let kinds = [
        (Direction::In, FaultKind::Reset),
        (Direction::Out, FaultKind::Reset),
        (Direction::Out, late),
        (Direction::Out, FaultKind::Truncate),
        (Direction::Out, FaultKind::Oversize),
        (Direction::Out, FaultKind::Garbage),
        (Direction::In, FaultKind::Stall),
        (Direction::Out, FaultKind::Status(1)),
    ];
    for persona in PERSONAS {
        for case in CASES {
            for (direction, kind) in kinds {
                for number in 1.. {
                    let mut world = World::new(persona);
                    (case.before)(&mut world);
                    let before = world.firmware.mei_messages();
                    let fault = Fault::once(Place::Mei(before + number), direction, kind);
                    world.firmware.add_fault(fault);
                    let first = (case.run)(&mut world, None);
                    world.assert_reachable("after the fault");
                    if let Some(Err(failure)) = &first.result {
                        assert!(failure.code.number() >= 1000, "{persona} {}: {failure:?}", case.name);
                        assert!(!failure.hint.is_empty(), "{failure:?}");
                        let again = (case.run)(&mut world, None);
                        assert!(
                            matches!(again.result, Some(Ok(()))),
                            "{persona} {} {kind} {direction:?} at {number}: {failure:?}, then {:?}",
                            case.name,
                            again.result
                        );
                    }
                    assert_eq!(world.mode(), case.mode, "{persona} {} {kind} at {number}", case.name);
                    if world.firmware.mei_messages() < before + number {
                        break;
                    }
                }
            }
        }
    }
}

#[test]
fn lost_answers_of_ws_man_are_looked_up_and_nothing_dangerous_is_sent_twice() {
    for (persona, mode, label) in [
        ("16.0", ControlMode::Client, "IPS_HostBasedSetupService.Setup"),
        ("16.0", ControlMode::Admin, "IPS_HostBasedSetupService.AdminSetup"),
        ("21.0", ControlMode::Admin, "AMT_SetupAndConfigurationService.CommitChanges"),
    ] {
        for kind in [FaultKind::Reset, FaultKind::Truncate, FaultKind::Garbage] {
            let mut world = World::new(persona);
            world.firmware.add_fault(Fault::once(Place::Label(label.to_owned()), Direction::Out, kind));
            let done = world.run(activate(&world, mode), None, keep);
            assert!(matches!(done.result, Some(Ok(_))), "{persona} {label} {kind}: {done:?}");
            let truth = world.firmware.truth(world.now);
            assert_eq!(truth.requests.get(label), Some(&1), "{label} {kind}");
        }
    }
}

#[test]
fn busy_firmware_is_waited_for() {
    let mut world = World::new("16.0");
    world.firmware.add_fault("AMTHI.connect:in:busy:5".parse().unwrap());
    assert!(world.run(activate(&world, ControlMode::Client), None, keep).value().changed);
    let mut world = World::new("16.0");
    world.firmware.add_fault("AMTHI.connect:in:busy:100".parse().unwrap());
    let attempt = world.run(activate(&world, ControlMode::Client), None, keep);
    assert_eq!(attempt.failure().code, ErrorCode::MEI_BUSY);
}

#[test]
fn amt_that_is_off_is_switched_on_only_if_that_is_wanted() {
    for (enable, works) in [(false, false), (true, true)] {
        let mut world = World::with("18.0", |config| config.amt_enabled = false);
        let mut job = Activate::new(world.record(), Plan::new(), ControlMode::Client);
        job.enable = enable;
        let attempt = world.run(job.start(), None, keep);
        match works {
            true => assert!(attempt.value().changed),
            false => assert_eq!(attempt.failure().code, ErrorCode::AMT_DISABLED),
        }
    }
    let mut world = World::with("18.0", |config| config.amt_enabled = false);
    let status = world.run(Status::default().start(), None, nothing);
    assert_eq!(status.failure().code, ErrorCode::AMT_DISABLED);
}

#[test]
fn what_the_firmware_refuses_is_told_with_its_own_code() {
    let refused = |persona, change: fn(&mut amt_sim::MachineConfig), mode| {
        let mut world = World::with(persona, change);
        world.run(activate(&world, mode), None, keep).failure().code
    };
    let admin = ControlMode::Admin;
    assert_eq!(refused("16.0", |c| c.roots.clear(), admin), ErrorCode::NO_CERTIFICATE_FITS);
    assert_eq!(refused("16.0", |c| c.suffix = Some("other.org".into()), admin), ErrorCode::CHAIN_REFUSED);
    assert_eq!(refused("21.0", |c| c.suffix = Some("other.org".into()), admin), ErrorCode::TLS_CHAIN_REFUSED);
    let only_admin = |c: &mut amt_sim::MachineConfig| {
        std::sync::Arc::make_mut(&mut c.persona).local.allowed_modes = vec![2];
    };
    assert_eq!(refused("16.0", only_admin, ControlMode::Client), ErrorCode::CONTROL_MODE_REFUSED);
    assert_eq!(refused("5.0", |_| {}, admin), ErrorCode::FIRMWARE_UNSUPPORTED);
}

#[test]
fn a_machine_of_someone_else_is_left_alone() {
    let mut world = World::new("16.0");
    world.run(activate(&world, ControlMode::Admin), None, keep).value();
    (world.disk, world.foreign) = (None, true);
    let attempt = world.run(activate(&world, ControlMode::Admin), None, keep);
    assert_eq!(attempt.failure().code, ErrorCode::ALREADY_PROVISIONED);
    assert_eq!(world.mode(), 2);
    let attempt = world.run(unprovision(&world), None, keep);
    assert_eq!(attempt.failure().code, ErrorCode::ADMIN_PASSWORD_UNKNOWN);
    let other = Record::new("00112233-4455-6677-8899-aabbccddeeff".parse().unwrap());
    let attempt = world.run(Activate::new(other, Plan::new(), ControlMode::Client).start(), None, keep);
    assert_eq!(attempt.failure().code, ErrorCode::WRONG_MACHINE);
}

#[test]
fn a_wrong_signature_is_refused_and_nothing_is_changed() {
    let mut world = World::new("16.0");
    world.spoilt_signer = true;
    let attempt = world.run(activate(&world, ControlMode::Admin), None, keep);
    let failure = attempt.failure();
    assert_eq!(failure.code, ErrorCode::RETURN_VALUE);
    assert!(failure.message.contains("AUTHENTICATION_FAILED"), "{failure:?}");
    assert_eq!(world.mode(), 0);
}

#[test]
fn secure_setup_is_taken_where_it_is_not_demanded_too() {
    for persona in ["14.0", "16.0", "18.0"] {
        let mut world = World::new(persona);
        let mut job = Activate::new(world.record(), Plan::new(), ControlMode::Admin);
        job.chains = vec![SigningChain(world.chain.chain.clone())];
        job.secure = true;
        job.utc_at_zero = 1_790_000_000;
        let done = world.run(job.start(), None, keep);
        assert!(matches!(done.result, Some(Ok(_))), "{persona}: {done:?}");
        assert_eq!(world.mode(), 2);
    }
}

#[test]
fn no_hello_comes_before_start_hello() {
    for persona in started() {
        let mut world = World::new(persona);
        world.advance_by(Duration::from_secs(3600));
        assert_eq!(world.hellos.len(), 0, "{persona}");
        let mut job = Start::default();
        job.otp = Some(Secret::from("S3cret!9"));
        let started = world.run(job.start(), None, nothing).value();
        assert_eq!(started.standing, Standing::Unprovisioned);
        world.advance_by(Duration::from_secs(5));
        assert!(!world.hellos.is_empty(), "{persona}");
        let standing = world.run(Stop::default().start(), None, nothing).value();
        assert_eq!(standing, Standing::Unprovisioned);
        let so_far = world.hellos.len();
        world.advance_by(Duration::from_secs(3600));
        assert_eq!(world.hellos.len(), so_far, "{persona}: stopped");
    }
}

#[test]
fn start_hello_says_what_is_in_the_way() {
    let refused = |change: fn(&mut amt_sim::MachineConfig)| {
        let mut world = World::with("16.0", change);
        world.run(Start::default().start(), None, nothing).failure().code
    };
    assert_eq!(refused(|c| c.zero_touch = false), ErrorCode::ZERO_TOUCH_DISABLED);
    assert_eq!(refused(|c| c.link_up = false), ErrorCode::NETWORK_NOT_READY);
    assert_eq!(refused(|c| c.roots.clear()), ErrorCode::WRONG_STATE);
    let mut world = World::new("16.0");
    world.run(activate(&world, ControlMode::Client), None, keep).value();
    let attempt = world.run(Start::default().start(), None, nothing);
    assert_eq!(attempt.failure().code, ErrorCode::ALREADY_PROVISIONED);
    let mut job = Start::default();
    job.otp = Some(Secret::from("x".repeat(33).as_str()));
    assert_eq!(world.run(job.start(), None, nothing).failure().code, ErrorCode::INVALID_ARGUMENT);
}

/// Personas that an agent starts, those that cannot be set up from inside too.
fn started() -> impl Iterator<Item = &'static str> {
    ["3.2", "5.0"].into_iter().chain(PERSONAS)
}

#[test]
fn start_hello_is_gone_on_from_wherever_it_is_killed() {
    for persona in started() {
        for output in 0.. {
            let mut killed = false;
            for after in [false, true] {
                let mut world = World::new(persona);
                let crash = Crash { output, after };
                let start = || {
                    let mut job = Start::default();
                    job.otp = Some(Secret::from("S3cret!9"));
                    job.start()
                };
                killed |= world.run(start(), Some(crash), nothing).result.is_none();
                let again = world.run(start(), None, nothing);
                assert!(matches!(again.result, Some(Ok(_))), "{persona} {crash:?}: {again:?}");
                world.advance_by(Duration::from_secs(5));
                assert!(!world.hellos.is_empty(), "{persona} {crash:?}");
            }
            if !killed {
                assert!(output > 5, "{persona}: {output}");
                break;
            }
        }
    }
}

#[test]
fn start_hello_survives_every_fault() {
    for persona in started() {
        for (direction, kind) in [
            (Direction::In, FaultKind::Reset),
            (Direction::Out, FaultKind::Reset),
            (Direction::Out, FaultKind::Truncate),
            (Direction::Out, FaultKind::Oversize),
            (Direction::Out, FaultKind::Garbage),
            (Direction::Out, FaultKind::Delay(Duration::from_secs(20))),
            (Direction::In, FaultKind::Stall),
        ] {
            for number in 1.. {
                let mut world = World::new(persona);
                world.firmware.add_fault(Fault::once(Place::Mei(number), direction, kind));
                let first = world.run(Start::default().start(), None, nothing);
                if first.result.as_ref().is_some_and(Result::is_err) {
                    world.run(Start::default().start(), None, nothing).value();
                }
                world.advance_by(Duration::from_secs(5));
                assert!(!world.hellos.is_empty(), "{persona} {kind} at {number}");
                if world.firmware.mei_messages() < number {
                    break;
                }
            }
        }
    }
}

#[test]
fn status_tells_everything_and_what_is_in_the_way() {
    let mut world = World::new("16.0");
    let status = world.run(Status::default().start(), None, nothing).value();
    assert_eq!(status.facts.id, Some(id()));
    assert_eq!(status.facts.version.to_string(), "16.0.15.1735");
    assert_eq!(status.facts.standing, Standing::Unprovisioned);
    assert_eq!(status.roots.len(), 1);
    assert_eq!(status.suffix.as_deref(), Some(SUFFIX));
    assert_eq!(status.brand, Some("AMT"));
    assert!(status.wired.is_some() && status.wireless.is_none());
    assert!(status.blockers().is_empty(), "{:?}", status.blockers());
    let mut world = World::with("16.0", |config| {
        config.link_up = false;
        config.zero_touch = false;
        config.roots.clear();
    });
    let status = world.run(Status::default().start(), None, nothing).value();
    let codes: Vec<_> = status.blockers().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["ZERO-TOUCH-OFF", "NO-ROOT", "NO-LINK"]);
    assert!(status.blockers().iter().all(|finding| finding.severity == Severity::Warning));
    let mut world = World::new("3.2");
    let status = world.run(Status::default().start(), None, nothing).value();
    assert_eq!(status.facts.standing, Standing::Unprovisioned, "without control mode");
}

#[test]
fn a_hello_sent_by_software_is_the_one_that_the_firmware_sends() {
    let pair = PskPair::generate(|bytes| {
        bytes.fill(7);
        Ok::<_, ()>(())
    });
    for (persona, psk) in [("3.2", Some(pair.unwrap())), ("9.5", None), ("16.0", None), ("21.0", None)] {
        let mut world = World::with(persona, |config| config.psk = psk.clone());
        let ours = world.run(Status::default().start(), None, nothing).value().hello().unwrap();
        world.run(Start::default().start(), None, nothing).value();
        world.advance_by(Duration::from_secs(60));
        let mut theirs = Hello::decode(world.hellos.first().expect(persona)).unwrap();
        theirs.retry = 0;
        assert_eq!(ours, theirs, "{persona}");
        assert_eq!(matches!(ours.kind, HelloKind::Psk { .. }), psk.is_some(), "{persona}");
    }
}

#[test]
fn no_hello_is_made_that_would_be_in_vain() {
    let hello = |world: &mut World| world.run(Status::default().start(), None, nothing).value().hello();
    let mut world = World::with("16.0", |config| config.roots.clear());
    assert_eq!(hello(&mut world).unwrap_err().code, ErrorCode::WRONG_STATE);
    let mut world = World::new("16.0");
    world.run(activate(&world, ControlMode::Client), None, keep).value();
    assert_eq!(hello(&mut world).unwrap_err().code, ErrorCode::ALREADY_PROVISIONED);
}
