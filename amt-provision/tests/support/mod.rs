//! A procedure and a virtual machine joined in memory, with virtual time: thousands of runs in seconds.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

pub(crate) mod clock;
pub mod profile;

use amt_core::psk::PskPair;
use amt_core::tls::{PeerIdentity, Rung, TlsOutcome, TlsPlan};
use amt_core::version::TlsVersion;
use amt_core::{DeviceStatus, ErrorCode, Failure, Secret, SystemId, Tick};
use amt_provision::apply::{Applied, Apply, ApplyRecord};
use amt_provision::boot::{Boot, BootRecord, BootSource, Booted};
use amt_provision::facts::Facts;
use amt_provision::machine::{Input, Machine, Output};
use amt_provision::profile::Desired;
use amt_provision::remote::{Candidate, Outcome, Remote};
use amt_provision::rename::{Rename, RenameRecord, Renamed};
use amt_provision::renew::{Due, Renew, RenewRecord, Renewed};
use amt_provision::{
    Access, CaAnswer, CertificateRequest, Event, KeyAnswer, KeyRequest, MachineFacts, Plan, Record, Replacement, Stage,
    Step,
};
use amt_sim::authority::ProvisioningChain;
use amt_sim::chain::RootHash;
use amt_sim::fault::{Direction, Fault, FaultKind, Place};
use amt_sim::firmware::{
    ClientAuth, Ending, Firmware, Input as FirmwareInput, MachineConfig, MachineTruth, Output as FirmwareOutput, Port,
};
use amt_wsman::client::{self, Client, ClientConfig, Credentials};
use amt_wsman::op::{Reply, Request};
use sha2::Digest as _;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

pub const SUFFIX: &str = "example.com";

/// The provisioning certificate of every world: made once, signing takes long.
pub fn chain() -> &'static ProvisioningChain {
    static CHAIN: LazyLock<ProvisioningChain> = LazyLock::new(|| ProvisioningChain::new(SUFFIX));
    &CHAIN
}

/// Where the machine is in the beginning.
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// The setup server's side of the world: disk, certificates, authority.
pub struct Server {
    pub chains: Vec<Vec<Vec<u8>>>,
    pub disk: Option<Vec<u8>>,
    /// The record of the boot, on disk too.
    pub boot_disk: Option<Vec<u8>>,
    /// The record of the rename.
    pub rename_disk: Option<Vec<u8>>,
    /// The record of the renewal.
    pub renew_disk: Option<Vec<u8>>,
    /// The record of the profile.
    pub apply_disk: Option<Vec<u8>>,
    /// The disk is full: nothing more is made durable.
    pub disk_is_full: bool,
    pub plan: Plan,
    pub ca: Ca,
    pub seed: u8,
    /// Pre-shared pairs, for machines that wait for one.
    pub vault: Vec<PskPair>,
}

/// What the authority says, question by question; then it issues.
#[derive(Default)]
pub struct Ca {
    pub answers: VecDeque<CaAnswer>,
    pub asked: Vec<CertificateRequest>,
    /// What it names above its certificates, in the place of its root.
    pub chain: Option<Vec<Vec<u8>>>,
    /// Key pairs made outside of machines.
    pub keys_made: usize,
    /// Days before and after 2026-01-01 between which what it issues is good; without, for ages.
    pub days: Option<(u32, u32)>,
}

/// Where to stop the server, as if the power had gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// Which output of the procedure, counted from 0.
    pub output: usize,
    /// Before it is carried out, or right after.
    pub after: bool,
}

/// How one attempt ended.
#[derive(Debug)]
pub struct Attempt<T = Outcome> {
    /// Nothing if the server crashed.
    pub result: Option<Result<T, Failure>>,
    pub events: Vec<Event>,
    pub outputs: usize,
    /// Times at which a login was refused.
    pub refusals: Vec<Tick>,
}

impl<T: std::fmt::Debug> Attempt<T> {
    pub fn failure(&self) -> &Failure {
        self.result.as_ref().expect("it crashed").as_ref().expect_err("it succeeded")
    }

