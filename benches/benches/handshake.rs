//! TLS handshakes with virtual machines in setup mode, on loopback, one after the other: each engine with what it is for. Client and
//! machine share the processor, so a figure is that of both sides.

use amt::tls::{ClientChain, Endpoint, connect};
use amt_core::Secret;
use amt_core::psk::{Form, PskPair};
use amt_core::tls::{PeerIdentity, Rung, TlsPlan};
use amt_sim::authority::ProvisioningChain;
use amt_sim::{Persona, SimConfig, Simulator};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Name, firmware family, rung, and whether with a pre-shared pair.
const CASES: [(&str, &str, Rung, bool); 5] = [
    ("rustls, TLS 1.2 ECDHE (AMT 16)", "16.0", Rung::Modern, false),
    ("openssl, TLS 1.2 RSA (AMT 12)", "12.0", Rung::Legacy, false),
    ("openssl, TLS 1.1 RSA (AMT 7.1)", "7.1", Rung::Legacy, false),
    ("openssl, TLS 1.0 RSA (AMT 3.2)", "3.2", Rung::Legacy, false),
    ("openssl, TLS 1.0 PSK (AMT 3.2)", "3.2", Rung::Legacy, true),
];

fn pair() -> PskPair {
    PskPair::parse("AMT1SET7", "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD", Form::Strict).expect("a published pair")
}

async fn machine(net: u8, persona: &str, psk: bool, authority: &ProvisioningChain) -> (Simulator, SocketAddr) {
    let mut config = SimConfig::new(1);
    config.base_address = Ipv4Addr::new(127, 70, net, 1);
    config.persona = Arc::new(Persona::built_in(persona).expect("a persona"));
    config.root_certificates = vec![authority.root().to_vec()];
    config.suffix = Some("example.com".to_owned());
    config.psk = psk.then(pair).into_iter().collect();
    let simulator = Simulator::start(config).await.expect("a free network");
    let address = SocketAddr::from((simulator.machines()[0].address, 16993));
    while tokio::net::TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    (simulator, address)
}

fn handshake(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let authority = ProvisioningChain::new("example.com");
    let chain = ClientChain::new(&authority.chain, &Secret::new(authority.key.clone())).expect("a good chain");
    let mut group = c.benchmark_group("handshake");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for (net, (name, persona, rung, psk)) in (0..).zip(CASES) {
        let (simulator, address) = runtime.block_on(machine(net, persona, psk, &authority));
        let mut plan = TlsPlan::new(if psk { PeerIdentity::Psk(pair()) } else { PeerIdentity::Any });
        plan = plan.setting_up((!psk).then_some(0));
        plan.rung = rung;
        group.bench_function(name, |b| {
            b.iter(|| {
                let endpoint = Endpoint::new(address, &plan);
                runtime.block_on(connect(&endpoint, std::slice::from_ref(&chain))).expect("a handshake")
            });
        });
        runtime.block_on(simulator.stop()).expect("it stops");
    }
    group.finish();
}

criterion_group!(benches, handshake);
criterion_main!(benches);
