//! Remote access: for every rule one request that breaks just that rule, and what a machine outside does.

use crate::support;
use crate::support::{Client, Memory, SUFFIX, TRANSFER, machine, reference, store, uri};
use amt_sim::firmware::Port;
use std::time::Duration;

const SERVICE: &str = "AMT_RemoteAccessService";
const SAP: &str = "AMT_ManagementPresenceRemoteSAP";
const RULE: &str = "AMT_RemoteAccessPolicyRule";
const APPLIES: &str = "AMT_RemoteAccessPolicyAppliesToMPS";
const DETECTION: &str = "AMT_EnvironmentDetectionSettingData";
const LOGIN: &str = "AMT_MPSUsernamePassword";
const PROXIES: &str = "IPS_HTTPProxyService";
const PROXY: &str = "IPS_HTTPProxyAccessPoint";
const SERVER: &str = "Intel(r) AMT:Management Presence Server ";
const INVALID: &str = "InvalidRepresentation InvalidValues";
const MISSING: &str = "InvalidRepresentation MissingValues";
const IN_USE: &str = "InternalError AMT-STATUS 16";
/// Every 25 seconds, as recorded.
const SCHEDULE: &str = "AAAAAAAAABk=";

fn client() -> Client<Memory> {
    machine("amt-16.0", |_| {})
}

/// Arguments with some of them changed; an empty value leaves one out.
fn with(all: &[(&str, &str)], changes: &[(&str, &str)]) -> String {
    let mut all = all.to_vec();
    for (name, value) in changes {
        all.retain(|(other, _)| other != name);
        all.push((name, value));
    }
    all.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| format!("<h:{n}>{v}</h:{n}>")).collect()
}

fn server(changes: &[(&str, &str)]) -> String {
    let all = [
        ("AccessInfo", "192.0.2.1"),
        ("InfoFormat", "3"),
        ("Port", "4433"),
        ("AuthMethod", "2"),
        ("Username", "standalone"),
        ("Password", "s3cret-word"),
        ("CN", "mps.example.com"),
    ];
    with(&all, changes)
}

fn add(client: &mut Client<Memory>, arguments: &str) -> support::Answer {
    client.invoke(SERVICE, "AddMpServer", arguments)
}

fn rule(client: &mut Client<Memory>, changes: &[(&str, &str)], servers: &[u32]) -> support::Answer {
    let servers: String = servers
        .iter()
        .map(|n| format!("<h:MpServer>{}</h:MpServer>", reference(SAP, "Name", &format!("{SERVER}{n}"))))
        .collect();
    let all = [("Trigger", "2"), ("TunnelLifeTime", "0"), ("ExtendedData", SCHEDULE)];
    client.invoke(SERVICE, "AddRemoteAccessPolicyRule", &format!("{}{servers}", with(&all, changes)))
}

fn names(client: &mut Client<Memory>, class: &str, property: &str) -> Vec<String> {
    client.all(class).iter().map(|node| node.child(property).unwrap().text.clone()).collect()
}

fn home(client: &mut Client<Memory>, suffixes: &[&str]) -> support::Answer {
    let id = "Intel(r) AMT Environment Detection Settings";
    let list: String = suffixes.iter().map(|s| format!("<h:DetectionStrings>{s}</h:DetectionStrings>")).collect();
    let fixed = "<h:DetectionAlgorithm>0</h:DetectionAlgorithm>";
    let names = format!("<h:ElementName>{id}</h:ElementName><h:InstanceID>{id}</h:InstanceID>");
    client.put(DETECTION, None, &format!("{fixed}{list}{names}"))
}

