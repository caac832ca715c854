//! Machines with mutual TLS: the console's certificate is issued, shown, renewed and proven, over real TLS.

use crate::support::say_hello;
use amt::profile::Folder;
use amt::tls::{ClientCertificates, ClientChain};
use amt::{Device, Job, ProvisioningCertificate, Transport};
use amt_core::tls::PeerIdentity;
use amt_core::{DeviceStatus, ErrorCode, Secret, SystemId};
use amt_fleet::ca::{Asked, CertificateAuthority};
use amt_fleet::config::{Admission, RetryPolicy};
use amt_fleet::console::ConsoleKeeper;
use amt_fleet::profiles::{Profiles, Settings};
use amt_fleet::{ActionState, Filter, Fleet, FleetHost, Operation, Server};
use amt_provision::remote::Outcome;
use amt_provision::renew::Due;
use amt_provision::{CaAnswer, CertificateRequest, Plan, Purpose};
use amt_sim::authority::ProvisioningChain;
use amt_sim::{Persona, RootHash, SimConfig, Simulator};
use amt_wsman::class::amt::SetupAndConfigurationService;
use amt_wsman::client::Credentials;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

const SUFFIX: &str = "example.com";
const NAME: &str = "amt-console.example.com";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Signs whatever it is asked, as the request says, under a root with a key and a name of its own.
struct Authority {
    root: &'static str,
    key: usize,
    /// Age and rest of life of what it issues.
    days: Mutex<(u32, u32)>,
    pending: Mutex<bool>,
    asked: Mutex<Vec<CertificateRequest>>,
}

impl Authority {
    fn new(root: &'static str, key: usize) -> Arc<Self> {
        Arc::new(Self { root, key, days: Mutex::new((1, 365)), pending: Mutex::new(false), asked: Mutex::default() })
    }

    fn pair(&self) -> KeyPair {
        let key = amt_sim::keys::key(self.key).pkcs8().into();
        KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_RSA_SHA256).unwrap()
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.root);
        params
    }

    fn root(&self) -> rcgen::Certificate {
        self.params().self_signed(&self.pair()).unwrap()
    }

    fn consoles(&self) -> Vec<CertificateRequest> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|request| request.purpose == Purpose::Console).cloned().collect()
    }

    fn answer(&self, request: &CertificateRequest) -> CaAnswer {
        self.asked.lock().unwrap().push(request.clone());
        if request.purpose == Purpose::Console && *self.pending.lock().unwrap() {
            return CaAnswer::pending("17");
        }
        let usages = match request.purpose {
            Purpose::Console => vec![ExtendedKeyUsagePurpose::ClientAuth, remote_console()],
            _ => vec![ExtendedKeyUsagePurpose::ServerAuth],
        };
        CaAnswer::Issued { certificate: self.sign(request, usages), chain: vec![self.root().der().to_vec()] }
    }

    fn sign(&self, request: &CertificateRequest, usages: Vec<ExtendedKeyUsagePurpose>) -> Vec<u8> {
        let (_, csr) = X509CertificationRequest::from_der(&request.csr).unwrap();
        csr.verify_signature().unwrap();
        let key = rcgen::SubjectPublicKeyInfo::from_der(csr.certification_request_info.subject_pki.raw).unwrap();
        let mut params = CertificateParams::new(vec![request.common_name.clone()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, request.common_name.as_str());
        params.extended_key_usages = usages;
        let (age, left) = *self.days.lock().unwrap();
        let now = SystemTime::now();
        (params.not_before, params.not_after) = ((now - DAY * age).into(), (now + DAY * left).into());
        params.signed_by(&key, &Issuer::new(self.params(), self.pair())).unwrap().der().to_vec()
    }
}

impl CertificateAuthority for Authority {
    fn certify<'a>(&'a self, request: &'a CertificateRequest) -> Asked<'a> {
        Box::pin(async move { self.answer(request) })
    }
}

fn remote_console() -> ExtendedKeyUsagePurpose {
    ExtendedKeyUsagePurpose::Other(vec![2, 16, 840, 1, 113_741, 1, 2, 1])
}

struct World {
    folder: tempfile::TempDir,
    chain: ProvisioningChain,
    /// Of the machines, and of the console unless it is said.
    ca: Arc<Authority>,
    simulator: Option<Simulator>,
}

struct Running {
    fleet: Fleet,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), amt_core::Failure>>,
    address: SocketAddr,
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }
}

