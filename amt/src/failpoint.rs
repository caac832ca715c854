//! Points at which a test may have the process killed.
//!
//! With the cargo feature `failpoints`, `AMT_FAILPOINT=<name>[:<count>]` makes the process kill itself (SIGKILL: nothing is
//! flushed, no destructor runs) when the named point is passed for the `count`th time, by default the first. Without the
//! feature every point is nothing.
//!
//! | name | passed |
//! |---|---|
//! | `persist-before`, `persist-before:<step>` | a record was handed over, nothing of it is stored |
//! | `persist-after`, `persist-after:<step>` | it is durable, the procedure does not know yet |
//! | `transmit-before:<step>`, `transmit-after:<step>` | around every write to the machine in this step |
//! | `step:<step>` | the procedure is about to begin this step |
//! | `certify-before`, `certify-after` | around the question to the certificate authority |
//! | `state-after:<state>` | the machine's state in the database has just changed |

/// Passes the point `name` and, if `detail` is not empty, `name:detail`.
#[cfg(all(feature = "failpoints", unix))]
pub fn pass(name: &str, detail: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static WANTED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static SEEN: AtomicU32 = AtomicU32::new(0);

    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("AMT_FAILPOINT").ok()?;
        Some(match text.rsplit_once(':').map(|(name, count)| (name, count.parse())) {
            Some((name, Ok(count))) => (name.to_owned(), count),
            _ => (text, 1),
        })
    });
    let Some((point, count)) = wanted else { return };
    let full = [name, detail].join(":");
    if (point == name || *point == full) && SEEN.fetch_add(1, Ordering::SeqCst) + 1 == *count {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal ends the process before it returns to user code; this is for the reader.
        std::process::abort();
    }
}

/// Passes the point `name`: nothing in this build.
#[cfg(not(all(feature = "failpoints", unix)))]
pub const fn pass(_name: &str, _detail: &str) {}
