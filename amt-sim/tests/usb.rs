//! A USB stick with setup.bin goes from machine to machine.

use amt_core::Secret;
use amt_core::psk::Pid;
use amt_core::setupbin::{Draft, RawEntry, SetupBin, Value, Variable, Version};
use amt_sim::{MachineTruth, Persona, RootHash, SimConfig, Simulator};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const PID: &str = "AMT1SET7";
const PPS: &str = "CAT0AGDOYBLF6HCDQR61IQXQVORVW8VD";
const NEW: &str = "N3w-MEBx!";

fn text(name: &str, value: &str) -> RawEntry {
    RawEntry::typed(Variable::named(name).unwrap(), &Value::Text(Secret::from(value))).unwrap()
}

fn number(name: &str, value: u32) -> RawEntry {
    RawEntry::typed(Variable::named(name).unwrap(), &Value::Number(value)).unwrap()
}

fn passwords(current: &str, new: &str) -> Vec<RawEntry> {
    vec![text("current_password", current), text("new_password", new)]
}

fn with(mut entries: Vec<RawEntry>, more: impl IntoIterator<Item = RawEntry>) -> Vec<RawEntry> {
    entries.extend(more);
    entries
}

fn stick(folder: &Path, reusable: bool, records: Vec<Vec<RawEntry>>) -> PathBuf {
    let mut draft = Draft::new(Version::V4, reusable).unwrap();
    for mut record in records {
        // Odd records are what some of these tests are about.
        for entry in &mut record {
            entry.forced = true;
        }
        draft.push(record, true).unwrap();
    }
    let path = folder.join("setup.bin");
    std::fs::write(&path, draft.finish().unwrap().encode().expose()).unwrap();
    path
}

/// Starts machines with the stick; their truths.
async fn plug(
    base: &str,
    machines: usize,
    persona: &str,
    stick: &Path,
    change: impl FnOnce(&mut SimConfig),
) -> (Simulator, Vec<MachineTruth>) {
    let mut config = SimConfig::new(machines);
    config.base_address = base.parse().unwrap();
    config.persona = Persona::parse(&format!("based_on = \"amt-16.0\"\n{persona}")).unwrap().into();
    config.usb = Some(stick.to_owned());
    change(&mut config);
    let simulator = Simulator::start(config).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let truths = simulator.truths();
    (simulator, truths)
}

/// TLS stays that of 16.0, so that the test runs with rustls alone.
const OLD: &str = "version = \"9.5.61\"\n[chain]\nallow_sha1 = true\n";

