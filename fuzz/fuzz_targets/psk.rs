//! Any text is a PID, a PPS, a list of pairs, or refused. What is accepted is written and read back as the same, strictly and as typed.
#![no_main]

use amt_core::psk::{Form, PskPair, list};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (pid, pps) = text.split_at(text.floor_char_boundary(8));
    for form in [Form::Strict, Form::Typed] {
        if let Ok(pair) = PskPair::parse(pid, pps, form) {
            same(&pair);
        }
        for listed in list::parse(text, form) {
            match listed.pair {
                Ok(pair) => same(&pair),
                Err(failures) => assert!(!failures.is_empty()),
            }
        }
    }
});

fn same(pair: &PskPair) {
    let strict = PskPair::parse(&pair.pid.plain(), pair.pps.plain().expose(), Form::Strict);
    assert_eq!(strict.as_ref(), Ok(pair));
    let typed = PskPair::parse(&pair.pid.to_string(), pair.pps.dashed().expose(), Form::Typed);
    assert_eq!(typed.as_ref(), Ok(pair));
}
