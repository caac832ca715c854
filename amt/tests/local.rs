//! Procedures of a machine's own system over real streams: virtual firmware behind an interface in memory, APF over it, TLS inside.

#![allow(clippy::print_stdout, reason = "figures for who reads the run")]

use amt::local::{
    ActivateJob, LocalAccess, Route, UnprovisionJob, activate, start_hello, status, stop_hello, unprovision,
};
use amt::mei::{Mei, MeiConnection, MeiFuture, Turn};
use amt::{Host, ProvisioningCertificate};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_heci::mei::{Client, Connected};
use amt_provision::local::{Standing, Start};
use amt_provision::remote::ControlMode;
use amt_provision::{CaAnswer, CertificateRequest, Event, Plan, Record};
use amt_sim::authority::ProvisioningChain;
use amt_sim::{LmeDefects, MeiDevice, MeiGone, MeiRefusal, SimConfig, Simulator};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SUFFIX: &str = "example.com";

/// The simulator's device, as this library sees devices.
struct Device(MeiDevice);

struct Connection(amt_sim::MeiConnection);

impl Mei for Device {
    fn open(&self, client: Client) -> MeiFuture<'_, Box<dyn MeiConnection>> {
        let failure = |code| Failure::new(code, "mei", format!("{code:?}"));
        let opened = self.0.open(client.guid()).map_err(|refusal| match refusal {
            MeiRefusal::NoClient => failure(ErrorCode::MEI_CLIENT_ABSENT),
            MeiRefusal::Busy => failure(ErrorCode::MEI_BUSY),
            MeiRefusal::NoFirmware => failure(ErrorCode::MEI_RESET),
        });
        Box::pin(async move { Ok(Box::new(Connection(opened?)) as Box<dyn MeiConnection>) })
    }

    fn turn(&self) -> Turn {
        Arc::default()
    }
}

impl MeiConnection for Connection {
    fn connected(&self) -> Connected {
        self.0.connected()
    }

    fn send<'a>(&'a mut self, message: &'a [u8]) -> MeiFuture<'a, ()> {
        let sent = self.0.send(message).map_err(|gone| match gone {
            MeiGone::Dead => Failure::new(ErrorCode::MEI_RESET, "mei", "dead"),
            MeiGone::TooLong => panic!("a message longer than the client takes"),
        });
        Box::pin(async move { sent })
    }

    fn receive(&mut self) -> MeiFuture<'_, Vec<u8>> {
        Box::pin(async move {
            let dead = || Failure::new(ErrorCode::MEI_RESET, "mei", "dead");
            self.0.receive().await.ok_or_else(dead)
        })
    }
}

/// The journal: the last record, and what was reported.
#[derive(Default)]
struct Journal {
    record: Mutex<Option<Record>>,
    notes: Mutex<Vec<String>>,
}

impl Host for Journal {
    async fn persist(&self, record: &Record) -> Result<(), Failure> {
        *self.record.lock().unwrap() = Some(record.clone());
        Ok(())
    }

    async fn certify(&self, _: &CertificateRequest) -> CaAnswer {
        panic!("nothing is certified")
    }

    fn event(&self, _: SystemId, event: &Event) {
        if let Event::Note(note) = event {
            self.notes.lock().unwrap().push(note.clone());
        }
    }
}

struct Lab {
    simulator: Simulator,
    id: SystemId,
    certificates: Arc<[ProvisioningCertificate]>,
    device: MeiDevice,
    access: LocalAccess,
    journal: Journal,
}

impl Lab {
    async fn new(persona: &str, base: [u8; 4], change: impl FnOnce(&mut SimConfig)) -> Self {
        let chain = ProvisioningChain::new(SUFFIX);
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::from(base);
        config.persona = Arc::new(amt_sim::Persona::built_in(persona).unwrap());
        config.root_certificates = vec![chain.root().to_vec()];
        config.suffix = Some(SUFFIX.to_owned());
        config.silent = true;
        config.time_scale = 20.0;
        change(&mut config);
        let simulator = Simulator::start(config).await.unwrap();
        let id = simulator.machines()[0].id;
        // The machine has its power a moment later.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let device = simulator.mei(id).unwrap();
        let mut access = LocalAccess::new(Arc::new(Device(device.clone())));
        access.route = Route::Lme;
        let certificate = ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap();
        Self { simulator, id, certificates: Arc::new([certificate]), device, access, journal: Journal::default() }
    }

    fn record(&self) -> Record {
        self.journal.record.lock().unwrap().clone().unwrap_or_else(|| Record::new(self.id))
    }

    async fn activate(&self, mode: ControlMode) -> Result<bool, Failure> {
        self.activate_at(mode, PeerIdentity::Any).await
    }

    async fn activate_at(&self, mode: ControlMode, identity: PeerIdentity) -> Result<bool, Failure> {
        let mut plan = Plan::new();
        plan.host_name = Some("pc1".to_owned());
        plan.domain_name = Some(SUFFIX.to_owned());
        let mut job = ActivateJob::new(self.record(), plan, mode);
        job.certificates = Arc::clone(&self.certificates);
        job.identity = identity;
        activate(&self.access, job, &self.journal).await.map(|done| done.changed)
    }