    pub fn steps(&self) -> Vec<Step> {
        self.events.iter().filter_map(|e| if let Event::Step(s) = e { Some(*s) } else { None }).collect()
    }
}

/// The next key of the pool and a request signed with it.
fn make_key(request: &KeyRequest, made: usize) -> KeyAnswer {
    /// What stands before the PKCS#1 key in the PKCS#8 form of one of 2048 bits.
    const HEAD: usize = 26;
    let key = amt_sim::keys::key(5 + made);
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key.pkcs8().into(), &rcgen::PKCS_RSA_SHA256).unwrap();
    let mut params = rcgen::CertificateParams::new(request.dns_names.clone()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, request.common_name.as_str());
    KeyAnswer {
        private_key: Secret::new(key.pkcs8()[HEAD..].to_vec()),
        public_key: key.public_pkcs1().to_vec(),
        csr: params.serialize_request(&pair).unwrap().der().to_vec(),
    }
}

/// The wire between them, and the time.
pub struct World {
    pub now: Tick,
    pub firmware: Firmware,
    pub server: Server,
    listening: (bool, bool),
    /// Where the machine went, and where the server looks for it: none is the address that it had from the beginning.
    at: Option<IpAddr>,
    dialled: Option<IpAddr>,
    moves_are_swallowed: bool,
    connection: Option<u64>,
    next_connection: u64,
    /// A fault made the peer silent.
    stalled: bool,
    pub hellos: Vec<Vec<u8>>,
    /// The machine has a password that the server cannot know: there is nothing to keep.
    pub password_is_unknown: bool,
    /// The same of its pre-shared pair.
    pub pair_is_unknown: bool,
}

impl World {
    /// A factory-fresh machine that trusts our root.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, with changes to the machine.
    pub fn with(change: impl FnOnce(&mut MachineConfig)) -> Self {
        let chain = chain();
        let id: SystemId = "7f8e9dac-1b2c-4d3e-8f50-617283940a5b".parse().unwrap();
        let mut config = MachineConfig::new(id);
        config.roots = vec![RootHash::sha256(chain.root())];
        config.suffix = Some(SUFFIX.to_owned());
        Arc::make_mut(&mut config.persona).keys.not_ready_percent = 0;
        change(&mut config);
        let plan = {
            let mut plan = Plan::new();
            plan.host_name = Some("pc1".to_owned());
            plan.domain_name = Some(SUFFIX.to_owned());
            plan
        };
        let server = Server {
            chains: vec![chain.chain.clone()],
            disk: None,
            boot_disk: None,
            rename_disk: None,
            renew_disk: None,
            apply_disk: None,
            disk_is_full: false,
            plan,
            ca: Ca::default(),
            seed: 1,
            vault: Vec::new(),
        };
        let mut world = Self {
            now: Tick(0),
            firmware: Firmware::new(config),
            server,
            listening: (false, false),
            at: None,
            dialled: None,
            moves_are_swallowed: false,
            connection: None,
            next_connection: 1,
            stalled: false,
            hellos: Vec::new(),
            password_is_unknown: false,
            pair_is_unknown: false,
        };
        world.firmware.handle(world.now, FirmwareInput::Power);
        let mut nothing = VecDeque::new();
        world.drain_firmware(&mut nothing);
        world
    }

    /// Where the machine went, if it did.
    pub fn machine_at(&self) -> Option<IpAddr> {
        self.at
    }

    /// Whatever address the machine takes, nobody reaches it there.
    pub fn swallow_moves(&mut self) {
        self.moves_are_swallowed = true;
    }

    pub fn fault(&mut self, fault: Fault) {
        self.firmware.add_fault(fault);
    }

