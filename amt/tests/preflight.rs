//! The diagnosis over real certificates: every code of `spec/hello-tls.md` §4 is given exactly where it belongs.

use crate::chains::*;
use amt::certificate::{Bundle, peer_facts};
use amt_core::hello::{HashAlgorithm, Hello, HelloKind, Pid, RootHash, Roots};
use amt_core::pki::preflight::CODES;
use amt_core::pki::{CertFacts, PeerFacts, PreflightInput, SuffixInput, preflight};
use amt_core::{Finding, FirmwareVersion, Secret, Severity, SystemId};
use amt_sim::chain::{ChainRules, judge};
use p12_keystore::EncryptionAlgorithm;
use ring::digest;
use std::sync::Arc;

const SUFFIX: &str = "example.com";
const PASSWORD: &str = "P@ssw0rd";

/// A faultless chain: leaf, intermediate, root.
struct Chain {
    leaf: Spec,
    intermediate: Spec,
    root: Spec,
}

impl Chain {
    fn good() -> Self {
        let root = root("Good Root", &key("root", 2048));
        let intermediate = issuer("Good Issuer", &key("intermediate", 2048), root.signer());
        let leaf = leaf("vpro.example.com", &key("leaf", 2048), intermediate.signer());
        Self { leaf, intermediate, root }
    }

    fn all(&self) -> [&Spec; 3] {
        [&self.leaf, &self.intermediate, &self.root]
    }

    /// As one PEM text with the leaf's key.
    fn bundle(&self) -> Bundle {
        bundle(&self.all(), &[&self.leaf.key])
    }
}

fn bundle(certificates: &[&Spec], keys: &[&Arc<Key>]) -> Bundle {
    let mut text = pem(certificates);
    keys.iter().for_each(|key| text.extend(pem_key(key)));
    Bundle::from_pem(&text, None, None).unwrap()
}

fn hash(algorithm: HashAlgorithm, der: &[u8]) -> Vec<u8> {
    let algorithm = match algorithm {
        HashAlgorithm::SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        HashAlgorithm::SHA256 => &digest::SHA256,
        _ => &digest::SHA384,
    };
    digest::digest(algorithm, der).as_ref().to_vec()
}

fn hello(roots: &[(HashAlgorithm, &Spec)]) -> Hello {
    let hashes: Vec<_> = roots.iter().map(|(algorithm, spec)| (*algorithm, hash(*algorithm, &spec.der()))).collect();
    let roots: Roots = hashes.iter().map(|(algorithm, hash)| RootHash::new(*algorithm, hash).unwrap()).collect();
    let id = SystemId::from_wire([7; 16]);
    Hello { admin_credentials_set: true, retry: 0, id, kind: HelloKind::Pki { roots }, trailing: 0 }
}

/// What the machine and its network are; by default a 16.0 that lists the root and is in the right domain.
#[derive(Default)]
struct Machine {
    hello: Option<Hello>,
    suffix: Option<&'static str>,
    no_suffix: bool,
    firmware: Option<&'static str>,
    reference: Vec<CertFacts>,
    wireless: bool,
    port_open: Option<bool>,
    peer: Option<PeerFacts>,
}

impl Machine {
    fn listing(roots: &[(HashAlgorithm, &Spec)]) -> Self {
        Self { hello: Some(hello(roots)), suffix: Some(SUFFIX), firmware: Some("16.0"), ..Self::default() }
    }

    fn of(chain: &Chain) -> Self {
        Self::listing(&[(HashAlgorithm::SHA256, &chain.root)])
    }

    fn firmware(self, version: &'static str) -> Self {
        let firmware = (!version.is_empty()).then_some(version);
        Self { firmware, ..self }
    }

    fn suffix(self, suffix: &'static str) -> Self {
        Self { suffix: Some(suffix), ..self }
    }

    fn diagnose(&self, bundle: &Bundle) -> Vec<Finding> {
        let mut input = PreflightInput::new(bundle.facts(), NOW);
        input.hello = self.hello.as_ref();
        input.suffix = match self.suffix {
            Some(suffix) => SuffixInput::Known(suffix),
            None if self.no_suffix => SuffixInput::Absent,
            None => SuffixInput::Unknown,
        };
        input.firmware = self.firmware.map(|version| version.parse::<FirmwareVersion>().unwrap());
        input.reference = &self.reference;
        input.wireless = self.wireless;
        input.port_open = self.port_open;
        input.peer = self.peer.as_ref();
        preflight(&input)
    }
}

