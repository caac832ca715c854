//! Wireless settings: for every rule one request that breaks just that rule, and what is told afterwards.

use crate::support;
use crate::support::{Client, Memory, machine, reference, sha256, store, uri};
use amt_sim::Persona;

const SERVICE: &str = "AMT_WiFiPortConfigurationService";
const PORT: &str = "CIM_WiFiPort";
const SETTINGS: &str = "CIM_WiFiEndpointSettings";
const EAP: &str = "CIM_IEEE8021xSettings";
const CONTEXT: &str = "CIM_CredentialContext";
const PORTS: &str = "AMT_EthernetPortSettings";
const WIRELESS: &str = "Intel(r) AMT Ethernet Port Settings 1";
const INVALID: &str = "InvalidRepresentation InvalidValues";
const MISSING: &str = "InvalidRepresentation MissingValues";

fn client() -> Client<Memory> {
    machine("amt-16.0", |_| {})
}

/// The settings of a profile as an argument, with some of them changed; an empty value leaves one out.
fn profile(name: &str, priority: u32, changes: &[(&str, &str)]) -> String {
    let (id, priority) = (format!("Intel(r) AMT:WiFi Endpoint Settings {name}"), priority.to_string());
    let mut all = vec![
        ("ElementName", name),
        ("InstanceID", id.as_str()),
        ("AuthenticationMethod", "6"),
        ("EncryptionMethod", "4"),
        ("SSID", "Net"),
        ("Priority", priority.as_str()),
        ("PSKPassPhrase", "correct horse"),
    ];
    for (name, value) in changes {
        all.retain(|(other, _)| other != name);
        all.push((name, value));
    }
    embedded("WiFiEndpointSettingsInput", SETTINGS, &all)
}

fn embedded(argument: &str, class: &str, all: &[(&str, &str)]) -> String {
    let members: String =
        all.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| format!("<q:{n}>{v}</q:{n}>")).collect();
    format!("<h:{argument} xmlns:q=\"{}\">{members}</h:{argument}>", uri(class))
}

fn eap(changes: &[(&str, &str)]) -> String {
    let mut all = vec![
        ("ElementName", "Office"),
        ("InstanceID", "Intel(r) AMT:IEEE 802.1x Settings Office"),
        ("AuthenticationProtocol", "2"),
        ("Username", "pc1"),
        ("Password", "s3cret-word"),
    ];
    for (name, value) in changes {
        all.retain(|(other, _)| other != name);
        all.push((name, value));
    }
    embedded("IEEE8021xSettingsInput", EAP, &all)
}

fn endpoint() -> String {
    format!("<h:WiFiEndpoint>{}</h:WiFiEndpoint>", reference("CIM_WiFiEndpoint", "Name", "WiFi Endpoint 0"))
}

fn add(client: &mut Client<Memory>, arguments: &str) -> support::Answer {
    client.invoke(SERVICE, "AddWiFiSettings", &format!("{}{arguments}", endpoint()))
}

fn names(client: &mut Client<Memory>) -> Vec<String> {
    client.all(SETTINGS).iter().map(|node| node.child("ElementName").unwrap().text.clone()).collect()
}

#[test]
fn a_machine_without_the_interface_has_none_of_the_classes() {
    let mut client = machine("amt-12.0", |_| {});
    for class in [SERVICE, PORT, "CIM_WiFiEndpoint"] {
        assert_eq!(client.get(class).fault(), "DestinationUnreachable InvalidResourceURI", "{class}");
    }
    assert_eq!(client.get_one(PORTS, ("InstanceID", WIRELESS)).text("MACAddress"), "00-00-00-00-00-00");
    assert_eq!(client.put_back(PORTS, Some(("InstanceID", WIRELESS)), ("LinkPolicy", "1")).fault(), INVALID);
    for persona in ["16.0", "18.0", "21.0", "14.0", "11.8", "9.5"] {
        assert!(Persona::built_in(persona).unwrap().wireless.interface, "{persona}");
    }
}

