//! A procedure of a machine's own system and its firmware, joined in memory with virtual time.

use crate::support::{self, SUFFIX};
use amt_core::tls::TlsOutcome;
use amt_core::version::TlsVersion;
use amt_core::{DeviceStatus, ErrorCode, Failure, SystemId, Tick};
use amt_heci::mei::Client;
use amt_provision::machine::{Input, Machine, MeiRequest, Output};
use amt_provision::{Event, Record};
use amt_sim::authority::ProvisioningChain;
use amt_sim::chain::RootHash;
use amt_sim::firmware::{Firmware, Input as FirmwareInput, MeiHandle, Output as FirmwareOutput, Port};
use amt_sim::{MachineConfig, MeiRefusal, Persona};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const PERSONAS: [&str; 8] = ["7.1", "9.5", "11.8", "14.0", "16.0", "18.0", "19.0", "21.0"];
/// What a driver does: how long it waits for an answer, and how often it tries to connect.
const ANSWER: Duration = Duration::from_secs(15);
const TRIES: u32 = 8;

/// Where the program is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    /// Which output of the procedure, from 0.
    pub(crate) output: usize,
    /// Before it is carried out, or right after.
    pub(crate) after: bool,
}

/// How one attempt ended.
#[derive(Debug)]
pub(crate) struct Attempt<T> {
    /// Nothing if it was killed.
    pub(crate) result: Option<Result<T, Failure>>,
    pub(crate) outputs: usize,
    pub(crate) notes: Vec<String>,
}

impl<T: std::fmt::Debug> Attempt<T> {
    pub(crate) fn failure(&self) -> &Failure {
        self.result.as_ref().expect("it was killed").as_ref().expect_err("it succeeded")
    }

    pub(crate) fn value(self) -> T {
        self.result.expect("it was killed").expect("it failed")
    }
}

/// What a message brought.
enum Exchange {
    Answer(Vec<u8>),
    Reset,
    Silence,
}

pub(crate) struct World {
    pub(crate) now: Tick,
    pub(crate) firmware: Firmware,
    pub(crate) chain: &'static ProvisioningChain,
    /// Records by the disk of the machine.
    pub(crate) disk: Option<Vec<u8>>,
    pub(crate) hellos: Vec<Vec<u8>>,
    connection: Option<u64>,
    connections: u64,
    mei_answers: VecDeque<(MeiHandle, Vec<u8>)>,
    reset: bool,
    /// The machine is of another owner: its password cannot be known.
    pub(crate) foreign: bool,
    /// The signer signs something else.
    pub(crate) spoilt_signer: bool,
    /// Messages that were sent over HECI.
    pub(crate) messages: usize,
}

impl World {
    pub(crate) fn new(persona: &str) -> Self {
        Self::with(persona, |_| {})
    }

    pub(crate) fn with(persona: &str, change: impl FnOnce(&mut MachineConfig)) -> Self {
        let chain = support::chain();
        let mut config = MachineConfig::new(id());
        config.persona = Arc::new(Persona::built_in(persona).expect(persona));
        config.roots = vec![RootHash::of(config.persona.chain.root_hash, chain.root())];
        config.suffix = Some(SUFFIX.to_owned());
        config.silent = true;
        config.host_name = "pc1".to_owned();
        change(&mut config);
        let mut world = Self {
            now: Tick(0),
            firmware: Firmware::new(config),
            chain,
            disk: None,
            hellos: Vec::new(),
            connection: None,
            connections: 0,
            mei_answers: VecDeque::new(),
            reset: false,
            foreign: false,
            spoilt_signer: false,
            messages: 0,
        };
        world.firmware.handle(world.now, FirmwareInput::Power);
        world.drain(&mut VecDeque::new());
        world
    }

    pub(crate) fn record(&self) -> Record {
        self.disk.as_ref().map_or_else(|| Record::new(id()), |bytes| Record::decode(bytes).expect("it was written"))
    }

    pub(crate) fn mode(&self) -> u32 {
        match self.firmware.truth(self.now).control_mode.as_str() {
            "admin" => 2,
            "client" => 1,
            _ => 0,
        }
    }

    /// Whether a set-up machine is opened by a password on disk: what must hold at every instant.
    pub(crate) fn assert_reachable(&self, when: &str) {
        if self.mode() == 0 || self.foreign {
            return;
        }
        let known = self.record().admin_passwords;
        assert!(
            known.iter().any(|password| self.firmware.check_admin_password(password.expose())),
            "{when}: no password of the {} on disk opens the machine",
            known.len()
        );
    }

