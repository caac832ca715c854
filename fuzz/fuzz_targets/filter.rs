//! Any text is read as a filter, or refused with a mark under a character. What can be read is written in one form that reads
//! back, asks the database with a mark for every value, and is judged about machines without a panic.
#![no_main]

use amt_core::{Secret, SystemId};
use amt_fleet::filter::{Filter, MAX_FILTER, Subject};
use amt_fleet::seal::{KEY_LEN, SealKey};
use amt_fleet::{Fact, FactKey, FactSource, Facts, Fleet, KnownMachine, Machine};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

/// A machine as only the database makes one, and what is said of it.
static MACHINE: LazyLock<(Machine, Facts)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let id = SystemId::from_wire([7; 16]);
    let machine = runtime.block_on(async {
        let file = std::env::temp_dir().join(format!("amt-fuzz-filter-{}.db", std::process::id()));
        let fleet = Fleet::open(&file, SealKey::new(&Secret::new([1; KEY_LEN]))).await.expect("a database");
        let mut known = KnownMachine::new(id);
        known.host_name = Some("pc1".into());
        known.domain_name = Some("example.com".into());
        fleet.import(vec![known]).await.expect("a machine");
        let machine = fleet.machine(id).await.expect("the machine");
        fleet.close().await;
        let _ = std::fs::remove_file(file);
        machine
    });
    let fact = |key, value: &str| Fact::new(key, value.into(), FactSource::Agent, SystemTime::UNIX_EPOCH);
    let facts = [
        fact(FactKey::Os, "Windows 11"),
        fact(FactKey::Version, "16.1.25"),
        fact(FactKey::Label, "red"),
        fact(FactKey::Label, "blue"),
    ];
    (machine, Facts::new(id, facts))
});

fuzz_target!(|text: &str| {
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(text.is_char_boundary(error.at) && error.column > 0);
            assert!(error.to_string().ends_with('^'));
            return;
        }
    };
    let written = filter.to_string();
    assert!(written.len() <= MAX_FILTER);
    assert_eq!(Filter::parse(&written).as_ref(), Ok(&filter), "{written}");
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let sql = filter.to_sql(now);
    assert_eq!(sql.text.matches('?').count(), sql.binds.len(), "{}", sql.text);
    assert_eq!(sql.text.matches('(').count(), sql.text.matches(')').count(), "{}", sql.text);
    let (machine, facts) = &*MACHINE;
    let subject = Subject { machine, facts, collections: &["lab".to_owned()], now };
    let fits = filter.matches(&subject);
    if written.len() + 6 <= MAX_FILTER
        && let Ok(opposite) =
            Filter::parse(&format!("not ({})", if written.is_empty() { "redo or not redo" } else { &written }))
    {
        assert_eq!(opposite.matches(&subject), !fits, "{written}");
    }
});
