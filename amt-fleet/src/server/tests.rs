//! The server's decisions, over a real socket and a real database, with procedures that only pretend.

use super::attempt::{Proven, Provisioner};
use super::*;
use crate::ca::{Asked, CertificateAuthority};
use crate::certificates::Presented;
use crate::config::{Admission, RetryPolicy};
use crate::fact::{FactKey, FactSource};
use crate::host::FleetHost;
use crate::resolve::{Answer, Defaults, Question, Resolver, Resolving};
use crate::seal::{KEY_LEN, SealKey};
use crate::{KnownMachine, SecretPair, TlsFacts};
use amt::{Host as _, Job, ProvisioningCertificate};
use amt_core::Secret;
use amt_core::hello::Roots;
use amt_core::psk::{Form, PskPair};
use amt_core::tls::LegacyTls;
use amt_provision::{CaAnswer, CertificateRequest, PasswordPolicy, Plan, Record, Step};
use amt_sim::authority::ProvisioningChain;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

type Doing = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Pretends with a function, and counts.
struct Pretend<F> {
    body: F,
    calls: Arc<Mutex<BTreeMap<SystemId, u32>>>,
    now: AtomicUsize,
    peak: Arc<AtomicUsize>,
}

impl<F: Fn(u32, Job, FleetHost) -> Doing + Send + Sync> Provisioner for Pretend<F> {
    fn provision<'a>(
        &'a self,
        job: Job,
        host: &'a FleetHost,
    ) -> Pin<Box<dyn Future<Output = Result<Proven, Failure>> + Send + 'a>> {
        Box::pin(async move {
            let call = {
                let mut calls = self.calls.lock().unwrap();
                let count = calls.entry(job.id).or_default();
                *count += 1;
                *count
            };
            self.peak.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let mut record = job.record.clone().unwrap_or_else(|| Record::new(job.id));
            let result = (self.body)(call, job, host.clone()).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            result?;
            record.verified = true;
            record.step = Step::Done;
            host.persist(&record).await?;
            let tls = TlsFacts { version: "TLS 1.2".into(), suite: "SUITE".into(), engine: "rustls".into() };
            Ok(Proven { control_mode: "admin".into(), tls })
        })
    }
}

struct NoCa;

impl CertificateAuthority for NoCa {
    fn certify<'a>(&'a self, _request: &'a CertificateRequest) -> Asked<'a> {
        Box::pin(async { CaAnswer::Denied { reason: "nobody asked".into() } })
    }
}

struct Running {
    fleet: Fleet,
    address: SocketAddr,
    events: Subscription,
    calls: Arc<Mutex<BTreeMap<SystemId, u32>>>,
    peak: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), Failure>>,
}

async fn fleet(folder: &Path) -> Fleet {
    Fleet::open(folder.join("fleet.db"), SealKey::new(&Secret::new([1; KEY_LEN]))).await.unwrap()
}

async fn start<F>(fleet: Fleet, admit: Admission, body: F) -> Running
where
    F: Fn(u32, Job, FleetHost) -> Doing + Send + Sync + 'static,
{
    start_with(fleet, admit, Vec::new(), body).await
}

/// Everybody is let in, and the profile allows old TLS.
async fn start_allowing<F>(fleet: Fleet, body: F) -> Running
where
    F: Fn(u32, Job, FleetHost) -> Doing + Send + Sync + 'static,
{
    let mut plan = Plan::new();
    plan.legacy_tls = LegacyTls::Allow;
    start_planned(fleet, Admission::Auto, Vec::new(), plan, Arc::new(NoCa), body).await
}

async fn start_certified<F>(fleet: Fleet, ca: Arc<dyn CertificateAuthority>, body: F) -> Running
where
    F: Fn(u32, Job, FleetHost) -> Doing + Send + Sync + 'static,
{
    start_planned(fleet, Admission::Auto, Vec::new(), Plan::new(), ca, body).await
}

async fn start_with<F>(fleet: Fleet, admit: Admission, resolvers: Vec<Arc<dyn Resolver>>, body: F) -> Running
where
    F: Fn(u32, Job, FleetHost) -> Doing + Send + Sync + 'static,
{
    start_planned(fleet, admit, resolvers, Plan::new(), Arc::new(NoCa), body).await
}

