//! Log-in by Kerberos against a domain controller of MIT Kerberos that belongs to the test, with tickets of the system's own GSS-API,
//! at virtual machines that judge them by the key that a profile gave them.
#![cfg(target_os = "linux")]

use amt::{Device, Transport};
use amt_core::Secret;
use amt_core::id::binary_sid;
use amt_core::tls::PeerIdentity;
use amt_sim::{SetUp, SimConfig, Simulator};
use amt_wsman::class::Class;
use amt_wsman::class::amt::{KerberosKey, KerberosSettingData};
use amt_wsman::client::Credentials;
use amt_wsman::op::Request;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const REALM: &str = "EXAMPLE.COM";
const NAME: &str = "pc1.example.com";
const ADMIN: &str = "P@ssw0rd-1";
/// Of the machine's account in the directory.
const KEY: &str = "Directory-Key-1";
const OPERATORS: &str = "S-1-5-21-1-2-3-1104";
const EVERYTHING: &str = "S-1-5-21-1-2-3-1105";
const PATIENCE: Duration = Duration::from_secs(20);

/// A domain controller on loopback.
struct Kdc {
    folder: TempDir,
    server: Child,
}

impl Drop for Kdc {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Kdc {
    /// With users alice, bob and carol, and the machine's six services. As in Active Directory these are names of one account, which
    /// has one key.
    fn start(key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = folder.path();
        let write = |name: &str, text: String| std::fs::write(at.join(name), text).unwrap();
        write(
            "krb5.conf",
            format!(
                "[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\ndns_lookup_realm = false\nallow_weak_crypto = true\n\
                 [realms]\n{REALM} = {{\nkdc = 127.0.0.1:{port}\n}}\n"
            ),
        );
        let stash = at.join("stash");
        write(
            "kdc.conf",
            format!(
                "[kdcdefaults]\nkdc_listen = 127.0.0.1:{port}\nkdc_tcp_listen = 127.0.0.1:{port}\n[realms]\n{REALM} = {{\n\
                 database_name = {}\nkey_stash_file = {}\nacl_file = {}\n}}\n[logging]\nkdc = FILE:{}\n",
                at.join("principal").display(),
                stash.display(),
                at.join("acl").display(),
                at.join("kdc.log").display()
            ),
        );
        let run = |name: &str, arguments: &[&str]| good(in_realm(tool(name), at).args(arguments));
        run("kdb5_util", &["create", "-s", "-r", REALM, "-P", "master"]);
        let kadmin = |line: String| run("kadmin.local", &["-q", &line]);
        for user in ["alice", "bob", "carol"] {
            kadmin(format!("addprinc -randkey {user}"));
            kadmin(format!("ktadd -norandkey -k {} {user}", at.join("users.keytab").display()));
        }
        // Salted as directories salt the key of a computer: realm, "host", full name.
        kadmin(format!("addprinc -e {key}:normal -pw {KEY} host/{NAME}"));
        let dump = at.join("dump").display().to_string();
        run("kdb5_util", &["dump", &dump]);
        let text = std::fs::read_to_string(&dump).unwrap();
        let host = format!("host/{NAME}@{REALM}");
        let account = text.lines().find(|line| line.split('\t').nth(6) == Some(&host)).unwrap();
        let header = text.lines().next().unwrap();
        let mut names = format!("{header}\n");
        for port in amt::kerberos::PORTS {
            let name = format!("{}@{REALM}", amt::kerberos::spn(NAME, port));
            let mut fields: Vec<String> = account.split('\t').map(str::to_owned).collect();
            (fields[2], fields[6]) = (name.len().to_string(), name);
            names += &(fields.join("\t") + "\n");
        }
        std::fs::write(&dump, names).unwrap();
        run("kdb5_util", &["load", "-update", &dump]);
        let mut command = in_realm(tool("krb5kdc"), at);
        let server = command.args(["-n", "-r", REALM]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let kdc = Self { folder, server };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "krb5kdc does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        kdc
    }

    /// Tickets of `user`, in a cache of their own.
    fn log_in(&self, user: &str, more: &[&str]) -> PathBuf {
        let cache = self.folder.path().join(format!("{user}.cache"));
        let keytab = self.folder.path().join("users.keytab");
        let mut kinit = in_realm(tool("kinit"), self.folder.path());
        kinit.arg("-c").arg(&cache).args(["-k", "-t"]).arg(keytab);
        good(kinit.args(more).arg(user));
        cache
    }
}

/// A program by its name or, for those of administrators, where Debian has them.
fn tool(name: &str) -> Command {
    let administrators = Path::new("/usr/sbin").join(name);
    if administrators.exists() { Command::new(administrators) } else { Command::new(name) }
}

fn in_realm(mut command: Command, folder: &Path) -> Command {
    command.env("KRB5_CONFIG", folder.join("krb5.conf")).env("KRB5_KDC_PROFILE", folder.join("kdc.conf"));
    command
}

fn good(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; `cargo xtask test --only kerberos` installs it"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A virtual machine that is set up and has been configured for the domain.
struct Lab {
    runtime: Runtime,
    simulator: Option<Simulator>,
    host: String,
    kdc: Kdc,
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(simulator) = self.simulator.take() {
            let _ = self.runtime.block_on(simulator.stop());
        }
    }
}

impl Lab {
    fn new(network: u8, key: &str) -> Self {
        Self::of(network, key, "aes256-cts")
    }

