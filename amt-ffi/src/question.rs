//! What shall become of a machine, decided by the host: questions of a setup server that wait for an answer.

use crate::argument::{self, Out};
use crate::document::amt_document;
use crate::error::amt_error;
use crate::fleet::read;
use crate::guard::guard;
use crate::handle;
use crate::server::amt_server;
use crate::status::amt_status;
use ::amt_fleet::resolve::{Answer, Question, Resolver, Resolving};
use amt_core::{ErrorCode, Failure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_char;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Has the host asked about every machine, after the rules and the program of the configuration (docs/resolver.md), and waits `patience_ms` for
/// each answer; 0: no longer. Until this is called it is not asked. A machine that is asked about brings the event `question` in
/// `amt_server_next`.
///
/// # Safety
/// `server` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_ask_host(
    server: *const amt_server,
    patience_ms: u32,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let patience = (patience_ms > 0).then(|| Duration::from_millis(patience_ms.into()));
            handle::lease(server)?.questions.lock().patience = patience;
            Ok(())
        })
    }
}

/// Takes the oldest question that was not taken yet: its number, and as JSON into `*asked`, to be freed with `amt_document_free`, all that is known
/// of the machine: what a program of `[resolver]` gets (docs/resolver.md). 0 and null: there is none. Any thread may call this at any time, also
/// beside `amt_server_next`.
///
/// # Safety
/// `server` is null or a handle; `question` and `asked` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_question(
    server: *const amt_server,
    question: *mut u64,
    asked: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let number = Out::new("question", question, 0)?;
            let out = Out::handle("asked", asked)?;
            let server = handle::lease(server)?;
            if let Some((taken, document)) = server.questions.lock().untold.pop_front() {
                number.set(taken);
                out.give(amt_document::new(document));
            }
            Ok(())
        })
    }
}

/// Answers a question with a JSON object as of docs/resolver.md: `{"entry": "admit", "name": "pc1.example.com", "profile": "desk"}` lets the
/// machine in, `{"entry": "park", "reason": "not ours"}` keeps it out, `{}` leaves everything open. Any thread may call this at any time; the
/// server goes on with it inside `amt_server_next`.
///
/// Fails with `AMT_E_PARSE_TEXT` for what is no answer, the question then waits on; with `AMT_E_INVALID_ARGUMENT` if nobody waits for it any more:
/// it was answered, or the time was over.
///
/// # Safety
/// `server` is null or a handle; `answer` is null or readable for its length; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_answer(
    server: *const amt_server,
    question: u64,
    answer: *const c_char,
    answer_len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let server = handle::lease(server)?;
            let answer: Answer = read("answer", argument::text("answer", answer, answer_len)?)?;
            let answer = answer.normalised().map_err(|failure| unusable(&failure.message))?;
            server.questions.answer(question, Ok(answer))
        })
    }
}

/// Answers a question: the host cannot say now, for this reason. A machine whose setup has not begun is parked as `RESOLVER`, and asked about
/// again when it says hello next; one that has begun goes on. The same happens where the time is over.
///
/// # Safety
/// `server` is null or a handle; `reason` is null or readable for `reason_len` bytes; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_answer_failed(
    server: *const amt_server,
    question: u64,
    reason: *const c_char,
    reason_len: usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let server = handle::lease(server)?;
            let reason = argument::text("reason", reason, reason_len)?;
            server.questions.answer(question, Err(failed(reason.to_owned())))
        })
    }
}

/// The questions of one server.
pub(crate) struct Questions {
    state: Mutex<State>,
    /// Told whenever there is one more.
    news: UnboundedSender<Value>,
}

struct State {
    /// None: the host is not asked.
    patience: Option<Duration>,
    /// Number of the last question.
    last: u64,
    /// What the host has not taken yet.
    untold: VecDeque<(u64, Value)>,
    /// Who waits.
    waiting: BTreeMap<u64, oneshot::Sender<Result<Answer, Failure>>>,
}

impl Questions {
    /// None yet, and where each is announced.
    pub(crate) fn new() -> (Arc<Self>, UnboundedReceiver<Value>) {
        let (news, announced) = unbounded_channel();
        let state = State { patience: None, last: 0, untold: VecDeque::new(), waiting: BTreeMap::new() };
        (Arc::new(Self { state: Mutex::new(state), news }), announced)
    }

    /// Nobody is asked any more, and who waits need not.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.patience = None;
        state.untold.clear();
        state.waiting.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, number: u64, answer: Result<Answer, Failure>) -> Result<(), Failure> {
        let mut state = self.lock();
        let sender = state.waiting.remove(&number);
        state.untold.retain(|(untold, _)| *untold != number);
        drop(state);
        if sender.is_some_and(|sender| sender.send(answer).is_ok()) {
            return Ok(());
        }
        let text = format!("question: nobody waits for an answer to {number}");
        Err(argument::invalid(text))
    }

    /// Puts a question; none if the host is not asked.
    fn put(self: &Arc<Self>, question: &Question) -> Option<Waiting> {
        let asked = question.to_json();
        let mut state = self.lock();
        let patience = state.patience?;
        state.last += 1;
        let number = state.last;
        let (sender, answer) = oneshot::channel();
        state.waiting.insert(number, sender);
        let announced = json!({
            "at": ::amt_fleet::json::time(SystemTime::now()),
            "event": "question",
            "uuid": asked["uuid"],
            "address": asked["address"],
            "message": "what shall become of this machine?",
        });
        state.untold.push_back((number, asked));
        // Nobody listening means that the server is being dropped.
        let _ = self.news.send(announced);
        Some(Waiting { questions: Arc::clone(self), number, patience, answer })
    }
}

/// A question that waits; dropped, it is withdrawn.
struct Waiting {
    questions: Arc<Questions>,
    number: u64,
    patience: Duration,
    answer: oneshot::Receiver<Result<Answer, Failure>>,
}

impl Waiting {
    async fn answer(mut self) -> Result<Answer, Failure> {
        let late = || failed(format!("the host did not answer within {:.1} s", self.patience.as_secs_f64()));
        match timeout(self.patience, &mut self.answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(failed("the server is stopping".to_owned()))),
            Err(_) => Err(late()),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.questions.lock();
        state.waiting.remove(&self.number);
        state.untold.retain(|(number, _)| *number != self.number);
    }
}

/// Asks the host.
pub(crate) struct Host(pub(crate) Arc<Questions>);

impl Resolver for Host {
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
        let waiting = self.0.put(question);
        Box::pin(async move {
            match waiting {
                Some(waiting) => waiting.answer().await,
                None => Ok(Answer::default()),
            }
        })
    }
}

fn failed(text: String) -> Failure {
    Failure::new(ErrorCode::RESOLVER, "resolve", text)
}

fn unusable(why: &str) -> Failure {
    Failure::new(ErrorCode::PARSE_TEXT, "call", format!("answer: {why}"))
}