async fn start_planned<F>(
    fleet: Fleet,
    admit: Admission,
    resolvers: Vec<Arc<dyn Resolver>>,
    plan: Plan,
    ca: Arc<dyn CertificateAuthority>,
    body: F,
) -> Running
where
    F: Fn(u32, Job, FleetHost) -> Doing + Send + Sync + 'static,
{
    let calls: Arc<Mutex<BTreeMap<SystemId, u32>>> = Arc::default();
    let peak: Arc<AtomicUsize> = Arc::default();
    let provisioner = Pretend { body, calls: calls.clone(), now: AtomicUsize::new(0), peak: peak.clone() };
    let chain = ProvisioningChain::new("example.com");
    let certificate = ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap();
    let presented = Presented { here: Arc::from([certificate]), ..Presented::default() };
    let shared = Shared {
        fleet: fleet.clone(),
        ca,
        events: crate::event::Events::new(),
        provisioner: Box::new(provisioner),
        presented,
        plan,
        profiles: crate::profiles::Profiles::default(),
        defaults: Defaults { admission: admit, suffixes: vec!["example.com".into()], ..Defaults::default() },
        resolvers,
        actions: Vec::new(),
        renew_at: None,
        console: None,
        directory: None,
        retry: RetryPolicy {
            first: Duration::from_millis(20),
            most: Duration::from_millis(100),
            attempts: 5,
            ..RetryPolicy::default()
        },
        port: 16993,
        busy: busy::Busy::default(),
        turns: busy::Turns::default(),
    };
    let listen = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let server = Server {
        listener: HelloListener::bind(&listen, amt::listener::ListenerConfig::default()).await.unwrap(),
        shared: Arc::new(shared),
        concurrency: 3,
        _lock: builder::lock(fleet.path()).unwrap(),
    };
    let (address, events) = (server.addresses()[0], server.subscribe());
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server.run(async { drop(stopped.await) }));
    Running { fleet, address, events, calls, peak, stop, task }
}

impl Running {
    async fn hello(&self, id: SystemId) {
        let hello = Hello {
            admin_credentials_set: false,
            retry: 0,
            id,
            kind: HelloKind::Pki { roots: Roots::NONE },
            trailing: 0,
        };
        self.send(&hello.encode()).await;
    }

    async fn send(&self, bytes: &[u8]) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
    }

    /// Waits for an event of this kind.
    async fn until(&mut self, kind: &str) -> Arc<FleetEvent> {
        let wait = async {
            loop {
                let event = self.events.next().await.expect("the server runs");
                if event.progress.kind() == kind {
                    return event;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("no event {kind:?}"))
    }

    fn calls(&self, id: SystemId) -> u32 {
        self.calls.lock().unwrap().get(&id).copied().unwrap_or_default()
    }

    async fn stop(self) -> Fleet {
        self.stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(5), self.task).await.unwrap().unwrap().unwrap();
        self.fleet
    }
}

fn id(n: u8) -> SystemId {
    SystemId::from_wire([n; 16])
}

fn fails(code: ErrorCode) -> Failure {
    Failure::new(code, "test", "as told")
}

fn good(_call: u32, _job: Job, _host: FleetHost) -> Doing {
    Box::pin(async { Ok(()) })
}

#[tokio::test]
async fn a_hello_is_provisioned_once_and_then_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(fleet(folder.path()).await, Admission::Auto, good).await;
    server.hello(id(1)).await;
    server.until("verified").await;
    server.hello(id(1)).await;
    server.until("left-alone").await;
    assert_eq!(server.calls(id(1)), 1);
    let machine = server.fleet.machine(id(1)).await.unwrap();
    assert!(machine.is_verified());
    assert_eq!((machine.control_mode.as_deref(), machine.tls.unwrap().version.as_str()), (Some("admin"), "TLS 1.2"));
    assert!(machine.host_name.unwrap().starts_with("amt-"));
    assert_eq!(machine.domain_name.as_deref(), Some("example.com"));
    assert_eq!(machine.address, Some(IpAddr::from(Ipv4Addr::LOCALHOST)));
    // Unless told so.
    server.fleet.redo(id(1)).await.unwrap();
    server.hello(id(1)).await;
    server.until("verified").await;
    assert_eq!(server.calls(id(1)), 2);
    let fleet = server.stop().await;
    let kinds: Vec<_> = fleet.diary(id(1), 100).await.unwrap().into_iter().map(|e| e.kind).collect();
    assert!(kinds.starts_with(&["hello", "queued", "started"].map(String::from)), "{kinds:?}");
}

