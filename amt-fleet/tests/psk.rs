//! Machines that wait for a pre-shared key, the whole way from hello to proof, against virtual ones.

use amt::ProvisioningCertificate;
use amt_core::psk::PskPair;
use amt_core::tls::LegacyTls;
use amt_core::{ErrorCode, SystemId};
use amt_fleet::ca::{LocalCa, LocalCaFiles};
use amt_fleet::config::{Admission, RetryPolicy};
use amt_fleet::{CredentialKind, Fleet, FleetEvent, PairScope, PairState, Progress, SecretPair, Server, Subscription};
use amt_provision::Plan;
use amt_sim::authority::ProvisioningChain;
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use amt_sim::{Persona, SimConfig, Simulator, Variant};
use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const SUFFIX: &str = "example.com";
const PATIENCE: Duration = Duration::from_secs(180);

/// A pair that is the same every time.
fn pair(seed: u8) -> PskPair {
    let mut next = seed;
    let fill = |buffer: &mut [u8]| {
        buffer.fill_with(|| {
            next = next.wrapping_mul(5).wrapping_add(17);
            next % 252
        });
        Ok::<(), std::convert::Infallible>(())
    };
    PskPair::generate(fill).unwrap()
}

fn shared(pair: PskPair) -> SecretPair {
    let mut secret = SecretPair::new(pair);
    secret.scope = PairScope::Shared;
    secret
}

async fn open(folder: &Path) -> Fleet {
    Fleet::open_with_key_file(folder.join("fleet.db"), folder.join("seal.key")).await.unwrap()
}

struct Running {
    fleet: Fleet,
    events: Subscription,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(folder: &Path, consent: LegacyTls, listen: SocketAddr) -> Self {
        let fleet = open(folder).await;
        let ca = LocalCa::open(&LocalCaFiles::new(folder.join("ca.pem"), folder.join("ca.key"))).unwrap();
        let mut retry = RetryPolicy::default();
        (retry.first, retry.most) = (Duration::from_millis(200), Duration::from_secs(2));
        let mut plan = Plan::new();
        plan.legacy_tls = consent;
        plan.proof_timeout = Duration::from_secs(5);
        plan.guess_spacing = Duration::from_millis(100);
        let chain = ProvisioningChain::new(SUFFIX);
        let server = Server::builder(fleet.clone())
            .listen([listen])
            .certificates([ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap()])
            .ca(Arc::new(ca))
            .dns_suffixes([SUFFIX.to_owned()])
            .admit(Admission::Auto)
            .plan(plan)
            .retry(retry)
            .bind()
            .await
            .unwrap();
        let (address, events) = (server.addresses()[0], server.subscribe());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move { server.run(async { drop(stopped.await) }).await.unwrap() });
        Self { fleet, events, address, stop, task }
    }

    /// Events until `enough` says so.
    async fn until(&mut self, mut enough: impl FnMut(&FleetEvent) -> bool) {
        let wait = async { while !enough(&self.events.next().await.expect("the server runs")) {} };
        tokio::time::timeout(PATIENCE, wait).await.expect("it comes in time");
    }

    /// As if the process were killed: nothing is brought to an end.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        self.fleet.close().await;
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn machines(network: u8, persona: &str, hello: SocketAddr, variants: Vec<Variant>) -> Simulator {
    let mut config = SimConfig::new(variants.iter().map(|variant| variant.machines).sum());
    config.base_address = Ipv4Addr::new(127, network, 0, 1);
    config.hello = Some(hello);
    config.suffix = Some(SUFFIX.to_owned());
    config.persona = Arc::new(Persona::built_in(persona).unwrap());
    config.time_scale = 100.0;
    config.variants = variants;
    Simulator::start(config).await.unwrap()
}

fn with(machines: usize, pair: PskPair) -> Variant {
    let mut variant = Variant::new(machines);
    variant.psk = vec![pair];
    variant
}

