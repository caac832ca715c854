//! What the logs of other provisioning tools mean: known signatures, each with its cause and remedy.
//!
//! Reads Configuration Manager's `amtopmgr.log` in both of its formats, and any other log (rpc-go, rps, MeshCentral, Intel SCS)
//! line by line. A log may have any size: it is streamed, and everything that is remembered of it is bounded. What is not
//! understood is skipped, never refused; a log may be cut off, damaged, or no log at all.

mod entry;
mod lines;
mod signature;
mod study;

pub use entry::{Entry, MAX_FIELD};
pub use lines::{Line, Lines, MAX_LINE};
pub use signature::{SIGNATURES, Signature};
pub use study::{Found, MAX_MACHINES, MAX_NAMED, Study, Unknown};

use std::io::{self, Read};

/// Reads a whole log.
///
/// # Errors
/// Only those of `log` itself.
pub fn explain(log: impl Read) -> io::Result<Study> {
    let mut lines = Lines::new(log);
    let mut study = Study::new();
    while let Some(line) = lines.next()? {
        study.take(&line);
    }
    study.finish(&lines);
    Ok(study)
}

#[cfg(test)]
mod tests;