    /// Runs a procedure to its end, or until it is killed. `keep` writes its record.
    pub(crate) fn run<T: Send + 'static, R: Send + 'static>(
        &mut self,
        mut machine: Machine<T, R>,
        crash: Option<Crash>,
        keep: fn(&R) -> Vec<u8>,
    ) -> Attempt<T> {
        let mut attempt = Attempt { result: None, outputs: 0, notes: Vec::new() };
        let mut inputs = VecDeque::from([Input::Start]);
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
                for after in [false, true] {
                    if after && self.carry_out(&output, &machine, &mut inputs, &mut attempt, keep) {
                        self.hang_up();
                        attempt.result = machine.end.take();
                        return attempt;
                    }
                    if crash == Some(Crash { output: number, after }) {
                        self.hang_up();
                        return attempt;
                    }
                }
                self.assert_reachable("after an output of the procedure");
            }
        }
        panic!("the procedure does not end");
    }

    fn carry_out<T, R>(
        &mut self,
        output: &Output,
        machine: &Machine<T, R>,
        inputs: &mut VecDeque<Input>,
        attempt: &mut Attempt<T>,
        keep: fn(&R) -> Vec<u8>,
    ) -> bool {
        match output {
            Output::Mei(request) => {
                let answer = self.mei(request);
                inputs.push_back(Input::Mei(answer));
            }
            Output::Connect { port, tls } => {
                self.hang_up();
                inputs.push_back(match self.connect(*port, tls.as_ref().map(|plan| plan.present)) {
                    Ok(outcome) => Input::Connected(outcome),
                    Err(failure) => Input::ConnectFailed(failure),
                });
                self.drain(inputs);
            }
            Output::Transmit(bytes) => match self.connection {
                Some(connection) => {
                    self.firmware.handle(self.now, FirmwareInput::Bytes { connection, bytes });
                    self.drain(inputs);
                }
                None => inputs.push_back(Input::Closed),
            },
            Output::Persist => {
                self.disk = Some(keep(&machine.record.take().expect("a record")));
                inputs.push_back(Input::Persisted(Ok(())));
            }
            Output::Sign(request) => {
                inputs.push_back(Input::Signed(Ok(self.sign(&request.data))));
            }
            Output::Event(Event::Note(note)) => attempt.notes.push(note.clone()),
            Output::Event(_) => {}
            Output::Close => self.hang_up(),
            Output::Done => return true,
            Output::Certify(_) | Output::MakeKey(_) | Output::MakeToken { .. } => panic!("nothing is certified here"),
            Output::GoTo(_) => panic!("inside of the machine there is one place"),
        }
        false
    }

    fn sign(&self, data: &[u8]) -> Vec<u8> {
        if self.spoilt_signer { self.chain.sign(b"something else") } else { self.chain.sign(data) }
    }

    /// One message, by the rules of a driver.
    fn mei(&mut self, request: &MeiRequest) -> Result<Vec<u8>, Failure> {
        let failure = |code| Failure::new(code, "mei", format!("{code:?}"));
        for _ in 0..2 {
            match self.exchange(request.client, &request.message)? {
                Exchange::Answer(bytes) => return Ok(bytes),
                Exchange::Silence => return Err(failure(ErrorCode::MEI_TIMEOUT)),
                Exchange::Reset if request.repeatable => {}
                Exchange::Reset => break,
            }
        }
        Err(failure(ErrorCode::MEI_RESET))
    }

    fn exchange(&mut self, client: Client, message: &[u8]) -> Result<Exchange, Failure> {
        let failure = |code| Failure::new(code, "mei", format!("{code:?}"));
        let mut tries = 0;
        self.reset = false;
        let handle = loop {
            match self.firmware.mei_open(self.now, client.guid()) {
                Ok((handle, _)) => break handle,
                Err(MeiRefusal::NoClient) => return Err(failure(ErrorCode::MEI_CLIENT_ABSENT)),
                Err(MeiRefusal::NoFirmware) => return Ok(Exchange::Reset),
                Err(MeiRefusal::Busy) if tries < TRIES => {
                    tries += 1;
                    self.now = self.now.after(Duration::from_millis(750));
                }
                Err(MeiRefusal::Busy) => return Err(failure(ErrorCode::MEI_BUSY)),
            }
        };
        self.messages += 1;
        let until = self.now.after(ANSWER);
        self.firmware.handle(self.now, FirmwareInput::Mei { handle, message });
        // What other connections bring waits for its turn.
        let mut aside = VecDeque::new();
        self.mei_answers.clear();
        self.drain(&mut aside);
        let result = loop {
            if let Some((_, bytes)) = self.mei_answers.iter().find(|(of, _)| *of == handle) {
                break Exchange::Answer(bytes.clone());
            }
            if self.reset {
                break Exchange::Reset;
            }
            match self.firmware.deadline().filter(|at| *at <= until) {
                Some(at) => {
                    self.now = self.now.max(at);
                    self.firmware.handle(self.now, FirmwareInput::Timeout);
                    self.drain(&mut aside);
                }
                None => {
                    self.now = until;
                    break Exchange::Silence;
                }
            }
        };
        self.firmware.handle(self.now, FirmwareInput::MeiClosed { handle });
        self.drain(&mut aside);
        Ok(result)
    }

    /// A local connection; `tls` is what is presented over TLS.
    fn connect(&mut self, port: u16, tls: Option<Option<usize>>) -> Result<Option<TlsOutcome>, Failure> {
        let failure = |code, text: &str| Failure::new(code, "connect", text);
        let (plain, secure) = self.firmware.local_ports();
        let (open, at) = match port {
            16993 => (secure, Port::Secure),
            _ => (plain, Port::Plain),
        };
        if !open {
            return Err(failure(ErrorCode::APF_REFUSED, "the firmware opens no channel"));
        }
        let mut outcome = None;
        let mut chain = Vec::new();
        if let Some(present) = tls {
            let serving = self.firmware.local_tls(self.now);
            let requested = matches!(serving.client, amt_sim::firmware::ClientAuth::Provisioning(_));
            chain = present.filter(|_| requested).map(|_| self.chain.chain.clone()).unwrap_or_default();
            let faults = serving.client.judge(&chain);
            if !faults.is_empty() {
                self.firmware.record_refused_chain(self.now, &faults);
                return Err(failure(ErrorCode::TLS_CHAIN_REFUSED, "refused").device(DeviceStatus::TlsAlert(42)));
            }
            outcome = Some(TlsOutcome {
                version: TlsVersion::V1_2,
                suite: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384".to_owned(),
                engine: "memory",
                peer: vec![serving.certificate.to_vec()],
                certificate_requested: requested,
            });
        }
        self.connections += 1;
        self.connection = Some(self.connections);
        self.firmware
            .handle(self.now, FirmwareInput::AcceptedLocally { connection: self.connections, port: at, chain });
        Ok(outcome)
    }

    /// Nothing is under way: lets time pass up to the next deadline of either side.
    pub(crate) fn advance(&mut self, deadline: Option<Tick>, inputs: &mut VecDeque<Input>) -> Option<Input> {
        support::clock::pass(&mut self.now, &mut self.firmware, deadline);
        self.drain(inputs);
        if let Some(input) = inputs.pop_front() {
            return Some(input);
        }
        deadline.is_some_and(|at| at <= self.now).then_some(Input::Timeout)
    }

    fn drain(&mut self, inputs: &mut VecDeque<Input>) {
        while let Some(output) = self.firmware.poll() {
            match output {
                FirmwareOutput::Hello { bytes, .. } => self.hellos.push(bytes),
                FirmwareOutput::Transmit { connection, bytes } if Some(connection) == self.connection => {
                    inputs.push_back(Input::Bytes(bytes));
                }
                FirmwareOutput::Close { connection, .. } if Some(connection) == self.connection => {
                    self.connection = None;
                    inputs.push_back(Input::Closed);
                }
                FirmwareOutput::Mei { handle, message } => self.mei_answers.push_back((handle, message)),
                FirmwareOutput::MeiReset => self.reset = true,
                _ => {}
            }
        }
    }

    fn hang_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.firmware.handle(self.now, FirmwareInput::Closed { connection });
            self.drain(&mut VecDeque::new());
        }
    }
}

pub(crate) fn id() -> SystemId {
    "7f8e9dac-1b2c-4d3e-8f50-617283940a5b".parse().expect("a UUID")
}

impl World {
    /// Lets time pass for the machine alone.
    pub(crate) fn advance_by(&mut self, time: Duration) {
        let until = self.now.after(time);
        while let Some(at) = self.firmware.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.firmware.handle(self.now, FirmwareInput::Timeout);
            self.drain(&mut VecDeque::new());
        }
        self.now = until;
    }
}
