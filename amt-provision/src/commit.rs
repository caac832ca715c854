//! The commit, sent once, and the wait for the machine behind it. What remote configuration and a rename have in common.

use crate::machine::Cx;
use crate::session::{CallError, Session};
use crate::step::Step;
use amt_core::{ErrorCode, Failure, Tick};
use amt_wsman::class::amt::SetupAndConfigurationService;
use std::time::Duration;

/// First pause before looking whether the machine is back; it grows up to the longest.
const RETURN_FIRST: Duration = Duration::from_millis(500);
const RETURN_LONGEST: Duration = Duration::from_secs(4);

/// Sends CommitChanges. `Ok(Err(_))` if the machine refused, and then nothing was committed; `Err` if it could not be asked. A lost
/// answer is none: whether it was done, the machine's state tells.
pub(crate) async fn send(cx: &Cx, session: &mut Session) -> Result<Result<(), Failure>, Failure> {
    match session.call(Step::Commit, &SetupAndConfigurationService::commit_changes()).await {
        Ok(_) => Ok(Ok(())),
        // The network stack restarts and may take the answer with it.
        Err(error) if error.is_lost() => {
            cx.note("the answer to the commit was lost; the machine's state will tell");
            Ok(Ok(()))
        }
        Err(error @ CallError::Wsman(..)) if error.is_refusal() => {
            let mut failure = Failure::from(error);
            failure.code = ErrorCode::COMMIT_REFUSED;
            Ok(Err(failure.hint(ErrorCode::COMMIT_REFUSED.hint())))
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks for a machine that restarts its network, less and less often.
pub(crate) struct Comeback {
    pause: Duration,
    until: Tick,
    limit: Duration,
}

impl Comeback {
    /// The machine has `limit` from now on.
    pub(crate) fn within(now: Tick, limit: Duration) -> Self {
        Self { pause: RETURN_FIRST, until: now.after(limit), limit }
    }

    /// Waits until it is time to look.
    pub(crate) async fn wait(&mut self, cx: &Cx) -> Result<(), Failure> {
        cx.sleep(self.pause).await?;
        self.pause = (self.pause * 2).min(RETURN_LONGEST);
        Ok(())
    }

    /// Whether there is no time for another look.
    pub(crate) fn is_over(&self, now: Tick) -> bool {
        now.after(self.pause) > self.until
    }

    /// It is not there, by `failure`: `Err` if there is no time for another look.
    pub(crate) fn missed(&self, now: Tick, failure: Failure) -> Result<(), Failure> {
        if !self.is_over(now) {
            return Ok(());
        }
        let seconds = self.limit.as_secs();
        let text = format!("the machine did not come back as it shall be within {seconds} s: {}", failure.message);
        let mut proof = Failure::new(ErrorCode::PROOF_FAILED, Step::Prove.name(), text);
        proof.device = failure.into_details().device;
        Err(proof)
    }
}

/// Whether it may only be that the firmware is still restarting its network.
pub(crate) fn is_restart(failure: &Failure) -> bool {
    matches!(failure.code.number(), 6001..=6999)
        || matches!(
            failure.code,
            ErrorCode::REPLY_TRUNCATED
                | ErrorCode::REPLY_TIMEOUT
                | ErrorCode::TLS_CLOSED
                | ErrorCode::TLS_HANDSHAKE
                | ErrorCode::TLS_PIN_MISMATCH
                | ErrorCode::APF_REFUSED
                | ErrorCode::APF_PROTOCOL
                | ErrorCode::MEI_RESET
                | ErrorCode::MEI_BUSY
        )
}
