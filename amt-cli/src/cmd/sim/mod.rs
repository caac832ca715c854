//! `amt sim`: virtual machines that any console can provision.

#[cfg(target_os = "linux")]
mod mei;

use super::{Error, Verdict, block_on};
use crate::input;
use crate::output::Output;
use crate::stop::StopSignal;
use amt_core::id::binary_sid;
use amt_core::psk::PskPair;
use amt_core::{ErrorCode, Failure, Secret};
use amt_sim::authority::{ProvisioningChain, Strength};
use amt_sim::{Fault, FaultPlan, Persona, SetUp, SimConfig, Simulator, Variant, chain, mix, ondie};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Largest root certificate or persona file.
const MAX_FILE: usize = 256 * 1024;

/// Run virtual AMT machines that any console can provision
///
/// Every machine has a loopback address of its own with the real ports (16992 and 16993), says hello to the setup
/// server as firmware does, and refuses what firmware refuses. It trusts the roots given with --root, and the name in
/// the provisioning certificate must fit --suffix. The machines run until they are interrupted (Ctrl-C).
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  25 machines for a setup server on this computer:
    amt sim --machines 25 --hello 127.0.0.1:9971 --root root.pem --suffix example.com

  The same, an hour of the machines' timers in a minute, with the truth on file:
    amt sim --machines 25 --hello 127.0.0.1:9971 --root root.pem --suffix example.com \\
        --time-scale 60 --state truth.json

  A machine whose reply to CommitChanges is lost, and whose first hello is cut short:
    amt sim --root root.pem --suffix example.com --hello 127.0.0.1:9971 \\
        --fault AMT_SetupAndConfigurationService.CommitChanges:out:reset --fault hello:out:truncate

  A site as it is: of 25 machines the first 5 trust another root, the next 3 wait for a pre-shared key:
    cat > mix.toml <<END
    [[machines]]
    count = 5
    root = [\"foreign-root.pem\"]      # root_hash = \"sha1\" with the persona of an old version
    [[machines]]
    count = 3
    persona = \"9.5\"
    psk_file = \"pairs.csv\"
    END
    amt sim --machines 25 --mix mix.toml --hello 127.0.0.1:9971 --root root.pem --suffix example.com
  Further keys: suffix, admin_password_file, pid (of a pair that nobody knows), uuid.

  30 machines of every firmware from AMT 3.2 to 22, some with pre-shared keys:
    amt sim --machines 30 --persona mixed --psk-file pairs.csv --hello 127.0.0.1:9971 --certificate certs --suffix example.com

  A machine that is set up already, to try commands on (amt power, boot, log, audit, inventory, discover):
    echo 'P@ssw0rd' > password
    amt sim --set-up admin --admin-password-file password
    amt power status --host 127.1.0.1 --insecure-any --password-file password

A fault is PLACE:DIRECTION:KIND[:TIMES]. Place: any, hello, handshake, \"request N\" or Class.Method. Direction, seen
from the machine: in (lost before it acts) or out (after it acted). Kind: delay=MILLISECONDS, reset, truncate, stall,
garbage, oversize, busy, status=PT_STATUS.

With --control, each line sent to the socket is a JSON request: {\"command\":\"truth\"}, {\"command\":\"hello\",\"uuid\":…},
rearm, os-name, power-cycle, fault, check-admin-password, check-mebx-password, check-psk; each answer is a JSON line.")]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Sim {
    #[command(subcommand)]
    inside: Option<Inside>,

    #[command(flatten)]
    machines: Box<Machines>,
}

/// A machine seen from inside.
#[derive(clap::Subcommand)]
enum Inside {
    #[cfg(target_os = "linux")]
    Mei(mei::Mei),
}

/// What virtual machines are like.
#[derive(clap::Args)]
struct Machines {
    /// How many machines
    #[arg(long, value_name = "N", default_value_t = 1)]
    machines: usize,

    /// Setup server that the machines say hello to; without it they keep silent
    #[arg(long, value_name = "HOST:PORT")]
    hello: Option<String>,

    /// Root certificate (PEM or DER) whose hash the machines trust; may be given several times
    #[arg(long, value_name = "FILE")]
    root: Vec<PathBuf>,

    /// Make a provisioning certificate that the machines trust and write it into this folder: provisioning.pem (chain and
    /// key) and root.pem, and ondie-root.pem, at which the chips' own certificates end; for AMT 22, which is meant for RSA-3072, provisioning-3072.pem and root-3072.pem beside them. For setup
    /// servers that have none; the keys are public test keys
    #[arg(long, value_name = "DIR", requires = "suffix")]
    certificate: Option<PathBuf>,

    /// DNS suffix of the machines' network, as from DHCP option 15
    #[arg(long, value_name = "SUFFIX")]
    suffix: Option<String>,

    /// Firmware family: a built-in one (2.6, 3.2, 5.0, 7.1, 9.5, 11.8, 12.0, 14.0, 16.0, 18.0, 19.0, 21.0, 22.0), a TOML file, or
    /// `mixed`: all that speak WS-Management in turn
    #[arg(long, value_name = "NAME|FILE", default_value = "16.0")]
    persona: String,

    /// File of pairs that the machines wait for (before AMT 11), a line `PID,PPS` each: the first for the first machine and so
    /// on; one alone is shared by all. With `mixed`, those of the machines that wait for a key instead of a certificate
    #[arg(long, value_name = "FILE")]
    psk_file: Option<PathBuf>,

    /// setup.bin of a USB stick that goes from machine to machine before power-on: each uses the first unused record, which is
    /// marked as used in the file, as a BIOS does
    #[arg(long, value_name = "FILE")]
    usb: Option<PathBuf>,

    /// Seed of every choice; the same seed gives the same machines
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// How much faster than real time the machines' timers run
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    time_scale: f64,

    /// Write the firmware's own truth about every machine to this JSON file whenever it changes
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    /// Listen here for JSON requests about the machines
    #[arg(long, value_name = "ADDRESS:PORT")]
    control: Option<SocketAddr>,

    /// File with a one-time password that every machine holds, as if planted by a local agent
    #[arg(long, value_name = "FILE")]
    otp_file: Option<PathBuf>,

    /// File with an admin password that the machines have already; their hello says so
    #[arg(long, value_name = "FILE")]
    admin_password_file: Option<PathBuf>,

    /// Machines that are set up already, in client or admin control mode, with the password of --admin-password-file and TLS
    #[arg(long, value_name = "client|admin", requires = "admin_password_file", value_parser = set_up)]
    set_up: Option<SetUp>,

    /// An auditor has locked the audit log of every machine: before AMT 12.0 nobody unprovisions it then
    #[arg(long)]
    auditor: bool,

    /// What the directory says of a user: its SID, or that of one of its groups; may be given several times. Machines with
    /// Kerberos let in whose SID is among their users
    #[arg(long, value_name = "USER@REALM=SID", value_parser = directory_entry)]
    sid: Vec<(String, Vec<u8>)>,

    /// Something that goes wrong on every machine; may be given several times
    #[arg(long, value_name = "PLACE:in|out:KIND")]
    fault: Vec<Fault>,

    /// Let a random fault strike this share of all messages
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100), conflicts_with = "fault")]
    random_faults: Option<u8>,

    /// TOML file of machines unlike the others: other roots, suffix, persona, a PID, a password that is set
    #[arg(long, value_name = "FILE")]
    mix: Option<PathBuf>,

    /// Loopback address of the first machine; the others follow
    #[arg(long, value_name = "ADDRESS", default_value = "127.1.0.1")]
    base_address: Ipv4Addr,

    /// Time from one machine's first hello to the next one's
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 5)]
    spread: u64,
}

