//! The machine's clock.

use crate::session::{Session, try_call};
use crate::step::Step;
use amt_core::{ErrorCode, Failure};
use amt_wsman::class::amt::TimeSynchronizationService;
use amt_wsman::op::Reply;

/// Sets the clock. `told` is the reply to the question for its time, `received` our time (UTC, seconds since 1970) when it came, `now`
/// our time now.
pub(crate) async fn set<T: Send + 'static, R: Clone + Send + 'static>(
    session: &mut Session<T, R>,
    told: &Reply,
    received: u32,
    now: u32,
) -> Result<(), Failure> {
    let ta0 = TimeSynchronizationService::time(told).map_err(|e| e.failure(Step::SetClock.name()))?;
    let request = TimeSynchronizationService::set_high_accuracy_time_synch(ta0, received, now);
    match try_call(session, Step::SetClock, &request).await? {
        Ok(_) => Ok(()),
        Err(refusal) => {
            let mut failure = Failure::from(refusal);
            failure.code = ErrorCode::CLOCK_REFUSED;
            Err(failure.hint(ErrorCode::CLOCK_REFUSED.hint()))
        }
    }
}
