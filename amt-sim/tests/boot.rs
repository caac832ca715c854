//! What the computer boots from next: for every rule one request that breaks just that rule, and what a boot uses up.

use crate::support;
use crate::support::{Client, Memory, reference};
use amt_sim::firmware::{Input, MachineConfig, Port, SetupRecord};
use amt_sim::{Firmware, Persona};
use amt_wsman::xml::Node;
use std::time::Duration;

const SETTINGS: &str = "AMT_BootSettingData";
const CONFIG: &str = "CIM_BootConfigSetting";
const SOURCE: &str = "CIM_BootSourceSetting";
const SERVICE: &str = "CIM_BootService";
const POWER: &str = "CIM_PowerManagementService";
const NETWORK: &str = "Intel(r) AMT: Force PXE Boot";
const HARD_DRIVE: &str = "Intel(r) AMT: Force Hard-drive Boot";

/// A machine in setup mode.
fn in_setup() -> Client<Memory> {
    Client::new(Memory::new(Memory::config()), Some("admin"))
}

/// A machine that is set up, without TLS and with the factory password.
fn set_up(change: impl FnOnce(&mut MachineConfig)) -> Client<Memory> {
    let mut config = Memory::config();
    change(&mut config);
    let mut client = Client::new(Memory::new(config), Some("admin"));
    let time = "AMT_TimeSynchronizationService";
    let ta0 = client.invoke(time, "GetLowAccuracyTimeSynch", "").text("Ta0");
    let arguments = format!("<h:Ta0>{ta0}</h:Ta0><h:Tm1>1800000000</h:Tm1><h:Tm2>1800000000</h:Tm2>");
    assert_eq!(client.invoke(time, "SetHighAccuracyTimeSynch", &arguments).return_value(), 0);
    let name = "<h:HostName>pc1</h:HostName><h:PingResponseEnabled>true</h:PingResponseEnabled>\
        <h:WsmanOnlyMode>false</h:WsmanOnlyMode>";
    assert_eq!(client.put("AMT_GeneralSettings", None, name).status, 200);
    assert_eq!(client.invoke("AMT_SetupAndConfigurationService", "CommitChanges", "").return_value(), 0);
    client.line.wait(Duration::from_secs(30));
    client.line.port = Port::Plain;
    client.line.chain.clear();
    client.forget();
    client
}

fn order(client: &mut Client<Memory>, sources: &[&str]) -> u32 {
    let list: String =
        sources.iter().map(|id| format!("<h:Source>{}</h:Source>", reference(SOURCE, "InstanceID", id))).collect();
    client.invoke(CONFIG, "ChangeBootOrder", &list).return_value()
}

fn role(client: &mut Client<Memory>, config: &str, role: &str) -> u32 {
    let config = reference(CONFIG, "InstanceID", config);
    let arguments = format!("<h:BootConfigSetting>{config}</h:BootConfigSetting><h:Role>{role}</h:Role>");
    client.invoke(SERVICE, "SetBootConfigRole", &arguments).return_value()
}

fn once(client: &mut Client<Memory>) -> u32 {
    role(client, "Intel(r) AMT: Boot Configuration 0", "1")
}

fn power(client: &mut Client<Memory>, state: u32) -> u32 {
    let system = reference("CIM_ComputerSystem", "Name", "ManagedSystem");
    let arguments = format!("<h:PowerState>{state}</h:PowerState><h:ManagedElement>{system}</h:ManagedElement>");
    client.invoke(POWER, "RequestPowerStateChange", &arguments).return_value()
}

/// The present settings without what is read-only, with some changed.
fn settings(client: &mut Client<Memory>, changes: &[(&str, &str)]) -> String {
    const READ_ONLY: &[&str] = &[
        "BIOSLastStatus",
        "BootguardStatus",
        "OptionsCleared",
        "RPEEnabled",
        "SecureBootControlEnabled",
        "UEFIHTTPSBootEnabled",
        "UEFILocalPBABootEnabled",
        "WinREBootEnabled",
    ];
    let current = client.get(SETTINGS).element();
    let kept = current.children.iter().filter(|node| !READ_ONLY.contains(&node.name.as_str()));
    let value = |node: &Node| {
        let changed = changes.iter().find(|(name, _)| *name == node.name);
        changed.map_or(node.text.clone(), |(_, value)| (*value).to_owned())
    };
    kept.map(|node| format!("<h:{0}>{1}</h:{0}>", node.name, value(node))).collect()
}

