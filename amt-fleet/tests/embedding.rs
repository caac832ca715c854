//! The example, run: a program that embeds server and intake and resolves machines by itself.

#[path = "../examples/setup_server.rs"]
mod setup_server;

use amt_fleet::intake::client::{Client, ClientState, Ended, Enrolment, Trust};
use amt_fleet::intake::wire::AgentFacts;
use amt_fleet::{FactKey, FactSource, Filter, Progress, TokenTerms};
use amt_sim::authority::ProvisioningChain;
use amt_sim::{RootHash, SimConfig, Simulator};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_machine_is_named_by_the_callback_and_provisioned() {
    let folder = tempfile::tempdir().unwrap();
    let chain = ProvisioningChain::new("example.com");
    std::fs::write(folder.path().join("provisioning.pem"), chain.pem()).unwrap();
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (fleet, server, intake) = setup_server::open(folder.path(), local, local).await.unwrap();
    fleet.new_collection("ready", &Filter::parse("verified").unwrap()).await.unwrap();
    let (_, token) = fleet.new_token(TokenTerms::default()).await.unwrap();
    let url = format!("https://{}", intake.addresses()[0]).parse().unwrap();
    let client = Client::new(url, &Trust::pin(intake.pin().parse().unwrap())).unwrap();

    let mut config = SimConfig::new(1);
    config.base_address = Ipv4Addr::new(127, 131, 0, 1);
    config.hello = Some(server.addresses()[0]);
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some("example.com".to_owned());
    config.time_scale = 20.0;
    let mut events = server.subscribe();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(setup_server::run(server, intake, async { drop(stopped.await) }));
    let simulator = Simulator::start(config).await.unwrap();
    let id = simulator.machines()[0].id;

    let parked = async {
        loop {
            let event = events.next().await.expect("the server runs");
            if let Progress::Parked(failure) = &event.progress {
                return failure.to_string();
            }
        }
    };
    let reason = timeout(PATIENCE, parked).await.expect("it is parked in time");
    assert!(reason.contains("no client on it has told its name yet"), "{reason}");
    assert!(simulator.truth(id).unwrap().control_mode != "admin", "nothing was done to it");

    // As from a stick: what is said by an installed system speaks for an owner, and only a release overrules that.
    let facts = AgentFacts {
        fqdn: Some("pc1.example.com".to_owned()),
        environment: Some("live".to_owned()),
        ..AgentFacts::default()
    };
    let state = ClientState::in_memory(id).unwrap();
    let ended = Enrolment::new(client, state, id, facts).token(token).timeout(PATIENCE).run(drop).await.unwrap();
    let Ended::Verified(status) = ended else { panic!("{ended:?}") };
    assert_eq!(status.name.as_deref(), Some("pc1.example.com"));
    let machine = fleet.machine(id).await.unwrap();
    assert_eq!((machine.name().as_deref(), machine.temporary), (Some("pc1.example.com"), false));
    let facts = fleet.facts(id).await.unwrap();
    assert!(facts.from_source(FactKey::Fqdn, FactSource::Agent).is_some());
    assert_eq!(facts.from_source(FactKey::Label, FactSource::Resolver).unwrap().value, "enrolled");
    assert_eq!(fleet.members("ready").await.unwrap(), [machine]);

    stop.send(()).unwrap();
    timeout(PATIENCE, running).await.expect("it ends").unwrap().unwrap();
    simulator.stop().await.unwrap();
}
