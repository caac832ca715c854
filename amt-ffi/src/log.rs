//! `amt_log_set_sink`: where the library's log goes. The one callback of this interface.

use crate::argument;
use crate::error::amt_error;
use crate::guard::guard;
use crate::status::amt_status;
use amt_core::{ErrorCode, Failure};
use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber, set_global_default};
use tracing::{Event, Level, Metadata};

/// Something failed that nobody else is told of.
pub const AMT_LOG_ERROR: u32 = 1;
/// Something that an administrator should look at.
pub const AMT_LOG_WARN: u32 = 2;
/// What happens seldom.
pub const AMT_LOG_INFO: u32 = 3;
/// A line for each connection.
pub const AMT_LOG_DEBUG: u32 = 4;
/// Everything, down to how many bytes were sent in which step.
pub const AMT_LOG_TRACE: u32 = 5;

/// Takes a line of the log: its level, one of `AMT_LOG_`; its target, the part of the library that says it, such as `amt::driver`; and the
/// message, one line, the facts of it behind the text as `name=value`. Both are UTF-8, not NUL-terminated, and valid during the call only.
pub type amt_log_sink = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        level: u32,
        target: *const c_char,
        target_len: usize,
        message: *const c_char,
        message_len: usize,
    ),
>;

/// Sends lines of the library's log up to `level`, one of `AMT_LOG_`, to `sink`, in place of the sink before; null ends that, whatever `level`
/// says. There is one sink for the process, and none at first: then nothing is logged anywhere.
///
/// `sink` is called on the thread that does the work, inside the call that does it, or on a thread of a database; on several threads at a
/// time. It has to return soon, must not unwind or jump out, and what it calls of this library is not logged. When this function
/// returns, the sink before runs on no thread and will not be called again: `user_data`, which is handed through and never looked at, may then
/// be freed. No line has a secret in it.
///
/// Fails with `AMT_E_BUSY` inside the sink itself, and with `AMT_E_UNSUPPORTED` in a Rust program that has a subscriber of its own.
///
/// # Safety
/// `sink` is null or such a function, which may be called with `user_data` from any thread until another sink, or none, was set; `err` is null or
/// writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn amt_log_set_sink(
    level: u32,
    sink: amt_log_sink,
    user_data: *mut c_void,
    err: *mut *mut amt_error,
) -> amt_status {
    // SAFETY: the caller keeps the contract above; the rest is checked inside.
    unsafe {
        guard(err, || {
            if INSIDE.get() {
                return Err(Failure::new(ErrorCode::BUSY, "call", "the sink itself cannot be replaced from inside"));
            }
            let next = match sink {
                None => None,
                Some(_) if !(AMT_LOG_ERROR..=AMT_LOG_TRACE).contains(&level) => {
                    let text = format!("level: {level} is none of AMT_LOG_*");
                    return Err(argument::invalid(text));
                }
                Some(function) => {
                    install()?;
                    Some(Sink { function, user_data })
                }
            };
            // Waits for the calls that are under way.
            let mut place = SINK.write().unwrap_or_else(PoisonError::into_inner);
            LEVEL.store(if next.is_some() { level } else { 0 }, Ordering::Relaxed);
            *place = next;
            Ok(())
        })
    }
}

struct Sink {
    function: unsafe extern "C" fn(*mut c_void, u32, *const c_char, usize, *const c_char, usize),
    user_data: *mut c_void,
}

// SAFETY: `user_data` is only handed through, and the caller promised that the function takes it on any thread, on several at a time.
unsafe impl Send for Sink {}
// SAFETY: as above.
unsafe impl Sync for Sink {}

static SINK: RwLock<Option<Sink>> = RwLock::new(None);
/// Lines above it are not made.
static LEVEL: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// Whether this thread is inside the sink.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Makes [`Lines`] the process's subscriber, for good.
fn install() -> Result<(), Failure> {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    if *INSTALLED.get_or_init(|| set_global_default(Lines).is_ok()) {
        return Ok(());
    }
    let text = "this program has a subscriber of its own, which gets the library's events";
    Err(Failure::new(ErrorCode::UNSUPPORTED, "call", text))
}

/// Takes the events of this library, and of nothing that it is built of: what others log, a database driver its statements, is not
/// known to be without secrets.
struct Lines;

