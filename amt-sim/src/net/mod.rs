//! Machines on loopback addresses of their own, with the real ports (Linux and Windows: other systems have only
//! 127.0.0.1).

mod connection;
mod control;
mod local;
mod machine;
mod state_file;
mod tls;

use crate::chain::{self, RootHash};
use crate::fault::{Fault, FaultPlan};
use crate::firmware::{Firmware, LmeDefects, MachineConfig, MachineTruth, SetUp, SetupRecord};
use crate::mix::{self, Variant};
use crate::persona::Persona;
use crate::seed::Seeded;
use crate::usb::Stick;
use amt_core::psk::PskPair;
use amt_core::redirection::{PLAIN_PORT, SessionKind, TLS_PORT};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
pub use local::{MeiConnection, MeiDevice, MeiSlot};
use machine::{Event, Shared, Where};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

/// Most machines of one process.
pub const MAX_MACHINES: usize = 60_000;
/// Descriptors wanted for each machine: four listeners, connections, a hello.
const DESCRIPTORS: u64 = 10;

/// A set of machines.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SimConfig {
    /// How many.
    pub machines: usize,
    /// Address of the first; the others follow. Never 127.0.0.1: a real local management service may own it.
    pub base_address: Ipv4Addr,
    /// Where hellos go; absent: nowhere.
    pub hello: Option<SocketAddr>,
    /// Root hashes that every machine trusts.
    pub roots: Vec<RootHash>,
    /// Root certificates (DER) that machines trust, by the hash that their firmware lists. Where some have keys of the size
    /// that a firmware is meant to be used with, it lists only those.
    pub root_certificates: Vec<Vec<u8>>,
    /// DNS suffix of every machine.
    pub suffix: Option<String>,
    /// Firmware family.
    pub persona: Arc<Persona>,
    /// Seed of all choices; the same seed gives the same machines.
    pub seed: u64,
    /// How much faster than real time the machines' timers run.
    pub time_scale: f64,
    /// One-time password that every machine holds.
    pub otp: Option<String>,
    /// Machines that say no hello before an agent in their system has it begin.
    pub silent: bool,
    /// Whether AMT is switched on in the machines.
    pub amt_enabled: bool,
    /// Whether a machine's ports close to the network while that is none of its home networks.
    pub closes_outside: bool,
    /// What the machines' LME does wrong.
    pub lme: LmeDefects,
    /// Faults of every machine.
    pub faults: FaultPlan,
    /// Machines whose admin password was set before.
    pub admin_password: Option<Secret<String>>,
    /// Pairs of PID and PPS that machines wait for: the first for the first machine, and so on; one alone is shared by all.
    pub psk: Vec<PskPair>,
    /// Machines that are set up already, with [`admin_password`](Self::admin_password).
    pub set_up: Option<SetUp>,
    /// Machines whose audit log an auditor has locked.
    pub auditor: bool,
    /// A USB stick with `setup.bin`, which goes from machine to machine before power-on ([`usb`](crate::usb)).
    pub usb: Option<PathBuf>,
    /// Name that the operating system of every machine has told the firmware; empty: none.
    pub host_os_fqdn: String,
    /// What the directory says of users, `user@REALM`: their SIDs and those of their groups, binary.
    pub sids: Vec<(String, Vec<u8>)>,
    /// Record of another owner's setup, on every machine.
    pub earlier_setup: Option<SetupRecord>,
    /// Time from one machine's power-on to the next one's.
    pub spread: Duration,
    /// Truth is written here whenever it changes.
    pub state_file: Option<PathBuf>,
    /// Plain and TLS port.
    pub ports: (u16, u16),
    /// Plain and TLS port of redirection, open while the machine's listener is enabled.
    pub redirection_ports: (u16, u16),
    /// Where the control socket listens; absent: there is none.
    pub control: Option<SocketAddr>,
    /// Machines unlike the others, from the first on; those beyond their number are as the rest of this says.
    pub variants: Vec<Variant>,
}

