//! The console's certificate at the command line: issued by the local authority, exported, and shown to a machine with mutual TLS.
#![cfg(target_os = "linux")]

use crate::lab::Lab;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const CONFIG: &str = "database = \"fleet.db\"\nseal_key_file = \"seal.key\"\ndns_suffixes = [\"example.com\"]\n\
                      [console]\nca = { kind = \"local\", certificate = \"root.pem\", key = \"root.key\" }\n";
const MUTUAL: &str = "format = 1\nname = \"Mutual\"\n[tls]\nremote = \"mutual\"\ntrusted_roots = [{ file = \"root.pem\" }]\n\
                      trusted_names = [\"amt-console.example.com\"]\n";

fn fleet(folder: &Path, arguments: &[&str]) -> Output {
    let all = [&["fleet", "console"], arguments, &["--config", "amt.toml", "--json"]].concat();
    Command::new(env!("CARGO_BIN_EXE_amt")).args(all).current_dir(folder).output().unwrap()
}

fn document(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_consoles_certificate_is_issued_exported_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("amt.toml"), CONFIG).unwrap();
    std::fs::write(path("mutual.toml"), MUTUAL).unwrap();
    let issued = document(&fleet(folder.path(), &["request"]));
    assert_eq!(issued["certificate"]["name"], "amt-console.example.com");
    assert_eq!((&issued["older"], &issued["request"]), (&Value::Null, &Value::Null));
    assert_eq!(document(&fleet(folder.path(), &["request"])), issued, "good: nothing is asked for");
    assert_eq!(document(&fleet(folder.path(), &["show"])), issued);
    let pem = document(&fleet(folder.path(), &["export"]))["pem"].as_str().unwrap().to_owned();
    assert!(pem.contains("BEGIN PRIVATE KEY") && pem.matches("BEGIN CERTIFICATE").count() == 2);
    std::fs::write(path("console.pem"), &pem).unwrap();

    let lab = Lab::new(161, |_| {});
    let (profile, certificate) = (path("mutual.toml"), path("console.pem"));
    let refused = lab.error(&["configure", &profile]);
    assert_eq!(refused["name"], "STEP_REFUSED", "{refused}");
    let shown = ["--client-certificate", certificate.as_str()];
    let done = lab.json(&[&["configure", profile.as_str()], &shown[..]].concat());
    assert!(done["changes"].as_array().unwrap().iter().any(|change| change["field"] == "tls.remote"), "{done:#}");
    let nothing = lab.error(&["status"]);
    assert!(nothing["hint"].as_str().unwrap().contains("--client-certificate"), "{nothing}");
    for command in [&["status"][..], &["power", "status"], &["clock"], &["inventory"]] {
        lab.json(&[command, &shown[..]].concat());
    }

    // One of another authority is refused, and told as that.
    std::fs::remove_file(path("root.pem")).unwrap();
    std::fs::remove_file(path("root.key")).unwrap();
    let other = document(&fleet(folder.path(), &["request", "--new"]));
    assert_ne!(other["certificate"]["sha256"], issued["certificate"]["sha256"]);
    assert_eq!(other["older"]["sha256"], issued["certificate"]["sha256"], "it stays");
    let pem = document(&fleet(folder.path(), &["export"]))["pem"].as_str().unwrap().to_owned();
    std::fs::write(path("console.pem"), &pem).unwrap();
    let refused = lab.error(&[&["status"], &shown[..]].concat());
    assert_eq!((&refused["code"], &refused["name"]), (&4009.into(), &"TLS_CLIENT_REFUSED".into()), "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("trusted_roots"), "{refused}");
}
