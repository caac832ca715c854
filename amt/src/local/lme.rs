//! Connections over the firmware's client LME: one session for a whole job, its channels one after the other.

use super::STAGE;
use crate::mei::{self, Mei, MeiConnection};
use crate::tls::Wire;
use amt_core::{ErrorCode, Failure, SystemId, Tick};
use amt_heci::apf::Session;
use amt_heci::mei::Client;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
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
        let [low, high, ..] = crate::random_seed()?;
        // Sessions begin with different channels: what is left over from another one cannot be taken for this one's.
        let first = u32::from(u16::from_le_bytes([low, high])) + 1;
        let actor = Actor {
            session: Session::new(Tick(0), id, connection.connected().max_message, first),
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
    user: Option<User>,
    /// Who waits for a channel.
    waiting: Option<oneshot::Sender<Result<DuplexStream, Failure>>>,
}

/// Whoever uses the channel: the actor's end of the pipe to them.
struct User {
    from: ReadHalf<DuplexStream>,
    to: WriteHalf<DuplexStream>,
    /// What came for them and is not in the pipe yet: they may take their time, and nothing else waits for that.
    pending: Vec<u8>,
}

impl User {
    fn new(pipe: DuplexStream) -> Self {
        let (from, to) = tokio::io::split(pipe);
        Self { from, to, pending: Vec::new() }
    }

    /// What they have written and nobody has taken yet, without waiting for more.
    async fn written(&mut self, chunk: &mut [u8]) -> usize {
        tokio::select! {
            biased;
            count = self.from.read(chunk) => count.unwrap_or(0),
            () = std::future::ready(()) => 0,
        }
    }
}

/// What the actor waits for.
enum Happened {
    Message(Vec<u8>),
    /// So many bytes were written by the user; 0: no more will be.
    Written(usize),
    /// So many pending bytes were taken into the pipe; none: the user has gone.
    Taken(Option<usize>),
    Order(Option<Order>),
    Time,
}