#[test]
fn the_port_is_switched_and_its_link_policy_set() {
    let mut client = client();
    let state = |client: &mut Client<Memory>, state: u32| {
        let argument = format!("<h:RequestedState>{state}</h:RequestedState>");
        client.invoke(PORT, "RequestStateChange", &argument).return_value()
    };
    assert_eq!(client.get(PORT).text("EnabledState"), "3");
    for wrong in [2, 4, 32_770] {
        assert_eq!(state(&mut client, wrong), 5, "{wrong}");
    }
    for good in [32_769, 32_768, 3] {
        assert_eq!(state(&mut client, good), 0);
        assert_eq!(client.get(PORT).text("EnabledState"), good.to_string());
    }
    let port = Some(("InstanceID", WIRELESS));
    assert_eq!(client.put_back(PORTS, port, ("LinkPolicy", "2")).fault(), INVALID);
    assert_eq!(client.put_back(PORTS, port, ("DHCPEnabled", "false")).fault(), INVALID);
    assert_eq!(client.put_back(PORTS, port, ("IPAddress", "10.0.0.9")).fault(), INVALID);
    assert_eq!(client.put_back(PORTS, port, ("LinkPolicy", "14")).status, 200);
    let told = client.get_one(PORTS, ("InstanceID", WIRELESS));
    assert_eq!(told.text("LinkPolicy"), "14");
    let wired = client.get_one(PORTS, ("InstanceID", "Intel(r) AMT Ethernet Port Settings 0"));
    assert_ne!(told.text("MACAddress"), wired.text("MACAddress"));
    assert_eq!(wired.text("LinkPolicy"), "1", "of the other port");
    let address = told.text("MACAddress").replace('-', "").to_uppercase();
    assert_eq!(client.get(PORT).text("PermanentAddress"), address);
}

#[test]
fn a_profile_must_be_right_in_every_part() {
    let mut client = client();
    let long = "x".repeat(33);
    for (changes, value) in [
        (vec![("AuthenticationMethod", "2"), ("EncryptionMethod", "5")], 36),
        (vec![("AuthenticationMethod", "3"), ("EncryptionMethod", "2")], 36),
        (vec![("AuthenticationMethod", "8")], 36),
        (vec![("EncryptionMethod", "2")], 36),
        (vec![("EncryptionMethod", "5")], 36),
        (vec![("AuthenticationMethod", "32768"), ("EncryptionMethod", "3")], 36),
        (vec![("AuthenticationMethod", "32769")], 36),
        (vec![("SSID", long.as_str())], 36),
        (vec![("InstanceID", "Office")], 36),
        (vec![("InstanceID", "Intel(r) AMT:WiFi Endpoint Settings Other")], 36),
        (vec![("Priority", "0")], 2067),
        (vec![("Priority", "256")], 2067),
        (vec![("PSKPassPhrase", "seven77")], 2070),
        (vec![("PSKPassPhrase", &"p".repeat(64))], 2070),
    ] {
        assert_eq!(add(&mut client, &profile("Office", 1, &changes)).return_value(), value, "{changes:?}");
    }
    for name in ["InstanceID", "AuthenticationMethod", "EncryptionMethod", "Priority", "PSKPassPhrase", "ElementName"] {
        assert_eq!(add(&mut client, &profile("Office", 1, &[(name, "")])).fault(), MISSING, "{name}");
    }
    assert_eq!(add(&mut client, &profile("Office", 1, &[("Colour", "red")])).fault(), INVALID);
    let of_service = profile("Office", 1, &[]).replace(&uri(SETTINGS), &uri(SERVICE));
    assert_eq!(add(&mut client, &of_service).fault(), "SchemaValidationError", "the namespace is another class's");
    let alone = client.invoke(SERVICE, "AddWiFiSettings", &profile("Office", 1, &[]));
    assert_eq!(alone.fault(), MISSING);
    let other = endpoint().replace("Endpoint 0", "Endpoint 1");
    let other = client.invoke(SERVICE, "AddWiFiSettings", &format!("{other}{}", profile("Office", 1, &[])));
    assert_eq!(other.return_value(), 36);
    assert!(client.all(SETTINGS).is_empty(), "nothing of it was taken");

    let sae = profile("Office", 1, &[("AuthenticationMethod", "32768")]);
    assert_eq!(add(&mut client, &sae).return_value(), 0);
    assert_eq!(add(&mut machine("amt-14.0", |_| {}), &sae).return_value(), 36, "before WPA3");
}