    fn of(network: u8, key: &str, algorithm: &str) -> Self {
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::new(127, 68, network, 1);
        config.set_up = Some(SetUp::Admin);
        config.admin_password = Some(ADMIN.into());
        let user = |name: &str, sid| (format!("{name}@{REALM}"), binary_sid(sid).unwrap());
        // Carol is in the directory, and in no list of the machine.
        config.sids = vec![user("alice", OPERATORS), user("bob", EVERYTHING), user("carol", "S-1-5-21-1-2-3-1106")];
        let host = config.base_address.to_string();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let simulator = Some(runtime.block_on(Simulator::start(config)).unwrap());
        let lab = Self { runtime, simulator, host, kdc: Kdc::start(algorithm) };
        let at = lab.kdc.folder.path();
        let profile = format!(
            "format = 1\nname = \"Domain\"\n[general]\nhost_name = \"pc1\"\ndomain_name = \"example.com\"\n\
             [kerberos]\nenabled = true\nrealm = \"{REALM}\"\npassword = {{ file = \"key.txt\" }}\n\
             [[access.users]]\nsid = \"{OPERATORS}\"\nfrom = \"network\"\nrealms = [\"remote-control\", \"general-info\"]\n\
             [[access.users]]\nsid = \"{EVERYTHING}\"\nfrom = \"network\"\nrealms = [\"administration\"]\n"
        );
        std::fs::write(at.join("domain.toml"), profile).unwrap();
        std::fs::write(at.join("key.txt"), format!("{key}\n")).unwrap();
        let mut configure = Command::new(env!("CARGO_BIN_EXE_amt"));
        configure.arg("configure").arg(at.join("domain.toml")).args(["--host", &lab.host, "--insecure-any"]);
        // Virtual machines of several tests have one UUID.
        good(configure.env("AMT_PASSWORD", ADMIN).env("XDG_STATE_HOME", at));
        lab
    }

    /// A command of whoever has the tickets of this cache.
    fn amt(&self, cache: &Path, command: &[&str]) -> Output {
        let mut amt = in_realm(Command::new(env!("CARGO_BIN_EXE_amt")), self.kdc.folder.path());
        amt.env("KRB5CCNAME", cache).env_remove("AMT_PASSWORD");
        let named = command.contains(&"--spn-host");
        amt.args(command).args(["--host", &self.host, "--insecure-any", "--kerberos", "--json"]);
        if !named {
            amt.args(["--spn-host", NAME]);
        }
        amt.output().unwrap()
    }

