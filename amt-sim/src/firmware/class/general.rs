//! `AMT_GeneralSettings` (`spec/wsman.md` §3.1).

use super::{Call, Class, Fields, Instance, instance};
use crate::firmware::device::Device;
use crate::firmware::soap::Fault;
use amt_core::Tick;

const MAX_HOST_NAME: usize = 63;
const MAX_DOMAIN_NAME: usize = 191;
const NAME: &str = "Intel(r) AMT: General Settings";

pub(super) const CLASSES: &[Class] =
    &[Class { put: Some(put), ..Class::read("AMT_GeneralSettings", &["InstanceID"], list) }];

fn list(device: &Device, _: Tick) -> Vec<Instance> {
    let g = &device.general;
    let flag = |on: bool| if on { "true" } else { "false" };
    vec![instance(
        "AMT_GeneralSettings",
        &[
            ("AMTNetworkEnabled", if g.network_enabled { "1" } else { "0" }),
            ("DDNSPeriodicUpdateInterval", &g.ddns_interval.to_string()),
            ("DDNSTTL", &g.ddns_ttl.to_string()),
            ("DDNSUpdateByDHCPServerEnabled", flag(g.ddns_by_dhcp)),
            ("DDNSUpdateEnabled", flag(g.ddns)),
            ("DHCPSyncRequiresHostname", "1"),
            ("DHCPv6ConfigurationTimeout", "0"),
            ("DigestRealm", &device.realm),
            ("DomainName", &g.domain_name),
            ("ElementName", NAME),
            ("HostName", &g.host_name),
            ("HostOSFQDN", &g.host_os_fqdn),
            ("IdleWakeTimeout", &g.idle_wake.to_string()),
            ("InstanceID", NAME),
            ("NetworkInterfaceEnabled", flag(g.network_enabled)),
            ("PingResponseEnabled", flag(g.ping)),
            ("PowerSource", "0"),
            ("PreferredAddressFamily", &g.preferred_family.to_string()),
            ("PresenceNotificationInterval", &g.presence_interval.to_string()),
            ("PrivacyLevel", &g.privacy_level.to_string()),
            ("RmcpPingResponseEnabled", flag(g.rmcp_ping)),
            ("SharedFQDN", flag(g.shared_fqdn)),
            ("ThunderboltDockEnabled", "0"),
            ("WsmanOnlyMode", flag(g.wsman_only)),
        ],
    )]
}

fn put(device: &mut Device, call: &Call<'_>, current: &Instance) -> Result<(), Fault> {
    let fields = Fields(&call.input);
    let known: Vec<&str> = current.properties.iter().map(|(name, _)| name.as_str()).collect();
    fields.only(&known)?;
    let ping = fields.need_bool("PingResponseEnabled")?;
    let wsman_only = fields.need_bool("WsmanOnlyMode")?;
    fields.unchanged(
        current,
        &[
            "DigestRealm",
            "ElementName",
            "InstanceID",
            "NetworkInterfaceEnabled",
            "PowerSource",
            "DHCPSyncRequiresHostname",
        ],
    )?;
    let mut next = device.general.clone();
    next.ping = ping;
    next.wsman_only = wsman_only;
    if let Some(name) = fields.text("HostName") {
        // Empty clears it; else a label, or labels, of a host name.
        if name.len() > MAX_HOST_NAME
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        {
            return Err(Fault::invalid_values());
        }
        next.host_name = name.to_owned();
    }
    if let Some(name) = fields.text("DomainName") {
        if name.len() > MAX_DOMAIN_NAME
            || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
        {
            return Err(Fault::invalid_values());
        }
        next.domain_name = name.to_owned();
    }
    next.rmcp_ping = fields.bool("RmcpPingResponseEnabled")?.unwrap_or(next.rmcp_ping);
    next.shared_fqdn = fields.bool("SharedFQDN")?.unwrap_or(next.shared_fqdn);
    next.ddns = fields.bool("DDNSUpdateEnabled")?.unwrap_or(next.ddns);
    next.ddns_by_dhcp = fields.bool("DDNSUpdateByDHCPServerEnabled")?.unwrap_or(next.ddns_by_dhcp);
    let interval = fields.number("DDNSPeriodicUpdateInterval", 0..=u32::MAX)?;
    // None, or 20 minutes and more (`spec/profile.md` §2.3).
    if interval.is_some_and(|minutes| (1..20).contains(&minutes)) {
        return Err(Fault::invalid_values());
    }
    next.ddns_interval = interval.unwrap_or(next.ddns_interval);
    next.ddns_ttl = fields.number("DDNSTTL", 0..=u32::MAX)?.unwrap_or(next.ddns_ttl);
    next.idle_wake = fields.number("IdleWakeTimeout", 1..=65_535)?.unwrap_or(next.idle_wake);
    next.privacy_level = fields.number("PrivacyLevel", 0..=2)?.unwrap_or(next.privacy_level);
    next.preferred_family = fields.number("PreferredAddressFamily", 0..=1)?.unwrap_or(next.preferred_family);
    next.presence_interval = fields.number("PresenceNotificationInterval", 0..=255)?.unwrap_or(next.presence_interval);
    device.general = next;
    Ok(())
}
