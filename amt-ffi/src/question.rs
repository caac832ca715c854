//! What shall become of a machine, decided by the host: questions of a setup server that wait for an answer.

use crate::argument::{self, Out};
use crate::document::amt_document;
use crate::error::amt_error;
use crate::fleet::read;
use crate::guard::guard;
use crate::handle;
use crate::inbox::Inbox;
use crate::server::amt_server;
use crate::status::amt_status;
use ::amt_fleet::resolve::{Answer, Question, Resolver, Resolving};
use amt_core::{ErrorCode, Failure};
use serde_json::{Value, json};
use std::ffi::c_char;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

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
            *handle::lease(server)?.questions.patience() = patience;
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
            if let Some((taken, document)) = server.questions.inbox.take() {
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
            server.questions.inbox.answer("question", question, Ok(answer))
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
            server.questions.inbox.fail("question", question, reason)
        })
    }
}

/// The questions of one server.
pub(crate) struct Questions {
    pub(crate) inbox: Arc<Inbox<Value, Answer>>,
    /// None: the host is not asked.
    patience: Mutex<Option<Duration>>,
}

impl Questions {
    /// None yet; each is announced to `news`.
    pub(crate) fn new(news: UnboundedSender<Value>) -> Self {
        Self { inbox: Arc::new(Inbox::new(news, failed)), patience: Mutex::new(None) }
    }

    /// Nobody is asked any more, and who waits need not.
    pub(crate) fn close(&self) {
        *self.patience() = None;
        self.inbox.close();
    }

    fn patience(&self) -> MutexGuard<'_, Option<Duration>> {
        self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the host.
pub(crate) struct Host(pub(crate) Arc<Questions>);

impl Resolver for Host {
    fn resolve<'a>(&'a self, question: &'a Question) -> Resolving<'a> {
        let patience = *self.0.patience();
        let waiting = patience.map(|patience| {
            let asked = question.to_json();
            let about = json!({ "uuid": asked["uuid"], "address": asked["address"] });
            (self.0.inbox.put(asked, "question", "what shall become of this machine?", about), patience)
        });
        Box::pin(async move {
            match waiting {
                Some((waiting, patience)) => waiting.answer(patience).await,
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
