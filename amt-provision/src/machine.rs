//! The contract between procedures and whoever drives them, and the adapter that lets a procedure be written as one
//! straight function.
//!
//! A procedure is an `async fn` over a context. It is polled only from [`Pump::handle`], with a waker that does nothing:
//! there is no executor, no clock and no thread in it. What it awaits is the next [`Input`].

use crate::ca::{CaAnswer, CertificateRequest, KeyAnswer, KeyRequest};
use crate::event::Event;
use crate::journal::Record;
use amt_core::tls::{TlsOutcome, TlsPlan};
use amt_core::{ErrorCode, Failure, Secret, Tick};
use amt_heci::mei::Client;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use zeroize::Zeroizing;

/// What a driver tells a procedure.
#[derive(Clone, Debug)]
pub enum Input {
    /// Begin. The first input, once.
    Start,
    /// The connection asked for stands; with what its handshake brought, unless plain was asked for.
    Connected(Option<TlsOutcome>),
    /// The connection asked for could not be made.
    ConnectFailed(Failure),
    /// Bytes from the machine, in any pieces.
    Bytes(Vec<u8>),
    /// The connection ended. No more bytes will come from it.
    Closed,
    /// The time of [`Pump::deadline`] has come.
    Timeout,
    /// The record asked for is durable, or could not be made so.
    Persisted(Result<(), Failure>),
    /// The authority's answer.
    Certified(CaAnswer),
    /// The key pair asked for, or why there is none.
    Key(Result<KeyAnswer, Failure>),
    /// The token asked for, or why there is none.
    Token(Result<Secret<Vec<u8>>, Failure>),
    /// What the firmware's client answered, or why it did not.
    Mei(Result<Vec<u8>, Failure>),
    /// The signature asked for, or why there is none.
    Signed(Result<Vec<u8>, Failure>),
    /// The caller wants to stop. The procedure ends with `CANCELLED`; what was persisted stays.
    Cancel,
}

/// What a procedure asks of its driver. Taken in order.
#[derive(Clone, Debug)]
pub enum Output {
    /// Drop the present connection, if any, and make a new one: TCP to `port`, then TLS; from the machine's own system, its local
    /// channel to that port. Answer: `Connected` or `ConnectFailed`.
    Connect {
        /// Port on the machine.
        port: u16,
        /// Whom to accept and what to present; none: no TLS.
        tls: Option<TlsPlan>,
    },
    /// The machine is at this address now: connections made from here on go there.
    GoTo(IpAddr),
    /// Send a message to a client of the machine's own firmware, over a connection of its own. Answer: `Mei`.
    Mei(MeiRequest),
    /// Have this signed with the key of a certificate. Answer: `Signed`.
    Sign(SignRequest),
    /// Send these bytes in one write.
    Transmit(Vec<u8>),
    /// Make the record durable that is in [`Machine::record`]. Answer: `Persisted`. Nothing that depends on it is sent before the answer.
    Persist,
    /// Ask the certificate authority. Answer: `Certified`.
    Certify(CertificateRequest),
    /// Make a key pair outside the machine. Answer: `Key`.
    MakeKey(KeyRequest),
    /// Make a token of Kerberos for the connection that was just made. Answer: `Token`.
    MakeToken {
        /// Port of the connection: part of the name of the service.
        port: u16,
    },
    /// Progress.
    Event(Event),
    /// Drop the connection.
    Close,
    /// The procedure has ended, with what is in [`Machine::end`]; nothing follows.
    Done,
}

/// A message to the firmware of the machine that this runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeiRequest {
    /// To whom.
    pub client: Client,
    /// The whole message.
    pub message: Zeroizing<Vec<u8>>,
    /// Whether it may be sent again when the firmware was reset and the answer lost. Once only, and never for what changes anything.
    pub repeatable: bool,
}

/// What is to be signed for the firmware: RSA, PKCS#1 v1.5, over the SHA-256 of `data` (`spec/wsman.md` §3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// Which of the caller's certificates.
    pub index: usize,
    /// The firmware's nonce and ours: 40 bytes.
    pub data: Vec<u8>,
}

/// What a procedure leaves for its driver, to be taken once.
#[derive(Debug)]
pub struct Slot<V>(Arc<Mutex<Option<V>>>);

impl<V> Slot<V> {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    fn put(&self, value: V) {
        *lock(&self.0) = Some(value);
    }

    /// What was left; none if nothing was, or it was taken before.
    pub fn take(&self) -> Option<V> {
        lock(&self.0).take()
    }
}

impl<V> Clone for Slot<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Shared {
    now: Tick,
    input: Option<Input>,
    outputs: VecDeque<Output>,
    deadline: Option<Tick>,
    cancelled: bool,
    /// Whether the present connection has ended. Kept here, because it may end while the procedure waits for something else.
    closed: bool,
}