fn boots(client: &Client<Memory>) -> Vec<String> {
    client.line.firmware.truth(client.line.now).boots.into_iter().map(|boot| boot.source).collect()
}

fn is_next(client: &mut Client<Memory>) -> String {
    let all = client.all("CIM_ElementSettingData");
    all[0].child("IsNext").unwrap().text.clone()
}

#[test]
fn one_network_boot_is_armed_seen_and_used_up() {
    let mut client = set_up(|_| {});
    let ids: Vec<String> =
        client.all(SOURCE).iter().map(|source| source.child("InstanceID").unwrap().text.clone()).collect();
    assert!(ids.len() == 4 && ids.contains(&NETWORK.to_owned()));
    let plain = settings(&mut client, &[]);
    assert_eq!(client.put(SETTINGS, None, &plain).text("OptionsCleared"), "false");
    assert_eq!((once(&mut client), order(&mut client, &[NETWORK])), (0, 0));
    assert_eq!(is_next(&mut client), "3");
    let truth = client.line.firmware.truth(client.line.now);
    assert_eq!((truth.boot_order.as_deref(), truth.boot_armed, truth.boot_total), (Some("network"), true, 0));
    assert_eq!(power(&mut client, 10), 0);
    assert_eq!(is_next(&mut client), "3", "the BIOS has not come that far");
    client.line.wait(Duration::from_secs(10));
    assert_eq!((is_next(&mut client).as_str(), boots(&client)), ("2", vec!["network".to_owned()]));
    assert_eq!(client.get(SETTINGS).text("OptionsCleared"), "true");
    assert_eq!(power(&mut client, 5), 0);
    client.line.wait(Duration::from_secs(10));
    assert_eq!(boots(&client), ["network", "default"]);
    assert_eq!(client.line.firmware.truth(client.line.now).boots[1].sequence, 2);
}

#[test]
fn an_order_without_its_role_and_a_role_taken_back_do_not_count() {
    let mut client = set_up(|_| {});
    assert_eq!(order(&mut client, &[NETWORK]), 0);
    power(&mut client, 10);
    client.line.wait(Duration::from_secs(10));
    assert_eq!((once(&mut client), order(&mut client, &[NETWORK])), (0, 0));
    assert_eq!(role(&mut client, "Intel(r) AMT: Boot Configuration 0", "32768"), 0);
    power(&mut client, 10);
    client.line.wait(Duration::from_secs(10));
    assert_eq!((once(&mut client), order(&mut client, &[NETWORK]), order(&mut client, &[])), (0, 0, 0));
    power(&mut client, 10);
    client.line.wait(Duration::from_secs(10));
    assert_eq!(boots(&client), ["default"; 3]);
    assert_eq!((once(&mut client), order(&mut client, &[NETWORK]), order(&mut client, &[HARD_DRIVE])), (0, 0, 0));
    client.line.feed_input(Input::Power);
    client.forget();
    client.line.wait(Duration::from_secs(10));
    assert_eq!(boots(&client).last().unwrap(), "hard-drive", "the last order counts, and a power cut is a start too");
}

#[test]
fn orders_and_roles_that_cannot_be_are_refused() {
    let mut client = set_up(|_| {});
    assert_eq!(order(&mut client, &["Intel(r) AMT: Force Toaster Boot"]), 5);
    assert_eq!(order(&mut client, &[HARD_DRIVE, NETWORK]), 5, "one source is all");
    let config = reference(CONFIG, "InstanceID", NETWORK);
    let foreign = client.invoke(CONFIG, "ChangeBootOrder", &format!("<h:Source>{config}</h:Source>"));
    assert_eq!(foreign.return_value(), 5, "no source but a configuration");
    let text = client.invoke(CONFIG, "ChangeBootOrder", &format!("<h:Source>{NETWORK}</h:Source>"));
    assert_eq!(text.fault(), "InvalidRepresentation InvalidValues");
    assert_eq!(role(&mut client, "Intel(r) AMT: Boot Configuration 1", "1"), 4);
    for wrong in ["0", "2", "3", "32769"] {
        assert_eq!(role(&mut client, "Intel(r) AMT: Boot Configuration 0", wrong), 5, "{wrong}");
    }
    assert_eq!(
        client.invoke(SERVICE, "SetBootConfigRole", "<h:Role>1</h:Role>").fault(),
        "InvalidRepresentation MissingValues"
    );
    let truth = client.line.firmware.truth(client.line.now);
    assert_eq!((truth.boot_order, truth.boot_armed), (None, false), "nothing of it was taken");
}

