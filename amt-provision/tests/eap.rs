//! 802.1X with EAP-TLS: the machine is given one certificate of its own to log in with, once, whatever crashes and however long the
//! authority takes; another one in its time, and the old one is gone then.

use crate::support::profile::{PERSONAS, apply, desired, of_persona, writes};
use crate::support::{Crash, World, at, count, truth};
use amt_core::{ErrorCode, Failure};
use amt_provision::apply::{Applied, ApplyStage};
use amt_provision::profile::Desired;
use amt_provision::renew::Due;
use amt_provision::{CaAnswer, Purpose};
use amt_sim::fault::{Direction, FaultKind};
use amt_sim::firmware::MachineTruth;
use amt_wsman::class::amt::PublicKeyManagementService;
use amt_wsman::instance::Instance;
use amt_wsman::op::Request;
use std::time::Duration;

const DAY: i64 = 24 * 3600;

const EAP_TLS: &str = r#"
format = 1
name = "eap"
[general]
ping = false
[wired.ieee8021x]
protocol = "tls"
server_name = "radius.example.com"
server_root = { file = "radius.pem" }
[wifi]
mode = "s0"
[[wifi.profiles]]
name = "corp"
ssid = "Corporate"
priority = 1
security = "wpa2-ieee8021x"
ieee8021x = { protocol = "tls", user = "host/pc1.example.com", server_root = { file = "radius.pem" } }
"#;

/// As [`EAP_TLS`], without anything that a certificate is for.
const PASSWORDS: &str = r#"
format = 1
name = "eap"
[wired.ieee8021x]
protocol = "peap-mschapv2"
user = "switch"
password = { file = "Sw1tch!pw" }
[wifi]
mode = "s0"
remove_others = true
profiles = []
"#;

/// What must hold whenever an application has succeeded: besides the certificate of TLS there is one with a key, it is shown, and there
/// are no more keys than that. Returns its SHA-256.
fn assert_one(world: &World, what: &str) -> String {
    let truth = truth(world);
    let with_key: Vec<_> = truth.certificates.iter().filter(|c| c.key.is_some()).collect();
    let client: Vec<_> = with_key.iter().filter(|c| !c.served).collect();
    assert_eq!((with_key.len(), client.len()), (2, 1), "{what}: {:?}", truth.certificates);
    assert!(client[0].in_use && client[0].subject.contains("pc1") || client[0].subject.contains("desk7"), "{what}");
    assert_eq!(truth.keys.len(), 2, "{what}: a key slot leaked: {:?}", truth.keys);
    assert_ne!(with_key[0].key, with_key[1].key, "{what}: it has a key of its own");
    client[0].sha256.clone()
}

fn asked_for_clients(world: &World) -> usize {
    world.server.ca.asked.iter().filter(|request| request.purpose == Purpose::Client).count()
}

/// Different requests for certificates of clients.
fn requests(world: &World) -> usize {
    let asked = world.server.ca.asked.iter().filter(|request| request.purpose == Purpose::Client);
    let mut requests: Vec<_> = asked.map(|request| &request.csr).collect();
    requests.dedup();
    requests.len()
}

fn again_is_nothing(world: &mut World, desired: &Desired, what: &str) {
    let (before, asked) = (writes(world), world.server.ca.asked.len());
    let again = apply(world, desired);
    assert_eq!((again.writes, again.changes), (0, Vec::new()), "{what}");
    assert_eq!((writes(world), world.server.ca.asked.len()), (before, asked), "{what}: the simulator counts too");
}

fn instances(world: &mut World, class: &str) -> Vec<Instance> {
    world.call(&Request::enumerate(class)).instances().to_vec()
}

fn handle(instance: &Instance, name: &str) -> String {
    instance.reference(name).unwrap().selector("InstanceID").unwrap().to_owned()
}

fn refusal(world: &mut World, desired: &Desired) -> Failure {
    world.apply(desired, None).failure().clone()
}

