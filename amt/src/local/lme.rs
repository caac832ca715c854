//! Connections over the firmware's client LME: one session for a whole job, its channels one after the other.

use super::STAGE;
use crate::mei::{self, Mei, MeiConnection};
use crate::tls::Wire;
use amt_core::{ErrorCode, Failure, SystemId, Tick};
use amt_heci::apf::Session;
use amt_heci::mei::Client;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// Bytes between a channel and who uses it, each way: more than a channel's window, so that credit is given at once.
const PIPE: usize = 64 * 1024;
/// How long a channel may take to open, whatever keeps it.
const OPEN: Duration = Duration::from_secs(30);
/// Bytes taken from the user at once.
const CHUNK: usize = 8 * 1024;

/// A session. Dropped, it ends.
pub(super) struct Lme {
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

/// Open a channel to this port.
struct Order {
    port: u16,
    answer: oneshot::Sender<Result<DuplexStream, Failure>>,
}

impl Drop for Lme {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lme {
    /// Connects to LME and begins the session.
    pub(super) async fn begin(mei: &dyn Mei, id: SystemId) -> Result<Self, Failure> {
        let connection = mei::open(mei, Client::Lme).await.map_err(|failure| {
            if failure.code == ErrorCode::MEI_BUSY {
                return failure.hint(
                    "a local management service owns the firmware's channel and does not answer: restart or stop it",
                );
            }
            failure
        })?;
        let (orders, incoming) = mpsc::channel(1);
        let actor = Actor {
            session: Session::new(Tick(0), id, connection.connected().max_message),
            connection,
            start: Instant::now(),
            user: None,
            waiting: None,
        };
        let task = tokio::spawn(actor.run(incoming));
        Ok(Self { orders, task })
    }

    /// Whether the session still stands.
    pub(super) fn is_alive(&self) -> bool {
        !self.task.is_finished()
    }

    /// Opens a channel to `port`, in place of the one before.
    pub(super) async fn connect(&mut self, port: u16) -> Result<Wire, Failure> {
        let gone = || Failure::new(ErrorCode::MEI_RESET, STAGE, "the session with the firmware has ended");
        let (answer, answered) = oneshot::channel();
        let opened = async {
            self.orders.send(Order { port, answer }).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        };
        let opened = timeout(OPEN, opened).await.map_err(|_| {
            let text = format!("the firmware opens no channel to port {port} within {} s", OPEN.as_secs());
            Failure::new(ErrorCode::MEI_TIMEOUT, STAGE, text)
        })?;
        Ok(Box::new(opened?))
    }
}

struct Actor {
    session: Session,
    connection: Box<dyn MeiConnection>,
    start: Instant,
    /// The actor's end of the pipe to whoever uses the channel.
    user: Option<DuplexStream>,
    /// Who waits for a channel.
    waiting: Option<oneshot::Sender<Result<DuplexStream, Failure>>>,
}

impl Actor {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        if let Err(failure) = self.work(&mut orders).await
            && let Some(waiting) = self.waiting.take()
        {
            let _ = waiting.send(Err(failure));
        }
    }

    fn now(&self) -> Tick {
        Tick(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    async fn work(&mut self, orders: &mut mpsc::Receiver<Order>) -> Result<(), Failure> {
        let mut chunk = vec![0; CHUNK];
        loop {
            self.settle().await?;
            let deadline = self.session.deadline().map(|at| self.start + Duration::from_millis(at.0));
            let timer = async {
                match deadline {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            // What the firmware has no window for is not taken from the user.
            let may_write = !self.session.has_unsent();
            let user = async {
                match &mut self.user {
                    Some(user) if may_write => user.read(&mut chunk).await.unwrap_or(0),
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                message = self.connection.receive() => {
                    let message = message?;
                    let now = self.now();
                    self.session.receive(now, &message)?;
                }
                count = user => match chunk.get(..count) {
                    Some(bytes) if count > 0 => {
                        self.session.write(bytes);
                    }
                    _ => {
                        self.session.close();
                        self.user = None;
                    }
                },
                order = orders.recv() => match order {
                    Some(Order { port, answer }) => {
                        self.user = None;
                        self.waiting = Some(answer);
                        let now = self.now();
                        self.session.open(now, port);
                    }
                    None => return Ok(()),
                },
                () = timer => {
                    let now = self.now();
                    self.session.timeout(now);
                }
            }
        }
    }

    /// Sends what is to be sent, hands on what came, and tells who waits.
    async fn settle(&mut self) -> Result<(), Failure> {
        if self.waiting.is_some() {
            match self.session.is_open() {
                Ok(None) => {}
                Ok(Some(())) => {
                    let (user, far) = tokio::io::duplex(PIPE);
                    self.user = Some(user);
                    if let Some(waiting) = self.waiting.take() {
                        let _ = waiting.send(Ok(far));
                    }
                }
                Err(failure) => {
                    if let Some(waiting) = self.waiting.take() {
                        let _ = waiting.send(Err(failure));
                    }
                }
            }
        }
        let mut buffer = vec![0; CHUNK];
        while let Some(user) = &mut self.user
            && let Some(count) = self.session.read(&mut buffer)
        {
            match buffer.get(..count) {
                Some(bytes) if count > 0 => {
                    if user.write_all(bytes).await.is_err() {
                        self.session.close();
                        self.user = None;
                    }
                }
                // The firmware closed the channel, and everything before that was handed on.
                _ => self.user = None,
            }
        }
        while let Some(message) = self.session.poll() {
            timeout(mei::SEND, self.connection.send(&message)).await.map_err(|_| {
                let text = format!("the firmware took no message within {} s", mei::SEND.as_secs());
                Failure::new(ErrorCode::MEI_TIMEOUT, STAGE, text)
            })??;
        }
        while let Some(note) = self.session.note() {
            tracing::debug!(%note, "LME");
        }
        Ok(())
    }
}