#[tokio::test]
async fn each_machine_uses_one_record_and_says_hello_with_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let hellos = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = hellos.local_addr().unwrap().port();
    let address =
        RawEntry::typed(Variable::named("server_address").unwrap(), &Value::Address([127, 0, 0, 1].into())).unwrap();
    let keyed = with(
        passwords("admin", NEW),
        [text("pid", PID), text("pps", PPS), address, number("server_port", port.into())],
    );
    let named = with(
        passwords("admin", NEW),
        [text("pki_dns_suffix", "lab.example.com"), text("host_name", "pc7"), number("kvm", 1)],
    );
    let path = stick(folder.path(), false, vec![keyed, named]);
    let (simulator, truths) = plug("127.62.50.1", 3, OLD, &path, |_| {}).await;
    let (mut stream, _) = tokio::time::timeout(Duration::from_secs(20), hellos.accept()).await.unwrap().unwrap();
    let mut hello = Vec::new();
    stream.read_to_end(&mut hello).await.unwrap();
    assert_eq!((&hello[..4], &hello[24..]), (&[1, 0, 2, 0][..], PID.as_bytes()), "the password is set, the pair named");
    let pid = Pid(*b"AMT1SET7").to_string();
    assert_eq!((truths[0].pid.as_ref(), truths[1].pid.as_ref()), (Some(&pid), None));
    assert_eq!(truths[1].host_name, "pc7");
    let machines = simulator.machines();
    for machine in &machines[..2] {
        assert!(simulator.check_mebx_password(machine.id, NEW) && simulator.check_admin_password(machine.id, NEW));
    }
    assert!(simulator.check_mebx_password(machines[2].id, "admin"), "no record was left for the third");
    let outcomes: Vec<_> = truths.iter().map(|t| t.usb.clone().unwrap()).collect();
    assert_eq!(
        outcomes.iter().map(|o| (o.record, o.applied)).collect::<Vec<_>>(),
        [(Some(1), true), (Some(2), true), (None, false)]
    );
    assert_eq!(outcomes[1].not_followed, ["kvm"]);
    let after = SetupBin::decode(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!((after.header.consumed, after.next_usable()), (2, None));
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_refused_record_is_used_up_and_changes_nothing() {
    let psk = |pid: &str, pps: &str| with(passwords("admin", NEW), [text("pid", pid), text("pps", pps)]);
    let sha1 = RawEntry::new(2, 8, Secret::new([&[1][..], &[7; 20], &[1, b'x']].concat()));
    for (n, (persona, record, why)) in [
        (OLD, passwords("Wr0ng-One!", NEW), "the current password is not the machine's"),
        (OLD, vec![text("current_password", "admin")], "the factory password must be changed"),
        (OLD, passwords("admin", "feeble12"), "the new password is too weak"),
        (OLD, vec![number("manageability", 1)], "no current password"),
        (OLD, psk(PID, &PPS.replace("CAT0", "CAT1")), "group 1 of the PPS's eight"),
        (OLD, with(passwords("admin", NEW), [text("pid", PID)]), "a PID without a PPS"),
        ("", psk(PID, PPS), "has no pre-shared keys"),
        ("", with(passwords("admin", NEW), [sha1]), "takes no SHA-1 root hash"),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = tempfile::tempdir().unwrap();
        let path = stick(folder.path(), false, vec![record]);
        let (simulator, truths) = plug(&format!("127.62.51.{}", n + 1), 1, persona, &path, |_| {}).await;
        let outcome = truths[0].usb.clone().unwrap();
        assert_eq!((outcome.record, outcome.applied), (Some(1), false), "{why}");
        let error = outcome.error.unwrap();
        assert!(error.contains(why) && !error.contains(PPS), "{error}");
        let id = simulator.machines()[0].id;
        assert!(simulator.check_mebx_password(id, "admin") && truths[0].pid.is_none(), "{why}");
        assert_eq!(SetupBin::decode(&std::fs::read(&path).unwrap()).unwrap().next_usable(), None, "{why}: it is gone");
        simulator.stop().await.unwrap();
    }
}

#[tokio::test]
async fn hashes_and_silence_come_by_stick_too_and_a_reusable_record_stays() {
    let folder = tempfile::tempdir().unwrap();
    let own = RawEntry::new(2, 8, Secret::new([&[2][..], &[7; 32], &[3], b"own"].concat()));
    let record = with(passwords("admin", NEW), [number("preinstalled_hashes", 0), own, number("hello", 0)]);
    let path = stick(folder.path(), true, vec![record]);
    let before = std::fs::read(&path).unwrap();
    let (simulator, truths) = plug("127.62.52.1", 2, "", &path, |c| c.roots = vec![RootHash::sha256(b"factory")]).await;
    for truth in &truths {
        assert!(truth.usb.as_ref().unwrap().applied);
        assert_eq!(
            (truth.hellos, truth.window_open, truth.secure_port),
            (0, false, false),
            "silent until an agent wakes it"
        );
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let id = simulator.machines()[0].id;
    simulator.rearm(id, None);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(simulator.truth(id).unwrap().hellos, 1);
    let listed = simulator.trusted_roots(id).unwrap();
    assert_eq!(listed, [RootHash { algorithm: 2, digest: vec![7; 32] }], "its own hash instead of the maker's");
    simulator.stop().await.unwrap();
}

#[tokio::test]
async fn a_stick_that_no_bios_takes_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("setup.bin");
    for content in [&b""[..], b"hello", &[0; 1024]] {
        std::fs::write(&path, content).unwrap();
        let mut config = SimConfig::new(1);
        config.base_address = "127.62.53.1".parse().unwrap();
        config.usb = Some(path.clone());
        assert_eq!(Simulator::start(config).await.err().unwrap().code, amt_core::ErrorCode::SETUP_BIN);
    }
}
