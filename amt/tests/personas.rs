//! Every firmware family from AMT 2.6 to 22 over real sockets and TLS, with a certificate and with a pre-shared pair.

use crate::support::Memory;
use amt::{Device, Job, ProvisioningCertificate, Transport};
use amt_core::psk::{Form, PskPair};
use amt_core::tls::{LegacyTls, PeerIdentity};
use amt_core::version::TlsVersion;
use amt_core::{ErrorCode, Failure};
use amt_provision::Plan;
use amt_sim::authority::ProvisioningChain;
use amt_sim::persona::Persona;
use amt_sim::{RootHash, SimConfig, Simulator};
use amt_wsman::client::Credentials;
use amt_wsman::op::Request;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

struct Site {
    simulator: Simulator,
    job: Job,
}

fn pair() -> PskPair {
    PskPair::parse("AMT1-SET7", "CAT0-AGDO-YBLF-6HCD-QR61-IQXQ-VORV-W8VD", Form::Typed).unwrap()
}

impl Site {
    /// One machine of this family at an address of its own; `psk` if it is to wait for the pair.
    async fn new(persona: &str, psk: bool, net: u8) -> Self {
        let persona = Arc::new(Persona::built_in(persona).unwrap());
        let chain = ProvisioningChain::new("example.com");
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::new(127, 62, net, 1);
        config.roots = vec![root_hash(&persona, chain.root())];
        config.suffix = Some("example.com".to_owned());
        config.time_scale = 50.0;
        config.persona = persona;
        config.psk = psk.then(pair).into_iter().collect();
        let simulator = Simulator::start(config).await.unwrap();
        let info = simulator.machines()[0];
        while tokio::net::TcpStream::connect((info.address, 16993)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let mut plan = Plan::new();
        plan.host_name = Some("pc1".to_owned());
        plan.domain_name = Some("example.com".to_owned());
        plan.legacy_tls = LegacyTls::Allow;
        let mut job = Job::new(info.id, info.address.into(), plan);
        if psk {
            job.psk = vec![pair()];
        } else {
            job.certificates =
                vec![ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap()].into();
        }
        Self { simulator, job }
    }

    async fn provision(self) -> (Result<amt_provision::remote::Outcome, Failure>, Memory) {
        let host = Memory::default();
        let result = amt::provision(self.job, &host).await;
        if let Ok(outcome) = &result {
            let record = host.record();
            assert!(self.simulator.check_admin_password(outcome.id, record.admin_passwords[0].expose()));
        }
        self.simulator.stop().await.unwrap();
        (result, host)
    }
}

fn root_hash(persona: &Persona, root: &[u8]) -> RootHash {
    if persona.version.major < 6 { RootHash::sha1(root) } else { RootHash::sha256(root) }
}

#[tokio::test]
async fn each_family_is_provisioned_with_a_certificate() {
    for (net, (persona, engine, version)) in [
        ("3.2", "openssl", TlsVersion::V1_0),
        ("5.0", "openssl", TlsVersion::V1_0),
        ("7.1", "openssl", TlsVersion::V1_1),
        ("9.5", "openssl", TlsVersion::V1_1),
        ("11.8", "openssl", TlsVersion::V1_2),
        ("12.0", "openssl", TlsVersion::V1_2),
        ("14.0", "rustls", TlsVersion::V1_2),
        ("16.0", "rustls", TlsVersion::V1_2),
        ("18.0", "rustls", TlsVersion::V1_2),
        ("21.0", "rustls", TlsVersion::V1_3),
    ]
    .into_iter()
    .enumerate()
    {
        let (result, host) = Site::new(persona, false, u8::try_from(net).unwrap()).await.provision().await;
        let outcome = result.unwrap_or_else(|failure| panic!("{persona}: {failure} {:?}", host.events.lock().unwrap()));
        assert_eq!((outcome.tls.engine, outcome.tls.version), (engine, version), "{persona}");
        assert!(host.record().private_key.is_none());
    }
}

#[tokio::test]
async fn each_family_that_has_them_is_provisioned_with_a_pre_shared_pair() {
    for (net, persona) in ["3.2", "5.0", "7.1", "9.5"].into_iter().enumerate() {
        let (result, host) = Site::new(persona, true, u8::try_from(32 + net).unwrap()).await.provision().await;
        let outcome = result.unwrap_or_else(|failure| panic!("{persona}: {failure} {:?}", host.events.lock().unwrap()));
        assert_eq!(outcome.tls.engine, "openssl", "{persona}");
        let record = host.record();
        assert!(record.psk.len() == 1 && record.psk[0] != pair(), "{persona}: it has a pair of its own");
    }
}

#[tokio::test]
async fn firmware_that_speaks_no_ws_man_is_refused_by_its_name() {
    for (net, psk) in [(64, false), (65, true)] {
        let (result, _) = Site::new("2.6", psk, net).await.provision().await;
        let failure = result.unwrap_err();
        assert_eq!(failure.code, ErrorCode::FIRMWARE_UNSUPPORTED, "{failure}");
        assert!(failure.message.contains("AMT 2.6 speaks only the older SOAP interface"), "{failure}");
    }
}

#[tokio::test]
async fn without_consent_old_firmware_is_left_alone_and_the_rest_is_not_touched_by_it() {
    let mut old = Site::new("7.1", false, 80).await;
    old.job.plan.legacy_tls = LegacyTls::Refuse;
    let (result, _) = old.provision().await;
    assert_eq!(result.unwrap_err().code, ErrorCode::TLS_LEGACY_NOT_ALLOWED);
    let mut new = Site::new("18.0", false, 81).await;
    new.job.plan.legacy_tls = LegacyTls::Refuse;
    new.provision().await.0.unwrap();
}

/// Passes connections on to a machine, counts them, and can cut those that stand.
struct Relay {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    cut: Arc<Notify>,
}

impl Relay {
    async fn to(machine: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, cut) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let (count, cutting) = (Arc::clone(&connections), Arc::clone(&cut));
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let cutting = Arc::clone(&cutting);
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(machine).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = cutting.notified() => {}
                    }
                });
            }
        });
        Self { address, connections, cut }
    }

    fn connections(&self) -> usize {
        self.connections.swap(0, Ordering::Relaxed)
    }
}