impl World {
    /// Settings that name the root of `trusted`.
    fn new(trusted: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.pem"), trusted.root().pem()).unwrap();
        let settings = format!(
            "format = 1\nname = \"Mutual\"\n[tls]\nremote = \"mutual\"\ntrusted_roots = [{{ file = \"root.pem\" }}]\n\
             trusted_names = [\"{NAME}\"]\n"
        );
        std::fs::write(folder.path().join("settings.toml"), settings).unwrap();
        let ca = Authority::new("Owner's authority", 12);
        Self { folder, chain: ProvisioningChain::new(SUFFIX), ca, simulator: None }
    }

    async fn start(&self, console: &Arc<Authority>) -> Running {
        let folder = self.folder.path();
        let fleet = Fleet::open_with_key_file(folder.join("fleet.db"), folder.join("seal.key")).await.unwrap();
        let mut profiles = Profiles::default();
        let settings = folder.join("settings.toml");
        let document = amt::profile::read_profile(&settings).unwrap().0.unwrap();
        profiles.set_default_settings(Some(Settings::new(document, Folder::of(&settings))));
        let mut retry = RetryPolicy::default();
        (retry.first, retry.most) = (Duration::from_millis(50), Duration::from_millis(200));
        let authority: Arc<dyn CertificateAuthority> = Arc::<Authority>::clone(console);
        let ca: Arc<dyn CertificateAuthority> = Arc::<Authority>::clone(&self.ca);
        let server = Server::builder(fleet.clone())
            .listen([SocketAddr::from((Ipv4Addr::LOCALHOST, 0))])
            .certificates([ProvisioningCertificate::from_pem(self.chain.pem().as_bytes(), None, None).unwrap()])
            .ca(ca)
            .console(ConsoleKeeper::new(fleet.clone(), authority, NAME, Due::Percent(50)).unwrap())
            .dns_suffixes([SUFFIX.to_owned()])
            .admit(Admission::Auto)
            .retry(retry)
            .profiles(profiles)
            .bind()
            .await
            .unwrap();
        let address = server.addresses()[0];
        let (stop, stopped) = oneshot::channel::<()>();
        Running { fleet, stop, task: tokio::spawn(server.run(async { drop(stopped.await) })), address }
    }

    /// One machine that says hello to `server`.
    async fn machine(&mut self, network: u8, persona: &str, server: &Running) -> SystemId {
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::new(127, network, 0, 1);
        config.persona = Arc::new(Persona::built_in(persona).unwrap());
        config.hello = Some(server.address);
        let root = self.chain.root();
        config.roots = vec![RootHash::sha256(root), RootHash::sha384(root)];
        config.suffix = Some(SUFFIX.to_owned());
        config.time_scale = 20.0;
        let simulator = Simulator::start(config).await.unwrap();
        let id = simulator.machines()[0].id;
        self.simulator = Some(simulator);
        id
    }

