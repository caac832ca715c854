//! The machine's clock: read, and set where it is off (`spec/wsman.md` §3.4). Kerberos, certificates and both logs rest on it.

use crate::event::Event;
use crate::machine::{Cx, Machine};
use crate::managed::{Access, Managed, need_set_up};
use crate::session::{Session, try_call};
use crate::step::Step;
use amt_core::{ErrorCode, Failure, SystemId, Tick};
use amt_wsman::class::amt::TimeSynchronizationService;
use amt_wsman::op::Reply;
use std::convert::Infallible;

/// Seconds by which a clock may be off before it is set.
pub const MAX_DRIFT: u32 = 10;

/// Everything that one look at a clock needs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Clock {
    /// How the machine is reached.
    pub access: Access,
    /// Our time, UTC, seconds since 1970, at tick 0.
    pub wall_clock: i64,
    /// Whether a clock that is off by more than [`MAX_DRIFT`] is set.
    pub set: bool,
}

impl Clock {
    /// A look at the clock of the machine that `access` reaches, which sets it where it is off.
    pub const fn new(access: Access, wall_clock: i64) -> Self {
        Self { access, wall_clock, set: true }
    }

    /// The look as a machine to be driven. It makes nothing durable.
    pub fn start(self) -> Machine<ClockSeen, Infallible> {
        Machine::without_record(move |cx| run(cx, self))
    }
}

/// How a clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockSeen {
    /// The machine.
    pub id: SystemId,
    /// Seconds by which it was found ahead of ours; behind it, below zero.
    pub drift: i64,
    /// Whether it was set, and read back right.
    pub set: bool,
}

async fn run(cx: Cx, clock: Clock) -> Result<ClockSeen, Failure> {
    let Clock { access, wall_clock, set } = clock;
    cx.input(None).await?;
    let Managed { mut session, state, .. } = Managed::open(&cx, &access).await?;
    need_set_up(state.u32("ProvisioningState"), Step::ReadState, "given the time")?;
    cx.event(Event::Step(Step::SetClock));
    let seen = ClockReading::take(&cx, &mut session, wall_clock).await?;
    let due = set && seen.is_off();
    if due {
        seen.set(&mut session, wall(cx.now(), wall_clock)).await?;
        let left = ClockReading::take(&cx, &mut session, wall_clock).await?;
        if left.is_off() {
            let text = format!("the machine took the time and its clock is {} s off afterwards", left.drift());
            return Err(Failure::new(ErrorCode::PROOF_FAILED, Step::SetClock.name(), text));
        }
    }
    cx.event(Event::Step(Step::Done));
    Ok(ClockSeen { id: access.id, drift: seen.drift(), set: due })
}

/// What a machine said of its time, and ours when it came.
pub(crate) struct ClockReading {
    theirs: u32,
    ours: u32,
}

impl ClockReading {
    /// Asks the machine. `wall_clock` is our time at tick 0.
    pub(crate) async fn take(cx: &Cx, session: &mut Session, wall_clock: i64) -> Result<Self, Failure> {
        let told = session.call(Step::SetClock, &TimeSynchronizationService::get_low_accuracy_time_synch()).await?;
        Self::of(&told, wall(cx.now(), wall_clock))
    }

    /// The reply to the question for its time, which came when ours was `ours` (UTC, seconds since 1970).
    pub(crate) fn of(told: &Reply, ours: u32) -> Result<Self, Failure> {
        let theirs = TimeSynchronizationService::time(told).map_err(|e| e.failure(Step::SetClock.name()))?;
        Ok(Self { theirs, ours })
    }

    /// Seconds by which it is ahead of ours.
    pub(crate) fn drift(&self) -> i64 {
        i64::from(self.theirs) - i64::from(self.ours)
    }

    /// Whether that is too much.
    pub(crate) fn is_off(&self) -> bool {
        self.drift().unsigned_abs() > u64::from(MAX_DRIFT)
    }

    /// Sets it to `now`, our time.
    pub(crate) async fn set(&self, session: &mut Session, now: u32) -> Result<(), Failure> {
        let request = TimeSynchronizationService::set_high_accuracy_time_synch(self.theirs, self.ours, now);
        match try_call(session, Step::SetClock, &request).await? {
            Ok(_) => Ok(()),
            Err(refusal) => {
                let mut failure = Failure::from(refusal);
                failure.code = ErrorCode::CLOCK_REFUSED;
                Err(failure.hint(ErrorCode::CLOCK_REFUSED.hint()))
            }
        }
    }
}

/// Our time, UTC, seconds since 1970, where it was `wall_clock` at tick 0.
pub(crate) fn wall(now: Tick, wall_clock: i64) -> u32 {
    let since = i64::try_from(now.0 / 1000).unwrap_or(i64::MAX);
    u32::try_from(wall_clock.saturating_add(since)).unwrap_or(u32::MAX)
}
