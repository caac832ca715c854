//! A setup server of a configuration whose provisioning certificate has its key elsewhere: a program signs, which has it.
#![cfg(unix)]

use amt::certificate::Bundle;
use amt_core::{ErrorCode, SystemId};
use amt_fleet::config::Config;
use amt_fleet::{CredentialKind, Fleet, MachineState, Observer, Progress, Server, Subscription};
use amt_sim::authority::ProvisioningChain;
use amt_sim::persona::Persona;
use amt_sim::{RootHash, SimConfig, Simulator};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const SUFFIX: &str = "example.com";
const PATIENCE: Duration = Duration::from_secs(120);

/// Signs with OpenSSL, unless the module is locked; writes down by which number it was asked.
const PROGRAM: &str = "#!/bin/sh\n\
    folder=$(dirname \"$0\")\n\
    if [ -e \"$folder/locked\" ]; then echo 'the module is locked' >&2; exit 3; fi\n\
    echo \"$AMT_CERTIFICATE $1\" >> \"$folder/asked\"\n\
    exec openssl dgst -sha256 -sign \"$folder/elsewhere/key.pem\"\n";

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

/// Chain, key and program, and a configuration that begins with a certificate for another site, whose key is here.
fn configured(folder: &Path, chain: &ProvisioningChain, more: &str) -> Config {
    let pem = chain.pem();
    let key_at = pem.find("-----BEGIN PRIVATE KEY-----").unwrap();
    std::fs::create_dir(folder.join("elsewhere")).unwrap();
    write(folder, "chain.pem", &pem[..key_at]);
    write(folder, "elsewhere/key.pem", &pem[key_at..]);
    write(folder, "other.pem", &ProvisioningChain::new("example.org").pem());
    write(folder, "sign", PROGRAM);
    std::fs::set_permissions(folder.join("sign"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let text = format!(
        "listen = \"127.0.0.1:0\"\ndatabase = \"fleet.db\"\nseal_key_file = \"seal.key\"\ndns_suffixes = [\"{SUFFIX}\"]\nadmit = \"auto\"\n\
         [[provisioning_certificate]]\npem = \"other.pem\"\n\
         [[provisioning_certificate]]\nchain = \"chain.pem\"\n\
         [provisioning_certificate.sign]\ncommand = \"./sign\"\narguments = [\"amt\"]\ntimeout = \"10s\"\n\
         [retry]\nfirst = \"500ms\"\nmost = \"1s\"\n{more}"
    );
    Config::parse(&text, folder, "amt.toml").unwrap()
}

/// SHA-256 of its leaf.
fn leaf(chain: &ProvisioningChain) -> String {
    Bundle::from_pem(chain.pem().as_bytes(), None, None).unwrap().leaf_sha256_hex()
}

/// The server, and one machine that says hello to it.
struct Site {
    fleet: Fleet,
    events: Subscription,
    simulator: Simulator,
    id: SystemId,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), amt_core::Failure>>,
}

impl Site {
    async fn new(config: &Config, chain: &ProvisioningChain, persona: &str, network: u8) -> Self {
        let fleet = Fleet::open_with_key_file(&config.files.database, &config.files.seal_key_file).await.unwrap();
        let server = Server::builder(fleet.clone()).config(config).await.unwrap().bind().await.unwrap();
        let persona = Persona::built_in(persona).unwrap();
        let mut sim = SimConfig::new(1);
        sim.base_address = Ipv4Addr::new(127, network, 0, 1);
        sim.hello = Some(server.addresses()[0]);
        sim.roots = vec![RootHash::of(persona.chain.root_hash, chain.root())];
        sim.suffix = Some(SUFFIX.to_owned());
        sim.time_scale = 20.0;
        sim.persona = Arc::new(persona);
        let events = server.subscribe();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(server.run(async { drop(stopped.await) }));
        let simulator = Simulator::start(sim).await.unwrap();
        let id = simulator.machines()[0].id;
        Self { fleet, events, simulator, id, stop, server }
    }

    /// Waits for an event of which `found` makes something.
    async fn until<T>(&mut self, found: impl Fn(&Progress) -> Option<T>) -> T {
        let event = async {
            loop {
                let event = self.events.next().await.expect("the server runs");
                if let Some(found) = found(&event.progress) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, event).await.expect("it happens in time")
    }

    async fn failed(&mut self) -> amt_core::Failure {
        let failed = |progress: &Progress| match progress {
            Progress::Failed { failure, .. } => Some(failure.clone()),
            _ => None,
        };
        self.until(failed).await
    }

    async fn verified(&mut self) {
        self.until(|progress| matches!(progress, Progress::Verified { .. }).then_some(())).await;
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.server).await.expect("it ends").unwrap().unwrap();
        self.simulator.stop().await.unwrap();
        self.fleet.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_told_plainly_and_the_machine_is_set_up_when_the_program_signs() {
    let folder = tempfile::tempdir().unwrap();
    let chain = ProvisioningChain::new(SUFFIX);
    let config = configured(folder.path(), &chain, "");
    write(folder.path(), "locked", "");
    let mut site = Site::new(&config, &chain, "16.0", 171).await;

    let failure = site.failed().await;
    assert_eq!(failure.code, ErrorCode::SIGNER, "{failure}");
    for part in ["sign ended with exit status: 3", "the module is locked"] {
        assert!(failure.message.contains(part), "{failure}");
    }
    let machine = site.fleet.machine(site.id).await.unwrap();
    assert!(!machine.is_verified() && machine.parked.is_none() && !machine.commit_sent);
    assert!(matches!(machine.state, MachineState::Waiting | MachineState::Working), "{:?}", machine.state);
    assert!(site.fleet.credentials(site.id).await.unwrap().is_empty(), "nothing was made for it yet");
    assert_eq!(site.simulator.truth(site.id).unwrap().control_mode, "none");

    std::fs::remove_file(folder.path().join("locked")).unwrap();
    site.verified().await;
    let machine = site.fleet.machine(site.id).await.unwrap();
    assert!(machine.is_verified() && machine.winner.is_some());
    let credentials = site.fleet.credentials(site.id).await.unwrap();
    let admin = credentials.iter().find(|c| c.kind == CredentialKind::Admin).unwrap();
    assert!(site.simulator.check_admin_password(site.id, admin.password.expose()));
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
    assert!(!asked.is_empty() && asked.lines().all(|line| line == "1 amt"), "its place in the configuration: {asked}");
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_may_decide_for_a_certificate_whose_key_is_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let chain = ProvisioningChain::new(SUFFIX);
    let sha256 = leaf(&chain);
    let config = configured(folder.path(), &chain, &format!("[[rule]]\ncertificate = \"{sha256}\"\n"));
    let mut site = Site::new(&config, &chain, "18.0", 172).await;
    site.verified().await;
    assert_eq!(site.fleet.machine(site.id).await.unwrap().winner.as_deref(), Some(sha256.as_str()));
    site.end().await;
}

#[cfg(feature = "legacy-tls")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_is_too_old_fails_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let chain = ProvisioningChain::new(SUFFIX);
    let more = format!("[profile]\nlegacy_tls = \"allow\"\n[[rule]]\ncertificate = \"{}\"\n", leaf(&chain));
    let config = configured(folder.path(), &chain, &more);
    let mut site = Site::new(&config, &chain, "11.8", 173).await;
    let failure = site.failed().await;
    assert_eq!(failure.code, ErrorCode::UNSUPPORTED, "{failure}");
    assert!(failure.message.contains("TLS before 1.2") && failure.hint.contains("together with its key"), "{failure}");
    let machine = site.fleet.machine(site.id).await.unwrap();
    assert!(
        !machine.is_verified() && machine.state == MachineState::Failed,
        "until a hand has mended it: {:?}",
        machine.state
    );
    assert!(!folder.path().join("asked").exists(), "nothing was asked to be signed");
    site.end().await;
}

#[tokio::test]
async fn who_only_looks_judges_it_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let chain = ProvisioningChain::new(SUFFIX);
    let config = configured(folder.path(), &chain, "");
    let mut observer = Observer::bind(&config).await.unwrap();
    let mut sim = SimConfig::new(1);
    sim.base_address = Ipv4Addr::new(127, 174, 0, 1);
    sim.hello = Some(observer.addresses()[0]);
    sim.roots = vec![RootHash::sha256(chain.root())];
    let simulator = Simulator::start(sim).await.unwrap();
    let seen = timeout(PATIENCE, observer.next()).await.unwrap().unwrap();
    assert!(seen.ready, "{:?}", seen.verdicts);
    let fits: Vec<bool> = seen.verdicts.iter().map(amt_fleet::Verdict::fits).collect();
    assert_eq!(fits, [false, true], "{:?}", seen.verdicts);
    simulator.stop().await.unwrap();
    assert!(!folder.path().join("asked").exists(), "nothing was signed");
}
