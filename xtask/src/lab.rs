//! A setup server and virtual machines as processes of their own: what the kill test and the fleet benchmark work with.

use crate::process::{Background, program, read, target};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The machines of a lab, and the folder that their setup server works in.
pub(crate) struct Lab {
    pub(crate) amt: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) machines: usize,
    /// The machines' process; it ends with the lab.
    pub(crate) sim: Background,
    control: SocketAddr,
}

/// How a lab differs from the next.
pub(crate) struct Setup<'a> {
    /// Of its folder.
    pub(crate) name: &'a str,
    pub(crate) machines: usize,
    pub(crate) seed: u64,
    /// Second byte of its loopback network.
    pub(crate) network: u8,
    pub(crate) time_scale: u32,
    /// Milliseconds from one machine's first hello to the next one's.
    pub(crate) spread: u32,
    pub(crate) concurrency: usize,
    /// AMT 3.2, which waits for a pre-shared pair; all machines share one. Otherwise AMT 16, with a certificate.
    pub(crate) psk: bool,
}

/// The list with the shared pair, in the folder of a lab.
const PAIRS: &str = "pairs.json";

impl Lab {
    /// Starts the machines; they say hello to a server that is not there yet.
    pub(crate) fn start(amt: &Path, setup: &Setup<'_>) -> Result<Self> {
        let folder = target(&format!("lab-{}", setup.name));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let hello = free_port()?;
        let control = free_port()?;
        let settings = folder.join("serve.toml");
        fs::write(&settings, config(hello, setup.concurrency))?;
        let pairs = folder.join(PAIRS);
        if setup.psk {
            fs::write(&pairs, read(&mut program(amt, &["psk", "new", "--json"]))?)?;
            let mut import = program(amt, &["psk", "import", "--scope", "shared", "--config"]);
            read(import.arg(&settings).arg("--from").arg(&pairs))?;
            let pair = &pair_of(&pairs)?;
            fs::write(folder.join("pairs.csv"), format!("{},{}\n", text(&pair["pid"]), text(&pair["pps"])))?;
        }
        let base = Ipv4Addr::new(127, setup.network, 0, 1);
        let mut command = program(amt, &["sim", "--suffix", "example.com", "--certificate"]);
        command.arg(&folder);
        for (option, value) in [
            ("--machines", setup.machines.to_string()),
            ("--seed", setup.seed.to_string()),
            ("--hello", hello.to_string()),
            ("--control", control.to_string()),
            ("--base-address", base.to_string()),
            ("--time-scale", setup.time_scale.to_string()),
            ("--spread", setup.spread.to_string()),
        ] {
            command.args([option, &value]);
        }
        if setup.psk {
            command.args(["--persona", "3.2", "--psk-file"]).arg(folder.join("pairs.csv"));
        }
        let log = File::create(folder.join("sim.log"))?;
        let mut sim = Background::start(command.stdout(log))?;
        sim.until(60, || Ok(TcpStream::connect(control).is_ok())).context("amt sim")?;
        Ok(Self { amt: amt.to_owned(), folder, machines: setup.machines, sim, control })
    }

    /// The setup server, not started yet.
    pub(crate) fn server(&self, log: &str) -> Result<Command> {
        let mut command = program(&self.amt, &["serve", "--json", "--config"]);
        let log = File::options().create(true).append(true).open(self.folder.join(log))?;
        command.arg(self.folder.join("serve.toml")).stdout(log);
        Ok(command)
    }

    /// What the machines themselves know.
    pub(crate) fn truth(&self) -> Result<Vec<Value>> {
        let mut document = self.ask(&json!({ "command": "truth" }))?;
        match document["machines"].take() {
            Value::Array(machines) if machines.len() == self.machines => Ok(machines),
            _ => bail!("the simulator does not tell the truth: {document}"),
        }
    }

    /// Machines that are set up, by their own word.
    pub(crate) fn provisioned(&self) -> Result<usize> {
        Ok(self.truth()?.iter().filter(|machine| machine["state"] == "post").count())
    }

    /// Machines with their candidates, out of the database.
    pub(crate) fn credentials(&self) -> Result<Vec<Value>> {
        let config = self.folder.join("serve.toml");
        let text = read(program(&self.amt, &["fleet", "export-credentials", "--json", "--config"]).arg(config))?;
        let mut document: Value = serde_json::from_str(&text)?;
        match document["machines"].take() {
            Value::Array(machines) => Ok(machines),
            _ => bail!("export-credentials printed no machines"),
        }
    }

    /// Whether `password` opens a machine: asked of the machine, not tried on it.
    pub(crate) fn opens(&self, uuid: &Value, password: &Value) -> Result<bool> {
        let answer = self.ask(&json!({ "command": "check-admin-password", "uuid": uuid, "password": password }))?;
        answer["matches"].as_bool().with_context(|| format!("the simulator answered {answer}"))
    }

    /// Whether a machine holds this pre-shared pair.
    pub(crate) fn holds(&self, uuid: &Value, pair: &Value) -> Result<bool> {
        let request = json!({ "command": "check-psk", "uuid": uuid, "pid": pair["pid"], "pps": pair["pps"] });
        let answer = self.ask(&request)?;
        answer["matches"].as_bool().with_context(|| format!("the simulator answered {answer}"))
    }

    /// The pair that all machines came with, if they came with one.
    pub(crate) fn shared_pair(&self) -> Result<Option<Value>> {
        let file = self.folder.join(PAIRS);
        file.exists().then(|| pair_of(&file)).transpose()
    }

    fn ask(&self, request: &Value) -> Result<Value> {
        let mut stream = TcpStream::connect(self.control)?;
        stream.write_all(format!("{request}\n").as_bytes())?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        serde_json::from_str(&line).context("the simulator's answer")
    }
}

/// The only pair of what `amt psk new --json` printed.
fn pair_of(file: &Path) -> Result<Value> {
    let document: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    Ok(document["pairs"][0].clone())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn config(hello: SocketAddr, concurrency: usize) -> String {
    format!(
        r#"listen = "{hello}"
database = "fleet.db"
seal_key_file = "seal.key"
dns_suffixes = ["example.com"]
admit = "auto"
concurrency = {concurrency}

[[provisioning_certificate]]
pem = "provisioning.pem"

[ca]
kind = "local"
certificate = "ca.pem"
key = "ca.key"

[profile]
# The virtual machines' lock-out runs faster by their time scale.
guess_spacing = "700ms"
legacy_tls = "allow"

[retry]
first = "200ms"
most = "2s"
attempts = 0
"#
    )
}
