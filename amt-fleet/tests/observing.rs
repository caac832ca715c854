//! Looking at a mixed site: every machine gets its class, and none gets a connection or a byte.

use amt::ProvisioningCertificate;
use amt_core::SystemId;
use amt_fleet::report::{Class, Format, Report, Site};
use amt_fleet::{Glimpse, Observer};
use amt_sim::authority::ProvisioningChain;
use amt_sim::{Persona, RootHash, SimConfig, Simulator, Variant};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const MACHINES: usize = 200;
const PLACEHOLDER: &str = "03000200-0400-0500-0006-000700080009";

/// Firmware of 2012, which lists SHA-1 roots and knows pre-shared keys.
fn old() -> Arc<Persona> {
    Arc::new(Persona::parse("based_on = \"amt-16.0\"\nname = \"amt-8\"\nversion = \"8.1.40.1416\"\n").unwrap())
}

/// What a site has beside machines that fit, in this order from the first machine on.
fn variants(root: &[u8]) -> Vec<Variant> {
    let variant = |machines, change: &dyn Fn(&mut Variant)| {
        let mut variant = Variant::new(machines);
        change(&mut variant);
        variant
    };
    vec![
        variant(30, &|v| {
            v.roots = Some(vec![RootHash::sha256(b"another authority"), RootHash::sha384(b"yet another")])
        }),
        variant(10, &|v| v.roots = Some(Vec::new())),
        variant(20, &|v| v.suffix = Some("elsewhere.org".to_owned())),
        variant(20, &|v| (v.persona, v.roots) = (Some(old()), Some(vec![RootHash::sha1(root), RootHash::sha1(b"x")]))),
        variant(20, &|v| v.admin_password = Some("S3t-before!".into())),
        variant(15, &|v| (v.persona, v.pid) = (Some(old()), Some(*b"AMT1SET7"))),
        variant(5, &|v| v.uuid = Some(PLACEHOLDER.parse().unwrap())),
        variant(10, &|_| {}),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_mixed_machines_are_classed_and_none_gets_a_byte() {
    let chain = ProvisioningChain::new("example.com");
    let certificate = ProvisioningCertificate::from_pem(chain.pem().as_bytes(), None, None).unwrap();
    let listen = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
    let observer = Observer::new(&listen, vec![certificate], vec!["example.com".to_owned()]).await.unwrap();

    let mut config = SimConfig::new(MACHINES);
    config.base_address = Ipv4Addr::new(127, 75, 0, 1);
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some("example.com".to_owned());
    config.variants = variants(chain.root());
    config.spread = Duration::from_millis(2);
    config.hello = Some(observer.addresses()[0]);
    let simulator = Simulator::start(config).await.unwrap();
    let ids: Vec<SystemId> = simulator.machines().iter().map(|m| m.id).collect();

    // The list of the site says where the third group is; the database, that the last group is ours already.
    let mut observer = observer.machine_suffixes(ids[40..60].iter().map(|id| (*id, "elsewhere.org".to_owned())));
    let mut ours = Glimpse::default();
    ours.verified = true;
    let mut site = Site::default();
    site.machines = ids[120..130].iter().map(|id| (*id, ours.clone())).collect::<HashMap<_, _>>();
    let mut report = Report::new(site, SystemTime::now());
    let all = async {
        while report.machines() < MACHINES {
            assert!(report.add(&observer.next().await.unwrap()));
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("all say hello in time");
    // A stranger too, and time for a connection that must not come.
    drop(
        std::net::TcpStream::connect(observer.addresses()[0])
            .map(|mut s| std::io::Write::write_all(&mut s, b"GET / HTTP/1.1\r\n\r\n")),
    );
    report.add(&tokio::time::timeout(Duration::from_secs(20), observer.next()).await.unwrap().unwrap());
    tokio::time::sleep(Duration::from_millis(2500)).await;

    assert_eq!(
        report.counts(),
        [
            (Class::Ready, 70),
            (Class::NoMatchingRoot, 40),
            (Class::WrongSuffix, 20),
            (Class::NeedsLegacyTls, 20),
            (Class::AlreadyOwned, 30),
            (Class::CertificateProblem, 0),
            (Class::Psk, 15),
            (Class::UnusableIdentity, 5),
            (Class::NotAHello, 1),
        ]
    );
    let of = |class| report.sightings().into_iter().filter(move |s| s.judgement.class == class).collect::<Vec<_>>();
    assert_eq!(of(Class::AlreadyOwned).iter().filter(|s| s.judgement.certain).count(), 10, "those of the database");
    assert!(of(Class::NeedsLegacyTls).iter().all(|s| !s.judgement.certain), "a hello does not tell the version");
    for sighting in report.sightings().iter().filter(|s| s.judgement.class != Class::Ready) {
        assert!(!sighting.judgement.reason.is_empty() && !sighting.judgement.fix.is_empty(), "{sighting:?}");
    }

    for truth in simulator.truths() {
        assert!(truth.hellos >= 1, "{truth:?}");
        let touched = (truth.tcp_connections, truth.tcp_bytes, truth.hello_reply_bytes, truth.request_total);
        assert_eq!(touched, (0, 0, 0, 0), "{} was touched", truth.address);
        assert_eq!(truth.state, "pre");
    }
    // That the simulator would have noticed.
    let probed = &simulator.machines()[199];
    let mut probe = std::net::TcpStream::connect((probed.address, 16_993)).unwrap();
    std::io::Write::write_all(&mut probe, b"x").unwrap();
    let noticed = async {
        while simulator.truth(probed.id).unwrap().tcp_bytes == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), noticed).await.expect("a connection and its bytes are counted");
    assert_eq!(simulator.truth(probed.id).unwrap().tcp_connections, 1);

    let page = report.render(Format::Html, SystemTime::now());
    assert_eq!(page.matches("<tr>").count(), MACHINES + 2, "a heading, the machines and the stranger");
    // For looking at: `AMT_REPORT=/tmp/report.html cargo test -p amt-fleet --test observing`.
    if let Some(file) = std::env::var_os("AMT_REPORT") {
        std::fs::write(file, page).unwrap();
    }
    simulator.stop().await.unwrap();
}