/// A procedure as a machine. `T` is what it ends with, `R` the record that it makes durable.
#[non_exhaustive]
pub struct Machine<T, R = Record> {
    /// What drives it: the same for every procedure.
    pub pump: Pump,
    /// The record of [`Output::Persist`].
    pub record: Slot<R>,
    /// What it ended with, at [`Output::Done`].
    pub end: Slot<Result<T, Failure>>,
}

impl<T: Send + 'static, R: Send + 'static> Machine<T, R> {
    /// Wraps the procedure that `make` returns.
    pub(crate) fn new<F>(make: impl FnOnce(RecordCx<R>) -> F) -> Self
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let shared = Arc::new(Mutex::new(Shared {
            now: Tick::default(),
            input: None,
            outputs: VecDeque::new(),
            deadline: None,
            cancelled: false,
            closed: false,
        }));
        let (record, end) = (Slot::new(), Slot::new());
        let procedure = make(RecordCx { cx: Cx { shared: Arc::clone(&shared) }, record: record.clone() });
        let result = end.clone();
        let procedure = Box::pin(async move { result.put(procedure.await) });
        Self { pump: Pump { procedure: Some(procedure), shared }, record, end }
    }
}

impl<T: Send + 'static> Machine<T, Infallible> {
    /// Wraps a procedure that makes nothing durable.
    pub(crate) fn without_record<F>(make: impl FnOnce(Cx) -> F) -> Self
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        Self::new(|with_record| make(with_record.cx))
    }
}

type Procedure = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Drives a procedure: one input, then drain.
pub struct Pump {
    procedure: Option<Procedure>,
    shared: Arc<Mutex<Shared>>,
}

impl Pump {
    /// Applies one input at `now`. Drain [`poll`](Self::poll) before the next.
    ///
    /// # Errors
    /// `NOT_DRAINED` if outputs are still waiting; the input was not taken.
    pub fn handle(&mut self, now: Tick, input: Input) -> Result<(), Failure> {
        {
            let mut shared = lock(&self.shared);
            if !shared.outputs.is_empty() {
                return Err(Failure::new(ErrorCode::NOT_DRAINED, "drive", "outputs are waiting to be taken"));
            }
            shared.now = now;
            shared.cancelled |= matches!(input, Input::Cancel);
            match input {
                Input::Connected(_) => shared.closed = false,
                Input::Closed | Input::ConnectFailed(_) => shared.closed = true,
                _ => {}
            }
            shared.input = Some(input);
        }
        let Some(procedure) = &mut self.procedure else { return Ok(()) };
        if let Poll::Ready(()) = procedure.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            self.procedure = None;
            let mut shared = lock(&self.shared);
            shared.deadline = None;
            shared.outputs.push_back(Output::Close);
            shared.outputs.push_back(Output::Done);
        }
        Ok(())
    }

    /// The next output; drain after every input.
    pub fn poll(&mut self) -> Option<Output> {
        lock(&self.shared).outputs.pop_front()
    }

    /// When to call [`handle`](Self::handle) with [`Input::Timeout`] if nothing else happens before. Ask again after
    /// every drain.
    pub fn deadline(&self) -> Option<Tick> {
        lock(&self.shared).deadline
    }
}

/// What a procedure with a record works with.
pub(crate) struct RecordCx<R> {
    cx: Cx,
    record: Slot<R>,
}

impl<R: Clone> RecordCx<R> {
    /// Leaves `record` to be made durable: to be followed by [`Cx::kept`].
    pub(crate) fn put(&self, record: &R) {
        self.record.put(record.clone());
    }

    /// Makes `record` durable; returns only after it is.
    pub(crate) async fn persist(&self, record: &R) -> Result<(), Failure> {
        self.put(record);
        self.cx.kept().await
    }
}

impl<R> Deref for RecordCx<R> {
    type Target = Cx;

    fn deref(&self) -> &Cx {
        &self.cx
    }
}

/// What a procedure works with.
#[derive(Clone)]
pub(crate) struct Cx {
    shared: Arc<Mutex<Shared>>,
}

impl Cx {
    pub(crate) fn now(&self) -> Tick {
        lock(&self.shared).now
    }

