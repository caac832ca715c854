use super::*;
use crate::hello::HashAlgorithm;
use crate::{Finding, Secret, Severity};
use proptest::prelude::*;

mod hostile;

/// The plain file of `spec/setupbin.md` §1.6.
pub(super) fn worked_example() -> Vec<u8> {
    let mut file = hex("aaa93452e129a9448d4d081c07b9635301002e00000000000400010001000000\
         00000000010000000100020000000000");
    file.resize(CHUNK, 0);
    file.extend(hex("010000000100000000000000000000000100180001000000\
         010001000500000061646d696e000000010002000800000041626364313233210200110004000000\
         0a02a8c00200120002000000f3260000"));
    file.resize(2 * CHUNK, 0);
    file
}

pub(super) fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn entry(name: &str, value: Value) -> RawEntry {
    RawEntry::typed(Variable::named(name).unwrap(), &value).unwrap()
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

fn worked_entries() -> Vec<RawEntry> {
    vec![
        entry("server_port", Value::Number(9971)),
        entry("server_address", Value::Address([192, 168, 2, 10].into())),
        entry("current_password", text("admin")),
        entry("new_password", text("Abcd123!")),
    ]
}

pub(super) fn codes(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code).collect()
}

/// A value of every variable, as a value and as bytes.
fn sample(variable: &Variable) -> Value {
    match variable.kind {
        Kind::Text { min, max } => match variable.name {
            "current_password" => text("admin"),
            "new_password" => text("P@ssw0rd"),
            "pid" => text("AMT1SET7"),
            "pps" => text("CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD"),
            _ => text(&"x".repeat((min + 1).min(max).max(1))),
        },
        Kind::Number { max, .. } => Value::Number(variable.choices.last().map_or(max, |(value, _)| *value)),
        Kind::Identifier => Value::Identifier(*b"\x73\x22\x73\x46\x23\xdc\x43\x2f\xa9\x8a\x13\xd3\x79\x82\xd8\x55"),
        Kind::Address => Value::Address([203, 0, 113, 7].into()),
        Kind::Root => Value::Root(RootEntry::new(HashAlgorithm::SHA256, vec![7; 32], "Lab root".into()).unwrap()),
        Kind::Opaque => Value::Opaque(Secret::new(vec![1, 2, 3, 4, 5])),
    }
}

#[test]
fn the_worked_example_is_written_and_read_byte_for_byte() {
    let mut draft = Draft::new(Version::V4, true).unwrap();
    draft.push(worked_entries(), false).unwrap();
    assert_eq!(draft.finish().unwrap().encode().expose(), &worked_example());
    let read = SetupBin::decode(&worked_example()).unwrap();
    assert_eq!(read.encode().expose(), &worked_example());
    let names: Vec<String> = read.records()[0].entries().map(|entry| entry.name()).collect();
    assert_eq!(names, ["current_password", "new_password", "server_address", "server_port"]);
    assert_eq!(
        Value::read(&read.records()[0].entries().nth(2).unwrap()).unwrap(),
        Value::Address([192, 168, 2, 10].into())
    );
    assert_eq!(codes(&read.lint()), ["PWD-SHARED"]);
}

#[test]
fn the_scrambled_example_is_written_and_read_byte_for_byte() {
    let mut draft = Draft::new(Version::V4, true).unwrap();
    draft.push(worked_entries(), true).unwrap();
    let file = draft.finish().unwrap().encode().expose().clone();
    assert_eq!(&file[..CHUNK], &worked_example()[..CHUNK]);
    let scrambled = hex("01000000030000000000000000000000010018000100000012111211161111117\
         2757e7a7f1111111211131119111111527374754243443213112211151111111b13b9d1131123111311111104371111");
    assert_eq!(&file[CHUNK..CHUNK + scrambled.len()], &scrambled[..]);
    assert!(file[CHUNK + scrambled.len()..].iter().all(|byte| *byte == 0x11));
    let read = SetupBin::decode(&file).unwrap();
    assert_eq!(read.encode().expose(), &file);
    assert_eq!(read.records()[0].body().expose(), &worked_example()[CHUNK + RECORD_HEADER..]);
}

