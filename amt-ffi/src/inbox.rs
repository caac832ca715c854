//! Questions of a running server to its host: each is announced, taken once, and answered by its number.

use crate::argument;
use amt_core::Failure;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Questions of one kind, answered with an `A`.
pub(crate) struct Inbox<Q, A> {
    state: Mutex<State<Q, A>>,
    /// Told whenever there is one more.
    news: UnboundedSender<Value>,
    /// Makes the failure of a reason.
    failed: fn(String) -> Failure,
}

struct State<Q, A> {
    is_closed: bool,
    /// Number of the last question.
    last: u64,
    /// What the host has not taken yet.
    untold: VecDeque<(u64, Q)>,
    /// Who waits.
    waiting: BTreeMap<u64, oneshot::Sender<Result<A, Failure>>>,
}

impl<Q, A> Inbox<Q, A> {
    /// None yet; each is announced to `news`.
    pub(crate) const fn new(news: UnboundedSender<Value>, failed: fn(String) -> Failure) -> Self {
        let state = State { is_closed: false, last: 0, untold: VecDeque::new(), waiting: BTreeMap::new() };
        Self { state: Mutex::new(state), news, failed }
    }

    /// Nobody is asked any more, and who waits need not.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.untold.clear();
        state.waiting.clear();
    }

    /// The oldest that was not taken yet, and its number.
    pub(crate) fn take(&self) -> Option<(u64, Q)> {
        self.lock().untold.pop_front()
    }

    /// Answers the one with this number; `name` is what the caller calls the number.
    pub(crate) fn answer(&self, name: &str, number: u64, answer: Result<A, Failure>) -> Result<(), Failure> {
        let mut state = self.lock();
        let sender = state.waiting.remove(&number);
        state.untold.retain(|(untold, _)| *untold != number);
        drop(state);
        if sender.is_some_and(|sender| sender.send(answer).is_ok()) {
            return Ok(());
        }
        let text = format!("{name}: nobody waits for an answer to {number}");
        Err(argument::invalid(text))
    }

    /// Answers the one with this number with a reason why there is no answer.
    pub(crate) fn fail(&self, name: &str, number: u64, reason: &str) -> Result<(), Failure> {
        self.answer(name, number, Err((self.failed)(reason.to_owned())))
    }

    /// Puts a question; `event`, its `kind`, is announced with what `more` has.
    pub(crate) fn put(self: &Arc<Self>, question: Q, kind: &str, message: &str, more: Value) -> Waiting<Q, A> {
        let (sender, answer) = oneshot::channel();
        let mut state = self.lock();
        let number = state.last + 1;
        if !state.is_closed {
            state.last = number;
            state.waiting.insert(number, sender);
            state.untold.push_back((number, question));
            let mut announced = json!({
                "at": ::amt_fleet::json::time(SystemTime::now()),
                "event": kind,
                "uuid": null,
                "address": null,
                "message": message,
            });
            if let (Value::Object(event), Value::Object(more)) = (&mut announced, more) {
                event.extend(more);
            }
            // Nobody listening means that the server is being dropped.
            let _ = self.news.send(announced);
        }
        drop(state);
        Waiting { inbox: Arc::clone(self), number, answer }
    }

    fn lock(&self) -> MutexGuard<'_, State<Q, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question that waits; dropped, it is withdrawn.
pub(crate) struct Waiting<Q, A> {
    inbox: Arc<Inbox<Q, A>>,
    number: u64,
    answer: oneshot::Receiver<Result<A, Failure>>,
}

impl<Q, A> Waiting<Q, A> {
    /// What the host says within this time.
    pub(crate) async fn answer(mut self, patience: Duration) -> Result<A, Failure> {
        let failed = self.inbox.failed;
        match timeout(patience, &mut self.answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(failed("the server is stopping".to_owned()))),
            Err(_) => Err(failed(format!("the host did not answer within {:.1} s", patience.as_secs_f64()))),
        }
    }
}

impl<Q, A> Drop for Waiting<Q, A> {
    fn drop(&mut self) {
        let mut state = self.inbox.lock();
        state.waiting.remove(&self.number);
        state.untold.retain(|(number, _)| *number != self.number);
    }
}
