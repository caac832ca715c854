//! Kerberos, the host's clock and the web pages: for every rule one request that breaks just that rule.

use crate::support;
use crate::support::{Client, Memory, machine};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const KERBEROS: &str = "AMT_KerberosSettingData";
const TIME: &str = "AMT_TimeSynchronizationService";
const WEB: &str = "AMT_WebUIService";
const INVALID: &str = "InvalidRepresentation InvalidValues";
const MISSING: &str = "InvalidRepresentation MissingValues";

/// Puts Kerberos settings, some of them changed; an empty value leaves one out.
fn put(client: &mut Client<Memory>, changes: &[(&str, &str)]) -> support::Answer {
    let mut all = vec![
        ("ElementName", "Intel(r) AMT: Kerberos Settings"),
        ("InstanceID", "Intel (r) AMT: Kerberos Settings"),
        ("KrbEnabled", "true"),
        ("RealmName", "EXAMPLE.COM"),
        ("KeyVersion", "1"),
        ("MaximumClockTolerance", "5"),
        ("Passphrase", "a long passphrase"),
        ("Salt", "EXAMPLE.COMpc1"),
        ("IterationCount", "4096"),
    ];
    all.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    all.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    let properties: String = all.iter().map(|(name, value)| format!("<h:{name}>{value}</h:{name}>")).collect();
    client.put(KERBEROS, None, &properties)
}

const NO_PASSPHRASE: &[(&str, &str)] = &[("Passphrase", ""), ("Salt", ""), ("IterationCount", "")];

#[test]
fn kerberos_takes_a_key_or_a_passphrase_and_tells_neither() {
    let mut client = machine("amt-16.0", |_| {});
    let told = client.get(KERBEROS);
    assert_eq!(
        (told.text("KrbEnabled"), told.text("InstanceID")),
        ("false".into(), "Intel (r) AMT: Kerberos Settings".into())
    );
    let names: Vec<String> = told.element().children.into_iter().map(|node| node.name).collect();
    assert_eq!(names[..3], ["ElementName", "InstanceID", "KrbEnabled"], "and the algorithms that it knows");
    assert_eq!((names.len(), names[5].as_str()), (6, "SupportedEncryptionAlgorithms"));
    for (name, fault) in [
        ("KrbEnabled", MISSING),
        ("RealmName", MISSING),
        ("KeyVersion", MISSING),
        ("Salt", MISSING),
        ("IterationCount", MISSING),
        ("Passphrase", MISSING),
    ] {
        assert_eq!(put(&mut client, &[(name, "")]).fault(), fault, "{name}");
    }
    let key = STANDARD.encode([7; 16]);
    for (name, value) in [
        ("KrbEnabled", "perhaps"),
        ("MaximumClockTolerance", "6"),
        ("MaximumClockTolerance", "0"),
        ("EncryptionAlgorithm", "1"),
        ("ConfiguredEncryptionAlgorithms", "3"),
        ("MasterKey", key.as_str()),
        ("Colour", "red"),
        ("InstanceID", "Intel(r) AMT: Kerberos Settings"),
    ] {
        assert_eq!(put(&mut client, &[(name, value)]).fault(), INVALID, "{name} {value}");
    }
    let short = STANDARD.encode([7; 15]);
    for change in [("MasterKey", short.as_str()), ("MasterKey", "0707070707")] {
        assert_eq!(put(&mut client, &[NO_PASSPHRASE, &[change]].concat()).fault(), INVALID, "{change:?}");
    }
    let aes = [NO_PASSPHRASE, &[("MasterKey", key.as_str()), ("ConfiguredEncryptionAlgorithms", "2")]].concat();
    assert_eq!(put(&mut client, &aes).fault(), INVALID, "the key is one of RC4");
    assert_eq!(client.get(KERBEROS).text("KrbEnabled"), "false", "nothing of it was taken");

    let named = [("ServicePrincipalName", "HTTP/other:1"), ("ConfiguredEncryptionAlgorithms", "2")];
    assert_eq!(put(&mut client, &named).status, 200);
    let told = client.get(KERBEROS);
    assert_eq!((told.text("RealmName"), told.text("KeyVersion")), ("EXAMPLE.COM".into(), "1".into()));
    assert_eq!(told.text("ConfiguredEncryptionAlgorithms"), "2");
    for name in ["Passphrase", "MasterKey", "Salt", "ServicePrincipalName"] {
        assert_eq!(told.text(name), "", "{name}");
    }
    let held = |client: &Client<Memory>| client.line.firmware.truth(client.line.now).secrets.get("kerberos").cloned();
    assert_eq!(held(&client), Some(support::sha256("a long passphrase")));
    // What was read is put back without the key, as long as it is for the same key.
    assert_eq!(client.put_back(KERBEROS, None, ("MaximumClockTolerance", "3")).text("MaximumClockTolerance"), "3");
    assert_eq!(client.put_back(KERBEROS, None, ("KeyVersion", "2")).fault(), MISSING);
    assert_eq!(client.put_back(KERBEROS, None, ("RealmName", "OTHER.COM")).fault(), MISSING);
    assert_eq!(held(&client), Some(support::sha256("a long passphrase")));
    assert_eq!(client.put_back(KERBEROS, None, ("KrbEnabled", "false")).text("RealmName"), "");
    assert_eq!(held(&client), None);
    assert_eq!(put(&mut client, &[NO_PASSPHRASE, &[("MasterKey", &key)]].concat()).status, 200);
}

#[test]
fn firmware_before_8_knows_the_key_of_rc4_only() {
    let mut client = machine("amt-7.1", |_| {});
    assert_eq!(client.get(KERBEROS).text("SupportedEncryptionAlgorithms"), "");
    assert_eq!(put(&mut client, &[]).fault(), INVALID, "a passphrase");
    let key = STANDARD.encode([7; 16]);
    assert_eq!(put(&mut client, &[NO_PASSPHRASE, &[("MasterKey", &key)]].concat()).status, 200);
}

#[test]
fn whether_the_system_sets_the_clock() {
    let mut client = machine("amt-16.0", |_| {});
    let sync = |client: &mut Client<Memory>, to: &str| client.put_back(TIME, None, ("LocalTimeSyncEnabled", to));
    assert_eq!(client.get(TIME).text("LocalTimeSyncEnabled"), "0");
    for wrong in ["3", "true", ""] {
        assert_eq!(sync(&mut client, wrong).fault(), INVALID, "{wrong}");
    }
    assert_eq!(client.put_back(TIME, None, ("TimeSource", "1")).fault(), INVALID, "of the firmware");
    assert_eq!(client.put(TIME, None, "<h:TimeSource>0</h:TimeSource>").fault(), MISSING);
    assert_eq!(sync(&mut client, "2").text("LocalTimeSyncEnabled"), "2");
    assert_eq!(client.get(TIME).text("LocalTimeSyncEnabled"), "2");
}

#[test]
fn the_web_pages_are_switched() {
    let mut client = machine("amt-16.0", |_| {});
    let state = |client: &mut Client<Memory>, state: u32| {
        let argument = format!("<h:RequestedState>{state}</h:RequestedState>");
        client.invoke(WEB, "RequestStateChange", &argument).return_value()
    };
    assert_eq!(client.get(WEB).text("EnabledState"), "2");
    assert_eq!((state(&mut client, 4), state(&mut client, 3)), (5, 0));
    assert_eq!(client.get(WEB).text("EnabledState"), "3");
    assert_eq!(state(&mut client, 2), 0);
}
