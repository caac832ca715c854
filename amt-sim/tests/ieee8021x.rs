//! 802.1X of the wired port, in either class: for every rule one request that breaks just that rule.

use crate::support;
use crate::support::{Client, Memory, machine, store};

const SETTINGS: &str = "IPS_IEEE8021xSettings";
const CONTEXT: &str = "IPS_8021xCredentialContext";
const PROFILE: &str = "AMT_8021XProfile";
const INVALID: &str = "InvalidRepresentation InvalidValues";
const MISSING: &str = "InvalidRepresentation MissingValues";
const IN_USE: &str = "InternalError AMT-STATUS 16";

/// Puts an instance, some of it changed; an empty value leaves one out.
fn put(client: &mut Client<Memory>, class: &str, all: &[(&str, &str)], changes: &[(&str, &str)]) -> support::Answer {
    let mut all = all.to_vec();
    all.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    all.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    let properties: String = all.iter().map(|(name, value)| format!("<h:{name}>{value}</h:{name}>")).collect();
    client.put(class, None, &properties)
}

fn settings(client: &mut Client<Memory>, changes: &[(&str, &str)]) -> support::Answer {
    let all = [
        ("AuthenticationProtocol", "2"),
        ("ElementName", "Intel(r) AMT: 8021X Settings"),
        ("Enabled", "6"),
        ("InstanceID", "Intel(r) AMT: 8021X Settings"),
        ("Password", "s3cret-word"),
        ("PxeTimeout", "120"),
        ("Username", "pc1"),
    ];
    put(client, SETTINGS, &all, changes)
}

fn profile(client: &mut Client<Memory>, changes: &[(&str, &str)]) -> support::Answer {
    let all = [
        ("ActiveInS0", "true"),
        ("AuthenticationProtocol", "2"),
        ("ElementName", "Intel(r) AMT 802.1x Profile"),
        ("Enabled", "true"),
        ("InstanceID", "Intel(r) AMT 802.1x Profile 0"),
        ("Password", "s3cret-word"),
        ("Username", "pc1"),
    ];
    put(client, PROFILE, &all, changes)
}

#[test]
fn a_machine_has_one_of_the_two_classes() {
    let missing = "DestinationUnreachable InvalidResourceURI";
    for (persona, there, other) in [("amt-16.0", SETTINGS, PROFILE), ("amt-14.0", PROFILE, SETTINGS)] {
        let mut client = machine(persona, |_| {});
        assert_eq!(client.get(there).status, 200);
        assert_eq!(client.get(other).fault(), missing, "{persona}");
    }
    let profile = machine("amt-11.8", |_| {}).get(PROFILE);
    let names: Vec<String> = profile.element().children.into_iter().map(|node| node.name).collect();
    assert_eq!(names, ["ActiveInS0", "ElementName", "Enabled", "InstanceID", "PxeTimeout"], "as recorded");
}

#[test]
fn settings_must_be_right_in_every_part() {
    let mut client = machine("amt-16.0", |_| {});
    let long = "x".repeat(129);
    for change in [
        ("Enabled", "4"),
        ("Enabled", "true"),
        ("AuthenticationProtocol", "11"),
        // A certificate's protocol without certificates.
        ("AuthenticationProtocol", "0"),
        ("AuthenticationProtocol", "10"),
        ("PxeTimeout", "86401"),
        ("Username", long.as_str()),
        ("AvailableInS0", "perhaps"),
        ("ServerCertificateNameComparison", "2"),
        ("ClientCertificate", "1"),
        ("ElementName", "other"),
        // Off, and yet with credentials.
        ("Enabled", "3"),
    ] {
        assert_eq!(settings(&mut client, &[change]).fault(), INVALID, "{change:?}");
    }
    for name in ["Enabled", "AuthenticationProtocol", "Username", "Password"] {
        assert_eq!(settings(&mut client, &[(name, "")]).fault(), MISSING, "{name}");
    }
    assert_eq!(client.get(SETTINGS).text("Enabled"), "3", "nothing of it was taken");

    let more = [("RoamingIdentity", "anonymous"), ("ServerCertificateName", "radius.example.com")];
    let more = [more.as_slice(), &[("ServerCertificateNameComparison", "2"), ("Domain", "EXAMPLE")]].concat();
    assert_eq!(settings(&mut client, &more).status, 200);
    let told = client.get(SETTINGS);
    for (name, value) in more {
        assert_eq!(told.text(name), value);
    }
    assert_eq!((told.text("Username"), told.text("Password")), ("pc1".into(), String::new()));
    // What was read is put back without the password, as long as the user is the same.
    assert_eq!(client.put_back(SETTINGS, None, ("PxeTimeout", "0")).text("PxeTimeout"), "0");
    assert_eq!(client.put_back(SETTINGS, None, ("Username", "pc2")).fault(), MISSING);
    let held = client.line.firmware.truth(client.line.now).secrets;
    assert_eq!(held["8021x"], support::sha256("s3cret-word"));
    let off = [("Enabled", "3"), ("Username", ""), ("Password", ""), ("AuthenticationProtocol", "")];
    assert_eq!(settings(&mut client, &off).text("Username"), "");
}

