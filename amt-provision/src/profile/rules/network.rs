//! Rules of the sections `general`, `wired` and `wifi`.

use super::{Report, names};
use crate::profile::{Ieee8021x, IpMode, Profile, Protocol, Wifi, WifiProfile, Wired};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

const MAX_WIFI: usize = 8;
const MAX_NAME: usize = 32;
const MAX_SSID: usize = 32;
const WIRED_PROTOCOLS: &[Protocol] =
    &[Protocol::Tls, Protocol::PeapMschapv2, Protocol::PeapGtc, Protocol::FastGtc, Protocol::FastTls];
const WIRELESS_PROTOCOLS: &[Protocol] = &[Protocol::Tls, Protocol::PeapMschapv2];

pub(super) fn check(profile: &Profile, report: &mut Report) {
    if let Some(general) = &profile.general {
        names(report, "general", general.host_name.as_ref(), general.domain_name.as_ref());
        if general.host_name.is_some() {
            let text = "every machine of this profile would get the same name";
            let hint = "give names under `machines`, by UUID, unless the profile is for one machine";
            report.warning("HOST-NAME-SHARED", "general.host_name", text, hint);
        }
        if general.dns_update_minutes.is_some_and(|minutes| (1..20).contains(&minutes)) {
            let hint = "use 0 for no updates, or 20 and more";
            report.error("DNS-INTERVAL", "general.dns_update_minutes", "the firmware takes 0, or 20 and more", hint);
        }
    }
    if let Some(wired) = &profile.wired {
        check_wired(report, "wired", wired);
    }
    for (id, machine) in &profile.machines {
        let at = format!("machines.{id}");
        names(report, &at, machine.host_name.as_ref(), machine.domain_name.as_ref());
        if let Some(wired) = &machine.wired {
            check_wired(report, &format!("{at}.wired"), wired);
        }
    }
    if let Some(wifi) = &profile.wifi {
        check_wifi(report, profile, wifi);
    }
}

fn check_wired(report: &mut Report, at: &str, wired: &Wired) {
    let addresses = [("address", &wired.address), ("mask", &wired.mask), ("gateway", &wired.gateway)];
    for (name, text) in addresses {
        if let Some(text) = text.as_ref().filter(|text| text.parse::<Ipv4Addr>().is_err()) {
            let hint = "write four numbers with dots, for example 192.0.2.10";
            report.error("IP-ADDRESS", format!("{at}.{name}"), format!("{text:?} is no IPv4 address"), hint);
        }
    }
    let servers = wired.dns.as_deref().unwrap_or_default();
    if servers.len() > 2 {
        report.error("DNS-SERVERS", format!("{at}.dns"), "the firmware keeps two DNS servers", "give at most two");
    }
    if let Some(bad) = servers.iter().find(|text| text.parse::<Ipv4Addr>().is_err()) {
        let text = format!("{bad:?} is no IPv4 address");
        report.error("IP-ADDRESS", format!("{at}.dns"), text, "write four numbers with dots");
    }
    if wired.mode == Some(IpMode::Static) {
        for (name, value) in addresses {
            if value.is_none() {
                let text = "a static address needs address, mask and gateway";
                report.error("STATIC-ADDRESS", format!("{at}.{name}"), text, "give it, or use mode = \"dhcp\"");
            }
        }
        check_static(report, at, wired);
    } else if let Some((name, _)) = addresses.iter().find(|(_, value)| value.is_some()) {
        let text = "a fixed address goes with mode = \"static\" only";
        report.error("STATIC-ADDRESS", format!("{at}.{name}"), text, "take it out, or use mode = \"static\"");
    }
    if let Some(settings) = &wired.ieee8021x {
        check_8021x(report, &format!("{at}.ieee8021x"), settings, WIRED_PROTOCOLS);
        if settings.pxe_seconds.is_some_and(|seconds| seconds > 86_400) {
            let text = "it is 0 to 86400";
            report.error("8021X-PXE", format!("{at}.ieee8021x.pxe_seconds"), text, "0 switches it off; 120 is usual");
        }
    }
}

/// An address that no machine can have, or a mask that is none, would leave the machine without a network: nobody reaches it then to mend that.
fn check_static(report: &mut Report, at: &str, wired: &Wired) {
    let read = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Ipv4Addr>().ok());
    let (address, mask, gateway) = (read(&wired.address), read(&wired.mask), read(&wired.gateway));
    let bits = mask.map(u32::from);
    let is_mask =
        bits.is_some_and(|bits| bits.leading_ones() == bits.count_ones() && (1..=30).contains(&bits.count_ones()));
    if mask.is_some() && !is_mask {
        let text = "it is no mask of a network";
        report.error("IP-MASK", format!("{at}.mask"), text, "write it like 255.255.255.0: ones, then zeros");
    }
    let bits = bits.filter(|_| is_mask);
    for (name, value) in [("address", address), ("gateway", gateway)] {
        let Some(value) = value else { continue };
        let host = bits.map(|bits| u32::from(value) & !bits);
        // Of networks with 30 bits and fewer, all zeros is the network and all ones is everybody in it.
        let taken = host.is_some_and(|host| host == 0 || Some(host) == bits.map(|bits| !bits));
        if value.is_unspecified() || value.is_multicast() || value.is_broadcast() || taken {
            let text = format!("{value} is no address of one machine in its network");
            report.error("IP-ADDRESS", format!("{at}.{name}"), text, "give an address that one machine can have");
        }
    }
    if let (Some(address), Some(gateway), Some(bits)) = (address, gateway, bits)
        && (u32::from(address) ^ u32::from(gateway)) & bits != 0
    {
        let text =
            format!("{gateway} is not in the network of {address}: the machine would answer its neighbours only");
        report.error("IP-GATEWAY", format!("{at}.gateway"), text, "correct gateway, address or mask");
    }
}

