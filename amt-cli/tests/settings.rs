//! Settings of a profile at the command line and by the setup server, on virtual machines: applied after setup, kept, read back, and
//! passwords rotated.
#![cfg(target_os = "linux")]

use amt_sim::authority::ProvisioningChain;
use amt_sim::{RootHash, SimConfig, Simulator};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SUFFIX: &str = "example.com";
const PATIENCE: Duration = Duration::from_secs(90);
const OFFICE: &str = r#"
format = 1
name = "Office"
[passwords]
mebx = { derived_from = { file = "master.txt" } }
[general]
ping = false
[redirection]
listener = true
sol = true
[[access.users]]
name = "helpdesk"
password = { file = "helpdesk.txt" }
from = "network"
realms = ["redirection", "remote-control"]
"#;

/// A server that ends with the test, however that ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A setup server with the provisioning certificate in `chain.pem`, which applies `settings`; its database is there.
async fn serve(folder: &Path, listen: SocketAddr, settings: &str) -> Server {
    let config = format!(
        "listen = \"{listen}\"\ndatabase = \"fleet.db\"\nseal_key_file = \"seal.key\"\ndns_suffixes = [\"{SUFFIX}\"]\n\
         admit = \"auto\"\n[[provisioning_certificate]]\npem = \"chain.pem\"\n[profile]\nguess_spacing = \"100ms\"\n\
         settings = \"{settings}\"\n"
    );
    std::fs::write(folder.join("amt.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_amt"));
    command.args(["serve", "--json", "--config", "amt.toml"]).current_dir(folder);
    let server = Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let begun = Instant::now();
    while !folder.join("fleet.db").exists() {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server
}

/// Exit status, the one document on standard output, and standard error.
async fn amt(folder: &Path, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_amt"));
    // Virtual machines of several tests have one UUID.
    command.args(arguments).arg("--json").current_dir(folder).env("XDG_STATE_HOME", folder);
    let output = command.output().await.unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), document, String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn fleet(folder: &Path, arguments: &[&str]) -> Value {
    let all = [&["fleet"], arguments, &["--config", "amt.toml"]].concat();
    let (_, document, errors) = amt(folder, &all).await;
    assert!(!document.is_null(), "{arguments:?}: {errors}");
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_follow_a_setup_and_stay_true() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let chain = ProvisioningChain::new(SUFFIX);
    std::fs::write(folder.join("chain.pem"), chain.pem()).unwrap();
    std::fs::write(folder.join("office.toml"), OFFICE).unwrap();
    std::fs::write(folder.join("helpdesk.txt"), "H3lpdesk!pw\n").unwrap();
    std::fs::write(folder.join("master.txt"), "correct horse battery staple\n").unwrap();
    let _server = serve(folder, listen, "office.toml").await;
    let begun = Instant::now();
    let mut config = SimConfig::new(1);
    config.base_address = Ipv4Addr::new(127, 91, 8, 1);
    config.hello = Some(listen);
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some(SUFFIX.to_owned());
    config.time_scale = 20.0;
    let _simulator = Simulator::start(config).await.unwrap();

    // Set up, and then what the settings say, without anybody asking for it.
    let shown = loop {
        let list = fleet(folder, &["list"]).await;
        if let Some(id) = list["machines"][0]["uuid"].as_str() {
            let shown = fleet(folder, &["show", id]).await;
            if shown["settings"]["profile"] == "Office" {
                break shown;
            }
        }
        assert!(begun.elapsed() < PATIENCE, "{list:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let (_, explained, _) = amt(folder, &["profile", "explain", "office.toml"]).await;
    assert_eq!(shown["settings"]["revision"], explained["revision"]);
    let again = fleet(folder, &["run", "configure", "--where", "verified", "--wait", "--timeout", "90s"]).await;
    assert_eq!(again["machines"][0]["message"], "it is as Office says", "{again:#}");

    // The same by hand, with a password that was rotated meanwhile.
    let rotated = fleet(folder, &["run", "rotate", "--where", "verified", "--wait", "--timeout", "90s"]).await;
    assert_eq!(rotated["machines"][0]["message"], "it has another password", "{rotated:#}");
    let exported = fleet(folder, &["export-credentials", "-o", "-"]).await;
    let password =
        exported["machines"][0]["credentials"][0]["password"].as_str().unwrap_or_else(|| panic!("{exported:#}"));
    std::fs::write(folder.join("admin.txt"), password).unwrap();
    let id = shown["uuid"].as_str().unwrap().parse().unwrap();
    let derived = amt_provision::profile::derive(&"correct horse battery staple".into(), "mebx", id);
    assert_eq!(exported["machines"][0]["mebx"][0], derived.expose().as_str());
    let reach = ["--host", "127.91.8.1", "--insecure-any", "--password-file", "admin.txt"];
    let configure = |more: &[&'static str]| [&["configure", "office.toml"], more, &reach].concat();
    let (status, applied, errors) = amt(folder, &configure(&["--dry-run"])).await;
    assert_eq!(status, Some(0), "{errors}");
    // The record of the server is not this one's: only what can't be read back differs.
    let fields: Vec<_> = applied["changes"].as_array().unwrap().iter().map(|c| c["field"].as_str().unwrap()).collect();
    assert_eq!((fields, &applied["writes"]), (vec!["access.users[0].password"], &0.into()));
    let (_, applied, _) = amt(folder, &configure(&[])).await;
    assert_eq!(applied["writes"], 1, "{applied}");
    let (_, applied, _) = amt(folder, &configure(&[])).await;
    assert_eq!((&applied["writes"], applied["changes"].as_array().unwrap().len()), (&0.into(), 0));
    let record = std::fs::read_dir(folder.join("office.toml.records")).unwrap().next().unwrap().unwrap().path();
    assert!(!std::fs::read_to_string(record).unwrap().contains("H3lpdesk"), "the record holds no secret");

    // The help desk may do what its realms allow, and is told what it lacks otherwise.
    let helpdesk = ["--host", "127.91.8.1", "--insecure-any", "--user", "helpdesk", "--password-file", "helpdesk.txt"];
    let (_, power, errors) = amt(folder, &[&["power", "status"], &helpdesk[..]].concat()).await;
    assert_eq!(power["state"], "on", "{errors}");
    let (status, _, errors) = amt(folder, &[&["audit"], &helpdesk[..]].concat()).await;
    assert!(status == Some(1) && errors.contains("AccessDenied") && errors.contains("realm 20"), "{errors}");

    let (_, status, errors) = amt(folder, &[&["status"], &reach[..]].concat()).await;
    assert_eq!((&status["provisioning_state"], &status["control_mode"]), (&2.into(), &"admin".into()), "{errors}");
    assert_eq!(status["certificate_sha256"], shown["certificate_sha256"]);

    // Another console's database takes the machine as it is, and its jobs reach it.
    std::fs::create_dir(folder.join("other")).unwrap();
    std::fs::write(
        folder.join("other.toml"),
        "database = \"other/fleet.db\"\nseal_key_file = \"other/seal.key\"\n\
        [[provisioning_certificate]]\npem = \"chain.pem\"\n",
    )
    .unwrap();
    drop(
        amt_fleet::Fleet::open_with_key_file(folder.join("other/fleet.db"), folder.join("other/seal.key"))
            .await
            .unwrap(),
    );
    let adopt = [&["fleet", "adopt", "--config", "other.toml", "--by", "test"], &reach[..]].concat();
    let (status, adopted, errors) = amt(folder, &adopt).await;
    assert_eq!(
        (status, &adopted["uuid"], &adopted["control_mode"]),
        (Some(0), &shown["uuid"], &"admin".into()),
        "{errors}"
    );
    let show = ["fleet", "show", shown["uuid"].as_str().unwrap(), "--config", "other.toml"];
    let (_, other, errors) = amt(folder, &show).await;
    assert_eq!(
        (&other["state"], &other["certificate_sha256"]),
        (&"verified".into(), &shown["certificate_sha256"]),
        "{errors}"
    );
    assert!(other["settings"].is_null() && other["actions"].as_array().unwrap().is_empty(), "{other:#}");

    // The same by a list, in which one machine is not there: the other is taken none the less, and the verdict tells.
    let list = format!("name;password;owner\n127.91.8.1;{password};it\n127.91.8.99;x;it\n");
    std::fs::write(folder.join("list.csv"), list).unwrap();
    let many =
        ["fleet", "adopt", "--list", "list.csv", "--insecure-any", "--config", "other.toml", "--by", "test", "--json"];
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_amt")).args(many).current_dir(folder).output().await;
    let output = output.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["line"].as_u64());
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(lines[0], serde_json::json!({ "machines": 2, "adopted": 1, "failed": 1 }), "{text}");
    assert_eq!((&lines[1]["host"], &lines[1]["uuid"]), (&"127.91.8.1".into(), &shown["uuid"]), "{text}");
    assert_eq!((&lines[2]["line"], &lines[2]["error"]["stage"]), (&3.into(), &"connect".into()), "{text}");
    assert!(!text.contains(password), "no password is told");
    let (status, _, errors) = amt(folder, &["fleet", "adopt", "--insecure-any", "--config", "other.toml"]).await;
    assert!(status == Some(2) && errors.contains("--list"), "{errors}");

    // Another password, by hand.
    let rotate = |current: &'static str, new: &'static str| {
        vec!["rotate", "--host", "127.91.8.1", "--insecure-any", "--password-file", current, "--new-password-file", new]
    };
    let (status, done, errors) = amt(folder, &rotate("admin.txt", "new.txt")).await;
    assert_eq!((status, &done["changed"]), (Some(0), &true.into()), "{errors}");
    let (status, done, errors) = amt(folder, &rotate("new.txt", "new.txt")).await;
    assert_eq!((status, &done["changed"]), (Some(0), &false.into()), "{errors}");
    let (status, _, errors) = amt(folder, &configure(&["--dry-run"])).await;
    assert!(status == Some(1) && errors.contains("WRONG_OR_LOCKED"), "{errors}");
}

/// The server finds a machine where it sent it, and so does every job after that.
#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_gets_a_fixed_address_stays_the_servers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let chain = ProvisioningChain::new(SUFFIX);
    std::fs::write(folder.join("chain.pem"), chain.pem()).unwrap();
    let mut config = SimConfig::new(1);
    config.base_address = Ipv4Addr::new(127, 91, 9, 1);
    config.hello = Some(listen);
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some(SUFFIX.to_owned());
    config.time_scale = 20.0;
    let simulator = Simulator::start(config).await.unwrap();
    let id = simulator.machines()[0].id;
    let profile = format!(
        "format = 1\nname = \"Fixed\"\n[machines.{id}.wired]\nmode = \"static\"\naddress = \"127.91.9.77\"\nmask = \"255.0.0.0\"\n\
         gateway = \"127.91.9.254\"\ndns = [\"127.91.9.53\"]\n"
    );
    std::fs::write(folder.join("fixed.toml"), profile).unwrap();
    let _server = serve(folder, listen, "fixed.toml").await;
    let begun = Instant::now();
    simulator.say_hello(id);
    loop {
        let list = fleet(folder, &["list"]).await;
        if list["machines"][0]["address"] == "127.91.9.77" {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{list:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let clock = fleet(folder, &["run", "clock", "--where", "verified", "--wait", "--timeout", "90s"]).await;
    assert_eq!(clock["machines"][0]["message"], "its clock is right", "{clock:#}");
    assert_eq!(simulator.truths()[0].address, "127.91.9.77");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `docs/profile.md` ends with the schema as a page, and the examples are what they claim to be.
#[tokio::test]
async fn the_page_and_the_examples_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/profile.md")).unwrap();
    let (_, fields) = page.split_once("made by `amt profile schema --markdown`. -->\n\n").expect("the mark is there");
    let current = amt_provision::profile::reference();
    assert!(fields == current, "make the end of docs/profile.md anew with `amt profile schema --markdown`");
    let mut examples = 0;
    for entry in std::fs::read_dir(root.join("examples/profiles")).unwrap() {
        let path = entry.unwrap().path();
        let (status, document, errors) = amt(root, &["profile", "check", path.to_str().unwrap()]).await;
        assert_eq!(status, Some(0), "{path:?}: {document} {errors}");
        examples += 1;
    }
    assert_eq!(examples, 3);
    let (status, document, _) =
        amt(root, &["profile", "check", "examples/profiles/laptop-wifi-cira.toml", "--firmware", "9.5"]).await;
    assert_eq!((status, document["findings"].as_array().unwrap().len()), (Some(0), 0));
    let (status, document, _) =
        amt(root, &["profile", "check", "examples/profiles/laptop-wifi-cira.toml", "--secrets"]).await;
    let fields: Vec<_> =
        document["findings"].as_array().unwrap().iter().map(|f| f["field"].as_str().unwrap()).collect();
    assert!(status == Some(1) && fields.contains(&"remote_access.server.root"), "{document}");
}
