//! Who is this machine? The whole story, with `amt serve` as a process that is killed at any moment: a stranger says hello, is provisioned
//! under a temporary name, booted from the network once, told its final name by a client on it, renamed, and found in a collection.
#![cfg(unix)]

use amt_core::SystemId;
use amt_fleet::filter::Filter;
use amt_fleet::intake::client::{Client, Trust};
use amt_fleet::intake::wire::{AgentFacts, ClientKey, Enroll, Token};
use amt_fleet::{ActionState, CredentialKind, Fleet, TokenTerms};
use amt_sim::authority::ProvisioningChain;
use amt_sim::firmware::MachineTruth;
use amt_sim::{RootHash, SimConfig, Simulator};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SUFFIX: &str = "example.com";
/// Kills that all stories together must survive.
const KILLS: u32 = 50;
/// A story without an end for so long has none.
const PATIENCE: Duration = Duration::from_secs(90);

/// Numbers that look random and are the same for one seed.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// One machine, its server's files, and whoever is told of it.
struct Story {
    folder: PathBuf,
    simulator: Simulator,
    id: SystemId,
    intake: SocketAddr,
    token: Token,
    key: ClientKey,
    told: Arc<Mutex<Vec<String>>>,
}

fn free_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Takes webhooks; refuses every third, so that some are repeated.
fn webhook() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let taken = Arc::clone(&told);
    std::thread::spawn(move || {
        for (count, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { continue };
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut length, mut delivery, mut signed) = (0, None, false);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                    break;
                }
                let line = line.trim().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length: ") {
                    length = value.parse().unwrap();
                } else if let Some(value) = line.strip_prefix("x-amt-delivery: ") {
                    delivery = Some(value.to_owned());
                }
                signed |= line.starts_with("x-amt-signature: sha256=");
            }
            let mut body = vec![0; length];
            let Some(delivery) = delivery.filter(|_| reader.read_exact(&mut body).is_ok()) else { continue };
            assert!(signed, "it has a secret");
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((&body["action"], &body["cause"]), (&"tell".into(), &"provisioned".into()));
            let status = if count % 3 == 0 {
                "503 Service Unavailable"
            } else {
                taken.lock().unwrap().push(delivery);
                "200 OK"
            };
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (address, told)
}

