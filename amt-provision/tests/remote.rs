//! Remote configuration against the virtual firmware, in memory.

use crate::support::World;
use amt_core::{ErrorCode, Secret};
use amt_provision::remote::ControlMode;
use amt_provision::{CaAnswer, Event, InUse, PasswordPolicy, Step};
use amt_sim::RootHash;
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use amt_sim::firmware::SetupRecord;
use amt_sim::persona::{CommitReply, SetupLogin};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_factory_fresh_machine_ends_in_proven_admin_control_mode() {
    let mut world = World::new();
    let attempt = world.attempt(None);
    let outcome = attempt.result.as_ref().unwrap().as_ref().unwrap();
    assert_eq!(outcome.control_mode, ControlMode::Admin);
    let record = world.record().unwrap();
    assert!(record.verified && record.commit_sent && record.admin_proven);
    assert_eq!(record.admin_passwords.len(), 1, "the factory password is dropped after the proof");
    assert!(world.firmware.check_admin_password(record.admin_passwords[0].expose()));
    assert!(!world.firmware.check_admin_password("admin"), "the factory password is refused");
    assert!(world.firmware.check_mebx_password(record.mebx_passwords[0].expose()));
    let served = world.firmware.tls(world.now).certificate;
    assert_eq!(Some(served.to_vec()), record.certificate);
    assert_eq!(world.server.ca.asked[0].common_name, "pc1.example.com");
    assert_eq!(outcome.version.unwrap().major, 16);
    assert_eq!(attempt.steps().last(), Some(&Step::Done));
}

#[test]
fn every_dangerous_call_is_made_once() {
    let mut world = World::new();
    world.attempt(None).result.unwrap().unwrap();
    let truth = world.firmware.truth(world.now);
    for label in ["AMT_SetupAndConfigurationService.CommitChanges", "AMT_PublicKeyManagementService.GenerateKeyPair"] {
        assert_eq!(truth.requests.get(label), Some(&1), "{label}");
    }
}

#[test]
fn whatever_login_setup_mode_wants_is_found() {
    for login in [SetupLogin::None, SetupLogin::Empty, SetupLogin::Factory, SetupLogin::Mebx] {
        let mut world = World::with(|m| Arc::make_mut(&mut m.persona).login.setup = login);
        world.attempt(None).result.unwrap().unwrap_or_else(|f| panic!("{login:?}: {f}"));
    }
}

#[test]
fn a_machine_with_a_password_of_its_own_is_opened_with_a_known_one() {
    let mut world = World::with(|m| m.admin_password = Some(Secret::from("Old-P4ssword")));
    world.server.plan.known_admin_passwords = vec!["Wrong-P4ssword".into(), "Old-P4ssword".into()];
    let start = world.now;
    let attempt = world.attempt_with(None, Some(true));
    attempt.result.unwrap().unwrap();
    assert!(world.now.since(start) >= Duration::from_secs(20), "guesses are spaced");
}

#[test]
fn a_machine_with_an_unknown_password_says_so_and_is_not_changed() {
    let mut world = World::with(|m| m.admin_password = Some(Secret::from("Unkn0wn-pass")));
    world.password_is_unknown = true;
    world.server.plan.known_admin_passwords = vec!["Wrong-P4ssword".into()];
    let attempt = world.attempt_with(None, Some(true));
    assert_eq!((attempt.failure().code, &*attempt.failure().stage), (ErrorCode::ADMIN_PASSWORD_UNKNOWN, "read-state"));
    assert!(attempt.failure().hint.contains("known_admin_passwords"));
    assert!(world.record().is_none());
    assert!(world.firmware.check_admin_password("Unkn0wn-pass"));
}

#[test]
fn the_right_one_time_password_is_accepted_and_a_wrong_one_closes_the_window() {
    let mut world = World::with(|m| m.otp = Some("Otp-12345678".into()));
    world.server.plan.otp = Some("Otp-12345678".into());
    world.attempt(None).result.unwrap().unwrap();

    for held in [None, Some("Otp-87654321".to_owned())] {
        let mut world = World::with(|m| m.otp = held.clone());
        world.server.plan.otp = Some("Otp-12345678".into());
        let attempt = world.attempt(None);
        assert_eq!((attempt.failure().code, &*attempt.failure().stage), (ErrorCode::OTP_MISMATCH, "check-otp"));
        assert!(world.record().is_none(), "nothing was chosen for a machine that is not ours");
        assert_eq!(world.attempt(None).failure().code, ErrorCode::CONNECT_REFUSED, "the window is closed");
    }
}

