//! The clock of a machine that is set up.

use crate::driver::{NoRecord, drive};
use crate::host::Host;
use crate::managed::Target;
use amt_core::Failure;
use amt_provision::clock::{Clock, ClockSeen};

/// One look at the clock of one machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClockJob {
    /// How the machine is reached.
    pub target: Target,
    /// Whether a clock that is off by more than [`MAX_DRIFT`](amt_provision::clock::MAX_DRIFT) is set.
    pub set: bool,
}

impl ClockJob {
    /// A look that sets a clock which is off.
    pub const fn new(target: Target) -> Self {
        Self { target, set: true }
    }
}

/// Compares the machine's clock with this system's, and sets it where it is off. Nothing is made durable; of `host` only
/// [`event`](Host::event) is called. May be dropped and repeated at any time.
///
/// # Errors
/// As [`read_facts`](crate::read_facts); `WRONG_STATE` if the machine is not set up, `CLOCK_REFUSED` if it refused the time,
/// `PROOF_FAILED` if it did not keep it.
pub async fn clock<H: Host>(job: ClockJob, host: &H) -> Result<ClockSeen, Failure> {
    let (access, chains) = job.target.access()?;
    let mut clock = Clock::new(access, crate::wall_clock());
    clock.set = job.set;
    drive(&mut clock.start(), job.target.id, job.target.place(), &chains, host, &NoRecord).await
}