    /// Lets time pass for the machine alone.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now.after(time);
        let mut nothing = VecDeque::new();
        while let Some(at) = self.firmware.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.firmware.handle(self.now, FirmwareInput::Timeout);
            self.drain_firmware(&mut nothing);
        }
        self.now = until;
    }

    /// The record on disk.
    pub fn record(&self) -> Option<Record> {
        self.server.disk.as_ref().map(|bytes| Record::decode(bytes).expect("what was written reads"))
    }

    /// Every pair on disk or in the vault.
    pub fn pairs(&self) -> Vec<PskPair> {
        let record = self.record().map(|record| record.psk).unwrap_or_default();
        record.into_iter().chain(self.server.vault.clone()).collect()
    }

    /// Whether a password on disk, or the factory's, opens the machine: what must hold at every instant.
    pub fn assert_reachable(&self, when: &str) {
        if self.password_is_unknown {
            return;
        }
        let record = self.record();
        let mut candidates: Vec<String> =
            record.iter().flat_map(|r| r.admin_passwords.iter().map(|p| p.expose().clone())).collect();
        if record.is_none() {
            candidates.extend(["admin".to_owned(), String::new()]);
            candidates.extend(self.server.plan.known_admin_passwords.iter().map(|p| p.expose().clone()));
        }
        assert!(
            candidates.iter().any(|p| self.firmware.check_admin_password(p)),
            "{when}: no password on disk opens the machine"
        );
        let truth = self.firmware.truth(self.now);
        if truth.pid.is_some() && !self.pair_is_unknown {
            let known = self.pairs().iter().any(|pair| self.firmware.check_psk(pair));
            assert!(known, "{when}: neither the disk nor the vault holds the machine's pre-shared pair");
        }
    }

    /// One attempt of the server, from its last durable record to its end or crash.
    pub fn attempt(&mut self, crash: Option<Crash>) -> Attempt {
        self.attempt_with(crash, None)
    }

    /// The same, with what the hello says of the credentials.
    pub fn attempt_with(&mut self, crash: Option<Crash>, credentials_set: Option<bool>) -> Attempt {
        self.server.seed = self.server.seed.wrapping_add(1);
        let record = self.record().unwrap_or_else(|| Record::new(self.firmware.id()));
        let candidates = (0..self.server.chains.len())
            .map(|index| Candidate { index, leaf_sha256: format!("leaf-{index}") })
            .collect();
        let mut remote = Remote::new(record, self.server.plan.clone(), candidates, format!("{HOME}:16993"), 16993);
        // What the hello says, and so which pairs it can be.
        let pid = self.firmware.truth(self.now).pid;
        remote.psk = self.pairs().into_iter().filter(|pair| pid.as_deref() == Some(&pair.pid.to_string())).collect();
        remote.seed = [self.server.seed; 32];
        remote.credentials_set = credentials_set;
        remote.utc_at_zero = 1_767_225_600;
        self.run(remote.start(), crash, |server, record| server.disk = Some(record.encode().expose().clone()))
    }

    /// A machine of ours that is set up, and some time later.
    pub fn provisioned(change: impl FnOnce(&mut MachineConfig)) -> Self {
        Self::provisioned_as(|_| {}, change)
    }

    /// The same by a server that was changed first.
    pub fn provisioned_as(prepare: impl FnOnce(&mut Server), change: impl FnOnce(&mut MachineConfig)) -> Self {
        let mut world = Self::with(change);
        prepare(&mut world.server);
        world.attempt(None).result.expect("no crash").expect("it is set up");
        world.wait(Duration::from_secs(60));
        world
    }

    /// How the machine is reached by what is on disk.
    pub fn access(&mut self) -> Access {
        self.server.seed = self.server.seed.wrapping_add(1);
        let record = self.record();
        let certificate = record.as_ref().and_then(|r| r.certificate.clone());
        let identity = certificate.map_or(PeerIdentity::Any, PeerIdentity::Pinned);
        let passwords = record.map(|r| r.admin_passwords).unwrap_or_default();
        let mut access = Access::new(self.firmware.id(), "127.0.0.2:16993".to_owned(), 16993, identity, passwords);
        access.seed = [self.server.seed; 32];
        access.legacy_tls = self.server.plan.legacy_tls;
        let record = self.record();
        (access.version, access.rung) = record.map_or((None, None), |record| (record.version, record.rung));
        access
    }

    /// One attempt to boot from the network once, from the last durable record to its end or crash.
    pub fn boot(&mut self, crash: Option<Crash>) -> Attempt<Booted> {
        let access = self.access();
        self.boot_by(access, crash)
    }

    /// The same by other ways.
    pub fn boot_by(&mut self, access: Access, crash: Option<Crash>) -> Attempt<Booted> {
        let disk = self.server.boot_disk.as_ref();
        let record = disk.map(|bytes| BootRecord::decode(bytes).expect("what was written reads"));
        let record = record.unwrap_or_else(|| BootRecord::new(self.firmware.id(), BootSource::Network));
        self.run(Boot::new(access, record).start(), crash, |server, record| server.boot_disk = Some(record.encode()))
    }

    /// What is known of a rename to `desk7.example.com`.
    pub fn rename_record(&self) -> RenameRecord {
        let disk = self.server.rename_disk.as_ref();
        disk.map(|bytes| RenameRecord::decode(bytes).expect("what was written reads"))
            .unwrap_or_else(|| RenameRecord::new(self.firmware.id(), "desk7".to_owned(), Some(SUFFIX.to_owned())))
    }

    /// One attempt at it, from the last durable record to its end or crash.
    pub fn rename(&mut self, crash: Option<Crash>) -> Attempt<Renamed> {
        let (access, record) = (self.access(), self.rename_record());
        self.rename_by(access, record, crash)
    }

    /// The same by other ways. The journal gets the new identity in the same moment as the record says that it is proven.
    pub fn rename_by(&mut self, access: Access, record: RenameRecord, crash: Option<Crash>) -> Attempt<Renamed> {
        self.run(Rename::new(access, record).start(), crash, |server, rename| {
            server.rename_disk = Some(rename.encode().expose().clone());
            let mut record = Record::decode(server.disk.as_ref().expect("it is set up")).expect("it reads");
            if rename.replacement.carry_over(&mut record) {
                server.disk = Some(record.encode().expose().clone());
            }
        })
    }

    /// What is known of a renewal.
    pub fn renew_record(&self) -> RenewRecord {
        let disk = self.server.renew_disk.as_ref();
        disk.map(|bytes| RenewRecord::decode(bytes).expect("what was written reads"))
            .unwrap_or_else(|| RenewRecord::new(self.firmware.id()))
    }

    /// One attempt at it, from the last durable record to its end or crash, at 2026-01-01 and as long after as the machine runs.
    pub fn renew(&mut self, due: Due, crash: Option<Crash>) -> Attempt<Renewed> {
        let (access, record) = (self.access(), self.renew_record());
        self.renew_by(access, record, due, crash)
    }

    /// The same by other ways.
    pub fn renew_by(
        &mut self,
        access: Access,
        record: RenewRecord,
        due: Due,
        crash: Option<Crash>,
    ) -> Attempt<Renewed> {
        let mut renew = Renew::new(access, record, 1_767_225_600);
        renew.due = due;
        self.run(renew.start(), crash, |server, renew| {
            server.renew_disk = Some(renew.encode().expose().clone());
            let mut record = Record::decode(server.disk.as_ref().expect("it is set up")).expect("it reads");
            if renew.replacement.carry_over(&mut record) {
                server.disk = Some(record.encode().expose().clone());
            }
        })
    }

    /// What is known of the application of a profile.
    pub fn apply_record(&self) -> ApplyRecord {
        let disk = self.server.apply_disk.as_ref();
        disk.map(|bytes| ApplyRecord::decode(bytes).expect("what was written reads"))
            .unwrap_or_else(|| ApplyRecord::new(self.firmware.id(), [5; 32]))
    }

    /// One attempt to make the machine what `desired` says, from the last durable record to its end or crash.
    pub fn apply(&mut self, desired: &Desired, crash: Option<Crash>) -> Attempt<Applied> {
        self.apply_by(desired, crash, |_| {})
    }

    /// The same by other ways.
    pub fn apply_by(
        &mut self,
        desired: &Desired,
        crash: Option<Crash>,
        change: impl FnOnce(&mut Apply),
    ) -> Attempt<Applied> {
        let (access, record) = (self.access(), self.apply_record());
        let mut apply = Apply::new(access, desired.clone(), record, 1_767_225_600);
        change(&mut apply);
        self.run(apply.start(), crash, |server, record| server.apply_disk = Some(record.encode().expose().clone()))
    }

    /// Any procedure that keeps the machine's journal.
    pub fn run_recorded<T: Send + 'static>(&mut self, machine: Machine<T, Record>, crash: Option<Crash>) -> Attempt<T> {
        self.run(machine, crash, |server, record| server.disk = Some(record.encode().expose().clone()))
    }

    /// What the machine says of itself.
    pub fn facts(&mut self, access: Access) -> Attempt<MachineFacts> {
        self.run_unrecorded(Facts::new(access).start())
    }

    /// A procedure that makes nothing durable.
    pub fn run_unrecorded<T: Send + 'static>(&mut self, machine: Machine<T, Infallible>) -> Attempt<T> {
        self.run(machine, None, |_, never| match *never {})
    }

    /// What another console does meanwhile: one call, with the right password.
    pub fn call(&mut self, request: &Request) -> Reply {
        let access = self.access();
        let mut client = Client::new(ClientConfig::new(&access.authority), access.seed);
        let password = access.admin_passwords[0].clone();
        client.set_credentials(Some(Credentials { user: "admin".to_owned(), password }));
        client.start(self.now, request).unwrap();
        let mut plan = TlsPlan::new(access.identity);
        plan.rung = access.rung.unwrap_or(plan.rung);
        let mut inputs = VecDeque::new();
        for _ in 0..100 {
            while let Some(output) = client.poll() {
                match output {
                    client::Output::Connect => {
                        self.hang_up();
                        inputs.clear();
                        self.connect(16993, &plan).unwrap();
                        client.handle(self.now, client::Input::Connected).unwrap();
                    }
                    client::Output::Transmit(bytes) => {
                        let connection = self.connection.expect("connected");
                        self.firmware.handle(self.now, FirmwareInput::Bytes { connection, bytes: &bytes });
                        self.drain_firmware(&mut inputs);
                    }
                    client::Output::Done(result) => {
                        self.hang_up();
                        return result.unwrap();
                    }
                }
            }
            match inputs.pop_front().expect("it is answered at once") {
                Input::Bytes(bytes) => client.handle(self.now, client::Input::Bytes(&bytes)).unwrap(),
                _ => client.handle(self.now, client::Input::Closed).unwrap(),
            }
        }
        panic!("the call does not end");
    }

    /// Runs a procedure to its end or crash; `keep` writes its record to the disk.
    fn run<T: Send + 'static, R: Send + 'static>(
        &mut self,
        machine: Machine<T, R>,
        crash: Option<Crash>,
        keep: fn(&mut Server, &R),
    ) -> Attempt<T> {
        let attempt = self.pump(machine, crash, keep);
        self.hang_up();
        attempt
    }

    fn pump<T: Send + 'static, R: Send + 'static>(
        &mut self,
        mut machine: Machine<T, R>,
        crash: Option<Crash>,
        keep: fn(&mut Server, &R),
    ) -> Attempt<T> {
        let mut attempt = Attempt { result: None, events: Vec::new(), outputs: 0, refusals: Vec::new() };
        let mut inputs = VecDeque::from([Input::Start]);
        self.dialled = None;
        for _ in 0..100_000 {
            let input = match inputs.pop_front() {
                Some(input) => input,
                None => match self.advance(machine.pump.deadline(), &mut inputs) {
                    Some(input) => input,
                    None => continue,
                },
            };
            machine.pump.handle(self.now, input).expect("drained");
            while let Some(output) = machine.pump.poll() {
                let number = attempt.outputs;
                attempt.outputs += 1;
                if crash == Some(Crash { output: number, after: false }) {
                    return attempt;
                }
                if self.carry_out(output, &machine, &mut inputs, &mut attempt, keep) {
                    return attempt;
                }
                self.assert_reachable("after an output of the procedure");
                if crash == Some(Crash { output: number, after: true }) {
                    return attempt;
                }
            }
        }
        panic!("the attempt does not end");
    }

    /// Carries out one output; true if it was the last.
    fn carry_out<T, R>(
        &mut self,
        output: Output,
        machine: &Machine<T, R>,
        inputs: &mut VecDeque<Input>,
        attempt: &mut Attempt<T>,
        keep: fn(&mut Server, &R),
    ) -> bool {
        match output {
            Output::Connect { port, tls } => {
                self.hang_up();
                let answer = match self.connect(port, &tls.expect("never plain over the network")) {
                    Ok(outcome) => Input::Connected(Some(outcome)),
                    Err(failure) => Input::ConnectFailed(failure),
                };
                inputs.push_back(answer);
                self.drain_firmware(inputs);
            }
            Output::GoTo(address) => self.dialled = Some(address).filter(|address| *address != HOME),
            Output::Transmit(bytes) => match self.connection {
                Some(connection) => {
                    if !self.stalled {
                        self.firmware.handle(self.now, FirmwareInput::Bytes { connection, bytes: &bytes });
                        self.drain_firmware(inputs);
                    }
                }
                None => inputs.push_back(Input::Closed),
            },
            Output::Mei(_) | Output::Sign(_) => panic!("only the machine's own system does that"),
            Output::Persist if self.server.disk_is_full => {
                let full = Failure::new(ErrorCode::JOURNAL, "journal", "the disk is full");
                inputs.push_back(Input::Persisted(Err(full)));
            }
            Output::Persist => {
                keep(&mut self.server, &machine.record.take().expect("a record"));
                inputs.push_back(Input::Persisted(Ok(())));
            }
            Output::Certify(request) => {
                let answer = self.server.ca.answer(&request);
                inputs.push_back(Input::Certified(answer));
            }
            Output::MakeToken { .. } => panic!("passwords open these machines"),
            Output::MakeKey(request) => {
                inputs.push_back(Input::Key(Ok(make_key(&request, self.server.ca.keys_made))));
                self.server.ca.keys_made += 1;
            }
            Output::Event(event) => attempt.events.push(event),
            Output::Close => self.hang_up(),
            Output::Done => {
                attempt.result = machine.end.take();
                return true;
            }
        }
        false
    }

    /// Nothing is on the wire: lets time pass up to the next deadline of either side.
    fn advance(&mut self, deadline: Option<Tick>, inputs: &mut VecDeque<Input>) -> Option<Input> {
        clock::pass(&mut self.now, &mut self.firmware, deadline);
        self.drain_firmware(inputs);
        if let Some(input) = inputs.pop_front() {
            return Some(input);
        }
        deadline.is_some_and(|at| at <= self.now).then_some(Input::Timeout)
    }

    fn drain_firmware(&mut self, inputs: &mut VecDeque<Input>) {
        while let Some(output) = self.firmware.poll() {
            match output {
                FirmwareOutput::Hello { bytes, .. } => self.hellos.push(bytes),
                FirmwareOutput::Transmit { connection, bytes } => {
                    if Some(connection) == self.connection {
                        inputs.push_back(Input::Bytes(bytes));
                    }
                }
                FirmwareOutput::Close { connection, ending } => {
                    if Some(connection) == self.connection {
                        if ending == Ending::Stay {
                            self.stalled = true;
                        } else {
                            self.connection = None;
                            inputs.push_back(Input::Closed);
                        }
                    }
                }
                FirmwareOutput::Listen { plain, secure } => self.listening = (plain, secure),
                FirmwareOutput::Moved { .. } if self.moves_are_swallowed => {
                    self.at = Some(Ipv4Addr::UNSPECIFIED.into())
                }
                FirmwareOutput::Moved { address } => self.at = Some(address.into()),
                FirmwareOutput::ListenRedirection { .. } => {}
                other => panic!("nobody in the machine's own system asked for {other:?}"),
            }
        }
    }

    fn connect(&mut self, port: u16, plan: &TlsPlan) -> Result<TlsOutcome, Failure> {
        let failure = |code, text: &str| Failure::new(code, "connect", text);
        let open = if port == 16993 { self.listening.1 } else { self.listening.0 };
        if !open {
            return Err(failure(ErrorCode::CONNECT_REFUSED, "the port is closed"));
        }
        if self.at != self.dialled {
            return Err(failure(ErrorCode::CONNECT_TIMEOUT, "nobody is there"));
        }
        for direction in [Direction::In, Direction::Out] {
            match self.firmware.handshake_fault(direction) {
                None => {}
                Some(FaultKind::Stall) => {
                    self.now = self.now.after(HANDSHAKE_TIMEOUT);
                    return Err(failure(ErrorCode::TLS_HANDSHAKE, "the handshake was not finished in time"));
                }
                Some(FaultKind::Garbage) => return Err(failure(ErrorCode::TLS_HANDSHAKE, "garbage")),
                Some(_) => return Err(failure(ErrorCode::CONNECTION_RESET, "reset")),
            }
        }
        let serving = self.firmware.tls(self.now);
        if let PeerIdentity::Pinned(der) = &plan.identity
            && **serving.certificate != **der
        {
            return Err(failure(ErrorCode::TLS_PIN_MISMATCH, "another certificate"));
        }
        let alert = |code, alert: u8| Err(failure(code, "alert").device(DeviceStatus::TlsAlert(alert)));
        match (&serving.client, &plan.identity) {
            (ClientAuth::Psk(held), PeerIdentity::Psk(ours)) => {
                if held.pid != ours.pid {
                    return alert(ErrorCode::PSK_IDENTITY, 115);
                }
                if held != ours {
                    return alert(ErrorCode::PSK_WRONG, 20);
                }
            }
            (ClientAuth::Psk(_), _) | (_, PeerIdentity::Psk(_)) => return alert(ErrorCode::TLS_VERSION, 40),
            _ => {}
        }
        let old = !self.firmware.persona().version.capabilities().tls.forward_secrecy;
        if old && plan.rung == Rung::Modern {
            return alert(ErrorCode::TLS_VERSION, 40);
        }
        let psk = matches!(serving.client, ClientAuth::Psk(_));
        let requested = !psk && !matches!(serving.client, ClientAuth::None);
        let chain = plan.present.and_then(|i| self.server.chains.get(i)).filter(|_| requested).cloned();
        let faults = serving.client.judge(chain.as_deref().unwrap_or_default());
        if !faults.is_empty() {
            self.firmware.record_refused_chain(self.now, &faults);
            return Err(failure(ErrorCode::TLS_CHAIN_REFUSED, "refused").device(DeviceStatus::TlsAlert(42)));
        }
        let connection = self.next_connection;
        self.next_connection += 1;
        self.connection = Some(connection);
        self.stalled = false;
        let port = if port == 16993 { Port::Secure } else { Port::Plain };
        let chain = chain.unwrap_or_default();
        self.firmware.handle(self.now, FirmwareInput::Accepted { connection, port, peer: None, chain });
        Ok(TlsOutcome {
            version: TlsVersion::V1_2,
            suite: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384".to_owned(),
            engine: "memory",
            peer: if psk { Vec::new() } else { vec![serving.certificate.to_vec()] },
            certificate_requested: requested,
        })
    }

    fn hang_up(&mut self) {
        self.stalled = false;
        if let Some(connection) = self.connection.take() {
            self.firmware.handle(self.now, FirmwareInput::Closed { connection });
            let mut nothing = VecDeque::new();
            self.drain_firmware(&mut nothing);
        }
    }
}

