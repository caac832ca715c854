//! Trust bundles: checked before anything is sent, written and read back over real sockets, refused with the firmware's reason.

use crate::chains;
use crate::chains::{NOW, Spec, block, ec_key, issuer, key, leaf, root};
use amt::certificate::{MAX_AUTHORITIES, TrustBundle, root_first, write_bundle};
use amt::operate::{add_trust, trust};
use amt::{Device, Transport};
use amt_core::tls::PeerIdentity;
use amt_core::{ErrorCode, Severity};
use amt_sim::firmware::MachineTruth;
use amt_sim::{Persona, SetUp, SimConfig, Simulator};
use amt_wsman::client::Credentials;
use proptest::prelude::*;
use std::net::Ipv4Addr;

const PASSWORD: &str = "P@ssw0rd-1";

/// A root, an authority below it, one below that, and a machine's certificate.
fn family() -> [Spec; 4] {
    let top = root("Root", &key("root", 2048));
    let middle = issuer("Middle", &key("middle", 2048), top.signer());
    let low = issuer("Low", &key("low", 2048), middle.signer());
    let end = leaf("pc1.example.com", &ec_key(), low.signer());
    [top, middle, low, end]
}

fn ders(certificates: &[&Spec]) -> Vec<Vec<u8>> {
    certificates.iter().map(|spec| spec.der()).collect()
}

fn bundle(certificates: &[&Spec]) -> TrustBundle {
    TrustBundle::read(&chains::pem(certificates), NOW).unwrap()
}

/// Codes and places of what is wrong with a file.
fn wrong(file: &[u8]) -> Vec<(&'static str, String)> {
    let findings = TrustBundle::read(file, NOW).unwrap_err();
    findings.into_iter().map(|finding| (finding.code, finding.field)).collect()
}

