//! The host of procedures that have nothing of their own to keep.

use crate::output::Output;
use amt::Host;
use amt_core::{ErrorCode, Failure, SystemId};
use amt_provision::{CaAnswer, CertificateRequest, Event, Record};
use std::sync::Mutex;

/// Shows notes, certifies nothing, and keeps no journal: only for procedures whose secrets are durable elsewhere before they begin.
pub(super) struct Notes<'o>(Option<Mutex<&'o mut Output>>);

impl<'o> Notes<'o> {
    /// Notes are shown.
    pub(super) const fn on(out: &'o mut Output) -> Self {
        Self(Some(Mutex::new(out)))
    }

    /// Nothing is shown.
    pub(super) const fn silent() -> Self {
        Self(None)
    }
}

impl Host for Notes<'_> {
    async fn persist(&self, _: &Record) -> Result<(), Failure> {
        Ok(())
    }

    async fn certify(&self, _: &CertificateRequest) -> CaAnswer {
        CaAnswer::Failed(Failure::new(ErrorCode::CA_UNAVAILABLE, "certify", "nothing is certified here"))
    }

    fn event(&self, _: SystemId, event: &Event) {
        if let (Event::Note(note), Some(Ok(mut out))) = (event, self.0.as_ref().map(Mutex::lock)) {
            // What cannot be shown now shows when the result is.
            let _ = out.line(&format!("  {note}"));
        }
    }
}
