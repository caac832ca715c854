//! `amt directory` against OpenLDAP with the attributes of Active Directory that it uses, by an account with rights in one unit.
#![cfg(target_os = "linux")]

use amt_sim::authority::ProvisioningChain;
use amt_sim::firmware::MachineTruth;
use amt_sim::{RootHash, SimConfig, Simulator};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const UNIT: &str = "OU=AMT,DC=example,DC=com";
const OTHER_UNIT: &str = "OU=Servers,DC=example,DC=com";
const ROOT: &str = "cn=root,dc=example,dc=com";
const BIND: &str = "cn=provisioner,dc=example,dc=com";
const PATIENCE: Duration = Duration::from_secs(20);

/// Numbers and syntaxes as in Active Directory.
const SCHEMA: &str = "
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.619 NAME 'dNSHostName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.771 NAME 'servicePrincipalName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.1963 NAME 'msDS-SupportedEncryptionTypes' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.1782 NAME 'msDS-KeyVersionNumber' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.90 NAME 'unicodePwd' SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.3.30 NAME 'computer' SUP top STRUCTURAL MUST ( cn $ sAMAccountName )
 MAY ( dNSHostName $ servicePrincipalName $ userAccountControl $ msDS-SupportedEncryptionTypes $ msDS-KeyVersionNumber $ unicodePwd $ description ) )
";

/// OpenLDAP on loopback.
struct Slapd {
    folder: TempDir,
    server: Child,
    secure: u16,
    plain: u16,
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Slapd {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let write = |name: &str, text: &str| std::fs::write(at.join(name), text).unwrap();
        certificate(at);
        write("ad.schema", SCHEMA);
        std::fs::create_dir(at.join("db")).unwrap();
        let path = at.display();
        write(
            "slapd.conf",
            &format!(
                "include /etc/ldap/schema/core.schema\ninclude {path}/ad.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
                 TLSCACertificateFile {path}/ca.pem\nTLSCertificateFile {path}/server.pem\nTLSCertificateKeyFile {path}/server.key\n\
                 database mdb\nsuffix \"dc=example,dc=com\"\nrootdn \"{ROOT}\"\nrootpw R00t\ndirectory {path}/db\n\
                 access to dn.subtree=\"{UNIT}\" by dn.exact=\"{BIND}\" write by * none\n\
                 access to attrs=userPassword by * auth\naccess to * by dn.exact=\"{BIND}\" read by * none\n"
            ),
        );
        write(
            "base.ldif",
            &format!(
                "dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n\
                 dn: {UNIT}\nobjectClass: organizationalUnit\nou: AMT\n\n\
                 dn: {OTHER_UNIT}\nobjectClass: organizationalUnit\nou: Servers\n\n\
                 dn: {BIND}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: provisioner\n\
                 userPassword: Bind-Pw-1\n"
            ),
        );
        write("bind.txt", "Bind-Pw-1\n");
        write("machine.txt", "Machine-Pw-1\n");
        let conf = at.join("slapd.conf");
        good(Command::new("/usr/sbin/slapadd").arg("-f").arg(&conf).arg("-l").arg(at.join("base.ldif")));
        let (secure, plain) = (free_port(), free_port());
        let server = Self::listen(at, secure, plain);
        Self { folder, server, secure, plain }
    }

