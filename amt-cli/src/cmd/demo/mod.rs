//! `amt demo`: virtual machines provisioned by a real setup server, on loopback.

mod folder;
mod progress;
mod report;

use super::{Error, Verdict};
use crate::output::Output;
use crate::stop::StopSignal;
use amt::fresh_pair;
use amt_core::psk::PskPair;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_fleet::config::Config;
use amt_fleet::{Fleet, SecretPair, Server};
use amt_sim::mix::Variant;
use amt_sim::{Persona, SimConfig, Simulator};
use folder::{Folder, Site};
use progress::Progress;
use report::Report;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// DNS suffix of the virtual network.
const SUFFIX: &str = "example.com";
/// All firmware families in turn.
const MIXED: &str = "mixed";
/// Second bytes of the loopback networks that are tried in turn, so that several demos run side by side.
const NETWORKS: std::ops::Range<u8> = 16..64;

/// Provision virtual machines with a real setup server, on loopback
///
/// A setup server with an embedded database listens, virtual AMT machines on loopback addresses of their own say hello, and
/// each is taken to admin control mode: new passwords, a key made on the machine, a certificate from a local authority, TLS,
/// commit, and a login over the network to prove it. What the server believes is then compared with what the machines know.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  amt demo                         25 machines
  amt demo --devices 1000          a fleet
  amt demo --devices 40 --persona mixed
                                   firmware of AMT 3.2 to 22, with certificates and with pre-shared pairs
  amt demo --hold --dir lab        keep the machines up, and everything about them in the folder lab:
    amt fleet export-credentials --config lab/serve.toml --json
    amt fleet show UUID --config lab/serve.toml

Exit status 0 only if every machine was verified.")]
pub(crate) struct Demo {
    /// How many virtual machines
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    devices: u32,

    /// Keep the machines and their state up after provisioning, until interrupted
    #[arg(long)]
    hold: bool,

    /// Keep configuration, certificates and database in this folder; without it they are removed at the end
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Firmware family, or `mixed`: all that can be provisioned in turn, those with pre-shared keys both ways
    #[arg(long, value_name = "NAME", default_value = "16.0")]
    persona: String,

    /// Do not consent to TLS before 1.2 or without forward secrecy: machines that speak nothing else (AMT before 14) fail
    #[arg(long)]
    no_legacy: bool,

    /// Seed of the machines; the same seed gives the same ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// How much faster than real time the machines' timers run
    #[arg(long, value_name = "FACTOR", default_value_t = 20.0)]
    time_scale: f64,

    /// Most machines provisioned at a time
    #[arg(long, value_name = "N", default_value_t = 128)]
    concurrency: usize,

    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    timeout: u64,
}

impl Demo {
    pub(crate) fn run(self, out: &mut Output) -> Result<Verdict, Error> {
        // Server and machines share the cores.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new(ErrorCode::IO, "start", format!("no asynchronous runtime: {error}")))?;
        runtime.block_on(self.provision(out))
    }