#[test]
fn options_and_a_source_exclude_each_other() {
    let invalid = "InvalidRepresentation InvalidValues";
    for option in ["BIOSSetup", "BIOSPause", "UseIDER", "SecureErase", "ReflashBIOS"] {
        let mut client = set_up(|_| {});
        let on = settings(&mut client, &[(option, "true")]);
        assert_eq!(client.put(SETTINGS, None, &on).status, 200, "{option}");
        assert_eq!(order(&mut client, &[NETWORK]), 5, "{option}");
        let off = settings(&mut client, &[(option, "false")]);
        assert_eq!(client.put(SETTINGS, None, &off).status, 200);
        assert_eq!(order(&mut client, &[NETWORK]), 0);
        assert_eq!(client.put(SETTINGS, None, &on).fault(), invalid, "{option}");
        assert_eq!(order(&mut client, &[]), 0);
        assert_eq!(client.put(SETTINGS, None, &on).status, 200, "{option}: the order was cleared first");
    }
    let mut client = set_up(|_| {});
    assert_eq!(order(&mut client, &[NETWORK]), 0);
    for (name, value) in [("BootMediaIndex", "1"), ("UseSafeMode", "true")] {
        let one = settings(&mut client, &[(name, value)]);
        assert_eq!(client.put(SETTINGS, None, &one).fault(), invalid, "{name}");
    }
    assert_eq!(order(&mut client, &[HARD_DRIVE]), 0);
    let one = settings(&mut client, &[("BootMediaIndex", "1"), ("UseSafeMode", "true")]);
    assert_eq!(client.put(SETTINGS, None, &one).status, 200);
}

#[test]
fn settings_are_put_whole_without_what_is_read_only() {
    let mut client = set_up(|_| {});
    let whole = settings(&mut client, &[]);
    for read_only in ["OptionsCleared", "BIOSLastStatus", "WinREBootEnabled", "BootguardStatus", "RPEEnabled"] {
        let more = format!("{whole}<h:{read_only}>true</h:{read_only}>");
        assert_eq!(client.put(SETTINGS, None, &more).fault(), "InvalidRepresentation InvalidValues", "{read_only}");
    }
    for name in ["UseSOL", "LockKeyboard", "BootMediaIndex", "FirmwareVerbosity"] {
        let at = whole.find(&format!("<h:{name}>")).unwrap();
        let end = whole[at..].find("</").unwrap() + at + name.len() + 5;
        let less = format!("{}{}", &whole[..at], &whole[end..]);
        assert_eq!(client.put(SETTINGS, None, &less).fault(), "InvalidRepresentation MissingValues", "{name}");
    }
    for (name, value) in [("UseSOL", "maybe"), ("IDERBootDevice", "2"), ("OwningEntity", "me"), ("ElementName", "x")] {
        let wrong = settings(&mut client, &[(name, value)]);
        assert_eq!(client.put(SETTINGS, None, &wrong).fault(), "InvalidRepresentation InvalidValues", "{name}");
    }
    assert_eq!(client.get(SETTINGS).text("OptionsCleared"), "true", "nothing of it was taken");
}

#[test]
fn power_states_follow_each_other() {
    let mut client = set_up(|config| config.host_agent = false);
    for (state, answer) in [(2, 4097), (12, 2), (14, 2), (4, 2), (6, 1), (77, 5)] {
        assert_eq!(power(&mut client, state), answer, "{state}");
    }
    let element = reference("CIM_ComputerSystem", "Name", "Intel(r) AMT");
    let arguments = format!("<h:PowerState>10</h:PowerState><h:ManagedElement>{element}</h:ManagedElement>");
    assert_eq!(client.invoke(POWER, "RequestPowerStateChange", &arguments).return_value(), 5, "not the computer");
    let alone = client.invoke(POWER, "RequestPowerStateChange", "<h:PowerState>10</h:PowerState>");
    assert_eq!(alone.fault(), "InvalidRepresentation MissingValues");
    assert_eq!(power(&mut client, 8), 0);
    assert_eq!((power(&mut client, 8), power(&mut client, 10), power(&mut client, 5)), (4097, 4097, 4097));
    let state = client.get("CIM_AssociatedPowerManagementService");
    assert_eq!((state.text("PowerState"), state.text("AvailableRequestedPowerStates")), ("8".into(), "2".into()));
    assert_eq!(client.line.firmware.truth(client.line.now).power, "off");
    assert_eq!(power(&mut client, 2), 0);
    assert_eq!(client.get("CIM_AssociatedPowerManagementService").text("PowerState"), "2");

    let mut client = set_up(|_| {});
    assert_eq!((power(&mut client, 14), power(&mut client, 12)), (0, 2), "no system runs yet that could go down");
    client.line.wait(Duration::from_secs(10));
    assert_eq!((power(&mut client, 12), boots(&client).len()), (0, 1));
}

