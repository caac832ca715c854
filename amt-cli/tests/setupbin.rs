//! `amt setupbin` and `amt psk` as scripts use them, and the stick image as mtools reads it.

use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `amt` in `folder` with `input` on its standard input.
fn amt(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("amt runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that looks at its arguments first may be gone already.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("amt ends");
    writer.join().expect("written");
    output
}

fn good(folder: &Path, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let output = amt(folder, arguments, input);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(bytes)))
}

fn description(records: usize) -> Vec<u8> {
    let record = json!({"entries": {
        "current_password": "admin", "new_password": "Abcd123!", "pid": "AMT1SET7", "pps": "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD",
    }});
    json!({"version": "2.1", "records": vec![record; records]}).to_string().into_bytes()
}

#[test]
fn what_is_shown_is_made_again_through_pipes() {
    let folder = tempfile::tempdir().unwrap();
    let file = good(folder.path(), &["setupbin", "create", "--from", "-", "-o", "-"], &description(3));
    assert_eq!(file.len(), 4 * 512);
    let shown = good(folder.path(), &["setupbin", "show", "--json", "--reveal", "-"], &file);
    let again = good(folder.path(), &["setupbin", "create", "--from", "-", "-o", "-", "--json"], &shown);
    assert!(again == file);
    let hidden = good(folder.path(), &["setupbin", "show", "--json", "-"], &file);
    assert!(!String::from_utf8_lossy(&hidden).contains("CAT0"));
    let refused = amt(folder.path(), &["setupbin", "create", "--from", "-", "-o", "-", "--json"], &hidden);
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(1), 0));
    assert_eq!(json_of(&refused.stderr)["error"]["name"], "SETUP_BIN");
}

