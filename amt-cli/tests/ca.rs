//! `amt serve` with an authority that takes its time: AD CS behind `certreq`, and EST over TLS. The server is killed meanwhile; in the end
//! the machine has the one certificate, made for its one key, that was asked for once.
#![cfg(unix)]

#[path = "../../amt-fleet/tests/support/authority.rs"]
mod authority;

use amt_core::{ErrorCode, SystemId};
use amt_fleet::{Fleet, Machine, MachineState};
use amt_sim::authority::ProvisioningChain;
use amt_sim::firmware::MachineTruth;
use amt_sim::{RootHash, SimConfig, Simulator};
use authority::{AdCs, EstServer};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SUFFIX: &str = "example.com";
const PATIENCE: Duration = Duration::from_secs(90);
/// Attempts after which a machine without a request at the authority would be left to its next hello.
const ATTEMPTS: usize = 3;

/// A machine, and the files of its server.
struct World {
    folder: TempDir,
    simulator: Simulator,
    id: SystemId,
}

impl World {
    async fn new(network: u8, folder: TempDir, ca: &str, retry: &str) -> Self {
        let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let chain = ProvisioningChain::new(SUFFIX);
        std::fs::write(folder.path().join("chain.pem"), chain.pem()).unwrap();
        let text = format!(
            "listen = \"{listen}\"\ndatabase = \"fleet.db\"\nseal_key_file = \"seal.key\"\ndns_suffixes = [\"{SUFFIX}\"]\nadmit = \"auto\"\n\
             [[provisioning_certificate]]\npem = \"chain.pem\"\n[profile]\nguess_spacing = \"100ms\"\n\
             [retry]\nfirst = \"100ms\"\nmost = \"200ms\"\nattempts = {ATTEMPTS}\n{retry}\n[ca]\n{ca}\n"
        );
        std::fs::write(folder.path().join("amt.toml"), text).unwrap();
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::new(127, network, 7, 1);
        config.hello = Some(listen);
        config.roots = vec![RootHash::sha256(chain.root())];
        config.suffix = Some(SUFFIX.to_owned());
        config.time_scale = 20.0;
        config.seed = network.into();
        let simulator = Simulator::start(config).await.unwrap();
        let id = simulator.machines()[0].id;
        Self { folder, simulator, id }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn serve(&self) -> Server {
        let child = Command::new(env!("CARGO_BIN_EXE_amt"))
            .args(["serve", "--json", "--config"])
            .arg(self.path().join("amt.toml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Server(child)
    }

    fn truth(&self) -> MachineTruth {
        self.simulator.truth(self.id).unwrap()
    }

    async fn fleet(&self) -> Fleet {
        Fleet::open_with_key_file(self.path().join("fleet.db"), self.path().join("seal.key")).await.unwrap()
    }

    async fn machine(&self) -> Option<Machine> {
        if !self.path().join("fleet.db").exists() {
            return None;
        }
        let fleet = self.fleet().await;
        let machine = fleet.machine(self.id).await.ok();
        fleet.close().await;
        machine
    }

    async fn until(&self, what: &str, mut is_so: impl FnMut(&Machine) -> bool) -> Machine {
        let started = Instant::now();
        loop {
            let machine = self.machine().await;
            match machine {
                Some(machine) if is_so(&machine) => return machine,
                other => assert!(started.elapsed() < PATIENCE, "{what}: {other:?}\n{:?}", self.truth()),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The one end: set up, one key, one certificate, which is served; one request in the database.
    async fn check_end(self, times: usize) {
        let truth = self.truth();
        let machine = self.machine().await.unwrap();
        assert!(machine.is_verified(), "{machine:?}");
        assert_eq!(truth.keys.len(), 1, "one key pair, none leaked: {:?}", truth.keys);
        let made = truth.requests.get("AMT_PublicKeyManagementService.GenerateKeyPair");
        assert_eq!(made, Some(&1), "{:?}", truth.requests);
        let ours: Vec<_> = truth.certificates.iter().filter(|c| !c.trusted_root).collect();
        assert_eq!(ours.len(), 1, "{ours:?}");
        assert!(ours[0].served, "{ours:?}");
        assert_eq!(Some(ours[0].sha256.as_str()), machine.certificate_sha256.as_deref());
        assert_eq!(truth.commits, 1);
        let fleet = self.fleet().await;
        let requests = fleet.ca_requests(self.id).await.unwrap();
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert_eq!(requests[0].state, "issued");
        assert!(usize::try_from(requests[0].times).unwrap() > times, "{requests:?}");
        fleet.close().await;
        self.simulator.stop().await.unwrap();
    }
}

/// A server that does not outlive its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ad_cs(folder: &Path) -> (AdCs, String) {
    let adcs = AdCs::new(folder);
    let section = format!(
        "kind = \"certreq\"\nprogram = \"{}\"\nconfig = '{}'\ntemplate = \"{}\"\ntimeout = \"2s\"",
        adcs.certreq().display(),
        AdCs::AUTHORITY,
        AdCs::TEMPLATE
    );
    (adcs, section)
}

async fn est(folder: &Path) -> (EstServer, String) {
    let server = EstServer::start(folder, None).await;
    std::fs::write(folder.join("est-password"), format!("{}\n", EstServer::PASSWORD)).unwrap();
    let section = format!(
        "kind = \"est\"\nurl = \"{}\"\ntrust = \"est-root.pem\"\nuser = \"{}\"\npassword_file = \"est-password\"",
        server.url(),
        EstServer::USER
    );
    (server, section)
}

/// Waits until the authority was asked `more` times again.
async fn asked(more: usize, count: impl Fn() -> usize) {
    let (before, started) = (count(), Instant::now());
    while count() < before + more {
        assert!(started.elapsed() < PATIENCE, "asked {} times, {before} before", count());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ad_cs_decides_after_two_restarts_and_the_certificate_is_installed() {
    let folder = tempfile::tempdir().unwrap();
    let (adcs, section) = ad_cs(folder.path());
    let world = World::new(141, folder, &section, "").await;
    for _ in 0..2 {
        let server = world.serve();
        asked(ATTEMPTS + 2, || adcs.calls("-retrieve")).await;
        drop(server);
    }
    let _server = world.serve();
    asked(2, || adcs.calls("-retrieve")).await;
    // While an attempt is under way, none of an earlier one is shown.
    let failure = world.until("a failure", |machine| machine.failure.is_some()).await.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::CA_PENDING);
    assert!(failure.message.contains("request 17") && failure.message.contains("Taken Under Submission"), "{failure}");
    assert!(failure.hint.contains("-resubmit 17") && failure.hint.contains("Pending Requests"), "{failure:?}");
    assert_eq!(world.truth().keys.len(), 1);
    adcs.issue("17").await;
    world.until("verified", Machine::is_verified).await;
    assert_eq!((adcs.requests(), adcs.calls("-submit")), (vec!["17".to_owned()], 1));
    world.check_end(2 * ATTEMPTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn est_decides_after_two_restarts_and_the_certificate_is_installed() {
    let folder = tempfile::tempdir().unwrap();
    let (server, section) = est(folder.path()).await;
    server.set(|state| (state.answer, state.retry_after) = (Some((202, "Carla decides".to_owned())), Some(1)));
    let world = World::new(142, folder, &section, "").await;
    let posts = || server.state.lock().unwrap().posted.len();
    for _ in 0..2 {
        let process = world.serve();
        asked(ATTEMPTS + 1, posts).await;
        drop(process);
    }
    let _process = world.serve();
    asked(1, posts).await;
    let failure = world.until("a failure", |machine| machine.failure.is_some()).await.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::CA_PENDING);
    assert!(failure.message.contains("Carla decides") && failure.hint.contains("SHA-256"), "{failure:?}");
    server.set(|state| state.answer = None);
    world.until("verified", Machine::is_verified).await;
    {
        let state = server.state.lock().unwrap();
        assert!(state.posted.windows(2).all(|pair| pair[0] == pair[1]), "the same request each time");
        assert_eq!((state.issued.len(), state.refused), (1, 0));
    }
    world.check_end(2 * ATTEMPTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_the_server_is_killed_one_request_is_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let (adcs, section) = ad_cs(folder.path());
    let world = World::new(143, folder, &section, "").await;
    let mut random: u64 = 0x5eed;
    for _ in 0..25 {
        let server = world.serve();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        tokio::time::sleep(Duration::from_millis(100 + (random >> 33) % 500)).await;
        drop(server);
    }
    let _server = world.serve();
    asked(2, || adcs.calls("-retrieve")).await;
    adcs.issue("17").await;
    world.until("verified", Machine::is_verified).await;
    assert_eq!((adcs.requests(), adcs.calls("-submit")), (vec!["17".to_owned()], 1));
    world.check_end(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denial_is_told_in_the_authoritys_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let (adcs, section) = ad_cs(folder.path());
    let world = World::new(144, folder, &section, "").await;
    let _server = world.serve();
    asked(1, || adcs.calls("-retrieve")).await;
    adcs.deny("17", "The request was denied by a certificate manager or CA administrator.");
    let is_denied = |machine: &Machine| machine.failure.as_ref().is_some_and(|f| f.code == ErrorCode::CA_DENIED);
    let machine = world.until("denied", is_denied).await;
    let failure = machine.failure.unwrap();
    assert_eq!(machine.state, MachineState::Failed);
    assert!(failure.message.contains("Denied by EXAMPLE\\carla 0x80094014"), "{failure}");
    assert!(failure.hint.contains("new request"), "{failure:?}");
    let fleet = world.fleet().await;
    let requests = fleet.ca_requests(world.id).await.unwrap();
    assert_eq!((requests[0].request.as_str(), requests[0].state.as_str()), ("17", "denied"));
    assert!(requests[0].message.as_deref().unwrap().contains("EXAMPLE\\carla"), "{requests:?}");
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_never_decides_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (server, section) = est(folder.path()).await;
    server.set(|state| (state.answer, state.retry_after) = (Some((202, "Carla is on holiday".to_owned())), None));
    let world = World::new(145, folder, &section, "undecided = \"2s\"").await;
    let process = world.serve();
    let machine = world.until("given up", |machine| machine.state == MachineState::Failed).await;
    drop(process);
    let failure = machine.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::CA_PENDING);
    assert!(failure.message.contains("Carla is on holiday; given up after 2s"), "{failure}");
    let posted = server.state.lock().unwrap().posted.clone();
    assert!(posted.len() > ATTEMPTS && posted.windows(2).all(|pair| pair[0] == pair[1]));
    // Somebody comes back from holiday: the machine's next hello finds the same request decided.
    server.set(|state| state.answer = None);
    let _process = world.serve();
    world.until("verified", Machine::is_verified).await;
    world.check_end(ATTEMPTS).await;
}