    fn assert_opens(&self) {
        let record = self.record();
        assert!(record.verified);
        let password = record.admin_passwords[0].expose();
        assert!(self.simulator.check_admin_password(self.id, password));
    }
}

#[tokio::test]
async fn both_modes_over_lme_plain_and_over_tls() {
    for (nth, persona) in ["9.5", "16.0", "21.0"].into_iter().enumerate() {
        let lab = Lab::new(persona, [127, 60, u8::try_from(nth).unwrap(), 1], |_| {}).await;
        let told = status(&lab.access).await.unwrap();
        assert_eq!((told.facts.id, told.facts.standing), (Some(lab.id), Standing::Unprovisioned));
        assert!(lab.activate(ControlMode::Client).await.unwrap(), "{persona}");
        lab.assert_opens();
        assert!(!lab.activate(ControlMode::Client).await.unwrap(), "{persona}: again is no change");
        assert!(lab.activate(ControlMode::Admin).await.unwrap(), "{persona}: upgraded");
        lab.assert_opens();
        unprovision(&lab.access, UnprovisionJob::new(lab.record()), &lab.journal).await.unwrap();
        assert_eq!(status(&lab.access).await.unwrap().facts.standing, Standing::Unprovisioned);
        assert!(lab.activate(ControlMode::Admin).await.unwrap(), "{persona}: straight to admin");
        lab.assert_opens();
        assert_eq!(status(&lab.access).await.unwrap().facts.standing, Standing::Admin);
    }
}

#[tokio::test]
async fn by_lms_where_it_answers_and_by_lme_where_it_does_not() {
    let mut lab = Lab::new("16.0", [127, 60, 10, 1], |_| {}).await;
    let lms = Ipv4Addr::new(127, 60, 10, 200);
    (lab.access.route, lab.access.lms) = (Route::Lms, lms.into());
    assert_eq!(lab.activate(ControlMode::Client).await.unwrap_err().code, ErrorCode::CONNECT_REFUSED);
    lab.access.route = Route::Auto;
    let before = lab.device.messages();
    assert!(lab.activate(ControlMode::Client).await.unwrap());
    let by_lme = lab.device.messages() - before;
    let device = lab.device.clone();
    let service = tokio::spawn(async move { device.serve_lms(lms, 16992, 16993).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let before = lab.device.messages();
    assert!(lab.activate(ControlMode::Admin).await.unwrap());
    let by_lms = lab.device.messages() - before;
    assert!(by_lms < by_lme, "by LMS only AMTHI is asked: {by_lms} messages, {by_lme} by LME");
    service.abort();
}

/// Firmware of a generation that says nothing of TLS beforehand, and offers nothing else.
#[tokio::test]
async fn tls_is_found_out_where_the_firmware_does_not_say_that_it_demands_it() {
    let mut lab = Lab::new("14.0", [127, 60, 11, 1], |config| {
        Arc::make_mut(&mut config.persona).local.tls_only = true;
    })
    .await;
    assert!(!status(&lab.access).await.unwrap().facts.is_local_tls_enforced());
    assert!(lab.activate(ControlMode::Client).await.unwrap());
    lab.assert_opens();
    unprovision(&lab.access, UnprovisionJob::new(lab.record()), &lab.journal).await.unwrap();
    let lms = Ipv4Addr::new(127, 60, 11, 200);
    (lab.access.route, lab.access.lms) = (Route::Lms, lms.into());
    let device = lab.device.clone();
    let service = tokio::spawn(async move { device.serve_lms(lms, 16992, 16993).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(lab.activate(ControlMode::Client).await.unwrap());
    lab.assert_opens();
    service.abort();
}

/// The chip's own chain inside TLS inside LME: by its root, and the step that failed by name.
#[tokio::test]
async fn the_chips_own_chain_is_checked_where_its_root_is_given() {
    let lab = Lab::new("19.0", [127, 60, 13, 1], |_| {}).await;
    let on_die = |roots| PeerIdentity::OnDie { roots };
    let wrong = vec![ProvisioningChain::new(SUFFIX).root().to_vec()];
    let failure = lab.activate_at(ControlMode::Client, on_die(wrong)).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::ONDIE_CHAIN);
    assert!(failure.message.contains("root: the chain ends at"), "{failure:?}");
    assert!(lab.activate_at(ControlMode::Client, on_die(vec![amt_sim::ondie::root()])).await.unwrap());
    lab.assert_opens();
    // Firmware without such a chain presents a certificate of its own.
    let lab = Lab::new("14.0", [127, 60, 13, 2], |config| {
        Arc::make_mut(&mut config.persona).local.tls_only = true;
        Arc::make_mut(&mut config.persona).local.on_die = false;
    })
    .await;
    let failure = lab.activate_at(ControlMode::Client, on_die(vec![amt_sim::ondie::root()])).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::ONDIE_CHAIN);
    assert!(failure.message.contains("length: 1 certificates"), "{failure:?}");
}

/// The system takes connections for a service that no longer does anything.
#[tokio::test]
async fn a_service_that_hangs_is_told_from_one_that_is_absent() {
    let mut lab = Lab::new("16.0", [127, 60, 12, 1], |_| {}).await;
    let lms = Ipv4Addr::new(127, 60, 12, 200);
    (lab.access.route, lab.access.lms) = (Route::Auto, lms.into());
    let _hung = tokio::net::TcpListener::bind((lms, 16992)).await.unwrap();
    let failure = lab.activate(ControlMode::Client).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::LMS_HUNG, "{failure:?}");
    assert!(failure.hint.contains("restart the service LMS"), "{failure:?}");
    assert_eq!(status(&lab.access).await.unwrap().facts.standing, Standing::Unprovisioned);
}

#[tokio::test]
async fn defects_of_lme_are_survived_or_told() {
    let survived: [fn(&mut LmeDefects); 2] = [|d| d.replays_version = true, |d| d.stale_close = true];
    for (nth, defect) in survived.into_iter().enumerate() {
        let lab =
            Lab::new("16.0", [127, 60, 20, 1 + u8::try_from(nth).unwrap()], |config| defect(&mut config.lme)).await;
        assert!(lab.activate(ControlMode::Client).await.unwrap());
        assert!(lab.activate(ControlMode::Admin).await.unwrap());
    }
    let lab = Lab::new("16.0", [127, 60, 20, 10], |config| config.lme.refused_channels = 100).await;
    let failure = lab.activate(ControlMode::Client).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::APF_REFUSED);
    assert!(failure.message.contains("no channel is left"), "{failure:?}");
    let lab = Lab::new("16.0", [127, 60, 20, 11], |config| config.lme.never_credits = true).await;
    let failure = lab.activate(ControlMode::Admin).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::REPLY_TIMEOUT);
    assert_eq!(status(&lab.access).await.unwrap().facts.standing, Standing::Unprovisioned);
}