/// Some days later.
fn later(world: &mut World, desired: &Desired, days: i64, crash: Option<Crash>) -> Option<Result<Applied, Failure>> {
    world.apply_by(desired, crash, |apply| apply.wall_clock += days * DAY).result
}

#[test]
fn one_certificate_for_switch_and_access_point_on_six_generations() {
    for name in PERSONAS {
        let mut world = of_persona(name);
        let eap = desired(&world, EAP_TLS);
        let dry = world.apply_by(&eap, None, |apply| apply.dry_run = true).result.unwrap().unwrap();
        assert_eq!((dry.writes, asked_for_clients(&world)), (0, 0), "{name}");
        assert!(dry.changes.iter().any(|change| change.to.contains("(new certificate)")), "{name}: {dry:?}");
        let before = writes(&world);
        let first = world.apply(&eap, None).result.unwrap().unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert!(first.unsupported.is_empty(), "{name}: {first:?}");
        assert_eq!(writes(&world) - before, u64::from(first.writes), "{name}: the simulator counts the same");
        assert_one(&world, name);
        let request = world.server.ca.asked.last().unwrap().clone();
        assert_eq!((request.purpose, request.common_name.as_str()), (Purpose::Client, "pc1.example.com"), "{name}");
        // OID 1.3.6.1.5.5.7.3.2.
        let client_auth = [0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2];
        assert!(request.csr.windows(client_auth.len()).any(|part| part == client_auth), "{name}");
        again_is_nothing(&mut world, &eap, name);
        let certificate = Some(world.apply_record()).and_then(|record| Some(record.client_certificate()?.to_vec()));
        assert!(certificate.is_some(), "{name}");
        let wireless = instances(&mut world, "CIM_IEEE8021xSettings").remove(0);
        assert_eq!(wireless.text("Username"), Some("host/pc1.example.com"), "{name}");
        let wired = if ["9.5", "11.8", "14.0"].contains(name) { "AMT_8021XProfile" } else { "IPS_IEEE8021xSettings" };
        let wired = instances(&mut world, wired).remove(0);
        assert_eq!(wired.text("Username"), Some("pc1.example.com"), "{name}: its own name where the profile has none");
        let shown = instances(&mut world, "CIM_CredentialContext");
        assert_eq!(shown.len(), 2, "{name}: {shown:?}");
    }
}

#[test]
fn settings_that_change_keep_the_certificate() {
    for name in ["11.8", "16.0"] {
        let mut world = of_persona(name);
        let eap = desired(&world, EAP_TLS);
        apply(&mut world, &eap);
        let client = assert_one(&world, name);
        let other =
            EAP_TLS.replace("protocol = \"tls\"\nserver_name", "protocol = \"tls\"\npxe_seconds = 60\nserver_name");
        let other = desired(&world, &other.replace("Corporate", "Corporate 2"));
        apply(&mut world, &other);
        assert_eq!(assert_one(&world, name), client, "{name}");
        again_is_nothing(&mut world, &other, name);
    }
}

#[test]
fn an_authority_that_takes_its_time_holds_up_nothing_else_and_is_asked_about_the_same_request() {
    let mut world = of_persona("16.0");
    let eap = desired(&world, EAP_TLS);
    let pending = CaAnswer::Pending {
        request_id: "17".to_owned(),
        retry_after: None,
        words: Some("taken under submission".to_owned()),
        hint: None,
    };
    world.server.ca.answers.extend([pending.clone(), pending]);
    for _ in 0..2 {
        let failure = refusal(&mut world, &eap);
        assert_eq!(failure.code, ErrorCode::CA_PENDING, "{failure}");
        assert!(failure.message.contains("17") && failure.message.contains("taken under submission"), "{failure}");
        assert_eq!(instances(&mut world, "AMT_GeneralSettings")[0].text("PingResponseEnabled"), Some("false"));
        assert_eq!(world.apply_record().stage, ApplyStage::Writing);
        assert_eq!(truth(&world).keys.len(), 2, "one for TLS, one that waits");
    }
    apply(&mut world, &eap);
    assert_one(&world, "issued in the end");
    let asked: Vec<_> = world.server.ca.asked.iter().filter(|request| request.purpose == Purpose::Client).collect();
    let ids: Vec<_> = asked.iter().map(|request| request.request_id.as_deref()).collect();
    assert_eq!(ids, [None, Some("17"), Some("17")]);
    assert!(asked.iter().all(|request| request.csr == asked[0].csr), "one request");
    assert_eq!(count(&truth(&world), "AMT_PublicKeyManagementService.GenerateKeyPair"), 2);
    again_is_nothing(&mut world, &eap, "issued");
}