impl Subscriber for Lines {
    fn register_callsite(&self, event: &'static Metadata<'static>) -> Interest {
        if event.is_event() && is_ours(event.target()) { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, event: &Metadata<'_>) -> bool {
        number(*event.level()) <= LEVEL.load(Ordering::Relaxed) && event.is_event() && is_ours(event.target())
    }

    fn event(&self, event: &Event<'_>) {
        if INSIDE.get() {
            return;
        }
        let (target, level) = (event.metadata().target(), number(*event.metadata().level()));
        let mut line = Line::default();
        event.record(&mut line);
        let message = line.finish();
        let place = SINK.read().unwrap_or_else(PoisonError::into_inner);
        let Some(sink) = &*place else { return };
        INSIDE.set(true);
        // SAFETY: the function and its `user_data` are in use until they are replaced, which waits for the lock held here.
        unsafe {
            (sink.function)(
                sink.user_data,
                level,
                target.as_ptr().cast(),
                target.len(),
                message.as_ptr().cast(),
                message.len(),
            );
        }
        INSIDE.set(false);
    }

    // There are no spans: none is enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn is_ours(target: &str) -> bool {
    let name = target.split("::").next().unwrap_or(target);
    name == "amt" || name.starts_with("amt_")
}

fn number(level: Level) -> u32 {
    match level {
        Level::ERROR => AMT_LOG_ERROR,
        Level::WARN => AMT_LOG_WARN,
        Level::INFO => AMT_LOG_INFO,
        Level::DEBUG => AMT_LOG_DEBUG,
        _ => AMT_LOG_TRACE,
    }
}

/// The text of an event, then its fields.
#[derive(Default)]
struct Line {
    text: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail; what a value's own Debug refuses to write is left out.
        let _ = if field.name() == "message" {
            write!(self.text, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

impl Line {
    /// In one line, whatever a device or a file said.
    fn finish(self) -> String {
        let line = self.text + &self.fields;
        line.trim_start().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;
    use std::sync::Mutex;

    /// What [`note`] was given: level, target, message.
    type Noted = Mutex<Vec<(u32, String, String)>>;

    /// What setting a sink inside a sink answers.
    static NESTED: AtomicU32 = AtomicU32::new(0);

    unsafe extern "C" fn note(
        user_data: *mut c_void,
        level: u32,
        target: *const c_char,
        target_len: usize,
        message: *const c_char,
        message_len: usize,
    ) {
        // SAFETY: the test passes its own list, and the lengths are those of the texts.
        let (noted, target, message) = unsafe {
            (
                &*user_data.cast::<Noted>(),
                str::from_utf8(std::slice::from_raw_parts(target.cast(), target_len)).unwrap(),
                str::from_utf8(std::slice::from_raw_parts(message.cast(), message_len)).unwrap(),
            )
        };
        noted.lock().unwrap().push((level, target.to_owned(), message.to_owned()));
        tracing::error!("from inside");
        // SAFETY: null is no sink.
        NESTED.store(unsafe { amt_log_set_sink(0, None, ptr::null_mut(), ptr::null_mut()) }, Ordering::Relaxed);
    }

    #[test]
    fn lines_come_as_long_as_there_is_a_sink() {
        let noted = Noted::default();
        let set = |level, sink: amt_log_sink| {
            // SAFETY: the list outlives the sink, which is removed below.
            unsafe { amt_log_set_sink(level, sink, ptr::from_ref(&noted).cast_mut().cast(), ptr::null_mut()) }
        };
        tracing::error!("nobody hears this");
        assert_eq!(set(6, Some(note)), ErrorCode::INVALID_ARGUMENT.number());
        assert_eq!(set(0, Some(note)), ErrorCode::INVALID_ARGUMENT.number());
        assert_eq!(set(AMT_LOG_DEBUG, Some(note)), 0);
        tracing::debug!(count = 2, name = %"a b", "two\nlines");
        tracing::trace!("too fine");
        tracing::error!(target: "sqlx::query", "not ours");
        tracing::error!(target: "amtelsat", "not ours either");
        assert_eq!(NESTED.load(Ordering::Relaxed), ErrorCode::BUSY.number());
        assert_eq!(set(AMT_LOG_ERROR, Some(note)), 0);
        tracing::debug!("too fine now");
        assert_eq!(set(0, None), 0);
        tracing::error!("nobody hears this either");
        let mut noted = noted.into_inner().unwrap();
        noted.retain(|(_, target, _)| target.starts_with("amt_ffi::log"));
        assert_eq!(noted, [(AMT_LOG_DEBUG, "amt_ffi::log::tests".into(), "two lines count=2 name=a b".into())]);
    }
}