    fn listen(folder: &Path, secure: u16, plain: u16) -> Child {
        let mut command = Command::new("/usr/sbin/slapd");
        command.arg("-f").arg(folder.join("slapd.conf")).args(["-d", "0", "-h"]);
        command.arg(format!("ldaps://127.0.0.1:{secure} ldap://127.0.0.1:{plain}"));
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", plain)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "slapd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn stop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    fn restart(&mut self) {
        self.server = Self::listen(self.folder.path(), self.secure, self.plain);
    }

    fn amt_at(&self, server: &str, command: &[&str]) -> Output {
        let mut amt = Command::new(env!("CARGO_BIN_EXE_amt"));
        amt.arg("directory").args(command).args(["--json", "--server", server, "--bind", BIND]);
        amt.args(["--bind-password-file", "bind.txt", "--ca", "ca.pem"]).current_dir(self.folder.path());
        amt.env("AMT_MACHINE_PASSWORD", "Machine-Pw-1").output().unwrap()
    }

    fn amt(&self, command: &[&str]) -> Output {
        self.amt_at(&format!("ldaps://localhost:{}", self.secure), command)
    }

    fn json(&self, command: &[&str]) -> Value {
        let output = self.amt(command);
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the administrator of the directory sees of an entry.
    fn seen(&self, dn: &str) -> String {
        self.look(dn, &["*"])
    }

    /// Which change of the directory was the last of this entry.
    fn last_change(&self, dn: &str) -> String {
        let seen = self.look(dn, &["entryCSN"]);
        assert!(seen.contains("entryCSN: "), "{seen}");
        seen
    }

    fn look(&self, dn: &str, attributes: &[&str]) -> String {
        let mut search = Command::new("ldapsearch");
        search.args(["-LLL", "-x", "-o", "ldif-wrap=no", "-H", &format!("ldap://127.0.0.1:{}", self.plain)]);
        let output = search.args(["-D", ROOT, "-w", "R00t", "-s", "base", "-b", dn]).args(attributes).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes or changes entries as the administrator.
    fn import(&self, ldif: &str) {
        std::fs::write(self.folder.path().join("import.ldif"), ldif).unwrap();
        let mut modify = Command::new("ldapmodify");
        modify.args(["-x", "-H", &format!("ldap://127.0.0.1:{}", self.plain), "-D", ROOT, "-w", "R00t", "-f"]);
        good(modify.arg(self.folder.path().join("import.ldif")));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn good(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; `cargo xtask test --only kerberos` installs it"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn error(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice::<Value>(&output.stderr).unwrap()["error"].clone()
}

/// An authority and a certificate for `localhost`.
fn certificate(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    for (name, text) in [("ca.pem", ca.pem()), ("server.pem", leaf.pem()), ("server.key", key.serialize_pem())] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn an_account_is_made_compared_renamed_and_removed() {
    let slapd = Slapd::start();
    let create = ["create", "pc1.example.com", "--ou", UNIT];
    let dn = format!("CN=pc1-amt,{UNIT}");

    let dry = slapd.json(&[&create[..], &["--dry-run"]].concat());
    assert_eq!((&dry["outcome"], &dry["dry_run"]), (&json!("created"), &json!(true)));
    assert_eq!(slapd.seen(&dn), "", "a dry run wrote");

    let made = slapd.json(&create);
    assert_eq!((&made["outcome"], &made["dn"]), (&json!("created"), &json!(dn)));
    let seen = slapd.seen(&dn);
    for port in [16992, 16993, 16994, 16995, 623, 664] {
        assert!(seen.contains(&format!("servicePrincipalName: HTTP/pc1.example.com:{port}\n")), "{seen}");
    }
    for line in ["sAMAccountName: pc1-amt$", "userAccountControl: 4096", "msDS-SupportedEncryptionTypes: 24"] {
        assert!(seen.contains(line), "{line}: {seen}");
    }
    // "Machine-Pw-1" in quotes, UTF-16.
    assert!(seen.contains("unicodePwd:: IgBNAGEAYwBoAGkAbgBlAC0AUAB3AC0AMQAiAA=="), "{seen}");
    assert_eq!(slapd.json(&create)["outcome"], "unchanged");

    // What somebody changed is put right, and nothing else is written: flags of their own and the password stay.
    slapd.import(&format!(
        "dn: {dn}\nchangetype: modify\ndelete: servicePrincipalName\nservicePrincipalName: HTTP/pc1.example.com:664\n-\n\
         replace: userAccountControl\nuserAccountControl: 69634\n-\nreplace: unicodePwd\nunicodePwd: theirs\n"
    ));
    let mended = slapd.json(&create);
    assert_eq!(mended["changes"], json!(["userAccountControl", "servicePrincipalName"]));
    let seen = slapd.seen(&dn);
    assert!(seen.contains("userAccountControl: 69632\n") && seen.contains("unicodePwd: theirs"), "{seen}");
    assert_eq!(slapd.json(&[&create[..], &["--reset-password"]].concat())["changes"], json!(["unicodePwd"]));
    assert!(slapd.seen(&dn).contains("unicodePwd:: IgBNAGEA"));

    // The machine has another name, and keeps its account.
    let renamed = ["create", "pc9.example.com", "--ou", UNIT, "--account", "pc1-amt"];
    assert_eq!(slapd.json(&renamed)["changes"], json!(["dNSHostName", "servicePrincipalName"]));
    let seen = slapd.seen(&dn);
    assert!(seen.contains("HTTP/pc9.example.com:623\n") && !seen.contains("pc1.example.com"), "{seen}");

    // The account of another machine is not removed.
    let wrong = error(&slapd.amt(&["remove", "pc1.example.com", "--ou", UNIT]));
    assert_eq!(wrong["name"], "DIRECTORY_CONFLICT", "{wrong}");
    let remove = ["remove", "pc9.example.com", "--ou", UNIT, "--account", "pc1-amt"];
    assert_eq!(slapd.json(&remove)["removed"], true);
    assert_eq!(slapd.seen(&dn), "");
    assert_eq!(slapd.json(&remove)["removed"], false);
}

#[test]
fn what_the_directory_refuses_is_told_and_nothing_is_taken_from_others() {
    let slapd = Slapd::start();
    let elsewhere = error(&slapd.amt(&["create", "pc1.example.com", "--ou", OTHER_UNIT]));
    assert_eq!(elsewhere["name"], "DIRECTORY", "{elsewhere}");
    assert!(elsewhere["message"].as_str().unwrap().contains("may not"), "{elsewhere}");

    slapd.import(&format!(
        "dn: cn=web,{OTHER_UNIT}\nchangetype: add\nobjectClass: computer\ncn: web\nsAMAccountName: web$\n\
         servicePrincipalName: HTTP/pc1.example.com:623\n"
    ));
    let taken = error(&slapd.amt(&["create", "pc1.example.com", "--ou", UNIT]));
    assert_eq!(taken["name"], "DIRECTORY_CONFLICT", "{taken}");
    let message = taken["message"].as_str().unwrap();
    assert!(message.contains("HTTP/pc1.example.com:623 belongs to cn=web,"), "{message}");
    assert_eq!(slapd.seen(&format!("CN=pc1-amt,{UNIT}")), "");

    slapd.import(&format!("dn: cn=pc2-amt,{UNIT}\nchangetype: add\nobjectClass: organizationalRole\ncn: pc2-amt\n"));
    let occupied = error(&slapd.amt(&["create", "pc2.example.com", "--ou", UNIT]));
    assert!(occupied["message"].as_str().unwrap().contains("is no computer"), "{occupied}");

    std::fs::write(slapd.folder.path().join("bind.txt"), "wrong\n").unwrap();
    let wrong = error(&slapd.amt(&["create", "pc3.example.com", "--ou", UNIT]));
    assert!(wrong["message"].as_str().unwrap().contains("user or password"), "{wrong}");
    assert!(!wrong.to_string().contains("Machine-Pw"), "{wrong}");
}

#[test]
fn nothing_is_said_without_tls() {
    let slapd = Slapd::start();
    let create = ["create", "pc1.example.com", "--ou", UNIT];
    let raised = slapd.amt_at(&format!("ldap://localhost:{}", slapd.plain), &create);
    assert!(raised.status.success(), "{}", String::from_utf8_lossy(&raised.stderr));
    // The certificate names localhost only.
    let stranger = error(&slapd.amt_at(&format!("ldaps://127.0.0.1:{}", slapd.secure), &create));
    assert_eq!(stranger["name"], "DIRECTORY", "{stranger}");
    let other = slapd.amt_at("http://localhost", &create);
    assert_eq!(other.status.code(), Some(2));
}

/// A setup server that gives its machines accounts, in the folder of the directory; its words are in `server.log`.
struct Setup<'s> {
    server: Child,
    folder: &'s Path,
}

impl Drop for Setup<'_> {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl<'s> Setup<'s> {
    fn start(slapd: &'s Slapd, listen: SocketAddr) -> Self {
        let folder = slapd.folder.path();
        let config = format!(
            "listen = \"{listen}\"\ndatabase = \"fleet.db\"\nseal_key_file = \"seal.key\"\ndns_suffixes = [\"example.com\"]\n\
             admit = \"auto\"\n[[provisioning_certificate]]\npem = \"chain.pem\"\n[profile]\nguess_spacing = \"100ms\"\n\
             settings = \"office.toml\"\n[retry]\nfirst = \"200ms\"\nmost = \"1s\"\n\
             [ca]\ncertificate = \"issuing.pem\"\nkey = \"issuing.key\"\n\
             [directory]\nserver = \"ldaps://localhost:{}\"\nbind = \"{BIND}\"\nbind_password_file = \"bind.txt\"\n\
             ou = \"{UNIT}\"\nca = \"ca.pem\"\n",
            slapd.secure
        );
        std::fs::write(folder.join("amt.toml"), config).unwrap();
        let log = || std::fs::File::options().append(true).create(true).open(folder.join("server.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_amt"));
        command.args(["serve", "--json", "--config", "amt.toml"]).current_dir(folder).env("XDG_STATE_HOME", folder);
        let server = command.stdout(log()).stderr(log()).spawn().unwrap();
        let begun = Instant::now();
        while !folder.join("fleet.db").exists() {
            assert!(begun.elapsed() < PATIENCE, "{}", std::fs::read_to_string(folder.join("server.log")).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { server, folder }
    }

    fn amt(&self, command: &[&str]) -> (Option<i32>, Value) {
        let mut amt = Command::new(env!("CARGO_BIN_EXE_amt"));
        amt.args(command).args(["--json", "--config", "amt.toml"]).current_dir(self.folder);
        let output = amt.env("XDG_STATE_HOME", self.folder).output().unwrap();
        let document = serde_json::from_slice(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), document.unwrap_or_else(|error| panic!("{command:?}: {error}: {errors}")))
    }

    /// The newest action of the machine, as soon as it is like this.
    fn action(&self, uuid: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let (_, shown) = self.amt(&["fleet", "list"]);
            let machines = shown["machines"].as_array().unwrap();
            if machines.iter().any(|machine| machine["uuid"] == uuid) {
                let actions = self.amt(&["fleet", "actions", uuid]).1;
                let newest = actions["actions"].as_array().unwrap().iter().max_by_key(|action| action["id"].as_i64());
                if let Some(newest) = newest.filter(|newest| is_so(newest)) {
                    return newest.clone();
                }
                assert!(begun.elapsed() < 4 * PATIENCE, "{actions:#}");
            }
            let log = || std::fs::read_to_string(self.folder.join("server.log")).unwrap();
            assert!(begun.elapsed() < 4 * PATIENCE, "{shown:#}\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a job that makes this machine what its settings say has to tell.
    fn configure(&self, uuid: &str) -> String {
        let only = format!("uuid = {uuid}");
        let (_, done) = self.amt(&["fleet", "run", "configure", "--where", &only, "--wait", "--timeout", "60s"]);
        done["machines"][0]["message"].as_str().unwrap_or_else(|| panic!("{done:#}")).to_owned()
    }
}

fn has_failed_as(code: &'static str) -> impl Fn(&Value) -> bool {
    move |action| action["error"]["name"] == code
}

fn digest(secret: &str) -> String {
    Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_setup_server_gives_its_machines_their_accounts() {
    let mut slapd = Slapd::start();
    let at = slapd.folder.path().to_owned();
    let (listen, chain) = (SocketAddr::from(([127, 0, 0, 1], free_port())), ProvisioningChain::new("example.com"));
    let office = "format = 1\nname = \"Office\"\n[kerberos]\nenabled = true\nrealm = \"EXAMPLE.COM\"\naccount_suffix = \"-amt\"\n\
                  password = { file = \"machine.txt\" }\n";
    for (name, text) in [("chain.pem", chain.pem().as_str()), ("office.toml", office), ("bind.txt", "wrong\n")] {
        std::fs::write(at.join(name), text).unwrap();
    }
    let setup = Setup::start(&slapd, listen);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut config = SimConfig::new(2);
    config.base_address = Ipv4Addr::new(127, 68, 9, 1);
    config.hello = Some(listen);
    config.roots = vec![RootHash::sha256(chain.root())];
    config.suffix = Some("example.com".to_owned());
    config.time_scale = 20.0;
    let simulator = runtime.block_on(Simulator::start(config)).unwrap();
    let truths = || -> Vec<MachineTruth> { simulator.truths() };
    let (one, two) = (truths()[0].uuid.clone(), truths()[1].uuid.clone());

    // The directory lets the server not in: both machines are set up all the same, and it is tried again.
    for id in [&one, &two] {
        let waiting = setup.action(id, |action| action["action"] == "configure" && has_failed_as("DIRECTORY")(action));
        assert_eq!(waiting["state"], "pending", "{waiting:#}");
        assert!(waiting["error"]["message"].as_str().unwrap().contains("user or password is wrong"), "{waiting:#}");
        assert_eq!(setup.amt(&["fleet", "show", id]).1["state"], "verified");
    }
    let (status, found) = setup.amt(&["doctor"]);
    assert!(status == Some(1) && found.to_string().contains("user or password is wrong"), "{found:#}");
    assert!(truths().iter().all(|truth| !truth.secrets.contains_key("kerberos")), "told before there is an account");

    // One machine's name is somebody else's; the other's account was made by hand, or by a server that died at once after it.
    let named = |index: usize| format!("{}.example.com", truths()[index].host_name);
    let (first, second) = (named(0), named(1));
    let dn = |name: &str| format!("CN={}-amt,{UNIT}", name.split('.').next().unwrap());
    let (mine, other) = (dn(&first), dn(&second));
    slapd.import(&format!(
        "dn: {mine}\nchangetype: add\nobjectClass: computer\nsAMAccountName: theirs$\ndNSHostName: theirs.example.com\n\
         userAccountControl: 4096\nservicePrincipalName: HTTP/theirs.example.com:80\n"
    ));
    std::fs::write(at.join("bind.txt"), "Bind-Pw-1\n").unwrap();
    slapd.json(&["create", &second, "--ou", UNIT]);
    let (theirs, by_hand) = (slapd.seen(&mine), slapd.last_change(&other));
    let refused = setup.action(&one, has_failed_as("DIRECTORY_CONFLICT"));
    assert_eq!(refused["state"], "failed", "{refused:#}");
    assert!(
        refused["error"]["message"].as_str().unwrap().contains("is the account of \"theirs.example.com\""),
        "{refused:#}"
    );
    assert_eq!(slapd.seen(&mine), theirs, "what is another's is left alone");
    let kept = setup.action(&two, |action| action["state"] == "done");
    assert!(!kept["message"].as_str().unwrap().contains("account"), "{kept:#}");
    assert_eq!(slapd.last_change(&other), by_hand, "nothing is written to an account that is right");
    let key_of = |index: usize| truths()[index].secrets.get("kerberos").cloned();
    assert_eq!(key_of(1), Some(digest("Machine-Pw-1")));

    // Out of the way, the account is made, with everything, and then left alone.
    slapd.import(&format!("dn: {mine}\nchangetype: delete\n"));
    setup.amt(&["fleet", "retry", &one]);
    let made = setup.action(&one, |action| action["state"] == "done");
    assert!(made["message"].as_str().unwrap().contains(&format!("its account {mine} was made")), "{made:#}");
    let seen = slapd.seen(&mine);
    for port in [16992, 16993, 16994, 16995, 623, 664] {
        assert!(seen.contains(&format!("servicePrincipalName: HTTP/{first}:{port}\n")), "{seen}");
    }
    assert!(seen.contains("unicodePwd:: IgBNAGEAYwBoAGkAbgBlAC0AUAB3AC0AMQAiAA=="), "{seen}");
    assert_eq!(key_of(0), Some(digest("Machine-Pw-1")));
    let before = slapd.last_change(&mine);
    assert_eq!(setup.configure(&one), "it is as Office says");
    assert_eq!(slapd.last_change(&mine), before);

    // Names are put right. The password, whether it is switched on, and its encryption are not touched.
    slapd.import(&format!(
        "dn: {mine}\nchangetype: modify\ndelete: servicePrincipalName\nservicePrincipalName: HTTP/{first}:664\n-\n\
         replace: userAccountControl\nuserAccountControl: 4098\n-\nreplace: unicodePwd\nunicodePwd: theirs\n-\n\
         replace: msDS-SupportedEncryptionTypes\nmsDS-SupportedEncryptionTypes: 28\n-\n\
         replace: msDS-KeyVersionNumber\nmsDS-KeyVersionNumber: 3\n"
    ));
    let message = setup.configure(&one);
    // The version of the key is the directory's.
    for words in ["1 settings changed", "servicePrincipalName of its account", "is switched off"] {
        assert!(message.contains(words), "{message}");
    }
    let seen = slapd.seen(&mine);
    for line in [&*format!("HTTP/{first}:664\n"), "unicodePwd: theirs\n", "userAccountControl: 4098\n", "Types: 28\n"] {
        assert!(seen.contains(line), "{line}: {seen}");
    }
    assert!(!setup.configure(&one).contains("changed"));

    // Another password in the settings is written once, to both.
    std::fs::write(at.join("machine.txt"), "Machine-Pw-2\n").unwrap();
    assert!(setup.configure(&one).contains("unicodePwd of its account"));
    assert_eq!(key_of(0), Some(digest("Machine-Pw-2")));
    let changed = slapd.last_change(&mine);
    assert!(!setup.configure(&one).contains("changed"));
    assert_eq!(slapd.last_change(&mine), changed);

    // A version that the settings insist on, and the account has not.
    std::fs::write(at.join("office.toml"), format!("{office}key_version = 2\n")).unwrap();
    drop(setup);
    let setup = Setup::start(&slapd, listen);
    let (_, refused) =
        setup.amt(&["fleet", "run", "configure", "--where", &format!("uuid = {one}"), "--wait", "--timeout", "60s"]);
    let why = &refused["machines"][0]["error"];
    assert!(why["name"] == "CONFIG" && why["message"].as_str().unwrap().contains("has key version 3"), "{refused:#}");

    // Without the directory the job waits, and ends when it is back.
    drop(setup);
    std::fs::write(at.join("office.toml"), office).unwrap();
    slapd.stop();
    let setup = Setup::start(&slapd, listen);
    setup.amt(&["fleet", "run", "configure", "--where", &format!("uuid = {two}")]);
    let waiting =
        setup.action(&two, |action| has_failed_as("DIRECTORY")(action) && action["attempts"].as_i64() > Some(1));
    assert_eq!(waiting["state"], "pending", "{waiting:#}");
    assert_eq!(setup.amt(&["fleet", "show", &two]).1["state"], "verified");
    drop(setup);
    slapd.restart();
    let setup = Setup::start(&slapd, listen);
    let ended = setup.action(&two, |action| action["state"] == "done");
    assert!(ended["message"].as_str().unwrap().contains("unicodePwd of its account"), "{ended:#}");
    let (_, found) = setup.amt(&["doctor"]);
    assert!(found["findings"].as_array().unwrap().iter().any(|one| one["code"] == "DIRECTORY-OK"), "{found:#}");
    drop(setup);
    let log = std::fs::read_to_string(at.join("server.log")).unwrap();
    for secret in ["Bind-Pw", "Machine-Pw"] {
        assert!(!log.contains(secret), "a password is told");
    }
    runtime.block_on(simulator.stop()).unwrap();
}
