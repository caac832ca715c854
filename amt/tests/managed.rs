//! Machines that are set up, over real sockets and TLS: their facts, and one boot from the network.

use crate::support;
use amt::{BootHost, BootJob, Host, Job, ProvisioningCertificate, Target};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_provision::boot::{BootRecord, BootSource, BootStage};
use amt_provision::{CaAnswer, CertificateRequest, Event, Plan, Record};
use amt_sim::authority::ProvisioningChain;
use amt_sim::firmware::SetupRecord;
use amt_sim::{RootHash, SimConfig, Simulator};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Keeps the last records in memory and issues every certificate.
#[derive(Default)]
struct Memory {
    record: Mutex<Option<Record>>,
    boots: Mutex<Vec<BootRecord>>,
    events: Mutex<usize>,
}

impl Host for Memory {
    async fn persist(&self, record: &Record) -> Result<(), Failure> {
        *self.record.lock().unwrap() = Some(record.clone());
        Ok(())
    }

    async fn certify(&self, request: &CertificateRequest) -> CaAnswer {
        support::issue(request)
    }

    fn event(&self, _id: SystemId, _event: &Event) {
        *self.events.lock().unwrap() += 1;
    }
}

impl BootHost for Memory {
    async fn persist_boot(&self, record: &BootRecord) -> Result<(), Failure> {
        self.boots.lock().unwrap().push(record.clone());
        Ok(())
    }
}

#[tokio::test]
async fn facts_are_read_before_and_after_setup_and_the_machine_boots_from_the_network_once() {
    let chain = ProvisioningChain::new("example.com");
    let mut config = SimConfig::new(1);
    config.base_address = Ipv4Addr::new(127, 64, 0, 1);
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some("example.com".to_owned());
    config.time_scale = 50.0;
    config.earlier_setup = Some(SetupRecord::by("setup.other.example"));
    let simulator = Simulator::start(config).await.unwrap();
    let info = simulator.machines()[0];
    while tokio::net::TcpStream::connect((info.address, 16993)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let certificates = [ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap()];
    let host = Arc::new(Memory::default());

    let mut unknown = Target::new(info.id, info.address.into(), PeerIdentity::Any, Vec::new());
    unknown.certificates = certificates.clone().into();
    let facts = amt::read_facts(unknown, &*host).await.unwrap();
    assert_eq!(facts.provisioning_state, Some(1));
    assert_eq!(facts.setups[0].server.as_deref(), Some("setup.other.example"));
    assert!(*host.events.lock().unwrap() > 0);

    let mut plan = Plan::new();
    plan.host_name = Some("pc1".to_owned());
    let mut job = Job::new(info.id, info.address.into(), plan);
    job.certificates = certificates.into();
    amt::provision(job, &*host).await.unwrap();
    let record = host.record.lock().unwrap().clone().unwrap();
    let pin = PeerIdentity::Pinned(record.certificate.unwrap());
    let target = Target::new(info.id, info.address.into(), pin, record.admin_passwords);

    assert!(simulator.set_os_name(info.id, "desk7.example.com"));
    let facts = amt::read_facts(target.clone(), &*host).await.unwrap();
    assert_eq!((facts.host_name.as_deref(), facts.host_os_fqdn.as_deref()), (Some("pc1"), Some("desk7.example.com")));
    assert_eq!(facts.wired_mac.map(|mac| mac.replace(':', "-")), simulator.truth(info.id).map(|truth| truth.mac));

    let new = BootRecord::new(info.id, BootSource::Network);
    let (job, keeper) = (BootJob::new(target.clone(), new), Arc::clone(&host));
    let booted = tokio::spawn(async move { amt::boot_once(job, &*keeper).await }).await.unwrap().unwrap();
    assert!(booted.proven);
    let stages: Vec<_> = host.boots.lock().unwrap().iter().map(|record| record.stage).collect();
    assert_eq!(stages, [BootStage::Armed, BootStage::Done]);
    let truth = simulator.truth(info.id).unwrap();
    let sources: Vec<_> = truth.boots.iter().map(|boot| boot.source.as_str()).collect();
    assert_eq!((sources, truth.boot_armed), (vec!["network"], false));

    let mut stranger = target;
    stranger.admin_passwords = vec!["Wr0ng-Pass!".into()];
    let failure = amt::read_facts(stranger, &*host).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::ADMIN_PASSWORD_UNKNOWN);
    simulator.stop().await.unwrap();
}