#[test]
fn another_machine_at_the_address_is_left_alone() {
    let mut world = World::new();
    let other = amt_provision::Record::new("11112222-3333-4444-5555-666677778888".parse().unwrap());
    world.server.disk = Some(other.encode().expose().clone());
    // The record of another machine holds no password of this one; only the refusal is of interest here.
    world.server.plan.known_admin_passwords = vec!["admin".into()];
    let mut record = world.record().unwrap();
    record.admin_passwords = vec!["admin".into()];
    world.server.disk = Some(record.encode().expose().clone());
    assert_eq!(world.attempt(None).failure().code, ErrorCode::WRONG_MACHINE);
}

#[test]
fn a_refused_certificate_makes_way_for_the_next_and_the_winner_is_remembered() {
    let mut world = World::new();
    let mut wrong = world.server.chains[0].clone();
    wrong.truncate(2); // the root is missing
    world.server.chains.insert(0, wrong);
    world.attempt(None).result.unwrap().unwrap();
    assert_eq!(world.record().unwrap().provisioning_certificate.as_deref(), Some("leaf-1"));
}

#[test]
fn when_every_certificate_is_refused_the_error_says_so() {
    let mut world = World::new();
    world.server.chains[0].truncate(2);
    let attempt = world.attempt(None);
    assert_eq!((attempt.failure().code, &*attempt.failure().stage), (ErrorCode::TLS_CHAIN_REFUSED, "connect"));
    assert!(attempt.failure().hint.contains("preflight"));
}

#[test]
fn a_machine_that_is_not_ready_to_make_a_key_is_asked_again() {
    let mut world = World::with(|m| Arc::make_mut(&mut m.persona).keys.not_ready_percent = 100);
    world.attempt(None).result.unwrap().unwrap();
}

#[test]
fn a_pending_certificate_is_asked_about_until_it_is_issued_and_one_key_is_used() {
    let mut world = World::new();
    let pending = || CaAnswer::pending("42");
    world.server.ca.answers = [pending(), pending(), pending()].into();
    for _ in 0..3 {
        let attempt = world.attempt(None);
        assert_eq!((attempt.failure().code, &*attempt.failure().stage), (ErrorCode::CA_PENDING, "certify"));
        assert_eq!(world.record().unwrap().ca_request.as_deref(), Some("42"));
    }
    world.attempt(None).result.unwrap().unwrap();
    let ids: Vec<_> = world.server.ca.asked.iter().map(|r| r.request_id.as_deref()).collect();
    assert_eq!(ids, [None, Some("42"), Some("42"), Some("42")]);
    let truth = world.firmware.truth(world.now);
    assert_eq!(truth.requests.get("AMT_PublicKeyManagementService.GenerateKeyPair"), Some(&1));
}

#[test]
fn a_denied_certificate_is_reported_in_the_authoritys_words_and_asked_for_anew_later() {
    let mut world = World::new();
    world.server.ca.answers = [CaAnswer::Denied { reason: "template not published".into() }].into();
    let attempt = world.attempt(None);
    assert_eq!(attempt.failure().code, ErrorCode::CA_DENIED);
    assert!(attempt.failure().message.contains("template not published"));
    world.attempt(None).result.unwrap().unwrap();
}

#[test]
fn a_certificate_for_another_key_is_not_installed() {
    let mut world = World::new();
    let other = world.server.chains[0][0].clone();
    world.server.ca.answers = [CaAnswer::Issued { certificate: other, chain: vec![] }].into();
    assert_eq!(world.attempt(None).failure().code, ErrorCode::CA_CERTIFICATE_WRONG);
}

#[test]
fn an_authority_may_leave_the_root_out_and_loses_no_intermediate() {
    for with_root in [true, false] {
        let mut world = World::new();
        let [_, intermediate, root] = <[Vec<u8>; 3]>::try_from(world.server.chains[0].clone()).unwrap();
        let mut chain = vec![intermediate.clone()];
        chain.extend(with_root.then_some(root));
        world.server.ca.chain = Some(chain);
        world.attempt(None).result.unwrap().unwrap();
        let truth = world.firmware.truth(world.now);
        let stored: Vec<&str> = truth
            .certificates
            .iter()
            .filter(|stored| stored.trusted_root)
            .map(|stored| stored.sha256.as_str())
            .collect();
        let expected: String =
            RootHash::sha256(&intermediate).digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(stored, [expected.as_str()], "with the root: {with_root}");
    }
}

