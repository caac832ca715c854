//! The rules of profiles (`spec/profile.md` §8): each with a document that breaks it, and one that does not.

use amt_core::{Finding, Severity};
use amt_provision::profile::{Profile, Syntax};

fn check(text: &str, firmware: Option<&str>) -> Vec<Finding> {
    let text = format!("format = 1\nname = \"test\"\n{text}");
    let (profile, findings) = Profile::read(&text, Syntax::Toml).unwrap();
    let profile = profile.unwrap_or_else(|| panic!("{text}: {findings:?}"));
    profile.check(firmware.map(|version| version.parse().unwrap()))
}

const STATIC: &str = "mode = \"static\"\naddress = \"192.0.2.9\"\nmask = \"255.255.255.0\"\ngateway = \"192.0.2.1\"\n";
const WIFI: &str = "[[wifi.profiles]]\nname = \"a\"\nssid = \"A\"\npriority = 1\nsecurity = \"wpa2-psk\"\npassphrase = { env = \"P\" }\n";
const SERVER: &str = "[remote_access.server]\naddress = \"gw.example.com\"\nport = 4433\nroot = { file = \"r.pem\" }\n\
                      user = \"standalone\"\npassword = { env = \"P\" }\ntriggers = [{ when = \"user\" }]\n";
const USER: &str =
    "[[access.users]]\nname = \"help\"\nfrom = \"any\"\nrealms = [\"redirection\"]\npassword = { env = \"P\" }\n";

