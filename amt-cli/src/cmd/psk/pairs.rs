//! Pairs out of a file: JSON, or lines as `amt_core::psk::list` reads them.

use crate::input;
use amt_core::psk::Form;
use amt_core::psk::list::{self, List, Listed, MAX_LIST};
use amt_core::{ErrorCode, Failure, Secret};
use serde_json::Value;
use std::path::Path;

const STAGE: &str = "read";

/// Reads the pairs in `file`, `-` for standard input.
pub(super) fn read(file: &Path, form: Form) -> Result<Vec<Listed>, Failure> {
    let content = Secret::new(input::read(file, MAX_LIST)?);
    parse(content.expose(), form)
}

/// JSON if it begins like that, otherwise lines.
fn parse(content: &[u8], form: Form) -> Result<Vec<Listed>, Failure> {
    let text = std::str::from_utf8(content)
        .map_err(|_| Failure::new(ErrorCode::NOT_UTF8, STAGE, "the list is not UTF-8"))?
        .trim_start_matches('\u{feff}');
    if text.trim_start().starts_with(['{', '[']) { json(text, form) } else { Ok(list::parse(text, form)) }
}

/// One pair, a list of pairs, an object with `pairs`, or one pair a line.
fn json(text: &str, form: Form) -> Result<Vec<Listed>, Failure> {
    let mut list = List::default();
    let mut number = 0;
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let document = document.map_err(|error| {
            let place = format!("line {} column {}: this is not JSON", error.line(), error.column());
            Failure::new(ErrorCode::PARSE_TEXT, STAGE, place)
        })?;
        let nested = document.get("pairs").unwrap_or(&document);
        for pair in nested.as_array().map_or(std::slice::from_ref(nested), Vec::as_slice) {
            number += 1;
            let half = |name: &str| pair.get(name).and_then(Value::as_str);
            let more = match (half("pid"), half("pps")) {
                (Some(pid), Some(pps)) => list.push(number, pid, pps, form),
                (None, _) => list.refuse(number, list::invalid("there is no \"pid\" that is text")),
                (_, None) => list.refuse(number, list::invalid("there is no \"pps\" that is text")),
            };
            if !more {
                return Ok(list.into_inner());
            }
        }
    }
    Ok(list.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: &str = r#"{"pid":"0000037M","pps":"NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ"}"#;
    const OTHER: &str = r#"{"pid":"AMT1SET7","pps":"CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD","used":false}"#;

    fn good(text: &str) -> Vec<bool> {
        parse(text.as_bytes(), Form::Strict).unwrap().into_iter().map(|one| one.pair.is_ok()).collect()
    }

    #[test]
    fn json_is_read_in_every_shape() {
        assert_eq!(good(PAIR), [true]);
        assert_eq!(good(&format!(" [{PAIR},{OTHER}]")), [true, true]);
        assert_eq!(good(&format!("{PAIR}\n{OTHER}\n")), [true, true]);
        assert_eq!(good(&format!("\u{feff}{{\"pairs\":[{PAIR},{OTHER}]}}")), [true, true]);
        assert_eq!(good(&format!("[{PAIR},{PAIR}]")), [true, false]);
        assert!(good("[]").is_empty());
        assert_eq!(good("0000037M,NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ"), [true]);
    }

    #[test]
    fn what_is_no_pair_is_a_reason_and_what_is_no_json_an_error() {
        for text in ["{}", "[1]", r#"{"pid":1,"pps":"x"}"#, r#"{"pid":"0000037M"}"#] {
            assert_eq!(good(text), [false], "{text}");
        }
        for text in ["{", "[,]", "{\"pid\": NKLD}"] {
            let error = parse(text.as_bytes(), Form::Strict).unwrap_err();
            assert!(error.code == ErrorCode::PARSE_TEXT && !error.message.contains("NKLD"), "{error}");
        }
        assert_eq!(parse(&[b'{', 0xff], Form::Strict).unwrap_err().code, ErrorCode::NOT_UTF8);
    }
}
