use super::*;
use proptest::prelude::*;

/// Published by Intel (`spec/setupbin.md` §3) and built for the specification (`spec/hello-tls.md` §2.2).
const PAIRS: [(&str, &str); 2] = [
    ("0000-037M", "NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ"),
    ("AMT1-SET7", "CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD"),
];

fn plain(text: &str) -> String {
    text.replace('-', "")
}

#[test]
fn the_published_pairs_are_valid_and_print_as_they_came() {
    for (pid, pps) in PAIRS {
        let pair = PskPair::parse(pid, pps, Form::Typed).unwrap();
        assert_eq!((pair.pid.to_string(), pair.pps.dashed().expose()), (pid.to_owned(), &pps.to_owned()));
        assert_eq!(PskPair::parse(&plain(pid), &plain(pps), Form::Strict).unwrap(), pair);
        assert_eq!((pair.pid.plain(), pair.pps.plain().expose()), (plain(pid), &plain(pps)));
        assert!(!format!("{pair:?}").contains(&pps[..4]), "{pair:?}");
    }
}

#[test]
fn typed_entry_is_normalised_and_files_are_not() {
    let typed = PskPair::parse(" amt1 set7\n", "cat0agdo-yblf6hcd qr61iqxq-vorvw8vd", Form::Typed).unwrap();
    assert_eq!(typed, PskPair::parse(PAIRS[1].0, PAIRS[1].1, Form::Typed).unwrap());
    for pid in ["AMT1-SET7", "amt1set7", "AMT1SET7 ", ""] {
        assert_eq!(Pid::parse(pid, Form::Strict).unwrap_err().code, ErrorCode::PSK_INVALID, "{pid}");
    }
}

#[test]
fn what_is_wrong_is_named_without_showing_the_secret() {
    let wrong = |pps: &str| Pps::parse(pps, Form::Typed).unwrap_err().into_details().message;
    assert_eq!(wrong("CAT0"), "the PPS has 4 characters instead of 32");
    assert!(wrong(&PAIRS[1].1.replace("QR61", "QR60")).starts_with("group 5 "));
    assert!(wrong(&PAIRS[1].1.replace("QR61", "QRé1")).starts_with("character 19 "));
    assert!(wrong(&PAIRS[1].1.replace("QR61", "QR_1")).starts_with("character 19 "));
    assert!(Pid::parse("AMT1-SET8", Form::Typed).unwrap_err().message.contains("AMT1-SET8"));
    assert!(Pid::parse("AMT!-SET7", Form::Typed).unwrap_err().message.starts_with("character 4 "));
}

/// A typo of one character changes the sum by less than 36 or by exactly 36 or more. The check character sees all of them except
/// those that change it by a multiple of 36: with codes 48–57 and 65–90 there is only 36 itself, from a digit to the letter 36 codes
/// above it.
#[test]
#[allow(clippy::print_stdout, reason = "a figure for whoever asks with --nocapture")]
fn every_typo_of_one_character_is_caught_except_those_36_codes_apart() {
    for (pid, pps) in PAIRS {
        for (text, what) in [(plain(pid), "PID"), (plain(pps), "PPS")] {
            let (mut typos, mut missed) = (0, 0);
            for at in 0..text.len() {
                for &other in ALPHABET.iter().filter(|b| **b != text.as_bytes()[at]) {
                    let mut typo = text.clone().into_bytes();
                    let before = typo[at];
                    typo[at] = other;
                    let typo = String::from_utf8(typo).unwrap();
                    let caught = match what {
                        "PID" => Pid::parse(&typo, Form::Strict).is_err(),
                        _ => Pps::parse(&typo, Form::Strict).is_err(),
                    };
                    typos += 1;
                    missed += usize::from(!caught);
                    assert_eq!(caught, before.abs_diff(other) != 36 || is_check(at, what), "{what} {typo}");
                }
            }
            println!("{what}: {typos} typos, {missed} cannot be caught");
        }
    }
    fn is_check(at: usize, what: &str) -> bool {
        at % if what == "PID" { PID_LEN } else { GROUP } == if what == "PID" { 7 } else { 3 }
    }
}

#[test]
fn a_generated_pair_is_valid_and_rejects_unfair_bytes() {
    let mut calls = 0;
    // Every second byte is one that must be drawn again.
    let pair = PskPair::generate(|buffer: &mut [u8]| {
        calls += 1;
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = if at % 2 == 0 { 255 } else { 251 };
        }
        Ok::<(), ()>(())
    })
    .unwrap();
    assert_eq!(pair.pid.plain(), format!("ZZZZZZZ{}", char::from(check_character(b"ZZZZZZZ"))));
    assert_eq!(calls, 1);
    assert!(PskPair::generate(|_: &mut [u8]| Err(())).is_err());
}

proptest! {
    #[test]
    fn what_is_generated_reads_back(seed in any::<[u8; 64]>()) {
        let mut state = seed;
        let pair = PskPair::generate(|buffer: &mut [u8]| {
            for (at, byte) in buffer.iter_mut().enumerate() {
                state[at % 64] = state[at % 64].wrapping_mul(31).wrapping_add(7);
                *byte = state[at % 64];
            }
            Ok::<(), ()>(())
        }).unwrap();
        prop_assert_eq!(&PskPair::parse(&pair.pid.plain(), pair.pps.plain().expose(), Form::Strict).unwrap(), &pair);
        prop_assert_eq!(&PskPair::parse(&pair.pid.to_string(), pair.pps.dashed().expose(), Form::Typed).unwrap(), &pair);
    }

    #[test]
    fn any_text_is_read_or_refused(pid in ".{0,40}", pps in "\\PC{0,60}") {
        for form in [Form::Typed, Form::Strict] {
            let _ = Pid::parse(&pid, form);
            let _ = Pps::parse(&pps, form);
        }
    }
}
