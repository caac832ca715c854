//! `amt serve` with an intake, and the tokens for it, as processes.
#![cfg(unix)]

use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn amt(folder: &Path, arguments: &[&str]) -> Output {
    let config = folder.join("amt.toml");
    Command::new(env!("CARGO_BIN_EXE_amt")).args(arguments).arg("--config").arg(config).output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn serve_says_where_the_intake_is_and_tokens_are_made_listed_revoked_and_reset() {
    let folder = tempfile::tempdir().unwrap();
    let chain = amt_sim::authority::ProvisioningChain::new("example.com");
    std::fs::write(folder.path().join("chain.pem"), chain.pem()).unwrap();
    let text = "listen = \"127.0.0.1:0\"\ndatabase = \"fleet.db\"\nseal_key_file = \"seal.key\"\n\
                [[provisioning_certificate]]\npem = \"chain.pem\"\n[intake]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(folder.path().join("amt.toml"), text).unwrap();
    let none = amt(folder.path(), &["fleet", "token", "list"]);
    assert_eq!(none.status.code(), Some(1), "there is no database yet: {none:?}");

    let mut server = Command::new(env!("CARGO_BIN_EXE_amt"))
        .args(["serve", "--config"])
        .arg(folder.path().join("amt.toml"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("listening on 127.0.0.1:"));
    let line = lines.next().unwrap().unwrap();
    let (address, pin) = line.strip_prefix("intake listening on ").unwrap().split_once(", pin ").unwrap();
    std::net::TcpStream::connect(address).unwrap();
    assert!(pin.len() == 64 && pin.bytes().all(|b| b.is_ascii_hexdigit()), "{pin}");

    let made = json(&amt(folder.path(), &["fleet", "token", "new", "--uses", "20", "--note", "lab", "--json"]));
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("amt_") && token.len() == 47);
    assert_eq!((&made["number"], &made["uses"], &made["note"]), (&1.into(), &20.into(), &"lab".into()));
    assert!(made["expires_at"].is_string(), "a token ends unless told otherwise");
    let file = folder.path().join("token");
    let target = file.to_str().unwrap();
    let uuid = "4c4c4544-0034-5210-8036-b3c04f4e3333";
    let quiet = amt(folder.path(), &["fleet", "token", "new", "--expires", "never", "--machine", uuid, "-o", target]);
    assert!(quiet.status.success() && !String::from_utf8_lossy(&quiet.stdout).contains("amt_"), "{quiet:?}");
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.starts_with("amt_") && kept.ends_with('\n'));
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    json(&amt(folder.path(), &["fleet", "token", "revoke", "1", "--json"]));
    let listed = amt(folder.path(), &["fleet", "token", "list", "--json"]);
    let tokens = json(&listed)["tokens"].clone();
    assert_eq!((&tokens[0]["refused"], &tokens[1]["refused"]), (&"REVOKED".into(), &Value::Null));
    assert_eq!((&tokens[1]["uuid"], &tokens[1]["expires_at"]), (&uuid.into(), &Value::Null));
    let people = amt(folder.path(), &["fleet", "token", "list"]);
    for output in [&listed, &people] {
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!text.contains(token) && !text.contains(kept.trim()), "{text}");
    }
    assert!(String::from_utf8_lossy(&people.stdout).contains("2 tokens, 1 good"));
    let stranger = amt(folder.path(), &["fleet", "token", "reset", uuid, "--json"]);
    assert_eq!(stranger.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("MACHINE_UNKNOWN"));
    for bad in [["--uses", "0"], ["--expires", "0s"], ["--expires", "soon"], ["--machine", "x"]] {
        let refused = amt(folder.path(), &["fleet", "token", "new", bad[0], bad[1]]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    }

    Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(server.wait().unwrap().success());
}