#[test]
fn every_variable_of_every_version_round_trips_without_an_objection_to_it() {
    for version in Version::ALL {
        for scrambled in [false, true] {
            if scrambled && version < Version::V4 {
                continue;
            }
            for variable in TABLE.iter().filter(|variable| variable.since <= version) {
                let mut value = sample(variable);
                if variable.kind == Kind::Root && version < Version::V3 {
                    value = Value::Root(RootEntry::new(HashAlgorithm::SHA1, vec![7; 20], String::new()).unwrap());
                }
                let mut draft = Draft::new(version, false).unwrap();
                draft.push(vec![entry(variable.name, value.clone())], scrambled).unwrap();
                let file = draft.finish().unwrap().encode().expose().clone();
                let read =
                    SetupBin::decode(&file).unwrap_or_else(|error| panic!("{} {version}: {error}", variable.name));
                assert_eq!((read.version(), read.encode().expose()), (version, &file));
                let entry = read.records()[0].entries().next().unwrap();
                assert_eq!((entry.variable(), Value::read(&entry).as_ref()), (Some(variable), Ok(&value)));
                let own = read.lint().into_iter().filter(|finding| finding.code.starts_with("VAR-"));
                let own: Vec<Finding> = own.filter(|finding| finding.severity > Severity::Info).collect();
                assert!(own.is_empty(), "{} {version}: {own:?}", variable.name);
            }
        }
    }
}

#[test]
fn numbers_have_the_byte_order_of_the_format() {
    let bytes = |name: &str, value: Value| entry(name, value).value.expose().clone();
    assert_eq!(bytes("server_address", Value::Address([203, 0, 113, 7].into())), hex("077100cb"));
    assert_eq!(bytes("server_port", Value::Number(9971)), hex("f326"));
    assert_eq!(bytes("support_channel", Value::Number(258)), hex("02010000"));
    assert_eq!(bytes("dhcp", Value::Number(2)), hex("02"));
    let root = RootEntry::new(HashAlgorithm::SHA1, vec![9; 20], "ab".into()).unwrap();
    assert_eq!(bytes("root_hash", Value::Root(root)), hex(&format!("01{}026162", "09".repeat(20))));
    let wide = Value::Number(256).write(Variable::named("kvm").unwrap()).unwrap_err();
    assert_eq!((wide.code, wide.message.as_str()), (ErrorCode::SETUP_BIN, "kvm: 256 does not fit in 1 bytes"));
}

#[test]
fn names_are_unique_and_the_table_is_in_order() {
    let names: std::collections::HashSet<&str> = TABLE.iter().map(|variable| variable.name).collect();
    assert_eq!(names.len(), TABLE.len());
    assert!(TABLE.windows(2).all(|pair| (pair[0].module, pair[0].id) < (pair[1].module, pair[1].id)));
    assert_eq!(Variable::named("Server-Port"), Variable::find(2, 18));
}

#[test]
fn the_writer_refuses_what_the_version_cannot_carry() {
    let refusal = |version, entries: Vec<RawEntry>, scrambled| {
        let error = Draft::new(version, false).unwrap().push(entries, scrambled).unwrap_err();
        assert_eq!(error.code, ErrorCode::SETUP_BIN);
        error.into_details().message
    };
    for variable in TABLE {
        for version in Version::ALL.into_iter().filter(|version| *version < variable.since) {
            let message = refusal(version, vec![entry(variable.name, sample(variable))], false);
            assert!(message.contains(variable.name) && message.contains("cannot carry"), "{message}");
        }
    }
    let root = Variable::named("root_hash").unwrap();
    assert!(refusal(Version::V2_1, vec![entry("root_hash", sample(root))], false).contains("other than SHA-1"));
    assert!(refusal(Version::V3, worked_entries(), true).contains("scrambled"));
    let unknown = RawEntry::new(2, 77, Secret::new(vec![1]));
    let twice = vec![entry("kvm", Value::Number(1)), entry("kvm", Value::Number(0)), unknown];
    assert_eq!(refusal(Version::V4, twice, false), "record 1: there is no variable 2/77; kvm stands twice");
    assert!(Draft::new(Version::V1, true).is_err());
}