    async fn end(self, running: Running) {
        running.stop().await;
        self.simulator.unwrap().stop().await.unwrap();
    }
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// State and message of the newest action of this name.
async fn newest(fleet: &Fleet, id: SystemId, name: &str) -> Option<(ActionState, String)> {
    let actions = fleet.actions(id, 100).await.ok()?;
    let newest = actions.into_iter().filter(|action| action.name == name).max_by_key(|action| action.id)?;
    Some((newest.state, newest.message.unwrap_or_default()))
}

async fn configured(fleet: &Fleet, id: SystemId) {
    for _ in 0..3000 {
        match newest(fleet, id, "configure").await {
            Some((ActionState::Done, _)) => return,
            Some((ActionState::Failed | ActionState::Blocked, text)) => panic!("{text}"),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("never configured: {:?}", newest(fleet, id, "configure").await);
}

async fn job(fleet: &Fleet, operation: Operation) -> std::collections::BTreeMap<String, u64> {
    let job = fleet.new_job(operation, &Filter::parse("state = verified").unwrap(), 1).await.unwrap();
    until("the job is over", || async { fleet.job(job.id).await.unwrap().is_over() }).await;
    let states = fleet.job(job.id).await.unwrap().states;
    states.into_iter().map(|(state, count)| (state.to_string(), count)).collect()
}

fn done() -> std::collections::BTreeMap<String, u64> {
    [("done".to_owned(), 1)].into()
}

/// Somebody with these certificates asks the machine for its UUID.
async fn knock(fleet: &Fleet, id: SystemId, certificates: ClientCertificates) -> Result<(), amt_core::Failure> {
    let address = fleet.machine(id).await.unwrap().address.unwrap();
    let password = fleet.credentials(id).await.unwrap()[0].password.expose().clone();
    let place = SocketAddr::new(address, 16_993);
    let credentials = Credentials::new("admin", password);
    let mut device =
        Device::new(place, Transport::Tls(PeerIdentity::Any), credentials)?.client_certificates(certificates);
    device.call(&SetupAndConfigurationService::get_uuid()).await.map(drop)
}

/// A certificate for `name` that `authority` issued to somebody else.
fn strange(authority: &Authority, name: &str) -> ClientCertificates {
    let key = amt_sim::keys::key(13).pkcs8();
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key.into(), &PKCS_RSA_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = params.signed_by(&pair, &Issuer::new(authority.params(), authority.pair())).unwrap();
    let chain = ClientChain::new(&[leaf.der().to_vec(), authority.root().der().to_vec()], &Secret::new(key.to_vec()));
    ClientCertificates::new(vec![chain.unwrap()])
}

async fn from_setup_to_jobs(network: u8, persona: &str) {
    let ca = Authority::new("Owner's authority", 12);
    let mut world = World::new(&ca);
    world.ca = Arc::clone(&ca);
    let running = world.start(&ca).await;
    let id = world.machine(network, persona, &running).await;
    let fleet = &running.fleet;
    configured(fleet, id).await;

    // Who shows nothing, or something else, is told so.
    let nothing = knock(fleet, id, ClientCertificates::default()).await.unwrap_err();
    assert!(nothing.hint.contains("--client-certificate"), "{nothing:?}");
    let other = strange(&Authority::new("Somebody", 11), NAME);
    let refused = knock(fleet, id, other).await.unwrap_err();
    assert_eq!((refused.code, &refused.device), (ErrorCode::TLS_CLIENT_REFUSED, &Some(DeviceStatus::TlsAlert(48))));
    assert!(refused.hint.contains("trusted_roots"), "{refused:?}");
    let misnamed = knock(fleet, id, strange(&ca, "somebody.example.com")).await.unwrap_err();
    assert_eq!(misnamed.code, ErrorCode::TLS_CLIENT_REFUSED, "{misnamed}");
    let logins = world.simulator.as_ref().unwrap().truth(id).unwrap();
    knock(fleet, id, fleet.client_certificates().await.unwrap()).await.unwrap();
    drop(logins);

    // Jobs show it by themselves, the commit of a renewal between.
    for operation in [Operation::Refresh, Operation::Clock, Operation::Renew, Operation::Configure, Operation::Rotate] {
        assert_eq!(job(fleet, operation).await, done(), "{operation}");
    }
    until("it is proven", || async { fleet.console().await.unwrap().current.unwrap().proven_at.is_some() }).await;
    assert_eq!(ca.consoles().len(), 1);
    let request = &ca.consoles()[0];
    assert_eq!((request.common_name.as_str(), request.id), (NAME, SystemId::from_wire([0; 16])));
    // clientAuth, and 2.16.840.1.113741.1.2.1.
    let usages: [&[u8]; 2] =
        [&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2], &[6, 10, 0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x4d, 1, 2, 1]];
    for usage in usages {
        assert!(request.csr.windows(usage.len()).any(|part| part == usage), "{usage:02x?}");
    }
    let raw = std::fs::read(world.folder.path().join("fleet.db")).unwrap();
    let key = fleet.console().await.unwrap().current.unwrap().key;
    assert!(!raw.windows(64).any(|part| part == &key.expose()[64..128]), "keys are sealed");

    // The setup is taken back, which is proven although the machine asks for another kind of certificate then.
    assert_eq!(job(fleet, Operation::Unprovision).await, done());
    assert!(fleet.machine(id).await.unwrap().taken_back.is_some());
    world.end(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_with_mutual_tls_is_applied_and_the_machine_reached_from_then_on() {
    from_setup_to_jobs(161, "amt-16.0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_with_tls_1_3_where_a_refusal_comes_after_the_handshake() {
    from_setup_to_jobs(162, "amt-21.0").await;
}

/// The machine is provisioned once more: gone on with by its journal, or from the beginning.
async fn provision_again(
    world: &World,
    fleet: &Fleet,
    id: SystemId,
    is_resumed: bool,
    client: ClientCertificates,
) -> Result<Outcome, amt_core::Failure> {
    let machine = fleet.machine(id).await.unwrap();
    let mut job = Job::new(id, machine.address.unwrap(), Plan::new());
    job.certificates = [ProvisioningCertificate::from_pem(world.chain.pem().as_bytes(), None, None).unwrap()].into();
    job.client = client;
    job.record = fleet.record(id).await.unwrap().filter(|_| is_resumed);
    let ca: Arc<dyn CertificateAuthority> = Arc::<Authority>::clone(&world.ca);
    amt::provision(job, &FleetHost::new(fleet.clone(), ca)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setup_that_is_gone_on_with_or_begun_again_shows_it_too() {
    let ca = Authority::new("Owner's authority", 12);
    let mut world = World::new(&ca);
    world.ca = Arc::clone(&ca);
    let running = world.start(&ca).await;
    let id = world.machine(166, "amt-16.0", &running).await;
    let fleet = &running.fleet;
    configured(fleet, id).await;
    let writes = || world.simulator.as_ref().unwrap().truth(id).unwrap().writes;
    let before = writes();

    // Found done, it is proven.
    let certificates = fleet.client_certificates().await.unwrap();
    let resumed = provision_again(&world, fleet, id, true, certificates.clone()).await.unwrap();
    assert_eq!((resumed.id, resumed.tls.certificate_requested), (id, true));
    // Begun anew, it is told what the machine is. Without the certificate nobody can know.
    let anew = provision_again(&world, fleet, id, false, certificates).await.unwrap_err();
    assert_eq!(anew.code, ErrorCode::ALREADY_PROVISIONED, "{anew}");
    assert!(anew.message.contains("mutual TLS"), "{anew}");
    for is_resumed in [true, false] {
        let blind = provision_again(&world, fleet, id, is_resumed, ClientCertificates::default()).await.unwrap_err();
        assert_eq!(blind.code, ErrorCode::TLS_CHAIN_REFUSED, "{blind}");
    }

    // So does the setup server.
    fleet.redo(id).await.unwrap();
    let source = fleet.machine(id).await.unwrap().address.unwrap();
    say_hello(id, source, running.address, true).await;
    until("the server tells what the machine is", || async {
        let failure = fleet.machine(id).await.unwrap().failure;
        failure.is_some_and(|failure| failure.code == ErrorCode::ALREADY_PROVISIONED)
    })
    .await;
    assert_eq!(writes(), before, "nothing was written");
    world.end(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_that_waits_for_its_authority_over_restarts_submits_one_request() {
    let ca = Authority::new("Owner's authority", 12);
    let mut world = World::new(&ca);
    world.ca = Arc::clone(&ca);
    *ca.pending.lock().unwrap() = true;
    let running = world.start(&ca).await;
    let id = world.machine(163, "amt-16.0", &running).await;
    until("it waits", || async {
        newest(&running.fleet, id, "configure").await.is_some_and(|(_, text)| text.contains("request 17"))
    })
    .await;
    assert_eq!(world.simulator.as_ref().unwrap().truth(id).unwrap().commits, 1, "nothing was written meanwhile");
    let waiting = running.fleet.console().await.unwrap().request.unwrap();
    assert_eq!(waiting.failure.as_ref().unwrap().code, ErrorCode::CA_PENDING);
    running.stop().await;
    *ca.pending.lock().unwrap() = false;

    // Whoever asks by hand goes on with the same request.
    let folder = world.folder.path().to_owned();
    let fleet = Fleet::open_with_key_file(folder.join("fleet.db"), folder.join("seal.key")).await.unwrap();
    let authority: Arc<dyn CertificateAuthority> = Arc::<Authority>::clone(&ca);
    let keeper = ConsoleKeeper::new(fleet.clone(), authority, NAME, Due::default()).unwrap();
    let kept = keeper.keep(true).await.unwrap();
    assert_eq!(kept.current.unwrap().key, waiting.key);
    drop(keeper);
    fleet.close().await;
    let asked = ca.consoles();
    assert!(asked.len() >= 2 && asked.iter().all(|request| request.csr == waiting.csr), "one key, one request");
    assert_eq!(asked.iter().filter(|request| request.request_id.is_none()).count(), 1, "submitted once");
    assert_eq!(asked.last().unwrap().request_id.as_deref(), Some("17"));

    let running = world.start(&ca).await;
    configured(&running.fleet, id).await;
    world.end(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewed_certificate_takes_the_place_of_the_old_one_after_a_machine_has_let_it_in() {
    let ca = Authority::new("Owner's authority", 12);
    let mut world = World::new(&ca);
    world.ca = Arc::clone(&ca);
    *ca.days.lock().unwrap() = (1, 5);
    let running = world.start(&ca).await;
    let id = world.machine(164, "amt-16.0", &running).await;
    configured(&running.fleet, id).await;
    until("it is proven", || async { running.fleet.console().await.unwrap().current.unwrap().proven_at.is_some() })
        .await;
    let first = running.fleet.console().await.unwrap().current.unwrap();
    running.stop().await;

    // Renewed by an authority that the machine does not trust: refused, and the old one shown again.
    let folder = world.folder.path().to_owned();
    let fleet = Fleet::open_with_key_file(folder.join("fleet.db"), folder.join("seal.key")).await.unwrap();
    let stranger = Authority::new("Somebody", 11);
    let authority: Arc<dyn CertificateAuthority> = Arc::<Authority>::clone(&stranger);
    let keeper = ConsoleKeeper::new(fleet.clone(), authority, NAME, Due::default()).unwrap();
    let kept = keeper.renew().await.unwrap();
    let second = kept.current.unwrap();
    assert_ne!(second.key, first.key, "a key pair of its own");
    assert_eq!(kept.older.as_ref().unwrap().sha256(), first.sha256());
    drop(keeper);
    fleet.close().await;
    let running = world.start(&ca).await;
    assert_eq!(job(&running.fleet, Operation::Refresh).await, done(), "by the old one");
    let kept = running.fleet.console().await.unwrap();
    assert!(kept.current.as_ref().unwrap().proven_at.is_none() && kept.older.is_some());
    running.stop().await;

    // And again by the one that it trusts.
    let fleet = Fleet::open_with_key_file(folder.join("fleet.db"), folder.join("seal.key")).await.unwrap();
    let authority: Arc<dyn CertificateAuthority> = Arc::<Authority>::clone(&ca);
    let keeper = ConsoleKeeper::new(fleet.clone(), authority, NAME, Due::default()).unwrap();
    *ca.days.lock().unwrap() = (1, 365);
    let kept = keeper.renew().await.unwrap();
    assert_eq!(kept.older.as_ref().unwrap().sha256(), first.sha256(), "what nobody has let in replaces nothing");
    drop(keeper);
    fleet.close().await;
    let running = world.start(&ca).await;
    assert_eq!(job(&running.fleet, Operation::Refresh).await, done());
    until("the old one goes", || async { running.fleet.console().await.unwrap().older.is_none() }).await;
    assert!(running.fleet.console().await.unwrap().current.unwrap().proven_at.is_some());
    world.end(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutual_tls_that_would_shut_this_console_out_is_refused_before_anything_is_written() {
    // The settings name another root than the one that the console's certificate is from.
    let mut world = World::new(&Authority::new("Somebody", 11));
    let console = Authority::new("Owner's authority", 14);
    let running = world.start(&console).await;
    let id = world.machine(165, "amt-16.0", &running).await;
    until("it is refused", || async {
        newest(&running.fleet, id, "configure").await.is_some_and(|(_, text)| text.contains("roots"))
    })
    .await;
    let truth = world.simulator.as_ref().unwrap().truth(id).unwrap();
    assert_eq!((truth.commits, truth.certificates.len()), (1, 1), "no root was added, nothing committed");
    assert_eq!(job(&running.fleet, Operation::Refresh).await, done(), "it is reached as before");
    world.end(running).await;
}

#[tokio::test]
async fn what_an_authority_issues_must_be_a_consoles() {
    /// Issues for the key of the request, and for TLS servers only.
    struct Servers(Arc<Authority>);
    impl CertificateAuthority for Servers {
        fn certify<'a>(&'a self, request: &'a CertificateRequest) -> Asked<'a> {
            Box::pin(async move {
                let certificate = self.0.sign(request, vec![ExtendedKeyUsagePurpose::ServerAuth]);
                CaAnswer::Issued { certificate, chain: Vec::new() }
            })
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| Path::new(folder.path()).join(name);
    let fleet = Fleet::open_with_key_file(path("fleet.db"), path("seal.key")).await.unwrap();
    let ca = Arc::new(Servers(Authority::new("Owner's authority", 12)));
    let keeper = ConsoleKeeper::new(fleet.clone(), ca, NAME, Due::default()).unwrap();
    let failure = keeper.keep(true).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::CA_CERTIFICATE_WRONG);
    assert!(failure.message.contains("clientAuth") && failure.hint.contains("2.16.840.1.113741.1.2.1"), "{failure:?}");
    assert!(fleet.console().await.unwrap().current.is_none());
    assert_eq!(
        ConsoleKeeper::new(fleet, Arc::new(Servers(Authority::new("x", 12))), "a b", Due::Now).unwrap_err().code,
        ErrorCode::CONFIG
    );
}
