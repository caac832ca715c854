//! `VirtualMachines` and `VirtualMachine`: machines to be provisioned where there is no hardware.

use crate::certificate::Source;
use crate::convert::{socket, to_python, wrong};
use crate::exception::raise;
use crate::provision::Certificate;
use crate::psk;
use crate::wait::wait;
use amt::ProvisioningCertificate;
use amt_core::psk::{Form, PskPair};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_sim::authority::{ProvisioningChain, Strength};
use amt_sim::{FaultPlan, MachineInfo, Persona, SetUp, SimConfig, Simulator, Variant, chain};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Name of the persona that is all of them.
const MIXED: &str = "mixed";
/// Networks that are tried before there is said to be none.
const MAX_TRIES: usize = 20;
/// Size from which on firmware of AMT 22 is meant to be used.
const LARGE_KEY: usize = 3072;

/// Virtual machines on loopback addresses of their own, with the real ports; they refuse what firmware refuses.
///
/// They trust the certificate authority of `certificate`, which is for the DNS suffix `suffix`, and those in `roots`. `persona` is a firmware family
/// such as `"16.0"`, or `"mixed"` for all. With `hello`, an address with a port, they say hello there. With `set_up`, `"client"` or `"admin"`,
/// they are set up already, with `admin_password` and TLS. A context manager, which starts and stops them.
///
/// >>> from amtpy.sim import VirtualMachines
/// >>> with VirtualMachines(2, persona="11.8") as machines:
/// ...     [machine.check_admin_password("admin") for machine in machines.machines]
/// [True, True]
#[pyclass(frozen, module = "amtpy.sim")]
pub(crate) struct VirtualMachines {
    config: SimConfig,
    /// Whether the machines may be put where there is room.
    anywhere: bool,
    certificate: ProvisioningCertificate,
    pem: String,
    /// Shared with the machines, which know by it that they were stopped.
    running: Mutex<Running>,
}

/// The machines of one start, until they are stopped.
type Running = Arc<Mutex<Option<Simulator>>>;

/// One virtual machine: what is asked of it here is asked of the firmware itself, and not over the network.
#[pyclass(frozen, eq, hash, module = "amtpy.sim")]
pub(crate) struct VirtualMachine {
    running: Running,
    info: MachineInfo,
}

impl PartialEq for VirtualMachine {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.running, &other.running) && self.info == other.info
    }
}

impl std::hash::Hash for VirtualMachine {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.info.id.hash(state);
    }
}

#[pymethods]
impl VirtualMachines {
    #[new]
    #[pyo3(signature = (
        count=1, *, persona="16.0", suffix="example.com", roots=Vec::new(), hello=None, base_address=None, seed=0, time_scale=1.0,
        spread=0.005, psk=Vec::new(), otp=None, admin_password=None, faults=Vec::new(), silent=false, set_up=None
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
    fn new(
        count: usize,
        persona: &str,
        suffix: &str,
        roots: Vec<Source<'_>>,
        hello: Option<&str>,
        base_address: Option<&str>,
        seed: u64,
        time_scale: f64,
        spread: f64,
        psk: Vec<psk::Given>,
        otp: Option<String>,
        admin_password: Option<String>,
        faults: Vec<String>,
        silent: bool,
        set_up: Option<&str>,
    ) -> PyResult<Self> {
        let psk: Vec<PskPair> = psk.into_iter().map(|given| given.0).collect();
        let mut config = SimConfig::new(count);
        if persona == MIXED {
            config.variants = Variant::mixed(count, &psk);
        } else {
            config.persona = Arc::new(Persona::built_in(persona).ok_or_else(|| unknown(persona))?);
            config.psk = psk;
        }
        let large = config.variants.iter().filter_map(|variant| variant.persona.as_ref()).chain([&config.persona]);
        let large = large.map(|persona| persona.chain.advised_rsa_bits).max().is_some_and(|bits| bits >= LARGE_KEY);
        let chain = ProvisioningChain::of(if large { Strength::Rsa3072 } else { Strength::Rsa2048 }, suffix);
        config.root_certificates.push(chain.root().to_vec());
        for root in roots {
            config.root_certificates.extend(chain::certificates_of(&root.read()?).map_err(raise)?);
        }
        config.suffix = Some(suffix.to_owned());
        config.hello = hello.map(|hello| socket("hello", hello)).transpose()?;
        if let Some(address) = base_address {
            config.base_address =
                address.parse().map_err(|_| wrong(format!("base_address: {address:?} is not an IPv4 address")))?;
        }
        config.seed = seed;
        config.time_scale = time_scale;
        config.spread = Duration::try_from_secs_f64(spread).map_err(|error| wrong(format!("spread: {error}")))?;
        config.otp = otp;
        config.admin_password = admin_password.map(Secret::from);
        let faults: Vec<_> = faults.iter().map(|fault| fault.parse()).collect::<Result<_, Failure>>().map_err(raise)?;
        config.faults = FaultPlan::aimed(faults);
        config.silent = silent;
        config.set_up = match set_up {
            None => None,
            Some(_) if config.admin_password.is_none() => return Err(wrong("set_up: it goes with admin_password")),
            Some("client") => Some(SetUp::Client),
            Some("admin") => Some(SetUp::Admin),
            Some(other) => return Err(wrong(format!("set_up: {other:?} is neither \"client\" nor \"admin\""))),
        };
        let pem = chain.pem();
        let certificate = ProvisioningCertificate::from_pem(pem.as_bytes(), None, None).map_err(raise)?;
        Ok(Self { config, anywhere: base_address.is_none(), certificate, pem, running: Mutex::default() })
    }

