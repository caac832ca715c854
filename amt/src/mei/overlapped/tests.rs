use super::*;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread::ThreadId;

/// What becomes of an operation.
#[derive(Clone, Debug)]
enum Plan {
    /// It fails at once, and leaves nothing behind.
    Refused(Code),
    /// It is over at once.
    AtOnce(Vec<u8>),
    /// It is pending, and over when it is looked at.
    Soon(Result<Vec<u8>, Code>),
    /// It is pending until the test says what it brought, or until it is cancelled.
    Pending,
    /// It is pending until it is cancelled, and then succeeds nevertheless.
    Race(Vec<u8>),
    /// It is pending, and a cancellation does nothing before the test says that it is over.
    Stuck,
}

#[derive(Debug)]
enum State {
    Pending,
    /// What it brought is known when somebody waits for it.
    Cancelled(Result<Vec<u8>, Code>),
    Over(Result<Vec<u8>, Code>),
}

/// A Windows with a driver whose every answer is planned. It notes what would have been a mistake there.
#[derive(Default)]
struct World {
    interfaces: Vec<PathBuf>,
    opening: VecDeque<Code>,
    /// No limit is ever reached. Otherwise every one is, at once: no clock runs here.
    is_still: bool,
    plans: VecDeque<Plan>,
    operations: Vec<(Plan, State)>,
    outstanding: usize,
    open: usize,
    log: Vec<String>,
    mistakes: Vec<String>,
}

#[derive(Clone, Default)]
struct Fake(Arc<(Mutex<World>, Condvar)>);

struct FakeDevice(Fake);

struct FakeRequest {
    fake: Fake,
    index: usize,
    thread: ThreadId,
}

/// Set or not.
struct FakeEvent(AtomicBool);

impl Fake {
    fn new(plans: &[Plan]) -> Self {
        let fake = Self::default();
        fake.world().interfaces = vec!["hw".into()];
        fake.world().plans = plans.iter().cloned().collect();
        fake
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.0.lock().unwrap()
    }

    fn wake(&self) {
        self.0.1.notify_all();
    }

    /// Waits until `ready`.
    fn until(&self, mut ready: impl FnMut(&mut World) -> bool) -> MutexGuard<'_, World> {
        self.0.1.wait_while(self.world(), |world| !ready(world)).unwrap()
    }

    /// The last operation is over.
    fn complete(&self, result: Result<Vec<u8>, Code>) {
        self.until(|world| world.outstanding > 0).operations.last_mut().unwrap().1 = State::Over(result);
        self.wake();
    }

    fn mei(&self) -> Interfaces<Self> {
        Interfaces::list(self.clone()).unwrap()
    }

    async fn connect(&self) -> Result<Box<dyn MeiConnection>, Failure> {
        self.mei().open(Client::Amthi).await
    }

    /// What was called, in order. Nothing was done wrong, and nothing is left.
    #[track_caller]
    fn log(&self) -> Vec<String> {
        let mut world = self.world();
        assert_eq!((world.mistakes.as_slice(), world.outstanding, world.open), ([].as_slice(), 0, 0));
        std::mem::take(&mut world.log)
    }
}

impl Drop for FakeDevice {
    fn drop(&mut self) {
        let mut world = self.0.world();
        world.open -= 1;
        world.log.push("close".into());
        if world.outstanding > 0 {
            world.mistakes.push("closed with an operation outstanding".into());
        }
        drop(world);
        self.0.wake();
    }
}

impl Drop for FakeRequest {
    fn drop(&mut self) {
        let mut world = self.fake.world();
        if !matches!(world.operations[self.index].1, State::Over(_)) {
            world.mistakes.push("memory of an outstanding operation freed".into());
        }
        if self.thread != thread::current().id() {
            world.mistakes.push("an operation left the thread that started it".into());
        }
        world.outstanding -= 1;
        drop(world);
        self.fake.wake();
    }
}

impl Calls for Fake {
    type Device = FakeDevice;
    type Request = FakeRequest;
    type Event = FakeEvent;

    fn interfaces(&self, most: usize) -> Result<Vec<PathBuf>, Code> {
        Ok(self.world().interfaces.iter().take(most).cloned().collect())
    }

