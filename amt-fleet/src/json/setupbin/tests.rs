use super::*;
use amt_core::setupbin::{CHUNK, SetupBin as File, TABLE, Version};
use amt_core::{ErrorCode, Failure};
use serde_json::Value;

/// What `show` prints about `bytes`, and what `create` makes of it; `edit` may change the document between.
fn again(bytes: &[u8], edit: impl FnOnce(&mut Value)) -> Result<Vec<u8>, Failure> {
    let file = File::read(bytes)?;
    let mut document = document(&file, &file.lint(), true);
    edit(&mut document);
    Ok(read(document.to_string().as_bytes())?.encode().expose().clone())
}

/// Leaves values alone to tell what the bytes are, wherever there is a value.
fn without_hex(document: &mut Value) {
    for record in document["records"].as_array_mut().unwrap() {
        for entry in record["entries"].as_array_mut().unwrap() {
            if !entry["value"].is_null() {
                entry.as_object_mut().unwrap().remove("hex");
            }
        }
    }
}

fn make(document: &Value) -> Result<File, Failure> {
    read(document.to_string().as_bytes())
}

fn bytes(document: &Value) -> Vec<u8> {
    make(document).unwrap().encode().expose().clone()
}

/// Two records of version 4 with a variable of every kind, one scrambled.
fn full() -> Vec<u8> {
    bytes(&json!({"version": "4", "reusable": true, "records": [
        {"scrambled": true, "entries": {"current_password": "admin", "new_password": "Abcd123!", "kvm": true, "dhcp": "on"}},
        {"entries": [
            {"name": "current_password", "value": "admin"},
            {"name": "new_password", "value": "Abcd123!"},
            {"module": 1, "variable": 6, "value": "7322734623DC432FA98A13D37982D855"},
            {"name": "server-address", "value": "192.168.2.10"},
            {"name": "server_port", "value": 9971},
            {"name": "root_hash", "value": {"algorithm": "SHA-256", "digest": "07".repeat(32), "name": "Lab"}},
            {"name": "vlan", "hex": "0102030405"},
            {"module": 9, "variable": 77, "hex": "ff"},
        ]},
    ]}))
}

#[test]
fn what_show_prints_makes_the_same_file_from_hex_and_from_values() {
    let full = full();
    assert_eq!(again(&full, |_| {}).unwrap(), full);
    assert_eq!(again(&full, without_hex).unwrap(), full);
}

#[test]
fn what_show_prints_of_an_altered_file_makes_the_same_file() {
    let full = full();
    let mut rebuilt = 0;
    for at in (0..full.len()).filter(|at| at % CHUNK < 200 || at % CHUNK > 500) {
        for other in [0, 0xff, full[at] ^ 1, full[at] ^ 0x80] {
            let mut altered = full.clone();
            altered[at] = other;
            // The one field that tells of chunks which are not there cannot be told from a file that has them.
            if File::read(&altered).is_err() || (at == 0x10 || at == 0x11) && other != 0 {
                continue;
            }
            rebuilt += 1;
            assert!(again(&altered, |_| {}).unwrap() == altered, "byte {at:#x} as {other:#x}");
            assert!(again(&altered, without_hex).unwrap() == altered, "byte {at:#x} as {other:#x}, without hex");
        }
    }
    assert!(rebuilt > 2000, "{rebuilt}");
    for extra in [&[0; 100][..], &[7; 100], &[0; 1024], &[&[7; 512][..], &[0; 512]].concat()] {
        let longer = [&full[..], extra].concat();
        assert!(again(&longer, |_| {}).unwrap() == longer);
    }
    for cut in [512, 513, 1023, 1024, 1500] {
        assert!(again(&full[..cut], |_| {}).unwrap() == full[..cut], "cut at {cut}");
    }
}

#[test]
fn every_variable_of_every_version_is_rebuilt_from_its_value() {
    for version in Version::ALL {
        for variable in TABLE.iter().filter(|variable| variable.since <= version) {
            let algorithm = if version < Version::V3 { ("sha1", 20) } else { ("sha384", 48) };
            let entry = match variable.kind {
                Kind::Text { max, .. } => json!({"value": "x".repeat(max)}),
                Kind::Number { min, max, .. } => {
                    json!({"value": variable.choices.first().map_or(min.max(max / 2), |c| c.0)})
                }
                Kind::Identifier => json!({"value": "00112233445566778899AABBCCDDEEFF"}),
                Kind::Address => json!({"value": "203.0.113.7"}),
                Kind::Root => {
                    json!({"value": {"algorithm": algorithm.0, "digest": "ab".repeat(algorithm.1), "name": "n"}})
                }
                _ => json!({"hex": "00010203"}),
            };
            let mut entry = entry;
            entry["name"] = variable.name.into();
            let file = bytes(&json!({"version": version.to_string(), "records": [{"entries": [entry]}]}));
            assert_eq!(again(&file, without_hex).unwrap(), file, "{} {version}", variable.name);
        }
    }
}

#[test]
fn the_worked_example_comes_from_few_words() {
    let file = bytes(&json!({"reusable": true, "records": [{"entries": {
        "server_port": 9971, "new_password": "Abcd123!", "current_password": "admin", "server_address": "192.168.2.10",
    }}]}));
    let text = "010001000500000061646d696e000000010002000800000041626364313233210200110004000000\
                0a02a8c00200120002000000f3260000";
    assert_eq!(file[..16], Version::V4.guid());
    assert_eq!(
        hex::encode(&file[0x10..0x30]),
        "01002e0000000000040001000100000000000000010000000100020000000000"[..64]
    );
    assert_eq!(hex::encode(&file[0x218..0x250]), text);
    assert_eq!(file.len(), 1024);
}

