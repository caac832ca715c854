//! Virtual AMT firmware, sans-IO: connections and time in; hellos, replies and port changes out.
//!
//! [`Firmware`] is one machine. It has no socket and no clock: [`handle`](Firmware::handle) takes one [`Input`] at a
//! [`Tick`], then [`poll`](Firmware::poll) is drained; [`deadline`](Firmware::deadline) says when `Input::Timeout` is
//! due. TLS is outside: [`tls`](Firmware::tls) says what to serve and whom to ask for a certificate, and
//! `Input::Accepted` brings the chain that came (`spec/hello-tls.md` §1–2, `spec/wsman.md` §1–4).

mod audit_policy;
mod class;
mod connection;
mod device;
mod eap;
mod enumeration;
mod host;
mod io;
pub(crate) mod kerberos;
mod local;
mod logs;
mod mei;
mod realm;
mod record;
mod redirection;
mod remote_access;
mod settings;
mod soap;
mod truth;
mod wireless;
mod wsman;

pub use device::Phase;
pub use device::SetUp;
pub use host::{MAX_BOOTS, TrueBoot};
pub use io::{ClientAuth, ConnectionId, Ending, Input, Output, Port, TlsServing, TlsSession};
pub use mei::{ChannelId, MeiGone, MeiHandle, MeiRefusal};
pub use record::SetupRecord;
pub use truth::{MachineTruth, Password, Refused, TrueCertificate, TrueKey, TrueTls};

use crate::chain::{ChainFault, RootHash};
use crate::digest::{Gate, ha1};
use crate::fault::{Direction, FaultKind, FaultPlan, Message, damage, lengthen};
use crate::persona::{Persona, PlainPort, Setup13};
use crate::seed::Seeded;
use crate::usb::UsbOutcome;
use amt_core::psk::PskPair;
use amt_core::version::TlsVersion;
use amt_core::{Secret, SystemId, Tick};
pub(crate) use class::is_strong as is_strong_password;
use connection::Connection;
use device::{Device, Effect};
use redirection::Console;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// How many refusals and requests the audit remembers; the counters go on.
pub const MAX_AUDIT: usize = 128;

/// What makes a machine the one it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MachineConfig {
    /// SMBIOS UUID.
    pub id: SystemId,
    /// Firmware family.
    pub persona: Arc<Persona>,
    /// Active root hashes.
    pub roots: Vec<RootHash>,
    /// How many of them, the last ones, are the owner's own and not the maker's.
    pub own_roots: usize,
    /// DNS suffix: of the setup menu, or DHCP option 15.
    pub suffix: Option<String>,
    /// Whether the suffix was put into the machine, and is not what its network says.
    pub own_suffix: bool,
    /// Planted by a local agent; readable only while in provisioning.
    pub otp: Option<String>,
    /// Seed of every choice.
    pub seed: u64,
    /// What goes wrong on purpose.
    pub faults: FaultPlan,
    /// How much faster the machine's timers run than real time; its clock does not.
    pub time_scale: f64,
    /// Seconds since 1970 at tick 0.
    pub wall_clock: i64,
    /// A machine whose admin password was set before.
    pub admin_password: Option<Secret<String>>,
    /// A machine whose setup menu password was set before.
    pub mebx_password: Option<Secret<String>>,
    /// Name that the operating system has told the firmware; empty: there is none, or it did not.
    pub host_os_fqdn: String,
    /// What the directory says of users, `user@REALM`: their SIDs and those of their groups, binary. Real tickets carry
    /// them in a PAC, which is not read here: private domain controllers issue none with SIDs.
    pub sids: Vec<(String, Vec<u8>)>,
    /// Whether an agent in the operating system carries out graceful power changes.
    pub host_agent: bool,
    /// Wireless networks that the operating system knows and shares, where the firmware is told to take them over.
    pub host_wifi: Vec<String>,
    /// Record of another owner's setup.
    pub earlier_setup: Option<SetupRecord>,
    /// Host name that was typed in, or came by USB stick.
    pub host_name: String,
    /// Domain likewise.
    pub domain_name: String,
    /// A machine that does not open its window by itself: an agent in its system has to.
    pub silent: bool,
    /// What became of a USB stick.
    pub usb: Option<UsbOutcome>,
    /// Address of its wired interface, as it tells its own system.
    pub address: Option<Ipv4Addr>,
    /// Whether the wired interface has a link.
    pub link_up: bool,
    /// Whether its ports close to the network while it is not in one of its home networks.
    pub closes_outside: bool,
    /// Whether AMT is switched on.
    pub amt_enabled: bool,
    /// Whether remote configuration is switched on.
    pub zero_touch: bool,
    /// What this machine's LME does wrong.
    pub lme: LmeDefects,
    /// A machine that waits for this pre-shared key: its hello is of type 2, and it judges no certificates.
    pub psk: Option<PskPair>,
    /// A machine that is set up already, with TLS and the certificate it was made with; its clock is right.
    pub set_up: Option<SetUp>,
    /// Whether an auditor has locked the audit log. Before AMT 12.0 nobody takes back its setup then.
    pub auditor: bool,
}