#[test]
fn a_server_must_be_right_in_every_part() {
    let mut client = client();
    for changes in [
        vec![("AccessInfo", "mps.example.com")],
        vec![("InfoFormat", "201")],
        vec![("InfoFormat", "4")],
        vec![("InfoFormat", "5")],
        vec![("Port", "0")],
        vec![("Port", "65536")],
        vec![("AuthMethod", "3")],
        vec![("Username", "a-name-of-17-char")],
        vec![("Password", "a-word-of-17-char")],
        vec![("AccessInfo", "two words"), ("InfoFormat", "201")],
    ] {
        assert_eq!(add(&mut client, &server(&changes)).return_value(), 36, "{changes:?}");
    }
    for name in ["AccessInfo", "InfoFormat", "Port", "AuthMethod", "Username", "Password", "CN"] {
        assert_eq!(add(&mut client, &server(&[(name, "")])).fault(), MISSING, "{name}");
    }
    assert_eq!(add(&mut client, &server(&[("AuthMethod", "1")])).fault(), MISSING, "no certificate");
    let root = store::root(&mut client);
    let mutual = format!("{}{}", server(&[("AuthMethod", "1")]), store::certificate("Certificate", &root));
    assert_eq!(add(&mut client, &mutual).return_value(), 2069, "it has no key");
    assert!(client.all(SAP).is_empty());

    let leaf = store::leaf(&mut client);
    let mutual = format!("{}{}", server(&[("AuthMethod", "1")]), store::certificate("Certificate", &leaf));
    assert_eq!(add(&mut client, &mutual).return_value(), 0);
    assert_eq!(store::delete(&mut client, &leaf).as_deref(), Some(IN_USE));
    assert!(client.all(LOGIN).is_empty(), "it has no password");
    assert_eq!(client.delete(SAP, Some(("Name", &format!("{SERVER}0")))).status, 200);
    assert_eq!(store::delete(&mut client, &leaf), None);
}

#[test]
fn the_same_server_again_is_a_second_one_and_there_is_room_for_six() {
    let mut client = client();
    for number in 0..6 {
        let answer = add(&mut client, &server(&[]));
        assert_eq!((answer.return_value(), answer.text("ResourceURI")), (0, uri(SAP)), "{number}");
    }
    assert_eq!(add(&mut client, &server(&[])).return_value(), 23);
    let expected: Vec<String> = (0..6).map(|number| format!("{SERVER}{number}")).collect();
    assert_eq!(names(&mut client, SAP, "Name"), expected);
    let told = client.all(SAP)[0].clone();
    let properties: Vec<&str> = told.children.iter().map(|node| node.name.as_str()).collect();
    let recorded = [
        "AccessInfo",
        "CN",
        "CreationClassName",
        "ElementName",
        "InfoFormat",
        "Name",
        "Port",
        "SystemCreationClassName",
        "SystemName",
    ];
    assert_eq!(properties, recorded, "as recorded");
    assert_eq!(client.delete(SAP, Some(("Name", &format!("{SERVER}3")))).status, 200);
    assert_eq!(client.delete(SAP, Some(("Name", &format!("{SERVER}3")))).fault(), "DestinationUnreachable");
    let named = server(&[("AccessInfo", "mps.example.com"), ("InfoFormat", "201"), ("CN", "")]);
    assert_eq!(add(&mut client, &named).text("Selector"), SAP, "the first selector");
    assert!(names(&mut client, SAP, "Name").contains(&format!("{SERVER}3")), "its number is free again");
}

#[test]
fn a_login_is_replaced_and_never_told() {
    let mut client = client();
    assert_eq!(add(&mut client, &server(&[])).return_value(), 0);
    let id = "Intel(r) AMT:MPS Username Password 0";
    let login = client.get_one(LOGIN, ("InstanceID", id));
    assert_eq!((login.text("RemoteID"), login.text("Secret")), ("standalone".into(), String::new()));
    let put = |client: &mut Client<Memory>, properties: &str| {
        client.put(LOGIN, Some(("InstanceID", id)), &format!("<h:InstanceID>{id}</h:InstanceID>{properties}"))
    };
    assert_eq!(put(&mut client, "<h:RemoteID>new</h:RemoteID>").fault(), MISSING);
    assert_eq!(put(&mut client, "<h:Secret>a-word-of-17-char</h:Secret>").fault(), INVALID);
    let answer = put(&mut client, "<h:RemoteID>new</h:RemoteID><h:Secret>0ther-word</h:Secret>");
    assert_eq!((answer.status, answer.element().name.as_str()), (200, ""), "no body, as recorded");
    let login = client.get_one(LOGIN, ("InstanceID", id));
    assert_eq!((login.text("RemoteID"), login.text("Secret")), ("new".into(), String::new()));
    assert_eq!(client.line.firmware.truth(client.line.now).secrets["mps/0"], support::sha256("0ther-word"));
}

