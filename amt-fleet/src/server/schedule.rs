//! Whose turn it is: a queue, a cap, timers; one attempt at a time for a machine. No clock of its own.

use crate::config::RetryPolicy;
use amt_core::{ErrorCode, Failure, SystemId};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// What became of a hello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The machine waits for its turn now.
    Queued,
    /// It already did.
    AlreadyQueued,
    /// An attempt is under way; hellos repeat during provisioning.
    Running,
    /// Its last attempt ended so recently that the firmware, or the authority, would only be annoyed.
    TooSoon,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Queued,
    Running,
    /// Ended; tried again at `retry`, if at all by itself, and at a hello not before `earliest`.
    Resting {
        retry: Option<Instant>,
        earliest: Instant,
    },
}

/// Turns of all machines that the server is busy with.
#[derive(Debug)]
pub(super) struct Schedule {
    slots: HashMap<SystemId, Slot>,
    queue: VecDeque<SystemId>,
    timers: BTreeSet<(Instant, SystemId)>,
    running: usize,
    limit: usize,
}

impl Schedule {
    pub(super) fn new(limit: usize) -> Self {
        Self { slots: HashMap::new(), queue: VecDeque::new(), timers: BTreeSet::new(), running: 0, limit }
    }

    /// A hello of an admitted machine.
    pub(super) fn hello(&mut self, id: SystemId, now: Instant) -> Heard {
        match self.slots.get(&id) {
            Some(Slot::Queued) => Heard::AlreadyQueued,
            Some(Slot::Running) => Heard::Running,
            Some(Slot::Resting { earliest, .. }) if *earliest > now => Heard::TooSoon,
            Some(Slot::Resting { .. }) | None => {
                self.enqueue(id);
                Heard::Queued
            }
        }
    }

    /// Has a machine tried at `when` without a hello. Nothing happens if it is queued or running.
    pub(super) fn resume(&mut self, id: SystemId, when: Instant) {
        if !matches!(self.slots.get(&id), Some(Slot::Queued | Slot::Running)) {
            self.rest(id, Some(when), when);
        }
    }

    /// Has a machine that rests tried as soon as it may be.
    pub(super) fn after_rest(&mut self, id: SystemId) {
        if let Some(Slot::Resting { earliest, .. }) = self.slots.get(&id) {
            self.resume(id, *earliest);
        }
    }

    /// The next machine, if there is room. It is running from now on.
    pub(super) fn begin(&mut self) -> Option<SystemId> {
        if self.running >= self.limit {
            return None;
        }
        let id = self.queue.pop_front()?;
        self.slots.insert(id, Slot::Running);
        self.running += 1;
        Some(id)
    }

    /// An attempt is over: to be repeated at `retry`, by a hello from `earliest` on. Forgotten if neither is to come.
    pub(super) fn ended(&mut self, id: SystemId, retry: Option<Instant>, earliest: Option<Instant>) {
        if self.slots.remove(&id) == Some(Slot::Running) {
            self.running -= 1;
        }
        if let Some(earliest) = earliest {
            self.rest(id, retry, earliest);
        }
    }

    /// When [`due`](Self::due) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Queues the machines whose time has come.
    pub(super) fn due(&mut self, now: Instant) -> Vec<SystemId> {
        let mut due = Vec::new();
        while let Some((at, id)) = self.timers.first().copied()
            && at <= now
        {
            self.enqueue(id);
            due.push(id);
        }
        due
    }

    fn rest(&mut self, id: SystemId, retry: Option<Instant>, earliest: Instant) {
        self.forget_timer(id);
        if let Some(at) = retry {
            self.timers.insert((at, id));
        }
        self.slots.insert(id, Slot::Resting { retry, earliest });
    }

    fn enqueue(&mut self, id: SystemId) {
        self.forget_timer(id);
        self.slots.insert(id, Slot::Queued);
        self.queue.push_back(id);
    }

    fn forget_timer(&mut self, id: SystemId) {
        if let Some(Slot::Resting { retry: Some(at), .. }) = self.slots.get(&id) {
            self.timers.remove(&(*at, id));
        }
    }
}

