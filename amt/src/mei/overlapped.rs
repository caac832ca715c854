//! How a device is talked to on Windows, without Windows: which call follows which, how long is waited, what an error means
//! (`spec/heci.md` §1.4). The calls are behind [`Calls`]: those of Windows, or a test's.
//!
//! Four rules hold here. Memory that Windows was given stays until the operation is over: one that is not wanted any more is cancelled,
//! and the cancellation waited for. What was done before the cancellation took hold has been done. An operation is started by the thread
//! that waits for it, since Windows cancels what a thread leaves behind when it ends. A device at which a transfer failed is closed.

use super::{Mei, MeiConnection, MeiFuture, SEND, STAGE, Turn, turn};
use amt_core::{ErrorCode, Failure};
use amt_heci::hfsts::{MAX_REGISTERS, StatusRegisters};
use amt_heci::mei::{Client, Connected};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

/// Most devices that are looked at.
const MAX_INTERFACES: usize = 16;
/// How long the firmware may take to let itself be connected to.
const CONNECT: Duration = Duration::from_secs(15);
/// How long the driver may take to tell all status registers.
const STATUS: Duration = Duration::from_secs(1);
/// How long a cancellation is waited for by who wants to go on. The operation keeps its memory, and the thread that waits for it, longer.
const CANCEL: Duration = Duration::from_secs(2);

/// `CTL_CODE(0x8000, 0x801, METHOD_BUFFERED, FILE_READ_ACCESS | FILE_WRITE_ACCESS)`: GUID in, [`Connected`] out.
const CONNECT_CLIENT: u32 = control_code(0x801);
/// Index of a status register in, the register out, 32 bits each.
const GET_FW_STS: u32 = control_code(0x803);

/// The number of a function of the driver.
const fn control_code(function: u32) -> u32 {
    const DEVICE: u32 = 0x8000;
    const READ_AND_WRITE: u32 = 3;
    const BUFFERED: u32 = 0;
    DEVICE << 16 | READ_AND_WRITE << 14 | function << 2 | BUFFERED
}

/// An error number of Windows.
pub(super) type Code = u32;

const ERROR_INVALID_FUNCTION: Code = 1;
const ERROR_FILE_NOT_FOUND: Code = 2;
const ERROR_PATH_NOT_FOUND: Code = 3;
const ERROR_ACCESS_DENIED: Code = 5;
const ERROR_INVALID_HANDLE: Code = 6;
const ERROR_NOT_READY: Code = 21;
const ERROR_BAD_COMMAND: Code = 22;
const ERROR_GEN_FAILURE: Code = 31;
const ERROR_SHARING_VIOLATION: Code = 32;
const ERROR_NOT_SUPPORTED: Code = 50;
const ERROR_DEV_NOT_EXIST: Code = 55;
const ERROR_INVALID_PARAMETER: Code = 87;
const ERROR_SEM_TIMEOUT: Code = 121;
const ERROR_INVALID_NAME: Code = 123;
const ERROR_BUSY: Code = 170;
const ERROR_NO_SUCH_DEVICE: Code = 433;
const ERROR_OPERATION_ABORTED: Code = 995;
const ERROR_DEVICE_NOT_CONNECTED: Code = 1167;
const ERROR_NOT_FOUND: Code = 1168;
const ERROR_TIMEOUT: Code = 1460;
const ERROR_DEVICE_REMOVED: Code = 1617;

/// What a device is asked for.
#[derive(Debug)]
pub(super) enum Operation {
    /// `DeviceIoControl`: so many bytes of answer at most.
    Control { number: u32, input: Vec<u8>, output: usize },
    /// `ReadFile`: so many bytes at most.
    Read(usize),
    /// `WriteFile`.
    Write(Vec<u8>),
}

/// An operation that Windows took.
pub(super) enum Started<R> {
    /// It was over at once.
    Over(R),
    /// Windows works at it (`ERROR_IO_PENDING`).
    Pending(R),
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// The operation is over.
    Over,
    /// The other event was set.
    Stopped,
    /// The time is over.
    TimedOut,
}

