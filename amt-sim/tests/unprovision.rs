//! What taking a setup back over WS-Man erases, what it keeps, and when the firmware refuses it.

use crate::support::{Client, Memory};
use amt_sim::firmware::{Phase, Port, SetUp};
use amt_sim::{MachineConfig, Persona, RootHash};
use std::time::Duration;

const SETUP: &str = "AMT_SetupAndConfigurationService";
const PASSWORD: &str = "P@ssw0rd";

/// A machine that is set up, with a root hash and a suffix of its owner's.
fn set_up(family: &str, mode: SetUp, auditor: bool) -> Client<Memory> {
    let mut config: MachineConfig = Memory::config();
    config.persona = Persona::built_in(family).unwrap().into();
    config.roots = vec![RootHash::sha256(b"maker"), RootHash::sha256(b"owner")];
    config.own_roots = 1;
    (config.suffix, config.own_suffix) = (Some("owner.example".to_owned()), true);
    (config.host_name, config.domain_name) = ("pc1".to_owned(), "example.com".to_owned());
    config.admin_password = Some(PASSWORD.into());
    config.mebx_password = Some("M3nu!Pass".into());
    (config.set_up, config.auditor) = (Some(mode), auditor);
    let mut line = Memory::new(config);
    line.chain.clear();
    line.port = Port::Secure;
    Client::new(line, Some(PASSWORD))
}

fn full(client: &mut Client<Memory>) -> u32 {
    client.invoke(SETUP, "Unprovision", "<h:ProvisioningMode>1</h:ProvisioningMode>").return_value()
}

fn partial(client: &mut Client<Memory>) -> u32 {
    client.invoke(SETUP, "PartialUnprovision", "").return_value()
}

#[test]
fn in_full_only_what_is_not_the_setups_stays() {
    for (family, keeps_suffix) in [("11.8", false), ("16.0", true)] {
        let mut client = set_up(family, SetUp::Admin, false);
        let user = "<h:DigestUsername>help</h:DigestUsername><h:DigestPassword>MDEyMzQ1Njc4OWFiY2RlZg==</h:DigestPassword>\
            <h:AccessPermission>2</h:AccessPermission><h:Realms>2</h:Realms>";
        assert_eq!(client.invoke("AMT_AuthorizationService", "AddUserAclEntryEx", user).return_value(), 0);
        let writes = client.line.firmware.truth(client.line.now).writes;
        assert_eq!(full(&mut client), 0);
        assert_eq!(client.line.listens, (false, false), "the network stack restarts");
        client.line.wait(Duration::from_secs(30));
        assert_eq!(client.line.listens, (false, true), "{family}: setup mode waits for a setup server");
        let firmware = &client.line.firmware;
        let truth = firmware.truth(client.line.now);
        assert_eq!((firmware.phase(), truth.control_mode.as_str(), truth.writes), (Phase::Pre, "none", writes + 1));
        assert!(firmware.check_admin_password("admin") && !firmware.check_admin_password(PASSWORD));
        assert!(firmware.check_mebx_password("M3nu!Pass"), "{family}: under the new realm too");
        assert_eq!(firmware.trusted_roots(), [RootHash::sha256(b"maker")], "{family}: the owner's hash is erased");
        assert_eq!((truth.host_name.as_str(), truth.domain_name.as_str()), ("", ""));
        assert!(truth.certificates.is_empty() && truth.keys.is_empty());
        assert!(!firmware.tls(client.line.now).client.judge(&[]).is_empty(), "a certificate is demanded");
        assert_eq!(client.line.hellos.len(), 1, "{family}: it says hello");
        client.line.feed_input(amt_sim::firmware::Input::Rearm { otp: None });
        assert_eq!(suffix_of(&mut client), keeps_suffix, "{family}");
    }
}

/// Whether the owner's suffix is in the machine, as its rules for a chain show it.
fn suffix_of(client: &mut Client<Memory>) -> bool {
    let serving = client.line.firmware.tls(client.line.now);
    format!("{:?}", serving.client).contains("owner.example")
}

#[test]
fn in_part_the_administrator_names_and_what_prepared_the_machine_stay() {
    let mut client = set_up("11.8", SetUp::Admin, false);
    let general = client.put_back("AMT_GeneralSettings", None, ("PingResponseEnabled", "false"));
    assert_eq!(general.status, 200);
    assert_eq!(partial(&mut client), 0);
    client.line.wait(Duration::from_secs(30));
    let firmware = &client.line.firmware;
    let truth = firmware.truth(client.line.now);
    assert_eq!((firmware.phase(), truth.control_mode.as_str()), (Phase::Pre, "none"));
    assert!(firmware.check_admin_password(PASSWORD) && firmware.check_mebx_password("M3nu!Pass"));
    assert_eq!((truth.host_name.as_str(), truth.domain_name.as_str()), ("pc1", "example.com"));
    assert_eq!(firmware.trusted_roots().len(), 2);
    assert!(truth.certificates.is_empty() && truth.keys.is_empty());
    assert!(suffix_of(&mut client));
    assert_eq!(client.line.hellos[0][0], 1, "the hello says that credentials are set");
}

#[test]
fn an_auditor_blocks_both_before_amt_12_and_is_named_afterwards() {
    let blocking = |client: &mut Client<Memory>| {
        let answer = client.invoke(SETUP, "GetUnprovisionBlockingComponents", "");
        (answer.return_value(), answer.element().children.iter().filter(|n| n.name == "Component").count())
    };
    for take_back in [full, partial] {
        let mut client = set_up("11.8", SetUp::Admin, true);
        assert_eq!(blocking(&mut client), (0, 0), "nothing has failed yet");
        assert_eq!(take_back(&mut client), 2076);
        assert_eq!(blocking(&mut client), (0, 1));
        assert_eq!(client.line.firmware.phase(), Phase::Post);
        assert_eq!(take_back(&mut set_up("12.0", SetUp::Admin, true)), 0, "no longer from 12.0 on");
    }
    assert_eq!(full(&mut set_up("11.8", SetUp::Client, true)), 0, "an auditor is of admin control mode");
}

#[test]
fn client_control_mode_ends_in_full_only_and_its_ports_close() {
    let mut client = set_up("16.0", SetUp::Client, false);
    assert_eq!(partial(&mut client), 16);
    assert_eq!(full(&mut client), 0);
    client.line.wait(Duration::from_secs(60));
    assert_eq!((client.line.listens, client.line.hellos.len()), ((false, false), 0), "nobody is waited for");
}