/// What breaks a rule: code, field, document.
fn broken() -> Vec<(&'static str, &'static str, String)> {
    let of = |text: &str| text.to_owned();
    let wifi = |from: &str, to: &str| {
        assert!(WIFI.contains(from), "{from}");
        WIFI.replace(from, to)
    };
    let server = |from: &str, to: &str| {
        assert!(SERVER.contains(from), "{from}");
        SERVER.replace(from, to)
    };
    let user = |from: &str, to: &str| {
        assert!(USER.contains(from), "{from}");
        USER.replace(from, to)
    };
    vec![
        ("PASSWORD-SOURCE", "passwords.admin", of("[passwords]\nadmin = { random = true, env = \"X\" }\n")),
        ("PASSWORD-SOURCE", "passwords.mebx", of("[passwords]\nmebx = {}\n")),
        ("PASSWORD-SOURCE", "passwords.admin.env", of("[passwords]\nadmin = { env = \"P@ssw0rd\" }\n")),
        ("SECRET-SOURCE", "wifi.profiles[0].passphrase.env", wifi("env = \"P\"", "env = \"my secret\"")),
        (
            "SECRET-SOURCE",
            "passwords.admin.derived_from.env",
            of("[passwords]\nadmin = { derived_from = { env = \"2nd\" } }\n"),
        ),
        ("SECRET-SOURCE", "passwords.admin.derived_from", of("[passwords]\nadmin = { derived_from = {} }\n")),
        (
            "MEBX-CLIENT-MODE",
            "passwords.mebx",
            of("control_mode = \"client\"\n[passwords]\nmebx = { random = true }\n"),
        ),
        ("CONSENT-CLIENT-MODE", "consent.required", of("control_mode = \"client\"\n[consent]\nrequired = \"kvm\"\n")),
        ("WIFI-DHCP", "wired.mode", format!("[wired]\n{STATIC}{WIFI}")),
        ("WIFI-PRIORITY", "wifi.profiles[1].priority", format!("{WIFI}{}", wifi("name = \"a\"", "name = \"b\""))),
        ("WIFI-PRIORITY", "wifi.profiles[0].priority", wifi("priority = 1", "priority = 0")),
        ("WIFI-NAME", "wifi.profiles[1].name", format!("{WIFI}{}", wifi("priority = 1", "priority = 2"))),
        ("WIFI-NAME", "wifi.profiles[0].name", wifi("name = \"a\"", "name = \"a b\"")),
        ("WIFI-SSID", "wifi.profiles[0].ssid", wifi("ssid = \"A\"", &format!("ssid = \"{}\"", "x".repeat(33)))),
        ("WIFI-CREDENTIAL", "wifi.profiles[0]", wifi("passphrase = { env = \"P\" }\n", "")),
        ("WIFI-CREDENTIAL", "wifi.profiles[0]", wifi("wpa2-psk", "wpa2-ieee8021x")),
        (
            "WIFI-COUNT",
            "wifi.profiles",
            (1..=9).map(|n| WIFI.replace("\"a\"", &format!("\"n{n}\"")).replace("= 1", &format!("= {n}"))).collect(),
        ),
        ("TLS-MUTUAL-ROOT", "tls.remote", of("[tls]\nremote = \"mutual\"\n")),
        ("TLS-NAMES", "tls.trusted_names", of("[tls]\ntrusted_names = [\"a\", \"b\", \"c\", \"d\", \"e\"]\n")),
        ("CERTIFICATE-SOURCE", "tls.trusted_roots[0]", of("[tls]\ntrusted_roots = [{}]\n")),
        (
            "CLOCK-NEEDED",
            "time.set",
            of("[time]\nset = false\n[kerberos]\nenabled = true\nrealm = \"A\"\npassword = { env = \"P\" }\n"),
        ),
        ("STATIC-ADDRESS", "wired.gateway", format!("[wired]\n{}", STATIC.replace("gateway = \"192.0.2.1\"\n", ""))),
        ("STATIC-ADDRESS", "wired.address", of("[wired]\nmode = \"host\"\naddress = \"192.0.2.9\"\n")),
        ("IP-ADDRESS", "wired.mask", format!("[wired]\n{}", STATIC.replace("255.255.255.0", "255.255.255.256"))),
        ("IP-MASK", "wired.mask", format!("[wired]\n{}", STATIC.replace("255.255.255.0", "255.0.255.0"))),
        ("IP-MASK", "wired.mask", format!("[wired]\n{}", STATIC.replace("255.255.255.0", "0.0.0.0"))),
        ("IP-ADDRESS", "wired.address", format!("[wired]\n{}", STATIC.replace("192.0.2.9", "192.0.2.255"))),
        ("IP-ADDRESS", "wired.address", format!("[wired]\n{}", STATIC.replace("192.0.2.9", "0.0.0.0"))),
        ("IP-ADDRESS", "wired.gateway", format!("[wired]\n{}", STATIC.replace("192.0.2.1\"", "192.0.2.0\""))),
        ("IP-GATEWAY", "wired.gateway", format!("[wired]\n{}", STATIC.replace("192.0.2.1\"", "192.0.3.1\""))),
        ("DNS-SERVERS", "wired.dns", format!("[wired]\n{STATIC}dns = [\"192.0.2.2\", \"192.0.2.3\", \"192.0.2.4\"]\n")),
        ("DNS-INTERVAL", "general.dns_update_minutes", of("[general]\ndns_update_minutes = 19\n")),
        (
            "HOST-NAME",
            "machines.4c4c4544-0051-3510-8052-b4c04f4a3132.host_name",
            of("[machines.4c4c4544-0051-3510-8052-b4c04f4a3132]\nhost_name = \"a.b\"\n"),
        ),
        (
            "MACHINE-ID",
            "machines.4c4c4544-0051-3510-8052-b4c04f4a3132",
            of(
                "[machines.4c4c4544-0051-3510-8052-b4c04f4a3132]\nhost_name = \"a\"\n[machines.4C4C4544-0051-3510-8052-B4C04F4A3132]\nhost_name = \"b\"\n",
            ),
        ),
        ("MACHINE-ID", "machines.lobby", of("[machines.lobby]\nhost_name = \"lobby\"\n")),
        ("8021X-PROTOCOL", "wired.ieee8021x.protocol", of("[wired.ieee8021x]\nuser = \"u\"\n")),
        (
            "8021X-PROTOCOL",
            "wired.ieee8021x.protocol",
            of("[wired.ieee8021x]\nprotocol = \"ttls-mschapv2\"\nuser = \"u\"\npassword = { env = \"P\" }\n"),
        ),
        ("8021X-CREDENTIAL", "wired.ieee8021x", of("[wired.ieee8021x]\nprotocol = \"peap-gtc\"\n")),
        (
            "8021X-CREDENTIAL",
            "wired.ieee8021x.password",
            of("[wired.ieee8021x]\nprotocol = \"tls\"\npassword = { env = \"P\" }\n"),
        ),
        (
            "8021X-PXE",
            "wired.ieee8021x.pxe_seconds",
            of("[wired.ieee8021x]\nprotocol = \"tls\"\npxe_seconds = 86401\n"),
        ),
        ("USER-NAME", "access.users[0].name", user("\"help\"", "\"admin\"")),
        ("USER-NAME", "access.users[0].name", user("\"help\"", "\"$$help\"")),
        ("USER-NAME", "access.users[0].name", user("\"help\"", "\"seventeen-letters\"")),
        ("USER-KIND", "access.users[0]", user("name = \"help\"\n", "")),
        ("USER-SID", "access.users[0].sid", user("name = \"help\"", "sid = \"S-1\"")),
        ("USER-PASSWORD", "access.users[0].password", user("password = { env = \"P\" }\n", "")),
        ("USER-REALMS", "access.users[0].realms", user("[\"redirection\"]", "[]")),
        ("USER-TWICE", "access.users[1]", format!("{USER}{USER}")),
        ("KERBEROS", "kerberos.realm", of("[kerberos]\nenabled = true\npassword = { env = \"P\" }\n")),
        ("KERBEROS-CLOCK", "kerberos.clock_tolerance_minutes", of("[kerberos]\nclock_tolerance_minutes = 6\n")),
        ("AUDIT-EVENTS", "audit.events", of("[audit]\nevents = [\"kvm\"]\n")),
        ("KVM-RFB", "kvm.port_5900", of("[kvm]\nport_5900 = true\n")),
        ("KVM-SESSION", "kvm.session_minutes", of("[kvm]\nsession_minutes = 256\n")),
        ("POWER-IDLE", "power.idle_minutes", of("[power]\nidle_minutes = 0\n")),
        (
            "HOME-DOMAINS",
            "remote_access.home_domains",
            of("[remote_access]\nhome_domains = [\"a\", \"b\", \"c\", \"d\", \"e\"]\n"),
        ),
        ("HOME-DOMAINS", "remote_access.home_domains", of("[remote_access]\nhome_domains = [\"a b\"]\n")),
        ("CIRA-PORT", "remote_access.server.port", server("port = 4433", "port = 0")),
        ("CIRA-USER", "remote_access.server.user", server("standalone", "amt")),
        ("CIRA-NAME", "remote_access.server.common_name", server("gw.example.com", "192.0.2.7")),
        ("CIRA-NAME", "remote_access.server.common_name", server("port =", "common_name = \"x\"\nport =")),
        ("CIRA-TRIGGER", "remote_access.server.triggers[0]", server("when = \"user\"", "when = \"periodic\"")),
        (
            "CIRA-TRIGGER",
            "remote_access.server.triggers[1]",
            server("{ when = \"user\" }", "{ when = \"user\" }, { when = \"user\" }"),
        ),
        (
            "CIRA-TRIGGER",
            "remote_access.server.triggers[0]",
            server("when = \"user\"", "when = \"periodic\", every_seconds = 0"),
        ),
        ("CIRA-ADDRESS", "remote_access.server.address", server("gw.example.com", "https://gw.example.com")),
        (
            "PROXY-ADDRESS",
            "remote_access.proxies[0].address",
            of("[[remote_access.proxies]]\naddress = \"p:8080\"\nport = 8080\nnetwork_suffix = \"e\"\n"),
        ),
        (
            "USER-SID",
            "access.users[0].sid",
            of("[[access.users]]\nsid = \"S-1-5-32-544\"\nfrom = \"any\"\nrealms = [\"eit\"]\n"),
        ),
        (
            "PROXY-PORT",
            "remote_access.proxies[0].port",
            of("[[remote_access.proxies]]\naddress = \"p\"\nport = 0\nnetwork_suffix = \"e\"\n"),
        ),
    ]
}