#[tokio::test]
async fn a_session_with_lme_leaves_no_channel_behind() {
    let lab = Lab::new("16.0", [127, 60, 30, 1], |_| {}).await;
    // More rounds than the firmware has channels, and than it lets programs connect at a time.
    for _ in 0..6 {
        assert!(lab.activate(ControlMode::Client).await.unwrap());
        unprovision(&lab.access, UnprovisionJob::new(lab.record()), &lab.journal).await.unwrap();
    }
}

/// Messages that the procedure needs, and the time that they take: nothing sleeps beside them.
#[tokio::test]
async fn activation_takes_as_long_as_its_messages() {
    const DELAY: u64 = 100;
    let lab = Lab::new("16.0", [127, 60, 40, 1], |config| {
        config.time_scale = 1.0;
        Arc::make_mut(&mut config.persona).local.reply_ms = DELAY;
    })
    .await;
    let begun = Instant::now();
    assert!(lab.activate(ControlMode::Client).await.unwrap());
    let took = begun.elapsed();
    let messages = lab.device.messages();
    println!("{messages} messages of {DELAY} ms: {took:?}");
    let allowed = Duration::from_millis(DELAY * messages).mul_f64(1.1);
    assert!(took <= allowed, "{took:?}, {allowed:?} are allowed; {:?}", lab.journal.notes.lock().unwrap());
    // 8 questions over HECI; 6 messages begin the session; two channels with 2 logins, 5 requests and their credit.
    assert_eq!(messages, 34);
}

#[tokio::test]
async fn what_the_firmware_says_goes_into_the_facts_of_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let tables = folder.path().join("sys/class/dmi/id");
    std::fs::create_dir_all(&tables).unwrap();
    std::fs::write(tables.join("product_uuid"), "4c4c4544-0051-3510-8052-b4c04f4e3132").unwrap();
    let mut system = amt::System::read_under(folder.path()).unwrap();
    let lab = Lab::new("16.0", [127, 60, 51, 1], |_| {}).await;
    system.ask_firmware(&lab.access).await.unwrap();
    assert_eq!((system.id, system.standing), (lab.id, Some(Standing::Unprovisioned)));
    assert_eq!(system.version.map(|version| version.major), Some(16));
    let wired = status(&lab.access).await.unwrap().wired.unwrap().mac.to_string();
    assert_eq!(system.interfaces, [wired]);
}

#[tokio::test]
async fn hellos_are_begun_and_ended() {
    let lab = Lab::new("11.8", [127, 60, 50, 1], |_| {}).await;
    let hellos = || lab.simulator.truth(lab.id).unwrap().hellos;
    assert_eq!(hellos(), 0);
    let started = start_hello(&lab.access, Start::default()).await.unwrap();
    assert_eq!(started.standing, Standing::Unprovisioned);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(hellos() > 0);
    assert_eq!(stop_hello(&lab.access).await.unwrap(), Standing::Unprovisioned);
}