#[test]
fn profiles_are_added_told_replaced_and_deleted() {
    let mut client = client();
    let answer = add(&mut client, &profile("Office", 2, &[]));
    assert_eq!(answer.return_value(), 0);
    assert_eq!(answer.text("Selector"), "Intel(r) AMT:WiFi Endpoint Settings Office");
    assert_eq!(add(&mut client, &profile("Office", 3, &[])).return_value(), 2058, "the name is taken");
    assert_eq!(add(&mut client, &profile("Home", 2, &[])).return_value(), 2067, "the priority is taken");
    assert_eq!(add(&mut client, &profile("Home", 1, &[("SSID", "")])).return_value(), 0);
    assert_eq!(names(&mut client), ["Home", "Office"]);
    let told = client.all(SETTINGS)[1].clone();
    let properties: Vec<&str> = told.children.iter().map(|node| node.name.as_str()).collect();
    let recorded =
        ["AuthenticationMethod", "BSSType", "ElementName", "EncryptionMethod", "InstanceID", "Priority", "SSID"];
    assert_eq!(properties, recorded, "as recorded; no passphrase");

    let target = |name: &str| {
        let id = format!("Intel(r) AMT:WiFi Endpoint Settings {name}");
        format!("<h:WiFiEndpointSettings>{}</h:WiFiEndpointSettings>", reference(SETTINGS, "InstanceID", &id))
    };
    let update = |client: &mut Client<Memory>, name: &str, profile: &str| {
        client.invoke(SERVICE, "UpdateWiFiSettings", &format!("{}{profile}", target(name))).return_value()
    };
    assert_eq!(update(&mut client, "Nowhere", &profile("Nowhere", 4, &[])), 2068);
    assert_eq!(update(&mut client, "Home", &profile("Office", 4, &[])), 36, "a name stays");
    assert_eq!(update(&mut client, "Home", &profile("Home", 2, &[])), 2067);
    assert_eq!(update(&mut client, "Home", &profile("Home", 1, &[("SSID", "New")])), 0);
    assert_eq!(client.all(SETTINGS)[0].child("SSID").unwrap().text, "New");

    let delete = |client: &mut Client<Memory>, id: &str| client.delete(SETTINGS, Some(("InstanceID", id)));
    assert_eq!(delete(&mut client, "Office").fault(), "DestinationUnreachable");
    assert_eq!(delete(&mut client, "Intel(r) AMT:WiFi Endpoint Settings Office").status, 200);
    assert_eq!(names(&mut client), ["Home"]);
    assert_eq!(client.invoke(SERVICE, "DeleteAllITProfiles", "").return_value(), 0);
    assert!(names(&mut client).is_empty());
}

#[test]
fn profiles_of_the_user_come_by_synchronization_and_take_up_room() {
    let mut client = machine("amt-16.0", |config| config.host_wifi = (0..9).map(|n| format!("cafe{n}")).collect());
    let sync = |client: &mut Client<Memory>, to: &str| {
        client.put_back(SERVICE, None, ("localProfileSynchronizationEnabled", to))
    };
    for wrong in ["2", "4", "true"] {
        assert_eq!(sync(&mut client, wrong).fault(), INVALID, "{wrong}");
    }
    assert_eq!(client.put(SERVICE, None, "<h:EnabledState>5</h:EnabledState>").fault(), MISSING);
    assert_eq!(client.put_back(SERVICE, None, ("EnabledState", "2")).fault(), INVALID);
    let small = client.put_back(SERVICE, None, ("LocalProfileSynchronizationEnabled", "1"));
    assert_eq!(small.fault(), INVALID, "the name begins with a small letter");
    assert!(names(&mut client).is_empty());
    assert_eq!(sync(&mut client, "3").text("localProfileSynchronizationEnabled"), "3");
    assert_eq!(names(&mut client).len(), 8, "at most");
    let first = client.all(SETTINGS)[0].clone();
    let text = |name: &str| first.child(name).unwrap().text.clone();
    assert_eq!((text("Priority"), text("ElementName")), ("0".into(), "cafe0".into()));
    let refused = client.delete(SETTINGS, Some(("InstanceID", &text("InstanceID"))));
    assert_eq!(refused.fault(), "InternalError AMT-STATUS 16");
    for number in 1..=8 {
        assert_eq!(add(&mut client, &profile(&format!("own{number}"), number, &[])).return_value(), 0);
    }
    assert_eq!(add(&mut client, &profile("own9", 9, &[])).return_value(), 23);
    assert_eq!(sync(&mut client, "0").status, 200);
    for number in 9..=16 {
        assert_eq!(add(&mut client, &profile(&format!("own{number}"), number, &[])).return_value(), 0);
    }
    assert_eq!(add(&mut client, &profile("own17", 17, &[])).return_value(), 23);
    assert_eq!(sync(&mut client, "1").status, 200);
    assert_eq!(names(&mut client).len(), 16, "there was no room for the user's");
}