impl Ca {
    fn answer(&mut self, request: &CertificateRequest) -> CaAnswer {
        self.asked.push(request.clone());
        match self.answers.pop_front().unwrap_or_else(|| issue_within(request, self.days)) {
            CaAnswer::Issued { certificate, chain } => {
                CaAnswer::Issued { certificate, chain: self.chain.clone().unwrap_or(chain) }
            }
            answer => answer,
        }
    }
}

/// Issues what is asked for, from a root made of the simulator's key pool.
pub fn issue(request: &CertificateRequest) -> CaAnswer {
    issue_within(request, None)
}

fn issue_within(request: &CertificateRequest, days: Option<(u32, u32)>) -> CaAnswer {
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256,
    };
    static AUTHORITY: LazyLock<(Vec<u8>, Issuer<'static, KeyPair>)> = LazyLock::new(|| {
        let key = amt_sim::keys::key(12).pkcs8().into();
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_RSA_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.self_signed(&pair).unwrap().der().to_vec(), Issuer::new(params, pair))
    });
    let (root, issuer) = &*AUTHORITY;
    let mut csr = CertificateSigningRequestParams::from_der(&request.csr.clone().into())
        .expect("the request's signature is good");
    if let Some((before, after)) = days {
        let new_year = rcgen::date_time_ymd(2026, 1, 1);
        let day = Duration::from_secs(24 * 3600);
        (csr.params.not_before, csr.params.not_after) = (new_year - day * before, new_year + day * after);
    }
    let certificate = csr.signed_by(issuer).unwrap();
    CaAnswer::Issued { certificate: certificate.der().to_vec(), chain: vec![root.clone()] }
}