#[test]
fn the_writer_refuses_an_overfull_record_and_fills_one_exactly() {
    let name = |length: usize| text(&"x".repeat(length));
    let passwords = || vec![entry("current_password", text("admin")), entry("new_password", name(32))];
    let mut exact = passwords();
    // 16 + 40 bytes for the passwords, 264 for the name: 168 remain.
    exact.push(entry("server_fqdn", name(255)));
    exact.push(entry("domain_name", name(160)));
    let mut draft = Draft::new(Version::V4, false).unwrap();
    draft.push(exact.clone(), false).unwrap();
    let file = draft.clone().finish().unwrap();
    let read = SetupBin::decode(file.encode().expose()).unwrap();
    assert_eq!((read.records()[0].entries().count(), read.encode()), (4, file.encode()));
    exact[3] = entry("domain_name", name(161));
    let error = draft.push(exact, false).unwrap_err();
    assert_eq!(error.message, "record 2: the entries need 492 bytes, a record has 488");
    assert!(!format!("{draft:?}").contains("admin"));
}

#[test]
fn the_writer_stops_at_its_limit_and_numbers_records() {
    let mut draft = Draft::new(Version::V2_1, false).unwrap();
    for _ in 0..MAX_WRITTEN_RECORDS {
        draft.push(vec![entry("pid", text("AMT1SET7"))], false).unwrap();
    }
    assert!(draft.push(Vec::new(), false).is_err());
    let file = draft.finish().unwrap();
    assert_eq!(file.records().last().unwrap().number, 10_000);
    let bytes = file.encode();
    assert_eq!(bytes.expose().len(), CHUNK * 10_001);
    assert_eq!(SetupBin::decode(bytes.expose()).unwrap(), file);
}

#[test]
fn records_are_used_in_turn_and_only_once() {
    let mut draft = Draft::new(Version::V2_1, false).unwrap();
    for _ in 0..3 {
        draft.push(worked_entries(), false).unwrap();
    }
    let mut file = draft.finish().unwrap();
    file.records[1].flags = 0;
    assert_eq!((file.consume(), file.header.consumed), (Some(0), 1));
    // The second was used by other means: it is passed over, and the counter counts what was used here.
    assert_eq!((file.consume(), file.header.consumed), (Some(2), 2));
    assert_eq!((file.consume(), file.header.consumed), (None, 2));
    let again = SetupBin::decode(file.encode().expose()).unwrap();
    assert_eq!(again.next_usable(), None);
    assert_eq!(codes(&again.lint()), ["FILE-USED", "SECRET-LEFT"]);
}

#[test]
fn reusable_records_are_never_used_up() {
    let mut file = SetupBin::decode(&worked_example()).unwrap();
    for _ in 0..3 {
        assert_eq!(file.consume(), Some(0));
    }
    assert_eq!(file.encode().expose(), &worked_example());
}

#[test]
fn wiping_takes_the_secrets_of_used_records_only_and_leaves_a_good_file() {
    let mut draft = Draft::new(Version::V2_1, false).unwrap();
    for _ in 0..2 {
        let mut entries = worked_entries();
        entries.push(entry("pid", text("AMT1SET7")));
        entries.push(entry("pps", text("CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD")));
        draft.push(entries, false).unwrap();
    }
    let mut file = draft.finish().unwrap();
    file.trailing = Secret::new(b"CAT0".to_vec());
    file.consume();
    assert_eq!(file.wipe(false), Wiped { records: 1, secrets: 3 });
    let names = |file: &SetupBin, at: usize| file.records()[at].entries().map(|entry| entry.name()).collect::<Vec<_>>();
    assert_eq!(names(&file, 0), ["pid", "server_address", "server_port"]);
    assert_eq!(names(&file, 1).len(), 6);
    assert_eq!(file.trailing.expose(), &[0; 4]);
    assert_eq!(file.wipe(false), Wiped::default());
    assert_eq!(file.next_usable(), Some(1));
    assert_eq!(file.wipe(true), Wiped { records: 1, secrets: 3 });
    let bytes = file.encode().expose().clone();
    for secret in [&b"admin"[..], b"Abcd123!", b"CAT0"] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    let read = SetupBin::decode(&bytes).unwrap();
    assert_eq!(codes(&read.lint()), ["FILE-TRAILING", "FILE-USED"]);
    assert!(read.lint().iter().all(|finding| finding.severity == Severity::Warning));
}

