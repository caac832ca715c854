//! What scripts rely on, whatever the command: where JSON goes, exit status, readers that leave early.

use serde_json::Value;
use std::process::{Command, Output, Stdio};

fn amt(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_amt")).args(arguments).output().expect("amt runs")
}

/// The one JSON document that `bytes` must be, and nothing else.
fn document(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

#[test]
fn json_is_accepted_in_any_position_and_leaves_stderr_empty() {
    let positions: [&[&str]; 3] =
        [&["--json", "capabilities", "16"], &["capabilities", "--json", "16"], &["capabilities", "16", "--json"]];
    for arguments in positions {
        let output = amt(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(document(&output.stdout)["version"], "16.0.0");
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn a_failure_is_one_document_on_stderr_and_status_1() {
    let output = amt(&["explain", "31337", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let error = &document(&output.stderr)["error"];
    for field in ["name", "stage", "message", "hint"] {
        assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {error}");
    }
    assert_eq!(error["code"], 8);
}

#[test]
fn a_usage_error_is_one_document_on_stderr_and_status_2() {
    let wrong: [&[&str]; 4] =
        [&["--json"], &["nonsense", "--json"], &["capabilities", "--json"], &["--json", "--wrong"]];
    for arguments in wrong {
        let output = amt(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
        assert_eq!(document(&output.stderr)["error"]["stage"], "usage", "{arguments:?}");
    }
}

#[test]
fn people_get_usage_errors_on_stderr_and_status_2() {
    let output = amt(&["nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("amt: "));
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_error() {
    for arguments in [&["explain"][..], &["explain", "--json"], &["--help"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_amt"))
            .args(arguments)
            .stdout(Stdio::from(writer))
            .stderr(Stdio::piped())
            .output()
            .expect("amt runs");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(["capabilities", "16", "--json"])
        .stdout(Stdio::from(full))
        .stderr(Stdio::piped())
        .output()
        .expect("amt runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(document(&output.stderr)["error"]["name"], "FILE_WRITE");
}