#[test]
fn a_refusal_is_told_in_the_authoritys_words_and_the_next_request_has_the_same_key() {
    let mut world = of_persona("18.0");
    let eap = desired(&world, EAP_TLS);
    world.server.ca.answers.push_back(CaAnswer::Denied { reason: "no such template".to_owned() });
    let failure = refusal(&mut world, &eap);
    assert_eq!(failure.code, ErrorCode::CA_DENIED);
    assert!(failure.message.contains("no such template"), "{failure}");
    apply(&mut world, &eap);
    assert_one(&world, "issued then");
    assert_eq!(count(&truth(&world), "AMT_PublicKeyManagementService.GenerateKeyPair"), 2);
}

#[test]
fn without_an_authority_the_machine_gets_no_key_and_the_next_step_is_said() {
    let mut world = of_persona("16.0");
    let eap = desired(&world, EAP_TLS);
    let failed = world.apply_by(&eap, None, |apply| apply.has_authority = false);
    let failure = failed.failure();
    assert_eq!(failure.code, ErrorCode::CA_UNAVAILABLE);
    assert!(
        failure.message.contains("wifi.profiles[0].ieee8021x") && failure.hint.contains("--authority"),
        "{failure:?}"
    );
    assert_eq!(truth(&world).keys.len(), 1);
    apply(&mut world, &eap);
    let kept = world.apply_by(&eap, None, |apply| apply.has_authority = false).result.unwrap().unwrap();
    assert_eq!(kept.writes, 0, "none is needed for what is there");
}

#[test]
fn a_crash_anywhere_leaves_one_key_pair_one_request_and_a_certificate_that_is_shown() {
    for name in ["9.5", "11.8", "16.0"] {
        let total = {
            let mut world = of_persona(name);
            let eap = desired(&world, EAP_TLS);
            world.apply(&eap, None).outputs
        };
        assert!(total > 60, "{total}");
        for output in 0..total {
            let crash = Crash { output, after: output % 2 == 0 };
            let what = format!("{name} {crash:?}");
            let mut world = of_persona(name);
            let eap = desired(&world, EAP_TLS);
            world.apply(&eap, Some(crash));
            world.assert_reachable("after the crash");
            world.wait(Duration::from_secs(30));
            apply(&mut world, &eap);
            assert_one(&world, &what);
            assert_eq!(count(&truth(&world), "AMT_PublicKeyManagementService.GenerateKeyPair"), 2, "{what}");
            assert_eq!(requests(&world), 1, "{what}");
            again_is_nothing(&mut world, &eap, &what);
        }
    }
}

/// A machine whose certificate for 802.1X is good for 100 days from 2026-01-01 on, that for TLS for ages.
fn with_100_days(name: &str) -> (World, Desired) {
    let mut world = of_persona(name);
    let eap = desired(&world, EAP_TLS);
    world.server.ca.days = Some((0, 100));
    apply(&mut world, &eap);
    world.server.ca.days = Some((0, 1000));
    (world, eap)
}