#[test]
fn wiping_takes_what_cannot_be_read() {
    let mut bytes = worked_example();
    bytes[CHUNK + RECORD_HEADER + 4] = 0xff; // the first entry tells 255 + … bytes: everything behind is unreadable
    bytes[CHUNK + RECORD_HEADER + 5] = 0xff;
    bytes[CHUNK + 4] = 0; // used
    let mut file = SetupBin::read(&bytes).unwrap();
    assert_eq!(file.wipe(false), Wiped { records: 1, secrets: 0 });
    assert!(!file.encode().expose().windows(8).any(|window| window == b"Abcd123!"));
}

#[test]
fn the_traps_of_records_are_found() {
    let lint = |version, entries: Vec<RawEntry>| {
        let record = Record::from_entries(1, &entries, &[], BODY).unwrap();
        let header = Header::for_records(version, std::slice::from_ref(&record));
        codes(&SetupBin::from_parts(header, vec![record], Secret::default()).unwrap().lint())
    };
    let raw = |name: &str, value: &[u8]| {
        let variable = Variable::named(name).unwrap();
        RawEntry::new(variable.module, variable.id, Secret::new(value.to_vec()))
    };
    let with =
        |more: Vec<RawEntry>| [vec![raw("current_password", b"Old1Pass!"), raw("manageability", &[1])], more].concat();
    for (entries, found) in [
        (vec![], vec!["PWD-CURRENT"]),
        (vec![raw("current_password", b"admin")], vec!["PWD-NEW"]),
        (with(vec![]), vec![]),
        (vec![raw("current_password", b"short")], vec!["PWD-CURRENT"]),
        (vec![raw("current_password", b"admin"), raw("new_password", b"P@ss0,word")], vec!["PWD-WEAK"]),
        (vec![raw("current_password", b"admin"), raw("new_password", b"Passw0rd_")], vec!["PWD-WEAK"]),
        (vec![raw("current_password", b"admin"), raw("new_password", b"P@ss<w0rd")], vec!["PWD-LAYOUT"]),
        (with(vec![raw("kvm", &[2])]), vec!["VAR-VALUE"]),
        (with(vec![raw("kvm", &[1, 0])]), vec!["VAR-VALUE"]),
        (with(vec![raw("dhcp", &[0])]), vec!["VAR-VALUE"]),
        (with(vec![raw("user_consent", &[2])]), vec!["VAR-VALUE"]),
        (with(vec![raw("server_address", &[10, 0, 0])]), vec!["VAR-VALUE"]),
        (with(vec![raw("server_address", &[192, 168, 2, 0])]), vec!["VAR-VALUE"]),
        (with(vec![raw("host_name", b"")]), vec!["VAR-LENGTH"]),
        (with(vec![raw("host_name", &[b'x'; 64])]), vec!["VAR-LENGTH"]),
        (with(vec![raw("host_name", b"a\0b")]), vec!["VAR-TEXT"]),
        (with(vec![raw("host_name", b"a\xffb")]), vec!["VAR-TEXT"]),
        (with(vec![raw("ipv6", &[0; 83])]), vec!["VAR-LENGTH"]),
        (with(vec![raw("kvm", &[1]), raw("kvm", &[1])]), vec!["VAR-TWICE"]),
        (with(vec![RawEntry::new(2, 9, Secret::new(vec![1]))]), vec!["VAR-UNKNOWN"]),
        (with(vec![RawEntry::new(3, 1, Secret::new(vec![1]))]), vec!["VAR-UNKNOWN"]),
        (with(vec![raw("root_hash", &[9; 40])]), vec!["VAR-VALUE"]),
        (with(vec![raw("root_hash", &[2; 20])]), vec!["VAR-VALUE"]),
        (with(vec![raw("root_hash", &[vec![1; 21], vec![5], vec![b'x'; 4]].concat())]), vec!["VAR-VALUE"]),
        (with(vec![raw("root_hash", &[vec![1; 21], vec![32], vec![b'x'; 32]].concat())]), vec!["ROOT-NAME"]),
        (with(vec![raw("root_hash", &[vec![1; 21], vec![33], vec![b'x'; 33]].concat())]), vec!["ROOT-NAME"]),
        (with(vec![raw("root_hash", &[vec![1; 21], vec![0]].concat()); 4]), vec!["ROOT-COUNT"]),
        (with(vec![raw("preinstalled_hashes", &[0])]), vec!["ROOT-NONE"]),
        (with(vec![raw("pid", b"AMT1SET7")]), vec!["PSK-HALF", "PSK-VERSION"]),
        (
            with(vec![raw("pid", b"AMT1SET8"), raw("pps", b"CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD")]),
            vec!["PSK-CHECK", "PSK-VERSION"],
        ),
        (with(vec![raw("pid", b"AMT1-SET7"), raw("pps", b"CAT0")]), vec!["PSK-CHECK", "PSK-CHECK", "PSK-VERSION"]),
        (with(vec![raw("hello", &[1])]), vec!["HELLO-WHERE"]),
        (with(vec![raw("hello", &[0]), raw("server_fqdn", b"a")]), vec!["VAR-ORDER"]),
        (vec![raw("kvm", &[1]), raw("current_password", b"Old1Pass!")], vec!["VAR-ORDER"]),
        (with(vec![raw("fqdn_sharing", &[1])]), vec!["NAME-SHARED"]),
    ] {
        assert_eq!(lint(Version::V3, entries.clone()), found, "{entries:?}");
    }
    assert_eq!(lint(Version::V2_1, with(vec![raw("kvm", &[1])])), ["VAR-VERSION"]);
    assert_eq!(lint(Version::V2_0, with(vec![raw("root_hash", &[vec![2; 33], vec![0]].concat())])), ["VAR-VERSION"]);
}

