//! Jobs that take setups back: the machine is kept out afterwards, whatever rules say, until somebody lets it in.

use amt::ProvisioningCertificate;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_fleet::ca::{LocalCa, LocalCaFiles};
use amt_fleet::config::{Admission, RetryPolicy};
use amt_fleet::resolve::{Answer, Entry, Foreseen, Question, foresee};
use amt_fleet::{
    Action, ActionState, CredentialKind, Filter, Fleet, GuardPolicy, KnownMachine, Machine, MachineState, Operation,
    ReleaseOrder, Server,
};
use amt_provision::Plan;
use amt_sim::authority::ProvisioningChain;
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use amt_sim::firmware::MachineTruth;
use amt_sim::{RootHash, SimConfig, Simulator};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const SUFFIX: &str = "example.com";
const PARTIAL: &str = "AMT_SetupAndConfigurationService.PartialUnprovision";
/// Looks at the database before a test gives up, 20 ms apart: a busy computer takes its time.
const PATIENCE: u32 = 5000;

/// A server that lets everybody in, and a machine.
struct Site {
    fleet: Fleet,
    simulator: Simulator,
    chain: ProvisioningChain,
    server: tokio::task::JoinHandle<Result<(), Failure>>,
    folder: TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A rule that lets in whatever the guard says.
#[expect(clippy::unnecessary_wraps, reason = "a resolver may fail")]
fn let_all_in(_: &Question) -> Result<Answer, Failure> {
    let mut answer = Answer::default();
    answer.entry = Some(Entry::Release);
    Ok(answer)
}

/// A server over what is in the folder.
async fn server(folder: &Path, chain: &ProvisioningChain) -> (Fleet, Server) {
    let at = |name: &str| folder.join(name);
    let fleet = Fleet::open_with_key_file(at("fleet.db"), at("seal.key")).await.unwrap();
    let ca = LocalCa::open(&LocalCaFiles::new(at("ca.pem"), at("ca.key"))).unwrap();
    let mut retry = RetryPolicy::default();
    (retry.first, retry.most) = (Duration::from_millis(100), Duration::from_millis(500));
    let mut plan = Plan::new();
    plan.guess_spacing = Duration::from_millis(100);
    plan.proof_timeout = Duration::from_secs(20);
    let server = Server::builder(fleet.clone())
        .listen([SocketAddr::from((Ipv4Addr::LOCALHOST, 0))])
        .certificates([ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap()])
        .ca(Arc::new(ca))
        .dns_suffixes([SUFFIX.to_owned()])
        .admit(Admission::Auto)
        .resolver(let_all_in)
        .plan(plan)
        .retry(retry)
        .bind()
        .await
        .unwrap();
    (fleet, server)
}

impl Site {
    /// One machine, which is set up.
    async fn start(network: u8) -> Self {
        Self::of(network, 1).await
    }