#[test]
fn profiles_are_shared_with_uefi_only_where_the_capabilities_say_so() {
    let capability = "UEFIWiFiCoExistenceAndProfileShare";
    let share = "UEFIWiFiProfileShareEnabled";
    let mut client = client();
    assert_eq!(client.get("AMT_BootCapabilities").text(capability), "true");
    assert_eq!(client.get(SERVICE).text(share), "false");
    assert_eq!(client.put_back(SERVICE, None, (share, "true")).text(share), "true");
    let mut client = machine("amt-14.0", |_| {});
    assert_eq!(client.get("AMT_BootCapabilities").text(capability), "");
    assert_eq!(client.put_back(SERVICE, None, (share, "true")).fault(), INVALID);
}

#[test]
fn a_profile_with_8021x_needs_its_credentials_and_holds_its_certificates() {
    let mut client = client();
    let wpa2 = |changes: &[(&str, &str)]| {
        let changes = [&[("AuthenticationMethod", "7"), ("PSKPassPhrase", "")], changes].concat();
        profile("Office", 1, &changes)
    };
    let (leaf, root) = (store::leaf(&mut client), store::root(&mut client));
    let certificate = |id: &str| store::certificate("ClientCredential", id);
    assert_eq!(add(&mut client, &wpa2(&[])).fault(), MISSING, "no settings");
    let both = format!("{}{}", wpa2(&[("PSKPassPhrase", "correct horse")]), eap(&[]));
    assert_eq!(add(&mut client, &both).return_value(), 36);
    assert_eq!(add(&mut client, &format!("{}{}", profile("Office", 1, &[]), eap(&[]))).return_value(), 36);
    assert_eq!(add(&mut client, &format!("{}{}", profile("Office", 1, &[]), certificate(&leaf))).return_value(), 36);
    for name in ["Username", "Password", "AuthenticationProtocol"] {
        assert_eq!(add(&mut client, &format!("{}{}", wpa2(&[]), eap(&[(name, "")]))).fault(), MISSING, "{name}");
    }
    for (name, value) in [("AuthenticationProtocol", "11"), ("ServerCertificateNameComparison", "2"), ("Colour", "red")]
    {
        assert_eq!(add(&mut client, &format!("{}{}", wpa2(&[]), eap(&[(name, value)]))).fault(), INVALID, "{name}");
    }
    let tls = eap(&[("AuthenticationProtocol", "0"), ("Password", "")]);
    let tls = format!("{}{tls}", wpa2(&[]));
    assert_eq!(add(&mut client, &tls).return_value(), 2069, "no certificate");
    assert_eq!(add(&mut client, &format!("{tls}{}", certificate(&root))).return_value(), 2069, "it has no key");
    let nothing = "Intel(r) AMT Certificate: Handle: 99";
    assert_eq!(add(&mut client, &format!("{tls}{}", certificate(nothing))).return_value(), 2053);
    let authority = |id: &str| store::certificate("CACredential", id);
    let wrong = format!("{tls}{}{}", certificate(&leaf), authority(&leaf));
    assert_eq!(add(&mut client, &wrong).return_value(), 2069, "no trusted root");
    let right = format!("{tls}{}{}", certificate(&leaf), authority(&root));
    assert_eq!(add(&mut client, &right).return_value(), 0);
    let told = client.all(EAP)[0].clone();
    assert_eq!(told.child("Username").unwrap().text, "pc1");
    let contexts: Vec<String> = client.all(CONTEXT).iter().map(|node| format!("{node:?}")).collect();
    assert!(contexts.len() == 2 && contexts.iter().all(|text| text.contains("802.1x Settings Office")), "{contexts:?}");

    for id in [&leaf, &root] {
        assert!(contexts.iter().any(|text| text.contains(id.as_str())), "{id}");
        assert_eq!(store::delete(&mut client, id).as_deref(), Some("InternalError AMT-STATUS 16"));
    }
    client.delete(SETTINGS, Some(("InstanceID", "Intel(r) AMT:WiFi Endpoint Settings Office")));
    assert!(client.all(CONTEXT).is_empty());
    assert_eq!((store::delete(&mut client, &leaf), store::delete(&mut client, &root)), (None, None));

    assert_eq!(add(&mut client, &format!("{}{}", wpa2(&[]), eap(&[]))).return_value(), 0);
    assert!(client.all(EAP)[0].child("Password").is_none());
    let escaped = profile("Home", 2, &[("PSKPassPhrase", "a&amp;b &lt;c&gt; d")]);
    assert_eq!(add(&mut client, &escaped).return_value(), 0);
    let held = client.line.firmware.truth(client.line.now).secrets;
    assert_eq!(held["wifi/Office/8021x"], sha256("s3cret-word"));
    assert_eq!(held["wifi/Home"], sha256("a&b <c> d"));
    assert_eq!(held.len(), 2);
}