    /// Puts the machines on the network.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let already = || wrong("the virtual machines run already");
        if lock(&self.current()).is_some() {
            return Err(already());
        }
        let (config, anywhere) = (self.config.clone(), self.anywhere);
        let simulator = wait(py, async move { begin(config, anywhere).await })?;
        // No lock is held while waiting: another thread may have started them too.
        let mut running = lock(&self.running);
        if lock(&running).is_some() {
            return Err(already());
        }
        *running = Arc::new(Mutex::new(Some(simulator)));
        Ok(())
    }

    /// Takes the machines off the network. Stopping them again does nothing.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        let simulator = lock(&self.current()).take();
        match simulator {
            Some(simulator) => wait(py, simulator.stop()),
            None => Ok(()),
        }
    }

    /// Every machine, in the order of their addresses. Empty while they do not run.
    #[getter]
    fn machines(&self) -> Vec<VirtualMachine> {
        let running = self.current();
        let infos = lock(&running).as_ref().map(Simulator::machines).unwrap_or_default();
        infos.into_iter().map(|info| VirtualMachine { running: Arc::clone(&running), info }).collect()
    }

    /// A provisioning certificate that the machines trust. Its key is a public test key.
    #[getter]
    fn certificate(&self) -> Certificate {
        Certificate(self.certificate.clone())
    }

    /// The same as PEM with its chain and key, as `amt serve` takes it.
    #[getter]
    fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// DNS suffix of the machines' network.
    #[getter]
    fn suffix(&self) -> &str {
        self.config.suffix.as_deref().unwrap_or_default()
    }

    fn __len__(&self) -> usize {
        self.config.machines
    }

    fn __getitem__(&self, index: isize) -> PyResult<VirtualMachine> {
        let mut machines = self.machines();
        let at = if index < 0 { index.checked_add_unsigned(machines.len()) } else { Some(index) };
        match at.and_then(|at| usize::try_from(at).ok()) {
            Some(at) if at < machines.len() => Ok(machines.swap_remove(at)),
            _ if machines.is_empty() => Err(PyIndexError::new_err("the virtual machines do not run")),
            _ => Err(PyIndexError::new_err("there are not so many virtual machines")),
        }
    }

    fn __enter__<'py>(slf: PyRef<'py, Self>, py: Python<'py>) -> PyResult<PyRef<'py, Self>> {
        slf.start(py)?;
        Ok(slf)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.stop(py)
    }

    fn __repr__(&self) -> String {
        format!("VirtualMachines({}, suffix={:?})", self.config.machines, self.suffix())
    }
}

#[pymethods]
impl VirtualMachine {
    /// SMBIOS UUID, lower case.
    #[getter]
    fn uuid(&self) -> String {
        self.info.id.to_string()
    }

    /// Loopback address where it listens.
    #[getter]
    fn address(&self) -> String {
        self.info.address.to_string()
    }