#[tokio::test]
async fn strangers_are_parked_and_listed_machines_served() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = fleet(folder.path()).await;
    fleet.import(vec![KnownMachine::new(id(2))]).await.unwrap();
    let mut server = start(fleet, Admission::Known, good).await;
    server.hello(id(1)).await;
    let event = server.until("parked").await;
    assert!(event.to_string().contains("not on the list"), "{event}");
    server.hello(id(2)).await;
    assert_eq!(server.until("verified").await.id, Some(id(2)));
    assert_eq!(server.calls(id(1)), 0);
    assert_eq!(server.fleet.machine(id(1)).await.unwrap().state, MachineState::Parked);
}

#[tokio::test]
async fn shared_uuids_and_noise_leave_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(fleet(folder.path()).await, Admission::Auto, good).await;
    let placeholder: SystemId = "03000200-0400-0500-0006-000700080009".parse().unwrap();
    for (id, code) in
        [(SystemId::from_wire([0; 16]), ErrorCode::IDENTITY_UNUSABLE), (placeholder, ErrorCode::IDENTITY_UNUSABLE)]
    {
        server.hello(id).await;
        let event = server.until("refused").await;
        assert!(matches!(&event.progress, Progress::Refused(f) if f.code == code), "{event}");
    }
    server.send(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(server.until("refused").await.id, None);
    assert!(server.fleet.machines().await.unwrap().is_empty());
}

fn psk_hello(n: u8, pid: Pid) -> Vec<u8> {
    let kind = HelloKind::Psk { pid };
    Hello { admin_credentials_set: false, retry: 0, id: id(n), kind, trailing: 0 }.encode()
}

#[tokio::test]
async fn a_machine_with_a_pre_shared_key_waits_for_consent_and_for_its_pair() {
    let folder = tempfile::tempdir().unwrap();
    let pair = |job: Job, _host: FleetHost| -> Doing {
        Box::pin(async move {
            let [pair] = job.psk.as_slice() else { panic!("{:?}", job.psk) };
            assert!(matches!(&job.hello.unwrap().kind, HelloKind::Psk { pid } if *pid == pair.pid));
            let known: Vec<_> = job.plan.known_admin_passwords.iter().map(|p| p.expose().as_str()).collect();
            assert_eq!(known, ["Menu1!known"]);
            assert!(matches!(&job.plan.mebx_password, PasswordPolicy::Fixed(p) if p.expose() == "Menu1!fresh"));
            Ok(())
        })
    };
    let mut secret =
        SecretPair::new(PskPair::parse("AMT1SET7", "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD", Form::Strict).unwrap());
    let pid = secret.pair.pid;
    let mut server = start(fleet(folder.path()).await, Admission::Auto, good).await;
    server.send(&psk_hello(1, pid)).await;
    let event = server.until("failed").await;
    assert!(
        matches!(&event.progress, Progress::Failed { failure, retry_in: None } if failure.code == ErrorCode::TLS_LEGACY_NOT_ALLOWED),
        "{event}"
    );
    assert_eq!(server.calls(id(1)), 0, "nothing is connected to");
    let fleet = server.stop().await;
    let mut server = start_allowing(fleet, move |_, job, host| pair(job, host)).await;
    server.send(&psk_hello(1, pid)).await;
    let event = server.until("failed").await;
    assert!(
        matches!(&event.progress, Progress::Failed { failure, retry_in: None } if failure.code == ErrorCode::PSK_UNKNOWN && failure.message.contains("AMT1-SET7")),
        "{event}"
    );
    assert_eq!(server.fleet.machine(id(1)).await.unwrap().pid.as_deref(), Some("AMT1SET7"));
    // Imported, it is tried again without another hello.
    (secret.mebx_password, secret.new_mebx_password) = (Some("Menu1!known".into()), Some("Menu1!fresh".into()));
    assert_eq!(server.fleet.import_pairs(vec![secret]).await.unwrap().machines, 1);
    server.until("verified").await;
    let diary = server.fleet.diary(id(1), 100).await.unwrap();
    assert!(diary.iter().any(|e| e.kind == "hello" && e.message.contains("PID AMT1SET7")));
}