impl Sim {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        match self.inside {
            #[cfg(target_os = "linux")]
            Some(Inside::Mei(mei)) => return mei.run(out),
            _ => {}
        }
        block_on(async {
            let mut stop = StopSignal::new()?;
            let simulator = Simulator::start(self.machines.config().await?).await?;
            report(&simulator, out)?;
            stop.wait().await;
            simulator.stop().await?;
            Ok(Verdict::Done)
        })
    }
}

impl Machines {
    async fn config(&self) -> Result<SimConfig, Error> {
        let mut config = SimConfig::new(self.machines);
        config.base_address = self.base_address;
        config.suffix.clone_from(&self.suffix);
        let mixed = self.persona == MIXED;
        if !mixed {
            config.persona = Arc::new(persona(&self.persona)?);
        }
        config.usb.clone_from(&self.usb);
        config.seed = self.seed;
        config.time_scale = self.time_scale;
        config.state_file.clone_from(&self.state);
        config.control = self.control;
        config.spread = Duration::from_millis(self.spread);
        for file in &self.root {
            let content = input::read(file, MAX_FILE)?;
            let roots = chain::certificates_of(&content).map_err(|failure| {
                Failure::new(failure.code, "sim", format!("{}: {}", file.display(), failure.message))
            })?;
            config.root_certificates.extend(roots);
        }
        if let Some(file) = &self.mix {
            let content = input::read(file, MAX_FILE)?;
            let text = String::from_utf8(content)
                .map_err(|_| Failure::new(ErrorCode::NOT_UTF8, "sim", format!("{}: not UTF-8", file.display())))?;
            let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            config.variants = Variant::parse_mix(&text, folder)?;
        }
        let pairs = match &self.psk_file {
            Some(file) => pairs(file)?,
            None => Vec::new(),
        };
        if mixed {
            let others = config.variants.iter().map(|v| v.machines).fold(self.machines, usize::saturating_sub);
            config.variants.extend(Variant::mixed(others, &pairs));
        } else {
            config.psk = pairs;
        }
        if let (Some(folder), Some(suffix)) = (&self.certificate, &self.suffix) {
            certificates(folder, suffix, &mut config)?;
        }
        if let Some(server) = &self.hello {
            config.hello = Some(resolve(server).await?);
        }
        if let Some(file) = &self.otp_file {
            config.otp = Some(input::password(Some(file), "")?.expose().clone());
        }
        if let Some(file) = &self.admin_password_file {
            config.admin_password = Some(input::password(Some(file), "")?);
        }
        config.set_up = self.set_up;
        config.auditor = self.auditor;
        config.sids.clone_from(&self.sid);
        config.faults = match self.random_faults {
            Some(percent) => FaultPlan::random(self.seed, percent),
            None => FaultPlan::aimed(self.fault.iter().cloned()),
        };
        Ok(config)
    }
}

