//! The vault of pairs as a user meets it.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const ONE: (&str, &str) = ("0000037M", "NKLDG5DCRRNQE9YZZIJL7LFLVJED69XJ");
const TWO: (&str, &str) = ("AMT1SET7", "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD");

/// A site before the first start of its server.
fn site() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = "database = \"fleet.db\"\nseal_key_file = \"seal.key\"\n";
    for (name, text) in [
        ("amt.toml", config.to_owned()),
        ("menu", "Menu1!known\n".to_owned()),
        ("pairs.csv", format!("pid,pps,scope,comment\n{},{},shared,order 17\n{},{},,\n", ONE.0, ONE.1, TWO.0, TWO.1)),
        ("bad.csv", format!("pid,pps\n{},{}\n{},{}\n0000037N,X\n", ONE.0, ONE.1, TWO.0, ONE.1)),
        ("other.csv", format!("{},{}\n", ONE.0, TWO.1)),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn amt(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_amt"));
    command.arg("psk").args(arguments).args(["--config", "amt.toml"]).current_dir(folder).output().expect("amt runs")
}

fn text(folder: &Path, arguments: &[&str]) -> String {
    let output = amt(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let mut with_json = arguments.to_vec();
    with_json.push("--json");
    serde_json::from_str(&text(folder, &with_json)).unwrap()
}

fn error(folder: &Path, arguments: &[&str]) -> Value {
    let mut with_json = arguments.to_vec();
    with_json.push("--json");
    let output = amt(folder, &with_json);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{arguments:?}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    error["error"].clone()
}

#[test]
fn pairs_go_in_are_listed_without_secrets_and_come_out_only_when_asked_for() {
    let site = site();
    let folder = site.path();
    let imported = json(folder, &["import", "--from", "pairs.csv", "--mebx-password-file", "menu"]);
    assert_eq!(imported, serde_json::json!({"pairs": 2, "new": 2, "known": 0, "machines": 0}));
    assert_eq!(json(folder, &["import", "--from", "pairs.csv"])["known"], 2);
    let listed = json(folder, &["list"]);
    let first = &listed["pairs"][0];
    assert_eq!((&first["pid"], &first["scope"], &first["state"]), (&ONE.0.into(), &"shared".into(), &"free".into()));
    assert_eq!((&first["comment"], &first["has_mebx_password"]), (&"order 17".into(), &true.into()));
    assert_eq!(listed["pairs"][1]["scope"], "machine");
    let shown = text(folder, &["list"]);
    assert!(shown.contains("0000-037M  shared   free") && shown.ends_with("2 pairs\n"), "{shown}");
    for text in [listed.to_string(), shown] {
        assert!(!text.contains("NKLD") && !text.contains("Menu1!"), "{text}");
    }
    let unasked = amt(folder, &["export"]);
    assert_eq!((unasked.status.code(), unasked.stdout.len()), (Some(2), 0));
    text(folder, &["export", "0000-037m", "--reveal", "-o", "out.csv"]);
    let out = std::fs::read_to_string(folder.join("out.csv")).unwrap();
    let heading = "pid,pps,mebx_password,new_mebx_password,scope,comment";
    assert_eq!(out, format!("{heading}\n{},{},Menu1!known,,shared,order 17\n", ONE.0, ONE.1));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(folder.join("out.csv")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(json(folder, &["list"])["pairs"][0]["state"], "exported");
    // What comes out goes in again.
    assert_eq!(json(folder, &["import", "--from", "out.csv"])["known"], 1);
    text(folder, &["forget", ONE.0]);
    assert_eq!(error(folder, &["forget", ONE.0])["name"], "PSK_UNKNOWN");
    assert_eq!(json(folder, &["list"])["pairs"].as_array().unwrap().len(), 1);
}

#[test]
fn a_list_with_mistakes_is_refused_whole_with_every_one_of_them() {
    let site = site();
    let folder = site.path();
    let refused = error(folder, &["import", "--from", "bad.csv"]);
    assert_eq!(refused["code"], 1006);
    let message = refused["message"].as_str().unwrap();
    assert_eq!(message.lines().count(), 2, "{message}");
    assert!(message.lines().all(|line| line.starts_with("line or entry 4: ")), "{message}");
    assert!(!folder.join("fleet.db").exists(), "nothing was made");
    text(folder, &["import", "--from", "pairs.csv"]);
    let refused = error(folder, &["import", "--from", "other.csv"]);
    assert!(refused["message"].as_str().unwrap().contains("PID 0000-037M stands in the vault with another PPS"));
    assert!(!refused.to_string().contains("NKLD") && !refused.to_string().contains("CAT0"));
}

#[test]
fn a_machine_whose_pair_is_missing_is_found_among_those_that_wait() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let site = site();
    let folder = site.path();
    let chain = amt_sim::authority::ProvisioningChain::new("example.com");
    std::fs::write(folder.join("chain.pem"), chain.pem()).unwrap();
    let config = "listen = \"127.0.0.1:0\"\ndatabase = \"fleet.db\"\nseal_key_file = \"seal.key\"\nadmit = \"auto\"\n\
                  [[provisioning_certificate]]\npem = \"chain.pem\"\n[profile]\nlegacy_tls = \"allow\"\n";
    std::fs::write(folder.join("amt.toml"), config).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(["serve", "--json", "--config", "amt.toml"])
        .current_dir(folder)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut events = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let mut until = |kind: &str| events.find(|event| event["event"] == kind).unwrap_or_else(|| panic!("no {kind}"));
    let address = until("listening")["addresses"][0].as_str().unwrap().to_owned();
    let id = "00112233-4455-6677-8899-aabbccddeeff";
    // It says AMT1SET7; nothing answers where it comes from.
    let hello = "010002000000000033221100554477668899aabbccddeeff414d543153455437";
    let bytes: Vec<u8> =
        (0..hello.len()).step_by(2).map(|at| u8::from_str_radix(&hello[at..at + 2], 16).unwrap()).collect();
    let say = || std::net::TcpStream::connect(&address).unwrap().write_all(&bytes).unwrap();
    say();
    assert_eq!(until("hello")["pid"], "AMT1SET7");
    assert_eq!(until("failed")["error"]["code"], 5013);
    let fleet = |arguments: &[&str]| -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amt"));
        let output =
            command.arg("fleet").args(arguments).args(["--config", "amt.toml"]).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let parked: Value = serde_json::from_str(&fleet(&["parked", "--json"])).unwrap();
    let why = &parked["machines"][0]["parked"];
    assert_eq!((&parked["machines"][0]["uuid"], &why["code"]), (&id.into(), &"PSK-UNKNOWN".into()));
    assert!(why["reason"].as_str().unwrap().contains("AMT1-SET7"), "{why}");
    assert!(fleet(&["parked"]).contains("amt psk import"));
    assert!(
        fleet(&["show", id]).contains("waits for    the pre-shared key of PID AMT1SET7"),
        "{}",
        fleet(&["show", id])
    );
    // Imported by another process, it is tried at once: without a machine at its address that comes to nothing else.
    let imported = json(folder, &["import", "--from", "pairs.csv"]);
    assert_eq!(imported["machines"], 1);
    assert_eq!(until("failed")["error"]["stage"], "connect");
    server.kill().unwrap();
    server.wait().unwrap();
}
