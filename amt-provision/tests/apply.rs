//! A profile is applied: what differs is written and nothing else, read back, and left alone the next time, whatever crashed before.

use crate::support::profile::{Named, PERSONAS, apply, desired, of_persona, profile, writes};
use crate::support::{Crash, World};
use amt_core::ErrorCode;
use amt_provision::apply::ApplyStage;
use amt_provision::profile::Desired;
use std::net::IpAddr;
use std::time::Duration;

const BASIC: &str = r#"
format = 1
name = "basic"
[general]
ping = false
rmcp_ping = false
shared_name = true
dns_update = "amt"
dns_update_minutes = 60
dns_ttl_seconds = 600
[power]
idle_minutes = 30
[redirection]
listener = true
sol = true
drives = false
[time]
[access]
remove_others = true
[[access.users]]
name = "helpdesk"
password = { file = "H3lpdesk!pw" }
from = "network"
realms = ["redirection", "remote-control"]
"#;

/// Every section that every one of these firmwares has.
const FULL: &str = r#"
format = 1
name = "full"
[general]
ping = false
rmcp_ping = false
shared_name = true
dns_update = "amt"
dns_update_minutes = 60
dns_ttl_seconds = 600
prefer = "ipv4"
[wired]
mode = "dhcp"
[wired.ieee8021x]
protocol = "peap-mschapv2"
user = "switch"
password = { file = "Sw1tch!pw" }
pxe_seconds = 120
active_in_s0 = true
[kerberos]
enabled = true
realm = "EXAMPLE.COM"
password = { file = "K3rberos!pw" }
[power]
package = "s0-wake-in-sx"
idle_minutes = 30
[redirection]
listener = true
sol = true
drives = true
[kvm]
enabled = true
session_minutes = 7
[consent]
required = "kvm"
[audit]
enabled = true
events = ["security-administration", "redirection", "user-consent"]
[time]
[tls]
remote = "server"
[remote_access]
home_domains = ["example.com"]
[remote_access.server]
address = "gateway.example.com"
port = 4433
root = { file = "gateway.pem" }
user = "amtfleet"
password = { file = "G4teway!pw" }
triggers = [{ when = "user", life_seconds = 300 }, { when = "periodic", every_seconds = 3600 }]
[wifi]
mode = "s0"
sync_host_profiles = true
remove_others = true
[[wifi.profiles]]
name = "office"
ssid = "Office net"
priority = 1
security = "wpa2-psk"
passphrase = { file = "tr0ub4dor & <three>" }
[[wifi.profiles]]
name = "guest"
ssid = "Guests"
priority = 2
security = "wpa2-ieee8021x"
ieee8021x = { protocol = "peap-mschapv2", user = "amt", password = { file = "R4dius!pw" }, server_name = "radius.example.com" }
[access]
remove_others = true
[[access.users]]
name = "helpdesk"
password = { file = "H3lpdesk!pw" }
from = "network"
realms = ["redirection", "remote-control"]
[[access.users]]
sid = "S-1-5-21-1-2-3-500"
from = "any"
realms = ["administration"]
"#;

#[test]
fn one_profile_fits_six_generations_and_a_second_time_nothing_is_written() {
    for name in PERSONAS {
        let mut world = of_persona(name);
        let desired = desired(&world, FULL);
        let first = world.apply(&desired, None).result.unwrap().unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert!(first.unsupported.is_empty(), "{name}: {:?}", first.unsupported);
        assert!(first.writes > 5, "{name}: {first:?}");
        let before = writes(&world);
        let again = world.apply(&desired, None).result.unwrap().unwrap();
        assert_eq!((again.writes, again.changes), (0, Vec::new()), "{name}");
        assert_eq!(writes(&world), before, "{name}: the simulator counts writes too");
    }
}

