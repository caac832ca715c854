//! `amt enroll` as a process on a machine, against the real intake and, from hello to proof, the real setup server.
#![cfg(unix)]

use amt_core::SystemId;
use amt_fleet::ca::{LocalCa, LocalCaFiles};
use amt_fleet::intake::Intake;
use amt_fleet::{FactKey, Fleet, KnownMachine, Server, TokenTerms};
use amt_sim::authority::ProvisioningChain;
use amt_sim::{RootHash, SimConfig, Simulator};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::oneshot;

const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

/// A site: database, intake, and the files that a machine there has.
struct Site {
    folder: TempDir,
    fleet: Fleet,
    address: SocketAddr,
    pin: String,
    _stop: oneshot::Sender<()>,
}

impl Site {
    async fn start() -> Self {
        Self::start_at(tempfile::tempdir().unwrap(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    async fn start_at(folder: TempDir, listen: SocketAddr) -> Self {
        let root = folder.path();
        let fleet = Fleet::open_with_key_file(root.join("fleet.db"), root.join("seal.key")).await.unwrap();
        let intake = Intake::builder(fleet.clone()).listen([listen]).bind().await.unwrap();
        let (address, pin) = (intake.addresses()[0], intake.pin().to_owned());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(intake.run(async { drop(stopped.await) }));
        let (_, token) = fleet.new_token(TokenTerms::default()).await.unwrap();
        std::fs::write(root.join("token"), format!("{}\n", token.reveal().expose())).unwrap();
        Self { folder, fleet, address, pin, _stop: stop }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// `amt enroll` on a machine of this site; the token is not among the arguments.
    fn enroll(&self, uuid: &str) -> Command {
        let mut command = enroll(self.folder.path(), uuid, self.address.port());
        command.args(["--pin", &self.pin]);
        command
    }

    /// With the token; the key is kept in the site's folder.
    fn enroll_with_token(&self, uuid: &str) -> Command {
        let mut command = self.enroll(uuid);
        command.args(["--token-file", "token", "--state", "state.json"]);
        command
    }
}

fn enroll(folder: &Path, uuid: &str, port: u16) -> Command {
    let root = folder.join("root");
    let put = |path: &str, text: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("sys/class/dmi/id/product_uuid", uuid);
    put("sys/class/dmi/id/sys_vendor", "Dell Inc.");
    put("sys/class/dmi/id/product_name", "OptiPlex 7090");
    put("sys/class/dmi/id/product_serial", "ABC1234");
    put("proc/sys/kernel/hostname", "pc7");
    let mut command = Command::new(env!("CARGO_BIN_EXE_amt"));
    command
        .args(["enroll", "--system-root", "root", "--server", &format!("https://127.0.0.1:{port}")])
        .current_dir(folder)
        .env_remove("AMT_ENROLL_TOKEN")
        .stdin(Stdio::null());
    command
}

/// Runs it beside the servers of the test.
async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    String::from_utf8(bytes.to_vec()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn error(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    serde_json::from_slice::<Value>(&output.stderr).unwrap()["error"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_is_shown_from_parked_to_verified() {
    let site = Site::start().await;
    let root = site.folder.path();
    let chain = ProvisioningChain::new("example.com");
    let certificate = amt::ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap();
    let ca = LocalCa::open(&LocalCaFiles::new(root.join("ca.pem"), root.join("ca.key"))).unwrap();
    let server = Server::builder(site.fleet.clone())
        .listen([SocketAddr::from((Ipv4Addr::LOCALHOST, 0))])
        .certificates([certificate])
        .ca(Arc::new(ca))
        .dns_suffixes(["example.com".to_owned()])
        .bind()
        .await
        .unwrap();
    let mut config = SimConfig::new(1);
    config.base_address = Ipv4Addr::new(127, 91, 0, 1);
    config.hello = Some(server.addresses()[0]);
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some("example.com".to_owned());
    config.time_scale = 40.0;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(server.run(async { drop(stopped.await) }));
    let simulator = Simulator::start(config).await.unwrap();
    let id = simulator.machines()[0].id;

    let mut command = site.enroll_with_token(&id.to_string());
    command.args(["--json", "--live", "--name", "reception.example.com", "--timeout", "2m"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (send, mut events) = tokio::sync::mpsc::unbounded_channel::<Value>();
    let stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let _ = send.send(serde_json::from_str(&line.unwrap()).unwrap());
        }
    });
    let (mut seen, mut text) = (Vec::new(), String::new());
    let mut told = Vec::new();
    while let Some(event) = events.recv().await {
        text += &event.to_string();
        told.push(event["event"].as_str().unwrap().to_owned());
        if event["event"] == "status" {
            let stage = event["stage"].as_str().unwrap().to_owned();
            if stage == "parked" && !seen.contains(&stage) {
                assert!(event["message"].as_str().unwrap().contains("UNKNOWN"), "{event}");
                let mut known = KnownMachine::new(id);
                known.host_name = Some("reception".to_owned());
                known.domain_name = Some("example.com".to_owned());
                site.fleet.import(vec![known]).await.unwrap();
            }
            if seen.last() != Some(&stage) {
                seen.push(stage);
            }
        }
    }
    reader.join().unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{seen:?} {output:?}");
    assert_eq!(told[..2], ["system", "reported"]);
    assert_eq!(told.last().unwrap(), "ended");
    let at = |stage: &str| seen.iter().position(|s| s == stage).unwrap_or_else(|| panic!("{stage}: {seen:?}"));
    assert!(at("parked") < at("verified"), "{seen:?}");
    // A virtual machine may be through with it before the client asks again.
    let between = seen.iter().filter(|stage| !["reported", "heard", "parked", "verified"].contains(&stage.as_str()));
    assert!(between.clone().all(|stage| stage == "working"), "{seen:?}");
    assert_eq!(seen.last().unwrap(), "verified");
    assert!(site.fleet.machine(id).await.unwrap().is_verified());
    let facts = site.fleet.facts(id).await.unwrap();
    for (key, value) in [
        (FactKey::Fqdn, "reception.example.com"),
        (FactKey::Model, "Dell Inc. OptiPlex 7090"),
        (FactKey::Serial, "ABC1234"),
        (FactKey::Environment, "live"),
    ] {
        assert_eq!(facts.value(key), Some(value));
    }

    // Its secrets are where they belong and nowhere else, and it needs no token any more.
    let token = std::fs::read_to_string(site.file("token")).unwrap();
    let state = std::fs::read_to_string(site.file("state.json")).unwrap();
    let key = serde_json::from_str::<Value>(&state).unwrap()["client_key"].as_str().unwrap().to_owned();
    assert!(!text.contains(token.trim()) && !text.contains(&key));
    assert!(!state.contains(token.trim()));
    assert_eq!(std::fs::metadata(site.file("state.json")).unwrap().permissions().mode() & 0o777, 0o600);
    let mut again = site.enroll(&id.to_string());
    again.args(["--live", "--state", "state.json"]);
    let again = self::output(again).await;
    let people = String::from_utf8(again.stdout).unwrap();
    assert!(again.status.success() && people.contains("enrolled before") && people.contains("verified"), "{people}");

    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_run_again_it_is_the_same_client() {
    let site = Site::start().await;
    let mut command = site.enroll_with_token(UUID);
    let mut child: Child = command.arg("--json").stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let killed = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        while !line.contains("\"reported\"") {
            line.clear();
            assert_ne!(reader.read_line(&mut line).unwrap(), 0);
        }
        child.kill().unwrap();
        child.wait().unwrap()
    });
    assert!(!killed.await.unwrap().success());
    let before = std::fs::read_to_string(site.file("state.json")).unwrap();
    let mut command = site.enroll_with_token(UUID);
    command.args(["--json", "--timeout", "1s"]);
    let again = output(command).await;
    assert_eq!(lines(&again.stdout).iter().filter(|e| e["event"] == "reported").count(), 1, "{again:?}");
    let error = error(&again);
    assert_eq!(error["name"], "ENROLMENT");
    assert!(error["message"].as_str().unwrap().contains("reported") && error["hint"].as_str().unwrap().contains("AMT"));
    let after = std::fs::read_to_string(site.file("state.json")).unwrap();
    let key = |text: &str| serde_json::from_str::<Value>(text).unwrap()["client_key"].clone();
    assert_eq!(key(&before), key(&after));
    assert_eq!(site.fleet.tokens().await.unwrap()[0].used, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_comes_back() {
    let site = Site::start().await;
    let (address, pin, token) = (site.address, site.pin.clone(), std::fs::read(site.file("token")).unwrap());
    let Site { folder, fleet, _stop: stop, .. } = site;
    drop(stop);
    fleet.close().await;
    while std::net::TcpStream::connect(address).is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut command = enroll(folder.path(), UUID, address.port());
    command.args(["--pin", &pin, "--token-file", "first", "--state", "state.json", "--json", "--no-wait"]);
    std::fs::write(folder.path().join("first"), token).unwrap();
    let child = tokio::spawn(output(command));
    tokio::time::sleep(Duration::from_millis(700)).await;
    let site = Site::start_at(folder, address).await;
    assert_eq!(site.pin, pin, "the certificate is kept beside the database");
    let output = child.await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let events: Vec<String> = lines(&output.stdout).iter().map(|e| e["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!((events[0].as_str(), events[1].as_str()), ("system", "away"));
    assert_eq!(events[events.len() - 4..], ["back", "reported", "status", "ended"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_the_next_step() {
    let site = Site::start().await;
    std::fs::write(site.file("wrong"), format!("amt_{}\n", "A".repeat(43))).unwrap();
    std::fs::write(site.file("nonsense"), "hunter2\n").unwrap();
    let run = |arguments: &[&str]| {
        let mut command = enroll(site.folder.path(), UUID, site.address.port());
        command.args(["--json", "--live", "--timeout", "20s"]).args(arguments);
        output(command)
    };
    let pin = ["--pin", &site.pin];
    for (arguments, name, hint) in [
        (&["--token-file", "wrong", pin[0], pin[1]][..], "ENROLMENT", "token new"),
        (&["--token-file", "nonsense", pin[0], pin[1]], "PARSE_TEXT", "token new"),
        (&["--token-file", "absent", pin[0], pin[1]], "FILE_READ", "path"),
        (&[pin[0], pin[1]], "ENROLMENT", "token new"),
        (&["--token-file", "token", "--pin", &"ab".repeat(32)], "TLS_PIN_MISMATCH", "amt serve"),
        (&["--token-file", "token", "--ca", "fleet.db.intake.pem"], "TLS_HANDSHAKE", "--pin"),
        (&["--token-file", "token", "--ca", "wrong"], "CERTIFICATE_PARSE", "PEM"),
    ] {
        let output = run(arguments).await;
        let error = error(&output);
        assert!(error["name"] == name && error["hint"].as_str().unwrap().contains(hint), "{arguments:?}: {error}");
        assert!(!format!("{output:?}").contains("hunter2"));
    }
    assert_eq!(site.fleet.tokens().await.unwrap()[0].used, 0);
    // A stick that keeps nothing is another client when it is started again.
    assert_eq!(run(&["--token-file", "token", pin[0], pin[1], "--no-wait"]).await.status.code(), Some(0));
    assert!(!site.file("state.json").exists());
    let (_, token) = site.fleet.new_token(TokenTerms::default()).await.unwrap();
    std::fs::write(site.file("token"), token.reveal().expose()).unwrap();
    let error = error(&run(&["--token-file", "token", pin[0], pin[1], "--no-wait"]).await);
    assert!(error["message"].as_str().unwrap().contains("ENROLLED"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("token reset"), "{error}");
}

#[test]
fn arguments_that_cannot_be_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["--server", "http://intake.example.com"][..],
        &["--server", "https://"],
        &["--pin", "xyz"],
        &["--pin", "ab", "--ca", "x"],
        &["--ask", "--name", "pc1"],
        &["--ask", "--json"],
        &["--ask", "--token-file", "-"],
        &["--timeout", "soon"],
        &["--name", "not_a_name"],
    ] {
        let mut command = enroll(folder.path(), UUID, 1);
        if arguments[0] == "--server" {
            command = Command::new(env!("CARGO_BIN_EXE_amt"));
            command.arg("enroll");
        }
        let output = command.args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
    let placeholder = enroll(folder.path(), "03000200-0400-0500-0006-000700080009", 1)
        .args(["--json", "--pin", &"ab".repeat(32)])
        .output()
        .unwrap();
    assert_eq!(error(&placeholder)["name"], "IDENTITY_UNUSABLE");
}

/// What the console of a live stick shows: a terminal of its own for the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_console_the_name_is_asked_for_until_it_is_one() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let site = Site::start().await;
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let open = || std::fs::OpenOptions::new().read(true).write(true).open(&slave).unwrap();
    let mut command = site.enroll_with_token(UUID);
    command.args(["--ask", "--live", "--no-wait"]).env("TERM", "xterm");
    let mut child = command.stdin(open()).stdout(open()).stderr(open()).spawn().unwrap();
    drop(command);
    let mut console = std::fs::File::from(master);
    let mut screen = console.try_clone().unwrap();
    let talk = tokio::task::spawn_blocking(move || {
        let begin = Instant::now();
        let (mut shown, mut answers) = (String::new(), ["pc 1\n", "\n", "Reception\n"].iter());
        let mut asked = 0;
        let mut bytes = [0; 1024];
        // At its end the terminal gives an error on Linux.
        while let Ok(n @ 1..) = screen.read(&mut bytes) {
            shown += &String::from_utf8_lossy(&bytes[..n]);
            if shown.matches("name of this machine: ").count() > asked {
                asked += 1;
                console.write_all(answers.next().expect("no more questions").as_bytes()).unwrap();
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "{shown}");
        }
        (child.wait().unwrap(), shown)
    });
    let (status, shown) = talk.await.unwrap();
    assert!(status.success(), "{shown}");
    let asks = shown.matches("name of this machine: ").count();
    assert!(asks == 3 && shown.contains("is not a host name") && shown.contains("is empty"), "{shown}");
    assert!(shown.find("Dell Inc. OptiPlex 7090").unwrap() < shown.find("name of this machine").unwrap(), "{shown}");
    let id: SystemId = UUID.parse().unwrap();
    let facts = site.fleet.facts(id).await.unwrap();
    assert_eq!(facts.value(FactKey::HostName), Some("reception"));
    assert_eq!(facts.value(FactKey::Environment), Some("live"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_answer_nothing_is_sent() {
    let site = Site::start().await;
    let mut command = site.enroll_with_token(UUID);
    command.arg("--ask");
    let output = output(command).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(site.fleet.machines().await.unwrap().is_empty());
}