impl MachineConfig {
    /// A factory-fresh AMT 16.0 that trusts no root and knows no suffix yet.
    pub fn new(id: SystemId) -> Self {
        Self {
            id,
            persona: Arc::new(Persona::default()),
            roots: Vec::new(),
            own_roots: 0,
            suffix: None,
            own_suffix: false,
            otp: None,
            seed: 0,
            faults: FaultPlan::none(),
            time_scale: 1.0,
            wall_clock: 1_767_225_600,
            admin_password: None,
            mebx_password: None,
            host_os_fqdn: String::new(),
            sids: Vec::new(),
            host_agent: true,
            host_wifi: Vec::new(),
            earlier_setup: None,
            host_name: String::new(),
            domain_name: String::new(),
            silent: false,
            usb: None,
            address: None,
            link_up: true,
            closes_outside: false,
            amt_enabled: true,
            zero_touch: true,
            lme: LmeDefects::default(),
            psk: None,
            set_up: None,
            auditor: false,
        }
    }
}

/// Defects of LME that have been seen in the field (`spec/heci.md` §5.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LmeDefects {
    /// Says its version again after the forwards, and the forwards again after that.
    pub replays_version: bool,
    /// Begins a session with a CLOSE of channel 0, left over from the one before.
    pub stale_close: bool,
    /// Never lets the host send more than the first window.
    pub never_credits: bool,
    /// Refuses this many channels with "no channel is left" before it opens one.
    pub refused_channels: u32,
}

#[derive(Debug, Default)]
struct Audit {
    requests: BTreeMap<String, u64>,
    writes: u64,
    total: u64,
    log: VecDeque<String>,
    refusals: VecDeque<Refused>,
    refused: u64,
    hellos: u64,
    connections: u64,
    handshakes_refused: u64,
}

/// One virtual machine.
#[derive(Debug)]
pub struct Firmware {
    device: Device,
    gate: Gate,
    tickets_seen: crate::ticket::Seen,
    faults: FaultPlan,
    damage: Seeded,
    chunks: Seeded,
    connections: BTreeMap<ConnectionId, Connection>,
    consoles: BTreeMap<ConnectionId, Console>,
    acl_epoch: u64,
    enumerations: enumeration::Enumerations,
    replies: u32,
    audit: Audit,
    outputs: VecDeque<Output>,
    later: BTreeMap<(Tick, u64), Output>,
    later_number: u64,
    powered: bool,
    restart_until: Option<Tick>,
    next_hello: Option<Tick>,
    hellos_since_power: u32,
    listening: (bool, bool),
    /// Address that was told last.
    at: Option<Ipv4Addr>,
    redirecting: (bool, bool),
    session: Option<(ConnectionId, TlsSession)>,
    mei: mei::Mei,
}

