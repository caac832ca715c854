//! For callers without an event loop: provisioning as a conversation of calls that each wait at most as long as they are told, and
//! [`Session`] for calls to one machine, [`Listener`] for hellos, [`EventLoop`] for anything else.
//!
//! Everything runs on a runtime of the object, on the calling thread and only inside a call: no thread is started, nothing happens
//! between two calls. This is what C and Python use.

mod event_loop;
mod listener;
mod session;

pub use event_loop::EventLoop;
pub use listener::Listener;
pub use session::Session;

use crate::local::Signer;
use crate::mei::MeiFuture;
use crate::{ApplyHost, Host, Job, RenewHost, provision};
use amt_core::{ErrorCode, Failure, Secret, SystemId};
use amt_provision::machine::SignRequest;
use amt_provision::remote::Outcome;
use amt_provision::{ApplyRecord, CaAnswer, CertificateRequest, Event, Record, RenewRecord};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, oneshot};

/// One machine being provisioned, or another procedure with a record that ends in a `T`, in turns.
pub struct Provisioning<T = Outcome> {
    events: EventLoop,
    /// What an earlier attempt made durable, until the first turn.
    record: Option<Record>,
    /// Until the first turn.
    start: Option<Start<T>>,
    attempt: Option<Attempt<T>>,
    messages: UnboundedReceiver<Message>,
    question: Option<Question>,
    end: Option<Result<T, Failure>>,
    canceller: Canceller,
}

type Attempt<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;
type Start<T> = Box<dyn FnOnce(Option<Record>) -> Attempt<T> + Send>;

/// What [`Provisioning::next`] brings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Turn<T = Outcome> {
    /// Progress.
    Event(Event),
    /// Make this durable, then say so with [`Provisioning::persisted`]. Nothing that depends on it is sent before.
    Persist(Box<Record>),
    /// The same for the record of another procedure than a setup: an encoded [`ApplyRecord`] or [`RenewRecord`].
    Keep(Secret<Vec<u8>>),
    /// Have a certificate issued, then answer with [`Provisioning::certified`].
    Certify(Box<CertificateRequest>),
    /// Have this signed, then answer with [`Provisioning::signed`]. Only a procedure whose signer is its [`Relay`] asks.
    Sign(SignRequest),
    /// The machine is provisioned and has proven it.
    Done(T),
}

/// Ends a [`Provisioning`] or a [`Session`] from any thread.
#[derive(Clone, Debug, Default)]
pub struct Canceller(Arc<Cancelled>);

#[derive(Debug, Default)]
struct Cancelled {
    flag: AtomicBool,
    wake: Notify,
}

impl Provisioning {
    /// Prepares the attempt; nothing is sent before the first [`next`](Self::next).
    ///
    /// # Errors
    /// `IO` if the operating system gives no event queue.
    pub fn new(mut job: Job) -> Result<Self, Failure> {
        let record = job.record.take();
        Self::of(record, |record, relay| async move {
            job.record = record;
            provision(job, &relay).await
        })
    }
}

