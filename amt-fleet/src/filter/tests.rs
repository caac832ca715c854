//! What is promised of filters: how they read, what errors say, and that the evaluator and the database agree.

use super::*;
use crate::fact::{Fact, FactKey, FactSource, Facts};
use crate::seal::{KEY_LEN, SealKey};
use crate::store::{Fleet, Report, version_order};
use crate::{KnownMachine, Machine, MachineState};
use amt_core::{ErrorCode, Failure, FirmwareVersion, Secret, SystemId};
use amt_provision::Record;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::time::{Duration, SystemTime};

fn canonical(text: &str) -> String {
    match Filter::parse(text) {
        Ok(filter) => filter.to_string(),
        Err(error) => panic!("{text}\n{error}"),
    }
}

#[test]
fn expressions_have_one_form() {
    for (text, want) in [
        ("", ""),
        ("  \n ", ""),
        ("VERSION >= 16 AND NOT Verified", "version >= 16.0.0 and not verified"),
        ("firmware = 16.1.25", "version = 16.1.25"),
        ("state = Failed or state != failed", "failed or state != failed"),
        ("fact.os ~ 'win*'", "os ~ win*"),
        (
            "fact.version < 12 or FACT.Agent.fqdn = PC1.Example.COM.",
            "fact.version < 12.0.0 or fact.agent.fqdn = pc1.example.com",
        ),
        ("mac = 001B.21AA.BBCC", "mac = 00:1b:21:aa:bb:cc"),
        ("label in (a, \"b:c\", a)", "label in (a, b:c)"),
        ("state not in (failed, waiting)", "not state in (failed, waiting)"),
        ("hello < 168h or verified >= 1h30m", "hello < 7days or verified >= \"1h 30m\""),
        ("(admitted or redo) and temporary", "(admitted or redo) and temporary"),
        (
            "redo and (temporary and released) or (admitted or known)",
            "redo and temporary and released or admitted or known",
        ),
        ("not (admitted and redo)", "not (admitted and redo)"),
        ("not (((not redo)))", "not not redo"),
        ("in lab and in \"floor 7\"", "in lab and in \"floor 7\""),
        ("profile = \"and\" or profile='it\\'s'", "profile = \"and\" or profile = \"it's\""),
        ("ou = \"a\\\\b\\\"\"", "ou = \"a\\\\b\\\"\""),
        ("error == tls_chain_refused or error = 7009", "error = TLS_CHAIN_REFUSED or error = IN_USE"),
        ("uuid = \"{33323130-3534-3736-3839-61626364656F}\"", "uuid = 33323130-3534-3736-3839-61626364656f"),
        ("has certificate and not has fact.wsman.mac", "has certificate and not has fact.wsman.mac"),
        ("host ~ \"\"", "host ~ \"\""),
    ] {
        assert_eq!(canonical(text), want, "{text}");
        assert_eq!(canonical(want), want);
    }
}