impl SimConfig {
    /// `machines` factory-fresh machines from 127.1.0.1 on, without roots.
    pub fn new(machines: usize) -> Self {
        Self {
            machines,
            base_address: Ipv4Addr::new(127, 1, 0, 1),
            hello: None,
            roots: Vec::new(),
            root_certificates: Vec::new(),
            suffix: None,
            persona: Arc::new(Persona::default()),
            seed: 0,
            time_scale: 1.0,
            otp: None,
            silent: false,
            amt_enabled: true,
            closes_outside: false,
            lme: LmeDefects::default(),
            faults: FaultPlan::none(),
            admin_password: None,
            psk: Vec::new(),
            set_up: None,
            auditor: false,
            usb: None,
            host_os_fqdn: String::new(),
            sids: Vec::new(),
            earlier_setup: None,
            spread: Duration::ZERO,
            state_file: None,
            ports: (16_992, 16_993),
            redirection_ports: (PLAIN_PORT, TLS_PORT),
            control: None,
            variants: Vec::new(),
        }
    }
}

impl SimConfig {
    /// `machines` of all personas in turn, as [`Variant::mixed`] has them.
    pub fn mixed(machines: usize, pairs: &[PskPair]) -> Self {
        Self { variants: Variant::mixed(machines, pairs), ..Self::new(machines) }
    }
}

/// Identity and address of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineInfo {
    /// SMBIOS UUID.
    pub id: SystemId,
    /// Where it listens.
    pub address: Ipv4Addr,
}

struct Machine {
    id: SystemId,
    shared: Arc<Shared>,
    events: UnboundedSender<Event>,
}

/// Running machines. Dropping it, or [`stop`](Self::stop), takes them off the network.
pub struct Simulator {
    machines: Arc<Machines>,
    tasks: JoinSet<()>,
    state_file: Option<PathBuf>,
    control: Option<SocketAddr>,
}

/// All machines: what both the API and the control socket act on.
struct Machines(Vec<Machine>);

impl Machines {
    fn find(&self, id: SystemId) -> Option<&Machine> {
        self.0.iter().find(|m| m.id == id)
    }

    fn tell(&self, id: SystemId, event: Event) -> bool {
        self.find(id).is_some_and(|m| m.events.send(event).is_ok())
    }

    fn truths(&self) -> Vec<MachineTruth> {
        self.0.iter().map(Machine::truth).collect()
    }
}

impl Machine {
    fn truth(&self) -> MachineTruth {
        let now = self.shared.now();
        let mut truth = self.shared.firmware().truth(now);
        truth.address = self.shared.address().to_string();
        truth.tcp_connections = self.shared.wire.connections.load(Ordering::SeqCst);
        truth.tcp_bytes = self.shared.wire.bytes.load(Ordering::SeqCst);
        truth.hello_reply_bytes = self.shared.wire.hello_reply_bytes.load(Ordering::SeqCst);
        truth
    }
}

