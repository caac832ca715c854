//! Reports, the doctor and logs as a user meets them.

use serde_json::Value;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const HELLO: &[u8] = b"\x00\x00\x03\x00\x00\x00\x00\x000123456789abcdef\x00";
const LOG: &str = "Incoming data is - Configuration version: PKI Configuration. UUID: 33323130-3534-3736-3839-616263646566\n\
                   Server unexpectedly disconnected when TLS handshaking.\n**** Error 0x382b948 returned by ApplyControlToken\n";

fn amt(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_amt")).args(arguments).current_dir(folder).output().expect("amt runs")
}

fn configuration(folder: &Path, listen: &str) -> PathBuf {
    let chain = amt_sim::authority::ProvisioningChain::new("example.com");
    std::fs::write(folder.join("chain.pem"), chain.pem()).unwrap();
    let file = folder.join("amt.toml");
    let text = format!(
        "listen = \"{listen}\"\ndatabase = \"fleet.db\"\nseal_key_file = \"seal.key\"\n\
         [[provisioning_certificate]]\npem = \"chain.pem\"\n"
    );
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn observing_keeps_reports_and_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    configuration(folder.path(), "127.0.0.1:0");
    let mut server = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(["serve", "--json", "--config", "amt.toml", "--observe", "--until-machines", "1", "--for", "1m"])
        .args(["--report", "seen.html", "--report", "seen.json", "--report", "seen.csv", "--report", "seen.txt"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(server.stdout.take().unwrap()));
    let listening: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert!(folder.path().join("seen.html").exists(), "there is a report from the beginning");
    TcpStream::connect(listening["addresses"][0].as_str().unwrap()).unwrap().write_all(HELLO).unwrap();
    let last: Value = serde_json::from_str(&lines.last().unwrap().unwrap()).unwrap();
    assert!(server.wait().unwrap().success());
    assert_eq!((&last["event"], &last["counts"]["no-matching-root"]), (&"ended".into(), &1.into()));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let json: Value = serde_json::from_str(&read("seen.json")).unwrap();
    assert_eq!(json["machines"][0]["class"], "no-matching-root");
    for name in ["seen.html", "seen.csv", "seen.txt"] {
        assert!(read(name).contains("33323130-3534-3736-3839-616263646566"), "{name}");
    }
    assert!(!folder.path().join("fleet.db").exists());
    let wrong = amt(&["serve", "--config", "amt.toml", "--observe", "--report", "x.pdf"], folder.path());
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(amt(&["serve", "--config", "amt.toml", "--for", "1s"], folder.path()).status.code(), Some(2));
}

#[test]
fn the_doctor_tells_errors_by_its_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    configuration(folder.path(), "127.0.0.1:0");
    let sound = amt(&["doctor", "--offline", "--config", "amt.toml", "--json"], folder.path());
    let document: Value = serde_json::from_slice(&sound.stdout).unwrap();
    assert_eq!((sound.status.code(), &document["errors"]), (Some(0), &0.into()), "{document}");
    assert!(document["findings"].as_array().unwrap().iter().all(|f| f["area"].is_string() && f["code"].is_string()));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    configuration(folder.path(), &taken.local_addr().unwrap().to_string());
    let ill = amt(&["doctor", "--offline", "--config", "amt.toml"], folder.path());
    let text = String::from_utf8(ill.stdout).unwrap();
    assert_eq!(ill.status.code(), Some(1));
    assert!(text.contains("another program") && text.contains("next: ") && text.contains("1 to mend"), "{text}");
}

#[test]
fn a_log_is_explained_from_a_file_and_from_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("amtopmgr.log"), LOG).unwrap();
    let told = amt(&["explain", "amtopmgr.log", "--json"], folder.path());
    let document: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told.status.code(), Some(1));
    assert_eq!(
        (&document["findings"][0]["code"], &document["findings"][0]["first_line"]),
        (&"TLS-DISCONNECT".into(), &2.into())
    );
    assert_eq!(document["findings"][0]["error"]["name"], "TLS_CLOSED");
    assert_eq!(document["unknown_machines"][0]["uuid"], "33323130-3534-3736-3839-616263646566");
    let mut piped = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(["explain", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    piped.stdin.take().unwrap().write_all(LOG.as_bytes()).unwrap();
    let output = piped.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("cause: the machine hung up"), "{output:?}");
    let missing = amt(&["explain", "./nowhere.log", "--json"], folder.path());
    let error: Value = serde_json::from_slice(&missing.stderr).unwrap();
    assert_eq!(error["error"]["name"], "FILE_READ");
}