    /// The firmware's own truth: states, digests of passwords, certificates, requests, refusals. No password is in it.
    fn truth<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.ask(py, |simulator, id| simulator.truth(id).map(serde_json::to_value))? {
            Some(Ok(truth)) => to_python(py, &truth),
            _ => Err(self.gone()),
        }
    }

    /// Whether this is the password of `admin` now.
    fn check_admin_password(&self, py: Python<'_>, password: &str) -> PyResult<bool> {
        self.ask(py, |simulator, id| simulator.check_admin_password(id, password))
    }

    /// Whether this is the password of its setup menu now.
    fn check_mebx_password(&self, py: Python<'_>, password: &str) -> PyResult<bool> {
        self.ask(py, |simulator, id| simulator.check_mebx_password(id, password))
    }

    /// Whether it holds this pre-shared pair now.
    fn check_psk(&self, py: Python<'_>, pid: &str, pps: &str) -> PyResult<bool> {
        let pair = PskPair::parse(pid, pps, Form::Typed).map_err(raise)?;
        self.ask(py, |simulator, id| simulator.check_psk(id, &pair))
    }

    /// Has it say hello now, if its setup window is open.
    fn say_hello(&self, py: Python<'_>) -> PyResult<()> {
        self.tell(py, |simulator, id| simulator.say_hello(id))
    }

    /// Opens its setup window again, as an agent in its system does, with a one-time password or without.
    #[pyo3(signature = (otp=None))]
    fn rearm(&self, py: Python<'_>, otp: Option<String>) -> PyResult<()> {
        self.tell(py, |simulator, id| simulator.rearm(id, otp))
    }

    /// Tells its firmware the name of its operating system; `""`: none any more.
    fn set_os_name(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.tell(py, |simulator, id| simulator.set_os_name(id, name))
    }

    /// Takes power from it and gives it back.
    fn power_cycle(&self, py: Python<'_>) -> PyResult<()> {
        self.tell(py, |simulator, id| simulator.power_cycle(id))
    }

    /// Has something go wrong: `PLACE:in|out:KIND`, such as `"AMT_GeneralSettings.Get:out:reset"`; see `amt sim --help`.
    fn add_fault(&self, py: Python<'_>, fault: &str) -> PyResult<()> {
        let fault = fault.parse().map_err(raise)?;
        self.tell(py, |simulator, id| simulator.add_fault(id, fault))
    }

    fn __repr__(&self) -> String {
        format!("VirtualMachine(address=\"{}\", uuid=\"{}\")", self.info.address, self.info.id)
    }
}

impl VirtualMachines {
    fn current(&self) -> Running {
        Arc::clone(&lock(&self.running))
    }
}

impl VirtualMachine {
    fn ask<T: Send>(&self, py: Python<'_>, question: impl FnOnce(&Simulator, SystemId) -> T + Send) -> PyResult<T> {
        let answer = py.detach(|| lock(&self.running).as_ref().map(|simulator| question(simulator, self.info.id)));
        answer.ok_or_else(|| self.gone())
    }

    fn tell(&self, py: Python<'_>, order: impl FnOnce(&Simulator, SystemId) -> bool + Send) -> PyResult<()> {
        if self.ask(py, order)? { Ok(()) } else { Err(self.gone()) }
    }

    fn gone(&self) -> PyErr {
        wrong(format!("the virtual machine {} was stopped", self.info.id))
    }
}

/// What is behind these locks is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts them; anywhere means that a network of their own is looked for.
async fn begin(mut config: SimConfig, anywhere: bool) -> Result<Simulator, Failure> {
    let mut tries = if anywhere { MAX_TRIES } else { 1 };
    loop {
        if anywhere {
            config.base_address = network();
        }
        tries -= 1;
        match Simulator::start(config.clone()).await {
            Err(failure) if failure.code == ErrorCode::LISTEN && tries > 0 => {}
            ended => return ended,
        }
    }
}

/// A network of 127.64.0.0 to 127.191.255.0, whichever: tests that run at the same time rarely meet.
fn network() -> Ipv4Addr {
    let [second, third, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    Ipv4Addr::new(127, 64 + second % 128, third, 1)
}

fn unknown(persona: &str) -> PyErr {
    let known: Vec<&str> = Persona::names().collect();
    wrong(format!("persona: there is no {persona:?}; there are {}, {MIXED}", known.join(", ")))
}