impl Simulator {
    /// Puts the machines on the network. The first hellos follow at once, `spread` apart; those with no spread before
    /// them listen when this returns.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for numbers out of range, `LISTEN` if an address cannot be used, `FILE_WRITE` if the state
    /// file or the stick cannot be written, `SETUP_BIN` if a BIOS would not take the stick.
    pub async fn start(config: SimConfig) -> Result<Self, Failure> {
        check(&config)?;
        raise_descriptor_limit(config.machines as u64 * DESCRIPTORS + 256);
        let started = Instant::now();
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let changed = Arc::new(AtomicBool::new(true));
        let places = Where {
            plain: config.ports.0,
            secure: config.ports.1,
            redirection: config.redirection_ports,
            hello: config.hello,
        };
        let mut tasks = JoinSet::new();
        let mut machines = Vec::with_capacity(config.machines);
        let (power, mut powered) = tokio::sync::mpsc::channel::<Infallible>(1);
        let mut ids = Seeded::new(config.seed, "machine");
        // One trial: whether such addresses and ports can be used here at all.
        let listen = |e: std::io::Error| {
            let what = format!("{}:{}: {e}", config.base_address, config.ports.1);
            Failure::new(ErrorCode::LISTEN, "sim", what)
        };
        drop(machine::bind(config.base_address, config.ports.1).map_err(listen)?);
        let mut stick = config.usb.as_deref().map(Stick::open).transpose()?;
        let mut variants = config.variants.iter().flat_map(|v| (0..v.machines).map(move |nth| (v, nth)));
        for index in 0..config.machines {
            let mut wire: [u8; 16] = ids.bytes();
            // A version 4 UUID in AMT's byte order.
            wire[7] = wire[7] & 0x0f | 0x40;
            wire[8] = wire[8] & 0x3f | 0x80;
            let seed = ids.number();
            let mut machine_config = MachineConfig {
                id: SystemId::from_wire(wire),
                persona: Arc::clone(&config.persona),
                roots: config.roots.clone(),
                own_roots: 0,
                suffix: config.suffix.clone(),
                own_suffix: false,
                otp: config.otp.clone(),
                seed,
                faults: config.faults.for_machine(seed),
                time_scale: config.time_scale,
                wall_clock: i64::try_from(unix).unwrap_or(0),
                admin_password: config.admin_password.clone(),
                mebx_password: None,
                host_os_fqdn: config.host_os_fqdn.clone(),
                sids: config.sids.clone(),
                host_agent: true,
                host_wifi: Vec::new(),
                earlier_setup: config.earlier_setup.clone(),
                host_name: String::new(),
                domain_name: String::new(),
                silent: config.silent,
                usb: None,
                address: Some(address(config.base_address, index)),
                link_up: true,
                closes_outside: config.closes_outside,
                amt_enabled: config.amt_enabled,
                zero_touch: true,
                lme: config.lme,
                psk: mix::pair_of(&config.psk, index),
                set_up: config.set_up,
                auditor: config.auditor,
            };
            let variant = variants.next();
            if let Some((variant, nth)) = variant {
                variant.apply(&mut machine_config, nth);
            }
            if variant.is_none_or(|(variant, _)| variant.roots.is_none()) {
                machine_config.roots.extend(listed(&machine_config.persona, &config.root_certificates));
            }
            let mut places = places;
            if let Some(stick) = &mut stick {
                places.hello = stick.plug_into(&mut machine_config)?.or(places.hello);
            }
            let persona = Arc::clone(&machine_config.persona);
            let address = address(config.base_address, index);
            let id = machine_config.id;
            let shared = Arc::new(Shared::new(
                Firmware::new(machine_config),
                persona,
                address,
                started,
                config.time_scale,
                Arc::clone(&changed),
            ));
            let (events, incoming) = machine::channel();
            let after = config.spread.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX));
            let power = machine::PowerOn { after, awaited: after.is_zero().then(|| power.clone()) };
            tasks.spawn(machine::run(Arc::clone(&shared), places, power, events.clone(), incoming));
            machines.push(Machine { id, shared, events });
            if index % 32 == 31 {
                // Certificates of thousands of machines take a while: let those that are ready begin.
                tokio::task::yield_now().await;
            }
        }
        let machines = Arc::new(Machines(machines));
        if let Some(path) = config.state_file.clone() {
            state_file::write(&path, &machines.truths())?;
            let machines = Arc::clone(&machines);
            tasks.spawn(async move { state_file::keep(path, changed, || machines.truths()).await });
        }
        let mut control = None;
        if let Some(address) = config.control {
            let failed = |e: std::io::Error| Failure::new(ErrorCode::LISTEN, "sim", format!("control {address}: {e}"));
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            control = listener.local_addr().ok();
            tasks.spawn(control::serve(listener, Arc::clone(&machines)));
        }
        drop(power);
        // Nothing is ever sent: it ends when the last machine that is powered on now has let go of its sender.
        let _ = powered.recv().await;
        Ok(Self { machines, tasks, state_file: config.state_file, control })
    }

    /// Identities and addresses.
    pub fn machines(&self) -> Vec<MachineInfo> {
        self.machines.0.iter().map(|m| MachineInfo { id: m.id, address: m.shared.address() }).collect()
    }

    /// The management engine interface of a machine: what a program in its operating system opens.
    pub fn mei(&self, id: SystemId) -> Option<MeiDevice> {
        self.machines.find(id).map(|m| MeiDevice::new(Arc::clone(&m.shared), m.events.clone()))
    }

    /// Where the control socket listens.
    pub fn control(&self) -> Option<SocketAddr> {
        self.control
    }

    /// The firmware's own truth about a machine.
    pub fn truth(&self, id: SystemId) -> Option<MachineTruth> {
        self.machines.find(id).map(Machine::truth)
    }

    /// The truth about all.
    pub fn truths(&self) -> Vec<MachineTruth> {
        self.machines.truths()
    }

    /// Whether this is the machine's admin password now.
    pub fn check_admin_password(&self, id: SystemId, password: &str) -> bool {
        self.machines.find(id).is_some_and(|m| m.shared.firmware().check_admin_password(password))
    }

    /// Whether this is the password of the machine's setup menu now.
    pub fn check_mebx_password(&self, id: SystemId, password: &str) -> bool {
        self.machines.find(id).is_some_and(|m| m.shared.firmware().check_mebx_password(password))
    }

    /// Whether this is the pre-shared pair that the machine holds now.
    pub fn check_psk(&self, id: SystemId, pair: &PskPair) -> bool {
        self.machines.find(id).is_some_and(|m| m.shared.firmware().check_psk(pair))
    }

    /// Root hashes in a machine's list.
    pub fn trusted_roots(&self, id: SystemId) -> Option<Vec<RootHash>> {
        self.machines.find(id).map(|m| m.shared.firmware().trusted_roots().to_vec())
    }

    /// Has a machine say hello now, if its window is open. False for an unknown machine.
    pub fn say_hello(&self, id: SystemId) -> bool {
        self.machines.tell(id, Event::SayHello)
    }

    /// Opens a machine's setup window again, as a local agent does.
    pub fn rearm(&self, id: SystemId, otp: Option<String>) -> bool {
        self.machines.tell(id, Event::Rearm { otp })
    }

    /// Tells a machine's firmware the name of its operating system, as an agent there does. Empty: no name any more.
    pub fn set_os_name(&self, id: SystemId, name: &str) -> bool {
        self.machines.tell(id, Event::OsName { name: name.to_owned() })
    }

    /// Has somebody outside of the simulation take a session of redirection, or give it back.
    pub fn take_session(&self, id: SystemId, kind: SessionKind, taken: bool) -> bool {
        self.machines.tell(id, Event::Session { kind, taken })
    }

    /// Takes power from a machine and gives it back.
    pub fn power_cycle(&self, id: SystemId) -> bool {
        self.machines.tell(id, Event::Power)
    }

    /// Adds a fault to a machine's plan.
    pub fn add_fault(&self, id: SystemId, fault: Fault) -> bool {
        self.machines.tell(id, Event::Fault(fault))
    }

    /// Takes the machines off the network and writes the state file a last time.
    ///
    /// # Errors
    /// `FILE_WRITE` if the state file cannot be written.
    pub async fn stop(mut self) -> Result<(), Failure> {
        self.tasks.shutdown().await;
        match &self.state_file {
            Some(path) => state_file::write(path, &self.machines.truths()),
            None => Ok(()),
        }
    }
}

