//! What is at an address, seen from outside: virtual machines in every state, ports that are closed, silent or strange.

use amt::discover::{DiscoverConfig, Discovered, Likely, PortState, Standing, Targets, discover, scan};
use amt::{Device, Transport};
use amt_core::tls::PeerIdentity;
use amt_sim::authority::ProvisioningChain;
use amt_sim::{RootHash, SetUp, SimConfig, Simulator};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{PublicKeyManagementService, RedirectionService, TlsSettingData};
use amt_wsman::client::Credentials;
use amt_wsman::op::Request;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

fn config() -> DiscoverConfig {
    let mut config = DiscoverConfig::default();
    config.connect_timeout = Duration::from_millis(500);
    config.answer_timeout = Duration::from_secs(2);
    config
}

async fn machine(network: u8, change: impl FnOnce(&mut SimConfig)) -> (Simulator, IpAddr) {
    let mut config = SimConfig::new(1);
    config.base_address = Ipv4Addr::new(127, 68, network, 1);
    change(&mut config);
    let simulator = Simulator::start(config).await.unwrap();
    let address = simulator.machines()[0].address.into();
    (simulator, address)
}

#[tokio::test]
async fn a_machine_that_is_set_up_tells_its_version_and_its_certificate() {
    let (simulator, address) = machine(1, |config| {
        config.set_up = Some(SetUp::Admin);
        config.admin_password = Some("P@ssw0rd-1".into());
    })
    .await;
    let found = discover(address, &config()).await;
    assert_eq!(
        (found.standing, found.ports[&16_992], found.ports[&5900]),
        (Standing::SetUp, PortState::Open, PortState::Closed)
    );
    assert_eq!(found.version.unwrap().to_string(), "16.0.15.1735");
    let tls = found.tls.unwrap();
    assert_eq!((tls.port, tls.version.unwrap().to_string().as_str(), tls.failure), (16_993, "TLS 1.2", None));
    let certificate = tls.certificate.unwrap();
    let truth = simulator.truths().remove(0);
    assert_eq!(
        certificate.sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        truth.certificate_sha256
    );
    assert!(certificate.self_signed && !tls.certificate_requested);
    assert!(truth.requests.is_empty(), "nothing but the refusal of a login was heard");
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_machine_in_setup_mode_asks_for_a_certificate_and_stays_as_it_is() {
    let chain = ProvisioningChain::new("example.com");
    let (simulator, address) = machine(2, |config| {
        config.roots = vec![RootHash::sha256(chain.root())];
        config.suffix = Some("example.com".to_owned());
    })
    .await;
    let found = discover(address, &config()).await;
    assert_eq!((found.standing, found.ports[&16_992]), (Standing::WantsCertificate, PortState::Closed));
    let tls = found.tls.unwrap();
    assert!(tls.certificate_requested && tls.certificate.unwrap().self_signed && tls.version.is_none());
    assert_eq!(simulator.truths().remove(0).state, "pre");
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn strangers_and_silence_are_told_apart_and_never_waited_for() {
    let mute = Ipv4Addr::new(127, 68, 3, 1);
    let web = Ipv4Addr::new(127, 68, 3, 2);
    let nobody = Ipv4Addr::new(127, 68, 3, 3);
    // One accepts and says nothing, on all of the ports that are asked; the other is a web server.
    let mut mutes = Vec::new();
    for port in [16_992, 16_993] {
        mutes.push(TcpListener::bind((mute, port)).await.unwrap());
    }
    let listener = TcpListener::bind((web, 16_992)).await.unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nServer: nginx\x07\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let start = Instant::now();
    let found = discover(mute.into(), &config()).await;
    assert_eq!((found.standing, found.server, found.ports[&623]), (Standing::NotAmt, None, PortState::Closed));
    assert!(found.tls.unwrap().failure.is_some());
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    let found = discover(web.into(), &config()).await;
    assert_eq!((found.standing, found.version), (Standing::NotAmt, None));
    let found = discover(nobody.into(), &config()).await;
    assert_eq!((found.standing, found.is_anything_open(), found.tls), (Standing::Silent, false, None));
    server.abort();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_port_that_does_not_answer_at_all_is_filtered() {
    // Once its queue is full, Linux lets further attempts wait without an answer, as a firewall does.
    let address = Ipv4Addr::new(127, 68, 4, 1);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from((address, 16_994)).into()).unwrap();
    socket.listen(0).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(tokio::spawn(tokio::net::TcpStream::connect((address, 16_994))));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    let found = discover(address.into(), &config()).await;
    assert_eq!((found.ports[&16_994], found.ports[&16_995]), (PortState::Filtered, PortState::Closed));
    assert_eq!(found.standing, Standing::Silent);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_range_is_scanned_at_its_rate_and_every_address_is_told_once() {
    let mut sim = SimConfig::new(5);
    sim.base_address = Ipv4Addr::new(127, 68, 5, 10);
    sim.set_up = Some(SetUp::Client);
    sim.admin_password = Some("P@ssw0rd-1".into());
    let simulator = Simulator::start(sim).await.unwrap();
    let mut targets = Targets::new();
    assert!(targets.add("127.68.5.1-20").unwrap());
    let mut config = config();
    (config.rate, config.concurrency) = (40, 4);
    let (start, mut all): (_, Vec<Discovered>) = (Instant::now(), Vec::new());
    scan(targets, &config, |found| all.push(found)).await;
    assert!(start.elapsed() >= Duration::from_millis(19 * 25), "{:?}", start.elapsed());
    let mut addresses: Vec<_> = all.iter().map(|found| found.address).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), 20);
    let set_up = all.iter().filter(|found| found.standing == Standing::SetUp && found.version.is_some()).count();
    assert_eq!((all.len(), set_up), (20, 5));
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn setup_mode_and_mutual_tls_are_likely_by_what_is_seen() {
    let chain = ProvisioningChain::new("example.com");
    let (simulator, address) = machine(6, |config| {
        config.roots = vec![RootHash::sha256(chain.root())];
        config.suffix = Some("example.com".to_owned());
    })
    .await;
    let found = discover(address, &config()).await;
    assert_eq!((found.standing, found.likely), (Standing::WantsCertificate, Some(Likely::SetupMode)));
    assert_eq!(found.signs, ["it signed its certificate itself", "of its ports only the one for TLS answers"]);
    simulator.stop().await.unwrap();

    // A server that is none of the simulator's: its certificate is from an authority, which it names.
    let (server, address) = mutual(IpAddr::V4(Ipv4Addr::new(127, 68, 7, 1))).await;
    let found = discover(address, &config()).await;
    assert_eq!((found.standing, found.likely), (Standing::WantsCertificate, Some(Likely::MutualTls)));
    assert_eq!(found.tls.as_ref().unwrap().acceptable_authorities, ["CN=Owner's authority"]);
    let signs = ["its certificate is from CN=Owner's authority", "it wants a certificate from CN=Owner's authority"];
    assert!(signs.iter().all(|sign| found.signs.iter().any(|seen| seen == sign)), "{:?}", found.signs);
    server.abort();
}

#[tokio::test]
async fn a_virtual_machine_with_mutual_tls_is_told_by_its_ports() {
    let (simulator, address) = machine(8, |config| {
        config.set_up = Some(SetUp::Admin);
        config.admin_password = Some("P@ssw0rd-1".into());
    })
    .await;
    let credentials = Credentials::new("admin", "P@ssw0rd-1".to_owned());
    let place = SocketAddr::new(address, 16_993);
    let mut device = Device::new(place, Transport::Tls(PeerIdentity::Any), credentials).unwrap();
    let root = PublicKeyManagementService::add_trusted_root_certificate(ProvisioningChain::new("example.com").root());
    device.call(&root).await.unwrap();
    device.call(&RedirectionService::request_state_change(32_771)).await.unwrap();
    let mut redirection = device.call(&RedirectionService::get()).await.unwrap().instance().unwrap().clone();
    redirection.set("ListenerEnabled", true);
    device.call(&Request::put(&redirection)).await.unwrap();
    let name = "Intel(r) AMT 802.3 TLS Settings";
    let settings = device.call(&TlsSettingData::enumerate()).await.unwrap();
    let remote = settings.instances().iter().find(|instance| instance.text("InstanceID") == Some(name));
    let mut remote = remote.unwrap().clone();
    remote.set("MutualAuthentication", true);
    remote.set("AcceptNonSecureConnections", false);
    device.call(&Request::put(&remote).selector("InstanceID", name)).await.unwrap();
    device.call(&Request::invoke("AMT_SetupAndConfigurationService", "CommitChanges")).await.unwrap();
    let found = loop {
        let found = discover(address, &config()).await;
        if found.standing == Standing::WantsCertificate && found.ports[&16_995] == PortState::Open {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(found.likely, Some(Likely::MutualTls), "{found:?}");
    assert!(found.signs.iter().any(|sign| sign == "a port is open as after setup only: 16995"), "{:?}", found.signs);
    simulator.stop().await.unwrap();
}

/// A TLS server at 16993 that wants a certificate from the authority that issued its own.
async fn mutual(address: IpAddr) -> (tokio::task::JoinHandle<()>, IpAddr) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, ServerConfig};
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Owner's authority");
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["pc1.example.com".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(root.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![leaf.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((address, 16_993)).await.unwrap();
    let server = tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let _ = acceptor.accept(tcp).await;
        }
    });
    (server, address)
}