#[test]
fn every_rule_has_a_document_that_breaks_it() {
    for (code, field, text) in broken() {
        let findings = check(&text, None);
        let found = findings.iter().find(|f| f.code == code && f.field == field);
        let found = found.unwrap_or_else(|| panic!("{code} {field} is not among {findings:?} of\n{text}"));
        assert_eq!(found.severity, Severity::Error, "{code}");
        assert!(!found.message.is_empty() && !found.hint.is_empty(), "{code}");
    }
}

#[test]
fn a_secret_in_the_place_of_a_variables_name_is_not_repeated() {
    for text in ["[passwords]\nadmin = { env = \"S3cret!x\" }\n", &WIFI.replace("\"P\"", "\"S3cret!x\"")] {
        let findings = check(text, None);
        assert!(findings.iter().any(|finding| finding.message.contains("no name of a variable")), "{findings:?}");
        assert!(!format!("{findings:?}").contains("S3cret"), "{findings:?}");
    }
}

#[test]
fn documents_that_break_none_have_no_findings() {
    for text in [
        "",
        WIFI,
        SERVER,
        USER,
        &format!("[wired]\n{STATIC}"),
        "control_mode = \"client\"\n[consent]\nrequired = \"all\"\n",
    ] {
        assert_eq!(check(text, None), [], "{text}");
    }
    let warned = check(&format!("{SERVER}[tls]\nremote = \"server\"\n"), None);
    assert_eq!((warned[0].code, warned[0].severity), ("TLS-CIRA", Severity::Warning));
    let warned = check("[general]\nhost_name = \"pc1\"\n", None);
    assert_eq!((warned[0].code, warned[0].severity), ("HOST-NAME-SHARED", Severity::Warning));
    let warned = check("[kerberos]\nrealm = \"example.com\"\n", None);
    assert_eq!((warned[0].code, warned[0].severity), ("KERBEROS-REALM", Severity::Warning));
    let warned = check(&SERVER.replace("{ when = \"user\" }", ""), None);
    assert_eq!((warned[0].code, warned[0].severity), ("CIRA-TRIGGER", Severity::Warning));
}

#[test]
fn what_a_firmware_cannot_do_is_told_by_its_version() {
    let all = "[tls]\nremote = \"server-or-plain\"\n[kvm]\nport_5900 = true\nrfb_password = { env = \"P\" }\n[wifi]\nshare_with_uefi = true\n\
               [[remote_access.proxies]]\naddress = \"p\"\nport = 8080\nnetwork_suffix = \"e\"\n";
    let fields = |firmware| {
        check(all, Some(firmware)).into_iter().filter(|f| f.code == "FIRMWARE").map(|f| f.field).collect::<Vec<_>>()
    };
    assert_eq!(fields("11.8"), ["wifi.share_with_uefi", "remote_access.proxies"]);
    assert_eq!(fields("15.0"), ["kvm.port_5900", "kvm.rfb_password", "wifi.share_with_uefi"]);
    assert_eq!(fields("16.1"), ["tls.remote", "kvm.port_5900", "kvm.rfb_password"]);
}