#[test]
fn a_file_is_used_up_record_by_record_and_wiped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let created = json_of(&good(folder, &["setupbin", "create", "--from", "-", "--json"], &description(2)));
    assert_eq!((&created["file"], &created["records"]), (&json!("setup.bin"), &json!(2)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(folder.join("setup.bin")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let before = std::fs::read(folder.join("setup.bin")).unwrap();
    let elsewhere = good(folder, &["setupbin", "consume", "setup.bin", "-o", "-"], b"");
    assert_eq!(std::fs::read(folder.join("setup.bin")).unwrap(), before);
    let used = json_of(&good(folder, &["setupbin", "consume", "setup.bin", "--json"], b""));
    assert_eq!((&used["consumed"], &used["left"], &used["record"]["number"]), (&json!(1), &json!(1), &json!(1)));
    assert!(used["record"]["entries"][0]["value"].is_null());
    assert_eq!(std::fs::read(folder.join("setup.bin")).unwrap(), elsewhere);
    assert_eq!((elsewhere[0x20], elsewhere[512 + 4]), (1, 0));
    good(folder, &["setupbin", "consume", "setup.bin"], b"");
    let none = amt(folder, &["setupbin", "consume", "setup.bin", "--json"], b"");
    assert_eq!(none.status.code(), Some(1));
    assert_eq!(json_of(&none.stderr)["error"]["message"], "every record is used");
    let wiped = json_of(&good(folder, &["setupbin", "wipe", "setup.bin", "--json"], b""));
    assert_eq!(wiped, json!({"records": 2, "secrets": 6}));
    let after = std::fs::read(folder.join("setup.bin")).unwrap();
    assert!(!after.windows(4).any(|window| window == b"CAT0" || window == b"Abcd"));
}

#[test]
fn lint_tells_by_its_status_and_reads_what_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = good(folder, &["setupbin", "create", "--from", "-", "-o", "-"], &description(1));
    assert_eq!(json_of(&good(folder, &["setupbin", "lint", "--json", "-"], &file)), json!({"findings": []}));
    let mut broken = file;
    broken[512 + 24 + 4] = 0xff;
    broken[512 + 24 + 5] = 0xff;
    for bytes in [&broken[..], &broken[..700], b"", b"no setup.bin"] {
        let lint = amt(folder, &["setupbin", "lint", "--json", "-"], bytes);
        assert_eq!((lint.status.code(), lint.stderr.len()), (Some(1), 0));
        let findings = json_of(&lint.stdout);
        let finding = &findings["findings"][0];
        assert!(
            ["code", "severity", "field", "message", "hint"].iter().all(|name| finding[name].is_string()),
            "{finding}"
        );
    }
}

#[test]
fn new_pairs_are_valid_printed_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let made = good(folder, &["psk", "new", "--count", "50", "--json"], b"");
    assert_eq!(json_of(&made)["pairs"].as_array().unwrap().len(), 50);
    assert_eq!(json_of(&good(folder, &["psk", "check", "--json", "--from", "-"], &made)), json!({"findings": []}));
    let typed = good(folder, &["psk", "new", "--pid", "0000-037m"], b"");
    assert!(typed.starts_with(b"0000-037M  "));
    good(folder, &["psk", "check", "--typed"], &typed);
    assert_eq!(amt(folder, &["psk", "check"], &typed).status.code(), Some(1));
    good(folder, &["psk", "new", "--count", "2", "-o", "pairs.csv"], b"");
    let sheet = String::from_utf8(good(folder, &["psk", "sheet", "--from", "pairs.csv"], b"")).unwrap();
    assert_eq!(sheet.matches("PPS  ").count(), 2);
    let page = String::from_utf8(good(folder, &["psk", "sheet", "--from", "pairs.csv", "--html"], b"")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
}

#[test]
fn one_pair_is_judged_by_the_status_without_showing_it() {
    let folder = tempfile::tempdir().unwrap();
    let check = |pps: &str| {
        let pair = json!({"pid": "AMT1SET7", "pps": pps}).to_string();
        let output = amt(folder.path(), &["psk", "check", "--json", "--from", "-"], pair.as_bytes());
        assert!(output.stderr.is_empty());
        let findings = json_of(&output.stdout);
        assert!(!findings.to_string().contains("CAT0"));
        (output.status.code(), findings["findings"].as_array().unwrap().len())
    };
    assert_eq!(check("CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD"), (Some(0), 0));
    assert_eq!(check("CAT0AGDOYBLF6HCDQR61IQXQVORVW8VE"), (Some(1), 1));
    assert_eq!(check("CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD"), (Some(1), 1));
    assert_eq!(check("cat0agdoyblf6hcdqr61iqxqvorvw8vd"), (Some(1), 1));
}

/// Whether mtools are here; where they are not, a line says so and nothing is checked, but in CI they have to be.
fn has_mtools() -> bool {
    let found = Command::new("mtype").arg("--version").output().is_ok();
    if !found {
        assert!(!std::env::var("CI").is_ok_and(|value| value == "true"), "mtools are not installed");
        let _ = writeln!(std::io::stderr(), "mtools are not installed: the stick image is not read back by them");
    }
    found
}

#[test]
fn the_stick_image_is_read_by_mtools() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    good(folder, &["setupbin", "create", "--from", "-"], &description(40));
    let file = std::fs::read(folder.join("setup.bin")).unwrap();
    for (options, place) in [
        (&["--size", "17"][..], "stick.img"),
        (&[][..], "stick.img"),
        (&["--partition"][..], "stick.img@@1M"),
        (&["--fat", "32"][..], "stick.img"),
        (&["--fat", "32", "--partition"][..], "stick.img@@1M"),
    ] {
        let arguments = [&["setupbin", "image", "setup.bin", "-o", "stick.img", "--json"][..], options].concat();
        assert_eq!(json_of(&good(folder, &arguments, b""))["records"], 40);
        if !has_mtools() {
            continue;
        }
        let mtools = |arguments: &[&str]| {
            let output =
                Command::new(arguments[0]).args(&arguments[1..]).current_dir(folder).output().expect("mtools runs");
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        assert!(mtools(&["mtype", "-i", place, "::setup.bin"]) == file, "{options:?}");
        let list = String::from_utf8(mtools(&["mdir", "-i", place, "-b", "::"])).unwrap();
        assert_eq!(list.trim(), "::/SETUP.BIN");
        // No boot code, no label, no second file: what is said of the volume is what a BIOS looks at.
        let info = String::from_utf8(mtools(&["minfo", "-i", place, "::"])).unwrap();
        let kind = if options.contains(&"32") { "FAT32" } else { "FAT16" };
        assert!(info.contains(kind), "{info}");
    }
    let small = amt(folder, &["setupbin", "image", "setup.bin", "-o", "x", "--size", "16"], b"");
    assert_eq!(small.status.code(), Some(2));
}