#[tokio::test]
async fn the_cap_holds_and_repeated_hellos_start_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let slow = |_call: u32, _job: Job, _host: FleetHost| -> Doing {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            Ok(())
        })
    };
    let mut server = start(fleet(folder.path()).await, Admission::Auto, slow).await;
    for _ in 0..3 {
        for n in 1..=9 {
            server.hello(id(n)).await;
        }
    }
    for _ in 1..=9 {
        server.until("verified").await;
    }
    assert_eq!(server.peak.load(Ordering::SeqCst), 3);
    assert!((1..=9).all(|n| server.calls(id(n)) == 1));
}

#[tokio::test]
async fn failures_are_repeated_with_growing_waits_until_it_works() {
    let folder = tempfile::tempdir().unwrap();
    let third = |call: u32, job: Job, host: FleetHost| -> Doing {
        Box::pin(async move {
            let mut record = job.record.unwrap();
            assert_eq!(record.admin_passwords.len(), call as usize - 1, "the journal of the attempt before is at hand");
            record.admin_passwords.insert(0, Secret::new(format!("p{call}")));
            host.persist(&record).await?;
            if call < 3 { Err(fails(ErrorCode::CONNECTION_RESET)) } else { Ok(()) }
        })
    };
    let mut server = start(fleet(folder.path()).await, Admission::Auto, third).await;
    server.hello(id(1)).await;
    let mut waits = Vec::new();
    for _ in 0..2 {
        match &server.until("failed").await.progress {
            Progress::Failed { failure, retry_in: Some(wait) } if failure.code == ErrorCode::CONNECTION_RESET => {
                waits.push(*wait);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(waits[0] < Duration::from_millis(21) && waits[1] > waits[0], "{waits:?}");
    server.until("verified").await;
    let machine = server.fleet.machine(id(1)).await.unwrap();
    assert_eq!((machine.failure, machine.attempts), (None, 0));
}

#[tokio::test]
async fn what_a_hand_must_mend_waits_for_the_next_hello() {
    let folder = tempfile::tempdir().unwrap();
    let once = |call: u32, _job: Job, _host: FleetHost| -> Doing {
        Box::pin(async move { if call == 1 { Err(fails(ErrorCode::OTP_MISMATCH)) } else { Ok(()) } })
    };
    let mut server = start(fleet(folder.path()).await, Admission::Auto, once).await;
    server.hello(id(1)).await;
    let event = server.until("failed").await;
    assert!(matches!(event.progress, Progress::Failed { retry_in: None, .. }), "{event}");
    let machine = server.fleet.machine(id(1)).await.unwrap();
    assert_eq!((machine.state, machine.failure.unwrap().code), (MachineState::Failed, ErrorCode::OTP_MISMATCH));
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(server.calls(id(1)), 1);
    server.hello(id(1)).await;
    server.until("verified").await;
}

#[tokio::test]
async fn a_machine_past_its_commit_is_asked_until_it_proves_itself() {
    let folder = tempfile::tempdir().unwrap();
    let late = |call: u32, job: Job, host: FleetHost| -> Doing {
        Box::pin(async move {
            let mut record = job.record.unwrap();
            record.commit_sent = true;
            host.persist(&record).await?;
            // More often than the policy's five attempts, and with a code that otherwise ends the attempts.
            if call < 8 { Err(fails(ErrorCode::WRONG_STATE)) } else { Ok(()) }
        })
    };
    let mut server = start(fleet(folder.path()).await, Admission::Auto, late).await;
    server.hello(id(1)).await;
    server.until("verified").await;
    assert_eq!(server.calls(id(1)), 8);
}

#[tokio::test]
async fn unfinished_machines_are_taken_up_at_start_without_a_hello() {
    let folder = tempfile::tempdir().unwrap();
    let database = fleet(folder.path()).await;
    let stuck = |_call: u32, job: Job, host: FleetHost| -> Doing {
        Box::pin(async move {
            let mut record = job.record.unwrap();
            (record.realm, record.step) = (Some("Digest:A".into()), Step::SetAdminPassword);
            host.persist(&record).await?;
            std::future::pending().await
        })
    };
    let mut server = start(database.clone(), Admission::Auto, stuck).await;
    for n in 1..=2 {
        server.hello(id(n)).await;
        server.until("started").await;
    }
    while database.steps().await.unwrap().get(&Step::SetAdminPassword) != Some(&2) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // As a kill does it: nothing is told to stop.
    server.task.abort();
    let _ = server.task.await;
    let seen = |_call: u32, job: Job, _host: FleetHost| -> Doing {
        Box::pin(async move {
            assert_eq!(job.record.unwrap().realm.as_deref(), Some("Digest:A"));
            assert!(job.hello.is_some(), "the hello of then tells the root hashes");
            assert_eq!(job.address, IpAddr::from(Ipv4Addr::LOCALHOST));
            Ok(())
        })
    };
    let mut server = start(database, Admission::Auto, seen).await;
    let started = server.until("started").await;
    assert!(matches!(started.progress, Progress::Started { resumed: true, attempt: 2 }), "{started}");
    for _ in 1..=2 {
        server.until("verified").await;
    }
    let fleet = server.stop().await;
    let mut server = start(fleet, Admission::Auto, good).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(server.calls.lock().unwrap().is_empty(), "what is verified is not touched");
    server.hello(id(1)).await;
    server.until("left-alone").await;
}

#[tokio::test]
async fn stopping_lets_the_attempt_under_way_end() {
    let folder = tempfile::tempdir().unwrap();
    let slow = |_call: u32, _job: Job, _host: FleetHost| -> Doing {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(())
        })
    };
    let mut server = start(fleet(folder.path()).await, Admission::Auto, slow).await;
    server.hello(id(1)).await;
    server.until("started").await;
    let fleet = server.stop().await;
    assert!(fleet.machine(id(1)).await.unwrap().is_verified());
}

#[tokio::test]
async fn one_database_has_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(fleet(folder.path()).await, Admission::Auto, good).await;
    let failure = builder::lock(server.fleet.path()).unwrap_err();
    assert!(failure.message.contains("another setup server"), "{failure}");
    let fleet = server.stop().await;
    builder::lock(fleet.path()).unwrap();
}