/// What to do after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Try again after this long, without being asked.
    Retry(Duration),
    /// Wait for the machine's next hello.
    AwaitHello,
}

/// Decides after the `attempt`th failed attempt in a row. `undecided` is how long a certificate authority has had a request of the
/// machine's that it has not decided. `dice` is random, 0 to 255.
pub(super) fn after_failure(
    failure: &Failure,
    commit_sent: bool,
    attempt: u32,
    undecided: Option<Duration>,
    policy: &RetryPolicy,
    dice: u8,
) -> Next {
    let wait = back_off(policy, attempt, dice);
    if commit_sent {
        // A machine past its commit says no more hellos: it is asked until it proves itself.
        return Next::Retry(wait);
    }
    // People decide there; they may take days, longer than any number of attempts, and meanwhile the machine may be off.
    let is_given_up = undecided.is_some_and(|age| age >= policy.undecided);
    if failure.code == ErrorCode::CA_PENDING {
        return if is_given_up { Next::AwaitHello } else { Next::Retry(wait) };
    }
    if undecided.is_some() && !is_given_up && !needs_a_hand(failure.code) {
        return Next::Retry(wait);
    }
    if needs_a_hand(failure.code) || (policy.attempts > 0 && attempt >= policy.attempts) {
        return Next::AwaitHello;
    }
    Next::Retry(wait)
}

/// Doubles from `first` to `most`, less up to a quarter so that a thousand machines do not come back together.
fn back_off(policy: &RetryPolicy, attempt: u32, dice: u8) -> Duration {
    let factor = 1u32.checked_shl(attempt.saturating_sub(1).min(31)).unwrap_or(u32::MAX);
    let wait = policy.first.saturating_mul(factor).min(policy.most);
    wait - wait / 1024 * u32::from(dice)
}

