//! The management engine interface of the machine that this runs on (`spec/heci.md` §1).
//!
//! [`Mei`] is what procedures need of it: a connection to one of the firmware's clients. `LinuxMei` is the kernel's device, `WindowsMei`
//! that of Intel's driver; a test or an embedder may bring another. [`exchange`] is one question and its answer, with the patience that firmware needs.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(windows, test))]
mod overlapped;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::LinuxMei;
#[cfg(windows)]
pub use windows::WindowsMei;

use amt_core::{ErrorCode, Failure};
use amt_heci::hfsts::StatusRegisters;
use amt_heci::mei::{Client, Connected};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{sleep, timeout};

pub(crate) const STAGE: &str = "mei";
/// How long a message may take to be sent.
pub(crate) const SEND: Duration = patience(5_000);
/// How long the firmware may take to answer.
const ANSWER: Duration = patience(15_000);
/// How often a connection is tried while the firmware is busy, and the first pause between; it grows by itself each time.
const TRIES: u32 = 8;
const PAUSE: Duration = patience(500);

/// Unit tests have a tenth of it.
const fn patience(milliseconds: u64) -> Duration {
    Duration::from_millis(if cfg!(test) { milliseconds / 10 } else { milliseconds })
}

/// A future that is not tied to a type, so that [`Mei`] can be a trait object.
pub type MeiFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// The lock of a device.
pub type Turn = Arc<tokio::sync::Mutex<()>>;

/// The lock of the device at this path, in this process.
#[cfg(any(target_os = "linux", windows))]
fn turn(device: &Path) -> Turn {
    static TURNS: Mutex<BTreeMap<PathBuf, Turn>> = Mutex::new(BTreeMap::new());
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(turns.entry(device.to_owned()).or_default())
}

/// A management engine interface.
pub trait Mei: Send + Sync {
    /// Connects to a client of the firmware.
    ///
    /// Fails with `MEI_ABSENT`, `MEI_PERMISSION`, `MEI_BUSY`, `MEI_CLIENT_ABSENT` or `MEI_RESET`.
    fn open(&self, client: Client) -> MeiFuture<'_, Box<dyn MeiConnection>>;

    /// The firmware's status registers, where the driver tells them.
    fn status(&self) -> Option<StatusRegisters> {
        None
    }

    /// One question at a time: whoever asks holds this. One lock for each device and process.
    fn turn(&self) -> Turn;
}

/// A connection to one client. Dropped, it is closed.
pub trait MeiConnection: Send {
    /// What the client said of itself.
    fn connected(&self) -> Connected;

    /// Sends one message. Dropped before it is ready, the connection may be of no more use. Fails with `MEI_RESET` if the firmware or
    /// the connection is gone.
    fn send<'a>(&'a mut self, message: &'a [u8]) -> MeiFuture<'a, ()>;

    /// Waits for one message. Dropped before it is ready, it has taken nothing. Fails with `MEI_RESET`.
    fn receive(&mut self) -> MeiFuture<'_, Vec<u8>>;
}

/// The management engine interface of this machine.
///
/// # Errors
/// `MEI_ABSENT` if there is none, and on systems other than Linux and Windows.
pub fn system() -> Result<Arc<dyn Mei>, Failure> {
    #[cfg(target_os = "linux")]
    return Ok(Arc::new(LinuxMei::system()?));
    #[cfg(windows)]
    return Ok(Arc::new(WindowsMei::system()?));
    #[cfg(not(any(target_os = "linux", windows)))]
    Err(Failure::new(
        ErrorCode::MEI_ABSENT,
        STAGE,
        "the management engine interface can be reached on Linux and on Windows, not on this system",
    ))
}

/// Sends a message to a client over a connection of its own, and waits for the answer. A busy firmware is tried again for up to 20
/// seconds, and one that was reset before anything was sent once. A message that is `repeatable` is sent a second time, once, if the
/// firmware was reset under it.
///
/// # Errors
/// The 3xxx codes of [`Mei`], and `MEI_TIMEOUT` if no answer came within 15 seconds.
pub async fn exchange(mei: &dyn Mei, client: Client, message: &[u8], repeatable: bool) -> Result<Vec<u8>, Failure> {
    let turn = mei.turn();
    let _held = turn.lock().await;
    let connection = match open(mei, client).await {
        // Nothing was sent yet: whatever it is, it may be tried again.
        Err(failure) if failure.code == ErrorCode::MEI_RESET => {
            sleep(PAUSE).await;
            open(mei, client).await
        }
        opened_or_not => opened_or_not,
    }?;
    match once(connection, client, message).await {
        Err(failure) if failure.code == ErrorCode::MEI_RESET && repeatable => {
            sleep(PAUSE).await;
            once(open(mei, client).await?, client, message).await
        }
        answered_or_not => answered_or_not,
    }
}