fn check(config: &SimConfig) -> Result<(), Failure> {
    let bad = |what: String| Err(Failure::new(ErrorCode::INVALID_ARGUMENT, "sim", what));
    if config.machines == 0 || config.machines > MAX_MACHINES {
        return bad(format!("machines must be 1 to {MAX_MACHINES}"));
    }
    if !(config.time_scale.is_finite() && config.time_scale > 0.0 && config.time_scale <= 100_000.0) {
        return bad("time scale must be above 0 and at most 100000".to_owned());
    }
    let last = address(config.base_address, config.machines - 1);
    if !config.base_address.is_loopback() || !last.is_loopback() {
        return bad(format!("{} to {last} are not all loopback addresses", config.base_address));
    }
    tls::check(&config.persona)?;
    if !config.psk.is_empty() && config.persona.tls.psk_suites.0.is_empty() {
        let what = format!("persona {} offers no suites of pre-shared keys", config.persona.name);
        return Err(Failure::new(ErrorCode::PSK_UNSUPPORTED, "sim", what));
    }
    for variant in &config.variants {
        variant.check(config)?;
        variant.persona.as_deref().map_or(Ok(()), tls::check)?;
    }
    let varied: usize = config.variants.iter().map(|v| v.machines).fold(0, usize::saturating_add);
    if varied > config.machines {
        return bad(format!("the mix describes {varied} machines, and there are {}", config.machines));
    }
    let range = u32::from(config.base_address)..=u32::from(last);
    if range.contains(&u32::from(Ipv4Addr::LOCALHOST)) {
        return bad("127.0.0.1 is left to the local management service".to_owned());
    }
    Ok(())
}