    fn create(&self, path: &Path) -> Result<FakeDevice, Code> {
        let mut world = self.world();
        match world.opening.pop_front() {
            None | Some(0) => {
                world.open += 1;
                world.log.push(format!("open {}", path.display()));
                Ok(FakeDevice(self.clone()))
            }
            Some(code) => Err(code),
        }
    }

    fn event(&self) -> Result<FakeEvent, Code> {
        Ok(FakeEvent(AtomicBool::new(false)))
    }

    fn set(&self, event: &FakeEvent) {
        let _world = self.world();
        event.0.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn start(&self, _: &Arc<FakeDevice>, operation: Operation) -> Result<Started<FakeRequest>, Code> {
        let mut world = self.world();
        world.log.push(match operation {
            Operation::Control { number, input, output } => format!("{number:#X} {} {output}", hex(&input)),
            Operation::Read(most) => format!("read {most}"),
            Operation::Write(message) => format!("write {}", hex(&message)),
        });
        let plan = world.plans.pop_front().expect("nothing more is planned");
        let state = match &plan {
            Plan::Refused(code) => return Err(*code),
            Plan::AtOnce(bytes) => State::Over(Ok(bytes.clone())),
            Plan::Soon(result) => State::Over(result.clone()),
            Plan::Pending | Plan::Race(_) | Plan::Stuck => State::Pending,
        };
        let is_over = matches!(plan, Plan::AtOnce(_));
        world.operations.push((plan, state));
        world.outstanding += 1;
        let request =
            FakeRequest { fake: self.clone(), index: world.operations.len() - 1, thread: thread::current().id() };
        self.wake();
        Ok(if is_over { Started::Over(request) } else { Started::Pending(request) })
    }

    fn wait(&self, request: &FakeRequest, stop: &FakeEvent, limit: Option<Duration>) -> Result<Woken, Code> {
        let is_over = |world: &mut World| matches!(world.operations[request.index].1, State::Over(_));
        let is_stopped = || stop.0.load(Ordering::SeqCst);
        let mut world = self.until(|world| limit.is_some() && !world.is_still || is_over(world) || is_stopped());
        Ok(match (is_over(&mut world), is_stopped()) {
            (true, _) => Woken::Over,
            (false, true) => Woken::Stopped,
            (false, false) => Woken::TimedOut,
        })
    }

    fn cancel(&self, request: &FakeRequest) {
        let mut world = self.world();
        world.log.push("cancel".into());
        self.wake();
        let (plan, state) = &mut world.operations[request.index];
        match plan {
            Plan::Race(bytes) => *state = State::Cancelled(Ok(bytes.clone())),
            Plan::Stuck => {}
            _ => *state = State::Cancelled(Err(ERROR_OPERATION_ABORTED)),
        }
    }

    fn result(&self, request: &mut FakeRequest) -> Result<Vec<u8>, Code> {
        let mut world = self.until(|world| !matches!(world.operations[request.index].1, State::Pending));
        let state = &mut world.operations[request.index].1;
        let (State::Cancelled(result) | State::Over(result)) = state else { unreachable!() };
        let result = result.clone();
        *state = State::Over(result.clone());
        result
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The driver's answer to a connect: messages of 16 bytes.
fn connected() -> Vec<u8> {
    Connected { max_message: 16, version: 1 }.encode().to_vec()
}

/// What it brings at once, if it does; a future that was given away is dropped.
async fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        value = future => Some(value),
        () = std::future::ready(()) => None,
    }
}

fn code<T>(result: Result<T, Failure>) -> ErrorCode {
    result.err().expect("a failure").code
}

const CONNECT_AMTHI: &str = "0x8000E004 2800f812b7b42d4baca846e0ff65814c 5";

#[test]
fn control_codes_are_the_drivers() {
    assert_eq!((CONNECT_CLIENT, GET_FW_STS), (0x8000_E004, 0x8000_E00C));
}

#[tokio::test]
async fn what_is_over_at_once_and_what_is_pending_first_bring_the_same() {
    let plans = |connect: Plan, write: Plan, read: Plan| [connect, write, read];
    let soon = |bytes: &[u8]| Plan::Soon(Ok(bytes.to_vec()));
    let at_once = |bytes: &[u8]| Plan::AtOnce(bytes.to_vec());
    for plans in [
        plans(at_once(&connected()), at_once(&[1, 2]), at_once(&[3])),
        plans(soon(&connected()), soon(&[1, 2]), soon(&[3])),
    ] {
        let fake = Fake::new(&plans);
        let mut connection = fake.connect().await.unwrap();
        assert_eq!(connection.connected(), Connected { max_message: 16, version: 1 });
        connection.send(&[1, 2]).await.unwrap();
        assert_eq!(connection.receive().await.unwrap(), [3]);
        drop(connection);
        assert_eq!(fake.log(), ["open hw", CONNECT_AMTHI, "write 0102", "read 16", "close"]);
    }
}

#[tokio::test]
async fn a_read_outlives_who_waits_for_it_and_takes_nothing_from_the_next() {
    let fake = Fake::new(&[Plan::AtOnce(connected()), Plan::Pending, Plan::AtOnce(vec![9, 9]), Plan::AtOnce(vec![8])]);
    let mut connection = fake.connect().await.unwrap();
    for _ in 0..3 {
        assert!(poll_once(connection.receive()).await.is_none());
    }
    drop(fake.until(|world| world.outstanding == 1));
    // A write does not wait for it, nor disturb it.
    connection.send(&[9, 9]).await.unwrap();
    fake.complete_read(vec![7]);
    assert_eq!(connection.receive().await.unwrap(), [7]);
    assert_eq!(connection.receive().await.unwrap(), [8]);
    drop(connection);
    assert_eq!(fake.log(), ["open hw", CONNECT_AMTHI, "read 16", "write 0909", "read 16", "close"]);
}

impl Fake {
    /// The read that is pending is over.
    fn complete_read(&self, bytes: Vec<u8>) {
        let mut world = self.world();
        let pending = world.operations.iter_mut().find(|(_, state)| matches!(state, State::Pending));
        pending.expect("a pending operation").1 = State::Over(Ok(bytes));
        drop(world);
        self.wake();
    }
}

#[tokio::test]
async fn a_connection_that_is_dropped_cancels_its_read_and_waits_before_it_closes() {
    for plan in [Plan::Pending, Plan::Race(vec![1])] {
        let fake = Fake::new(&[Plan::AtOnce(connected()), plan]);
        let mut connection = fake.connect().await.unwrap();
        assert!(poll_once(connection.receive()).await.is_none());
        drop(fake.until(|world| world.outstanding == 1));
        drop(connection);
        assert_eq!(fake.log(), ["open hw", CONNECT_AMTHI, "read 16", "cancel", "close"]);
    }
}

#[tokio::test]
async fn a_connect_without_an_answer_is_cancelled_and_one_that_races_the_cancellation_is_taken() {
    let fake = Fake::new(&[Plan::Pending]);
    assert_eq!(code(fake.connect().await), ErrorCode::MEI_RESET);
    assert_eq!(fake.log(), ["open hw", CONNECT_AMTHI, "cancel", "close"]);

    let fake = Fake::new(&[Plan::Race(connected()), Plan::Race(vec![5])]);
    let mut connection = fake.connect().await.unwrap();
    connection.send(&[5]).await.unwrap();
    drop(connection);
    assert_eq!(fake.log(), ["open hw", CONNECT_AMTHI, "cancel", "write 05", "cancel", "close"]);
}

#[tokio::test]
async fn an_open_that_is_given_up_leaves_no_device_open() {
    let fake = Fake::new(&[Plan::Stuck]);
    let mei = fake.mei();
    let mut opening = mei.open(Client::Amthi);
    assert!(poll_once(&mut opening).await.is_none());
    drop(fake.until(|world| world.outstanding == 1));
    // The driver gives in a while after it was asked to.
    let later = fake.clone();
    let giving_in = thread::spawn(move || {
        drop(later.until(|world| world.log.iter().any(|call| call == "cancel")));
        later.complete(Err(ERROR_OPERATION_ABORTED));
    });
    drop(opening);
    giving_in.join().unwrap();
    assert_eq!(fake.log(), ["open hw", CONNECT_AMTHI, "cancel", "close"]);
}

#[tokio::test]
async fn a_message_that_is_not_taken_ends_the_connection() {
    // Nobody waits for it any more; the driver took no message in time; it took half of one; it failed.
    let plans = [Plan::Pending, Plan::Pending, Plan::AtOnce(vec![1]), Plan::Refused(ERROR_GEN_FAILURE)];
    let expected = [None, Some(ErrorCode::MEI_TIMEOUT), Some(ErrorCode::MEI_UNEXPECTED), Some(ErrorCode::MEI_RESET)];
    for (plan, expected) in plans.into_iter().zip(expected) {
        let fake = Fake::new(&[Plan::AtOnce(connected()), plan]);
        let mut connection = fake.connect().await.unwrap();
        fake.world().is_still = expected.is_none();
        match expected {
            Some(expected) => assert_eq!(code(connection.send(&[1, 2]).await), expected),
            None => assert!(poll_once(connection.send(&[1, 2])).await.is_none()),
        }
        assert_eq!(fake.log().last().unwrap(), "close", "at once, not when the connection goes");
        assert_eq!(code(connection.send(&[1]).await), ErrorCode::MEI_RESET);
        assert_eq!(code(connection.receive().await), ErrorCode::MEI_RESET);
    }
}

#[tokio::test]
async fn after_a_failed_transfer_the_device_is_closed_and_opened_anew() {
    let failures = [
        (Plan::Soon(Err(ERROR_DEVICE_NOT_CONNECTED)), ErrorCode::MEI_RESET),
        (Plan::Refused(ERROR_OPERATION_ABORTED), ErrorCode::MEI_RESET),
        (Plan::Soon(Ok(Vec::new())), ErrorCode::MEI_RESET),
        (Plan::Soon(Err(ERROR_BUSY)), ErrorCode::MEI_BUSY),
        (Plan::Soon(Err(8)), ErrorCode::IO),
    ];
    for (plan, expected) in failures {
        let fake = Fake::new(&[Plan::AtOnce(connected()), plan, Plan::AtOnce(connected()), Plan::AtOnce(vec![1])]);
        let mut connection = fake.connect().await.unwrap();
        assert_eq!(code(connection.receive().await), expected);
        assert_eq!(fake.log(), ["open hw", CONNECT_AMTHI, "read 16", "close"]);
        assert_eq!(code(connection.receive().await), ErrorCode::MEI_RESET);
        let mut another = fake.connect().await.unwrap();
        assert_eq!(another.receive().await.unwrap(), [1]);
        drop(another);
        assert_eq!(fake.log(), ["open hw", CONNECT_AMTHI, "read 16", "close"]);
    }
}

#[tokio::test]
async fn a_driver_that_never_cancels_keeps_its_memory_and_not_the_caller() {
    let fake = Fake::new(&[Plan::AtOnce(connected()), Plan::Stuck]);
    let mut connection = fake.connect().await.unwrap();
    assert!(poll_once(connection.receive()).await.is_none());
    drop(fake.until(|world| world.outstanding == 1));
    drop(connection);
    let still = |world: &World| (world.outstanding, world.open);
    assert_eq!(still(&fake.world()), (1, 1), "its thread has both");
    fake.complete(Err(ERROR_OPERATION_ABORTED));
    drop(fake.until(|world| world.open == 0));
    assert_eq!(fake.log(), ["open hw", CONNECT_AMTHI, "read 16", "cancel", "close"]);
}

#[tokio::test]
async fn every_refusal_of_a_connect_has_its_code() {
    for (number, expected) in [
        (ERROR_INVALID_PARAMETER, ErrorCode::MEI_CLIENT_ABSENT),
        (ERROR_INVALID_HANDLE, ErrorCode::MEI_CLIENT_ABSENT),
        (ERROR_NOT_FOUND, ErrorCode::MEI_CLIENT_ABSENT),
        (ERROR_GEN_FAILURE, ErrorCode::MEI_BUSY),
        (ERROR_BUSY, ErrorCode::MEI_BUSY),
        (ERROR_ACCESS_DENIED, ErrorCode::MEI_PERMISSION),
        (ERROR_INVALID_FUNCTION, ErrorCode::MEI_ABSENT),
        (ERROR_DEVICE_NOT_CONNECTED, ErrorCode::MEI_RESET),
        (ERROR_NOT_READY, ErrorCode::MEI_RESET),
        (8, ErrorCode::IO),
    ] {
        for plan in [Plan::Refused(number), Plan::Soon(Err(number))] {
            let fake = Fake::new(&[plan]);
            let failure = fake.connect().await.err().unwrap();
            assert_eq!(failure.code, expected, "{number}");
            assert!(failure.message.contains(&format!("Windows error {number})")), "{}", failure.message);
            fake.log();
        }
    }
    for (number, expected) in [
        (ERROR_FILE_NOT_FOUND, ErrorCode::MEI_ABSENT),
        (ERROR_PATH_NOT_FOUND, ErrorCode::MEI_ABSENT),
        (ERROR_ACCESS_DENIED, ErrorCode::MEI_PERMISSION),
        (ERROR_SHARING_VIOLATION, ErrorCode::MEI_BUSY),
        (ERROR_DEVICE_NOT_CONNECTED, ErrorCode::MEI_RESET),
        (8, ErrorCode::IO),
    ] {
        let fake = Fake::new(&[]);
        fake.world().opening = [number].into();
        assert_eq!(code(fake.connect().await), expected, "{number}");
        assert!(fake.log().is_empty());
    }
    for answer in [&[1, 0, 0, 0][..], &[0, 0, 0, 0, 1], &[0xFF, 0xFF, 0xFF, 0xFF, 1]] {
        let fake = Fake::new(&[Plan::AtOnce(answer.to_vec())]);
        assert_eq!(code(fake.connect().await), ErrorCode::MEI_UNEXPECTED, "{answer:?}");
        assert_eq!(fake.log().last().unwrap(), "close");
    }
}

#[tokio::test]
async fn a_client_is_looked_for_at_every_device() {
    let fake = Fake::new(&[Plan::Refused(ERROR_INVALID_PARAMETER), Plan::AtOnce(connected())]);
    fake.world().interfaces = vec!["a".into(), "b".into()];
    drop(fake.connect().await.unwrap());
    assert_eq!(fake.log(), ["open a", CONNECT_AMTHI, "close", "open b", CONNECT_AMTHI, "close"]);
    // At one that is named, only there.
    fake.world().plans = [Plan::Refused(ERROR_INVALID_PARAMETER)].into();
    let named = Interfaces::at(fake.clone(), Path::new("b"));
    assert_eq!(code(named.open(Client::Amthi).await), ErrorCode::MEI_CLIENT_ABSENT);
    assert_eq!(fake.log(), ["open b", CONNECT_AMTHI, "close"]);
    // What is wrong with one is told, and no other tried.
    fake.world().plans = [Plan::Refused(ERROR_ACCESS_DENIED)].into();
    assert_eq!(code(fake.connect().await), ErrorCode::MEI_PERMISSION);
    assert_eq!(fake.log(), ["open a", CONNECT_AMTHI, "close"]);
}

#[test]
fn a_system_without_the_driver_is_told_to_install_it() {
    let fake = Fake::new(&[]);
    fake.world().interfaces.clear();
    let failure = Interfaces::list(fake).err().unwrap();
    assert_eq!(failure.code, ErrorCode::MEI_ABSENT);
    assert!(failure.hint.starts_with("install the MEI driver"), "{}", failure.hint);
}

#[test]
fn status_registers_are_those_up_to_the_first_that_is_not_told() {
    let register = |value: u32| Plan::AtOnce(value.to_le_bytes().to_vec());
    let fake = Fake::new(&[register(0x9000_0245), register(0x8811_2202), Plan::Refused(ERROR_INVALID_PARAMETER)]);
    assert_eq!(fake.mei().status(), Some(StatusRegisters(vec![0x9000_0245, 0x8811_2202])));
    let asked = ["0x8000E00C 00000000 4", "0x8000E00C 01000000 4", "0x8000E00C 02000000 4"];
    assert_eq!(fake.log(), ["open hw", asked[0], asked[1], asked[2], "close"]);

    let fake = Fake::new(&vec![register(7); 7]);
    assert_eq!(fake.mei().status().unwrap().0, [7; 6]);
    let fake = Fake::new(&[Plan::AtOnce(vec![1, 2])]);
    assert_eq!(fake.mei().status(), None, "half a register");
    // One that does not answer is given up.
    let fake = Fake::new(&[Plan::Pending]);
    assert_eq!(fake.mei().status(), None);
    assert_eq!(fake.log(), ["open hw", asked[0], "cancel", "close"]);
}
