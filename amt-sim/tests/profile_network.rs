//! What a profile sets of the network ports and of power, and what firmware refuses of it.

use crate::support;
use crate::support::{Answer, Client, Line, Memory, TRANSFER, uri, with};
use amt_sim::Persona;
use std::net::Ipv4Addr;
use std::time::Duration;

const ADMIN: &str = "N3w-Adm!n-Pass";
const PORT: &str = "AMT_EthernetPortSettings";
const WIRED: &str = "Intel(r) AMT Ethernet Port Settings 0";
const WIRELESS: &str = "Intel(r) AMT Ethernet Port Settings 1";
const SCHEME: &str = "AMT_SystemPowerScheme";
const INVALID: &str = "InvalidRepresentation InvalidValues";

fn client(features: &str) -> Client<Memory> {
    let mut config = Memory::config();
    let text = format!("based_on = \"amt-16.0\"\n[features]\n{features}\n");
    config.persona = Persona::parse(&text).unwrap().into();
    config.address = Some(Ipv4Addr::new(127, 5, 0, 1));
    support::managed(config, ADMIN)
}

fn put<L: Line>(client: &mut Client<L>, port: &str, properties: &[(&str, &str)]) -> Answer {
    let mut all = format!("<h:InstanceID>{port}</h:InstanceID>");
    for (name, value) in properties {
        all += &format!("<h:{name}>{value}</h:{name}>");
    }
    client.put(PORT, Some(("InstanceID", port)), &all)
}

/// An address that changed restarts the network: the connection is gone.
fn come_back(client: &mut Client<Memory>) {
    assert!(client.line.listens == (false, false), "the ports are closed meanwhile");
    client.line.wait(Duration::from_secs(60));
    client.line.reconnect();
}

#[test]
fn the_wired_port_has_three_modes_and_nothing_between() {
    let mut client = client("");
    let read = client.get_one(PORT, ("InstanceID", WIRED));
    assert_eq!((read.text("DHCPEnabled").as_str(), read.text("IPAddress").as_str()), ("true", "127.5.0.1"));
    let whole = with(&read.element(), "IpSyncEnabled", "true");
    assert_eq!(
        client.put(PORT, Some(("InstanceID", WIRED)), &whole).fault(),
        INVALID,
        "an address from DHCP is not put back"
    );
    let mode = |dhcp, sync, shared| [("DHCPEnabled", dhcp), ("IpSyncEnabled", sync), ("SharedStaticIp", shared)];
    let address = [("IPAddress", "192.0.2.7"), ("SubnetMask", "255.255.255.0")];
    let (dhcp, own, host) =
        (mode("true", "true", "false"), mode("false", "false", "false"), mode("false", "true", "true"));
    let names = [("DefaultGateway", "192.0.2.1"), ("PrimaryDNS", "192.0.2.2")];
    assert_eq!(put(&mut client, WIRED, &[own.as_slice(), &address, &names].concat()).text("IPAddress"), "192.0.2.7");
    come_back(&mut client);
    assert_eq!(put(&mut client, WIRED, &host).text("SharedStaticIp"), "true");
    come_back(&mut client);
    assert_eq!(put(&mut client, WIRED, &dhcp).text("DHCPEnabled"), "true");
    for wrong in [
        [dhcp.as_slice(), &address].concat(),
        [host.as_slice(), &address].concat(),
        own.to_vec(),
        [own.as_slice(), &address[..1]].concat(),
        [own.as_slice(), &address[1..]].concat(),
        [own.as_slice(), &address[..1], &[("SubnetMask", "255.0.255.0")]].concat(),
        [own.as_slice(), &[("IPAddress", "192.0.2"), address[1]]].concat(),
        mode("true", "true", "true").to_vec(),
        [dhcp.as_slice(), &[("LinkPolicy", "2")]].concat(),
        [dhcp.as_slice(), &[("LinkPolicy", "1"), ("LinkPolicy", "1")]].concat(),
        [dhcp.as_slice(), &[("MACAddress", "02-00-00-00-00-00")]].concat(),
    ] {
        assert_eq!(put(&mut client, WIRED, &wrong).fault(), INVALID, "{wrong:?}");
    }
    assert_eq!(put(&mut client, WIRED, &dhcp[1..]).fault(), "InvalidRepresentation MissingValues");
    let policy = put(&mut client, WIRED, &[dhcp.as_slice(), &[("LinkPolicy", "1"), ("LinkPolicy", "224")]].concat());
    let told: Vec<String> =
        policy.element().children.iter().filter(|c| c.name == "LinkPolicy").map(|c| c.text.clone()).collect();
    assert_eq!(told, ["1", "224"]);
}