#[test]
fn errors_point_at_the_character_and_help() {
    for (text, column, message, hint) in [
        ("verson >= 16", 1, "there is no field \"verson\"", "did you mean version"),
        ("admitted and fact.agnt.fqdn = x", 19, "nobody called \"agnt\"", "did you mean agent"),
        ("fact.agent.fqnd = x", 12, "there is no fact \"fqnd\"", "did you mean fqdn"),
        ("fact.zzz = x", 6, "there is no fact \"zzz\"", "amt fleet fields"),
        ("version >= sixteen", 12, "version is a version, not \"sixteen\"", "16.1.25"),
        ("attempts > many", 12, "attempts is a number", ""),
        ("hello < soon", 9, "hello is an age", "7d"),
        ("hello < 1000y", 9, "a hundred years", ""),
        ("hello = 7d", 7, "cannot be compared with =", "hello < 7d"),
        ("hello in (7d)", 7, "cannot be compared with in", "hello < 7d"),
        ("host < a", 6, "host cannot be compared with <", "use = or ~"),
        ("version ~ 16*", 9, "version cannot be compared with ~", ""),
        ("state = verfied", 9, "state is one of known, parked", "did you mean verified"),
        ("origin in (hello, lst)", 19, "origin is one of", "did you mean list"),
        ("error = TLS_CHAIN_REFUSE", 9, "error is an error", "TLS_CHAIN_REFUSED"),
        ("mac = 00:1b:21", 7, "mac cannot be \"00:1b:21\"", "mac ~"),
        ("address = 10.1", 11, "address is an IP address", "address ~"),
        ("uuid = 4c4c", 8, "uuid is a UUID", "uuid ~"),
        ("profile = \"\"", 11, "profile is never empty", "not has profile"),
        ("admitted = yes", 1, "admitted is yes or no", "alone"),
        ("has admitted", 5, "admitted is yes or no", "alone"),
        ("version", 8, "a comparison is missing after version", "version >= 16"),
        ("version 16", 9, "a comparison is missing after version", ""),
        ("host", 5, "a comparison is missing after host", "has host"),
        ("verified parked", 10, "`and` or `or` is missing", ""),
        ("verified and", 13, "something is missing here", "amt fleet fields"),
        ("verified and or", 14, "a field is missing before this", ""),
        ("(verified", 1, "this ( is never closed", "add a )"),
        ("(verified parked)", 11, "`and`, `or` or ) is missing", ""),
        ("verified)", 9, "there is no ( for this )", ""),
        ("state in failed", 10, "a ( is missing after `in`", "state in (failed"),
        ("state in (failed waiting)", 18, "a comma or ) is missing", ""),
        ("state in (failed, ", 19, "a value is missing after in (", ""),
        ("host = and", 8, "a value is missing after =", "quote it"),
        ("host =", 7, "a value is missing after =", ""),
        ("host = \"pc", 8, "this quote is never closed", "add \""),
        ("host = \"p\\c\"", 11, "nothing that can be escaped", "backslash"),
        ("verified && parked", 10, "'&' has no meaning here", "`and`"),
        ("!verified", 1, "'!' has no meaning here", "`not`"),
        ("ümlaut = ä and häst = x", 1, "there is no field \"ümlaut\"", "amt fleet fields"),
        ("host = ä and verifid", 14, "there is no field \"verifid\"", "verified"),
        ("verified and\n  hots = x", 3, "there is no field \"hots\"", "did you mean host"),
        ("in", 3, "the name of a collection is missing", "in \"lab\""),
        ("in (a)", 4, "a field is missing before `in (…)`", "state in"),
        ("in \" a\"", 4, "no collection is called so", ""),
        ("\"host\" = x", 1, "a field stands without quotes", ""),
    ] {
        let error = Filter::parse(text).expect_err(text);
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(error.hint.contains(hint), "{text}: {:?}", error.hint);
        let shown = error.to_string();
        let mark = shown.lines().last().unwrap();
        assert_eq!(mark.chars().count(), column + 2, "{shown}");
        assert!(mark.ends_with('^'));
        assert!(text.is_char_boundary(error.at));
        assert_eq!(Failure::from(error).code, ErrorCode::FILTER);
    }
}