#[test]
fn there_is_one_rule_of_a_trigger_and_it_holds_its_servers() {
    let mut client = client();
    for _ in 0..3 {
        assert_eq!(add(&mut client, &server(&[])).return_value(), 0);
    }
    assert_eq!(rule(&mut client, &[], &[]).fault(), MISSING);
    assert_eq!(rule(&mut client, &[], &[7]).return_value(), 2053);
    assert_eq!(rule(&mut client, &[], &[0, 1, 2]).return_value(), 23);
    assert_eq!(rule(&mut client, &[], &[0, 0]).return_value(), 2058);
    assert_eq!(rule(&mut client, &[("Trigger", "4")], &[0]).return_value(), 36);
    assert_eq!(rule(&mut client, &[("TunnelLifeTime", "")], &[0]).fault(), MISSING);
    assert_eq!(rule(&mut client, &[("ExtendedData", "")], &[0]).fault(), MISSING);
    // No base64; little-endian seconds; every 0 seconds; an hour that there is not.
    for wrong in ["25", "GQAAAAAAAAA=", "AAAAAAAAAAA=", "AAAAAQAAABgAAAAC"] {
        assert_eq!(rule(&mut client, &[("ExtendedData", wrong)], &[0]).return_value(), 36, "{wrong}");
    }
    assert!(client.all(RULE).is_empty());
    let answer = rule(&mut client, &[], &[1, 0]);
    assert_eq!((answer.return_value(), answer.text("ResourceURI")), (0, uri(RULE)));
    assert_eq!(rule(&mut client, &[], &[1]).return_value(), 2058);
    assert_eq!(rule(&mut client, &[("Trigger", "0"), ("TunnelLifeTime", "300")], &[0]).return_value(), 0);
    assert_eq!(rule(&mut client, &[("Trigger", "1")], &[0]).return_value(), 0);
    assert_eq!(names(&mut client, RULE, "PolicyRuleName"), ["Periodic", "User Initiated", "Alert"]);
    let told = client.get_one(RULE, ("PolicyRuleName", "Periodic"));
    assert_eq!((told.text("ExtendedData"), told.text("Trigger")), (SCHEDULE.into(), "2".into()));

    let delete = |client: &mut Client<Memory>, n: u32| client.delete(SAP, Some(("Name", &format!("{SERVER}{n}"))));
    assert_eq!(delete(&mut client, 1).fault(), IN_USE);
    assert_eq!(delete(&mut client, 2).status, 200, "no rule has it");
    assert_eq!(client.delete(RULE, Some(("PolicyRuleName", "Home"))).fault(), "DestinationUnreachable");
    assert_eq!(client.delete(RULE, Some(("PolicyRuleName", "Periodic"))).status, 200);
    assert_eq!(delete(&mut client, 1).status, 200);
    assert_eq!(delete(&mut client, 0).fault(), IN_USE);
}