#[test]
fn without_a_version_a_file_with_pairs_is_one_that_carries_them() {
    let pair = json!({"pid": "AMT1SET7", "pps": "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD"});
    assert_eq!(make(&json!({"records": [{"entries": pair}]})).unwrap().version(), Version::V2_1);
    assert_eq!(make(&json!({"version": 3, "records": []})).unwrap().version(), Version::V3);
    assert_eq!(make(&json!({"version": 2.1, "records": []})).unwrap().version(), Version::V2_1);
}

#[test]
fn secrets_are_hidden_unless_asked_for() {
    let file = File::decode(&full()).unwrap();
    let shown = document(&file, &file.lint(), false);
    for secret in ["admin", "Abcd123!", "61646d696e", "4162636431323321"] {
        assert!(!shown.to_string().contains(secret), "{shown}");
    }
    let entry = &shown["records"][0]["entries"][0];
    assert_eq!((&entry["secret"], &entry["value"], &entry["hex"]), (&json!(true), &Value::Null, &Value::Null));
    let error = make(&shown).unwrap_err();
    assert!(error.message.contains("records[0].entries[0]: the secret is hidden"), "{error}");
}

#[test]
fn bytes_that_may_be_left_over_from_a_secret_are_hidden_too() {
    let mut altered = full();
    altered[2 * CHUNK - 1] ^= 7;
    altered.extend(b"left");
    altered[CHUNK + 24 + 4] = 0xee; // the first entry runs past the end: nothing of the record can be read
    let file = File::read(&altered).unwrap();
    let shown = document(&file, &file.lint(), false);
    assert_eq!((&shown["trailing"]["length"], &shown["trailing"]["hex"]), (&json!(4), &Value::Null));
    assert!(shown["records"][0]["rest"]["hex"].is_null() && shown["records"][0]["rest"]["length"].is_u64());
    assert_eq!(again(&altered, |_| {}).unwrap(), altered);
}

#[test]
fn what_is_refused_is_named_and_no_value_is_repeated() {
    let records = |entries: Value| json!({"version": "3", "records": [{"entries": entries}]});
    for (document, part) in [
        (json!({}), "missing field `records`"),
        (json!({"records": [], "recrods": 1}), "unknown field `recrods`"),
        (json!({"records": [{"entries": 7}]}), "records[0].entries"),
        (json!({"version": "2.2", "records": []}), "there is no version \"2.2\""),
        (json!({"version": "1", "flags": 1, "records": []}), "version 1 has no reusable records"),
        (json!({"version": "1", "records": [{"entries": {"kvm": 1}}]}), "version 1 cannot carry kvm"),
        (json!({"version": "3", "records": [{"scrambled": true, "entries": []}]}), "no scrambled records"),
        (records(json!({"new_passwort": "Hidden1!"})), "there is no variable \"new_passwort\""),
        (records(json!([{"name": "new_password", "valeu": "Hidden1!"}])), "there is no field \"valeu\""),
        (records(json!([{"name": "new_password"}])), "give value or hex"),
        (records(json!([{"value": "Hidden1!"}])), "give name"),
        (records(json!([{"module": 9, "variable": 9, "value": "Hidden1!"}])), "give hex"),
        (records(json!([{"module": 0, "variable": 9, "hex": "00"}])), "would end the list"),
        (records(json!([{"name": "new_password", "hex": "Hidden1!"}])), "hex digits"),
        (records(json!({"new_password": 12345678})), "new_password is written as text"),
        (records(json!({"server_port": "Hidden1!"})), "server_port is a number"),
        (records(json!({"server_port": 65536})), "does not fit in 2 bytes"),
        (records(json!({"server_address": "Hidden1!"})), "server_address is an IPv4 address"),
        (records(json!({"vlan": "Hidden1!"})), "give its bytes as \"hex\""),
        (records(json!({"power_package": "Hidden1!"})), "hex digits"),
        (records(json!({"root_hash": {"algorithm": "md5", "digest": "Hidden1!"}})), "one of sha1, sha256, sha384"),
        (records(json!({"root_hash": {"algorithm": "sha1", "digest": "00"}})), "1 bytes of digest, sha1 has 20"),
        (records(json!({"domain_name": "x".repeat(255), "server_fqdn": "x".repeat(255)})), "a record has 488"),
        (records(json!([{"name": "kvm", "value": 1}, {"name": "kvm", "value": 1}])), "kvm stands twice"),
    ] {
        let error = make(&document).expect_err(part);
        assert!(error.message.contains(part), "{part}: {error}");
        assert_eq!(error.code, ErrorCode::SETUP_BIN, "{error}");
        assert!(!format!("{error}{}", error.hint).contains("Hidden"), "{error}");
    }
    for text in ["", "{", "[]", "{\"records\": []} x", "\u{0}"] {
        assert_eq!(read(text.as_bytes()).map(|_| ()).unwrap_err().code, ErrorCode::SETUP_BIN, "{text:?}");
    }
}

#[test]
fn odd_values_are_reproduced_and_left_to_lint() {
    let odd = json!({"version": "4", "records": [{"entries": {"current_password": "x", "dhcp": 9, "pid": "no"}}]});
    let file = make(&odd).unwrap();
    let codes: Vec<&str> = file.lint().iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["VAR-VALUE", "PWD-CURRENT", "PSK-HALF", "PSK-CHECK", "PSK-VERSION"]);
    let bytes = file.encode().expose().clone();
    assert_eq!(again(&bytes, without_hex).unwrap(), bytes);
}

#[test]
fn a_version_that_cannot_carry_a_variable_is_rebuilt_where_it_was_shown() {
    let mut file = full();
    file[..16].copy_from_slice(&Version::V1.guid());
    file[0x18] = 1;
    assert_eq!(again(&file, without_hex).unwrap(), file);
}