/// What is asked of Windows.
pub(super) trait Calls: Send + Sync + 'static {
    /// An open device. Dropped, it is closed.
    type Device: Send + Sync + 'static;
    /// A started operation, with all memory of it that Windows reads and writes. To be dropped after its [`result`](Self::result) only.
    type Request;
    /// Something to be waited for, not set at first, which stays set.
    type Event: Send + Sync + 'static;

    /// `CM_Get_Device_Interface_List`: the paths of the devices that are there, `most` at most.
    fn interfaces(&self, most: usize) -> Result<Vec<PathBuf>, Code>;
    /// `CreateFile`, overlapped.
    fn create(&self, path: &Path) -> Result<Self::Device, Code>;
    /// `CreateEvent`.
    fn event(&self) -> Result<Self::Event, Code>;
    /// `SetEvent`.
    fn set(&self, event: &Self::Event);
    /// Starts an operation with an event of its own. What fails at once leaves nothing behind.
    fn start(&self, device: &Arc<Self::Device>, operation: Operation) -> Result<Started<Self::Request>, Code>;
    /// `WaitForMultipleObjects`: until the operation is over or `stop` is set. What is over wins.
    fn wait(&self, request: &Self::Request, stop: &Self::Event, limit: Option<Duration>) -> Result<Woken, Code>;
    /// `CancelIoEx`: asks for an end. There may be none for a while, and it may be a good one.
    fn cancel(&self, request: &Self::Request);
    /// `GetOverlappedResult`: waits for the end, then tells what was read or answered (for a write as many bytes as were taken).
    fn result(&self, request: &mut Self::Request) -> Result<Vec<u8>, Code>;
}

/// Why an operation brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Code(Code),
    TimedOut,
    Stopped,
}

type Outcome = Result<Vec<u8>, Trouble>;

/// Carries one operation through, on the thread that is to live until its end.
fn carry<C: Calls>(
    calls: &C,
    device: &Arc<C::Device>,
    operation: Operation,
    stop: &Stop<C>,
    limit: Option<Duration>,
) -> Outcome {
    if stop.asked.load(Ordering::Acquire) {
        return Err(Trouble::Stopped);
    }
    let (mut request, is_pending) = match calls.start(device, operation).map_err(Trouble::Code)? {
        Started::Over(request) => (request, false),
        Started::Pending(request) => (request, true),
    };
    let given_up = match is_pending.then(|| calls.wait(&request, &stop.event, limit)) {
        None | Some(Ok(Woken::Over)) => None,
        Some(Ok(Woken::TimedOut)) => Some(Trouble::TimedOut),
        Some(Ok(Woken::Stopped)) => Some(Trouble::Stopped),
        Some(Err(code)) => Some(Trouble::Code(code)),
    };
    if given_up.is_some() {
        calls.cancel(&request);
    }
    match (calls.result(&mut request), given_up) {
        // It was over before the cancellation took hold: that is what happened.
        (Ok(bytes), _) => Ok(bytes),
        (Err(ERROR_OPERATION_ABORTED), Some(trouble)) => Err(trouble),
        (Err(code), _) => Err(Trouble::Code(code)),
    }
}

/// Tells a thread that its work is not wanted any more.
struct Stop<C: Calls> {
    event: C::Event,
    asked: AtomicBool,
}

/// Work on a thread of its own, and what it brings. Dropped before that, the work is stopped, and its end waited for.
struct Job<C: Calls, T> {
    calls: Arc<C>,
    stop: Arc<Stop<C>>,
    outcome: oneshot::Receiver<T>,
    /// Closed when the thread has let go of everything.
    end: mpsc::Receiver<()>,
    is_over: bool,
}