impl<T: Clone> Provisioning<T> {
    /// Prepares another procedure that goes on from `record`: `start` makes it out of the record and the host that it shall have.
    ///
    /// # Errors
    /// As [`new`](Provisioning::new).
    pub fn of<F>(
        record: Option<Record>,
        start: impl FnOnce(Option<Record>, Relay) -> F + Send + 'static,
    ) -> Result<Self, Failure>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let (sender, messages) = unbounded_channel();
        Ok(Self {
            // Of its own: what is made durable or closed is not cancelled.
            events: EventLoop::new(Canceller::default())?,
            record,
            start: Some(Box::new(move |record| Box::pin(start(record, Relay(sender))))),
            attempt: None,
            messages,
            question: None,
            end: None,
            canceller: Canceller::default(),
        })
    }

    /// Goes on from what an earlier attempt made durable. Has no effect after the first turn.
    pub fn resume(&mut self, record: Record) {
        self.record = Some(record);
    }

    /// Goes on for at most `timeout`. `None`: the time is over, call again.
    ///
    /// # Errors
    /// What ended the attempt, also on every later call. `INVALID_ARGUMENT` if a question was not answered; that ends nothing.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Turn<T>>, Failure> {
        if self.end.is_none() && self.canceller.is_cancelled() {
            self.stop(Err(cancelled()));
        }
        if let Some(question) = &self.question
            && self.end.is_none()
        {
            let message = format!("{} was not answered", question.name());
            return Err(Failure::new(ErrorCode::INVALID_ARGUMENT, "call", message)
                .hint("answer every Persist, Certify and Sign before the next turn"));
        }
        if let Some(message) = self.wait(timeout) {
            return Ok(Some(self.turn(message)));
        }
        match &self.end {
            Some(Ok(end)) => Ok(Some(Turn::Done(end.clone()))),
            Some(Err(failure)) => Err(failure.clone()),
            None => Ok(None),
        }
    }

    /// Answers [`Turn::Persist`] and [`Turn::Keep`]: the record is durable, or could not be made so.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if nothing was asked.
    pub fn persisted(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        match self.question.take() {
            Some(Question::Persist(answer)) => {
                // Nobody listens any more where the attempt has ended.
                let _ = answer.send(result);
                Ok(())
            }
            other => Err(self.not_asked(other, "no record waits to be made durable")),
        }
    }

    /// Answers [`Turn::Certify`].
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if nothing was asked.
    pub fn certified(&mut self, answer: CaAnswer) -> Result<(), Failure> {
        match self.question.take() {
            Some(Question::Certify(sender)) => {
                // As above.
                let _ = sender.send(answer);
                Ok(())
            }
            other => Err(self.not_asked(other, "no certificate was asked for")),
        }
    }

    /// Answers [`Turn::Sign`]: an RSA signature, PKCS#1 v1.5, over the SHA-256 of what was asked, or why there is none.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if nothing was asked.
    pub fn signed(&mut self, result: Result<Vec<u8>, Failure>) -> Result<(), Failure> {
        match self.question.take() {
            Some(Question::Sign(answer)) => {
                // As above.
                let _ = answer.send(result);
                Ok(())
            }
            other => Err(self.not_asked(other, "nothing waits to be signed")),
        }
    }

    /// What ends this from another thread, also while a call is waiting.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Runs something of the caller's, such as a database that answers a question, on the same runtime.
    ///
    /// # Errors
    /// What it ends with.
    pub fn run<A>(&self, future: impl Future<Output = Result<A, Failure>>) -> Result<A, Failure> {
        self.events.run(future)
    }

    /// Waits for the next message, the end (which goes to `self.end`), or the time.
    fn wait(&mut self, timeout: Duration) -> Option<Message> {
        if let Some(start) = self.start.take().filter(|_| self.end.is_none()) {
            self.attempt = Some(start(self.record.take()));
        }
        let Self { events, attempt: Some(attempt), messages, canceller, .. } = self else {
            // What was said before the end comes before the end.
            return self.messages.try_recv().ok();
        };
        let mut step = None;
        events.wait(Box::pin(async {
            step = tokio::select! {
                biased;
                Some(message) = messages.recv() => Some(Step::Message(message)),
                end = attempt => Some(Step::End(end)),
                () = canceller.cancelled() => Some(Step::End(Err(cancelled()))),
                () = tokio::time::sleep(timeout) => None,
            }
        }));
        match step? {
            Step::Message(message) => Some(message),
            Step::End(end) => {
                self.stop(end);
                self.messages.try_recv().ok()
            }
        }
    }

    fn turn(&mut self, message: Message) -> Turn<T> {
        match message {
            Message::Event(event) => Turn::Event(event),
            Message::Persist(record, answer) => {
                self.question = Some(Question::Persist(answer));
                Turn::Persist(record)
            }
            Message::Keep(record, answer) => {
                self.question = Some(Question::Persist(answer));
                Turn::Keep(record)
            }
            Message::Certify(request, answer) => {
                self.question = Some(Question::Certify(answer));
                Turn::Certify(request)
            }
            Message::Sign(request, answer) => {
                self.question = Some(Question::Sign(answer));
                Turn::Sign(request)
            }
        }
    }

    fn stop(&mut self, end: Result<T, Failure>) {
        // Dropped inside the runtime, whose sockets it holds.
        let _inside = self.events.runtime.enter();
        self.attempt = None;
        self.end = Some(end);
    }

    fn not_asked(&mut self, question: Option<Question>, message: &str) -> Failure {
        self.question = question;
        Failure::new(ErrorCode::INVALID_ARGUMENT, "call", message)
    }
}