fn set_up(text: &str) -> Result<SetUp, String> {
    match text {
        "client" => Ok(SetUp::Client),
        "admin" => Ok(SetUp::Admin),
        _ => Err("write client or admin".to_owned()),
    }
}

fn directory_entry(text: &str) -> Result<(String, Vec<u8>), String> {
    let entry = text.split_once('=').and_then(|(user, sid)| Some((user.to_owned(), binary_sid(sid)?)));
    entry.filter(|(user, _)| user.contains('@')).ok_or_else(|| "write USER@REALM=S-1-5-21-…".to_owned())
}

/// Name of the persona that is all of them.
const MIXED: &str = "mixed";

/// Writes the provisioning certificates that the machines want, and has the machines trust them.
fn certificates(folder: &Path, suffix: &str, config: &mut SimConfig) -> Result<(), Failure> {
    let personas = config.variants.iter().filter_map(|v| v.persona.as_ref()).chain([&config.persona]);
    let large = personas.map(|p| p.chain.advised_rsa_bits).max().is_some_and(|bits| bits > 2048);
    let mut made = vec![(Strength::Rsa2048, "")];
    made.extend(large.then_some((Strength::Rsa3072, "-3072")));
    let write = |name: String, text: String| {
        let file = folder.join(name);
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&file, text));
        written.map_err(|e| Failure::new(ErrorCode::FILE_WRITE, "sim", format!("{}: {e}", file.display())))
    };
    write("ondie-root.pem".to_owned(), ondie::root_pem())?;
    for (strength, ending) in made {
        let chain = ProvisioningChain::of(strength, suffix);
        write(format!("provisioning{ending}.pem"), chain.pem())?;
        write(format!("root{ending}.pem"), chain.root_pem())?;
        config.root_certificates.push(chain.root().to_vec());
    }
    Ok(())
}

fn pairs(file: &Path) -> Result<Vec<PskPair>, Error> {
    let content = Secret::new(input::read(file, MAX_FILE)?);
    let text = std::str::from_utf8(content.expose())
        .map_err(|_| Failure::new(ErrorCode::NOT_UTF8, "sim", format!("{}: not UTF-8", file.display())))?;
    let pairs = mix::pairs(text)
        .map_err(|failure| Failure::new(failure.code, "sim", format!("{}: {}", file.display(), failure.message)))?;
    Ok(pairs)
}

fn persona(name: &str) -> Result<Persona, Error> {
    if let Some(persona) = Persona::built_in(name) {
        return Ok(persona);
    }
    if !Path::new(name).exists() {
        let known: Vec<&str> = Persona::names().collect();
        let hint = format!("built in: {}, {MIXED}; or give a TOML file with based_on = \"amt-16.0\"", known.join(", "));
        return Err(Error::usage(format!("{name}: no such persona"), hint));
    }
    let content = input::read(Path::new(name), MAX_FILE)?;
    let text = String::from_utf8(content)
        .map_err(|_| Failure::new(ErrorCode::NOT_UTF8, "sim", format!("{name}: not UTF-8")))?;
    Ok(Persona::parse(&text)?)
}

/// The machines are on IPv4 loopback, so their setup server must have an IPv4 address.
async fn resolve(server: &str) -> Result<SocketAddr, Error> {
    let dns = |why: String| Failure::new(ErrorCode::DNS, "sim", format!("{server}: {why}"));
    let mut found = tokio::net::lookup_host(server).await.map_err(|error| dns(error.to_string()))?;
    Ok(found.find(SocketAddr::is_ipv4).ok_or_else(|| dns("no IPv4 address".to_owned()))?)
}

fn report(simulator: &Simulator, out: &mut Output) -> Result<(), Failure> {
    let truths = simulator.truths();
    let machines: Vec<_> = truths
        .iter()
        .map(|t| json!({"uuid": t.uuid, "address": t.address, "persona": t.persona, "pid": t.pid, "usb": t.usb}))
        .collect();
    let control = simulator.control();
    out.show(&json!({"machines": machines, "control": control.map(|c| c.to_string())}), |w| {
        for truth in &truths {
            write!(w, "{:<15}  {}  {}", truth.address, truth.uuid, truth.persona)?;
            if let Some(pid) = &truth.pid {
                write!(w, "  waits for the key of {pid}")?;
            }
            if let Some(error) = truth.usb.as_ref().and_then(|usb| usb.error.as_ref()) {
                write!(w, "  stick not applied: {error}")?;
            }
            writeln!(w)?;
        }
        match control {
            Some(control) => writeln!(w, "control socket: {control}"),
            None => Ok(()),
        }
    })?;
    out.flush()
}