#[test]
fn a_machine_that_is_not_set_up_cannot_be_told_what_to_boot() {
    let mut client = in_setup();
    const NOT_PERMITTED: u32 = 32_768 + 16;
    assert_eq!(order(&mut client, &[NETWORK]), NOT_PERMITTED);
    assert_eq!(once(&mut client), NOT_PERMITTED);
    assert_eq!(power(&mut client, 10), NOT_PERMITTED);
    let plain = settings(&mut client, &[]);
    assert_eq!(client.put(SETTINGS, None, &plain).fault(), "InternalError AMT-STATUS 16");
    assert!(boots(&client).is_empty());

    let mut stranger = set_up(|_| {});
    stranger.set_password("guess");
    stranger.forget();
    assert!(stranger.post("").is_some_and(|answer| answer.status == 401));
}

#[test]
fn firmware_that_does_not_tell_whether_the_order_counts() {
    let persona = Persona::parse("based_on = \"amt-16.0\"\n[power]\ntells_next_boot = false\n").unwrap();
    let mut client = set_up(|config| config.persona = persona.into());
    assert_eq!(once(&mut client), 0);
    let roles = client.all("CIM_ElementSettingData");
    assert!(!roles.is_empty() && !format!("{roles:?}").contains("CIM_BootConfigSetting"), "power packages only");
}

#[test]
fn facts_from_before_the_setup_are_told_and_outlive_an_unprovision() {
    let mut client = {
        let mut config = Memory::config();
        config.host_os_fqdn = "desk7.other.example".into();
        config.earlier_setup = Some(SetupRecord::by("setup.other.example"));
        config.admin_password = Some("Th3ir-Pass!".into());
        Client::new(Memory::new(config), Some("Th3ir-Pass!"))
    };
    assert_eq!(client.line.hellos[0][0], 1, "the hello says that credentials are set");
    assert_eq!(client.get("AMT_GeneralSettings").text("HostOSFQDN"), "desk7.other.example");
    let record = client.get("IPS_TLSProvisioningRecord");
    assert_eq!(record.text("ProvServerFQDN"), "setup.other.example");
    assert_eq!(client.get("IPS_ProvisioningRecordLog").text("CurrentNumberOfRecords"), "1");
    client.line.feed_input(Input::OsName { name: "pc9.example.com".into() });
    assert_eq!(client.get("AMT_GeneralSettings").text("HostOSFQDN"), "pc9.example.com");

    let mut client = set_up(|config| config.earlier_setup = Some(SetupRecord::by("setup.other.example")));
    let record = client.get("IPS_TLSProvisioningRecord");
    assert_eq!(record.text("ProvServerFQDN"), support::chains::Leaf::default().name, "the last setup counts");
    assert_eq!(record.element().children.iter().filter(|n| n.name == "CaCertificateSerials").count(), 2);
    let arguments = "<h:ProvisioningMode>1</h:ProvisioningMode>";
    assert_eq!(client.invoke("AMT_SetupAndConfigurationService", "Unprovision", arguments).return_value(), 0);
    client.line.wait(Duration::from_secs(30));
    let mut again = Client::new(client.line, Some("admin"));
    again.line.port = Port::Secure;
    again.line.chain = support::chains::good().certificates;
    again.line.closed = true;
    assert_eq!(again.get("IPS_ProvisioningRecordLog").text("CurrentNumberOfRecords"), "1");
}

#[test]
fn two_machines_with_one_uuid_have_addresses_of_their_own() {
    let mac = |seed| {
        let mut config = Memory::config();
        config.seed = seed;
        Firmware::new(config).truth(amt_core::Tick(0)).mac
    };
    assert_ne!(mac(1), mac(2));
    assert_eq!(mac(1), mac(1));
    assert_eq!(mac(1).len(), 17);
}