impl<T> Drop for Provisioning<T> {
    fn drop(&mut self) {
        // A handshake that waits for a signature does so on a thread, and the runtime waits for its threads: nobody will answer any more.
        self.question = None;
        self.messages.close();
        while self.messages.try_recv().is_ok() {}
        let _inside = self.events.runtime.enter();
        self.attempt = None;
    }
}

impl<T: fmt::Debug> fmt::Debug for Provisioning<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provisioning").field("end", &self.end).finish_non_exhaustive()
    }
}

impl Canceller {
    /// Ends it with `CANCELLED`, now or at its next turn or call. What was persisted stays.
    pub fn cancel(&self) {
        self.0.flag.store(true, Ordering::Release);
        self.0.wake.notify_one();
    }

    fn is_cancelled(&self) -> bool {
        self.0.flag.load(Ordering::Acquire)
    }

    /// Waits for the end of `asking`, or until this is used.
    async fn or(&self, asking: impl Future<Output = ()>) {
        tokio::select! {
            biased;
            () = self.cancelled() => {}
            () = asking => {}
        }
    }

    async fn cancelled(&self) {
        while !self.is_cancelled() {
            self.0.wake.notified().await;
        }
    }
}

/// Waits for one answer on the calling thread.
///
/// # Errors
/// What it ends with; `CANCELLED` from the time on that the canceller was used; `IO` if the operating system gives no event queue.
pub fn wait<T>(answer: impl Future<Output = Result<T, Failure>>, canceller: &Canceller) -> Result<T, Failure> {
    EventLoop::new(canceller.clone())?.run(answer)
}

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new(ErrorCode::IO, "start", format!("the operating system gives no event queue: {error}"))
    })
}

fn cancelled() -> Failure {
    Failure::new(ErrorCode::CANCELLED, "drive", "the operation was cancelled")
}

enum Step<T> {
    Message(Message),
    End(Result<T, Failure>),
}

#[derive(Debug)]
enum Message {
    Event(Event),
    Persist(Box<Record>, oneshot::Sender<Result<(), Failure>>),
    Keep(Secret<Vec<u8>>, oneshot::Sender<Result<(), Failure>>),
    Certify(Box<CertificateRequest>, oneshot::Sender<CaAnswer>),
    Sign(SignRequest, oneshot::Sender<Result<Vec<u8>, Failure>>),
}

enum Question {
    Persist(oneshot::Sender<Result<(), Failure>>),
    Certify(oneshot::Sender<CaAnswer>),
    Sign(oneshot::Sender<Result<Vec<u8>, Failure>>),
}

impl Question {
    const fn name(&self) -> &'static str {
        match self {
            Self::Persist(_) => "Persist",
            Self::Certify(_) => "Certify",
            Self::Sign(_) => "Sign",
        }
    }
}

/// The host of the driver, and where it is asked for it the signer: passes everything on to whoever takes the turns.
#[derive(Clone, Debug)]
pub struct Relay(UnboundedSender<Message>);

impl Host for Relay {
    async fn persist(&self, record: &Record) -> Result<(), Failure> {
        let (sender, answer) = oneshot::channel();
        let _ = self.0.send(Message::Persist(Box::new(record.clone()), sender));
        answer.await.unwrap_or_else(|_| Err(cancelled()))
    }

    async fn certify(&self, request: &CertificateRequest) -> CaAnswer {
        let (sender, answer) = oneshot::channel();
        let _ = self.0.send(Message::Certify(Box::new(request.clone()), sender));
        answer.await.unwrap_or_else(|_| CaAnswer::Failed(cancelled()))
    }

    fn event(&self, _: SystemId, event: &Event) {
        let _ = self.0.send(Message::Event(event.clone()));
    }
}

impl Relay {
    async fn keep(&self, record: Secret<Vec<u8>>) -> Result<(), Failure> {
        let (sender, answer) = oneshot::channel();
        let _ = self.0.send(Message::Keep(record, sender));
        answer.await.unwrap_or_else(|_| Err(cancelled()))
    }
}

impl ApplyHost for Relay {
    async fn persist_apply(&self, record: &ApplyRecord) -> Result<(), Failure> {
        self.keep(record.encode()).await
    }
}

impl RenewHost for Relay {
    async fn persist_renewal(&self, record: &RenewRecord) -> Result<(), Failure> {
        self.keep(record.encode()).await
    }
}

