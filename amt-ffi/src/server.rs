//! `amt_server`: the setup server.

use crate::argument::{self, Out};
use crate::document::amt_document;
use crate::error::amt_error;
use crate::fleet::{Open, amt_fleet};
use crate::guard::guard;
use crate::handle::{self, Exclusive, Object};
use crate::question::{Host, Questions};
use crate::signature::{HostSigner, Signatures, signatures};
use crate::status::amt_status;
use crate::text;
use ::amt_fleet::config::Config;
use ::amt_fleet::intake::Intake;
use ::amt_fleet::{Server, Subscription};
use amt::certificate::Bundle;
use amt::local::RemoteChains;
use amt_core::{ErrorCode, Failure};
use serde_json::Value;
use std::ffi::c_char;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::time::timeout;

/// A setup server, bound to its ports. One call of `amt_server_next` at a time; any thread may call the other functions at any time.
pub struct amt_server {
    pub(crate) questions: Arc<Questions>,
    pub(crate) signatures: Arc<Signatures>,
    addresses: String,
    reports: Reports,
    stop: Arc<watch::Sender<bool>>,
    serving: Exclusive<Serving>,
}

impl Object for amt_server {
    const TAG: u32 = 0x414d_5412;
    const NAME: &'static str = "amt_server";
}

/// Where clients report, and the pin that they know it by; empty without an intake.
#[derive(Default)]
struct Reports {
    addresses: String,
    pin: String,
}

type Run = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// A server that does not serve yet, and how it is told to stop.
struct Begin {
    server: Server,
    intake: Option<Intake>,
    stopped: watch::Receiver<bool>,
    /// Chains of the host, so far.
    chains: usize,
}

struct Serving {
    /// Until the first call.
    begin: Option<Box<Begin>>,
    /// From then on until it has ended.
    run: Option<Run>,
    events: Subscription,
    /// Questions that the host may take.
    asked: UnboundedReceiver<Value>,
    /// What it ended with.
    end: Option<Failure>,
    open: Arc<Open>,
    signatures: Arc<Signatures>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // A handshake may wait for one on a thread of its own.
        self.signatures.close();
        self.open.waiting.discard((self.run.take(), self.begin.take()));
    }
}

impl Serving {
    /// What happens next; none if nothing does in time.
    fn next(&mut self, patience: Duration) -> Result<Option<amt_document>, Failure> {
        if let Some(begin) = self.begin.take() {
            let Begin { server, intake, mut stopped, .. } = *begin;
            self.run = Some(Box::pin(server.run_with(intake, async move {
                // The sender is dropped with the handle, and this with it.
                let _ = stopped.wait_for(|stopped| *stopped).await;
            })));
        }
        let Self { run, events, asked, end, open, .. } = self;
        let next = async {
            loop {
                let Some(running) = run else {
                    // What it said last is told before its end.
                    return match events.next().await {
                        Some(event) => Ok(Some(amt_document::new(event.to_json()))),
                        None => Err(end.clone().unwrap_or_else(stopped)),
                    };
                };
                tokio::select! {
                    biased;
                    Some(event) = events.next() => return Ok(Some(amt_document::new(event.to_json()))),
                    Some(question) = asked.recv() => return Ok(Some(amt_document::new(question))),
                    ended = running => {
                        *end = ended.err();
                        *run = None;
                    }
                }
            }
        };
        open.waiting.run(async { timeout(patience, next).await.unwrap_or(Ok(None)) })
    }
}

/// Binds the ports of the configuration file at `config` (docs/setup-server.md) over a database, into `*out`; free it with `amt_server_free`.
/// The file's own `database` and `seal_key_file` are not used. It need not name a provisioning certificate where `amt_server_add_chain` gives one. With an `[intake]` (docs/intake.md) clients on the machines report to it too.
///
/// Fails with `AMT_E_CONFIG`, whose message lists everything that is wrong, one line each, and with `AMT_E_LISTEN`.
///
/// # Safety
/// `fleet` is null or a handle; `config` is null or readable for its length; `out` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_new(
    fleet: *mut amt_fleet,
    config: *const c_char,
    config_len: usize,
    out: *mut *mut amt_server,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let out = Out::handle("out", out)?;
            let path = argument::text("config", config, config_len)?;
            let open = handle::lease(fleet)?.share()?;
            out.give(bind(open, &Config::load(Path::new(path))?)?);
            Ok(())
        })
    }
}

