//! A machine that is set up gets another name, over real sockets and TLS.

use crate::support;
use amt::{Host, Job, ProvisioningCertificate, RenameHost, RenameJob, Target};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_provision::Stage;
use amt_provision::{CaAnswer, CertificateRequest, Event, Plan, Record, RenameRecord};
use amt_sim::authority::ProvisioningChain;
use amt_sim::{RootHash, SimConfig, Simulator};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Keeps the last records in memory; puts the first request for a new name off, then issues.
#[derive(Default)]
struct Memory {
    record: Mutex<Option<Record>>,
    rename: Mutex<Option<RenameRecord>>,
    stages: Mutex<Vec<Stage>>,
    asked: Mutex<Vec<CertificateRequest>>,
}

impl Memory {
    /// How the machine is reached by what is kept.
    fn target(&self, id: SystemId, address: IpAddr) -> Target {
        let record = self.record.lock().unwrap().clone().unwrap();
        Target::new(id, address, PeerIdentity::Pinned(record.certificate.unwrap()), record.admin_passwords)
    }
}

impl Host for Memory {
    async fn persist(&self, record: &Record) -> Result<(), Failure> {
        *self.record.lock().unwrap() = Some(record.clone());
        Ok(())
    }

    async fn certify(&self, request: &CertificateRequest) -> CaAnswer {
        let mut asked = self.asked.lock().unwrap();
        asked.push(request.clone());
        if asked.len() == 2 {
            return CaAnswer::pending("7");
        }
        support::issue(request)
    }

    fn event(&self, _id: SystemId, _event: &Event) {}
}

impl RenameHost for Memory {
    async fn persist_rename(&self, record: &RenameRecord) -> Result<(), Failure> {
        self.stages.lock().unwrap().push(record.replacement.stage);
        *self.rename.lock().unwrap() = Some(RenameRecord::decode(record.encode().expose())?);
        if let Some(journal) = self.record.lock().unwrap().as_mut() {
            record.replacement.carry_over(journal);
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_machine_is_renamed_when_the_authority_has_decided() {
    let chain = ProvisioningChain::new("example.com");
    let mut config = SimConfig::new(1);
    config.base_address = Ipv4Addr::new(127, 65, 0, 1);
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some("example.com".to_owned());
    config.time_scale = 50.0;
    let simulator = Simulator::start(config).await.unwrap();
    let info = simulator.machines()[0];
    while tokio::net::TcpStream::connect((info.address, 16993)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let host = Arc::new(Memory::default());
    let mut plan = Plan::new();
    plan.host_name = Some("pc1".to_owned());
    plan.domain_name = Some("example.com".to_owned());
    let mut job = Job::new(info.id, info.address.into(), plan);
    job.certificates = [ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap()].into();
    amt::provision(job, &*host).await.unwrap();
    let old = simulator.truth(info.id).unwrap();

    let target = host.target(info.id, info.address.into());
    let new = RenameRecord::new(info.id, "desk7".to_owned(), None);
    let failure = amt::rename(RenameJob::new(target.clone(), new), &*host).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::CA_PENDING);
    assert_eq!(simulator.truth(info.id).unwrap().certificate_sha256, old.certificate_sha256);

    let record = host.rename.lock().unwrap().clone().unwrap();
    let (job, keeper) = (RenameJob::new(target.clone(), record), Arc::clone(&host));
    let renamed = tokio::spawn(async move { amt::rename(job, &*keeper).await }).await.unwrap().unwrap();
    assert_eq!((renamed.host_name.as_str(), renamed.domain_name.as_deref()), ("desk7", Some("example.com")));
    let request = host.asked.lock().unwrap().last().cloned().unwrap();
    assert_eq!((request.request_id.as_deref(), request.common_name.as_str()), (Some("7"), "desk7.example.com"));
    let mut stages = host.stages.lock().unwrap().clone();
    stages.dedup();
    let all = [Stage::Preparing, Stage::Committing, Stage::Proven, Stage::Done];
    assert_eq!(stages, all);

    let truth = simulator.truth(info.id).unwrap();
    assert_eq!((truth.host_name.as_str(), truth.domain_name.as_str(), truth.commits), ("desk7", "example.com", 2));
    assert_ne!(truth.certificate_sha256, old.certificate_sha256);
    assert_eq!((truth.certificates.len(), truth.keys.len()), (1, 1));
    let facts = amt::read_facts(host.target(info.id, info.address.into()), &*host).await.unwrap();
    assert_eq!((facts.host_name.as_deref(), facts.certificate), (Some("desk7"), Some(renamed.certificate)));
    let failure = amt::read_facts(target, &*host).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::TLS_PIN_MISMATCH, "the old identity is gone");
    simulator.stop().await.unwrap();
}
