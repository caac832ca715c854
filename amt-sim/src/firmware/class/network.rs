//! `AMT_EthernetPortSettings` and `IPS_IPv6PortSettings` (`spec/wsman.md` §3.5).

use super::{Call, Class, Fields, Instance, Output, instance, number};
use crate::firmware::device::Device;
use crate::firmware::soap::Fault;
use amt_core::Tick;
use amt_core::status::PtStatus;
use amt_wsman::soap::{Selector, SelectorValue};
use std::net::{Ipv4Addr, Ipv6Addr};

const CLASS: &str = "AMT_EthernetPortSettings";
const WIRED: &str = "Intel(r) AMT Ethernet Port Settings 0";
const WIRELESS: &str = "Intel(r) AMT Ethernet Port Settings 1";
const NAME: &str = "Intel(r) AMT Ethernet Port Settings";

const IPV6: &str = "IPS_IPv6PortSettings";
const IPV6_NAME: &str = "Intel(r) IPS IPv6 Settings 0";

pub(super) const CLASSES: &[Class] = &[
    Class {
        put: Some(put),
        methods: &[("SetLinkPreference", set_link_preference)],
        ..Class::read(CLASS, &["InstanceID"], list)
    },
    Class { put: Some(put_ipv6), ..Class::read(IPV6, &["InstanceID"], list_ipv6) },
];

fn flag(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let wired = &device.wired;
    let mut first = instance(CLASS, &[("DHCPEnabled", flag(wired.dhcp))]);
    // An address that came from elsewhere reads like one of its own, but is not to be put back (§3.5).
    let came = device.config.address.filter(|_| wired.address.is_none()).map(|address| address.to_string());
    let came_mask = came.as_ref().map(|_| "255.0.0.0".to_owned());
    for (name, value) in [
        ("DefaultGateway", &wired.gateway),
        ("IPAddress", if came.is_some() { &came } else { &wired.address }),
        ("PrimaryDNS", &wired.primary_dns),
        ("SecondaryDNS", &wired.secondary_dns),
        ("SubnetMask", if came.is_some() { &came_mask } else { &wired.mask }),
    ] {
        if let Some(value) = value {
            first.push(name, value.as_str());
        }
    }
    first.push("ElementName", NAME);
    first.push("InstanceID", WIRED);
    first.push("IpSyncEnabled", wired.ip_sync);
    first.push("LinkIsUp", true);
    for policy in &device.link_policy {
        first.push("LinkPolicy", *policy);
    }
    first.push("MACAddress", device.mac().map(|byte| format!("{byte:02x}")).join("-"));
    first.push("PhysicalConnectionType", "0");
    first.push("SharedDynamicIP", true);
    first.push("SharedMAC", true);
    first.push("SharedStaticIp", wired.shared_static);
    vec![first, wireless(device)]
}

/// The second port; a machine without a wireless one has it too, with an address of zeroes.
fn wireless(device: &Device) -> Instance {
    let wifi = &device.settings.wireless_port;
    let there = device.config.persona.wireless.interface;
    let mac = if there { device.wireless_mac() } else { [0; 6] };
    let mac = mac.map(|byte| format!("{byte:02x}")).join("-");
    let mut second = instance(
        CLASS,
        &[
            ("ConsoleTcpMaxRetransmissions", "5"),
            ("DHCPEnabled", "true"),
            ("ElementName", NAME),
            ("InstanceID", WIRELESS),
            ("LinkControl", &wifi.link_preference.to_string()),
            ("LinkIsUp", "false"),
            ("LinkPreference", &wifi.link_preference.to_string()),
        ],
    );
    if there {
        for policy in &wifi.link_policy {
            second.push("LinkPolicy", *policy);
        }
    }
    second.push("MACAddress", mac);
    second.push("PhysicalConnectionType", "3");
    second.push("SharedMAC", true);
    second.push("WLANLinkProtectionLevel", wifi.protection_level);
    second
}

/// The wireless port takes its address from DHCP, always; what is set is when it works, and how it is protected.
fn put_wireless(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    let known: Vec<&str> = current.properties.iter().map(|(name, _)| name.as_str()).collect();
    if !device.config.persona.wireless.interface {
        fields.only(&known)?;
        return fields.unchanged(current, &known);
    }
    fields.only(&[known.as_slice(), &["LinkPolicy"]].concat())?;
    let settable = ["LinkPolicy", "WLANLinkProtectionLevel"];
    let fixed: Vec<&str> = known.into_iter().filter(|name| !settable.contains(name)).collect();
    fields.unchanged(current, &fixed)?;
    let level = fields.number("WLANLinkProtectionLevel", 0..=3)?;
    let policy = link_policy(call)?;
    let wifi = &mut device.settings.wireless_port;
    wifi.protection_level = level.unwrap_or(wifi.protection_level);
    wifi.link_policy = policy.unwrap_or_else(|| wifi.link_policy.clone());
    Ok(())
}

/// When a port works: each value once. Nothing: that is not in the representation.
fn link_policy(call: &Call<'_>) -> Result<Option<Vec<u32>>, Fault> {
    let policies: Option<Vec<u32>> = call.input.texts("LinkPolicy").iter().map(|t| t.parse().ok()).collect();
    let policies = policies.ok_or_else(Fault::invalid_values)?;
    let once = policies.iter().enumerate().all(|(at, policy)| !policies[..at].contains(policy));
    if !once || policies.iter().any(|policy| !matches!(policy, 1 | 14 | 16 | 224)) {
        return Err(Fault::invalid_values());
    }
    Ok((!policies.is_empty()).then_some(policies))
}

