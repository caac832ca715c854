//! `setup.bin`: the file on a USB stick by which a BIOS hands passwords, PID/PPS pairs and root hashes to the firmware
//! (`spec/setupbin.md`).
//!
//! A file is a header and any number of records, each one set of variables for one machine. Records that are not reusable are used once:
//! the BIOS marks a record as used before it applies it ([`SetupBin::consume`]). There is neither encryption nor integrity; the scrambling
//! of version 4 is a fixed shift. Whoever holds the file owns the machines that it sets up, so bodies are kept in
//! [`Secret`](crate::Secret)s.
//!
//! What was read is kept whole: unknown variables, reserved fields and padding too. [`SetupBin::encode`] gives back the same bytes.

mod body;
mod build;
mod consume;
mod header;
mod lint;
mod read;
mod record;
mod value;
mod variable;
mod version;

pub use body::{Entries, Entry, Stop};
pub use build::{Draft, RawEntry};
pub use consume::Wiped;
pub use header::Header;
pub use lint::{CODES, MAX_FINDINGS, lint};
pub use record::{Record, SetupBin};
pub use value::{RootEntry, Value};
pub use variable::{Kind, POWER_PACKAGES, TABLE, Variable};
pub use version::Version;

use crate::{ErrorCode, Failure};

/// Bytes of a chunk; header and records begin at multiples of it.
pub const CHUNK: usize = 512;
/// Bytes of a record before its body.
pub const RECORD_HEADER: usize = 24;
/// Bytes of the body of a record of one chunk, the only size that is known from the field.
pub const BODY: usize = CHUNK - RECORD_HEADER;
/// Bytes of an entry before its value.
pub const ENTRY_HEADER: usize = 8;
/// Most records that are read.
pub const MAX_RECORDS: usize = 65_536;
/// Most records that are written into a new file: a BIOS takes seconds to search a thousand.
pub const MAX_WRITTEN_RECORDS: usize = 10_000;
/// Most chunks of a record, and of the header, that are read.
pub const MAX_CHUNKS: u16 = 16;
/// Most module ids that fit behind a header of one chunk.
pub const MAX_MODULES: usize = 235;
/// Largest file that is read: [`MAX_RECORDS`] records of one chunk, and as much padding again.
pub const MAX_FILE: usize = 2 * CHUNK * (1 + MAX_RECORDS);
/// Most custom root hashes that firmware of AMT 3 to 7 stores.
pub const MAX_ROOT_HASHES: usize = 3;

const STAGE: &str = "setup.bin";

fn refused(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::SETUP_BIN, STAGE, message)
}

#[cfg(test)]
mod tests;
