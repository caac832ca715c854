//! Two commands that change one machine never meet: the second is told who is at work, and a command that was killed leaves nothing locked.
#![cfg(target_os = "linux")]

use crate::lab::Lab;
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than any of these tests waits.
const HELD: Duration = Duration::from_secs(600);

/// A command that has begun, and waits for the answer to a request of this label.
fn at_work(lab: &Lab, label: &str, command: &[&str]) -> Child {
    let simulator = lab.simulator.as_ref().unwrap();
    let id = simulator.machines()[0].id;
    let place = Place::Label(label.to_owned());
    assert!(simulator.add_fault(id, Fault::once(place, Direction::In, FaultKind::Delay(HELD))));
    let child = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(command)
        .args(["--host", &lab.host, "--insecure-any"])
        .env("AMT_PASSWORD", "P@ssw0rd-1")
        .env("XDG_STATE_HOME", lab.state.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let holder = lab.state.path().join("amt").join("locks").join(format!("{id}.holder"));
    let begun = Instant::now();
    while !holder.exists() || !lab.truth().requests.contains_key(label) {
        assert!(begun.elapsed() < PATIENCE, "{command:?} does not take the machine, or does not come so far");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What waits no longer than it may for an answer waits now as long as the test does.
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::STOP).unwrap();
    child
}

fn profile(folder: &Path) -> String {
    let file = folder.join("p.toml");
    std::fs::write(&file, "format = 1\nname = \"p\"\n[general]\nping = false\n").unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_second_command_is_refused_by_name_and_a_killed_one_leaves_nothing_locked() {
    let lab = Lab::new(171, |_| {});
    let folder = tempfile::tempdir().unwrap();
    let profile = profile(folder.path());
    let key = folder.path().join("new.txt");
    std::fs::write(&key, "An0ther-pw!\n").unwrap();
    let mut first = at_work(&lab, "AMT_GeneralSettings.Get", &["configure", &profile]);
    let by = format!("`amt configure`, process {} is at work", first.id());
    let commands: [&[&str]; 3] = [
        &["configure", &profile],
        &["rotate", "--new-password-file", key.to_str().unwrap()],
        &["unprovision", "--full", "--yes"],
    ];
    let password = folder.path().join("password");
    std::fs::write(&password, "P@ssw0rd-1\n").unwrap();
    for command in commands {
        let more: &[&str] = match command[0] {
            "unprovision" => &["--password-file", password.to_str().unwrap()],
            _ => &[],
        };
        let refused = lab.error(&[command, more].concat());
        assert_eq!((&refused["name"], &refused["code"]), (&"MACHINE_LOCKED".into(), &5021.into()), "{command:?}");
        assert!(refused["message"].as_str().unwrap().contains(&by), "{refused}");
        assert!(refused["hint"].as_str().unwrap().contains("end it, then try again"), "{refused}");
    }
    assert_eq!(lab.truth().writes, 0, "the second ones have sent nothing");
    // Only looking needs no turn.
    assert_eq!(lab.json(&["configure", &profile, "--dry-run"])["changes"].as_array().unwrap().len(), 1);
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(lab.json(&["configure", &profile])["writes"], 1);
    assert_eq!(lab.json(&["rotate", "--new-password-file", key.to_str().unwrap()])["changed"], true);
}