impl Actor {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let Err(failure) = self.work(&mut orders).await else { return };
        orders.close();
        let late = orders.recv().await.map(|order| order.answer);
        for waiting in self.waiting.take().into_iter().chain(late) {
            let _ = waiting.send(Err(failure.clone()));
        }
    }

    fn now(&self) -> Tick {
        Tick(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    async fn work(&mut self, orders: &mut mpsc::Receiver<Order>) -> Result<(), Failure> {
        let mut chunk = vec![0; CHUNK];
        loop {
            self.tell();
            self.hand_on();
            self.send().await?;
            let happened = self.wait(orders, &mut chunk).await?;
            let now = self.now();
            match happened {
                Happened::Message(message) => self.session.receive(now, &message)?,
                Happened::Written(count) => match chunk.get(..count) {
                    Some(bytes) if count > 0 => {
                        self.session.write(bytes);
                    }
                    _ => self.hang_up(),
                },
                Happened::Taken(Some(count)) => {
                    if let Some(user) = &mut self.user {
                        user.pending.drain(..count.min(user.pending.len()));
                    }
                }
                Happened::Taken(None) => self.hang_up(),
                Happened::Order(Some(Order { port, answer })) => {
                    self.last_words(&mut chunk).await;
                    self.user = None;
                    self.waiting = Some(answer);
                    self.session.open(now, port);
                }
                Happened::Order(None) => return Ok(()),
                Happened::Time => self.session.timeout(now),
            }
        }
    }

    async fn wait(&mut self, orders: &mut mpsc::Receiver<Order>, chunk: &mut [u8]) -> Result<Happened, Failure> {
        let deadline = self.session.deadline().map(|at| self.start + Duration::from_millis(at.0));
        let timer = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        // What the firmware has no window for is not taken from the user.
        let may_write = !self.session.has_unsent();
        let (from, to) = match &mut self.user {
            Some(User { from, to, pending }) => (Some(from), Some((to, pending))),
            None => (None, None),
        };
        let written = async {
            match from {
                Some(from) if may_write => from.read(chunk).await.unwrap_or(0),
                _ => std::future::pending().await,
            }
        };
        let taken = async {
            match to {
                Some((to, pending)) if !pending.is_empty() => to.write(pending).await.ok(),
                _ => std::future::pending().await,
            }
        };
        Ok(tokio::select! {
            message = self.connection.receive() => Happened::Message(message?),
            count = written => Happened::Written(count),
            count = taken => Happened::Taken(count),
            order = orders.recv() => Happened::Order(order),
            () = timer => Happened::Time,
        })
    }

    /// Nobody uses the channel any more.
    fn hang_up(&mut self) {
        self.session.close();
        self.user = None;
    }

    /// What the user wrote before they asked for another channel still belongs to this one.
    async fn last_words(&mut self, chunk: &mut [u8]) {
        let Some(user) = &mut self.user else { return };
        loop {
            let count = user.written(chunk).await;
            match chunk.get(..count) {
                Some(bytes) if count > 0 && self.session.write(bytes) == count => {}
                _ => return,
            }
        }
    }

    /// Tells who waits for a channel.
    fn tell(&mut self) {
        let opened = match self.session.is_open() {
            Ok(None) => return,
            Ok(Some(())) => Ok(()),
            Err(failure) => Err(failure),
        };
        if let Some(waiting) = self.waiting.take() {
            let _ = waiting.send(opened.map(|()| {
                let (near, far) = tokio::io::duplex(PIPE);
                self.user = Some(User::new(near));
                far
            }));
        }
    }

    /// Takes what came for the user out of the session, once what was taken before is in the pipe.
    fn hand_on(&mut self) {
        let Some(user) = self.user.as_mut().filter(|user| user.pending.is_empty()) else { return };
        user.pending.resize(CHUNK, 0);
        match self.session.read(&mut user.pending) {
            // The firmware closed the channel, and everything before that was handed on.
            Some(0) => self.user = None,
            count => user.pending.truncate(count.unwrap_or(0)),
        }
    }

    async fn send(&mut self) -> Result<(), Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mei::{MeiFuture, Turn};
    use amt_heci::apf::message::{FORWARDING, Global};
    use amt_heci::apf::{Message, channel};
    use amt_heci::mei::Connected;
    use std::collections::VecDeque;

    /// Firmware that opens every channel, and sends `flood` bytes over the first.
    struct Firmware {
        answers: VecDeque<Message>,
        heard: mpsc::UnboundedSender<Message>,
        flood: usize,
        /// It takes no messages.
        deaf: bool,
        channels: u32,
    }

    struct Device {
        heard: mpsc::UnboundedSender<Message>,
        flood: usize,
        deaf: bool,
    }

    impl Mei for Device {
        fn open(&self, _: Client) -> MeiFuture<'_, Box<dyn MeiConnection>> {
            let (heard, flood, deaf) = (self.heard.clone(), self.flood, self.deaf);
            Box::pin(async move {
                let firmware = Firmware { answers: VecDeque::new(), heard, flood, deaf, channels: 0 };
                Ok(Box::new(firmware) as Box<dyn MeiConnection>)
            })
        }

        fn turn(&self) -> Turn {
            Turn::default()
        }
    }

    impl MeiConnection for Firmware {
        fn connected(&self) -> Connected {
            Connected { max_message: 4096, version: 1 }
        }

        fn send<'a>(&'a mut self, message: &'a [u8]) -> MeiFuture<'a, ()> {
            let message = Message::decode(message).expect("a message");
            match &message {
                Message::ProtocolVersion { .. } => {
                    self.answers.push_back(Message::ServiceRequest { service: FORWARDING.into() });
                    let request = Global::Forward { address: "127.0.0.1".into(), port: 16992 };
                    self.answers.push_back(Message::GlobalRequest { want_reply: true, request });
                }
                Message::ChannelOpen { sender, .. } => {
                    self.channels += 1;
                    let (recipient, number) = (*sender, self.channels);
                    self.answers.push_back(Message::OpenConfirmation { recipient, sender: number, window: 1 << 20 });
                    for _ in 0..std::mem::take(&mut self.flood).div_ceil(1000) {
                        self.answers.push_back(Message::Data { recipient, data: vec![7; 1000] });
                    }
                }
                _ => {}
            }
            let _ = self.heard.send(message);
            let deaf = self.deaf;
            Box::pin(async move { if deaf { std::future::pending().await } else { Ok(()) } })
        }

        fn receive(&mut self) -> MeiFuture<'_, Vec<u8>> {
            Box::pin(async move {
                match self.answers.pop_front() {
                    Some(message) => Ok(message.encode()),
                    None => std::future::pending().await,
                }
            })
        }
    }

    async fn begin(flood: usize, deaf: bool) -> (Lme, mpsc::UnboundedReceiver<Message>) {
        let (heard, messages) = mpsc::unbounded_channel();
        let device = Device { heard, flood, deaf };
        (Lme::begin(&device, SystemId::from_wire([7; 16])).await.unwrap(), messages)
    }

    #[tokio::test]
    async fn a_user_who_does_not_read_keeps_nobody_waiting() {
        // More than the pipe holds.
        let (mut lme, _messages) = begin(PIPE + channel::MAX_RECEIVED / 2, false).await;
        let unread = lme.connect(16992).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        lme.connect(16992).await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1));
        drop(unread);
    }

    #[tokio::test]
    async fn what_was_written_before_another_channel_is_asked_for_is_sent() {
        let (mut lme, mut messages) = begin(0, false).await;
        let mut wire = lme.connect(16992).await.unwrap();
        wire.write_all(b"last words").await.unwrap();
        lme.connect(16992).await.unwrap();
        let mut said = Vec::new();
        while let Ok(message) = messages.try_recv() {
            said.push(message);
        }
        let at = |wanted: fn(&Message) -> bool| said.iter().position(wanted);
        let data = at(|m| matches!(m, Message::Data { recipient: 1, data } if data == b"last words"));
        let close = at(|m| matches!(m, Message::Close { recipient: 1 }));
        assert!(data.is_some() && data < close, "{said:?}");
    }

    #[tokio::test]
    async fn firmware_that_takes_no_message_is_given_up() {
        let (mut lme, _messages) = begin(0, true).await;
        let failure = lme.connect(16992).await.err().unwrap();
        assert_eq!(failure.code, ErrorCode::MEI_TIMEOUT);
        assert!(!lme.is_alive(), "and so is its session");
    }

    #[tokio::test]
    async fn sessions_do_not_begin_with_the_same_channel() {
        let mut first = Vec::new();
        for _ in 0..4 {
            let (mut lme, mut messages) = begin(0, false).await;
            lme.connect(16992).await.unwrap();
            while let Ok(message) = messages.try_recv() {
                if let Message::ChannelOpen { sender, .. } = message {
                    first.push(sender);
                }
            }
        }
        assert!(first.iter().any(|number| *number != first[0]), "{first:?}");
    }
}