/// Who has the wireless link: 1 the firmware, for some seconds, 2 the machine's own system.
fn set_link_preference(device: &mut Device, call: &Call<'_>) -> Result<Output, Fault> {
    let (preference, _) = (number(call, "LinkPreference")?, number(call, "Timeout")?);
    let wireless = |s: &Selector| matches!(&s.value, SelectorValue::Text(text) if text == WIRELESS);
    if !device.config.persona.wireless.interface || !call.selectors.iter().any(wireless) {
        return Ok(Output::value(PtStatus::UNSUPPORTED.0));
    }
    if !matches!(preference, 1 | 2) {
        return Ok(Output::value(PtStatus::INVALID_PARAMETER.0));
    }
    device.settings.wireless_port.link_preference = preference;
    Ok(Output::ok())
}

fn put(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    let dhcp = fields.need_bool("DHCPEnabled")?;
    if current.text("InstanceID") == Some(WIRELESS) {
        return if dhcp { put_wireless(device, call, current) } else { Err(Fault::invalid_values()) };
    }
    fields.only(&[
        "DHCPEnabled",
        "DefaultGateway",
        "ElementName",
        "IPAddress",
        "InstanceID",
        "IpSyncEnabled",
        "LinkIsUp",
        "LinkPolicy",
        "MACAddress",
        "PhysicalConnectionType",
        "PrimaryDNS",
        "SecondaryDNS",
        "SharedDynamicIP",
        "SharedMAC",
        "SharedStaticIp",
        "SubnetMask",
    ])?;
    fields.unchanged(current, &["ElementName", "LinkIsUp", "MACAddress", "PhysicalConnectionType"])?;
    let mut wired = device.wired.clone();
    wired.dhcp = dhcp;
    wired.ip_sync = fields.bool("IpSyncEnabled")?.unwrap_or(wired.ip_sync);
    wired.shared_static = fields.bool("SharedStaticIp")?.unwrap_or(wired.shared_static);
    let address = |name: &str| match fields.text(name) {
        None | Some("") => Ok(None),
        Some(text) if text.parse::<Ipv4Addr>().is_ok() => Ok(Some(text.to_owned())),
        Some(_) => Err(Fault::invalid_values()),
    };
    wired.address = address("IPAddress")?;
    wired.mask = address("SubnetMask")?;
    wired.gateway = address("DefaultGateway")?;
    wired.primary_dns = address("PrimaryDNS")?;
    wired.secondary_dns = address("SecondaryDNS")?;
    // The three modes (§3.5): anything in between is refused.
    let any = wired.address.is_some() || wired.mask.is_some();
    let fits = match (wired.dhcp, wired.ip_sync, wired.shared_static) {
        (true, _, false) => !any,
        (true, _, true) => false,
        (false, true, true) => !any,
        (false, _, _) => wired.address.is_some() && wired.mask.is_some(),
    };
    let mask = wired.mask.as_ref().and_then(|mask| mask.parse::<Ipv4Addr>().ok()).map(u32::from);
    let whole = mask.is_none_or(|mask| mask != 0 && mask.leading_ones() + mask.trailing_zeros() == u32::BITS);
    if !fits || !whole {
        return Err(Fault::invalid_values());
    }
    if let Some(policy) = link_policy(call)? {
        device.link_policy = policy;
    }
    device.wired = wired;
    Ok(())
}

fn list_ipv6(device: &Device, _: Tick) -> Vec<Instance> {
    let ipv6 = &device.settings.ipv6;
    let text = |address: &Ipv6Addr| address.to_string();
    vec![instance(
        IPV6,
        &[
            ("CurrentDefaultRouter", "::"),
            ("CurrentPrimaryDNS", "::"),
            ("CurrentSecondaryDNS", "::"),
            ("DefaultRouter", &text(&ipv6.router)),
            ("ElementName", IPV6_NAME),
            ("IPv6Address", &text(&ipv6.address)),
            ("InstanceID", IPV6_NAME),
            ("InterfaceIDType", &ipv6.interface_type.to_string()),
            ("ManualInterfaceID", &ipv6.interface),
            ("PrimaryDNS", &text(&ipv6.primary_dns)),
            ("SecondaryDNS", &text(&ipv6.secondary_dns)),
        ],
    )]
}

fn put_ipv6(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    fields.known(current)?;
    fields.unchanged(current, &["CurrentDefaultRouter", "CurrentPrimaryDNS", "CurrentSecondaryDNS", "ElementName"])?;
    let mut next = device.settings.ipv6.clone();
    for (name, value) in [
        ("IPv6Address", &mut next.address),
        ("DefaultRouter", &mut next.router),
        ("PrimaryDNS", &mut next.primary_dns),
        ("SecondaryDNS", &mut next.secondary_dns),
    ] {
        if let Some(text) = fields.text(name) {
            *value = text.parse().map_err(|_| Fault::invalid_values())?;
        }
    }
    next.interface_type = fields.number("InterfaceIDType", 0..=2)?.unwrap_or(next.interface_type);
    if let Some(text) = fields.text("ManualInterfaceID") {
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Fault::invalid_values());
        }
        next.interface = text.to_owned();
    }
    device.settings.ipv6 = next;
    Ok(())
}
