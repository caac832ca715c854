//! What a machine says of itself, before and after its setup.

use crate::support::{World, secret};
use amt_core::ErrorCode;
use amt_provision::remote::{Candidate, ControlMode};
use amt_provision::{Access, MachineFacts};
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use amt_sim::firmware::SetupRecord;
use amt_sim::persona::SetupLogin;
use std::sync::Arc;

fn in_setup_mode(world: &mut World) -> Access {
    let mut access = world.access();
    access.candidates = vec![Candidate { index: 0, leaf_sha256: "leaf-0".to_owned() }];
    access
}

fn read(world: &mut World) -> MachineFacts {
    let access = world.access();
    world.facts(access).result.unwrap().unwrap()
}

#[test]
fn a_machine_of_ours_tells_its_names_addresses_firmware_and_who_set_it_up() {
    let mut world = World::provisioned(|config| config.host_os_fqdn = "desk7.example.com".to_owned());
    let before = world.firmware.truth(world.now).request_log.len();
    let facts = read(&mut world);
    let truth = world.firmware.truth(world.now);
    assert_eq!(facts.id, world.firmware.id());
    assert_eq!((facts.provisioning_state, facts.control_mode), (Some(2), Some(ControlMode::Admin)));
    assert_eq!(facts.realm.as_deref(), Some(world.firmware.realm()));
    assert_eq!((facts.host_name.as_deref(), facts.domain_name.as_deref()), (Some("pc1"), Some("example.com")));
    assert_eq!(facts.host_os_fqdn.as_deref(), Some("desk7.example.com"));
    assert_eq!(facts.wired_mac, Some(truth.mac.replace('-', ":")));
    assert!(facts.wireless_mac.is_some() && facts.wireless_mac != facts.wired_mac);
    assert_eq!(facts.version.unwrap().to_string(), "16.0.15.1735");
    assert_eq!(facts.certificate, world.record().unwrap().certificate);
    let [setup] = facts.setups.as_slice() else { panic!("{:?}", facts.setups) };
    assert_eq!(setup.kind, "tls");
    assert!(setup.server.as_deref().unwrap().ends_with("example.com"));
    assert_eq!(setup.root_hash.as_ref().map(Vec::len), Some(32));
    assert!(setup.time.as_deref().unwrap().starts_with("20"), "{:?}", setup.time);
    let asked = |label: &&String| !matches!(label.rsplit('.').next(), Some("Get" | "Enumerate" | "Pull" | "GetUuid"));
    let log = truth.request_log;
    assert_eq!(log[before..].iter().find(asked), None, "nothing is changed by reading");
}

#[test]
fn an_address_of_zeroes_is_no_wireless_port() {
    let mut world = World::provisioned(|config| Arc::make_mut(&mut config.persona).wireless.interface = false);
    assert_eq!(read(&mut world).wireless_mac, None);
}

#[test]
fn a_machine_that_waits_for_setup_tells_who_was_there_before() {
    for login in [SetupLogin::None, SetupLogin::Empty, SetupLogin::Factory] {
        let mut world = World::with(|config| {
            Arc::make_mut(&mut config.persona).login.setup = login;
            config.host_os_fqdn = "desk7.other.example".to_owned();
            config.earlier_setup = Some(SetupRecord::by("setup.other.example"));
        });
        let access = in_setup_mode(&mut world);
        let facts = world.facts(access).result.unwrap().unwrap();
        assert_eq!((facts.provisioning_state, facts.control_mode), (Some(1), None));
        assert_eq!(facts.host_os_fqdn.as_deref(), Some("desk7.other.example"));
        assert_eq!(facts.setups[0].server.as_deref(), Some("setup.other.example"));
        assert_eq!((facts.host_name, facts.domain_name), (None, None), "empty is none");
        world.attempt(None).result.unwrap().unwrap();
    }
}

#[test]
fn a_password_set_by_another_owner_is_needed() {
    let mut world = World::with(|config| config.admin_password = Some("Th3ir-Pass!".into()));
    world.password_is_unknown = true;
    let access = in_setup_mode(&mut world);
    assert_eq!(world.facts(access).failure().code, ErrorCode::ADMIN_PASSWORD_UNKNOWN);
    world.wait(std::time::Duration::from_secs(60));
    let mut access = in_setup_mode(&mut world);
    access.admin_passwords = vec![secret("Th3ir-Pass!")];
    assert!(world.facts(access).result.unwrap().is_ok());
}

#[test]
fn a_class_that_the_firmware_lacks_leaves_its_facts_out() {
    for class in
        ["IPS_TLSProvisioningRecord.Enumerate", "CIM_SoftwareIdentity.Enumerate", "IPS_HostBasedSetupService.Get"]
    {
        let mut world = World::provisioned(|_| {});
        let kind = FaultKind::Status(1);
        world.fault(Fault::once(Place::Label(class.to_owned()), Direction::In, kind));
        let facts = read(&mut world);
        assert_eq!(facts.host_name.as_deref(), Some("pc1"), "{class}");
        assert_eq!(facts.setups.is_empty(), class.contains("Record"), "{class}");
        assert!(facts.version.is_some(), "{class}: the header tells it too");
    }
}
