//! `AMT_EthernetPortSettings` (`spec/wsman.md` §3.5).

use super::{Call, Class, Fields, Instance, instance};
use crate::firmware::device::Device;
use crate::firmware::soap::Fault;
use amt_core::Tick;
use std::net::Ipv4Addr;

const CLASS: &str = "AMT_EthernetPortSettings";
const WIRED: &str = "Intel(r) AMT Ethernet Port Settings 0";
const WIRELESS: &str = "Intel(r) AMT Ethernet Port Settings 1";
const NAME: &str = "Intel(r) AMT Ethernet Port Settings";

pub(super) const CLASSES: &[Class] = &[Class { put: Some(put), ..Class::read(CLASS, &["InstanceID"], list) }];

fn flag(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let wired = &device.wired;
    let mut first = instance(CLASS, &[("DHCPEnabled", flag(wired.dhcp))]);
    for (name, value) in [
        ("DefaultGateway", &wired.gateway),
        ("IPAddress", &wired.address),
        ("PrimaryDNS", &wired.primary_dns),
        ("SecondaryDNS", &wired.secondary_dns),
        ("SubnetMask", &wired.mask),
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

/// The wireless port; where there is none, one with an address of zeroes is listed all the same.
fn wireless(device: &Device) -> Instance {
    let there = device.config.persona.wireless.interface;
    let address = if there { device.wireless_mac() } else { [0; 6] };
    let mut port = instance(
        CLASS,
        &[
            ("ConsoleTcpMaxRetransmissions", "5"),
            ("DHCPEnabled", "true"),
            ("ElementName", NAME),
            ("InstanceID", WIRELESS),
            ("LinkControl", "2"),
            ("LinkIsUp", "false"),
        ],
    );
    for policy in &device.wireless.link_policy {
        port.push("LinkPolicy", *policy);
    }
    port.push("LinkPreference", "2");
    port.push("MACAddress", address.map(|byte| format!("{byte:02x}")).join("-"));
    port.push("PhysicalConnectionType", "3");
    port.push("SharedMAC", true);
    port.push("WLANLinkProtectionLevel", "1");
    port
}

fn link_policy(call: &Call<'_>) -> Result<Vec<u32>, Fault> {
    let policies: Option<Vec<u32>> = call.input.texts("LinkPolicy").iter().map(|t| t.parse().ok()).collect();
    policies.filter(|list| list.iter().all(|p| matches!(p, 1 | 14 | 16 | 224))).ok_or_else(Fault::invalid_values)
}

/// Of the wireless port only the link policy can be set: its address comes by DHCP.
fn put_wireless(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    let known: Vec<&str> = current.properties.iter().map(|(name, _)| name.as_str()).collect();
    if !device.config.persona.wireless.interface {
        fields.only(&known)?;
        return fields.unchanged(current, &known);
    }
    fields.only(&[known.as_slice(), &["LinkPolicy"]].concat())?;
    let fixed: Vec<&str> = known.into_iter().filter(|name| *name != "LinkPolicy").collect();
    fields.unchanged(current, &fixed)?;
    device.wireless.link_policy = link_policy(call)?;
    Ok(())
}

fn put(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    let dhcp = fields.need_bool("DHCPEnabled")?;
    if current.text("InstanceID") == Some(WIRELESS) {
        return put_wireless(device, call, current);
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
    if !fits {
        return Err(Fault::invalid_values());
    }
    let policies = link_policy(call)?;
    device.wired = wired;
    device.link_policy = policies;
    Ok(())
}
