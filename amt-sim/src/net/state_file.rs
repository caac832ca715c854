//! The truth as a file, replaced atomically: whoever opens it reads one whole state.

use crate::firmware::MachineTruth;
use amt_core::{ErrorCode, Failure};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Shortest time between two writes.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(serde::Serialize)]
struct File<'a> {
    machines: &'a [MachineTruth],
}

/// The document that file and control socket carry.
pub(crate) fn document(truths: &[MachineTruth]) -> Vec<u8> {
    serde_json::to_vec(&File { machines: truths }).unwrap_or_default()
}

/// Replaces the file.
pub(super) fn write(path: &Path, truths: &[MachineTruth]) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::new(ErrorCode::FILE_WRITE, "sim", format!("{}: {e}", path.display()));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside = path.with_file_name(name);
    std::fs::write(&beside, document(truths)).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

/// Writes whenever something changed, not more often than it takes ten times as long as a write.
pub(super) async fn keep(path: PathBuf, changed: Arc<AtomicBool>, truths: impl Fn() -> Vec<MachineTruth>) {
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        if !changed.swap(false, Ordering::SeqCst) {
            continue;
        }
        let begun = Instant::now();
        let state = truths();
        let to = path.clone();
        let written = tokio::task::spawn_blocking(move || write(&to, &state)).await;
        if let Ok(Err(failure)) = written {
            tracing::debug!(%failure, "state file");
        }
        pause = PAUSE.max(begun.elapsed() * 4);
    }
}
