//! `amt directory` against OpenLDAP with the attributes of Active Directory that it uses, by an account with rights in one unit.
#![cfg(target_os = "linux")]

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};
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
        let _ = self.server.kill();
        let _ = self.server.wait();
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
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (secure, plain) = (port(), port());
        let mut command = Command::new("/usr/sbin/slapd");
        command.arg("-f").arg(&conf).args(["-d", "0", "-h"]);
        command.arg(format!("ldaps://127.0.0.1:{secure} ldap://127.0.0.1:{plain}"));
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let slapd = Self { folder, server, secure, plain };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", plain)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "slapd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        slapd
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
        let mut search = Command::new("ldapsearch");
        search.args(["-LLL", "-x", "-o", "ldif-wrap=no", "-H", &format!("ldap://127.0.0.1:{}", self.plain)]);
        let output = search.args(["-D", ROOT, "-w", "R00t", "-s", "base", "-b", dn]).output().unwrap();
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