#[test]
fn limits_are_kept() {
    let wide = |n: usize| vec!["ou ~ x"; n].join(" or ");
    assert!(Filter::parse(&wide(MAX_TESTS)).is_ok());
    assert!(Filter::parse(&wide(MAX_TESTS + 1)).unwrap_err().message.contains("256 questions"));
    let deep = |n: usize| format!("{}redo{}", "(".repeat(n), ")".repeat(n));
    assert!(Filter::parse(&deep(MAX_DEPTH - 1)).is_ok());
    assert!(Filter::parse(&deep(MAX_DEPTH)).unwrap_err().message.contains("32 deep"));
    assert!(Filter::parse(&"not ".repeat(1000)).unwrap_err().message.contains("32 deep"));
    let list = |n: usize| format!("label in ({})", (0..n).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    assert!(Filter::parse(&list(MAX_LIST)).is_ok());
    assert!(Filter::parse(&list(MAX_LIST + 1)).unwrap_err().message.contains("256 values"));
    let long = format!("ou = \"{}\"", "ä".repeat(MAX_FILTER / 2));
    assert!(Filter::parse(&long).unwrap_err().message.contains("4096 bytes"));
    // 250 versions of two bytes are written out as six each.
    let growing = vec!["version=1"; 250].join(" or ");
    assert!(growing.len() < MAX_FILTER);
    assert!(Filter::parse(&growing).unwrap_err().message.contains("written out"));
}

#[test]
fn values_never_stand_in_the_sql() {
    let filter =
        Filter::parse("host = \"x' OR 1=1 --\" and os ~ \"zzz%_*\" and label in (qqq) and in ppp and uuid ~ \"?\"")
            .unwrap();
    let sql = filter.to_sql(SystemTime::now());
    for value in ["OR 1=1", "zzz", "qqq", "ppp"] {
        assert!(!sql.text.contains(value), "{}", sql.text);
    }
    assert_eq!(sql.text.matches('?').count(), sql.binds.len());
    assert!(sql.binds.contains(&Bind::Text("zzz\\%\\_%".into())));
}

#[test]
fn versions_are_one_number_each() {
    for text in ["1.0.0", "16.1.25.2124", "2.2.20", "32767.65535.65535.65535"] {
        let version: FirmwareVersion = text.parse().unwrap();
        assert_eq!(crate::store::version_of(version_order(version)), version);
    }
}

#[test]
fn globs_are_what_people_think() {
    for (text, pattern, want) in [
        ("pc1.example.com", "PC?.*", true),
        ("pc1.example.com", "*example*", true),
        ("pc1.example.com", "pc1", false),
        ("", "*", true),
        ("", "?", false),
        ("aXbXc", "a*x*c", true),
        ("aab", "*ab", true),
        ("a*b", "a?b", true),
        ("ä", "?", true),
        ("Ä", "ä", false),
        ("a%b_c", "a%b_c", true),
        ("axbyc", "a%b_c", false),
    ] {
        assert_eq!(eval::is_like(text, pattern), want, "{text} ~ {pattern}");
    }
    // Many stars take no more time than few.
    let hostile = "a*".repeat(2000) + "b";
    assert!(!eval::is_like(&"a".repeat(255), &hostile));
}

#[test]
fn the_manual_is_about_what_there_is() {
    let page = include_str!("../../../docs/filters.md");
    for info in fields() {
        let filter = Filter::parse(info.example).unwrap_or_else(|error| panic!("{error}"));
        assert!(filter.to_string().contains(info.name.trim_start_matches("fact.")), "{} in {filter}", info.name);
        assert_eq!(info.name.parse::<FieldName>().unwrap().to_string(), info.name);
        assert!(page.contains(&format!("| `{}` |", info.name)), "{} is missing in the manual", info.name);
    }
    for line in page.lines().filter_map(|line| line.trim().strip_prefix("amt fleet list --config amt.toml --where '")) {
        let text = line.split('\'').next().unwrap_or_default();
        assert!(Filter::parse(text).is_ok(), "{text}");
    }
}

/// Atoms that say something about the machines below.
const ATOMS: &[&str] = &[
    "known",
    "parked",
    "failed",
    "verified",
    "admitted",
    "redo",
    "temporary",
    "released",
    "host = PC1",
    "host ~ \"pc*\"",
    "host != pc1",
    "domain = example.com",
    "domain ~ \"*.%\"",
    "name = pc1.example.com",
    "name ~ \"?c?\"",
    "suffix in (a.example.com, b.example.com)",
    "version >= 16",
    "version < 12.0.40",
    "version != 16.1.25",
    "version in (16.1.25, 11.8)",
    "has version",
    "attempts > 1",
    "attempts in (0, 7)",
    "attempts != 0",
    "hello < 7d",
    "hello >= 1h",
    "has hello",
    "verified > 30d",
    "first_verified <= 2d",
    "profile = LAB",
    "profile != lab",
    "ou ~ \"*OU=Lab*\"",
    "address = 10.0.0.1",
    "address ~ \"10.*\"",
    "origin = list",
    "wanted = pc9.example.com",
    "has wanted",
    "parked_code = in-use",
    "has parked_code",
    "error = IN_USE",
    "error != IN_USE",
    "has error",
    "has certificate",
    "certificate ~ \"a*\"",
    "control_mode = admin",
    "uuid ~ \"*1\"",
    "os ~ \"win*\"",
    "os = \"windows 11\"",
    "os != linux",
    "has os",
    "fact.agent.os = linux",
    "fact.version >= 16",
    "fact.version = 11.8",
    "mac = 00:1b:21:aa:bb:cc",
    "mac != 00:1b:21:aa:bb:cc",
    "label in (red, blue)",
    "label = RED",
    "not has label",
    "fqdn = pc1.example.com",
    "fact.dns.fqdn ~ \"*\"",
    "fact.profile = lab",
    "in lab",
    "in \"Floor 7\"",
    "",
];

fn expression() -> impl Strategy<Value = String> {
    let atom =
        prop::sample::select(ATOMS).prop_map(|atom| if atom.is_empty() { "redo".to_owned() } else { atom.to_owned() });
    atom.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|e| format!("not ({e})")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| format!("({})", all.join(") and ("))),
            prop::collection::vec(inner, 2..4).prop_map(|all| all.join(" or ")),
        ]
    })
}

