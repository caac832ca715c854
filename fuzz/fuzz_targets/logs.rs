//! Any bytes are read as a log, within its bounds and without a panic.
#![no_main]

use amt_fleet::logs::{self, MAX_LINE, MAX_NAMED};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lines = logs::Lines::new(data);
    while let Some(line) = lines.next().expect("memory does not fail") {
        // Decoding may write three bytes for one.
        assert!(line.text.len() <= 3 * MAX_LINE);
        let _ = logs::Entry::of(&line.text);
    }
    let study = logs::explain(data).expect("memory does not fail");
    assert_eq!(study.lines(), lines.count());
    for found in study.found() {
        assert!(found.count > 0 && found.first_line <= found.last_line && found.last_line <= study.lines());
        assert!(found.machines.len() <= MAX_NAMED);
    }
});