#[test]
fn after_half_of_its_life_another_one_takes_its_place_and_the_old_one_is_gone() {
    for name in ["9.5", "11.8", "16.0", "21.0"] {
        let (mut world, eap) = with_100_days(name);
        let old = assert_one(&world, name);
        let keys = |truth: &MachineTruth| truth.keys.iter().map(|key| key.handle).collect::<Vec<_>>();
        let before = (writes(&world), keys(&truth(&world)));
        assert_eq!(later(&mut world, &eap, 49, None).unwrap().unwrap().writes, 0, "{name}");
        assert_eq!(writes(&world), before.0, "{name}");
        let renewed = later(&mut world, &eap, 51, None).unwrap().unwrap();
        let first = renewed.changes[0].clone();
        assert_eq!(first.from, "a certificate whose time has come", "{name}: {renewed:?}");
        assert_ne!(assert_one(&world, name), old, "{name}");
        assert_ne!(keys(&truth(&world)), before.1, "{name}: a new key pair");
        assert_eq!(later(&mut world, &eap, 52, None).unwrap().unwrap().writes, 0, "{name}");
        let by_share = world.apply_by(&eap, None, |apply| {
            (apply.wall_clock, apply.due) = (apply.wall_clock + 52 * DAY, Due::Percent(5));
        });
        assert!(by_share.result.unwrap().unwrap().writes > 0, "{name}: the share can be chosen");
    }
}

#[test]
fn a_crash_anywhere_in_a_renewal_leaves_the_new_certificate_and_nothing_of_the_old() {
    for name in ["11.8", "16.0"] {
        let total = {
            let (mut world, eap) = with_100_days(name);
            world.apply_by(&eap, None, |apply| apply.wall_clock += 60 * DAY).outputs
        };
        for output in 0..total {
            let crash = Crash { output, after: output % 2 == 1 };
            let what = format!("{name} {crash:?}");
            let (mut world, eap) = with_100_days(name);
            let old = assert_one(&world, &what);
            later(&mut world, &eap, 60, Some(crash));
            let shown = truth(&world).certificates.iter().any(|c| c.key.is_some() && !c.served && c.in_use);
            assert!(shown, "{what}: it can log in at every moment");
            world.wait(Duration::from_secs(30));
            later(&mut world, &eap, 60, None).unwrap().unwrap_or_else(|failure| panic!("{what}: {failure}"));
            assert_ne!(assert_one(&world, &what), old, "{what}");
            assert_eq!(requests(&world), 2, "{what}: one for each certificate");
            let before = writes(&world);
            let again = later(&mut world, &eap, 60, None).unwrap().unwrap();
            assert_eq!((again.writes, writes(&world)), (0, before), "{what}");
        }
    }
}

#[test]
fn a_renewal_that_waits_leaves_the_old_certificate_at_work() {
    let (mut world, eap) = with_100_days("16.0");
    let old = assert_one(&world, "before");
    world.server.ca.answers.push_back(CaAnswer::pending("18"));
    let failure = later(&mut world, &eap, 60, None).unwrap().unwrap_err();
    assert_eq!(failure.code, ErrorCode::CA_PENDING);
    let waiting = truth(&world);
    assert!(waiting.certificates.iter().any(|c| c.sha256 == old && c.in_use));
    assert_eq!(waiting.keys.len(), 3, "TLS, the old and the new");
    // It is over with 802.1X by certificate: nothing of either stays.
    let passwords = desired(&world, PASSWORDS);
    apply(&mut world, &passwords);
    let left = truth(&world);
    assert_eq!((left.keys.len(), left.certificates.iter().filter(|c| c.key.is_some()).count()), (1, 1), "{left:?}");
    again_is_nothing(&mut world, &passwords, "passwords");
}