#[test]
fn certificates_come_by_themselves_and_stay_while_they_are_used() {
    let mut client = machine("amt-16.0", |_| {});
    let (leaf, root) = (store::leaf(&mut client), store::root(&mut client));
    let set = |client: &mut Client<Memory>, arguments: &[String]| {
        client.invoke(SETTINGS, "SetCertificates", &arguments.concat())
    };
    let issuer = |id: &str| store::certificate("ServerCertificateIssuer", id);
    let own = |id: &str| store::certificate("ClientCertificate", id);
    let both = [issuer(&root), own(&leaf)];
    assert_eq!(set(&mut client, &both).return_value(), 36, "switched off");
    assert_eq!(settings(&mut client, &[]).status, 200);
    assert_eq!(set(&mut client, &both).return_value(), 36, "without certificates");
    let tls = [("Enabled", "2"), ("AuthenticationProtocol", "0"), ("Password", "")];
    assert_eq!(settings(&mut client, &tls).status, 200);
    assert_eq!(set(&mut client, &[]).fault(), MISSING);
    assert_eq!(set(&mut client, &[issuer(&root)]).return_value(), 2069, "no certificate of its own");
    assert_eq!(set(&mut client, &[issuer(&leaf), own(&leaf)]).return_value(), 2069, "no trusted root");
    assert_eq!(set(&mut client, &[issuer(&root), own(&root)]).return_value(), 2069, "it has no key");
    assert_eq!(set(&mut client, &[own("Intel(r) AMT Certificate: Handle: 99")]).return_value(), 2053);
    assert!(client.all(CONTEXT).is_empty());
    assert_eq!(set(&mut client, &both).return_value(), 0);
    assert_eq!(client.all(CONTEXT).len(), 2);
    for id in [&leaf, &root] {
        assert_eq!(store::delete(&mut client, id).as_deref(), Some(IN_USE));
    }
    assert_eq!(settings(&mut client, &[("PxeTimeout", "60"), tls[0], tls[1], tls[2]]).status, 200);
    assert_eq!(client.all(CONTEXT).len(), 2, "they stay when the settings are put again");
    let off = [("Enabled", "3"), ("Username", ""), ("Password", ""), ("AuthenticationProtocol", "")];
    assert_eq!(settings(&mut client, &off).status, 200);
    assert_eq!((store::delete(&mut client, &leaf), store::delete(&mut client, &root)), (None, None));
}

#[test]
fn the_older_class_takes_certificates_with_the_rest() {
    let mut client = machine("amt-11.8", |_| {});
    let (leaf, root) = (store::leaf(&mut client), store::root(&mut client));
    for change in [("AuthenticationProtocol", "7"), ("Enabled", "2"), ("PxeTimeout", "86401"), ("Colour", "red")] {
        assert_eq!(profile(&mut client, &[change]).fault(), INVALID, "{change:?}");
    }
    for name in ["Enabled", "AuthenticationProtocol", "Username", "Password"] {
        assert_eq!(profile(&mut client, &[(name, "")]).fault(), MISSING, "{name}");
    }
    assert_eq!(profile(&mut client, &[("Enabled", "false")]).fault(), INVALID, "off, and yet with credentials");
    let inside = |id: &str| support::reference("AMT_PublicKeyCertificate", "InstanceID", id);
    let (own, issuer) = (inside(&leaf), inside(&root));
    // 6 is EAP-FAST with TLS here.
    let tls = [("AuthenticationProtocol", "6"), ("Password", "")];
    assert_eq!(profile(&mut client, &tls).fault(), MISSING, "no certificate");
    let wrong = [tls[0], tls[1], ("ClientCertificate", issuer.as_str())];
    assert_eq!(profile(&mut client, &wrong).fault(), "InternalError AMT-STATUS 2069", "it has no key");
    let right = [tls[0], tls[1], ("ClientCertificate", &own), ("ServerCertificateIssuer", &issuer)];
    assert_eq!(profile(&mut client, &right).status, 200);
    let told = client.get(PROFILE);
    assert_eq!((told.text("AuthenticationProtocol"), told.text("Enabled")), ("6".into(), "true".into()));
    assert!(told.element().child("ClientCertificate").is_some());
    assert_eq!(store::delete(&mut client, &leaf).as_deref(), Some(IN_USE));
    let off = [("Enabled", "false"), ("Username", ""), ("Password", ""), ("AuthenticationProtocol", "")];
    assert_eq!(profile(&mut client, &off).status, 200);
    assert_eq!((store::delete(&mut client, &leaf), store::delete(&mut client, &root)), (None, None));
}
