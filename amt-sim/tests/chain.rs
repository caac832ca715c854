//! The firmware refuses provisioning chains: for every rule one client, over real TLS sockets, that breaks just that
//! rule; and OpenSSL as a client of its own.

use crate::support;
use crate::support::chains::{Chain, Leaf};
use crate::support::{Client, Network, SUFFIX, chains};
use amt_sim::firmware::MachineTruth;
use amt_sim::{ChainFault, MachineInfo, Persona, RootHash, SimConfig, Simulator, chain};
use rcgen::ExtendedKeyUsagePurpose;
use std::process::{Command, Stdio};
use std::time::Duration;

fn persona(text: &str) -> Persona {
    Persona::parse(&format!("based_on = \"amt-16.0\"\n{text}")).unwrap()
}

async fn machine(base: &str, root: &[u8], suffix: Option<&str>, persona: Persona) -> (Simulator, MachineInfo) {
    let mut config = SimConfig::new(1);
    config.base_address = base.parse().unwrap();
    config.roots = vec![RootHash::sha256(root)];
    config.suffix = suffix.map(str::to_owned);
    config.persona = persona.into();
    support::start(config).await
}

/// What a client with this chain sees: `Ok` if the machine answers a request, and the machine's own account.
async fn attempt(
    base: &str,
    root: &[u8],
    suffix: Option<&str>,
    chain: Option<Chain>,
    persona: Persona,
) -> (Result<u16, String>, MachineTruth) {
    let (simulator, info) = machine(base, root, suffix, persona).await;
    let seen = tokio::task::spawn_blocking(move || {
        let mut line = Network::secure(info.address, chain.as_ref());
        line.try_connect()?;
        let mut client = Client::new(line, None);
        match client.post("") {
            Some(answer) => Ok(answer.status),
            None => Err("closed without an answer".to_owned()),
        }
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let truth = simulator.truth(info.id).unwrap();
    simulator.stop().await.unwrap();
    (seen, truth)
}

struct Case {
    name: &'static str,
    chain: Option<Chain>,
    root: Vec<u8>,
    suffix: Option<&'static str>,
    refused: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    let good = chains::good();
    let root = good.root().to_vec();
    let case = |name, chain: Chain, refused: &'static [&'static str]| Case {
        name,
        root: root.clone(),
        chain: Some(chain),
        suffix: Some(SUFFIX),
        refused,
    };
    let leaf = |change: fn(&mut Leaf)| {
        let mut leaf = Leaf::default();
        change(&mut leaf);
        chains::with_leaf(&leaf)
    };
    let own_root = |name, refused: &'static [&'static str]| {
        let chain = chains::from_file(name);
        Case { name, root: chain.root().to_vec(), chain: Some(chain), suffix: Some(SUFFIX), refused }
    };
    vec![
        case("good", good.clone(), &[]),
        case(
            "ou instead of oid",
            leaf(|l| {
                l.ou = Some(chains::OU.into());
                l.usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
            &[],
        ),
        case("expired, which firmware cannot know", leaf(|l| l.expired = true), &[]),
        case("wildcard", leaf(|l| l.name = "*.example.com".into()), &[]),
        own_root("good", &[]),
        case("without the root", good.clone().without_root(), &["root-not-sent"]),
        Case { root: b"another root".to_vec(), ..case("root not in the list", good.clone(), &["root-unknown"]) },
        case("forged leaf", chains::forged(), &["broken"]),
        case("no OID and no OU", leaf(|l| l.usages = vec![ExtendedKeyUsagePurpose::ServerAuth]), &["not-provisioning"]),
        case(
            "OU in other letters",
            leaf(|l| {
                l.ou = Some("Intel(r) Client Setup Certificate".into());
                l.usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
            &["not-provisioning"],
        ),
        case(
            "not a server certificate",
            leaf(|l| {
                l.usages =
                    vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Other(chains::OID.to_vec())];
            }),
            &["not-server"],
        ),
        case("another domain", leaf(|l| l.name = "provision.example.org".into()), &["suffix"]),
        Case { suffix: None, ..case("the machine has no suffix", good.clone(), &["no-suffix"]) },
        own_root("small-key", &["key-small"]),
        own_root("sha1-leaf", &["sha1"]),
        own_root("sha1-intermediate", &["sha1"]),
        Case { chain: None, ..case("no certificate at all", good.clone(), &["no-certificate"]) },
    ]
}

#[tokio::test]
async fn each_broken_rule_turns_the_client_away_and_is_named() {
    hold_to_the_rules(0, &Persona::default()).await;
}

/// The same client, the same suites; that TLS 1.1 is offered beside them calls for OpenSSL.
#[cfg(feature = "legacy-tls")]
#[tokio::test]
async fn each_broken_rule_turns_the_client_away_over_openssl_too() {
    hold_to_the_rules(3, &persona(OPENSSL)).await;
}

#[cfg(feature = "legacy-tls")]
const OPENSSL: &str = "[tls]\nmin = \"1.1\"\n";

async fn hold_to_the_rules(network: u8, persona: &Persona) {
    for (n, case) in cases().into_iter().enumerate() {
        let base = format!("127.62.{network}.{}", n + 1);
        let (seen, truth) = attempt(&base, &case.root, case.suffix, case.chain, persona.clone()).await;
        if case.refused.is_empty() {
            assert_eq!(seen, Ok(401), "{}: accepted, and asked for a login", case.name);
            assert_eq!(truth.state, "in", "{}", case.name);
            assert_eq!(truth.handshakes_refused, 0, "{}", case.name);
        } else {
            assert!(seen.is_err(), "{}: {seen:?}", case.name);
            assert_eq!(truth.state, "pre", "{}", case.name);
            let reasons: Vec<&str> =
                truth.refusals[0].reason.split("; ").map(|r| r.split(':').next().unwrap()).collect();
            assert_eq!(reasons, case.refused, "{}", case.name);
        }
    }
}

#[test]
fn the_order_sent_matters() {
    let good = chains::good();
    let rules = chain::ChainRules {
        roots: vec![RootHash::sha256(good.root())],
        suffix: Some(SUFFIX.into()),
        told_suffixes: Vec::new(),
        min_rsa_bits: 2048,
        allow_sha1: false,
        now: None,
    };
    assert_eq!(chain::judge(&rules, &good.certificates), []);
    let faults = chain::judge(&rules, &good.clone().reversed().certificates);
    assert!(faults.contains(&ChainFault::Broken(0)) && faults.contains(&ChainFault::NotProvisioning), "{faults:?}");
    let late = chain::ChainRules { now: Some(1_800_000_000), ..rules };
    let expired = chains::with_leaf(&Leaf { expired: true, ..Leaf::default() });
    assert_eq!(chain::judge(&late, &expired.certificates), [ChainFault::Expired(0)]);
}

#[tokio::test]
async fn a_refusal_is_an_alert_or_silence_as_the_persona_has_it() {
    let stranger = chains::with_leaf(&Leaf { name: "provision.example.org".into(), ..Leaf::default() });
    let root = chains::good().root().to_vec();
    let silent = "[network]\nrefused_chain = \"close\"\n";
    let cases = [
        ("127.62.1.1", String::new(), true),
        ("127.62.1.2", silent.to_owned(), false),
        #[cfg(feature = "legacy-tls")]
        ("127.62.1.3", OPENSSL.to_owned(), true),
        #[cfg(feature = "legacy-tls")]
        ("127.62.1.4", format!("{silent}{OPENSSL}"), false),
    ];
    for (base, text, alert) in cases {
        let (seen, truth) = attempt(base, &root, Some(SUFFIX), Some(stranger.clone()), persona(&text)).await;
        let error = seen.unwrap_err();
        assert_eq!(error.contains("alert"), alert, "{error}");
        // One of the certificate's alerts, so that no client takes it for a question of versions or suites.
        assert!(!alert || error.to_lowercase().contains("cert"), "{error}");
        assert_eq!(truth.handshakes_refused, 1);
    }
}

/// `openssl s_client` with this chain; what it printed, and whether it got an HTTP answer.
fn openssl(address: String, chain: &Chain) -> (String, bool) {
    let folder = tempfile::tempdir().unwrap();
    let pem = |der: &[u8]| {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    let (leaf, rest, key) = (folder.path().join("leaf"), folder.path().join("rest"), folder.path().join("key"));
    std::fs::write(&leaf, pem(&chain.certificates[0])).unwrap();
    std::fs::write(&rest, chain.certificates[1..].iter().map(|c| pem(c)).collect::<String>()).unwrap();
    std::fs::write(&key, &chain.key).unwrap();
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &address, "-tls1_2", "-keyform", "DER", "-ign_eof"])
        .arg("-cert")
        .arg(&leaf)
        .arg("-cert_chain")
        .arg(&rest)
        .arg("-key")
        .arg(&key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the openssl program");
    let request = "POST /wsman HTTP/1.1\r\nHost: amt\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), request.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let answered = text.contains("HTTP/1.1 401 Unauthorized") && text.contains("Active Management Technology 16.0");
    (text, answered)
}

#[tokio::test]
async fn openssl_completes_the_mutual_handshake_with_a_good_chain_only() {
    if Command::new("openssl").arg("version").output().is_err() {
        // Without the program there is nothing to show; CI has it.
        assert!(std::env::var_os("CI").is_none(), "openssl is missing");
        return;
    }
    let good = chains::good();
    let (simulator, info) = machine("127.62.2.1", good.root(), Some(SUFFIX), Persona::default()).await;
    let address = format!("{}:16993", info.address);
    let bad = chains::with_leaf(&Leaf { name: "provision.example.org".into(), ..Leaf::default() });
    let (refused, accepted) =
        tokio::task::spawn_blocking(move || (openssl(address.clone(), &bad), openssl(address, &good))).await.unwrap();
    assert!(!refused.1 && refused.0.contains("alert"), "{}", refused.0);
    assert!(accepted.1 && accepted.0.contains("Protocol  : TLSv1.2"), "{}", accepted.0);
    assert!(accepted.0.contains("Intel(R) AMT self-signed certificate"), "{}", accepted.0);
    simulator.stop().await.unwrap();
}