async fn once(mut connection: Box<dyn MeiConnection>, client: Client, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let silent = |what: &str, limit: Duration| {
        let text = format!("the firmware's client {client} {what} within {} s", limit.as_secs());
        Failure::new(ErrorCode::MEI_TIMEOUT, STAGE, text)
    };
    timeout(SEND, connection.send(message)).await.map_err(|_| silent("took no message", SEND))??;
    timeout(ANSWER, connection.receive()).await.map_err(|_| silent("did not answer", ANSWER))?
}

/// Connects to a client, with patience while the firmware has no room.
pub(crate) async fn open(mei: &dyn Mei, client: Client) -> Result<Box<dyn MeiConnection>, Failure> {
    let mut tries = 1;
    loop {
        match mei.open(client).await {
            Err(failure) if failure.code == ErrorCode::MEI_BUSY && tries < TRIES => {
                sleep(PAUSE * tries).await;
                tries += 1;
            }
            opened_or_not => return opened_or_not,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens, one after the other: to a connect, and to what is sent over it.
    #[derive(Clone, Copy)]
    enum Act {
        ResetAtConnect,
        Busy,
        ResetAfterSend,
        Silence,
        Answer,
    }

    struct Device {
        acts: Mutex<Vec<Act>>,
        sent: Arc<Mutex<u32>>,
    }

    struct Connection(Act, Arc<Mutex<u32>>);

    fn failure(code: ErrorCode) -> Failure {
        Failure::new(code, STAGE, "on purpose")
    }

    impl Mei for Device {
        fn open(&self, _: Client) -> MeiFuture<'_, Box<dyn MeiConnection>> {
            let act = self.acts.lock().unwrap().remove(0);
            let sent = Arc::clone(&self.sent);
            Box::pin(async move {
                match act {
                    Act::ResetAtConnect => Err(failure(ErrorCode::MEI_RESET)),
                    Act::Busy => Err(failure(ErrorCode::MEI_BUSY)),
                    act => Ok(Box::new(Connection(act, sent)) as Box<dyn MeiConnection>),
                }
            })
        }

        fn turn(&self) -> Turn {
            Turn::default()
        }
    }

    impl MeiConnection for Connection {
        fn connected(&self) -> Connected {
            Connected { max_message: 100, version: 1 }
        }

        fn send<'a>(&'a mut self, _: &'a [u8]) -> MeiFuture<'a, ()> {
            *self.1.lock().unwrap() += 1;
            Box::pin(async { Ok(()) })
        }

        fn receive(&mut self) -> MeiFuture<'_, Vec<u8>> {
            let act = self.0;
            Box::pin(async move {
                match act {
                    Act::Answer => Ok(vec![1]),
                    Act::Silence => std::future::pending().await,
                    _ => Err(failure(ErrorCode::MEI_RESET)),
                }
            })
        }
    }

    /// What an exchange brings, and how often something was sent.
    async fn run(acts: &[Act], repeatable: bool) -> (Result<Vec<u8>, ErrorCode>, u32) {
        let device = Device { acts: Mutex::new(acts.to_vec()), sent: Arc::default() };
        let result = exchange(&device, Client::Amthi, &[0], repeatable).await.map_err(|failure| failure.code);
        let sent = *device.sent.lock().unwrap();
        (result, sent)
    }

    #[tokio::test]
    async fn what_was_sent_is_sent_again_only_if_it_may_be_and_once() {
        use Act::{Answer, Busy, ResetAfterSend, ResetAtConnect, Silence};
        let reset = Err(ErrorCode::MEI_RESET);
        let good = Ok(vec![1]);
        // Before anything was sent, a second try does no harm.
        assert_eq!(run(&[ResetAtConnect, Answer], false).await, (good.clone(), 1));
        assert_eq!(run(&[ResetAtConnect, ResetAtConnect], false).await, (reset.clone(), 0));
        assert_eq!(run(&[ResetAfterSend, Answer], false).await, (reset.clone(), 1));
        assert_eq!(run(&[ResetAfterSend, Answer], true).await, (good.clone(), 2));
        assert_eq!(run(&[ResetAfterSend, ResetAfterSend, Answer], true).await, (reset, 2));
        assert_eq!(run(&[Silence, Answer], true).await, (Err(ErrorCode::MEI_TIMEOUT), 1), "it may still be at it");
        assert_eq!(run(&[Busy, Busy, Answer], false).await, (good, 1));
        assert_eq!(run(&[Busy; 8], false).await, (Err(ErrorCode::MEI_BUSY), 0));
    }
}