#[tokio::test]
async fn machines_that_are_set_up_are_reached_by_old_tls_with_consent() {
    let settings = Request::get("AMT_GeneralSettings");
    for (net, (persona, engine, attempts)) in
        [("9.5", "openssl", 2), ("11.8", "openssl", 2), ("16.0", "rustls", 1)].into_iter().enumerate()
    {
        let Site { simulator, job } = Site::new(persona, false, 96 + u8::try_from(net).unwrap()).await;
        let host = Memory::default();
        let machine = SocketAddr::new(job.address, 16993);
        amt::provision(job, &host).await.unwrap_or_else(|failure| panic!("{persona}: {failure}"));
        let record = host.record();
        let relay = Relay::to(machine).await;
        let device = |consent| {
            let pin = Transport::Tls(PeerIdentity::Pinned(record.certificate.clone().unwrap()));
            let credentials = Credentials::new("admin", record.admin_passwords[0].clone());
            Device::new(relay.address, pin, credentials).unwrap().legacy_tls(consent)
        };
        let refused = device(LegacyTls::Refuse).call(&settings).await;
        match engine {
            "openssl" => assert_eq!(refused.unwrap_err().code, ErrorCode::TLS_LEGACY_NOT_ALLOWED, "{persona}"),
            _ => assert!(refused.is_ok(), "{persona}"),
        }
        relay.connections();
        let mut device = device(LegacyTls::Allow);
        let name = |reply: amt_wsman::op::Reply| reply.instances()[0].text("HostName").map(str::to_owned);
        assert_eq!(name(device.call(&settings).await.unwrap()).as_deref(), Some("pc1"));
        // One for each rung; firmware may end a connection with its challenge.
        assert_eq!(device.tls().unwrap().engine, engine, "{persona}");
        assert!((attempts..=attempts + 1).contains(&relay.connections()), "{persona}");
        // The next connection begins on that rung.
        relay.cut.notify_waiters();
        let again = match device.call(&settings).await {
            // Told that the connection ended while it waited; the next call makes one.
            Err(failure) if failure.code == ErrorCode::CONNECTION_CLOSED => device.call(&settings).await,
            answered => answered,
        };
        assert_eq!(name(again.unwrap()).as_deref(), Some("pc1"));
        assert_eq!((device.tls().unwrap().engine, relay.connections()), (engine, 1), "{persona}");
        simulator.stop().await.unwrap();
    }
}