/// What is written in the field (§6) is no error; what is told about it is what §2 and §8 say.
#[test]
fn files_like_those_of_known_producers_are_good() {
    let on = |names: &[&str], value| names.iter().map(|name| entry(name, Value::Number(value))).collect::<Vec<_>>();
    let passwords = || vec![entry("current_password", text("admin")), entry("new_password", text("P@ssw0rd"))];
    let root = || Value::Root(RootEntry::new(HashAlgorithm::SHA256, vec![7; 32], "MeshCentral".into()).unwrap());
    let wizard = [
        passwords(),
        vec![entry("power_package", sample(Variable::named("power_package").unwrap()))],
        on(&["dhcp"], 2),
        on(&["fqdn_sharing", "kvm", "remote_consent_policy", "manual_setup"], 1),
        on(&["user_consent"], 0),
    ];
    let standard =
        || [passwords(), vec![entry("pki_dns_suffix", text("example.com")), entry("root_hash", root())]].concat();
    let mut bare_metal = [standard(), on(&["hello"], 1), on(&["server_port"], 9971)].concat();
    bare_metal.push(entry("server_address", Value::Address([192, 168, 2, 10].into())));
    let mut for_sticks =
        [passwords(), on(&["manageability"], 1), on(&["sol_ider"], 7), on(&["preinstalled_hashes"], 0)].concat();
    for_sticks.push(entry("root_hash", root()));
    let pair = || vec![entry("pid", text("AMT1SET7")), entry("pps", text("CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD"))];
    for (version, reusable, scrambled, entries, told) in [
        (Version::V4, true, true, wizard.concat(), vec!["PWD-SHARED", "NAME-SHARED"]),
        (Version::V3, true, false, [standard(), on(&["hello"], 0)].concat(), vec!["PWD-SHARED"]),
        (Version::V3, true, false, bare_metal, vec!["PWD-SHARED"]),
        (Version::V4, true, true, for_sticks, vec!["PWD-SHARED"]),
        (Version::V1, false, false, [passwords(), pair()].concat(), vec![]),
    ] {
        let mut draft = Draft::new(version, reusable).unwrap();
        draft.push(entries, scrambled).unwrap();
        let bytes = draft.finish().unwrap().encode().expose().clone();
        let findings = SetupBin::decode(&bytes).unwrap().lint();
        assert_eq!(codes(&findings), told, "{version}");
        assert!(findings.iter().all(|finding| finding.severity < Severity::Error));
    }
}