impl Signer for Relay {
    fn sign<'a>(&'a self, index: usize, data: &'a [u8]) -> MeiFuture<'a, Vec<u8>> {
        let (sender, answer) = oneshot::channel();
        let _ = self.0.send(Message::Sign(SignRequest { index, data: data.to_vec() }, sender));
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(cancelled())) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amt_provision::Plan;
    use std::net::{IpAddr, Ipv4Addr, TcpListener};
    use std::thread;
    use std::time::Instant;

    const MOMENT: Duration = Duration::from_millis(20);

    /// An attempt on something that accepts connections and never says a word.
    fn silent() -> (TcpListener, Provisioning) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let id = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
        let mut job = Job::new(id, IpAddr::V4(Ipv4Addr::LOCALHOST), Plan::new());
        job.port = listener.local_addr().unwrap().port();
        let chain = include_bytes!("../../testdata/provisioning/chain.pem");
        let key = include_bytes!("../../testdata/provisioning/key.pem");
        let certificate = crate::ProvisioningCertificate::from_pem(chain, Some(key), None).unwrap();
        job.certificates = Arc::new([certificate]);
        (listener, Provisioning::new(job).unwrap())
    }

    /// Takes turns until there is nothing to hear for a moment.
    fn settle(provisioning: &mut Provisioning) {
        while provisioning.next(MOMENT).unwrap().is_some() {}
    }

    #[test]
    fn a_turn_waits_no_longer_than_told() {
        let (_listener, mut provisioning) = silent();
        settle(&mut provisioning);
        let start = Instant::now();
        assert!(provisioning.next(MOMENT).unwrap().is_none());
        assert!(start.elapsed() >= MOMENT && start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn cancelling_ends_a_waiting_call_and_every_later_one() {
        let (_listener, mut provisioning) = silent();
        settle(&mut provisioning);
        let canceller = provisioning.canceller();
        let start = Instant::now();
        let failure = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(MOMENT);
                canceller.cancel();
            });
            provisioning.next(Duration::from_secs(20)).unwrap_err()
        });
        assert_eq!(failure.code, ErrorCode::CANCELLED);
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(provisioning.next(MOMENT).unwrap_err(), failure);
    }

    #[test]
    fn an_answer_without_a_question_is_refused() {
        let (_listener, mut provisioning) = silent();
        assert_eq!(provisioning.persisted(Ok(())).unwrap_err().code, ErrorCode::INVALID_ARGUMENT);
        let denied = CaAnswer::Denied { reason: "test".into() };
        assert_eq!(provisioning.certified(denied).unwrap_err().code, ErrorCode::INVALID_ARGUMENT);
        assert_eq!(provisioning.signed(Ok(vec![1])).unwrap_err().code, ErrorCode::INVALID_ARGUMENT);
    }

    #[test]
    fn a_signature_is_a_turn_also_for_a_thread_and_nobody_waits_for_one_after_the_end() {
        let ask = |relay: Relay| async move {
            let on_a_thread = move || futures_executor::block_on(relay.sign(3, b"nonce"));
            tokio::task::spawn_blocking(on_a_thread).await.unwrap()
        };
        let asked = |provisioning: &mut Provisioning<Vec<u8>>| match provisioning.next(Duration::from_secs(20)) {
            Ok(Some(Turn::Sign(request))) => assert_eq!((request.index, &*request.data), (3, &b"nonce"[..])),
            other => panic!("{other:?}"),
        };
        let mut answered = Provisioning::of(None, move |_, relay| ask(relay)).unwrap();
        asked(&mut answered);
        assert_eq!(answered.next(MOMENT).unwrap_err().code, ErrorCode::INVALID_ARGUMENT);
        answered.signed(Ok(vec![7])).unwrap();
        assert!(matches!(answered.next(Duration::from_secs(20)), Ok(Some(Turn::Done(end))) if end == [7]));

        let mut refused = Provisioning::of(None, move |_, relay| ask(relay)).unwrap();
        asked(&mut refused);
        refused.signed(Err(Failure::new(ErrorCode::SIGNER, "sign", "no"))).unwrap();
        assert_eq!(refused.next(Duration::from_secs(20)).unwrap_err().code, ErrorCode::SIGNER);

        let mut given_up = Provisioning::of(None, move |_, relay| ask(relay)).unwrap();
        asked(&mut given_up);
        given_up.canceller().cancel();
        assert_eq!(given_up.next(MOMENT).unwrap_err().code, ErrorCode::CANCELLED);
        // The thread waits still: dropping comes back all the same.
        drop(given_up);
    }
}
