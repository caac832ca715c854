//! What the documents show works: configurations are read, answers understood, the check of a signature checks.

use amt_fleet::config::Config;
use amt_fleet::resolve::{Answer, look};
use amt_fleet::{Fleet, GuardPolicy, KnownMachine};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of a language in a document.
fn blocks(name: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let text = document(name);
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_configuration_that_is_shown_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("provisioning.pfx", "x"),
        ("provisioning-chain.pem", "x"),
        ("pfx-password", "secret\n"),
        ("lab-password", "Fixed1!password\n"),
        ("webhook.secret", "shared\n"),
        ("machines.csv", &indented_list()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut seen = BTreeSet::new();
    for name in ["setup-server.md", "resolver.md", "actions.md", "identity.md", "intake.md", "filters.md"] {
        for block in blocks(name, "toml") {
            let files = "database = \"fleet.db\"\nseal_key_file = \"seal.key\"\n";
            let text = if block.contains("database = ") { block.clone() } else { format!("{files}{block}") };
            let config = Config::parse(&text, folder.path(), name).unwrap_or_else(|e| panic!("{}\n{block}", e.message));
            seen.extend([
                (!config.rules.0.is_empty()).then_some("rule"),
                (!config.actions.is_empty()).then_some("action"),
                config.resolver.is_some().then_some("resolver"),
                (config.guard != GuardPolicy::default()).then_some("guard"),
                config.profiles.find("standard").is_ok().then_some("profiles"),
                (config.known.len() == 2).then_some("known"),
            ]);
        }
    }
    let all = ["rule", "action", "resolver", "guard", "profiles", "known"];
    assert!(all.iter().all(|section| seen.contains(&Some(*section))), "{seen:?}");
}

#[cfg(feature = "directory")]
#[test]
fn the_directory_that_is_shown_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = rcgen::generate_simple_self_signed(vec!["dc1.example.com".to_owned()]).unwrap();
    std::fs::write(folder.path().join("ca.pem"), root.cert.pem()).unwrap();
    std::fs::write(folder.path().join("bind.txt"), "secret\n").unwrap();
    let text =
        format!("database = \"fleet.db\"\nseal_key_file = \"seal.key\"\n{}", blocks("kerberos.md", "toml").remove(0));
    let config = Config::parse(&text, folder.path(), "kerberos.md").unwrap_or_else(|e| panic!("{}\n{text}", e.message));
    assert!(config.directory.is_some());
}

/// The list in identity.md.
fn indented_list() -> String {
    let text = document("identity.md");
    let lines = text.lines().skip_while(|line| !line.starts_with("    uuid,mac,"));
    lines.map_while(|line| line.strip_prefix("    ")).map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn the_question_and_the_answer_of_the_resolver_are_as_shown() {
    let shown = blocks("resolver.md", "json");
    let question: Value = serde_json::from_str(&shown[0]).unwrap();
    let answer: Answer = serde_json::from_str(&shown[1]).unwrap();
    assert!(answer.normalised().is_ok());
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::open_with_key_file(folder.path().join("db"), folder.path().join("key")).await.unwrap();
    let id = "4c4c4544-0042-3510-8052-b4c04f564433".parse().unwrap();
    fleet.import(vec![KnownMachine::new(id)]).await.unwrap();
    let real = look(&fleet, &GuardPolicy::default(), id).await.unwrap().to_json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&question), keys(&real));
    // The program that is shown answers it.
    let program = blocks("resolver.md", "python").remove(0);
    let answer = python(&program, &question.to_string());
    let answer: Answer = serde_json::from_str(&answer).unwrap();
    assert_eq!((answer.name.as_deref(), answer.profile.as_deref()), (Some("pc1"), Some("desk")));
}

#[test]
fn the_check_of_a_signature_that_is_shown_takes_what_is_genuine_and_nothing_else() {
    let check = blocks("actions.md", "python").remove(0);
    let body = "{\"id\":17}";
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"shared");
    let tag = ring::hmac::sign(&key, format!("1700000000.{body}").as_bytes());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let program = format!(
        "{check}\nimport sys\nbody = sys.stdin.read().encode()\n\
         headers = {{'X-AMT-Timestamp': '1700000000', 'X-AMT-Signature': 'sha256={tag}'}}\n\
         now = lambda: 1700000010\n\
         print(is_genuine(b'shared', headers, body, now), is_genuine(b'other', headers, body, now),\n\
               is_genuine(b'shared', headers, body + b' ', now), is_genuine(b'shared', headers, body, lambda: 1700001000),\n\
               is_genuine(b'shared', {{}}, body, now))\n"
    );
    assert_eq!(python(&program, body).trim(), "True False False False False");
}

fn python(program: &str, input: &str) -> String {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut command = Command::new("python3");
    command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python3 runs");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}