/// The machine holds the pair that its record says, and the record's passwords open it.
async fn agrees(fleet: &Fleet, simulator: &Simulator, id: SystemId) -> PskPair {
    let record = fleet.record(id).await.unwrap().unwrap();
    assert!(record.verified && record.fresh_psk.is_none());
    let [own] = record.psk.as_slice() else { panic!("one pair is left: {:?}", record.psk) };
    let truth = simulator.truth(id).unwrap();
    assert_eq!(truth.pid.as_deref(), Some(own.pid.to_string().as_str()), "what the next setup needs");
    let credentials = fleet.credentials(id).await.unwrap();
    let of = |kind| credentials.iter().find(|c| c.kind == kind).unwrap().password.expose();
    assert!(simulator.check_admin_password(id, of(CredentialKind::Admin)));
    assert!(simulator.check_mebx_password(id, of(CredentialKind::Mebx)));
    own.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_shared_pair_serves_ten_machines_and_leaves_each_with_a_pair_of_its_own() {
    const MACHINES: usize = 10;
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::start(folder.path(), LegacyTls::Allow, ANY_PORT).await;
    let everybodys = pair(1);
    let mut secret = shared(everybodys.clone());
    secret.new_mebx_password = Some("Menu1!fresh".into());
    server.fleet.import_pairs(vec![secret]).await.unwrap();
    let simulator = machines(81, "3.2", server.address, vec![with(MACHINES, everybodys.clone())]).await;
    let mut verified = BTreeSet::new();
    server
        .until(|event| {
            match &event.progress {
                Progress::Verified { control_mode, tls, .. } => {
                    assert_eq!((control_mode.as_str(), tls.engine.as_str()), ("admin", "openssl"));
                    verified.extend(event.id);
                }
                Progress::Failed { failure, .. } => panic!("{event}: {failure}"),
                _ => {}
            }
            verified.len() == MACHINES
        })
        .await;
    let mut own = BTreeSet::new();
    for info in simulator.machines() {
        let fresh = agrees(&server.fleet, &simulator, info.id).await;
        assert!(simulator.check_mebx_password(info.id, "Menu1!fresh"), "the password that the vault says");
        own.insert(fresh.pid);
        let machine = server.fleet.machine(info.id).await.unwrap();
        let tls = machine.tls.as_ref().unwrap();
        assert_eq!((tls.version.as_str(), tls.engine.as_str()), ("TLS 1.0", "openssl"), "{tls:?}");
        let diary = server.fleet.diary(info.id, 100).await.unwrap();
        assert!(diary.iter().any(|e| e.kind == "connected" && e.message.contains("PSK")), "{diary:?}");
    }
    assert!(own.len() == MACHINES && !own.contains(&everybodys.pid));
    let stored = server.fleet.pair(everybodys.pid).await.unwrap();
    assert_eq!((stored.state, stored.machine, stored.machines), (PairState::Used, None, MACHINES as u64));
    server.stop().await;
    simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_thing_that_is_wrong_has_its_own_error_and_a_pair_that_is_imported_mends_its_machine() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::start(folder.path(), LegacyTls::Allow, ANY_PORT).await;
    let mut wrong = pair(2);
    wrong.pps = pair(3).pps;
    server.fleet.import_pairs(vec![SecretPair::new(wrong), SecretPair::new(pair(5))]).await.unwrap();
    let mut locked = with(1, pair(5));
    locked.admin_password = Some("Somebody1!else".into());
    let variants = vec![with(1, pair(2)), with(1, pair(4)), locked];
    let simulator = machines(82, "9.5", server.address, variants).await;
    let ids: Vec<SystemId> = simulator.machines().iter().map(|info| info.id).collect();
    let mut codes: HashMap<SystemId, ErrorCode> = HashMap::new();
    server
        .until(|event| {
            match (&event.progress, event.id) {
                (Progress::Failed { failure, .. }, Some(id)) => drop(codes.entry(id).or_insert(failure.code)),
                (Progress::Verified { .. }, _) => panic!("{event}"),
                _ => {}
            }
            codes.len() == ids.len()
        })
        .await;
    let expected = [ErrorCode::PSK_WRONG, ErrorCode::PSK_UNKNOWN, ErrorCode::ADMIN_PASSWORD_UNKNOWN];
    assert_eq!(ids.iter().map(|id| codes[id]).collect::<Vec<_>>(), expected);
    let unknown = server.fleet.machine(ids[1]).await.unwrap();
    let failure = unknown.failure.unwrap();
    assert!(failure.message.contains(&pair(4).pid.to_string()) && failure.hint.contains("amt psk import"), "{failure}");
    assert_eq!(simulator.truth(ids[1]).unwrap().handshakes_refused, 0, "it was not even tried");
    // The pair, and the password that somebody gave the other machine.
    let mut password = SecretPair::new(pair(5));
    password.mebx_password = Some("Somebody1!else".into());
    let imported = server.fleet.import_pairs(vec![SecretPair::new(pair(4)), password]).await.unwrap();
    assert_eq!((imported.new, imported.known, imported.machines), (1, 1, 1));
    let mut verified = BTreeSet::new();
    let wanted = BTreeSet::from([ids[1], ids[2]]);
    server
        .until(|event| {
            if matches!(event.progress, Progress::Verified { .. }) {
                verified.extend(event.id);
            }
            verified == wanted
        })
        .await;
    for id in wanted {
        agrees(&server.fleet, &simulator, id).await;
    }
    let bound = server.fleet.pair(pair(4).pid).await.unwrap();
    assert_eq!((bound.state, bound.machine), (PairState::Used, Some(ids[1])));
    server.stop().await;
    simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_consent_nothing_is_connected_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::start(folder.path(), LegacyTls::Refuse, ANY_PORT).await;
    server.fleet.import_pairs(vec![SecretPair::new(pair(1))]).await.unwrap();
    let simulator = machines(83, "9.5", server.address, vec![with(1, pair(1))]).await;
    let id = simulator.machines()[0].id;
    server
        .until(|event| match &event.progress {
            Progress::Failed { failure, retry_in } => {
                assert_eq!((failure.code, *retry_in), (ErrorCode::TLS_LEGACY_NOT_ALLOWED, None));
                assert!(failure.hint.contains("legacy_tls"), "{failure}");
                true
            }
            _ => false,
        })
        .await;
    let truth = simulator.truth(id).unwrap();
    assert_eq!((truth.state.as_str(), truth.handshakes_refused, truth.tls), ("pre", 0, None));
    assert_eq!(server.fleet.pair(pair(1).pid).await.unwrap().state, PairState::Free);
    server.stop().await;
    simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_the_server_knows_the_pair_that_each_machine_holds() {
    const MACHINES: usize = 4;
    const KILLS: u64 = 30;
    let folder = tempfile::tempdir().unwrap();
    // A port of its own for all of its lives.
    let address = std::net::TcpListener::bind(ANY_PORT).unwrap().local_addr().unwrap();
    let everybodys = pair(1);
    let fleet = open(folder.path()).await;
    fleet.import_pairs(vec![shared(everybodys.clone())]).await.unwrap();
    fleet.close().await;
    let simulator = machines(84, "9.5", address, vec![with(MACHINES, everybodys.clone())]).await;
    let ids: Vec<SystemId> = simulator.machines().iter().map(|info| info.id).collect();
    let (mut half_way, mut checked) = (0, 0);
    for kill in 0..KILLS {
        let server = Running::start(folder.path(), LegacyTls::Allow, address).await;
        tokio::time::sleep(Duration::from_millis(30 + kill * 37 % 400)).await;
        server.kill().await;
        let fleet = open(folder.path()).await;
        let mut done = 0;
        for id in &ids {
            let truth = simulator.truth(*id).unwrap();
            let Some(held) = truth.pid else { panic!("a machine without a pair: {truth:?}") };
            let own = match fleet.machine_pairs(*id).await {
                Ok(own) => own,
                Err(failure) => panic!("{failure}"),
            };
            let known = own.iter().any(|own| own.pair.pid.to_string() == held);
            assert!(known || held == everybodys.pid.to_string(), "after kill {kill}: {held} is lost, of {own:?}");
            checked += usize::from(held != everybodys.pid.to_string());
            done += usize::from(truth.state == "post");
        }
        half_way += usize::from(done < MACHINES);
        fleet.close().await;
        if done == MACHINES {
            break;
        }
    }
    assert!(half_way > 2 && checked > 0, "it was killed in the middle: {half_way}, {checked}");
    let server = Running::start(folder.path(), LegacyTls::Allow, address).await;
    let all_verified = async {
        loop {
            let machines = server.fleet.machines().await.unwrap();
            if machines.len() == MACHINES && machines.iter().all(|machine| machine.is_verified()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_verified).await.expect("left alone, it finishes every machine");
    for id in ids {
        agrees(&server.fleet, &simulator, id).await;
    }
    server.stop().await;
    simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_lost_lose_no_pair() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::start(folder.path(), LegacyTls::Allow, ANY_PORT).await;
    let everybodys = pair(1);
    server.fleet.import_pairs(vec![shared(everybodys.clone())]).await.unwrap();
    let replaced = "AMT_SetupAndConfigurationService.SetTLSPSK";
    let committed = "AMT_SetupAndConfigurationService.CommitChanges";
    let faults = [
        (replaced, Direction::In, FaultKind::Reset),
        (replaced, Direction::Out, FaultKind::Reset),
        (replaced, Direction::Out, FaultKind::Truncate),
        (committed, Direction::In, FaultKind::Reset),
        (committed, Direction::Out, FaultKind::Reset),
        (replaced, Direction::In, FaultKind::Status(1)),
    ];
    let simulator = machines(85, "3.2", server.address, vec![with(faults.len(), everybodys.clone())]).await;
    let ids: Vec<SystemId> = simulator.machines().iter().map(|info| info.id).collect();
    for (id, (label, direction, kind)) in ids.iter().zip(faults) {
        assert!(simulator.add_fault(*id, Fault::once(Place::Label(label.to_owned()), direction, kind)));
    }
    let mut verified = BTreeSet::new();
    server
        .until(|event| {
            if matches!(event.progress, Progress::Verified { .. }) {
                verified.extend(event.id);
            }
            verified.len() == ids.len()
        })
        .await;
    let [others @ .., refused] = ids.as_slice() else { panic!("{ids:?}") };
    for id in others {
        assert_ne!(agrees(&server.fleet, &simulator, *id).await.pid, everybodys.pid);
    }
    // The firmware would not take another: what it had stays on record.
    assert_eq!(server.fleet.record(*refused).await.unwrap().unwrap().psk, std::slice::from_ref(&everybodys));
    server.stop().await;
    simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_is_unprovisioned_is_opened_with_the_pair_that_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Running::start(folder.path(), LegacyTls::Allow, ANY_PORT).await;
    server.fleet.import_pairs(vec![SecretPair::new(pair(1))]).await.unwrap();
    let verified = |event: &FleetEvent| match &event.progress {
        Progress::Failed { failure, .. } => panic!("{event}: {failure}"),
        progress => matches!(progress, Progress::Verified { .. }),
    };
    let simulator = machines(86, "9.5", server.address, vec![with(1, pair(1))]).await;
    let id = simulator.machines()[0].id;
    server.until(verified).await;
    let given = agrees(&server.fleet, &simulator, id).await;
    simulator.stop().await.unwrap();
    // The vault has nothing to do with it any more.
    server.fleet.forget_pair(pair(1).pid).await.unwrap();
    server.fleet.redo(id).await.unwrap();
    let simulator = machines(86, "9.5", server.address, vec![with(1, given.clone())]).await;
    assert_eq!(simulator.machines()[0].id, id, "the same machine, with nothing left but its pair");
    server.until(verified).await;
    let next = agrees(&server.fleet, &simulator, id).await;
    assert_ne!(next.pid, given.pid);
    let held = server.fleet.machine_pairs(id).await.unwrap();
    assert_eq!(held[0].pair, next);
    assert!(held.iter().skip(1).all(|old| old.retired_at.is_some()) && held.iter().any(|old| old.pair == given));
    server.stop().await;
    simulator.stop().await.unwrap();
}