#[test]
fn a_bundle_is_a_root_and_what_was_signed_behind_it() {
    let [top, middle, low, _] = family();
    let read = bundle(&[&top, &middle, &low]);
    assert_eq!(read.authorities.iter().map(|a| a.is_root).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!((read.authorities[0].line, read.warnings.len()), (1, 0));
    let other = root("Other", &key("other", 2048));
    assert_eq!(bundle(&[&top, &other, &middle]).authorities.len(), 3, "more than one root is fine");
    // Two of one name: the key decides.
    let same_name = root("Root", &key("other", 2048));
    assert_eq!(wrong(&chains::pem(&[&same_name, &middle]))[0].0, "TRUST-SIGNATURE");
}

#[test]
fn everything_wrong_is_told_at_once_with_its_place_in_the_file() {
    let [top, middle, low, end] = family();
    let mut file = b"some words\n# and a comment\xff\r\n".to_vec();
    file.extend(block("CERTIFICATE", &low.der()));
    let first = file.iter().filter(|byte| **byte == b'\n').count() + 1;
    file.extend(block("CERTIFICATE", &top.der()));
    file.extend(block("CERTIFICATE", &top.der()));
    file.extend(block("CERTIFICATE", &end.der()));
    file.extend(block("PRIVATE KEY", &top.key.pkcs8));
    file.extend(b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
    file.extend(block("CERTIFICATE", b"0123"));
    file.extend(block("CERTIFICATE", &middle.der()));
    file.extend(b"-----BEGIN CERTIFICATE-----\nMAA=\n");
    let found = wrong(&file);
    let codes: Vec<&str> = found.iter().map(|(code, _)| *code).collect();
    assert_eq!(
        codes,
        ["TRUST-ORDER", "TRUST-TWICE", "TRUST-NOT-CA", "TRUST-PEM", "TRUST-PEM", "TRUST-PEM", "TRUST-PEM"]
    );
    assert_eq!(found[0].1, "certificate 1, line 3 (CN=Low)");
    let lines = top.der().len().div_ceil(3).div_ceil(16) + 2;
    assert_eq!(found[1].1, format!("certificate 3, line {} (CN=Root)", first + lines));
    let places: Vec<&str> = found[3..].iter().map(|(_, place)| place.split(',').next().unwrap()).collect();
    assert_eq!(places, ["certificate 5", "certificate 6", "certificate 7", "certificate 9"]);
    let armour = String::from_utf8(block("PRIVATE KEY", &top.key.pkcs8)).unwrap();
    let secret = armour.lines().nth(1).unwrap();
    let all = TrustBundle::read(&file, NOW).unwrap_err();
    assert!(all.iter().all(|finding| !finding.message.contains(secret)), "nothing of a key is told");
    let line = file.windows(11).rposition(|window| window == b"-----BEGIN ").unwrap();
    let last = file[..line].iter().filter(|byte| **byte == b'\n').count() + 1;
    assert_eq!(found[6].1, format!("certificate 9, line {last}"));
}

#[test]
fn nothing_and_too_much_are_refused_and_odd_ones_warned_about() {
    assert_eq!(wrong(b"")[0].0, "TRUST-EMPTY");
    assert_eq!(wrong(b"no certificates here\n")[0].0, "TRUST-EMPTY");
    assert_eq!(wrong(&vec![b'x'; 1024 * 1024 + 1])[0].0, "TRUST-SIZE");
    let many = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".repeat(MAX_AUTHORITIES * 3);
    let found = wrong(&many);
    assert_eq!((found[0].0, found.len()), ("TRUST-SIZE", 1 + MAX_AUTHORITIES));
    let [top, ..] = family();
    let old = Spec { valid: ("20100101000000Z", "20200101000000Z"), ..top.clone() };
    let early = Spec { valid: ("20300101000000Z", "20400101000000Z"), ..root("Other", &key("other", 2048)) };
    let read = bundle(&[&old, &early]);
    let codes: Vec<_> = read.warnings.iter().map(|finding| (finding.code, finding.severity)).collect();
    assert_eq!(codes, [("TRUST-EXPIRED", Severity::Warning), ("TRUST-NOT-YET", Severity::Warning)]);
    assert!(read.warnings[0].message.contains("2010-01-01 to 2020-01-01"), "{}", read.warnings[0].message);
}

#[test]
fn a_file_cut_anywhere_never_gives_other_certificates() {
    let [top, middle, ..] = family();
    let (whole, all) = (chains::pem(&[&top, &middle]), ders(&[&top, &middle]));
    for cut in 0..whole.len() - 1 {
        match TrustBundle::read(&whole[..cut], NOW) {
            // Cut behind one of them, or within the line that ends it.
            Ok(read) => {
                let read: Vec<Vec<u8>> = read.authorities.into_iter().map(|authority| authority.der).collect();
                assert!(!read.is_empty() && all.starts_with(&read), "{cut}");
            }
            Err(findings) => assert!(findings.iter().all(|finding| finding.code.starts_with("TRUST-")), "{cut}"),
        }
    }
}

#[test]
fn certificates_in_any_order_are_put_root_first() {
    let [top, middle, low, end] = family();
    let stray = issuer("Stray", &key("stray", 2048), root("Gone", &key("other", 2048)).signer());
    let expected = ["CN=Root", "CN=Middle", "CN=Low", "CN=Stray", "CN=pc1.example.com"];
    for order in [[&end, &low, &middle, &top, &stray], [&stray, &low, &top, &end, &middle]] {
        let mut all = ders(&order);
        all.push(top.der());
        all.push(b"nothing".to_vec());
        let names: Vec<String> = root_first(&all).into_iter().map(|authority| authority.subject).collect();
        assert_eq!(names, expected);
    }
    let text = write_bundle(&root_first(&ders(&[&low, &middle, &top])));
    assert!(text.starts_with("# subject: CN=Root\n# valid: 2020-01-01 to 2040-01-01\n# sha256: "), "{text}");
    assert!(text.contains("# subject: CN=Middle\n# issuer: CN=Root\n"), "{text}");
    let read = TrustBundle::read(text.as_bytes(), NOW).unwrap();
    assert_eq!(read.authorities.iter().map(|a| a.line).next(), Some(4));
    assert_eq!(write_bundle(&read.authorities), text, "what is written is read as the same");
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(file in prop::collection::vec(
        prop_oneof![
            Just(b"-----BEGIN CERTIFICATE-----\n".to_vec()),
            Just(b"-----END CERTIFICATE-----\n".to_vec()),
            Just(b"-----BEGIN ".to_vec()),
            Just(b"MAA=\n".to_vec()),
            prop::collection::vec(any::<u8>(), 0..20),
        ],
        0..40,
    )) {
        let file = file.concat();
        prop_assert!(TrustBundle::read(&file, NOW).is_err());
    }
}

struct Lab {
    simulator: Simulator,
    address: Ipv4Addr,
}

impl Lab {
    async fn new(network: u8, persona: &str) -> Self {
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::new(127, 76, network, 1);
        config.set_up = Some(SetUp::Admin);
        config.admin_password = Some(PASSWORD.into());
        config.persona = Persona::parse(persona).unwrap().into();
        let simulator = Simulator::start(config).await.unwrap();
        let address = simulator.machines()[0].address;
        Self { simulator, address }
    }

    fn device(&self) -> Device {
        let credentials = Credentials::new("admin", PASSWORD.to_owned());
        Device::new((self.address, 16_993).into(), Transport::Tls(PeerIdentity::Any), credentials).unwrap()
    }

    fn truth(&self) -> MachineTruth {
        self.simulator.truths().remove(0)
    }

    fn trusted(&self) -> usize {
        self.truth().certificates.iter().filter(|stored| stored.trusted_root).count()
    }
}

#[tokio::test]
async fn what_is_missing_is_added_once_and_nothing_else_is_written() {
    let lab = Lab::new(1, "based_on = \"amt-16.0\"").await;
    let [top, middle, low, _] = family();
    let mut device = lab.device();
    let before = trust(&mut device).await.unwrap();
    assert!(before.authorities.is_empty() && before.served.unwrap().is_root, "its own certificate signs itself");

    let first = bundle(&[&top, &middle]);
    let change = add_trust(&mut device, &first, true).await.unwrap();
    assert_eq!((change.added.len(), change.present.len(), lab.truth().writes), (2, 0, 0), "a dry run");
    let change = add_trust(&mut device, &first, false).await.unwrap();
    assert_eq!((change.added.len(), lab.trusted(), lab.truth().writes), (2, 2, 2));
    let change = add_trust(&mut device, &bundle(&[&top, &middle, &low]), false).await.unwrap();
    assert_eq!((change.added.len(), change.present.len(), lab.truth().writes), (1, 2, 3));
    let change = add_trust(&mut device, &first, false).await.unwrap();
    assert_eq!((change.added.len(), change.present.len(), lab.truth().writes), (0, 2, 3), "nothing was missing");

    let found = trust(&mut device).await.unwrap();
    let names: Vec<&str> = found.authorities.iter().map(|authority| authority.subject.as_str()).collect();
    assert_eq!((names, found.without_issuer().count()), (vec!["CN=Root", "CN=Middle", "CN=Low"], 0));
    let text = write_bundle(&found.authorities);
    let other = Lab::new(2, "based_on = \"amt-16.0\"").await;
    let copied = TrustBundle::read(text.as_bytes(), NOW).unwrap();
    add_trust(&mut other.device(), &copied, false).await.unwrap();
    assert_eq!(write_bundle(&trust(&mut other.device()).await.unwrap().authorities), text);
    lab.simulator.stop().await.unwrap();
    other.simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_is_found_in_the_store_and_a_refusal_says_how_far_it_came() {
    let lab = Lab::new(3, "based_on = \"amt-16.0\"\n[certificates]\ntrusted_roots = 2\n").await;
    let [top, middle, low, _] = family();
    let mut device = lab.device();
    let id = lab.simulator.machines()[0].id;
    let place = "AMT_PublicKeyManagementService.AddTrustedRootCertificate";
    assert!(lab.simulator.add_fault(id, format!("{place}:out:reset").parse().unwrap()));
    let change = add_trust(&mut device, &bundle(&[&top]), false).await.unwrap();
    assert_eq!((change.added.len(), lab.trusted(), lab.truth().requests[place]), (1, 1, 1), "it was not sent twice");
    let failure = add_trust(&mut device, &bundle(&[&top, &middle, &low]), false).await.unwrap_err();
    assert_eq!((failure.code, lab.trusted()), (ErrorCode::RETURN_VALUE, 2));
    assert!(failure.message.starts_with("1 of 2 were added, then not CN=Low"), "{failure}");
    assert!(failure.hint.contains("no room for another certificate"), "{}", failure.hint);
    assert!(lab.simulator.add_fault(id, format!("{place}:in:status=2063").parse().unwrap()));
    let other = root("Other", &key("other", 2048));
    let failure = add_trust(&mut device, &bundle(&[&other]), false).await.unwrap_err();
    assert!(failure.hint.contains("does not take the certificate"), "{}", failure.hint);
    lab.simulator.stop().await.unwrap();
}
