//! `general` and `power.idle_minutes`: `AMT_GeneralSettings`.

use super::Run;
use super::property::{Group, LeadsTo, Property, one};
use crate::profile::{DnsUpdate, Family, General, Profile};
use amt_core::Failure;

fn general(profile: &Profile) -> Option<&General> {
    profile.general.as_ref()
}

static GENERAL: Group = Group {
    class: "AMT_GeneralSettings",
    selector: None,
    omit: |_| &[],
    leads_to: LeadsTo::Nothing,
    properties: &[
        Property {
            field: "general.host_name",
            name: "HostName",
            want: |profile| one(general(profile)?.host_name.as_ref()),
        },
        Property {
            field: "general.domain_name",
            name: "DomainName",
            want: |profile| one(general(profile)?.domain_name.as_ref()),
        },
        Property { field: "general.shared_name", name: "SharedFQDN", want: |p| one(general(p)?.shared_name) },
        Property { field: "general.ping", name: "PingResponseEnabled", want: |p| one(general(p)?.ping) },
        Property { field: "general.rmcp_ping", name: "RmcpPingResponseEnabled", want: |p| one(general(p)?.rmcp_ping) },
        Property {
            field: "general.dns_update",
            name: "DDNSUpdateEnabled",
            want: |p| one(general(p)?.dns_update.map(|by| by == DnsUpdate::Amt)),
        },
        Property {
            field: "general.dns_update",
            name: "DDNSUpdateByDHCPServerEnabled",
            want: |p| one(general(p)?.dns_update.map(|by| by == DnsUpdate::DhcpServer)),
        },
        Property {
            field: "general.dns_update_minutes",
            name: "DDNSPeriodicUpdateInterval",
            want: |p| one(general(p)?.dns_update_minutes),
        },
        Property { field: "general.dns_ttl_seconds", name: "DDNSTTL", want: |p| one(general(p)?.dns_ttl_seconds) },
        Property {
            field: "general.prefer",
            name: "PreferredAddressFamily",
            want: |p| one(general(p)?.prefer.map(|family| u8::from(family == Family::Ipv6))),
        },
        Property {
            field: "power.idle_minutes",
            name: "IdleWakeTimeout",
            want: |p| one(p.power.as_ref()?.idle_minutes),
        },
    ],
};

impl Run {
    pub(super) async fn general(&mut self) -> Result<(), Failure> {
        self.group(&GENERAL).await.map(drop)
    }
}