/// Puts `MpsType`; the pair is selected in the header, by references.
fn put_type(client: &mut Client<Memory>, kind: &str, server: u32, order: u32) -> support::Answer {
    let keys = "<w:Selector Name=\"SystemCreationClassName\">CIM_ComputerSystem</w:Selector>\
        <w:Selector Name=\"SystemName\">Intel(r) AMT</w:Selector></w:SelectorSet>";
    let whole = |class: &str, name: &str, value: &str| {
        let class_name = format!("<w:Selector Name=\"CreationClassName\">{class}</w:Selector>");
        reference(class, name, value)
            .replace("<w:SelectorSet>", &format!("<w:SelectorSet>{class_name}"))
            .replace("</w:SelectorSet>", keys)
    };
    let (server, rule) = (whole(SAP, "Name", &format!("{SERVER}{server}")), whole(RULE, "PolicyRuleName", "Periodic"));
    let selector = |name: &str, reference: &str| {
        format!("<w:Selector Name=\"{name}\"><a:EndpointReference>{reference}</a:EndpointReference></w:Selector>")
    };
    let header = format!(
        "<w:SelectorSet>{}{}</w:SelectorSet>",
        selector("ManagedElement", &server),
        selector("PolicySet", &rule)
    );
    let body = format!(
        "<h:{APPLIES} xmlns:h=\"{}\"><h:ManagedElement>{server}</h:ManagedElement>{kind}\
         <h:OrderOfAccess>{order}</h:OrderOfAccess><h:PolicySet>{rule}</h:PolicySet></h:{APPLIES}>",
        uri(APPLIES)
    );
    let envelope = client.envelope(&format!("{TRANSFER}/Put"), APPLIES, &header, &body);
    client.post(&envelope).unwrap()
}

#[test]
fn a_servers_type_is_put_on_the_pair_of_rule_and_server() {
    let prepare = |client: &mut Client<Memory>| {
        for _ in 0..2 {
            assert_eq!(add(client, &server(&[])).return_value(), 0);
        }
        assert_eq!(rule(client, &[], &[1, 0]).return_value(), 0);
    };
    let mut client = client();
    prepare(&mut client);
    assert_eq!(names(&mut client, APPLIES, "OrderOfAccess"), ["0", "1"]);
    assert_eq!(put_type(&mut client, "<h:MpsType>3</h:MpsType>", 1, 0).fault(), INVALID);
    assert_eq!(put_type(&mut client, "", 1, 0).fault(), MISSING);
    assert_eq!(put_type(&mut client, "<h:MpsType>2</h:MpsType>", 1, 1).fault(), INVALID, "the order stays");
    assert_eq!(put_type(&mut client, "<h:MpsType>2</h:MpsType>", 5, 0).fault(), "DestinationUnreachable");
    assert_eq!(names(&mut client, APPLIES, "MpsType"), ["0", "0"]);
    let answer = put_type(&mut client, "<h:MpsType>2</h:MpsType>", 1, 0);
    assert_eq!((answer.status, answer.element().name.as_str()), (200, ""), "no body, as recorded");
    assert_eq!(names(&mut client, APPLIES, "MpsType"), ["2", "0"]);

    let mut client = machine("amt-9.5", |_| {});
    prepare(&mut client);
    assert!(client.all(APPLIES)[0].child("MpsType").is_none());
    assert_eq!(put_type(&mut client, "<h:MpsType>2</h:MpsType>", 1, 0).fault(), "ActionNotSupported");
}

#[test]
fn who_may_connect_from_the_computer() {
    let user = "AMT_UserInitiatedConnectionService";
    let mut client = client();
    let state = |client: &mut Client<Memory>, state: u32| {
        let argument = format!("<h:RequestedState>{state}</h:RequestedState>");
        client.invoke(user, "RequestStateChange", &argument).return_value()
    };
    assert_eq!(client.get(user).text("EnabledState"), "32768");
    assert_eq!((state(&mut client, 2), state(&mut client, 32_772)), (5, 5));
    assert_eq!(state(&mut client, 32_771), 0);
    assert_eq!(client.get(user).text("EnabledState"), "32771");
}

#[test]
fn home_networks_are_few_and_short() {
    let mut client = client();
    let long = format!("{}.example.com", "x".repeat(52));
    assert_eq!(long.len(), 64);
    for wrong in [vec!["a", "b", "c", "d", "e"], vec![long.as_str()], vec!["two words"]] {
        assert_eq!(home(&mut client, &wrong).fault(), INVALID, "{wrong:?}");
    }
    assert!(client.all(DETECTION)[0].child("DetectionStrings").is_none());
    assert_eq!(home(&mut client, &["a.example", "b.example", "c.example", &long[1..]]).status, 200);
    assert_eq!(client.all(DETECTION)[0].all("DetectionStrings").count(), 4);
    assert_eq!(client.put_back(DETECTION, None, ("DetectionAlgorithm", "1")).fault(), INVALID);
    assert_eq!(home(&mut client, &[]).status, 200);
    assert!(client.all(DETECTION)[0].child("DetectionStrings").is_none());
}

