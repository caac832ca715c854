//! Setup over the network with a provisioning certificate whose key is not here: whoever has it signs within the handshake.

use crate::support::Memory;
use amt::certificate::Bundle;
use amt::local::{RemoteChains, Signer};
use amt::mei::MeiFuture;
use amt::{Job, ProvisioningCertificate};
use amt_core::{ErrorCode, Failure};
use amt_provision::Plan;
use amt_provision::remote::Outcome;
use amt_sim::authority::{ProvisioningChain, Strength};
use amt_sim::persona::Persona;
use amt_sim::{RootHash, SimConfig, Simulator};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;

/// Who has the keys, and what is wrong with it.
struct Module {
    certificates: Vec<ProvisioningCertificate>,
    /// Says no in these words.
    refuses: Mutex<Option<&'static str>>,
    /// How long a signature takes.
    takes: Duration,
    signed: AtomicUsize,
}

impl Signer for Module {
    fn sign<'a>(&'a self, index: usize, data: &'a [u8]) -> MeiFuture<'a, Vec<u8>> {
        Box::pin(async move {
            if let Some(words) = *self.refuses.lock().unwrap() {
                return Err(Failure::new(ErrorCode::SIGNER, "sign", words));
            }
            tokio::time::sleep(self.takes).await;
            self.signed.fetch_add(1, Ordering::Relaxed);
            self.certificates.sign(index, data).await
        })
    }
}

struct Site {
    simulator: Simulator,
    job: Job,
    module: Arc<Module>,
    host: Memory,
}

impl Site {
    /// A machine of this family, and a module that has two certificates, of which it trusts the second.
    async fn new(persona: &str, net: u8) -> Self {
        let persona = Persona::built_in(persona).unwrap();
        let strength = if persona.version.major >= 22 { Strength::Rsa3072 } else { Strength::Rsa2048 };
        let chain = ProvisioningChain::of(strength, "example.com");
        let other = ProvisioningChain::of(strength, "example.org");
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::new(127, 62, net, 1);
        config.roots = vec![RootHash::of(persona.chain.root_hash, chain.root())];
        config.suffix = Some("example.com".to_owned());
        config.time_scale = 20.0;
        config.persona = Arc::new(persona);
        let simulator = Simulator::start(config).await.unwrap();
        let info = simulator.machines()[0];
        while TcpStream::connect((info.address, 16993)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let bundles = [&other, &chain].map(|chain| Bundle::from_pem(chain.pem().as_bytes(), None, None).unwrap());
        let module = Arc::new(Module {
            certificates: bundles.iter().map(|bundle| bundle.clone().try_into().unwrap()).collect(),
            refuses: Mutex::new(None),
            takes: Duration::from_millis(50),
            signed: AtomicUsize::new(0),
        });
        let mut plan = Plan::new();
        plan.host_name = Some("pc1".to_owned());
        plan.domain_name = Some("example.com".to_owned());
        let mut job = Job::new(info.id, info.address.into(), plan);
        job.suffix = Some("example.com".to_owned());
        let signer = Arc::clone(&module);
        job.remote = Some(RemoteChains::new(&bundles, signer).unwrap());
        Self { simulator, job, module, host: Memory::default() }
    }

    async fn provision(&self) -> Result<Outcome, Failure> {
        amt::provision(self.job.clone(), &self.host).await
    }

    fn signed(&self) -> usize {
        self.module.signed.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_key_that_is_elsewhere_signs_the_handshakes_of_a_setup() {
    // The last speaks TLS 1.3 as well, which has no signatures of the kind that firmware takes from all.
    for (net, persona) in (90..).zip(["14.0", "16.0", "18.0", "21.0"]) {
        let site = Site::new(persona, net).await;
        let outcome = site.provision().await.unwrap_or_else(|failure| panic!("{persona}: {failure}"));
        assert_eq!(outcome.tls.engine, "rustls", "{persona}");
        assert!(site.signed() > 0, "{persona}");
        let record = site.host.record();
        assert!(record.verified, "{persona}");
        assert!(site.simulator.check_admin_password(record.id, record.admin_passwords[0].expose()), "{persona}");
        // Remembered by its leaf, so the next attempt begins with it.
        let leaf = site.module.certificates[1].leaf_sha256_hex();
        assert_eq!(record.provisioning_certificate.as_deref(), Some(leaf.as_str()), "{persona}");
    }
}

#[tokio::test]
async fn a_signer_that_refuses_is_quoted_and_the_machine_waits_on() {
    let site = Site::new("16.0", 95).await;
    *site.module.refuses.lock().unwrap() = Some("the module is locked");
    let failure = site.provision().await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::SIGNER, "{failure}");
    assert!(failure.message.contains("the module is locked"), "{failure}");
    *site.module.refuses.lock().unwrap() = None;
    site.provision().await.unwrap();
    assert!(site.host.record().verified);
}

#[cfg(feature = "legacy-tls")]
#[tokio::test]
async fn old_tls_is_signed_here_only_and_that_is_said() {
    let mut site = Site::new("11.8", 97).await;
    site.job.plan.legacy_tls = amt_core::tls::LegacyTls::Allow;
    let failure = site.provision().await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::UNSUPPORTED, "{failure}");
    assert!(failure.hint.contains("together with its key"), "{failure}");
    assert_eq!(site.signed(), 0);
}