/// What the machine is.
pub fn truth(world: &World) -> MachineTruth {
    world.firmware.truth(world.now)
}

/// The certificate that it serves.
pub fn served(world: &World) -> Vec<u8> {
    world.firmware.tls(world.now).certificate.to_vec()
}

/// How often a request was made to it.
pub fn count(truth: &MachineTruth, label: &str) -> u64 {
    truth.requests.get(label).copied().unwrap_or_default()
}

/// A fault at one message, once.
pub fn at(label: &str, direction: Direction, kind: FaultKind) -> Fault {
    Fault::once(Place::Label(label.to_owned()), direction, kind)
}

/// What must hold when a certificate took the place of another: one certificate and one key pair are left, and everybody knows it.
pub fn assert_replaced(world: &World, record: &Replacement, what: &str) {
    let truth = truth(world);
    assert_eq!(truth.state, "post", "{what}");
    let served = served(world);
    assert_eq!(truth.certificates.len(), 1, "{what}: {:?}", truth.certificates);
    assert!(truth.certificates[0].served && truth.certificates[0].in_use, "{what}");
    let keys: Vec<u32> = truth.keys.iter().map(|key| key.handle).collect();
    assert_eq!(Some(keys), truth.certificates[0].key.map(|key| vec![key]), "{what}: a key slot leaked");
    assert_eq!(world.record().unwrap().certificate, Some(served), "{what}: the journal has another identity");
    assert_eq!((record.stage, record.superseded.len()), (Stage::Done, 0), "{what}");
}

/// What must hold at every instant: what is on disk knows the certificate that is served, or will be after the restart, and the old
/// one is on the machine until the disk says that the new one is proven.
pub fn assert_known(world: &World, record: &Replacement, old: &[u8], what: &str) {
    let served = served(world);
    let journal = world.record().unwrap().certificate;
    let known = journal.iter().chain(&record.certificate).chain(&record.superseded).any(|der| *der == served);
    assert!(known, "{what}: nobody knows the certificate that is served");
    if !record.is_proven() {
        let hash = |der: &[u8]| sha2::Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let stored = truth(world).certificates.iter().any(|c| c.sha256 == hash(old) && c.key.is_some());
        assert!(stored, "{what}: the old certificate went before the proof");
    }
}

/// A password that must not be guessed.
pub fn secret(text: &str) -> Secret<String> {
    Secret::from(text)
}
