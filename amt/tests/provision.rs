//! The driver over real sockets and TLS, against virtual machines.

use crate::support::Memory;
use amt::{Device, Job, ProvisioningCertificate, Transport};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Secret, SystemId};
use amt_provision::Plan;
use amt_sim::authority::ProvisioningChain;
use amt_sim::{RootHash, SimConfig, Simulator};
use amt_wsman::client::Credentials;
use amt_wsman::op::Request;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

async fn machine(base: Ipv4Addr, chain: &ProvisioningChain) -> (Simulator, SystemId, IpAddr) {
    let mut config = SimConfig::new(1);
    config.base_address = base;
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some("example.com".to_owned());
    config.time_scale = 50.0;
    let simulator = Simulator::start(config).await.unwrap();
    let info = simulator.machines()[0];
    // Power comes after the start: the port opens a moment later.
    while tokio::net::TcpStream::connect((info.address, 16993)).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    (simulator, info.id, info.address.into())
}

fn certificate(chain: &[Vec<u8>], key: &[u8]) -> ProvisioningCertificate {
    let pem = |label: &str, der: &[u8]| {
        let text = lines(der);
        format!("-----BEGIN {label}-----\n{text}-----END {label}-----\n")
    };
    let mut text: String = chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
    text.push_str(&pem("PRIVATE KEY", key));
    ProvisioningCertificate::from_pem(text.as_bytes(), None, None).unwrap()
}

fn lines(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    text.as_bytes().chunks(64).map(|line| format!("{}\n", std::str::from_utf8(line).unwrap())).collect()
}

fn job(id: SystemId, address: IpAddr, certificates: Vec<ProvisioningCertificate>) -> Job {
    let mut plan = Plan::new();
    plan.host_name = Some("pc1".to_owned());
    plan.domain_name = Some("example.com".to_owned());
    let mut job = Job::new(id, address, plan);
    job.certificates = certificates.into();
    job
}

#[tokio::test]
async fn a_machine_is_provisioned_and_then_managed_over_pinned_tls() {
    let chain = ProvisioningChain::new("example.com");
    let (simulator, id, address) = machine(Ipv4Addr::new(127, 61, 0, 1), &chain).await;
    let host = Memory::default();
    let outcome = amt::provision(job(id, address, vec![certificate(&chain.chain, &chain.key)]), &host).await.unwrap();
    assert_eq!(outcome.tls.engine, "rustls");
    let record = host.record();
    assert!(record.verified);
    assert!(simulator.check_admin_password(id, record.admin_passwords[0].expose()));

    let pin = PeerIdentity::Pinned(record.certificate.clone().unwrap());
    let socket = SocketAddr::new(address, 16993);
    let credentials = |password: Secret<String>| Credentials { user: "admin".to_owned(), password };
    let mut device =
        Device::new(socket, Transport::Tls(pin.clone()), credentials(record.admin_passwords[0].clone())).unwrap();
    let reply = device.call(&Request::get("AMT_GeneralSettings")).await.unwrap();
    assert_eq!(reply.instance().unwrap().text("HostName"), Some("pc1"));
    assert!(!device.call(&Request::enumerate("CIM_SoftwareIdentity")).await.unwrap().instances().is_empty());

    let mut stranger = Device::new(socket, Transport::Tls(pin), credentials("admin".into())).unwrap();
    let failure = stranger.call(&Request::get("AMT_GeneralSettings")).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::WRONG_OR_LOCKED, "the factory password is refused");

    let other = PeerIdentity::Pinned(chain.chain[0].clone());
    let mut impostor =
        Device::new(socket, Transport::Tls(other), credentials(record.admin_passwords[0].clone())).unwrap();
    let failure = impostor.call(&Request::get("AMT_GeneralSettings")).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::TLS_PIN_MISMATCH);
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_chain_without_its_root_is_refused_and_said_to_be() {
    let chain = ProvisioningChain::new("example.com");
    let (simulator, id, address) = machine(Ipv4Addr::new(127, 61, 1, 1), &chain).await;
    let short = certificate(&chain.chain[..2], &chain.key);
    let failure = amt::provision(job(id, address, vec![short]), &Memory::default()).await.unwrap_err();
    assert_eq!((failure.code, &*failure.stage), (ErrorCode::TLS_CHAIN_REFUSED, "connect"), "{failure}");
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn an_address_where_nothing_listens_is_said_to_be() {
    let chain = ProvisioningChain::new("example.com");
    let id = "11112222-3333-4444-5555-666677778888".parse().unwrap();
    let certificate = certificate(&chain.chain, &chain.key);
    let job = job(id, Ipv4Addr::new(127, 61, 2, 1).into(), vec![certificate]);
    let failure = amt::provision(job, &Memory::default()).await.unwrap_err();
    assert_eq!((failure.code, &*failure.stage), (ErrorCode::CONNECT_REFUSED, "connect"));
}
