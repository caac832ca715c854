//! Any bytes are read as a setup.bin or refused, with a finding that says why. What can be read is written back to the same bytes, every
//! value of a known type too, and using records up and wiping them leave a file that reads.
#![no_main]

use amt_core::Severity;
use amt_core::setupbin::{SetupBin, Value, lint};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let findings = lint(data);
    let decoded = SetupBin::decode(data);
    let has_error = findings.iter().any(|finding| finding.severity == Severity::Error);
    assert!(decoded.is_ok() || has_error, "refused without a finding: {decoded:?}");
    let Ok(mut file) = SetupBin::read(data) else { return };
    assert_eq!(file.encode().expose(), data);
    for entry in file.records().iter().flat_map(|record| record.entries()) {
        if let (Ok(value), Some(variable)) = (Value::read(&entry), entry.variable()) {
            assert_eq!(value.write(variable).expect("what was read can be written").expose(), entry.value);
        }
    }
    let usable = file.records().iter().filter(|record| record.is_usable()).count();
    while let Some(at) = file.consume() {
        if file.header.reusable() {
            break;
        }
        assert!(!file.records()[at].is_usable());
    }
    assert!(usable >= file.records().iter().filter(|record| record.is_usable()).count());
    file.wipe(true);
    let wiped = file.encode();
    assert_eq!(wiped.expose().len(), data.len());
    let again = SetupBin::read(wiped.expose()).expect("a wiped file reads");
    assert!(again.records().iter().flat_map(|record| record.entries()).all(|entry| !entry.is_secret()));
});