/// Failures that time alone does not mend.
fn needs_a_hand(code: ErrorCode) -> bool {
    [
        ErrorCode::TLS_CHAIN_REFUSED,
        ErrorCode::TLS_CLIENT_REFUSED,
        ErrorCode::TLS_NO_CERTIFICATE_REQUEST,
        ErrorCode::TLS_VERSION,
        ErrorCode::TLS_PIN_MISMATCH,
        ErrorCode::TLS_LEGACY_NOT_ALLOWED,
        ErrorCode::TLS_LEGACY_MISSING,
        ErrorCode::PSK_WRONG,
        ErrorCode::PSK_IDENTITY,
        ErrorCode::PSK_UNKNOWN,
        ErrorCode::PSK_UNSUPPORTED,
        ErrorCode::NO_CERTIFICATE_FITS,
        ErrorCode::CA_DENIED,
        ErrorCode::OTP_MISMATCH,
        ErrorCode::WRONG_STATE,
        ErrorCode::ALREADY_PROVISIONED,
        ErrorCode::ADMIN_PASSWORD_UNKNOWN,
        ErrorCode::WRONG_MACHINE,
        ErrorCode::PLAN_INVALID,
        ErrorCode::UNSEAL,
        ErrorCode::UNSUPPORTED,
        ErrorCode::DIRECTORY_CONFLICT,
    ]
    .contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> SystemId {
        SystemId::from_wire([n; 16])
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_cap_holds_and_turns_come_in_order() {
        let now = Instant::now();
        let mut schedule = Schedule::new(2);
        for n in 1..=3 {
            assert_eq!(schedule.hello(id(n), now), Heard::Queued);
        }
        assert_eq!((schedule.begin(), schedule.begin(), schedule.begin()), (Some(id(1)), Some(id(2)), None));
        schedule.ended(id(2), None, None);
        assert_eq!((schedule.begin(), schedule.begin()), (Some(id(3)), None));
    }

    #[test]
    fn repeated_hellos_start_nothing_twice() {
        let now = Instant::now();
        let mut schedule = Schedule::new(5);
        schedule.hello(id(1), now);
        assert_eq!(schedule.hello(id(1), now), Heard::AlreadyQueued);
        schedule.begin();
        assert_eq!(schedule.hello(id(1), now), Heard::Running);
        assert_eq!(schedule.begin(), None);
        schedule.ended(id(1), Some(now + 60 * SECOND), Some(now + SECOND));
        assert_eq!(schedule.hello(id(1), now), Heard::TooSoon);
        schedule.after_rest(id(1));
        assert_eq!(schedule.deadline(), Some(now + SECOND), "without waiting for the timer or a hello");
        assert_eq!(schedule.hello(id(1), now + SECOND), Heard::Queued, "a hello beats the timer");
        assert_eq!(schedule.deadline(), None, "and takes it away");
        assert_eq!(schedule.begin(), Some(id(1)));
        assert_eq!(schedule.begin(), None);
    }

    #[test]
    fn timers_queue_each_machine_once() {
        let now = Instant::now();
        let mut schedule = Schedule::new(5);
        schedule.resume(id(1), now + 5 * SECOND);
        schedule.resume(id(2), now);
        schedule.resume(id(1), now + 3 * SECOND);
        assert_eq!(schedule.deadline(), Some(now));
        assert_eq!(schedule.due(now), [id(2)]);
        assert_eq!(schedule.deadline(), Some(now + 3 * SECOND));
        assert_eq!(schedule.due(now + 10 * SECOND), [id(1)]);
        assert_eq!(schedule.deadline(), None);
        schedule.resume(id(1), now);
        assert_eq!(schedule.deadline(), None, "it is queued already");
        assert_eq!((schedule.begin(), schedule.begin(), schedule.begin()), (Some(id(2)), Some(id(1)), None));
    }

    #[test]
    fn waits_double_up_to_the_most_and_differ() {
        let policy = RetryPolicy { first: 10 * SECOND, most: 60 * SECOND, attempts: 0, ..RetryPolicy::default() };
        let waits: Vec<_> = (1..=5).map(|n| back_off(&policy, n, 0).as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 60, 60]);
        assert_eq!(back_off(&policy, u32::MAX, 0), 60 * SECOND);
        let least = back_off(&policy, 9, 255);
        assert!(least >= 45 * SECOND && least < 60 * SECOND, "{least:?}");
    }

    #[test]
    fn what_a_hand_must_mend_waits_for_a_hello_unless_the_commit_was_sent() {
        let policy = RetryPolicy { attempts: 3, ..RetryPolicy::default() };
        let next = |code, commit_sent, attempt| {
            after_failure(&Failure::new(code, "x", "y"), commit_sent, attempt, None, &policy, 0)
        };
        assert_eq!(next(ErrorCode::OTP_MISMATCH, false, 1), Next::AwaitHello);
        assert!(matches!(next(ErrorCode::CONNECT_REFUSED, true, 99), Next::Retry(_)));
        assert!(matches!(next(ErrorCode::CONNECTION_RESET, false, 2), Next::Retry(_)));
        assert_eq!(next(ErrorCode::CONNECTION_RESET, false, 3), Next::AwaitHello);
        assert!(matches!(next(ErrorCode::CA_PENDING, false, 99), Next::Retry(_)), "approval may take days");
    }

    #[test]
    fn an_undecided_request_keeps_its_machine_for_as_long_as_the_authority_is_given() {
        let policy = RetryPolicy { attempts: 3, undecided: 100 * SECOND, ..RetryPolicy::default() };
        let next =
            |code, age: u32| after_failure(&Failure::new(code, "x", "y"), false, 99, Some(age * SECOND), &policy, 0);
        assert!(matches!(next(ErrorCode::CA_PENDING, 99), Next::Retry(_)));
        assert!(matches!(next(ErrorCode::CONNECT_TIMEOUT, 99), Next::Retry(_)), "it is switched off for the night");
        assert!(matches!(next(ErrorCode::CA_UNAVAILABLE, 99), Next::Retry(_)));
        assert_eq!(next(ErrorCode::CA_DENIED, 99), Next::AwaitHello);
        assert_eq!(next(ErrorCode::CA_PENDING, 100), Next::AwaitHello);
        assert_eq!(next(ErrorCode::CONNECT_TIMEOUT, 100), Next::AwaitHello);
    }
}