    /// Whether the connection made last has ended.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.shared).closed
    }

    pub(crate) fn emit(&self, output: Output) {
        lock(&self.shared).outputs.push_back(output);
    }

    pub(crate) fn event(&self, event: Event) {
        self.emit(Output::Event(event));
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        self.event(Event::Note(text.into()));
    }

    /// Waits for the next input, at most until `deadline`.
    pub(crate) async fn input(&self, deadline: Option<Tick>) -> Result<Input, Failure> {
        lock(&self.shared).deadline = deadline;
        let input = poll_fn(|_| match lock(&self.shared).input.take() {
            Some(input) => Poll::Ready(input),
            None => Poll::Pending,
        })
        .await;
        let mut shared = lock(&self.shared);
        shared.deadline = None;
        if shared.cancelled {
            return Err(Failure::new(ErrorCode::CANCELLED, "drive", "the operation was cancelled"));
        }
        Ok(input)
    }

    /// Waits for `time`; a connection that ends or talks meanwhile does not matter.
    pub(crate) async fn sleep(&self, time: Duration) -> Result<(), Failure> {
        let until = self.now().after(time);
        while self.now() < until {
            self.input(Some(until)).await?;
        }
        Ok(())
    }

    /// Connections made from here on go to `address`.
    pub(crate) fn go_to(&self, address: IpAddr) {
        self.emit(Output::GoTo(address));
    }

    /// Makes a connection, replacing the present one.
    pub(crate) async fn connect(&self, port: u16, tls: Option<TlsPlan>) -> Result<Option<TlsOutcome>, Failure> {
        self.emit(Output::Connect { port, tls });
        loop {
            match self.input(None).await? {
                Input::Connected(outcome) => {
                    if let Some(outcome) = &outcome {
                        self.event(Event::Connected(outcome.clone()));
                    }
                    return Ok(outcome);
                }
                Input::ConnectFailed(failure) => return Err(failure),
                // Left over from the connection before.
                _ => {}
            }
        }
    }

    /// Waits until the record that was [`put`](RecordCx::put) is durable.
    pub(crate) async fn kept(&self) -> Result<(), Failure> {
        self.emit(Output::Persist);
        loop {
            if let Input::Persisted(result) = self.input(None).await? {
                return result;
            }
        }
    }

    /// Asks the authority.
    pub(crate) async fn certify(&self, request: CertificateRequest) -> Result<CaAnswer, Failure> {
        self.emit(Output::Certify(request));
        loop {
            if let Input::Certified(answer) = self.input(None).await? {
                return Ok(answer);
            }
        }
    }

    /// Sends a message to a client of the firmware and waits for its answer.
    pub(crate) async fn mei(&self, request: MeiRequest) -> Result<Vec<u8>, Failure> {
        self.emit(Output::Mei(request));
        loop {
            if let Input::Mei(answer) = self.input(None).await? {
                return answer;
            }
        }
    }

    /// Has something signed.
    pub(crate) async fn sign(&self, request: SignRequest) -> Result<Vec<u8>, Failure> {
        self.emit(Output::Sign(request));
        loop {
            if let Input::Signed(answer) = self.input(None).await? {
                return answer;
            }
        }
    }

    /// Has a token of Kerberos made for the connection to `port`.
    pub(crate) async fn token(&self, port: u16) -> Result<Secret<Vec<u8>>, Failure> {
        self.emit(Output::MakeToken { port });
        loop {
            if let Input::Token(answer) = self.input(None).await? {
                return answer;
            }
        }
    }

    /// Has a key pair made outside the machine.
    pub(crate) async fn make_key(&self, request: KeyRequest) -> Result<KeyAnswer, Failure> {
        self.emit(Output::MakeKey(request));
        loop {
            if let Input::Key(answer) = self.input(None).await? {
                return answer;
            }
        }
    }
}

// A panic inside a procedure leaves nothing half-written here: every change is one assignment or push.
fn lock<V>(value: &Mutex<V>) -> MutexGuard<'_, V> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_refused_until_outputs_are_drained() {
        let mut machine = Machine::new(|cx: RecordCx<u8>| async move {
            cx.note("one");
            cx.sleep(Duration::from_secs(5)).await?;
            Ok(7)
        });
        machine.pump.handle(Tick(0), Input::Start).unwrap();
        assert_eq!(machine.pump.handle(Tick(1), Input::Closed).unwrap_err().code, ErrorCode::NOT_DRAINED);
        assert!(matches!(machine.pump.poll(), Some(Output::Event(Event::Note(_)))));
        assert!(machine.pump.poll().is_none());
    }

    #[test]
    fn a_procedure_waits_by_its_deadline_and_ends_once() {
        let mut machine = Machine::new(|cx: RecordCx<u8>| async move {
            cx.input(None).await?;
            cx.sleep(Duration::from_secs(5)).await?;
            Ok(7)
        });
        machine.pump.handle(Tick(1000), Input::Start).unwrap();
        assert_eq!(machine.pump.deadline(), Some(Tick(6000)));
        machine.pump.handle(Tick(6000), Input::Timeout).unwrap();
        assert!(matches!(machine.pump.poll(), Some(Output::Close)));
        assert!(matches!(machine.pump.poll(), Some(Output::Done)));
        assert!(matches!(machine.end.take(), Some(Ok(7))));
        machine.pump.handle(Tick(7000), Input::Timeout).unwrap();
        assert!(machine.pump.poll().is_none());
    }

    #[test]
    fn cancelling_ends_any_wait() {
        let mut machine = Machine::new(|cx: RecordCx<u8>| async move {
            cx.input(None).await?;
            cx.sleep(Duration::from_secs(5)).await?;
            Ok(7)
        });
        machine.pump.handle(Tick(0), Input::Start).unwrap();
        machine.pump.handle(Tick(1), Input::Cancel).unwrap();
        machine.pump.poll();
        assert!(matches!(machine.pump.poll(), Some(Output::Done)));
        assert!(matches!(machine.end.take(), Some(Err(f)) if f.code == ErrorCode::CANCELLED));
    }
}