impl Story {
    async fn begin(folder: &Path, network: u8) -> Self {
        let (listen, intake) = (free_port(), free_port());
        let (hook, told) = webhook();
        let chain = ProvisioningChain::new(SUFFIX);
        let file = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        file("chain.pem", &chain.pem());
        file("secret", "shared with the webhook\n");
        file(
            "joined.sh",
            "#!/bin/sh\ncat > /dev/null\necho \"$AMT_ACTION_ID $AMT_NAME\" >> \"$(dirname \"$0\")/joined\"\n",
        );
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(folder.join("joined.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
        file(
            "amt.toml",
            &format!(
                r#"
                listen = "{listen}"
                database = "fleet.db"
                seal_key_file = "seal.key"
                dns_suffixes = ["{SUFFIX}"]
                admit = "auto"
                [[provisioning_certificate]]
                pem = "chain.pem"
                [profile]
                guess_spacing = "100ms"
                [retry]
                first = "100ms"
                most = "500ms"
                attempts = 0
                [intake]
                listen = "{intake}"
                [[action]]
                name = "image"
                on = "provisioned"
                boot = "network"
                attempts = 0
                [[action]]
                name = "tell"
                on = "provisioned"
                webhook = "http://{hook}/amt"
                secret_file = "secret"
                attempts = 0
                [[action]]
                name = "announce"
                on = "joined:Desks"
                command = "./joined.sh"
                "#
            ),
        );
        let fleet = open(folder).await;
        let (_, token) = fleet.new_token(TokenTerms::default()).await.unwrap();
        fleet.new_collection("Desks", &Filter::parse("name ~ \"desk*\" and verified").unwrap()).await.unwrap();
        fleet.close().await;
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::new(127, network, 7, 1);
        config.hello = Some(listen);
        config.roots = vec![RootHash::sha256(chain.root())];
        config.suffix = Some(SUFFIX.to_owned());
        config.time_scale = 20.0;
        config.seed = network.into();
        let simulator = Simulator::start(config).await.unwrap();
        let id = simulator.machines()[0].id;
        let key = ClientKey::random().unwrap();
        Self { folder: folder.to_owned(), simulator, id, intake, token, key, told }
    }

    fn serve(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_amt"))
            .args(["serve", "--json", "--config"])
            .arg(self.folder.join("amt.toml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn truth(&self) -> MachineTruth {
        self.simulator.truth(self.id).unwrap()
    }

    /// The client on the machine: it reports once the machine was booted from the network, and again until it is heard.
    async fn report(&self) -> bool {
        if self.truth().boots.is_empty() {
            return false;
        }
        let Ok(certificate) = std::fs::read(self.folder.join("fleet.db.intake.pem")) else { return false };
        let url = format!("https://localhost:{}", self.intake.port()).parse().unwrap();
        let client = Client::new(url, &Trust::roots(&certificate).unwrap()).unwrap();
        let mut facts = AgentFacts::default();
        (facts.fqdn, facts.environment) = (Some(format!("desk7.{SUFFIX}")), Some("installed".to_owned()));
        let body = Enroll { uuid: self.id, client_key: self.key.clone(), sequence: 1, facts };
        let asked = client.enroll(&self.token, &body);
        matches!(tokio::time::timeout(Duration::from_secs(5), asked).await, Ok(Ok(_)))
    }

    /// Whether everything that was to happen has.
    async fn is_over(&self) -> bool {
        let joined = std::fs::read_to_string(self.folder.join("joined")).unwrap_or_default();
        if !joined.contains("desk7.example.com") || self.told.lock().unwrap().is_empty() {
            return false;
        }
        let fleet = open(&self.folder).await;
        let actions = fleet.actions(self.id, 100).await.unwrap();
        let open = |state| matches!(state, ActionState::Pending | ActionState::Running);
        let over = !actions.is_empty() && !actions.iter().any(|action| open(action.state));
        fleet.close().await;
        over
    }

    /// The one end that every story has.
    async fn check_end(self) {
        let fleet = open(&self.folder).await;
        let machine = fleet.machine(self.id).await.unwrap();
        let diary: Vec<String> =
            fleet.diary(self.id, 500).await.unwrap().iter().map(|d| format!("{} {}", d.kind, d.message)).collect();
        let diary = diary.join("\n");
        assert!(machine.is_verified() && !machine.temporary && machine.wanted.is_none(), "{machine:?}\n{diary}");
        assert_eq!(machine.name().as_deref(), Some("desk7.example.com"), "{diary}");
        let truth = self.truth();
        assert_eq!((truth.host_name.as_str(), truth.domain_name.as_str()), ("desk7", SUFFIX), "{diary}");
        assert_eq!(truth.boot_total, 1, "booted once and not again\n{diary}");
        assert_eq!(truth.boots[0].source.to_string(), "network");
        let ours: Vec<_> = truth.certificates.iter().filter(|c| !c.trusted_root).collect();
        assert_eq!(ours.len(), 1, "the old certificate is gone: {ours:?}\n{diary}");
        assert!(ours[0].served && ours[0].subject.contains("desk7.example.com"), "{ours:?}");
        assert_eq!(Some(ours[0].sha256.as_str()), machine.certificate_sha256.as_deref());
        assert_eq!(truth.keys.len(), 1, "and its key: {:?}", truth.keys);
        assert_eq!(truth.commits, 2, "one for the setup, one for the rename");
        let credentials = fleet.credentials(self.id).await.unwrap();
        let admin = credentials.iter().find(|c| c.kind == CredentialKind::Admin).unwrap();
        assert!(self.simulator.check_admin_password(self.id, admin.password.expose()), "and it can be logged in to");
        let members = fleet.members("desks").await.unwrap();
        assert_eq!(members.iter().map(|m| m.id).collect::<Vec<_>>(), [self.id]);
        let deliveries: BTreeSet<String> = self.told.lock().unwrap().iter().cloned().collect();
        assert_eq!(deliveries.len(), 1, "repeated, if at all, under one number");
        let joined = std::fs::read_to_string(self.folder.join("joined")).unwrap();
        let numbers: BTreeSet<&str> = joined.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(numbers.len(), 1, "{joined}");
        fleet.close().await;
        self.simulator.stop().await.unwrap();
    }
}

async fn open(folder: &Path) -> Fleet {
    Fleet::open_with_key_file(folder.join("fleet.db"), folder.join("seal.key")).await.unwrap()
}

fn end(mut server: Child) {
    server.kill().unwrap();
    server.wait().unwrap();
}

/// Runs a story to its end; as long as `kills` are left its server is killed at random moments.
async fn live_through(network: u8, kills: &mut u32, random: &mut Random) {
    let folder = tempfile::tempdir().unwrap();
    let story = Story::begin(folder.path(), network).await;
    let started = Instant::now();
    let (mut server, mut reported) = (story.serve(), false);
    let mut next = Instant::now() + Duration::from_millis(100 + random.below(900));
    while !story.is_over().await {
        assert!(started.elapsed() < PATIENCE, "no end after {PATIENCE:?}: {:#?}", story.truth());
        reported = reported || story.report().await;
        if *kills > 0 && Instant::now() >= next {
            end(server);
            *kills -= 1;
            server = story.serve();
            next = Instant::now() + Duration::from_millis(100 + random.below(1400));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    end(server);
    story.check_end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_becomes_a_named_machine_in_its_collection() {
    live_through(91, &mut 0, &mut Random(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_so_however_often_the_server_is_killed() {
    let seed = std::env::var("AMT_STORY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_cafe);
    let (mut left, mut random, mut network) = (KILLS, Random(seed), 92);
    while left > 0 {
        live_through(network, &mut left, &mut random).await;
        network += 1;
    }
}