impl<C: Calls, T: Send + 'static> Job<C, T> {
    fn start(calls: &Arc<C>, work: impl FnOnce(&C, &Stop<C>) -> T + Send + 'static) -> Result<Self, Failure> {
        let lacking = |what: String| Failure::new(ErrorCode::IO, STAGE, what);
        let event = calls.event().map_err(|code| lacking(format!("no event to wait for (Windows error {code})")))?;
        let stop = Arc::new(Stop { event, asked: AtomicBool::new(false) });
        let (tell, outcome) = oneshot::channel();
        let (alive, end) = mpsc::channel::<()>();
        let its = (Arc::clone(calls), Arc::clone(&stop));
        thread::Builder::new()
            .name("mei".into())
            .spawn(move || {
                let (calls, stop) = its;
                // Nobody may be there any more to hear it.
                let _ = tell.send(work(&calls, &stop));
                drop(alive);
            })
            .map_err(|error| lacking(format!("no thread to wait for the device: {error}")))?;
        Ok(Self { calls: Arc::clone(calls), stop, outcome, end, is_over: false })
    }

    /// What the work brings within `limit`, for who cannot wait in any other way.
    fn within(mut self, limit: Duration) -> Option<T> {
        let _ = self.end.recv_timeout(limit);
        self.outcome.try_recv().ok()
    }
}

impl<C: Calls, T> Future for Job<C, T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome).poll(context).map(|outcome| {
            self.is_over = true;
            outcome.map_err(|_| Failure::new(ErrorCode::PANIC, STAGE, "the thread that talks to the firmware panicked"))
        })
    }
}

impl<C: Calls, T> Drop for Job<C, T> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.stop.asked.store(true, Ordering::Release);
        self.calls.set(&self.stop.event);
        // A driver that does not even cancel keeps the thread and the memory, not the caller.
        if self.end.recv_timeout(CANCEL) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("the driver of the management engine interface does not cancel an operation");
        }
    }
}

/// The devices of this system, or one that is named.
pub(super) struct Interfaces<C> {
    calls: Arc<C>,
    paths: Vec<PathBuf>,
    turn: Turn,
}

impl<C: Calls> Interfaces<C> {
    /// The devices that are there. Fails with `MEI_ABSENT` if there is none.
    pub(super) fn list(calls: C) -> Result<Self, Failure> {
        let paths = calls.interfaces(MAX_INTERFACES).map_err(|code| {
            Failure::new(ErrorCode::IO, STAGE, format!("Windows does not list its devices (Windows error {code})"))
        })?;
        let Some(first) = paths.first() else {
            let text = "this system has no management engine interface: no device, or no driver for one";
            let hint = "install the MEI driver, Intel Management Engine Interface, from the machine's maker or from Windows Update; the \
                        device manager shows it under System devices. Without it this machine has no AMT to talk to";
            return Err(Failure::new(ErrorCode::MEI_ABSENT, STAGE, text).hint(hint));
        };
        Ok(Self { calls: Arc::new(calls), turn: turn(first), paths })
    }

    /// The device at `path`, and nothing else.
    pub(super) fn at(calls: C, path: &Path) -> Self {
        Self { calls: Arc::new(calls), turn: turn(path), paths: vec![path.to_owned()] }
    }
}

impl<C: Calls> Mei for Interfaces<C> {
    fn open(&self, client: Client) -> MeiFuture<'_, Box<dyn MeiConnection>> {
        Box::pin(async move {
            let mut last = None;
            for path in &self.paths {
                let path = path.clone();
                let job = Job::start(&self.calls, move |calls: &C, stop| connect(calls, &path, client, stop))?;
                match job.await? {
                    Ok((device, connected)) => {
                        let calls = Arc::clone(&self.calls);
                        let connection = Connection { calls, device: Some(device), connected, reading: None };
                        return Ok(Box::new(connection) as Box<dyn MeiConnection>);
                    }
                    // Another device may be the one that has this client.
                    Err(failure) if failure.code == ErrorCode::MEI_CLIENT_ABSENT => last = Some(failure),
                    Err(failure) => return Err(failure),
                }
            }
            Err(last.unwrap_or_else(|| Failure::new(ErrorCode::MEI_ABSENT, STAGE, "there is no device to be opened")))
        })
    }

    fn status(&self) -> Option<StatusRegisters> {
        let path = self.paths.first()?.clone();
        let job = Job::start(&self.calls, move |calls: &C, stop| registers(calls, &path, stop)).ok()?;
        job.within(STATUS).filter(|registers| !registers.is_empty()).map(StatusRegisters)
    }

    fn turn(&self) -> Turn {
        Arc::clone(&self.turn)
    }
}