/// One field of [`FULL`] written otherwise, the field that is reported, and how many requests may write.
const SINGLE: &[(&str, &str, &str, u32)] = &[
    ("\nping = false", "\nping = true", "general.ping", 1),
    ("rmcp_ping = false", "rmcp_ping = true", "general.rmcp_ping", 1),
    ("shared_name = true", "shared_name = false", "general.shared_name", 1),
    ("dns_update = \"amt\"", "dns_update = \"off\"", "general.dns_update", 1),
    ("dns_update_minutes = 60", "dns_update_minutes = 90", "general.dns_update_minutes", 1),
    ("dns_ttl_seconds = 600", "dns_ttl_seconds = 700", "general.dns_ttl_seconds", 1),
    ("prefer = \"ipv4\"", "prefer = \"ipv6\"", "general.prefer", 1),
    ("package = \"s0-wake-in-sx\"", "package = \"s0\"", "power.package", 1),
    ("idle_minutes = 30", "idle_minutes = 31", "power.idle_minutes", 1),
    ("active_in_s0 = true", "active_in_s0 = false", "wired.ieee8021x", 1),
    ("sol = true", "sol = false", "redirection.sol", 1),
    ("drives = true", "drives = false", "redirection.drives", 1),
    ("listener = true", "listener = false", "redirection.listener", 1),
    ("[kvm]\nenabled = true", "[kvm]\nenabled = false", "kvm.enabled", 1),
    ("session_minutes = 7", "session_minutes = 8", "kvm.session_minutes", 1),
    ("required = \"kvm\"", "required = \"all\"", "consent.required", 1),
    ("\"redirection\", \"user-consent\"]", "\"redirection\"]", "audit", 1),
    ("\"redirection\", \"user-consent\"]", "\"remote-control\", \"user-consent\"]", "audit", 2),
    ("[audit]\nenabled = true\nevents", "[audit]\nenabled = true\n# events", "audit", 5),
    ("from = \"network\"", "from = \"any\"", "access.users[0]", 1),
    ("[\"redirection\", \"remote-control\"]", "[\"redirection\"]", "access.users[0]", 1),
    ("H3lpdesk!pw", "0ther!Pw4", "access.users[0].password", 1),
    (
        "home_domains = [\"example.com\"]",
        "home_domains = [\"example.com\", \"example.net\"]",
        "remote_access.home_domains",
        1,
    ),
    ("port = 4433", "port = 4434", "remote_access.server", 9),
    ("every_seconds = 3600", "every_seconds = 1800", "remote_access.server", 9),
    ("G4teway!pw", "0ther!g4te", "remote_access.server.password", 9),
    ("mode = \"s0\"", "mode = \"s0-sx\"", "wifi.mode", 1),
    ("sync_host_profiles = true", "sync_host_profiles = false", "wifi.sync_host_profiles", 1),
    ("Office net", "Office net 2", "wifi.profiles[0]", 2),
    ("tr0ub4dor", "tr0ub4dour", "wifi.profiles[0].passphrase", 2),
    ("priority = 2", "priority = 3", "wifi.profiles[1]", 2),
    ("R4dius!pw", "R4dius!pw2", "wifi.profiles[1].ieee8021x.password", 2),
    ("S-1-5-21-1-2-3-500", "S-1-5-21-1-2-3-501", "access.users[1]", 2),
];

#[test]
fn proxies_are_added_once_and_a_section_can_be_taken_back() {
    let mut world = of_persona("16.0");
    let text = "format = 1\nname = \"p\"\n[kerberos]\nenabled = false\n[wired.ieee8021x]\nenabled = false\n\
                [[remote_access.proxies]]\naddress = \"proxy.example.com\"\nport = 8080\nnetwork_suffix = \"example.com\"\n";
    let full = desired(&world, FULL);
    apply(&mut world, &full);
    let off = desired(&world, text);
    let done = apply(&mut world, &off);
    let fields: Vec<_> = done.changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(fields, ["kerberos.enabled", "wired.ieee8021x", "remote_access.proxies[0]"], "{done:?}");
    assert_eq!(apply(&mut world, &off).writes, 0);
    let old = of_persona("11.8");
    let lacks = Desired::new(&profile(text), old.firmware.id(), Some("11.8".parse().unwrap()), &mut Named).unwrap_err();
    assert_eq!((lacks[0].code, lacks[0].field.as_str()), ("FIRMWARE", "remote_access.proxies"));
}

