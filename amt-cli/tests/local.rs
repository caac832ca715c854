//! The commands of the machine's own system, against a virtual machine whose device file they open as any program does.
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, reason = "tests say what they could not test")]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const AMT: &str = env!("CARGO_BIN_EXE_amt");

/// A virtual machine, seen from inside. Dropped, it is gone and its file with it.
struct Machine {
    process: Child,
    folder: tempfile::TempDir,
    address: String,
}

impl Machine {
    /// None where there is no way to mount: told, so that nobody takes it for tested.
    fn start(persona: &str, address: &str, more: &[&str]) -> Option<Self> {
        let can = Path::new("/dev/fuse").exists() && rustix::process::geteuid().is_root();
        if !can {
            assert!(
                std::env::var_os("AMT_TEST_FUSE").is_none(),
                "AMT_TEST_FUSE is set, and there is no root or no /dev/fuse"
            );
            println!("not tested here: device files need root and /dev/fuse");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new(AMT)
            .args(["sim", "mei", "--suffix", "example.com", "--persona", persona, "--base-address", address])
            .args(["--time-scale", "20"])
            .arg("--mount")
            .arg(folder.path().join("mei0"))
            .arg("--certificate")
            .arg(folder.path().join("certs"))
            .args(more)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let machine = Self { process, folder, address: address.to_owned() };
        let until = Instant::now() + Duration::from_secs(20);
        while !machine.amt(&["info"]).status.success() {
            assert!(Instant::now() < until, "the machine does not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(machine)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command with `--json`, at this machine.
    fn amt(&self, command: &[&str]) -> Output {
        let mut amt = Command::new(AMT);
        amt.args(command).arg("--json").arg("--mei").arg(self.path("mei0"));
        if matches!(command[0], "activate" | "upgrade" | "unprovision") {
            amt.arg("--journal").arg(self.path("journal.db"));
        }
        // Virtual machines of several tests have one UUID.
        amt.env("XDG_STATE_HOME", self.folder.path()).output().unwrap()
    }

    fn good(&self, command: &[&str]) -> Value {
        let output = self.amt(command);
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn code(&self, command: &[&str]) -> u64 {
        let output = self.amt(command);
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        error["error"]["code"].as_u64().unwrap()
    }

    fn standing(&self) -> String {
        self.good(&["info"])["control"]["standing"].as_str().unwrap().to_owned()
    }

    fn certificate(&self) -> String {
        self.path("certs/provisioning.pem").to_str().unwrap().to_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.process),
            rustix::process::Signal::TERM,
        );
        let _ = self.process.wait();
    }
}

#[test]
fn without_a_device_the_error_has_its_code_and_its_hint() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(AMT).args(["info", "--json", "--mei"]).arg(folder.path().join("none")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    let keys: Vec<_> = error["error"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["code", "hint", "message", "name", "stage"]);
    assert_eq!((&error["error"]["code"], &error["error"]["name"]), (&3001.into(), &"MEI_ABSENT".into()));
}

#[test]
fn info_activate_upgrade_and_back_over_lme() {
    for (persona, address) in [("16.0", "127.79.1.1"), ("21.0", "127.79.1.2")] {
        let Some(machine) = Machine::start(persona, address, &[]) else { return };
        let info = machine.good(&["info"]);
        assert!(info["version"].as_str().unwrap().starts_with(persona.split('.').next().unwrap()), "{info}");
        assert_eq!((&info["suffix"], &info["control"]["standing"]), (&"example.com".into(), &"unprovisioned".into()));
        let certificate = machine.certificate();
        assert_eq!(machine.good(&["activate", "--ccm"])["changed"], true);
        assert_eq!(machine.good(&["activate", "--ccm"])["changed"], false);
        assert_eq!(machine.standing(), "client");
        assert_eq!(machine.good(&["upgrade", "--pem", &certificate])["control_mode"], "admin");
        assert_eq!(machine.standing(), "admin");
        assert_eq!(machine.code(&["start-hello"]), 5003);
        assert_eq!(machine.good(&["unprovision"])["before"], "admin");
        assert_eq!(machine.standing(), "unprovisioned");
        let done = machine.good(&["activate", "--acm", "--pem", &certificate, "--host-name", "pc1"]);
        assert_eq!((&done["control_mode"], &done["changed"]), (&"admin".into(), &true.into()));
    }
}

#[test]
fn the_chips_own_certificates_are_checked_against_the_root_that_is_given() {
    let Some(machine) = Machine::start("21.0", "127.79.7.1", &[]) else { return };
    let certificate = machine.certificate();
    let wrong = machine.path("certs/root.pem");
    let activate = |root: &Path| {
        machine.amt(&["activate", "--acm", "--pem", &certificate, "--ondie-root", root.to_str().unwrap()])
    };
    let output = activate(&wrong);
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["name"], "ONDIE_CHAIN", "{error}");
    assert!(error["error"]["message"].as_str().unwrap().contains("root: the chain ends at"), "{error}");
    assert_eq!(machine.standing(), "unprovisioned", "the firmware is taken out of its setup");
    assert!(activate(&machine.path("certs/ondie-root.pem")).status.success());
    assert_eq!(machine.standing(), "admin");
}

/// The key stays elsewhere: OpenSSL has it, and signs for the chain injected as well as for the handshake of TLS.
#[test]
fn a_program_signs_and_no_key_comes_to_the_machine() {
    for (persona, address) in [("16.0", "127.79.8.1"), ("21.0", "127.79.8.2")] {
        let Some(machine) = Machine::start(persona, address, &[]) else { return };
        let both = std::fs::read_to_string(machine.certificate()).unwrap();
        let key_at = both.find("-----BEGIN PRIVATE KEY-----").unwrap();
        let (chain, key, other) = (machine.path("chain.pem"), machine.path("elsewhere.pem"), machine.path("other.pem"));
        std::fs::write(&chain, &both[..key_at]).unwrap();
        std::fs::write(&key, &both[key_at..]).unwrap();
        let made = Command::new("openssl").args(["genrsa", "-out"]).arg(&other).arg("2048").output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let activate = |key: &Path| {
            let (chain, key) = (chain.to_str().unwrap(), key.to_str().unwrap());
            let mut command = vec!["activate", "--acm", "--chain", chain, "--sign-program", "openssl"];
            for argument in ["dgst", "-sha256", "-sign", key] {
                command.extend(["--sign-argument", argument]);
            }
            machine.amt(&command)
        };
        let error = |output: Output| serde_json::from_slice::<Value>(&output.stderr).unwrap()["error"].clone();
        let failed = error(activate(&machine.path("no.pem")));
        assert_eq!(failed["name"], "SIGNER", "{failed}");
        assert!(failed["message"].as_str().unwrap().contains("openssl ended with"), "{failed}");
        let refused = error(activate(&other));
        assert_ne!(refused["name"], "SIGNER", "the firmware refuses it: {refused}");
        assert_eq!(machine.standing(), "unprovisioned");
        let done = activate(&key);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(machine.standing(), "admin", "{persona}");
    }
}

#[test]
fn the_same_by_the_local_management_service() {
    let lms = "127.79.2.200";
    let Some(machine) = Machine::start("16.0", "127.79.2.1", &["--lms", lms]) else { return };
    let way = ["--route", "lms", "--lms", lms];
    let command = |words: &[&'static str]| [words, way.as_slice()].concat();
    assert_eq!(machine.good(&["info", "--lms", lms])["lms"]["16992"], "listening");
    assert_eq!(machine.good(&command(&["activate", "--ccm"]))["changed"], true);
    let certificate = machine.certificate();
    let upgrade = [["upgrade", "--pem", &certificate].as_slice(), &way].concat();
    assert_eq!(machine.good(&upgrade)["control_mode"], "admin");
    assert_eq!(machine.good(&command(&["unprovision"]))["before"], "admin");
    let admin = [["activate", "--acm", "--pem", &certificate].as_slice(), &way].concat();
    assert_eq!(machine.good(&admin)["control_mode"], "admin");
    assert_eq!(machine.standing(), "admin");
}

#[test]
fn at_boot_is_silent_and_tells_by_its_exit_status() {
    let Some(machine) = Machine::start("11.8", "127.79.3.1", &[]) else { return };
    let boot = || machine.amt(&["activate", "--ccm", "--at-boot"]);
    for _ in 0..2 {
        let output = boot();
        assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(0), 0, 0));
    }
    assert_eq!(machine.standing(), "client");
    std::fs::remove_file(machine.path("journal.db")).unwrap();
    assert_eq!(boot().status.code(), Some(1), "a machine whose password is not known");
    assert_eq!(machine.address, "127.79.3.1");
}

#[test]
fn a_machine_is_told_to_say_hello_and_to_stop() {
    let Some(machine) = Machine::start("9.5", "127.79.4.1", &[]) else { return };
    assert_eq!(machine.good(&["start-hello"])["hello_proof"], "pki");
    assert_eq!(machine.good(&["start-hello", "--stop"])["standing"], "unprovisioned");
    let facts = machine.path("facts.json");
    machine.good(&["info", "--facts-file", facts.to_str().unwrap()]);
    let document: Value = serde_json::from_slice(&std::fs::read(facts).unwrap()).unwrap();
    assert_eq!(document["control"]["standing"], "unprovisioned");
}

/// A setup server whose profile demands this one-time password, and where it listens.
fn server(folder: &Path) -> (Child, String) {
    use std::io::{BufRead as _, BufReader};
    let chain = amt_sim::authority::ProvisioningChain::new("example.com");
    std::fs::write(folder.join("chain.pem"), chain.pem()).unwrap();
    std::fs::write(folder.join("otp"), "S3cret!9\n").unwrap();
    let text = "listen = \"127.0.0.1:0\"\ndatabase = \"fleet.db\"\nseal_key_file = \"seal.key\"\nadmit = \"auto\"\n\
                dns_suffixes = [\"example.com\"]\n[retry]\nattempts = 1\n[profile]\notp_file = \"otp\"\n\
                [[provisioning_certificate]]\npem = \"chain.pem\"\n";
    std::fs::write(folder.join("amt.toml"), text).unwrap();
    let mut process = Command::new(AMT)
        .args(["serve", "--json", "--config"])
        .arg(folder.join("amt.toml"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let listening: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    // What it says later is read, so that it is never kept waiting.
    std::thread::spawn(move || lines.for_each(drop));
    (process, listening["addresses"][0].as_str().unwrap().to_owned())
}

#[test]
fn a_setup_server_completes_a_machine_that_was_told_to_call_and_knows_its_password() {
    for (otp, address, wait) in [("another", "127.79.5.1", "10s"), ("S3cret!9", "127.79.5.2", "60s")] {
        let done = otp == "S3cret!9";
        let folder = tempfile::tempdir().unwrap();
        let (mut server, listening) = server(folder.path());
        let Some(machine) = Machine::start("16.0", address, &["--hello", &listening]) else {
            server.kill().unwrap();
            return;
        };
        assert_eq!(machine.standing(), "unprovisioned");
        let file = machine.path("otp");
        std::fs::write(&file, otp).unwrap();
        let output = machine.amt(&["start-hello", "--otp-file", file.to_str().unwrap(), "--wait", wait]);
        assert_eq!(output.status.success(), done, "{otp}: {}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(machine.standing(), if done { "admin" } else { "unprovisioned" }, "{otp}");
        server.kill().unwrap();
        server.wait().unwrap();
    }
}

#[test]
fn a_hello_sent_by_software_brings_the_setup_server_while_the_window_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, listening) = server(folder.path());
    let (host, port) = listening.rsplit_once(':').unwrap();
    // The machine knows no server, and nobody has opened its window.
    let Some(machine) = Machine::start("16.0", "127.79.6.1", &[]) else {
        server.kill().unwrap();
        return;
    };
    std::fs::write(machine.path("otp"), "S3cret!9").unwrap();
    let send = ["hello", "send", "--server", host, "--port", port, "--from", "127.79.6.1"];
    let sent = machine.good(&send);
    assert_eq!((&sent["from"], &sent["firmware_address"]), (&"127.79.6.1".into(), &"127.79.6.1".into()));
    assert_eq!((&sent["hello"]["uuid"], &sent["hello"]["retry"]), (&machine.good(&["info"])["uuid"], &0.into()));
    assert_eq!(sent["findings"][0]["code"], "WINDOW-UNKNOWN");
    assert_eq!(machine.code(&["hello", "send", "--server", "127.79.6.200"]), 6001, "nobody listens there");
    let otp = machine.path("otp");
    machine.good(&["start-hello", "--otp-file", otp.to_str().unwrap()]);
    let until = Instant::now() + Duration::from_secs(60);
    while machine.standing() != "admin" {
        assert!(Instant::now() < until, "the server does not set it up");
        // Set up meanwhile, there is nothing to say any more.
        machine.amt(&send);
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(machine.code(&send), 5003);
    server.kill().unwrap();
    server.wait().unwrap();
}