proptest! {
    #[test]
    fn reading_never_panics(text in any::<String>()) {
        let _ = Filter::parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn reading_of_what_looks_right_never_panics(words in prop::collection::vec(prop::sample::select(&[
        "and", "or", "not", "in", "has", "(", ")", ",", "=", "!=", "<", "~", "host", "version", "fact.os", "hello", "7d", "\"x\"", "'", "16", "label", "ä", "in (",
    ][..]), 0..40)) {
        for space in [" ", ""] {
            if let Ok(filter) = Filter::parse(&words.join(space)) {
                prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
            }
        }
    }

    #[test]
    fn the_canonical_form_reads_back(text in expression()) {
        if let Ok(filter) = Filter::parse(&text) {
            let written = filter.to_string();
            prop_assert_eq!(Filter::parse(&written).map_err(|e| e.to_string()), Ok(filter), "{}", written);
        }
    }

    #[test]
    fn values_of_any_sort_read_back(value in any::<String>()) {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(filter) = Filter::parse(&format!("ou = \"{escaped}\" or os ~ \"{escaped}\"")) {
            prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
        }
    }
}

/// What a random machine is made of.
#[derive(Clone, Debug)]
struct Made {
    columns: Vec<(&'static str, Option<&'static str>)>,
    version: Option<&'static str>,
    facts: Vec<(FactKey, &'static str, FactSource)>,
    member_of: Vec<&'static str>,
}

fn made() -> impl Strategy<Value = Made> {
    let column = |name: &'static str, values: &'static [&'static str]| {
        prop::option::of(prop::sample::select(values)).prop_map(move |value| (name, value))
    };
    let needed = |name: &'static str, values: &'static [&'static str]| {
        prop::sample::select(values).prop_map(move |value| (name, Some(value)))
    };
    // Milliseconds before now.
    const AGES: &[&str] = &["-5000", "1000", "3600000", "86400001", "604800000", "604800001", "9000000000"];
    let columns = (
        (
            needed("state", &["known", "parked", "working", "waiting", "failed", "verified"]),
            needed("origin", &["hello", "list", "agent", "caller"]),
            needed("admitted", &["0", "1"]),
            needed("redo", &["0", "1"]),
            needed("temporary", &["0", "1"]),
            needed("attempts", &["0", "1", "2", "7"]),
            column("domain_name", &["example.com", "EXAMPLE.com", "a.%"]),
            column("dns_suffix", &["a.example.com", "c.example.com"]),
        ),
        (
            column("hello_at", AGES),
            column("verified_at", AGES),
            column("first_verified_at", AGES),
            column("released_at", &["1000"]),
            column("profile", &["lab", "Lab", "office"]),
            column("ou", &["CN=x,OU=Lab,DC=y", "OU=labor"]),
            column("address", &["10.0.0.1", "10.0.0.2", "fe80::1"]),
            column("wanted_host", &["pc9"]),
            column("control_mode", &["admin"]),
        ),
        (
            column("wanted_domain", &["example.com"]),
            column("parked_code", &["IN-USE", "UNKNOWN"]),
            column("parked_reason", &["because"]),
            column("failure_code", &["7009", "4002"]),
            column("failure_message", &["it failed"]),
        ),
    )
        .prop_map(|(a, b, c)| {
            let mut all = vec![a.0, a.1, a.2, a.3, a.4, a.5, a.6, a.7];
            all.extend([b.0, b.1, b.2, b.3, b.4, b.5, b.6, b.7, b.8]);
            all.extend([c.0, c.1, c.2, c.3, c.4]);
            all
        });
    const FACTS: &[(FactKey, &str)] = &[
        (FactKey::Os, "Windows 11"),
        (FactKey::Os, "linux"),
        (FactKey::Version, "16.1.25"),
        (FactKey::Version, "11.8.0"),
        (FactKey::Mac, "00:1b:21:aa:bb:cc"),
        (FactKey::Mac, "00:1b:21:aa:bb:cd"),
        (FactKey::Label, "red"),
        (FactKey::Label, "Blue"),
        (FactKey::Fqdn, "pc1.example.com"),
        (FactKey::Fqdn, "pc2.example.com"),
        (FactKey::Profile, "lab"),
        (FactKey::Profile, "office"),
    ];
    let fact = (prop::sample::select(FACTS), prop::sample::select(FactSource::ALL));
    let facts = prop::collection::vec(fact.prop_map(|((key, value), source)| (key, value, source)), 0..8);
    let version =
        prop::option::of(prop::sample::select(&["11.8.0", "12.0.35", "16.1.25", "16.1.25.2124", "18.0.5"][..]));
    let member_of = prop::sample::subsequence(vec!["LAB", "floor 7"], 0..=2);
    (columns, version, facts, member_of).prop_map(|(columns, version, facts, member_of)| Made {
        columns,
        version,
        facts,
        member_of,
    })
}

async fn build(fleet: &Fleet, n: u8, made: &Made, now: SystemTime) {
    let id = SystemId::from_wire([n; 16]);
    let mut known = KnownMachine::new(id);
    known.host_name = (!n.is_multiple_of(3)).then(|| format!("pc{n}"));
    fleet.import(vec![known]).await.unwrap();
    if let Some(version) = made.version {
        let mut record = Record::new(id);
        record.version = Some(version.parse().unwrap());
        record.certificate = n.is_multiple_of(2).then(|| vec![n]);
        fleet.persist(&record).await.unwrap();
    }
    let mut sources: Vec<FactSource> = made.facts.iter().map(|f| f.2).collect();
    sources.sort_unstable();
    sources.dedup();
    for source in sources {
        let mut report = Report::new(id, source);
        for (key, value, from) in &made.facts {
            let is_second = !key.is_many() && report.facts.iter().any(|(k, _)| k == key);
            if *from == source && !is_second {
                report = report.with(*key, *value);
            }
        }
        fleet.report(report).await.unwrap();
    }
    for (column, value) in &made.columns {
        let moment = column.ends_with("_at");
        let value = value.map(|v| match v.parse::<i64>() {
            Ok(age) if moment => Bind::Integer(field::millis(now) - age),
            Ok(number) => Bind::Integer(number),
            Err(_) => Bind::Text(v.to_owned()),
        });
        fleet.set_column(id, column, value).await;
    }
    for collection in &made.member_of {
        fleet.join(id, collection).await;
    }
}

/// The evaluator says of every machine what the database says, for random machines and random filters.
#[test]
fn the_evaluator_and_the_database_agree() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let fitting = std::cell::Cell::new((0_u32, 0_u32));
    let cases = (prop::collection::vec(made(), 1..10), prop::collection::vec(expression(), 30));
    let outcome = runner.run(&cases, |(machines, expressions)| {
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let fleet =
                Fleet::open(folder.path().join("f.db"), SealKey::new(&Secret::new([1; KEY_LEN]))).await.unwrap();
            let now = SystemTime::now();
            fleet.add_collection("LAB").await;
            fleet.add_collection("floor 7").await;
            for (n, made) in (1..).zip(&machines) {
                build(&fleet, n, made, now).await;
            }
            let stored: Vec<Machine> = fleet.machines().await.unwrap();
            let atoms = ATOMS.iter().flat_map(|atom| [(*atom).to_owned(), format!("not ({atom})")]);
            for text in expressions.into_iter().chain(atoms) {
                let Ok(filter) = Filter::parse(&text) else { continue };
                let found = fleet.ids_at(&filter, now).await;
                for machine in &stored {
                    let facts = fleet.facts(machine.id).await.unwrap();
                    let collections = fleet.collections_of(machine.id).await.unwrap();
                    let subject = Subject { machine, facts: &facts, collections: &collections, now };
                    let fits = filter.matches(&subject);
                    let (yes, no) = fitting.get();
                    fitting.set(if fits { (yes + 1, no) } else { (yes, no + 1) });
                    let is_found = found.contains(&machine.id);
                    prop_assert_eq!(
                        fits,
                        is_found,
                        "{}\n{:?}\n{:#?}\n{:#?}",
                        filter,
                        filter.to_sql(now),
                        machine,
                        facts
                    );
                }
            }
            fleet.close().await;
            Ok(())
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let (yes, no) = fitting.get();
    assert!(yes > 1000 && no > 1000, "the filters tell nothing apart: {yes} fit, {no} do not");
}

#[test]
fn facts_of_one_source_and_the_one_that_counts_are_told_apart() {
    let id = SystemId::from_wire([7; 16]);
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
    let facts = Facts::new(
        id,
        [
            Fact::new(FactKey::Fqdn, "told.example.com".into(), FactSource::Agent, at),
            Fact::new(FactKey::Fqdn, "dns.example.com".into(), FactSource::Dns, at),
        ],
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let machine = runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let fleet = Fleet::open(folder.path().join("f.db"), SealKey::new(&Secret::new([1; KEY_LEN]))).await.unwrap();
        fleet.import(vec![KnownMachine::new(id)]).await.unwrap();
        fleet.machine(id).await.unwrap()
    });
    assert_eq!(machine.state, MachineState::Known);
    let subject = Subject { machine: &machine, facts: &facts, collections: &[], now: at };
    for (text, want) in [
        ("fqdn = told.example.com", true),
        ("fqdn = dns.example.com", false),
        ("fact.dns.fqdn = dns.example.com", true),
        ("fact.list.fqdn != dns.example.com", true),
        ("has fact.list.fqdn", false),
    ] {
        assert_eq!(Filter::parse(text).unwrap().matches(&subject), want, "{text}");
    }
}