impl Firmware {
    /// A machine without power yet.
    pub fn new(config: MachineConfig) -> Self {
        let seed = config.seed;
        Self {
            gate: Gate::new(seed),
            tickets_seen: crate::ticket::Seen::default(),
            faults: config.faults.clone(),
            damage: Seeded::new(seed, "damage"),
            chunks: Seeded::new(seed, "chunk"),
            connections: BTreeMap::new(),
            consoles: BTreeMap::new(),
            acl_epoch: 0,
            enumerations: enumeration::Enumerations::default(),
            replies: 0,
            audit: Audit::default(),
            outputs: VecDeque::new(),
            later: BTreeMap::new(),
            later_number: 0,
            powered: false,
            restart_until: None,
            next_hello: None,
            hellos_since_power: 0,
            listening: (false, false),
            at: config.address,
            redirecting: (false, false),
            session: None,
            mei: mei::Mei::default(),
            device: Device::new(config),
        }
    }

    /// Identity.
    pub fn id(&self) -> SystemId {
        self.device.config.id
    }

    /// Its firmware family.
    pub fn persona(&self) -> &Arc<Persona> {
        &self.device.config.persona
    }

    /// Provisioning state.
    pub fn phase(&self) -> Phase {
        self.device.phase
    }

    /// Digest realm of this moment.
    pub fn realm(&self) -> &str {
        &self.device.realm
    }

    /// Root hashes in its list.
    pub fn trusted_roots(&self) -> &[RootHash] {
        self.device.roots()
    }

    /// Whether this is the admin password now.
    pub fn check_admin_password(&self, password: &str) -> bool {
        self.device.admin.ha1 == ha1("admin", &self.device.realm, password)
    }

    /// Whether this is the setup menu's password now.
    pub fn check_mebx_password(&self, password: &str) -> bool {
        self.device.mebx.ha1 == ha1("admin", &self.device.realm, password)
    }

    /// Whether this is the pre-shared pair that it holds now.
    pub fn check_psk(&self, pair: &PskPair) -> bool {
        self.device.psk.as_ref() == Some(pair)
    }

    /// What the TLS server serves now.
    pub fn tls(&self, now: Tick) -> TlsServing {
        let (certificate, key) = self.device.served();
        let client = if self.device.phase != Phase::Post {
            match &self.device.psk {
                Some(pair) => ClientAuth::Psk(pair.clone()),
                None => ClientAuth::Provisioning(self.device.chain_rules(now)),
            }
        } else if self.device.active.remote.mutual {
            let roots = self.device.certificates.iter().filter(|c| c.trusted_root).map(|c| c.der.clone()).collect();
            ClientAuth::Mutual { roots, trusted_names: self.device.active.remote.trusted_names.clone() }
        } else {
            ClientAuth::None
        };
        TlsServing { certificate, issuers: Vec::new(), key, client }
    }

    /// Records a handshake that failed for another reason than a chain: no common suite, a wrong pre-shared key.
    pub fn record_refused_handshake(&mut self, now: Tick, why: &str) {
        self.audit.handshakes_refused += 1;
        self.refuse(now, "tls", why.to_owned());
    }

    /// Records what the handshake of a connection brought; told before `Input::Accepted`.
    pub fn record_session(&mut self, connection: ConnectionId, session: TlsSession) {
        self.session = Some((connection, session));
    }

    /// Asks the fault plan about a TLS handshake, before (`In`) or in the middle of it (`Out`).
    pub fn handshake_fault(&mut self, direction: Direction) -> Option<FaultKind> {
        self.faults.strike(Message::Handshake, direction)
    }

    /// Adds a fault to the plan.
    pub fn add_fault(&mut self, fault: crate::fault::Fault) {
        self.faults.add(fault);
    }

    /// Replaces the plan.
    pub fn set_faults(&mut self, faults: FaultPlan) {
        self.faults = faults;
    }

    /// Records that the TLS layer turned a client away.
    pub fn record_refused_chain(&mut self, now: Tick, faults: &[ChainFault]) {
        self.audit.handshakes_refused += 1;
        let why: Vec<String> = faults.iter().map(ToString::to_string).collect();
        self.refuse(now, "tls", why.join("; "));
    }

    fn refuse(&mut self, now: Tick, what: &str, reason: String) {
        self.audit.refused += 1;
        if self.audit.refusals.len() == MAX_AUDIT {
            self.audit.refusals.pop_front();
        }
        self.audit.refusals.push_back(Refused { at: now.0, what: what.to_owned(), reason });
    }