fn check_8021x(report: &mut Report, at: &str, settings: &Ieee8021x, protocols: &[Protocol]) {
    report.secret(&format!("{at}.password"), settings.password.as_ref());
    if let Some(root) = &settings.server_root {
        report.certificate(&format!("{at}.server_root"), root);
    }
    if settings.enabled == Some(false) {
        return;
    }
    let Some(protocol) = settings.protocol else {
        report.error("8021X-PROTOCOL", format!("{at}.protocol"), "802.1X needs a protocol", "see `amt profile schema`");
        return;
    };
    if !protocols.contains(&protocol) {
        let hint = "wired: tls, peap-mschapv2, peap-gtc, fast-gtc, fast-tls; wireless: tls, peap-mschapv2";
        report.error("8021X-PROTOCOL", format!("{at}.protocol"), "this interface does not take the protocol", hint);
    }
    if protocol.by_certificate() {
        if settings.password.is_some() {
            let text = "this protocol logs in with a certificate, not with a password";
            report.error("8021X-CREDENTIAL", format!("{at}.password"), text, "take it out, or use another protocol");
        }
    } else if settings.user.is_none() || settings.password.is_none() {
        let text = "this protocol needs user and password";
        report.error("8021X-CREDENTIAL", at, text, "give `user` and `password`, or use protocol = \"tls\"");
    }
}

fn check_wifi(report: &mut Report, profile: &Profile, wifi: &Wifi) {
    let all = wifi.profiles.as_deref().unwrap_or_default();
    let wired = std::iter::once(("wired".to_owned(), profile.wired.as_ref()));
    let single = profile.machines.iter().map(|(id, machine)| (format!("machines.{id}.wired"), machine.wired.as_ref()));
    for (at, wired) in wired.chain(single) {
        let fixed = wired.and_then(|wired| wired.mode).is_some_and(|mode| mode != IpMode::Dhcp);
        if fixed && !all.is_empty() {
            let text = "wireless networks need DHCP";
            report.error("WIFI-DHCP", format!("{at}.mode"), text, "use mode = \"dhcp\", or take wifi.profiles out");
        }
    }
    if all.len() > MAX_WIFI {
        let text = format!("{} networks, the firmware keeps {MAX_WIFI} of an administrator", all.len());
        report.error("WIFI-COUNT", "wifi.profiles", text, "leave the least used out");
    }
    let (mut names, mut priorities) = (BTreeMap::new(), BTreeMap::new());
    for (index, network) in all.iter().enumerate() {
        let at = format!("wifi.profiles[{index}]");
        check_network(report, &at, network);
        if let Some(other) = names.insert(network.name.to_lowercase(), index) {
            let text = format!("wifi.profiles[{other}] has this name too");
            report.error("WIFI-NAME", format!("{at}.name"), text, "give each network its own name");
        }
        if let Some(other) = priorities.insert(network.priority, index) {
            let text = format!("wifi.profiles[{other}] has this priority too");
            report.error("WIFI-PRIORITY", format!("{at}.priority"), text, "give each network its own priority");
        }
    }
}

fn check_network(report: &mut Report, at: &str, network: &WifiProfile) {
    let name = &network.name;
    if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        let hint = "use letters and digits alone, without blanks; `ssid` takes any";
        report.error("WIFI-NAME", format!("{at}.name"), "it is 1 to 32 letters and digits", hint);
    }
    if network.ssid.len() > MAX_SSID {
        report.error("WIFI-SSID", format!("{at}.ssid"), "it has at most 32 bytes", "shorten it");
    }
    if !(1..=255).contains(&network.priority) {
        report.error("WIFI-PRIORITY", format!("{at}.priority"), "it is 1 to 255", "0 is the machine's user's own");
    }
    report.secret(&format!("{at}.passphrase"), network.passphrase.as_ref());
    let wanted = network.security.passphrase();
    let (passphrase, login) = (network.passphrase.is_some(), network.ieee8021x.is_some());
    if (passphrase, login) != (wanted, !wanted) {
        let text = if wanted {
            "a network with a passphrase has `passphrase` and no `ieee8021x`"
        } else {
            "a network with 802.1X has `ieee8021x` and no `passphrase`"
        };
        report.error("WIFI-CREDENTIAL", at, text, "give the one that belongs to its `security`, and only that");
    }
    if let Some(settings) = &network.ieee8021x {
        check_8021x(report, &format!("{at}.ieee8021x"), settings, WIRELESS_PROTOCOLS);
    }
}
