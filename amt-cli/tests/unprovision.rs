//! `amt unprovision --host`: the setup of a virtual machine is taken back over the network.
#![cfg(target_os = "linux")]

use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PASSWORD: &str = "P@ssw0rd-1";
const PATIENCE: Duration = Duration::from_secs(60);

/// A machine that is set up, in a process of its own.
struct Machine {
    process: Child,
    folder: TempDir,
    host: &'static str,
}

impl Machine {
    fn start(host: &'static str, mode: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), PASSWORD).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_amt"))
            .args(["sim", "--base-address", host, "--set-up", mode, "--admin-password-file", "password"])
            .args(["--state", "truth.json", "--time-scale", "20"])
            .args(more)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let machine = Self { process, folder, host };
        machine.until("it listens", |truth| truth["secure_port"] == true);
        machine
    }

    /// The firmware's own truth, once it is as wanted.
    fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let truth = read(&self.folder.path().join("truth.json"));
            if wanted(&truth) {
                return truth;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {truth:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn amt(&self, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_amt"))
            .args(["unprovision", "--host", self.host, "--password-file", "password"])
            .args(more)
            .current_dir(self.folder.path())
            // Virtual machines of several tests have one UUID.
            .env("XDG_STATE_HOME", self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn good(&self, more: &[&str]) -> Value {
        let output = self.amt(&[more, &["--json"]].concat());
        assert!(output.status.success(), "{more:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn bad(&self, status: i32, more: &[&str]) -> Value {
        let output = self.amt(&[more, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(status), "{more:?}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice::<Value>(&output.stderr).unwrap()["error"].clone()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The only machine in a state file; nothing while there is none.
fn read(file: &Path) -> Value {
    let text = std::fs::read(file).unwrap_or_default();
    let document: Value = serde_json::from_slice(&text).unwrap_or_default();
    document["machines"].get(0).or(document.get(0)).cloned().unwrap_or_default()
}

fn says(list: &Value, word: &str) -> bool {
    list.as_array().unwrap().iter().any(|text| text.as_str().unwrap().contains(word))
}

#[test]
fn in_full_with_its_consequences_first_and_nothing_the_second_time() {
    let machine = Machine::start("127.68.1.1", "admin", &[]);
    let any = "--insecure-any";
    let usage = machine.bad(2, &["--full", any]);
    assert!(usage["hint"].as_str().unwrap().contains("--dry-run"), "{usage}");
    for incomplete in
        [vec![any], vec!["--full"], vec!["--full", any, "--mei", "/dev/mei0"], vec!["--full", "--partial", any]]
    {
        assert_eq!(machine.amt(&incomplete).status.code(), Some(2), "{incomplete:?}");
    }
    let would = machine.good(&["--full", any, "--dry-run"]);
    assert_eq!(
        (&would["before"], &would["changed"], &would["dry_run"]),
        (&"admin".into(), &false.into(), &true.into())
    );
    assert!(says(&would["consequences"], "root hashes of your own") && says(&would["consequences"], "MEBx"), "{would}");
    let text = String::from_utf8(machine.amt(&["--full", any, "--dry-run"]).stdout).unwrap();
    assert!(text.contains("  - the machine cannot be managed") && text.ends_with("nothing was changed\n"), "{text}");
    let writes = machine.until("looked at", |truth| truth["state"] == "post")["writes"].clone();
    assert_eq!(writes, 0, "a dry run writes nothing");

    let done = machine.good(&["--full", any, "--yes"]);
    assert_eq!((&done["changed"], &done["proof"]), (&true.into(), &"setup-mode".into()), "{done}");
    assert!(says(&done["remains"], "DNS suffix") && done["version"].as_str().unwrap().starts_with("16."), "{done}");
    let truth = machine.until("taken back", |truth| truth["state"] == "pre");
    assert_eq!((&truth["admin"]["set"], &truth["writes"]), (&false.into(), &1.into()));
    assert_eq!(truth["requests"]["AMT_SetupAndConfigurationService.Unprovision"], 1);

    let again = machine.good(&["--full", any, "--yes"]);
    assert_eq!((&again["changed"], &again["before"]), (&false.into(), &"unprovisioned".into()), "{again}");
    let text = String::from_utf8(machine.amt(&["--full", any, "--yes"]).stdout).unwrap();
    assert!(text.contains("in setup mode, not set up; nothing was changed"), "{text}");
    assert_eq!(machine.until("left alone", |truth| truth["state"] == "pre")["writes"], 1);
}

#[test]
fn in_part_by_its_certificate_alone() {
    let machine = Machine::start("127.68.2.1", "admin", &[]);
    let pin = machine.until("it serves", |truth| truth["certificate_sha256"].is_string())["certificate_sha256"].clone();
    let pin = ["--partial", "--pin", pin.as_str().unwrap()];
    let wrong = ["--partial", "--yes", "--pin", &"ab".repeat(32)];
    assert_eq!(machine.bad(1, &wrong)["name"], "TLS_PIN_MISMATCH");
    let done = machine.good(&[&pin[..], &["--yes"]].concat());
    assert_eq!((&done["extent"], &done["proof"]), (&"partial".into(), &"setup-mode".into()), "{done}");
    assert!(says(&done["remains"], "administrator's login"), "{done}");
    let truth = machine.until("taken back", |truth| truth["state"] == "pre");
    assert_eq!((&truth["admin"]["set"], &truth["host_name"]), (&true.into(), &"virtual".into()));
}

#[test]
fn client_control_mode_is_not_taken_back_in_part() {
    let machine = Machine::start("127.68.3.1", "client", &[]);
    let refused = machine.bad(1, &["--partial", "--insecure-any", "--yes"]);
    assert_eq!(refused["name"], "WRONG_STATE");
    let would = machine.good(&["--full", "--insecure-any", "--dry-run"]);
    assert!(would["before"] == "client" && says(&would["consequences"], "its own system"), "{would}");
    assert_eq!(machine.until("as before", |truth| truth["state"] == "post")["writes"], 0);
}

#[test]
fn an_auditor_is_named_and_old_tls_is_asked_for() {
    let machine = Machine::start("127.68.4.1", "admin", &["--persona", "11.8", "--auditor"]);
    let full = ["--full", "--insecure-any", "--yes"];
    assert_eq!(machine.bad(1, &full)["name"], "TLS_LEGACY_NOT_ALLOWED");
    let refused = machine.bad(1, &[&full[..], &["--legacy-tls", "allow"]].concat());
    assert_eq!(refused["name"], "STEP_REFUSED");
    assert!(refused["hint"].as_str().unwrap().contains("auditor"), "{refused}");
    assert_eq!(machine.until("as before", |truth| truth["state"] == "post")["control_mode"], "admin");
    let machine = Machine::start("127.68.5.1", "admin", &["--persona", "11.8"]);
    let done = machine.good(&[&full[..], &["--legacy-tls", "allow"]].concat());
    assert_eq!((&done["changed"], &done["proof"]), (&true.into(), &"setup-mode".into()), "{done}");
    let again = machine.good(&[&full[..], &["--legacy-tls", "allow"]].concat());
    assert_eq!(again["changed"], false);
}

#[test]
fn the_newest_firmware_too() {
    let machine = Machine::start("127.68.6.1", "admin", &["--persona", "21.0"]);
    let full = ["--full", "--insecure-any", "--yes"];
    assert_eq!(machine.good(&full)["proof"], "setup-mode");
    assert_eq!(machine.good(&full)["changed"], false, "also by TLS 1.3");
}