    fn json(&self, cache: &Path, command: &[&str]) -> Value {
        let output = self.amt(cache, command);
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn error(&self, cache: &Path, command: &[&str]) -> Value {
        let output = self.amt(cache, command);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice::<Value>(&output.stderr).unwrap()["error"].clone()
    }

    /// What the firmware itself gave as reasons of its last refusals.
    fn refusals(&self) -> Vec<String> {
        let truth = self.simulator.as_ref().unwrap().truths().remove(0);
        truth.refusals.iter().map(|refusal| refusal.reason.clone()).collect()
    }
}

#[test]
fn a_ticket_opens_what_the_realms_of_its_user_allow() {
    let lab = Lab::new(1, KEY);
    let alice = lab.kdc.log_in("alice", &[]);
    assert_eq!(lab.json(&alice, &["power", "status"])["state"], "on");
    assert_eq!(lab.json(&alice, &["power", "off"])["answer"], "accepted");
    let refused = lab.error(&alice, &["log", "events"]);
    assert_eq!(refused["name"], "SOAP_FAULT", "{refused}");
    assert!(refused["hint"].as_str().unwrap().contains("realms"), "{refused}");

    let bob = lab.kdc.log_in("bob", &[]);
    lab.json(&bob, &["log", "events"]);
    let carol = lab.error(&lab.kdc.log_in("carol", &[]), &["power", "status"]);
    assert_eq!(carol["name"], "TICKET_REFUSED", "{carol}");
    assert!(lab.refusals().iter().any(|reason| reason.contains("user not in the list")), "{:?}", lab.refusals());
    // A procedure of several steps, by the same tickets; who may read less is told which user's realms are at fault.
    let status = lab.json(&alice, &["status"]);
    assert_eq!((&status["host_name"], &status["control_mode"]), (&"pc1".into(), &"admin".into()), "{status}");
    // The administrator has no ticket.
    let rotate = lab.amt(&alice, &["rotate", "--new-password-file", "key.txt"]);
    assert_eq!(rotate.status.code(), Some(2), "{}", String::from_utf8_lossy(&rotate.stderr));
}

#[test]
fn what_stands_in_the_way_of_a_ticket_is_told_by_name() {
    let lab = Lab::new(2, KEY);
    let status = ["power", "status"];
    let name = |error: &Value| error["name"].as_str().unwrap().to_owned();
    let none = lab.error(&lab.kdc.folder.path().join("no.cache"), &status);
    assert_eq!(name(&none), "TICKET_ABSENT", "{none}");

    let bob = lab.kdc.log_in("bob", &["-l", "1s"]);
    std::thread::sleep(Duration::from_millis(2500));
    let expired = lab.error(&bob, &status);
    assert_eq!(name(&expired), "TICKET_ABSENT", "{expired}");

    let alice = lab.kdc.log_in("alice", &[]);
    let stranger = lab.error(&alice, &["power", "status", "--spn-host", "pc2.example.com"]);
    assert_eq!(name(&stranger), "TICKET_SERVICE_UNKNOWN", "{stranger}");
    assert!(stranger["message"].as_str().unwrap().contains("HTTP/pc2.example.com:16993"), "{stranger}");
    let short = lab.amt(&alice, &["power", "status", "--spn-host", "pc1"]);
    assert_eq!(short.status.code(), Some(2));

    // Ten minutes are more than the five that Kerberos allows.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let wrong = now - 600;
    let mut set = Command::new(env!("CARGO_BIN_EXE_amt"));
    set.args(["wsman", "invoke", "AMT_TimeSynchronizationService", "SetHighAccuracyTimeSynch"]);
    for name in ["Ta0", "Tm1", "Tm2"] {
        set.args(["--arg", &format!("{name}={}", if name == "Ta0" { now } else { wrong })]);
    }
    let ta0 = set.args(["--host", &lab.host, "--insecure-any"]).env("AMT_PASSWORD", ADMIN);
    good(ta0);
    let skewed = lab.error(&alice, &status);
    assert_eq!(name(&skewed), "TICKET_CLOCK", "{skewed}");
    assert!(lab.refusals().iter().any(|reason| reason.contains("clock skew")), "{:?}", lab.refusals());
}

#[test]
fn another_key_or_kerberos_switched_off_is_no_wrong_password() {
    let lab = Lab::new(3, "Another-Key-2");
    let alice = lab.kdc.log_in("alice", &[]);
    let refused = lab.error(&alice, &["power", "status"]);
    assert_eq!(refused["name"], "TICKET_REFUSED", "{refused}");
    assert!(lab.refusals().iter().any(|reason| reason.contains("key of the ticket")), "{:?}", lab.refusals());

    let at = lab.kdc.folder.path();
    std::fs::write(at.join("off.toml"), "format = 1\nname = \"Off\"\n[kerberos]\nenabled = false\n").unwrap();
    let mut configure = Command::new(env!("CARGO_BIN_EXE_amt"));
    configure.arg("configure").arg(at.join("off.toml")).args(["--host", &lab.host, "--insecure-any"]);
    good(configure.env("AMT_PASSWORD", ADMIN).env("XDG_STATE_HOME", at));
    let off = lab.error(&alice, &["power", "status"]);
    assert_eq!(off["name"], "TICKET_REFUSED", "{off}");
    assert!(off["message"].as_str().unwrap().contains("offers no login by Kerberos"), "{off}");
}

#[test]
fn the_machine_takes_every_algorithm_that_it_is_configured_for() {
    for (network, algorithm, number) in
        [(4, "aes128-cts", KerberosSettingData::AES128), (5, "arcfour-hmac", KerberosSettingData::RC4_HMAC)]
    {
        let lab = Lab::of(network, KEY, algorithm);
        let alice = lab.kdc.log_in("alice", &[]);
        // A profile asks for AES of both kinds.
        let by_profile = lab.amt(&alice, &["power", "status"]).status.success();
        assert_eq!(by_profile, number == KerberosSettingData::AES128);
        let transport = Transport::Tls(PeerIdentity::Any);
        let mut device =
            Device::new(SocketAddr::new(lab.host.parse().unwrap(), 16993), transport, Credentials::new("admin", ADMIN))
                .unwrap();
        lab.runtime.block_on(async {
            let request = Request::get(KerberosSettingData::NAME).selector("InstanceID", KerberosSettingData::ID);
            let current = device.call(&request).await.unwrap().instance().unwrap().clone();
            let (password, salt) = (Secret::new(KEY.to_owned()), format!("{REALM}host{NAME}"));
            let key = KerberosKey::Passphrase(&password, &salt, 4096);
            device.call(&KerberosSettingData::enable(&current, REALM, 1, key, &[number])).await.unwrap();
        });
        assert_eq!(lab.json(&alice, &["power", "status"])["state"], "on", "{algorithm}");
    }
}
