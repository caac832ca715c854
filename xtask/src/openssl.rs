//! OpenSSL's `s_client` against a virtual machine in setup mode: it must be let in with a good provisioning chain, and turned
//! away with a chain that breaks one rule.

use crate::process::{Background, build_amt, need, program, run, target};
use crate::stages::Count;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SUFFIX: &str = "example.com";
const SETUP_OID: &str = "2.16.840.1.113741.1.2.3";
const TLS_PORT: u16 = 16993;

/// A chain, and whether the firmware has to accept it.
struct Chain {
    name: &'static str,
    root: &'static str,
    common_name: &'static str,
    usage: &'static [&'static str],
    bits: u16,
    good: bool,
}

const GOOD: Chain = Chain {
    name: "good",
    root: "root",
    common_name: "setup.example.com",
    usage: &["serverAuth", SETUP_OID],
    bits: 2048,
    good: true,
};

const CHAINS: &[Chain] = &[
    GOOD,
    Chain { name: "unknown-root", root: "stranger", good: false, ..GOOD },
    Chain { name: "other-suffix", common_name: "setup.example.org", good: false, ..GOOD },
    Chain { name: "no-setup-oid", usage: &["serverAuth"], good: false, ..GOOD },
    Chain { name: "no-server-auth", usage: &["clientAuth", SETUP_OID], good: false, ..GOOD },
    Chain { name: "short-key", bits: 1024, good: false, ..GOOD },
];

/// Each chain is one check; so is the number of handshakes that the firmware says it refused.
pub(crate) fn check() -> Result<Count> {
    need("openssl", "openssl")?;
    let folder = target("interop/openssl");
    std::fs::create_dir_all(&folder)?;
    run(&mut program("openssl", &["version"]))?;
    for root in ["root", "stranger"] {
        make_root(&folder, root)?;
    }
    let machine = Machine::start(&folder)?;
    let mut count = Count::default();
    for chain in CHAINS {
        make_leaf(&folder, chain)?;
        let answered = connect(&folder, chain, &machine.address)?;
        let right = answered == chain.good;
        println!(
            "{} {}: {}",
            if right { "ok" } else { "FAILED" },
            chain.name,
            if answered { "let in" } else { "refused" }
        );
        count.add(Count::one(right));
    }
    let refused = CHAINS.iter().filter(|chain| !chain.good).count();
    let told = machine.refused_within(5, refused)?;
    println!("{} the firmware refused {told} handshakes", if told == refused { "ok" } else { "FAILED" });
    count.add(Count::one(told == refused));
    Ok(count)
}

/// One virtual machine in setup mode, which says hello to nobody.
struct Machine {
    _sim: Background,
    state: PathBuf,
    address: String,
}

impl Machine {
    fn start(folder: &Path) -> Result<Self> {
        let amt = build_amt(&[])?;
        let state = folder.join("state.json");
        if state.exists() {
            std::fs::remove_file(&state)?;
        }
        let mut command = program(amt, &["sim", "--machines", "1", "--seed", "1", "--suffix", SUFFIX]);
        command.args(["--hello", "127.0.0.1:1", "--root"]).arg(folder.join("root.pem"));
        let mut sim = Background::start(command.arg("--state").arg(&state).stdout(Stdio::null()))?;
        let mut address = None;
        sim.until(30, || {
            address = machine(&state)
                .filter(|m| m["secure_port"] == true)
                .and_then(|m| m["address"].as_str().map(str::to_owned));
            Ok(address.is_some())
        })
        .context("amt sim")?;
        Ok(Self { _sim: sim, state, address: address.context("no address")? })
    }

    fn refused_within(&self, seconds: u64, expected: usize) -> Result<usize> {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
        loop {
            let machine = machine(&self.state).context("no machine in the state file")?;
            let told = usize::try_from(machine["handshakes_refused"].as_u64().context("no handshakes_refused")?)?;
            if told == expected || std::time::Instant::now() > deadline {
                return Ok(told);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

/// The only machine of a state file, once it is written.
fn machine(state: &Path) -> Option<Value> {
    let document: Value = serde_json::from_slice(&std::fs::read(state).ok()?).ok()?;
    document["machines"].get(0).cloned()
}

fn make_root(folder: &Path, name: &str) -> Result<()> {
    let mut command = openssl(folder, &["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "365"]);
    command.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem"), "-subj", &format!("/CN={name}")]);
    run(command.args(["-addext", "keyUsage=critical,keyCertSign"]).stderr(Stdio::null()))
}

fn make_leaf(folder: &Path, chain: &Chain) -> Result<()> {
    let Chain { name, root, common_name, usage, bits, .. } = chain;
    let usage = usage.join(",");
    let extensions = folder.join(format!("{name}.cnf"));
    std::fs::write(&extensions, format!("extendedKeyUsage={usage}\nkeyUsage=digitalSignature,keyEncipherment\n"))?;
    let (key, request, leaf) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
    let mut command = openssl(folder, &["req", "-newkey", &format!("rsa:{bits}"), "-nodes", "-keyout", &key]);
    run(command.args(["-out", &request, "-subj", &format!("/CN={common_name}")]).stderr(Stdio::null()))?;
    let mut command = openssl(folder, &["x509", "-req", "-in", &request, "-sha256", "-days", "365", "-out", &leaf]);
    command.args(["-CA", &format!("{root}.pem"), "-CAkey", &format!("{root}.key"), "-CAcreateserial"]);
    run(command.arg("-extfile").arg(extensions).stderr(Stdio::null()))
}

/// Whether the machine lets `s_client` in: it answers HTTP after the handshake.
fn connect(folder: &Path, chain: &Chain, address: &str) -> Result<bool> {
    let mut command = Command::new("timeout");
    command.current_dir(folder).args(["20", "openssl", "s_client", "-quiet", "-ign_eof", "-tls1_2"]);
    // A short key is the firmware's to refuse, not the client's.
    command.args(["-cipher", "DEFAULT:@SECLEVEL=0", "-connect", &format!("{address}:{TLS_PORT}")]);
    command.args(["-cert", &format!("{}.pem", chain.name), "-key", &format!("{}.key", chain.name)]);
    command.args(["-cert_chain", &format!("{}.pem", chain.root)]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let request = format!("POST /wsman HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    // A refused client may find its pipe closed already.
    let _ = child.stdin.take().context("no stdin")?.write_all(request.as_bytes());
    let output = child.wait_with_output()?;
    let answer = String::from_utf8_lossy(&output.stdout);
    let answered = answer.starts_with("HTTP/1.1 ");
    if !answered && !answer.is_empty() {
        bail!("{}: not HTTP: {answer}", chain.name);
    }
    if chain.good && !answered {
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(answered)
}

fn openssl(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program("openssl", arguments);
    command.current_dir(folder);
    command
}