    async fn provision(&self, out: &mut Output) -> Result<Verdict, Error> {
        let family = Family::read(&self.persona)?;
        let mut stop = StopSignal::new()?;
        let folder = Folder::new(
            self.dir.clone(),
            &Site { suffix: SUFFIX, concurrency: self.concurrency, legacy: !self.no_legacy },
        )?;
        let config = Config::load(&folder.config())?;
        let fleet = Fleet::open_with_key_file(&config.files.database, &config.files.seal_key_file).await?;
        let pairs = self.pairs(&family, &fleet).await?;
        let server = Server::builder(fleet.clone()).config(&config).await?.bind().await?;
        let hello = server
            .addresses()
            .first()
            .copied()
            .ok_or_else(|| Failure::new(ErrorCode::LISTEN, "demo", "the setup server listens nowhere"))?;
        let mut events = server.subscribe();
        let (shut_down, wait) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(server.run(async move {
            let _ = wait.await;
        }));
        let started = Instant::now();
        let simulator = self.machines(&folder, family, pairs, hello).await?;
        let addresses: HashMap<SystemId, IpAddr> =
            simulator.machines().iter().map(|m| (m.id, m.address.into())).collect();
        let mut progress = Progress::new(out, self.devices, hello);
        let deadline = tokio::time::sleep(Duration::from_secs(self.timeout));
        tokio::pin!(deadline);
        let mut interrupted = false;
        while !progress.all_settled() {
            tokio::select! {
                event = events.next() => match event {
                    Some(event) if matches!(event.progress, amt_fleet::Progress::Missed(_)) => {
                        progress.catch_up(&fleet.machines().await?);
                    }
                    Some(event) => progress.take(out, &event)?,
                    None => break,
                },
                () = &mut deadline => break,
                () = stop.wait() => {
                    interrupted = true;
                    break;
                }
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let report = Report::new(&progress, &simulator, &fleet, &addresses, seconds).await?;
        progress.finish();
        report.show(out)?;
        if self.hold && !interrupted {
            out.line(&folder.hold_text(self.devices))?;
            out.flush()?;
            stop.wait().await;
        }
        let _ = shut_down.send(());
        simulator.stop().await?;
        server.await.map_err(|e| Failure::new(ErrorCode::PANIC, "demo", format!("the setup server ended: {e}")))??;
        fleet.close().await;
        Ok(if report.is_good() { Verdict::Done } else { Verdict::Failed })
    }

    /// Pre-shared pairs for the machines that wait for one, put into the vault as they would come from whoever enters them in MEBx.
    async fn pairs(&self, family: &Family, fleet: &Fleet) -> Result<Vec<PskPair>, Failure> {
        if !matches!(family, Family::Mixed) {
            return Ok(Vec::new());
        }
        let pairs: Vec<PskPair> =
            (0..Variant::pairs_wanted(self.devices())).map(|_| fresh_pair()).collect::<Result<_, _>>()?;
        fleet.import_pairs(pairs.iter().cloned().map(SecretPair::new).collect()).await?;
        Ok(pairs)
    }

    fn devices(&self) -> usize {
        usize::try_from(self.devices).unwrap_or(usize::MAX)
    }

    /// Starts the machines in the first loopback network that is free.
    async fn machines(
        &self,
        folder: &Folder,
        family: Family,
        pairs: Vec<PskPair>,
        hello: SocketAddr,
    ) -> Result<Simulator, Failure> {
        let mut config = match family {
            Family::One(persona) => {
                let mut config = SimConfig::new(self.devices());
                config.persona = persona;
                config
            }
            Family::Mixed => SimConfig::mixed(self.devices(), &pairs),
        };
        config.hello = Some(hello);
        config.root_certificates = folder.roots().map(<[u8]>::to_vec).collect();
        config.suffix = Some(SUFFIX.to_owned());
        config.seed = self.seed;
        config.time_scale = self.time_scale;
        config.spread = Duration::from_millis(5);
        config.state_file = self.dir.as_ref().map(|_| folder.truth());
        let mut taken = None;
        for network in NETWORKS {
            config.base_address = Ipv4Addr::new(127, network, 0, 1);
            match Simulator::start(config.clone()).await {
                Err(failure) if failure.code == ErrorCode::LISTEN => taken = Some(failure),
                other => return other,
            }
        }
        Err(taken.unwrap_or_else(|| Failure::new(ErrorCode::LISTEN, "demo", "no loopback network is free")))
    }
}

/// Which firmware the machines have.
enum Family {
    One(Arc<Persona>),
    Mixed,
}

impl Family {
    fn read(name: &str) -> Result<Self, Error> {
        if name == MIXED {
            return Ok(Self::Mixed);
        }
        Persona::built_in(name).map(|persona| Self::One(Arc::new(persona))).ok_or_else(|| {
            let names: Vec<&str> = Persona::names().collect();
            let hint = format!("one of: {}, {MIXED}", names.join(", "));
            Error::usage(format!("there is no persona {name:?}"), hint)
        })
    }
}