fn connect<C: Calls>(
    calls: &C,
    path: &Path,
    client: Client,
    stop: &Stop<C>,
) -> Result<(Arc<C::Device>, Connected), Failure> {
    let device = Arc::new(calls.create(path).map_err(|code| open_failure(path, code))?);
    let input = client.guid().to_wire().to_vec();
    let operation = Operation::Control { number: CONNECT_CLIENT, input, output: Connected::SIZE };
    let answer = carry(calls, &device, operation, stop, Some(CONNECT)).map_err(|why| connect_failure(client, why))?;
    let connected = Connected::decode(&answer).map_err(|error| {
        Failure::new(ErrorCode::MEI_UNEXPECTED, STAGE, format!("the driver's answer to a connect: {error}"))
    })?;
    Ok((device, connected))
}

/// The registers up to the first that the driver does not tell.
fn registers<C: Calls>(calls: &C, path: &Path, stop: &Stop<C>) -> Vec<u32> {
    let Ok(device) = calls.create(path).map(Arc::new) else { return Vec::new() };
    let register = |index: u32| {
        let input = index.to_le_bytes().to_vec();
        let operation = Operation::Control { number: GET_FW_STS, input, output: size_of::<u32>() };
        let answer = carry(calls, &device, operation, stop, None).ok()?;
        Some(u32::from_le_bytes(answer.try_into().ok()?))
    };
    (0..).take(MAX_REGISTERS).map_while(register).collect()
}

fn open_failure(path: &Path, code: Code) -> Failure {
    let (name, why) = match code {
        ERROR_FILE_NOT_FOUND | ERROR_PATH_NOT_FOUND | ERROR_INVALID_NAME | ERROR_DEV_NOT_EXIST
        | ERROR_NO_SUCH_DEVICE => (ErrorCode::MEI_ABSENT, "there is no such device"),
        ERROR_ACCESS_DENIED => (ErrorCode::MEI_PERMISSION, "not allowed"),
        ERROR_BUSY | ERROR_SHARING_VIOLATION => (ErrorCode::MEI_BUSY, "another program holds it"),
        code if is_gone(code) => (ErrorCode::MEI_RESET, "the firmware is not ready, or restarts"),
        _ => (ErrorCode::IO, "it cannot be opened"),
    };
    Failure::new(name, STAGE, format!("{}: {why} (Windows error {code})", path.display()))
}

fn connect_failure(client: Client, trouble: Trouble) -> Failure {
    let (name, why) = match trouble {
        Trouble::TimedOut => {
            (ErrorCode::MEI_RESET, format!("the firmware does not answer within {} s", CONNECT.as_secs()))
        }
        Trouble::Stopped => (ErrorCode::CANCELLED, "nobody waits for it any more".to_owned()),
        Trouble::Code(code) => {
            let (name, why) = match code {
                // Drivers differ in how they say it.
                ERROR_INVALID_PARAMETER | ERROR_INVALID_HANDLE | ERROR_NOT_FOUND => {
                    (ErrorCode::MEI_CLIENT_ABSENT, "the firmware has no such client")
                }
                ERROR_GEN_FAILURE | ERROR_OPERATION_ABORTED | ERROR_BUSY => {
                    (ErrorCode::MEI_BUSY, "another program holds it, or the firmware has no room")
                }
                ERROR_ACCESS_DENIED => (ErrorCode::MEI_PERMISSION, "not allowed"),
                ERROR_INVALID_FUNCTION | ERROR_NOT_SUPPORTED => {
                    (ErrorCode::MEI_ABSENT, "the device is no management engine interface")
                }
                code if is_gone(code) => (ErrorCode::MEI_RESET, "the firmware does not answer, or restarts"),
                _ => (ErrorCode::IO, "the driver refuses"),
            };
            (name, format!("{why} (Windows error {code})"))
        }
    };
    Failure::new(name, STAGE, format!("connecting to the firmware's client {client}: {why}"))
}