/// What a firmware lists of these root certificates.
fn listed(persona: &Persona, roots: &[Vec<u8>]) -> Vec<RootHash> {
    let rules = &persona.chain;
    let advised = |der: &Vec<u8>| chain::rsa_bits(der).is_some_and(|bits| bits >= rules.advised_rsa_bits);
    let any = !roots.iter().any(advised);
    roots.iter().filter(|der| any || advised(der)).map(|der| RootHash::of(rules.root_hash, der)).collect()
}

/// The address `index` steps from `base`; x.x.x.0 and x.x.x.255 are used like any other: they are loopback.
fn address(base: Ipv4Addr, index: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(base).saturating_add(u32::try_from(index).unwrap_or(u32::MAX)))
}

#[cfg(unix)]
fn raise_descriptor_limit(wanted: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        let current = limit.maximum.map_or(wanted, |maximum| wanted.min(maximum));
        // Where it cannot be raised, the machines that find no descriptor say so when they listen.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: limit.maximum });
    }
}

#[cfg(not(unix))]
fn raise_descriptor_limit(_: u64) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{ProvisioningChain, Strength};

    #[test]
    fn a_firmware_lists_the_roots_that_it_is_meant_for_in_its_own_hash() {
        let root = |strength| ProvisioningChain::of(strength, "example.com").root().to_vec();
        let [usual, large] = [Strength::Rsa2048, Strength::Rsa3072].map(root);
        let both = [usual.clone(), large.clone()];
        let of = |name: &str, roots: &[Vec<u8>]| listed(&Persona::built_in(name).unwrap(), roots);
        assert_eq!(of("5.0", &both), [RootHash::sha1(&usual), RootHash::sha1(&large)]);
        assert_eq!(of("16.0", &both), [RootHash::sha256(&usual), RootHash::sha256(&large)]);
        assert_eq!(of("22.0", &both), [RootHash::sha384(&large)]);
        assert_eq!(of("22.0", &both[..1]), [RootHash::sha384(&usual)], "better than none");
    }

    #[cfg(not(feature = "legacy-tls"))]
    #[tokio::test]
    async fn without_openssl_a_persona_that_needs_it_is_refused_by_name() {
        let mut config = SimConfig::new(1);
        config.base_address = Ipv4Addr::new(127, 62, 30, 1);
        config.persona = Persona::built_in("7.1").unwrap().into();
        let error = Simulator::start(config).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::TLS_LEGACY_MISSING);
        assert!(error.message.contains("amt-7.1"), "{error}");
        let error = Simulator::start(SimConfig::mixed(1, &[])).await.err().unwrap();
        assert!(error.message.contains("amt-3.2"), "{error}");
    }

    #[tokio::test]
    async fn numbers_out_of_range_are_refused() {
        let with = |change: fn(&mut SimConfig)| {
            let mut config = SimConfig::new(2);
            change(&mut config);
            config
        };
        for config in [
            with(|c| c.machines = 0),
            with(|c| c.machines = MAX_MACHINES + 1),
            with(|c| c.time_scale = 0.0),
            with(|c| c.time_scale = f64::NAN),
            with(|c| c.base_address = Ipv4Addr::new(10, 0, 0, 1)),
            with(|c| c.base_address = Ipv4Addr::LOCALHOST),
            with(|c| c.base_address = Ipv4Addr::new(127, 0, 0, 0)),
        ] {
            let error = Simulator::start(config).await.err().unwrap();
            assert_eq!(error.code, ErrorCode::INVALID_ARGUMENT);
        }
    }
}