#[test]
fn a_lost_answer_to_the_commit_is_found_in_the_machines_state() {
    let mut world = World::with(|m| Arc::make_mut(&mut m.persona).network.commit_reply = CommitReply::Dropped);
    world.attempt(None).result.unwrap().unwrap();
    let truth = world.firmware.truth(world.now);
    assert_eq!(truth.requests.get("AMT_SetupAndConfigurationService.CommitChanges"), Some(&1));
}

#[test]
fn a_refused_commit_says_what_the_firmware_said() {
    let mut world = World::new();
    let place = Place::Label("AMT_SetupAndConfigurationService.CommitChanges".into());
    world.fault(Fault::once(place, Direction::In, FaultKind::Status(38)));
    let attempt = world.attempt(None);
    assert_eq!((attempt.failure().code, &*attempt.failure().stage), (ErrorCode::COMMIT_REFUSED, "commit"));
    assert!(attempt.failure().device.as_ref().unwrap().to_string().contains("38 (FLASH_WRITE_LIMIT_EXCEEDED)"));
    world.attempt(None).result.unwrap().unwrap();
}

#[test]
fn fixed_passwords_are_used_and_checked_first() {
    let mut world = World::new();
    world.server.plan.admin_password = PasswordPolicy::Fixed("Adm1n-secret".into());
    world.server.plan.mebx_password = PasswordPolicy::Fixed("weak".into());
    let attempt = world.attempt(None);
    assert_eq!(attempt.failure().code, ErrorCode::PLAN_INVALID);
    assert!(attempt.failure().message.contains("mebx_password"));
    assert!(!attempt.failure().to_string().contains("weak\""));
    world.server.plan.mebx_password = PasswordPolicy::Fixed("Mebx-s3cret".into());
    world.attempt(None).result.unwrap().unwrap();
    assert!(world.firmware.check_admin_password("Adm1n-secret"));
    assert!(world.firmware.check_mebx_password("Mebx-s3cret"));
}

#[test]
fn a_machine_that_another_owner_uses_is_left_as_it_is_if_the_plan_says_so() {
    type Sign = fn(&mut amt_sim::firmware::MachineConfig);
    let signs: [(&str, Sign); 2] = [
        ("desk7.other.example", |m| m.host_os_fqdn = "desk7.other.example".to_owned()),
        ("setup.other.example", |m| m.earlier_setup = Some(SetupRecord::by("setup.other.example"))),
    ];
    for (sign, make) in signs {
        let mut world = World::with(make);
        world.server.plan.in_use = InUse::Refuse;
        let attempt = world.attempt(None);
        let failure = attempt.failure();
        assert_eq!(failure.code, ErrorCode::IN_USE);
        assert!(failure.message.contains(sign), "{failure}");
        let told = attempt.events.iter().find_map(|e| if let Event::Facts(facts) = e { Some(facts) } else { None });
        assert_eq!(told.unwrap().signs_of_use().len(), 1);
        assert!(
            world.record().is_none_or(|record| record.realm.is_none()),
            "no password was recorded, so none was sent"
        );
        let truth = world.firmware.truth(world.now);
        let changing = |label: &&String| label.contains(".Put") || label.contains(".Set") || label.contains("Commit");
        assert_eq!(truth.requests.keys().find(changing), None);

        // Somebody looked, and lets it be taken.
        world.wait(Duration::from_secs(60));
        world.server.plan.in_use = InUse::Tell;
        let attempt = world.attempt(None);
        attempt.result.as_ref().unwrap().as_ref().unwrap();
        assert!(attempt.events.iter().any(|e| matches!(e, Event::Facts(_))));
    }
}

#[test]
fn a_machine_without_an_owner_is_taken_and_a_resumed_one_not_asked_again() {
    let mut world = World::new();
    world.server.plan.in_use = InUse::Refuse;
    world.attempt(None).result.unwrap().unwrap();
    let again = world.attempt(None);
    again.result.as_ref().unwrap().as_ref().unwrap();
    assert!(!again.events.iter().any(|e| matches!(e, Event::Facts(_))), "its own record of our setup is no owner's");
}
