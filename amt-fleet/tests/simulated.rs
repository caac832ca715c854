//! The whole way, from hello to proof, against virtual machines on loopback addresses of their own.

use amt::ProvisioningCertificate;
use amt_fleet::ca::{LocalCa, LocalCaFiles};
use amt_fleet::config::{Admission, RetryPolicy};
use amt_fleet::{CredentialKind, Fleet, Observer, Progress, Server};
use amt_sim::authority::ProvisioningChain;
use amt_sim::{RootHash, SimConfig, Simulator};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const SUFFIX: &str = "example.com";

fn certificate(chain: &ProvisioningChain) -> ProvisioningCertificate {
    ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap()
}

async fn simulator(machines: usize, network: u8, chain: &ProvisioningChain, hello: SocketAddr) -> Simulator {
    let mut config = SimConfig::new(machines);
    config.base_address = Ipv4Addr::new(127, network, 0, 1);
    config.hello = Some(hello);
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some(SUFFIX.to_owned());
    config.time_scale = 20.0;
    Simulator::start(config).await.unwrap()
}

async fn server(folder: &Path, chain: &ProvisioningChain) -> (Fleet, Server) {
    let fleet = Fleet::open_with_key_file(folder.join("fleet.db"), folder.join("seal.key")).await.unwrap();
    let ca = LocalCa::open(&LocalCaFiles::new(folder.join("ca.pem"), folder.join("ca.key"))).unwrap();
    let mut retry = RetryPolicy::default();
    (retry.first, retry.most) = (Duration::from_millis(200), Duration::from_secs(2));
    let server = Server::builder(fleet.clone())
        .listen([SocketAddr::from((Ipv4Addr::LOCALHOST, 0))])
        .certificates([certificate(chain)])
        .ca(Arc::new(ca))
        .dns_suffixes([SUFFIX.to_owned()])
        .admit(Admission::Auto)
        .retry(retry)
        .bind()
        .await
        .unwrap();
    (fleet, server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn virtual_machines_go_from_hello_to_proof_and_their_passwords_are_ours() {
    const MACHINES: usize = 6;
    let folder = tempfile::tempdir().unwrap();
    let chain = ProvisioningChain::new(SUFFIX);
    let (fleet, server) = server(folder.path(), &chain).await;
    let mut events = server.subscribe();
    let simulator = simulator(MACHINES, 71, &chain, server.addresses()[0]).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server.run(async { drop(stopped.await) }));
    let mut verified = 0;
    let all = async {
        while verified < MACHINES {
            let event = events.next().await.expect("the server runs");
            match &event.progress {
                Progress::Verified { control_mode, .. } => {
                    assert_eq!(control_mode, "admin");
                    verified += 1;
                }
                Progress::Failed { failure, .. } => panic!("{event}: {failure}"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), all).await.expect("all are verified in time");
    for truth in simulator.machines() {
        let machine = fleet.machine(truth.id).await.unwrap();
        assert!(machine.is_verified() && machine.winner.is_some() && machine.certificate_sha256.is_some());
        let credentials = fleet.credentials(truth.id).await.unwrap();
        let of = |kind| credentials.iter().filter(move |c| c.kind == kind).collect::<Vec<_>>();
        let admin = of(CredentialKind::Admin);
        assert_eq!(admin.len(), 1, "what a login with another has made needless is gone");
        assert!(simulator.check_admin_password(truth.id, admin[0].password.expose()));
        assert!(!simulator.check_admin_password(truth.id, "admin"), "the factory password no longer opens it");
        assert!(simulator.check_mebx_password(truth.id, of(CredentialKind::Mebx)[0].password.expose()));
    }
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    simulator.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_says_what_would_fit_and_changes_nothing() {
    let good = ProvisioningChain::new(SUFFIX);
    let other = ProvisioningChain::new("elsewhere.org");
    let certificates = vec![certificate(&good), certificate(&other)];
    let listen = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let mut observer = Observer::new(&listen, certificates, vec![SUFFIX.to_owned()]).await.unwrap();
    let simulator = simulator(2, 72, &good, observer.addresses()[0]).await;
    for _ in 0..2 {
        let seen = tokio::time::timeout(Duration::from_secs(20), observer.next()).await.unwrap().unwrap();
        assert!(seen.ready, "{seen:?}");
        assert!(seen.verdicts[0].fits(), "{:?}", seen.verdicts[0]);
        let codes: Vec<_> = seen.verdicts[1].findings.iter().map(|f| f.code).collect();
        assert!(!seen.verdicts[1].fits() && codes.contains(&"CN-SUFFIX"), "{codes:?}");
    }
    simulator.stop().await.unwrap();
}