#[test]
fn a_profile_that_does_not_speak_of_it_leaves_it_and_one_that_says_otherwise_takes_it_back() {
    for name in ["11.8", "16.0"] {
        let mut world = of_persona(name);
        let eap = desired(&world, EAP_TLS);
        apply(&mut world, &eap);
        let client = assert_one(&world, name);
        let silent = desired(&world, "format = 1\nname = \"s\"\n[general]\nping = false\n");
        apply(&mut world, &silent);
        assert_eq!(assert_one(&world, name), client, "{name}");
        again_is_nothing(&mut world, &silent, name);
        let off = desired(&world, &PASSWORDS.replace("protocol", "enabled = false\nprotocol"));
        apply(&mut world, &off);
        let left = truth(&world);
        assert_eq!((left.keys.len(), left.certificates.iter().filter(|c| c.key.is_some()).count()), (1, 1), "{name}");
        apply(&mut world, &eap);
        assert_ne!(assert_one(&world, name), client, "{name}: and back again, with another");
    }
}

#[test]
fn another_name_is_another_certificate() {
    let mut world = of_persona("16.0");
    let eap = desired(&world, EAP_TLS);
    apply(&mut world, &eap);
    let old = assert_one(&world, "pc1");
    let renamed = desired(&world, &EAP_TLS.replace("ping = false", "ping = false\nhost_name = \"desk7\""));
    apply(&mut world, &renamed);
    assert_ne!(assert_one(&world, "desk7"), old);
    assert_eq!(world.server.ca.asked.last().unwrap().common_name, "desk7.example.com");
    again_is_nothing(&mut world, &renamed, "desk7");
}

#[test]
fn a_certificate_whose_record_was_lost_is_found_on_the_machine() {
    for name in ["11.8", "16.0"] {
        let mut world = of_persona(name);
        let eap = desired(&world, EAP_TLS);
        apply(&mut world, &eap);
        world.server.apply_disk = None;
        let found = apply(&mut world, &eap);
        assert_eq!((found.writes, found.changes, asked_for_clients(&world)), (0, Vec::new(), 1), "{name}");
    }
}

#[test]
fn a_key_that_somebody_else_waits_with_is_not_taken() {
    let mut world = of_persona("16.0");
    world.call(&PublicKeyManagementService::generate_key_pair(2048));
    let foreign = truth(&world).keys.iter().map(|key| key.handle).max();
    let eap = desired(&world, EAP_TLS);
    apply(&mut world, &eap);
    let truth = truth(&world);
    let client = truth.certificates.iter().find(|c| c.key.is_some() && !c.served).unwrap();
    assert_ne!(client.key, foreign);
    assert_eq!(truth.keys.len(), 3, "it is still there");
}

#[test]
fn a_key_whose_answer_was_lost_is_found_again() {
    let mut world = of_persona("16.0");
    let eap = desired(&world, EAP_TLS);
    world.fault(at("AMT_PublicKeyManagementService.GenerateKeyPair", Direction::Out, FaultKind::Reset));
    let _ = world.apply(&eap, None);
    apply(&mut world, &eap);
    assert_one(&world, "after a lost answer");
}

#[test]
fn firmware_that_makes_no_keys_is_given_one() {
    let mut world = of_persona("5.0");
    let wired = "format = 1\nname = \"w\"\n[wired.ieee8021x]\nprotocol = \"tls\"\n";
    let eap = desired(&world, wired);
    let made = world.server.ca.keys_made;
    world.server.ca.answers.push_back(CaAnswer::pending("19"));
    assert_eq!(refusal(&mut world, &eap).code, ErrorCode::CA_PENDING);
    apply(&mut world, &eap);
    assert_eq!(world.server.ca.keys_made, made + 1, "one key, whatever waits");
    assert_one(&world, "5.0");
    again_is_nothing(&mut world, &eap, "5.0");
    let disk = String::from_utf8(world.server.apply_disk.clone().unwrap()).unwrap();
    assert!(!disk.contains("private_key"), "it is forgotten once the machine was seen using it");
    let shown = handle(&instances(&mut world, "AMT_8021XProfile")[0], "ClientCertificate");
    assert!(shown.starts_with("Intel(r) AMT Certificate"), "{shown}");
}