#[test]
fn no_finding_holds_a_secret() {
    let entries = vec![
        entry("current_password", text("Hidden")),
        entry("new_password", text("Hidden")),
        entry("pps", text("HIDDEN")),
        entry("enrolment_passcode", text("Hidden\u{1}")),
    ];
    let record = Record::from_entries(1, &entries, &[], BODY).unwrap();
    let header = Header::for_records(Version::V4, std::slice::from_ref(&record));
    let file = SetupBin::from_parts(header, vec![record], Secret::default()).unwrap();
    let findings = file.lint();
    assert!(findings.len() >= 4, "{findings:?}");
    for shown in [format!("{findings:?}"), format!("{file:?}"), format!("{entries:?}")] {
        assert!(!shown.to_ascii_lowercase().contains("hidden"), "{shown}");
    }
}

prop_compose! {
    fn any_entry()(module in 1..4_u16, id in 1..40_u16, value in prop::collection::vec(any::<u8>(), 0..40),
                   reserved in prop::sample::select(vec![0_u16, 0, 0, 7]), padding in any::<[u8; 3]>()) -> RawEntry {
        RawEntry { module, id, value: Secret::new(value), reserved, padding, forced: false }
    }
}

proptest! {
    #[test]
    fn any_entries_come_back_as_they_were(
        records in prop::collection::vec((prop::collection::vec(any_entry(), 0..8), any::<bool>(), any::<u32>()), 0..5),
        version in prop::sample::select(Version::ALL.to_vec()),
        trailing in prop::collection::vec(any::<u8>(), 0..CHUNK),
    ) {
        let entries = |record: &Record| record.entries().map(|entry| {
            (entry.module, entry.id, entry.reserved, entry.value.to_vec(), entry.padding.to_vec())
        }).collect::<Vec<_>>();
        let built: Vec<Record> = records.iter().map(|(entries, scrambled, number)| {
            let mut record = Record::from_entries(*number, entries, &[], BODY).unwrap();
            record.flags |= if *scrambled { 2 } else { 0 };
            record
        }).collect();
        let header = Header::for_records(version, &built);
        let file = SetupBin::from_parts(header, built, Secret::new(trailing)).unwrap();
        let bytes = file.encode();
        let read = SetupBin::read(bytes.expose()).unwrap();
        prop_assert_eq!(&read, &file);
        prop_assert_eq!(read.encode(), bytes);
        for ((given, _, _), record) in records.iter().zip(read.records()) {
            let got = entries(record);
            prop_assert_eq!(got.len(), given.len());
            for (got, given) in got.iter().zip(given) {
                prop_assert_eq!((got.0, got.1, got.2, &got.3), (given.module, given.id, given.reserved, given.value.expose()));
                prop_assert_eq!(&got.4[..], &given.padding[..got.4.len()]);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..2048), known in any::<bool>()) {
        if known && bytes.len() >= 16 {
            bytes[..16].copy_from_slice(&Version::V4.guid());
        }
        hostile::judge(&bytes);
    }
}
