//! Certificates are renewed by the server itself, by a job, over an authority that takes its time and over restarts.

use amt::ProvisioningCertificate;
use amt::profile::Folder;
use amt_core::SystemId;
use amt_fleet::ca::{Asked, CertificateAuthority};
use amt_fleet::config::{Admission, RetryPolicy};
use amt_fleet::profiles::{Profiles, Settings};
use amt_fleet::{ActionState, Filter, Fleet, Operation, Server};
use amt_provision::{CaAnswer, CertificateRequest, Purpose};
use amt_sim::authority::ProvisioningChain;
use amt_sim::{RootHash, SimConfig, Simulator};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const SUFFIX: &str = "example.com";
const DAY: Duration = Duration::from_secs(24 * 3600);
const MACHINES: usize = 2;

/// What it issues is good from `age` days ago to `left` days from now; or it takes its time.
struct Authority {
    days: Mutex<(u32, u32)>,
    pending: Mutex<bool>,
    asked: Mutex<Vec<CertificateRequest>>,
}

impl Authority {
    fn new(age: u32, left: u32) -> Arc<Self> {
        Arc::new(Self { days: Mutex::new((age, left)), pending: Mutex::new(false), asked: Mutex::default() })
    }

    fn answer(&self, request: &CertificateRequest) -> CaAnswer {
        self.asked.lock().unwrap().push(request.clone());
        if *self.pending.lock().unwrap() {
            return CaAnswer::pending(format!("for {}", request.id));
        }
        let pair = || {
            let key = amt_sim::keys::key(12).pkcs8().into();
            KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_RSA_SHA256).unwrap()
        };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&pair()).unwrap();
        let mut csr = CertificateSigningRequestParams::from_der(&request.csr.clone().into()).unwrap();
        let (age, left) = *self.days.lock().unwrap();
        let now = SystemTime::now();
        (csr.params.not_before, csr.params.not_after) = ((now - DAY * age).into(), (now + DAY * left).into());
        let certificate = csr.signed_by(&Issuer::new(params, pair())).unwrap();
        CaAnswer::Issued { certificate: certificate.der().to_vec(), chain: vec![root.der().to_vec()] }
    }

    /// Requests of a machine for this purpose.
    fn of(&self, id: SystemId, purpose: Purpose) -> Vec<CertificateRequest> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|request| request.id == id && request.purpose == purpose).cloned().collect()
    }

    fn renewals(&self, id: SystemId) -> Vec<CertificateRequest> {
        self.of(id, Purpose::Server).split_off(1)
    }
}

impl CertificateAuthority for Authority {
    fn certify<'a>(&'a self, request: &'a CertificateRequest) -> Asked<'a> {
        Box::pin(async move { self.answer(request) })
    }
}

struct World {
    folder: tempfile::TempDir,
    chain: ProvisioningChain,
    ca: Arc<Authority>,
    simulator: Simulator,
}

struct Running {
    fleet: Fleet,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), amt_core::Failure>>,
}

async fn bind(folder: &Path, chain: &ProvisioningChain, ca: Arc<Authority>, renew_at: Option<u8>) -> (Fleet, Server) {
    let fleet = Fleet::open_with_key_file(folder.join("fleet.db"), folder.join("seal.key")).await.unwrap();
    let mut profiles = Profiles::default();
    let settings = folder.join("settings.toml");
    if settings.exists() {
        let document = amt::profile::read_profile(&settings).unwrap().0.unwrap();
        profiles.set_default_settings(Some(Settings::new(document, Folder::of(&settings))));
    }
    let mut retry = RetryPolicy::default();
    (retry.first, retry.most) = (Duration::from_millis(50), Duration::from_millis(200));
    let server = Server::builder(fleet.clone())
        .listen([SocketAddr::from((Ipv4Addr::LOCALHOST, 0))])
        .certificates([ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap()])
        .ca(ca)
        .dns_suffixes([SUFFIX.to_owned()])
        .admit(Admission::Auto)
        .retry(retry)
        .renew_at(renew_at)
        .profiles(profiles)
        .bind()
        .await
        .unwrap();
    (fleet, server)
}

