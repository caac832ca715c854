//! The commands that operate a machine that is set up, against virtual ones.

use crate::lab::Lab;
use amt::certificate::write_pem;
use amt_core::redirection::SessionKind;
use amt_sim::SetUp;
use amt_sim::authority::ProvisioningChain;
use serde_json::Value;
use std::process::Command;

#[test]
fn power_is_shown_and_changed() {
    let lab = Lab::new(1, |_| {});
    let status = lab.json(&["power", "status"]);
    assert_eq!((&status["state"], &status["state_number"]), (&"on".into(), &2.into()));
    assert!(status["available"].as_array().unwrap().contains(&"reset".into()), "{status}");
    assert!(lab.text(&["power", "status"]).contains("available  reset, off, cycle, nmi"));
    let change = lab.json(&["power", "off"]);
    assert_eq!((&change["before"], &change["answer"]), (&"on".into(), &"accepted".into()));
    assert_eq!(lab.truth().power, "off");
    let error = lab.error(&["power", "soft-reset"]);
    assert_eq!((&error["name"], &error["hint"]), (&"WRONG_STATE".into(), &"possible now: on".into()));
    assert_eq!(lab.text(&["power", "on"]), "on: accepted (the computer was off)\n");
    let wrong = lab.amt(&["power", "explode"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("soft-off"), "the possible ones are listed");
}

#[test]
fn the_next_boot_is_set_shown_and_cleared() {
    let lab = Lab::new(2, |_| {});
    let set = lab.json(&["boot", "pxe", "--then", "none"]);
    assert_eq!((&set["next"], &set["power"]), (&"pxe".into(), &Value::Null));
    let shown = lab.json(&["boot", "show"]);
    assert_eq!(shown["armed"], true);
    assert!(lab.text(&["boot", "show"]).contains("possible   pxe, disk, cd, bios, https"));
    assert_eq!(lab.json(&["boot", "clear"])["cleared"], true);
    assert!(!lab.truth().boot_armed);
    let text = lab.text(&["boot", "https", "--url", "https://boot.example.com/i.efi", "--sol"]);
    assert!(text.starts_with("next boot: https, once\nreset: accepted"), "{text}");
    while lab.truth().boot_total == 0 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let boot = lab.truth().boots.remove(0);
    assert_eq!((boot.url.as_deref(), boot.sol), (Some("https://boot.example.com/i.efi"), true));
    for wrong in [&["boot", "https"][..], &["boot", "pxe", "--url", "https://a/b"], &["boot", "show", "--sol"]] {
        assert_eq!(lab.amt(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_machine_in_client_control_mode_is_not_diverted() {
    let lab = Lab::new(3, |config| config.set_up = Some(SetUp::Client));
    let error = lab.error(&["boot", "pxe"]);
    assert_eq!((&error["name"], &error["device"]["value"]), (&"RETURN_VALUE".into(), &34_849.into()));
    assert!(error["hint"].as_str().unwrap().contains("amt upgrade"), "{error}");
}

#[test]
fn what_a_machine_cannot_have_is_told_once() {
    let lab = Lab::new(18, |config| config.set_up = Some(SetUp::Client));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    std::fs::write(&file, "format = 1\nname = \"c\"\n[consent]\nrequired = \"none\"\n[general]\nping = false\n")
        .unwrap();
    let output = lab.amt(&["configure", file.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), text.matches("not on this machine").count()), (Some(1), 1), "{text}");
    assert!(text.contains(": 1 change, 1 write, read back\n"), "{text}");
}

#[test]
fn events_are_listed_frozen_and_cleared() {
    let lab = Lab::new(4, |_| {});
    let stranger = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(["power", "status", "--host", &lab.host, "--insecure-any"])
        .env("AMT_PASSWORD", "Wr0ng-Pass!")
        .output()
        .unwrap();
    assert_eq!(stranger.status.code(), Some(1));
    let text = lab.text(&["log", "events"]);
    assert!(text.contains("Z  warning          1 failed login\n1 of at most 390 events\n"), "{text}");
    let log = lab.json(&["log", "events"]);
    let record = &log["records"][0];
    assert_eq!((&record["sensor"], &record["sensor_number"]), (&"security violation".into(), &6.into()));
    assert_eq!(record["data"], "aa01000000000000");
    assert_eq!(lab.json(&["log", "events", "--freeze"])["frozen"], true);
    assert_eq!(lab.error(&["log", "events", "--clear"])["device"]["name"], "EVENTLOG_FROZEN");
    lab.text(&["log", "events", "--thaw"]);
    assert_eq!(lab.text(&["log", "events", "--clear"]), "the event log is cleared\n");
    assert_eq!(lab.text(&["log", "events"]), "the event log is empty\n");
    assert_eq!(lab.amt(&["log", "events", "--clear", "--freeze"]).status.code(), Some(2));
}

#[test]
fn the_audit_log_is_listed() {
    let lab = Lab::new(5, |_| {});
    lab.text(&["power", "cycle"]);
    lab.text(&["log", "events", "--freeze"]);
    let text = lab.text(&["audit"]);
    assert!(text.contains("remote control: power cycle  by admin from 127.0.0.1\n"), "{text}");
    let log = lab.json(&["audit"]);
    assert_eq!((&log["total"], &log["unreadable"]), (&2.into(), &0.into()));
    let record = &log["records"][1];
    assert_eq!((&record["event"], &record["application_number"]), (&"event log frozen".into(), &24.into()));
    assert_eq!((&record["user"], &record["user_bytes"]), (&"admin".into(), &"61646d696e".into()));
}

#[test]
fn the_inventory_is_a_table_and_a_document() {
    let lab = Lab::new(6, |_| {});
    let document = lab.json(&["inventory"]);
    let truth = lab.truth();
    assert_eq!((&document["uuid"], &document["version"]), (&truth.uuid.into(), &"16.0.15.1735".into()));
    assert_eq!(document["memory_bytes"], 16384_u64 << 20);
    assert_eq!(document["network"].as_array().unwrap().len(), 2, "a wired and a wireless port");
    assert_eq!(document["network"][0]["mac"], truth.mac.replace('-', ":"));
    assert_eq!(document["batteries"].as_array().unwrap().len(), 0);
    let text = lab.text(&["inventory"]);
    for line in [
        "BIOS       Virtual VIRT1.00, 2022-03-01T00:00:00Z",
        "disk       512 GB",
        "processor  Virtual(R) Core(TM) V7, 3600 MHz",
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
}

#[test]
fn machines_are_discovered_without_a_password() {
    let lab = Lab::new(7, |config| config.machines = 3);
    let amt = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_amt")).args(arguments).output().unwrap();
    let output = amt(&["discover", "127.67.7.0/29", "127.67.7.200", "--rate", "1000", "--json"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let machines = document["machines"].as_array().unwrap();
    assert_eq!((&document["scanned"], machines.len()), (&7.into(), 4), "{document}");
    for (machine, last) in machines.iter().zip([1, 2, 3]) {
        assert_eq!(machine["address"], format!("127.67.7.{last}"));
        assert_eq!((&machine["standing"], &machine["version"]), (&"set-up".into(), &"16.0.15.1735".into()));
        assert_eq!((&machine["ports"]["16992"], &machine["ports"]["664"]), (&"open".into(), &"closed".into()));
        assert_eq!(machine["tls"]["certificate"]["self_signed"], true);
    }
    assert_eq!(machines[3]["standing"], "silent", "an address given alone is always listed");
    let text = String::from_utf8(amt(&["discover", &lab.host]).stdout).unwrap();
    assert!(text.contains("16.0.15.1735      AMT, set up; open 16992 16993\n"), "{text}");
    assert!(text.contains("1 looked at, 1 listed\n"), "{text}");
    assert_eq!(amt(&["discover", "10.0.0.0/99"]).status.code(), Some(2));
    let gone = amt(&["discover", "no-such-host.invalid", &lab.host, "--json"]);
    assert_eq!(gone.status.code(), Some(1), "one that is not found is a failure");
    let document: Value = serde_json::from_slice(&gone.stdout).unwrap();
    assert_eq!(
        (&document["scanned"], &document["machines"][0]["standing"]),
        (&1.into(), &"set-up".into()),
        "{document}"
    );
    let unresolved = &document["unresolved"][0];
    assert_eq!((&unresolved["target"], &unresolved["error"]["name"]), (&"no-such-host.invalid".into(), &"DNS".into()));
    let text = String::from_utf8(amt(&["discover", "no-such-host.invalid"]).stdout).unwrap();
    assert!(text.starts_with("no-such-host.invalid  not looked at: "), "{text}");
    assert!(text.contains("0 looked at, 0 listed, 1 not resolved\n"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_may_name_its_interface() {
    let seen = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(["discover", "fe80::1%lo", "--timeout", "1", "--json"])
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&seen.stdout).unwrap();
    assert_eq!(seen.status.code(), Some(0), "{document}");
    let address = document["machines"][0]["address"].as_str().unwrap();
    assert!(address.starts_with("fe80::1%"), "{document}");
}

#[test]
fn a_clock_is_looked_at_and_set() {
    let lab = Lab::new(13, |_| {});
    let seen = lab.json(&["clock"]);
    assert_eq!((&seen["set"], seen["drift_seconds"].as_i64().unwrap().abs() <= 10), (&false.into(), true), "{seen}");
    assert!(lab.text(&["clock", "--set"]).contains("its clock is "), "nothing to set");
}

#[test]
fn a_machine_is_looked_for_where_its_profile_sends_it() {
    let mut lab = Lab::new(14, |_| {});
    let id = lab.simulator.as_ref().unwrap().machines()[0].id;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fixed.toml");
    let profile = |address: &str| {
        format!(
            "format = 1\nname = \"Fixed\"\n[machines.{id}.wired]\nmode = \"static\"\naddress = \"{address}\"\nmask = \"255.0.0.0\"\n\
             gateway = \"127.67.14.254\"\ndns = [\"127.67.14.53\"]\n"
        )
    };
    std::fs::write(&file, profile("127.67.14.77")).unwrap();
    let file = file.to_str().unwrap();
    let text = lab.text(&["configure", file]);
    assert!(text.contains("read back\n  it is at 127.67.14.77 now\n"), "{text}");
    lab.host = "127.67.14.77".to_owned();
    let again = lab.json(&["configure", file]);
    assert_eq!((&again["writes"], &again["address"]), (&0.into(), &Value::Null), "{again}");
    assert_eq!(lab.truth().address, lab.host);
}

#[test]
fn sessions_are_free_taken_or_off_and_a_lock_out_is_told_from_a_wrong_password() {
    let lab = Lab::new(8, |_| {});
    let found = lab.json(&["sessions"]);
    assert_eq!((&found["listener"], &found["sessions"]["serial"]["state"]), (&false.into(), &"off".into()));
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("console.toml");
    std::fs::write(&profile, "format = 1\nname = \"Console\"\n[redirection]\nlistener = true\nsol = true\n").unwrap();
    lab.text(&["configure", profile.to_str().unwrap()]);
    let text = lab.text(&["sessions"]);
    assert!(text.starts_with("serial line     free\nremote drives   off\nscreen          off\nconsent  "), "{text}");
    let simulator = lab.simulator.as_ref().unwrap();
    let id = simulator.machines()[0].id;
    assert!(simulator.take_session(id, SessionKind::Serial, true));
    while lab.truth().sessions.is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(lab.text(&["sessions"]).starts_with("serial line     taken: somebody has it\n"));
    assert_eq!(lab.json(&["sessions"])["sessions"]["serial"]["state"], "taken");
    let unclear = lab.json(&["sessions", "--redirection-port", "1"]);
    assert_eq!(unclear["sessions"]["serial"]["state"], "unclear");
    let stranger = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(["sessions", "--host", &lab.host, "--insecure-any", "--json"])
        .env("AMT_PASSWORD", "Wr0ng-Pass!")
        .output()
        .unwrap();
    let error: Value = serde_json::from_slice(&stranger.stderr).unwrap();
    assert_eq!(error["error"]["name"], "WRONG_OR_LOCKED", "somebody's session is no wrong password, nor the other way");
    assert!(error["error"]["hint"].as_str().unwrap().contains("likelier wrong"), "{error}");
}

#[test]
fn trust_goes_from_machine_to_machine_as_a_checked_bundle() {
    let lab = Lab::new(9, |_| {});
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [leaf, middle, root] = <[Vec<u8>; 3]>::try_from(ProvisioningChain::new("example.com").chain).unwrap();
    let pem =
        |certificates: &[&Vec<u8>]| certificates.iter().map(|der| write_pem("CERTIFICATE", der)).collect::<String>();
    std::fs::write(path("wrong.pem"), pem(&[&middle, &leaf, &root])).unwrap();
    let output = lab.amt(&["trust", "import", &path("wrong.pem"), "--json"]);
    assert_eq!(
        (output.status.code(), output.stderr.len(), lab.truth().tcp_connections),
        (Some(1), 0, 0),
        "nothing was sent"
    );
    let findings = serde_json::from_slice::<Value>(&output.stdout).unwrap()["findings"].clone();
    let codes: Vec<&str> = findings.as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["TRUST-ORDER", "TRUST-NOT-CA"], "{findings}");
    assert!(findings[0]["field"].as_str().unwrap().starts_with("certificate 1, line 1 ("), "{findings}");

    assert_eq!(
        lab.error(&["trust", "export"])["hint"],
        "with --leaf its own certificate is written, as it may be pinned"
    );
    std::fs::write(path("trust.pem"), pem(&[&root, &middle])).unwrap();
    let dry = lab.json(&["trust", "import", &path("trust.pem"), "--dry-run"]);
    assert_eq!((dry["added"].as_array().unwrap().len(), lab.truth().writes), (2, 0));
    assert!(lab.text(&["trust", "import", &path("trust.pem")]).ends_with("\n2 added\n"));
    let again = lab.text(&["trust", "import", &path("trust.pem")]);
    assert!(again.ends_with("the machine trusts all of them already; nothing was written\n"), "{again}");
    assert_eq!(lab.truth().writes, 2);

    let text = lab.text(&["trust", "export"]);
    assert!(text.starts_with("# subject: ") && text.matches("BEGIN CERTIFICATE").count() == 2, "{text}");
    assert!(lab.text(&["trust", "export", "-o", &path("out.pem")]).contains("2 written to "));
    assert_eq!(std::fs::read_to_string(path("out.pem")).unwrap(), text);
    let document = lab.json(&["trust", "export", "--leaf"]);
    assert_eq!(document["certificates"].as_array().unwrap().len(), 3);
    assert_eq!(document["certificates"][2]["sha256"], lab.truth().certificate_sha256);
    let other = Lab::new(10, |_| {});
    assert!(other.text(&["trust", "import", &path("out.pem")]).ends_with("\n2 added\n"));
}

#[test]
fn a_password_that_cannot_be_the_new_one_is_never_tried_as_a_login() {
    let lab = Lab::new(15, |_| {});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.txt");
    for (content, name) in [("", "CONFIG"), ("short", "PLAN_INVALID"), ("P,ssw0rd:1\n", "PLAN_INVALID")] {
        std::fs::write(&file, content).unwrap();
        let error = lab.error(&["rotate", "--new-password-file", file.to_str().unwrap()]);
        assert_eq!((&error["name"], lab.truth().tcp_connections), (&name.into(), 0), "{error}");
        assert!(!error.to_string().contains("P,ssw0rd"), "{error}");
    }
}

#[test]
fn a_machine_is_named_without_its_port() {
    for host in ["127.67.16.1:16993", "https://127.67.16.1/"] {
        let output = Command::new(env!("CARGO_BIN_EXE_amt"))
            .args(["status", "--host", host, "--insecure-any", "--json"])
            .env("AMT_PASSWORD", "P@ssw0rd")
            .output()
            .unwrap();
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!((output.status.code(), &error["error"]["name"]), (Some(2), &"INVALID_ARGUMENT".into()), "{error}");
        assert!(error["error"]["message"].as_str().unwrap().contains("--port"), "{error}");
    }
}

#[test]
fn a_certificate_of_another_authority_is_not_taken_for_old_firmware() {
    let lab = Lab::new(17, |_| {});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.pem");
    let root = ProvisioningChain::new("example.com").chain.pop().unwrap();
    std::fs::write(&file, write_pem("CERTIFICATE", &root)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(["status", "--host", &lab.host, "--ca", file.to_str().unwrap(), "--json"])
        .env("AMT_PASSWORD", "P@ssw0rd")
        .output()
        .unwrap();
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    let (message, hint) = (error["error"]["message"].as_str().unwrap(), error["error"]["hint"].as_str().unwrap());
    assert!(message.contains("not from an authority that is trusted here"), "{error}");
    assert!(hint.contains("authority that issued it") && !hint.contains("engine"), "{error}");
}