#[test]
fn a_crash_anywhere_in_every_section_is_made_good_and_nothing_is_there_twice() {
    let fresh = || of_persona("16.0");
    let total = {
        let mut world = fresh();
        let desired = desired(&world, FULL);
        world.apply(&desired, None).outputs
    };
    assert!(total > 150, "{total}");
    for output in 0..total {
        let crash = Crash { output, after: output % 2 == 0 };
        let mut world = fresh();
        let desired = desired(&world, FULL);
        world.apply(&desired, Some(crash));
        world.assert_reachable("after the crash");
        world.wait(Duration::from_secs(30));
        apply(&mut world, &desired);
        let again = apply(&mut world, &desired);
        assert_eq!((again.writes, again.changes), (0, Vec::new()), "{crash:?}");
        let truth = world.firmware.truth(world.now);
        let once = ["wifi/office", "wifi/guest/8021x", "kerberos", "8021x"];
        assert!(once.iter().all(|name| truth.secrets.contains_key(*name)), "{crash:?}: {:?}", truth.secrets);
        assert_eq!(truth.secrets.keys().filter(|name| name.starts_with("mps/")).count(), 1, "{crash:?}");
    }
}

/// A fixed address for the machine, where it is not yet.
const FIXED: &str = "format = 1\nname = \"fixed\"\n[general]\nping = false\n[remote_access]\nhome_domains = [\"example.com\"]\n\
    [machines.7f8e9dac-1b2c-4d3e-8f50-617283940a5b.wired]\nmode = \"static\"\naddress = \"127.0.0.77\"\nmask = \"255.0.0.0\"\n\
    gateway = \"127.0.0.254\"\ndns = [\"127.0.0.53\"]\n";

#[test]
fn a_machine_that_gets_a_fixed_address_is_found_there_whatever_crashed_on_the_way() {
    let there: IpAddr = "127.0.0.77".parse().unwrap();
    for name in ["11.8", "16.0"] {
        let mut world = of_persona(name);
        let fixed = desired(&world, FIXED);
        let done = apply(&mut world, &fixed);
        assert_eq!((done.address, world.machine_at()), (Some(there), Some(there)), "{name}: {done:?}");
        let again = apply(&mut world, &fixed);
        assert_eq!(
            (again.writes, again.address),
            (0, Some(there)),
            "{name}: looked for in the old place, found in the new"
        );
        // Another fixed address, from there on.
        let other = desired(&world, &FIXED.replace("0.77\"", "0.78\""));
        let moved = apply(&mut world, &other);
        assert_eq!(moved.address, world.machine_at(), "{name}");
        assert_ne!(moved.address, Some(there), "{name}");
    }
    let total = {
        let mut world = of_persona("16.0");
        let fixed = desired(&world, FIXED);
        world.apply(&fixed, None).outputs
    };
    assert!(total > 30, "{total}");
    for output in 0..total {
        for after in [false, true] {
            let crash = Crash { output, after };
            let mut world = of_persona("16.0");
            let fixed = desired(&world, FIXED);
            world.apply(&fixed, Some(crash));
            world.wait(Duration::from_secs(30));
            let done =
                world.apply(&fixed, None).result.unwrap().unwrap_or_else(|failure| panic!("{crash:?}: {failure}"));
            assert_eq!((done.address, world.machine_at()), (Some(there), Some(there)), "{crash:?}");
            assert_eq!(apply(&mut world, &fixed).writes, 0, "{crash:?}");
        }
    }
}

#[test]
fn a_machine_that_is_not_found_after_its_move_is_told_so() {
    let mut world = of_persona("16.0");
    let fixed = desired(&world, FIXED);
    world.swallow_moves();
    let lost = world.apply(&fixed, None);
    let failure = lost.failure();
    assert_eq!(failure.code, ErrorCode::PROOF_FAILED, "{failure}");
    assert!(failure.message.contains("127.0.0.77"), "{failure}");
    assert!(failure.hint.contains("gateway"), "{:?}", failure.hint);
}