fn run(fleet: Fleet, server: Server) -> Running {
    let (stop, stopped) = oneshot::channel::<()>();
    Running { fleet, stop, task: tokio::spawn(server.run(async { drop(stopped.await) })) }
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

impl World {
    /// Machines that were set up by a server that renews nothing, with certificates that are `age` days old and have `left` more.
    async fn set_up(network: u8, age: u32, left: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let chain = ProvisioningChain::new(SUFFIX);
        let ca = Authority::new(age, left);
        let (fleet, server) = bind(folder.path(), &chain, Arc::clone(&ca), None).await;
        let mut config = SimConfig::new(MACHINES);
        config.base_address = Ipv4Addr::new(127, network, 0, 1);
        config.hello = Some(server.addresses()[0]);
        config.roots = vec![RootHash::sha256(chain.root())];
        config.suffix = Some(SUFFIX.to_owned());
        config.time_scale = 20.0;
        // The port is the simulator's own.
        let simulator = Simulator::start(config).await.unwrap();
        let running = run(fleet, server);
        let world = Self { folder, chain, ca, simulator };
        world
            .until("all are set up", || async {
                let machines = running.fleet.machines().await.unwrap();
                machines.len() == MACHINES && machines.iter().all(amt_fleet::Machine::is_verified)
            })
            .await;
        running.stop().await;
        world
    }

    async fn start(&self, renew_at: Option<u8>) -> Running {
        let (fleet, server) = bind(self.folder.path(), &self.chain, Arc::clone(&self.ca), renew_at).await;
        run(fleet, server)
    }

    async fn until<F: Future<Output = bool>>(&self, what: &str, mut holds: impl FnMut() -> F) {
        let wait = async {
            while !holds().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    fn ids(&self) -> Vec<SystemId> {
        self.simulator.machines().iter().map(|machine| machine.id).collect()
    }

    /// One certificate and one key pair on each, and the certificate is the one that the database knows.
    async fn assert_tidy(&self, fleet: &Fleet) {
        for id in self.ids() {
            let truth = self.simulator.truth(id).unwrap();
            assert_eq!((truth.certificates.len(), truth.keys.len()), (1, 1), "{id}: something is left behind");
            let machine = fleet.machine(id).await.unwrap();
            assert_eq!(machine.certificate_sha256.as_ref(), Some(&truth.certificates[0].sha256), "{id}");
            assert!(truth.certificates[0].served, "{id}");
        }
    }
}

async fn ended(fleet: &Fleet, id: SystemId) -> Vec<(ActionState, Option<String>)> {
    let actions = fleet.actions(id, 100).await.unwrap();
    let renewals = actions.into_iter().filter(|action| action.name == "renew");
    renewals.map(|action| (action.state, action.message)).collect()
}

async fn all_done(fleet: &Fleet, ids: &[SystemId], times: usize) -> bool {
    for id in ids {
        let actions = ended(fleet, *id).await;
        if actions.len() < times || actions.iter().any(|(state, _)| *state != ActionState::Done) {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_renews_by_itself_what_has_passed_half_of_its_life_and_a_job_renews_at_once() {
    let world = World::set_up(91, 10, 5).await;
    let ids = world.ids();
    let old: Vec<_> = ids.iter().map(|id| world.simulator.truth(*id).unwrap().certificates).collect();
    *world.ca.days.lock().unwrap() = (1, 365);

    let running = world.start(Some(90)).await;
    assert_eq!(running.fleet.machine(ids[0]).await.unwrap().state, amt_fleet::MachineState::Verified);
    let until = running.fleet.machine(ids[0]).await.unwrap().certificate_until.unwrap();
    let left = until.duration_since(SystemTime::now()).unwrap();
    assert!(left > DAY * 4 && left <= DAY * 5, "{left:?}");
    running.stop().await;

    let running = world.start(Some(50)).await;
    world.until("all are renewed", || all_done(&running.fleet, &ids, 1)).await;
    world.assert_tidy(&running.fleet).await;
    for (id, old) in ids.iter().zip(&old) {
        let truth = world.simulator.truth(*id).unwrap();
        assert_ne!(truth.certificates[0].sha256, old[0].sha256);
        assert_eq!((truth.commits, world.ca.renewals(*id).len()), (2, 1), "the share of 90 % renewed none");
        let until = running.fleet.machine(*id).await.unwrap().certificate_until.unwrap();
        assert!(until > SystemTime::now() + DAY * 364);
        let (_, message) = ended(&running.fleet, *id).await.remove(0);
        assert!(message.unwrap().starts_with("it has another certificate, good until 20"));
    }
    let job = running.fleet.new_job(Operation::Renew, &Filter::parse("state = verified").unwrap(), 2).await.unwrap();
    world.until("the job is over", || async { running.fleet.job(job.id).await.unwrap().is_over() }).await;
    assert_eq!(running.fleet.job(job.id).await.unwrap().states.get("done"), Some(&(MACHINES as u64)));
    world.assert_tidy(&running.fleet).await;
    for id in &ids {
        assert_eq!((world.simulator.truth(*id).unwrap().commits, world.ca.renewals(*id).len()), (3, 2));
    }
    running.stop().await;
    world.simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_outlasts_two_restarts_gets_one_request_for_one_key() {
    let world = World::set_up(92, 10, 5).await;
    let ids = world.ids();
    *world.ca.pending.lock().unwrap() = true;
    for round in 1..=3 {
        let running = world.start(Some(50)).await;
        let asked = || async { ids.iter().all(|id| world.ca.renewals(*id).len() >= round * 3) };
        world.until("it was asked more than once", asked).await;
        running.stop().await;
        for id in &ids {
            let truth = world.simulator.truth(*id).unwrap();
            assert_eq!((truth.certificates.len(), truth.keys.len(), truth.commits), (1, 2, 1), "round {round}");
        }
    }
    *world.ca.pending.lock().unwrap() = false;
    *world.ca.days.lock().unwrap() = (1, 365);
    let running = world.start(Some(50)).await;
    world.until("all are renewed", || all_done(&running.fleet, &ids, 1)).await;
    world.assert_tidy(&running.fleet).await;
    for id in &ids {
        let asked = world.ca.renewals(*id);
        assert!(asked.len() > 9 && asked.iter().all(|request| request.csr == asked[0].csr), "one request");
        assert_eq!(asked.iter().filter(|request| request.request_id.is_none()).count(), 1, "submitted once");
        let truth = world.simulator.truth(*id).unwrap();
        assert_eq!(truth.requests.get("AMT_PublicKeyManagementService.GenerateKeyPair"), Some(&2), "one key for both");
    }
    running.stop().await;
    world.simulator.stop().await.unwrap();
}

/// What is old already when it is issued is not renewed every minute: the firmware's flash would wear out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_issues_what_is_old_does_not_keep_the_server_busy() {
    let world = World::set_up(93, 10, 5).await;
    let ids = world.ids();
    let running = world.start(Some(50)).await;
    world.until("all are renewed", || all_done(&running.fleet, &ids, 1)).await;
    running.stop().await;
    let running = world.start(Some(50)).await;
    // A job comes behind what the server begins by itself.
    let job = running.fleet.new_job(Operation::Refresh, &Filter::parse("state = verified").unwrap(), 2).await.unwrap();
    world.until("the job is over", || async { running.fleet.job(job.id).await.unwrap().is_over() }).await;
    for id in &ids {
        assert_eq!(ended(&running.fleet, *id).await.len(), 1);
        assert_eq!(world.simulator.truth(*id).unwrap().commits, 2);
    }
    running.stop().await;
    world.simulator.stop().await.unwrap();
}

const EAP_TLS: &str = "format = 1\nname = \"Desk\"\n[general]\nping = false\n[wired.ieee8021x]\nprotocol = \"tls\"\n";

/// The certificate of a machine that is not TLS's, SHA-256; one and no more keys than for it and TLS.
fn client(world: &World, id: SystemId) -> String {
    let truth = world.simulator.truth(id).unwrap();
    assert_eq!((truth.certificates.len(), truth.keys.len()), (2, 2), "{id}: {:?}", truth.certificates);
    let client = truth.certificates.into_iter().find(|certificate| !certificate.served).unwrap();
    assert!(client.in_use, "{id}");
    client.sha256
}

async fn configured(world: &World, fleet: &Fleet) {
    let job = fleet.new_job(Operation::Configure, &Filter::parse("state = verified").unwrap(), 2).await.unwrap();
    world.until("the job is over", || async { fleet.job(job.id).await.unwrap().is_over() }).await;
    assert_eq!(fleet.job(job.id).await.unwrap().states.get("done"), Some(&(MACHINES as u64)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_for_8021x_come_with_the_settings_and_are_renewed_by_the_server_itself() {
    let world = World::set_up(94, 1, 1000).await;
    let ids = world.ids();
    std::fs::write(world.folder.path().join("settings.toml"), EAP_TLS).unwrap();
    *world.ca.days.lock().unwrap() = (60, 40);
    let running = world.start(None).await;
    configured(&world, &running.fleet).await;
    let old: Vec<String> = ids.iter().map(|id| client(&world, *id)).collect();
    configured(&world, &running.fleet).await;
    running.stop().await;
    assert!(
        ids.iter().all(|id| world.ca.of(*id, Purpose::Client).len() == 1),
        "it is not over, and nothing is renewed"
    );

    *world.ca.days.lock().unwrap() = (1, 365);
    let running = world.start(Some(50)).await;
    let asked_again = || async { ids.iter().all(|id| world.ca.of(*id, Purpose::Client).len() == 2) };
    world.until("all are renewed", asked_again).await;
    let is_idle =
        || async { running.fleet.actions(ids[0], 100).await.unwrap().iter().all(|a| a.state == ActionState::Done) };
    world.until("the actions are over", is_idle).await;
    configured(&world, &running.fleet).await;
    for (id, old) in ids.iter().zip(&old) {
        assert_ne!(client(&world, *id), *old);
        assert_eq!(
            (world.ca.of(*id, Purpose::Client).len(), world.ca.renewals(*id).len()),
            (2, 0),
            "TLS keeps its own"
        );
    }
    running.stop().await;
    world.simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_8021x_that_waits_survives_restarts_with_one_request_and_one_key() {
    let world = World::set_up(95, 1, 1000).await;
    let ids = world.ids();
    std::fs::write(world.folder.path().join("settings.toml"), EAP_TLS).unwrap();
    *world.ca.pending.lock().unwrap() = true;
    let mut job = None;
    for round in 1..=2 {
        let running = world.start(Some(50)).await;
        if job.is_none() {
            let all = Filter::parse("state = verified").unwrap();
            job = Some(running.fleet.new_job(Operation::Configure, &all, 2).await.unwrap().id);
        }
        let asked = || async { ids.iter().all(|id| world.ca.of(*id, Purpose::Client).len() >= round * 3) };
        world.until("it was asked more than once", asked).await;
        running.stop().await;
    }
    *world.ca.pending.lock().unwrap() = false;
    let running = world.start(Some(50)).await;
    world.until("it is over", || async { running.fleet.job(job.unwrap()).await.unwrap().is_over() }).await;
    assert_eq!(running.fleet.job(job.unwrap()).await.unwrap().states.get("done"), Some(&(MACHINES as u64)));
    for id in &ids {
        client(&world, *id);
        let asked = world.ca.of(*id, Purpose::Client);
        assert!(asked.iter().all(|request| request.csr == asked[0].csr), "one request");
        assert_eq!(asked.iter().filter(|request| request.request_id.is_none()).count(), 1, "submitted once");
    }
    running.stop().await;
    world.simulator.stop().await.unwrap();
}