#[test]
fn the_wireless_port_is_there_with_wifi() {
    let mut without = client("[wireless]\ninterface = false");
    assert_eq!(without.get_one(PORT, ("InstanceID", WIRELESS)).text("MACAddress"), "00-00-00-00-00-00");
    assert_eq!(put(&mut without, WIRELESS, &[("DHCPEnabled", "true"), ("LinkPolicy", "14")]).fault(), INVALID);
    let mut client = client("");
    let read = client.get_one(PORT, ("InstanceID", WIRELESS));
    assert_ne!(read.text("MACAddress"), "00-00-00-00-00-00");
    let whole = with(&read.element(), "WLANLinkProtectionLevel", "2");
    assert_eq!(client.put(PORT, Some(("InstanceID", WIRELESS)), &whole).text("WLANLinkProtectionLevel"), "2");
    assert_eq!(put(&mut client, WIRELESS, &[("DHCPEnabled", "true"), ("LinkPolicy", "14")]).text("LinkPolicy"), "14");
    assert_eq!(put(&mut client, WIRELESS, &[("DHCPEnabled", "false")]).fault(), INVALID, "by DHCP only");
    assert_eq!(put(&mut client, WIRELESS, &[("DHCPEnabled", "true"), ("LinkPreference", "1")]).fault(), INVALID);
    assert_eq!(prefer(&mut client, WIRED, "1"), 2066);
    assert_eq!(prefer(&mut client, WIRELESS, "3"), 36);
    assert_eq!(prefer(&mut client, WIRELESS, "1"), 0);
    assert_eq!(client.get_one(PORT, ("InstanceID", WIRELESS)).text("LinkPreference"), "1");
}

fn prefer(client: &mut Client<Memory>, port: &str, preference: &str) -> u32 {
    let arguments = format!("<h:LinkPreference>{preference}</h:LinkPreference><h:Timeout>60</h:Timeout>");
    on(client, PORT, "SetLinkPreference", ("InstanceID", port), &arguments).return_value()
}

/// A method of the instance that the selector names.
fn on(client: &mut Client<Memory>, class: &str, method: &str, selector: (&str, &str), arguments: &str) -> Answer {
    let (name, value) = selector;
    let header = format!("<w:SelectorSet><w:Selector Name=\"{name}\">{value}</w:Selector></w:SelectorSet>");
    let body = format!("<h:{method}_INPUT xmlns:h=\"{}\">{arguments}</h:{method}_INPUT>", uri(class));
    let envelope = client.envelope(&format!("{}/{method}", uri(class)), class, &header, &body);
    client.post(&envelope).unwrap()
}

#[test]
fn one_power_package_is_active() {
    let mut client = client("mobile = true");
    let schemes = client.all(SCHEME);
    let id = |index: usize| schemes[index].child("InstanceID").unwrap().text.clone();
    let active = |client: &mut Client<Memory>| {
        let roles = client.all("CIM_ElementSettingData");
        let of_scheme = |role: &&amt_wsman::xml::Node| role.child("IsCurrent").unwrap().text == "1";
        let role = roles.iter().find(of_scheme).unwrap();
        role.child("SettingData").unwrap().children[1].child("SelectorSet").unwrap().children[0].text.clone()
    };
    assert_eq!(schemes.len(), 2);
    assert!(schemes[0].child("Description").unwrap().text.starts_with("Mobile"));
    assert_eq!(active(&mut client), id(1));
    let (first, second) = (id(0), id(1));
    assert_eq!(on(&mut client, SCHEME, "SetPowerScheme", ("InstanceID", &first), "").return_value(), 0);
    assert_eq!(active(&mut client), first);
    assert_eq!(
        on(&mut client, SCHEME, "SetPowerScheme", ("InstanceID", "nonsense"), "").fault(),
        "DestinationUnreachable"
    );
    assert_eq!(client.invoke(SCHEME, "SetPowerScheme", "").fault(), "InvalidSelectors");
    assert_ne!(active(&mut client), second);
    let envelope = client.envelope(&format!("{TRANSFER}/Put"), SCHEME, "", "");
    assert_eq!(client.post(&envelope).unwrap().fault(), "InvalidSelectors");
}

#[test]
fn addresses_of_ipv6_are_checked() {
    let mut client = client("");
    let class = "IPS_IPv6PortSettings";
    let read = client.get(class).element();
    assert_eq!(client.put(class, None, &with(&read, "IPv6Address", "2001:db8::7")).text("IPv6Address"), "2001:db8::7");
    for (name, value) in [
        ("IPv6Address", "192.0.2.1"),
        ("InterfaceIDType", "3"),
        ("ManualInterfaceID", "12"),
        ("CurrentPrimaryDNS", "::1"),
    ] {
        assert_eq!(client.put(class, None, &with(&read, name, value)).fault(), INVALID, "{name}");
    }
}