#[test]
fn tls_that_would_lock_everybody_out_is_refused_before_anything_is_written() {
    let mut world = of_persona("16.0");
    let text = "format = 1\nname = \"m\"\n[general]\nping = false\n[tls]\nremote = \"mutual\"\n\
                trusted_roots = [{ file = \"root.pem\" }]\n";
    let mutual = desired(&world, text);
    let before = writes(&world);
    let refused = world.apply(&mutual, None);
    assert_eq!(refused.failure().code, ErrorCode::STEP_REFUSED, "{:?}", refused.failure());
    assert_eq!(writes(&world), before);
    let off = desired(&world, "format = 1\nname = \"o\"\n[tls]\nremote = \"off\"\n");
    let done = apply(&mut world, &off);
    assert_eq!((done.writes, done.unsupported[0].field.as_str()), (0, "tls.remote"));
    let plain = desired(&world, "format = 1\nname = \"p\"\n[tls]\nremote = \"server\"\n");
    let commits = world.firmware.truth(world.now).commits;
    assert_eq!(apply(&mut world, &plain).changes[0].to, "AcceptNonSecureConnections false", "port 16992 is closed");
    assert_eq!(world.firmware.truth(world.now).commits, commits + 1, "it counts only after a commit");
    assert_eq!(apply(&mut world, &plain).writes, 0);
}

#[test]
fn each_field_changed_singly_writes_only_what_it_needs() {
    for name in PERSONAS {
        let mut world = of_persona(name);
        let full = desired(&world, FULL);
        apply(&mut world, &full);
        for (old, new, field, most) in SINGLE {
            assert_eq!(FULL.matches(old).count(), 1, "{old}");
            let changed = desired(&world, &FULL.replace(old, new));
            let before = writes(&world);
            let result = world.apply(&changed, None).result.unwrap();
            let applied = result.unwrap_or_else(|failure| panic!("{name} {field}: {failure}"));
            assert!(applied.changes.iter().any(|change| change.field == *field), "{name}: {field}: {applied:?}");
            assert!(applied.writes >= 1 && applied.writes <= *most, "{name}: {field}: {applied:?}");
            assert_eq!(writes(&world) - before, u64::from(applied.writes), "{name}: {field}");
            // And back again.
            apply(&mut world, &full);
        }
    }
}

#[test]
fn what_differs_is_written_and_the_second_time_nothing() {
    let mut world = World::provisioned(|_| {});
    let desired = desired(&world, BASIC);
    let dry = world.apply_by(&desired, None, |apply| apply.dry_run = true).result.unwrap().unwrap();
    assert!(dry.writes == 0 && dry.changes.len() > 5, "{dry:?}");
    let first = apply(&mut world, &desired);
    assert_eq!(first.changes, dry.changes, "a dry run tells what will be done");
    assert!(first.unsupported.is_empty(), "{:?}", first.unsupported);
    assert_eq!(world.apply_record().stage, ApplyStage::Done);
    assert_eq!(world.apply_record().revision.as_deref(), Some(desired.revision.as_str()));
    let before = writes(&world);
    let again = apply(&mut world, &desired);
    assert_eq!((again.writes, again.changes.len()), (0, 0), "{again:?}");
    assert_eq!(writes(&world), before);
}

#[test]
fn a_crash_after_any_output_is_made_good_by_running_again() {
    let total = {
        let mut world = World::provisioned(|_| {});
        let desired = desired(&world, BASIC);
        world.apply(&desired, None).outputs
    };
    assert!(total > 40, "{total}");
    for output in 0..total {
        for after in [false, true] {
            let crash = Crash { output, after };
            let mut world = World::provisioned(|_| {});
            let desired = desired(&world, BASIC);
            world.apply(&desired, Some(crash));
            world.assert_reachable("after the crash");
            world.wait(Duration::from_secs(30));
            apply(&mut world, &desired);
            let again = apply(&mut world, &desired);
            assert_eq!((again.writes, again.changes.len()), (0, 0), "{crash:?}: {again:?}");
            let truth = world.firmware.truth(world.now);
            assert_eq!(truth.requests.get("AMT_AuthorizationService.AddUserAclEntryEx"), Some(&1), "{crash:?}");
        }
    }
}