    /// Applies one input; drain [`poll`](Self::poll) before the next.
    pub fn handle(&mut self, now: Tick, input: Input<'_>) {
        match input {
            Input::Power => self.power(now),
            Input::Accepted { connection, port, peer, chain } => self.accept(now, connection, port, peer, chain),
            Input::Bytes { connection, bytes } => {
                if !self.console_bytes(now, connection, bytes) {
                    self.receive(now, connection, bytes);
                }
            }
            Input::Closed { connection } => {
                self.connections.remove(&connection);
                self.forget_console(connection);
            }
            Input::AcceptedLocally { connection, port, chain } => self.accept_locally(now, connection, port, chain),
            Input::Mei { handle, message } => self.mei_message(now, handle, message),
            Input::MeiClosed { handle } => self.mei_close(handle),
            Input::ChannelBytes { channel, bytes } => self.channel_bytes(now, channel, bytes),
            Input::ChannelClosed { channel } => self.channel_closed(now, channel),
            Input::Timeout => {}
            Input::SayHello if self.device.window_open(now) => self.say_hello(now),
            Input::SayHello => {}
            Input::Rearm { otp } => self.rearm(now, otp),
            Input::OsName { name } => self.device.general.host_os_fqdn = name,
            Input::Session { kind, taken } => self.take_session(kind, taken),
        }
        self.run_timers(now);
        self.mind_redirection(now);
    }

    /// The next thing the machine does.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When `Input::Timeout` is due.
    pub fn deadline(&self) -> Option<Tick> {
        let window = self.device.window_end.filter(|_| self.device.phase != Phase::Post);
        let hello = self.next_hello;
        let later = self.later.keys().next().map(|(at, _)| *at);
        let outside = self.device.remote_access.closes_at.filter(|_| !self.device.remote_access.closed);
        [window, hello, later, self.restart_until, self.device.host.boots_at(), outside].into_iter().flatten().min()
    }

    fn power(&mut self, now: Tick) {
        let first = !std::mem::replace(&mut self.powered, true);
        self.drop_connections(Ending::Reset);
        self.later.clear();
        self.restart_until = None;
        if first {
            let hours = self.device.config.persona.window.hours;
            if hours > 0 && !self.device.config.silent && self.device.phase != Phase::Post {
                self.device.open_window(now, hours);
            }
        } else {
            self.device.fall_back();
            let persona = &self.device.config.persona;
            if persona.psk.power_reopens
                && self.device.psk.is_some()
                && !self.device.config.silent
                && self.device.phase != Phase::Post
            {
                let hours = persona.window.rearm_hours;
                self.device.open_window(now, hours);
            }
            if self.device.host.is_on() {
                let post = Duration::from_secs(self.device.config.persona.power.boot_seconds);
                self.device.host.start(now, post);
            }
        }
        self.start_hellos(now);
        self.listen(now);
    }

    fn rearm(&mut self, now: Tick, otp: Option<String>) {
        if self.device.phase == Phase::Post {
            return;
        }
        self.device.otp = otp;
        self.reopen(now);
    }

    /// An agent opens the window.
    fn reopen(&mut self, now: Tick) {
        let hours = self.device.config.persona.window.rearm_hours;
        self.device.open_window(now, hours);
        self.start_hellos(now);
        self.listen(now);
    }

    fn start_hellos(&mut self, now: Tick) {
        self.hellos_since_power = 0;
        self.next_hello = self.device.window_open(now).then_some(now);
    }

    fn run_timers(&mut self, now: Tick) {
        if self.device.host.boot(now) {
            self.device.log_boot(now);
        }
        while let Some(entry) = self.later.first_entry()
            && entry.key().0 <= now
        {
            self.outputs.push_back(entry.remove());
        }
        if self.restart_until.is_some_and(|until| until <= now) {
            self.restart_until = None;
            self.start_hellos(now);
            self.listen(now);
        }
        if self.device.phase != Phase::Post && self.device.window_end.is_some_and(|end| end <= now) {
            self.close_window(now);
        }
        if self.next_hello.is_some_and(|at| at <= now) {
            self.say_hello(now);
        }
        self.mind_the_network(now);
    }

    fn close_window(&mut self, now: Tick) {
        self.device.window_end = None;
        self.device.fall_back();
        self.next_hello = None;
        self.drop_connections(Ending::Close);
        self.listen(now);
    }

