//! Jobs at the command line, done by a real server on virtual machines, and gone on with by the next one.
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

/// A server that ends with the test, however that ends.
struct Server(Child);

impl Server {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amt"));
        command.args(["serve", "--json", "--config", "amt.toml"]).current_dir(folder);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Exit status and the one document on standard output.
async fn fleet(folder: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_amt"));
    command.arg("fleet").args(arguments).args(["--config", "amt.toml", "--json"]).current_dir(folder);
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let document = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{arguments:?}: {e}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), document)
}

/// Waits until as many machines fit an expression.
async fn until(folder: &Path, expression: &str, machines: usize) {
    let begun = Instant::now();
    loop {
        let (_, document) = fleet(folder, &["list", "--where", expression]).await;
        if document["machines"].as_array().map(Vec::len) == Some(machines) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "not {machines} machines with {expression}: {document:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn states(job: &Value) -> Vec<&str> {
    job["machines"].as_array().unwrap().iter().map(|machine| machine["state"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_done_by_the_server_that_runs_and_gone_on_with_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let chain = ProvisioningChain::new(SUFFIX);
    std::fs::write(folder.join("chain.pem"), chain.pem()).unwrap();
    let config = format!(
        "listen = \"{listen}\"\ndatabase = \"fleet.db\"\nseal_key_file = \"seal.key\"\ndns_suffixes = [\"{SUFFIX}\"]\n\
         [[provisioning_certificate]]\npem = \"chain.pem\"\n[profile]\nguess_spacing = \"100ms\"\n"
    );
    std::fs::write(folder.join("amt.toml"), config).unwrap();
    let server = Server::start(folder);
    let begun = Instant::now();
    while !folder.join("fleet.db").exists() {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut config = SimConfig::new(3);
    config.base_address = Ipv4Addr::new(127, 91, 6, 1);
    config.hello = Some(listen);
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some(SUFFIX.to_owned());
    config.time_scale = 20.0;
    let _simulator = Simulator::start(config).await.unwrap();

    until(folder, "parked_code = UNKNOWN", 3).await;
    // The diary, from which the time comes, is written a moment later.
    let parked = loop {
        let (_, parked) = fleet(folder, &["parked"]).await;
        if parked["machines"][0]["since"].is_string() || begun.elapsed() > PATIENCE {
            break parked;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(parked["machines"][0]["since"].is_string() && parked["machines"][0]["hello_at"].is_string(), "{parked:#}");
    let release = ["run", "release", "--where", "parked", "--wait", "--timeout", "90s"];
    let (status, job) = fleet(folder, &release).await;
    assert_eq!((status, states(&job)), (Some(0), vec!["done"; 3]), "{job:#}");
    until(folder, "verified", 3).await;
    let (_, shown) = fleet(folder, &["show", job["machines"][0]["uuid"].as_str().unwrap()]).await;
    let by = shown["released"]["by"].as_str().unwrap();
    assert!(by.starts_with("job "), "{by}");

    drop(server);
    let refresh = ["run", "refresh", "--where", "verified", "--concurrency", "2"];
    let (status, job) = fleet(folder, &refresh).await;
    assert_eq!((status, &job["over"]), (Some(0), &false.into()), "nobody is there to do it");
    let _server = Server::start(folder);
    let number = job["job"].to_string();
    let (status, job) = fleet(folder, &["job", "show", &number, "--wait", "--timeout", "90s"]).await;
    assert_eq!((status, states(&job)), (Some(0), vec!["done"; 3]), "{job:#}");

    let rename = ["run", "rename", "--where", "verified", "--wait", "--timeout", "90s"];
    let (status, job) = fleet(folder, &rename).await;
    let message = job["machines"][0]["message"].as_str().unwrap();
    assert!(status == Some(0) && message.starts_with("it carries its name amt-"), "{job:#}");

    // Taken back only if somebody says so, and then kept out.
    let mut unasked = Command::new(env!("CARGO_BIN_EXE_amt"));
    unasked.args(["fleet", "run", "unprovision", "--where", "verified", "--config", "amt.toml"]).current_dir(folder);
    let unasked = unasked.stdin(Stdio::null()).output().unwrap();
    assert!(unasked.status.code() == Some(2) && String::from_utf8_lossy(&unasked.stderr).contains("--yes"));
    let (_, would) = fleet(folder, &["run", "unprovision", "--where", "verified", "--dry-run"]).await;
    assert!(would["machines"][2]["message"].as_str().unwrap().contains("taken back in full"), "{would:#}");
    until(folder, "verified", 3).await;
    let run = ["run", "unprovision", "--where", "verified", "--yes", "--wait", "--timeout", "90s"];
    let (status, job) = fleet(folder, &run).await;
    assert_eq!((status, states(&job)), (Some(0), vec!["done"; 3]), "{job:#}");
    until(folder, "parked_code = TAKEN-BACK", 3).await;
    let (_, shown) = fleet(folder, &["show", job["machines"][0]["uuid"].as_str().unwrap()]).await;
    assert_eq!((&shown["taken_back"]["extent"], &shown["verified"]), (&"full".into(), &false.into()), "{shown:#}");
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
