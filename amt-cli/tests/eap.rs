//! `amt configure` gives a machine the certificate by which it logs in to its network, over real sockets.
#![cfg(unix)]

use crate::lab::Lab;
use amt_sim::Persona;
use amt_sim::firmware::MachineTruth;
use std::path::Path;
use std::sync::Arc;

const PROFILE: &str = "format = 1\nname = \"Desk\"\n[general]\nping = false\n[wired.ieee8021x]\nprotocol = \"tls\"\n";
const LOCAL: &str = "database = \"of the server.db\"\n[ca]\nkind = \"local\"\ncommon_name = \"Network root\"\n";

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Subjects of the certificates that 802.1X uses.
fn shown(truth: &MachineTruth) -> Vec<&str> {
    let clients = truth.certificates.iter().filter(|c| c.in_use && !c.served && c.key.is_some());
    clients.map(|certificate| certificate.subject.as_str()).collect()
}

#[test]
fn a_machine_gets_a_certificate_from_the_authority_that_is_named() {
    for (network, persona) in [(40, "16.0"), (41, "18.0"), (42, "21.0")] {
        let lab = Lab::new(network, |config| config.persona = Arc::new(Persona::built_in(persona).unwrap()));
        let folder = tempfile::tempdir().unwrap();
        let profile = write(folder.path(), "desk.toml", PROFILE);
        let keys = lab.truth().keys.len();
        let lacking = lab.error(&["configure", &profile]);
        assert_eq!(lacking["name"], "CA_UNAVAILABLE", "{persona}: {lacking}");
        assert!(
            lacking["message"].as_str().unwrap().starts_with("wired.ieee8021x: the machine needs a certificate for")
        );
        assert!(lacking["hint"].as_str().unwrap().contains("--authority FILE"), "{lacking}");
        assert_eq!(lab.truth().keys.len(), keys, "{persona}: nothing is begun that can't be ended");
        let empty = write(folder.path(), "empty.toml", "database = \"x\"\n");
        let wrong = lab.error(&["configure", &profile, "--authority", &empty]);
        assert!(wrong["message"].as_str().unwrap().contains("there is no section [ca]"), "{wrong}");

        let authority = write(folder.path(), "server.toml", LOCAL);
        let configure = ["configure", profile.as_str(), "--authority", authority.as_str()];
        let done = lab.json(&configure);
        assert!(done["writes"].as_u64().unwrap() > 3, "{persona}: {done}");
        let truth = lab.truth();
        assert_eq!((shown(&truth).len(), truth.keys.len()), (1, keys + 1), "{persona}: {truth:?}");
        assert!(folder.path().join("ca.pem").exists(), "the authority of the file");
        assert_eq!(lab.json(&configure)["writes"], 0, "{persona}");
        assert_eq!(
            lab.json(&["configure", &profile])["writes"],
            0,
            "{persona}: no authority is needed for what is there"
        );
    }
}

#[test]
fn an_authority_that_is_not_decided_is_asked_again_by_the_next_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new(43, |_| {});
    let folder = tempfile::tempdir().unwrap();
    let profile = write(folder.path(), "desk.toml", PROFILE);
    // Waits for the file "approved", and tells what it was asked for.
    let script = "#!/bin/sh\ncat > request.pem\nprintf '%s %s\\n' \"$AMT_PURPOSE\" \"$AMT_REQUEST_ID\" >> asked\n\
                  if [ -e approved ]; then echo '{\"denied\":\"not this one\"}'; else echo '{\"pending\":\"7\",\"words\":\"ask Ann\"}'; fi\n";
    let script = script.replace("request.pem", &folder.path().join("request.pem").display().to_string());
    let script = script.replace(">> asked", &format!(">> {}", folder.path().join("asked").display()));
    let script = script.replace("-e approved", &format!("-e {}", folder.path().join("approved").display()));
    let program = write(folder.path(), "ask", &script);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    let authority = write(folder.path(), "ca.toml", "[ca]\n[client_ca]\nkind = \"command\"\nprogram = \"./ask\"\n");
    let configure = ["configure", profile.as_str(), "--authority", authority.as_str()];
    for _ in 0..2 {
        let waits = lab.error(&configure);
        assert_eq!(waits["name"], "CA_PENDING", "{waits}");
        assert!(waits["message"].as_str().unwrap().contains("ask Ann"), "{waits}");
    }
    std::fs::write(folder.path().join("approved"), "").unwrap();
    let denied = lab.error(&configure);
    assert_eq!(denied["name"], "CA_DENIED", "{denied}");
    assert!(denied["message"].as_str().unwrap().contains("not this one"), "{denied}");
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
    assert_eq!(asked, "client \nclient 7\nclient 7\n", "one request, by its id");
    let truth = lab.truth();
    assert!(shown(&truth).is_empty());
    // Another authority, and the same key.
    let local = write(folder.path(), "server.toml", LOCAL);
    lab.json(&["configure", &profile, "--authority", &local]);
    assert_eq!((shown(&lab.truth()).len(), lab.truth().keys.len()), (1, truth.keys.len()));
}