    async fn of(network: u8, machines: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let chain = ProvisioningChain::new(SUFFIX);
        let (fleet, server) = server(folder.path(), &chain).await;
        let mut config = SimConfig::new(machines);
        config.base_address = Ipv4Addr::new(127, network, 0, 1);
        config.hello = Some(server.addresses()[0]);
        config.roots = vec![RootHash::sha256(chain.root())];
        config.suffix = Some(SUFFIX.to_owned());
        config.time_scale = 20.0;
        let server = tokio::spawn(server.run(std::future::pending()));
        let simulator = Simulator::start(config).await.unwrap();
        let site = Self { fleet, simulator, chain, server, folder };
        for _ in 0..PATIENCE {
            let all = site.fleet.machines().await.unwrap();
            if all.iter().filter(|machine| machine.is_verified()).count() == machines {
                return site;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("not all are set up: {:#?}", site.fleet.machines().await)
    }

    /// The server dies at whatever it is doing, and another takes its place.
    async fn kill(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
        let (fleet, server) = server(self.folder.path(), &self.chain).await;
        (self.fleet, self.server) = (fleet, tokio::spawn(server.run(std::future::pending())));
    }

    fn id(&self) -> SystemId {
        self.simulator.machines()[0].id
    }

    fn truth(&self) -> MachineTruth {
        self.simulator.truth(self.id()).unwrap()
    }

    async fn until(&self, what: &str, wanted: impl Fn(&Machine) -> bool) -> Machine {
        for _ in 0..PATIENCE {
            if let Ok(machine) = self.fleet.machine(self.id()).await
                && wanted(&machine)
            {
                return machine;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let diary = self.fleet.diary(self.id(), 100).await.unwrap();
        panic!("{what}: {:?}\n{diary:#?}", self.fleet.machine(self.id()).await)
    }

    /// What came of an operation on the machine.
    async fn run(&self, operation: Operation) -> Action {
        let job = self.fleet.new_job(operation, &Filter::parse("").unwrap(), 1).await.unwrap();
        for _ in 0..PATIENCE {
            let action = self.fleet.job_actions(job.id).await.unwrap().remove(0);
            if !matches!(action.state, ActionState::Pending | ActionState::Running) {
                return action;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{operation}: {:#?}", self.fleet.job_actions(job.id).await)
    }

    async fn done(&self, operation: Operation) -> String {
        let action = self.run(operation).await;
        assert_eq!(action.state, ActionState::Done, "{action:#?}");
        action.message.unwrap_or_default()
    }

    async fn passwords(&self) -> Vec<String> {
        let all = self.fleet.credentials(self.id()).await.unwrap();
        all.iter().filter(|c| c.kind == CredentialKind::Admin).map(|c| c.password.expose().clone()).collect()
    }

    /// Its hellos come, and nothing follows from them.
    async fn is_kept_out(&self) {
        let before = self.truth();
        let heard = self.fleet.machine(self.id()).await.unwrap().hello_at;
        let begun = std::time::Instant::now();
        loop {
            self.simulator.say_hello(self.id());
            tokio::time::sleep(Duration::from_millis(100)).await;
            let machine = self.fleet.machine(self.id()).await.unwrap();
            if machine.hello_at > heard && begun.elapsed() > Duration::from_secs(2) {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "it says no hello: {machine:?}");
        }
        let (after, machine) = (self.truth(), self.fleet.machine(self.id()).await.unwrap());
        assert!(after.hellos > before.hellos && after.state == "pre", "{after:#?}");
        assert_eq!((after.connections, after.commits), (before.connections, before.commits), "nobody connected");
        let parked = machine.parked.as_ref().unwrap();
        assert_eq!((parked.code.as_str(), machine.state), ("TAKEN-BACK", MachineState::Parked));
        assert!(parked.hint.contains("amt fleet release"), "{parked:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_taken_back_is_kept_out_until_somebody_lets_it_in() {
    let site = Site::start(121).await;
    let ours = site.passwords().await.remove(0);
    let writes = site.truth().writes;
    let told = site.done(Operation::Unprovision).await;
    assert_eq!(told, "its setup is taken back in full: it is in setup mode now; it is kept out until it is released");
    let truth = site.truth();
    assert_eq!((truth.state.as_str(), truth.writes, truth.admin.set), ("pre", writes + 1, false));
    let machine = site.fleet.machine(site.id()).await.unwrap();
    let taken = machine.taken_back.clone().unwrap();
    assert!(taken.extent == "full" && taken.by.starts_with("job "), "{taken:?}");
    assert!(!machine.is_verified() && !machine.may_be_provisioned() && machine.control_mode.is_none());
    assert_eq!((machine.step, machine.verified_at, machine.released.is_none()), (None, None, true));
    assert!(machine.first_verified_at.is_some() && machine.firmware.is_some());
    let passwords = site.passwords().await;
    assert!(passwords.contains(&ours) && passwords.contains(&"admin".to_owned()), "nothing is forgotten");
    let diary = site.fleet.diary(site.id(), 200).await.unwrap();
    assert!(diary.iter().any(|d| d.kind == "taken-back" && d.message.contains("in full by job ")), "{diary:#?}");
    site.is_kept_out().await;

    // Nor do a list, a second job, or a job that needs a machine that is set up.
    site.fleet.import(vec![KnownMachine::new(site.id())]).await.unwrap();
    site.is_kept_out().await;
    let sent = site.truth().writes;
    let again = site.done(Operation::UnprovisionPartial).await;
    assert!(again.contains("taken back in full by job ") && again.ends_with("already; nothing was sent"), "{again}");
    let rotate = site.run(Operation::Rotate).await;
    assert_eq!((rotate.state, site.truth().writes), (ActionState::Failed, sent));
    let machine = site.fleet.machine(site.id()).await.unwrap();
    let foreseen = foresee(&site.fleet, &GuardPolicy::default(), Operation::Unprovision, &machine).await.unwrap();
    assert!(matches!(&foreseen, Foreseen::Does(text) if text.contains("is left alone")), "{foreseen:?}");

    site.fleet.release(site.id(), ReleaseOrder::by("tester")).await.unwrap();
    site.simulator.say_hello(site.id());
    let machine = site.until("set up again", Machine::is_verified).await;
    assert_eq!((machine.taken_back, machine.parked), (None, None));
    let now = site.passwords().await.remove(0);
    assert!(site.truth().commits == 2 && now != ours && site.simulator.check_admin_password(site.id(), &now));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_and_a_refusal_are_told_apart_and_a_redo_lets_it_in() {
    let site = Site::start(122).await;
    let fault = |direction, kind| Fault::once(Place::Label(PARTIAL.to_owned()), direction, kind);
    let before = (site.fleet.record(site.id()).await.unwrap(), site.passwords().await);
    site.simulator.add_fault(site.id(), fault(Direction::In, FaultKind::Status(16)));
    let refused = site.run(Operation::UnprovisionPartial).await;
    assert_eq!((refused.state, refused.attempts), (ActionState::Failed, 1), "asked once: {refused:#?}");
    assert_eq!(refused.failure.as_ref().map(|f| f.code), Some(ErrorCode::RETURN_VALUE), "{refused:#?}");
    assert!(site.fleet.machine(site.id()).await.unwrap().is_verified());
    assert_eq!((site.fleet.record(site.id()).await.unwrap(), site.passwords().await), before, "as it was");

    site.simulator.add_fault(site.id(), fault(Direction::Out, FaultKind::Reset));
    let told = site.done(Operation::UnprovisionPartial).await;
    assert!(told.starts_with("its setup is taken back in part: it is in setup mode now"), "{told}");
    let truth = site.truth();
    assert_eq!((truth.requests[PARTIAL], truth.admin.set), (2, true), "refused once, done once");
    assert!(site.simulator.check_admin_password(site.id(), &before.1[0]), "the administrator stays");
    assert_eq!(site.fleet.machine(site.id()).await.unwrap().taken_back.unwrap().extent, "partial");
    site.is_kept_out().await;

    site.fleet.redo(site.id()).await.unwrap();
    assert_eq!(site.fleet.machine(site.id()).await.unwrap().taken_back, None);
    site.simulator.say_hello(site.id());
    site.until("set up again", |machine| machine.is_verified() && !machine.redo).await;
    let now = site.passwords().await.remove(0);
    assert!(site.simulator.check_admin_password(site.id(), &now));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_got_lost_is_made_again_after_a_look() {
    let site = Site::start(123).await;
    let lost = Fault::once(Place::Label(PARTIAL.to_owned()), Direction::In, FaultKind::Reset);
    site.simulator.add_fault(site.id(), lost);
    let action = site.run(Operation::UnprovisionPartial).await;
    assert_eq!((action.state, action.attempts), (ActionState::Done, 2), "{action:#?}");
    assert_eq!(site.truth().requests[PARTIAL], 1, "the firmware heard it once");
    site.is_kept_out().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_again_and_again_asks_every_machine_once() {
    let machines = 6;
    let mut site = Site::of(124, machines).await;
    let ids: Vec<SystemId> = site.fleet.machines().await.unwrap().iter().map(|machine| machine.id).collect();
    let mut passwords = Vec::new();
    for id in &ids {
        let all = site.fleet.credentials(*id).await.unwrap();
        passwords.push(all.iter().find(|c| c.kind == CredentialKind::Admin).unwrap().password.clone());
    }
    let job = site.fleet.new_job(Operation::Unprovision, &Filter::parse("").unwrap(), 2).await.unwrap();
    let mut kills = 0;
    for wait in [10, 25, 40, 60, 90, 130, 180, 240, 300] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if site.fleet.job(job.id).await.unwrap().is_over() {
            break;
        }
        site.kill().await;
        kills += 1;
    }
    for _ in 0..PATIENCE {
        if site.fleet.job(job.id).await.unwrap().is_over() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let job = site.fleet.job(job.id).await.unwrap();
    assert_eq!(job.states.get("done").copied(), Some(6), "after {kills} kills: {job:#?}");
    assert!(kills >= 3, "{kills} kills: it was too quick to be killed");
    for (id, password) in ids.iter().zip(&passwords) {
        let truth = site.simulator.truth(*id).unwrap();
        assert_eq!(truth.requests["AMT_SetupAndConfigurationService.Unprovision"], 1, "{id}");
        assert_ne!(truth.state, "post");
        let machine = site.fleet.machine(*id).await.unwrap();
        assert!(machine.taken_back.is_some() && !machine.may_be_provisioned(), "{machine:?}");
        let kept = site.fleet.credentials(*id).await.unwrap();
        assert!(kept.iter().any(|credential| credential.password == *password), "{id}: its password was forgotten");
    }
}
