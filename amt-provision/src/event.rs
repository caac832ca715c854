//! What a procedure tells while it runs.

use crate::facts::MachineFacts;
use crate::step::Step;
use amt_core::FirmwareVersion;
use amt_core::tls::{Rung, TlsOutcome};

/// Progress of one machine. Carries no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A step begins.
    Step(Step),
    /// A TLS connection stands.
    Connected(TlsOutcome),
    /// The machine has nothing in common with an engine; the next one is tried.
    SteppedDown {
        /// What was tried.
        from: Rung,
        /// What is tried now.
        to: Rung,
        /// What the device said or did.
        reason: String,
    },
    /// The firmware refused a provisioning certificate; the next candidate is tried.
    CertificateRefused {
        /// Which of the caller's certificates.
        index: usize,
        /// What the device said or did.
        reason: String,
    },
    /// The firmware version is known.
    Version(FirmwareVersion),
    /// What the machine said of itself, before anything was changed in it.
    Facts(Box<MachineFacts>),
    /// Something that an administrator should be able to read in the diary.
    Note(String),
}
