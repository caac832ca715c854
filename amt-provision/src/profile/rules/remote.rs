//! Rules of the section `remote_access`.

use super::Report;
use crate::plan::is_domain;
use crate::profile::{Profile, RemoteServer, Trigger};
use std::collections::BTreeSet;
use std::net::IpAddr;

const MAX_DOMAINS: usize = 4;
const MAX_DOMAIN: usize = 63;
const MAX_PROXIES: usize = 15;
const MAX_PROXY_SUFFIX: usize = 192;

pub(super) fn check(profile: &Profile, report: &mut Report) {
    let Some(remote) = &profile.remote_access else { return };
    let domains = remote.home_domains.as_deref().unwrap_or_default();
    if domains.len() > MAX_DOMAINS {
        let text = format!("{} home domains, the firmware keeps {MAX_DOMAINS}", domains.len());
        report.error("HOME-DOMAINS", "remote_access.home_domains", text, "use ends of names, which stand for many");
    }
    for domain in domains {
        if domain.len() > MAX_DOMAIN || !is_domain(domain) {
            let text = format!("{domain:?} is not a domain of at most {MAX_DOMAIN} characters");
            report.error("HOME-DOMAINS", "remote_access.home_domains", text, "write it as in DHCP option 15");
        }
    }
    if let Some(server) = &remote.server {
        check_server(report, server);
        if remote.home_domains.as_ref().is_some_and(Vec::is_empty) {
            let text = "without home domains the machine is at home everywhere and never connects by itself";
            let hint = "list the domains of your networks; one that does not exist means away everywhere";
            report.warning("HOME-DOMAINS", "remote_access.home_domains", text, hint);
        }
    }
    let proxies = remote.proxies.as_deref().unwrap_or_default();
    if proxies.len() > MAX_PROXIES {
        let text = format!("{} proxies, the firmware keeps {MAX_PROXIES}", proxies.len());
        report.error("PROXY-COUNT", "remote_access.proxies", text, "leave some out");
    }
    for (index, proxy) in proxies.iter().enumerate() {
        if proxy.network_suffix.len() > MAX_PROXY_SUFFIX {
            let at = format!("remote_access.proxies[{index}].network_suffix");
            report.error("PROXY-SUFFIX", at, "it has at most 192 characters", "shorten it");
        }
        if !is_host(&proxy.address) {
            let text = format!("{:?} is no name and no address", proxy.address);
            let at = format!("remote_access.proxies[{index}].address");
            report.error("PROXY-ADDRESS", at, text, "give a name or an address, without scheme and port");
        }
        if proxy.port == 0 {
            let at = format!("remote_access.proxies[{index}].port");
            report.error("PROXY-PORT", at, "a port is 1 to 65535", "8080 and 3128 are usual");
        }
    }
}

/// What the machine can connect to.
fn is_host(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || is_domain(text)
}

fn check_server(report: &mut Report, server: &RemoteServer) {
    let at = |name: &str| format!("remote_access.server.{name}");
    report.certificate(&at("root"), &server.root);
    report.secret(&at("password"), Some(&server.password));
    if server.address.is_empty() || server.address.len() > 256 {
        report.error("CIRA-ADDRESS", at("address"), "it has 1 to 256 characters", "give a name or an address");
    } else if !is_host(&server.address) {
        let text = format!("{:?} is no name and no address", server.address);
        report.error("CIRA-ADDRESS", at("address"), text, "give a name or an address, without scheme and port");
    }
    if server.triggers.is_empty() {
        let text = "without triggers the machine never connects";
        report.warning("CIRA-TRIGGER", at("triggers"), text, "list when it connects: user, alert, periodic");
    }
    if server.port == 0 {
        report.error("CIRA-PORT", at("port"), "a port is 1 to 65535", "4433 is usual");
    }
    if !(5..=16).contains(&server.user.len()) || !server.user.bytes().all(|b| b.is_ascii_alphanumeric()) {
        report.error("CIRA-USER", at("user"), "it is 5 to 16 letters and digits", "choose another name at the gateway");
    }
    let is_address = server.address.parse::<IpAddr>().is_ok();
    if is_address && server.common_name.is_none() {
        let text = "with an address the machine has to know the name in the gateway's certificate";
        report.error("CIRA-NAME", at("common_name"), text, "give it, or use a name in `address`");
    } else if !is_address && server.common_name.is_some() {
        let text = "the name in the certificate is only given where `address` is an address";
        report.error("CIRA-NAME", at("common_name"), text, "take it out");
    }
    let mut seen = BTreeSet::new();
    for (index, tunnel) in server.triggers.iter().enumerate() {
        let at = format!("remote_access.server.triggers[{index}]");
        if !seen.insert(tunnel.when) {
            report.error("CIRA-TRIGGER", &at, "this trigger stands twice", "take one out");
        }
        let periodic = tunnel.when == Trigger::Periodic;
        if periodic != tunnel.every_seconds.is_some() {
            let text = "`every_seconds` goes with when = \"periodic\", and that needs it";
            report.error("CIRA-TRIGGER", &at, text, "give both or neither");
        } else if tunnel.every_seconds == Some(0) {
            report.error("CIRA-TRIGGER", &at, "the firmware takes 1 second and more", "3600 is usual");
        }
    }
}