/// One row of the table.
struct Case {
    what: &'static str,
    bundle: Bundle,
    machine: Machine,
    expected: &'static [&'static str],
}

fn case(what: &'static str, bundle: Bundle, machine: Machine, expected: &'static [&'static str]) -> Case {
    Case { what, bundle, machine, expected }
}

/// `CODE` for an error, `CODE?` for a warning, `CODE.` for a remark.
fn written(findings: &[Finding]) -> Vec<String> {
    let mark = |severity| match severity {
        Severity::Error => "",
        Severity::Warning => "?",
        Severity::Info => ".",
    };
    findings.iter().map(|finding| format!("{}{}", finding.code, mark(finding.severity))).collect()
}

fn cases() -> Vec<Case> {
    [
        clean(),
        file(),
        private_key(),
        linkage(),
        validity(),
        keys_of_the_chain(),
        usages(),
        roots(),
        hashes(),
        names(),
        network(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Whatever diagnosis calls an error, and the firmware can see, the virtual firmware refuses; and nothing else.
#[test]
fn preflight_and_the_virtual_firmware_agree_on_each_chain() {
    const SEEN_BY_FIRMWARE: &[&str] = &[
        "CHAIN-SHORT",
        "CHAIN-ORDER",
        "ROOT-NOHASH",
        "ROOT-SHA1FW",
        "KEY-SMALL",
        "KEY-TYPE",
        "EKU-NOSERVER",
        "OID-OU",
        "CN-SUFFIX",
    ];
    let mut compared = 0;
    for case in cases() {
        let (Some("16.0"), Some(suffix)) = (case.machine.firmware, case.machine.suffix) else { continue };
        let Some(HelloKind::Pki { roots }) = case.machine.hello.as_ref().map(|hello| &hello.kind) else { continue };
        // What would be presented: the path that the loader finds in the bundle.
        let facts = case.bundle.facts();
        let presented: Vec<Vec<u8>> =
            facts.path(Some(roots)).iter().flat_map(|path| facts.along(path)).map(|c| c.der.clone()).collect();
        if presented.is_empty() {
            continue;
        }
        let rules = ChainRules {
            roots: roots
                .iter()
                .map(|r| amt_sim::RootHash { algorithm: r.algorithm.0, digest: r.fingerprint.to_vec() })
                .collect(),
            suffix: Some(suffix.to_owned()),
            told_suffixes: Vec::new(),
            min_rsa_bits: 2048,
            allow_sha1: false,
            now: None,
        };
        let faults = judge(&rules, &presented);
        let errors: Vec<_> = case
            .machine
            .diagnose(&case.bundle)
            .into_iter()
            .filter(|f| f.severity == Severity::Error && SEEN_BY_FIRMWARE.contains(&f.code))
            .map(|f| f.code)
            .collect();
        assert_eq!(errors.is_empty(), faults.is_empty(), "{}: preflight {errors:?}, firmware {faults:?}", case.what);
        compared += 1;
    }
    assert!(compared >= 25, "only {compared} chains were compared");
}

#[test]
fn every_code_is_found_where_it_belongs_and_nowhere_else() {
    let cases = cases();
    let mut wrong = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for Case { what, bundle, machine, expected } in cases {
        let findings = machine.diagnose(&bundle);
        let ranks: Vec<_> =
            findings.iter().map(|f| CODES.iter().position(|code| *code == f.code).expect("a listed code")).collect();
        assert!(ranks.is_sorted(), "{what}: out of order: {:?}", written(&findings));
        for finding in &findings {
            assert!(
                !finding.field.is_empty() && !finding.message.is_empty() && !finding.hint.is_empty(),
                "{what}: {finding:?}"
            );
            seen.insert(finding.code);
        }
        if written(&findings) != expected {
            wrong.push(format!("{what}: expected {expected:?}, found {findings:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missing: Vec<_> = CODES.iter().filter(|code| !seen.contains(*code)).collect();
    assert!(missing.is_empty(), "without a case: {missing:?}");
}

fn clean() -> Vec<Case> {
    let good = Chain::good();
    let (l, i, r) = (&good.leaf, &good.intermediate, &good.root);
    let mut by_unit = Chain::good();
    by_unit.leaf.usages = Some(vec![SERVER_AUTH]);
    by_unit.leaf.subject.push((UNIT, "Accounting".to_owned()));
    by_unit.leaf.subject.push((UNIT, SETUP_UNIT.to_owned()));
    let mut unit_alone = Chain::good();
    unit_alone.leaf.usages = None;
    unit_alone.leaf.subject.push((UNIT, SETUP_UNIT.to_owned()));
    let secret = Secret::from(PASSWORD);
    let file = pfx(&good.all(), &l.key, PASSWORD, EncryptionAlgorithm::PbeWithHmacSha256AndAes256);
    let sha384 = Machine::listing(&[(HashAlgorithm::SHA384, r)]);
    vec![
        case("clean", good.bundle(), Machine::of(&good), &[]),
        case("clean, any order", bundle(&[r, l, i], &[&l.key]), Machine::of(&good), &[]),
        case("clean, repeated certificate", bundle(&[l, i, i, r, l], &[&l.key, &l.key]), Machine::of(&good), &[]),
        case("clean, as PFX", Bundle::from_pfx(&file, &secret).unwrap(), Machine::of(&good), &[]),
        case("clean, listed by SHA-384", good.bundle(), sha384, &[]),
        case("clean, nothing known of the machine", good.bundle(), Machine::default(), &[]),
        case("clean, marked by unit", by_unit.bundle(), Machine::of(&by_unit), &[]),
        case("clean, unit and no usages", unit_alone.bundle(), Machine::of(&unit_alone), &[]),
        case("clean, sub-domain", good.bundle(), Machine::of(&good).suffix("lab.example.com"), &[]),
    ]
}

fn file() -> Vec<Case> {
    let good = Chain::good();
    let secret = Secret::from(PASSWORD);
    let legacy = |algorithm| Bundle::from_pfx(&pfx(&good.all(), &good.leaf.key, PASSWORD, algorithm), &secret).unwrap();
    let triple = EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc;
    // RC2-128 by its identifier: nothing here decrypts it. Without the integrity check the scheme is what is looked at first.
    let mut rc2 = without_mac(&pfx(&good.all(), &good.leaf.key, PASSWORD, triple));
    let oid = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03";
    let places: Vec<_> = (0..rc2.len()).filter(|at| rc2[*at..].starts_with(oid)).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| rc2[at + oid.len() - 1] = 5);
    vec![
        case("PFX with 3DES", legacy(triple), Machine::of(&good), &["PFX-ALGO?"]),
        case(
            "PFX with RC2-40",
            legacy(EncryptionAlgorithm::PbeWithShaAnd40BitRc4Cbc),
            Machine::of(&good),
            &["PFX-ALGO?"],
        ),
        case("PFX with RC2-128", Bundle::from_pfx(&rc2, &secret).unwrap(), Machine::of(&good), &["PFX-ALGO"]),
    ]
}

fn private_key() -> Vec<Case> {
    let good = Chain::good();
    let all = good.all();
    let other = key("other", 2048);
    vec![
        case("no key", bundle(&all, &[]), Machine::of(&good), &["CHAIN-NOKEY"]),
        case("another key", bundle(&all, &[&other]), Machine::of(&good), &["CHAIN-NOKEY"]),
        case("two keys", bundle(&all, &[&good.leaf.key, &other]), Machine::of(&good), &["CHAIN-NOKEY"]),
        case("the issuer's key", bundle(&all, &[&good.intermediate.key]), Machine::of(&good), &["CHAIN-NOKEY"]),
    ]
}

fn linkage() -> Vec<Case> {
    let good = Chain::good();
    let (l, i, r) = (&good.leaf, &good.intermediate, &good.root);
    let stranger = root("Stranger", &key("other", 2048));
    // The same name, another key: an authority that was set up anew.
    let mut impostor = i.clone();
    impostor.key = key("other", 2048);
    let mut alone = leaf("vpro.example.com", &l.key, (common_name("vpro.example.com"), Arc::clone(&l.key)));
    alone.is_ca = true;
    // The intermediate once more, signed by a second root.
    let second = root("Second Root", &key("other", 2048));
    let cross = issuer("Good Issuer", &i.key, second.signer());
    let nothing_known = Machine { suffix: Some(SUFFIX), ..Machine::default() };
    let listed_second = Machine::listing(&[(HashAlgorithm::SHA256, &second)]);
    vec![
        case("no root", bundle(&[l, i], &[&l.key]), Machine::of(&good), &["CHAIN-SHORT"]),
        case("leaf alone", bundle(&[l], &[&l.key]), Machine::of(&good), &["CHAIN-SHORT"]),
        case(
            "no certificate",
            Bundle::from_pem(&pem_key(&l.key), None, None).unwrap(),
            Machine::of(&good),
            &["CHAIN-NOKEY", "CHAIN-SHORT"],
        ),
        case(
            "self-signed leaf",
            bundle(&[&alone], &[&l.key]),
            Machine::listing(&[(HashAlgorithm::SHA256, &alone)]),
            &["CHAIN-SHORT"],
        ),
        case("no intermediate", bundle(&[l, r], &[&l.key]), Machine::of(&good), &["CHAIN-ORDER"]),
        case("wrong intermediate", bundle(&[l, &impostor, r], &[&l.key]), Machine::of(&good), &["CHAIN-ORDER"]),
        case("unrelated", bundle(&[l, i, r, &stranger], &[&l.key]), Machine::of(&good), &["CHAIN-EXTRA?"]),
        case(
            "two roots, one listed",
            bundle(&[l, i, &cross, &second, r], &[&l.key]),
            Machine::of(&good),
            &["CHAIN-EXTRA."],
        ),
        case(
            "two roots, the other listed",
            bundle(&[l, i, &cross, &second, r], &[&l.key]),
            listed_second,
            &["CHAIN-EXTRA."],
        ),
        case(
            "two roots, list unknown",
            bundle(&[l, i, &cross, &second, r], &[&l.key]),
            nothing_known,
            &["CHAIN-EXTRA?"],
        ),
    ]
}

fn validity() -> Vec<Case> {
    let with = |change: &dyn Fn(&mut Chain)| {
        let mut chain = Chain::good();
        change(&mut chain);
        chain
    };
    let expired = ("20240101000000Z", "20251231000000Z");
    let leaf = with(&|c| c.leaf.valid = expired);
    let intermediate = with(&|c| c.intermediate.valid = expired);
    let root = with(&|c| c.root.valid = expired);
    let soon = with(&|c| c.leaf.valid = ("20250101000000Z", "20260130000000Z"));
    let later = with(&|c| c.leaf.valid = ("20250101000000Z", "20260202000000Z"));
    let future = with(&|c| c.leaf.valid = ("20260102000000Z", "20270101000000Z"));
    vec![
        case("leaf expired", leaf.bundle(), Machine::of(&leaf), &["CHAIN-EXPIRED"]),
        case("intermediate expired", intermediate.bundle(), Machine::of(&intermediate), &["CHAIN-EXPIRED"]),
        case("root expired", root.bundle(), Machine::of(&root), &["CHAIN-EXPIRED"]),
        case("leaf expires in 29 days", soon.bundle(), Machine::of(&soon), &["CHAIN-EXPIRED?"]),
        case("leaf expires in 32 days", later.bundle(), Machine::of(&later), &[]),
        case("leaf not yet valid", future.bundle(), Machine::of(&future), &["CHAIN-NOTYET"]),
    ]
}

fn keys_of_the_chain() -> Vec<Case> {
    let mut small = Chain::good();
    small.leaf.key = key("small", 1024);
    let mut small_issuer = Chain::good();
    small_issuer.intermediate.key = key("small", 1024);
    small_issuer.leaf.signer = small_issuer.intermediate.signer();
    let mut large = Chain::good();
    large.leaf.key = key("large", 3072);
    let mut curve = Chain::good();
    curve.leaf.key = ec_key();
    let good = Chain::good();
    let old = |chain: &Chain| Machine::of(chain).firmware("10.0");
    vec![
        case("RSA-1024 leaf on 16", small.bundle(), Machine::of(&small), &["KEY-SMALL"]),
        case("RSA-1024 leaf on 15", small.bundle(), Machine::of(&small).firmware("15.0"), &["KEY-SMALL?"]),
        case("RSA-1024 leaf on unknown", small.bundle(), Machine::of(&small).firmware(""), &["KEY-SMALL?"]),
        case("RSA-1024 leaf on 12", small.bundle(), Machine::of(&small).firmware("12.0"), &[]),
        case("RSA-1024 issuer on 16", small_issuer.bundle(), Machine::of(&small_issuer), &["KEY-SMALL"]),
        case(
            "RSA-2048 on 22",
            good.bundle(),
            Machine::of(&good).firmware("22.0"),
            &["KEY-SMALL?", "KEY-SMALL?", "KEY-SMALL?"],
        ),
        case("RSA-3072 leaf on 10", large.bundle(), old(&large), &["KEY-LARGE?"]),
        case("RSA-3072 leaf on 16", large.bundle(), Machine::of(&large), &[]),
        case("elliptic-curve leaf", curve.bundle(), Machine::of(&curve), &["KEY-TYPE"]),
    ]
}

fn usages() -> Vec<Case> {
    let with = |usages: Option<Vec<&'static str>>, unit: &[(&'static str, &str)]| {
        let mut chain = Chain::good();
        chain.leaf.usages = usages;
        chain.leaf.subject.extend(unit.iter().map(|(kind, value)| (*kind, (*value).to_owned())));
        chain
    };
    let no_server = with(Some(vec![CLIENT_AUTH, SETUP]), &[]);
    let no_mark = with(Some(vec![SERVER_AUTH]), &[]);
    let console = with(Some(vec![SERVER_AUTH, "2.16.840.1.113741.1.2.1"]), &[]);
    let symbol = with(Some(vec![SERVER_AUTH]), &[(UNIT, "Intel\u{ae} Client Setup Certificate")]);
    let space = with(Some(vec![SERVER_AUTH]), &[(UNIT, "Intel(R) Client Setup Certificate ")]);
    let elsewhere = with(Some(vec![SERVER_AUTH]), &[(ORGANIZATION, SETUP_UNIT)]);
    let nothing = with(None, &[]);
    let neither = with(Some(vec![CLIENT_AUTH]), &[]);
    let cases = [
        ("no server authentication", no_server, &["EKU-NOSERVER"][..], ""),
        ("neither OID nor unit", no_mark, &["OID-OU"], "neither"),
        ("the OID of remote consoles", console, &["OID-OU"], "remote console"),
        ("unit with the symbol", symbol, &["OID-OU"], "differs by case, spacing or the (R) sign"),
        ("unit with a space after it", space, &["OID-OU"], "differs by case, spacing or the (R) sign"),
        ("unit in another attribute", elsewhere, &["OID-OU"], "instead of the organisational unit"),
        ("no usages and no unit", nothing, &["OID-OU"], ""),
        ("client authentication alone", neither, &["EKU-NOSERVER", "OID-OU"], ""),
    ];
    let checked = cases.map(|(what, chain, expected, word)| {
        let row = case(what, chain.bundle(), Machine::of(&chain), expected);
        let findings = row.machine.diagnose(&row.bundle);
        assert!(findings.iter().any(|f| f.message.contains(word)), "{what}: {findings:#?}");
        row
    });
    checked.into()
}

fn roots() -> Vec<Case> {
    let good = Chain::good();
    let stranger = root("Stranger", &key("other", 2048));
    let unlisted = Machine::listing(&[(HashAlgorithm::SHA256, &stranger)]);
    // The root once more, of the same name and key: another certificate, another hash.
    let mut reissued = good.root.clone();
    reissued.serial = 9;
    let reference = bundle(&[&reissued], &[]).facts().certificates.clone();
    let cross = Machine { reference, ..Machine::listing(&[(HashAlgorithm::SHA256, &reissued)]) };
    let unknown_cross = Machine::listing(&[(HashAlgorithm::SHA256, &reissued)]);
    let mut swapped = Chain::good();
    let second = root("Second Root", &key("other", 2048));
    swapped.root = issuer("Good Root", &good.root.key, second.signer());
    let bundle_of_cross = bundle(&[&swapped.leaf, &swapped.intermediate, &swapped.root, &second], &[&swapped.leaf.key]);
    let listed_self_signed = Machine {
        reference: bundle(&[&good.root], &[]).facts().certificates.clone(),
        ..Machine::listing(&[(HashAlgorithm::SHA256, &good.root)])
    };
    vec![
        case("root not listed", good.bundle(), unlisted, &["ROOT-NOHASH"]),
        case("no root listed", good.bundle(), Machine::listing(&[]), &["ROOT-NOHASH"]),
        case("another certificate of the root listed", good.bundle(), cross, &["ROOT-NOHASH", "ROOT-CROSS?"]),
        case("the same, but it is not at hand", good.bundle(), unknown_cross, &["ROOT-NOHASH"]),
        case("cross-signed end of the chain", bundle_of_cross, listed_self_signed, &["ROOT-NOHASH", "ROOT-CROSS?"]),
    ]
}

fn hashes() -> Vec<Case> {
    let good = Chain::good();
    let mut old_root = Chain::good();
    old_root.root.hash = Hash::Sha1;
    let mut old_link = Chain::good();
    old_link.intermediate.hash = Hash::Sha1;
    let mut all_old = Chain::good();
    for spec in [&mut all_old.leaf, &mut all_old.intermediate, &mut all_old.root] {
        spec.hash = Hash::Sha1;
    }
    let stranger = root("Stranger", &key("other", 2048));
    let by_sha1 = |chain: &Chain| Machine::listing(&[(HashAlgorithm::SHA1, &chain.root)]);
    let unlisted = || Machine::listing(&[(HashAlgorithm::SHA256, &stranger)]);
    vec![
        case("SHA-1 root on 16", old_root.bundle(), Machine::of(&old_root), &["ROOT-SHA1FW"]),
        case("SHA-1 link on 16", old_link.bundle(), Machine::of(&old_link), &["ROOT-SHA1FW"]),
        case("SHA-1 chain on 15", all_old.bundle(), Machine::of(&all_old).firmware("15.0"), &["ROOT-SHA1FW?"]),
        case("SHA-1 chain on unknown", all_old.bundle(), Machine::of(&all_old).firmware(""), &["ROOT-SHA1FW?"]),
        case("SHA-1 chain on 11", all_old.bundle(), Machine::of(&all_old).firmware("11.0"), &[]),
        case("listed by SHA-1 only on 16", good.bundle(), by_sha1(&good), &["ROOT-SHA1FW", "FW-NOSHA2?"]),
        case("SHA-1 hashes only, SHA-2 chain", good.bundle(), by_sha1(&good).firmware("4.0"), &["FW-NOSHA2?"]),
        case("SHA-1 hashes only, SHA-1 chain", all_old.bundle(), by_sha1(&all_old).firmware(""), &[]),
        case(
            "SHA-1 root on 11 without its hash",
            old_root.bundle(),
            unlisted().firmware("11.8"),
            &["ROOT-NOHASH", "FW-NODEFAULT"],
        ),
        case(
            "SHA-1 root on 16 without its hash",
            old_root.bundle(),
            unlisted(),
            &["ROOT-NOHASH", "ROOT-SHA1FW", "FW-NODEFAULT"],
        ),
        case("SHA-2 root without its hash", good.bundle(), unlisted(), &["ROOT-NOHASH"]),
    ]
}

fn names() -> Vec<Case> {
    let good = Chain::good();
    let mut alternative = Chain::good();
    alternative.leaf.alternative = vec!["vpro.example.com", "vpro.example.net"];
    let mut wildcard = Chain::good();
    wildcard.leaf.subject = common_name("*.example.com");
    let mut nameless = Chain::good();
    nameless.leaf.subject = vec![(ORGANIZATION, "Example".to_owned())];
    let mut private = Chain::good();
    // Not in the table of top-level domains: the whole name is compared.
    private.leaf.subject = common_name("corp.local");
    let at = |suffix| Machine::of(&good).suffix(suffix);
    let deeper = |version| at("lab.example.com").firmware(version);
    let mut unknown = deeper("");
    unknown.hello = None;
    vec![
        case("another domain", good.bundle(), at("example.org"), &["CN-SUFFIX"]),
        case("the end of another domain", good.bundle(), at("counterexample.com"), &["CN-SUFFIX"]),
        case("sub-domain on 2.2", good.bundle(), deeper("2.2"), &["CN-SUFFIX"]),
        case("sub-domain on 3.2", good.bundle(), deeper("3.2"), &[]),
        case("sub-domain on unknown", good.bundle(), unknown, &["CN-SUFFIX?"]),
        case("sub-domain on what lists no SHA-1", good.bundle(), deeper(""), &[]),
        case("wildcard", wildcard.bundle(), Machine::of(&wildcard), &[]),
        case("no common name", nameless.bundle(), Machine::of(&nameless), &["CN-SUFFIX"]),
        case("only an alternative name", alternative.bundle(), at("example.net"), &["CN-SUFFIX", "LEAF-SAN?"]),
        case("private suffix", good.bundle(), at("corp.local"), &["CN-SUFFIX", "CN-PRIVATE"]),
        case("private suffix, private name", private.bundle(), Machine::of(&private).suffix("corp.local"), &[]),
        case(
            "private suffix, another private name",
            private.bundle(),
            Machine::of(&private).suffix("x.lan"),
            &["CN-SUFFIX"],
        ),
    ]
}

fn network() -> Vec<Case> {
    let good = Chain::good();
    let at = || Machine::of(&good);
    let psk = Hello { kind: HelloKind::Psk { pid: Pid(*b"AMT1SET7") }, ..hello(&[]) };
    let peer = |der: &[u8]| Some(peer_facts(der));
    let mut zero = good.root.clone();
    zero.valid = ("19700101000000Z", "19700101000000Z");
    vec![
        case("no suffix", good.bundle(), Machine { suffix: None, no_suffix: true, ..at() }, &["NO-SUFFIX"]),
        case("wireless", good.bundle(), Machine { wireless: true, ..at() }, &["WIRELESS"]),
        case("PSK hello", good.bundle(), Machine { hello: Some(psk), firmware: Some("9.0"), ..at() }, &["NOT-PKI"]),
        case(
            "firmware without PKI",
            good.bundle(),
            Machine { firmware: Some("2.5"), hello: None, ..at() },
            &["NOT-PKI"],
        ),
        case("closed port", good.bundle(), Machine { port_open: Some(false), ..at() }, &["NOT-PKI"]),
        case("open port", good.bundle(), Machine { port_open: Some(true), ..at() }, &[]),
        case("peer with dates of zero", good.bundle(), Machine { peer: peer(&zero.der()), ..at() }, &["SELF-BAD?"]),
        case(
            "peer that is no certificate",
            good.bundle(),
            Machine { peer: peer(b"\x30\x03junk"), ..at() },
            &["SELF-BAD?"],
        ),
        case("peer like any", good.bundle(), Machine { peer: peer(&good.root.der()), ..at() }, &[]),
    ]
}

#[test]
fn all_reasons_come_at_once() {
    let mut chain = Chain::good();
    chain.leaf.valid = ("20240101000000Z", "20250101000000Z");
    chain.leaf.usages = Some(vec![CLIENT_AUTH]);
    chain.root.hash = Hash::Sha1;
    let stranger = root("Stranger", &key("other", 2048));
    let mut machine = Machine::listing(&[(HashAlgorithm::SHA256, &stranger)]).suffix("corp.local");
    machine.wireless = true;
    machine.port_open = Some(false);
    let found = written(&machine.diagnose(&bundle(&chain.all(), &[])));
    assert_eq!(
        found,
        [
            "CHAIN-NOKEY",
            "CHAIN-EXPIRED",
            "EKU-NOSERVER",
            "OID-OU",
            "ROOT-NOHASH",
            "ROOT-SHA1FW",
            "FW-NODEFAULT",
            "CN-SUFFIX",
            "CN-PRIVATE",
            "WIRELESS",
            "NOT-PKI"
        ]
    );
}