fn bind(open: Arc<Open>, config: &Config) -> Result<amt_server, Failure> {
    let fleet = open.fleet()?.clone();
    let (news, asked) = unbounded_channel();
    let questions = Arc::new(Questions::new(news.clone()));
    let signatures = signatures(news);
    let host = Host(Arc::clone(&questions));
    let (server, intake) = open.waiting.run(async {
        let server = Server::builder(fleet.clone()).config(config).await?.resolver(host).chains_follow().bind().await?;
        let intake = match &config.intake {
            Some(settings) => Some(Intake::builder(fleet).settings(settings).bind().await?),
            None => None,
        };
        Ok((server, intake))
    })?;
    let addresses = listed(server.addresses());
    let reports = intake.as_ref().map_or_else(Reports::default, |intake| Reports {
        addresses: listed(intake.addresses()),
        pin: intake.pin().to_owned(),
    });
    let events = server.subscribe();
    let stop = Arc::new(watch::Sender::new(false));
    let begin = Box::new(Begin { server, intake, stopped: stop.subscribe(), chains: 0 });
    let own = Arc::clone(&signatures);
    let serving = Serving { begin: Some(begin), run: None, events, asked, end: None, open, signatures: own };
    Ok(amt_server { questions, signatures, addresses, reports, stop, serving: Exclusive::new(serving) })
}

impl amt_server {
    /// One more chain for which the host signs.
    pub(crate) fn add_chain(&self, bundle: &Bundle) -> Result<(), Failure> {
        let mut serving = self.serving.enter::<Self>()?;
        let Some(begin) = &mut serving.begin else {
            return Err(argument::invalid("server: it serves already, and chains are added before that"));
        };
        let mut chains = RemoteChains::default();
        chains.add(bundle, Arc::new(HostSigner(Arc::clone(&self.signatures))), begin.chains)?;
        begin.server.add_chains(chains)?;
        begin.chains += 1;
        Ok(())
    }
}

/// As a list with commas.
fn listed(addresses: Vec<SocketAddr>) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn stopped() -> Failure {
    Failure::new(ErrorCode::CANCELLED, "serve", "the server was stopped")
}

/// Where hellos are awaited, as a list with commas, with the port that was chosen where 0 was asked for. Valid until `server` is freed.
///
/// # Safety
/// `server` is null or a handle; `data` and `len` are null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_addresses(
    server: *const amt_server,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { text::lend(server, data, len, err, |server| Ok(&server.addresses)) }
}

/// Where clients on the machines report, as a list with commas, with the port that was chosen where 0 was asked for; empty without an `[intake]`.
/// Valid until `server` is freed.
///
/// # Safety
/// As for `amt_server_addresses`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_intake_addresses(
    server: *const amt_server,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { text::lend(server, data, len, err, |server| Ok(&server.reports.addresses)) }
}

/// What clients know the intake by: the SHA-256 (hex) of its certificate, as `amt enroll --pin` takes it; empty without an `[intake]`. Valid until
/// `server` is freed.
///
/// # Safety
/// As for `amt_server_addresses`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_intake_pin(
    server: *const amt_server,
    data: *mut *const c_char,
    len: *mut usize,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { text::lend(server, data, len, err, |server| Ok(&server.reports.pin)) }
}

/// Serves for at most `timeout_ms` and brings what happened, one event as a JSON object as of `amt serve --json`, into `*event`, to be freed with
/// `amt_document_free`; null if nothing did. The event `question` says that `amt_server_question` has one to take, the event `signature` that
/// `amt_server_signature` has.
///
/// All work is done inside these calls, for all machines at a time: call it without delay, from one thread, until it fails: with
/// `AMT_E_CANCELLED` after `amt_server_stop`, else with what ended the server: with `AMT_E_CONFIG` at once where there is no provisioning certificate. Whatever ends it, and a power cut too, what was unfinished is
/// taken up by the next server on the database.
///
/// # Safety
/// `server` is null or a handle; `event` is null or writable; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_next(
    server: *mut amt_server,
    timeout_ms: u32,
    event: *mut *mut amt_document,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let event = Out::handle("event", event)?;
            let server = handle::lease(server)?;
            let next = server.serving.enter::<amt_server>()?.next(Duration::from_millis(timeout_ms.into()))?;
            if let Some(next) = next {
                event.give(next);
            }
            Ok(())
        })
    }
}

/// Asks the server to end: `amt_server_next` then lets what runs come to an end, for ten seconds at most.
///
/// # Safety
/// `server` is null or a handle; `err` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_stop(server: *const amt_server, err: *mut *mut amt_error) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            let server = handle::lease(server)?;
            server.questions.close();
            server.signatures.close();
            server.stop.send_replace(true);
            Ok(())
        })
    }
}

/// Closes the ports, cuts off what runs, and frees `server`. Null does nothing; while a call is inside, `AMT_E_BUSY` is returned and nothing is
/// freed.
///
/// # Safety
/// `server` is null or a handle, not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_server_free(server: *mut amt_server) -> amt_status {
    // SAFETY: the caller keeps the contract above.
    unsafe { guard(std::ptr::null_mut(), || handle::free(server)) }
}
