//! What speaks for a machine being in use keeps it from being booted, and strong evidence from being touched at all.

use amt::ProvisioningCertificate;
use amt_fleet::action::{ActionRule, Deed, Trigger};
use amt_fleet::ca::{LocalCa, LocalCaFiles};
use amt_fleet::config::{Admission, RetryPolicy};
use amt_fleet::{
    ActionState, FactKey, FactSource, Fleet, GuardPolicy, KnownMachine, Machine, MachineState, ReleaseOrder, Report,
    Server,
};
use amt_provision::boot::BootSource;
use amt_provision::{PasswordPolicy, Plan};
use amt_sim::authority::ProvisioningChain;
use amt_sim::firmware::SetupRecord;
use amt_sim::{RootHash, SimConfig, Simulator};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const SUFFIX: &str = "example.com";
const OLD_PASSWORD: &str = "Old-P4ssword";
/// Looks at the database before a test gives up, 20 ms apart: a busy computer takes its time.
const PATIENCE: u32 = 5000;

/// A server that boots from the network whatever it has provisioned, and machines.
struct Site {
    fleet: Fleet,
    simulator: Simulator,
    chain: ProvisioningChain,
    hello: SocketAddr,
    server: tokio::task::JoinHandle<Result<(), amt_core::Failure>>,
    _folder: TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Setting {
    admission: Admission,
    guard: GuardPolicy,
}

impl Setting {
    fn auto() -> Self {
        Self { admission: Admission::Auto, guard: GuardPolicy::default() }
    }
}

async fn server(folder: &Path, chain: &ProvisioningChain, setting: Setting) -> (Fleet, Server) {
    let fleet = Fleet::open_with_key_file(folder.join("fleet.db"), folder.join("seal.key")).await.unwrap();
    let ca = LocalCa::open(&LocalCaFiles::new(folder.join("ca.pem"), folder.join("ca.key"))).unwrap();
    let mut retry = RetryPolicy::default();
    (retry.first, retry.most) = (Duration::from_millis(100), Duration::from_millis(500));
    let mut plan = Plan::new();
    plan.admin_password = PasswordPolicy::Generate;
    plan.known_admin_passwords = vec![OLD_PASSWORD.into()];
    plan.guess_spacing = Duration::from_millis(100);
    let boot = ActionRule::new("image", Trigger::Provisioned, Deed::Boot(BootSource::Network));
    let server = Server::builder(fleet.clone())
        .listen([SocketAddr::from((Ipv4Addr::LOCALHOST, 0))])
        .certificates([ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap()])
        .ca(Arc::new(ca))
        .dns_suffixes([SUFFIX.to_owned()])
        .admit(setting.admission)
        .guard(setting.guard)
        .plan(plan)
        .retry(retry)
        .action(boot)
        .bind()
        .await
        .unwrap();
    (fleet, server)
}

async fn machines(
    chain: &ProvisioningChain,
    hello: SocketAddr,
    address: Ipv4Addr,
    change: impl FnOnce(&mut SimConfig),
) -> Simulator {
    let mut config = SimConfig::new(1);
    config.base_address = address;
    config.hello = Some(hello);
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some(SUFFIX.to_owned());
    config.time_scale = 20.0;
    change(&mut config);
    Simulator::start(config).await.unwrap()
}

impl Site {
    async fn start(network: u8, setting: Setting, change: impl FnOnce(&mut SimConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let chain = ProvisioningChain::new(SUFFIX);
        let (fleet, server) = server(folder.path(), &chain, setting).await;
        let hello = server.addresses()[0];
        let server = tokio::spawn(server.run(std::future::pending()));
        let simulator = machines(&chain, hello, Ipv4Addr::new(127, network, 0, 1), change).await;
        Self { fleet, simulator, chain, hello, server, _folder: folder }
    }

    fn id(&self) -> amt_core::SystemId {
        self.simulator.machines()[0].id
    }

    /// Waits until the machine's record is as wanted.
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

    async fn parked(&self, code: &str) -> Machine {
        self.until(code, |m| m.parked.as_ref().is_some_and(|p| p.code == code)).await
    }

    async fn boot_is(&self, state: ActionState) -> String {
        for _ in 0..PATIENCE {
            let actions = self.fleet.actions(self.id(), 10).await.unwrap();
            if let Some(action) = actions.iter().find(|a| a.name == "image" && a.state == state) {
                return action.message.clone().unwrap_or_default();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("not {state}: {:#?}", self.fleet.actions(self.id(), 10).await)
    }

    fn boots(&self) -> usize {
        let boots = self.simulator.truth(self.id()).unwrap().boots;
        boots.iter().filter(|boot| boot.source == "network").count()
    }

    /// The guard keeps the boot back and says why; somebody lets it fire, once.
    async fn boot_is_blocked_until_released(&self, because: &str) {
        let why = self.boot_is(ActionState::Blocked).await;
        assert!(why.contains(because), "{why}");
        assert_eq!(self.boots(), 0);
        let mut order = ReleaseOrder::by("tester");
        order.boot = true;
        self.fleet.release(self.id(), order).await.unwrap();
        let done = self.boot_is(ActionState::Done).await;
        assert!(done.contains("released by tester"), "{done}");
        assert_eq!(self.boots(), 1);
        assert_eq!(self.fleet.machine(self.id()).await.unwrap().boot_released, None, "used up");
        let diary = self.fleet.diary(self.id(), 200).await.unwrap();
        assert!(diary.iter().any(|d| d.message.contains("tester lets a boot action fire once")), "{diary:#?}");
    }

    /// Parked with nothing changed in the machine; let in by hand.
    async fn is_parked_until_released(&self, because: &str) {
        let parked = self.parked("IN-USE").await.parked.unwrap();
        assert!(parked.reason.contains(because), "{parked:?}");
        let truth = self.simulator.truth(self.id()).unwrap();
        assert_eq!((truth.commits, truth.boot_total), (0, 0));
        assert!(!truth.requests.keys().any(|label| label.contains("Put") || label.contains("SetMEBx")), "{truth:#?}");
        self.fleet.release(self.id(), ReleaseOrder::by("tester")).await.unwrap();
        self.simulator.power_cycle(self.id());
        self.until("verified", Machine::is_verified).await;
        let diary = self.fleet.diary(self.id(), 200).await.unwrap();
        assert!(diary.iter().any(|d| d.message.contains("let in: released by tester")), "{diary:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_evidence_the_machine_is_set_up_and_booted() {
    let site = Site::start(111, Setting::auto(), |_| {}).await;
    site.until("verified", Machine::is_verified).await;
    let done = site.boot_is(ActionState::Done).await;
    assert_eq!((done.as_str(), site.boots()), ("booted from network once", 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_set_by_hand_keep_it_from_being_booted_but_not_from_being_set_up() {
    let site = Site::start(112, Setting::auto(), |c| c.admin_password = Some(OLD_PASSWORD.into())).await;
    site.until("verified", Machine::is_verified).await;
    site.boot_is_blocked_until_released("admin credentials are already set").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operating_system_that_the_firmware_knows_parks_it() {
    let site = Site::start(113, Setting::auto(), |c| c.host_os_fqdn = "desk7.other.example".to_owned()).await;
    site.is_parked_until_released("desk7.other.example").await;
    site.boot_is_blocked_until_released("desk7.other.example").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_another_owners_setup_parks_it() {
    let theirs = SetupRecord::by("setup.other.example");
    let site = Site::start(114, Setting::auto(), |c| c.earlier_setup = Some(theirs)).await;
    site.is_parked_until_released("setup.other.example").await;
    site.boot_is_blocked_until_released("setup.other.example").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_was_heard_lately_parks_it() {
    let setting = Setting { admission: Admission::Known, guard: GuardPolicy::default() };
    let site = Site::start(115, setting, |_| {}).await;
    site.parked("UNKNOWN").await;
    let agent = Report::new(site.id(), FactSource::Agent).with(FactKey::Fqdn, "desk7.example.com");
    site.fleet.report(agent).await.unwrap();
    site.is_parked_until_released("an agent in an installed operating system reported").await;
    assert_eq!(site.fleet.machine(site.id()).await.unwrap().name().as_deref(), Some("desk7.example.com"));
    site.boot_is_blocked_until_released("an agent in an installed operating system").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_of_our_own_keeps_it_from_being_booted_again() {
    let mut guard = GuardPolicy::default();
    // What was provisioned is in use at once.
    guard.settled = Duration::ZERO;
    let site = Site::start(116, Setting { admission: Admission::Auto, guard }, |_| {}).await;
    site.until("verified", Machine::is_verified).await;
    site.boot_is_blocked_until_released("this server has provisioned it before").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_machines_with_one_uuid_are_both_parked_and_explained_until_one_is_named() {
    let setting = Setting { admission: Admission::Known, guard: GuardPolicy::default() };
    let site = Site::start(117, setting, |c| c.seed = 7).await;
    site.parked("UNKNOWN").await;
    let second = Ipv4Addr::new(127, 117, 0, 99);
    let twin = machines(&site.chain, site.hello, second, |c| c.seed = 7).await;
    assert_eq!(twin.machines()[0].id, site.id());
    let parked = site.parked("UUID-TWICE").await.parked.unwrap();
    assert!(parked.reason.contains("127.117.0.1") && parked.reason.contains("127.117.0.99"), "{parked:?}");
    assert!(parked.hint.contains("--address"), "{parked:?}");
    // Being on a list does not tell them apart, nor does saying hello again.
    site.fleet.import(vec![KnownMachine::new(site.id())]).await.unwrap();
    site.simulator.say_hello(site.id());
    twin.say_hello(site.id());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let machine = site.parked("UUID-TWICE").await;
    assert_eq!(machine.state, MachineState::Parked);
    for simulator in [&site.simulator, &twin] {
        let truth = simulator.truth(site.id()).unwrap();
        assert_eq!((truth.connections, truth.commits), (0, 0), "neither was touched");
    }

    let mut order = ReleaseOrder::by("tester");
    order.address = Some(second.into());
    site.fleet.release(site.id(), order).await.unwrap();
    twin.say_hello(site.id());
    let machine = site.until("verified", Machine::is_verified).await;
    assert_eq!(machine.address, Some(second.into()));
    assert_eq!(twin.truth(site.id()).unwrap().commits, 1);
    site.simulator.say_hello(site.id());
    let refused = async {
        loop {
            let diary = site.fleet.diary(site.id(), 200).await.unwrap();
            if diary.iter().any(|d| d.message.contains("the one that is meant is at 127.117.0.99")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.expect("the other is refused, and the diary says why");
    assert_eq!(site.simulator.truth(site.id()).unwrap().connections, 0, "the other is still left alone");
}