/// Sets the machine up, so that its ports are those of a managed one.
fn set_up(closes_outside: bool) -> Client<Memory> {
    let mut client = machine("amt-16.0", |config| config.closes_outside = closes_outside);
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

#[test]
fn a_machine_outside_closes_its_ports_where_it_does() {
    const STRANGE: &str = "b24e6b5c.invalid";
    let mut client = set_up(true);
    assert_eq!(home(&mut client, &["EXAMPLE.com"]).status, 200);
    client.line.wait(Duration::from_secs(60));
    assert_eq!((SUFFIX, client.line.listens), ("example.com", (true, false)), "it is at home");
    assert_eq!(home(&mut client, &[STRANGE]).status, 200, "the answer still comes");
    client.line.wait(Duration::from_secs(2));
    assert_eq!(client.line.listens, (true, false), "not at once");
    client.line.wait(Duration::from_secs(4));
    assert_eq!(client.line.listens, (false, false));
    assert!(client.line.closed, "and the connection is gone");
    client.line.wait(Duration::from_secs(600));
    assert_eq!(client.line.listens, (false, false));

    let mut client = set_up(true);
    assert_eq!(home(&mut client, &[STRANGE]).status, 200);
    client.line.wait(Duration::from_secs(2));
    assert_eq!(home(&mut client, &[]).status, 200, "at home everywhere, before the ports closed");
    client.line.wait(Duration::from_secs(60));
    assert_eq!(client.line.listens, (true, false));

    let mut client = set_up(false);
    assert_eq!(home(&mut client, &[STRANGE]).status, 200);
    client.line.wait(Duration::from_secs(60));
    assert_eq!(client.line.listens, (true, false));
}

#[test]
fn proxies_are_added_once() {
    let proxy = |changes: &[(&str, &str)]| {
        let all = [
            ("AccessInfo", "proxy.example.com"),
            ("InfoFormat", "201"),
            ("Port", "8080"),
            ("NetworkDnsSuffix", "example.com"),
        ];
        with(&all, changes)
    };
    let mut client = client();
    let add = |client: &mut Client<Memory>, changes: &[(&str, &str)]| {
        client.invoke(PROXIES, "AddProxyAccessPoint", &proxy(changes))
    };
    let long = "x".repeat(193);
    for change in [("InfoFormat", "3"), ("Port", "0"), ("Port", "65536"), ("NetworkDnsSuffix", long.as_str())] {
        assert_eq!(add(&mut client, &[change]).return_value(), 36, "{change:?}");
    }
    for name in ["AccessInfo", "InfoFormat", "Port", "NetworkDnsSuffix"] {
        assert_eq!(add(&mut client, &[(name, "")]).fault(), MISSING, "{name}");
    }
    assert_eq!(add(&mut client, &[]).return_value(), 0);
    let again = add(&mut client, &[]);
    assert_eq!((again.return_value(), again.text("Address")), (2058, "default".into()), "as recorded");
    for port in 1..15 {
        assert_eq!(add(&mut client, &[("Port", &port.to_string())]).return_value(), 0);
    }
    assert_eq!(add(&mut client, &[("Port", "15")]).return_value(), 23);
    let first = names(&mut client, PROXY, "Name")[0].clone();
    assert_eq!(client.delete(PROXY, Some(("Name", &first))).status, 200);
    assert_eq!(client.all(PROXY).len(), 14);
    let old = machine("amt-11.8", |_| {}).get(PROXIES).fault();
    assert_eq!(old, "DestinationUnreachable InvalidResourceURI");
}

#[test]
fn firmware_of_the_first_generations_has_none_of_it() {
    let mut client = machine("amt-3.2", |_| {});
    for class in [SERVICE, DETECTION] {
        let answer = client.get(class);
        assert_eq!(answer.fault(), "DestinationUnreachable InvalidResourceURI", "{class}");
    }
}