fn transfer_failure(trouble: Trouble) -> Failure {
    let (name, why) = match trouble {
        Trouble::TimedOut => (ErrorCode::MEI_TIMEOUT, format!("it took no message within {} s", SEND.as_secs())),
        Trouble::Stopped => (ErrorCode::CANCELLED, "nobody waits for it any more".to_owned()),
        Trouble::Code(code) => {
            let name = match code {
                ERROR_BUSY => ErrorCode::MEI_BUSY,
                ERROR_GEN_FAILURE | ERROR_OPERATION_ABORTED | ERROR_INVALID_HANDLE | ERROR_NOT_FOUND => {
                    ErrorCode::MEI_RESET
                }
                code if is_gone(code) => ErrorCode::MEI_RESET,
                _ => ErrorCode::IO,
            };
            (name, format!("Windows error {code}"))
        }
    };
    Failure::new(name, STAGE, format!("talking to the firmware: {why}"))
}

/// The device is away, or the firmware behind it is.
const fn is_gone(code: Code) -> bool {
    matches!(
        code,
        ERROR_NOT_READY
            | ERROR_BAD_COMMAND
            | ERROR_SEM_TIMEOUT
            | ERROR_TIMEOUT
            | ERROR_NO_SUCH_DEVICE
            | ERROR_DEVICE_NOT_CONNECTED
            | ERROR_DEVICE_REMOVED
    )
}

struct Connection<C: Calls> {
    calls: Arc<C>,
    /// None once a transfer failed.
    device: Option<Arc<C::Device>>,
    connected: Connected,
    /// The read that is under way: it stays when who waited for it goes, and what it brings is the next one's.
    reading: Option<Job<C, Outcome>>,
}

impl<C: Calls> Connection<C> {
    fn transfer(&self, operation: Operation, limit: Option<Duration>) -> Result<Job<C, Outcome>, Failure> {
        let Some(device) = self.device.clone() else {
            let text = "the connection to the firmware is closed, because a transfer over it failed";
            return Err(Failure::new(ErrorCode::MEI_RESET, STAGE, text));
        };
        Job::start(&self.calls, move |calls: &C, stop| carry(calls, &device, operation, stop, limit))
    }

    /// Closes the device, after whatever is under way.
    fn close(&mut self) {
        self.reading = None;
        self.device = None;
    }
}

impl<C: Calls> Drop for Connection<C> {
    fn drop(&mut self) {
        self.close();
    }
}

/// A message on its way. Dropped before it is there, the connection is closed: nobody knows what the firmware has of it.
struct Sending<'c, C: Calls> {
    connection: &'c mut Connection<C>,
    is_sent: bool,
}

impl<C: Calls> Drop for Sending<'_, C> {
    fn drop(&mut self) {
        if !self.is_sent {
            self.connection.close();
        }
    }
}

impl<C: Calls> MeiConnection for Connection<C> {
    fn connected(&self) -> Connected {
        self.connected
    }

    fn send<'a>(&'a mut self, message: &'a [u8]) -> MeiFuture<'a, ()> {
        Box::pin(async move {
            let mut sending = Sending { connection: self, is_sent: false };
            let writing = sending.connection.transfer(Operation::Write(message.to_vec()), Some(SEND))?;
            // One write is one message, whole.
            let taken = writing.await?.map_err(transfer_failure)?.len();
            if taken != message.len() {
                let text = format!("the driver took {taken} of a message's {} bytes", message.len());
                return Err(Failure::new(ErrorCode::MEI_UNEXPECTED, STAGE, text));
            }
            sending.is_sent = true;
            Ok(())
        })
    }

    fn receive(&mut self) -> MeiFuture<'_, Vec<u8>> {
        Box::pin(async move {
            let reading = match self.reading.take() {
                Some(reading) => reading,
                None => self.transfer(Operation::Read(self.connected.max_message), None)?,
            };
            let read = self.reading.insert(reading).await;
            self.reading = None;
            let failure = match read.map(|outcome| outcome.map_err(transfer_failure)) {
                Ok(Ok(message)) if !message.is_empty() => return Ok(message),
                Ok(Ok(_empty)) => Failure::new(ErrorCode::MEI_RESET, STAGE, "the device ended"),
                Ok(Err(failure)) | Err(failure) => failure,
            };
            self.close();
            Err(failure)
        })
    }
}

#[cfg(test)]
mod tests;
