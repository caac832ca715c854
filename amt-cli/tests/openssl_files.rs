//! OpenSSL is used for old firmware, and none of its files on this computer is.
#![cfg(all(unix, feature = "legacy-tls"))]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Everything that OpenSSL would open by itself is named here as a pipe that nobody writes: whoever opens it never comes back.
#[test]
fn neither_a_configuration_file_nor_a_trust_store_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(["demo", "--devices", "2", "--persona", "7.1", "--json", "--timeout", "60"])
        .env("OPENSSL_CONF", &pipe)
        .env("SSL_CERT_FILE", &pipe)
        .env("SSL_CERT_DIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(90);
    while demo.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            demo.kill().unwrap();
            panic!("a file of OpenSSL's was opened");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = demo.wait_with_output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verified"], 2, "{report}");
    assert_eq!(report["machines"][0]["tls"]["engine"], "openssl");
}