/// Puts requests off, and says which it was asked about.
struct SlowCa(Mutex<Vec<Option<String>>>);

impl CertificateAuthority for SlowCa {
    fn certify<'a>(&'a self, request: &'a CertificateRequest) -> Asked<'a> {
        let mut asked = self.0.lock().unwrap();
        asked.push(request.request_id.clone());
        let answer = match (asked.len(), &request.request_id) {
            (_, None) => CaAnswer::Pending {
                request_id: "no-7".into(),
                retry_after: Some(Duration::from_secs(3)),
                words: Some("Taken Under Submission".into()),
                hint: None,
            },
            (1..=2, Some(id)) => CaAnswer::pending(id.as_str()),
            (_, Some(_)) => CaAnswer::Issued { certificate: vec![1], chain: vec![] },
        };
        Box::pin(async { answer })
    }
}

#[tokio::test]
async fn a_request_that_was_put_off_is_never_submitted_again() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = fleet(folder.path()).await;
    fleet.persist(&Record::new(id(1))).await.unwrap();
    let ca = Arc::new(SlowCa(Mutex::default()));
    let request = CertificateRequest::new(id(1), vec![0x30], "pc".into(), vec![]);
    // The id is lost to the procedure each time, as by a kill between answer and journal.
    for expected in [Some(Duration::from_secs(3)), None] {
        let host = FleetHost::new(fleet.clone(), ca.clone());
        assert!(matches!(host.certify(&request).await, CaAnswer::Pending { request_id, .. } if request_id == "no-7"));
        assert_eq!(host.retry_after(), expected);
    }
    let host = FleetHost::new(fleet.clone(), ca.clone());
    assert!(matches!(host.certify(&request).await, CaAnswer::Issued { .. }));
    let known = Some("no-7".to_owned());
    assert_eq!(*ca.0.lock().unwrap(), [None, known.clone(), known]);
    let requests = fleet.ca_requests(id(1)).await.unwrap();
    assert_eq!((requests.len(), requests[0].times, requests[0].state.as_str()), (1, 3, "issued"));
    // Another key is another request.
    let other = CertificateRequest::new(id(1), vec![0x31], "pc".into(), vec![]);
    host.certify(&other).await;
    assert_eq!(ca.0.lock().unwrap().last().unwrap(), &None);
}

