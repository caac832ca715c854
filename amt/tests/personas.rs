//! Every firmware family from AMT 2.6 to 22 over real sockets and TLS, with a certificate and with a pre-shared pair.

mod support;

use amt::{Job, ProvisioningCertificate};
use amt_core::psk::{Form, PskPair};
use amt_core::tls::LegacyTls;
use amt_core::version::TlsVersion;
use amt_core::{ErrorCode, Failure};
use amt_provision::Plan;
use amt_sim::authority::ProvisioningChain;
use amt_sim::persona::Persona;
use amt_sim::{RootHash, SimConfig, Simulator};
use std::net::Ipv4Addr;
use std::sync::Arc;
use support::Memory;

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