    /// One hello, and the time of the next one.
    fn say_hello(&mut self, now: Tick) {
        let mut bytes = self.hello_bytes();
        self.hellos_since_power = self.hellos_since_power.saturating_add(1);
        let gap = self.device.config.persona.hello_gap(self.device.psk.is_some(), self.hellos_since_power);
        self.next_hello = gap.map(|gap| now.after(gap));
        self.audit.hellos += 1;
        let mut ending = Ending::Close;
        let mut delay = Duration::ZERO;
        match self.faults.strike(Message::Hello, Direction::Out) {
            Some(FaultKind::Delay(by)) => delay = by,
            Some(FaultKind::Reset) => {
                bytes.clear();
                ending = Ending::Reset;
            }
            Some(FaultKind::Oversize) => lengthen(&mut bytes),
            Some(FaultKind::Truncate) => bytes.truncate(bytes.len() / 2),
            Some(FaultKind::Stall) => {
                bytes.truncate(bytes.len() / 2);
                ending = Ending::Stay;
            }
            Some(FaultKind::Garbage) => damage(&mut bytes, &mut self.damage),
            Some(FaultKind::Status(_) | FaultKind::Busy) | None => {}
        }
        self.put_out(now, delay, Output::Hello { bytes, ending });
    }

    /// The hello of this moment (`spec/hello-tls.md` §1.2): type 2 with a pre-shared key, else type 3.
    fn hello_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&u16::from(!self.device.admin.is_factory).to_le_bytes());
        let kind: u16 = if self.device.psk.is_some() { 2 } else { 3 };
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&self.hellos_since_power.to_le_bytes());
        out.extend_from_slice(&self.device.config.id.to_wire());
        if let Some(pair) = &self.device.psk {
            out.extend_from_slice(&pair.pid.0);
            return out;
        }
        let roots = &self.device.roots()[..self.device.roots().len().min(255)];
        out.push(u8::try_from(roots.len()).unwrap_or(u8::MAX));
        for root in roots {
            out.push(root.algorithm);
            out.push(u8::try_from(root.digest.len()).unwrap_or(0));
            out.extend_from_slice(&root.digest);
        }
        out
    }

    /// Emits now, or `delay` of real time later.
    fn put_out(&mut self, now: Tick, delay: Duration, output: Output) {
        if delay.is_zero() && self.later.is_empty() {
            self.outputs.push_back(output);
            return;
        }
        // Whatever follows a delayed message on its connection waits behind it.
        let due = now.after(delay.mul_f64(self.device.config.time_scale));
        let behind = self.later.iter().filter(|(_, o)| same_connection(o, &output)).map(|((at, _), _)| *at).max();
        let due = behind.map_or(due, |at| at.max(due));
        if due <= now {
            self.outputs.push_back(output);
            return;
        }
        self.later_number += 1;
        self.later.insert((due, self.later_number), output);
    }

    fn drop_connections(&mut self, ending: Ending) {
        for connection in std::mem::take(&mut self.connections).into_keys() {
            self.outputs.push_back(Output::Close { connection, ending });
        }
        self.drop_consoles(ending);
        self.enumerations.clear();
    }

    /// Which ports are open at this moment, told when it changes.
    fn listen(&mut self, now: Tick) {
        let ports = self.ports(now);
        if ports != self.listening {
            self.listening = ports;
            self.outputs.push_back(Output::Listen { plain: ports.0, secure: ports.1 });
        }
    }

    fn ports(&self, now: Tick) -> (bool, bool) {
        if !self.powered || self.restart_until.is_some() || self.device.remote_access.closed {
            return (false, false);
        }
        if self.device.phase != Phase::Post {
            return (false, self.device.window_open(now));
        }
        let remote = &self.device.active.remote;
        let plain = match self.device.config.persona.network.plain_port {
            PlainPort::Configured => !remote.enabled || remote.accept_non_secure,
            PlainPort::Removed => false,
        };
        (plain, remote.enabled)
    }

    fn accept(&mut self, now: Tick, id: ConnectionId, port: Port, peer: Option<IpAddr>, chain: Vec<Vec<u8>>) {
        let (plain, secure) = if port.is_redirection() { self.redirection_ports(now) } else { self.ports(now) };
        if !(if port.is_secure() { secure } else { plain }) {
            self.outputs.push_back(Output::Close { connection: id, ending: Ending::Reset });
            return;
        }
        self.audit.connections += 1;
        if port.is_secure() {
            let faults = self.tls(now).client.judge(&chain);
            if !faults.is_empty() {
                self.record_refused_chain(now, &faults);
                self.outputs.push_back(Output::Close { connection: id, ending: Ending::Close });
                return;
            }
            if self.device.phase == Phase::Pre {
                self.device.phase = Phase::In;
                self.device.log_provisioning(now, peer);
            }
            if self.device.phase == Phase::In {
                self.device.accepted = chain;
            }
        }
        if port.is_redirection() {
            return self.accept_console(id);
        }
        let mut connection = Connection::new(port, peer);
        if let Some((_, session)) = self.session.as_ref().filter(|(of, _)| *of == id) {
            connection.drops_first = self.device.phase != Phase::Post
                && session.version >= TlsVersion::V1_3
                && self.device.config.persona.tls.setup13 == Setup13::Drops;
        }
        self.connections.insert(id, connection);
    }

    /// What follows a reply.
    fn apply_effects(&mut self, now: Tick, peer: Option<IpAddr>) {
        for effect in std::mem::take(&mut self.device.effects) {
            match effect {
                Effect::AclChanged => {
                    self.acl_epoch += 1;
                    self.gate.retire_nonces();
                }
                Effect::Committed => {
                    if self.device.phase != Phase::Post {
                        self.device.erase_used_psk();
                        self.device.local.secure = None;
                        self.device.phase = Phase::Post;
                        self.device.control_mode = 2;
                        // The record is of a chain; a pre-shared key leaves none.
                        if !self.device.accepted.is_empty() {
                            self.device.record = Some(SetupRecord::of(&self.device, now, peer));
                        }
                    }
                    self.device.active = self.device.staged.clone();
                    self.restart(now);
                }
                // What the machine's own user set up does not wait for a setup server afterwards.
                Effect::Unprovisioned if self.device.control_mode == 1 => {
                    self.device.unprovision();
                    self.gate.retire_nonces();
                    self.restart(now);
                }
                Effect::Unprovisioned => {
                    self.device.unprovision();
                    let hours = self.device.config.persona.window.rearm_hours;
                    self.device.open_window(now, hours);
                    self.gate.retire_nonces();
                    self.restart(now);
                }
                Effect::PartlyUnprovisioned => {
                    self.device.unprovision_partly();
                    let hours = self.device.config.persona.window.rearm_hours;
                    self.device.open_window(now, hours);
                    self.restart(now);
                }
                Effect::SetUpByHost => {
                    self.acl_epoch += 1;
                    self.device.window_end = None;
                    self.next_hello = None;
                    self.gate.retire_nonces();
                    if self.device.control_mode == 2 && !self.device.accepted.is_empty() {
                        self.device.record = Some(SetupRecord::of(&self.device, now, peer));
                    }
                    self.listen(now);
                }
                Effect::WindowClosed => self.close_window(now),
            }
        }
        self.settle_address(now);
    }

    /// An address that changed: the network restarts with it.
    fn settle_address(&mut self, now: Tick) {
        let Some(address) = self.device.address().filter(|address| self.at != Some(*address)) else { return };
        self.at = Some(address);
        self.restart(now);
        self.outputs.push_back(Output::Moved { address });
    }

    fn restart(&mut self, now: Tick) {
        self.drop_connections(Ending::Close);
        self.acl_epoch += 1;
        self.next_hello = None;
        self.restart_until = Some(now.after(Duration::from_secs(self.device.config.persona.network.restart_seconds)));
        self.listen(now);
    }
}

fn same_connection(one: &Output, other: &Output) -> bool {
    let number = |output: &Output| match output {
        Output::Transmit { connection, .. } | Output::Close { connection, .. } => Some((0, *connection)),
        Output::Mei { handle, .. } => Some((1, *handle)),
        _ => None,
    };
    number(one).is_some() && number(one) == number(other)
}
