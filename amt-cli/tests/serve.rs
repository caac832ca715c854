//! `amt serve` as a process: it says what it does and ends when it is told to.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const HELLO: &[u8] = b"\x00\x00\x03\x00\x00\x00\x00\x000123456789abcdef\x00";

fn configuration(folder: &Path) -> std::path::PathBuf {
    let chain = amt_sim::authority::ProvisioningChain::new("example.com");
    std::fs::write(folder.join("chain.pem"), chain.pem()).unwrap();
    let file = folder.join("amt.toml");
    let text = "listen = \"127.0.0.1:0\"\ndatabase = \"fleet.db\"\nseal_key_file = \"seal.key\"\n\
                [[provisioning_certificate]]\npem = \"chain.pem\"\n";
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn it_tells_of_a_stranger_and_ends_when_told_to() {
    for observe in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_amt"));
        command
            .args(["serve", "--json", "--config"])
            .arg(configuration(folder.path()))
            .args(observe.then_some("--observe"));
        let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let mut next = || serde_json::from_str::<serde_json::Value>(&lines.next().unwrap().unwrap()).unwrap();
        let listening = next();
        let address = listening["addresses"][0].as_str().unwrap().to_owned();
        TcpStream::connect(address).unwrap().write_all(HELLO).unwrap();
        let event = next();
        assert_eq!(event["uuid"], "33323130-3534-3736-3839-616263646566");
        if observe {
            assert_eq!((&event["event"], &event["ready"]), (&"observed".into(), &false.into()));
        } else {
            assert_eq!(event["event"], "hello");
            let parked = next();
            assert_eq!((&parked["event"], &parked["error"]["name"]), (&"parked".into(), &"NOT_ADMITTED".into()));
        }
        assert_eq!(folder.path().join("fleet.db").exists(), !observe, "looking makes no database");
        let kill = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let told = Instant::now();
        let status = loop {
            if let Some(status) = server.try_wait().unwrap() {
                break status;
            }
            if told.elapsed() > Duration::from_secs(20) {
                server.kill().unwrap();
                panic!("it did not end (observe: {observe})");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}");
    }
}