/// Puts every request off for longer than the server would wait by itself.
struct Tomorrow;

impl CertificateAuthority for Tomorrow {
    fn certify<'a>(&'a self, _request: &'a CertificateRequest) -> Asked<'a> {
        Box::pin(async {
            CaAnswer::Pending {
                request_id: "7".into(),
                retry_after: Some(Duration::from_secs(3600)),
                words: None,
                hint: None,
            }
        })
    }
}

#[tokio::test]
async fn an_authority_is_left_alone_for_as_long_as_it_asks() {
    let folder = tempfile::tempdir().unwrap();
    let body = |_, job: Job, host: FleetHost| -> Doing {
        Box::pin(async move {
            host.persist(&Record::new(job.id)).await?;
            let request = CertificateRequest::new(job.id, vec![0x30], "pc".into(), vec![]);
            match host.certify(&request).await {
                CaAnswer::Pending { .. } => Err(Failure::new(ErrorCode::CA_PENDING, "certify", "7 is not decided")),
                other => panic!("{other:?}"),
            }
        })
    };
    let mut server = start_certified(fleet(folder.path()).await, Arc::new(Tomorrow), body).await;
    server.hello(id(1)).await;
    server.until("failed").await;
    let machine = server.fleet.machine(id(1)).await.unwrap();
    let wait = machine.retry_at.unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(wait > Duration::from_secs(3500), "{wait:?}");
    // Its hellos do not change that.
    for _ in 0..3 {
        server.hello(id(1)).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.calls.lock().unwrap()[&id(1)], 1);
}

/// Takes its time over the first question only.
struct SlowAtFirst(AtomicUsize);

impl Resolver for SlowAtFirst {
    fn resolve<'a>(&'a self, _question: &'a Question) -> Resolving<'a> {
        let wait = if self.0.fetch_add(1, Ordering::SeqCst) == 0 { 400 } else { 0 };
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            Ok(Answer::default())
        })
    }
}

#[tokio::test]
async fn what_is_told_while_it_is_being_decided_is_not_overlooked() {
    let folder = tempfile::tempdir().unwrap();
    let resolver = Arc::new(SlowAtFirst(AtomicUsize::new(0)));
    let asked = Arc::clone(&resolver);
    let persist = |_, job: Job, host: FleetHost| -> Doing {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let mut record = Record::new(job.id);
            record.step = Step::RecordCredentials;
            host.persist(&record).await
        })
    };
    let mut server = start_with(fleet(folder.path()).await, Admission::Auto, vec![resolver], persist).await;
    server.hello(id(1)).await;
    while asked.0.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let agent = crate::Report::new(id(1), FactSource::Agent).with(FactKey::Fqdn, "desk7.example.com");
    server.fleet.report(agent).await.unwrap();
    server.until("parked").await;
    tokio::time::sleep(Duration::from_millis(800)).await;
    let machine = server.fleet.machine(id(1)).await.unwrap();
    assert_eq!((machine.state, machine.step), (MachineState::Parked, None), "no password was made for it");
    assert_eq!(machine.parked.unwrap().code, "IN-USE");
}
